"""Detailed metrics of a model on one split.

As JSON (metrics_to_dict):

    {
      "tweets": int, "tokens": int, "accuracy": float, "labels": [type, …],
      "overall": SCORES, "per_type": {type: SCORES}, "span_only": SCORES,
      "categories": {"all types": {category: int}, type: {category: int}},
      "schemas": {schema: {"correct": int, …, "p": float, "r": float, "f": float}},
      "slices": {"seen": {slice: SCORES} or null, "entity_length": …, "tweet_length": …},
      "confusion": [[int, …], …],
      "differences": {model: {"all types": DIFFERENCE, type: DIFFERENCE}}
    }

SCORES is {"p", "r", "f", "n_gold", "n_predicted", "n_correct"}, and except in slices "low" and
"high", the 95% interval of F1. DIFFERENCE is {"f", "other", "low", "high", "p_value"}. All ratios
are fractions of 1. The rows of "confusion" are gold types and its columns predicted types, in the
order of "labels", followed by one for no entity.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy
from thinc.types import Ints2d

from ..iob import TokenSpan
from .matching import (
    SCHEMAS,
    Category,
    Match,
    Schema,
    SchemaScores,
    count_categories,
    match_spans,
    score_schema,
)
from .predictions import Predictions, Tweet
from .scores import (
    Difference,
    Interval,
    Scores,
    SpanPair,
    asdict,
    count_boundaries,
    count_groups,
    count_spans,
    f1_intervals,
    paired_differences,
    to_scores,
    token_accuracy,
    with_total,
)

Surfaces = Mapping[str, frozenset[str]]

ALL, NONE = "all types", "(none)"
SEEN = ("seen", "seen with another type", "unseen")
_ENTITY_LENGTHS = ((1, "1 token"), (2, "2 tokens"), (3, "3 tokens"), (999, "4 and more tokens"))
_TWEET_LENGTHS = (
    (9, "under 10 tokens"),
    (19, "10 to 19 tokens"),
    (29, "20 to 29 tokens"),
    (999_999, "30 and more tokens"),
)


class IntervalScores(NamedTuple):
    """Scores with the 95% interval of F1, low to high."""

    p: float
    r: float
    f: float
    n_gold: int
    n_predicted: int
    n_correct: int
    low: float
    high: float


class Slices(NamedTuple):
    """Scores by slice. Slices without entities are left out.

    seen (Optional[dict[str, Scores]]): By whether the entity's words occur as an entity in the
        training data, ignoring case; None if the training data isn't available.
    entity_length (dict[str, Scores]): By number of tokens of the entity.
    tweet_length (dict[str, Scores]): By number of tokens of its tweet.
    """

    seen: dict[str, Scores] | None
    entity_length: dict[str, Scores]
    tweet_length: dict[str, Scores]


class Metrics(NamedTuple):
    """Metrics of a model on one split.

    name (str): The name of the split.
    tweets (int): Number of tweets.
    tokens (int): Number of tokens.
    accuracy (float): Accuracy of the BIO tags, 0..1.
    labels (tuple[str, ...]): The nY entity types.
    overall (IntervalScores): Scores of exact spans and their types.
    per_type (dict[str, IntervalScores]): The same by type.
    span_only (IntervalScores): Scores of exact spans, ignoring types.
    categories (dict[str, dict[Category, int]]): Error counts: all types, then by type. Entities
        count for their gold type, spurious ones for their predicted type.
    schemas (dict[Schema, SchemaScores]): Scores under nervaluate's four schemas.
    slices (Slices): Scores by slice.
    confusion (Ints2d): (nY + 1, nY + 1) gold by predicted types; the last row and column are no
        entity.
    differences (dict[str, dict[str, Difference]]): Differences by other model: all types, then by
        type.
    """

    name: str
    tweets: int
    tokens: int
    accuracy: float
    labels: tuple[str, ...]
    overall: IntervalScores
    per_type: dict[str, IntervalScores]
    span_only: IntervalScores
    categories: dict[str, dict[Category, int]]
    schemas: dict[Schema, SchemaScores]
    slices: Slices
    confusion: Ints2d
    differences: dict[str, dict[str, Difference]]


def compute_metrics(
    predictions: Predictions,
    *,
    surfaces: Surfaces | None = None,
    others: Mapping[str, Predictions] | None = None,
) -> Metrics:
    """Compute all metrics of a model's predictions.

    predictions (Predictions): The predictions.
    surfaces (Optional[Mapping[str, frozenset[str]]]): The entities of the training data, see
        collect_surfaces.
    others (Optional[Mapping[str, Predictions]]): Predictions of other models on the same corpus,
        by name.
    RETURNS (Metrics): The metrics.
    RAISES (ValueError): If the other predictions are for another corpus.
    """
    pairs, others = predictions.pairs, others or {}
    for name, other in others.items():
        _require_same_gold(predictions, other, name)
    labels = _all_labels([predictions, *others.values()])
    counts, boundaries = count_spans(pairs, labels), count_boundaries(pairs)
    totals = zip(with_total(counts.sum(0)), f1_intervals(counts), strict=True)
    overall, *per_type = (_add_interval(*total) for total in totals)
    matches = [match for pair in pairs for match in match_spans(*pair)]
    lengths = [len(tweet.words) for tweet in predictions.tweets]
    return Metrics(
        name=predictions.name,
        tweets=len(pairs),
        tokens=sum(lengths),
        accuracy=token_accuracy(pairs, lengths),
        labels=labels,
        overall=overall,
        per_type=dict(zip(labels, per_type, strict=True)),
        span_only=_add_interval(boundaries.sum(0), f1_intervals(boundaries[:, None])[0]),
        categories=_categories_by_type(matches, labels),
        schemas={schema: score_schema(pairs, schema) for schema in SCHEMAS},
        slices=score_slices(predictions.tweets, surfaces),
        confusion=confusion_matrix(matches, labels),
        differences={name: _compare(pairs, o.pairs, labels) for name, o in others.items()},
    )


def metrics_to_dict(metrics: Metrics) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The metrics in the format described above."""
    data = asdict(metrics)
    del data["name"]
    return data


def _require_same_gold(predictions: Predictions, other: Predictions, name: str) -> None:
    if [tweet.gold for tweet in predictions.tweets] != [tweet.gold for tweet in other.tweets]:
        raise ValueError(
            f"cannot compare with {name!r} on {predictions.name!r}: its predictions are for "
            "another corpus. Run both models on the same corpus"
        )


def _all_labels(predictions: Sequence[Predictions]) -> tuple[str, ...]:
    tweets = [tweet for some in predictions for tweet in some.tweets]
    return tuple(sorted({span[2] for tweet in tweets for span in tweet.gold + tweet.predicted}))


def _add_interval(counts: numpy.ndarray, interval: Interval) -> IntervalScores:
    return IntervalScores(*to_scores(counts), *interval)


def _compare(
    pairs: Sequence[SpanPair], others: Sequence[SpanPair], labels: Sequence[str]
) -> dict[str, Difference]:
    counts, other_counts = (count_spans(p, labels)[None] for p in (pairs, others))
    return dict(zip((ALL, *labels), paired_differences(counts, other_counts), strict=True))


def _categories_by_type(
    matches: Sequence[Match], labels: Sequence[str]
) -> dict[str, dict[Category, int]]:
    by_type: dict[str, list[Match]] = {label: [] for label in labels}
    for match in matches:
        by_type[(match.gold or match.predicted or ("",))[-1]].append(match)
    counts = {label: count_categories(some) for label, some in by_type.items()}
    return {ALL: count_categories(matches), **counts}


def confusion_matrix(matches: Sequence[Match], labels: Sequence[str]) -> Ints2d:
    """Count predicted types by gold type. Matches with different boundaries are included.

    matches (Sequence[Match]): The matches of a corpus.
    labels (Sequence[str]): The nY entity types.
    RETURNS (Ints2d): (nY + 1, nY + 1) gold by predicted types. The last row counts spurious
        entities, the last column missed ones.
    """
    index = {label: i for i, label in enumerate((*labels, NONE))}
    matrix = numpy.zeros((len(index), len(index)), dtype="int64")
    for gold, predicted, _ in matches:
        matrix[index[gold[2] if gold else NONE], index[predicted[2] if predicted else NONE]] += 1
    return matrix


def collect_surfaces(
    tweets: Iterable[tuple[Sequence[str], Iterable[TokenSpan]]],
) -> dict[str, frozenset[str]]:
    """Collect the words of all entities.

    tweets (Iterable[tuple[Sequence[str], Iterable[TokenSpan]]]): The words and gold entities of
        each tweet.
    RETURNS (dict[str, frozenset[str]]): Entity types by lowercase words.
    """
    found: dict[str, set[str]] = {}
    for words, entities in tweets:
        for span in entities:
            found.setdefault(_surface(words, span), set()).add(span[2])
    return {words: frozenset(types) for words, types in found.items()}


def _surface(words: Sequence[str], span: TokenSpan) -> str:
    return " ".join(words[span[0] : span[1]]).lower()


def seen_group(words: Sequence[str], span: TokenSpan, surfaces: Surfaces) -> str:
    """RETURNS (str): One of SEEN."""
    types = surfaces.get(_surface(words, span))
    if types is None:
        return SEEN[2]
    return SEEN[0] if span[2] in types else SEEN[1]


def score_slices(tweets: Sequence[Tweet], surfaces: Surfaces | None) -> Slices:
    """Score each slice of a corpus. Gold and predicted entities are grouped by the same rule, so
    that each slice has a precision and a recall.

    tweets (Sequence[Tweet]): The tweets.
    surfaces (Optional[Mapping[str, frozenset[str]]]): The entities of the training data, see
        collect_surfaces.
    RETURNS (Slices): The scores.
    """

    def group_scores(
        group_of: Callable[[int, TokenSpan], str], names: Iterable[str]
    ) -> dict[str, Scores]:
        counts = count_groups([(tweet.gold, tweet.predicted) for tweet in tweets], group_of)
        return {name: to_scores(counts[name].sum(0)) for name in names if name in counts}

    seen = None
    if surfaces is not None:
        seen = group_scores(lambda i, span: seen_group(tweets[i].words, span, surfaces), SEEN)
    return Slices(
        seen,
        group_scores(
            lambda i, span: _bucket(span[1] - span[0], _ENTITY_LENGTHS),
            (name for _, name in _ENTITY_LENGTHS),
        ),
        group_scores(
            lambda i, span: _bucket(len(tweets[i].words), _TWEET_LENGTHS),
            (name for _, name in _TWEET_LENGTHS),
        ),
    )


def _bucket(length: int, buckets: Sequence[tuple[int, str]]) -> str:
    return next(name for maximum, name in buckets if length <= maximum)
