"""LSTM steps over packed sequences: training and backpropagation through time.

All functions handle D directions, one or two. See bilstm.py for the formulas, and
bilstm_inference.py for prediction.

The gates are stored in the order o, i, f, g: the three sigmoids are adjacent, and so are the three
gates whose gradient comes from the cell. Matrix products are left to the backend. The elementwise
part of a step is compiled (kernel.h) or NumPy, with equal results: the compiled kernel is used on
the CPU if the package was built with a compiler.
"""

from dataclasses import dataclass
from typing import Any

import numpy
from thinc.api import Model, Ops
from thinc.types import Floats3d

from . import compiled
from .packing import StepOffsets, with_previous

N_GATES = 4
N_SIGMOIDS = 3
FORGET_GATE = 2


@dataclass(frozen=True)
class GateWeights:
    """The weights of both directions, transposed, and halved where a gate is a sigmoid.

    sigmoid(x) = (tanh(x / 2) + 1) / 2, so a single tanh serves all four gates. Products with few
    rows are several times faster if the weights are stored by input.

    W (Floats3d): (2, nI, 4 * nH) input weights.
    U (Floats3d): (2, nH, 4 * nH) recurrent weights.
    b (Floats3d): (2, 1, 4 * nH) biases.
    """

    W: Floats3d
    U: Floats3d
    b: Floats3d

    @classmethod
    def from_model(cls, model: Model) -> "GateWeights":
        """RETURNS (GateWeights): A copy of a BiLSTM's current weights."""
        xp = model.ops.xp
        W, U, b = (model.get_param(name) for name in "WUb")
        halve = xp.ones((N_GATES, U.shape[2]), dtype=U.dtype)
        halve[:N_SIGMOIDS] = 0.5
        halve = halve.reshape(1, 1, -1)
        W_t, U_t = (xp.ascontiguousarray(w.transpose(0, 2, 1) * halve) for w in (W, U))
        return cls(W_t, U_t, b[:, None] * halve)

    def astype(self, dtype: Any) -> "GateWeights":
        """RETURNS (GateWeights): The weights, cast to a dtype."""
        return GateWeights(*(w.astype(dtype, copy=False) for w in (self.W, self.U, self.b)))


@dataclass(frozen=True)
class LSTMState:
    """The activations that backpropagation needs.

    gates (Floats3d): (D, N, 4 * nH) the gates.
    cells (Floats3d): (D, N, nH) the cells.
    tanh_cells (Floats3d): (D, N, nH) tanh of the cells.
    hidden (Floats3d): (D, N, nH) the hidden states.
    """

    gates: Floats3d
    cells: Floats3d
    tanh_cells: Floats3d
    hidden: Floats3d


@dataclass(frozen=True)
class Gradients:
    """The gradients in backpropagation, where the first step has n sequences.

    hidden (Floats3d): (D, N, nH) the gradient of the hidden states.
    later (Floats3d): (D, n, nH) the following step's contribution to it.
    cells (Floats3d): (D, n, nH) the following step's gradient of the cells, overwritten with that
        for the preceding step.
    gates (Floats3d): (D, N, 4 * nH) the gradient of the gates before their nonlinearity, written.
    """

    hidden: Floats3d
    later: Floats3d
    cells: Floats3d
    gates: Floats3d


class NumpySteps:
    """The elementwise part of a step, for all directions at once. The first step has start = 0.

    xp (Any): The array module.
    """

    def __init__(self, xp: Any) -> None:
        self._xp = xp

    def train(
        self, start: int, end: int, before: int, recurrent: Floats3d, state: LSTMState
    ) -> None:
        """Compute the activations of a step.

        start, end (int): The packed rows of the step.
        before (int): The first packed row of the preceding step.
        recurrent (Floats3d): (D, n, 4 * nH) U h', ignored in the first step.
        state (LSTMState): The activations. `gates` contains W x + b and is overwritten.
        """
        xp = self._xp
        size, gates = end - start, state.gates[:, start:end]
        cells, tanh_cells = state.cells[:, start:end], state.tanh_cells[:, start:end]
        if start:
            gates += recurrent[:, :size]
        o, i, f, g = activate_gates(xp, gates)
        xp.multiply(i, g, out=cells)
        if start:
            cells += f * state.cells[:, before : before + size]
        xp.tanh(cells, out=tanh_cells)
        xp.multiply(o, tanh_cells, out=state.hidden[:, start:end])

    def backprop(
        self, start: int, end: int, before: int, n_later: int, state: LSTMState, d: Gradients
    ) -> None:
        """Compute the gradient of a step's gates before their nonlinearity.

        start, end, before (int): As in `train`.
        n_later (int): The size of the following step, 0 if there is none.
        state (LSTMState): The activations.
        d (Gradients): The gradients.
        """
        xp = self._xp
        size, nH = end - start, d.hidden.shape[-1]
        gates, d_step = state.gates[:, start:end], d.gates[:, start:end]
        o, i, f, g = _split_gates(gates)
        d_o, d_i, d_f, d_g = _split_gates(d_step)
        tanh_cells = state.tanh_cells[:, start:end]
        dh, dc = d.hidden[:, start:end].copy(), d.cells[:, :size]
        dh[:, :n_later] += d.later[:, :n_later]
        dc[:, n_later:] = 0.0
        dc += dh * o * (1.0 - tanh_cells * tanh_cells)
        sigmoids = gates[..., : N_SIGMOIDS * nH]
        xp.multiply(sigmoids, 1.0 - sigmoids, out=d_step[..., : N_SIGMOIDS * nH])
        d_o *= dh * tanh_cells
        d_i *= dc * g
        d_f *= dc * state.cells[:, before : before + size] if start else 0.0
        xp.multiply(dc * i, 1.0 - g * g, out=d_g)
        dc *= f


class CompiledSteps:
    """NumpySteps, compiled: one direction after the other.

    dtype (Any): The dtype of all arrays, float32 or float64.
    """

    def __init__(self, dtype: Any) -> None:
        real = "float" if dtype == numpy.float32 else "double"
        self._train = compiled.kernel.train_step[real]
        self._backprop = compiled.kernel.backprop_step[real]

    def train(
        self, start: int, end: int, before: int, recurrent: Floats3d, state: LSTMState
    ) -> None:
        for arrays in zip(
            state.gates, recurrent, state.cells, state.tanh_cells, state.hidden, strict=True
        ):
            self._train(start, end, before, *arrays)

    def backprop(
        self, start: int, end: int, before: int, n_later: int, state: LSTMState, d: Gradients
    ) -> None:
        kept = (state.gates, state.cells, state.tanh_cells)
        for arrays in zip(*kept, d.hidden, d.later, d.cells, d.gates, strict=True):
            self._backprop(start, end, before, n_later, *arrays)


def lstm_forward_training(
    ops: Ops,
    step_offsets: StepOffsets,
    gates: Floats3d,
    U: Floats3d,
    mask: Floats3d | None = None,
) -> LSTMState:
    """Compute the hidden states and keep the activations.

    ops (Ops): The backend.
    step_offsets (list[tuple[int, int]]): As in Packing.
    gates (Floats3d): (D, N, 4 * nH) W x + b, with halved sigmoids. Overwritten.
    U (Floats3d): (D, nH, 4 * nH) recurrent weights, as in GateWeights.
    mask (Optional[Floats3d]): (D, N, nH) factors for the hidden states that enter the next step.
    RETURNS (LSTMState): The activations.
    """
    xp = ops.xp
    D, nH, width = U.shape
    cells, tanh_cells, hidden = (
        xp.empty((D, gates.shape[1], nH), dtype=gates.dtype) for _ in range(3)
    )
    state = LSTMState(gates, cells, tanh_cells, hidden)
    recurrent = xp.empty((D, _first_size(step_offsets), width), dtype=gates.dtype)
    steps = _get_steps(ops, gates.dtype)
    for before, start, end in with_previous(step_offsets):
        size = end - start
        if start:
            previous = hidden[:, before : before + size]
            if mask is not None:
                previous = previous * mask[:, before : before + size]
            xp.matmul(previous, U, out=recurrent[:, :size])
        steps.train(start, end, before, recurrent, state)
    return state


def backprop_lstm(
    ops: Ops,
    step_offsets: StepOffsets,
    d_hidden: Floats3d,
    state: LSTMState,
    U: Floats3d,
    mask: Floats3d | None = None,
) -> Floats3d:
    """Backpropagate through time.

    ops (Ops): The backend.
    step_offsets (list[tuple[int, int]]): As in Packing.
    d_hidden (Floats3d): (D, N, nH) the gradient of the hidden states.
    state (LSTMState): The activations of lstm_forward_training.
    U (Floats3d): (D, 4 * nH, nH) recurrent weights, neither transposed nor halved.
    mask (Optional[Floats3d]): (D, N, nH) the mask of lstm_forward_training.
    RETURNS (Floats3d): (D, N, 4 * nH) the gradient of the gates before their nonlinearity.
    """
    xp = ops.xp
    D, _, nH = d_hidden.shape
    n = _first_size(step_offsets)
    d_gates = xp.empty_like(state.gates)
    d_later, d_cells = (xp.empty((D, n, nH), dtype=d_hidden.dtype) for _ in range(2))
    gradients = Gradients(d_hidden, d_later, d_cells, d_gates)
    steps = _get_steps(ops, d_hidden.dtype)
    n_later = 0
    for before, start, end in reversed(with_previous(step_offsets)):
        steps.backprop(start, end, before, n_later, state, gradients)
        n_later = end - start
        if start:
            d_previous = xp.matmul(d_gates[:, start:end], U, out=d_later[:, :n_later])
            if mask is not None:
                d_previous *= mask[:, before : before + n_later]
    return d_gates


def _get_steps(ops: Ops, dtype: Any) -> NumpySteps | CompiledSteps:
    return CompiledSteps(dtype) if compiled.has_kernel(ops) else NumpySteps(ops.xp)


def _first_size(step_offsets: StepOffsets) -> int:
    return step_offsets[0][1] if step_offsets else 0


def activate_gates(xp: Any, gates: Any) -> list[Any]:
    """Apply the nonlinearities to gates, in place.

    xp (Any): The array module.
    gates (FloatsXd): (..., 4 * nH) the gates, with halved sigmoids.
    RETURNS (list[FloatsXd]): Views of the four gates, o, i, f and g.
    """
    xp.tanh(gates, out=gates)
    sigmoids = gates[..., : N_SIGMOIDS * gates.shape[-1] // N_GATES]
    sigmoids *= 0.5
    sigmoids += 0.5
    return _split_gates(gates)


def _split_gates(gates: Any) -> list[Any]:
    """RETURNS (list[FloatsXd]): Views of the four gates, o, i, f and g."""
    nH = gates.shape[-1] // N_GATES
    return [gates[..., k * nH : (k + 1) * nH] for k in range(N_GATES)]
