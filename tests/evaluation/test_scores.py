import warnings

import numpy
import pytest
from hypothesis import given
from seqeval.metrics import accuracy_score, classification_report
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support

from spacy_twitter_ner.evaluation.scores import (
    count_boundaries,
    count_groups,
    count_spans,
    draw_f1,
    draw_prf,
    draw_weights,
    f1_intervals,
    interval,
    paired_differences,
    prf,
    to_scores,
    token_accuracy,
    with_total,
)
from spacy_twitter_ner.iob import to_bio

from .spans import LABELS, span_pairs, tagged_tweets


@given(tweets=tagged_tweets())
def test_scores_equal_seqeval(tweets):
    gold, predicted = tweets
    counts = count_spans(span_pairs(gold, predicted), LABELS).sum(0)
    ours = [to_scores(row) for row in with_total(counts)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seqeval warns about undefined ratios
        theirs = classification_report(gold, predicted, output_dict=True)
        *micro, _ = precision_recall_fscore_support(gold, predicted, average="micro")
    assert ours[0][:3] == pytest.approx(tuple(micro), rel=1e-15, abs=0)
    for label, row in zip(LABELS, ours[1:], strict=True):
        expected = theirs.get(label, {"precision": 0, "recall": 0, "f1-score": 0, "support": 0})
        assert row[:3] == pytest.approx(
            (expected["precision"], expected["recall"], expected["f1-score"]), rel=1e-15, abs=0
        )
        assert row.n_gold == expected["support"]


@given(tweets=tagged_tweets())
def test_token_accuracy_equals_seqeval(tweets):
    # seqeval compares raw tags, so they have to be valid BIO.
    gold, predicted = ([to_bio(tags) for tags in side] for side in tweets)
    ours = token_accuracy(span_pairs(gold, predicted), map(len, gold))
    assert ours == accuracy_score(gold, predicted)


@given(tweets=tagged_tweets())
def test_count_boundaries_ignores_types(tweets):
    pairs = span_pairs(*tweets)
    bare = [tuple([(*span[:2], "x") for span in spans] for spans in pair) for pair in pairs]
    assert (count_boundaries(pairs) == count_spans(bare, ["x"])[:, 0]).all()


def test_count_groups_by_tweet_and_length():
    pairs = [([(0, 1, "a"), (2, 4, "a")], [(0, 1, "a")]), ([], [(0, 2, "b")])]
    groups = count_groups(pairs, lambda i, span: f"{i} {span[1] - span[0]}")
    assert {name: counts.tolist() for name, counts in groups.items()} == {
        "0 1": [[1, 0, 0], [0, 0, 0]],
        "0 2": [[0, 0, 1], [0, 0, 0]],
        "1 2": [[0, 0, 0], [0, 1, 0]],
    }


def test_count_spans_names_unknown_type():
    with pytest.raises(ValueError, match="'b'"):
        count_spans([([(0, 1, "b")], [])], ["a"])


def test_undefined_ratios_are_zero():
    assert prf(numpy.zeros((2, 3), dtype="int64")).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert token_accuracy([], []) == 0.0
    assert count_spans([], ["a"]).shape == (0, 1, 3)


def random_counts(n_tweets: int, seed: int = 0, rate: float = 0.5):
    generator = numpy.random.default_rng(seed)
    right = generator.random((n_tweets, 2)) < rate
    counts = numpy.zeros((n_tweets, 2, 3), dtype="int64")
    counts[..., 0], counts[..., 2] = right, ~right
    return counts


def test_draw_weights_size_and_fixed_seed():
    first, second = (numpy.concatenate(list(draw_weights(7, 250))) for _ in range(2))
    assert first.shape == (250, 7)
    assert (first.sum(1) == 7).all()
    assert (first == second).all()
    assert len(numpy.unique(first, axis=0)) > 100


def test_draw_prf_scores_the_drawn_tweets():
    counts = random_counts(6)
    weights = next(draw_weights(6, 20))
    drawn = draw_prf(counts, 20)
    for draw, row in zip(drawn, weights, strict=True):
        repeated = numpy.repeat(counts, row, axis=0).sum((0, 1))
        tp, fp, fn = repeated
        assert draw[0] == pytest.approx(
            (tp / max(tp + fp, 1), tp / (tp + fn), 2 * tp / (2 * tp + fn))
        )


def test_f1_intervals_narrow_with_more_tweets():
    small, large = (f1_intervals(random_counts(n))[0] for n in (40, 4000))
    assert small.low < large.low < 2 / 3 < large.high < small.high
    assert len(f1_intervals(random_counts(5))) == 3


def test_draw_prf_recall_agrees_with_normal_approximation():
    counts = random_counts(2000)[:, :1]
    recall = draw_prf(counts)[:, 0, 1]
    expected = counts[:, 0, 0].std() / numpy.sqrt(2000)
    assert recall.std() == pytest.approx(expected, rel=0.1)


def test_paired_differences_detect_what_intervals_do_not():
    """The better model is also correct on a few additional tweets."""
    other = random_counts(400)
    model = other.copy()
    wrong = numpy.flatnonzero(model[:, 0, 2])[:12]
    model[wrong, 0] = (1, 0, 0)
    difference = paired_differences(model[None], other[None])[0]
    one, two = f1_intervals(model)[0], f1_intervals(other)[0]
    assert one.low < two.high
    assert 0 < difference.low < difference.f - difference.other < difference.high
    assert difference.p_value < 0.01


def test_paired_differences_of_equal_models_are_zero():
    counts = random_counts(50)[None]
    for difference in paired_differences(counts, counts):
        assert (difference.low, difference.high, difference.p_value) == (0.0, 0.0, 1.0)


def test_paired_differences_are_antisymmetric():
    one, two = random_counts(60, 1)[None], random_counts(60, 2, rate=0.3)[None]
    forth, back = paired_differences(one, two)[0], paired_differences(two, one)[0]
    assert (forth.low, forth.high) == pytest.approx((-back.high, -back.low))
    assert forth.p_value == back.p_value


def test_draw_f1_averages_runs():
    runs = numpy.stack([random_counts(30, 1), random_counts(30, 2)])
    assert draw_f1(runs, 50) == pytest.approx((draw_f1(runs[:1], 50) + draw_f1(runs[1:], 50)) / 2)


def test_interval_excludes_a_fortieth_on_either_side():
    draws = numpy.arange(1001.0)[:, None]
    assert interval(draws).ravel() == pytest.approx([25, 975])


def test_f1_intervals_without_tweets_are_zero():
    empty = numpy.zeros((0, 2, 3), dtype="int64")
    assert f1_intervals(empty) == [(0.0, 0.0)] * 3


def test_paired_differences_of_different_corpora_raise():
    with pytest.raises(ValueError, match="cannot compare"):
        paired_differences(random_counts(3)[None], random_counts(4)[None])
