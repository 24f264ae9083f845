"""Batches, random weights and gradient checks by central differences."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy
from thinc.api import Model, NumpyOps
from thinc.types import Ragged

OPS = NumpyOps()
MASK_SEED = 7


def make_batch(lengths: Sequence[int], width: int, *, dtype: str = "float64") -> Ragged:
    """Create a batch of random rows, always the same ones."""
    rows = numpy.random.RandomState(11).normal(size=(sum(lengths), width))
    return Ragged(rows.astype(dtype), OPS.asarray1i(list(lengths)))


def randomize(model: Model, *, dtype: str = "float64") -> None:
    """Redraw all weights: zero biases and orthogonal matrices may hide errors."""
    random = numpy.random.RandomState(5)
    for node in model.walk():
        for name in node.param_names:
            param = random.normal(scale=0.7, size=node.get_param(name).shape)
            node.set_param(name, param.astype(dtype))


def central_differences(
    loss: Callable[[], float], array: numpy.ndarray, step: float = 1e-5
) -> numpy.ndarray:
    """Differentiate a loss by each element of an array, which is modified in place."""
    gradient = numpy.zeros(array.shape, dtype="float64")
    for index in numpy.ndindex(*array.shape):
        value = array[index]
        array[index] = value + step
        above = loss()
        array[index] = value - step
        below = loss()
        array[index] = value
        gradient[index] = (above - below) / (2 * step)
    return gradient


def relative_error(found: numpy.ndarray, expected: numpy.ndarray) -> float:
    """RETURNS (float): The largest difference, relative to the largest element."""
    assert found.shape == expected.shape
    if not found.size:
        return 0.0
    scale = max(abs(found).max(), abs(expected).max())
    return float(abs(found - expected).max() / scale) if scale else 0.0


def gradient_errors(
    model: Model,
    X: Any,
    *,
    rows: Callable[[Any], numpy.ndarray] = lambda X: X.dataXd,
    wrap: Callable[[numpy.ndarray, Any], Any] = lambda rows, X: Ragged(rows, X.lengths),
    weigh: Callable[[numpy.ndarray], None] = lambda dY: None,
    inputs: Callable[[Any], Sequence[numpy.ndarray]] = lambda X: [X.dataXd],
) -> dict[str, float]:
    """Compare backpropagation with central differences, for all weights and the input.

    The loss is a weighted sum of the outputs. Dropout masks are fixed by a seed.

    rows (Callable): The output's rows, (N, nO).
    wrap (Callable): Convert rows to the type of the model's output.
    weigh (Callable): Modify the loss's weights, (N, nO), in place.
    inputs (Callable): The arrays of an input.
    RETURNS (dict[str, float]): The relative errors, by "layer.weight" or "input.number".
    """

    def forward() -> tuple[Any, Callable]:
        numpy.random.seed(MASK_SEED)
        return model(X, is_train=True)

    def loss() -> float:
        return float((rows(forward()[0]) * weights).sum())

    Y, backprop = forward()
    weights = numpy.random.RandomState(3).normal(size=rows(Y).shape)
    weigh(weights)
    dX = backprop(wrap(weights.copy(), Y))
    errors = {}
    for i, (array, gradient) in enumerate(zip(inputs(X), inputs(dX), strict=True)):
        errors[f"input.{i}"] = relative_error(gradient, central_differences(loss, array))
    for number, node in enumerate(model.walk()):
        for name in node.param_names:
            expected = central_differences(loss, node.get_param(name))
            errors[f"{number}.{node.name}.{name}"] = relative_error(node.get_grad(name), expected)
    return errors
