"""Decoding of BIO tags: the most probable sequence among the valid ones.

Tags are numbered as in iob.bio_tags: 0 is O, and type k has B at 2k + 1 and I at 2k + 2. The one
rule of BIO is that I of a type follows B or I of the same type; so the best way into an I comes
from two tags, and the best way into any other tag is the best of all. A step of the Viterbi
search then costs as many operations as there are tags, not their square.
"""

import numpy
from thinc.api import NumpyOps
from thinc.types import Floats2d, Ints1d, Ints2d

from .packing import Packing, pack_sequences

Bools1d = numpy.ndarray

_CPU = NumpyOps()


def decode_bio(
    scores: Floats2d,
    lengths: Ints1d,
    *,
    no_begin: Bools1d | None = None,
    no_inside: Bools1d | None = None,
) -> Ints1d:
    """Find each sequence's best valid tags: those with the largest sum of scores.

    scores (Floats2d): (N, nT) each token's score for each tag, as log-probabilities, in
        ordinary memory. All sequences, one after another.
    lengths (Ints1d): (B,) the sequences' lengths.
    no_begin (Optional[Bools1d]): (N,) where no entity may begin.
    no_inside (Optional[Bools1d]): (N,) where no entity may continue.
    RETURNS (Ints1d): (N,) the tags.
    """
    lengths = numpy.asarray(lengths, dtype="int64")
    scores = forbid_tags(scores, no_begin, no_inside)
    tags = scores.argmax(axis=1) if len(scores) else numpy.zeros(0, dtype="int64")
    # Where the best tag of every token happens to make a valid sequence, no search is needed.
    starts = numpy.cumsum(lengths) - lengths
    owner = numpy.repeat(numpy.arange(len(lengths)), lengths)
    searched = numpy.zeros(len(lengths), dtype=bool)
    searched[owner[_invalid(tags, starts[lengths > 0])]] = True
    if searched.any():
        rows = searched[owner]
        tags[rows] = _viterbi(scores[rows], lengths[searched])
    return tags


def forbid_tags(scores: Floats2d, no_begin: Bools1d | None, no_inside: Bools1d | None) -> Floats2d:
    """Take away the tags that may not stand somewhere.

    scores (Floats2d): (N, nT) each token's score for each tag.
    no_begin (Optional[Bools1d]): (N,) where no entity may begin.
    no_inside (Optional[Bools1d]): (N,) where no entity may continue.
    RETURNS (Floats2d): (N, nT) the scores, -inf for those tags; a copy if there is a mask.
    """
    if no_begin is None and no_inside is None:
        return scores
    scores = scores.copy()
    if no_begin is not None:
        scores[no_begin, 1::2] = -numpy.inf
    if no_inside is not None:
        scores[no_inside, 2::2] = -numpy.inf
    return scores


def _invalid(tags: Ints1d, starts: Ints1d) -> Bools1d:
    """Where an I does not follow B or I of its type."""
    previous = numpy.empty_like(tags)
    previous[1:] = tags[:-1]
    previous[starts] = 0
    is_inside = (tags > 0) & (tags % 2 == 0)
    return is_inside & (previous != tags) & (previous != tags - 1)


def _viterbi(scores: Floats2d, lengths: Ints1d) -> Ints1d:
    packing = pack_sequences(_CPU, lengths)
    # Float32 would lose digits of sums over long sequences.
    packed = scores[packing.left_to_right].astype("float64")
    origins = numpy.zeros(packed.shape, dtype="int64")
    best = packed  # each tag's best path so far, at the packed place of its last token
    for step, (start, end) in enumerate(packing.bounds):
        if step == 0:
            best[start:end, 2::2] = -numpy.inf
            continue
        before = packing.bounds[step - 1][0]
        path = best[before : before + end - start]
        origin = origins[start:end]
        origin[:] = path.argmax(axis=1)[:, None]
        begin, inside = path[:, 1::2], path[:, 2::2]
        from_inside = inside > begin
        origin[:, 2::2] = numpy.arange(1, path.shape[1], 2) + from_inside
        best[start:end, 0] += path.max(axis=1)
        best[start:end, 1::2] += path.max(axis=1)[:, None]
        best[start:end, 2::2] += numpy.where(from_inside, inside, begin)
    return backtrack(packing, best, origins)


def backtrack(packing: Packing, best: Floats2d, origins: Ints2d) -> Ints1d:
    """Follow the best paths back from their ends.

    packing (Packing): The order of the two arrays' rows: packed, read from the left.
    best (Floats2d): (N, nT) the score of the best path that ends in each tag.
    origins (Ints2d): (N, nT) the tag before, on that path.
    RETURNS (Ints1d): (N,) the tags, in the batch's order.
    """
    tags = best.argmax(axis=1)  # right for last tokens, overwritten for all others
    bounds = packing.bounds
    for (start, _), (later, later_end) in zip(bounds[-2::-1], bounds[:0:-1], strict=True):
        size = later_end - later
        tags[start : start + size] = origins[later + numpy.arange(size), tags[later:later_end]]
    unpacked = numpy.empty_like(tags)
    unpacked[packing.left_to_right] = tags
    return unpacked
