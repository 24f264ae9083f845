"""What a model computes of a lexeme alone, remembered from batch to batch."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Any, NamedTuple, TypeAlias, TypeVar
from weakref import WeakSet

import numpy
from thinc.types import Floats3d, Ints1d

Hashes1d: TypeAlias = numpy.ndarray

# A full cache gives up at least this share of its lexemes at a time: one by one would take longer.
EVICTED_SHARE = 1 / 16
# If twice as many batches had a lexeme, it stays for so many sizes of the cache longer. Of a stream
# of tweets, more words are computed anew with 1, and hardly fewer with 3.
SIZES_FOR_TWICE = 2
SMALLEST = 1024


class KnownLexemes(NamedTuple):
    """Lexemes and what is known of them.

    projected (Floats3d): (2, n, width) for each of both directions, a row for each lexeme.
    words (Ints1d): (n,) the lexemes' numbers in the gazetteer.
    """

    projected: Floats3d
    words: Ints1d


PreparedT = TypeVar("PreparedT")


def themselves(hashes: Hashes1d) -> Hashes1d:
    """Stand-ins of lexemes that nothing stands for."""
    return hashes


class LexemeCache:
    """Remembers lexemes by their hashes. If there are too many, those stay that were used lately,
    and longer the more batches had them: many of a stream's new words are never seen again.

    It holds no strings and no Lexeme objects, so that it outlives a memory zone. Threads may share
    it: what one of them is reading is not overwritten. It is neither stored nor copied with a
    model: a copy is empty.

    size (int): How many lexemes at most; 0 remembers nothing.
    RAISES (ValueError): If it is negative.
    """

    _state: Any
    _prepared: Any
    _known: KnownLexemes

    def __init__(self, size: int) -> None:
        if size < 0:
            raise ValueError(f"cache_size must be 0 or more lexemes, not {size}")
        self.size = size
        self._reset()
        _caches.add(self)

    def __reduce__(self) -> tuple[type["LexemeCache"], tuple[int]]:
        """Of a copy or a pickle only the size is kept."""
        return LexemeCache, (self.size,)

    def __len__(self) -> int:
        """RETURNS (int): How many lexemes are remembered."""
        return len(self._hashes)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._forget()

    @contextmanager
    def look_up(
        self,
        hashes: Hashes1d,
        state: Any,
        prepare: Callable[[], PreparedT],
        compute: Callable[[PreparedT, Hashes1d], KnownLexemes],
        stand_ins: Callable[[Hashes1d], Hashes1d] = themselves,
    ) -> Iterator[tuple[PreparedT, KnownLexemes, Ints1d]]:
        """Find what is known of the lexemes of a batch; compute it of those that are new.

        hashes (Hashes1d): (N,) the hash of each token's lexeme.
        state (Any): What is known depends on this; if it differs from the last call's, everything
            is forgotten.
        prepare (Callable): Makes what is needed to compute, once for each state.
        compute (Callable): Computes what is to be known of distinct lexemes, by their hashes or
            those of their stand-ins.
        stand_ins (Callable): Gives distinct lexemes the hashes under which they are remembered:
            one and the same to all those of which the same is known. Which one it gave to whom is
            not remembered, so that it is asked of these lexemes in each batch.
        YIELDS (tuple[PreparedT, KnownLexemes, Ints1d]): What prepare made; lexemes; and (N,) each
            token's row among them. Within the context they do not change.
        """
        with self._lock:
            if state != self._state:
                self._forget()
                self._prepared, self._state = prepare(), state
            self._time += 1
            prepared, now = self._prepared, self._time
            rows = self._rows_of(hashes, partial(compute, prepared), stand_ins)
            known = self._known
            self._readers.add(now)
        try:
            if rows is None:
                distinct, rows = numpy.unique(hashes, return_inverse=True)
                known = compute(prepared, distinct)
            yield prepared, known, rows
        finally:
            with self._lock:
                self._readers.discard(now)

    def _reset(self) -> None:
        self._lock = Lock()
        self._time = 0
        self._readers: set[int] = set()
        self._forget()

    def _forget(self) -> None:
        """Start anew with new arrays: others may still read the old ones."""
        self._state = self._prepared = None
        self._known = KnownLexemes(numpy.zeros((2, 0, 0)), numpy.zeros(0, dtype="int64"))
        # The hashes are sorted; each has its row.
        self._hashes = numpy.zeros(0, dtype="uint64")
        self._rows = numpy.zeros(0, dtype="int64")
        self._free = numpy.zeros(0, dtype="int64")
        # When each row was last asked for, and by how many batches. Time goes on by one with each
        # batch, and by one with each lexeme that is added.
        self._last_used = numpy.zeros(0, dtype="int64")
        self._n_uses = numpy.zeros(0, dtype="int64")

    def _rows_of(
        self,
        hashes: Hashes1d,
        compute: Callable[[Hashes1d], KnownLexemes],
        stand_ins: Callable[[Hashes1d], Hashes1d],
    ) -> Ints1d | None:
        """RETURNS (Optional[Ints1d]): (N,) each token's row; None if there is no room."""
        if self.size == 0:
            return None
        is_known, rows = self._find(hashes)
        self._use(rows[is_known])
        if is_known.all():
            return rows
        distinct, inverse = numpy.unique(hashes[~is_known], return_inverse=True)
        stored = stand_ins(distinct)
        is_stored, places = self._find(stored)
        self._use(places[is_stored])
        new = numpy.unique(stored[~is_stored])
        if len(new) > self.size or not self._make_room(len(new)):
            return None
        if len(new):
            self._add(new, compute(new))
            places = self._find(stored)[1]
        rows[~is_known] = places[inverse]
        return rows

    def _use(self, rows: Ints1d) -> None:
        self._last_used[rows] = self._time
        # Where a row is named several times NumPy adds but once.
        self._n_uses[rows] += 1

    def _find(self, hashes: Hashes1d) -> tuple[numpy.ndarray, Ints1d]:
        """RETURNS (tuple[numpy.ndarray, Ints1d]): (N,) which are known, and the rows of those."""
        if not len(self._hashes):
            return numpy.zeros(len(hashes), dtype=bool), numpy.zeros(len(hashes), dtype="int64")
        places = numpy.searchsorted(self._hashes, hashes)
        numpy.minimum(places, len(self._hashes) - 1, out=places)
        return self._hashes[places] == hashes, self._rows[places]

    def _make_room(self, n_new: int) -> bool:
        """Forget the lexemes that are the least likely to be asked for again, if need be: each
        doubling of the batches that had one makes up for so many lexemes added since.

        RETURNS (bool): Whether there is room now.
        """
        n_missing = len(self) + n_new - self.size
        if n_missing <= 0:
            return True
        used = self._last_used[self._rows]
        # Those of this batch, and those that other threads are reading, have to stay.
        candidates = numpy.flatnonzero(used < min(self._readers, default=self._time))
        if len(candidates) < n_missing:
            return False
        n_evicted = min(max(n_missing, int(self.size * EVICTED_SHARE)), len(candidates))
        n_uses = self._n_uses[self._rows[candidates]]
        merit = used[candidates] + SIZES_FOR_TWICE * self.size * numpy.log2(n_uses)
        evicted = candidates[numpy.argpartition(merit, n_evicted - 1)[:n_evicted]]
        self._free = numpy.concatenate([self._free, self._rows[evicted]])
        self._hashes = numpy.delete(self._hashes, evicted)
        self._rows = numpy.delete(self._rows, evicted)
        return True

    def _add(self, new: Hashes1d, known: KnownLexemes) -> None:
        self._grow(len(new), known)
        rows, self._free = self._free[: len(new)], self._free[len(new) :]
        self._known.projected[:, rows] = known.projected
        self._known.words[rows] = known.words
        self._last_used[rows] = self._time
        self._n_uses[rows] = 1
        self._time += len(new)
        places = numpy.searchsorted(self._hashes, new)
        self._hashes = numpy.insert(self._hashes, places, new)
        self._rows = numpy.insert(self._rows, places, rows)

    def _grow(self, n_new: int, like: KnownLexemes) -> None:
        """Make new arrays, twice as large, if there are not enough free rows."""
        capacity = len(self._last_used)
        if len(self._free) >= n_new:
            return
        larger = min(max(2 * capacity, len(self) + n_new, SMALLEST), self.size)
        directions, _, width = like.projected.shape
        known = KnownLexemes(
            numpy.empty((directions, larger, width), dtype=like.projected.dtype),
            numpy.zeros(larger, dtype=like.words.dtype),
        )
        if capacity:
            known.projected[:, :capacity] = self._known.projected
            known.words[:capacity] = self._known.words
        self._known = known
        self._free = numpy.concatenate([self._free, numpy.arange(capacity, larger)])
        self._last_used = _extended(self._last_used, larger)
        self._n_uses = _extended(self._n_uses, larger)


_caches: WeakSet[LexemeCache] = WeakSet()


def _reset_all() -> None:
    for cache in _caches:
        cache._reset()


# Another thread may hold a lock, or be changing a cache, while the process is forked.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all)


def _extended(numbers: Ints1d, length: int) -> Ints1d:
    return numpy.concatenate([numbers, numpy.zeros(length - len(numbers), dtype=numbers.dtype)])
