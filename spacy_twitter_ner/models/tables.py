"""Embedding tables and their vocabularies.

In a model with several tables, parameters are named after the embedded feature, and the vocabulary
of table "name" is the attribute "vocabulary_name".
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import repeat
from typing import Any

import numpy
import srsly
from spacy.util import logger
from thinc.api import Model
from thinc.model import deserialize_attr, serialize_attr
from thinc.types import Floats2d, Ints1d, Ints2d

UNKNOWN = 0
# Spare rows of a table that is initialized without the training data, as in spaCy's HashEmbed.
N_SPARE = 5000


class Vocabulary:
    """Maps strings to rows of an embedding table. Unknown strings share row 0.

    keys (Iterable[str]): The known strings, the most frequent first. The i-th has row i + 1.
    n_frequent (int): The number of keys, from the first, that aren't rare.
    n_spare (int): The number of rows for strings that are first seen in training.
    """

    def __init__(self, keys: Iterable[str] = (), n_frequent: int = 0, n_spare: int = 0) -> None:
        self.keys = list(keys)
        self.n_frequent = n_frequent
        self.n_spare = n_spare
        self._rows = {key: row for row, key in enumerate(self.keys, start=1)}

    @classmethod
    def from_counts(
        cls, counts: Counter[str], *, min_freq: int = 1, n_spare: int = 0
    ) -> "Vocabulary":
        """Make a vocabulary from the strings of the training data.

        counts (Counter[str]): The frequency of each string.
        min_freq (int): Less frequent strings are left out.
        n_spare (int): The number of rows for strings that are first seen in training.
        RETURNS (Vocabulary): The vocabulary. Strings that occur once count as rare.
        """
        kept = ((key, count) for key, count in counts.items() if count >= min_freq)
        ordered = sorted(kept, key=lambda item: (-item[1], item[0]))
        n_frequent = sum(count > 1 for _, count in ordered)
        return cls((key for key, _ in ordered), n_frequent, n_spare)

    def __len__(self) -> int:
        """RETURNS (int): The number of rows, with the spare ones and that of unknown strings."""
        return len(self.keys) + 1 + self.n_spare

    def learn(self, keys: Iterable[str]) -> None:
        """Assign spare rows to the strings of a training batch that don't have a row yet. Without
        spare rows, nothing changes.

        keys (Iterable[str]): The strings.
        """
        if not self.n_spare:
            return
        for key in keys:
            if key not in self._rows:
                self.keys.append(key)
                self._rows[key] = len(self.keys)
                self.n_spare -= 1
                if not self.n_spare:
                    logger.warning(
                        "A vocabulary that was initialized without the training data is full: "
                        "new words share one vector from now on. Initialize with the training "
                        "data: nlp.initialize(lambda: examples). For `spacy pretrain`, set "
                        "`source` in [components.twitter_bilstm_ner] to a pipeline that "
                        "`spacy init nlp` has initialized with the training data"
                    )
                    return

    def row(self, key: str) -> int:
        """RETURNS (int): The string's row; 0 if it is unknown."""
        return self._rows.get(key, UNKNOWN)

    def lookup(self, keys: Iterable[str]) -> Ints1d:
        """RETURNS (Ints1d): The rows of several strings."""
        return numpy.fromiter(map(self._rows.get, keys, repeat(UNKNOWN)), dtype="int64")

    def to_bytes(self) -> bytes:
        data = {"keys": self.keys, "n_frequent": self.n_frequent}
        # Earlier versions can read a vocabulary without spare rows.
        return srsly.msgpack_dumps({**data, "n_spare": self.n_spare} if self.n_spare else data)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Vocabulary":
        return cls(**srsly.msgpack_loads(data))


# Thinc serializes attributes by type and silently skips unknown types.
@serialize_attr.register(Vocabulary)
def _serialize_vocabulary(_: Any, value: Vocabulary, name: str, model: Any) -> bytes:
    return value.to_bytes()


@deserialize_attr.register(Vocabulary)
def _deserialize_vocabulary(_: Any, value: bytes, name: str, model: Any) -> Vocabulary:
    return Vocabulary.from_bytes(value)


def table_model(
    name: str,
    forward: Callable,
    *,
    init: Callable,
    widths: Mapping[str, int],
    attrs: Mapping[str, Any],
) -> Model:
    """Create a model that concatenates the vectors of several tables. Until fit_tables is called,
    their vocabularies are empty and have spare rows for values that are first seen in training.

    name (str): The model's name.
    forward (Callable): The forward function, which calls gather.
    init (Callable): The initialization function, which calls init_tables.
    widths (Mapping[str, int]): The width of each table's vectors, by table name.
    attrs (Mapping[str, Any]): Further attributes.
    RETURNS (Model): The model.
    """
    return Model(
        name,
        forward,
        init=init,
        dims={"nO": sum(widths.values()), **{_dim(table): n for table, n in widths.items()}},
        params=dict.fromkeys(widths),
        attrs={**attrs, **{_attr(table): Vocabulary(n_spare=N_SPARE) for table in widths}},
    )


def vocabularies(model: Model) -> list[Vocabulary]:
    """RETURNS (list[Vocabulary]): The vocabularies, in the order of the tables."""
    return [model.attrs[_attr(name)] for name in model.param_names]


def fit_tables(
    model: Model, counts: Iterable[Counter[str]], *, min_freq: int = 1, n_spare: int = 0
) -> None:
    """Replace the vocabularies. Existing vectors are reinitialized.

    counts (Iterable[Counter[str]]): The frequency of each value, per table.
    min_freq (int): Less frequent values are left out.
    n_spare (int): The number of rows per table for values that are first seen in training.
    """
    for name, table_counts in zip(model.param_names, counts, strict=True):
        vocabulary = Vocabulary.from_counts(table_counts, min_freq=min_freq, n_spare=n_spare)
        model.attrs[_attr(name)] = vocabulary
    if all(model.has_param(name) for name in model.param_names):
        init_tables(model)


def init_tables(model: Model) -> None:
    """Initialize all tables with random vectors, one per row of their vocabularies."""
    for name, vocabulary in zip(model.param_names, vocabularies(model), strict=True):
        init_table(model, name, len(vocabulary), model.get_dim(_dim(name)))


def init_table(model: Model, name: str, n_rows: int, width: int) -> None:
    """Initialize a table with vectors from N(0, 1 / width).

    name (str): The parameter's name.
    n_rows (int): The number of vectors.
    width (int): Their width.
    """
    E = numpy.random.normal(scale=width**-0.5, size=(n_rows, width))
    model.set_param(name, model.ops.asarray2f(E.astype("float32")))
    if model.has_grad(name):
        model.set_grad(name, model.ops.alloc2f(n_rows, width))


def gather(model: Model, rows: Ints2d) -> tuple[Floats2d, Callable[[Floats2d], None]]:
    """Look up a row in each table and concatenate the vectors.

    rows (Ints2d): (nU, tables), on the CPU.
    RETURNS (tuple[Floats2d, Callable]): (nU, sum of widths), and a callback that adds the gradient
        of that to the tables' gradients.
    """
    ops, names = model.ops, model.param_names
    tables = [model.get_param(name) for name in names]
    # Contiguous arrays, since Thinc's scatter_add is slow for strided ones.
    columns = [ops.asarray1i(numpy.ascontiguousarray(column)) for column in rows.T]
    vectors = [table[column] for table, column in zip(tables, columns, strict=True)]

    def backprop(dY: Floats2d) -> None:
        end = 0
        for name, table, column in zip(names, tables, columns, strict=True):
            start, end = end, end + table.shape[1]
            add_gradient(model, name, column, ops.xp.ascontiguousarray(dY[:, start:end]))

    return ops.xp.concatenate(vectors, axis=1), backprop


def add_gradient(model: Model, name: str, rows: Ints1d, d_vectors: Floats2d) -> None:
    """Add to the gradient of some rows of a table, in place, since tables are large and batches are
    small.

    name (str): The parameter's name.
    rows (Ints1d): (N,) the rows. They may be repeated. If empty, no gradient is created.
    d_vectors (Floats2d): (N, width) the gradient of each row.
    """
    ops, shape = model.ops, model.get_param(name).shape
    if model.has_grad(name) and model.get_grad(name).shape != shape:
        # Left over from a table that was replaced by loading another.
        model.set_grad(name, ops.alloc2f(*shape))
    if not len(rows):
        return
    if model.has_grad(name):
        ops.scatter_add(model.get_grad(name), rows, d_vectors)
    else:
        gradient = ops.alloc2f(*shape)
        ops.scatter_add(gradient, rows, d_vectors)
        model.inc_grad(name, gradient)


def _dim(name: str) -> str:
    return f"nO_{name}"


def _attr(name: str) -> str:
    return f"vocabulary_{name}"
