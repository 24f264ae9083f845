from itertools import pairwise

import numpy
import pytest

pytest.importorskip("matplotlib")
Image = pytest.importorskip("PIL.Image")

from spacy_twitter_ner.evaluation.predictions import Tweet  # noqa: E402
from spacy_twitter_ner.viz.tweets import (  # noqa: E402
    SHADES,
    VIEWS,
    WIDTH,
    heatmap_size,
    place_words,
    save_animation,
    save_tweet,
)

TAGS = ("O", "B-person", "I-person", "B-movie", "I-movie")


def make_tweet(n_words: int = 4, seed: int = 0) -> Tweet:
    probabilities = numpy.random.default_rng(seed).dirichlet(numpy.ones(len(TAGS)), n_words)
    words = ("Kim", "$5_x$", "日本😂", "\x07http://t.co/" + 60 * "x") * n_words
    gold = [(0, 2, "person"), (2, 3, "tvshow")] if n_words > 2 else []
    return Tweet(words[:n_words], gold, [(0, 1, "movie")], None, probabilities)


def colors(path):
    image = Image.open(path).convert("RGB")
    return {color for _, color in image.getcolors(1 << 20)}


@pytest.mark.parametrize("view", VIEWS)
def test_save_tweet(tmp_path, view):
    for name in ("a.png", "b.png", "a.svg"):
        save_tweet(make_tweet(), TAGS, tmp_path / name, view)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (0xD5, 0x5E, 0x00) in colors(tmp_path / "a.png"), "gold entities are marked"
    assert b"</svg>" in (tmp_path / "a.svg").read_bytes()


def test_heatmap_cell_is_as_dark_as_probable(tmp_path):
    tweet = make_tweet(1)._replace(gold=[], predicted=[])
    tweet.probabilities[:] = [[0.0, 1.0, 0.0, 0.0, 0.0]]
    save_tweet(tweet, TAGS, tmp_path / "a.png")
    darkest = tuple(int(SHADES[-1][i : i + 2], 16) for i in (1, 3, 5))
    image = numpy.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    share = (image == darkest).all(-1).mean()
    cell = 0.26 * 0.26 * 0.85 / numpy.prod(heatmap_size(1, len(TAGS)))
    assert 0.5 * cell < share < 1.5 * cell + 0.005


@pytest.mark.parametrize("view", VIEWS)
def test_save_animation_has_one_frame_per_tweet(tmp_path, view):
    tweets = [make_tweet(n, seed=n) for n in (2, 40, 5)]
    seen = []
    save_animation(
        tweets, TAGS, tmp_path / "a.gif", view, seconds=0.5, on_frame=lambda: seen.append(1)
    )
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == len(seen) == 3
        assert image.info["duration"] == 500
        assert image.info["loop"] == 0
        frames = []
        for index in range(3):
            image.seek(index)
            frames.append(numpy.asarray(image.convert("RGB")))
    assert (frames[0] != frames[1]).any()
    assert (frames[0][0, 0] == 255).all(), "the background is white"


def test_place_words_within_card():
    cells = place_words(make_tweet(60))
    assert len(cells) == 60
    assert all(cell.x + cell.width <= WIDTH for cell in cells)
    for one, two in pairwise(cells):
        assert two.line == one.line + 1 or (two.line == one.line and two.x > one.x + one.width)


def test_save_errors_name_the_reason(tmp_path):
    bare = Tweet(("a",), [], [])
    for view in VIEWS:
        with pytest.raises(ValueError, match="no probabilities"):
            save_tweet(bare, TAGS, tmp_path / "a.png", view)
    with pytest.raises(ValueError, match="no tweets"):
        save_animation([], TAGS, tmp_path / "a.gif")
    with pytest.raises(ValueError, match=r"a\.png.*\.gif"):
        save_animation([make_tweet()], TAGS, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []
