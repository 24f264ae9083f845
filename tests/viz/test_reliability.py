import numpy
import pytest

pytest.importorskip("matplotlib")
Image = pytest.importorskip("PIL.Image")

from spacy_twitter_ner.evaluation.reliability import Reliability, measure_split  # noqa: E402
from spacy_twitter_ner.viz.reliability import draw_reliability  # noqa: E402

CONFIDENCES = numpy.asarray([0.05, 0.62, 0.68, 0.66, 1.0, 0.95])
IS_RIGHT = numpy.asarray([False, True, False, False, True, True])
SPLIT = measure_split(CONFIDENCES, CONFIDENCES, IS_RIGHT, 10)
NOTHING = measure_split(numpy.zeros(0), numpy.zeros(0), numpy.zeros(0, dtype=bool), 0)


def test_picture_grows_with_the_splits(tmp_path):
    draw_reliability(Reliability(1.5, {"test": SPLIT}), [tmp_path / "a.png"])
    both = Reliability(1.5, {"$x_1$ 日本": SPLIT, "empty": NOTHING})
    draw_reliability(both, [tmp_path / "b.png", tmp_path / "b.svg"], title="a title")
    small, large = (Image.open(tmp_path / name).convert("RGB") for name in ("a.png", "b.png"))
    assert small.width == large.width
    assert small.height < large.height
    assert len(large.getcolors(1 << 20)) > 50


def test_no_split(tmp_path):
    with pytest.raises(ValueError, match="no split to draw"):
        draw_reliability(Reliability(1.0, {}), [tmp_path / "a.png"])
    assert list(tmp_path.iterdir()) == []
