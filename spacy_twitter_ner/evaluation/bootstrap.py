"""How sure scores are: the bootstrap over tweets (Efron & Tibshirani 1993), also in pairs of two
models (Berg-Kirkpatrick et al. 2012). A draw takes as many tweets as there are, with replacement.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy
from thinc.types import Floats2d, Floats3d, Ints2d, Ints3d, Ints4d

from .scores import prf, with_total

N_DRAWS = 1000
_BATCH = 100


class Interval(NamedTuple):
    """The bounds of a 95% interval."""

    low: float
    high: float


class Difference(NamedTuple):
    """A model's F1 beside that of another one on the same tweets.

    f (float): F1 of the model, 0..1.
    other (float): F1 of the other.
    low (float): Lower bound of the 95% interval of model minus other, in pairs of draws.
    high (float): Upper bound.
    p_value (float): Two-sided: how often the draws contradict the sign of the difference.
    """

    f: float
    other: float
    low: float
    high: float
    p_value: float


def draw_weights(n_tweets: int, n_draws: int = N_DRAWS) -> Iterator[Ints2d]:
    """Draw tweets. The draws are always the same, so that models are compared on the same ones.

    n_tweets (int): How many tweets there are.
    n_draws (int): How many draws to make.
    YIELDS (Ints2d): (nDraws, N) how often each tweet is in each draw, some draws at a time.
    """
    generator = numpy.random.default_rng(0)
    for start in range(0, n_draws if n_tweets else 0, _BATCH):
        size = min(_BATCH, n_draws - start)
        yield generator.multinomial(n_tweets, numpy.full(n_tweets, 1 / n_tweets), size=size)


def draw_prf(counts: Ints3d, n_draws: int = N_DRAWS) -> Floats3d:
    """Draw the tweets anew and score each draw.

    counts (Ints3d): (N, nY, 3) counts by tweet and type, see scores.py.
    n_draws (int): How many draws to make.
    RETURNS (Floats3d): (nDraws, 1 + nY, 3) precision, recall and F1 of all types and of each.
    """
    rows = counts.reshape(len(counts), 3 * counts.shape[1]).astype("float64")
    drawn = [weights.astype("float64") @ rows for weights in draw_weights(len(counts), n_draws)]
    if not drawn:
        return numpy.zeros((n_draws, counts.shape[1] + 1, 3))
    return prf(with_total(numpy.concatenate(drawn).reshape(n_draws, *counts.shape[1:])))


def draw_f1(counts: Ints4d, n_draws: int = N_DRAWS) -> Floats2d:
    """Draw the tweets anew and score several runs of a model on each draw.

    counts (Ints4d): (nRuns, N, nY, 3) the counts of each run.
    n_draws (int): How many draws to make.
    RETURNS (Floats2d): (nDraws, 1 + nY) F1 of all types and of each, the mean of the runs.
    """
    return numpy.mean([draw_prf(run, n_draws)[..., 2] for run in counts], axis=0)


def interval(draws: Floats2d) -> Floats2d:
    """RETURNS (Floats2d): (2, nO) the bounds of the 95% interval of (nDraws, nO) draws."""
    return numpy.percentile(draws, (2.5, 97.5), axis=0)


def f1_intervals(counts: Ints3d, n_draws: int = N_DRAWS) -> list[Interval]:
    """RETURNS (list[Interval]): The interval of F1 of all types, then of each of them, from
    (N, nY, 3) counts."""
    return [Interval(float(a), float(b)) for a, b in interval(draw_prf(counts, n_draws)[..., 2]).T]


def paired_differences(counts: Ints4d, others: Ints4d, n_draws: int = N_DRAWS) -> list[Difference]:
    """Compare two models on the same tweets, each by one run or the mean of several.

    counts (Ints4d): (nRuns, N, nY, 3) the counts of the model's runs.
    others (Ints4d): The same of the other model.
    n_draws (int): How many draws to make.
    RETURNS (list[Difference]): For all types, then for each of them.
    RAISES (ValueError): If the counts are not of as many tweets and types.
    """
    if counts.shape[1:] != others.shape[1:]:
        raise ValueError(f"cannot compare counts of {counts.shape[1:]} and {others.shape[1:]}")
    drawn = draw_f1(counts, n_draws) - draw_f1(others, n_draws)
    f_model, f_other = (prf(with_total(c.sum(1)))[..., 2].mean(0) for c in (counts, others))
    # The draws themselves count as one more that agrees with neither, lest p be zero.
    tails = numpy.minimum((drawn <= 0).sum(0), (drawn >= 0).sum(0)) + 1
    p_values = numpy.minimum(1.0, 2 * tails / (n_draws + 1))
    columns = (f_model, f_other, *interval(drawn), p_values)
    return [Difference(*map(float, row)) for row in zip(*columns, strict=True)]
