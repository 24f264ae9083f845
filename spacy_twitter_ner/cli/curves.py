"""The command `curves`."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from .app import app, errors_as_messages


@app.command("curves")
def curves_cli(
    progress: Annotated[
        Path,
        typer.Argument(
            metavar="PROGRESS",
            help="progress.jsonl of a training, or the folder that `spacy train` wrote it to",
        ),
    ],
    outputs: Annotated[
        list[Path] | None,
        typer.Option("--output", "-o", help="File to write, .png or .svg; repeatable"),
    ] = None,
    title: Annotated[str, typer.Option("--title", "-t", help="Heading")] = "Training",
) -> None:
    """
    Draw the curves of a training: precision, recall and F1 of the training data and of
    validation, over all types and by type (extra `viz`). The logger
    spacy-twitter-ner.ProgressLogger.v1 writes what is drawn, and draws it at the end of a
    training; this command draws it while the training runs, or anew. Without --output the
    pictures are curves.png and curves.svg beside the file.
    """
    from ..evaluation.progress import FILE_NAME, read_progress
    from ..viz.curves import draw_curves

    with errors_as_messages(msg):
        path = progress / FILE_NAME if progress.is_dir() else progress
        paths = outputs or [path.with_name(f"curves{suffix}") for suffix in (".png", ".svg")]
        draw_curves(read_progress(path), paths, title=title)
    for path in paths:
        msg.good(f"Drew {path}")
