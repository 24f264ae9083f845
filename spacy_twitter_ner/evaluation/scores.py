"""Precision, recall and F1 of spans, and bootstrap intervals.

As in conlleval, a span is correct if its boundaries and its type are correct. Counts are arrays
(..., 3): true positives, false positives, false negatives. They are kept per tweet for the
bootstrap over tweets (Efron & Tibshirani 1993), which compares two models in pairs
(Berg-Kirkpatrick et al. 2012).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy
from thinc.types import Floats2d, Floats3d, FloatsXd, Ints2d, Ints3d, Ints4d, IntsXd

from ..iob import TokenSpan, spans_to_bio

SpanPair = tuple[Sequence[TokenSpan], Sequence[TokenSpan]]

N_DRAWS = 1000
_BATCH = 100


class PRF(NamedTuple):
    """Precision, recall and F1, 0..1; None where nothing was scored."""

    p: float | None
    r: float | None
    f: float | None


class Scores(NamedTuple):
    """Precision, recall and F1, 0..1, with their counts. A ratio over zero spans is 0.

    p (float): Precision.
    r (float): Recall.
    f (float): F1.
    n_gold (int): Number of gold spans.
    n_predicted (int): Number of predicted spans.
    n_correct (int): Number of correct predictions.
    """

    p: float
    r: float
    f: float
    n_gold: int
    n_predicted: int
    n_correct: int


class Interval(NamedTuple):
    """Bounds of a 95% interval."""

    low: float
    high: float


class Difference(NamedTuple):
    """F1 of two models on the same tweets.

    f (float): F1 of the model, 0..1.
    other (float): F1 of the other model.
    low (float): Lower bound of the paired 95% interval of f - other.
    high (float): Upper bound.
    p_value (float): Two-sided p-value of the paired bootstrap.
    """

    f: float
    other: float
    low: float
    high: float
    p_value: float


def asdict(value: Any) -> Any:
    """Convert named tuples to dicts and arrays to lists, recursively.

    value (Any): A named tuple, or a container of them.
    RETURNS (Any): Its JSON-serializable form.
    """
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {key: asdict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [asdict(item) for item in value]
    return value.tolist() if isinstance(value, numpy.ndarray) else value


def count_spans(pairs: Sequence[SpanPair], labels: Sequence[str]) -> Ints3d:
    """Count true positives, false positives and false negatives per tweet and type.

    pairs (Sequence[tuple[Sequence[TokenSpan], Sequence[TokenSpan]]]): The gold and the predicted
        spans of each of N tweets.
    labels (Sequence[str]): All nY entity types.
    RETURNS (Ints3d): (N, nY, 3) counts.
    RAISES (ValueError): If the type of a span isn't in labels.
    """
    index = {label: i for i, label in enumerate(labels)}
    counts = numpy.zeros((len(pairs), len(labels), 3), dtype="int64")
    for i, outcome, (*_, label) in _outcomes(pairs):
        if label not in index:
            raise ValueError(f"unknown entity type {label!r}: expected one of {list(labels)}")
        counts[i, index[label], outcome] += 1
    return counts


def count_boundaries(pairs: Sequence[SpanPair]) -> Ints2d:
    """RETURNS (Ints2d): (N, 3) counts per tweet with types ignored."""
    bare = [([(*s[:2], "") for s in gold], [(*s[:2], "") for s in found]) for gold, found in pairs]
    return count_spans(bare, [""])[:, 0]


def count_groups(
    pairs: Sequence[SpanPair], group_of: Callable[[int, TokenSpan], str]
) -> dict[str, Ints2d]:
    """Count spans per group.

    pairs (Sequence[tuple[Sequence[TokenSpan], Sequence[TokenSpan]]]): The gold and the predicted
        spans of each of N tweets.
    group_of (Callable[[int, TokenSpan], str]): Returns the group of a gold or predicted span,
        given the tweet's index and the span.
    RETURNS (dict[str, Ints2d]): (N, 3) counts by group.
    """
    groups: dict[str, Ints2d] = {}
    for i, outcome, span in _outcomes(pairs):
        group = group_of(i, span)
        if group not in groups:
            groups[group] = numpy.zeros((len(pairs), 3), dtype="int64")
        groups[group][i, outcome] += 1
    return groups


def _outcomes(pairs: Sequence[SpanPair]) -> Iterator[tuple[int, int, TokenSpan]]:
    for i, (gold, predicted) in enumerate(pairs):
        found, expected = set(predicted), set(gold)
        for outcome, spans in enumerate((found & expected, found - expected, expected - found)):
            for span in spans:
                yield i, outcome, span


def prf(counts: IntsXd) -> FloatsXd:
    """RETURNS (FloatsXd): (..., 3) precision, recall and F1 of (..., 3) counts; 0 if undefined."""
    tp, fp, fn = numpy.moveaxis(numpy.asarray(counts), -1, 0)
    ratios = (tp / numpy.maximum(n, 1) for n in (tp + fp, tp + fn, tp + (fp + fn) / 2))
    return numpy.stack(list(ratios), axis=-1)


def with_total(counts: IntsXd) -> IntsXd:
    """RETURNS (IntsXd): (..., 1 + nY, 3) counts: all types, then each type."""
    return numpy.concatenate([counts.sum(-2, keepdims=True), counts], axis=-2)


def to_scores(counts: IntsXd) -> Scores:
    """RETURNS (Scores): The scores of (3,) counts."""
    tp, fp, fn = map(int, counts)
    p, r, f = map(float, prf(counts))
    return Scores(p, r, f, n_gold=tp + fn, n_predicted=tp + fp, n_correct=tp)


def token_accuracy(pairs: Iterable[SpanPair], lengths: Iterable[int]) -> float:
    """Compute the accuracy of BIO tags, as conlleval does.

    pairs (Iterable[tuple[Sequence[TokenSpan], Sequence[TokenSpan]]]): The spans of each tweet.
    lengths (Iterable[int]): Number of tokens of each tweet.
    RETURNS (float): The accuracy, 0..1; 0 if there are no tokens.
    """
    n_right = n_tokens = 0
    for (gold, predicted), length in zip(pairs, lengths, strict=True):
        tags = zip(spans_to_bio(gold, length), spans_to_bio(predicted, length), strict=True)
        n_right += sum(one == other for one, other in tags)
        n_tokens += length
    return n_right / n_tokens if n_tokens else 0.0


def draw_weights(n_tweets: int, n_draws: int = N_DRAWS) -> Iterator[Ints2d]:
    """Draw tweets with replacement. The seed is fixed, so all models are scored on the same draws.

    n_tweets (int): Number of tweets in the corpus and in each draw.
    n_draws (int): Number of draws.
    YIELDS (Ints2d): (batch size, N) how often each tweet is in each draw.
    """
    generator = numpy.random.default_rng(0)
    for start in range(0, n_draws if n_tweets else 0, _BATCH):
        size = min(_BATCH, n_draws - start)
        yield generator.multinomial(n_tweets, numpy.full(n_tweets, 1 / n_tweets), size=size)


def draw_prf(counts: Ints3d, n_draws: int = N_DRAWS) -> Floats3d:
    """Score bootstrap draws.

    counts (Ints3d): (N, nY, 3) counts per tweet and type.
    n_draws (int): Number of draws.
    RETURNS (Floats3d): (nDraws, 1 + nY, 3) precision, recall and F1: all types, then each type.
    """
    rows = counts.reshape(len(counts), 3 * counts.shape[1]).astype("float64")
    drawn = [weights.astype("float64") @ rows for weights in draw_weights(len(counts), n_draws)]
    if not drawn:
        return numpy.zeros((n_draws, counts.shape[1] + 1, 3))
    return prf(with_total(numpy.concatenate(drawn).reshape(n_draws, *counts.shape[1:])))


def draw_f1(counts: Ints4d, n_draws: int = N_DRAWS) -> Floats2d:
    """Average the F1 of several runs of a model on each bootstrap draw.

    counts (Ints4d): (nRuns, N, nY, 3) counts of each run.
    n_draws (int): Number of draws.
    RETURNS (Floats2d): (nDraws, 1 + nY) F1: all types, then each type.
    """
    return numpy.mean([draw_prf(run, n_draws)[..., 2] for run in counts], axis=0)


def interval(draws: Floats2d) -> Floats2d:
    """RETURNS (Floats2d): (2, nO) bounds of the 95% interval of (nDraws, nO) draws."""
    return numpy.percentile(draws, (2.5, 97.5), axis=0)


def f1_intervals(counts: Ints3d, n_draws: int = N_DRAWS) -> list[Interval]:
    """RETURNS (list[Interval]): The intervals of F1 from (N, nY, 3) counts: all types, then each
    type."""
    return [Interval(float(a), float(b)) for a, b in interval(draw_prf(counts, n_draws)[..., 2]).T]


def paired_differences(counts: Ints4d, others: Ints4d, n_draws: int = N_DRAWS) -> list[Difference]:
    """Compare two models on the same tweets. The F1 of several runs is averaged.

    counts (Ints4d): (nRuns, N, nY, 3) counts of the model's runs.
    others (Ints4d): Counts of the other model's runs.
    n_draws (int): Number of draws.
    RETURNS (list[Difference]): The differences: all types, then each type.
    RAISES (ValueError): If the numbers of tweets or types differ.
    """
    if counts.shape[1:] != others.shape[1:]:
        raise ValueError(f"cannot compare counts of {counts.shape[1:]} and {others.shape[1:]}")
    drawn = draw_f1(counts, n_draws) - draw_f1(others, n_draws)
    f_model, f_other = (prf(with_total(c.sum(1)))[..., 2].mean(0) for c in (counts, others))
    # Add-one smoothing, so that p is never zero.
    tails = numpy.minimum((drawn <= 0).sum(0), (drawn >= 0).sum(0)) + 1
    p_values = numpy.minimum(1.0, 2 * tails / (n_draws + 1))
    columns = (f_model, f_other, *interval(drawn), p_values)
    return [Difference(*map(float, row)) for row in zip(*columns, strict=True)]
