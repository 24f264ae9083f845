"""Tweets one after another: their heatmaps, or themselves with probabilities and gold entities, as
an animated GIF."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from ..evaluation.predictions import Tweet
from .cards import WIDTH, card_height, draw_card
from .heatmap import draw_heatmap, heatmap_size
from .libraries import import_matplotlib, import_pillow_image
from .style import new_figure, require_format, save_figure, whole_file

View = Literal["heatmap", "card"]
VIEWS: tuple[View, ...] = ("heatmap", "card")
ANIMATED = (".gif",)
_COLORS = 128


def save_tweet(tweet: Tweet, tags: Sequence[str], path: Path, view: View = "heatmap") -> None:
    """Draw one tweet.

    tweet (Tweet): The tweet, with probabilities.
    tags (Sequence[str]): The tags that they are of.
    path (Path): The file to write, .png or .svg.
    view (View): "heatmap" for tokens by tags, "card" for the text with its entities.
    RAISES (VizError): If Matplotlib is not installed.
    RAISES (ValueError): If there is nothing to draw, or the file is of another format.
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
    """Draw tweets one after another. All frames have the size that the largest one needs.

    tweets (Sequence[Tweet]): The tweets, with probabilities.
    tags (Sequence[str]): The tags that they are of.
    path (Path): The file to write, .gif.
    view (View): "heatmap" for tokens by tags, "card" for the text with its entities.
    seconds (float): How long each tweet is shown.
    on_frame (Optional[Callable[[], None]]): Called after each frame, for a progress bar.
    RAISES (VizError): If Matplotlib or Pillow is not installed.
    RAISES (ValueError): If there is nothing to draw, or the file is of another format.
    """
    require_format(path, ANIMATED)
    if not tweets:
        raise ValueError("no tweets to draw")
    import_pillow_image()
    draw, size = _view(view), _size(tweets, tags, view)
    frames = []
    for number, tweet in enumerate(tweets, start=1):
        with new_figure(*size) as figure:
            draw(figure, tweet, tags, f"{number} of {len(tweets)}")
            frames.append(_rasterize(figure))
        if on_frame is not None:
            on_frame()
    # One palette for all, so that colours do not flicker.
    palette = _common_palette(frames)
    frames = [frame.quantize(palette=palette, dither=0) for frame in frames]
    with whole_file(path) as temporary:
        frames[0].save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=frames[1:],
            duration=round(1000 * seconds),
            loop=0,
            optimize=True,
        )


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
    return import_pillow_image().open(buffer).convert("RGB")


def _common_palette(frames: Sequence[Any]) -> Any:
    width, height = frames[0].size
    shown = frames[:: max(1, len(frames) // 16)]
    strip = import_pillow_image().new("RGB", (width, height * len(shown)))
    for i, frame in enumerate(shown):
        strip.paste(frame, (0, i * height))
    levels = strip.quantize(_COLORS - 1).getpalette()
    colors = [levels[i : i + 3] for i in range(0, len(levels), 3)]
    palette = import_pillow_image().new("P", (1, 1))
    # The white of the ground must not become a little grey.
    tinted = [level for color in colors if min(color) < 247 for level in color]
    palette.putpalette([255, 255, 255, *tinted])
    return palette
