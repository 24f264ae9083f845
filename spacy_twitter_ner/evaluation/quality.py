"""The quality of a model on one split: all that a report says of it.

As JSON (quality_to_dict):

    {
      "tweets": int, "tokens": int, "accuracy": float, "labels": [type, …],
      "overall": SCORES, "per_type": {type: SCORES}, "span_only": SCORES,
      "categories": {"all types": {category: int}, type: {category: int}},
      "schemas": {schema: {"correct": int, …, "p": float, "r": float, "f": float}},
      "slices": {"seen": {kind: SCORES} or null, "entity_length": …, "tweet_length": …},
      "confusion": [[int, …], …],
      "differences": {model: {"all types": DIFFERENCE, type: DIFFERENCE}}
    }

SCORES is {"p", "r", "f", "n_gold", "n_predicted", "n_correct"}, and where the interval of F1 was
drawn "low" and "high"; DIFFERENCE is {"f", "other", "low", "high", "p_value"}. All ratios are
fractions of 1. The rows of "confusion" are the gold types, its columns the predicted ones, both in
the order of "labels" with one for no entity after the last.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy
from thinc.types import Ints2d

from .bootstrap import Difference, Interval, f1_intervals, paired_differences
from .matching import (
    SCHEMAS,
    Category,
    Match,
    MatchCounts,
    Schema,
    count_categories,
    count_schema,
    match_spans,
)
from .predictions import Predictions
from .scores import (
    Scores,
    SpanPair,
    count_boundaries,
    count_spans,
    to_scores,
    token_accuracy,
    with_total,
)
from .slices import Slices, Surfaces, score_slices

ALL, NONE = "all types", "(none)"


class Quality(NamedTuple):
    """All that a report says of a model on one split.

    name (str): The split.
    n_tweets (int): How many tweets there are.
    n_tokens (int): How many tokens they have.
    accuracy (float): How many tokens have the right tag, 0..1.
    labels (tuple[str, ...]): The nY entity types.
    scores (dict[str, Scores]): Exact spans with their type: of all types and of each.
    intervals (dict[str, Interval]): The 95% intervals of their F1.
    span_only (Scores): Exact spans, whatever their type.
    span_only_interval (Interval): The 95% interval of its F1.
    categories (dict[str, dict[Category, int]]): What is wrong: of all types, then of each. An
        entity counts for its gold type, a spurious one for the predicted type.
    schemas (dict[Schema, MatchCounts]): The counts under nervaluate's four schemas.
    slices (Slices): Scores by kind of entity.
    confusion (Ints2d): (nY + 1, nY + 1) gold types by predicted ones; the last is none.
    differences (dict[str, dict[str, Difference]]): By other model, for all types and each.
    """

    name: str
    n_tweets: int
    n_tokens: int
    accuracy: float
    labels: tuple[str, ...]
    scores: dict[str, Scores]
    intervals: dict[str, Interval]
    span_only: Scores
    span_only_interval: Interval
    categories: dict[str, dict[Category, int]]
    schemas: dict[Schema, MatchCounts]
    slices: Slices
    confusion: Ints2d
    differences: dict[str, dict[str, Difference]]


def measure_quality(
    predictions: Predictions,
    *,
    surfaces: Surfaces | None = None,
    others: Mapping[str, Predictions] | None = None,
) -> Quality:
    """Measure the quality of a model's predictions.

    predictions (Predictions): What the model found.
    surfaces (Optional[Mapping[str, frozenset[str]]]): The entities of the training data, see
        slices.collect_surfaces.
    others (Optional[Mapping[str, Predictions]]): What other models found in the same corpus.
    RETURNS (Quality): Its quality.
    RAISES (ValueError): If other predictions are of other tweets.
    """
    pairs, others = predictions.pairs, others or {}
    for name, other in others.items():
        _require_same_gold(predictions, other, name)
    labels = _all_labels([predictions, *others.values()])
    rows = (ALL, *labels)
    counts = count_spans(pairs, labels)
    boundaries = count_boundaries(pairs)
    matches = [match for pair in pairs for match in match_spans(*pair)]
    lengths = [len(tweet.words) for tweet in predictions.tweets]
    return Quality(
        predictions.name,
        len(pairs),
        sum(lengths),
        token_accuracy(pairs, lengths),
        labels,
        dict(zip(rows, map(to_scores, with_total(counts.sum(0))), strict=True)),
        dict(zip(rows, f1_intervals(counts), strict=True)),
        to_scores(boundaries.sum(0)),
        f1_intervals(boundaries[:, None])[0],
        _categories_by_type(matches, labels),
        {schema: count_schema(pairs, schema) for schema in SCHEMAS},
        score_slices(predictions.tweets, surfaces),
        confusion_matrix(matches, labels),
        {name: _differences(pairs, other.pairs, rows) for name, other in others.items()},
    )


def _require_same_gold(predictions: Predictions, other: Predictions, name: str) -> None:
    if [tweet.gold for tweet in predictions.tweets] != [tweet.gold for tweet in other.tweets]:
        raise ValueError(
            f"cannot compare with {name!r} on {predictions.name!r}: its predictions are of another "
            "corpus. Predict the present one with both models"
        )


def _all_labels(predictions: Sequence[Predictions]) -> tuple[str, ...]:
    spans = (
        span
        for some in predictions
        for tweet in some.tweets
        for span in tweet.gold + tweet.predicted
    )
    return tuple(sorted({label for *_, label in spans}))


def _differences(
    pairs: Sequence[SpanPair], others: Sequence[SpanPair], rows: Sequence[str]
) -> dict[str, Difference]:
    counts, other_counts = (count_spans(p, rows[1:])[None] for p in (pairs, others))
    return dict(zip(rows, paired_differences(counts, other_counts), strict=True))


def _categories_by_type(
    matches: Sequence[Match], labels: Sequence[str]
) -> dict[str, dict[Category, int]]:
    by_type: dict[str, list[Match]] = {label: [] for label in labels}
    for match in matches:
        by_type[(match.gold or match.predicted or ("",))[-1]].append(match)
    counts = {label: count_categories(some) for label, some in by_type.items()}
    return {ALL: count_categories(matches), **counts}


def confusion_matrix(matches: Sequence[Match], labels: Sequence[str]) -> Ints2d:
    """Count which types are taken for which.

    matches (Sequence[Match]): The matches of a corpus; overlaps count whatever their boundaries.
    labels (Sequence[str]): The nY entity types.
    RETURNS (Ints2d): (nY + 1, nY + 1) gold types by predicted ones. The last row is of spurious
        entities, the last column of missed ones.
    """
    index = {label: i for i, label in enumerate((*labels, NONE))}
    matrix = numpy.zeros((len(index), len(index)), dtype="int64")
    for gold, predicted, _ in matches:
        matrix[index[gold[2] if gold else NONE], index[predicted[2] if predicted else NONE]] += 1
    return matrix


def quality_to_dict(quality: Quality) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The quality in the form described above."""

    def sure(scores: Scores, interval: Interval) -> dict[str, Any]:
        return {**scores._asdict(), **interval._asdict()}

    rows = {name: sure(quality.scores[name], quality.intervals[name]) for name in quality.scores}
    return {
        "tweets": quality.n_tweets,
        "tokens": quality.n_tokens,
        "accuracy": quality.accuracy,
        "labels": list(quality.labels),
        "overall": rows[ALL],
        "per_type": {label: rows[label] for label in quality.labels},
        "span_only": sure(quality.span_only, quality.span_only_interval),
        "categories": quality.categories,
        "schemas": {
            schema: {**counts._asdict(), "p": counts.precision, "r": counts.recall, "f": counts.f1}
            for schema, counts in quality.schemas.items()
        },
        "slices": {
            kind: None
            if groups is None
            else {name: scores._asdict() for name, scores in groups.items()}
            for kind, groups in quality.slices._asdict().items()
        },
        "confusion": quality.confusion.tolist(),
        "differences": {
            name: {row: difference._asdict() for row, difference in rows.items()}
            for name, rows in quality.differences.items()
        },
    }
