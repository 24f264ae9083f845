"""Linear-chain conditional random field over BIO tags (Lafferty, McCallum & Pereira 2001).

A sequence of tags y has the score

    start[y_1] + sum_t emission_t[y_t] + sum_t transition[y_(t-1), y_t] + end[y_T]

and the probability exp(score) / Z, Z summing over all *valid* sequences: those in which I of a
type follows B or I of the same type. Invalid ones have probability zero, in training and in
decoding alike. Tags are indexed as in iob.bio_tags.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy
from thinc.api import Model, get_array_module
from thinc.backends import get_array_ops
from thinc.types import Floats1d, Floats2d

from ..iob import INSIDE_TAGS
from .types import Bools2d

# A finite stand-in for -inf that can be subtracted from -inf.
LOWEST = -1e300


@dataclass(frozen=True)
class Lattice:
    """The scores of all tag sequences of a batch, or their gradient.

    emissions (Floats2d): (N, nO) each token's scores, all sequences concatenated.
    transitions (Floats2d): (nO, nO) from the row's tag to the column's.
    start (Floats1d): (nO,) scores of the first tag.
    end (Floats1d): (nO,) scores of the last tag.
    lengths (list[int]): The sequence lengths.
    """

    emissions: Floats2d
    transitions: Floats2d
    start: Floats1d
    end: Floats1d
    lengths: list[int]

    @classmethod
    def independent(cls, emissions: Floats2d, lengths: list[int]) -> "Lattice":
        """RETURNS (Lattice): A lattice whose tags are independent, except for the rules of BIO."""
        xp = get_array_module(emissions)
        zeros = xp.zeros(emissions.shape[1])
        return cls(emissions, xp.zeros((len(zeros), len(zeros))), zeros, zeros, lengths)

    def scaled(self, factor: float) -> "Lattice":
        """RETURNS (Lattice): All scores multiplied by a factor."""
        return self._map(lambda scores: scores * factor)

    def minus(self, other: "Lattice") -> "Lattice":
        """RETURNS (Lattice): The difference between two lattices of the same sequences."""
        return replace(
            self,
            emissions=self.emissions - other.emissions,
            transitions=self.transitions - other.transitions,
            start=self.start - other.start,
            end=self.end - other.end,
        )

    def centered(self) -> "Lattice":
        """Subtract the maximum from each token's scores. This doesn't change probabilities, and
        makes sums of scores more precise.

        RETURNS (Lattice): The lattice, in float64.
        """
        lattice = self._map(lambda scores: scores.astype("float64"))
        return replace(lattice, emissions=lattice.emissions - row_max(lattice.emissions))

    def to_numpy(self) -> "Lattice":
        """RETURNS (Lattice): The same scores as NumPy arrays."""
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
    """Add learned transition scores to emissions. See forward_backward.py for the loss and
    marginals of the resulting lattice, and decoding.py for its best tags.

    nO (Optional[int]): Number of tags, 2n + 1 for n types.
    RETURNS (Model[list[Floats2d], Lattice]): One (nT, nO) array of emissions per sequence -> the
        scores of all their tag sequences. Backpropagation expects a Lattice of gradients.
    RAISES (ValueError): If nO is even.
    """
    if nO is not None:
        _validate_n_tags(nO)
    names = ("transitions", "start", "end")
    dims = {"nO": nO, "nI": nO}
    return Model("crf", forward, init=init, dims=dims, params=dict.fromkeys(names))


def init(model: Model[InT, OutT], X: InT | None = None, Y: object = None) -> None:
    """Initialize all scores with zero."""
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
    """Add the model's transition scores to emissions.

    emissions (Floats2d): (N, nO) each token's scores, all sequences concatenated.
    lengths (list[int]): The sequence lengths.
    RETURNS (Lattice): The scores of all tag sequences.
    """
    transitions, start, end = (model.get_param(name) for name in model.param_names)
    return Lattice(emissions, transitions, start, end, lengths)


def select_tags(
    crf: Model[InT, OutT], tags: Sequence[int | None], margin: float
) -> Model[InT, OutT]:
    """Replace the tags. New ones get the scores of O, minus a margin for transitions to them.

    If all tags are kept and the emissions of new ones don't exceed those of O, no path through a
    new tag is better than the same path with O, and `viterbi` prefers O among equals. This also
    holds for first tags, so `start` needs no margin: predictions don't change until new tags are
    learned.

    crf (Model[list[Floats2d], Lattice]): The layer.
    tags (Sequence[Optional[int]]): For each tag, its index in the old layer. None for a new one.
    margin (float): Difference between the transition scores to O and to new tags, which makes new
        tags improbable.
    RETURNS (Model[list[Floats2d], Lattice]): A new layer, initialized if the old one was.
    """
    selected = CRF(len(tags))
    if not crf.has_param("transitions"):
        return selected
    is_new = [tag is None for tag in tags]
    rows = [tag or 0 for tag in tags]
    for name in crf.param_names:
        param = crf.get_param(name)[rows]
        if param.ndim == 2:
            param = param[:, rows]
            param[:, is_new] -= margin
        selected.set_param(name, param)
    return selected


def bio_transitions(nO: int) -> Bools2d:
    """Return the transitions that BIO allows.

    nO (int): Number of tags, 2n + 1 for n types.
    RETURNS (numpy.ndarray): (nO, nO) whether the column's tag may follow the row's.
    """
    allowed = numpy.ones((nO, nO), dtype=bool)
    inside = numpy.arange(nO)[INSIDE_TAGS]
    allowed[:, inside] = False
    allowed[inside - 1, inside] = True
    allowed[inside, inside] = True
    return allowed


class TransitionScores(NamedTuple):
    """The scores of valid transitions in float64, -inf for invalid ones.

    transitions (Floats2d): (nO, nO) from the row's tag to the column's.
    start (Floats1d): (nO,) scores of the first tag.
    end (Floats1d): (nO,) scores of the last tag.
    """

    transitions: Floats2d
    start: Floats1d
    end: Floats1d

    @classmethod
    def from_lattice(cls, lattice: Lattice) -> "TransitionScores":
        """RETURNS (TransitionScores): The transition scores of a lattice."""
        xp = get_array_module(lattice.emissions)
        allowed = xp.asarray(bio_transitions(len(lattice.start)))
        return cls(
            xp.where(allowed, lattice.transitions.astype("float64"), -xp.inf),
            xp.where(allowed[0], lattice.start.astype("float64"), -xp.inf),
            lattice.end.astype("float64"),
        )


def row_max(scores: Floats2d) -> Any:
    """RETURNS (Floats2d): (N, 1) each row's maximum, finite even if all scores are -inf."""
    xp = get_array_module(scores)
    return xp.maximum(scores.max(axis=1, keepdims=True), LOWEST)
