"""`spacy-twitter-ner report`: how good a model is, from the scores that `spacy evaluate` wrote and
from the model itself."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from wasabi import Printer

from .app import app, errors_as_messages, printable

if TYPE_CHECKING:
    from rich.console import Console

    from ..evaluation.analysis import Analysis
    from ..evaluation.reports import Report
    from ..evaluation.tables import Table

HTML_NAME, PLOT_NAME = "report.html", "reliability.png"
# Where output is no terminal its width is nobody's; wide tables shall not be broken.
_WIDTH = 240


@app.command("report")
def report_cli(
    metrics_dir: Annotated[
        Path,
        typer.Argument(
            metavar="METRICS_DIR",
            help="Folder of JSON files by `spacy evaluate --output`, one a split; with --model "
            "there may be none",
        ),
    ],
    output_dir: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for the report; default: METRICS_DIR"),
    ] = None,
    title: Annotated[str | None, typer.Option("--title", "-t", help="Heading")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="The trained pipeline, to look at what it finds in --corpus"
        ),
    ] = None,
    corpora: Annotated[
        list[Path] | None,
        typer.Option(
            "--corpus",
            "-c",
            help="Annotated tweets (.spacy or token/tag file), named after the file; repeatable",
        ),
    ] = None,
    train: Annotated[
        Path | None,
        typer.Option(
            "--train",
            help="The training data (.spacy or token/tag file), to tell names that were seen "
            "from new ones; default: the --corpus train.spacy",
        ),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            "--against",
            "-a",
            help="Folder of another model's metrics to compare with or, with --model, another "
            "pipeline, compared tweet by tweet; repeatable",
        ),
    ] = None,
    plot: Annotated[
        bool, typer.Option("--plot", "-p", help="Draw reliability.png too (extra `viz`)")
    ] = False,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU to use, -1 for the CPU")] = -1,
    silent: Annotated[bool, typer.Option("--silent", "-S", help="Print errors only")] = False,
) -> None:
    """
    Report a model's scores. Expects the JSON files that `python -m spacy evaluate
    MODEL SPLIT.spacy --output METRICS_DIR/SPLIT.json` writes, for example of train,
    validation and test, and writes report.md and report.json with the scores
    overall and by entity type. Scores of SPLIT_raw.json, the same tweets on raw text
    (see `convert --raw`), stand beside those of SPLIT.json, with the loss; and so
    do the figures of confidence.json, which `reliability` writes.

    With --model and --corpus the report also has intervals, partial matches, names seen in
    training and new ones, lengths and confusions, and report.html shows all of it, the curves
    of the training, if progress.jsonl lies beside the pipeline, and every tweet with its gold
    and predicted entities.
    """
    from ..evaluation.analysis import is_pipeline
    from ..evaluation.reports import DEFAULT_TITLE, make_report, report_tables, write_report

    printer = Printer(no_print=silent)
    with errors_as_messages(printer):
        pipelines = [path for path in against or [] if is_pipeline(path)]
        folders = [path for path in against or [] if path not in pipelines]
        analysis = _analyse(model, corpora or [], train, pipelines, gpu_id, printer)
        quality = [some for some, _ in analysis.splits] if analysis else []
        report = make_report(
            metrics_dir, title=title or DEFAULT_TITLE, against=folders, quality=quality
        )
        paths = list(write_report(report, output_dir or metrics_dir))
        if analysis is not None and model is not None:
            path = (output_dir or metrics_dir) / HTML_NAME
            _write_html(analysis, report, model, path)
            paths.append(path)
        if plot:
            paths.append(_draw(report, output_dir or metrics_dir))
    if not silent:
        from ..evaluation.quality_tables import quality_tables

        # Of the types only F1, so that the tables fit in a terminal.
        print_tables(report_tables(report, type_columns=("F1",)))
        if quality:
            print_tables(quality_tables(quality[-1]))
    saved = f"{paths[0]}, {', '.join(p.name for p in paths[1:])}"
    printer.good(f"Saved the report to {printable(saved)}")


def _draw(report: "Report", folder: Path) -> Path:
    from ..viz.reliability import draw_reliability

    if report.confidence is None:
        raise ValueError(
            "nothing to plot: measure confidence with `spacy-twitter-ner reliability MODEL "
            f"SPLIT.spacy --output {folder}` first"
        )
    path = folder / PLOT_NAME
    draw_reliability(report.confidence, [path], title=report.title)
    return path


def _analyse(
    model: str | None,
    corpora: list[Path],
    train: Path | None,
    pipelines: list[Path],
    gpu_id: int,
    printer: Printer,
) -> "Analysis | None":
    from ..evaluation.analysis import analyse, pipeline_name

    if model is None:
        if corpora or train or pipelines:
            raise ValueError(
                "--corpus, --train and a pipeline in --against need the pipeline to look at: "
                "give --model, too"
            )
        return None
    if not corpora:
        raise ValueError("--model needs annotated tweets to run on: give --corpus, too")
    if gpu_id >= 0:
        from spacy import require_gpu

        require_gpu(gpu_id)
    names = {pipeline_name(path): str(path) for path in pipelines}
    if len(names) < len(pipelines):
        names = {str(path): str(path) for path in pipelines}
    return analyse(
        model,
        corpora,
        train=train,
        against=names,
        on_corpus=lambda name, size: printer.info(f"Running on {printable(name)}: {size:,} tweets"),
    )


def _write_html(analysis: "Analysis", report: "Report", model: str, path: Path) -> None:
    from ..viz.html import make_page, write_page

    page = make_page(
        report.title,
        analysis.splits,
        surfaces=analysis.surfaces,
        checkpoints=analysis.checkpoints,
        reliability=report.confidence,
        about={"Pipeline": model},
    )
    write_page(page, path)


def print_tables(tables: "Iterable[Table]", console: "Console | None" = None) -> None:
    """Print tables to the terminal.

    tables (Iterable[Table]): The tables.
    console (Optional[Console]): Where to; standard output by default.
    """
    from rich.console import Console

    if console is None:
        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=_WIDTH)
    for table in tables:
        console.print(f"\n [bold]{_escape(table.title)}[/]")
        if table.note:
            console.print(f" [dim]{_escape(table.note)}[/]")
        console.print(_rich_table(table))


def _rich_table(table: "Table") -> object:
    from rich import box
    from rich.table import Table as RichTable

    rich_table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, name in enumerate(table.header):
        rich_table.add_column(_escape(name), justify="right" if index else "left")
    for number, row in enumerate(table.rows):
        shades = table.shades[number] if table.shades else []
        cells = [_escape(cell) for cell in row]
        for place, shade in enumerate(shades, start=1):
            # From no colour to a blue that white text can be read on.
            color = f"{round(30 * shade)},{round(95 * shade)},{round(160 * shade)}"
            if shade > 0.05:
                cells[place] = f"[white on rgb({color})]{cells[place]}[/]"
        rich_table.add_row(*cells)
    return rich_table


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(printable(text))
