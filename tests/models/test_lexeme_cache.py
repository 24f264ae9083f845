import copy
import pickle
from collections.abc import Iterable
from multiprocessing import get_all_start_methods, get_context
from threading import Barrier, Thread

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.models.lexeme_cache import Hashes1d, KnownLexemes, LexemeCache

WIDTH = 3


class Computer:
    """Knows of each lexeme its hash, and counts what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.n_prepared = 0

    def prepare(self) -> str:
        self.n_prepared += 1
        return "prepared"

    def __call__(self, prepared: str, hashes: Hashes1d) -> KnownLexemes:
        assert prepared == "prepared"
        self.asked.append(hashes.tolist())
        projected = numpy.zeros((2, len(hashes), WIDTH), dtype="float32")
        projected += hashes.astype("float32")[:, None]
        return KnownLexemes(projected, hashes.astype("int64"))


def hashes_of(numbers: Iterable[int]) -> Hashes1d:
    return numpy.asarray(list(numbers), dtype="uint64")


def check(cache: LexemeCache, numbers: Iterable[int], compute: Computer, state: object = 0) -> None:
    """Look lexemes up, and see whether what is found is theirs."""
    hashes = hashes_of(numbers)
    with cache.look_up(hashes, state, compute.prepare, compute) as (_, known, rows):
        assert known.words[rows].tolist() == hashes.tolist()
        assert (known.projected[:, rows] == hashes[:, None]).all()
    assert len(cache) <= cache.size


def test_each_lexeme_is_computed_once():
    cache, compute = LexemeCache(100), Computer()
    check(cache, [5, 3, 5], compute)
    check(cache, [3, 7, 7, 5], compute)
    check(cache, [7], compute)
    assert compute.asked == [[3, 5], [7]]
    assert len(cache) == 3


@pytest.mark.parametrize("size", [0, 2])
def test_batches_that_do_not_fit_are_computed_whole(size):
    cache, compute = LexemeCache(size), Computer()
    for _ in range(2):
        check(cache, [4, 1, 4, 2], compute)
    assert compute.asked == [[1, 2, 4]] * 2
    assert len(cache) == 0


def test_those_last_used_stay():
    cache, compute = LexemeCache(4), Computer()
    check(cache, [1, 2], compute)
    check(cache, [3, 4], compute)
    check(cache, [1], compute)
    check(cache, [5], compute)
    compute.asked.clear()
    check(cache, [1, 3, 4, 5], compute)
    assert compute.asked == []
    check(cache, [2], compute)
    assert compute.asked == [[2]]


def test_those_of_many_batches_stay_longer():
    cache, compute = LexemeCache(4), Computer()
    for _ in range(4):
        check(cache, [1], compute)
    for number in (2, 3, 4, 5, 6):
        check(cache, [number], compute)
    compute.asked.clear()
    check(cache, [1], compute)
    assert compute.asked == []
    for number in range(10, 40):
        check(cache, [number], compute)
    compute.asked.clear()
    check(cache, [1], compute)
    assert compute.asked == [[1]]


def test_time_goes_on_with_lexemes_that_are_added():
    cache, compute = LexemeCache(4), Computer()
    for numbers in ([1], [1], [2, 3, 4], [5, 6, 7], [8], [9, 10, 11]):
        check(cache, numbers, compute)
    compute.asked.clear()
    check(cache, [1], compute)
    assert compute.asked == [[1]]


def test_lexemes_with_a_stand_in_are_computed_and_stored_as_one():
    cache, compute = LexemeCache(10), Computer()

    def stand_ins(hashes: Hashes1d) -> Hashes1d:
        return numpy.where(hashes >= 100, hashes % 10, hashes)

    for numbers in ([103, 5, 203, 5, 104], [303, 104, 5], [403, 3]):
        looked_up = cache.look_up(hashes_of(numbers), 0, compute.prepare, compute, stand_ins)
        with looked_up as (_, known, rows):
            expected = stand_ins(hashes_of(numbers)).tolist()
            assert known.words[rows].tolist() == expected
    assert compute.asked == [[3, 4, 5]]
    assert len(cache) == 3


@given(
    st.integers(0, 12),
    st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=20), min_size=1, max_size=20),
)
def test_what_is_found_is_right(size, batches):
    cache, compute = LexemeCache(size), Computer()
    for batch in batches:
        check(cache, batch, compute)


def test_many_lexemes():
    random = numpy.random.RandomState(0)
    cache, compute = LexemeCache(3000), Computer()
    for _ in range(40):
        check(cache, random.zipf(1.3, size=2000) % 2**24, compute)
    assert 2000 < len(cache) <= 3000


def test_another_state_forgets():
    cache, compute = LexemeCache(10), Computer()
    for state in ("a", "a", "b", "a"):
        check(cache, [1], compute, state)
    assert len(compute.asked) == compute.n_prepared == 3
    cache.clear()
    assert len(cache) == 0
    check(cache, [1], compute, "a")
    assert len(compute.asked) == compute.n_prepared == 4


def test_an_error_leaves_the_cache_usable():
    cache, compute = LexemeCache(2), Computer()
    check(cache, [1, 2], compute)

    def fail(prepared: str, hashes: Hashes1d) -> KnownLexemes:
        raise ValueError("no clusters")

    for numbers in ([1, 9], [7, 8, 9]):
        with (
            pytest.raises(ValueError, match="no clusters"),
            cache.look_up(hashes_of(numbers), 0, compute.prepare, fail),
        ):
            pass
    check(cache, [1, 9], compute)
    check(cache, [9, 1], compute)


def test_what_is_being_read_is_not_overwritten():
    cache, compute = LexemeCache(2), Computer()
    with cache.look_up(hashes_of([1, 2]), 0, compute.prepare, compute) as (_, known, rows):
        check(cache, [3], compute)
        check(cache, [4], compute, "other weights")
        assert known.words[rows].tolist() == [1, 2]
    check(cache, [3, 5], compute, "other weights")


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


def _look_up_in_fork(cache: LexemeCache) -> None:
    check(cache, [1, 2], Computer())


@pytest.mark.skipif("fork" not in get_all_start_methods(), reason="nothing is forked here")
def test_a_fork_while_the_cache_is_locked():
    cache = LexemeCache(10)
    with cache._lock:
        process = get_context("fork").Process(target=_look_up_in_fork, args=(cache,))
        process.start()
        process.join(60)
    assert process.exitcode == 0


@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda cache: pickle.loads(pickle.dumps(cache))]
)
def test_copies_are_empty(clone):
    cache = LexemeCache(7)
    check(cache, [1], Computer())
    copied = clone(cache)
    assert (len(copied), copied.size, len(cache)) == (0, 7, 1)


def test_negative_size():
    with pytest.raises(ValueError, match="cache_size must be 0 or more"):
        LexemeCache(-1)
