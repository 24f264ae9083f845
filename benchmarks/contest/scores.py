"""Scores of predicted spans, and how sure they are: intervals of draws of the tweets."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy
from spacy.tokens import Doc
from thinc.types import Floats2d, FloatsXd, Ints2d, Ints3d, Ints4d, IntsXd

from .corpus import SPLITS, Gold, Span, doc_spans
from .results import Result

N_DRAWS = 1000


def count_spans(
    references: Sequence[Doc], predictions: Sequence[Iterable[Span]], labels: Sequence[str]
) -> Ints3d:
    """Count right, wrong and missed spans.

    references (Sequence[Doc]): nT tweets with their gold entities.
    predictions (Sequence[Iterable[tuple[int, int, str]]]): The spans predicted for each.
    labels (Sequence[str]): All nY entity types.
    RETURNS (Ints3d): (nT, nY, 3) true positives, false positives and false negatives.
    """
    index = {label: i for i, label in enumerate(labels)}
    counts = numpy.zeros((len(references), len(labels), 3), dtype="int64")
    for row, doc, spans in zip(counts, references, predictions, strict=True):
        gold, predicted = set(doc_spans(doc)), {(s, e, label) for s, e, label in spans}
        for span in gold | predicted:
            outcome = 0 if span in gold & predicted else 1 if span in predicted else 2
            row[index[span[2]], outcome] += 1
    return counts


def prf(counts: IntsXd) -> FloatsXd:
    """RETURNS (FloatsXd): (…, 3) precision, recall and F1 of (…, 3) counts; 0 where undefined."""
    tp, fp, fn = numpy.moveaxis(counts, -1, 0)
    ratios = (tp / numpy.maximum(n, 1) for n in (tp + fp, tp + fn, tp + (fp + fn) / 2))
    return numpy.stack(list(ratios), axis=-1)


def with_total(counts: IntsXd) -> IntsXd:
    """RETURNS (IntsXd): (…, 1 + nY, 3) the sum over the types, then the (…, nY, 3) counts."""
    return numpy.concatenate([counts.sum(-2, keepdims=True), counts], axis=-2)


def resampling_weights(n_tweets: int) -> Ints2d:
    """RETURNS (Ints2d): (N_DRAWS, nT) how often each tweet is in each draw of nT tweets, with
    replacement; always the same, so that contestants are compared on the same draws."""
    generator = numpy.random.default_rng(0)
    return generator.multinomial(n_tweets, numpy.full(n_tweets, 1 / n_tweets), size=N_DRAWS)


def draw_f1(counts: Ints4d) -> Floats2d:
    """Draw the tweets anew and score each draw.

    counts (Ints4d): (nS, nT, nY, 3) counts of nS seeds.
    RETURNS (Floats2d): (N_DRAWS, 1 + nY) F1 of all types and of each, the mean of the seeds.
    """
    weights = resampling_weights(counts.shape[1]).astype("float64")
    drawn = numpy.tensordot(weights, counts.astype("float64"), axes=(1, 1))
    return prf(with_total(drawn))[..., 2].mean(axis=1)


def interval(draws: Floats2d) -> Floats2d:
    """RETURNS (Floats2d): (2, nO) the bounds of the 95% interval of (nDraws, nO) draws."""
    return numpy.percentile(draws, (2.5, 97.5), axis=0)


def score(
    references: Sequence[Doc], predictions: Sequence[Iterable[Span]], labels: Sequence[str]
) -> dict[str, Any]:
    """Score the predictions of one run on one split.

    RETURNS (dict[str, Any]): "all" and "per_type" by type: p, r and f as in spaCy, support, and
        low and high, the bounds of the 95% interval of f. "span_only": p, r, f with the types
        ignored.
    """
    counts = count_spans(references, predictions, labels)
    totals, bounds = with_total(counts.sum(0)), interval(draw_f1(counts[None]))
    rows = [
        dict(zip(("p", "r", "f", "low", "high"), map(float, (*figures, *bound)), strict=True))
        | {"support": int(total[0] + total[2])}
        for figures, bound, total in zip(prf(totals), bounds.T, totals, strict=True)
    ]
    return {
        "all": rows[0],
        "per_type": dict(zip(labels, rows[1:], strict=True)),
        "span_only": score_spans_only(references, predictions),
    }


def score_splits(predictions: dict[str, list[list[Span]]], gold: Gold) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): By split, what `score` returns."""
    return {split: score(gold.docs[split], predictions[split], gold.labels) for split in SPLITS}


def score_spans_only(
    references: Sequence[Doc], predictions: Sequence[Iterable[Span]]
) -> dict[str, float]:
    """RETURNS (dict[str, float]): p, r and f where a span is right whatever its type."""
    counts = numpy.zeros(3, dtype="int64")
    for doc, spans in zip(references, predictions, strict=True):
        gold = {(ent.start, ent.end) for ent in doc.ents}
        predicted = {(start, end) for start, end, _ in spans}
        counts += (len(gold & predicted), len(predicted - gold), len(gold - predicted))
    return dict(zip("prf", map(float, prf(counts)), strict=True))


class Difference(NamedTuple):
    """F1 of a model beside that of the reference, on test, the mean of the seeds.

    support (int): How many gold entities there are.
    reference (float): F1 of the reference, 0..1.
    model (float): F1 of the model, 0..1.
    low (float): Lower bound of the 95% interval of model minus reference, in pairs of draws.
    high (float): Upper bound.
    """

    support: int
    reference: float
    model: float
    low: float
    high: float

    @property
    def holds(self) -> bool:
        """RETURNS (bool): Whether the model is not below the reference beyond the interval."""
        return self.high >= 0


def compare(
    reference: Sequence[Result], model: Sequence[Result], gold: Gold
) -> dict[str, Difference]:
    """Compare two contestants on test, over all types and by type.

    reference (Sequence[dict[str, Any]]): The results of one, a seed each.
    model (Sequence[dict[str, Any]]): The results of the other.
    gold (Gold): The corpus.
    RETURNS (dict[str, Difference]): By "all" and by type.
    """
    docs = gold.docs["test"]
    one, other = (
        numpy.stack([count_spans(docs, r["predictions"]["test"], gold.labels) for r in results])
        for results in (reference, model)
    )
    low, high = interval(draw_f1(other) - draw_f1(one))
    f_one, f_other = (prf(with_total(counts.sum(1)))[..., 2].mean(0) for counts in (one, other))
    total = with_total(one[0].sum(0))
    support = map(int, total[:, 0] + total[:, 2])
    figures = (map(float, values) for values in (f_one, f_other, low, high))
    rows = map(Difference._make, zip(support, *figures, strict=True))
    return dict(zip(("all", *gold.labels), rows, strict=True))
