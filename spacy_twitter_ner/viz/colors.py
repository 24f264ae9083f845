"""Colours of entity types, for dark text on them.

Those of person and product are displaCy's own. The others were chosen so that with these they
differ as much as can be, to readers with full colour vision, protanopia and deuteranopia.
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
OUTSIDE_COLOR = "#e6e8ec"


def displacy_colors() -> dict[str, str]:
    """RETURNS (dict[str, str]): Our colours in displaCy's table, which is one for all pipelines
    and holds labels in upper case: what it knows already stays as it is."""
    return {
        label.upper(): color
        for label, color in TYPE_COLORS.items()
        if label not in ("person", "product")
    }


def type_colors(labels: Iterable[str]) -> dict[str, str]:
    """Choose a colour for each type: types that we do not know take those that are left.

    labels (Iterable[str]): The entity types.
    RETURNS (dict[str, str]): Their colours, as #rrggbb.
    """
    labels = sorted(set(labels))
    known = {label: TYPE_COLORS[label.lower()] for label in labels if label.lower() in TYPE_COLORS}
    left = [color for color in TYPE_COLORS.values() if color not in known.values()]
    left = left or list(TYPE_COLORS.values())
    unknown = [label for label in labels if label not in known]
    others = {label: left[i % len(left)] for i, label in enumerate(unknown)}
    return {label: {**known, **others}[label] for label in labels}
