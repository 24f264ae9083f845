"""Recurrent layers accept arrays of any floating-point dtype and memory layout."""

from collections.abc import Callable

import numpy
import pytest
from thinc.api import Model
from thinc.types import Ragged

from spacy_twitter_ner.layers.bigru import BiGRU
from spacy_twitter_ner.layers.bilstm import BiLSTM
from spacy_twitter_ner.layers.bilstm_inference import predict, predict_projected, project_inputs

from .gradients import OPS, make_batch, randomize

pytestmark = [pytest.mark.usefixtures("each_kernel"), pytest.mark.slow]

LENGTHS = [3, 1, 5, 0, 2]
TOLERANCE = {"float16": 1e-2, "float32": 1e-5, "float64": 1e-12}


def read_only(X: numpy.ndarray) -> numpy.ndarray:
    X = X.copy()
    X.flags.writeable = False
    return X


def every_other_column(X: numpy.ndarray) -> numpy.ndarray:
    return numpy.repeat(X, 2, axis=1)[:, ::2]


def every_other_row(X: numpy.ndarray) -> numpy.ndarray:
    return numpy.repeat(X, 2, axis=0)[::2]


def backwards(X: numpy.ndarray) -> numpy.ndarray:
    return X[::-1, ::-1].copy()[::-1, ::-1]


LAYOUTS = [
    numpy.ascontiguousarray,
    numpy.asfortranarray,
    read_only,
    every_other_column,
    every_other_row,
    backwards,
]
each_layout = pytest.mark.parametrize("layout", LAYOUTS)
each_layer = pytest.mark.parametrize("make_layer", [BiLSTM, BiGRU])
each_type = pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
each_weight_type = pytest.mark.parametrize("weight_dtype", ["float32", "float64"])
each_depth = pytest.mark.parametrize("depth", [1, 2])


def make_model(make_layer: Callable, dtype: str, depth: int = 1) -> Model[Ragged, Ragged]:
    model = make_layer(6, 4, depth=depth).initialize()
    randomize(model, dtype=dtype)
    return model


def gradients(model: Model) -> list[numpy.ndarray]:
    return [
        node.get_grad(name).copy()
        for node in model.walk()
        for name in node.param_names
        if node.has_grad(name)
    ]


@each_layer
@each_layout
@each_type
@each_weight_type
@each_depth
def test_forward_of_any_array(
    make_layer: Callable, layout: Callable, dtype: str, weight_dtype: str, depth: int
) -> None:
    model, batch = make_model(make_layer, weight_dtype, depth), make_batch(LENGTHS, 4)
    expected = make_model(make_layer, "float64", depth).predict(batch).dataXd
    X = Ragged(layout(batch.dataXd.astype(dtype)), batch.lengths)
    before = X.dataXd.copy()
    predicted = model.predict(X).dataXd
    trained, _ = model.begin_update(X)
    assert predicted.dtype == trained.dataXd.dtype == numpy.result_type(dtype, weight_dtype)
    tolerance = TOLERANCE[min(dtype, weight_dtype)]
    assert predicted == pytest.approx(expected, abs=tolerance)
    assert predicted == pytest.approx(trained.dataXd, abs=TOLERANCE[str(predicted.dtype)])
    assert (X.dataXd == before).all()


@each_layer
@each_layout
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("gradient_dtype", ["float32", "float64"])
@each_depth
def test_backprop_of_any_array(
    make_layer: Callable, layout: Callable, dtype: str, gradient_dtype: str, depth: int
) -> None:
    batch, dY = make_batch(LENGTHS, 4), make_batch(LENGTHS, 6).dataXd
    found = []
    for change, types in (
        (numpy.asarray, ("float64", "float64")),
        (layout, (dtype, gradient_dtype)),
    ):
        model = make_model(make_layer, "float32", depth)
        X = Ragged(change(batch.dataXd.astype(types[0])), batch.lengths)
        _, backprop = model.begin_update(X)
        dX = backprop(Ragged(change(dY.astype(types[1])), batch.lengths))
        assert dX.dataXd.dtype == types[0]
        found.append([dX.dataXd, *gradients(model)])
    for expected, gradient in zip(*found, strict=True):
        assert gradient == pytest.approx(expected, abs=1e-4)


@each_layer
@each_type
@each_depth
@pytest.mark.parametrize("lengths", [[], [0], [0, 0]], ids=str)
def test_dtype_of_empty_batches(
    make_layer: Callable, dtype: str, depth: int, lengths: list[int]
) -> None:
    model = make_model(make_layer, "float32", depth)
    X = Ragged(numpy.zeros((0, 4), dtype=dtype), OPS.asarray1i(lengths))
    Y, backprop = model.begin_update(X)
    predicted = model.predict(X).dataXd
    assert predicted.shape == Y.dataXd.shape == (0, 6)
    assert predicted.dtype == Y.dataXd.dtype
    assert backprop(Y).dataXd.shape == (0, 4)


@each_layout
@each_type
@each_weight_type
@pytest.mark.parametrize("index_type", ["int32", "int64"])
def test_predict_projected_of_any_array(
    layout: Callable, dtype: str, weight_dtype: str, index_type: str
) -> None:
    model, batch = make_model(BiLSTM, weight_dtype), make_batch(LENGTHS, 4)
    X = layout(batch.dataXd.astype(dtype))
    expected = predict(model, X, batch.lengths)
    first = project_inputs(model, X[:, :3], columns=slice(3))
    last = project_inputs(model, X[:, 3:], columns=slice(3, 4), bias=False)
    rows = numpy.arange(len(X), dtype=index_type)
    for kept, others in ((first, last), (numpy.asfortranarray(first), last.astype("float64"))):
        found = predict_projected(model, kept, rows, batch.lengths, extra_tokens=rows, extra=others)
        assert found == pytest.approx(expected, abs=TOLERANCE[str(expected.dtype)])
