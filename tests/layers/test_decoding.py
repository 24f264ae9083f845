import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.layers.decoding import decode_bio

from .crf_oracle import is_valid
from .decoding_oracle import (
    INF,
    check_is_best,
    check_keeps_to,
    draw_masks,
    forbid,
    lattices,
)

# All steps between tags that BIO allows are alike here.
no_scores = st.just(0.0)


@given(lattices(no_scores))
def test_finds_the_best_of_all_sequences(lattice):
    check_is_best(lattice, decode_bio(lattice.emissions, lattice.lengths))


@given(lattices(no_scores), st.data())
def test_finds_the_best_of_all_sequences_under_constraints(lattice, data):
    no_begin, no_inside = draw_masks(data, lattice)
    before = lattice.emissions.copy()
    tags = decode_bio(lattice.emissions, lattice.lengths, no_begin=no_begin, no_inside=no_inside)
    assert (lattice.emissions == before).all()
    check_is_best(forbid(lattice, no_begin, no_inside), tags)
    check_keeps_to(tags, no_begin, no_inside)


@given(lattices(no_scores, st.sampled_from([-INF, -INF, -1.0, 0.0, 2.0])))
def test_impossible_tags_are_avoided_where_they_can_be(lattice):
    # Equal scores of -inf say that no sequence is possible at all; the tags are valid even so.
    check_is_best(lattice, decode_bio(lattice.emissions, lattice.lengths))


@given(st.lists(st.lists(st.just(0.0), min_size=5, max_size=5), max_size=4))
def test_ties_give_no_entity(rows):
    scores = numpy.asarray(rows).reshape(-1, 5)
    assert decode_bio(scores, [len(rows)]).tolist() == [0] * len(rows)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_long_random_sequences_are_valid(seed, dtype):
    random = numpy.random.RandomState(seed)
    lengths = [400, 1, 0, 37, 400]
    scores = random.normal(size=(sum(lengths), 21)).astype(dtype)
    tags = decode_bio(scores, lengths)
    together = []
    for end, length in zip(numpy.cumsum(lengths), lengths, strict=True):
        rows = scores[end - length : end]
        assert is_valid(tags[end - length : end])
        together.extend(decode_bio(rows, [length]).tolist())
    assert tags.tolist() == together
    assert (tags != scores.argmax(axis=1)).any()
    # Shorter sequences beside longer ones leave no path that runs into the next sequence.
    assert (tags % 2 == 1).sum() > 100


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # I alone is repaired to whatever costs least: B I, O O or O B.
        ([[0, -1, -9], [-9, -9, 0]], [1, 2]),
        ([[0, -9, -9], [-1, -9, 0]], [0, 0]),
        ([[0, -9, -9], [-9, -1, 0]], [0, 1]),
        # An entity of two types: the type of both together wins.
        ([[-9, 0, -9, -2, -9], [-9, -9, -1.5, -9, 0]], [1, 2]),
        ([[-9, 0, -9, -1, -9], [-9, -9, -1.5, -9, 0]], [3, 4]),
        # I may follow I, but not the I of another type.
        ([[-9, 0, -9, -9, -9], [-9, -9, 0, -9, -9], [-9, -9, -8, -9, 0]], [1, 2, 2]),
        # B may follow anything.
        ([[-9, 0, -9, -9, -9], [-9, 0, -9, -9, -9], [-9, -9, -9, 0, -9]], [1, 1, 3]),
    ],
)
def test_examples(rows, expected):
    assert decode_bio(numpy.asarray(rows, dtype=float), [len(rows)]).tolist() == expected


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_no_tokens(lengths):
    nothing = numpy.zeros(0, dtype=bool)
    scores = numpy.zeros((0, 5), dtype="float32")
    assert decode_bio(scores, lengths).shape == (0,)
    assert decode_bio(scores, lengths, no_begin=nothing, no_inside=nothing).shape == (0,)


def test_an_entity_may_span_where_none_may_begin_but_not_where_none_may_continue():
    scores = numpy.asarray([[0.0, 5.0, 0.0], [0.0, 0.0, 5.0], [0.0, 0.0, 5.0]])
    third = numpy.asarray([False, False, True])
    assert decode_bio(scores, [3], no_begin=third).tolist() == [1, 2, 2]
    assert decode_bio(scores, [3], no_inside=third).tolist() in ([1, 2, 0], [1, 2, 1])
    assert decode_bio(scores, [3], no_begin=third, no_inside=third).tolist() == [1, 2, 0]
