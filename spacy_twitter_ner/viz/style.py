"""Shared style of all figures, and how they are created and saved. No display is needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..util import require, write_atomic

# From the colorblind-safe palette of Okabe & Ito (2008).
BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
INK, MUTED, GRID = "#1f2430", "#5b6270", "#dfe2e8"
FORMATS = (".png", ".svg")
DPI = 110

FAMILY, MONO_FAMILY = "DejaVu Sans", "DejaVu Sans Mono"
_SETTINGS = {
    "font.family": FAMILY,
    "font.size": 8.5,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    # Dollar signs in tweets don't start formulas.
    "text.parse_math": False,
    # Make SVG files reproducible.
    "svg.hashsalt": "spacy-twitter-ner",
}


def import_matplotlib() -> Any:
    """RETURNS (ModuleType): Matplotlib, with the submodules that we use.
    RAISES (MissingExtraError): If it is not installed."""
    names = ("backends.backend_agg", "colors", "figure", "font_manager", "patches")
    return require("viz", "matplotlib", *(f"matplotlib.{name}" for name in names))


@contextmanager
def new_figure(width: float, height: float) -> Iterator[Any]:
    """Create a figure in our style.

    width (float): Width in inches.
    height (float): Height in inches.
    YIELDS (Figure): An empty Matplotlib figure.
    RAISES (MissingExtraError): If Matplotlib is not installed.
    """
    matplotlib = import_matplotlib()
    with matplotlib.rc_context(_SETTINGS):
        yield matplotlib.figure.Figure(figsize=(width, height), dpi=DPI, facecolor="white")


def save_figure(figure: Any, path: Path) -> None:
    """Save a figure atomically.

    figure (Figure): The figure.
    path (Path): Output path, .png or .svg.
    RAISES (ValueError): If the path has another suffix.
    RAISES (OSError): If the file cannot be written.
    """
    require_format(path, FORMATS)
    metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with write_atomic(path) as (temporary,):
        figure.savefig(temporary, format=path.suffix[1:], dpi=DPI, metadata=metadata)


def require_format(path: Path, formats: tuple[str, ...]) -> None:
    """RAISES (ValueError): If the path has none of the suffixes."""
    if path.suffix not in formats:
        raise ValueError(f"cannot draw {path}: the file name must end in {', '.join(formats)}")


def shorten(text: str, length: int) -> str:
    """RETURNS (str): The text, truncated with an ellipsis if it is longer than length."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def drawable(text: str, family: str = FAMILY) -> str:
    """RETURNS (str): The text with characters missing in the font replaced by boxes."""
    return "".join(char if _has_glyph(char, family) else "□" for char in text if char != "\ufe0f")


@lru_cache(maxsize=8192)
def _has_glyph(char: str, family: str) -> bool:
    return char.isprintable() and bool(_font(family).get_char_index(ord(char)))


@lru_cache(maxsize=2)
def _font(family: str) -> Any:
    font_manager = import_matplotlib().font_manager
    return font_manager.get_font(font_manager.findfont(family))
