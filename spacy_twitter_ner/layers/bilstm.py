"""Bidirectional LSTM over packed sequences.

    o, i, f = sigmoid(W x + U h' + b)      the output, input and forget gates
    g       = tanh(W x + U h' + b)         the candidate
    c       = f * c' + i * g
    h       = o * tanh(c)

with h', c' the state of the preceding step (Hochreiter & Schmidhuber 1997, forget gate of Gers et
al. 2000). Training keeps the activations; prediction (bilstm_inference.py) doesn't.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from thinc.api import Model, get_width
from thinc.types import Floats2d, Floats3d, Ragged

from .bilstm_inference import predict
from .lstm_ops import (
    FORGET_GATE,
    N_GATES,
    GateWeights,
    LSTMState,
    backprop_lstm,
    lstm_forward_training,
)
from .packing import Packing, pack_sequences
from .recurrent import (
    DirectionPlan,
    apply_input_dropout,
    glorot_uniform_gates,
    orthogonal_gates,
    plan_directions,
    recurrent_dropout_mask,
    stack_layers,
    validate_threads,
    validate_width,
)

InT: TypeAlias = Ragged
OutT: TypeAlias = Ragged


class DirectionState(NamedTuple):
    """Inputs and activations of one or both directions: D is 1 or 2.

    inputs (Floats3d): (D, N, nI) the packed inputs.
    state (LSTMState): The activations.
    mask (Optional[Floats3d]): (D, N, nH) the recurrent dropout mask.
    """

    inputs: Floats3d
    state: LSTMState
    mask: Floats3d | None


def BiLSTM(
    nO: int | None = None,
    nI: int | None = None,
    *,
    depth: int = 1,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    threads: int = 1,
) -> Model[InT, OutT]:
    """Encode each sequence in both directions with an LSTM.

    nO (Optional[int]): Output width: nO / 2 hidden units per direction.
    nI (Optional[int]): Input width.
    depth (int): Number of stacked layers.
    dropout (float): Dropout rate for the input of each layer. spaCy's training loop overwrites it
        with [training] dropout.
    recurrent_dropout (float): Dropout rate for the hidden state that enters the next step, with a
        new mask for each token. Not overwritten by the training loop.
    threads (int): 2 to run both directions in parallel, see recurrent.set_threads.
    RETURNS (Model[Ragged, Ragged]): (N, nI) -> (N, nO). The first half of the columns is the
        forward direction.
    """
    validate_width("BiLSTM", nO)
    validate_threads(threads)

    def make_layer(nI: int | None) -> Model[InT, OutT]:
        return Model(
            "bilstm",
            forward,
            init=init,
            dims={"nO": nO, "nI": nI},
            params={"W": None, "U": None, "b": None},
            attrs={
                "dropout_rate": dropout,
                "recurrent_dropout_rate": recurrent_dropout,
                "threads": threads,
            },
        )

    return stack_layers(make_layer, nO, nI, depth)


def init(model: Model[InT, OutT], X: InT | None = None, Y: OutT | None = None) -> None:
    """Initialize with Glorot-uniform input weights, orthogonal recurrent weights and forget bias
    1."""
    if X is not None:
        model.set_dim("nI", get_width(X))
    if Y is not None:
        model.set_dim("nO", get_width(Y))
        validate_width("BiLSTM", model.get_dim("nO"))
    nH, nI = model.get_dim("nO") // 2, model.get_dim("nI")
    b = model.ops.alloc3f(2, N_GATES, nH)
    b[:, FORGET_GATE] = 1.0
    model.set_param("W", glorot_uniform_gates(model.ops, N_GATES, nH, nI))
    model.set_param("U", orthogonal_gates(model.ops, N_GATES, nH))
    model.set_param("b", b.reshape(2, N_GATES * nH))


def forward(model: Model[InT, OutT], X: InT, is_train: bool) -> tuple[OutT, Callable]:
    if is_train:
        return _forward_training(model, X)
    return Ragged(predict(model, X.dataXd, X.lengths), X.lengths), _no_backprop


def _forward_training(model: Model[InT, OutT], X: InT) -> tuple[OutT, Callable]:
    xp = model.ops.xp
    weights = GateWeights.from_model(model)
    packing = pack_sequences(model.ops, X.lengths)
    rows, backprop_dropout = apply_input_dropout(model, X.dataXd, is_train=True)
    mask = recurrent_dropout_mask(model, (2, len(rows), weights.U.shape[1]), is_train=True)
    plan = plan_directions(model, len(rows), packing.n_sequences)

    def encode(directions: slice) -> DirectionState:
        inputs = rows[packing.orders[directions]]
        gates = xp.matmul(inputs, weights.W[directions])
        gates += weights.b[directions]
        factors = None if mask is None else mask[directions]
        U = weights.U[directions]
        state = lstm_forward_training(model.ops, packing.step_offsets, gates, U, factors)
        return DirectionState(inputs, state, factors)

    states = plan.run(encode)

    def backprop(dY: OutT) -> InT:
        d_rows = _backprop(model, packing, plan, states, dY.dataXd)
        return Ragged(backprop_dropout(d_rows), dY.lengths)

    hidden = [direction for each in states for direction in each.state.hidden]
    return Ragged(packing.unpack_concat(model.ops, hidden), X.lengths), backprop


def _backprop(
    model: Model[InT, OutT],
    packing: Packing,
    plan: DirectionPlan,
    states: list[DirectionState],
    dY: Floats2d,
) -> Floats2d:
    xp = model.ops.xp
    W, U, _ = params = [model.get_param(name) for name in "WUb"]
    X = states[0].inputs
    gradients = [xp.empty_like(param) for param in params]
    d_inputs = xp.empty((2, *X.shape[1:]), dtype=X.dtype)
    d_hidden = packing.pack_halves(model.ops, dY.astype(xp.result_type(X, U), copy=False))

    def backprop_directions(directions: slice) -> None:
        inputs, state, mask = states[directions.start]
        d_gates = backprop_lstm(
            model.ops, packing.step_offsets, d_hidden[directions], state, U[directions], mask
        )
        previous = state.hidden[:, packing.previous]
        if mask is not None:
            previous *= mask[:, packing.previous]
        d_later = d_gates[:, packing.n_sequences :]
        dW, dU, db = (gradient[directions] for gradient in gradients)
        xp.matmul(d_gates.transpose(0, 2, 1), inputs, out=dW)
        xp.matmul(d_later.transpose(0, 2, 1), previous, out=dU)
        xp.sum(d_gates, axis=1, out=db)
        xp.matmul(d_gates, W[directions], out=d_inputs[directions])

    plan.run(backprop_directions)
    for name, gradient in zip("WUb", gradients, strict=True):
        model.inc_grad(name, gradient)
    return packing.unpack_sum(model.ops, d_inputs)


def _no_backprop(dY: OutT) -> InT:
    raise ValueError(
        "BiLSTM: predictions can't be backpropagated. Call the layer with is_train=True"
    )
