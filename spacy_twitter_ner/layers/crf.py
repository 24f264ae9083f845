"""Linear-chain conditional random field over BIO tags (Lafferty, McCallum & Pereira 2001).

A sequence of tags y has the score

    start[y_1] + sum_t emission_t[y_t] + sum_t transition[y_(t-1), y_t] + end[y_T]

and the probability exp(score) / Z, Z summing over all *valid* sequences: those in which I of a
type follows B or I of the same type. Invalid ones have probability zero, in training and in
decoding alike. Tags are numbered as in iob.bio_tags: 0 is O, type k has B at 2k + 1, I at 2k + 2.

Forward and backward scores are logarithms in float64, so that results are exact for any finite
scores. A step is a product of matrices of their exponentials, scaled by the largest of each row;
rows in which that underflows, as only extreme scores do, are computed without exponentials.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, TypeAlias

import numpy
from thinc.api import Model, NumpyOps
from thinc.backends import get_array_ops
from thinc.types import Floats1d, Floats2d, Ints1d

from .packing import Packing, pack_sequences

Bools1d: TypeAlias = numpy.ndarray
Bools2d: TypeAlias = numpy.ndarray

MISSING = -1

# Sums of exponentials are exact from here up: those of less than -708 lose digits.
SMALLEST_LOG = -600.0
# Exponentials of up to this do not make up for others that are lost.
LARGEST_LOG = 100.0
# Can be subtracted from -inf, unlike -inf.
_LOWEST = -1e300

_CPU = NumpyOps()


@dataclass(frozen=True)
class Lattice:
    """The scores of all tag sequences of a batch, or a gradient by those scores.

    emissions (Floats2d): (N, nO) each token's scores, all sequences one after another.
    transitions (Floats2d): (nO, nO) from the row's tag to the column's.
    start (Floats1d): (nO,) of the first tag.
    end (Floats1d): (nO,) of the last tag.
    lengths (list[int]): The sequences' lengths.
    """

    emissions: Floats2d
    transitions: Floats2d
    start: Floats1d
    end: Floats1d
    lengths: list[int]

    def scaled(self, factor: float) -> "Lattice":
        """RETURNS (Lattice): All scores times a factor, for gradients."""
        return self._map(lambda scores: scores * factor)

    def minus(self, other: "Lattice") -> "Lattice":
        """RETURNS (Lattice): The difference of two lattices of the same sequences."""
        return replace(
            self,
            emissions=self.emissions - other.emissions,
            transitions=self.transitions - other.transitions,
            start=self.start - other.start,
            end=self.end - other.end,
        )

    def centered(self) -> "Lattice":
        """Subtract from each token's scores the largest of them. Probabilities stay the same, and
        sums of scores lose fewer digits.

        RETURNS (Lattice): The lattice, in float64.
        """
        xp = get_array_ops(self.emissions).xp
        lattice = self._map(lambda scores: scores.astype("float64"))
        return replace(lattice, emissions=lattice.emissions - _largest(xp, lattice.emissions))

    def to_numpy(self) -> "Lattice":
        """RETURNS (Lattice): The same scores in ordinary memory."""
        return self._map(get_array_ops(self.emissions).to_numpy)

    def _map(self, function: Callable) -> "Lattice":
        return replace(
            self,
            emissions=function(self.emissions),
            transitions=function(self.transitions),
            start=function(self.start),
            end=function(self.end),
        )


InT: TypeAlias = list[Floats2d]
OutT: TypeAlias = Lattice


def CRF(nO: int | None = None) -> Model[InT, OutT]:
    """Learn how tags follow one another. The layer adds the scores of transitions to given
    emissions; log_likelihood, marginals and viterbi tell what follows from the two.

    nO (Optional[int]): The number of tags, 2n + 1 for n types.
    RETURNS (Model[list[Floats2d], Lattice]): One (nT, nO) array of emissions a sequence -> the
        scores of all their tag sequences. Its backpropagation expects a Lattice of gradients.
    RAISES (ValueError): If nO is even.
    """
    if nO is not None:
        _validate_n_tags(nO)
    names = ("transitions", "start", "end")
    dims = {"nO": nO, "nI": nO}
    return Model("crf", forward, init=init, dims=dims, params=dict.fromkeys(names))


def init(model: Model[InT, OutT], X: InT | None = None, Y: object = None) -> None:
    """All transitions that are allowed start out equal."""
    if X and not model.has_dim("nO"):
        nO = X[0].shape[1]
        _validate_n_tags(nO)
        model.set_dim("nO", nO)
        model.set_dim("nI", nO)
    nO = model.get_dim("nO")
    model.set_param("transitions", model.ops.alloc2f(nO, nO))
    model.set_param("start", model.ops.alloc1f(nO))
    model.set_param("end", model.ops.alloc1f(nO))


def _validate_n_tags(nO: int) -> None:
    if nO % 2 == 0:
        raise ValueError(f"CRF: O, and B and I of each type, make an odd number of tags, not {nO}")


def forward(model: Model[InT, OutT], Xs: InT, is_train: bool) -> tuple[OutT, Callable]:
    lengths = [len(X) for X in Xs]
    emissions = model.ops.flatten(Xs) if Xs else model.ops.alloc2f(0, model.get_dim("nO"))

    def backprop(d_lattice: OutT) -> InT:
        for name in model.param_names:
            gradient = getattr(d_lattice, name)
            model.inc_grad(name, gradient.astype(model.get_param(name).dtype))
        dX = d_lattice.emissions.astype(emissions.dtype)
        return model.ops.unflatten(dX, model.ops.asarray1i(lengths))

    return score_sequences(model, emissions, lengths), backprop


def score_sequences(model: Model[InT, OutT], emissions: Floats2d, lengths: list[int]) -> OutT:
    """Add the scores of transitions to those of tokens.

    emissions (Floats2d): (N, nO) each token's scores, all sequences one after another.
    lengths (list[int]): The sequences' lengths.
    RETURNS (Lattice): The scores of all tag sequences.
    """
    transitions, start, end = (model.get_param(name) for name in model.param_names)
    return Lattice(emissions, transitions, start, end, lengths)


def resize(crf: Model[InT, OutT], nO: int, margin: float) -> Model[InT, OutT]:
    """Make room for more tags. A new tag scores as O does, and less by a margin where another tag
    comes before it.

    So no path through a new tag is better than the one that has O there, if only its emissions
    are not above those of O; of equal ones, viterbi takes O. That holds for first tags as well,
    which is why start has no margin: new tags change no prediction before they are learned.

    crf (Model[list[Floats2d], Lattice]): The layer.
    nO (int): The new number of tags.
    margin (float): How much less a step to a new tag scores than one to O. It makes new tags
        improbable.
    RETURNS (Model[list[Floats2d], Lattice]): A new layer, initialised if the old one was.
    """
    larger = CRF(nO)
    if not crf.has_param("transitions"):
        return larger
    larger.initialize()
    n_known = crf.get_dim("nO")
    for name in crf.param_names:
        known, param = crf.get_param(name), larger.get_param(name)
        param[...] = known[0] if param.ndim == 1 else known[0, 0]
        if param.ndim == 2:
            param[:n_known, n_known:] = known[:, :1]
            param[n_known:, :n_known] = known[:1]
            param[:n_known, :n_known] = known
            param[:, n_known:] -= margin
        else:
            param[:n_known] = known
    return larger


def bio_transitions(nO: int) -> Bools2d:
    """Find which tag may follow which.

    nO (int): The number of tags, 2n + 1 for n types.
    RETURNS (numpy.ndarray): (nO, nO) whether the column's tag may follow the row's.
    """
    allowed = numpy.ones((nO, nO), dtype=bool)
    inside = numpy.arange(2, nO, 2)
    allowed[:, inside] = False
    allowed[inside - 1, inside] = True
    allowed[inside, inside] = True
    return allowed


def log_likelihood(lattice: Lattice, tags: Ints1d) -> tuple[Floats1d, Lattice]:
    """Find how probable given tags are, and the gradient of the sum of those log-likelihoods.

    Where a tag is missing all tags are possible: the probabilities of all sequences that agree
    with the tags there are add up (Tsuboi et al. 2008).

    lattice (Lattice): The scores.
    tags (Ints1d): (N,) the tags, -1 where one is missing.
    RETURNS (tuple[Floats1d, Lattice]): (B,) the log-likelihoods, and their gradient.
    RAISES (ValueError): If the known tags of a sequence cannot stand in a valid one.
    """
    ops = get_array_ops(lattice.emissions)
    xp = ops.xp
    lattice = lattice.centered()
    packing = pack_sequences(ops, lattice.lengths)
    log_partition, expected = _marginals(lattice, packing)
    tags = xp.asarray(tags, dtype="int64")
    nO = lattice.emissions.shape[1]
    if (tags >= 0).all() and (tags < nO).all():
        log_mass, observed = _one_path(lattice, tags)
    else:
        possible = (tags[:, None] == MISSING) | (tags[:, None] == xp.arange(nO))
        log_mass, observed = _marginals(lattice, packing, possible)
    impossible = xp.flatnonzero(xp.isneginf(log_mass))
    if len(impossible):
        first = int(impossible[0])
        raise ValueError(f"the gold tags of sequence {first} of the batch are no valid BIO tags")
    # Rounding can take a probability above one.
    return xp.minimum(log_mass - log_partition, 0.0), observed.minus(expected)


def _one_path(lattice: Lattice, tags: Ints1d) -> tuple[Floats1d, Lattice]:
    """As _marginals where each token may have one tag only."""
    xp = get_array_ops(lattice.emissions).xp
    owner, is_last = _owners(xp, lattice.lengths)
    is_first = xp.concatenate((xp.ones_like(is_last[:1]), is_last[:-1]))
    nO, rows = lattice.emissions.shape[1], xp.arange(len(tags))
    last, first, later = tags[is_last], tags[is_first], xp.flatnonzero(~is_first)
    pair = tags[later - 1], tags[later]
    allowed = xp.asarray(bio_transitions(nO))
    scores = lattice.emissions[rows, tags]
    scores[later] += xp.where(allowed[pair], lattice.transitions[pair], -xp.inf)
    scores[is_first] += xp.where(allowed[0, first], lattice.start[first], -xp.inf)
    scores[is_last] += lattice.end[last]
    observed = Lattice(
        emissions=(tags[:, None] == xp.arange(nO)).astype("float64"),
        transitions=xp.bincount(pair[0] * nO + pair[1], minlength=nO * nO).reshape(nO, nO),
        start=xp.bincount(first, minlength=nO),
        end=xp.bincount(last, minlength=nO),
        lengths=lattice.lengths,
    )
    return xp.bincount(owner, weights=scores, minlength=len(lattice.lengths)), observed


def marginals(lattice: Lattice) -> tuple[Floats1d, Lattice]:
    """Find the posterior probabilities of tags and of transitions.

    lattice (Lattice): The scores.
    RETURNS (tuple[Floats1d, Lattice]): (B,) the logarithms of the sums over all sequences; and
        expected counts: (N, nO) the probability of each tag at each token, and how often each
        transition, first tag and last tag is expected in the batch.
    """
    return _marginals(lattice, pack_sequences(get_array_ops(lattice.emissions), lattice.lengths))


def _marginals(
    lattice: Lattice, packing: Packing, possible: Bools2d | None = None
) -> tuple[Floats1d, Lattice]:
    """Marginals where each token may have some tags only, an (N, nO) mask. The log-sum of a
    sequence that is impossible is -inf."""
    xp = get_array_ops(lattice.emissions).xp
    passes = forward_backward(lattice, packing, possible)
    logs = passes.alpha + passes.beta
    totals = xp.maximum(log_sum_exp(xp, logs), _LOWEST)
    unary = xp.exp(logs - totals)
    sums, is_last = log_sums(lattice, packing, passes)
    n_first = packing.first_step
    to = (passes.emissions + passes.beta - passes.norms - totals)[n_first:]
    emissions = xp.empty_like(unary)
    emissions[packing.left_to_right] = unary
    expected = Lattice(
        emissions=emissions,
        transitions=_expected_transitions(
            xp, passes.alpha[packing.previous], passes.transitions, to
        ),
        start=unary[:n_first].sum(axis=0),
        end=unary[is_last].sum(axis=0),
        lengths=lattice.lengths,
    )
    return sums, expected


@dataclass(frozen=True)
class Passes:
    """Forward and backward scores of a batch, its rows in packed order: logarithms of sums over
    tags, -inf where no sequence is possible. The sum of the two is the logarithm of a tag's
    posterior probability, but for a constant of its sequence.

    emissions (Floats2d): (N, nO) the score of each token's tag; that of the best tag is 0.
    transitions (Floats2d): (nO, nO) those of transitions, that of the best one 0; -inf for those
        that BIO rules out.
    largest (Floats2d): (N, 1) what was subtracted from a token's emissions and from transitions to
        it.
    end (Floats1d): (nO,) those of last tags.
    alpha (Floats2d): (N, nO) forward scores, each row's largest 0.
    norms (Floats2d): (N, 1) what was subtracted from them. It was also subtracted from the backward
        scores of the token before.
    beta (Floats2d): (N, nO) backward scores.
    """

    emissions: Floats2d
    transitions: Floats2d
    largest: Floats2d
    end: Floats1d
    alpha: Floats2d
    norms: Floats2d
    beta: Floats2d


@numpy.errstate(divide="ignore")  # log 0 is -inf
def forward_backward(lattice: Lattice, packing: Packing, possible: Bools2d | None = None) -> Passes:
    """Run forward and backward through a lattice.

    lattice (Lattice): The scores.
    packing (Packing): The packed order of its sequences.
    possible (Optional[Bools2d]): (N, nO) which tags each token may have; all if not given.
    RETURNS (Passes): The forward and backward scores.
    """
    xp = get_array_ops(lattice.emissions).xp
    emissions = lattice.emissions[packing.left_to_right].astype("float64", copy=False)
    if possible is not None:
        emissions = xp.where(possible[packing.left_to_right], emissions, -xp.inf)
    largest = _largest(xp, emissions)
    emissions -= largest
    allowed = xp.asarray(bio_transitions(emissions.shape[1]))
    transitions = xp.where(allowed, lattice.transitions.astype("float64"), -xp.inf)
    largest[packing.first_step :] += transitions.max()
    transitions -= transitions.max()
    start = xp.where(allowed[0], lattice.start.astype("float64"), -xp.inf)
    end = lattice.end.astype("float64")
    alpha, norms = _forward_pass(xp, packing, emissions, transitions, start)
    beta = _backward_pass(xp, packing, emissions, transitions, end, norms)
    return Passes(emissions, transitions, largest, end, alpha, norms, beta)


def log_sums(lattice: Lattice, packing: Packing, passes: Passes) -> tuple[Floats1d, Bools1d]:
    """RETURNS (tuple[Floats1d, Bools1d]): (B,) the logarithm of the sum over all sequences that
    are possible, and (N,) which rows in packed order are the last of theirs."""
    xp = get_array_ops(lattice.emissions).xp
    owner, is_last = _owners(xp, lattice.lengths)
    owner, is_last = owner[packing.left_to_right], is_last[packing.left_to_right]
    logs = passes.norms + passes.largest
    logs[is_last] += log_sum_exp(xp, passes.alpha[is_last] + passes.end)
    sums = xp.bincount(owner, weights=logs[:, 0], minlength=len(lattice.lengths))
    return sums, is_last


def log_sum_exp(xp: Any, logs: Floats2d) -> Floats2d:
    """RETURNS (Floats2d): (N, 1) the logarithm of the sum of each row's exponentials."""
    largest = _largest(xp, logs)
    with numpy.errstate(divide="ignore"):
        return xp.log(xp.exp(logs - largest).sum(axis=1, keepdims=True)) + largest


def _owners(xp: Any, lengths: list[int]) -> tuple[Ints1d, Bools1d]:
    """For each row of the batch, its sequence and whether it is that sequence's last."""
    sizes = numpy.asarray(lengths, dtype="int64")
    is_last = numpy.zeros(sizes.sum(), dtype=bool)
    is_last[numpy.cumsum(sizes)[sizes > 0] - 1] = True
    return xp.asarray(numpy.repeat(numpy.arange(len(sizes)), sizes)), xp.asarray(is_last)


def _forward_pass(
    xp: Any, packing: Packing, emissions: Floats2d, transitions: Floats2d, start: Floats1d
) -> tuple[Floats2d, Floats2d]:
    """RETURNS (tuple[Floats2d, Floats2d]): (N, nO) the forward scores, each row's largest 0, and
    (N, 1) what was subtracted from them."""
    alpha = xp.empty_like(emissions)
    norms = xp.empty_like(emissions[:, :1])
    multiply = _LogProduct(xp, transitions)
    before = 0
    for begin, end in packing.bounds:
        row = alpha[begin:end]
        if begin:
            multiply(alpha[before : before + end - begin], out=row)
            row += emissions[begin:end]
        else:
            xp.add(emissions[:end], start, out=row)
        norms[begin:end] = _largest(xp, row)
        row -= norms[begin:end]
        before = begin
    return alpha, norms


def _backward_pass(
    xp: Any,
    packing: Packing,
    emissions: Floats2d,
    transitions: Floats2d,
    end: Floats1d,
    norms: Floats2d,
) -> Floats2d:
    """RETURNS (Floats2d): (N, nO) the backward scores."""
    beta = xp.empty_like(emissions)
    beta[:] = end  # right for last tokens, overwritten for all others
    scores = emissions - norms
    multiply = _LogProduct(xp, transitions.T)
    bounds = packing.bounds
    for (before, _), (begin, stop) in zip(bounds[-2::-1], bounds[:0:-1], strict=True):
        later = scores[begin:stop] + beta[begin:stop]
        largest = _largest(xp, later)
        later -= largest
        row = beta[before : before + stop - begin]
        multiply(later, out=row)
        row += largest
    return beta


class _LogProduct:
    """Multiplies matrices of which only the logarithms are given.

    xp (Any): The arrays' module.
    factor (Floats2d): (m, n) the logarithms of the right matrix, the largest 0.
    """

    def __init__(self, xp: Any, factor: Floats2d) -> None:
        self._xp = xp
        self._logs = factor
        self._factor = xp.ascontiguousarray(xp.exp(factor))
        self._is_possible = xp.isfinite(factor).astype("float64")

    def __call__(self, logs: Floats2d, out: Floats2d) -> None:
        """Multiply.

        logs (Floats2d): (k, m) the logarithms of the left matrix, each row's largest 0.
        out (Floats2d): (k, n) the logarithms of the product, overwritten.
        """
        xp = self._xp
        xp.matmul(xp.exp(logs), self._factor, out=out)
        xp.log(out, out=out)
        if out.min() < SMALLEST_LOG:
            n_terms = xp.isfinite(logs).astype("float64") @ self._is_possible
            inexact = ((out < SMALLEST_LOG) & (n_terms > 0.0)).any(axis=1)
            if inexact.any():
                rows = logs[inexact]
                terms = (rows[:, i, None] + self._logs[i] for i in range(len(self._logs)))
                out[inexact] = reduce(xp.logaddexp, terms)


def _expected_transitions(
    xp: Any, alpha: Floats2d, transitions: Floats2d, to: Floats2d
) -> Floats2d:
    """Sum exp(alpha[t, i] + transitions[i, j] + to[t, j]) over all t.

    alpha (Floats2d): (N, nO) forward scores, each row's largest 0.
    transitions (Floats2d): (nO, nO) the scores of transitions, the largest 0.
    to (Floats2d): (N, nO) what the next tag adds to the logarithm of the probability.
    RETURNS (Floats2d): (nO, nO) how often each transition is expected.
    """
    # Where exp(alpha) may underflow, and exp(to) is not small enough to make up for it.
    inexact = (to > LARGEST_LOG).any(axis=1)
    weights = xp.exp(xp.where(inexact[:, None], -xp.inf, to))
    counts = xp.exp(transitions) * (xp.exp(alpha).T @ weights)
    if inexact.any():
        alpha, to = alpha[inexact], to[inexact]
        for i, row in enumerate(transitions):
            counts[i] += xp.exp(alpha[:, i, None] + row + to).sum(axis=0)
    return counts


def _largest(xp: Any, scores: Floats2d) -> Floats2d:
    """RETURNS (Floats2d): (N, 1) each row's largest score, finite where all are -inf."""
    return xp.maximum(scores.max(axis=1, keepdims=True), _LOWEST)
