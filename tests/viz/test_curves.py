import re

import pytest

pytest.importorskip("matplotlib")
Image = pytest.importorskip("PIL.Image")

from spacy_twitter_ner.evaluation.progress import Checkpoint, SplitProgress  # noqa: E402
from spacy_twitter_ner.evaluation.reports import PRF  # noqa: E402
from spacy_twitter_ner.viz.curves import draw_curves  # noqa: E402

LABELS = ("company", "geo-loc", "$x_1$ 日本")


def make_checkpoints(n_points: int = 3, labels=LABELS) -> list[Checkpoint]:
    points = []
    for i in range(n_points):
        prf = PRF(0.1 * i, 0.2, None if i == 0 else 0.15)
        progress = SplitProgress(prf, dict.fromkeys(labels, prf))
        splits = {"train": progress, "validation": progress}
        points.append(Checkpoint(i * 100, i, float(i), 0.1 * i, {}, splits))
    return points


def test_picture_grows_with_the_types(tmp_path):
    draw_curves(make_checkpoints(labels=LABELS[:1]), [tmp_path / "a.png"])
    draw_curves(make_checkpoints(), [tmp_path / "b.png"])
    small, large = (Image.open(tmp_path / name).convert("RGB") for name in ("a.png", "b.png"))
    assert small.width == large.width
    assert small.height < large.height
    assert len(large.getcolors(1 << 20)) > 50


def test_same_progress_is_the_same_file(tmp_path):
    paths = [tmp_path / name for name in ("a.png", "a.svg", "b.png", "b.svg")]
    draw_curves(make_checkpoints(), paths[:2])
    draw_curves(make_checkpoints(), paths[2:])
    assert paths[0].read_bytes() == paths[2].read_bytes()
    assert re.sub(rb"\s", b"", paths[1].read_bytes()) == re.sub(rb"\s", b"", paths[3].read_bytes())


@pytest.mark.parametrize("n_points", [1, 2])
def test_few_evaluations(tmp_path, n_points):
    points = make_checkpoints(n_points)
    del points[0].splits["train"]
    draw_curves(points, [tmp_path / "a.svg"])
    assert (tmp_path / "a.svg").exists()


def test_no_evaluations(tmp_path):
    with pytest.raises(ValueError, match="no evaluations"):
        draw_curves([], [tmp_path / "a.png"])


def test_other_format_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match=r"a\.gif.*\.png, \.svg"):
        draw_curves(make_checkpoints(), [tmp_path / "a.gif"])
    assert list(tmp_path.iterdir()) == []
