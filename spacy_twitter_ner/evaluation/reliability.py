"""How far a model's confidence can be trusted: of entities of which it is 80 % sure, 80 % should be
right (Guo et al. 2017).

A file of reliability, confidence.json, is of this form:

    {"temperature": float, "splits": {split: {"gold": int, "before": CALIBRATION,
     "after": CALIBRATION, "thresholds": [POINT, …]}}}

before is at temperature 1, after at the model's own. CALIBRATION is {"entities", "ece", "chance",
"bins": [{"low", "high", "n", "confidence", "precision"}, …]}, POINT {"threshold", "n", "coverage",
"precision", "recall", "f"}. Where nothing was found, precisions and errors are null.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy

from .tables import Table, figure

Floats1d: TypeAlias = numpy.ndarray
Bools1d: TypeAlias = numpy.ndarray
Ints1d: TypeAlias = numpy.ndarray

FILE_NAME = "confidence.json"
N_BINS = 10
THRESHOLDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_N_DRAWS = 1000
_BAR = 20


class Bin(NamedTuple):
    """Entities of similar confidence: how many, how sure the model was, how many were right.

    low (float): The bin's lower border, inclusive.
    high (float): Its upper one, exclusive but for 1.
    n (int): How many entities.
    confidence (Optional[float]): The mean of their confidence.
    precision (Optional[float]): The share that was right.
    """

    low: float
    high: float
    n: int
    confidence: float | None
    precision: float | None


class Calibration(NamedTuple):
    """How well confidence and precision agree.

    entities (int): How many entities were looked at.
    ece (Optional[float]): The expected calibration error: the mean difference between confidence
        and precision of a bin, weighed by its entities.
    chance (Optional[float]): What it would be on average for a model whose confidence is true,
        with as many entities: less cannot be asked for.
    bins (list[Bin]): The bins, from 0 to 1.
    """

    entities: int
    ece: float | None
    chance: float | None
    bins: list[Bin]


class Point(NamedTuple):
    """What is left where less probable entities are not set.

    threshold (float): The least probability.
    n (int): How many entities are left.
    coverage (Optional[float]): Their share of all that are found.
    precision (Optional[float]): The share of them that is right.
    recall (Optional[float]): The share of the gold entities that is found.
    f (Optional[float]): The harmonic mean of the two.
    """

    threshold: float
    n: int
    coverage: float | None
    precision: float | None
    recall: float | None
    f: float | None


class SplitReliability(NamedTuple):
    """The reliability on one split: number of gold entities; calibration at temperature 1 and at
    the model's; what thresholds do, at the model's temperature."""

    gold: int
    before: Calibration
    after: Calibration
    thresholds: list[Point]


class Reliability(NamedTuple):
    """The reliability of a model: its temperature, and that of each split."""

    temperature: float
    splits: dict[str, SplitReliability]


def measure_split(
    before: Floats1d, after: Floats1d, is_right: Bools1d, n_gold: int
) -> SplitReliability:
    """Measure the reliability on one split.

    before (Floats1d): (S,) the entities' confidence at temperature 1.
    after (Floats1d): (S,) the same at the model's temperature.
    is_right (Bools1d): (S,) whether each is right.
    n_gold (int): How many there are in the gold annotation.
    RETURNS (SplitReliability): All figures.
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

    confidences (Floats1d): (S,) each entity's confidence.
    is_right (Bools1d): (S,) whether it is right.
    n_bins (int): How many bins.
    RETURNS (Calibration): The calibration.
    """
    confidences = numpy.asarray(confidences, dtype="float64")
    number = numpy.minimum((confidences * n_bins).astype("int64"), n_bins - 1)
    counts, sure, right = (
        numpy.bincount(number, weights=weights, minlength=n_bins)
        for weights in (None, confidences, numpy.asarray(is_right, dtype="float64"))
    )
    bins = [
        Bin(
            k / n_bins,
            (k + 1) / n_bins,
            int(counts[k]),
            float(sure[k] / counts[k]) if counts[k] else None,
            float(right[k] / counts[k]) if counts[k] else None,
        )
        for k in range(n_bins)
    ]
    if not len(confidences):
        return Calibration(0, None, None, bins)
    ece = float(numpy.abs(sure - right).sum() / len(confidences))
    return Calibration(len(confidences), ece, _chance(confidences, number, n_bins), bins)


def _chance(confidences: Floats1d, number: Ints1d, n_bins: int) -> float:
    """The mean error where each entity is right with just the probability that was said."""
    random = numpy.random.RandomState(0)
    errors = []
    for _ in range(_N_DRAWS):
        surplus = (random.uniform(size=len(confidences)) < confidences) - confidences
        errors.append(numpy.abs(numpy.bincount(number, surplus, n_bins)).sum())
    return float(numpy.mean(errors) / len(confidences))


def measure_point(confidences: Floats1d, is_right: Bools1d, n_gold: int, threshold: float) -> Point:
    """RETURNS (Point): What is left with a threshold."""
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


def reliability_to_dict(reliability: Reliability) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The reliability in the form of confidence.json, see above."""

    def calibration(of: Calibration) -> dict[str, Any]:
        return {**of._asdict(), "bins": [each._asdict() for each in of.bins]}

    return {
        "temperature": reliability.temperature,
        "splits": {
            name: {
                "gold": split.gold,
                "before": calibration(split.before),
                "after": calibration(split.after),
                "thresholds": [point._asdict() for point in split.thresholds],
            }
            for name, split in reliability.splits.items()
        },
    }


def read_reliability(path: Path) -> Reliability:
    """Read a file of reliability.

    path (Path): The file.
    RETURNS (Reliability): What is in it.
    RAISES (ValueError): If it is of another form.
    RAISES (OSError): If it cannot be read.
    """

    def calibration(of: dict[str, Any]) -> Calibration:
        return Calibration(**{**of, "bins": [Bin(**each) for each in of["bins"]]})

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
            f"{path} is no file of reliability ({type(error).__name__}: {error}): write it anew "
            "with `spacy-twitter-ner reliability`"
        ) from None


def reliability_tables(reliability: Reliability) -> list[Table]:
    """Lay reliability out in tables.

    reliability (Reliability): The reliability.
    RETURNS (list[Table]): Calibration errors; a diagram of each split and what thresholds do on it.
    """
    header = ("Split", "Entities", "ECE before", "ECE after", "by chance")
    errors: list[tuple[str, ...]] = []
    for name, split in reliability.splits.items():
        figures = (split.before.ece, split.after.ece, split.after.chance)
        errors.append((name, str(split.after.entities), *map(_fraction, figures)))
    title = f"Expected calibration error, temperature {reliability.temperature:.3f}"
    tables = [Table(title, header, errors)]
    for name, split in reliability.splits.items():
        tables.append(_diagram(name, split.after))
        tables.append(_threshold_table(name, split.thresholds))
    return tables


def _diagram(name: str, calibration: Calibration) -> Table:
    rows: list[tuple[str, ...]] = [
        (
            f"{each.low:.1f}–{each.high:.1f}",
            str(each.n),
            _fraction(each.confidence),
            _fraction(each.precision),
            _bar(each),
        )
        for each in calibration.bins
    ]
    header = ("Confidence", "Entities", "Mean", "Precision", "█ precision, ┃ confidence")
    return Table(f"Reliability on {name}", header, rows)


def _bar(each: Bin) -> str:
    """Precision as a bar, and where it should end."""
    if each.confidence is None or each.precision is None:
        return " " * (_BAR + 1)
    cells = ["█" if cell < round(each.precision * _BAR) else "·" for cell in range(_BAR + 1)]
    cells[round(each.confidence * _BAR)] = "┃"
    return "".join(cells)


def _threshold_table(name: str, points: Sequence[Point]) -> Table:
    rows: list[tuple[str, ...]] = [
        (f"{point.threshold:.2f}", str(point.n), *map(_fraction, point[2:])) for point in points
    ]
    header = ("Threshold", "Entities", "Coverage", "Precision", "Recall", "F1")
    return Table(f"Thresholds on {name}", header, rows)


def _fraction(value: float | None) -> str:
    return figure(value, ".3f")
