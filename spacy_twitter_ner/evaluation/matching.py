"""Pair predicted spans with gold spans and classify the errors.

A span is (start, end, type) in tokens, as in iob.py. Spans of one side don't overlap. The counts
follow SemEval-2013 task 9.1 (Segura-Bedmar et al. 2013) as implemented in nervaluate.
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
    """A gold span paired with a predicted span.

    gold (Optional[TokenSpan]): None for a spurious prediction.
    predicted (Optional[TokenSpan]): None for a missed entity.
    category (Category): The kind of error, or "correct".
    """

    gold: TokenSpan | None
    predicted: TokenSpan | None
    category: Category


class SchemaScores(NamedTuple):
    """Counts and scores under one of nervaluate's schemas. A ratio over zero spans is 0.

    correct (int): Number of predictions that are correct under the schema.
    incorrect (int): Number of predictions that overlap a gold span but are incorrect.
    partial (int): Number of predictions with half credit: different boundaries under "partial".
    missed (int): Number of unpaired gold spans.
    spurious (int): Number of unpaired predictions.
    p (float): Precision: credits over predictions, 0..1.
    r (float): Recall: credits over gold spans, 0..1.
    f (float): F1, 0..1.
    """

    correct: int
    incorrect: int
    partial: int
    missed: int
    spurious: int
    p: float
    r: float
    f: float


def match_spans(
    gold: Sequence[TokenSpan], predicted: Sequence[TokenSpan], *, by_type: bool = False
) -> list[Match]:
    """Pair the spans of a tweet. From left to right, each prediction is paired with the gold span
    with the same boundaries, or else with the first unpaired gold span that it overlaps.

    gold (Sequence[TokenSpan]): The gold spans.
    predicted (Sequence[TokenSpan]): The predicted spans.
    by_type (bool): Prefer gold spans of the prediction's type, closest boundaries first, as in
        nervaluate's schema "ent_type".
    RETURNS (list[Match]): Pairs and unpaired spans, in text order.
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
        # min() returns the first of equals.
        return min(
            same_type or overlapping[:1],
            key=lambda other: abs(other[0] - start) + abs(other[1] - end),
            default=None,
        )
    # A gold span with the same boundaries is the only one that overlaps.
    return next(iter(overlapping), None)


def _compare(gold: TokenSpan, predicted: TokenSpan) -> Category:
    same_type, same_boundaries = gold[2] == predicted[2], gold[:2] == predicted[:2]
    if same_boundaries:
        return "correct" if same_type else "wrong type"
    return "wrong boundary" if same_type else "wrong type and boundary"


def count_categories(matches: Iterable[Match]) -> dict[Category, int]:
    """RETURNS (dict[Category, int]): The number of matches per category."""
    counts = Counter(match.category for match in matches)
    return {category: counts[category] for category in CATEGORIES}


def score_schema(
    pairs: Iterable[tuple[Sequence[TokenSpan], Sequence[TokenSpan]]], schema: Schema
) -> SchemaScores:
    """Score spans under one of the four schemas. "strict" requires the correct type and
    boundaries, "exact" the boundaries, "partial" the boundaries, with half credit for an overlap,
    and "type" the type and an overlap.

    pairs (Iterable[tuple[Sequence[TokenSpan], Sequence[TokenSpan]]]): The gold and the predicted
        spans of each tweet.
    schema (Schema): The schema.
    RETURNS (SchemaScores): The counts and scores over all tweets.
    """
    counts: Counter[Category] = Counter()
    for gold, predicted in pairs:
        matches = match_spans(gold, predicted, by_type=schema == "type")
        counts.update(match.category for match in matches)
    correct = sum(counts[category] for category in _RIGHT[schema])
    n_paired = sum(counts[category] for category in _PAIRED)
    n_gold, n_predicted = n_paired + counts["missed"], n_paired + counts["spurious"]
    is_partial = schema == "partial"
    credit = correct + (n_paired - correct) / 2 if is_partial else correct
    p = credit / n_predicted if n_predicted else 0.0
    r = credit / n_gold if n_gold else 0.0
    return SchemaScores(
        correct,
        0 if is_partial else n_paired - correct,
        n_paired - correct if is_partial else 0,
        counts["missed"],
        counts["spurious"],
        p,
        r,
        2 * p * r / (p + r) if p + r else 0.0,
    )
