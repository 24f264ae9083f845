import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.layers.crf import Lattice
from spacy_twitter_ner.layers.decoding import viterbi, viterbi_kbest

from .crf_oracle import SCORES, each_sequence, is_valid, make_lattice, valid_sequences
from .decoding_oracle import check_constraints, check_is_best, draw_masks, forbid, lattices
from .spans_oracle import masked

pytestmark = pytest.mark.usefixtures("each_kernel")

INF, NAN = float("inf"), float("nan")
LENGTHS = [3, 0, 1, 4, 0]
large_numbers = st.sampled_from([-1e4, -9999.0, -1.0, 0.0, 1e4])
# Without transition scores, only the rules of BIO make tags depend on one another.
any_lattice = lattices() | lattices(st.just(0.0)) | lattices(large_numbers, large_numbers)


@given(any_lattice, st.data())
def test_viterbi_equals_enumeration(lattice, data):
    no_begin, no_inside = draw_masks(data, lattice)
    before = {name: getattr(lattice, name).copy() for name in SCORES}
    tags = viterbi(lattice, no_begin=no_begin, no_inside=no_inside)
    check_is_best(forbid(lattice, no_begin, no_inside), tags)
    check_constraints(tags, no_begin, no_inside)
    for name in SCORES:
        assert (getattr(lattice, name) == before[name]).all()


@given(lattices(large_numbers | st.just(0.0), st.sampled_from([-INF, -INF, -1e4, -1.0, 0.0, 1e4])))
def test_viterbi_avoids_impossible_tags(lattice):
    # Tags are valid even if no sequence is possible.
    check_is_best(lattice, viterbi(lattice))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("scale", "step_scale"), [(1.0, 1.0), (1e4, 1.0), (1.0, 0.0)])
def test_viterbi_of_long_sequences(dtype, scale, step_scale):
    lattice = make_lattice([400, 1, 0, 37, 400], 21, scale=scale, dtype=dtype)
    if not step_scale:
        lattice = Lattice.independent(lattice.emissions, lattice.lengths)
    tags = viterbi(lattice)
    for number, rows in enumerate(each_sequence(lattice)):
        assert is_valid(tags[rows])
        alone = Lattice(
            lattice.emissions[rows],
            lattice.transitions,
            lattice.start,
            lattice.end,
            [lattice.lengths[number]],
        )
        assert viterbi(alone).tolist() == tags[rows].tolist()
    assert (tags != lattice.emissions.argmax(axis=1)).any()
    assert (tags % 2 == 1).sum() > 100


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # I alone is repaired at the lowest cost: B I, O O or O B.
        ([[0, -1, -9], [-9, -9, 0]], [1, 2]),
        ([[0, -9, -9], [-1, -9, 0]], [0, 0]),
        ([[0, -9, -9], [-9, -1, 0]], [0, 1]),
        # If B and I have different types, the best type of both together is chosen.
        ([[-9, 0, -9, -2, -9], [-9, -9, -1.5, -9, 0]], [1, 2]),
        ([[-9, 0, -9, -1, -9], [-9, -9, -1.5, -9, 0]], [3, 4]),
        # I may follow I, but not of another type.
        ([[-9, 0, -9, -9, -9], [-9, -9, 0, -9, -9], [-9, -9, -8, -9, 0]], [1, 2, 2]),
        # B may follow anything.
        ([[-9, 0, -9, -9, -9], [-9, 0, -9, -9, -9], [-9, -9, -9, 0, -9]], [1, 1, 3]),
    ],
)
def test_viterbi_of_independent_tags(rows, expected):
    emissions = numpy.asarray(rows, dtype=float)
    assert viterbi(Lattice.independent(emissions, [len(rows)])).tolist() == expected


def test_viterbi_constraints_of_an_entity():
    """An entity may span a token where none may begin, but not where none may continue."""
    emissions = numpy.asarray([[0.0, 5.0, 0.0], [0.0, 0.0, 5.0], [0.0, 0.0, 5.0]])
    lattice, third = Lattice.independent(emissions, [3]), numpy.asarray([False, False, True])
    assert viterbi(lattice, no_begin=third).tolist() == [1, 2, 2]
    assert viterbi(lattice, no_inside=third).tolist() in ([1, 2, 0], [1, 2, 1])
    assert viterbi(lattice, no_begin=third, no_inside=third).tolist() == [1, 2, 0]


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]], ids=str)
def test_viterbi_without_tokens(lengths):
    lattice, empty = make_lattice(lengths, 5), numpy.zeros(0, dtype=bool)
    assert viterbi(lattice).shape == (0,)
    assert viterbi(lattice, no_begin=empty, no_inside=empty).shape == (0,)


def test_viterbi_prefers_outside_among_equals():
    lattice = make_lattice([3, 0, 2], 5).scaled(0.0)
    assert viterbi(lattice).tolist() == [0] * 5


@given(lattices(*[st.sampled_from([NAN, INF, -INF, 0.0, 1.0, 3e38])] * 2), st.data())
def test_viterbi_returns_valid_tags_or_raises(lattice, data):
    no_begin, no_inside = draw_masks(data, lattice)
    try:
        tags = viterbi(lattice, no_begin=no_begin, no_inside=no_inside)
    except ValueError:
        return
    assert all(is_valid(tags[rows]) for rows in each_sequence(lattice))


@pytest.mark.parametrize("value", [NAN, INF])
@pytest.mark.parametrize(
    ("name", "index", "sequence"),
    [
        ("emissions", (1, 2), 0),
        ("emissions", (3, 1), 2),
        ("emissions", (6, 0), 3),
        ("transitions", (0, 3), "[03]"),
        ("start", 1, "[023]"),
        ("end", 0, "[023]"),
    ],
)
def test_viterbi_raises_for_nonfinite_scores(name, index, sequence, value):
    lattice = make_lattice([3, 0, 1, 4], 5)
    getattr(lattice, name)[index] = value
    with pytest.raises(ValueError, match=f"sequence {sequence} of the batch.*NaN or infinite"):
        viterbi(lattice)


def test_viterbi_raises_for_infinite_sums():
    lattice = make_lattice([1, 3], 5)
    lattice.emissions[1:] = 1e308
    with pytest.raises(ValueError, match="sequence 1 of the batch"):
        viterbi(lattice)


@pytest.mark.parametrize("value", [NAN, INF])
def test_viterbi_ignores_scores_of_invalid_transitions(value):
    lattice = make_lattice([3, 0, 1, 4], 5)
    expected = viterbi(lattice).tolist()
    lattice.transitions[0, 2] = lattice.start[4] = value
    assert viterbi(lattice).tolist() == expected


def check_kbest(lattice: Lattice, k: int, no_begin=None, no_inside=None) -> None:
    found = viterbi_kbest(lattice, k, no_begin=no_begin, no_inside=no_inside)
    everything = list(valid_sequences(masked(lattice, no_begin, no_inside)))
    assert len(found) == len(everything)
    for (tags, scores), scored in zip(found, everything, strict=True):
        possible = [pair for pair in scored if pair[1] > -numpy.inf]
        best = sorted(possible, key=lambda pair: -pair[1])[:k]
        assert [tuple(row) for row in tags.tolist()] == [expected for expected, _ in best]
        assert scores.tolist() == pytest.approx([score for _, score in best], abs=1e-9)


@pytest.mark.parametrize("k", [1, 2, 7, 100])
@pytest.mark.parametrize("nO", [1, 3, 5])
def test_kbest_equals_enumeration(nO, k):
    for seed in range(3):
        check_kbest(make_lattice(LENGTHS, nO, seed=seed), k)


@given(st.lists(st.integers(0, 4), max_size=4), st.integers(0, 2**16), st.integers(1, 12))
def test_kbest_equals_enumeration_with_constraints(lengths, seed, k):
    no_begin, no_inside = numpy.random.RandomState(seed).uniform(size=(2, sum(lengths))) < 0.3
    check_kbest(make_lattice(lengths, 5, seed=seed), k, no_begin, no_inside)


def test_kbest_first_path_equals_viterbi():
    lattice = make_lattice([40, 3, 0, 25, 40, 1], 21)
    first = numpy.concatenate([tags[0] for tags, _ in viterbi_kbest(lattice, 5)])
    assert first.tolist() == viterbi(lattice).tolist()


def test_kbest_paths_are_distinct_and_ordered():
    ((tags, scores),) = viterbi_kbest(make_lattice([40], 21), 50)
    assert tags.shape == (50, 40)
    assert len({tuple(row) for row in tags.tolist()}) == 50
    assert (numpy.diff(scores) <= 0.0).all()


def test_kbest_of_equal_scores_returns_each_path_once():
    ((tags, scores),) = viterbi_kbest(make_lattice([3], 3, scale=0.0), 100)
    assert len({tuple(row) for row in tags.tolist()}) == len(tags) == 13
    assert scores.tolist() == [0.0] * 13


def test_kbest_raises_for_k_below_one():
    with pytest.raises(ValueError, match="k has to be 1 or more, not 0"):
        viterbi_kbest(make_lattice([2], 3), 0)


def test_kbest_work_per_token_with_many_tags(monkeypatch):
    """Not all paths into all tags are compared."""
    n_tags, k, n_tokens, n_compared = 401, 5, 20, 0
    argpartition = numpy.argpartition

    def count(scores, *args, **settings):
        nonlocal n_compared
        n_compared += scores.size
        return argpartition(scores, *args, **settings)

    monkeypatch.setattr(numpy, "argpartition", count)
    viterbi_kbest(make_lattice([n_tokens], n_tags), k)
    assert n_compared < n_tokens * n_tags**2
