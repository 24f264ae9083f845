import itertools
import math
from dataclasses import replace

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.layers.crf import Lattice, bio_transitions
from spacy_twitter_ner.layers.decoding import viterbi
from spacy_twitter_ner.layers.forward_backward import (
    MISSING,
    gold_mask,
    log_likelihood,
    marginals,
)
from spacy_twitter_ner.layers.types import Bools2d

from .crf_oracle import (
    GOLD,
    LENGTHS,
    SCORES,
    assert_same_lattice,
    each_sequence,
    expected_counts,
    in_float64,
    is_valid,
    log_partitions,
    make_lattice,
    possible_from_sets,
    tag_likelihood,
    valid_sequences,
)
from .gradients import central_differences, relative_error

INF = float("inf")
PARTIAL = [-1, 2, -1, -1, -1, -1, 4, 0]
KNOWN = [gold_mask(numpy.asarray(tags), 5) for tags in (GOLD, PARTIAL)]
# An entity of either type, O or another type, and a missing tag.
SETS = [[1, 3], [2, 4], [0, 1], [0, 3, 4], [1, 3], [0, 2], [0, 1, 2, 3, 4], [0, 1, 2]]
KNOWN.append(possible_from_sets(SETS, 5))
each_known = pytest.mark.parametrize("possible", KNOWN, ids=["all", "partial", "sets"])


@pytest.mark.parametrize("nO", [1, 3, 7])
def test_bio_transitions(nO):
    allowed = bio_transitions(nO)
    assert allowed.dtype == bool
    for before, tag in itertools.product(range(nO), repeat=2):
        begin = before - 1 if before and before % 2 == 0 else before
        sequence = [begin, before, tag] if begin != before else [before, tag]
        assert allowed[before, tag] == is_valid(sequence)


@pytest.mark.parametrize(
    ("tags", "number"),
    [
        ([2], 0),  # I at the start
        ([0, 2], 0),
        ([1, 4], 0),
        ([3, 4, 2], 0),
        ([-1, 0, 2], 0),
        ([1, -1, 4, -1, 2, 1, 0, 2], 0),
        ([2, -1], 0),
        ([5], 0),  # no such tag
        ([-2], 0),
    ],
    ids=str,
)
def test_log_likelihood_raises_for_invalid_tags(tags, number):
    lattice = make_lattice([2, 0, len(tags)], 5)
    with pytest.raises(ValueError, match="sequence 2 of the batch are not valid BIO tags"):
        tag_likelihood(lattice, [1, 2, *tags])


def test_log_likelihood_infers_missing_tags():
    """I after a missing tag implies B or I of its type."""
    lattice = make_lattice([3], 5)
    _, gradient = tag_likelihood(lattice, [-1, -1, 4])
    _, expected = marginals(lattice)
    observed = gradient.emissions + expected.emissions
    assert observed[1, [3, 4]].sum() == pytest.approx(1.0)
    assert observed[1, [0, 1, 2]].tolist() == [0.0] * 3
    assert observed[0, 4] == 0.0


@pytest.mark.parametrize("lengths", [LENGTHS, [1], [5], [2, 2, 2], [1, 0, 2, 4]], ids=str)
@pytest.mark.parametrize("nO", [1, 3, 5])
def test_marginals_equal_enumeration(lengths, nO):
    lattice = make_lattice(lengths, nO)
    log_partition, counts = marginals(lattice)
    assert log_partition == pytest.approx(log_partitions(lattice), abs=1e-10)
    assert_same_lattice(counts, expected_counts(lattice))


@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_marginals_are_probabilities(scale):
    lattice = make_lattice([40, 1, 0, 7], 9, scale=scale)
    _, counts = marginals(lattice)
    assert counts.emissions.sum(axis=1) == pytest.approx(1.0)
    assert (counts.emissions >= 0).all()
    assert counts.start.sum() == pytest.approx(3.0)
    assert counts.end.sum() == pytest.approx(3.0)
    assert counts.transitions.sum() == pytest.approx(48 - 3)
    assert (counts.transitions[~bio_transitions(9)] == 0.0).all()
    assert (counts.start[2::2] == 0.0).all()
    # Each tag is the first one or the result of a transition.
    assert counts.transitions.sum(axis=0) + counts.start == pytest.approx(
        counts.emissions.sum(axis=0)
    )
    assert counts.transitions.sum(axis=1) + counts.end == pytest.approx(
        counts.emissions.sum(axis=0)
    )


def check_against_enumeration(lattice: Lattice, possible: Bools2d) -> None:
    log_likelihoods, gradient = log_likelihood(lattice, possible)
    expected = numpy.subtract(log_partitions(lattice, possible), log_partitions(lattice))
    assert log_likelihoods == pytest.approx(expected, abs=1e-10)
    assert (log_likelihoods <= 0.0).all()
    counts = expected_counts(lattice, possible)
    assert_same_lattice(gradient, counts.minus(expected_counts(lattice)))


@each_known
def test_log_likelihood_equals_enumeration(possible: Bools2d) -> None:
    check_against_enumeration(make_lattice(LENGTHS, 5), possible)


@pytest.mark.parametrize("tag", [MISSING, 0])
def test_log_likelihood_of_one_tag_equals_enumeration(tag: int) -> None:
    check_against_enumeration(make_lattice(LENGTHS, 5), gold_mask(numpy.full(8, tag), 5))


@given(st.data())
def test_log_likelihood_of_random_sets_equals_enumeration(data: st.DataObject) -> None:
    """Any sets of possible tags that a valid sequence agrees with."""
    lattice = make_lattice([3, 2], 5, seed=data.draw(st.integers(0, 99)))
    tags = data.draw(st.sampled_from([[1, 2, 0, 3, 3], [0, 0, 1, 3, 4], [3, 4, 4, 0, 1]]))
    others = st.sets(st.integers(0, 4))
    sets = [{tag} | data.draw(others) for tag in tags]
    check_against_enumeration(lattice, possible_from_sets(sets, 5))


@each_known
@pytest.mark.parametrize("name", SCORES)
def test_log_likelihood_gradient(name: str, possible: Bools2d) -> None:
    lattice = make_lattice(LENGTHS, 5)

    def loss() -> float:
        return float(log_likelihood(lattice, possible)[0].sum())

    gradient = getattr(log_likelihood(lattice, possible)[1], name)
    assert abs(gradient).max() > 0.1
    assert relative_error(gradient, central_differences(loss, getattr(lattice, name))) < 1e-7


def test_log_likelihoods_of_all_sequences_sum_to_one():
    lattice = make_lattice([4], 5)
    ((*scored,),) = valid_sequences(lattice)
    probabilities = [math.exp(tag_likelihood(lattice, tags)[0][0]) for tags, _ in scored]
    assert sum(probabilities) == pytest.approx(1.0)


def test_log_likelihood_marginalizes_missing_tags():
    lattice = make_lattice([3], 3)
    completions = [[1, tag, 0] for tag in range(3)]
    expected = sum(math.exp(tag_likelihood(lattice, tags)[0][0]) for tags in completions)
    log_likelihoods, _ = tag_likelihood(lattice, [1, MISSING, 0])
    assert math.exp(log_likelihoods[0]) == pytest.approx(expected)


def test_log_likelihood_without_gold_tags_is_zero():
    lattice = make_lattice(LENGTHS, 5)
    log_likelihoods, gradient = tag_likelihood(lattice, numpy.full(8, MISSING))
    assert log_likelihoods.tolist() == [0.0] * 5
    for name in SCORES:
        assert not getattr(gradient, name).any()


def test_log_likelihood_ignores_sequences_without_gold_tags():
    lattice = make_lattice(LENGTHS, 5)
    _, gradient = tag_likelihood(lattice, [-1] * 3 + GOLD[3:])
    assert (gradient.emissions[:3] == 0.0).all()
    assert (gradient.emissions[3:] != 0.0).any(axis=1).all()


def test_log_likelihood_is_independent_of_the_batch():
    lattice = make_lattice(LENGTHS, 5)
    log_likelihoods, gradient = tag_likelihood(lattice, GOLD)
    total = gradient.scaled(0.0)
    for number, rows in enumerate(each_sequence(lattice)):
        alone = replace(
            lattice, emissions=lattice.emissions[rows], lengths=[lattice.lengths[number]]
        )
        (log_likelihood_alone,), part = tag_likelihood(alone, GOLD[rows])
        assert log_likelihood_alone == pytest.approx(log_likelihoods[number], abs=1e-12)
        total.emissions[rows] = part.emissions
        for name in SCORES[1:]:
            getattr(total, name)[:] += getattr(part, name)
    assert_same_lattice(gradient, total)


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]], ids=str)
def test_log_likelihood_without_tokens(lengths):
    lattice = make_lattice(lengths, 5)
    log_likelihoods, gradient = tag_likelihood(lattice, numpy.zeros(0, dtype="int64"))
    assert log_likelihoods.tolist() == [0.0] * len(lengths)
    assert gradient.emissions.shape == (0, 5)
    for name in SCORES:
        assert not getattr(gradient, name).any()


def test_log_likelihood_of_float32_scores():
    lattice = make_lattice([300, 20, 1], 9, dtype="float32")
    gold = viterbi(lattice)
    log_likelihoods, gradient = tag_likelihood(lattice, gold)
    precise = in_float64(lattice)
    expected_log_likelihoods, expected = tag_likelihood(precise, gold)
    assert log_likelihoods == pytest.approx(expected_log_likelihoods, rel=1e-12)
    assert_same_lattice(gradient, expected)
    assert viterbi(precise).tolist() == gold.tolist()


def log_partition_by_logarithms(lattice: Lattice) -> float:
    """The forward algorithm for one sequence, without scaling."""
    forbidden = numpy.where(bio_transitions(len(lattice.start)), 0.0, -INF)
    alpha = lattice.emissions[0] + lattice.start + forbidden[0]
    for emissions in lattice.emissions[1:]:
        paths = alpha[:, None] + lattice.transitions + forbidden
        alpha = numpy.logaddexp.reduce(paths, axis=0) + emissions
    return float(numpy.logaddexp.reduce(alpha + lattice.end))


@pytest.mark.parametrize("scale", [0.1, 10.0])
def test_marginals_of_long_sequences(scale):
    lattice = make_lattice([3000], 7, scale=scale)
    (log_partition,), counts = marginals(lattice)
    assert log_partition == pytest.approx(log_partition_by_logarithms(lattice), rel=1e-10)
    assert counts.emissions.sum(axis=1) == pytest.approx(1.0)


def test_log_likelihood_ignores_constants_per_token():
    lattice = make_lattice(LENGTHS, 5)
    shifted = replace(lattice, emissions=lattice.emissions + 1e5 * numpy.arange(8)[:, None])
    log_likelihoods, gradient = tag_likelihood(lattice, GOLD)
    shifted_log_likelihoods, shifted_gradient = tag_likelihood(shifted, GOLD)
    assert shifted_log_likelihoods == pytest.approx(log_likelihoods, abs=1e-8)
    assert_same_lattice(shifted_gradient, gradient, 1e-8)


def test_log_likelihood_of_certain_and_impossible_tags():
    lattice = make_lattice(LENGTHS, 5)
    certain = numpy.full((8, 5), -500.0)
    certain[numpy.arange(8), GOLD] = 500.0
    log_likelihoods, gradient = tag_likelihood(
        replace(lattice, emissions=certain), numpy.array(GOLD)
    )
    assert log_likelihoods == pytest.approx(0.0, abs=1e-100)
    assert_same_lattice(gradient, lattice.scaled(0.0))
    wrong = numpy.zeros(8, dtype="int64")
    log_likelihoods, gradient = tag_likelihood(replace(lattice, emissions=certain), wrong)
    assert (log_likelihoods[[0, 2, 3]] < -900.0).all()
    rows = numpy.flatnonzero(GOLD)
    assert gradient.emissions[rows, 0] == pytest.approx(1.0)
    assert gradient.emissions[rows, numpy.asarray(GOLD)[rows]] == pytest.approx(-1.0)


def test_log_likelihood_of_improbable_begin_does_not_underflow():
    """B is almost impossible, but so are all alternatives to the following I."""
    emissions = numpy.asarray([[500.0, -500.0, -500.0], [-500.0, -500.0, 500.0]])
    lattice = Lattice(emissions, numpy.zeros((3, 3)), numpy.zeros(3), numpy.zeros(3), [2])
    for gold in ([0, 0], [0, 1], [1, 2]):
        log_likelihoods, gradient = tag_likelihood(lattice, gold)
        assert log_likelihoods == pytest.approx(-math.log(3))
        assert gradient.emissions[0] == pytest.approx(
            [(gold[0] == 0) - 2 / 3, (gold[0] == 1) - 1 / 3, 0.0]
        )
    assert marginals(lattice)[1].emissions[1] == pytest.approx(1 / 3)


@pytest.mark.parametrize("seed", range(5))
@each_known
def test_log_likelihood_of_large_scores(seed: int, possible: Bools2d) -> None:
    lattice = make_lattice(LENGTHS, 5, seed=seed, scale=3.0)
    random = numpy.random.RandomState(seed)
    emissions = random.choice([-500.0, 0.0, 500.0], (8, 5)) + random.normal(size=(8, 5))
    lattice = replace(lattice, emissions=emissions)
    log_likelihoods, gradient = log_likelihood(lattice, possible)
    expected = numpy.subtract(log_partitions(lattice, possible), log_partitions(lattice))
    assert log_likelihoods == pytest.approx(expected, abs=1e-9)
    assert_same_lattice(
        gradient, expected_counts(lattice, possible).minus(expected_counts(lattice)), 1e-9
    )


def test_log_likelihood_of_worst_path_is_finite():
    random = numpy.random.RandomState(0)
    lattice = make_lattice([500, 3], 7, scale=5.0)
    lattice = replace(lattice, emissions=random.choice([-1e4, 1e4], size=(503, 7)))
    log_likelihoods, gradient = tag_likelihood(lattice, numpy.zeros(503, dtype="int64"))
    assert numpy.isfinite(log_likelihoods).all()
    assert all(numpy.isfinite(getattr(gradient, name)).all() for name in SCORES)
    assert marginals(lattice)[1].emissions.sum(axis=1) == pytest.approx(1.0)


def test_log_likelihood_of_nan_is_nan():
    lattice = make_lattice(LENGTHS, 5)
    lattice.emissions[1, 2] = numpy.nan
    log_likelihoods, _ = tag_likelihood(lattice, GOLD)
    assert numpy.isnan(log_likelihoods).tolist() == [True, False, False, False, False]
