import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_twitter_ner.evaluation.guarantees import (
    Counts,
    GuaranteeError,
    ScoredTweets,
    check_levels,
    choose_threshold,
    exact_interval,
    log_e_value,
)


def draw_tweets(random: numpy.random.Generator, n: int, error: float = 1.0) -> ScoredTweets:
    """Draw tweets with 0 to 3 entities. An entity of confidence c is wrong with probability
    error * (1 - c); the entities of a tweet are often wrong together."""
    sizes = random.integers(0, 4, n)
    owners = numpy.repeat(numpy.arange(n), sizes)
    confidences = random.beta(3, 1, len(owners))
    luck = random.uniform(size=n)[owners]
    alone = random.uniform(size=len(owners)) < 0.5
    luck = numpy.where(alone, random.uniform(size=len(owners)), luck)
    is_right = luck >= error * (1 - confidences)
    return ScoredTweets(owners, confidences, is_right, sizes)


def shuffle(tweets: ScoredTweets, random: numpy.random.Generator) -> ScoredTweets:
    return tweets.select(random.permutation(len(tweets.n_gold)))


def threshold_or_none(tweets: ScoredTweets, **levels: float) -> float | None:
    try:
        return choose_threshold(tweets, **levels).threshold
    except GuaranteeError:
        return None


@given(st.integers(0, 1000))
@settings(max_examples=15)
def test_order_of_tweets_does_not_matter(seed):
    random = numpy.random.default_rng(seed)
    tweets = draw_tweets(random, 500)
    for levels in ({"precision": 0.8}, {"recall": 0.6}):
        expected = threshold_or_none(tweets, **levels)
        assert threshold_or_none(shuffle(tweets, random), **levels) == expected


def test_stricter_levels_need_higher_thresholds():
    tweets = draw_tweets(numpy.random.default_rng(0), 5000)
    found = [choose_threshold(tweets, precision=p).threshold for p in (0.7, 0.75, 0.8, 0.85, 0.9)]
    assert found == sorted(found)
    assert found[0] < found[-1]
    found = [choose_threshold(tweets, recall=r).threshold for r in (0.4, 0.5, 0.6, 0.7)]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1]


@given(st.integers(0, 1000))
@settings(max_examples=15)
def test_right_entities_and_risk_never_raise_the_threshold(seed):
    random = numpy.random.default_rng(seed)
    tweets = draw_tweets(random, 400)
    before = choose_threshold(tweets, precision=0.7, delta=0.3).threshold
    corrected = tweets.is_right | (random.uniform(size=len(tweets.is_right)) < 0.2)
    better = tweets._replace(is_right=corrected)
    assert choose_threshold(better, precision=0.7, delta=0.3).threshold <= before
    assert choose_threshold(tweets, precision=0.7, delta=0.4).threshold <= before


@pytest.mark.slow
def test_precision_is_below_the_guaranteed_one_at_most_as_often_as_delta():
    """The pipeline is overconfident, and errors occur together. The threshold that is right for the
    drawn tweets alone is too low for others in about half of the draws."""
    random = numpy.random.default_rng(0)
    population = draw_tweets(random, 200_000, error=1.5)
    broken = broken_naive = 0
    for _ in range(100):
        tweets = draw_tweets(random, 400, error=1.5)
        threshold = threshold_or_none(tweets, precision=0.8, delta=0.1)
        broken += threshold is not None and population.at_threshold(threshold).precision < 0.8
        grid = numpy.linspace(0, 1, 101)
        naive = next(x for x in grid if tweets.at_threshold(x).precision >= 0.8)
        broken_naive += population.at_threshold(naive).precision < 0.8
    assert broken <= 10
    assert broken_naive > 25


def test_e_value_has_a_mean_of_at_most_one():
    """If exactly the hypothesized fraction is right."""
    random = numpy.random.default_rng(0)
    n_entities = random.integers(0, 4, (4000, 50))
    wrong = random.binomial(n_entities, 0.2)
    values = numpy.exp([log_e_value(*row, 0.8) for row in zip(wrong, n_entities, strict=True)])
    assert values.mean() < 1 + 3 * values.std() / len(values) ** 0.5
    assert (values >= 10).mean() <= 0.1


def test_recall_and_both():
    tweets = draw_tweets(numpy.random.default_rng(0), 4000)
    alone = choose_threshold(tweets, precision=0.8)
    both = choose_threshold(tweets, precision=0.8, recall=0.5)
    assert both.counts.precision > 0.8
    assert both.counts.recall > 0.5
    # Half of delta each.
    assert both.threshold >= alone.threshold
    with pytest.raises(GuaranteeError, match=r"together\. Alone, the highest precision"):
        choose_threshold(tweets, precision=0.9, recall=0.7)


def test_too_few_tweets():
    tweets = draw_tweets(numpy.random.default_rng(1), 200)
    with pytest.raises(GuaranteeError) as error:
        choose_threshold(tweets, precision=0.95)
    message = str(error.value)
    assert message.startswith("with 200 labelled tweets, the highest precision that can be guaran")
    level = float(message.split("guaranteed is ")[1].split()[0].rstrip("."))
    assert 0.6 < level < 0.95
    # It can be, and nothing above it.
    choose_threshold(tweets, precision=level)
    assert threshold_or_none(tweets, precision=level + 0.01) is None
    needed = int(message.split("About ")[1].split()[0].replace(",", ""))
    assert 300 < needed < 20_000


def test_nothing_can_be_guaranteed():
    nothing = numpy.zeros(0)
    tweets = ScoredTweets(nothing.astype(int), nothing, nothing.astype(bool), numpy.ones(9, int))
    with pytest.raises(GuaranteeError, match="no precision can be guaranteed"):
        choose_threshold(tweets, precision=0.5)
    with pytest.raises(ValueError, match="between 0 and 1, not 95"):
        choose_threshold(tweets, precision=95)


def test_exact_interval():
    assert exact_interval(8, 10, 0.05) == pytest.approx((0.4439, 0.9748), abs=1e-4)
    assert exact_interval(0, 10, 0.05) == pytest.approx((0.0, 0.3085), abs=1e-4)
    assert exact_interval(10, 10, 0.05) == pytest.approx((0.6915, 1.0), abs=1e-4)
    assert exact_interval(0, 0) == (0.0, 1.0)


def test_check_levels():
    checks = list(check_levels(Counts(100, 100, 70, 80), precision=0.8, recall=0.8))
    assert [each.name for each in checks] == ["precision", "recall"]
    assert [each.is_broken for each in checks] == [True, False]
    (check,) = check_levels(Counts(100, 0, 0, 80), precision=0.8, recall=None)
    assert not check.is_broken
