import spacy
from spacy import displacy
from spacy.displacy.render import DEFAULT_LABEL_COLORS
from spacy.tokens import Doc

from spacy_twitter_ner.viz.colors import TYPE_COLORS, displacy_colors, type_colors


def contrast(color: str, ink: str = "#16181d") -> float:
    """Return the contrast ratio as defined by WCAG 2."""

    def luminance(code: str) -> float:
        channels = [int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    return (luminance(color) + 0.05) / (luminance(ink) + 0.05)


def test_displacy_uses_type_colors():
    vocab = spacy.blank("xx").vocab
    labels = list(TYPE_COLORS)
    doc = Doc(vocab, words=labels, ents=[f"B-{label}" for label in labels])
    html = displacy.render(doc, style="ent", jupyter=False)
    for color in TYPE_COLORS.values():
        assert f"background: {color}" in html


def test_displacy_colors_keep_defaults():
    assert not set(displacy_colors()) & set(DEFAULT_LABEL_COLORS)


def test_type_colors_contrast_with_text():
    for label, color in TYPE_COLORS.items():
        assert contrast(color) > 4.5, label


def test_type_colors_of_unknown_types_are_distinct():
    colors = type_colors(["person", "GEO-LOC", "disease", "gene"])
    assert colors["person"] == TYPE_COLORS["person"]
    assert colors["GEO-LOC"] == TYPE_COLORS["geo-loc"]
    assert len(set(colors.values())) == 4
    assert len(type_colors(f"t{i}" for i in range(25))) == 25
