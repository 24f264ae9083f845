"""Colors of entity types, as backgrounds of dark text.

Those of person and product are displaCy's. The others were chosen to differ as much as possible
from these and each other, with full color vision, protanopia and deuteranopia.
"""

from collections.abc import Iterable

TYPE_COLORS = {
    "person": "#aa9cfc",
    "geo-loc": "#ff8f28",
    "company": "#67dafd",
    "facility": "#d49b6a",
    "product": "#bfeeb7",
    "sportsteam": "#ff4dbb",
    "musicartist": "#ea5e87",
    "movie": "#fff23d",
    "tvshow": "#affb76",
    "other": "#cfd4da",
}


def displacy_colors() -> dict[str, str]:
    """Get the colors to register with displaCy. Its table is shared by all pipelines, so labels
    that it already contains are left out.

    RETURNS (dict[str, str]): Colors by uppercase label.
    """
    return {
        label.upper(): color
        for label, color in TYPE_COLORS.items()
        if label not in ("person", "product")
    }


def type_colors(labels: Iterable[str]) -> dict[str, str]:
    """Choose a color for each entity type. Unknown types get the unused colors, in a cycle.

    labels (Iterable[str]): The entity types.
    RETURNS (dict[str, str]): Their colors as #rrggbb.
    """
    labels = sorted(set(labels))
    known = {label: TYPE_COLORS[label.lower()] for label in labels if label.lower() in TYPE_COLORS}
    left = [color for color in TYPE_COLORS.values() if color not in known.values()]
    left = left or list(TYPE_COLORS.values())
    unknown = [label for label in labels if label not in known]
    others = {label: left[i % len(left)] for i, label in enumerate(unknown)}
    return {label: {**known, **others}[label] for label in labels}
