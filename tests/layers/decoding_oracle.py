"""Hypothesis strategies for lattices, and checks of decoded tags."""

import math
from dataclasses import replace
from typing import Any

import numpy
from hypothesis import strategies as st

from spacy_twitter_ner.layers.crf import Lattice

from .crf_oracle import each_sequence, is_valid, sequence_score, valid_sequences

INF = float("inf")
Mask = numpy.ndarray | None

# Many ties, and exact sums.
whole_numbers = st.integers(-3, 3).map(float)


@st.composite
def lattices(
    draw: st.DrawFn,
    scores: st.SearchStrategy[float] = whole_numbers,
    emissions: st.SearchStrategy[float] = whole_numbers,
) -> Lattice:
    """Draw a lattice of a few short sequences."""
    nO = 2 * draw(st.integers(0, 2)) + 1
    lengths = draw(st.lists(st.integers(0, 4), max_size=3))

    def array(shape: tuple[int, ...], elements: st.SearchStrategy[float]) -> numpy.ndarray:
        size = math.prod(shape)
        drawn = draw(st.lists(elements, min_size=size, max_size=size))
        return numpy.asarray(drawn, dtype="float32").reshape(shape)

    return Lattice(
        emissions=array((sum(lengths), nO), emissions),
        transitions=array((nO, nO), scores),
        start=array((nO,), scores),
        end=array((nO,), scores),
        lengths=lengths,
    )


def draw_masks(data: Any, lattice: Lattice) -> tuple[Mask, Mask]:
    """Draw the constraints no_begin and no_inside."""
    n_tokens = sum(lattice.lengths)
    flags = st.lists(st.booleans(), min_size=n_tokens, max_size=n_tokens)
    masks = st.none() | flags.map(lambda values: numpy.asarray(values, dtype=bool))
    return data.draw(masks), data.draw(masks)


def forbid(lattice: Lattice, no_begin: Mask, no_inside: Mask) -> Lattice:
    """A plain implementation of constraints."""
    emissions = lattice.emissions.copy()
    for row, tag in numpy.ndindex(*emissions.shape):
        is_begin, is_inside = tag % 2 == 1, tag > 0 and tag % 2 == 0
        if (no_begin is not None and no_begin[row] and is_begin) or (
            no_inside is not None and no_inside[row] and is_inside
        ):
            emissions[row, tag] = -INF
    return replace(lattice, emissions=emissions)


def check_is_best(lattice: Lattice, tags: numpy.ndarray) -> None:
    """Check that tags are valid and have the highest score."""
    assert tags.shape == (sum(lattice.lengths),)
    for rows, scored in zip(each_sequence(lattice), valid_sequences(lattice), strict=True):
        found = tags[rows].tolist()
        assert is_valid(found)
        if found:
            assert sequence_score(lattice, rows.start, found) == max(score for _, score in scored)


def check_constraints(tags: numpy.ndarray, no_begin: Mask, no_inside: Mask) -> None:
    if no_begin is not None:
        assert (tags[no_begin] % 2 == 0).all()
    if no_inside is not None:
        assert ((tags[no_inside] == 0) | (tags[no_inside] % 2 == 1)).all()
