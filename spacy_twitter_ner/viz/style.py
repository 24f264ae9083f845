"""What all pictures have in common: colours that the colour-blind can tell apart, quiet axes, and
how they are saved. Everything is drawn without a screen."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from .libraries import import_matplotlib

# Of Okabe & Ito's palette (2008).
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
    # Tweets are full of dollars; they are no formulas.
    "text.parse_math": False,
    # The same picture is the same file.
    "svg.hashsalt": "spacy-twitter-ner",
}


@contextmanager
def new_figure(width: float, height: float) -> Iterator[Any]:
    """Draw a figure in our style.

    width (float): Its width in inches.
    height (float): Its height in inches.
    YIELDS (Figure): An empty figure of Matplotlib.
    RAISES (VizError): If Matplotlib is not installed.
    """
    matplotlib = import_matplotlib()
    with matplotlib.rc_context(_SETTINGS):
        yield matplotlib.figure.Figure(figsize=(width, height), dpi=DPI, facecolor="white")


def save_figure(figure: Any, path: Path) -> None:
    """Save a figure, whole or not at all.

    figure (Figure): The figure.
    path (Path): The file to write, .png or .svg.
    RAISES (ValueError): If the file is of another format.
    RAISES (OSError): If it cannot be written.
    """
    require_format(path, FORMATS)
    metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with whole_file(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], dpi=DPI, metadata=metadata)


def require_format(path: Path, formats: tuple[str, ...]) -> None:
    """RAISES (ValueError): If a path does not end in one of the formats."""
    if path.suffix not in formats:
        raise ValueError(f"cannot draw {path}: the name has to end in {', '.join(formats)}")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Write a file whole or not at all.

    path (Path): The file; its folder is created if absent.
    YIELDS (Path): The file to write to, which takes the other's place at the end.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def shorten(text: str, length: int) -> str:
    """RETURNS (str): A text of at most that many characters; a longer one ends in an ellipsis."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def drawable(text: str, family: str = FAMILY) -> str:
    """RETURNS (str): A text with a box in place of each character that the font does not have."""
    return "".join(char if _has_glyph(char, family) else "□" for char in text if char != "\ufe0f")


@lru_cache(maxsize=8192)
def _has_glyph(char: str, family: str) -> bool:
    return char.isprintable() and bool(_font(family).get_char_index(ord(char)))


@lru_cache(maxsize=2)
def _font(family: str) -> Any:
    font_manager = import_matplotlib().font_manager
    return font_manager.get_font(font_manager.findfont(family))
