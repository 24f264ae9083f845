"""What stands between a tagger's scores and tags: how they are trained and how they are decoded.

A tagger carries its head as `model.attrs["head"]`. A head is stateless: all that is learned lies
in the tagger's layers, and reaches the head through the scores they give.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeVar

import numpy
from thinc.api import Ops
from thinc.backends import get_array_ops
from thinc.types import Floats2d, Ints1d

from .crf import MISSING, Lattice, log_likelihood, marginals
from .decoding import decode_bio
from .viterbi import viterbi

Bools1d = numpy.ndarray
ScoresT = TypeVar("ScoresT")


class Head(Protocol, Generic[ScoresT]):
    """How scores of a batch of N tokens are trained and decoded."""

    def get_loss(self, scores: ScoresT, gold: Ints1d) -> tuple[float, ScoresT]:
        """Find how unlikely the gold tags are.

        scores (ScoresT): The tagger's output.
        gold (Ints1d): (N,) gold tags, -1 where one is missing.
        RETURNS (tuple[float, ScoresT]): The negative log-likelihood of all gold tags, and the
            gradient that the tagger's backpropagation expects.
        """

    def get_distillation_loss(self, scores: ScoresT, teacher: ScoresT) -> tuple[float, ScoresT]:
        """Find the cross-entropy to the distribution of a teacher, which may know fewer tags.

        scores (ScoresT): The tagger's output.
        teacher (ScoresT): The teacher's output for the same docs.
        RETURNS (tuple[float, ScoresT]): The loss, summed over the batch, and its gradient.
        """

    def decode(self, scores: ScoresT, no_begin: Bools1d, no_inside: Bools1d) -> Ints1d:
        """Find the most probable valid tags.

        scores (ScoresT): The tagger's output.
        no_begin (Bools1d): (N,) where no entity may begin.
        no_inside (Bools1d): (N,) where no entity may continue.
        RETURNS (Ints1d): (N,) the tags, in ordinary memory.
        """

    def get_posteriors(self, scores: ScoresT) -> Floats2d:
        """Find how probable each tag of each token is, given that the sequence is valid BIO.

        scores (ScoresT): The tagger's output.
        RETURNS (Floats2d): (N, nO) probabilities, in ordinary memory.
        """

    def get_lattice(self, scores: ScoresT) -> Lattice:
        """Find the scores of whole sequences of tags, of which the probabilities of entities and
        of analyses are made.

        scores (ScoresT): The tagger's output.
        RETURNS (Lattice): The lattice, in ordinary memory.
        """

    def weigh_outside(self, scores: ScoresT, bias: float) -> ScoresT:
        """Make O more or less probable: each sequence of tags counts exp(bias) times as much for
        each of its O, and probabilities are made to add up to one again.

        scores (ScoresT): The tagger's output.
        bias (float): Above 0 for fewer entities, below 0 for more.
        RETURNS (ScoresT): Other scores of the same kind.
        """

    def temper(self, scores: ScoresT, temperature: float) -> ScoresT:
        """Flatten the distribution of sequences of tags, or sharpen it: each probability is raised
        to the power 1 / temperature, and they are made to add up to one again. The order of
        sequences stays.

        scores (ScoresT): The tagger's output.
        temperature (float): Above 1 to flatten, below 1 to sharpen.
        RETURNS (ScoresT): Other scores of the same kind.
        """

    def scale(self, gradient: ScoresT, factor: float) -> ScoresT:
        """RETURNS (ScoresT): The gradient times a factor."""

    def join(self, parts: Sequence[ScoresT], rows: Ints1d, lengths: Sequence[int]) -> ScoresT:
        """Put the scores of a batch together that was scored in parts.

        parts (Sequence[ScoresT]): The tagger's outputs.
        rows (Ints1d): (N,) each token's place among all tokens of all parts.
        lengths (Sequence[int]): How many of these N tokens each doc of the batch has.
        RETURNS (ScoresT): The scores of the batch.
        """


class SoftmaxHead:
    """Each token's tag is independent of the others: scores are (nT, nO) probabilities a doc."""

    def get_loss(self, scores: list[Floats2d], gold: Ints1d) -> tuple[float, list[Floats2d]]:
        """Cross-entropy; its gradient is by the input of the softmax. Tokens whose gold tag is
        missing count for nothing."""
        ops = get_array_ops(scores[0])
        probabilities = ops.flatten(scores)
        known = ops.asarray1i(numpy.flatnonzero(gold != MISSING))
        gold = ops.asarray1i(gold)[known]
        gradient = ops.xp.zeros_like(probabilities)
        gradient[known] = probabilities[known]
        gradient[known, gold] -= 1.0
        loss = -_log(ops, probabilities[known, gold]).sum()
        return float(loss), _unflatten(ops, gradient, scores)

    def get_distillation_loss(
        self, scores: list[Floats2d], teacher: list[Floats2d]
    ) -> tuple[float, list[Floats2d]]:
        ops = get_array_ops(scores[0])
        probabilities, targets = ops.flatten(scores), ops.flatten(teacher)
        # A tag that the teacher does not know has no target: it was sure that there was none.
        n_targets = targets.shape[1]
        gradient = probabilities.copy()
        gradient[:, :n_targets] -= targets
        loss = -(targets * _log(ops, probabilities[:, :n_targets])).sum()
        return float(loss), _unflatten(ops, gradient, scores)

    def decode(self, scores: list[Floats2d], no_begin: Bools1d, no_inside: Bools1d) -> Ints1d:
        ops = get_array_ops(scores[0])
        logs = numpy.asarray(ops.to_numpy(_log(ops, ops.flatten(scores))))
        lengths = numpy.asarray([len(doc_scores) for doc_scores in scores])
        return decode_bio(logs, lengths, no_begin=no_begin, no_inside=no_inside)

    def get_posteriors(self, scores: list[Floats2d]) -> Floats2d:
        return marginals(_independent(scores))[1].to_numpy().emissions

    def get_lattice(self, scores: list[Floats2d]) -> Lattice:
        return _independent(scores).to_numpy()

    def weigh_outside(self, scores: list[Floats2d], bias: float) -> list[Floats2d]:
        def weigh(logs: Floats2d) -> Floats2d:
            logs[:, 0] += bias
            return logs

        return _over_logs(scores, weigh)

    def temper(self, scores: list[Floats2d], temperature: float) -> list[Floats2d]:
        return _over_logs(scores, lambda logs: logs / temperature)

    def scale(self, gradient: list[Floats2d], factor: float) -> list[Floats2d]:
        return [doc_gradient * factor for doc_gradient in gradient]

    def join(
        self, parts: Sequence[list[Floats2d]], rows: Ints1d, lengths: Sequence[int]
    ) -> list[Floats2d]:
        ops = get_array_ops(parts[0][0])
        scores = ops.flatten([doc_scores for part in parts for doc_scores in part])
        return ops.unflatten(scores[ops.asarray1i(rows)], ops.asarray1i(lengths))


class CRFHead:
    """Tags depend on their neighbours: scores are the lattice of a conditional random field."""

    def get_loss(self, scores: Lattice, gold: Ints1d) -> tuple[float, Lattice]:
        """The negative log-likelihood of the tag sequences; over tags that are missing it is
        marginalised."""
        log_likelihoods, gradient = log_likelihood(scores, gold)
        return -float(log_likelihoods.sum()), gradient.scaled(-1.0)

    def get_distillation_loss(self, scores: Lattice, teacher: Lattice) -> tuple[float, Lattice]:
        """The cross-entropy between the two distributions of tag sequences. As both are linear
        chains, the teacher's expected counts are all that it takes."""
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

    def weigh_outside(self, scores: Lattice, bias: float) -> Lattice:
        emissions = scores.emissions.copy()
        emissions[:, 0] += bias
        return replace(scores, emissions=emissions)

    def temper(self, scores: Lattice, temperature: float) -> Lattice:
        return scores.centered().scaled(1.0 / temperature)

    def scale(self, gradient: Lattice, factor: float) -> Lattice:
        return gradient.scaled(factor)

    def join(self, parts: Sequence[Lattice], rows: Ints1d, lengths: Sequence[int]) -> Lattice:
        ops = get_array_ops(parts[0].emissions)
        emissions = ops.xp.concatenate([part.emissions for part in parts])
        return replace(parts[0], emissions=emissions[ops.asarray1i(rows)], lengths=list(lengths))


def _independent(scores: list[Floats2d]) -> Lattice:
    """The lattice of tags that are independent of one another but for the rules of BIO."""
    ops = get_array_ops(scores[0])
    nO = scores[0].shape[1]
    indifferent = ops.xp.zeros(nO)
    return Lattice(
        emissions=_log(ops, ops.flatten(scores)),
        transitions=ops.xp.zeros((nO, nO)),
        start=indifferent,
        end=indifferent,
        lengths=[len(doc_scores) for doc_scores in scores],
    )


def _over_logs(scores: list[Floats2d], function: Callable[[Floats2d], Floats2d]) -> list[Floats2d]:
    """Change the logarithms of probabilities, and make each token's add up to one again."""
    ops = get_array_ops(scores[0])
    return _unflatten(ops, ops.softmax(function(_log(ops, ops.flatten(scores)))), scores)


def _pad(counts: Lattice, larger: Lattice) -> Lattice:
    """Expected counts of a model that knows fewer tags: of the others it expects none."""

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
    return ops.xp.log(ops.xp.maximum(probabilities, numpy.finfo(probabilities.dtype).tiny))


def _unflatten(ops: Ops, gradient: Floats2d, scores: list[Floats2d]) -> list[Floats2d]:
    return ops.unflatten(gradient, ops.asarray1i([len(doc_scores) for doc_scores in scores]))
