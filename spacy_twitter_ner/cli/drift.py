from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from wasabi import msg

from ._util import Arg, Opt, Silent, app, errors_as_messages, printable, split_model
from .annotate import InputFormat, show_progress
from .report import print_tables

if TYPE_CHECKING:
    from ..counts.drift import Drift
    from ..evaluation.tables import Table


# fmt: off
@app.command("drift")
def drift_cli(
    arguments: Annotated[list[str], Arg(metavar="[MODEL] OLD NEW", help="Folder or package of a trained pipeline, by default the pretrained pipeline; then earlier and later tweets: files, folders or patterns, as for `annotate`")],
    outputs: Annotated[list[Path] | None, Opt("--output", "-o", help="File for the comparison: .html or .json; repeatable")] = None,
    text_field: Annotated[str | None, Opt("--text-field", "-t", help="Field with the text, such as text or a.b")] = None,
    input_format: Annotated[InputFormat | None, Opt("--input-format", "-i", help="Input format. Default: by file name")] = None,
    workers: Annotated[int, Opt("--workers", "-w", min=1, help="Processes")] = 1,
    silent: Silent = False,
) -> None:
    # fmt: on
    """
    Compare earlier and later tweets: unknown words, confidence, and names that have become frequent
    and that the pipeline is unsure of, with examples. Says whether to teach it names or to retrain.
    """
    # Imported here because spaCy takes seconds to import.
    from ..annotate.run import Workers
    from ..counts.candidates import CountJob
    from ..counts.drift import compare_samples
    from ..counts.drift_page import require_format, write_drift

    with errors_as_messages(msg):
        model, inputs = split_model(arguments, 2)
        if len(inputs) != 2:
            raise ValueError("pass two files: earlier and later tweets")
        for path in outputs or []:
            require_format(path)
        with show_progress(inputs, silent) as on_outcome:
            drift = compare_samples(
                inputs[:1],
                inputs[1:],
                CountJob(model, None, text_field=text_field),
                input_format=input_format and input_format.value,
                workers=Workers(workers),
                on_outcome=on_outcome,
            )
        for path in outputs or []:
            write_drift(drift, path)
    if not silent:
        print_tables(_make_tables(drift))
        reasons = printable("; ".join(drift.reasons))
        {"nothing": msg.good, "teach": msg.warn, "retrain": msg.warn}[drift.advice](
            f"Advice: {drift.advice}. {reasons}"
        )


def _make_tables(drift: "Drift") -> "list[Table]":
    from ..evaluation.tables import Table

    samples = [
        (name, f"{s.tweets:,}", f"{s.unknown:.1%}", f"{s.names:.2f}", f"{s.confidence:.3f}")
        for name, s in (("old", drift.old), ("new", drift.new))
    ]
    names = [
        (n.text, n.type, f"{n.old:.1f}", f"{n.new:.1f}", f"{n.confidence:.2f}")
        for n in drift.rising
    ]
    header = ("Sample", "Tweets", "Unknown words", "Names per tweet", "Confidence")
    return [
        Table("Samples", header, samples),
        Table("Rising names", ("Name", "Type", "Old", "New", "Confidence"), names),
    ]
