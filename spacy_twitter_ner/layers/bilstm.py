"""Bidirectional LSTM over packed sequences.

    o, i, f = sigmoid(W x + U h' + b)      the output, input and forget gates
    g       = tanh(W x + U h' + b)         the candidate
    c       = f * c' + i * g
    h       = o * tanh(c)

with h', c' the state one step before (Hochreiter & Schmidhuber 1997, forget gate of Gers et al.
2000). The gates are stored in the order o, i, f, g: the three sigmoids lie side by side, and so
do the three that get their gradient through the cell.
"""

from collections.abc import Callable
from typing import TypeAlias

from thinc.api import Model, Ops, get_width
from thinc.types import Floats2d, Floats3d, Floats4d, Ragged

from .packing import Packing, pack_sequences
from .recurrent import (
    drop_inputs,
    glorot_gates,
    orthogonal_gates,
    recurrent_dropout_mask,
    stack_layers,
    validate_width,
)

InT: TypeAlias = Ragged
OutT: TypeAlias = Ragged

N_GATES = 4
N_SIGMOIDS = 3
FORGET_GATE = 2


def BiLSTM(
    nO: int | None = None,
    nI: int | None = None,
    *,
    depth: int = 1,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
) -> Model[InT, OutT]:
    """Read each sequence from both ends with an LSTM.

    nO (Optional[int]): Output width: nO / 2 hidden units for each direction.
    nI (Optional[int]): Input width.
    depth (int): How many layers, each over the outputs of the one below.
    dropout (float): Rate on the input of every layer. spaCy's training loop overwrites it
        with its own [training] dropout.
    recurrent_dropout (float): Rate on the hidden state that enters the next step, a new mask
        for every token. The training loop leaves it alone.
    RETURNS (Model[Ragged, Ragged]): (N, nI) -> (N, nO); the left half of the columns is read
        from the left.
    """
    validate_width("BiLSTM", nO)

    def make_layer(nI: int | None) -> Model[InT, OutT]:
        return Model(
            "bilstm",
            forward,
            init=init,
            dims={"nO": nO, "nI": nI},
            params={"W": None, "U": None, "b": None},
            attrs={"dropout_rate": dropout, "recurrent_dropout_rate": recurrent_dropout},
        )

    return stack_layers(make_layer, nO, nI, depth)


def init(model: Model[InT, OutT], X: InT | None = None, Y: OutT | None = None) -> None:
    """Glorot-uniform input weights, orthogonal recurrent weights, forget bias 1."""
    if X is not None:
        model.set_dim("nI", get_width(X))
    if Y is not None:
        model.set_dim("nO", get_width(Y))
        validate_width("BiLSTM", model.get_dim("nO"))
    nH, nI = model.get_dim("nO") // 2, model.get_dim("nI")
    b = model.ops.alloc3f(2, N_GATES, nH)
    b[:, FORGET_GATE] = 1.0
    model.set_param("W", glorot_gates(model.ops, N_GATES, nH, nI))
    model.set_param("U", orthogonal_gates(model.ops, N_GATES, nH))
    model.set_param("b", b.reshape(2, N_GATES * nH))


def forward(model: Model[InT, OutT], X: InT, is_train: bool) -> tuple[OutT, Callable]:
    ops = model.ops
    W, U, b = model.get_param("W"), model.get_param("U"), model.get_param("b")
    packing = pack_sequences(ops, X.lengths)
    rows, backprop_dropout = drop_inputs(model, X.dataXd, is_train)
    inputs = packing.pack(ops, rows)
    mask = recurrent_dropout_mask(model, (2, len(rows), U.shape[2]), is_train)
    gates, cells, squashed, hidden = _run_steps(ops, packing, inputs, W, U, b, mask)

    def backprop(dY: OutT) -> InT:
        d_hidden = packing.pack_halves(ops, dY.dataXd)
        d_gates = _backprop_steps(ops, packing, d_hidden, gates, cells, squashed, U, mask)
        recurrent = hidden if mask is None else hidden * mask
        later = d_gates[:, packing.first_step :]
        model.inc_grad("W", ops.xp.matmul(d_gates.transpose(0, 2, 1), inputs))
        model.inc_grad("U", ops.xp.matmul(later.transpose(0, 2, 1), recurrent[:, packing.previous]))
        model.inc_grad("b", d_gates.sum(axis=1))
        d_rows = packing.unpack_sum(ops, ops.xp.matmul(d_gates, W))
        return Ragged(backprop_dropout(d_rows), dY.lengths)

    return Ragged(packing.unpack_concat(ops, hidden), X.lengths), backprop


def _run_steps(
    ops: Ops,
    packing: Packing,
    inputs: Floats3d,
    W: Floats3d,
    U: Floats3d,
    b: Floats2d,
    mask: Floats3d | None,
) -> tuple[Floats4d, Floats3d, Floats3d, Floats3d]:
    """Visit the steps of both directions at once.

    RETURNS (tuple): The gates' values (2, N, 4, nH); cells, tanh(cells) and hidden states, each
        (2, N, nH).
    """
    xp = ops.xp
    n_rows, nH = inputs.shape[1], U.shape[2]
    # sigmoid(x) = (tanh(x / 2) + 1) / 2: with the sigmoids' weights halved, one call of tanh
    # serves all four gates.
    halve = xp.ones((N_GATES, nH), dtype=W.dtype)
    halve[:N_SIGMOIDS] = 0.5
    halve = halve.reshape(1, -1)
    U_t = (U * halve[:, :, None]).transpose(0, 2, 1)
    gates = xp.matmul(inputs, (W * halve[:, :, None]).transpose(0, 2, 1))
    gates += (b * halve)[:, None]
    cells, squashed, hidden = (xp.empty((2, n_rows, nH), dtype=gates.dtype) for _ in range(3))
    from_hidden = xp.empty((2, packing.first_step, N_GATES * nH), dtype=gates.dtype)
    before = 0
    for start, end in packing.bounds:
        size = end - start
        step_gates = gates[:, start:end]
        if start:
            state = hidden[:, before : before + size]
            if mask is not None:
                state = state * mask[:, before : before + size]
            step_gates += xp.matmul(state, U_t, out=from_hidden[:, :size])
        xp.tanh(step_gates, out=step_gates)
        step_gates[..., : N_SIGMOIDS * nH] *= 0.5
        step_gates[..., : N_SIGMOIDS * nH] += 0.5
        o, i, f, g = (step_gates[..., k * nH : (k + 1) * nH] for k in range(N_GATES))
        cell = xp.multiply(i, g, out=cells[:, start:end])
        if start:
            cell += f * cells[:, before : before + size]
        tanh_cell = xp.tanh(cell, out=squashed[:, start:end])
        xp.multiply(o, tanh_cell, out=hidden[:, start:end])
        before = start
    return gates.reshape(2, n_rows, N_GATES, nH), cells, squashed, hidden


def _backprop_steps(
    ops: Ops,
    packing: Packing,
    d_hidden: Floats3d,
    gates: Floats4d,
    cells: Floats3d,
    squashed: Floats3d,
    U: Floats3d,
    mask: Floats3d | None,
) -> Floats3d:
    """Back-propagate through time.

    d_hidden (Floats3d): (2, N, nH) the gradient of the hidden states, overwritten.
    RETURNS (Floats3d): (2, N, 4 * nH) the gradient of the gates before their nonlinearity.
    """
    xp = ops.xp
    _, n_rows, n_gates, nH = gates.shape
    d_gates = _gate_derivatives(ops, packing, gates, cells, squashed)
    d_cell_by_hidden = gates[:, :, 0] * (1 - squashed * squashed)
    d_hidden_later = d_cell_later = d_hidden[:, :0]
    befores = [0, *(start for start, _ in packing.bounds)]
    for before, (start, end) in reversed(list(zip(befores, packing.bounds, strict=False))):
        size, size_later = end - start, d_cell_later.shape[1]
        dh = d_hidden[:, start:end]
        dh[:, :size_later] += d_hidden_later
        dc = dh * d_cell_by_hidden[:, start:end]
        dc[:, :size_later] += d_cell_later
        step = d_gates[:, start:end]
        step[:, :, 0] *= dh
        step[:, :, 1:] *= dc[:, :, None]
        if start:
            d_cell_later = dc * gates[:, start:end, FORGET_GATE]
            d_hidden_later = xp.matmul(step.reshape(2, size, n_gates * nH), U)
            if mask is not None:
                d_hidden_later *= mask[:, before : before + size]
    return d_gates.reshape(2, n_rows, n_gates * nH)


def _gate_derivatives(
    ops: Ops, packing: Packing, gates: Floats4d, cells: Floats3d, squashed: Floats3d
) -> Floats4d:
    """The derivative of the hidden state by the output gate, and of the cell by the other three,
    each before its nonlinearity: (2, N, 4, nH)."""
    i, g = gates[:, :, 1], gates[:, :, 3]
    derivatives = ops.xp.empty_like(gates)
    derivatives[:, :, :N_SIGMOIDS] = gates[:, :, :N_SIGMOIDS] * (1 - gates[:, :, :N_SIGMOIDS])
    derivatives[:, :, 0] *= squashed
    derivatives[:, :, 1] *= g
    derivatives[:, : packing.first_step, 2] = 0.0
    derivatives[:, packing.first_step :, 2] *= cells[:, packing.previous]
    derivatives[:, :, 3] = i * (1 - g * g)
    return derivatives
