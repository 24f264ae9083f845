"""Bidirectional GRU over packed sequences.

    r, z = sigmoid(W x + U h' + b)         the reset and update gates
    n    = tanh(W x + b + r * (U h' + d))  the candidate
    h    = n + z * (h' - n)

with h' the state of the preceding step (Cho et al. 2014, in the variant of cuDNN and PyTorch, whose
reset gate is applied to the candidate's recurrent product).
"""

from collections.abc import Callable
from typing import TypeAlias

from thinc.api import Model, Ops, get_width
from thinc.types import Floats2d, Floats3d, Ragged

from .packing import Packing, pack_sequences, with_previous
from .recurrent import (
    apply_input_dropout,
    glorot_uniform_gates,
    orthogonal_gates,
    recurrent_dropout_mask,
    stack_layers,
    validate_width,
)

InT: TypeAlias = Ragged
OutT: TypeAlias = Ragged

N_GATES = 3


def BiGRU(
    nO: int | None = None,
    nI: int | None = None,
    *,
    depth: int = 1,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
) -> Model[InT, OutT]:
    """Encode each sequence in both directions with a gated recurrent unit.

    nO, nI, depth, dropout: See BiLSTM.
    recurrent_dropout (float): As in BiLSTM, but only for the hidden state that enters the gates.
    RETURNS (Model[Ragged, Ragged]): (N, nI) -> (N, nO). The first half of the columns is the
        forward direction.
    """
    validate_width("BiGRU", nO)

    def make_layer(nI: int | None) -> Model[InT, OutT]:
        return Model(
            "bigru",
            forward,
            init=init,
            dims={"nO": nO, "nI": nI},
            params={"W": None, "U": None, "b": None, "d": None},
            attrs={"dropout_rate": dropout, "recurrent_dropout_rate": recurrent_dropout},
        )

    return stack_layers(make_layer, nO, nI, depth)


def init(model: Model[InT, OutT], X: InT | None = None, Y: OutT | None = None) -> None:
    """Initialize with Glorot-uniform input weights, orthogonal recurrent weights, zero biases."""
    if X is not None:
        model.set_dim("nI", get_width(X))
    if Y is not None:
        model.set_dim("nO", get_width(Y))
        validate_width("BiGRU", model.get_dim("nO"))
    nH, nI = model.get_dim("nO") // 2, model.get_dim("nI")
    model.set_param("W", glorot_uniform_gates(model.ops, N_GATES, nH, nI))
    model.set_param("U", orthogonal_gates(model.ops, N_GATES, nH))
    model.set_param("b", model.ops.alloc2f(2, N_GATES * nH))
    model.set_param("d", model.ops.alloc2f(2, nH))


def forward(model: Model[InT, OutT], X: InT, is_train: bool) -> tuple[OutT, Callable]:
    ops = model.ops
    W, U = model.get_param("W"), model.get_param("U")
    packing = pack_sequences(ops, X.lengths)
    rows, backprop_dropout = apply_input_dropout(model, X.dataXd, is_train)
    inputs = packing.pack(ops, rows)
    gates = ops.xp.matmul(inputs, W.transpose(0, 2, 1)) + model.get_param("b")[:, None]
    mask = recurrent_dropout_mask(model, (2, len(rows), U.shape[2]), is_train)
    products, hidden = _run_steps(ops, packing, gates, U, model.get_param("d"), mask)

    def backprop(dY: OutT) -> InT:
        d_hidden = packing.pack_halves(ops, dY.dataXd)
        d_gates, d_recurrent = _backprop_steps(
            ops, packing, d_hidden, gates, products, hidden, U, mask
        )
        recurrent = hidden if mask is None else hidden * mask
        later = d_recurrent[:, packing.n_sequences :]
        model.inc_grad("W", ops.xp.matmul(d_gates.transpose(0, 2, 1), inputs))
        model.inc_grad("U", ops.xp.matmul(later.transpose(0, 2, 1), recurrent[:, packing.previous]))
        model.inc_grad("b", d_gates.sum(axis=1))
        model.inc_grad("d", d_recurrent[..., 2 * U.shape[2] :].sum(axis=1))
        d_rows = packing.unpack_sum(ops, ops.xp.matmul(d_gates, W))
        return Ragged(backprop_dropout(d_rows), dY.lengths)

    return Ragged(packing.unpack_concat(ops, hidden), X.lengths), backprop


def _run_steps(
    ops: Ops,
    packing: Packing,
    gates: Floats3d,
    U: Floats3d,
    d: Floats2d,
    mask: Floats3d | None,
) -> tuple[Floats3d, Floats3d]:
    """Process the steps of both directions at once.

    gates (Floats3d): (2, N, 3 * nH) W x + b, overwritten with the gates.
    RETURNS (tuple[Floats3d, Floats3d]): The candidate's recurrent product U h' + d and the hidden
        states, each (2, N, nH).
    """
    xp = ops.xp
    n_rows, nH = gates.shape[1], U.shape[2]
    # With few rows, BLAS is several times slower with a transposed view.
    U_t = xp.ascontiguousarray(U.transpose(0, 2, 1))
    products, hidden = (xp.empty((2, n_rows, nH), dtype=gates.dtype) for _ in range(2))
    products[:] = d[:, None]
    for before, start, end in with_previous(packing.step_offsets):
        size = end - start
        reset_update, candidate = gates[:, start:end, : 2 * nH], gates[:, start:end, 2 * nH :]
        if start:
            state = hidden[:, before : before + size]
            dropped = state if mask is None else state * mask[:, before : before + size]
            from_hidden = xp.matmul(dropped, U_t)
            reset_update += from_hidden[..., : 2 * nH]
            products[:, start:end] += from_hidden[..., 2 * nH :]
        reset_update *= 0.5
        xp.tanh(reset_update, out=reset_update)
        reset_update += 1.0
        reset_update *= 0.5
        candidate += reset_update[..., :nH] * products[:, start:end]
        xp.tanh(candidate, out=candidate)
        z = reset_update[..., nH:]
        hidden[:, start:end] = (1.0 - z) * candidate
        if start:
            hidden[:, start:end] += z * state
    return products, hidden


def _backprop_steps(
    ops: Ops,
    packing: Packing,
    d_hidden: Floats3d,
    gates: Floats3d,
    products: Floats3d,
    hidden: Floats3d,
    U: Floats3d,
    mask: Floats3d | None,
) -> tuple[Floats3d, Floats3d]:
    """Backpropagate through time.

    d_hidden (Floats3d): (2, N, nH) the gradient of the hidden states, overwritten.
    RETURNS (tuple[Floats3d, Floats3d]): The gradient of the gates before their nonlinearity, and
        that of their recurrent products, each (2, N, 3 * nH).
    """
    xp = ops.xp
    nH = U.shape[2]
    r, z, n = (gates[..., k * nH : (k + 1) * nH] for k in range(N_GATES))
    state = xp.zeros_like(hidden)
    state[:, packing.n_sequences :] = hidden[:, packing.previous]
    # The derivatives of the hidden state by each gate, for all steps at once.
    d_candidate = (1.0 - z) * (1.0 - n * n)
    d_gates = xp.concatenate(
        (d_candidate * products * r * (1.0 - r), (state - n) * z * (1.0 - z), d_candidate), axis=-1
    )
    d_recurrent = d_gates.copy()
    d_recurrent[..., 2 * nH :] *= r
    d_hidden_later = d_hidden[:, :0]
    for before, start, end in reversed(with_previous(packing.step_offsets)):
        size, size_later = end - start, d_hidden_later.shape[1]
        dh = d_hidden[:, start:end]
        dh[:, :size_later] += d_hidden_later
        for gradient in (d_gates, d_recurrent):
            step = gradient[:, start:end].reshape(2, size, N_GATES, nH)
            step *= dh[:, :, None]
            gradient[:, start:end] = step.reshape(2, size, N_GATES * nH)
        if start:
            d_hidden_later = xp.matmul(d_recurrent[:, start:end], U)
            if mask is not None:
                d_hidden_later *= mask[:, before : before + size]
            d_hidden_later += dh * z[:, start:end]
    return d_gates, d_recurrent
