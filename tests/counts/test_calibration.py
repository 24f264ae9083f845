import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.counts.calibration import CountCalibration, fit_calibration, interval
from spacy_twitter_ner.counts.candidates import Mention, Sums, add_up

LEEDS = ("leeds", "geo-loc")


def draw_tweets(random, n, bias=0.0, missed=0.0):
    """Draw tweets that may contain one of 30 names. A name of probability p is contained with
    probability p + bias * p * (1 - p); some have no candidate."""
    tweets = []
    for _ in range(n):
        name = (f"name{min(int(random.exponential(5)), 29)}", "person")
        p = random.beta(1, 1)
        is_right = random.uniform() < p + bias * p * (1 - p)
        tweets.append({name: (0.0 if random.uniform() < missed else p, bool(is_right))})
    return tweets


def sum_names(tweets):
    sums, right = {}, {}
    for names in tweets:
        for name, (p, is_right) in names.items():
            sums[name] = sums.get(name, Sums()).plus(p)
            right[name] = right.get(name, 0) + is_right
    return sums, right


@pytest.mark.parametrize(("mean", "variance"), [(3.0, 1.0), (3.0, 3.0), (3.0, 9.0), (90.0, 400.0)])
def test_interval_covers_as_often_as_it_should(mean, variance):
    random = numpy.random.default_rng(0)
    if variance > mean:
        size = mean**2 / (variance - mean)
        drawn = random.negative_binomial(size, size / (size + mean), 20_000)
    else:
        n = max(round(mean**2 / max(mean - variance, 1e-9)), 4)
        drawn = random.binomial(n, mean / n, 20_000)
    low, high = interval(mean, variance)
    covered = ((drawn >= low) & (drawn <= high)).mean()
    assert covered > 0.88
    # With less than an end of it, too few.
    assert ((drawn > low) & (drawn < high)).mean() < 0.92


@given(st.floats(0, 10_000), st.floats(0, 1))
def test_interval_contains_the_mean(mean, scale):
    low, high = interval(mean, scale * (mean + mean**2 / 10))
    assert 0 <= low <= mean + 1
    assert high >= mean - 1


def test_uncalibrated_counts_are_sums_of_probabilities():
    sums = Sums().plus(0.9).plus(0.4).plus(0.2)
    count = CountCalibration().count_name(LEEDS, sums)
    assert count.expected == pytest.approx(1.5)
    assert (count.low, count.high) == (1, 2)
    assert sums.predicted == 1
    assert CountCalibration().count_type("geo-loc", sums).expected == pytest.approx(1.5)


def test_calibration_corrects_biased_probabilities_and_missed_entities():
    random = numpy.random.default_rng(0)
    calibration = fit_calibration(draw_tweets(random, 4000, bias=0.6, missed=0.2))
    others = draw_tweets(random, 4000, bias=0.6, missed=0.2)
    sums, right = sum_names(others)
    total = Sums(*numpy.sum(list(sums.values()), axis=0))
    gold = sum(right.values())
    assert abs(total.p - gold) > 0.25 * gold
    count = calibration.count_type("person", total)
    assert count.expected == pytest.approx(gold, rel=0.05)
    assert count.low < gold < count.high
    # The name in the labelled tweets whose factor is best known.
    _, factor = max(calibration.names.items(), key=lambda item: item[1].expected)
    assert factor.expected > 100
    assert factor.factor == pytest.approx(1.0, abs=0.1)


def test_intervals_of_names_cover():
    random = numpy.random.default_rng(1)
    covered = []
    for _ in range(20):
        calibration = fit_calibration(draw_tweets(random, 500))
        sums, right = sum_names(draw_tweets(random, 500))
        for name, some in sums.items():
            count = calibration.count_name(name, some)
            covered.append(count.low <= right[name] <= count.high)
    assert 0.85 < numpy.mean(covered) < 0.97


def test_labels_that_contradict_the_model_widen_the_interval():
    certain = [{LEEDS: (0.99, False)}] * 4 + [{LEEDS: (0.99, True)}]
    agreeing = [{LEEDS: (0.99, True)}] * 5
    sums = Sums(100, 99.0, 0.99, 9.9)
    widths = []
    for tweets in (certain, agreeing):
        count = fit_calibration(tweets).count_name(LEEDS, sums)
        widths.append((count.high - count.low) / count.expected)
    assert widths[0] > 2 * widths[1]


@given(st.permutations(range(6)))
def test_sums_do_not_depend_on_the_order_of_tweets(order):
    probabilities = [0.1 * k + 0.05 for k in range(6)]
    tweets = [("", {LEEDS: Mention(p, f"Leeds{k}")}) for k, p in enumerate(probabilities)]
    ((group, name, label, text, *sums),) = add_up(tweets[k] for k in order)
    assert (group, name, label, text) == ("", *LEEDS, f"Leeds{order[0]}")
    assert sums[:3] == pytest.approx(
        [1, sum(probabilities), sum(p * (1 - p) for p in probabilities)]
    )
