"""Which predicted span goes with which gold span, and what is wrong between them.

A span is (start, end, type) in tokens, as in iob.py. The spans of one side must not overlap one
another, as neither entities of a doc nor spans read off tags do.

The counts are those of SemEval-2013 task 9.1 (Segura-Bedmar et al. 2013), as nervaluate makes them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from ..iob import TokenSpan

Category = Literal[
    "correct", "wrong type", "wrong boundary", "wrong type and boundary", "missed", "spurious"
]
CATEGORIES: tuple[Category, ...] = (
    "correct",
    "wrong type",
    "wrong boundary",
    "wrong type and boundary",
    "missed",
    "spurious",
)
Schema = Literal["strict", "exact", "partial", "type"]
SCHEMAS: tuple[Schema, ...] = ("strict", "exact", "partial", "type")

_PAIRED: tuple[Category, ...] = CATEGORIES[:4]
_RIGHT: dict[Schema, tuple[Category, ...]] = {
    "strict": ("correct",),
    "exact": ("correct", "wrong type"),
    "partial": ("correct", "wrong type"),
    "type": ("correct", "wrong boundary"),
}


class Match(NamedTuple):
    """A gold span and the predicted one that goes with it, or either alone.

    gold (Optional[TokenSpan]): None for a spurious prediction.
    predicted (Optional[TokenSpan]): None for a missed entity.
    category (Category): What is wrong, or "correct".
    """

    gold: TokenSpan | None
    predicted: TokenSpan | None
    category: Category


class MatchCounts(NamedTuple):
    """What nervaluate counts under one schema.

    correct (int): Predictions that the schema takes for right.
    incorrect (int): Those that it takes for wrong although they overlap a gold span.
    partial (int): Those that count for half: under "partial", where the boundaries differ.
    missed (int): Gold spans that no prediction goes with.
    spurious (int): Predictions that go with no gold span.
    """

    correct: int
    incorrect: int
    partial: int
    missed: int
    spurious: int

    @property
    def precision(self) -> float:
        """RETURNS (float): Credits over predictions; 0 if there are none."""
        n_predicted = self.correct + self.incorrect + self.partial + self.spurious
        return (self.correct + self.partial / 2) / n_predicted if n_predicted else 0.0

    @property
    def recall(self) -> float:
        """RETURNS (float): Credits over gold spans; 0 if there are none."""
        n_gold = self.correct + self.incorrect + self.partial + self.missed
        return (self.correct + self.partial / 2) / n_gold if n_gold else 0.0

    @property
    def f1(self) -> float:
        """RETURNS (float): The harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def match_spans(
    gold: Sequence[TokenSpan], predicted: Sequence[TokenSpan], *, by_type: bool = False
) -> list[Match]:
    """Pair the spans of a tweet. From left to right, a prediction goes with the gold span of its
    own boundaries, otherwise with the first one it overlaps that is not taken.

    gold (Sequence[TokenSpan]): The gold spans.
    predicted (Sequence[TokenSpan]): The predicted spans.
    by_type (bool): Prefer gold spans of the prediction's own type, the one with the closest
        boundaries first, as nervaluate's schema "ent_type" does.
    RETURNS (list[Match]): The pairs and what is left over, in the order of the text.
    """
    free = sorted(gold)
    matches = []
    for span in sorted(predicted):
        partner = _find_partner(span, free, by_type)
        if partner is None:
            matches.append(Match(None, span, "spurious"))
        else:
            free.remove(partner)
            matches.append(Match(partner, span, _compare(partner, span)))
    matches += [Match(span, None, "missed") for span in free]
    return sorted(matches, key=lambda match: match.gold or match.predicted or (0, 0, ""))


def _find_partner(span: TokenSpan, free: Sequence[TokenSpan], by_type: bool) -> TokenSpan | None:
    start, end, label = span
    overlapping = [other for other in free if other[0] < end and start < other[1]]
    if by_type:
        same_type = [other for other in overlapping if other[2] == label]
        # min() takes the first of equals.
        return min(
            same_type or overlapping[:1],
            key=lambda other: abs(other[0] - start) + abs(other[1] - end),
            default=None,
        )
    # A gold span of the same boundaries leaves no room for another one to overlap.
    return next(iter(overlapping), None)


def _compare(gold: TokenSpan, predicted: TokenSpan) -> Category:
    same_type, same_boundaries = gold[2] == predicted[2], gold[:2] == predicted[:2]
    if same_boundaries:
        return "correct" if same_type else "wrong type"
    return "wrong boundary" if same_type else "wrong type and boundary"


def count_categories(matches: Iterable[Match]) -> dict[Category, int]:
    """RETURNS (dict[Category, int]): How many matches there are of each category."""
    counts = Counter(match.category for match in matches)
    return {category: counts[category] for category in CATEGORIES}


def count_schema(
    pairs: Iterable[tuple[Sequence[TokenSpan], Sequence[TokenSpan]]], schema: Schema
) -> MatchCounts:
    """Count under one of the four schemas: "strict" asks for the right type and boundaries,
    "exact" for boundaries, "partial" for boundaries and gives half a credit for an overlap,
    "type" for an overlap and the right type.

    pairs (Iterable[tuple[Sequence[TokenSpan], Sequence[TokenSpan]]]): The gold and the predicted
        spans of each tweet.
    schema (Schema): The schema.
    RETURNS (MatchCounts): The counts over all tweets.
    """
    counts: Counter[Category] = Counter()
    for gold, predicted in pairs:
        matches = match_spans(gold, predicted, by_type=schema == "type")
        counts.update(match.category for match in matches)
    right = sum(counts[category] for category in _RIGHT[schema])
    other = sum(counts[category] for category in _PAIRED) - right
    incorrect, partial = (0, other) if schema == "partial" else (other, 0)
    return MatchCounts(right, incorrect, partial, counts["missed"], counts["spurious"])
