from collections import Counter
from typing import Any

import numpy
import pytest
from thinc.api import Adam, Model

from spacy_twitter_ner.models.tables import (
    add_gradient,
    fit_tables,
    gather,
    init_table,
    init_tables,
    table_model,
    vocabularies,
)

ROWS = numpy.asarray([[1, 0], [0, 2], [1, 2]])


def forward(model: Model, rows: numpy.ndarray, is_train: bool) -> tuple:
    return gather(model, rows)


def init(model: Model, X: Any = None, Y: Any = None) -> None:
    init_tables(model)


def make_model(*values: str) -> Model:
    """A model of two tables whose vocabularies are the letters of two words."""
    model = table_model(
        "tables", forward, init=init, widths={"first": 3, "second": 2}, attrs={"setting": 7}
    )
    if values:
        fit_tables(model, [Counter(value) for value in values])
        model.initialize()
    return model


def gradients(model: Model) -> list[numpy.ndarray]:
    return [model.get_grad(name) for name in model.param_names]


def test_table_model() -> None:
    model = make_model()
    assert (model.get_dim("nO"), model.param_names) == (5, ("first", "second"))
    assert model.attrs["setting"] == 7
    fit_tables(model, [Counter(), Counter("aab")], min_freq=2)
    assert [vocabulary.keys for vocabulary in vocabularies(model)] == [[], ["a"]]
    model.initialize()
    assert [model.get_param(name).shape for name in model.param_names] == [(1, 3), (2, 2)]


def test_gather_concatenates_rows() -> None:
    model = make_model("ab", "xy")
    first, second = (model.get_param(name) for name in model.param_names)
    Y = model.predict(ROWS)
    assert (numpy.hstack([first[[1, 0, 1]], second[[0, 2, 2]]]) == Y).all()
    assert model.predict(ROWS[:0]).shape == (0, 5)


def test_gradients_add_up_in_place() -> None:
    model = make_model("ab", "xy")
    dY = numpy.arange(15, dtype="float32").reshape(3, 5)
    _, backprop = model(ROWS, is_train=True)
    backprop(dY)
    before = gradients(model)
    expected = [[dY[1, :3], dY[0, :3] + dY[2, :3], [0] * 3], [dY[0, 3:], [0, 0], sum(dY[1:, 3:])]]
    for gradient, rows in zip(before, expected, strict=True):
        assert (gradient == numpy.asarray(rows)).all()
    backprop(dY)
    for gradient, array, rows in zip(gradients(model), before, expected, strict=True):
        assert gradient is array
        assert (gradient == 2 * numpy.asarray(rows)).all()


def test_no_gradient_without_rows() -> None:
    model = make_model("ab", "xy")
    Y, backprop = model(ROWS[:0], is_train=True)
    backprop(Y)
    assert not model.has_grad("first")


def test_reinitialized_tables_have_no_gradient() -> None:
    numpy.random.seed(0)
    model = make_model("ab", "xy")
    Y, backprop = model(ROWS, is_train=True)
    backprop(Y)
    before = model.get_param("first").copy()
    fit_tables(model, [Counter("ab"), Counter("vwxyz")])
    init_tables(model)
    assert (model.get_param("first") != before).all()
    assert [gradient.shape for gradient in gradients(model)] == [(3, 3), (6, 2)]
    assert not any(gradient.any() for gradient in gradients(model))


@pytest.mark.parametrize("n_rows", [0, 3])
@pytest.mark.parametrize("letters", ["abcdefgh", "a"])
def test_loading_resizes_the_gradient(letters: str, n_rows: int) -> None:
    """The old one has another shape: writing beyond its end would corrupt memory."""
    model, larger = make_model("ab", "xy"), make_model(letters, "xy")
    Y, backprop = model(ROWS, is_train=True)
    backprop(Y)
    model.from_bytes(larger.to_bytes())
    rows = numpy.asarray([[len(letters), 0]] * n_rows).reshape(n_rows, 2)
    Y, backprop = model(rows, is_train=True)
    backprop(numpy.ones_like(Y))
    gradient = model.get_grad("first")
    assert gradient.shape == (len(letters) + 1, 3)
    assert gradient[-1].tolist() == [n_rows] * 3
    assert gradient.sum() == 3 * n_rows
    model.finish_update(Adam(0.1))


def test_vectors_have_variance_of_one_over_width() -> None:
    numpy.random.seed(0)
    model = table_model("tables", forward, init=init, widths={"E": 50}, attrs={})
    init_table(model, "E", 400, 50)
    E = model.get_param("E")
    assert (E.shape, E.dtype) == ((400, 50), "float32")
    assert abs(E.mean()) < 0.01
    assert E.std() == pytest.approx(50**-0.5, rel=0.05)
    numpy.random.seed(0)
    assert (numpy.random.normal(scale=50**-0.5, size=(400, 50)).astype("f") == E).all()


def test_rows_may_be_repeated() -> None:
    model = make_model("ab", "xy")
    rows = model.ops.asarray1i([2, 2, 0])
    add_gradient(model, "first", rows, numpy.ones((3, 3), dtype="float32"))
    assert model.get_grad("first")[:, 0].tolist() == [1.0, 0.0, 2.0]
