"""Thresholds with a guarantee: choose a minimum confidence at which a given precision or recall
holds with a given probability.

Thresholds are tested one after another (learn then test, Angelopoulos et al. 2021). Each test is a
bet against the hypothesis that the threshold is too low (Waudby-Smith & Ramdas 2024): the risk of a
tweet is

    X = wrong - (1 - precision) * kept

where at most `MAX_WRONG` wrong entities of a tweet count, and precision holds if E[X] <= 0. If it
doesn't hold, a weighted mean over bets v of prod(1 - v * X) is an e-value: by Markov's inequality,
it exceeds 1 / delta with a probability of at most delta, whatever the distribution of tweets and
however the entities of a tweet depend on each other. Recall is the same with X = missed - (1 -
recall) * gold.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy
from thinc.types import Floats1d, Ints1d

from ..layers.types import Bools1d

DELTA = 0.1
# Wrong or missed entities of a tweet that count. Bounds the risk, so that bets are never ruined.
MAX_WRONG = 5
# Bets, as multiples of one that is right for tweets with about one entity, and their weights.
# Rarer entities need larger bets.
_BETS = 2.0 ** numpy.arange(-2, 5)
_WEIGHTS = numpy.asarray([1, 2, 8, 4, 2, 1, 1]) / 19
# Number of steps between the thresholds 0 and 1 that are tested.
_N_STEPS = 1000
# Levels to try if the requested one can't be guaranteed.
_LEVELS = [level / 100 for level in range(99, 9, -1)]


class ScoredTweets(NamedTuple):
    """Predicted entities of labelled tweets, without a threshold.

    owners (Ints1d): (S,) the tweet of each entity.
    confidences (Floats1d): (S,) their confidences.
    is_right (Bools1d): (S,) whether each entity is correct.
    n_gold (Ints1d): (N,) number of gold entities of each tweet.
    """

    owners: Ints1d
    confidences: Floats1d
    is_right: Bools1d
    n_gold: Ints1d

    def select(self, tweets: Ints1d) -> "ScoredTweets":
        """RETURNS (ScoredTweets): The given distinct tweets only."""
        new = numpy.full(len(self.n_gold), -1)
        new[tweets] = numpy.arange(len(tweets))
        owners = new[self.owners]
        kept = owners >= 0
        return ScoredTweets(
            owners[kept], self.confidences[kept], self.is_right[kept], self.n_gold[tweets]
        )

    def at_threshold(self, threshold: float) -> "Counts":
        """RETURNS (Counts): The entities that a threshold keeps."""
        kept = self.confidences >= threshold
        n_right = int((kept & self.is_right).sum())
        return Counts(len(self.n_gold), int(kept.sum()), n_right, int(self.n_gold.sum()))

    def count_tweets(self, threshold: float) -> tuple[Ints1d, Ints1d]:
        """RETURNS (tuple[Ints1d, Ints1d]): (N,) kept entities and (N,) right ones among them."""
        kept = self.confidences >= threshold
        size = len(self.n_gold)
        n_kept = numpy.bincount(self.owners[kept], minlength=size)
        return n_kept, numpy.bincount(self.owners[kept & self.is_right], minlength=size)


class Counts(NamedTuple):
    """Entities at a threshold.

    tweets (int): Number of tweets.
    kept (int): Number of entities with at least the threshold.
    right (int): Number of correct ones among them.
    gold (int): Number of gold entities.
    """

    tweets: int
    kept: int
    right: int
    gold: int

    @property
    def precision(self) -> float | None:
        """RETURNS (Optional[float]): Precision, or None if no entity is kept."""
        return self.right / self.kept if self.kept else None

    @property
    def recall(self) -> float | None:
        """RETURNS (Optional[float]): Recall, or None if there are no gold entities."""
        return self.right / self.gold if self.gold else None


class Guarantee(NamedTuple):
    """A threshold and what it guarantees.

    threshold (float): Minimum confidence.
    precision (Optional[float]): The guaranteed precision, if any.
    recall (Optional[float]): The guaranteed recall, if any.
    delta (float): The probability that the guarantee doesn't hold.
    counts (Counts): The entities of the labelled tweets at the threshold.
    """

    threshold: float
    precision: float | None
    recall: float | None
    delta: float
    counts: Counts


class GuaranteeError(ValueError):
    """Raised if the labelled tweets don't allow a guarantee. The message says which they allow."""


def choose_threshold(
    tweets: ScoredTweets,
    *,
    precision: float | None = None,
    recall: float | None = None,
    delta: float = DELTA,
) -> Guarantee:
    """Choose a threshold: the lowest that guarantees the precision, or else the highest that
    guarantees the recall.

    tweets (ScoredTweets): Labelled tweets that the pipeline wasn't trained on.
    precision (Optional[float]): The precision to guarantee, between 0 and 1.
    recall (Optional[float]): The recall to guarantee. With both, each gets half of delta.
    delta (float): The probability that the guarantee doesn't hold, over draws of labelled tweets.
    RETURNS (Guarantee): The threshold.
    RAISES (GuaranteeError): If no threshold can be guaranteed.
    RAISES (ValueError): If neither is given, or a number isn't between 0 and 1.
    """
    for name, value in (("precision", precision), ("recall", recall), ("delta", delta)):
        if value is not None and not 0.0 < value < 1.0:
            raise ValueError(f"{name} must be between 0 and 1, not {value}")
    threshold = _find_threshold(tweets, precision, recall, delta)
    if threshold is None:
        raise GuaranteeError(_explain_failure(tweets, precision, recall, delta))
    return Guarantee(threshold, precision, recall, delta, tweets.at_threshold(threshold))


def _find_threshold(
    tweets: ScoredTweets, precision: float | None, recall: float | None, delta: float
) -> float | None:
    if precision is None and recall is None:
        raise ValueError("give a precision or a recall to guarantee")
    if precision is not None and recall is not None:
        delta /= 2
    highest = None if recall is None else _highest_with_recall(tweets, recall, delta)
    if precision is None:
        return highest
    lowest = _lowest_with_precision(tweets, precision, delta)
    if recall is not None and (lowest is None or highest is None or lowest > highest):
        return None
    return lowest


def _lowest_with_precision(tweets: ScoredTweets, precision: float, delta: float) -> float | None:
    """Test thresholds from high to low. The test starts at three of them, each with a third of
    delta, as it stops where too few entities are kept. A start that is reached without a failure
    adds its third (the fallback procedure, Wiens 2003)."""
    starts = [(1 + precision) / 2, precision, max(2 * precision - 1, 0.0)]
    grid = {k / _N_STEPS for k in range(_N_STEPS + 1)} | set(starts)
    ordered = numpy.sort(tweets.confidences)
    evidence: dict[int, float] = {}
    lowest, level = None, 0.0
    for threshold in sorted((x for x in grid if x <= starts[0]), reverse=True):
        if threshold in starts:
            level += delta / len(starts)
        if level:
            # Many thresholds keep the same entities.
            n_kept = len(ordered) - int(numpy.searchsorted(ordered, threshold))
            if n_kept not in evidence:
                risk = _precision_risk(tweets, threshold, precision)
                evidence[n_kept] = log_e_value(*risk)
            if evidence[n_kept] > -math.log(level):
                lowest = threshold
            else:
                level = 0.0
    return lowest


def _highest_with_recall(tweets: ScoredTweets, recall: float, delta: float) -> float | None:
    """Test thresholds from low to high, as recall is highest without one."""
    highest = None
    for k in range(_N_STEPS + 1):
        if log_e_value(*_recall_risk(tweets, k / _N_STEPS, recall)) <= -math.log(delta):
            break
        highest = k / _N_STEPS
    return highest


def log_e_value(wrong: Ints1d, total: Ints1d, level: float) -> float:
    """Compute the logarithm of the evidence that fewer than (1 - level) of all entities are wrong.

    wrong (Ints1d): (N,) number of wrong entities per tweet.
    total (Ints1d): (N,) number of entities per tweet.
    level (float): The fraction of entities that are right, by hypothesis at most this one.
    RETURNS (float): The logarithm of an e-value.
    """
    if not len(total):
        return 0.0
    return float(numpy.logaddexp.reduce(_log_wealth(wrong, total, level) + numpy.log(_WEIGHTS)))


def _log_wealth(wrong: Ints1d, total: Ints1d, level: float) -> Floats1d:
    """RETURNS (Floats1d): The logarithm of the outcome of each bet."""
    wrong = numpy.minimum(wrong, MAX_WRONG)
    # Tweets with the same numbers are added up at once.
    size = int(total.max()) + 1
    codes, repeats = numpy.unique(wrong * size + total, return_counts=True)
    risk = codes // size - (1 - level) * (codes % size)
    # The best bet against a normal distribution with the variance of tweets with one entity.
    best = math.sqrt(2 * math.log(1 / DELTA) / (len(total) * level * (1 - level)))
    # A larger one would lose everything at the largest risk.
    bets = numpy.minimum(best * _BETS, 0.999 / (MAX_WRONG * level))
    return numpy.log1p(-numpy.outer(bets, risk)) @ repeats


def _precision_risk(
    tweets: ScoredTweets, threshold: float, precision: float
) -> tuple[Ints1d, Ints1d, float]:
    kept, right = tweets.count_tweets(threshold)
    return kept - right, kept, precision


def _recall_risk(
    tweets: ScoredTweets, threshold: float, recall: float
) -> tuple[Ints1d, Ints1d, float]:
    _, right = tweets.count_tweets(threshold)
    return numpy.maximum(tweets.n_gold - right, 0), tweets.n_gold, recall


def _explain_failure(
    tweets: ScoredTweets, precision: float | None, recall: float | None, delta: float
) -> str:
    """RETURNS (str): What can't be guaranteed, the strictest level that can be, and the number of
    tweets that are probably needed."""
    n = len(tweets.n_gold)
    start = f"with {n:,} labelled tweets, "
    if precision is not None and recall is not None:
        at = f"precision {precision:g} and recall {recall:g} can't be guaranteed together"
        alone = [_describe_strictest(tweets, name, delta / 2) for name in ("precision", "recall")]
        return f"{start}{at}. Alone, {' and '.join(alone)}"
    name, level = ("precision", precision) if precision is not None else ("recall", recall)
    strictest = _describe_strictest(tweets, name, delta)
    needed = _count_needed(tweets, name, float(level or 0), delta)
    if needed is None:
        advice = f"No threshold reaches {name} {level:g} in these tweets, so more won't help"
    else:
        advice = f"About {needed:,} tweets like these would be needed for {level:g}"
    return f"{start}{strictest}. {advice}"


def _describe_strictest(tweets: ScoredTweets, name: str, delta: float) -> str:
    for level in _LEVELS:
        if _find_threshold(tweets, delta=delta, **_level(name, level)) is not None:
            return f"the highest {name} that can be guaranteed is {level:g}"
    return f"no {name} can be guaranteed"


def _level(name: str, level: float) -> dict[str, float | None]:
    return {"precision": None, "recall": None, name: level}


def _count_needed(tweets: ScoredTweets, name: str, level: float, delta: float) -> int | None:
    """Estimate the number of tweets that a guarantee needs, if the others are like these: the
    logarithm of the best bet grows with each tweet."""
    risks = _precision_risk if name == "precision" else _recall_risk
    thresholds = [k * 0.05 for k in range(20)] if name == "precision" else [0.0]
    best = max(
        (float(_log_wealth(*risks(tweets, x, level)).max()) for x in thresholds if len(tweets[3])),
        default=0.0,
    )
    n_starts = 3 if name == "precision" else 1
    if best <= 0.0:
        return None
    wanted = math.log(n_starts / delta / _WEIGHTS.max())
    n = len(tweets.n_gold)
    digits = 10 ** max(int(math.log10(n)) - 1, 0)
    # At least a few more than there are, as the best threshold isn't known beforehand.
    return math.ceil(max(wanted / best, 1.1) * n / digits) * digits


class Check(NamedTuple):
    """The result of checking a guarantee on new labelled tweets.

    name (str): "precision" or "recall".
    promised (float): The guaranteed level.
    n (int): Number of entities.
    n_right (int): Number of right ones.
    low (float): Lower bound of the exact binomial interval.
    high (float): Upper bound.
    """

    name: str
    promised: float
    n: int
    n_right: int
    low: float
    high: float

    @property
    def is_broken(self) -> bool:
        """RETURNS (bool): Whether the level is below the guaranteed one, beyond chance."""
        return self.high < self.promised


def check_levels(
    counts: Counts, precision: float | None, recall: float | None, delta: float = DELTA
) -> Iterator[Check]:
    """Compare the counts of new labelled tweets with a guarantee.

    counts (Counts): The entities above the threshold.
    precision (Optional[float]): The guaranteed precision, if any.
    recall (Optional[float]): The guaranteed recall, if any.
    delta (float): The intervals have the confidence 1 - delta.
    YIELDS (Check): Precision, then recall, as far as they are guaranteed.
    """
    if precision is not None:
        interval = exact_interval(counts.right, counts.kept, delta)
        yield Check("precision", precision, counts.kept, counts.right, *interval)
    if recall is not None:
        interval = exact_interval(counts.right, counts.gold, delta)
        yield Check("recall", recall, counts.gold, counts.right, *interval)


def exact_interval(n_right: int, n: int, delta: float = DELTA) -> tuple[float, float]:
    """Compute the exact binomial interval (Clopper & Pearson 1934).

    n_right (int): Number of successes.
    n (int): Number of trials.
    delta (float): One minus the confidence.
    RETURNS (tuple[float, float]): The lower and the upper bound.
    """

    def bisect(n_low: int, tail: float) -> float:
        # The chance of more than n_low successes grows with p.
        low, high = 0.0, 1.0
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if _chance_above(n_low, n, middle) < tail else (low, middle)
        return high

    lower = bisect(n_right - 1, delta / 2) if n_right else 0.0
    return lower, (bisect(n_right, 1 - delta / 2) if n_right < n else 1.0)


def _chance_above(k: int, n: int, p: float) -> float:
    """RETURNS (float): The chance of more than k of n successes, 0 < p < 1."""
    i = numpy.arange(k + 1, n + 1)
    log_factorials = numpy.concatenate([[0.0], numpy.cumsum(numpy.log(numpy.arange(1, n + 1)))])
    choices = log_factorials[n] - log_factorials[i] - log_factorials[n - i]
    return float(numpy.exp(choices + i * math.log(p) + (n - i) * math.log1p(-p)).sum())
