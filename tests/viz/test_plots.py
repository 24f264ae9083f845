import re

import numpy
import pytest

pytest.importorskip("matplotlib")
Image = pytest.importorskip("PIL.Image")

from spacy_twitter_ner.evaluation.calibration import Reliability, measure_split  # noqa: E402
from spacy_twitter_ner.viz.plots import draw_curves, draw_reliability  # noqa: E402

from .pages import make_checkpoints  # noqa: E402

CONFIDENCES = numpy.asarray([0.05, 0.62, 0.68, 0.66, 1.0, 0.95])
IS_RIGHT = numpy.asarray([False, True, False, False, True, True])
SPLIT = measure_split(CONFIDENCES, CONFIDENCES, IS_RIGHT, 10)
NOTHING = measure_split(numpy.zeros(0), numpy.zeros(0), numpy.zeros(0, dtype=bool), 0)
LABELS = ("company", "geo-loc", "$x_1$ 日本")


def test_draw_curves_height_grows_with_types(tmp_path):
    draw_curves(make_checkpoints(labels=LABELS[:1]), [tmp_path / "a.png"])
    draw_curves(make_checkpoints(labels=LABELS), [tmp_path / "b.png"])
    small, large = (Image.open(tmp_path / name).convert("RGB") for name in ("a.png", "b.png"))
    assert small.width == large.width
    assert small.height < large.height
    assert len(large.getcolors(1 << 20)) > 50


def test_draw_curves_is_reproducible(tmp_path):
    paths = [tmp_path / name for name in ("a.png", "a.svg", "b.png", "b.svg")]
    draw_curves(make_checkpoints(labels=LABELS), paths[:2])
    draw_curves(make_checkpoints(labels=LABELS), paths[2:])
    assert paths[0].read_bytes() == paths[2].read_bytes()
    assert re.sub(rb"\s", b"", paths[1].read_bytes()) == re.sub(rb"\s", b"", paths[3].read_bytes())


@pytest.mark.parametrize("n_points", [1, 2])
def test_draw_curves_with_few_evaluations(tmp_path, n_points):
    points = make_checkpoints(n_points, LABELS)
    del points[0].splits["train"]
    draw_curves(points, [tmp_path / "a.svg"])
    assert (tmp_path / "a.svg").exists()


def test_draw_curves_without_evaluations_raises(tmp_path):
    with pytest.raises(ValueError, match="no evaluations"):
        draw_curves([], [tmp_path / "a.png"])


def test_draw_curves_rejects_other_formats(tmp_path):
    with pytest.raises(ValueError, match=r"a\.gif.*\.png, \.svg"):
        draw_curves(make_checkpoints(labels=LABELS), [tmp_path / "a.gif"])
    assert list(tmp_path.iterdir()) == []


def test_draw_reliability_height_grows_with_splits(tmp_path):
    draw_reliability(Reliability(1.5, {"test": SPLIT}), [tmp_path / "a.png"])
    both = Reliability(1.5, {"$x_1$ 日本": SPLIT, "empty": NOTHING})
    draw_reliability(both, [tmp_path / "b.png", tmp_path / "b.svg"], title="a title")
    small, large = (Image.open(tmp_path / name).convert("RGB") for name in ("a.png", "b.png"))
    assert small.width == large.width
    assert small.height < large.height
    assert len(large.getcolors(1 << 20)) > 50


def test_draw_reliability_without_splits_raises(tmp_path):
    with pytest.raises(ValueError, match="no split to draw"):
        draw_reliability(Reliability(1.0, {}), [tmp_path / "a.png"])
    assert list(tmp_path.iterdir()) == []
