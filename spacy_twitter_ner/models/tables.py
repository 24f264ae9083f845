"""Tables of learned vectors, of which a batch looks up few rows.

A model with several tables names its parameters by what they are tables of. Under
"vocabulary_<name>" its attributes hold which row is whose.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy
from thinc.api import Model
from thinc.types import Floats2d, Ints1d, Ints2d

from .vocabulary import N_SPARE, Vocabulary


def table_model(
    name: str,
    forward: Callable,
    *,
    init: Callable,
    widths: Mapping[str, int],
    attrs: Mapping[str, Any],
) -> Model:
    """Make a model that concatenates the vectors of several tables. Until fit_tables is called,
    their vocabularies are empty and have spare rows for what is seen in training.

    name (str): The model's name.
    forward (Callable): Its forward function, which calls gather.
    init (Callable): Its initialisation, which calls draw_tables.
    widths (Mapping[str, int]): Each table's name and the width of its vectors.
    attrs (Mapping[str, Any]): What else the model has to know.
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
    """RETURNS (list[Vocabulary]): The vocabulary of each table, in the tables' order."""
    return [model.attrs[_attr(name)] for name in model.param_names]


def fit_tables(
    model: Model, counts: Iterable[Counter[str]], *, min_freq: int = 1, n_spare: int = 0
) -> None:
    """Replace the vocabularies. If the tables are initialized, they are drawn again.

    counts (Iterable[Counter[str]]): The frequency of each value, per table.
    min_freq (int): Less frequent values are left out.
    n_spare (int): The number of rows per table for values that are first seen in training.
    """
    for name, table_counts in zip(model.param_names, counts, strict=True):
        vocabulary = Vocabulary.from_counts(table_counts, min_freq=min_freq, n_spare=n_spare)
        model.attrs[_attr(name)] = vocabulary
    if all(model.has_param(name) for name in model.param_names):
        draw_tables(model)


def draw_tables(model: Model) -> None:
    """Initialize all tables with random vectors, one per row of their vocabularies."""
    for name, vocabulary in zip(model.param_names, vocabularies(model), strict=True):
        draw_table(model, name, len(vocabulary), model.get_dim(_dim(name)))


def draw_table(model: Model, name: str, n_rows: int, width: int) -> None:
    """Draw the vectors of a table from N(0, 1 / width).

    name (str): The parameter.
    n_rows (int): How many vectors.
    width (int): Their width.
    """
    E = numpy.random.normal(scale=width**-0.5, size=(n_rows, width))
    model.set_param(name, model.ops.asarray2f(E.astype("float32")))
    if model.has_grad(name):
        model.set_grad(name, model.ops.alloc2f(n_rows, width))


def gather(model: Model, rows: Ints2d) -> tuple[Floats2d, Callable[[Floats2d], None]]:
    """Look up a row of each table and put them side by side.

    rows (Ints2d): (nU, tables), on the CPU.
    RETURNS (tuple[Floats2d, Callable]): (nU, sum of widths), and what adds a gradient by that to
        the tables' gradients.
    """
    ops, names = model.ops, model.param_names
    tables = [model.get_param(name) for name in names]
    # One contiguous array for each table: Thinc scatters slowly along strided ones.
    columns = [ops.asarray1i(numpy.ascontiguousarray(column)) for column in rows.T]
    vectors = [table[column] for table, column in zip(tables, columns, strict=True)]

    def backprop(dY: Floats2d) -> None:
        end = 0
        for name, table, column in zip(names, tables, columns, strict=True):
            start, end = end, end + table.shape[1]
            add_gradient(model, name, column, ops.xp.ascontiguousarray(dY[:, start:end]))

    return ops.xp.concatenate(vectors, axis=1), backprop


def add_gradient(model: Model, name: str, rows: Ints1d, d_vectors: Floats2d) -> None:
    """Add to the gradient of some rows of a table. Tables are large and batches small: it is
    done in place. Where there are no rows, no gradient is made.

    name (str): The table's parameter.
    rows (Ints1d): (N,) the rows; they may be repeated.
    d_vectors (Floats2d): (N, width) the gradient of each.
    """
    ops, shape = model.ops, model.get_param(name).shape
    if model.has_grad(name) and model.get_grad(name).shape != shape:
        # It is left of a table in whose place another one was loaded.
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
