"""Prediction by lexeme: embed and project each distinct lexeme once, and cache the result.

This works for a tok2vec that consists of a TweetEmbed and a BiLSTMEncoder. Any other tok2vec, such
as a listener, is called as it is.
"""

import os
from collections.abc import Callable, Hashable, Sequence
from operator import is_
from threading import RLock
from typing import Any, NamedTuple, TypeAlias

import numpy
from spacy.attrs import ORTH
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model, NumpyOps
from thinc.types import Floats2d, Floats3d, Ints1d

from ..layers.bilstm_inference import predict, predict_projected, project_inputs
from ..layers.lstm_ops import GateWeights
from . import embed as tweet_embed
from . import encoder
from .lexemes import Lexemes
from .tables import Vocabulary

Tok2Vec: TypeAlias = Model[list[Doc], list[Floats2d]]

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


_NO_ROWS = LexemeRows(numpy.zeros((2, 0, 0)), numpy.zeros(0, dtype="int64"))


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
    embed, vocab = tok2vec.layers[0], docs[0].vocab
    lengths = [len(doc) for doc in docs]

    def make_lexemes(hashes: list[int]) -> Lexemes:
        return Lexemes.from_texts([vocab.strings[orth] for orth in hashes], [vocab] * len(hashes))

    def get_keys(hashes: list[int]) -> list[Hashable]:
        groups = tweet_embed.group_equivalent(embed, make_lexemes(hashes))
        return [groups.get(i, orth) for i, orth in enumerate(hashes)]

    def compute(hashes: list[int]) -> LexemeRows:
        vectors, words = tweet_embed.embed_lexemes(embed, make_lexemes(hashes))
        return LexemeRows(cache.state.project_inputs(vectors), words)

    with cache.lock:
        if cache.state is None or not cache.state.is_current(tok2vec, vocab):
            cache.clear(FrozenModel(tok2vec, vocab))
        frozen: FrozenModel = cache.state
        hashes = [orth for doc in docs for orth in doc.to_array(ORTH).tolist()]
        table, rows = cache.lookup(hashes, get_keys, compute)
    tokens, by_phrase = tweet_embed.embed_phrases(embed, docs, table.words[rows], lengths)
    return frozen.encode(table.projected, rows, lengths, tokens, by_phrase, readout)


class FrozenModel:
    """A BiLSTM encoder for prediction in two steps, the first of which only depends on the input.
    The weights are prepared once, as long as the token vectors stay the same.

    tok2vec (Model[list[Doc], list[Floats2d]]): The token vectors.
    vocab (Vocab): The vocab whose vectors and lookups they read.
    """

    def __init__(self, tok2vec: Tok2Vec, vocab: Vocab) -> None:
        encode = tok2vec.layers[1]
        self._fingerprint = Fingerprint(tok2vec, vocab)
        layer = encode.layers[0]
        self._lowest, *self._others = layer.layers or [layer]
        self._width = encode.get_dim("nI")
        self._weights = GateWeights.from_model(self._lowest)

    def is_current(self, tok2vec: Tok2Vec, vocab: Vocab) -> bool:
        """RETURNS (bool): Whether no change of the token vectors or the vocab was detected."""
        return self._fingerprint.is_current(tok2vec, vocab)

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
    """The rows of lexemes from earlier batches. When it is full, the half that was used in most
    batches is kept; earlier batches count less.

    It contains no strings or Lexeme objects, so it outlives a memory zone. Threads may share it:
    rows are only ever appended, and a smaller table is a new one. It isn't serialized, and copies
    are empty.

    size (int): Maximum number of rows. 0 disables the cache.
    RAISES (ValueError): If the size is negative.
    """

    def __init__(self, size: int) -> None:
        if size < 0:
            raise ValueError(f"cache_size must be at least 0 lexemes, not {size}")
        self.size = size
        self.lock = _LOCK
        self.clear()

    def __reduce__(self) -> tuple[type["LexemeCache"], tuple[int]]:
        return LexemeCache, (self.size,)

    def __len__(self) -> int:
        """RETURNS (int): The number of cached rows."""
        return len(self._rows)

    def clear(self, state: Any = None) -> None:
        """Remove all rows.

        state (Any): What the next rows depend on.
        """
        with self.lock:
            self.state = state
            self._rows: dict[Hashable, int] = {}
            self._table = _NO_ROWS
            self._n_uses = numpy.zeros(self.size)

    def lookup(
        self,
        hashes: Sequence[int],
        get_keys: Callable[[list[int]], Sequence[Hashable]],
        compute: Callable[[list[int]], LexemeRows],
    ) -> tuple[LexemeRows, Ints1d]:
        """Look up the lexemes of a batch, and compute those that aren't cached. Hold the lock.

        hashes (Sequence[int]): The hash of each of N tokens' lexemes.
        get_keys (Callable): Given distinct hashes, return a key for each: its hash, or one that is
            shared by equivalent lexemes. Called for all hashes that aren't cached keys themselves.
        compute (Callable): Compute the rows of distinct hashes.
        RETURNS (tuple[LexemeRows, Ints1d]): Rows, and (N,) the index of each token's row.
        """
        found = list(map(self._rows.get, hashes))
        if None in found:
            missing = [orth for orth, row in zip(hashes, found, strict=True) if row is None]
            distinct = list(dict.fromkeys(missing))
            keys = dict(zip(distinct, get_keys(distinct), strict=True))
            new = {key: orth for orth, key in keys.items() if key not in self._rows}
            if len(self) + len(new) > self.size:
                n_distinct = len(set(hashes))
                if n_distinct > self.size:
                    return self._compute_all(hashes, compute)
                self._keep(min(self.size // 2, self.size - n_distinct))
                return self.lookup(hashes, get_keys, compute)
            if new:
                self._add(list(new), compute(list(new.values())))
            for index, row in enumerate(found):
                if row is None:
                    found[index] = self._rows[keys[hashes[index]]]
        rows = numpy.asarray(found, dtype="int64")
        self._n_uses[rows] += 1  # once per row
        return self._table, rows

    @staticmethod
    def _compute_all(
        hashes: Sequence[int], compute: Callable[[list[int]], LexemeRows]
    ) -> tuple[LexemeRows, Ints1d]:
        """Look up without the cache."""
        row_of = {orth: row for row, orth in enumerate(dict.fromkeys(hashes))}
        return compute(list(row_of)), numpy.asarray([row_of[orth] for orth in hashes])

    def _keep(self, n: int) -> None:
        """Keep the rows that were used most, in a new table."""
        n_uses = self._n_uses[: len(self)]
        kept = numpy.sort(numpy.argsort(-n_uses, kind="stable")[:n])
        new_rows = dict(zip(kept.tolist(), range(n), strict=True))
        self._rows = {k: new_rows[row] for k, row in self._rows.items() if row in new_rows}
        self._n_uses = numpy.concatenate([n_uses[kept] / 2, numpy.zeros(self.size - n)])
        old_table, self._table = self._table, self._allocate(self._table)
        self._table.projected[:, :n] = old_table.projected[:, kept]
        self._table.words[:n] = old_table.words[kept]

    def _add(self, keys: Sequence[Hashable], new: LexemeRows) -> None:
        start, end = len(self), len(self) + len(keys)
        if not start:
            self._table = self._allocate(new)
        self._table.projected[:, start:end] = new.projected
        self._table.words[start:end] = new.words
        self._rows.update(zip(keys, range(start, end), strict=True))

    def _allocate(self, like: LexemeRows) -> LexemeRows:
        directions, _, width = like.projected.shape
        projected = numpy.empty((directions, self.size, width), dtype=like.projected.dtype)
        return LexemeRows(projected, numpy.empty(self.size, dtype=like.words.dtype))


class Fingerprint:
    """The state of a model and of a vocab's vectors and lookups, fast to compare: object
    identities, table sizes and some entries of each array. An update changes entries of all
    weights, except for tables from which a batch looks up few rows.

    model (Model): The model.
    vocab (Vocab): The vocab.
    """

    def __init__(self, model: Model, vocab: Vocab) -> None:
        self._nodes = list(model.walk())
        self._params = [
            (node, name)
            for node in self._nodes
            for name in node.param_names
            if node.has_param(name)
        ]
        # The objects themselves, since the id of a deleted one may be reused.
        self._objects, self._tables = self._find_objects(model, vocab)
        self._sizes = list(map(len, self._tables))
        # Views, which show later changes.
        flat = [array.ravel(order="K") for array in self._objects if hasattr(array, "ravel")]
        self._views = [array[:: max(array.size // N_SAMPLED, 1)] for array in flat]
        self._sample = numpy.concatenate(self._views).tobytes()

    def is_current(self, model: Model, vocab: Vocab) -> bool:
        """RETURNS (bool): Whether no change was detected."""
        objects, tables = self._find_objects(model, vocab)
        return (
            len(objects) == len(self._objects)
            and all(map(is_, objects, self._objects))
            and list(map(len, tables)) == self._sizes
            and numpy.concatenate(self._views).tobytes() == self._sample
        )

    def _find_objects(self, model: Model, vocab: Vocab) -> tuple[list[Any], list[Any]]:
        """RETURNS (tuple[list[Any], list[Any]]): All parts of the model and the vocab, with their
        arrays; and those that may grow."""
        vectors, lookups = vocab.vectors, vocab.lookups
        tables = [lookups.get_table(name) for name in lookups.tables]
        layers = [layer for node in self._nodes for layer in node.layers]
        attributes = [value for node in self._nodes for value in node.attrs.values()]
        arrays = [node.get_param(name) for node, name in self._params]
        if hasattr(vectors, "data"):  # custom vectors may have none
            arrays.append(vectors.data)
        growing: list[Any] = [a.keys for a in attributes if isinstance(a, Vocabulary)]
        growing += [*tables, getattr(vectors, "key2row", ())]
        return [model, vocab, vectors, *tables, *layers, *attributes, *arrays], growing
