import itertools
from collections.abc import Sequence

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.layers.decoding import decode_bio

from .crf_oracle import is_valid

INF = float("inf")


def best_score(scores: numpy.ndarray) -> float:
    """The best valid sequence's score, by trying all sequences of tags."""
    length, n_tags = scores.shape
    sequences = itertools.product(range(n_tags), repeat=length)
    return max(sum_scores(scores, tags) for tags in sequences if is_valid(tags))


def sum_scores(scores: numpy.ndarray, tags: Sequence[int]) -> float:
    return float(sum(scores[i, tag] for i, tag in enumerate(tags)))


def allowed(
    scores: numpy.ndarray, no_begin: numpy.ndarray | None, no_inside: numpy.ndarray | None
) -> numpy.ndarray:
    """The scores with -inf where the constraints forbid a tag, written plainly."""
    scores = scores.copy()
    for row, tag in numpy.ndindex(*scores.shape):
        is_begin, is_inside = tag % 2 == 1, tag > 0 and tag % 2 == 0
        if (no_begin is not None and no_begin[row] and is_begin) or (
            no_inside is not None and no_inside[row] and is_inside
        ):
            scores[row, tag] = -INF
    return scores


whole_numbers = st.integers(-3, 3).map(float)


@st.composite
def lattices(draw, scores=whole_numbers):
    """Draw the scores of some sequences: few different whole numbers, so that ties are many and
    sums exact."""
    n_types = draw(st.integers(0, 2))
    n_tags = 2 * n_types + 1
    lengths = draw(st.lists(st.integers(0, 4), max_size=3))
    row = st.lists(scores, min_size=n_tags, max_size=n_tags)
    rows = draw(st.lists(row, min_size=sum(lengths), max_size=sum(lengths)))
    return numpy.asarray(rows, dtype="float64").reshape(-1, n_tags), lengths


def check_is_best(scores, lengths, tags, plain_scores):
    ends = numpy.cumsum(lengths)
    for end, length in zip(ends, lengths, strict=True):
        found = tags[end - length : end].tolist()
        assert is_valid(found)
        rows = plain_scores[end - length : end]
        assert sum_scores(rows, found) == best_score(rows)


@given(lattices())
def test_finds_the_best_of_all_sequences(lattice):
    scores, lengths = lattice
    check_is_best(scores, lengths, decode_bio(scores, lengths), scores)


@given(lattices(), st.data())
def test_finds_the_best_of_all_sequences_under_constraints(lattice, data):
    scores, lengths = lattice
    flags = st.lists(st.booleans(), min_size=len(scores), max_size=len(scores))
    no_begin, no_inside = (
        None if value is None else numpy.asarray(value, dtype=bool)
        for value in (data.draw(st.none() | flags), data.draw(st.none() | flags))
    )
    before = scores.copy()
    tags = decode_bio(scores, lengths, no_begin=no_begin, no_inside=no_inside)
    assert (scores == before).all()
    check_is_best(scores, lengths, tags, allowed(scores, no_begin, no_inside))
    if no_begin is not None:
        assert (tags[no_begin] % 2 == 0).all()
    if no_inside is not None:
        assert ((tags[no_inside] == 0) | (tags[no_inside] % 2 == 1)).all()


@given(lattices(scores=st.sampled_from([-INF, -INF, -1.0, 0.0, 2.0])))
def test_impossible_tags_are_avoided_where_they_can_be(lattice):
    scores, lengths = lattice
    # Equal scores of -inf say that no sequence is possible at all; the tags are valid even so.
    check_is_best(scores, lengths, decode_bio(scores, lengths), scores)


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
