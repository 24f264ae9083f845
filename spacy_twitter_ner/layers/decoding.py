"""The most probable valid tags of a lattice (Viterbi 1967), or the k most probable ones."""

import numpy
from thinc.types import Floats1d, Floats2d, Floats3d, Ints1d, Ints2d, Ints3d

from ..iob import BEGIN_TAGS, INSIDE_TAGS, OUTSIDE_TAG, begin_tag
from . import compiled
from .crf import Lattice, TransitionScores
from .packing import Packing, pack_sequences, with_previous
from .types import CPU, Bools1d


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
    search = _viterbi
    if compiled.kernel is not None:
        is_float = lattice.emissions.dtype == numpy.float32
        search = compiled.kernel.viterbi["float" if is_float else "double"]
    tags, unusable = search(
        numpy.asarray(lattice.lengths, dtype="int64"),
        numpy.ascontiguousarray(lattice.emissions),
        None if no_begin is None else numpy.ascontiguousarray(no_begin).view("uint8"),
        None if no_inside is None else numpy.ascontiguousarray(no_inside).view("uint8"),
        *(
            score.astype("float64", order="C")
            for score in (lattice.transitions, lattice.start, lattice.end)
        ),
    )
    if unusable >= 0:
        raise ValueError(
            f"cannot decode sequence {unusable} of the batch: its scores are NaN or infinite. "
            "Check the model's weights for such values, which are a sign that training diverged"
        )
    return tags


# Sums that aren't finite are reported.
@numpy.errstate(invalid="ignore", over="ignore")
def _viterbi(
    lengths: Ints1d,
    emissions: Floats2d,
    no_begin: Ints1d | None,
    no_inside: Ints1d | None,
    transitions: Floats2d,
    start: Floats1d,
    end: Floats1d,
) -> tuple[Ints1d, int]:
    """Search like the function of this name in the compiled kernel.

    RETURNS (tuple[Ints1d, int]): (N,) the tags, and the index of the first sequence with scores
        that are NaN or infinite, -1 if there is none.
    """
    packing = pack_sequences(CPU, lengths)
    scores = TransitionScores.from_lattice(Lattice(emissions, transitions, start, end, []))
    masks = (None if mask is None else mask.astype(bool) for mask in (no_begin, no_inside))
    best = _search(forbid_tags(emissions, *masks)[packing.forward], packing, scores)
    last = numpy.flatnonzero(packing.is_last)
    final = best[:, last] + scores.end[:, None]
    tags, path = numpy.zeros((2, len(emissions)), dtype="int64")
    path[last] = final.argmax(axis=0)
    for before, begin, stop in with_previous(packing.step_offsets)[:0:-1]:
        paths = best[:, before : before + stop - begin]
        paths = paths + scores.transitions[:, path[begin:stop]]
        path[before : before + stop - begin] = paths.argmax(axis=0)
    tags[packing.forward] = path
    # Comparisons with NaN are false.
    is_usable = (best < numpy.inf).all(axis=0)
    is_usable[last] &= (final < numpy.inf).all(axis=0)
    unusable = packing.owner[~is_usable]
    return tags, int(unusable.min()) if len(unusable) else -1


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


def _search(emissions: Floats2d, packing: Packing, scores: TransitionScores) -> Floats2d:
    """RETURNS (Floats2d): (nO, N) the scores of the best path into each tag, in packed order."""
    transitions = scores.transitions
    to_outside_or_begin = transitions[:, _outside_or_begin(transitions)].T[:, :, None].copy()
    from_begin, from_inside = (each[:, None] for each in _inside_transitions(transitions))
    # One row per tag, so that the tokens of a step are adjacent. Float32 sums would be imprecise.
    best = emissions.T.astype("float64", order="C")
    best[:, : packing.n_sequences] += scores.start[:, None]
    for before, start, end in with_previous(packing.step_offsets)[1:]:
        path = best[:, before : before + end - start]
        # I is only reached from B and I of its type.
        inside = numpy.maximum(path[BEGIN_TAGS] + from_begin, path[INSIDE_TAGS] + from_inside)
        paths = (path + to_outside_or_begin).max(axis=1)
        best[OUTSIDE_TAG, start:end] += paths[0]
        best[BEGIN_TAGS, start:end] += paths[1:]
        best[INSIDE_TAGS, start:end] += inside
    return best


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
