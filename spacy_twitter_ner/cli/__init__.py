"""The command line: `spacy-twitter-ner`, and `python -m spacy twitter-ner`."""

import sys

from . import (
    annotate,
    calibrate,
    check,
    convert,
    curves,
    draw,
    explain,
    facts,
    lexical,
    merge_vectors,
    reliability,
    report,
    serve,
    show,
    silver,
)
from .app import NAME, app

__all__ = [
    "annotate",
    "app",
    "calibrate",
    "check",
    "convert",
    "curves",
    "draw",
    "explain",
    "facts",
    "lexical",
    "main",
    "merge_vectors",
    "reliability",
    "report",
    "serve",
    "show",
    "silver",
]


def main() -> None:
    """Run the command line application."""
    app(prog_name=NAME)


def _join_spacy_cli() -> None:
    """Add our commands to spaCy's command line. spaCy imports this module for that purpose, by
    its entry point in spacy_cli. Where spaCy is not loaded our commands run by themselves, and
    importing it for nothing would take seconds."""
    spacy_cli = sys.modules.get("spacy.cli._util")
    if spacy_cli is not None:
        spacy_cli.app.add_typer(app, name="twitter-ner")


_join_spacy_cli()
