"""Prediction by lexeme: embed and project each distinct lexeme once, and cache the result.

This works for a tok2vec that consists of a TweetEmbed and a BiLSTMEncoder. Any other tok2vec, such
as a listener, is called as it is.
"""

import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from threading import RLock
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy
from spacy.attrs import ORTH
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model, NumpyOps
from thinc.types import Floats2d, Floats3d, FloatsXd, Ints1d

from ..layers.bilstm_inference import predict, predict_projected, project_inputs
from ..layers.lstm_ops import GateWeights
from . import embed as tweet_embed
from . import encoder
from .lexemes import Lexemes
from .tables import Vocabulary

Tok2Vec: TypeAlias = Model[list[Doc], list[Floats2d]]
Hashes1d: TypeAlias = numpy.ndarray
FrozenT = TypeVar("FrozenT")

# Minimum fraction of rows to evict at a time.
EVICTED_SHARE = 1 / 8
# Entries of an array that are compared, evenly spaced.
N_SAMPLED = 32

# Held during a fork, so that the child never inherits a cache that is being modified.
_LOCK = RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release
    )


class LexemeRows(NamedTuple):
    """Encoder inputs of n lexemes.

    projected (Floats3d): (2, n, width) their projected embeddings, for each direction.
    words (Ints1d): (n,) their word numbers for the phrase embedding.
    """

    projected: Floats3d
    words: Ints1d


def can_predict_by_lexeme(tok2vec: Tok2Vec, docs: Sequence[Doc]) -> bool:
    """RETURNS (bool): Whether predict_by_lexeme supports the tok2vec and the docs: on the CPU, with
    a TweetEmbed and a BiLSTMEncoder that are initialized, and docs of one vocab with any tokens."""
    if len(tok2vec.layers) != 2 or not isinstance(tok2vec.ops, NumpyOps):
        return False
    embed, encode = tok2vec.layers
    if embed.name != tweet_embed.NAME or encode.name != encoder.BILSTM_NAME:
        return False
    if not encode.has_dim("nI"):
        return False
    vocab = docs[0].vocab if docs else None
    return any(map(len, docs)) and all(doc.vocab is vocab for doc in docs)


def predict_by_lexeme(
    tok2vec: Tok2Vec, docs: list[Doc], cache: "LexemeCache", readout: Floats2d
) -> Floats2d:
    """Predict the token vectors of a batch, multiplied by the weights of a linear layer.

    tok2vec (Model[list[Doc], list[Floats2d]]): The token vectors.
    docs (list[Doc]): The batch.
    cache (LexemeCache): The cache.
    readout (Floats2d): (nO, n_outputs) the linear layer's weights, transposed.
    RETURNS (Floats2d): (N, n_outputs) of all docs, concatenated.
    """
    embed, encode = tok2vec.layers
    vocab, lengths = docs[0].vocab, [len(doc) for doc in docs]

    def make_lexemes(hashes: Hashes1d) -> Lexemes:
        texts = [vocab.strings[orth] for orth in hashes.tolist()]
        return Lexemes.from_texts(texts, [vocab] * len(texts))

    def get_keys(hashes: Hashes1d) -> list[Hashable]:
        groups = tweet_embed.group_equivalent(embed, make_lexemes(hashes))
        return [groups.get(i, orth) for i, orth in enumerate(hashes.tolist())]

    def compute(frozen: FrozenEncoder, hashes: Hashes1d) -> LexemeRows:
        vectors, words = tweet_embed.embed_lexemes(embed, make_lexemes(hashes))
        return LexemeRows(frozen.project_inputs(vectors), words)

    looked_up = cache.lookup(
        numpy.concatenate([doc.to_array(ORTH) for doc in docs]),
        Fingerprint(tok2vec, vocab),
        partial(FrozenEncoder, encode),
        get_keys,
        compute,
    )
    with looked_up as (frozen, table, rows):
        tokens, by_phrase = tweet_embed.embed_phrases(embed, docs, table.words[rows], lengths)
        return frozen.encode(table.projected, rows, lengths, tokens, by_phrase, readout)


class FrozenEncoder:
    """A BiLSTM encoder for prediction in two steps, the first of which only depends on the input.
    The weights are prepared once: don't use it after they have changed.

    model (Model[list[Floats2d], list[Floats2d]]): A BiLSTMEncoder.
    """

    def __init__(self, model: Model[list[Floats2d], list[Floats2d]]) -> None:
        layer = model.layers[0]
        self._lowest, *self._others = layer.layers or [layer]
        self._width = model.get_dim("nI")
        self._weights = GateWeights.from_model(self._lowest)

    def project_inputs(self, X: Floats2d) -> Floats3d:
        """Compute the input's part of the lowest layer's gates.

        X (Floats2d): (n, m) the first columns of the input.
        RETURNS (Floats3d): (2, n, width) for both directions.
        """
        return project_inputs(self._lowest, X, columns=slice(X.shape[1]), weights=self._weights)

    def encode(
        self,
        projected: Floats3d,
        rows: Ints1d,
        lengths: Sequence[int],
        tokens: Ints1d,
        last_columns: Floats2d,
        readout: Floats2d,
    ) -> Floats2d:
        """Compute the token vectors, multiplied by the weights of a linear layer.

        projected (Floats3d): (2, n, width) from project_inputs.
        rows (Ints1d): (N,) the row of each token.
        lengths (Sequence[int]): The sequence lengths.
        tokens (Ints1d): (k,) the tokens whose last columns aren't all zero.
        last_columns (Floats2d): (k, m) their last columns.
        readout (Floats2d): (nO, n_outputs) the linear layer's weights, transposed.
        RETURNS (Floats2d): (N, n_outputs) of all sequences, concatenated.
        """
        lowest, weights = self._lowest, self._weights
        lengths = lowest.ops.asarray1i(lengths)
        # Only the output of the highest layer is read out.
        lowest_readout, *readouts = [*(None for _ in self._others), readout]
        extra = {}
        if len(tokens):
            columns = slice(self._width - last_columns.shape[1], self._width)
            extra["extra_tokens"] = tokens
            extra["extra"] = project_inputs(
                lowest, last_columns, columns=columns, bias=False, weights=weights
            )
        Y = predict_projected(
            lowest, projected, rows, lengths, weights=weights, readout=lowest_readout, **extra
        )
        for layer, layer_readout in zip(self._others, readouts, strict=True):
            Y = predict(layer, Y, lengths, readout=layer_readout)
        return Y


class LexemeCache:
    """The rows of lexemes from earlier batches. When full, the least recently used are evicted.

    It contains no strings or Lexeme objects, so it outlives a memory zone. Threads may share it:
    rows that are in use aren't overwritten. It isn't serialized, and copies are empty.

    size (int): Maximum number of rows. 0 disables the cache.
    RAISES (ValueError): If the size is negative.
    """

    def __init__(self, size: int) -> None:
        if size < 0:
            raise ValueError(f"cache_size must be at least 0 lexemes, not {size}")
        self.size = size
        self.clear()

    def __reduce__(self) -> tuple[type["LexemeCache"], tuple[int]]:
        return LexemeCache, (self.size,)

    def __len__(self) -> int:
        """RETURNS (int): The number of cached rows."""
        return len(self._rows)

    def clear(self) -> None:
        """Remove all rows."""
        with _LOCK:
            self._state: Any = None
            self._frozen: Any = None
            self._rows: dict[Hashable, int] = {}
            self._free = list(range(self.size))
            self._last_used = numpy.zeros(self.size, dtype="int64")
            self._n_batches = 0
            self._table: _Table | None = None

    @contextmanager
    def lookup(
        self,
        hashes: Hashes1d,
        state: Any,
        freeze: Callable[[], FrozenT],
        get_keys: Callable[[Hashes1d], Iterable[Hashable]],
        compute: Callable[[FrozenT, Hashes1d], LexemeRows],
    ) -> Iterator[tuple[FrozenT, LexemeRows, Ints1d]]:
        """Look up the lexemes of a batch, and compute those that aren't cached.

        hashes (Hashes1d): (N,) the hash of each token's lexeme.
        state (Any): What rows depend on. If it differs from the last call's, the cache is cleared.
        freeze (Callable): Return what `compute` needs. Called once per state.
        get_keys (Callable): Given distinct hashes, return a key for each: its hash, or one that is
            shared by equivalent lexemes. Called for all hashes that aren't cached keys themselves.
        compute (Callable): Compute the rows of distinct hashes.
        YIELDS (tuple[FrozenT, LexemeRows, Ints1d]): The frozen state; rows; and (N,) the index of
            each token's row. They don't change within the context.
        """
        table = None
        with _LOCK:
            if state != self._state:
                self.clear()
                self._frozen, self._state = freeze(), state
            frozen = self._frozen
            indices = self._find_or_add(hashes, get_keys, partial(compute, frozen))
            if indices is not None and self._table is not None:
                table = self._table
                table.n_readers += 1
        if table is None or indices is None:
            distinct, inverse = numpy.unique(hashes, return_inverse=True)
            yield frozen, compute(frozen, distinct), inverse
            return
        try:
            yield frozen, table.rows, indices
        finally:
            with _LOCK:
                table.n_readers -= 1

    def _find(self, keys: Iterable[Hashable]) -> Ints1d:
        """RETURNS (Ints1d): The row of each key; -1 if there is none."""
        return numpy.fromiter(map(self._rows.get, keys, repeat(-1)), dtype="int64")

    def _find_or_add(
        self,
        hashes: Hashes1d,
        get_keys: Callable[[Hashes1d], Iterable[Hashable]],
        compute: Callable[[Hashes1d], LexemeRows],
    ) -> Ints1d | None:
        """RETURNS (Optional[Ints1d]): The row of each hash; None if there is no room for them."""
        if self.size == 0:
            return None
        self._n_batches += 1
        rows = self._find(hashes.tolist())
        is_missing = rows < 0
        self._last_used[rows[~is_missing]] = self._n_batches
        if not is_missing.any():
            return rows
        distinct, inverse = numpy.unique(hashes[is_missing], return_inverse=True)
        keys = list(get_keys(distinct))
        found = self._find(keys)
        self._last_used[found[found >= 0]] = self._n_batches
        new = {key: index for index, key in enumerate(keys) if found[index] < 0}
        if len(new) > len(self._free) and not self._evict(len(new)):
            return None
        if new:
            self._add(list(new), compute(distinct[list(new.values())]))
        rows[is_missing] = self._find(keys)[inverse]
        return rows

    def _evict(self, n_new: int) -> bool:
        """RETURNS (bool): Whether there is room for new rows after evicting rows that aren't used
        by the current batch."""
        keys, rows = list(self._rows), numpy.fromiter(self._rows.values(), dtype="int64")
        last_used = self._last_used[rows]
        n_unused = int((last_used < self._n_batches).sum())
        n_missing = n_new - len(self._free)
        if n_missing > n_unused:
            return False
        n_evicted = min(max(n_missing, int(self.size * EVICTED_SHARE)), n_unused)
        for index in numpy.argpartition(last_used, n_evicted - 1)[:n_evicted].tolist():
            self._free.append(self._rows.pop(keys[index]))
        if self._table is not None and self._table.n_readers:
            # Other threads are reading rows that will be overwritten.
            self._table = _Table(LexemeRows(*(array.copy() for array in self._table.rows)))
        return True

    def _add(self, keys: Sequence[Hashable], new: LexemeRows) -> None:
        if self._table is None:
            directions, _, width = new.projected.shape
            projected = numpy.empty((directions, self.size, width), dtype=new.projected.dtype)
            words = numpy.empty(self.size, dtype=new.words.dtype)
            self._table = _Table(LexemeRows(projected, words))
        rows = [self._free.pop() for _ in keys]
        self._table.rows.projected[:, rows] = new.projected
        self._table.rows.words[rows] = new.words
        self._last_used[rows] = self._n_batches
        self._rows.update(zip(keys, rows, strict=True))


@dataclass(eq=False)
class _Table:
    rows: LexemeRows
    n_readers: int = 0


class Fingerprint:
    """The state of a model and of a vocab's vectors and lookups, fast to compute and to compare:
    object identities, table sizes and some entries of each array. An update changes entries of all
    weights, except for tables from which a batch looks up few rows.

    model (Model): The model.
    vocab (Vocab): The vocab.
    """

    def __init__(self, model: Model, vocab: Vocab) -> None:
        vectors, lookups = vocab.vectors, vocab.lookups
        tables = [lookups.get_table(name) for name in lookups.tables]
        nodes = list(model.walk())
        # Custom vectors may have no data.
        arrays = [vectors.data] if hasattr(vectors, "data") else []
        for node in nodes:
            arrays += (node.get_param(name) for name in node.param_names if node.has_param(name))
        attributes = [value for node in nodes for value in node.attrs.values()]
        # The objects themselves, since the id of a deleted one may be reused.
        self._objects: list[Any] = [vocab, vectors, *tables, *nodes, *arrays, *attributes]
        self._sizes = [len(getattr(vectors, "key2row", ())), *map(len, tables)]
        self._sizes += [len(a.keys) for a in attributes if isinstance(a, Vocabulary)]
        self._samples = [_sample(array) for array in arrays]

    def __eq__(self, other: object) -> bool:
        """RETURNS (bool): Whether no change was detected."""
        return (
            isinstance(other, Fingerprint)
            and len(self._objects) == len(other._objects)
            and all(a is b for a, b in zip(self._objects, other._objects, strict=True))
            and self._sizes == other._sizes
            and self._samples == other._samples
        )

    __hash__ = None  # type: ignore[assignment]


def _sample(array: FloatsXd) -> bytes:
    flat = array.reshape(-1)
    return flat[:: max(flat.size // N_SAMPLED, 1)].tobytes()
