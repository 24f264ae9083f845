"""The forward-backward algorithm: likelihoods and marginals of a lattice of BIO tags.

Forward and backward scores are logarithms in float64, so that results are exact for any finite
scores. A step is a product of matrices of exponentials, scaled by the maximum of each row. Rows
that underflow, which takes extreme scores, are computed without exponentials.
"""

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy
from thinc.api import get_array_module
from thinc.backends import get_array_ops
from thinc.types import Floats1d, Floats2d, Ints1d

from .crf import LOWEST, Lattice, TransitionScores, row_max
from .packing import Packing, pack_sequences, with_previous
from .types import Bools2d

MISSING = -1

# Sums of exponentials are exact if their logarithm is at least this.
MIN_EXACT_LOG = -600.0
# Exponentials up to this don't compensate for others that underflow.
MAX_LOG = 100.0


def gold_mask(tags: Ints1d, nO: int) -> Bools2d:
    """Convert gold tags to the tags that are possible for each token.

    tags (Ints1d): (N,) the tags, -1 if missing.
    nO (int): Number of tags.
    RETURNS (Bools2d): (N, nO) whether each tag is possible: one per token, or all if it's missing.
    """
    return (tags[:, None] == MISSING) | (tags[:, None] == numpy.arange(nO))


def log_likelihood(lattice: Lattice, possible: Bools2d) -> tuple[Floats1d, Lattice]:
    """Compute the log-likelihoods of partially known tags and the gradient of their sum.

    The likelihood is the probability of all sequences of possible tags (Tsuboi et al. 2008).

    lattice (Lattice): The scores.
    possible (Bools2d): (N, nO) the possible tags of each token.
    RETURNS (tuple[Floats1d, Lattice]): (B,) the log-likelihoods, and their gradient.
    RAISES (ValueError): If no valid sequence consists of possible tags.
    """
    ops = get_array_ops(lattice.emissions)
    xp = ops.xp
    lattice = lattice.centered()
    packing = pack_sequences(ops, lattice.lengths)
    all_sums, expected = _marginals(lattice, packing)
    possible = xp.asarray(possible)
    if (possible.sum(axis=1) == 1).all():
        gold_sums, observed = _score_path(lattice, packing, possible.argmax(axis=1))
    else:
        gold_sums, observed = _marginals(lattice, packing, possible)
    impossible = xp.flatnonzero(xp.isneginf(gold_sums))
    if len(impossible):
        first = int(impossible[0])
        raise ValueError(f"the gold tags of sequence {first} of the batch are not valid BIO tags")
    # Rounding may result in a probability above one.
    return xp.minimum(gold_sums - all_sums, 0.0), observed.minus(expected)


def marginals(lattice: Lattice) -> tuple[Floats1d, Lattice]:
    """Compute the posterior marginals of tags and transitions.

    lattice (Lattice): The scores.
    RETURNS (tuple[Floats1d, Lattice]): (B,) the log partition functions, and the expected counts:
        (N, nO) the probability of each tag of each token, and how often each transition, first tag
        and last tag is expected in the batch.
    """
    return _marginals(lattice, pack_sequences(get_array_ops(lattice.emissions), lattice.lengths))


@dataclass(frozen=True)
class ForwardBackward:
    """Forward and backward scores of a batch, rows in packed order: logarithms of sums over tags,
    -inf for impossible ones. Their sum is the log posterior of a tag, up to a constant per
    sequence.

    emission_weights (Floats2d): (N, nO) emission scores, with a maximum of 0 per token.
    transition_weights (Floats2d): (nO, nO) transition scores with a maximum of 0, -inf for
        transitions that BIO forbids.
    max_emissions (Floats2d): (N, 1) the maxima that were subtracted from a token's emissions and
        from transitions to it.
    end_weights (Floats1d): (nO,) scores of the last tag.
    alpha (Floats2d): (N, nO) forward scores, with a maximum of 0 per token.
    scale (Floats2d): (N, 1) the scaling that was subtracted from alpha, and from the preceding
        token's beta (Rabiner 1989).
    beta (Floats2d): (N, nO) backward scores.
    """

    emission_weights: Floats2d
    transition_weights: Floats2d
    max_emissions: Floats2d
    end_weights: Floats1d
    alpha: Floats2d
    scale: Floats2d
    beta: Floats2d

    def log_partition(self, packing: Packing, n_sequences: int) -> Floats1d:
        """RETURNS (Floats1d): (B,) the logarithm of the sum over each sequence's possible tags."""
        xp = get_array_module(self.alpha)
        logs, is_last = self.scale + self.max_emissions, packing.is_last
        logs[is_last] += log_sum_exp(self.alpha[is_last] + self.end_weights)
        return xp.bincount(packing.owner, weights=logs[:, 0], minlength=n_sequences)


@numpy.errstate(divide="ignore")  # log 0 is -inf
def forward_backward(
    lattice: Lattice, packing: Packing, tag_mask: Bools2d | None = None
) -> ForwardBackward:
    """Compute the forward and backward scores of a lattice.

    lattice (Lattice): The scores.
    packing (Packing): The packed order of its sequences.
    tag_mask (Optional[Bools2d]): (N, nO) the possible tags of each token; all if None.
    RETURNS (ForwardBackward): The forward and backward scores.
    """
    xp = get_array_module(lattice.emissions)
    emissions = lattice.emissions[packing.forward].astype("float64", copy=False)
    if tag_mask is not None:
        emissions = xp.where(tag_mask[packing.forward], emissions, -xp.inf)
    max_emissions = row_max(emissions)
    emissions -= max_emissions
    transitions, start, end = TransitionScores.from_lattice(lattice)
    max_emissions[packing.n_sequences :] += transitions.max()
    transitions -= transitions.max()
    alpha, scale = _forward_pass(packing, emissions, transitions, start)
    beta = _backward_pass(packing, emissions - scale, transitions, end)
    return ForwardBackward(emissions, transitions, max_emissions, end, alpha, scale, beta)


def log_sum_exp(logs: Floats2d) -> Floats2d:
    """RETURNS (Floats2d): (N, 1) the logarithm of the sum of each row's exponentials."""
    xp = get_array_module(logs)
    largest = row_max(logs)
    with numpy.errstate(divide="ignore"):
        return xp.log(xp.exp(logs - largest).sum(axis=1, keepdims=True)) + largest


def _score_path(lattice: Lattice, packing: Packing, tags: Ints1d) -> tuple[Floats1d, Lattice]:
    """Equivalent to _marginals if each token has a single possible tag."""
    xp = get_array_module(lattice.emissions)
    nO, n_sequences = lattice.emissions.shape[1], len(lattice.lengths)
    transitions, start, end = TransitionScores.from_lattice(lattice)
    path = tags[packing.forward]
    later = packing.n_sequences
    first, last = path[:later], path[packing.is_last]
    pair = path[packing.previous], path[later:]
    scores = lattice.emissions[packing.forward, path]
    scores[:later] += start[first]
    scores[later:] += transitions[pair]
    scores[packing.is_last] += end[last]
    observed = Lattice(
        emissions=(tags[:, None] == xp.arange(nO)).astype("float64"),
        transitions=xp.bincount(pair[0] * nO + pair[1], minlength=nO * nO).reshape(nO, nO),
        start=xp.bincount(first, minlength=nO),
        end=xp.bincount(last, minlength=nO),
        lengths=lattice.lengths,
    )
    return xp.bincount(packing.owner, weights=scores, minlength=n_sequences), observed


def _marginals(
    lattice: Lattice, packing: Packing, tag_mask: Bools2d | None = None
) -> tuple[Floats1d, Lattice]:
    """Compute marginals with some possible tags per token, an (N, nO) mask. The log partition
    function of an impossible sequence is -inf."""
    xp = get_array_module(lattice.emissions)
    scores = forward_backward(lattice, packing, tag_mask)
    logs = scores.alpha + scores.beta
    totals = xp.maximum(log_sum_exp(logs), LOWEST)
    unary = xp.exp(logs - totals)
    n_first = packing.n_sequences
    to = (scores.emission_weights + scores.beta - scores.scale - totals)[n_first:]
    emissions = xp.empty_like(unary)
    emissions[packing.forward] = unary
    expected = Lattice(
        emissions=emissions,
        transitions=_expected_transitions(
            scores.alpha[packing.previous], scores.transition_weights, to
        ),
        start=unary[:n_first].sum(axis=0),
        end=unary[packing.is_last].sum(axis=0),
        lengths=lattice.lengths,
    )
    return scores.log_partition(packing, len(lattice.lengths)), expected


def _forward_pass(
    packing: Packing, emissions: Floats2d, transitions: Floats2d, start: Floats1d
) -> tuple[Floats2d, Floats2d]:
    """RETURNS (tuple[Floats2d, Floats2d]): (N, nO) forward scores with a maximum of 0 per row, and
    (N, 1) the scaling that was subtracted from them."""
    xp = get_array_module(emissions)
    alpha = xp.empty_like(emissions)
    scale = xp.empty_like(emissions[:, :1])
    multiply = _LogProduct(transitions)
    for before, begin, end in with_previous(packing.step_offsets):
        row = alpha[begin:end]
        if begin:
            multiply(alpha[before : before + end - begin], out=row)
            row += emissions[begin:end]
        else:
            xp.add(emissions[:end], start, out=row)
        scale[begin:end] = row_max(row)
        row -= scale[begin:end]
    return alpha, scale


def _backward_pass(
    packing: Packing, scores: Floats2d, transitions: Floats2d, end: Floats1d
) -> Floats2d:
    """Compute the backward scores.

    scores (Floats2d): (N, nO) scaled emissions.
    RETURNS (Floats2d): (N, nO) backward scores.
    """
    beta = get_array_module(scores).empty_like(scores)
    beta[:] = end  # correct for last tokens, overwritten for all others
    multiply = _LogProduct(transitions.T)
    for before, begin, stop in with_previous(packing.step_offsets)[:0:-1]:
        later = scores[begin:stop] + beta[begin:stop]
        largest = row_max(later)
        later -= largest
        row = beta[before : before + stop - begin]
        multiply(later, out=row)
        row += largest
    return beta


class _LogProduct:
    """Matrix product in the log domain.

    factor (Floats2d): (m, n) the logarithms of the right matrix, with a maximum of 0.
    """

    def __init__(self, factor: Floats2d) -> None:
        self._xp: Any = get_array_module(factor)
        self._logs = factor
        self._factor = self._xp.ascontiguousarray(self._xp.exp(factor))
        self._is_possible = self._xp.isfinite(factor).astype("float64")

    def __call__(self, logs: Floats2d, out: Floats2d) -> None:
        """Multiply.

        logs (Floats2d): (k, m) the logarithms of the left matrix, with a maximum of 0 per row.
        out (Floats2d): (k, n) the logarithms of the product, overwritten.
        """
        xp = self._xp
        xp.matmul(xp.exp(logs), self._factor, out=out)
        xp.log(out, out=out)
        if out.min() < MIN_EXACT_LOG:
            n_terms = xp.isfinite(logs).astype("float64") @ self._is_possible
            inexact = ((out < MIN_EXACT_LOG) & (n_terms > 0.0)).any(axis=1)
            if inexact.any():
                rows = logs[inexact]
                terms = (rows[:, i, None] + self._logs[i] for i in range(len(self._logs)))
                out[inexact] = reduce(xp.logaddexp, terms)


def _expected_transitions(alpha: Floats2d, transitions: Floats2d, to: Floats2d) -> Floats2d:
    """Sum exp(alpha[t, i] + transitions[i, j] + to[t, j]) over all t.

    alpha (Floats2d): (N, nO) forward scores, with a maximum of 0 per row.
    transitions (Floats2d): (nO, nO) transition scores, with a maximum of 0.
    to (Floats2d): (N, nO) the next tag's contribution to the log probability.
    RETURNS (Floats2d): (nO, nO) the expected number of each transition.
    """
    xp = get_array_module(alpha)
    # exp(alpha) may underflow, and exp(to) is large enough to compensate.
    inexact = (to > MAX_LOG).any(axis=1)
    weights = xp.exp(xp.where(inexact[:, None], -xp.inf, to))
    counts = xp.exp(transitions) * (xp.exp(alpha).T @ weights)
    if inexact.any():
        alpha, to = alpha[inexact], to[inexact]
        for i, row in enumerate(transitions):
            counts[i] += xp.exp(alpha[:, i, None] + row + to).sum(axis=0)
    return counts
