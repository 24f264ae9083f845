"""Command line interface: `spacy-twitter-ner`, or `python -m spacy twitter-ner`."""

import sys

from . import (
    annotate,
    calibrate,
    check,
    convert,
    count,
    drift,
    explain,
    export_onnx,
    guarantee,
    init_config,
    init_gazetteer,
    merge_vectors,
    plot_curves,
    reliability,
    render,
    report,
    serve,
    show,
    silver,
    teach,
    train_vectors,
)
from ._util import NAME, app

__all__ = [
    "annotate",
    "app",
    "calibrate",
    "check",
    "convert",
    "count",
    "drift",
    "explain",
    "export_onnx",
    "guarantee",
    "init_config",
    "init_gazetteer",
    "main",
    "merge_vectors",
    "plot_curves",
    "reliability",
    "render",
    "report",
    "serve",
    "show",
    "silver",
    "teach",
    "train_vectors",
]


def main() -> None:
    """Run the command line application."""
    app(prog_name=NAME)


def _join_spacy_cli() -> None:
    """Add the commands to spaCy's CLI, which imports this module by its entry point. Skipped if
    spaCy isn't loaded, because importing it takes seconds."""
    spacy_cli = sys.modules.get("spacy.cli._util")
    if spacy_cli is not None:
        spacy_cli.app.add_typer(app, name="twitter-ner")


_join_spacy_cli()
