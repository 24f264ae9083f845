"""Packed, time-major order for sequences of different lengths.

The rows of all sequences are put in the order in which a recurrent layer visits them: the first
token of every sequence, longest sequence first, then the second of every sequence that has one,
and so on. A step's rows lie side by side, the batch shrinks as short sequences end, and no
padding is stored or computed. A layer of two directions visits the rows in two such orders, one
from the left and one from the right, whose steps have the same sizes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy
from thinc.api import Ops, get_array_module
from thinc.types import Floats2d, Floats3d, Ints1d, Ints2d

Bounds: TypeAlias = list[tuple[int, int]]
Directions: TypeAlias = Sequence[Floats2d] | Floats3d

# Of the sizes tried, the fastest for 100 and 200 hidden units; half of it is nearly as fast.
BLOCK_SEQUENCES = 256
# With 200 hidden units, 200 MiB of a direction's inputs' parts of gates on a GPU, where those of a
# block are made at once.
BLOCK_ROWS = 2**16


@dataclass(frozen=True)
class Packing:
    """Where each row of a batch, or of a block of it, stands in the two packed orders.

    left_to_right (Ints1d): (N,) the batch's row at each packed place, read from the left.
    right_to_left (Ints1d): (N,) the same, read from the right.
    previous (Ints1d): (N - first step,) the packed place of the row visited one step before,
        for the rows of all steps but the first.
    bounds (list[tuple[int, int]]): Each step's first packed place and the one after its last.
    """

    left_to_right: Ints1d
    right_to_left: Ints1d
    previous: Ints1d
    bounds: Bounds

    @property
    def orders(self) -> Ints2d:
        """RETURNS (Ints2d): (2, N) both orders, from the left and from the right."""
        return get_array_module(self.left_to_right).stack((self.left_to_right, self.right_to_left))

    @property
    def first_step(self) -> int:
        """RETURNS (int): How many rows the first step has: the sequences that are not empty."""
        return self.bounds[0][1] if self.bounds else 0

    def pack(self, ops: Ops, X: Floats2d) -> Floats3d:
        """Put a batch's rows into both packed orders.

        X (Floats2d): (N, nI) the rows of all sequences, one after another.
        RETURNS (Floats3d): (2, N, nI)
        """
        return ops.xp.stack((X[self.left_to_right], X[self.right_to_left]))

    def unpack_sum(self, ops: Ops, packed: Directions) -> Floats2d:
        """Bring both directions' rows back into the batch's order and add them: the transpose
        of pack.

        packed (Sequence[Floats2d]): The two directions' rows, (N, nI) each.
        RETURNS (Floats2d): (N, nI)
        """
        X = ops.xp.empty_like(packed[0])
        X[self.left_to_right] = packed[0]
        X[self.right_to_left] += packed[1]
        return X

    def unpack_concat(self, ops: Ops, packed: Directions) -> Floats2d:
        """Bring both directions' rows back into the batch's order, side by side.

        packed (Sequence[Floats2d]): The two directions' rows, (N, nH) each.
        RETURNS (Floats2d): (N, 2 * nH)
        """
        n_rows, width = packed[0].shape
        # Each half of a row on its own: whole rows are moved faster than parts of rows.
        halves = ops.xp.empty((2 * n_rows, width), dtype=packed[0].dtype)
        for direction, order in enumerate(self.orders):
            halves[2 * order + direction] = packed[direction]
        return halves.reshape(n_rows, 2 * width)

    def pack_halves(self, ops: Ops, X: Floats2d) -> Floats3d:
        """Put each half of the columns into its direction's order: the transpose of
        unpack_concat.

        X (Floats2d): (N, 2 * nH)
        RETURNS (Floats3d): (2, N, nH)
        """
        n_rows, width = X.shape
        halves = X.reshape(2 * n_rows, width // 2)
        return halves[2 * self.orders + ops.xp.arange(2)[:, None]]


def pack_sequences(ops: Ops, lengths: Any) -> Packing:
    """Find the packed orders of a batch.

    ops (Ops): Where the index arrays shall lie.
    lengths (Ints1d): (B,) the sequences' lengths; zeros are allowed.
    RETURNS (Packing): The packed orders of the sum(lengths) rows.
    """
    lengths = _to_numpy(ops, lengths)
    starts = numpy.cumsum(lengths) - lengths
    longest_first = numpy.argsort(-lengths, kind="stable")
    return _pack(ops, starts[longest_first], lengths[longest_first])


def pack_for_prediction(ops: Ops, lengths: Any) -> Iterator[Packing]:
    """Cut a batch into blocks of sequences of like length, longest first, and find the packed
    orders of each. A layer that keeps nothing of a block but its output works in a cache then. On
    a GPU, which is fastest with large steps, a block is as large as memory should allow.

    ops (Ops): Where the index arrays shall lie.
    lengths (Ints1d): (B,) the sequences' lengths; zeros are allowed.
    YIELDS (Packing): The packed orders of a block's rows: their places in the whole batch.
    """
    lengths = _to_numpy(ops, lengths)
    starts = numpy.cumsum(lengths) - lengths
    longest_first = numpy.argsort(-lengths, kind="stable")
    row_ends = numpy.cumsum(lengths[longest_first])
    block_size = BLOCK_SEQUENCES if ops.device_type == "cpu" else len(lengths)
    begin, n_rows = 0, 0
    while begin < len(lengths):
        # A sequence that is too long has a block of its own.
        fitting = int(numpy.searchsorted(row_ends, n_rows + BLOCK_ROWS, side="right"))
        end = min(begin + block_size, max(fitting, begin + 1))
        block = longest_first[begin:end]
        yield _pack(ops, starts[block], lengths[block])
        begin, n_rows = end, int(row_ends[end - 1])


def group_steps(bounds: Bounds, n_rows: int | None) -> Iterator[Bounds]:
    """Group steps that follow each other.

    bounds (list[tuple[int, int]]): Where each step begins and ends.
    n_rows (Optional[int]): How many rows a group has at most; a step that has more is a group by
        itself. With None all steps are one.
    YIELDS (list[tuple[int, int]]): The bounds of a group's steps.
    """
    group: Bounds = []
    for start, end in bounds:
        if group and n_rows is not None and end - group[0][0] > n_rows:
            yield group
            group = []
        group.append((start, end))
    if group:
        yield group


def take_rows(ops: Ops, table: Floats2d, rows: Ints1d, out: Floats2d) -> None:
    """out[:] = table[rows], without a copy in between.

    ops (Ops): The arrays' backend.
    table (Floats2d): (n, nI)
    rows (Ints1d): (N,) rows of the table, none of them negative.
    out (Floats2d): (N, nI) Overwritten.
    """
    if ops.device_type == "cpu":
        # In its other modes NumPy checks the rows first, and needs the copy for that.
        numpy.take(table, rows, axis=0, out=out, mode="clip")
    else:
        out[:] = table[rows]


def _to_numpy(ops: Ops, lengths: Any) -> Ints1d:
    return numpy.asarray(ops.to_numpy(ops.xp.asarray(lengths)), dtype="int64")


def _pack(ops: Ops, starts: Ints1d, lengths: Ints1d) -> Packing:
    """Pack sequences that stand in order, longest first."""
    n_steps = int(lengths[0]) if len(lengths) else 0
    # How many sequences reach step t: those whose length is more than t.
    step_sizes = numpy.searchsorted(-lengths, -numpy.arange(n_steps), side="left")
    step_ends = numpy.cumsum(step_sizes)
    step = numpy.repeat(numpy.arange(n_steps), step_sizes)
    rank = numpy.arange(len(step)) - numpy.repeat(step_ends - step_sizes, step_sizes)
    first_step = int(step_sizes[0]) if n_steps else 0
    previous = numpy.arange(first_step, len(step)) - numpy.repeat(step_sizes[:-1], step_sizes[1:])
    return Packing(
        left_to_right=ops.asarray1i(starts[rank] + step, dtype="int64"),
        right_to_left=ops.asarray1i(starts[rank] + lengths[rank] - 1 - step, dtype="int64"),
        previous=ops.asarray1i(previous, dtype="int64"),
        bounds=list(zip((step_ends - step_sizes).tolist(), step_ends.tolist(), strict=True)),
    )
