"""Pictures of counts: the most frequent names, in all and over time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .colors import type_colors
from .style import GRID, INK, MUTED, drawable, new_figure, save_figure, shorten

_ROW_HEIGHT, _WIDTH, _MAX_LENGTH = 0.34, 8.4, 28


class NameSeries(NamedTuple):
    """The count of a name and its counts over time.

    text (str): The name.
    label (str): Its type.
    expected (float): Expected number of tweets.
    low (float): Lower bound.
    high (float): Upper bound.
    series (Sequence[tuple[float, float, float]]): Expected number and bounds for each group.
    """

    text: str
    label: str
    expected: float
    low: float
    high: float
    series: Sequence[tuple[float, float, float]] = ()


def draw_counts(
    names: Sequence[NameSeries], groups: Sequence[str], path: Path, *, title: str
) -> None:
    """Draw the counts of names with their intervals and, if there are at least two groups, over
    them.

    names (Sequence[NameSeries]): The names.
    groups (Sequence[str]): The groups, such as days, in order.
    path (Path): Output path, .png or .svg. An existing file is replaced.
    title (str): The heading.
    RAISES (ValueError): If there are no names, or the path has another suffix.
    RAISES (MissingExtraError): If Matplotlib is not installed.
    """
    if not names:
        raise ValueError("no names to draw: none of the tweets contains one")
    height = 1.0 + _ROW_HEIGHT * len(names)
    has_series = len(groups) > 1
    with new_figure(_WIDTH, height) as figure:
        columns = figure.add_gridspec(
            1,
            2 if has_series else 1,
            left=0.29,
            right=0.94,
            top=1 - 0.6 / height,
            bottom=0.4 / height,
            wspace=0.06,
        )
        figure.text(0.02, 1 - 0.3 / height, drawable(title), fontsize=11.5, fontweight="bold")
        _draw_totals(figure.add_subplot(columns[0, 0]), names)
        if has_series:
            _draw_series(figure, columns[0, 1], names, groups)
        save_figure(figure, path)


def _draw_totals(axis: Any, names: Sequence[NameSeries]) -> None:
    colors = type_colors(sorted({name.label for name in names}))
    rows = range(len(names))
    axis.barh(
        rows, [name.expected for name in names], color=[colors[n.label] for n in names], height=0.7
    )
    for row, name in zip(rows, names, strict=True):
        axis.plot((name.low, name.high), (row, row), color=INK, linewidth=1.2)
    axis.set_yticks(
        list(rows),
        [f"{drawable(shorten(n.text, _MAX_LENGTH))}  {drawable(n.label)}" for n in names],
    )
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.tick_params(length=0, labelsize=8)
    axis.set_xlabel("tweets, with 90% intervals", fontsize=8)
    axis.grid(axis="x", color=GRID, linewidth=0.7)
    axis.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)


def _draw_series(
    figure: Any, cell: Any, names: Sequence[NameSeries], groups: Sequence[str]
) -> None:
    colors = type_colors(sorted({name.label for name in names}))
    rows = cell.subgridspec(len(names), 1, hspace=0.0)
    steps = range(len(groups))
    for number, name in enumerate(names):
        axis = figure.add_subplot(rows[number, 0])
        expected, low, high = zip(*name.series, strict=True)
        axis.fill_between(steps, low, high, color=GRID, linewidth=0)
        axis.plot(steps, expected, color=INK, linewidth=1.0)
        axis.plot(steps, expected, ".", color=colors[name.label], markersize=3)
        axis.set_ylim(0, 1.1 * max(*high, 1))
        axis.set_yticks([])
        axis.set_xlim(-0.5, len(groups) - 0.5)
        is_last = number == len(names) - 1
        ends = (0, len(groups) - 1) if is_last else ()
        axis.set_xticks(list(ends), [drawable(groups[i]) for i in ends], fontsize=8, color=MUTED)
        axis.tick_params(length=0)
        for side in ("top", "right", "left"):
            axis.spines[side].set_visible(False)
        axis.spines["bottom"].set_color(GRID)
