import pytest

pytest.importorskip("matplotlib")
Image = pytest.importorskip("PIL.Image")

from spacy_twitter_ner.viz.counts import NameSeries, draw_counts  # noqa: E402

DAYS = ["2022-03-01", "2022-03-02", "2022-03-03"]
SERIES = [(1.0, 0.0, 3.0), (4.0, 2.0, 6.0), (2.0, 1.0, 4.0)]
NAMES = [
    NameSeries("Drake", "musicartist", 7.0, 5.0, 9.0, SERIES),
    NameSeries(
        "a name with $x_1$ and 日本 that is too long to draw", "event", 7.0, 5.0, 9.0, SERIES
    ),
]


def test_draw_counts(tmp_path):
    for name, groups in (("total.png", []), ("days.png", DAYS)):
        draw_counts(NAMES, groups, tmp_path / name, title="Names")
    total, days = (Image.open(tmp_path / name).convert("RGB") for name in ("total.png", "days.png"))
    assert total.size == days.size
    assert total.tobytes() != days.tobytes()
    assert len(days.getcolors(1 << 20)) > 50


def test_nothing_to_draw(tmp_path):
    with pytest.raises(ValueError, match="no names to draw"):
        draw_counts([], DAYS, tmp_path / "names.png", title="Names")
    with pytest.raises(ValueError, match="must end in"):
        draw_counts(NAMES, DAYS, tmp_path / "names.pdf", title="Names")
