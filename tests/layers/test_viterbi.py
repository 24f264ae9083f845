import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.layers.viterbi import viterbi

from .crf_oracle import SCORES, each_sequence, is_valid, make_lattice
from .decoding_oracle import check_is_best, check_keeps_to, draw_masks, forbid, lattices

INF, NAN = float("inf"), float("nan")
large_numbers = st.sampled_from([-1e4, -9999.0, -1.0, 0.0, 1e4])


@given(lattices() | lattices(large_numbers, large_numbers))
def test_viterbi_finds_the_best_of_all_sequences(lattice):
    before = {name: getattr(lattice, name).copy() for name in SCORES}
    check_is_best(lattice, viterbi(lattice))
    for name in SCORES:
        assert (getattr(lattice, name) == before[name]).all()


@given(lattices() | lattices(large_numbers, large_numbers), st.data())
def test_viterbi_under_constraints(lattice, data):
    no_begin, no_inside = draw_masks(data, lattice)
    before = lattice.emissions.copy()
    tags = viterbi(lattice, no_begin=no_begin, no_inside=no_inside)
    assert (lattice.emissions == before).all()
    check_is_best(forbid(lattice, no_begin, no_inside), tags)
    check_keeps_to(tags, no_begin, no_inside)


@given(lattices(large_numbers, st.sampled_from([-INF, -INF, -1e4, 0.0, 1e4])))
def test_impossible_tags_are_avoided_where_they_can_be(lattice):
    # Where no sequence is possible at all the tags are valid even so.
    check_is_best(lattice, viterbi(lattice))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_long_sequences_are_valid(dtype, scale):
    lattice = make_lattice([400, 1, 0, 37, 400], 21, scale=scale, dtype=dtype)
    tags = viterbi(lattice)
    for rows in each_sequence(lattice):
        assert is_valid(tags[rows])
    assert (tags != lattice.emissions.argmax(axis=1)).any()
    assert (tags % 2 == 1).sum() > 100


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]], ids=str)
def test_no_tokens(lengths):
    lattice, nothing = make_lattice(lengths, 5), numpy.zeros(0, dtype=bool)
    assert viterbi(lattice).shape == (0,)
    assert viterbi(lattice, no_begin=nothing, no_inside=nothing).shape == (0,)


def test_ties_give_no_entity():
    lattice = make_lattice([3, 0, 2], 5).scaled(0.0)
    assert viterbi(lattice).tolist() == [0] * 5


@given(lattices(*[st.sampled_from([NAN, INF, -INF, 0.0, 1.0, 3e38])] * 2), st.data())
def test_whatever_the_scores_tags_are_valid_or_there_are_none(lattice, data):
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
def test_scores_that_are_not_finite(name, index, sequence, value):
    lattice = make_lattice([3, 0, 1, 4], 5)
    getattr(lattice, name)[index] = value
    with pytest.raises(ValueError, match=f"sequence {sequence} of the batch.*NaN or infinite"):
        viterbi(lattice)


def test_scores_that_add_up_to_infinity():
    lattice = make_lattice([1, 3], 5)
    lattice.emissions[1:] = 1e308
    with pytest.raises(ValueError, match="sequence 1 of the batch"):
        viterbi(lattice)


@pytest.mark.parametrize("value", [NAN, INF])
def test_scores_of_steps_that_bio_rules_out_do_not_matter(value):
    lattice = make_lattice([3, 0, 1, 4], 5)
    expected = viterbi(lattice).tolist()
    lattice.transitions[0, 2] = lattice.start[4] = value
    assert viterbi(lattice).tolist() == expected
