import copy
import pickle
from collections.abc import Hashable, Iterable
from threading import Barrier, Thread

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.models.inference import LexemeCache, LexemeRows

WIDTH = 3


class Computer:
    """Computes rows that contain the hash of their lexeme, and counts its calls."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def __call__(self, hashes: list[int]) -> LexemeRows:
        self.calls.append(hashes)
        values = numpy.asarray(hashes, dtype="int64")
        projected = numpy.zeros((2, len(hashes), WIDTH), dtype="float32")
        return LexemeRows(projected + values[:, None], values)


def check(cache: LexemeCache, numbers: Iterable[int], compute: Computer) -> None:
    """Look up lexemes and check their rows."""
    hashes = [int(number) for number in numbers]
    with cache.lock:
        table, rows = cache.lookup(hashes, lambda distinct: distinct, compute)
    assert table.words[rows].tolist() == hashes
    assert (table.projected[:, rows] == numpy.asarray(hashes)[:, None]).all()
    assert len(cache) <= cache.size


def test_each_lexeme_is_computed_once():
    cache, compute = LexemeCache(100), Computer()
    check(cache, [5, 3, 5], compute)
    check(cache, [3, 7, 7, 5], compute)
    check(cache, [7], compute)
    assert compute.calls == [[5, 3], [7]]
    assert len(cache) == 3


@pytest.mark.parametrize("size", [0, 2])
def test_batches_larger_than_the_cache_are_computed_whole(size):
    cache, compute = LexemeCache(size), Computer()
    for _ in range(2):
        check(cache, [4, 1, 4, 2], compute)
    assert compute.calls == [[4, 1, 2]] * 2
    assert len(cache) == 0


def test_the_half_that_was_used_most_is_kept():
    cache, compute = LexemeCache(4), Computer()
    for numbers in ([1, 2, 3], [3, 4], [1], [5], [1, 3, 5], [2]):
        check(cache, numbers, compute)
    assert compute.calls == [[1, 2, 3], [4], [5], [2]]
    assert len(cache) == 4


def test_equivalent_lexemes_share_a_row():
    cache, compute = LexemeCache(10), Computer()

    def get_keys(hashes: list[int]) -> list[Hashable]:
        return [("name", number % 10) if number >= 100 else number for number in hashes]

    found = []
    for numbers in ([103, 5, 203, 5, 104], [303, 104, 5], [403, 3]):
        table, rows = cache.lookup(numbers, get_keys, compute)
        found.append((table.words[rows] % 10).tolist())
    assert found == [[3, 5, 3, 5, 4], [3, 4, 5], [3, 3]]
    assert list(map(len, compute.calls)) == [3, 1]
    assert len(cache) == 4


@pytest.mark.slow
@given(
    st.integers(0, 12),
    st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=20), min_size=1, max_size=20),
)
def test_any_batches(size, batches):
    cache, compute = LexemeCache(size), Computer()
    for batch in batches:
        check(cache, batch, compute)


def test_many_lexemes():
    random = numpy.random.RandomState(0)
    cache, compute = LexemeCache(3000), Computer()
    for _ in range(40):
        check(cache, random.zipf(1.3, size=2000) % 2**24, compute)


def test_clear():
    cache, compute = LexemeCache(10), Computer()
    check(cache, [1], compute)
    cache.clear("other weights")
    assert (len(cache), cache.state) == (0, "other weights")
    check(cache, [1], compute)
    assert len(compute.calls) == 2


def test_cache_is_usable_after_an_error():
    cache, compute = LexemeCache(2), Computer()
    check(cache, [1, 2], compute)

    def fail(hashes: list[int]) -> LexemeRows:
        raise ValueError("no clusters")

    for numbers in ([1, 9], [7, 8, 9]):
        with pytest.raises(ValueError, match="no clusters"):
            cache.lookup(numbers, lambda distinct: distinct, fail)
    check(cache, [1, 9], compute)
    check(cache, [9, 1], compute)


def test_rows_in_use_are_not_overwritten():
    cache, compute = LexemeCache(2), Computer()
    table, rows = cache.lookup([1, 2], lambda distinct: distinct, compute)
    check(cache, [3], compute)
    cache.clear()
    check(cache, [4, 5], compute)
    assert table.words[rows].tolist() == [1, 2]


def test_threads():
    cache, errors = LexemeCache(200), []
    barrier = Barrier(4)

    def work(seed: int) -> None:
        random, compute = numpy.random.RandomState(seed), Computer()
        barrier.wait()
        try:
            for _ in range(200):
                check(cache, random.randint(1, 400, size=random.randint(1, 250)), compute)
        except AssertionError as error:
            errors.append(error)

    threads = [Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda cache: pickle.loads(pickle.dumps(cache))]
)
def test_copies_are_empty(clone):
    cache = LexemeCache(7)
    check(cache, [1], Computer())
    copied = clone(cache)
    assert (len(copied), copied.size, len(cache)) == (0, 7, 1)


def test_negative_size():
    with pytest.raises(ValueError, match="cache_size must be at least 0"):
        LexemeCache(-1)
