"""The steps of an LSTM over packed rows, weights as the steps want them, and backpropagation
through time. Everything goes for one direction or for both at once: D is 1 or 2. See bilstm.py for
the formulas.

The gates are stored in the order o, i, f, g: the three sigmoids lie side by side, and so do the
three that get their gradient through the cell.

On the CPU, what a step does besides its product is left to a compiled loop, if the package was
built where a compiler is. The NumPy code here, which serves everywhere, computes the same.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy
from thinc.api import Model, Ops
from thinc.types import Floats2d, Floats3d, Ints1d

from .packing import Bounds, group_steps
from .products import StepProduct

kernel: Any = None
with suppress(ImportError):
    kernel = import_module(".lstm_kernel", __package__)

N_GATES = 4
N_SIGMOIDS = 3
FORGET_GATE = 2
# Of that many rows the arrays of a step stay in a processor's cache.
GROUP_ROWS = 256


@dataclass(frozen=True)
class GateWeights:
    """The weights of both directions, transposed, and halved where a gate is a sigmoid.

    sigmoid(x) = (tanh(x / 2) + 1) / 2, so that one call of tanh then serves all four gates.
    Products with matrices that are stored by input are several times faster for few rows.

    W (Floats3d): (2, nI, 4 * nH) of the input.
    U (Floats3d): (2, nH, 4 * nH) of the hidden state.
    b (Floats3d): (2, 1, 4 * nH) the biases.
    """

    W: Floats3d
    U: Floats3d
    b: Floats3d

    @classmethod
    def of(cls, model: Model) -> "GateWeights":
        """RETURNS (GateWeights): A copy of a BiLSTM's weights, as they are now."""
        xp = model.ops.xp
        W, U, b = (model.get_param(name) for name in "WUb")
        halve = xp.ones((N_GATES, U.shape[2]), dtype=U.dtype)
        halve[:N_SIGMOIDS] = 0.5
        halve = halve.reshape(1, 1, -1)
        W_t, U_t = (xp.ascontiguousarray(weights.transpose(0, 2, 1)) for weights in (W, U))
        W_t *= halve
        U_t *= halve
        return cls(W_t, U_t, b[:, None] * halve)

    def astype(self, dtype: Any) -> "GateWeights":
        """RETURNS (GateWeights): The weights as numbers of another type."""
        return GateWeights(*(w.astype(dtype, copy=False) for w in (self.W, self.U, self.b)))


@dataclass(frozen=True)
class Steps:
    """What the steps came to.

    gates (Floats3d): (D, N, 4 * nH) the values of the gates.
    hidden (Floats3d): (D, N, nH) the hidden states.
    cells (Floats3d): (D, N, nH) the cells.
    squashed (Floats3d): (D, N, nH) tanh of the cells.
    """

    gates: Floats3d
    hidden: Floats3d
    cells: Floats3d
    squashed: Floats3d


def has_kernel(ops: Ops) -> bool:
    """RETURNS (bool): Whether compiled loops are there for arrays of a backend."""
    return kernel is not None and ops.device_type == "cpu"


def run_steps(
    ops: Ops, bounds: Bounds, gates: Floats3d, U: Floats3d, mask: Floats3d | None = None
) -> Steps:
    """Visit the steps, and keep what backpropagation needs.

    ops (Ops): The arrays' backend.
    bounds (list[tuple[int, int]]): Where each step begins and ends.
    gates (Floats3d): (D, N, 4 * nH) the inputs' part of the gates, sigmoids halved. Overwritten
        with the gates' values.
    U (Floats3d): (D, nH, 4 * nH) recurrent weights, as in GateWeights.
    mask (Optional[Floats3d]): (D, N, nH) factors of the hidden states that enter the next step.
    RETURNS (Steps): The results.
    """
    if has_kernel(ops):
        return _run_compiled(ops, bounds, gates, U, mask)
    xp = ops.xp
    n_directions, n_rows, width = gates.shape
    nH = width // N_GATES
    hidden, cells, squashed = (
        xp.empty((n_directions, n_rows, nH), dtype=gates.dtype) for _ in range(3)
    )
    n_first = bounds[0][1] if bounds else 0
    from_hidden = xp.empty((n_directions, n_first, width), dtype=gates.dtype)
    multiply = StepProduct(ops, U)
    before = 0
    for start, end in bounds:
        size = end - start
        step = gates[:, start:end]
        if start:
            state = hidden[:, before : before + size]
            if mask is not None:
                state = state * mask[:, before : before + size]
            step += multiply(state, from_hidden[:, :size])
        xp.tanh(step, out=step)
        sigmoids = step[..., : N_SIGMOIDS * nH]
        sigmoids *= 0.5
        sigmoids += 0.5
        o, i, f, g = _split_gates(step)
        cell, tanh_cell = cells[:, start:end], squashed[:, start:end]
        if start:
            xp.multiply(f, cells[:, before : before + size], out=cell)
            cell += xp.multiply(i, g, out=tanh_cell)
        else:
            xp.multiply(i, g, out=cell)
        xp.tanh(cell, out=tanh_cell)
        xp.multiply(o, tanh_cell, out=hidden[:, start:end])
        before = start
    return Steps(gates, hidden, cells, squashed)


def _run_compiled(
    ops: Ops, bounds: Bounds, gates: Floats3d, U: Floats3d, mask: Floats3d | None
) -> Steps:
    n_directions, n_rows, width = gates.shape
    nH = width // N_GATES
    hidden, cells, squashed = (
        numpy.empty((n_directions, n_rows, nH), dtype=gates.dtype) for _ in range(3)
    )
    from_hidden = numpy.empty((bounds[0][1] if bounds else 0, width), dtype=gates.dtype)
    step = kernel.train_step[_number_type(gates)]
    for direction in range(n_directions):
        rows, *kept = (each[direction] for each in (gates, cells, squashed, hidden))
        multiply = StepProduct(ops, U[direction])
        before = 0
        for start, end in bounds:
            size = end - start
            if start:
                state = hidden[direction, before : before + size]
                if mask is not None:
                    state = state * mask[direction, before : before + size]
                multiply(state, from_hidden[:size])
            step(start, end, before, rows, from_hidden, *kept)
            before = start
    return Steps(gates, hidden, cells, squashed)


@dataclass(frozen=True)
class Inputs:
    """The inputs' part of the gates of packed rows, of one direction.

    table (Floats2d): (n, 4 * nH) of some inputs, sigmoids halved.
    rows (Ints1d): (N,) each packed row's place in the table.
    extra (Optional[Floats2d]): (m, 4 * nH) what is added for some rows.
    extra_rows (Optional[Ints1d]): (N,) each packed row's place in it, -1 for none.
    """

    table: Floats2d
    rows: Ints1d
    extra: Floats2d | None = None
    extra_rows: Ints1d | None = None


def predict_steps(
    ops: Ops,
    bounds: Bounds,
    U: Floats3d,
    read: Callable[[slice, Floats3d], None],
    write: Callable[[slice, Floats3d], None],
) -> None:
    """Visit the steps of a prediction. Nothing is kept but the hidden states. Inputs are read, and
    hidden states written, for a few steps at a time, so that they stay in a cache.

    ops (Ops): The arrays' backend.
    bounds (list[tuple[int, int]]): Where each step begins and ends.
    U (Floats3d): (D, nH, 4 * nH) recurrent weights, as in GateWeights.
    read (Callable): Given a slice of packed rows, writes the inputs' part of their gates to an
        array, (D, n, 4 * nH).
    write (Callable): Takes the hidden states, (D, n, nH), of a slice of packed rows.
    """
    xp = ops.xp
    n_directions, nH, width = U.shape
    groups = list(group_steps(bounds, GROUP_ROWS if ops.device_type == "cpu" else None))
    n_rows = max((group[-1][1] - group[0][0] for group in groups), default=0)
    n_first = bounds[0][1] if bounds else 0

    def make(n: int, columns: int) -> Floats3d:
        return xp.empty((n_directions, n, columns), dtype=U.dtype)

    gates, hidden = make(n_rows, width), make(n_rows, nH)
    from_hidden, cells, squashed = make(n_first, width), make(n_first, nH), make(n_first, nH)
    # For whole rows: NumPy takes twice as long to add a number to a part of each.
    one = xp.ones((n_first, width), dtype=U.dtype)
    one[:, N_SIGMOIDS * nH :] = 0.0
    multiply = StepProduct(ops, U)
    state = hidden
    for group in groups:
        first, last = group[0][0], group[-1][1]
        rows = slice(first, last)
        read(rows, gates[:, : last - first])
        for start, end in group:
            size = end - start
            here = slice(start - first, end - first)
            step, cell, tanh_cell = gates[:, here], cells[:, :size], squashed[:, :size]
            if start:
                step += multiply(state[:, :size], from_hidden[:, :size])
            xp.tanh(step, out=step)
            # Twice the sigmoids: what is made of them has fewer numbers to halve.
            step += one[:size]
            o, i, f, g = _split_gates(step)
            if start:
                cell *= f
                cell += xp.multiply(i, g, out=tanh_cell)
            else:
                xp.multiply(i, g, out=cell)
            cell *= 0.5
            xp.tanh(cell, out=tanh_cell)
            state = xp.multiply(o, tanh_cell, out=hidden[:, here])
            state *= 0.5
        write(rows, hidden[:, : last - first])


def predict_compiled(
    ops: Ops,
    bounds: Bounds,
    find: Callable[[slice], Inputs],
    U: Floats2d,
    outputs: Floats2d,
    output_rows: Ints1d,
) -> None:
    """Visit the steps of one direction with the compiled loop. Nothing is kept but the hidden
    states: what a step needs stays in a cache, and so may the inputs of a few steps.

    ops (Ops): The arrays' backend.
    bounds (list[tuple[int, int]]): Where each step begins and ends.
    find (Callable): Given a slice of packed rows, finds the inputs' part of their gates.
    U (Floats2d): (nH, 4 * nH) recurrent weights, as in GateWeights.
    outputs (Floats2d): (M, nH) where the hidden states go.
    output_rows (Ints1d): (N,) each packed row's place there.
    """
    nH, width = U.shape
    n_first = bounds[0][1] if bounds else 0
    gates = numpy.empty((n_first, width), dtype=U.dtype)
    cells, hidden = (numpy.empty((n_first, nH), dtype=U.dtype) for _ in range(2))
    step = kernel.predict_step[_number_type(U)]
    multiply = StepProduct(ops, U)
    for group in group_steps(bounds, GROUP_ROWS):
        first, last = group[0][0], group[-1][1]
        inputs, places = find(slice(first, last)), output_rows[first:last]
        read = (inputs.table, inputs.rows, inputs.extra, inputs.extra_rows)
        for start, end in group:
            size = end - start
            if start:
                multiply(hidden[:size], gates[:size])
            is_first = start == 0
            step(start - first, end - first, is_first, gates, *read, cells, hidden, outputs, places)


def backprop_steps(
    ops: Ops,
    bounds: Bounds,
    d_hidden: Floats3d,
    steps: Steps,
    U: Floats3d,
    mask: Floats3d | None = None,
) -> Floats3d:
    """Back-propagate through time.

    d_hidden (Floats3d): (D, N, nH) the gradient of the hidden states, overwritten.
    steps (Steps): What run_steps returned, with all cells.
    U (Floats3d): (D, 4 * nH, nH) recurrent weights, neither transposed nor halved.
    RETURNS (Floats3d): (D, N, 4 * nH) the gradient of the gates before their nonlinearity.
    """
    if has_kernel(ops):
        return _backprop_compiled(ops, bounds, d_hidden, steps, U, mask)
    xp = ops.xp
    n_directions, _, nH = d_hidden.shape
    d_gates = xp.empty_like(steps.gates)
    d_cells = xp.empty((n_directions, bounds[0][1] if bounds else 0, nH), dtype=d_hidden.dtype)
    d_hidden_later = d_cell_later = d_cells[:, :0]
    d_states = xp.empty_like(d_cells)
    multiply = StepProduct(ops, U)
    befores = [0, *(start for start, _ in bounds)]
    for before, (start, end) in reversed(list(zip(befores, bounds, strict=False))):
        size, size_later = end - start, d_cell_later.shape[1]
        gates, d_step = steps.gates[:, start:end], d_gates[:, start:end]
        o, i, f, g = _split_gates(gates)
        d_o, d_i, d_f, d_g = _split_gates(d_step)
        tanh_cell = steps.squashed[:, start:end]
        dh, dc = d_hidden[:, start:end], d_cells[:, :size]
        dh[:, :size_later] += d_hidden_later
        _tanh_derivative(ops, tanh_cell, out=dc)
        dc *= o
        dc *= dh
        dc[:, :size_later] += d_cell_later
        sigmoids = gates[..., : N_SIGMOIDS * nH]
        d_sigmoids = xp.subtract(1.0, sigmoids, out=d_step[..., : N_SIGMOIDS * nH])
        d_sigmoids *= sigmoids
        _tanh_derivative(ops, g, out=d_g)
        d_g *= i
        d_i *= g
        d_f *= steps.cells[:, before : before + size] if start else 0.0
        d_o *= tanh_cell
        d_o *= dh
        for d_gate in (d_i, d_f, d_g):
            d_gate *= dc
        if start:
            d_cell_later = dc * f
            d_hidden_later = multiply(d_step, d_states[:, :size])
            if mask is not None:
                d_hidden_later *= mask[:, before : before + size]
    return d_gates


def _backprop_compiled(
    ops: Ops,
    bounds: Bounds,
    d_hidden: Floats3d,
    steps: Steps,
    U: Floats3d,
    mask: Floats3d | None,
) -> Floats3d:
    n_directions, _, nH = d_hidden.shape
    d_gates = numpy.empty_like(steps.gates)
    n_first = bounds[0][1] if bounds else 0
    d_cells, d_later = (numpy.empty((n_first, nH), dtype=d_hidden.dtype) for _ in range(2))
    step = kernel.backprop_step[_number_type(d_hidden)]
    befores = [0, *(start for start, _ in bounds)]
    for direction in range(n_directions):
        kept = [each[direction] for each in (steps.gates, steps.cells, steps.squashed, d_hidden)]
        d_rows = d_gates[direction]
        multiply = StepProduct(ops, U[direction])
        n_later = 0
        for before, (start, end) in reversed(list(zip(befores, bounds, strict=False))):
            step(start, end, before, n_later, *kept, d_later, d_cells, d_rows)
            n_later = end - start
            if start:
                d_state = d_later[:n_later]
                multiply(d_rows[start:end], d_state)
                if mask is not None:
                    d_state *= mask[direction, before : before + n_later]
    return d_gates


def _number_type(array: Floats2d | Floats3d) -> str:
    """RETURNS (str): The name in C of an array's numbers."""
    return "float" if array.dtype == numpy.float32 else "double"


def _split_gates(gates: Floats3d) -> list[Floats3d]:
    """RETURNS (list[Floats3d]): Views of the four gates, o, i, f and g."""
    nH = gates.shape[-1] // N_GATES
    return [gates[..., k * nH : (k + 1) * nH] for k in range(N_GATES)]


def _tanh_derivative(ops: Ops, values: Floats3d, out: Floats3d) -> Floats3d:
    """RETURNS (Floats3d): 1 - y * y for the values y of a tanh."""
    ops.xp.multiply(values, values, out=out)
    return ops.xp.subtract(1.0, out, out=out)
