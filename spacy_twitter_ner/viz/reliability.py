"""Reliability diagrams: precision over confidence, before and after calibration, and what is left
with a threshold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..evaluation.reliability import Calibration, Reliability, SplitReliability
from .style import BLUE, GREEN, GRID, INK, MUTED, VERMILLION, drawable, new_figure, save_figure

_ROW_HEIGHT, _WIDTH = 2.9, 8.6
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def draw_reliability(
    reliability: Reliability, paths: Sequence[Path], *, title: str = "Confidence"
) -> None:
    """Draw how far a model's confidence can be trusted, a row a split.

    reliability (Reliability): The figures, see evaluation/reliability.py.
    paths (Sequence[Path]): The files to write, .png or .svg; existing ones are replaced.
    title (str): The heading.
    RAISES (VizError): If Matplotlib is not installed.
    RAISES (ValueError): If there is no split, or a file is of another format.
    """
    if not reliability.splits:
        raise ValueError("no split to draw: reliability was measured on none")
    height = 0.75 + _ROW_HEIGHT * len(reliability.splits)
    with new_figure(_WIDTH, height) as figure:
        axes = figure.subplots(len(reliability.splits), 3, squeeze=False)
        figure.subplots_adjust(
            left=0.075, right=0.975, top=1 - 0.75 / height, bottom=0.5 / height,
            wspace=0.28, hspace=0.42,
        )  # fmt: skip
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
    axis.tick_params(length=0, labelsize=7)
    axis.grid(color=GRID, linewidth=0.7)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _draw_diagram(axis: Any, title: str, calibration: Calibration, color: str) -> None:
    _prepare(axis, title)
    axis.plot((0, 1), (0, 1), color=MUTED, linewidth=1.0, linestyle=(0, (3, 2)))
    largest = max((each.n for each in calibration.bins), default=0)
    for each in calibration.bins:
        if each.precision is None:
            continue
        width = (each.high - each.low) * 0.92
        # Bins of few entities are pale: their precision is mostly chance.
        axis.bar(
            (each.low + each.high) / 2,
            each.precision,
            width,
            color=color,
            alpha=0.25 + 0.6 * each.n / largest,
        )
        axis.plot(each.confidence, each.precision, "o", color=INK, markersize=2.5)
        axis.annotate(
            str(each.n),
            ((each.low + each.high) / 2, 0.0),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=6,
            color=INK,
        )
    axis.set_xlabel("confidence", labelpad=2)
    axis.set_ylabel("precision", labelpad=2)
    if calibration.ece is not None:
        axis.text(0.04, 0.93, f"ECE {calibration.ece:.3f}", fontsize=8.5, fontweight="bold")
        axis.text(0.04, 0.86, f"by chance {calibration.chance:.3f}", fontsize=7, color=MUTED)


def _draw_thresholds(axis: Any, title: str, split: SplitReliability) -> None:
    _prepare(axis, title)
    # Each line's name stands where the others are far from it.
    lines = (
        ("precision", BLUE, 7, (-3, 6), "right"),
        ("recall", VERMILLION, 0, (2, -9), "left"),
        ("coverage", GREEN, 2, (2, 4), "left"),
    )
    for name, color, place, offset, side in lines:
        points = [(p.threshold, getattr(p, name)) for p in split.thresholds]
        known = [(x, y) for x, y in points if y is not None]
        if not known:
            continue
        axis.plot(*zip(*known, strict=True), color=color, linewidth=1.6)
        axis.annotate(
            name,
            known[min(place, len(known) - 1)],
            xytext=offset,
            textcoords="offset points",
            ha=side,
            color=color,
            fontsize=7.5,
            fontweight="bold",
        )
    axis.set_xlabel("threshold", labelpad=2)
