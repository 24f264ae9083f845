from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from wasabi import Printer

from ._util import GPU, Arg, Opt, Silent, app, errors_as_messages, printable

if TYPE_CHECKING:
    from rich.console import Console

    from ..evaluation.evaluate import Evaluation
    from ..evaluation.report import Report
    from ..evaluation.tables import Table

HTML_NAME, PLOT_NAME = "report.html", "reliability.png"
# Table width if the output is not a terminal.
_WIDTH = 240


# fmt: off
@app.command("report")
def report_cli(
    metrics_dir: Annotated[Path, Arg(metavar="METRICS_DIR", help="Folder with the JSON files from `spacy evaluate --output`, one per split; may be missing with --model")],
    output_dir: Annotated[Path | None, Opt("--output", "-o", help="Output folder. Default: METRICS_DIR")] = None,
    title: Annotated[str | None, Opt("--title", "-t", help="Title")] = None,
    model: Annotated[str | None, Opt("--model", "-m", help="Folder or package of a trained pipeline to run on --corpus")] = None,
    corpora: Annotated[list[Path] | None, Opt("--corpus", "-c", help="Annotated tweets (.spacy or token/tag file); repeatable")] = None,
    train: Annotated[Path | None, Opt("--train", help="Training data (.spacy or token/tag file), to separate seen from unseen names. Default: the --corpus named train.spacy")] = None,
    against: Annotated[list[Path] | None, Opt("--against", "-a", help="Metrics folder of another model to compare with or, with --model, another pipeline, compared tweet by tweet; repeatable")] = None,
    plot: Annotated[bool, Opt("--plot", "-p", help="Also plot reliability.png (extra `viz`)")] = False,
    gpu_id: GPU = -1,
    silent: Silent = False,
) -> None:
    # fmt: on
    """
    Report a model's scores. Expects the JSON files written by `python -m spacy evaluate MODEL
    SPLIT.spacy --output METRICS_DIR/SPLIT.json` for the train, validation and test splits, and
    writes report.md and report.json with scores overall and per entity type. Includes the scores
    in SPLIT_raw.json, for the same tweets as raw text (see `convert --raw`), and the calibration in
    confidence.json (see `reliability`).

    With --model and --corpus, also reports confidence intervals, partial matches, seen and unseen
    names, entity lengths and confusions, and writes report.html with all results, the training
    curves if there is a progress.jsonl next to the pipeline, and every tweet with its gold and
    predicted entities.
    """
    from ..evaluation.evaluate import is_pipeline
    from ..evaluation.report import DEFAULT_TITLE, make_report, report_tables, write_report

    printer = Printer(no_print=silent)
    with errors_as_messages(printer):
        pipelines = [path for path in against or [] if is_pipeline(path)]
        folders = [path for path in against or [] if path not in pipelines]
        evaluation = _evaluate(model, corpora or [], train, pipelines, gpu_id, printer)
        metrics = [some for some, _ in evaluation.splits] if evaluation else []
        report = make_report(
            metrics_dir, title=title or DEFAULT_TITLE, against=folders, metrics=metrics
        )
        paths = list(write_report(report, output_dir or metrics_dir))
        if evaluation is not None and model is not None:
            path = (output_dir or metrics_dir) / HTML_NAME
            _write_html(evaluation, report, model, path)
            paths.append(path)
        if plot:
            paths.append(_draw(report, output_dir or metrics_dir))
    if not silent:
        from ..evaluation.tables import metrics_tables

        # Only F1 per type, so that the tables fit in a terminal.
        print_tables(report_tables(report, type_columns=("F1",)))
        if metrics:
            print_tables(metrics_tables(metrics[-1]))
    saved = f"{paths[0]}, {', '.join(p.name for p in paths[1:])}"
    printer.good(f"Saved the report to {printable(saved)}")


def _draw(report: "Report", folder: Path) -> Path:
    from ..viz.plots import draw_reliability

    if report.confidence is None:
        raise ValueError(
            "nothing to plot. First run `spacy-twitter-ner reliability MODEL "
            f"SPLIT.spacy --output {folder}`"
        )
    path = folder / PLOT_NAME
    draw_reliability(report.confidence, [path], title=report.title)
    return path


def _evaluate(
    model: str | None,
    corpora: list[Path],
    train: Path | None,
    pipelines: list[Path],
    gpu_id: int,
    printer: Printer,
) -> "Evaluation | None":
    from ..evaluation.evaluate import evaluate, pipeline_name

    if model is None:
        if corpora or train or pipelines:
            raise ValueError(
                "--corpus, --train and a pipeline in --against also need --model"
            )
        return None
    if not corpora:
        raise ValueError("--model also needs --corpus, with annotated tweets")
    if gpu_id >= 0:
        from spacy import require_gpu

        require_gpu(gpu_id)
    names = {pipeline_name(path): str(path) for path in pipelines}
    if len(names) < len(pipelines):
        names = {str(path): str(path) for path in pipelines}
    return evaluate(
        model,
        corpora,
        train=train,
        against=names,
        on_corpus=lambda name, size: printer.info(f"Running on {printable(name)}: {size:,} tweets"),
    )


def _write_html(evaluation: "Evaluation", report: "Report", model: str, path: Path) -> None:
    from ..viz.html import make_page, write_page

    page = make_page(
        report.title,
        evaluation.splits,
        surfaces=evaluation.surfaces,
        checkpoints=evaluation.checkpoints,
        reliability=report.confidence,
        about={"Pipeline": model},
    )
    write_page(page, path)


def print_tables(tables: "Iterable[Table]", console: "Console | None" = None) -> None:
    """Print tables to the terminal.

    tables (Iterable[Table]): The tables.
    console (Optional[Console]): The console. Default: standard output.
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
        for index, shade in enumerate(shades, start=1):
            # A blue that is dark enough for white text.
            color = f"{round(30 * shade)},{round(95 * shade)},{round(160 * shade)}"
            if shade > 0.05:
                cells[index] = f"[white on rgb({color})]{cells[index]}[/]"
        rich_table.add_row(*cells)
    return rich_table


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(printable(text))
