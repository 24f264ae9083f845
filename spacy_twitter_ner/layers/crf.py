"""Linear-chain conditional random field over BIO tags (Lafferty, McCallum & Pereira 2001).

A sequence of tags y has the score

    start[y_1] + sum_t emission_t[y_t] + sum_t transition[y_(t-1), y_t] + end[y_T]

and the probability exp(score) / Z, Z summing over all *valid* sequences: those in which I of a
type follows B or I of the same type. Invalid ones have probability zero, in training and in
decoding alike. Tags are numbered as in iob.bio_tags: 0 is O, type k has B at 2k + 1, I at 2k + 2.

Forward and backward probabilities are scaled to sum to one at each token (Rabiner 1989), so that
a step is a product of matrices rather than a logsumexp; they are kept in float64.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy
from thinc.api import Model, NumpyOps
from thinc.backends import get_array_ops
from thinc.types import Floats1d, Floats2d, Ints1d

from .packing import Packing, pack_sequences

Bools1d: TypeAlias = numpy.ndarray
Bools2d: TypeAlias = numpy.ndarray

MISSING = -1

# How far below its token's best a tag can score. A tag far worse would be lost in underflow, though
# it may be the only way into a later I; the products of two such gaps still fit float64's range.
MAX_GAP = 300.0
_LOWEST = float(numpy.finfo("float64").min)

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
    return log_mass - log_partition, observed.minus(expected)


def _one_path(lattice: Lattice, tags: Ints1d) -> tuple[Floats1d, Lattice]:
    """As _marginals where each token may have one tag only."""
    xp = get_array_ops(lattice.emissions).xp
    owner, is_last = _owners(xp, lattice.lengths)
    is_first = xp.concatenate((xp.ones_like(is_last[:1]), is_last[:-1]))
    nO, rows = lattice.emissions.shape[1], xp.arange(len(tags))
    last, first, later = tags[is_last], tags[is_first], xp.flatnonzero(~is_first)
    pair = tags[later - 1], tags[later]
    allowed = xp.asarray(bio_transitions(nO))
    emissions = lattice.emissions.astype("float64")
    scores = xp.maximum(emissions[rows, tags], emissions.max(axis=1) - MAX_GAP)
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
    weights, steps, norms = passes.weights, passes.steps, passes.norms
    unary = passes.alpha * passes.beta
    totals = unary.sum(axis=1, keepdims=True)
    unary /= _nonzero(xp, totals)
    sums, is_last = log_sums(lattice, packing, passes)
    n_first = packing.first_step
    to = (weights * passes.beta / _nonzero(xp, norms * totals))[n_first:]
    emissions = xp.empty_like(unary)
    emissions[packing.left_to_right] = unary
    expected = Lattice(
        emissions=emissions,
        transitions=steps * (passes.alpha[packing.previous].T @ to),
        start=unary[:n_first].sum(axis=0),
        end=unary[is_last].sum(axis=0),
        lengths=lattice.lengths,
    )
    return sums, expected


@dataclass(frozen=True)
class Passes:
    """Scaled forward and backward probabilities of a batch, its rows in packed order. The product
    of the two is proportional to the posterior probability of a tag.

    weights (Floats2d): (N, nO) the factor of each token's tag; that of the best tag is one.
    largest (Floats2d): (N, 1) the emission of the best tag.
    steps (Floats2d): (nO, nO) the factors of transitions, zero for those that BIO rules out.
    last (Floats1d): (nO,) the factors of last tags.
    alpha (Floats2d): (N, nO) forward probabilities, each row's sum one.
    norms (Floats2d): (N, 1) what the forward probabilities were divided by, zero where no sequence
        is possible. The backward ones of the token before were divided by it too.
    beta (Floats2d): (N, nO) backward probabilities.
    """

    weights: Floats2d
    largest: Floats2d
    steps: Floats2d
    last: Floats1d
    alpha: Floats2d
    norms: Floats2d
    beta: Floats2d


def forward_backward(lattice: Lattice, packing: Packing, possible: Bools2d | None = None) -> Passes:
    """Run forward and backward through a lattice.

    lattice (Lattice): The scores.
    packing (Packing): The packed order of its sequences.
    possible (Optional[Bools2d]): (N, nO) which tags each token may have; all if not given.
    RETURNS (Passes): The forward and backward probabilities.
    """
    xp = get_array_ops(lattice.emissions).xp
    scores = lattice.emissions[packing.left_to_right].astype("float64")
    scores = xp.maximum(scores, scores.max(axis=1, keepdims=True) - MAX_GAP)
    if possible is not None:
        scores = xp.where(possible[packing.left_to_right], scores, -xp.inf)
    largest = xp.maximum(scores.max(axis=1, keepdims=True), _LOWEST)
    weights = xp.exp(scores - largest)
    steps, first, last = _exponentials(xp, lattice)
    alpha, norms = _forward_pass(xp, packing, weights, steps, first)
    beta = _backward_pass(xp, packing, weights, steps, last, norms)
    return Passes(weights, largest, steps, last, alpha, norms, beta)


def log_sums(lattice: Lattice, packing: Packing, passes: Passes) -> tuple[Floats1d, Bools1d]:
    """RETURNS (tuple[Floats1d, Bools1d]): (B,) the logarithm of the sum over all sequences that
    are possible, and (N,) which rows in packed order are the last of theirs."""
    xp = get_array_ops(lattice.emissions).xp
    owner, is_last = _owners(xp, lattice.lengths)
    owner, is_last = owner[packing.left_to_right], is_last[packing.left_to_right]
    with numpy.errstate(divide="ignore"):  # log 0 is the -inf that is promised
        log_norms = xp.log(passes.norms) + passes.largest
        last = (passes.alpha[is_last] * passes.last).sum(axis=1, keepdims=True)
        log_norms[is_last] += xp.log(last)
    sums = xp.bincount(owner, weights=log_norms[:, 0], minlength=len(lattice.lengths))
    return sums, is_last


def _exponentials(xp: Any, lattice: Lattice) -> tuple[Floats2d, Floats1d, Floats1d]:
    """The factors of transitions, first and last tags: zero for those that BIO rules out."""
    allowed = xp.asarray(bio_transitions(lattice.emissions.shape[1]))
    steps = xp.exp(lattice.transitions.astype("float64")) * allowed
    first = xp.exp(lattice.start.astype("float64")) * allowed[0]
    return steps, first, xp.exp(lattice.end.astype("float64"))


def _owners(xp: Any, lengths: list[int]) -> tuple[Ints1d, Bools1d]:
    """For each row of the batch, its sequence and whether it is that sequence's last."""
    sizes = numpy.asarray(lengths, dtype="int64")
    is_last = numpy.zeros(sizes.sum(), dtype=bool)
    is_last[numpy.cumsum(sizes)[sizes > 0] - 1] = True
    return xp.asarray(numpy.repeat(numpy.arange(len(sizes)), sizes)), xp.asarray(is_last)


def _forward_pass(
    xp: Any, packing: Packing, weights: Floats2d, steps: Floats2d, first: Floats1d
) -> tuple[Floats2d, Floats2d]:
    """RETURNS (tuple[Floats2d, Floats2d]): (N, nO) the forward probabilities, each row's sum one,
    and (N, 1) what they had to be divided by."""
    alpha = xp.empty_like(weights)
    norms = xp.empty_like(weights[:, :1])
    before = 0
    for start, end in packing.bounds:
        row = alpha[start:end]
        if start:
            xp.matmul(alpha[before : before + end - start], steps, out=row)
            row *= weights[start:end]
        else:
            xp.multiply(weights[:end], first, out=row)
        norms[start:end] = row.sum(axis=1, keepdims=True)
        row /= _nonzero(xp, norms[start:end])
        before = start
    return alpha, norms


def _backward_pass(
    xp: Any,
    packing: Packing,
    weights: Floats2d,
    steps: Floats2d,
    last: Floats1d,
    norms: Floats2d,
) -> Floats2d:
    """RETURNS (Floats2d): (N, nO) the backward probabilities, scaled as the forward ones."""
    beta = xp.empty_like(weights)
    beta[:] = last  # right for last tokens, overwritten for all others
    bounds = packing.bounds
    for (before, _), (start, end) in zip(bounds[-2::-1], bounds[:0:-1], strict=True):
        later = weights[start:end] * beta[start:end] / _nonzero(xp, norms[start:end])
        beta[before : before + end - start] = later @ steps.T
    return beta


def _nonzero(xp: Any, divisors: Floats2d) -> Floats2d:
    """Where no sequence is possible all probabilities are zero, and are left so."""
    return xp.where(divisors > 0, divisors, 1.0)
