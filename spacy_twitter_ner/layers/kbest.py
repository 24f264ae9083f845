"""The k most probable sequences of tags: Viterbi's search with the k best paths into each tag
(Seshadri & Sundberg 1994), exact and for all sequences of a batch at once."""

from typing import TypeAlias

import numpy
from thinc.api import NumpyOps
from thinc.types import Floats1d, Floats2d, Floats3d, Ints1d, Ints2d, Ints3d

from .crf import Lattice, bio_transitions
from .decoding import forbid_tags
from .packing import Packing, pack_sequences

Bools1d: TypeAlias = numpy.ndarray

_CPU = NumpyOps()


def kbest(
    lattice: Lattice,
    k: int,
    *,
    no_begin: Bools1d | None = None,
    no_inside: Bools1d | None = None,
) -> list[tuple[Ints2d, Floats1d]]:
    """Find each sequence's k best valid tags.

    lattice (Lattice): The scores, in ordinary memory.
    k (int): How many, from 1.
    no_begin (Optional[Bools1d]): (N,) where no entity may begin.
    no_inside (Optional[Bools1d]): (N,) where no entity may continue.
    RETURNS (list[tuple[Ints2d, Floats1d]]): For each sequence, (K, nT) tags and (K,) scores, the
        best first. K is less than k where there are fewer valid sequences.
    RAISES (ValueError): If k is less than 1.
    """
    if k < 1:
        raise ValueError(f"k has to be 1 or more, not {k}")
    packing = pack_sequences(_CPU, lattice.lengths)
    best, origins = _search(lattice, packing, k, no_begin, no_inside)
    rows, lengths = _last_rows(lattice.lengths)
    places = numpy.empty_like(packing.left_to_right)
    places[packing.left_to_right] = numpy.arange(len(places))
    finals = best[places[rows]] + lattice.end[:, None]
    paths, scores = _largest(finals.reshape(len(rows), len(lattice.end) * k), k)
    tags = _backtrack(packing, origins, paths)
    nothing = (numpy.zeros((1, 0), dtype="int64"), numpy.zeros(1))
    found: list[tuple[Ints2d, Floats1d]] = [nothing for _ in lattice.lengths]
    for sequence, last, length, sequence_scores in zip(
        numpy.flatnonzero(lattice.lengths), rows, lengths, scores, strict=True
    ):
        n_valid = int((sequence_scores > -numpy.inf).sum())
        sequence_tags = tags[last + 1 - length : last + 1, :n_valid].T
        found[sequence] = (sequence_tags, sequence_scores[:n_valid])
    return found


def _search(
    lattice: Lattice,
    packing: Packing,
    k: int,
    no_begin: Bools1d | None,
    no_inside: Bools1d | None,
) -> tuple[Floats3d, Ints3d]:
    """RETURNS (tuple[Floats3d, Ints3d]): (N, nO, k) the scores of the best paths into each tag,
    and of each the path that it continues, numbered tag * k + rank. In packed order."""
    emissions = forbid_tags(lattice.emissions.astype("float64"), no_begin, no_inside)
    emissions = emissions[packing.left_to_right]
    n_rows, nO = emissions.shape
    allowed = bio_transitions(nO)
    steps = numpy.where(allowed, lattice.transitions.astype("float64"), -numpy.inf)
    best = numpy.full((n_rows, nO, k), -numpy.inf)
    origins = numpy.zeros((n_rows, nO, k), dtype="int64")
    first = numpy.where(allowed[0], lattice.start, -numpy.inf)
    best[: packing.first_step, :, 0] = emissions[: packing.first_step] + first
    outside_or_begin = [0, *range(1, nO, 2)]
    into_outside_or_begin = numpy.ascontiguousarray(steps[:, outside_or_begin].T)
    from_begin_or_inside = numpy.stack([steps.diagonal(1)[1::2], steps.diagonal()[2::2]], axis=1)
    before = 0
    for start, end in packing.bounds[1:]:
        paths = best[before : before + end - start]
        ways = _extend(paths, into_outside_or_begin)
        origins[start:end, outside_or_begin], best[start:end, outside_or_begin] = ways
        # An I comes from the two tags B and I of its type, which are next to each other.
        pairs = paths[:, 1:].reshape(end - start, nO // 2, 2, k) + from_begin_or_inside[..., None]
        places, best[start:end, 2::2] = _largest(pairs.reshape(end - start, nO // 2, 2 * k), k)
        origins[start:end, 2::2] = places + k * numpy.arange(1, nO, 2)[:, None]
        best[start:end] += emissions[start:end, :, None]
        before = start
    return best, origins


def _extend(paths: Floats3d, steps: Floats2d) -> tuple[Ints3d, Floats3d]:
    """Find the k best ways from all paths of a step to some tags.

    paths (Floats3d): (rows, nO, k) the scores of the best paths into each tag, the best first.
    steps (Floats2d): (m, nO) the scores of steps to each of m tags.
    RETURNS (tuple[Ints3d, Floats3d]): (rows, m, k) the path that each continues, and its score.
    """
    n_rows, nO, k = paths.shape
    # The k best ways come from the k tags whose best paths make the best ones.
    tags = _places_of_largest(paths[:, None, :, 0] + steps, min(k, nO))
    scores = paths[numpy.arange(n_rows)[:, None, None], tags]
    scores += numpy.take_along_axis(steps[None], tags, axis=2)[..., None]
    numbers = tags[..., None] * k + numpy.arange(k)
    shape = (n_rows, len(steps), -1)
    places, scores = _largest(scores.reshape(shape), k)
    return numpy.take_along_axis(numbers.reshape(shape), places, axis=2), scores


def _largest(scores: numpy.ndarray, k: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The places of the k largest along the last axis, and what stands there; the first of equal
    ones first."""
    candidates = _places_of_largest(scores, k)
    values = numpy.take_along_axis(scores, candidates, axis=-1)
    order = numpy.argsort(-values, axis=-1, kind="stable")
    return (
        numpy.take_along_axis(candidates, order, axis=-1),
        numpy.take_along_axis(values, order, axis=-1),
    )


def _places_of_largest(scores: numpy.ndarray, k: int) -> numpy.ndarray:
    places = numpy.argpartition(scores, -k, axis=-1)[..., -k:]
    places.sort(axis=-1)
    return places


def _last_rows(lengths: list[int]) -> tuple[Ints1d, Ints1d]:
    """The last row, and the length, of each sequence that is not empty."""
    sizes = numpy.asarray(lengths, dtype="int64")
    is_some = sizes > 0
    return numpy.cumsum(sizes)[is_some] - 1, sizes[is_some]


def _backtrack(packing: Packing, origins: Ints3d, paths: Ints2d) -> Ints2d:
    """Follow paths back from their ends.

    packing (Packing): The order of the origins' rows.
    origins (Ints3d): (N, nO, k) the path that each continues.
    paths (Ints2d): (sequences, K) the paths at each sequence's end, in the batch's order.
    RETURNS (Ints2d): (N, K) the tags, in the batch's order.
    """
    k = origins.shape[2]
    tags = numpy.zeros((len(origins), paths.shape[1]), dtype="int64")
    by_length = numpy.argsort(packing.left_to_right[: packing.first_step], kind="stable")
    current = numpy.empty_like(paths)
    current[by_length] = paths
    for start, end in reversed(packing.bounds):
        size = end - start
        state = current[:size].copy()
        tags[start:end] = state // k
        flat = origins[start:end].reshape(size, -1)
        current[:size] = numpy.take_along_axis(flat, state, axis=1)
    unpacked = numpy.empty_like(tags)
    unpacked[packing.left_to_right] = tags
    return unpacked
