from pathlib import Path
from typing import Annotated

from wasabi import msg

from ._util import Arg, Model, Opt, app, errors_as_messages, printable


# fmt: off
@app.command("calibrate")
def calibrate_cli(
    model: Model,
    corpus: Annotated[Path, Arg(help="Annotated tweets that the pipeline wasn't trained on, such as the validation split: a .spacy or token/tag file")],
    output: Annotated[Path, Opt("--output", "-o", help="Output folder for the calibrated pipeline")],
) -> None:
    # fmt: on
    """
    Calibrate a pipeline's confidence: of the entities with a confidence of 80%, 80% should be
    correct. Finds the temperature that minimizes the log loss of the entities in CORPUS, and saves
    it with the pipeline. Predicted entities don't change, unless there is a threshold. To
    calibrate after training, set [training.before_to_disk] to "spacy-twitter-ner.calibrate.v1".
    """
    # Imported here because spaCy takes seconds to import.
    from ..corpus.reader import read_examples
    from ..loading import load_pipeline
    from ..training.calibration import calibrate
    from ..util import find_ners

    with errors_as_messages(msg):
        if not corpus.exists():
            raise ValueError(f"{corpus} does not exist")
        nlp = load_pipeline(model)
        measured = calibrate(nlp, list(read_examples(corpus, nlp)))
        nlp.to_disk(output)
    for component, split in zip(find_ners(nlp), measured, strict=True):
        msg.info(
            f"{printable(component.name)}: temperature {component.cfg['temperature']:.3f}; "
            f"expected calibration error {split.before.ece:.3f} before, {split.after.ece:.3f} "
            f"after, for {split.after.entities} entities"
        )
    msg.good(f"Saved the calibrated pipeline to {printable(str(output))}")
