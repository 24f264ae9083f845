"""Measure calibration: of entities with a confidence of 80%, 80% should be correct (Guo et al.
2017).

Format of confidence.json:

    {"temperature": float, "splits": {split: {"gold": int, "before": CALIBRATION,
     "after": CALIBRATION, "thresholds": [POINT, …]}}}

This is scores.asdict of a Reliability. "before" is at temperature 1, "after" at the model's
temperature. CALIBRATION is {"entities", "ece", "chance", "bins": [{"low", "high", "n",
"confidence", "precision"}, …]} and POINT {"threshold", "n", "coverage", "precision", "recall",
"f"}. Undefined ratios are null.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy

Floats1d: TypeAlias = numpy.ndarray
Bools1d: TypeAlias = numpy.ndarray
Ints1d: TypeAlias = numpy.ndarray

FILE_NAME = "confidence.json"
N_BINS = 10
THRESHOLDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_N_DRAWS = 1000


class Bin(NamedTuple):
    """Entities of similar confidence.

    low (float): Lower bound of the bin, inclusive.
    high (float): Upper bound, exclusive except for 1.
    n (int): Number of entities.
    confidence (Optional[float]): Their mean confidence.
    precision (Optional[float]): Fraction of correct entities.
    """

    low: float
    high: float
    n: int
    confidence: float | None
    precision: float | None


class Calibration(NamedTuple):
    """Agreement of confidence and precision.

    entities (int): Number of predicted entities.
    ece (Optional[float]): Expected calibration error: mean absolute difference of confidence and
        precision over the bins, weighted by their entities.
    chance (Optional[float]): Mean ECE of a perfectly calibrated model with the same confidences:
        the lower limit with that many entities.
    bins (list[Bin]): The bins, from 0 to 1.
    """

    entities: int
    ece: float | None
    chance: float | None
    bins: list[Bin]


class Point(NamedTuple):
    """Scores when entities below a threshold are removed.

    threshold (float): Minimum confidence.
    n (int): Number of remaining entities.
    coverage (Optional[float]): Fraction of predicted entities that remain.
    precision (Optional[float]): Fraction of remaining entities that are correct.
    recall (Optional[float]): Fraction of gold entities that are found.
    f (Optional[float]): F1.
    """

    threshold: float
    n: int
    coverage: float | None
    precision: float | None
    recall: float | None
    f: float | None


class SplitReliability(NamedTuple):
    """Reliability on one split.

    gold (int): Number of gold entities.
    before (Calibration): Calibration at temperature 1.
    after (Calibration): Calibration at the model's temperature.
    thresholds (list[Point]): Scores by threshold, at the model's temperature.
    """

    gold: int
    before: Calibration
    after: Calibration
    thresholds: list[Point]


class Reliability(NamedTuple):
    """A model's temperature and its reliability by split."""

    temperature: float
    splits: dict[str, SplitReliability]


def measure_split(
    before: Floats1d, after: Floats1d, is_right: Bools1d, n_gold: int
) -> SplitReliability:
    """Measure the reliability on one split.

    before (Floats1d): (S,) confidences of the predicted entities at temperature 1.
    after (Floats1d): (S,) confidences at the model's temperature.
    is_right (Bools1d): (S,) whether each entity is correct.
    n_gold (int): Number of gold entities.
    RETURNS (SplitReliability): The reliability.
    """
    return SplitReliability(
        n_gold,
        measure_calibration(before, is_right),
        measure_calibration(after, is_right),
        [measure_point(after, is_right, n_gold, threshold) for threshold in THRESHOLDS],
    )


def measure_calibration(
    confidences: Floats1d, is_right: Bools1d, n_bins: int = N_BINS
) -> Calibration:
    """Compare confidence and precision in bins of equal width.

    confidences (Floats1d): (S,) confidences of the predicted entities.
    is_right (Bools1d): (S,) whether each entity is correct.
    n_bins (int): Number of bins.
    RETURNS (Calibration): The calibration.
    """
    confidences = numpy.asarray(confidences, dtype="float64")
    index = numpy.minimum((confidences * n_bins).astype("int64"), n_bins - 1)
    counts, confidence, right = (
        numpy.bincount(index, weights=weights, minlength=n_bins)
        for weights in (None, confidences, numpy.asarray(is_right, dtype="float64"))
    )
    bins = [
        Bin(
            k / n_bins,
            (k + 1) / n_bins,
            int(counts[k]),
            float(confidence[k] / counts[k]) if counts[k] else None,
            float(right[k] / counts[k]) if counts[k] else None,
        )
        for k in range(n_bins)
    ]
    if not len(confidences):
        return Calibration(0, None, None, bins)
    ece = float(numpy.abs(confidence - right).sum() / len(confidences))
    return Calibration(len(confidences), ece, _chance(confidences, index, n_bins), bins)


def _chance(confidences: Floats1d, index: Ints1d, n_bins: int) -> float:
    """RETURNS (float): The mean ECE if each entity is correct with its confidence."""
    random = numpy.random.RandomState(0)
    errors = []
    for _ in range(_N_DRAWS):
        surplus = (random.uniform(size=len(confidences)) < confidences) - confidences
        errors.append(numpy.abs(numpy.bincount(index, surplus, n_bins)).sum())
    return float(numpy.mean(errors) / len(confidences))


def measure_point(confidences: Floats1d, is_right: Bools1d, n_gold: int, threshold: float) -> Point:
    """RETURNS (Point): The scores at a threshold."""
    is_left = numpy.asarray(confidences) >= threshold
    n, n_right = int(is_left.sum()), int((is_left & numpy.asarray(is_right, dtype=bool)).sum())
    return Point(
        threshold,
        n,
        n / len(is_left) if len(is_left) else None,
        n_right / n if n else None,
        n_right / n_gold if n_gold else None,
        2 * n_right / (n + n_gold) if n + n_gold else None,
    )


def read_reliability(path: Path) -> Reliability:
    """Read confidence.json.

    path (Path): The file.
    RETURNS (Reliability): The reliability.
    RAISES (ValueError): If the file has another format.
    RAISES (OSError): If it cannot be read.
    """

    def calibration(data: dict[str, Any]) -> Calibration:
        return Calibration(**{**data, "bins": [Bin(**each) for each in data["bins"]]})

    try:
        data = json.loads(path.read_text(encoding="utf8"))
        splits = {
            name: SplitReliability(
                split["gold"],
                calibration(split["before"]),
                calibration(split["after"]),
                [Point(**point) for point in split["thresholds"]],
            )
            for name, split in data["splits"].items()
        }
        return Reliability(float(data["temperature"]), splits)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{path} isn't a reliability file ({type(error).__name__}: {error}). Create it with "
            "`spacy-twitter-ner reliability`"
        ) from None
