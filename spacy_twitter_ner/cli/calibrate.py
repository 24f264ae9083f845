"""The command `calibrate`."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from .app import app, errors_as_messages, printable


@app.command("calibrate")
def calibrate_cli(
    model: Annotated[str, typer.Argument(help="A trained pipeline: its folder or package")],
    corpus: Annotated[
        Path,
        typer.Argument(
            help="Annotated tweets that it was not trained on, such as validation: a .spacy "
            "or token/tag file"
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to write the calibrated pipeline to")
    ],
) -> None:
    """
    Make a pipeline's confidence mean what it says: of entities of which it is 80 % sure, 80 %
    shall be right. Finds the temperature at which the log loss of the entities in CORPUS is
    least, and stores it with the pipeline. Which entities are found stays the same, unless there
    is a threshold. [training.before_to_disk] can do the same at the end of a training, with
    "spacy-twitter-ner.calibrate.v1".
    """
    # Imported here because they import spaCy, which takes seconds.
    from ..corpus.readers import read_examples
    from ..loading import load_pipeline
    from ..training.calibrating import calibrate, find_components

    with errors_as_messages(msg):
        if not corpus.exists():
            raise ValueError(f"{corpus} does not exist")
        nlp = load_pipeline(model)
        measured = calibrate(nlp, list(read_examples(corpus, nlp)))
        nlp.to_disk(output)
    for component, split in zip(find_components(nlp), measured, strict=True):
        msg.info(
            f"{printable(component.name)}: temperature {component.cfg['temperature']:.3f}; "
            f"expected calibration error {split.before.ece:.3f} before, "
            f"{split.after.ece:.3f} after, of {split.after.entities} entities"
        )
    msg.good(f"Saved the calibrated pipeline to {printable(str(output))}")
