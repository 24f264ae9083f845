from pathlib import Path
from typing import Annotated

from wasabi import msg

from ._util import Arg, Opt, app, errors_as_messages


# fmt: off
@app.command("plot-curves")
@app.command("curves", hidden=True)
def plot_curves_cli(
    progress: Annotated[Path, Arg(metavar="PROGRESS", help="progress.jsonl from training, or the output folder of `spacy train`")],
    outputs: Annotated[list[Path] | None, Opt("--output", "-o", help="File to write, .png or .svg; repeatable. Default: curves.png and curves.svg next to PROGRESS")] = None,
    title: Annotated[str, Opt("--title", "-t", help="Title")] = "Training",
) -> None:
    # fmt: on
    """
    Plot precision, recall and F1 on the training and validation data over the course of training,
    overall and per type (extra `viz`). The data is written by the logger
    spacy-twitter-ner.ProgressLogger.v1, and can be plotted while training runs.
    """
    from ..evaluation.progress import FILE_NAME, read_progress
    from ..viz.plots import draw_curves

    with errors_as_messages(msg):
        path = progress / FILE_NAME if progress.is_dir() else progress
        paths = outputs or [path.with_name(f"curves{suffix}") for suffix in (".png", ".svg")]
        draw_curves(read_progress(path), paths, title=title)
    for path in paths:
        msg.good(f"Saved {path}")
