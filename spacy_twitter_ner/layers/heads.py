"""Output heads: loss and decoding for softmax and CRF taggers.

A tagger's head is `model.attrs["head"]`. Heads are stateless: everything learned is part of the
tagger's layers, and the head only gets their scores.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeVar

import numpy
from thinc.api import Ops
from thinc.backends import get_array_ops
from thinc.types import Floats2d, Ints1d

from ..iob import OUTSIDE_TAG
from .crf import Lattice
from .decoding import viterbi
from .forward_backward import log_likelihood, marginals
from .types import Bools1d, Bools2d

ScoresT = TypeVar("ScoresT")


class Head(Protocol, Generic[ScoresT]):
    """Loss and decoding for the scores of a batch of N tokens."""

    def get_loss(self, scores: ScoresT, possible: Bools2d) -> tuple[float, ScoresT]:
        """Compute the negative log-likelihood of partially known tags.

        scores (ScoresT): The tagger's output.
        possible (Bools2d): (N, nO) the possible tags of each token: one if the tag is known, all if
            it's missing.
        RETURNS (tuple[float, ScoresT]): The loss, summed over the batch, and the gradient for the
            tagger's backpropagation.
        """

    def get_distillation_loss(self, scores: ScoresT, teacher: ScoresT) -> tuple[float, ScoresT]:
        """Compute the cross-entropy with a teacher's distribution.

        scores (ScoresT): The tagger's output.
        teacher (ScoresT): The teacher's output for the same docs, which may have fewer tags.
        RETURNS (tuple[float, ScoresT]): The loss, summed over the batch, and its gradient.
        """

    def decode(self, scores: ScoresT, no_begin: Bools1d, no_inside: Bools1d) -> Ints1d:
        """Compute the most probable valid tags.

        scores (ScoresT): The tagger's output.
        no_begin (Bools1d): (N,) where no entity may begin.
        no_inside (Bools1d): (N,) where no entity may continue.
        RETURNS (Ints1d): (N,) the tags, as a NumPy array.
        """

    def get_posteriors(self, scores: ScoresT) -> Floats2d:
        """Compute the probability of each tag of each token, given that sequences are valid BIO.

        scores (ScoresT): The tagger's output.
        RETURNS (Floats2d): (N, nO) probabilities, as a NumPy array.
        """

    def get_lattice(self, scores: ScoresT) -> Lattice:
        """Return the scores of tag sequences.

        scores (ScoresT): The tagger's output.
        RETURNS (Lattice): The lattice, as NumPy arrays.
        """

    def add_outside_bias(self, scores: ScoresT, bias: float) -> ScoresT:
        """Add a bias to the score of O at each token and renormalize.

        scores (ScoresT): The tagger's output.
        bias (float): Above 0 for fewer entities, below 0 for more.
        RETURNS (ScoresT): New scores.
        """

    def apply_temperature(self, scores: ScoresT, temperature: float) -> ScoresT:
        """Flatten or sharpen the distribution over tag sequences: raise probabilities to the power
        1 / temperature and renormalize.

        scores (ScoresT): The tagger's output.
        temperature (float): Above 1 to flatten, below 1 to sharpen.
        RETURNS (ScoresT): New scores.
        """

    def scale(self, gradient: ScoresT, factor: float) -> ScoresT:
        """RETURNS (ScoresT): The gradient multiplied by a factor."""

    def concat_windows(
        self, windows: Sequence[ScoresT], rows: Ints1d, lengths: Sequence[int]
    ) -> ScoresT:
        """Assemble the scores of a batch from the scores of its windows.

        windows (Sequence[ScoresT]): The tagger's outputs.
        rows (Ints1d): (N,) the row of each token of the batch among all tokens of all windows.
        lengths (Sequence[int]): The number of tokens per doc.
        RETURNS (ScoresT): The scores of the batch.
        """


class SoftmaxHead:
    """Independent tags. Scores are a list of (nT, nO) probabilities, one array per doc."""

    def get_loss(self, scores: list[Floats2d], possible: Bools2d) -> tuple[float, list[Floats2d]]:
        """Compute the negative logarithm of the probability of each token's possible tags. The
        gradient is that of the softmax's input."""
        ops = get_array_ops(scores[0])
        probabilities = ops.flatten(scores)
        known = ops.asarray1i(numpy.flatnonzero(~possible.all(axis=1)))
        joint = _positive(ops, probabilities[known]) * ops.xp.asarray(possible)[known]
        total = joint.sum(axis=1, keepdims=True)
        gradient = ops.xp.zeros_like(probabilities)
        gradient[known] = probabilities[known] - joint / total
        return -float(ops.xp.log(total).sum()), _unflatten(ops, gradient, scores)

    def get_distillation_loss(
        self, scores: list[Floats2d], teacher: list[Floats2d]
    ) -> tuple[float, list[Floats2d]]:
        ops = get_array_ops(scores[0])
        probabilities, targets = ops.flatten(scores), ops.flatten(teacher)
        # The target of tags that the teacher doesn't have is zero.
        n_targets = targets.shape[1]
        gradient = probabilities.copy()
        gradient[:, :n_targets] -= targets
        loss = -(targets * _log(ops, probabilities[:, :n_targets])).sum()
        return float(loss), _unflatten(ops, gradient, scores)

    def decode(self, scores: list[Floats2d], no_begin: Bools1d, no_inside: Bools1d) -> Ints1d:
        return viterbi(self.get_lattice(scores), no_begin=no_begin, no_inside=no_inside)

    def get_posteriors(self, scores: list[Floats2d]) -> Floats2d:
        return marginals(_to_lattice(scores))[1].to_numpy().emissions

    def get_lattice(self, scores: list[Floats2d]) -> Lattice:
        return _to_lattice(scores).to_numpy()

    def add_outside_bias(self, scores: list[Floats2d], bias: float) -> list[Floats2d]:
        ops = get_array_ops(scores[0])
        logs = _log(ops, ops.flatten(scores))
        logs[:, OUTSIDE_TAG] += bias
        return _unflatten(ops, ops.softmax(logs), scores)

    def apply_temperature(self, scores: list[Floats2d], temperature: float) -> list[Floats2d]:
        ops = get_array_ops(scores[0])
        logs = _log(ops, ops.flatten(scores))
        return _unflatten(ops, ops.softmax(logs / temperature), scores)

    def scale(self, gradient: list[Floats2d], factor: float) -> list[Floats2d]:
        return [doc_gradient * factor for doc_gradient in gradient]

    def concat_windows(
        self, windows: Sequence[list[Floats2d]], rows: Ints1d, lengths: Sequence[int]
    ) -> list[Floats2d]:
        ops = get_array_ops(windows[0][0])
        scores = ops.flatten([part for window in windows for part in window])
        return ops.unflatten(scores[ops.asarray1i(rows)], ops.asarray1i(lengths))


class CRFHead:
    """Tags that depend on their neighbors. Scores are the lattice of a conditional random field."""

    def get_loss(self, scores: Lattice, possible: Bools2d) -> tuple[float, Lattice]:
        """Compute the negative logarithm of the probability of all sequences of possible tags."""
        log_likelihoods, gradient = log_likelihood(scores, possible)
        return -float(log_likelihoods.sum()), gradient.scaled(-1.0)

    def get_distillation_loss(self, scores: Lattice, teacher: Lattice) -> tuple[float, Lattice]:
        """Compute the cross-entropy between the distributions over tag sequences. As both are
        linear chains, it only depends on the teacher's expected counts."""
        log_partition, expected = marginals(scores)
        _, targets = marginals(teacher)
        targets = _pad(targets, expected)
        loss = log_partition.sum() - sum(
            (getattr(scores, name) * getattr(targets, name)).sum()
            for name in ("emissions", "transitions", "start", "end")
        )
        return float(loss), expected.minus(targets)

    def decode(self, scores: Lattice, no_begin: Bools1d, no_inside: Bools1d) -> Ints1d:
        return viterbi(scores.to_numpy(), no_begin=no_begin, no_inside=no_inside)

    def get_posteriors(self, scores: Lattice) -> Floats2d:
        return marginals(scores)[1].to_numpy().emissions

    def get_lattice(self, scores: Lattice) -> Lattice:
        return scores.to_numpy()

    def add_outside_bias(self, scores: Lattice, bias: float) -> Lattice:
        emissions = scores.emissions.copy()
        emissions[:, OUTSIDE_TAG] += bias
        return replace(scores, emissions=emissions)

    def apply_temperature(self, scores: Lattice, temperature: float) -> Lattice:
        return scores.centered().scaled(1.0 / temperature)

    def scale(self, gradient: Lattice, factor: float) -> Lattice:
        return gradient.scaled(factor)

    def concat_windows(
        self, windows: Sequence[Lattice], rows: Ints1d, lengths: Sequence[int]
    ) -> Lattice:
        ops = get_array_ops(windows[0].emissions)
        emissions = ops.xp.concatenate([window.emissions for window in windows])
        return replace(windows[0], emissions=emissions[ops.asarray1i(rows)], lengths=list(lengths))


def _to_lattice(scores: list[Floats2d]) -> Lattice:
    ops = get_array_ops(scores[0])
    return Lattice.independent(_log(ops, ops.flatten(scores)), [len(rows) for rows in scores])


def _pad(counts: Lattice, larger: Lattice) -> Lattice:
    """Add zeros for the tags that only a larger lattice has."""

    def pad(known: Any, like: Any) -> Any:
        padded = get_array_ops(like).xp.zeros_like(like)
        padded[tuple(slice(size) for size in known.shape)] = known
        return padded

    return Lattice(
        emissions=pad(counts.emissions, larger.emissions),
        transitions=pad(counts.transitions, larger.transitions),
        start=pad(counts.start, larger.start),
        end=pad(counts.end, larger.end),
        lengths=larger.lengths,
    )


def _log(ops: Ops, probabilities: Any) -> Any:
    return ops.xp.log(_positive(ops, probabilities))


def _positive(ops: Ops, probabilities: Any) -> Any:
    return ops.xp.maximum(probabilities, numpy.finfo(probabilities.dtype).tiny)


def _unflatten(ops: Ops, gradient: Floats2d, scores: list[Floats2d]) -> list[Floats2d]:
    return ops.unflatten(gradient, ops.asarray1i([len(rows) for rows in scores]))
