"""The most probable valid tags of a CRF's lattice (Viterbi 1967).

Most tokens of a text are surely outside of entities: O is so much better there that no entity on
either side can pay for one here. They are found first, for all tokens at once, and are O. What lies
between them is searched, as if each piece were a sequence of its own: long texts become many short
ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy
from thinc.api import NumpyOps
from thinc.types import Floats2d, Ints1d

from .crf import Lattice, bio_transitions
from .decoding import forbid_tags
from .packing import Packing, pack_sequences

Bools1d: TypeAlias = numpy.ndarray

OUTSIDE = 0
# How much better than any entity O has to be: much more than sums of scores lose in rounding.
MARGIN = 0.01
# Scores of one token that differ by more count as differing by so much, lest sums lose digits.
MAX_DIFFERENCE = 1e6

_CPU = NumpyOps()


@dataclass(frozen=True)
class Pieces:
    """Parts of the sequences of a batch, to be searched.

    rows (Ints1d): (M,) the tokens, of all pieces one after another.
    lengths (Ints1d): (P,) how many each piece has.
    follows (Bools1d): (P,) whether a token that is surely outside comes before it.
    precedes (Bools1d): (P,) whether one comes after it.
    """

    rows: Ints1d
    lengths: Ints1d
    follows: Bools1d
    precedes: Bools1d


# Sums that are not finite are an error at the end, not warnings on the way.
@numpy.errstate(invalid="ignore", over="ignore")
def viterbi(
    lattice: Lattice, *, no_begin: Bools1d | None = None, no_inside: Bools1d | None = None
) -> Ints1d:
    """Find each sequence's most probable valid tags.

    lattice (Lattice): The scores, in ordinary memory.
    no_begin (Optional[Bools1d]): (N,) where no entity may begin.
    no_inside (Optional[Bools1d]): (N,) where no entity may continue.
    RETURNS (Ints1d): (N,) the tags.
    RAISES (ValueError): If scores are NaN or add up to infinity.
    """
    emissions = forbid_tags(lattice.emissions, no_begin, no_inside)
    allowed = bio_transitions(emissions.shape[1])
    steps = numpy.where(allowed, lattice.transitions.astype("float64"), -numpy.inf)
    tags = numpy.full(len(emissions), OUTSIDE, dtype="int64")
    pieces = _find_pieces(surely_outside(lattice, emissions, steps), lattice.lengths)
    if not len(pieces.rows):
        return tags
    packing = pack_sequences(_CPU, pieces.lengths)
    # A row for each tag, so that the tokens of a step lie side by side.
    # Float32 would lose digits of sums over long sequences.
    best = emissions[pieces.rows[packing.left_to_right]].T.astype("float64", order="C")
    longest_first = numpy.argsort(-pieces.lengths, kind="stable")
    follows, precedes = pieces.follows[longest_first], pieces.precedes[longest_first]
    start = numpy.where(allowed[OUTSIDE], lattice.start, -numpy.inf)
    best[:, : len(follows)] += numpy.where(follows, steps[OUTSIDE][:, None], start[:, None])
    _search(best, packing, steps)
    # Where each piece's last token stands.
    step_starts = numpy.asarray([first for first, _ in packing.bounds])
    last = step_starts[pieces.lengths[longest_first] - 1] + numpy.arange(len(precedes))
    final = best[:, last]
    final += numpy.where(precedes, steps[:, OUTSIDE][:, None], lattice.end[:, None])
    # To numpy.maximum, NaN is more than anything.
    if not numpy.maximum(best.max(), final.max()) < numpy.inf:
        row = pieces.rows[packing.left_to_right[_first_unusable(best, final, last)]]
        sequence = numpy.searchsorted(numpy.cumsum(lattice.lengths), row, side="right")
        raise ValueError(
            f"cannot decode sequence {sequence} of the batch: its scores are NaN or infinite. Look "
            "for such values in the model's weights: a training that diverged leaves them"
        )
    packed = numpy.empty(len(pieces.rows), dtype="int64")
    packed[last] = final.argmax(axis=0)
    _backtrack(packed, best, packing, steps)
    tags[pieces.rows[packing.left_to_right]] = packed
    return tags


def surely_outside(lattice: Lattice, emissions: Floats2d, steps: Floats2d) -> Bools1d:
    """Find tokens that the most probable tags leave outside of entities.

    Let the best tags of some tokens in a row be others than O. Were they O, transitions would be
    worse by no more than the best ways into, within and out of entities exceed O after O. So such a
    row cannot be where the tokens' emissions of O exceed all others by more in sum. A token is
    surely outside if that holds of all rows that it might be part of; the worst one is made of the
    worst ones to its left and right.

    lattice (Lattice): The scores.
    emissions (Floats2d): (N, nO) those of tokens, -inf for tags they may not have.
    steps (Floats2d): (nO, nO) those of transitions, -inf for those that BIO rules out.
    RETURNS (Bools1d): (N,) which tokens.
    """
    nowhere = numpy.zeros(len(emissions), dtype=bool)
    if emissions.shape[1] == 1 or not len(emissions):
        return nowhere
    stay, start, end = float(steps[0, 0]), lattice.start, lattice.end
    enter = numpy.maximum(steps[0, 1::2].max() - stay, (start[1::2] - start[0]).max())
    leave = numpy.maximum(steps[1:, 0].max() - stay, (end[1:] - end[0]).max())
    within = steps[1:, 1:].max() - stay
    outside, other = emissions[:, 0].astype("float64"), emissions[:, 1:].max(axis=1)
    limits = numpy.asarray([enter, leave, within, outside.min(), outside.max(), other.max()])
    # NaN is neither less nor more than anything.
    if not (numpy.isfinite(limits[:5]).all() and limits[5] < numpy.inf):
        return nowhere
    gains = numpy.maximum(within - (outside - other), -MAX_DIFFERENCE)
    sums = numpy.concatenate([numpy.zeros(1), numpy.cumsum(gains)])
    from_left = sums[:-1] - numpy.minimum.accumulate(sums[:-1])
    from_right = numpy.maximum.accumulate(sums[:0:-1])[::-1] - sums[1:]
    return from_left + gains + from_right + (enter + leave - within) < -MARGIN


def _find_pieces(outside: Bools1d, lengths: Sequence[int]) -> Pieces:
    sizes = numpy.asarray(lengths, dtype="int64")
    ends = numpy.cumsum(sizes)
    # What lies before and after each token: another of its sequence that is surely outside?
    before, after = numpy.zeros((2, len(outside)), dtype=bool)
    is_first = numpy.zeros(len(outside), dtype=bool)
    is_first[(ends - sizes)[sizes > 0]] = True
    before[1:] = outside[:-1] & ~is_first[1:]
    after[:-1] = outside[1:] & ~is_first[1:]
    rows = numpy.flatnonzero(~outside)
    begins = numpy.flatnonzero((before | is_first)[rows])
    piece_lengths = numpy.diff(begins, append=len(rows))
    return Pieces(
        rows, piece_lengths, before[rows[begins]], after[rows[begins + piece_lengths - 1]]
    )


def _search(best: Floats2d, packing: Packing, steps: Floats2d) -> None:
    """Add to each token's scores that of the best way to each tag.

    best (Floats2d): (nO, M) the emissions, packed; those of first tokens with the scores of first
        tags. Overwritten.
    """
    outside_or_begin = steps[:, [0, *range(1, len(steps), 2)]].T[:, :, None].copy()
    from_begin = steps.diagonal(1)[1::2, None]
    from_inside = steps.diagonal()[2::2, None]
    before = 0
    for start, end in packing.bounds[1:]:
        path = best[:, before : before + end - start]
        ways = (path + outside_or_begin).max(axis=1)
        best[0, start:end] += ways[0]
        best[1::2, start:end] += ways[1:]
        best[2::2, start:end] += numpy.maximum(path[1::2] + from_begin, path[2::2] + from_inside)
        before = start


def _first_unusable(best: Floats2d, final: Floats2d, last: Ints1d) -> int:
    """RETURNS (int): The first packed place whose scores are NaN or infinite."""
    usable = (best < numpy.inf).all(axis=0)
    usable[last] &= (final < numpy.inf).all(axis=0)
    return int(usable.argmin())


def _backtrack(tags: Ints1d, best: Floats2d, packing: Packing, steps: Floats2d) -> None:
    """Follow the best paths back from the pieces' last tokens, whose tags are known."""
    bounds = packing.bounds
    for (before, _), (start, end) in zip(bounds[-2::-1], bounds[:0:-1], strict=True):
        size = end - start
        paths = best[:, before : before + size] + steps[:, tags[start:end]]
        tags[before : before + size] = paths.argmax(axis=0)
