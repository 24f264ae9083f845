"""The command `reliability`."""

import json
from pathlib import Path
from typing import Annotated

import typer
from wasabi import Printer

from ..evaluation.reliability import FILE_NAME, reliability_tables, reliability_to_dict
from .app import app, errors_as_messages
from .report import print_tables


@app.command("reliability")
def reliability_cli(
    model: Annotated[str, typer.Argument(help="A trained pipeline: its folder or package")],
    splits: Annotated[
        list[Path],
        typer.Argument(metavar="SPLIT...", help="Annotated tweets: .spacy or token/tag files"),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help=f"Folder to write {FILE_NAME} to, for `report`"),
    ] = None,
    silent: Annotated[bool, typer.Option("--silent", "-S", help="Print errors only")] = False,
) -> None:
    """
    Measure how far a pipeline's confidence can be trusted: the expected calibration error before
    and after calibration, precision by confidence, and what thresholds do. With --output, the
    figures are written beside the metrics of `spacy evaluate`, and `report` shows them.
    """
    # Imported here because they import spaCy, which takes seconds.
    from ..loading import load_pipeline
    from ..training.calibrating import measure_reliability

    printer = Printer(no_print=silent)
    with errors_as_messages(printer):
        absent = [str(path) for path in splits if not path.exists()]
        if absent:
            raise ValueError(f"{', '.join(absent)}: no such file")
        reliability = measure_reliability(load_pipeline(model), splits)
        if output is not None:
            output.mkdir(parents=True, exist_ok=True)
            text = json.dumps(reliability_to_dict(reliability), indent=2) + "\n"
            (output / FILE_NAME).write_text(text, encoding="utf8")
    if not silent:
        print_tables(reliability_tables(reliability))
    if output is not None:
        printer.good(f"Saved the figures to {output / FILE_NAME}")
