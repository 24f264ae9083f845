"""Precision, recall and F1 of spans, counted as conlleval counts them: a span is right if its
boundaries and its type are.

Counts are arrays (…, 3): true positives, false positives, false negatives. Kept by tweet, they
can be drawn anew (bootstrap.py).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy
from thinc.types import FloatsXd, Ints2d, Ints3d, IntsXd

from ..iob import TokenSpan, spans_to_bio

SpanPair = tuple[Sequence[TokenSpan], Sequence[TokenSpan]]


class Scores(NamedTuple):
    """Precision, recall and F1, 0..1, and what they are made of. A ratio of nothing is 0.

    p (float): Precision: right predictions over all predictions.
    r (float): Recall: right predictions over all gold spans.
    f (float): Their harmonic mean.
    n_gold (int): How many gold spans there are.
    n_predicted (int): How many predicted spans there are.
    n_correct (int): How many of them are right.
    """

    p: float
    r: float
    f: float
    n_gold: int
    n_predicted: int
    n_correct: int


def count_spans(pairs: Sequence[SpanPair], labels: Sequence[str]) -> Ints3d:
    """Count right, wrong and missed spans.

    pairs (Sequence[tuple[Sequence[TokenSpan], Sequence[TokenSpan]]]): The gold and the predicted
        spans of each of N tweets.
    labels (Sequence[str]): All nY entity types.
    RETURNS (Ints3d): (N, nY, 3) true positives, false positives and false negatives.
    RAISES (ValueError): If a span's type is not among them.
    """
    index = {label: i for i, label in enumerate(labels)}
    counts = numpy.zeros((len(pairs), len(labels), 3), dtype="int64")
    for i, outcome, (*_, label) in _outcomes(pairs):
        if label not in index:
            raise ValueError(f"an entity is of type {label!r}, which is not in {list(labels)}")
        counts[i, index[label], outcome] += 1
    return counts


def count_boundaries(pairs: Sequence[SpanPair]) -> Ints2d:
    """RETURNS (Ints2d): (N, 3) the counts of N tweets if a span is right whatever its type."""
    bare = [([(*s[:2], "") for s in gold], [(*s[:2], "") for s in found]) for gold, found in pairs]
    return count_spans(bare, [""])[:, 0]


def count_groups(
    pairs: Sequence[SpanPair], group_of: Callable[[int, TokenSpan], str]
) -> dict[str, Ints2d]:
    """Count spans group by group.

    pairs (Sequence[tuple[Sequence[TokenSpan], Sequence[TokenSpan]]]): The spans of N tweets.
    group_of (Callable[[int, TokenSpan], str]): The group of a span, from the tweet's index and
        the span itself, gold or predicted.
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
    """RETURNS (FloatsXd): (…, 3) precision, recall and F1 of (…, 3) counts; 0 where undefined."""
    tp, fp, fn = numpy.moveaxis(numpy.asarray(counts), -1, 0)
    ratios = (tp / numpy.maximum(n, 1) for n in (tp + fp, tp + fn, tp + (fp + fn) / 2))
    return numpy.stack(list(ratios), axis=-1)


def with_total(counts: IntsXd) -> IntsXd:
    """RETURNS (IntsXd): (…, 1 + nY, 3) the sum over the types, then the (…, nY, 3) counts."""
    return numpy.concatenate([counts.sum(-2, keepdims=True), counts], axis=-2)


def to_scores(counts: IntsXd) -> Scores:
    """RETURNS (Scores): The scores of (3,) counts."""
    tp, fp, fn = map(int, counts)
    p, r, f = map(float, prf(counts))
    return Scores(p, r, f, n_gold=tp + fn, n_predicted=tp + fp, n_correct=tp)


def token_accuracy(pairs: Iterable[SpanPair], lengths: Iterable[int]) -> float:
    """Conlleval's accuracy: how many tokens have the right tag.

    pairs (Iterable[tuple[Sequence[TokenSpan], Sequence[TokenSpan]]]): The spans of each tweet.
    lengths (Iterable[int]): How many tokens each tweet has.
    RETURNS (float): The accuracy of the BIO tags, 0..1; 0 if there are no tokens.
    """
    n_right = n_tokens = 0
    for (gold, predicted), length in zip(pairs, lengths, strict=True):
        tags = zip(spans_to_bio(gold, length), spans_to_bio(predicted, length), strict=True)
        n_right += sum(one == other for one, other in tags)
        n_tokens += length
    return n_right / n_tokens if n_tokens else 0.0
