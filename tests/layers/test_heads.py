import math
from dataclasses import replace
from typing import Any

import numpy
import pytest

from spacy_twitter_ner.layers.crf import Lattice, log_likelihood
from spacy_twitter_ner.layers.decoding import decode_bio
from spacy_twitter_ner.layers.heads import CRFHead, SoftmaxHead
from spacy_twitter_ner.layers.viterbi import viterbi

from ..layers.crf_oracle import (
    SCORES,
    assert_same_lattice,
    in_float64,
    is_valid,
    log_sums,
    make_lattice,
    valid_sequences,
)
from ..layers.gradients import OPS, central_differences, relative_error
from ..layers.spans_oracle import sequence_probabilities

LENGTHS = [2, 0, 1, 3]
GOLD = numpy.asarray([1, 2, 0, 0, 3, 4])
PARTIAL = numpy.asarray([1, -1, 0, -1, -1, 4])
N_TOKENS = len(GOLD)


def make_logits(nO: int = 5, seed: int = 0) -> numpy.ndarray:
    return numpy.random.RandomState(seed).normal(scale=1.5, size=(N_TOKENS, nO))


def softmax(logits: numpy.ndarray) -> list[numpy.ndarray]:
    exponentials = numpy.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    return OPS.unflatten(probabilities, OPS.asarray1i(LENGTHS))


# Softmax


@pytest.mark.parametrize("gold", [GOLD, PARTIAL], ids=["all", "partial"])
def test_softmax_loss(gold: numpy.ndarray) -> None:
    logits, known = make_logits(), numpy.flatnonzero(gold != -1)
    loss, gradient = SoftmaxHead().get_loss(softmax(logits), gold)
    probabilities = numpy.concatenate(softmax(logits))
    assert loss == pytest.approx(-numpy.log(probabilities[known, gold[known]]).sum())
    assert [rows.shape for rows in gradient] == [(length, 5) for length in LENGTHS]
    expected = central_differences(lambda: SoftmaxHead().get_loss(softmax(logits), gold)[0], logits)
    assert relative_error(numpy.concatenate(gradient), expected) < 1e-8
    assert (numpy.concatenate(gradient)[gold == -1] == 0.0).all()


def test_softmax_of_nothing_known() -> None:
    loss, gradient = SoftmaxHead().get_loss(softmax(make_logits()), numpy.full(N_TOKENS, -1))
    assert loss == 0.0
    assert not numpy.concatenate(gradient).any()


def test_softmax_of_probability_zero() -> None:
    scores = [numpy.asarray([[1.0, 0.0, 0.0]], dtype="float32")]
    loss, (gradient,) = SoftmaxHead().get_loss(scores, numpy.asarray([1]))
    assert 50 < loss < math.inf
    assert gradient.tolist() == [[1.0, -1.0, 0.0]]
    nowhere = numpy.zeros(1, dtype=bool)
    assert SoftmaxHead().decode(scores, nowhere, nowhere).tolist() == [0]


@pytest.mark.parametrize("n_known", [3, 5])
def test_softmax_distillation(n_known: int) -> None:
    head, logits, teacher = SoftmaxHead(), make_logits(), softmax(make_logits(n_known, seed=1))
    loss, gradient = head.get_distillation_loss(softmax(logits), teacher)
    logs = numpy.log(numpy.concatenate(softmax(logits)))
    targets = numpy.concatenate(teacher)
    assert loss == pytest.approx(-(targets * logs[:, :n_known]).sum())
    expected = central_differences(
        lambda: head.get_distillation_loss(softmax(logits), teacher)[0], logits
    )
    assert relative_error(numpy.concatenate(gradient), expected) < 1e-8


def test_softmax_decoding() -> None:
    no_begin, no_inside = numpy.random.RandomState(2).uniform(size=(2, N_TOKENS)) < 0.4
    for seed in range(20):
        scores = softmax(make_logits(seed=seed))
        logs = numpy.log(numpy.concatenate(scores))
        lengths = numpy.asarray(LENGTHS)
        expected = decode_bio(logs, lengths, no_begin=no_begin, no_inside=no_inside)
        assert SoftmaxHead().decode(scores, no_begin, no_inside).tolist() == expected.tolist()


def test_softmax_lattice() -> None:
    """Its sequences are as probable as their tags together, among the valid ones."""
    scores = softmax(make_logits())
    lattice = SoftmaxHead().get_lattice(scores)
    assert lattice.lengths == LENGTHS
    for sequence, scored in zip(scores, valid_sequences(lattice), strict=True):
        for tags, score in scored:
            product = numpy.prod(sequence[numpy.arange(len(tags)), list(tags)])
            assert math.exp(score) == pytest.approx(product)


# Conditional random field


@pytest.mark.parametrize("gold", [GOLD, PARTIAL], ids=["all", "partial"])
def test_crf_loss(gold: numpy.ndarray) -> None:
    lattice = make_lattice(LENGTHS, 5)
    loss, gradient = CRFHead().get_loss(lattice, gold)
    assert loss == pytest.approx(-log_likelihood(lattice, gold)[0].sum())
    assert loss > 0.0
    for name in SCORES:
        expected = central_differences(
            lambda: CRFHead().get_loss(lattice, gold)[0], getattr(lattice, name)
        )
        assert relative_error(getattr(gradient, name), expected) < 1e-7


def test_crf_of_nothing_known() -> None:
    loss, gradient = CRFHead().get_loss(make_lattice(LENGTHS, 5), numpy.full(N_TOKENS, -1))
    assert loss == 0.0
    assert not any(getattr(gradient, name).any() for name in SCORES)


def cross_entropy(student: Lattice, teacher: Lattice) -> float:
    """The sum over all sequences, each by itself, of p_teacher * -log p_student."""
    student_sums, teacher_sums = log_sums(student), log_sums(teacher)
    scores_of_sequences = [dict(scored) for scored in valid_sequences(student)]
    loss = 0.0
    for number, scored in enumerate(valid_sequences(teacher)):
        for tags, score in scored:
            probability = math.exp(score - teacher_sums[number])
            loss -= probability * (scores_of_sequences[number][tags] - student_sums[number])
    return loss


@pytest.mark.parametrize("n_known", [1, 3, 5])
def test_crf_distillation(n_known: int) -> None:
    lattice, teacher = make_lattice(LENGTHS, 5), make_lattice(LENGTHS, n_known, seed=1)
    loss, gradient = CRFHead().get_distillation_loss(lattice, teacher)
    assert loss == pytest.approx(cross_entropy(lattice, teacher))
    for name in SCORES:
        expected = central_differences(
            lambda: CRFHead().get_distillation_loss(lattice, teacher)[0], getattr(lattice, name)
        )
        assert relative_error(getattr(gradient, name), expected) < 1e-7


def test_crf_decoding() -> None:
    no_begin, no_inside = numpy.random.RandomState(2).uniform(size=(2, N_TOKENS)) < 0.4
    for seed in range(20):
        lattice = make_lattice(LENGTHS, 5, seed=seed)
        tags = CRFHead().decode(lattice, no_begin, no_inside)
        expected = viterbi(lattice, no_begin=no_begin, no_inside=no_inside)
        assert tags.tolist() == expected.tolist()
        assert is_valid(tags[3:])
        assert (tags[no_begin] % 2 == 0).all()


def test_crf_lattice() -> None:
    lattice = make_lattice(LENGTHS, 5)
    assert_same_lattice(CRFHead().get_lattice(lattice), lattice, 0.0)


# Both


@pytest.mark.parametrize(
    ("head", "scores"),
    [(SoftmaxHead(), softmax(make_logits())), (CRFHead(), make_lattice(LENGTHS, 5))],
    ids=["softmax", "crf"],
)
def test_nothing_is_to_be_learned_from_oneself(head: Any, scores: Any) -> None:
    """The loss is an entropy then, the least there is."""
    loss, gradient = head.get_distillation_loss(scores, scores)
    assert loss > 0.0
    if isinstance(gradient, Lattice):
        assert_same_lattice(gradient, scores.scaled(0.0), 1e-12)
    else:
        assert numpy.concatenate(gradient) == pytest.approx(0.0, abs=1e-12)


def sequence_distribution(head: Any, scores: Any) -> list[dict[tuple[int, ...], float]]:
    return [dict(scored) for scored in sequence_probabilities(head.get_lattice(scores))]


HEADS: list[tuple[Any, Any]] = [
    (SoftmaxHead(), softmax(make_logits())),
    (CRFHead(), make_lattice(LENGTHS, 5)),
]


@pytest.mark.parametrize(("head", "scores"), HEADS, ids=["softmax", "crf"])
@pytest.mark.parametrize("bias", [-2.0, 0.0, 1.5])
def test_weight_of_outside(head: Any, scores: Any, bias: float) -> None:
    before = sequence_distribution(head, scores)
    weighed = head.weigh_outside(scores, bias)
    for old, new in zip(before, sequence_distribution(head, weighed), strict=True):
        weights = {tags: p * math.exp(bias * tags.count(0)) for tags, p in old.items()}
        total = sum(weights.values())
        assert new == pytest.approx({tags: w / total for tags, w in weights.items()})
    assert sequence_distribution(head, scores) == before


@pytest.mark.parametrize(("head", "scores"), HEADS, ids=["softmax", "crf"])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_temperature(head: Any, scores: Any, temperature: float) -> None:
    before = sequence_distribution(head, scores)
    tempered = head.temper(scores, temperature)
    for old, new in zip(before, sequence_distribution(head, tempered), strict=True):
        weights = {tags: p ** (1 / temperature) for tags, p in old.items()}
        total = sum(weights.values())
        assert new == pytest.approx({tags: w / total for tags, w in weights.items()})
    assert sequence_distribution(head, scores) == before


def test_scale() -> None:
    halves = SoftmaxHead().scale([numpy.ones((2, 3)), numpy.ones((0, 3))], 0.5)
    assert [rows.tolist() for rows in halves] == [[[0.5] * 3] * 2, []]
    lattice = make_lattice(LENGTHS, 5)
    doubled = replace(
        lattice,
        emissions=2 * lattice.emissions,
        transitions=2 * lattice.transitions,
        start=2 * lattice.start,
        end=2 * lattice.end,
    )
    assert_same_lattice(CRFHead().scale(lattice, 2.0), doubled, 0.0)


def test_scores_in_float32() -> None:
    """Losses are numbers of Python, whatever the scores: they go into JSON."""
    lattice, teacher = (make_lattice(LENGTHS, 5, seed=seed, dtype="float32") for seed in (0, 1))
    scores = [rows.astype("float32") for rows in softmax(make_logits())]
    both: list[Any] = [(SoftmaxHead(), scores, scores), (CRFHead(), lattice, teacher)]
    for head, student, other in both:
        assert type(head.get_loss(student, GOLD)[0]) is float
        assert type(head.get_distillation_loss(student, other)[0]) is float
    loss, _ = CRFHead().get_loss(in_float64(lattice), GOLD)
    assert CRFHead().get_loss(lattice, GOLD)[0] == pytest.approx(loss)


@pytest.mark.parametrize("head", [SoftmaxHead(), CRFHead()], ids=["softmax", "crf"])
def test_parts_are_joined(head: Any) -> None:
    lattice, emissions = make_lattice(LENGTHS, 5), numpy.concatenate(softmax(make_logits()))

    def part(*lengths: int, first: int) -> Any:
        rows = emissions[first : first + sum(lengths)]
        if isinstance(head, CRFHead):
            return replace(lattice, emissions=rows, lengths=list(lengths))
        return OPS.unflatten(rows, OPS.asarray1i(lengths))

    joined = head.join(
        [part(2, 1, first=0), part(3, first=3)], numpy.asarray([0, 2, 3, 5]), [1, 0, 3]
    )
    expected = emissions[[0, 2, 3, 5]]
    if isinstance(head, CRFHead):
        assert_same_lattice(joined, replace(lattice, emissions=expected, lengths=[1, 0, 3]))
    else:
        assert [len(rows) for rows in joined] == [1, 0, 3]
        numpy.testing.assert_array_equal(numpy.concatenate(joined), expected)
