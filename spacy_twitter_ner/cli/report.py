"""`spacy-twitter-ner report`: one report of the scores that `spacy evaluate` wrote."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import Printer

from ..evaluation.reports import (
    DEFAULT_TITLE,
    Report,
    make_report,
    report_tables,
    write_report,
)
from .app import app, errors_as_messages

PLOT_NAME = "reliability.png"


@app.command("report")
def report_cli(
    metrics_dir: Annotated[
        Path,
        typer.Argument(
            metavar="METRICS_DIR",
            help="Folder of JSON files by `spacy evaluate --output`, one a split",
        ),
    ],
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder for report.md and report.json; default: METRICS_DIR"
        ),
    ] = None,
    title: Annotated[str, typer.Option("--title", "-t", help="Heading")] = DEFAULT_TITLE,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            "--against", "-a", help="Folder of another model's metrics to compare with; repeatable"
        ),
    ] = None,
    plot: Annotated[
        bool, typer.Option("--plot", "-p", help="Draw reliability.png too (extra `viz`)")
    ] = False,
    silent: Annotated[bool, typer.Option("--silent", "-S", help="Print errors only")] = False,
) -> None:
    """
    Report a model's scores. Expects the JSON files that `python -m spacy evaluate
    MODEL SPLIT.spacy --output METRICS_DIR/SPLIT.json` writes, for example of train,
    validation and test, and writes report.md and report.json with the scores
    overall and by entity type. Scores of SPLIT_raw.json, the same tweets on raw text
    (see `convert --raw`), stand beside those of SPLIT.json, with the loss; and so
    do the figures of confidence.json, which `reliability` writes.
    """
    printer = Printer(no_print=silent)
    with errors_as_messages(printer):
        report = make_report(metrics_dir, title=title, against=against or [])
        paths = list(write_report(report, output_dir or metrics_dir))
        if plot:
            paths.append(_draw(report, output_dir or metrics_dir))
    print_report(report, printer)
    names = " and ".join(path.name for path in paths[1:])
    printer.good(f"Saved the report to {paths[0]} and {names}")


def _draw(report: Report, folder: Path) -> Path:
    from ..viz.reliability import draw_reliability

    if report.confidence is None:
        raise ValueError(
            "nothing to plot: measure confidence with `spacy-twitter-ner reliability MODEL "
            f"SPLIT.spacy --output {folder}` first"
        )
    path = folder / PLOT_NAME
    draw_reliability(report.confidence, [path], title=report.title)
    return path


def print_report(report: Report, printer: Printer) -> None:
    """Print a report's tables in spaCy's manner, of the types only F1 so that they fit in a
    terminal.

    report (Report): The report.
    printer (Printer): Where to.
    """
    for table in report_tables(report, type_columns=("F1",)):
        aligns = ("l", *("r" for _ in table.header[1:]))
        printer.table(table.rows, header=table.header, aligns=aligns, title=table.title)
