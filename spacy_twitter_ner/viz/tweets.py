"""Draw a tweet's predictions as a heatmap of tag probabilities or as a card of annotated text, and
several tweets as an animated GIF."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy

from ..evaluation.predictions import Tweet
from ..iob import TokenSpan, spans_to_bio
from ..util import require, write_atomic
from .colors import type_colors
from .style import (
    GRID,
    INK,
    MONO_FAMILY,
    MUTED,
    VERMILLION,
    drawable,
    import_matplotlib,
    new_figure,
    require_format,
    save_figure,
    shorten,
)

View = Literal["heatmap", "card"]
VIEWS: tuple[View, ...] = ("heatmap", "card")
ANIMATED = (".gif",)
_COLORS = 128

# Sizes of the heatmap, in inches.
_CELL = 0.26
_LEFT, _RIGHT, _TOP, _BOTTOM = 1.05, 0.75, 1.25, 0.42
SHADES = ("#ffffff", "#d3e4f2", "#8fbfe0", "#3f8fc9", "#0a5c9e", "#08306b")

# Sizes of the card, in inches.
WIDTH = 8.2
_LINE, _MARGIN, _FOOT = 0.9, 0.22, 0.36
_WORD_SIZE, _NOTE_SIZE = 10.5, 7.5
# Characters of DejaVu Sans Mono are 0.602 em wide.
_WORD_CHAR, _NOTE_CHAR = (0.602 * size / 72 for size in (_WORD_SIZE, _NOTE_SIZE))
_GAP = 0.09
_SURE = 0.9  # Minimum probability of O that is drawn without a number.
_BAR, _BAR_GROUND = "#b4bac5", "#eef0f3"


class Cell(NamedTuple):
    """Position of a word on a card: line number, x and width in inches."""

    line: int
    x: float
    width: float


def save_tweet(tweet: Tweet, tags: Sequence[str], path: Path, view: View = "heatmap") -> None:
    """Draw one tweet.

    tweet (Tweet): The tweet, with probabilities.
    tags (Sequence[str]): The tags of the probabilities.
    path (Path): Output path, .png or .svg.
    view (View): "heatmap" for tokens by tags, "card" for annotated text.
    RAISES (MissingExtraError): If Matplotlib is not installed.
    RAISES (ValueError): If the tweet has no tokens or probabilities, or the path another suffix.
    """
    draw, (width, height) = _view(view), _size([tweet], tags, view)
    with new_figure(width, height) as figure:
        draw(figure, tweet, tags)
        save_figure(figure, path)


def save_animation(
    tweets: Sequence[Tweet],
    tags: Sequence[str],
    path: Path,
    view: View = "heatmap",
    *,
    seconds: float = 2.0,
    on_frame: Callable[[], None] | None = None,
) -> None:
    """Draw tweets as an animated GIF. All frames have the size of the largest one.

    tweets (Sequence[Tweet]): The tweets, with probabilities.
    tags (Sequence[str]): The tags of the probabilities.
    path (Path): Output path, .gif.
    view (View): "heatmap" for tokens by tags, "card" for annotated text.
    seconds (float): Duration of each frame.
    on_frame (Optional[Callable[[], None]]): Called after each frame, for progress bars.
    RAISES (MissingExtraError): If Matplotlib or Pillow is not installed.
    RAISES (ValueError): If there are no tweets, a tweet has no tokens or probabilities, or the
        path has another suffix.
    """
    require_format(path, ANIMATED)
    if not tweets:
        raise ValueError("no tweets to draw")
    require("viz", "PIL.Image")
    draw, size = _view(view), _size(tweets, tags, view)
    frames = []
    for number, tweet in enumerate(tweets, start=1):
        with new_figure(*size) as figure:
            draw(figure, tweet, tags, f"{number} of {len(tweets)}")
            frames.append(_rasterize(figure))
        if on_frame is not None:
            on_frame()
    _save_gif(frames, path, seconds)


def _view(view: View) -> Callable[..., None]:
    return draw_heatmap if view == "heatmap" else draw_card


def _size(tweets: Sequence[Tweet], tags: Sequence[str], view: View) -> tuple[float, float]:
    if view == "heatmap":
        return heatmap_size(max(len(tweet.words) for tweet in tweets), len(tags))
    return WIDTH, max(card_height(tweet) for tweet in tweets)


def _rasterize(figure: Any) -> Any:
    canvas = import_matplotlib().backends.backend_agg.FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    canvas.print_png(buffer)
    return require("viz", "PIL.Image").open(buffer).convert("RGB")


def _save_gif(frames: Sequence[Any], path: Path, seconds: float) -> None:
    # Colors would flicker with a palette per frame.
    palette = _common_palette(frames)
    first, *others = [frame.quantize(palette=palette, dither=0) for frame in frames]
    settings = {"duration": round(1000 * seconds), "loop": 0, "optimize": True}
    with write_atomic(path) as (temporary,):
        first.save(temporary, format="GIF", save_all=True, append_images=others, **settings)


def _common_palette(frames: Sequence[Any]) -> Any:
    width, height = frames[0].size
    shown = frames[:: max(1, len(frames) // 16)]
    strip = require("viz", "PIL.Image").new("RGB", (width, height * len(shown)))
    for i, frame in enumerate(shown):
        strip.paste(frame, (0, i * height))
    levels = strip.quantize(_COLORS - 1).getpalette()
    colors = [levels[i : i + 3] for i in range(0, len(levels), 3)]
    palette = require("viz", "PIL.Image").new("P", (1, 1))
    # Near-white colors would be used for the background instead of white.
    tinted = [level for color in colors if min(color) < 247 for level in color]
    palette.putpalette([255, 255, 255, *tinted])
    return palette


def _require_probabilities(tweet: Tweet) -> numpy.ndarray:
    if tweet.probabilities is None:
        raise ValueError(
            "no probabilities to draw: the pipeline needs a component twitter_bilstm_ner"
        )
    if not len(tweet.words):
        raise ValueError("the tweet has no tokens")
    return numpy.asarray(tweet.probabilities)


def heatmap_size(n_tokens: int, n_tags: int) -> tuple[float, float]:
    """RETURNS (tuple[float, float]): Width and height of a heatmap in inches."""
    return max(5.6, _LEFT + _RIGHT + _CELL * n_tokens), _TOP + _BOTTOM + _CELL * 0.85 * n_tags


def draw_heatmap(figure: Any, tweet: Tweet, tags: Sequence[str], note: str = "") -> None:
    """Draw the tag probabilities of a tweet and mark the predicted and gold tags.

    figure (Figure): An empty Matplotlib figure.
    tweet (Tweet): The tweet, with probabilities.
    tags (Sequence[str]): The tags of the probabilities.
    note (str): Text in the lower left corner.
    RAISES (ValueError): If the tweet has no tokens or probabilities.
    """
    probabilities = _require_probabilities(tweet)
    n_tokens, n_tags = len(tweet.words), len(tags)
    width, height = figure.get_size_inches()
    rows = _CELL * 0.85 * n_tags
    box = (_LEFT / width, (height - _TOP - rows) / height, _CELL * n_tokens / width, rows / height)
    axis = figure.add_axes(box)
    colormap = import_matplotlib().colors.LinearSegmentedColormap.from_list("shades", SHADES)
    axis.imshow(probabilities.T, cmap=colormap, vmin=0, vmax=1, aspect="auto")
    axis.set_xticks(range(n_tokens), [drawable(shorten(word, 16)) for word in tweet.words])
    axis.set_yticks(range(n_tags), [drawable(tag) for tag in tags])
    axis.xaxis.tick_top()
    axis.tick_params(length=0, labelsize=7.5, pad=3)
    for text in axis.get_xticklabels():
        text.set(rotation=55, ha="left", va="bottom", rotation_mode="anchor", color=INK)
    style = {"color": GRID, "linewidth": 0.6, "zorder": 1}
    axis.vlines(numpy.arange(1, n_tokens) - 0.5, -0.5, n_tags - 0.5, **style)
    axis.hlines([0.5, *numpy.arange(2.5, n_tags - 1, 2)], -0.5, n_tokens - 0.5, **style)
    for spine in axis.spines.values():
        spine.set_color(GRID)
    _mark_tags(axis, tweet, tags)
    _draw_legend(figure, axis, colormap, note)


def _mark_tags(axis: Any, tweet: Tweet, tags: Sequence[str]) -> None:
    rectangle = import_matplotlib().patches.Rectangle
    rows = {tag: row for row, tag in enumerate(tags)}
    gold_style = {"fill": False, "edgecolor": VERMILLION, "linewidth": 1.4}
    predicted_style = {"markersize": 4.2, "markerfacecolor": "white", "markeredgewidth": 0.9}
    sides = [spans_to_bio(spans, len(tweet.words)) for spans in (tweet.gold, tweet.predicted)]
    for column, (gold, predicted) in enumerate(zip(*sides, strict=True)):
        # The corpus may have types that the model doesn't have.
        if gold in rows:
            corner = (column - 0.46, rows[gold] - 0.44)
            axis.add_patch(rectangle(corner, 0.92, 0.88, **gold_style))
        if predicted in rows:
            axis.plot(column, rows[predicted], "o", markeredgecolor=INK, **predicted_style)


def _draw_legend(figure: Any, axis: Any, colormap: Any, note: str) -> None:
    width, height = figure.get_size_inches()
    x, y = axis.get_position().x0, axis.get_position().y0 - 0.22 / height

    def write(inches: float, text: str, color: str = MUTED, **style: Any) -> None:
        figure.text(x + inches / width, y, text, color=color, fontsize=8, va="center", **style)

    write(0, "○ predicted", INK)
    write(0.95, "□ gold", VERMILLION, weight="bold")
    scale = figure.add_axes((x + 2.55 / width, y - 0.05 / height, 0.9 / width, 0.1 / height))
    scale.imshow(numpy.linspace(0, 1, 64)[None], cmap=colormap, aspect="auto")
    scale.set_axis_off()
    write(2.5, "probability 0", ha="right")
    write(3.5, "1")
    if note:
        figure.text(0.12 / width, y, note, fontsize=8, color=MUTED, va="center")


def card_height(tweet: Tweet) -> float:
    """RETURNS (float): The height of a tweet's card in inches."""
    cells = place_words(tweet)
    return (cells[-1].line + 1 if cells else 1) * _LINE + _FOOT + _MARGIN


def place_words(tweet: Tweet) -> list[Cell]:
    """Break a tweet into lines.

    tweet (Tweet): The tweet.
    RETURNS (list[Cell]): The position of each word, with room for the labels of its entities.
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
    words = [_displayed(word) for word in tweet.words]
    widths = [max(len(word), 2) * _WORD_CHAR * 1.02 + 0.06 for word in words]
    for start, end, label in [*tweet.gold, *tweet.predicted]:
        missing = (len(label) + 1) * _NOTE_CHAR - sum(widths[start:end]) - _GAP * (end - start - 1)
        widths[end - 1] += max(0.0, missing)
    return widths


def _displayed(word: str) -> str:
    return drawable(shorten(word, 40), MONO_FAMILY)


def draw_card(figure: Any, tweet: Tweet, tags: Sequence[str], note: str = "") -> None:
    """Draw a tweet as text: gold entities above the words, predicted entities highlighted, and
    the probability of each predicted tag.

    figure (Figure): An empty Matplotlib figure.
    tweet (Tweet): The tweet, with probabilities.
    tags (Sequence[str]): The tags of the probabilities.
    note (str): Text in the lower right corner.
    RAISES (ValueError): If the tweet has no tokens or probabilities.
    """
    probabilities = _require_probabilities(tweet)
    width, height = figure.get_size_inches()
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, width), ylim=(0, height))
    axis.set_axis_off()
    cells = place_words(tweet)
    rows = {tag: row for row, tag in enumerate(tags)}
    predicted = spans_to_bio(tweet.predicted, len(tweet.words))
    labels = {label for *_, label in [*tweet.gold, *tweet.predicted]}
    colors = type_colors({tag[2:] for tag in tags if tag != "O"} | labels)
    for i, (word, tag, cell) in enumerate(zip(tweet.words, predicted, cells, strict=True)):
        probability = probabilities[i, rows[tag]] if tag in rows else 0.0
        is_joined = _continues(predicted, cells, i)
        _draw_word(axis, word, tag, probability, cell, colors, height, is_joined=is_joined)
    for spans, is_gold in ((tweet.gold, True), (tweet.predicted, False)):
        for span in spans:
            for segment in _segments(span, cells):
                _draw_label(axis, segment, span[2], height, is_gold=is_gold)
    axis.text(_MARGIN, 0.17, "above: gold", color=VERMILLION, fontsize=8, weight="bold")
    legend = "below: predicted · bars and numbers: probability of the predicted tag, in %"
    axis.text(_MARGIN + 1.0, 0.17, legend, color=MUTED, fontsize=8)
    axis.text(width - _MARGIN, 0.17, note, color=MUTED, fontsize=8, ha="right")


def _draw_word(
    axis: Any,
    word: str,
    tag: str,
    probability: float,
    cell: Cell,
    colors: Mapping[str, str],
    height: float,
    *,
    is_joined: bool,
) -> None:
    rectangle = import_matplotlib().patches.Rectangle
    y = _baseline(cell, height)

    def draw_box(width: float, bottom: float, height: float, color: str) -> None:
        axis.add_patch(rectangle((cell.x, bottom), width, height, color=color, linewidth=0))

    if tag != "O":
        gap = _GAP if is_joined else 0.0
        draw_box(cell.width + gap, y - 0.05, 0.21, colors[tag[2:]])
    style = {"fontsize": _WORD_SIZE, "family": MONO_FAMILY}
    axis.text(cell.x + 0.03, y, _displayed(word), color=INK, **style)
    draw_box(cell.width, y - 0.1, 0.035, _BAR_GROUND)
    draw_box(cell.width * probability, y - 0.1, 0.035, _BAR if tag == "O" else MUTED)
    if tag != "O" or probability < _SURE:
        axis.text(cell.x, y - 0.21, f"{100 * probability:.0f}", fontsize=7, color=MUTED)


def _continues(tags: Sequence[str], cells: Sequence[Cell], i: int) -> bool:
    return i + 1 < len(tags) and tags[i + 1].startswith("I-") and cells[i + 1].line == cells[i].line


def _draw_label(
    axis: Any, segment: tuple[Cell, Cell, bool], label: str, height: float, *, is_gold: bool
) -> None:
    first, last, is_start = segment
    y = _baseline(first, height)
    if is_gold:
        ends = (first.x, last.x + last.width)
        style = {"color": VERMILLION, "linewidth": 1.6, "solid_capstyle": "butt"}
        axis.plot(ends, (y + 0.2, y + 0.2), **style)
    if is_start:
        y, color = (y + 0.25, VERMILLION) if is_gold else (y - 0.33, INK)
        style = {"fontsize": _NOTE_SIZE, "family": MONO_FAMILY}
        axis.text(first.x, y, drawable(label, MONO_FAMILY), color=color, **style)


def _segments(span: TokenSpan, cells: Sequence[Cell]) -> Iterator[tuple[Cell, Cell, bool]]:
    """Split a span by lines.

    span (TokenSpan): The span.
    cells (Sequence[Cell]): The positions of the tweet's words.
    YIELDS (tuple[Cell, Cell, bool]): The first and last word in a line, and whether the line is
        the span's first.
    """
    start, end, _ = span
    lines = sorted({cell.line for cell in cells[start:end]})
    for line in lines:
        inside = [cell for cell in cells[start:end] if cell.line == line]
        yield inside[0], inside[-1], line == lines[0]


def _baseline(cell: Cell, height: float) -> float:
    return height - _MARGIN - cell.line * _LINE - 0.38
