"""Prediction with a BiLSTM, without activations for backpropagation.

The part of the gates that only depends on the input, W x + b, can be computed once and looked up
for each token. The rest is one call of the compiled kernel per direction, or NumPy.
"""

import numpy
from thinc.api import Model, get_array_module
from thinc.backends import get_array_ops
from thinc.types import Floats2d, Floats3d, Ints1d

from . import compiled
from .lstm_ops import GateWeights, activate_gates
from .packing import pack_sequences
from .recurrent import plan_directions


def predict(
    model: Model, X: Floats2d, lengths: Ints1d, *, readout: Floats2d | None = None
) -> Floats2d:
    """Compute the hidden states.

    model (Model[Ragged, Ragged]): A BiLSTM of depth 1.
    X (Floats2d): (N, nI) the rows of all sequences, concatenated.
    lengths (Ints1d): (B,) the sequence lengths.
    readout (Optional[Floats2d]): (nO, m) weights to multiply the hidden states by.
    RETURNS (Floats2d): (N, nO), or (N, m) with a readout.
    """
    rows = model.ops.xp.arange(len(X), dtype="int64")
    return predict_projected(model, project_inputs(model, X), rows, lengths, readout=readout)


def project_inputs(
    model: Model,
    X: Floats2d,
    *,
    columns: slice = slice(None),
    bias: bool = True,
    weights: GateWeights | None = None,
) -> Floats3d:
    """Compute the part of the gates that only depends on the input: W x + b, with halved sigmoids.
    It can be cached until the weights change.

    model (Model[Ragged, Ragged]): A BiLSTM of depth 1.
    X (Floats2d): (n, m) inputs, or some of their columns.
    columns (slice): The input columns that X contains. The projections of all columns, one of them
        with the bias, add up to the projection of the whole input.
    bias (bool): Whether to add b.
    weights (Optional[GateWeights]): The model's weights, if already prepared.
    RETURNS (Floats3d): (2, n, 4 * nH) for predict_projected.
    """
    weights = weights or GateWeights.from_model(model)
    projected = model.ops.xp.matmul(X, weights.W[:, columns])
    if bias:
        projected += weights.b
    return projected


def predict_projected(
    model: Model,
    projected: Floats3d,
    rows: Ints1d,
    lengths: Ints1d,
    *,
    extra_tokens: Ints1d | None = None,
    extra: Floats3d | None = None,
    weights: GateWeights | None = None,
    readout: Floats2d | None = None,
) -> Floats2d:
    """Compute the hidden states from projected inputs. Equivalent to `predict` with these inputs.

    model (Model[Ragged, Ragged]): A BiLSTM of depth 1.
    projected (Floats3d): (2, n, 4 * nH) from project_inputs.
    rows (Ints1d): (N,) the row of each token's projection, all sequences concatenated.
    lengths (Ints1d): (B,) the sequence lengths.
    extra_tokens (Optional[Ints1d]): (M,) distinct tokens that have a second projection.
    extra (Optional[Floats3d]): (2, M, 4 * nH) the second projections, to be added.
    weights (Optional[GateWeights]): The model's weights, if already prepared.
    readout (Optional[Floats2d]): (nO, m) as in `predict`.
    RETURNS (Floats2d): (N, nO), or (N, m) with a readout.
    RAISES (ValueError): If only one of extra_tokens and extra is given.
    """
    xp = model.ops.xp
    if (extra_tokens is None) != (extra is None):
        raise ValueError("predict_projected: give both of extra_tokens and extra, or none")
    weights = weights or GateWeights.from_model(model)
    dtype = xp.result_type(projected, weights.U)
    table, U = (xp.ascontiguousarray(array, dtype=dtype) for array in (projected, weights.U))
    rows, lengths = (
        xp.ascontiguousarray(xp.asarray(array), dtype="int64") for array in (rows, lengths)
    )
    extra_rows = None
    if extra is not None and extra_tokens is not None:
        extra = xp.ascontiguousarray(extra, dtype=dtype)
        extra_rows = xp.full(len(rows), -1, dtype="int64")
        extra_rows[extra_tokens] = xp.arange(len(extra_tokens))
    width, readouts = U.shape[1], None
    if readout is not None:
        # Readout weights by direction, whose results are added up.
        readouts = xp.ascontiguousarray(readout, dtype=dtype).reshape(2, width, -1)
        width = readouts.shape[2]
    outputs = xp.empty((len(rows), 2 * width), dtype=dtype)
    infer = _infer
    if compiled.has_kernel(model.ops):
        infer = compiled.kernel.infer["float" if dtype == numpy.float32 else "double"]
    inputs = (lengths, table, rows, extra, extra_rows, U, readouts, outputs)
    # Both directions at once, unless there are threads.
    plan = plan_directions(model, len(rows), n_sequences=1)
    plan.run(lambda directions: infer(*inputs, directions))
    return outputs if readout is None else outputs[:, :width] + outputs[:, width:]


def _infer(
    lengths: Ints1d,
    table: Floats3d,
    rows: Ints1d,
    extra: Floats3d | None,
    extra_rows: Ints1d | None,
    U: Floats3d,
    readout: Floats3d | None,
    outputs: Floats2d,
    directions: slice,
) -> None:
    """Compute some directions, like the function of this name in the compiled kernel.

    lengths (Ints1d): (B,) the sequence lengths.
    table, rows (Floats3d, Ints1d): (2, n, 4 * nH) projected inputs, and (N,) each token's row.
    extra, extra_rows (Optional): (2, M, 4 * nH) projections to add, and (N,) their rows, -1 for
        none.
    U (Floats3d): (2, nH, 4 * nH) the recurrent weights, as in GateWeights.
    readout (Optional[Floats3d]): (2, nH, m) weights to multiply the hidden states by.
    outputs (Floats2d): (N, 2 * m) the array to write to, or (N, 2 * nH) without a readout.
    directions (slice): The directions: forward is 0, backward 1.
    """
    xp = get_array_module(U)
    packing = pack_sequences(get_array_ops(U), lengths)
    orders = packing.orders
    halves = outputs.reshape(len(rows), 2, outputs.shape[1] // 2)
    for d in range(2)[directions]:
        cells, hidden = xp.zeros((2, packing.n_sequences, U.shape[1]), dtype=U.dtype)
        for start, end in packing.step_offsets:
            tokens = orders[d, start:end]
            gates = hidden[: end - start] @ U[d]
            gates += table[d, rows[tokens]]
            if extra is not None and extra_rows is not None:
                chosen = extra_rows[tokens]
                gates[chosen >= 0] += extra[d, chosen[chosen >= 0]]
            o, i, f, g = activate_gates(xp, gates)
            cells = f * cells[: end - start] + i * g
            hidden = o * xp.tanh(cells)
            halves[tokens, d] = hidden if readout is None else hidden @ readout[d]
