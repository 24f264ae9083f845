import numpy
import pytest

from spacy_twitter_ner.evaluation.bootstrap import (
    draw_f1,
    draw_prf,
    draw_weights,
    f1_intervals,
    interval,
    paired_differences,
)


def random_counts(n_tweets: int, seed: int = 0, rate: float = 0.5):
    generator = numpy.random.default_rng(seed)
    right = generator.random((n_tweets, 2)) < rate
    counts = numpy.zeros((n_tweets, 2, 3), dtype="int64")
    counts[..., 0], counts[..., 2] = right, ~right
    return counts


def test_draws_take_as_many_tweets_and_are_always_the_same():
    first, second = (numpy.concatenate(list(draw_weights(7, 250))) for _ in range(2))
    assert first.shape == (250, 7)
    assert (first.sum(1) == 7).all()
    assert (first == second).all()
    assert len(numpy.unique(first, axis=0)) > 100


def test_a_draw_is_scored_as_its_tweets_are():
    counts = random_counts(6)
    weights = next(draw_weights(6, 20))
    drawn = draw_prf(counts, 20)
    for draw, row in zip(drawn, weights, strict=True):
        repeated = numpy.repeat(counts, row, axis=0).sum((0, 1))
        tp, fp, fn = repeated
        assert draw[0] == pytest.approx(
            (tp / max(tp + fp, 1), tp / (tp + fn), 2 * tp / (2 * tp + fn))
        )


def test_interval_holds_the_score_and_narrows_with_more_tweets():
    small, large = (f1_intervals(random_counts(n))[0] for n in (40, 4000))
    assert small.low < large.low < 2 / 3 < large.high < small.high
    assert len(f1_intervals(random_counts(5))) == 3


def test_interval_agrees_with_the_normal_approximation():
    """Recall of independent tweets is a mean: its bootstrap interval is that of a mean."""
    counts = random_counts(2000)[:, :1]
    recall = draw_prf(counts)[:, 0, 1]
    expected = counts[:, 0, 0].std() / numpy.sqrt(2000)
    assert recall.std() == pytest.approx(expected, rel=0.1)


def test_pairs_find_a_difference_that_intervals_alone_do_not():
    """The better model is right wherever the other is, and on a few tweets more."""
    other = random_counts(400)
    model = other.copy()
    wrong = numpy.flatnonzero(model[:, 0, 2])[:12]
    model[wrong, 0] = (1, 0, 0)
    difference = paired_differences(model[None], other[None])[0]
    one, two = f1_intervals(model)[0], f1_intervals(other)[0]
    assert one.low < two.high
    assert 0 < difference.low < difference.f - difference.other < difference.high
    assert difference.p_value < 0.01


def test_difference_of_equals_is_none():
    counts = random_counts(50)[None]
    for difference in paired_differences(counts, counts):
        assert (difference.low, difference.high, difference.p_value) == (0.0, 0.0, 1.0)


def test_difference_is_antisymmetric():
    one, two = random_counts(60, 1)[None], random_counts(60, 2, rate=0.3)[None]
    forth, back = paired_differences(one, two)[0], paired_differences(two, one)[0]
    assert (forth.low, forth.high) == pytest.approx((-back.high, -back.low))
    assert forth.p_value == back.p_value


def test_runs_are_averaged():
    runs = numpy.stack([random_counts(30, 1), random_counts(30, 2)])
    assert draw_f1(runs, 50) == pytest.approx((draw_f1(runs[:1], 50) + draw_f1(runs[1:], 50)) / 2)


def test_interval_leaves_a_fortieth_on_either_side():
    draws = numpy.arange(1001.0)[:, None]
    assert interval(draws).ravel() == pytest.approx([25, 975])


def test_no_tweets_score_nothing():
    empty = numpy.zeros((0, 2, 3), dtype="int64")
    assert f1_intervals(empty) == [(0.0, 0.0)] * 3


def test_counts_of_different_corpora_are_refused():
    with pytest.raises(ValueError, match="cannot compare"):
        paired_differences(random_counts(3)[None], random_counts(4)[None])
