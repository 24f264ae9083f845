"""The libraries of the extra `viz`, imported when a picture is drawn."""

from typing import Any


class VizError(ImportError):
    """A library that draws is not installed; the message says how to install it."""


def import_matplotlib() -> Any:
    """RETURNS (ModuleType): Matplotlib, with the modules that need no screen.
    RAISES (VizError): If it is not installed."""
    try:
        import matplotlib
        import matplotlib.backends.backend_agg
        import matplotlib.colors
        import matplotlib.figure
        import matplotlib.font_manager
        import matplotlib.patches
    except ImportError as error:
        raise _missing("Matplotlib") from error
    return matplotlib


def import_pillow_image() -> Any:
    """RETURNS (ModuleType): Pillow's module PIL.Image.
    RAISES (VizError): If it is not installed."""
    try:
        from PIL import Image
    except ImportError as error:
        raise _missing("Pillow") from error
    return Image


def _missing(library: str) -> VizError:
    return VizError(
        f"{library} is not installed, which pictures are drawn with: run "
        '`python -m pip install "spacy-twitter-ner[viz]"`'
    )
