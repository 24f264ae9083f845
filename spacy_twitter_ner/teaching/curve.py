"""Progress of a session: scores of predictions that were made before their tweet was trained on,
and how many answers a higher score needs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

import numpy
from thinc.types import Floats2d, Ints1d

from .journal import Entry
from .selection import RANDOM
from .session import ACCEPT, ADJUDICATED, ANSWER

# Fewer random answers don't determine a curve.
MIN_ANSWERS = 30
MAX_ANSWERS = 100_000
_N_RESAMPLES = 200
_MIN_ROUNDS = 3


class Counts(NamedTuple):
    """Correct, predicted and annotated entities."""

    correct: int
    predicted: int
    gold: int

    @property
    def f1(self) -> float | None:
        """RETURNS (float | None): F1, or None if there are no entities."""
        total = self.predicted + self.gold
        return 2 * self.correct / total if total else None


@dataclass(frozen=True)
class Point:
    """The F1 of a pipeline on answers given before it was trained on them.

    n_trained (int): The number of answers that the pipeline was trained on.
    n_answers (int): The number of answers it is scored on.
    f1 (float | None): F1.
    """

    n_trained: int
    n_answers: int
    f1: float | None


class Estimate(NamedTuple):
    """An estimated number of answers for a score, and a 90 % interval. None means more than
    MAX_ANSWERS."""

    answers: int | None
    low: int | None
    high: int | None


def count(entry: Entry) -> Counts:
    """Compare an answer with the prediction that was shown. Predictions that overlap a span the
    annotator wasn't sure of are ignored.

    entry (Entry): The answer.
    RETURNS (Counts): The counts.
    """
    gold = set(map(tuple, entry["spans"]))
    predicted = {
        (start, end, label)
        for start, end, label in entry["predicted"]
        if not any(start < stop and first < end for first, stop in entry["unsure"])
    }
    return Counts(len(gold & predicted), len(predicted), len(gold))


def make_curve(entries: Iterable[Entry], *, only_random: bool = True) -> list[Point]:
    """Score each round's pipeline on the answers given while it made the predictions.

    entries (Iterable[Entry]): The journal.
    only_random (bool): Whether to use random tweets only. Chosen tweets are harder than others.
    RETURNS (list[Point]): The points, in order.
    """
    scored = _group(_scored(entries, only_random))
    return [
        Point(n, len(counts), _add(counts).f1) for n, counts in sorted(scored.items()) if counts
    ]


def estimate_answers(entries: Iterable[Entry], target: float, *, seed: int = 0) -> Estimate | None:
    """Estimate how many answers a target needs, from a power law that is fitted to the errors by
    number of answers. The interval is a bootstrap over answers.

    entries (Iterable[Entry]): The journal.
    target (float): The F1 to reach, between 0 and 1.
    seed (int): Random seed of the bootstrap.
    RETURNS (Estimate | None): The estimate. None if there are too few random answers or rounds.
    """
    scored = list(_scored(entries, True))
    if len(scored) < MIN_ANSWERS or len({n for n, _ in scored}) < _MIN_ROUNDS:
        return None
    rng = numpy.random.default_rng(seed)
    sizes, groups = numpy.unique([n for n, _ in scored], return_inverse=True)
    counts = numpy.array([one for _, one in scored], dtype="float64")
    values = []
    for _ in range(_N_RESAMPLES):
        sample = rng.integers(0, len(scored), len(scored))
        sums = numpy.zeros((len(sizes), 3))
        numpy.add.at(sums, groups[sample], counts[sample])
        values.append(_solve(sizes, sums, target))
    low, middle, high = numpy.quantile(values, [0.05, 0.5, 0.95], method="nearest")
    return Estimate(*(None if v > MAX_ANSWERS else int(v) for v in (middle, low, high)))


def summarize(entries: Sequence[Entry]) -> dict[str, Any]:
    """Summarize the answers.

    entries (Sequence[Entry]): The journal.
    RETURNS (dict[str, Any]): Answers by action, the share of tweets accepted unchanged, and the
        median of seconds per tweet. None if unknown.
    """
    answers = [e for e in entries if e["kind"] == ANSWER and e["annotator"] != ADJUDICATED]
    shown = [e for e in answers if e["action"] == ACCEPT and e["predicted"] is not None]
    same = [set(map(tuple, e["spans"])) == set(map(tuple, e["predicted"])) for e in shown]
    seconds = [entry["seconds"] for entry in answers if entry["seconds"]]
    return {
        "answers": len(answers),
        "accepted": sum(entry["action"] == ACCEPT for entry in answers),
        "unchanged": sum(same) / len(same) if same else None,
        "seconds": round(median(seconds), 1) if seconds else None,
    }


def _scored(entries: Iterable[Entry], only_random: bool) -> Iterable[tuple[int, Counts]]:
    for entry in entries:
        if (
            entry["kind"] == ANSWER
            and entry["action"] == ACCEPT
            and entry["annotator"] != ADJUDICATED
            and entry["predicted"] is not None
            and (entry["reason"] == RANDOM or not only_random)
        ):
            yield entry["n_trained"], count(entry)


def _group(scored: Iterable[tuple[int, Counts]]) -> Mapping[int, list[Counts]]:
    groups: dict[int, list[Counts]] = {}
    for n, counts in scored:
        groups.setdefault(n, []).append(counts)
    return groups


def _add(counts: Sequence[Counts]) -> Counts:
    return Counts(*(sum(column) for column in zip(*counts, strict=True)))


def _solve(sizes: Ints1d, sums: Floats2d, target: float) -> float:
    """RETURNS (float): The number of answers at which the fitted error is that of the target."""
    correct, spans = sums[:, 0], sums[:, 1] + sums[:, 2]
    has_spans = spans > 0
    if has_spans.sum() < 2:
        return numpy.inf
    # One span is added, so that no error is zero.
    errors = ((spans - 2 * correct + 1) / (spans + 1))[has_spans]
    logs = numpy.log(numpy.maximum(sizes[has_spans], 1))
    weights = numpy.sqrt(spans[has_spans])
    slope, intercept = numpy.polyfit(logs, numpy.log(errors), 1, w=weights)
    if slope >= 0:  # no progress
        return numpy.inf if intercept + slope * logs.max() > numpy.log(1 - target) else 1.0
    with numpy.errstate(over="ignore"):
        return float(numpy.exp((numpy.log(1 - target) - intercept) / slope))
