"""A tweet as running text: its gold entities above the words, what is predicted on and below them,
each word with the probability of its predicted tag."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy

from ..evaluation.predictions import Tweet
from ..iob import TokenSpan, spans_to_bio
from .colors import OUTSIDE_COLOR, type_colors
from .libraries import import_matplotlib
from .style import INK, MONO_FAMILY, MUTED, VERMILLION, drawable, shorten

WIDTH = 8.2
_LINE, _MARGIN, _FOOT = 0.9, 0.22, 0.36
# Inches that a character takes: DejaVu Sans Mono's are 0.602 of the font's size wide.
_WORD_SIZE, _NOTE_SIZE = 10.5, 7.5
_WORD_CHAR, _NOTE_CHAR = (0.602 * size / 72 for size in (_WORD_SIZE, _NOTE_SIZE))
_GAP = 0.09
# Above it the probability of O is not worth a number.
_SURE = 0.9
_BAR = "#b4bac5"


class Cell(NamedTuple):
    """Where a word stands: its line, and its place and width in inches."""

    line: int
    x: float
    width: float


def card_height(tweet: Tweet) -> float:
    """RETURNS (float): The height of a tweet's card in inches."""
    cells = place_words(tweet)
    return (cells[-1].line + 1 if cells else 1) * _LINE + _FOOT + _MARGIN


def place_words(tweet: Tweet) -> list[Cell]:
    """Break a tweet into lines. Words are as wide as they and their notes need.

    tweet (Tweet): The tweet.
    RETURNS (list[Cell]): The place of each word.
    """
    cells: list[Cell] = []
    line, x = 0, _MARGIN
    for width in _widths(tweet):
        if x + width > WIDTH - _MARGIN and x > _MARGIN:
            line, x = line + 1, _MARGIN
        cells.append(Cell(line, x, width))
        x += width + _GAP
    return cells


def _widths(tweet: Tweet) -> list[float]:
    words = [_shown(word) for word in tweet.words]
    widths = [max(len(word), 2) * _WORD_CHAR * 1.02 + 0.06 for word in words]
    for start, end, label in [*tweet.gold, *tweet.predicted]:
        lacking = (len(label) + 1) * _NOTE_CHAR - sum(widths[start:end]) - _GAP * (end - start - 1)
        widths[end - 1] += max(0.0, lacking)
    return widths


def draw_card(figure: Any, tweet: Tweet, tags: Sequence[str], note: str = "") -> None:
    """Draw a tweet on a figure, from its upper edge.

    figure (Figure): An empty figure of Matplotlib.
    tweet (Tweet): The tweet, with probabilities.
    tags (Sequence[str]): The tags that they are of.
    note (str): Written into the lower right corner.
    RAISES (ValueError): If the tweet has no probabilities.
    """
    if tweet.probabilities is None:
        raise ValueError(
            "the pipeline gives no probabilities of tags: it needs a component twitter_bilstm_ner"
        )
    width, height = figure.get_size_inches()
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, width), ylim=(0, height))
    axis.set_axis_off()
    cells = place_words(tweet)
    colors = type_colors({tag[2:] for tag in tags if tag != "O"} | _types(tweet))
    _draw_words(axis, tweet, tags, cells, colors, height)
    for spans, is_gold in ((tweet.gold, True), (tweet.predicted, False)):
        for span in spans:
            for pieces in _pieces(span, cells):
                _draw_span(axis, pieces, span[2], height, is_gold=is_gold)
    axis.text(_MARGIN, 0.17, "above: gold", color=VERMILLION, fontsize=8, weight="bold")
    explanation = "below: predicted · bars and numbers: how probable the predicted tag is, in %"
    axis.text(_MARGIN + 1.0, 0.17, explanation, color=MUTED, fontsize=8)
    axis.text(width - _MARGIN, 0.17, note, color=MUTED, fontsize=8, ha="right")


def _shown(word: str) -> str:
    return drawable(shorten(word, 40), MONO_FAMILY)


def _types(tweet: Tweet) -> set[str]:
    return {label for *_, label in [*tweet.gold, *tweet.predicted]}


def _draw_words(
    axis: Any,
    tweet: Tweet,
    tags: Sequence[str],
    cells: Sequence[Cell],
    colors: Mapping[str, str],
    height: float,
) -> None:
    rectangle = import_matplotlib().patches.Rectangle
    rows = {tag: row for row, tag in enumerate(tags)}
    predicted = spans_to_bio(tweet.predicted, len(tweet.words))
    probabilities = numpy.asarray(tweet.probabilities)
    for i, (word, tag, cell) in enumerate(zip(tweet.words, predicted, cells, strict=True)):
        y = _baseline(cell, height)
        probability = probabilities[i, rows[tag]] if tag in rows else 0.0
        color = OUTSIDE_COLOR if tag == "O" else colors[tag[2:]]
        if tag != "O":
            # An entity is one piece as far as its line goes.
            gap = _GAP if _continues(predicted, cells, i) else 0.0
            axis.add_patch(
                rectangle((cell.x, y - 0.05), cell.width + gap, 0.21, color=color, linewidth=0)
            )
        axis.text(
            *(cell.x + 0.03, y),
            _shown(word),
            fontsize=_WORD_SIZE,
            family=MONO_FAMILY,
            color=INK,
        )
        bar = _BAR if tag == "O" else MUTED
        axis.add_patch(
            rectangle((cell.x, y - 0.1), cell.width, 0.035, color="#eef0f3", linewidth=0)
        )
        axis.add_patch(
            rectangle((cell.x, y - 0.1), cell.width * probability, 0.035, color=bar, linewidth=0)
        )
        if tag != "O" or probability < _SURE:
            number = f"{100 * probability:.0f}"
            axis.text(cell.x, y - 0.21, number, fontsize=7, color=MUTED)


def _continues(tags: Sequence[str], cells: Sequence[Cell], i: int) -> bool:
    return i + 1 < len(tags) and tags[i + 1].startswith("I-") and cells[i + 1].line == cells[i].line


def _draw_span(
    axis: Any, pieces: tuple[Cell, Cell, bool], label: str, height: float, *, is_gold: bool
) -> None:
    """Draw what lies in one line of a gold or predicted entity."""
    first, last, is_start = pieces
    y = _baseline(first, height)
    style = {"fontsize": _NOTE_SIZE, "family": MONO_FAMILY}
    if is_gold:
        line = y + 0.2
        axis.plot(
            (first.x, last.x + last.width), (line, line), color=VERMILLION, linewidth=1.6,
            solid_capstyle="butt",
        )  # fmt: skip
        if is_start:
            axis.text(first.x, y + 0.25, drawable(label, MONO_FAMILY), color=VERMILLION, **style)
    elif is_start:
        axis.text(first.x, y - 0.33, drawable(label, MONO_FAMILY), color=INK, **style)


def _pieces(span: TokenSpan, cells: Sequence[Cell]) -> Iterator[tuple[Cell, Cell, bool]]:
    """Cut a span where a line ends: the first and last cell in each line, and whether it begins
    the span."""
    start, end, _ = span
    lines = sorted({cell.line for cell in cells[start:end]})
    for line in lines:
        inside = [cell for cell in cells[start:end] if cell.line == line]
        yield inside[0], inside[-1], line == lines[0]


def _baseline(cell: Cell, height: float) -> float:
    return height - _MARGIN - cell.line * _LINE - 0.38
