from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from wasabi import msg

from ._util import Arg, Model, Opt, app, errors_as_messages, fail, printable
from .report import print_tables

if TYPE_CHECKING:
    from ..evaluation.guarantees import Check, Guarantee
    from ..evaluation.tables import Table


# fmt: off
@app.command("guarantee")
def guarantee_cli(
    model: Model,
    corpus: Annotated[Path, Arg(help="Labelled tweets that the pipeline wasn't trained on, drawn at random from those it is used for: a .spacy file, token/tag file or JSON lines with spans")],
    output: Annotated[Path, Opt("--output", "-o", help="Output folder for the pipeline with its thresholds")],
    precision: Annotated[float | None, Opt("--precision", "-p", help="Precision to guarantee, such as 0.95")] = None,
    recall: Annotated[float | None, Opt("--recall", "-r", help="Recall to guarantee")] = None,
    delta: Annotated[float, Opt("--delta", "-d", help="Probability that the guarantee doesn't hold")] = 0.1,
    per_type: Annotated[bool, Opt("--per-type", help="Guarantee it for each entity type, with its own threshold")] = False,
    drop_types: Annotated[bool, Opt("--drop-types", help="With --per-type, leave out types that can't be guaranteed instead of stopping")] = False,
) -> None:
    # fmt: on
    """
    Choose the minimum confidence at which at least this fraction of the predicted entities is
    correct, and save it with the pipeline. `annotate`, `serve` and `show` then leave out
    less probable entities. The guarantee holds with probability 1 - delta over draws of labelled
    tweets, for tweets drawn like them: see docs/guarantees.md. If there are too few tweets, says
    what they can guarantee and how many are needed, and saves nothing.
    """
    # Imported here because spaCy takes seconds to import.
    from ..corpus.reader import read_examples
    from ..evaluation.guarantees import GuaranteeError
    from ..loading import load_pipeline
    from ..training.guarantees import guarantee

    with errors_as_messages(msg):
        nlp = load_pipeline(model)
        try:
            chosen = guarantee(
                nlp,
                read_examples(corpus, nlp),
                precision=precision,
                recall=recall,
                delta=delta,
                per_type=per_type,
                drop_types=drop_types,
            )
        except GuaranteeError as error:
            fail(msg, "Too few labelled tweets: nothing was saved", str(error).split("\n"))
        nlp.to_disk(output)
    print_tables([_guarantee_table(chosen, delta)])
    dropped = [] if not per_type else sorted(set(_get_labels(nlp)) - set(chosen))
    if dropped:
        msg.warn(f"Left out, as nothing can be guaranteed: {printable(', '.join(dropped))}")
    msg.good(f"Saved the pipeline to {printable(str(output))}")


def _get_labels(nlp: object) -> tuple[str, ...]:
    from ..util import get_ner

    return get_ner(nlp).output_labels  # type: ignore[arg-type]


def _guarantee_table(chosen: "dict[str, Guarantee]", delta: float) -> "Table":
    from ..evaluation.tables import Table, figure, percentage

    header = ("", "Threshold", "Precision ≥", "Recall ≥", "Precision", "Recall", "Entities")
    rows = [
        (
            label,
            f"{each.threshold:.3f}",
            percentage(each.precision),
            percentage(each.recall),
            percentage(each.counts.precision),
            percentage(each.counts.recall),
            figure(each.counts.kept, ",d"),
        )
        for label, each in chosen.items()
    ]
    note = f"Guaranteed (≥) with probability {1 - delta:g}, and found in the labelled tweets"
    return Table("Guarantee", header, rows, note)


# fmt: off
@app.command("check-guarantee")
def check_guarantee_cli(
    model: Model,
    corpus: Annotated[Path, Arg(help="New labelled tweets, which neither training nor the guarantee used: a .spacy file, token/tag file or JSON lines with spans")],
    delta: Annotated[float, Opt("--delta", "-d", help="One minus the confidence of the intervals")] = 0.1,
) -> None:
    # fmt: on
    """
    Check a guarantee on new labelled tweets. Prints precision and recall with exact binomial
    intervals, and exits with code 1 if a level is below the guaranteed one, which is a sign of
    drift.
    """
    from ..corpus.reader import read_examples
    from ..loading import load_pipeline
    from ..training.guarantees import check_guarantee

    with errors_as_messages(msg):
        nlp = load_pipeline(model)
        checks = check_guarantee(nlp, read_examples(corpus, nlp), delta)
    print_tables([_check_table(checks, delta)])
    broken = [label for label, some in checks.items() if any(each.is_broken for each in some)]
    if broken:
        msg.fail(
            f"The guarantee doesn't hold for {printable(', '.join(broken))}: the tweets differ "
            "from those it was made with. Run `spacy-twitter-ner guarantee` on new tweets"
        )
        raise typer.Exit(1)
    msg.good("The guarantee is consistent with these tweets")


def _check_table(checks: "dict[str, list[Check]]", delta: float) -> "Table":
    from ..evaluation.tables import Table, percentage

    header = ("", "", "Guaranteed", "Found", "Low", "High", "Entities")
    rows = [
        (
            label,
            each.name,
            percentage(each.promised),
            percentage(each.n_right / each.n if each.n else None),
            percentage(each.low),
            percentage(each.high),
            f"{each.n:,}",
        )
        for label, some in checks.items()
        for each in some
    ]
    return Table("Check of the guarantee", header, rows, f"{1 - delta:.0%} intervals")
