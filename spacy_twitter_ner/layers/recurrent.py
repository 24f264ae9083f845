"""What the recurrent layers share: depth, dropout and initial weights."""

from collections.abc import Callable

import numpy
from thinc.api import Model, Ops, chain
from thinc.types import Floats2d, Floats3d, Ragged


def stack_layers(
    make_layer: Callable[[int | None], Model[Ragged, Ragged]],
    nO: int | None,
    nI: int | None,
    depth: int,
) -> Model[Ragged, Ragged]:
    """Put recurrent layers one over another.

    make_layer (Callable): Makes one layer, given its input width.
    nO (Optional[int]): Output width of every layer.
    nI (Optional[int]): Input width of the lowest layer.
    depth (int): How many layers.
    RETURNS (Model[Ragged, Ragged]): (N, nI) -> (N, nO); for depth 1 the layer itself.
    RAISES (ValueError): If depth is less than 1.
    """
    if depth < 1:
        raise ValueError(f"a recurrent encoder needs a depth of at least 1, not {depth}")
    layers = [make_layer(nI), *(make_layer(nO) for _ in range(depth - 1))]
    return layers[0] if depth == 1 else chain(*layers)


def validate_width(name: str, nO: int | None) -> None:
    """RAISES (ValueError): If an output width cannot be split between two directions."""
    if nO is not None and (nO < 2 or nO % 2):
        raise ValueError(
            f"{name}: the output width nO = {nO} must be even, half of it for each direction"
        )


def drop_inputs(model: Model, X: Floats2d, is_train: bool) -> tuple[Floats2d, Callable]:
    """Apply the layer's dropout_rate to its input while training.

    RETURNS (tuple[Floats2d, Callable]): The input and its backpropagation.
    """
    rate = model.attrs["dropout_rate"]
    if not is_train or rate <= 0:
        return X, lambda dX: dX
    mask = model.ops.get_dropout_mask(X.shape, rate)
    return X * mask, lambda dX: dX * mask


def recurrent_dropout_mask(
    model: Model, shape: tuple[int, int, int], is_train: bool
) -> Floats3d | None:
    """Draw a mask for the hidden states that enter the next step.

    RETURNS (Optional[Floats3d]): Zeros and 1 / (1 - rate), or None where nothing is dropped.
    """
    rate = model.attrs["recurrent_dropout_rate"]
    return model.ops.get_dropout_mask(shape, rate) if is_train and rate > 0 else None


def glorot_gates(ops: Ops, n_gates: int, nH: int, nI: int) -> Floats3d:
    """Glorot-uniform input weights, each gate's matrix on its own (Glorot & Bengio 2010).

    RETURNS (Floats3d): (2, n_gates * nH, nI)
    """
    scale = numpy.sqrt(6.0 / (nH + nI))
    weights = numpy.random.uniform(-scale, scale, (2, n_gates * nH, nI))
    return ops.asarray3f(weights.astype("float32"))


def orthogonal_gates(ops: Ops, n_gates: int, nH: int) -> Floats3d:
    """Orthogonal recurrent weights, each gate's matrix on its own (Saxe et al. 2014).

    RETURNS (Floats3d): (2, n_gates * nH, nH)
    """
    Q, R = numpy.linalg.qr(numpy.random.normal(size=(2, n_gates, nH, nH)))
    # Without the signs of R's diagonal, QR does not draw evenly from all orthogonal matrices.
    Q *= numpy.sign(numpy.diagonal(R, axis1=-2, axis2=-1))[..., None, :]
    return ops.asarray3f(Q.reshape(2, n_gates * nH, nH).astype("float32"))
