"""Packed, time-major order for sequences of different lengths.

The rows of all sequences are put in the order in which a recurrent layer visits them: the first
token of every sequence, longest sequence first, then the second of every sequence that has one,
and so on. The rows of a step are adjacent, the batch shrinks as short sequences end, and no padding
is stored or computed. Bidirectional layers use two such orders, forward and backward, whose steps
have the same sizes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy
from thinc.api import Ops, get_array_module
from thinc.types import Floats2d, Floats3d, Ints1d, Ints2d

from .types import Bools1d

StepOffsets: TypeAlias = list[tuple[int, int]]
Directions: TypeAlias = Sequence[Floats2d] | Floats3d


@dataclass(frozen=True)
class Packing:
    """The two packed orders of a batch.

    forward (Ints1d): (N,) the batch row at each packed index, left to right.
    backward (Ints1d): (N,) the same, right to left.
    previous (Ints1d): (N - n_sequences,) the packed index of the preceding row, for the rows of all
        steps but the first.
    owner (Ints1d): (N,) the sequence of each packed row.
    step_offsets (list[tuple[int, int]]): Each step's first packed index and the one after its last.
    """

    forward: Ints1d
    backward: Ints1d
    previous: Ints1d
    owner: Ints1d
    step_offsets: StepOffsets

    @property
    def orders(self) -> Ints2d:
        """RETURNS (Ints2d): (2, N) both orders, forward and backward."""
        return get_array_module(self.forward).stack((self.forward, self.backward))

    @property
    def n_sequences(self) -> int:
        """RETURNS (int): The number of nonempty sequences, which is the size of the first step."""
        return self.step_offsets[0][1] if self.step_offsets else 0

    @property
    def inverse(self) -> Ints1d:
        """RETURNS (Ints1d): (N,) the packed index of each batch row in forward order."""
        xp = get_array_module(self.forward)
        inverse = xp.empty_like(self.forward)
        inverse[self.forward] = xp.arange(len(inverse))
        return inverse

    @property
    def is_last(self) -> Bools1d:
        """RETURNS (Bools1d): (N,) which packed rows are the last of their sequence."""
        is_last = get_array_module(self.forward).ones(len(self.forward), dtype=bool)
        is_last[self.previous] = False
        return is_last

    def pack(self, ops: Ops, X: Floats2d) -> Floats3d:
        """Put the rows of a batch in both packed orders.

        X (Floats2d): (N, nI) the rows of all sequences, concatenated.
        RETURNS (Floats3d): (2, N, nI)
        """
        return ops.xp.stack((X[self.forward], X[self.backward]))

    def unpack_sum(self, ops: Ops, packed: Directions) -> Floats2d:
        """Restore the batch order of both directions and add them: the transpose of pack.

        packed (Sequence[Floats2d]): The rows of each direction, (N, nI).
        RETURNS (Floats2d): (N, nI)
        """
        X = ops.xp.empty_like(packed[0])
        X[self.forward] = packed[0]
        X[self.backward] += packed[1]
        return X

    def unpack_concat(self, ops: Ops, packed: Directions) -> Floats2d:
        """Restore the batch order of both directions and concatenate their columns.

        packed (Sequence[Floats2d]): The rows of each direction, (N, nH).
        RETURNS (Floats2d): (N, 2 * nH)
        """
        n_rows, width = packed[0].shape
        # Each half of a row separately: copying whole rows is faster than parts of rows.
        halves = ops.xp.empty((2 * n_rows, width), dtype=packed[0].dtype)
        for direction, order in enumerate(self.orders):
            halves[2 * order + direction] = packed[direction]
        return halves.reshape(n_rows, 2 * width)

    def pack_halves(self, ops: Ops, X: Floats2d) -> Floats3d:
        """Put each half of the columns in its direction's order: the transpose of unpack_concat.

        X (Floats2d): (N, 2 * nH)
        RETURNS (Floats3d): (2, N, nH)
        """
        n_rows, width = X.shape
        halves = X.reshape(2 * n_rows, width // 2)
        return halves[2 * self.orders + ops.xp.arange(2)[:, None]]


def pack_sequences(ops: Ops, lengths: Any) -> Packing:
    """Compute the packed orders of a batch.

    ops (Ops): The backend of the index arrays.
    lengths (Ints1d): (B,) the sequence lengths; zeros are allowed.
    RETURNS (Packing): The packed orders of the sum(lengths) rows.
    """
    lengths = numpy.asarray(ops.to_numpy(ops.xp.asarray(lengths)), dtype="int64")
    longest_first = numpy.argsort(-lengths, kind="stable")
    starts = (numpy.cumsum(lengths) - lengths)[longest_first]
    lengths = lengths[longest_first]
    n_steps = int(lengths[0]) if len(lengths) else 0
    # The number of sequences that are longer than t, for each step t.
    step_sizes = numpy.searchsorted(-lengths, -numpy.arange(n_steps), side="left")
    step_ends = numpy.cumsum(step_sizes)
    step = numpy.repeat(numpy.arange(n_steps), step_sizes)
    rank = numpy.arange(len(step)) - numpy.repeat(step_ends - step_sizes, step_sizes)
    n_first = int(step_sizes[0]) if n_steps else 0
    previous = numpy.arange(n_first, len(step)) - numpy.repeat(step_sizes[:-1], step_sizes[1:])
    return Packing(
        forward=ops.asarray1i(starts[rank] + step, dtype="int64"),
        backward=ops.asarray1i(starts[rank] + lengths[rank] - 1 - step, dtype="int64"),
        previous=ops.asarray1i(previous, dtype="int64"),
        owner=ops.asarray1i(longest_first[rank], dtype="int64"),
        step_offsets=list(zip((step_ends - step_sizes).tolist(), step_ends.tolist(), strict=True)),
    )


def with_previous(step_offsets: StepOffsets) -> list[tuple[int, int, int]]:
    """RETURNS (list[tuple[int, int, int]]): The first row of the preceding step (0 for the first
    step), and the first and last row, of each step."""
    befores = [0, *(start for start, _ in step_offsets)]
    return [(before, *step) for before, step in zip(befores, step_offsets, strict=False)]
