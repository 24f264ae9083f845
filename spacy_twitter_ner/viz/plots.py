"""Training curves and reliability diagrams."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..evaluation.calibration import Calibration, Reliability, SplitReliability
from ..evaluation.progress import CURVE_SPLITS, Checkpoint
from .style import BLUE, GREEN, GRID, INK, MUTED, VERMILLION, drawable, new_figure, save_figure

_SCORES = {"p": "Precision", "r": "Recall", "f": "F1"}
_COLORS = {"train": VERMILLION, "validation": BLUE}
_CURVE_HEIGHT, _CURVES_WIDTH, _CURVES_MARGINS = 0.82, 8.4, 1.15
_LABEL_GAP = 15.0

_DIAGRAM_HEIGHT, _DIAGRAMS_WIDTH = 2.9, 8.6
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def draw_curves(
    checkpoints: Sequence[Checkpoint], paths: Sequence[Path], *, title: str = "Training"
) -> None:
    """Plot precision, recall and F1 during training, overall and by type.

    checkpoints (Sequence[Checkpoint]): The evaluations, see evaluation/progress.py.
    paths (Sequence[Path]): Output paths, .png or .svg. Existing files are replaced.
    title (str): The heading.
    RAISES (MissingExtraError): If Matplotlib is not installed.
    RAISES (ValueError): If there are no evaluations, or a path has another suffix.
    """
    if not checkpoints:
        raise ValueError("no evaluations to draw: training stopped before the first one")
    labels = sorted(
        {label for point in checkpoints for split in point.splits.values() for label in split[1]}
    )
    rows: list[str | None] = [None, *labels]
    height = _CURVES_MARGINS + _CURVE_HEIGHT * len(rows)
    best = max(checkpoints, key=lambda point: point.score)
    with new_figure(_CURVES_WIDTH, height) as figure:
        axes = figure.subplots(len(rows), len(_SCORES), squeeze=False, sharex=True, sharey=True)
        figure.subplots_adjust(
            left=0.145,
            right=0.945,
            top=1 - 0.75 / height,
            bottom=0.4 / height,
            wspace=0.3,
            hspace=0.28,
        )
        for label, row in zip(rows, axes, strict=True):
            for (key, name), axis in zip(_SCORES.items(), row, strict=True):
                _draw_curve(axis, checkpoints, label, key, best.step)
                if label is None:
                    axis.set_title(name, fontsize=9.5, color=INK, fontweight="bold", pad=6)
            _name_row(row[0], label)
        for axis in axes[-1]:
            axis.set_xlabel("batches", labelpad=1)
        _draw_heading(figure, title, best, height)
        for path in paths:
            save_figure(figure, path)


def _draw_curve(
    axis: Any, checkpoints: Sequence[Checkpoint], label: str | None, key: str, best_step: int
) -> None:
    axis.set_ylim(-4, 104)
    axis.set_yticks((0, 50, 100))
    _style_axis(axis, grid="y", hidden=("top", "right", "left"))
    axis.axvline(best_step, color=GRID, linewidth=1.2, linestyle=(0, (2, 2)), zorder=0)
    ends = {}
    for split in CURVE_SPLITS:
        points = [
            (point.step, 100 * value)
            for point in checkpoints
            if (value := _score(point, split, label, key)) is not None
        ]
        if points:
            steps, values = zip(*points, strict=True)
            marker = {"marker": "o", "markersize": 3} if len(points) == 1 else {}
            axis.plot(steps, values, color=_COLORS[split], linewidth=1.5, **marker)
            ends[split] = (steps[-1], values[-1])
    _label_ends(axis, ends)


def _style_axis(axis: Any, grid: str, hidden: Sequence[str]) -> None:
    axis.tick_params(length=0, labelsize=7)
    axis.grid(axis=grid, color=GRID, linewidth=0.7)
    axis.set_axisbelow(True)
    for side in hidden:
        axis.spines[side].set_visible(False)


def _score(point: Checkpoint, split: str, label: str | None, key: str) -> float | None:
    if split not in point.splits:
        return None
    scores = point.splits[split]
    prf = scores.overall if label is None else scores.per_type.get(label)
    return None if prf is None else getattr(prf, key)


def _label_ends(axis: Any, ends: dict[str, tuple[float, float]]) -> None:
    """Write the final values next to the lines without overlap."""
    heights = {split: value for split, (_, value) in ends.items()}
    if len(heights) == 2:
        low, high = sorted(heights, key=lambda split: heights[split])
        shift = max(0.0, _LABEL_GAP * 2 - (heights[high] - heights[low])) / 2
        heights[low] -= shift
        heights[high] += shift
    for split, (step, value) in ends.items():
        style = {"va": "center", "color": _COLORS[split], "fontsize": 7.5, "fontweight": "bold"}
        _annotate(axis, f"{value:.0f}", (step, heights[split]), (4, 0), **style)


def _name_row(axis: Any, label: str | None) -> None:
    name, weight = ("all types", "bold") if label is None else (drawable(label), "normal")
    style = {"xycoords": "axes fraction", "ha": "right", "va": "center"}
    _annotate(axis, name, (0, 0.5), (-28, 0), fontsize=9, fontweight=weight, **style)


def _annotate(
    axis: Any, text: str, point: tuple[float, float], offset: tuple[int, int], **style: Any
) -> None:
    style = {"xytext": offset, "textcoords": "offset points", "annotation_clip": False, **style}
    axis.annotate(text, point, **style)


def _draw_heading(figure: Any, title: str, best: Checkpoint, height: float) -> None:
    top = 1 - 0.2 / height
    figure.text(0.02, top, drawable(title), fontsize=11.5, fontweight="bold", va="center")
    note = f"best by validation: batch {best.step:,}, score {100 * best.score:.1f} (dashed)"
    figure.text(0.98, top, note, fontsize=8, color=MUTED, ha="right", va="center")
    style = {"fontsize": 8.5, "va": "center", "fontweight": "bold"}
    x = 0.145
    for split, name in (("validation", "validation"), ("train", "sample of train")):
        figure.text(x, 1 - 0.42 / height, f"— {name}", color=_COLORS[split], **style)
        x += 0.022 + 0.0125 * len(name)


def draw_reliability(
    reliability: Reliability, paths: Sequence[Path], *, title: str = "Confidence"
) -> None:
    """Plot reliability diagrams before and after calibration, and scores by threshold. One row
    per split.

    reliability (Reliability): The reliability, see evaluation/calibration.py.
    paths (Sequence[Path]): Output paths, .png or .svg. Existing files are replaced.
    title (str): The heading.
    RAISES (MissingExtraError): If Matplotlib is not installed.
    RAISES (ValueError): If there are no splits, or a path has another suffix.
    """
    if not reliability.splits:
        raise ValueError("no split to draw: reliability was measured on none")
    height = 0.75 + _DIAGRAM_HEIGHT * len(reliability.splits)
    with new_figure(_DIAGRAMS_WIDTH, height) as figure:
        axes = figure.subplots(len(reliability.splits), 3, squeeze=False)
        figure.subplots_adjust(
            left=0.075,
            right=0.975,
            top=1 - 0.75 / height,
            bottom=0.5 / height,
            wspace=0.28,
            hspace=0.42,
        )
        heading = f"{drawable(title)} · temperature {reliability.temperature:.2f}"
        figure.text(0.02, 1 - 0.25 / height, heading, fontsize=11.5, fontweight="bold")
        for (name, split), row in zip(reliability.splits.items(), axes, strict=True):
            before = f"{drawable(name)}, before"
            _draw_diagram(row[0], before, split.before, VERMILLION)
            _draw_diagram(row[1], f"{drawable(name)}, after", split.after, BLUE)
            _draw_thresholds(row[2], f"{drawable(name)}, by threshold", split)
        for path in paths:
            save_figure(figure, path)


def _prepare(axis: Any, title: str) -> None:
    axis.set_title(title, fontsize=9, color=INK, fontweight="bold", loc="left", pad=5)
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1.02)
    axis.set_xticks(_TICKS)
    axis.set_yticks(_TICKS)
    _style_axis(axis, grid="both", hidden=("top", "right"))


def _draw_diagram(axis: Any, title: str, calibration: Calibration, color: str) -> None:
    _prepare(axis, title)
    axis.plot((0, 1), (0, 1), color=MUTED, linewidth=1.0, linestyle=(0, (3, 2)))
    largest = max((each.n for each in calibration.bins), default=0)
    for each in calibration.bins:
        if each.precision is None:
            continue
        center, width = (each.low + each.high) / 2, (each.high - each.low) * 0.92
        # Bins with few entities are pale because their precision is mostly chance.
        alpha = 0.25 + 0.6 * each.n / largest
        axis.bar(center, each.precision, width, color=color, alpha=alpha)
        axis.plot(each.confidence, each.precision, "o", color=INK, markersize=2.5)
        _annotate(axis, str(each.n), (center, 0.0), (0, 2), ha="center", fontsize=6, color=INK)
    axis.set_xlabel("confidence", labelpad=2)
    axis.set_ylabel("precision", labelpad=2)
    if calibration.ece is not None:
        axis.text(0.04, 0.93, f"ECE {calibration.ece:.3f}", fontsize=8.5, fontweight="bold")
        axis.text(0.04, 0.86, f"by chance {calibration.chance:.3f}", fontsize=7, color=MUTED)


def _draw_thresholds(axis: Any, title: str, split: SplitReliability) -> None:
    _prepare(axis, title)
    # Each line is named at a point where the others are far away.
    lines = (
        ("precision", BLUE, 7, (-3, 6), "right"),
        ("recall", VERMILLION, 0, (2, -9), "left"),
        ("coverage", GREEN, 2, (2, 4), "left"),
    )
    for name, color, index, offset, side in lines:
        points = [(p.threshold, getattr(p, name)) for p in split.thresholds]
        known = [(x, y) for x, y in points if y is not None]
        if not known:
            continue
        axis.plot(*zip(*known, strict=True), color=color, linewidth=1.6)
        style = {"ha": side, "color": color, "fontsize": 7.5, "fontweight": "bold"}
        _annotate(axis, name, known[min(index, len(known) - 1)], offset, **style)
    axis.set_xlabel("threshold", labelpad=2)
