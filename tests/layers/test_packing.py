from itertools import pairwise

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from thinc.api import NumpyOps

from spacy_twitter_ner.layers.packing import (
    BLOCK_SEQUENCES,
    group_steps,
    pack_for_prediction,
    pack_sequences,
    take_rows,
)

from .gradients import OPS

any_lengths = st.lists(st.integers(0, 6), max_size=7)


def owners_and_steps(lengths: list[int]) -> tuple[numpy.ndarray, numpy.ndarray]:
    """For each row of a batch, its sequence and its place in it."""
    owners = [owner for owner, length in enumerate(lengths) for _ in range(length)]
    steps = [step for length in lengths for step in range(length)]
    return numpy.asarray(owners, dtype=int), numpy.asarray(steps, dtype=int)


def whole_numbers(*shape: int) -> numpy.ndarray:
    # Their sums and products are exact, so equality needs no tolerance.
    return numpy.random.RandomState(1).randint(-9, 9, size=shape).astype("float64")


@given(any_lengths)
def test_orders_are_permutations(lengths: list[int]) -> None:
    packing = pack_sequences(OPS, lengths)
    for order in (packing.left_to_right, packing.right_to_left):
        assert sorted(order.tolist()) == list(range(sum(lengths)))


@given(any_lengths)
def test_steps_follow_each_other_and_shrink(lengths: list[int]) -> None:
    packing = pack_sequences(OPS, lengths)
    edges = [0, *(end for _, end in packing.bounds)]
    assert [start for start, _ in packing.bounds] == edges[:-1]
    assert edges[-1] == sum(lengths)
    sizes = [end - start for start, end in packing.bounds]
    assert sizes == [sum(length > step for length in lengths) for step in range(len(sizes))]
    assert len(sizes) == max(lengths, default=0)
    assert packing.first_step == sum(length > 0 for length in lengths)


@given(any_lengths)
def test_each_step_holds_the_rows_at_its_distance_from_the_end(lengths: list[int]) -> None:
    packing = pack_sequences(OPS, lengths)
    owners, steps = owners_and_steps(lengths)
    from_right = numpy.asarray(lengths, dtype=int)[owners] - 1 - steps
    for step, (start, end) in enumerate(packing.bounds):
        assert (steps[packing.left_to_right[start:end]] == step).all()
        assert (from_right[packing.right_to_left[start:end]] == step).all()


@given(any_lengths)
def test_both_orders_keep_a_sequence_at_one_rank(lengths: list[int]) -> None:
    # The recurrent layers run one loop over both directions: a sequence's state has to stand at
    # the same place of every step.
    packing = pack_sequences(OPS, lengths)
    owners, _ = owners_and_steps(lengths)
    first = owners[packing.left_to_right[: packing.first_step]]
    for start, end in packing.bounds:
        for order in (packing.left_to_right, packing.right_to_left):
            assert owners[order[start:end]].tolist() == first[: end - start].tolist()


@given(any_lengths)
def test_previous_is_the_row_one_step_before(lengths: list[int]) -> None:
    packing = pack_sequences(OPS, lengths)
    owners, _ = owners_and_steps(lengths)
    assert len(packing.previous) == sum(lengths) - packing.first_step
    for order, distance in ((packing.left_to_right, 1), (packing.right_to_left, -1)):
        rows, before = order[packing.first_step :], order[packing.previous]
        assert (rows - before == distance).all()
        assert (owners[rows] == owners[before]).all()


@given(any_lengths)
def test_unpack_sum_is_the_transpose_of_pack(lengths: list[int]) -> None:
    packing = pack_sequences(OPS, lengths)
    X, packed = whole_numbers(sum(lengths), 3), whole_numbers(2, sum(lengths), 3)
    assert (packing.pack(OPS, X) * packed).sum() == (X * packing.unpack_sum(OPS, packed)).sum()


@given(any_lengths)
def test_pack_halves_is_the_transpose_of_unpack_concat(lengths: list[int]) -> None:
    packing = pack_sequences(OPS, lengths)
    X, packed = whole_numbers(sum(lengths), 6), whole_numbers(2, sum(lengths), 3)
    inner = (packing.unpack_concat(OPS, packed) * X).sum()
    assert inner == (packed * packing.pack_halves(OPS, X)).sum()
    # Both only move rows, so the transpose is the inverse as well.
    assert (packing.unpack_concat(OPS, packing.pack_halves(OPS, X)) == X).all()


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([], ([], [], [], [])),
        ([0, 0], ([], [], [], [])),
        ([1], ([0], [0], [], [(0, 1)])),
        # Rows 0 | 1 2 3 | 4 5: longest first, and the first of two that are equally long.
        (
            [1, 3, 0, 2],
            ([1, 4, 0, 2, 5, 3], [3, 5, 0, 2, 4, 1], [0, 1, 3], [(0, 3), (3, 5), (5, 6)]),
        ),
    ],
)
def test_examples(lengths: list[int], expected: tuple[list, ...]) -> None:
    packing = pack_sequences(OPS, numpy.asarray(lengths, dtype="int32"))
    orders = (packing.left_to_right, packing.right_to_left, packing.previous)
    assert (*(order.tolist() for order in orders), packing.bounds) == expected


def test_dtype_stays() -> None:
    packing = pack_sequences(OPS, [2, 1])
    X = numpy.ones((3, 4), dtype="float32")
    packed = packing.pack(OPS, X)
    assert packed.dtype == "float32"
    assert packing.unpack_sum(OPS, packed).dtype == "float32"
    assert packing.unpack_concat(OPS, packed).dtype == "float32"
    assert packing.pack_halves(OPS, X).dtype == "float32"


@given(any_lengths, st.integers(1, 4), st.integers(1, 9))
def test_blocks_for_prediction(lengths: list[int], n_sequences: int, n_rows: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{pack_for_prediction.__module__}.BLOCK_SEQUENCES", n_sequences)
        patch.setattr(f"{pack_for_prediction.__module__}.BLOCK_ROWS", n_rows)
        blocks = list(pack_for_prediction(OPS, lengths))
    for direction in (0, 1):
        rows = [row for block in blocks for row in block.orders[direction].tolist()]
        assert sorted(rows) == list(range(sum(lengths)))
    sizes = [block.first_step for block in blocks]
    assert max(sizes, default=0) <= n_sequences
    assert sum(sizes) == sum(length > 0 for length in lengths)
    for block, size in zip(blocks, sizes, strict=True):
        assert len(block.left_to_right) <= n_rows or size == 1
    # Each sequence stands in one block, among others of like length.
    longest = [len(block.bounds) for block in blocks]
    assert longest == sorted(longest, reverse=True)


def test_a_block_on_a_gpu_is_as_large_as_it_gets() -> None:
    n_sequences = 3 * BLOCK_SEQUENCES
    (block,) = pack_for_prediction(NumpyOps(device_type="gpu"), [2] * n_sequences)
    assert block.bounds == [(0, n_sequences), (n_sequences, 2 * n_sequences)]


@given(any_lengths, st.integers(1, 9))
def test_groups_of_steps(lengths: list[int], n_rows: int) -> None:
    bounds = pack_sequences(OPS, lengths).bounds
    groups = list(group_steps(bounds, n_rows))
    assert [step for group in groups for step in group] == bounds
    for group in groups:
        assert len(group) == 1 or group[-1][1] - group[0][0] <= n_rows
    # None could have had the next one's first step as well.
    for group, following in pairwise(groups):
        assert following[0][1] - group[0][0] > n_rows


@given(any_lengths)
def test_all_steps_as_one_group(lengths: list[int]) -> None:
    bounds = pack_sequences(OPS, lengths).bounds
    assert list(group_steps(bounds, None)) == ([bounds] if bounds else [])


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_take_rows(device: str) -> None:
    table, rows = whole_numbers(5, 3), numpy.asarray([4, 0, 4])
    out = numpy.zeros((3, 3))
    take_rows(NumpyOps(device_type=device), table, rows, out)
    assert (out == table[rows]).all()
