import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.layers.packing import (
    pack_sequences,
    with_previous,
)

from .gradients import OPS

any_lengths = st.lists(st.integers(0, 6), max_size=7)


def owners_and_steps(lengths: list[int]) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The sequence of each row of a batch, and its index in it."""
    owners = [owner for owner, length in enumerate(lengths) for _ in range(length)]
    steps = [step for length in lengths for step in range(length)]
    return numpy.asarray(owners, dtype=int), numpy.asarray(steps, dtype=int)


def random_integers(*shape: int) -> numpy.ndarray:
    # Their sums and products are exact.
    return numpy.random.RandomState(1).randint(-9, 9, size=shape).astype("float64")


@given(any_lengths)
def test_packing_orders_are_permutations(lengths: list[int]) -> None:
    packed = pack_sequences(OPS, lengths)
    for order in packed.orders:
        assert sorted(order.tolist()) == list(range(sum(lengths)))
    assert packed.forward[packed.inverse].tolist() == list(range(sum(lengths)))


@given(any_lengths)
def test_packing_steps_are_consecutive_and_shrink(lengths: list[int]) -> None:
    packed = pack_sequences(OPS, lengths)
    edges = [0, *(end for _, end in packed.step_offsets)]
    assert [start for start, _ in packed.step_offsets] == edges[:-1]
    assert edges[-1] == sum(lengths)
    sizes = [end - start for start, end in packed.step_offsets]
    assert sizes == [sum(length > step for length in lengths) for step in range(len(sizes))]
    assert len(sizes) == max(lengths, default=0)
    assert packed.n_sequences == sum(length > 0 for length in lengths)


@given(any_lengths)
def test_packing_steps_contain_rows_at_the_same_distance(lengths: list[int]) -> None:
    packed = pack_sequences(OPS, lengths)
    owners, steps = owners_and_steps(lengths)
    from_end = numpy.asarray(lengths, dtype=int)[owners] - 1 - steps
    for step, (start, end) in enumerate(packed.step_offsets):
        assert (steps[packed.forward[start:end]] == step).all()
        assert (from_end[packed.backward[start:end]] == step).all()
    assert packed.is_last.tolist() == (from_end[packed.forward] == 0).tolist()


@given(any_lengths)
def test_packing_keeps_sequences_at_the_same_rank(lengths: list[int]) -> None:
    """Recurrent layers process both directions in one loop and rely on it."""
    packed = pack_sequences(OPS, lengths)
    owners, _ = owners_and_steps(lengths)
    for order in packed.orders:
        assert owners[order].tolist() == packed.owner.tolist()
    for start, end in packed.step_offsets:
        assert packed.owner[start:end].tolist() == packed.owner[: end - start].tolist()


@given(any_lengths)
def test_packing_previous_is_the_preceding_row(lengths: list[int]) -> None:
    packed = pack_sequences(OPS, lengths)
    assert len(packed.previous) == sum(lengths) - packed.n_sequences
    for order, distance in zip(packed.orders, (1, -1), strict=True):
        rows, before = order[packed.n_sequences :], order[packed.previous]
        assert (rows - before == distance).all()
    assert (packed.owner[packed.n_sequences :] == packed.owner[packed.previous]).all()


@given(any_lengths)
def test_packing_transposes(lengths: list[int]) -> None:
    packed = pack_sequences(OPS, lengths)
    X, Y = random_integers(sum(lengths), 3), random_integers(2, sum(lengths), 3)
    assert (packed.pack(OPS, X) * Y).sum() == (X * packed.unpack_sum(OPS, Y)).sum()
    X = random_integers(sum(lengths), 6)
    assert (packed.unpack_concat(OPS, Y) * X).sum() == (Y * packed.pack_halves(OPS, X)).sum()
    assert (packed.unpack_concat(OPS, packed.pack_halves(OPS, X)) == X).all()


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([], ([], [], [], [], [])),
        ([0, 0], ([], [], [], [], [])),
        ([1], ([0], [0], [], [0], [(0, 1)])),
        # Rows 0 | 1 2 3 | 4 5: longest first, then in batch order.
        (
            [1, 3, 0, 2],
            (
                [1, 4, 0, 2, 5, 3],
                [3, 5, 0, 2, 4, 1],
                [0, 1, 3],
                [1, 3, 0, 1, 3, 1],
                [(0, 3), (3, 5), (5, 6)],
            ),
        ),
    ],
)
def test_packing_examples(lengths: list[int], expected: tuple[list, ...]) -> None:
    packed = pack_sequences(OPS, numpy.asarray(lengths, dtype="int32"))
    orders = (packed.forward, packed.backward, packed.previous, packed.owner)
    assert (*(order.tolist() for order in orders), packed.step_offsets) == expected


def test_packing_preserves_dtype() -> None:
    packed = pack_sequences(OPS, [2, 1])
    X = numpy.ones((3, 4), dtype="float32")
    Y = packed.pack(OPS, X)
    unpacked = packed.unpack_sum(OPS, Y), packed.unpack_concat(OPS, Y), packed.pack_halves(OPS, X)
    assert {array.dtype.name for array in (Y, *unpacked)} == {"float32"}


def test_with_previous() -> None:
    assert with_previous([]) == []
    assert with_previous([(0, 3), (3, 5), (5, 6)]) == [(0, 0, 3), (0, 3, 5), (3, 5, 6)]
