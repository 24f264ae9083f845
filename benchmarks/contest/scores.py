"""Scores of predicted spans, and how sure they are: intervals of draws of the tweets."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy
from spacy.tokens import Doc
from thinc.types import Ints3d

from spacy_twitter_ner.evaluation import scores as counting
from spacy_twitter_ner.evaluation.scores import (
    N_DRAWS,
    f1_intervals,
    paired_differences,
    to_scores,
    with_total,
)

from .corpus import SPLITS, Gold, Span, doc_spans
from .results import Result


def count_spans(
    references: Sequence[Doc], predictions: Sequence[Iterable[Span]], labels: Sequence[str]
) -> Ints3d:
    """Count right, wrong and missed spans.

    references (Sequence[Doc]): nT tweets with their gold entities.
    predictions (Sequence[Iterable[tuple[int, int, str]]]): The spans predicted for each.
    labels (Sequence[str]): All nY entity types.
    RETURNS (Ints3d): (nT, nY, 3) true positives, false positives and false negatives.
    """
    return counting.count_spans(_pair(references, predictions), labels)


def _pair(
    references: Sequence[Doc], predictions: Sequence[Iterable[Span]]
) -> list[tuple[list[Span], list[Span]]]:
    # Results are read from JSON, which has no tuples.
    return [
        (doc_spans(doc), [(start, end, label) for start, end, label in spans])
        for doc, spans in zip(references, predictions, strict=True)
    ]


def score(
    references: Sequence[Doc], predictions: Sequence[Iterable[Span]], labels: Sequence[str]
) -> dict[str, Any]:
    """Score the predictions of one run on one split.

    RETURNS (dict[str, Any]): "all" and "per_type" by type: p, r and f as in spaCy, support, and
        low and high, the bounds of the 95% interval of f. "span_only": p, r, f with the types
        ignored.
    """
    counts = count_spans(references, predictions, labels)
    intervals = f1_intervals(counts, N_DRAWS)
    rows = []
    for total, bounds in zip(with_total(counts.sum(0)), intervals, strict=True):
        scores = to_scores(total)
        row = {"p": scores.p, "r": scores.r, "f": scores.f, **bounds._asdict()}
        rows.append({**row, "support": scores.n_gold})
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
    scores = to_scores(counting.count_boundaries(_pair(references, predictions)).sum(0))
    return {"p": scores.p, "r": scores.r, "f": scores.f}


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
    total = with_total(one[0].sum(0))
    rows = [
        Difference(int(tp + fn), row.other, row.f, row.low, row.high)
        for row, (tp, _, fn) in zip(paired_differences(other, one, N_DRAWS), total, strict=True)
    ]
    return dict(zip(("all", *gold.labels), rows, strict=True))
