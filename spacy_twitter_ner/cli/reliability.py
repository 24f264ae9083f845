import json
from pathlib import Path
from typing import Annotated

from wasabi import Printer

from ._util import Arg, Model, Opt, Silent, app, errors_as_messages
from .report import print_tables


# fmt: off
@app.command("reliability")
def reliability_cli(
    model: Model,
    splits: Annotated[list[Path], Arg(metavar="SPLIT...", help="Annotated tweets: .spacy or token/tag files")],
    output: Annotated[Path | None, Opt("--output", "-o", help="Output folder for confidence.json, which `report` includes")] = None,
    silent: Silent = False,
) -> None:
    # fmt: on
    """
    Measure the calibration of a pipeline's confidence: the expected calibration error before and
    after calibration, precision by confidence, and the effect of thresholds.
    """
    # Imported here because spaCy takes seconds to import.
    from ..evaluation.calibration import FILE_NAME
    from ..evaluation.scores import asdict
    from ..evaluation.tables import reliability_tables
    from ..loading import load_pipeline
    from ..training.calibration import measure_reliability

    printer = Printer(no_print=silent)
    with errors_as_messages(printer):
        absent = [str(path) for path in splits if not path.exists()]
        if absent:
            raise ValueError(f"{', '.join(absent)}: no such file")
        reliability = measure_reliability(load_pipeline(model), splits)
        if output is not None:
            output.mkdir(parents=True, exist_ok=True)
            text = json.dumps(asdict(reliability), indent=2) + "\n"
            (output / FILE_NAME).write_text(text, encoding="utf8")
    if not silent:
        print_tables(reliability_tables(reliability))
    if output is not None:
        printer.good(f"Saved {output / FILE_NAME}")
