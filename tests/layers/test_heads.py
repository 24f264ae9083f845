import math
from dataclasses import replace
from typing import Any

import numpy
import pytest

from spacy_twitter_ner.layers.crf import Lattice
from spacy_twitter_ner.layers.decoding import viterbi
from spacy_twitter_ner.layers.forward_backward import gold_mask, log_likelihood
from spacy_twitter_ner.layers.heads import CRFHead, SoftmaxHead

from .crf_oracle import (
    SCORES,
    assert_same_lattice,
    in_float64,
    is_valid,
    log_partitions,
    make_lattice,
    possible_from_sets,
    valid_sequences,
)
from .decoding_oracle import check_is_best, forbid
from .gradients import OPS, central_differences, relative_error
from .spans_oracle import sequence_probabilities

LENGTHS = [2, 0, 1, 3]
N_TOKENS = 6
GOLD, PARTIAL = (
    gold_mask(numpy.asarray(tags), 5) for tags in ([1, 2, 0, 0, 3, 4], [1, -1, 0, -1, -1, 4])
)
SETS = possible_from_sets([[1, 3], [2, 4], [0], [0, 1, 3], [0, 1, 2, 3, 4], [0, 4]], 5)

each_possible = pytest.mark.parametrize(
    "possible", [GOLD, PARTIAL, SETS], ids=["all", "partial", "sets"]
)


def make_logits(nO: int = 5, seed: int = 0) -> numpy.ndarray:
    return numpy.random.RandomState(seed).normal(scale=1.5, size=(N_TOKENS, nO))


def softmax(logits: numpy.ndarray) -> list[numpy.ndarray]:
    exponentials = numpy.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    return OPS.unflatten(probabilities, OPS.asarray1i(LENGTHS))


each_head = pytest.mark.parametrize(
    ("head", "scores"),
    [(SoftmaxHead(), softmax(make_logits())), (CRFHead(), make_lattice(LENGTHS, 5))],
    ids=["softmax", "crf"],
)


def draw_constraints() -> tuple[numpy.ndarray, numpy.ndarray]:
    no_begin, no_inside = numpy.random.RandomState(2).uniform(size=(2, N_TOKENS)) < 0.4
    return no_begin, no_inside


@each_possible
def test_softmax_loss(possible: numpy.ndarray) -> None:
    logits, missing = make_logits(), possible.all(axis=1)
    loss, gradient = SoftmaxHead().get_loss(softmax(logits), possible)
    probabilities = numpy.concatenate(softmax(logits))
    assert loss == pytest.approx(-numpy.log((probabilities * possible).sum(axis=1)).sum())
    assert [rows.shape for rows in gradient] == [(length, 5) for length in LENGTHS]
    expected = central_differences(
        lambda: SoftmaxHead().get_loss(softmax(logits), possible)[0], logits
    )
    assert relative_error(numpy.concatenate(gradient), expected) < 1e-8
    assert (numpy.concatenate(gradient)[missing] == 0.0).all()


def test_softmax_of_probability_zero() -> None:
    scores = [numpy.asarray([[1.0, 0.0, 0.0]], dtype="float32")]
    loss, (gradient,) = SoftmaxHead().get_loss(scores, numpy.asarray([[False, True, False]]))
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


@pytest.mark.parametrize("seed", range(20))
def test_softmax_decode(seed: int) -> None:
    scores = softmax(make_logits(seed=seed))
    no_begin, no_inside = draw_constraints()
    logs = numpy.log(numpy.concatenate(scores))
    lattice = forbid(Lattice.independent(logs, LENGTHS), no_begin, no_inside)
    check_is_best(lattice, SoftmaxHead().decode(scores, no_begin, no_inside))


def test_softmax_lattice_scores_are_products() -> None:
    scores = softmax(make_logits())
    lattice = SoftmaxHead().get_lattice(scores)
    assert lattice.lengths == LENGTHS
    for sequence, scored in zip(scores, valid_sequences(lattice), strict=True):
        for tags, score in scored:
            product = numpy.prod(sequence[numpy.arange(len(tags)), list(tags)])
            assert math.exp(score) == pytest.approx(product)


@each_possible
def test_crf_loss(possible: numpy.ndarray) -> None:
    lattice = make_lattice(LENGTHS, 5)
    loss, gradient = CRFHead().get_loss(lattice, possible)
    assert loss == pytest.approx(-log_likelihood(lattice, possible)[0].sum())
    assert loss > 0.0
    for name in SCORES:
        expected = central_differences(
            lambda: CRFHead().get_loss(lattice, possible)[0], getattr(lattice, name)
        )
        assert relative_error(getattr(gradient, name), expected) < 1e-7


def cross_entropy(student: Lattice, teacher: Lattice) -> float:
    """The sum of p_teacher * -log p_student over all sequences, by enumeration."""
    student_sums, teacher_sums = log_partitions(student), log_partitions(teacher)
    sequence_scores = [dict(scored) for scored in valid_sequences(student)]
    loss = 0.0
    for number, scored in enumerate(valid_sequences(teacher)):
        for tags, score in scored:
            probability = math.exp(score - teacher_sums[number])
            loss -= probability * (sequence_scores[number][tags] - student_sums[number])
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


@pytest.mark.parametrize("seed", range(20))
def test_crf_decode(seed: int) -> None:
    lattice = make_lattice(LENGTHS, 5, seed=seed)
    no_begin, no_inside = draw_constraints()
    tags = CRFHead().decode(lattice, no_begin, no_inside)
    expected = viterbi(lattice, no_begin=no_begin, no_inside=no_inside)
    assert tags.tolist() == expected.tolist()
    assert is_valid(tags[3:])
    assert (tags[no_begin] % 2 == 0).all()


def test_crf_lattice() -> None:
    lattice = make_lattice(LENGTHS, 5)
    assert_same_lattice(CRFHead().get_lattice(lattice), lattice, 0.0)


def gradient_arrays(gradient: Any) -> list[numpy.ndarray]:
    if isinstance(gradient, Lattice):
        return [getattr(gradient, name) for name in SCORES]
    return gradient


@each_head
def test_loss_without_gold_tags_is_zero(head: Any, scores: Any) -> None:
    loss, gradient = head.get_loss(scores, numpy.ones((N_TOKENS, 5), dtype=bool))
    assert loss == 0.0
    assert not any(array.any() for array in gradient_arrays(gradient))


@each_head
def test_distillation_from_itself_has_no_gradient(head: Any, scores: Any) -> None:
    loss, gradient = head.get_distillation_loss(scores, scores)
    assert loss > 0.0  # the entropy
    for array in gradient_arrays(gradient):
        assert array == pytest.approx(0.0, abs=1e-12)


def sequence_distribution(head: Any, scores: Any) -> list[dict[tuple[int, ...], float]]:
    return [dict(scored) for scored in sequence_probabilities(head.get_lattice(scores))]


@each_head
@pytest.mark.parametrize("bias", [-2.0, 0.0, 1.5])
def test_outside_bias(head: Any, scores: Any, bias: float) -> None:
    before = sequence_distribution(head, scores)
    biased = head.add_outside_bias(scores, bias)
    for old, new in zip(before, sequence_distribution(head, biased), strict=True):
        weights = {tags: p * math.exp(bias * tags.count(0)) for tags, p in old.items()}
        total = sum(weights.values())
        assert new == pytest.approx({tags: w / total for tags, w in weights.items()})
    assert sequence_distribution(head, scores) == before


@each_head
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_temperature(head: Any, scores: Any, temperature: float) -> None:
    before = sequence_distribution(head, scores)
    tempered = head.apply_temperature(scores, temperature)
    for old, new in zip(before, sequence_distribution(head, tempered), strict=True):
        weights = {tags: p ** (1 / temperature) for tags, p in old.items()}
        total = sum(weights.values())
        assert new == pytest.approx({tags: w / total for tags, w in weights.items()})
    assert sequence_distribution(head, scores) == before


@each_head
def test_scale(head: Any, scores: Any) -> None:
    doubled = gradient_arrays(head.scale(scores, 2.0))
    for array, twice in zip(gradient_arrays(scores), doubled, strict=True):
        assert twice.tolist() == (2.0 * array).tolist()


def test_losses_of_float32_scores_are_python_floats() -> None:
    lattice, teacher = (make_lattice(LENGTHS, 5, seed=seed, dtype="float32") for seed in (0, 1))
    scores = [rows.astype("float32") for rows in softmax(make_logits())]
    both: list[Any] = [(SoftmaxHead(), scores, scores), (CRFHead(), lattice, teacher)]
    for head, student, other in both:
        assert type(head.get_loss(student, GOLD)[0]) is float
        assert type(head.get_distillation_loss(student, other)[0]) is float
    loss, _ = CRFHead().get_loss(in_float64(lattice), GOLD)
    assert CRFHead().get_loss(lattice, GOLD)[0] == pytest.approx(loss)


@pytest.mark.parametrize("head", [SoftmaxHead(), CRFHead()], ids=["softmax", "crf"])
def test_concat_windows(head: Any) -> None:
    lattice, emissions = make_lattice(LENGTHS, 5), numpy.concatenate(softmax(make_logits()))

    def make_scores(rows: numpy.ndarray, lengths: list[int]) -> Any:
        if isinstance(head, CRFHead):
            return replace(lattice, emissions=rows, lengths=lengths)
        return OPS.unflatten(rows, OPS.asarray1i(lengths))

    windows = [make_scores(emissions[:3], [2, 1]), make_scores(emissions[3:], [3])]
    rows, lengths = numpy.asarray([0, 2, 3, 5]), [1, 0, 3]
    found = head.get_lattice(head.concat_windows(windows, rows, lengths))
    expected = head.get_lattice(make_scores(emissions[rows], lengths))
    assert_same_lattice(found, expected, 0.0)
