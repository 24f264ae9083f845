"""Training curves: precision, recall and F1 of the training data and of validation, over all types
and by type, in small multiples."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..evaluation.progress import CURVE_SPLITS, Checkpoint
from ..evaluation.reports import PRF
from .style import BLUE, GRID, INK, MUTED, VERMILLION, drawable, new_figure, save_figure

_COLUMNS = {"p": "Precision", "r": "Recall", "f": "F1"}
_COLORS = {"train": VERMILLION, "validation": BLUE}
_ROW_HEIGHT, _WIDTH, _MARGINS = 0.82, 8.4, 1.15
_LABEL_GAP = 15.0


def draw_curves(
    checkpoints: Sequence[Checkpoint], paths: Sequence[Path], *, title: str = "Training"
) -> None:
    """Draw how scores grew in a training.

    checkpoints (Sequence[Checkpoint]): The evaluations, see evaluation/progress.py.
    paths (Sequence[Path]): The files to write, .png or .svg; existing ones are replaced.
    title (str): The heading.
    RAISES (VizError): If Matplotlib is not installed.
    RAISES (ValueError): If there are no evaluations, or a file is of another format.
    """
    if not checkpoints:
        raise ValueError("no evaluations to draw: was the training stopped before the first?")
    labels = sorted(
        {label for point in checkpoints for split in point.splits.values() for label in split[1]}
    )
    rows: list[str | None] = [None, *labels]
    height = _MARGINS + _ROW_HEIGHT * len(rows)
    best = max(checkpoints, key=lambda point: point.score)
    with new_figure(_WIDTH, height) as figure:
        axes = figure.subplots(len(rows), len(_COLUMNS), squeeze=False, sharex=True, sharey=True)
        figure.subplots_adjust(
            left=0.145,
            right=0.945,
            top=1 - 0.75 / height,
            bottom=0.4 / height,
            wspace=0.3,
            hspace=0.28,
        )
        for label, row in zip(rows, axes, strict=True):
            for (key, name), axis in zip(_COLUMNS.items(), row, strict=True):
                _draw_panel(axis, checkpoints, label, key, best.step)
                if label is None:
                    axis.set_title(name, fontsize=9.5, color=INK, fontweight="bold", pad=6)
            _name_row(row[0], label)
        for axis in axes[-1]:
            axis.set_xlabel("batches", labelpad=1)
        _draw_heading(figure, title, best, height)
        for path in paths:
            save_figure(figure, path)


def _draw_panel(
    axis: Any, checkpoints: Sequence[Checkpoint], label: str | None, key: str, best_step: int
) -> None:
    axis.set_ylim(-4, 104)
    axis.set_yticks((0, 50, 100))
    axis.tick_params(length=0, labelsize=7)
    axis.grid(axis="y", color=GRID, linewidth=0.7)
    axis.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.axvline(best_step, color=GRID, linewidth=1.2, linestyle=(0, (2, 2)), zorder=0)
    ends = {}
    for split in CURVE_SPLITS:
        points = [
            (point.step, 100 * value)
            for point in checkpoints
            if (value := _value(point, split, label, key)) is not None
        ]
        if points:
            steps, values = zip(*points, strict=True)
            marker = {"marker": "o", "markersize": 3} if len(points) == 1 else {}
            axis.plot(steps, values, color=_COLORS[split], linewidth=1.5, **marker)
            ends[split] = (steps[-1], values[-1])
    _label_ends(axis, ends)


def _value(point: Checkpoint, split: str, label: str | None, key: str) -> float | None:
    if split not in point.splits:
        return None
    scores = point.splits[split]
    prf = scores.overall if label is None else scores.per_type.get(label, PRF(None, None, None))
    return getattr(prf, key)


def _label_ends(axis: Any, ends: dict[str, tuple[float, float]]) -> None:
    """Write the last values beside the lines, apart from one another."""
    heights = {split: value for split, (_, value) in ends.items()}
    if len(heights) == 2:
        low, high = sorted(heights, key=lambda split: heights[split])
        lacking = max(0.0, _LABEL_GAP * 2 - (heights[high] - heights[low])) / 2
        heights[low] -= lacking
        heights[high] += lacking
    for split, (step, value) in ends.items():
        axis.annotate(
            f"{value:.0f}",
            (step, heights[split]),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=_COLORS[split],
            fontsize=7.5,
            fontweight="bold",
            annotation_clip=False,
        )


def _name_row(axis: Any, label: str | None) -> None:
    axis.annotate(
        "all types" if label is None else drawable(label),
        (0, 0.5),
        xycoords="axes fraction",
        xytext=(-28, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        fontsize=9,
        fontweight="bold" if label is None else "normal",
        annotation_clip=False,
    )


def _draw_heading(figure: Any, title: str, best: Checkpoint, height: float) -> None:
    top = 1 - 0.2 / height
    figure.text(0.02, top, drawable(title), fontsize=11.5, fontweight="bold", va="center")
    legend = [("validation", _COLORS["validation"]), ("sample of train", _COLORS["train"])]
    note = f"best by validation: batch {best.step:,}, score {100 * best.score:.1f} (dashed)"
    figure.text(0.98, top, note, fontsize=8, color=MUTED, ha="right", va="center")
    x = 0.145
    for name, color in legend:
        figure.text(
            x,
            1 - 0.42 / height,
            f"— {name}",
            color=color,
            fontsize=8.5,
            va="center",
            fontweight="bold",
        )
        x += 0.022 + 0.0125 * len(name)
