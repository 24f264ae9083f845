"""Correct expected counts by labelled tweets, and compute their intervals.

The expected number of tweets that contain a name is the sum of its probabilities, times a factor
for its type and one for itself, both estimated from labelled tweets and shrunk towards 1. The
number of all names of a type has a factor that includes entities without a candidate span, shrunk
towards that of all types.

Its variance has three parts: the tweets, as if they were independent; a correlation of the errors
of the same name; and the uncertainty of the factors.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy
from spacy.language import Language
from spacy.training import Example

from ..util import apply_preceding_pipes, batched, find_ners, get_ner
from .candidates import MIN_PROBABILITY, Name, Sums, find_names
from .names import name_key

CONFIDENCE = 0.9
# Pseudo-counts that shrink factors towards 1.
_TYPE_PRIOR, _NAME_PRIOR = 5.0, 2.0
_BATCH = 256
# Larger means have normal distributions.
_MAX_DISCRETE = 2000.0


class Count(NamedTuple):
    """An expected number of tweets and its interval."""

    expected: float
    low: float
    high: float


class TypeFactors(NamedTuple):
    """What labelled tweets tell of a type.

    expected (float): Sum of the probabilities of its candidates.
    right (int): Number of candidates that are entities.
    gold (int): Number of entities, with and without a candidate.
    noise (float): Sum over tweets of the squared difference between entities and expected ones.
    prior (float): Entities of all types per expected one.
    """

    expected: float = 0.0
    right: int = 0
    gold: int = 0
    noise: float = 0.0
    prior: float = 1.0

    @property
    def of_names(self) -> float:
        """RETURNS (float): The factor for names."""
        return (self.right + _TYPE_PRIOR) / (self.expected + _TYPE_PRIOR)

    @property
    def of_type(self) -> float:
        """RETURNS (float): The factor for the type in all."""
        return (self.gold + _TYPE_PRIOR * self.prior) / (self.expected + _TYPE_PRIOR)


class NameFactor(NamedTuple):
    """What labelled tweets tell of a name.

    expected (float): Sum of its probabilities, corrected by the factor of its type.
    right (int): Number of candidates that are entities.
    v (float): Sum of the variances of the probabilities.
    """

    expected: float = 0.0
    right: int = 0
    v: float = 0.0

    @property
    def factor(self) -> float:
        """RETURNS (float): The factor of its counts."""
        return (self.right + _NAME_PRIOR) / (self.expected + _NAME_PRIOR)

    @property
    def variance(self) -> float:
        """RETURNS (float): The variance of the factor. A difference from the expected number is
        noise as far as it exceeds the standard deviation, since the model may be wrong."""
        noise = max(abs(self.right - self.expected) - self.v**0.5, 0.0)
        return noise / (self.expected + _NAME_PRIOR) ** 2


@dataclass(frozen=True)
class CountCalibration:
    """Factors for expected counts. Without labelled tweets, all are 1, and intervals only contain
    the uncertainty of independent tweets.

    n_tweets (int): Number of labelled tweets.
    types (Mapping[str, TypeFactors]): Factors by type.
    names (Mapping[Name, NameFactor]): Factors of names in the labelled tweets.
    correlation (float): Correlation of the errors of a name in two tweets.
    """

    n_tweets: int = 0
    types: Mapping[str, TypeFactors] = field(default_factory=dict)
    names: Mapping[Name, NameFactor] = field(default_factory=dict)
    correlation: float = 0.0

    def count_name(self, name: Name, sums: Sums) -> Count:
        """RETURNS (Count): The number of tweets that contain a name."""
        factors = self.types.get(name[1], TypeFactors())
        own = self.names.get(name, NameFactor())
        mean = factors.of_names * own.factor * sums.p
        # The more tweets of the name are labelled, the less its errors are correlated.
        weight = _NAME_PRIOR / (own.expected + _NAME_PRIOR)
        variance = sums.v * mean / max(sums.p, 1e-9)
        variance += weight * self.correlation * max(sums.s**2 - sums.v, 0.0)
        variance += own.variance * (factors.of_names * sums.p) ** 2
        variance += factors.noise * (mean / (factors.expected + _TYPE_PRIOR)) ** 2
        return Count(mean, *interval(mean, variance))

    def count_type(self, label: str, sums: Sums) -> Count:
        """RETURNS (Count): The number of names of a type, over all tweets."""
        factors = self.types.get(label, TypeFactors())
        mean = factors.of_type * sums.p
        if not self.n_tweets:
            return Count(mean, *interval(mean, sums.v))
        ratio = sums.p / (factors.expected + _TYPE_PRIOR)
        variance = max(ratio * (1 + ratio) * factors.noise, sums.v)
        return Count(mean, *interval(mean, variance))


def calibrate_counts(
    nlp: Language,
    examples: Iterable[Example],
    aliases: Mapping[str, str],
    min_probability: float = MIN_PROBABILITY,
) -> CountCalibration:
    """Estimate the factors from labelled tweets.

    nlp (Language): The pipeline.
    examples (Iterable[Example]): Labelled tweets that it wasn't trained on.
    aliases (Mapping[str, str]): Normal forms of names by those of their aliases.
    min_probability (float): Minimum probability of a span.
    RETURNS (CountCalibration): The factors.
    """
    return fit_calibration(label_names(nlp, examples, aliases, min_probability))


def label_names(
    nlp: Language,
    examples: Iterable[Example],
    aliases: Mapping[str, str],
    min_probability: float = MIN_PROBABILITY,
) -> list[dict[Name, tuple[float, bool]]]:
    """RETURNS (list[dict[Name, tuple[float, bool]]]): For each labelled tweet, the names that it
    may or does contain, their probabilities and whether it contains them."""
    component: Any = _last_ner(nlp)
    labelled = []
    for batch in batched(examples, _BATCH):
        docs = apply_preceding_pipes(nlp, component, [each.predicted for each in batch])
        found = find_names(docs, component, aliases, min_probability)
        for example, names in zip(batch, found, strict=True):
            keys = ((name_key(ent.text), ent.label_) for ent in example.reference.ents)
            gold = {(aliases.get(key, key), label) for key, label in keys}
            some = {name: (p, name in gold) for name, (p, _) in names.items()}
            labelled.append(some | {name: (0.0, True) for name in gold - names.keys()})
    return labelled


def _last_ner(nlp: Language) -> Any:
    get_ner(nlp)  # raises an error if there is none
    return find_ners(nlp)[-1]


def fit_calibration(tweets: Iterable[Mapping[Name, tuple[float, bool]]]) -> CountCalibration:
    """Estimate the factors from the names of labelled tweets.

    tweets (Iterable[Mapping[Name, tuple[float, bool]]]): From `label_names`.
    RETURNS (CountCalibration): The factors.
    """
    tweets = list(tweets)
    types: dict[str, TypeFactors] = {}
    for names in tweets:
        for (_, label), (p, is_right) in names.items():
            old = types.get(label, TypeFactors())
            right = old.right + (is_right and p > 0)
            types[label] = TypeFactors(old.expected + p, right, old.gold + is_right)
    n_gold, total = (
        sum(getattr(each, key) for each in types.values()) for key in ("gold", "expected")
    )
    prior = (n_gold + _TYPE_PRIOR) / (total + _TYPE_PRIOR)
    types = {label: some._replace(prior=prior) for label, some in types.items()}
    noise = dict.fromkeys(types, 0.0)
    for names in tweets:
        residuals: dict[str, float] = {}
        for (_, label), (p, is_right) in names.items():
            residual = is_right - types[label].of_type * p
            residuals[label] = residuals.get(label, 0.0) + residual
        for label, residual in residuals.items():
            noise[label] += residual**2
    # The noise of few entities isn't known, so it is shrunk like the factor.
    extra = _TYPE_PRIOR * sum(noise.values()) / max(total, 1.0)
    types = {label: some._replace(noise=noise[label] + extra) for label, some in types.items()}
    counted, correlation = _count_names(tweets, types)
    return CountCalibration(len(tweets), types, counted, correlation)


def _count_names(
    tweets: Iterable[Mapping[Name, tuple[float, bool]]], types: Mapping[str, TypeFactors]
) -> tuple[dict[Name, NameFactor], float]:
    """RETURNS (tuple[dict[Name, NameFactor], float]): The names with an entity or an
    expected count of 1, and the correlation of errors by the method of moments."""
    sums: dict[Name, Sums] = {}
    right: dict[Name, int] = {}
    for names in tweets:
        for name, (p, is_right) in names.items():
            if p > 0.0:
                sums[name] = sums.get(name, Sums()).plus(p)
                right[name] = right.get(name, 0) + is_right
    excess = pairs = 0.0
    counted: dict[Name, NameFactor] = {}
    for name, some in sums.items():
        expected = types[name[1]].of_names * some.p
        excess += (right[name] - expected) ** 2 - some.v
        pairs += some.s**2 - some.v
        if right[name] or expected >= 1.0:
            counted[name] = NameFactor(expected, right[name], some.v)
    return counted, min(max(excess / pairs, 0.0), 1.0) if pairs > 0 else 0.0


def interval(mean: float, variance: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Compute the interval of a count: of a binomial or negative binomial distribution with this
    mean and variance, or a normal distribution if the mean is large.

    mean (float): The mean.
    variance (float): The variance.
    confidence (float): The probability of the interval.
    RETURNS (tuple[float, float]): Its bounds.
    """
    tail = (1 - confidence) / 2
    if mean <= 0.0 or variance <= 1e-9:
        return mean, mean
    if mean > _MAX_DISCRETE:
        width = NormalDist().inv_cdf(1 - tail) * math.sqrt(variance)
        return max(mean - width, 0.0), mean + width
    k = numpy.arange(int(mean + 12 * math.sqrt(variance) + 20))
    if variance > mean:
        size = max(mean**2 / (variance - mean), 1e-9)
        ratios = (k[:-1] + size) / k[1:] * (mean / (size + mean))
        first = size * math.log(size / (size + mean))
    else:
        n = max(round(mean**2 / max(mean - variance, 1e-9)), math.ceil(mean))
        chance = min(mean / n, 1 - 1e-9)
        ratios = numpy.maximum(n - k[:-1], 0) / k[1:] * (chance / (1 - chance))
        first = n * math.log1p(-chance)
    with numpy.errstate(divide="ignore"):
        logs = first + numpy.concatenate([[0.0], numpy.cumsum(numpy.log(ratios))])
    chances = numpy.exp(logs)
    # Half of a number's own chance, as in mid-p intervals: otherwise, those of small counts would
    # be too wide.
    below = numpy.cumsum(chances) - chances / 2
    low = numpy.searchsorted(below, tail)
    high = max(numpy.searchsorted(below, 1 - tail) - 1, low)
    return float(low), float(high)
