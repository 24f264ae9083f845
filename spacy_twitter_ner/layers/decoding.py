"""The most probable valid tags of a lattice (Viterbi 1967), or the k most probable ones.

Most tokens of a text are certainly outside of entities: O is so much better that no entity on
either side can compensate for one here. Such tokens are found first, for all tokens at once. The
segments between them are searched as separate sequences: long texts become many short ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from thinc.types import Floats1d, Floats2d, Floats3d, Ints1d, Ints2d, Ints3d

from ..iob import BEGIN_TAGS, INSIDE_TAGS, OUTSIDE_TAG, begin_tag
from .crf import Lattice, TransitionScores
from .packing import Packing, pack_sequences, with_previous
from .types import CPU, Bools1d

# The minimum advantage of O over any entity, far above the rounding errors of sums.
MARGIN = 0.01
# Clip score differences so that cumulative sums stay precise.
MAX_DIFFERENCE = 1e6


@dataclass(frozen=True)
class Segments:
    """The segments of a batch's sequences that are left to search.

    rows (Ints1d): (M,) the tokens of all segments, concatenated.
    lengths (Ints1d): (P,) the segment lengths.
    follows (Bools1d): (P,) whether a pruned token comes before the segment.
    precedes (Bools1d): (P,) whether a pruned token comes after the segment.
    """

    rows: Ints1d
    lengths: Ints1d
    follows: Bools1d
    precedes: Bools1d


def forbid_tags(scores: Floats2d, no_begin: Bools1d | None, no_inside: Bools1d | None) -> Floats2d:
    """Apply constraints to emission scores.

    scores (Floats2d): (N, nO) each token's scores.
    no_begin (Optional[Bools1d]): (N,) where no entity may begin.
    no_inside (Optional[Bools1d]): (N,) where no entity may continue.
    RETURNS (Floats2d): (N, nO) the scores, -inf for forbidden tags; a copy if there is a mask.
    """
    if no_begin is None and no_inside is None:
        return scores
    scores = scores.copy()
    if no_begin is not None:
        scores[no_begin, BEGIN_TAGS] = -numpy.inf
    if no_inside is not None:
        scores[no_inside, INSIDE_TAGS] = -numpy.inf
    return scores


# Sums that aren't finite are reported at the end.
@numpy.errstate(invalid="ignore", over="ignore")
def viterbi(
    lattice: Lattice, *, no_begin: Bools1d | None = None, no_inside: Bools1d | None = None
) -> Ints1d:
    """Compute each sequence's most probable valid tags.

    lattice (Lattice): The scores, as NumPy arrays.
    no_begin (Optional[Bools1d]): (N,) where no entity may begin.
    no_inside (Optional[Bools1d]): (N,) where no entity may continue.
    RETURNS (Ints1d): (N,) the tags.
    RAISES (ValueError): If scores are NaN or add up to infinity.
    """
    emissions = forbid_tags(lattice.emissions, no_begin, no_inside)
    scores = TransitionScores.from_lattice(lattice)
    segments = _find_segments(prune_outside(emissions, scores), lattice.lengths)
    tags = numpy.full(len(emissions), OUTSIDE_TAG, dtype="int64")
    if len(segments.rows):
        packing = pack_sequences(CPU, segments.lengths)
        rows = segments.rows[packing.forward]
        best, final = _search(emissions[rows], packing, scores, segments)
        last = numpy.flatnonzero(packing.is_last)
        _check_finite(best, final, last, rows, lattice.lengths)
        path = numpy.empty(len(rows), dtype="int64")
        path[last] = final.argmax(axis=0)
        for before, start, end in with_previous(packing.step_offsets)[:0:-1]:
            paths = best[:, before : before + end - start]
            paths = paths + scores.transitions[:, path[start:end]]
            path[before : before + end - start] = paths.argmax(axis=0)
        tags[rows] = path
    return tags


def viterbi_kbest(
    lattice: Lattice,
    k: int,
    *,
    no_begin: Bools1d | None = None,
    no_inside: Bools1d | None = None,
) -> list[tuple[Ints2d, Floats1d]]:
    """Compute each sequence's k most probable valid tags: Viterbi's search with the k best paths
    into each tag (Seshadri & Sundberg 1994).

    lattice (Lattice): The scores, as NumPy arrays.
    k (int): Number of paths, at least 1.
    no_begin (Optional[Bools1d]): (N,) where no entity may begin.
    no_inside (Optional[Bools1d]): (N,) where no entity may continue.
    RETURNS (list[tuple[Ints2d, Floats1d]]): (K, nT) tags and (K,) scores per sequence, best first.
        K is less than k if there are fewer valid sequences.
    RAISES (ValueError): If k is less than 1.
    """
    if k < 1:
        raise ValueError(f"k has to be 1 or more, not {k}")
    packing = pack_sequences(CPU, lattice.lengths)
    emissions = forbid_tags(lattice.emissions.astype("float64"), no_begin, no_inside)
    scores = TransitionScores.from_lattice(lattice)
    best, origins = _search_kbest(emissions[packing.forward], packing, scores, k)
    last = numpy.flatnonzero(packing.is_last)
    finals = best[last] + scores.end[:, None]
    last_paths, last_scores = _largest(finals.reshape(len(last), len(scores.end) * k), k)
    paths = numpy.zeros((len(best), last_paths.shape[1]), dtype="int64")
    paths[last] = last_paths
    for before, start, end in with_previous(packing.step_offsets)[:0:-1]:
        origin = origins[start:end].reshape(end - start, -1)
        paths[before : before + end - start] = numpy.take_along_axis(origin, paths[start:end], 1)
    tags = (paths // k)[packing.inverse]
    empty = (numpy.zeros((1, 0), dtype="int64"), numpy.zeros(1))
    found: list[tuple[Ints2d, Floats1d]] = [empty for _ in lattice.lengths]
    for row, path_scores in zip(last, last_scores, strict=True):
        sequence, end = packing.owner[row], packing.forward[row] + 1
        n_valid = int((path_scores > -numpy.inf).sum())
        rows = slice(end - lattice.lengths[sequence], end)
        found[sequence] = tags[rows, :n_valid].T, path_scores[:n_valid]
    return found


def prune_outside(emissions: Floats2d, scores: TransitionScores) -> Bools1d:
    """Find tokens that are O in the most probable tags.

    Suppose that the best tags of some consecutive tokens are not O. If they were O, transitions
    would be worse by at most the difference between the best transitions into, within and out of
    entities, and O after O. So there is no such run if the O emissions of its tokens exceed all
    others by more than that in sum. A token is O if this is true for all runs that may contain it;
    the worst run consists of the worst ones to its left and right.

    emissions (Floats2d): (N, nO) emission scores, -inf for forbidden tags.
    scores (TransitionScores): The transition scores.
    RETURNS (Bools1d): (N,) which tokens are O.
    """
    none = numpy.zeros(len(emissions), dtype=bool)
    if emissions.shape[1] == 1 or not len(emissions):
        return none
    transitions, start, end = scores
    stay = float(transitions[OUTSIDE_TAG, OUTSIDE_TAG])
    begin_start = start[BEGIN_TAGS] - start[OUTSIDE_TAG]
    enter = numpy.maximum(transitions[OUTSIDE_TAG, BEGIN_TAGS].max() - stay, begin_start.max())
    leave = numpy.maximum(
        transitions[1:, OUTSIDE_TAG].max() - stay, (end[1:] - end[OUTSIDE_TAG]).max()
    )
    within = transitions[1:, 1:].max() - stay
    outside, other = emissions[:, OUTSIDE_TAG].astype("float64"), emissions[:, 1:].max(axis=1)
    limits = numpy.asarray([enter, leave, within, outside.min(), outside.max(), other.max()])
    # Comparisons with NaN are false.
    if not (numpy.isfinite(limits[:5]).all() and limits[5] < numpy.inf):
        return none
    gains = numpy.maximum(within - (outside - other), -MAX_DIFFERENCE)
    sums = numpy.concatenate([numpy.zeros(1), numpy.cumsum(gains)])
    from_left = sums[:-1] - numpy.minimum.accumulate(sums[:-1])
    from_right = numpy.maximum.accumulate(sums[:0:-1])[::-1] - sums[1:]
    return from_left + gains + from_right + (enter + leave - within) < -MARGIN


def _find_segments(outside: Bools1d, lengths: Sequence[int]) -> Segments:
    sizes = numpy.asarray(lengths, dtype="int64")
    ends = numpy.cumsum(sizes)
    # Whether the preceding and following tokens of the same sequence are pruned.
    before, after = numpy.zeros((2, len(outside)), dtype=bool)
    is_first = numpy.zeros(len(outside), dtype=bool)
    is_first[(ends - sizes)[sizes > 0]] = True
    before[1:] = outside[:-1] & ~is_first[1:]
    after[:-1] = outside[1:] & ~is_first[1:]
    rows = numpy.flatnonzero(~outside)
    begins = numpy.flatnonzero((before | is_first)[rows])
    segment_lengths = numpy.diff(begins, append=len(rows))
    last = rows[begins + segment_lengths - 1]
    return Segments(rows, segment_lengths, before[rows[begins]], after[last])


def _search(
    emissions: Floats2d, packing: Packing, scores: TransitionScores, segments: Segments
) -> tuple[Floats2d, Floats2d]:
    """RETURNS (tuple[Floats2d, Floats2d]): (nO, M) the scores of the best path into each tag, in
    packed order, and (nO, P) those of the last tokens, including what follows."""
    transitions = scores.transitions
    to_outside_or_begin = transitions[:, _outside_or_begin(transitions)].T[:, :, None].copy()
    from_begin, from_inside = (each[:, None] for each in _inside_transitions(transitions))
    # One row per tag, so that the tokens of a step are adjacent. Float32 sums would be imprecise.
    best = emissions.T.astype("float64", order="C")
    n_first, is_last = packing.n_sequences, packing.is_last
    follows = segments.follows[packing.owner[:n_first]]
    from_outside = transitions[OUTSIDE_TAG, :, None]
    best[:, :n_first] += numpy.where(follows, from_outside, scores.start[:, None])
    for before, start, end in with_previous(packing.step_offsets)[1:]:
        path = best[:, before : before + end - start]
        # I is only reached from B and I of its type.
        inside = numpy.maximum(path[BEGIN_TAGS] + from_begin, path[INSIDE_TAGS] + from_inside)
        paths = (path + to_outside_or_begin).max(axis=1)
        best[OUTSIDE_TAG, start:end] += paths[0]
        best[BEGIN_TAGS, start:end] += paths[1:]
        best[INSIDE_TAGS, start:end] += inside
    precedes = segments.precedes[packing.owner[is_last]]
    to_outside = transitions[:, OUTSIDE_TAG, None]
    return best, best[:, is_last] + numpy.where(precedes, to_outside, scores.end[:, None])


def _search_kbest(
    emissions: Floats2d, packing: Packing, scores: TransitionScores, k: int
) -> tuple[Floats3d, Ints3d]:
    """RETURNS (tuple[Floats3d, Ints3d]): (N, nO, k) the scores of the best paths into each tag, and
    the path that each continues, numbered tag * k + rank. In packed order."""
    n_rows, nO = emissions.shape
    best = numpy.full((n_rows, nO, k), -numpy.inf)
    origins = numpy.zeros((n_rows, nO, k), dtype="int64")
    n_first = packing.n_sequences
    best[:n_first, :, 0] = emissions[:n_first] + scores.start
    outside_or_begin = _outside_or_begin(scores.transitions)
    to_outside_or_begin = numpy.ascontiguousarray(scores.transitions[:, outside_or_begin].T)
    from_begin_or_inside = numpy.stack(_inside_transitions(scores.transitions), axis=1)[..., None]
    begin_tags = begin_tag(numpy.arange(nO // 2))
    for before, start, end in with_previous(packing.step_offsets)[1:]:
        size = end - start
        paths = best[before : before + size]
        extended = _extend(paths, to_outside_or_begin)
        origins[start:end, outside_or_begin], best[start:end, outside_or_begin] = extended
        # B and I of a type are adjacent.
        pairs = paths[:, 1:].reshape(size, nO // 2, 2, k) + from_begin_or_inside
        indices, best[start:end, INSIDE_TAGS] = _largest(pairs.reshape(size, nO // 2, 2 * k), k)
        origins[start:end, INSIDE_TAGS] = indices + k * begin_tags[:, None]
        best[start:end] += emissions[start:end, :, None]
    return best, origins


def _extend(paths: Floats3d, transitions: Floats2d) -> tuple[Ints3d, Floats3d]:
    """Compute the k best extensions of all paths of a step to some tags.

    paths (Floats3d): (rows, nO, k) the scores of the best paths into each tag, best first.
    transitions (Floats2d): (m, nO) the scores of transitions to each of m tags.
    RETURNS (tuple[Ints3d, Floats3d]): (rows, m, k) the path that each continues, and its score.
    """
    n_rows, nO, k = paths.shape
    # The k best extensions come from the k tags with the best first-ranked extensions.
    tags = _indices_of_largest(paths[:, None, :, 0] + transitions, min(k, nO))
    scores = paths[numpy.arange(n_rows)[:, None, None], tags]
    scores += numpy.take_along_axis(transitions[None], tags, axis=2)[..., None]
    numbers = tags[..., None] * k + numpy.arange(k)
    shape = (n_rows, len(transitions), -1)
    indices, scores = _largest(scores.reshape(shape), k)
    return numpy.take_along_axis(numbers.reshape(shape), indices, axis=2), scores


def _outside_or_begin(transitions: Floats2d) -> list[int]:
    return [OUTSIDE_TAG, *range(len(transitions))[BEGIN_TAGS]]


def _inside_transitions(transitions: Floats2d) -> tuple[Floats1d, Floats1d]:
    """RETURNS (tuple[Floats1d, Floats1d]): (types,) the scores of B to I, and of I to I."""
    return transitions.diagonal(1)[BEGIN_TAGS], transitions.diagonal()[INSIDE_TAGS]


def _check_finite(
    best: Floats2d, final: Floats2d, last: Ints1d, rows: Ints1d, lengths: Sequence[int]
) -> None:
    # numpy.maximum propagates NaN.
    if numpy.maximum(best.max(), final.max()) < numpy.inf:
        return
    is_usable = (best < numpy.inf).all(axis=0)
    is_usable[last] &= (final < numpy.inf).all(axis=0)
    row = rows[is_usable.argmin()]
    sequence = numpy.searchsorted(numpy.cumsum(lengths), row, side="right")
    raise ValueError(
        f"cannot decode sequence {sequence} of the batch: its scores are NaN or infinite. Check "
        "the model's weights for such values, which are a sign that training diverged"
    )


def _largest(scores: numpy.ndarray, k: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """RETURNS (tuple): The indices of the k largest scores along the last axis, and these scores.
    Descending, the first of equal scores first."""
    candidates = _indices_of_largest(scores, k)
    values = numpy.take_along_axis(scores, candidates, axis=-1)
    order = numpy.argsort(-values, axis=-1, kind="stable")
    return (
        numpy.take_along_axis(candidates, order, axis=-1),
        numpy.take_along_axis(values, order, axis=-1),
    )


def _indices_of_largest(scores: numpy.ndarray, k: int) -> numpy.ndarray:
    indices = numpy.argpartition(scores, -k, axis=-1)[..., -k:]
    indices.sort(axis=-1)
    return indices
