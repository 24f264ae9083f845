"""The probabilities of a tweet's tags as a heatmap of tokens by tags."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy

from ..evaluation.predictions import Tweet
from ..iob import spans_to_bio
from .libraries import import_matplotlib
from .style import (
    GRID,
    INK,
    MUTED,
    VERMILLION,
    drawable,
    new_figure,
    save_figure,
    shorten,
)

_CELL = 0.26
_LEFT, _RIGHT, _TOP, _BOTTOM = 1.05, 0.75, 1.25, 0.42
_SHADES = ("#ffffff", "#d3e4f2", "#8fbfe0", "#3f8fc9", "#0a5c9e", "#08306b")


def heatmap_size(n_tokens: int, n_tags: int) -> tuple[float, float]:
    """RETURNS (tuple[float, float]): Width and height of a heatmap in inches."""
    return max(5.6, _LEFT + _RIGHT + _CELL * n_tokens), _TOP + _BOTTOM + _CELL * 0.85 * n_tags


def save_heatmap(tweet: Tweet, tags: Sequence[str], path: Path) -> None:
    """Draw how probable each tag of each token is, and mark what is predicted and what is right.

    tweet (Tweet): The tweet, with probabilities.
    tags (Sequence[str]): The tags that they are of.
    path (Path): The file to write, .png or .svg.
    RAISES (VizError): If Matplotlib is not installed.
    RAISES (ValueError): If the tweet has no tokens or no probabilities, or the file is of another
        format.
    """
    with new_figure(*heatmap_size(len(tweet.words), len(tags))) as figure:
        draw_heatmap(figure, tweet, tags)
        save_figure(figure, path)


def draw_heatmap(figure: Any, tweet: Tweet, tags: Sequence[str], note: str = "") -> None:
    """Draw a heatmap on a figure, cells of one size from its left upper corner.

    figure (Figure): An empty figure of Matplotlib.
    tweet (Tweet): The tweet, with probabilities.
    tags (Sequence[str]): The tags that they are of.
    note (str): Written into the lower left corner.
    """
    probabilities = _require_probabilities(tweet)
    n_tokens, n_tags = len(tweet.words), len(tags)
    width, height = figure.get_size_inches()
    rows = _CELL * 0.85 * n_tags
    box = (_LEFT / width, (height - _TOP - rows) / height, _CELL * n_tokens / width, rows / height)
    axis = figure.add_axes(box)
    colormap = import_matplotlib().colors.LinearSegmentedColormap.from_list("shades", _SHADES)
    axis.imshow(probabilities.T, cmap=colormap, vmin=0, vmax=1, aspect="auto")
    axis.set_xticks(range(n_tokens), [drawable(shorten(word, 16)) for word in tweet.words])
    axis.set_yticks(range(n_tags), [drawable(tag) for tag in tags])
    axis.xaxis.tick_top()
    axis.tick_params(length=0, labelsize=7.5, pad=3)
    for text in axis.get_xticklabels():
        text.set(rotation=55, ha="left", va="bottom", rotation_mode="anchor", color=INK)
    _draw_lines(axis, n_tokens, n_tags)
    _mark(axis, tweet, tags)
    _draw_legend(figure, axis, colormap, note)


def _require_probabilities(tweet: Tweet) -> numpy.ndarray:
    if tweet.probabilities is None:
        raise ValueError(
            "the pipeline gives no probabilities of tags: it needs a component twitter_bilstm_ner"
        )
    if not len(tweet.words):
        raise ValueError("the tweet has no tokens")
    return numpy.asarray(tweet.probabilities)


def _draw_lines(axis: Any, n_tokens: int, n_tags: int) -> None:
    style = {"color": GRID, "linewidth": 0.6, "zorder": 1}
    axis.vlines(numpy.arange(1, n_tokens) - 0.5, -0.5, n_tags - 0.5, **style)
    axis.hlines([0.5, *numpy.arange(2.5, n_tags - 1, 2)], -0.5, n_tokens - 0.5, **style)
    for spine in axis.spines.values():
        spine.set_color(GRID)


def _mark(axis: Any, tweet: Tweet, tags: Sequence[str]) -> None:
    """A ring where the gold tag is, a dot where the predicted one is."""
    patches = import_matplotlib().patches
    rows = {tag: row for row, tag in enumerate(tags)}
    sides = [spans_to_bio(spans, len(tweet.words)) for spans in (tweet.gold, tweet.predicted)]
    for column, (gold, predicted) in enumerate(zip(*sides, strict=True)):
        # The model may know fewer types than the corpus.
        if gold in rows:
            axis.add_patch(
                patches.Rectangle(
                    (column - 0.46, rows[gold] - 0.44),
                    *(0.92, 0.88),
                    fill=False,
                    edgecolor=VERMILLION,
                    linewidth=1.4,
                )
            )
        if predicted in rows:
            axis.plot(
                column,
                rows[predicted],
                marker="o",
                markersize=4.2,
                markerfacecolor="white",
                markeredgecolor=INK,
                markeredgewidth=0.9,
            )


def _draw_legend(figure: Any, axis: Any, colormap: Any, note: str) -> None:
    width, height = figure.get_size_inches()
    box = axis.get_position()
    y = box.y0 - 0.22 / height
    x = box.x0
    figure.text(x, y, "○ predicted", fontsize=8, color=INK, va="center")
    figure.text(
        *(x + 0.95 / width, y), "□ gold", fontsize=8, color=VERMILLION, va="center", weight="bold"
    )
    scale = figure.add_axes((x + 2.55 / width, y - 0.05 / height, 0.9 / width, 0.1 / height))
    scale.imshow(numpy.linspace(0, 1, 64)[None], cmap=colormap, aspect="auto")
    scale.set_axis_off()
    figure.text(
        x + 2.5 / width, y, "probability 0", fontsize=8, color=MUTED, ha="right", va="center"
    )
    figure.text(x + 3.5 / width, y, "1", fontsize=8, color=MUTED, va="center")
    if note:
        figure.text(0.12 / width, y, note, fontsize=8, color=MUTED, va="center")
