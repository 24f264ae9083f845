"""A conditional random field in plain Python, by enumeration of all valid tag sequences."""

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy

from spacy_twitter_ner.layers.crf import Lattice
from spacy_twitter_ner.layers.forward_backward import gold_mask, log_likelihood
from spacy_twitter_ner.layers.types import Bools2d

SCORES = ("emissions", "transitions", "start", "end")
LENGTHS = [3, 0, 1, 4, 0]
# For LENGTHS and two types.
GOLD = [1, 2, 0, 3, 3, 4, 4, 1]


def make_lattice(
    lengths: Sequence[int],
    nO: int,
    *,
    seed: int = 0,
    scale: float = 1.5,
    dtype: str = "float64",
) -> Lattice:
    """Create a lattice of random scores."""
    random = numpy.random.RandomState(seed)
    shapes = ((sum(lengths), nO), (nO, nO), (nO,), (nO,))
    arrays = [random.normal(scale=scale, size=shape).astype(dtype) for shape in shapes]
    return Lattice(*arrays, list(lengths))


def in_float64(lattice: Lattice) -> Lattice:
    return Lattice(*(getattr(lattice, name).astype("float64") for name in SCORES), lattice.lengths)


def tag_likelihood(lattice: Lattice, tags: Sequence[int]) -> tuple[numpy.ndarray, Lattice]:
    """The log-likelihoods of tags, -1 if missing, and their gradient."""
    tags = numpy.asarray(tags, dtype="int64")
    return log_likelihood(lattice, gold_mask(tags, len(lattice.start)))


def possible_from_sets(tags: Sequence[Sequence[int]], nO: int) -> Bools2d:
    """Whether each tag is in a token's set."""
    return numpy.asarray([[tag in known for tag in range(nO)] for known in tags])


def each_sequence(lattice: Lattice) -> Iterator[slice]:
    """Yield the rows of each sequence."""
    ends = numpy.cumsum(lattice.lengths)
    for end, length in zip(ends, lattice.lengths, strict=True):
        yield slice(int(end - length), int(end))


def is_valid(tags: Sequence[int]) -> bool:
    """Whether each I (2, 4, …) follows B or I of its type."""
    return all(
        tag == 0 or tag % 2 == 1 or before in (tag - 1, tag)
        for before, tag in zip([0, *tags], tags, strict=False)
    )


def sequence_score(lattice: Lattice, first_row: int, tags: Sequence[int]) -> float:
    score = lattice.start[tags[0]] + lattice.end[tags[-1]]
    score += sum(lattice.emissions[first_row + i, tag] for i, tag in enumerate(tags))
    return float(score + sum(lattice.transitions[pair] for pair in itertools.pairwise(tags)))


def valid_sequences(
    lattice: Lattice, possible: Bools2d | None = None
) -> Iterator[list[tuple[tuple[int, ...], float]]]:
    """Yield all valid sequences of possible tags, and their scores. An empty sequence has one, with
    score 0."""
    first_row, nO = 0, len(lattice.start)
    for length in lattice.lengths:
        rows = range(first_row, first_row + length)
        choices = [
            range(nO) if possible is None else numpy.flatnonzero(possible[row]) for row in rows
        ]
        yield [
            (tags, sequence_score(lattice, first_row, tags) if tags else 0.0)
            for tags in itertools.product(*choices)
            if is_valid(tags)
        ]
        first_row += length


def log_partitions(lattice: Lattice, possible: Bools2d | None = None) -> list[float]:
    """The log partition function of each sequence."""
    sums = []
    for scored in valid_sequences(lattice, possible):
        largest = max((score for _, score in scored), default=-math.inf)
        total = sum(math.exp(score - largest) for _, score in scored)
        sums.append(largest + math.log(total) if scored else -math.inf)
    return sums


def expected_counts(lattice: Lattice, possible: Bools2d | None = None) -> Lattice:
    """The expected number of each tag, transition, first and last tag."""
    counts = lattice.scaled(0.0)
    sums = log_partitions(lattice, possible)
    first_row = 0
    for scored, log_sum, length in zip(
        valid_sequences(lattice, possible), sums, lattice.lengths, strict=True
    ):
        for tags, score in scored if length else ():
            probability = math.exp(score - log_sum)
            counts.start[tags[0]] += probability
            counts.end[tags[-1]] += probability
            for i, tag in enumerate(tags):
                counts.emissions[first_row + i, tag] += probability
            for pair in itertools.pairwise(tags):
                counts.transitions[pair] += probability
        first_row += length
    return counts


def assert_same_lattice(found: Lattice, expected: Lattice, tolerance: float = 1e-10) -> None:
    assert found.lengths == expected.lengths
    for name in SCORES:
        numpy.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=0, atol=tolerance, err_msg=name
        )
