"""Prediction with a BiLSTM, without activations for backpropagation.

Sequences are processed in blocks of similar length that fit into the CPU's cache. The part of the
gates that only depends on the input, W x + b, can be computed once and looked up for each token.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from thinc.api import Model
from thinc.types import Floats2d, Floats3d, Ints1d, Ints2d

from .lstm_ops import GateInputs, GateWeights, lstm_forward_inference
from .packing import pack_for_prediction
from .recurrent import plan_directions

# Given directions and their tokens, (D, n), return the projected inputs of these tokens.
GetInputsT: TypeAlias = Callable[[slice, Ints2d], GateInputs]


def predict(
    model: Model, X: Floats2d, lengths: Ints1d, *, readout: Floats2d | None = None
) -> Floats2d:
    """Compute the hidden states.

    model (Model[Ragged, Ragged]): A BiLSTM of depth 1.
    X (Floats2d): (N, nI) the rows of all sequences, concatenated.
    lengths (Ints1d): (B,) the sequence lengths.
    readout (Optional[Floats2d]): (nO, m) weights to multiply the hidden states by. Done block by
        block, while they are in the cache.
    RETURNS (Floats2d): (N, nO), or (N, m) with a readout.
    """
    xp = model.ops.xp
    weights = GateWeights.from_model(model)
    weights = weights.astype(xp.result_type(X, weights.U))

    def get_inputs(directions: slice, tokens: Ints2d) -> GateInputs:
        table = xp.matmul(X[tokens], weights.W[directions])
        table += weights.b[directions]
        rows = xp.arange(tokens.shape[1], dtype="int64")
        return GateInputs(table, xp.broadcast_to(rows, tokens.shape))

    return _predict(model, weights, get_inputs, len(X), lengths, readout)


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
    table = xp.ascontiguousarray(projected, dtype=dtype)
    rows = xp.asarray(rows, dtype="int64")
    extra_rows = xp.full(len(rows), -1, dtype="int64")
    if extra is not None and extra_tokens is not None:
        extra = xp.ascontiguousarray(extra, dtype=dtype)
        extra_rows[extra_tokens] = xp.arange(len(extra_tokens))

    def get_inputs(directions: slice, tokens: Ints2d) -> GateInputs:
        if extra is None:
            return GateInputs(table[directions], rows[tokens])
        return GateInputs(table[directions], rows[tokens], extra[directions], extra_rows[tokens])

    return _predict(model, weights.astype(dtype), get_inputs, len(rows), lengths, readout)


def _predict(
    model: Model,
    weights: GateWeights,
    get_inputs: GetInputsT,
    n_rows: int,
    lengths: Ints1d,
    readout: Floats2d | None,
) -> Floats2d:
    """Compute the hidden states block by block."""
    xp = model.ops.xp
    nH, dtype = weights.U.shape[1], weights.U.dtype
    # Readout weights, split by direction.
    readouts = None if readout is None else xp.ascontiguousarray(readout).reshape(2, nH, -1)
    width = nH if readouts is None else readouts.shape[2]
    # Row 2 * t + d is the output of token t in direction d: whole rows are faster to write.
    halves = xp.empty((2 * n_rows, width), dtype=dtype)
    blocks = list(pack_for_prediction(model.ops, lengths))

    def encode(directions: slice) -> None:
        for block in blocks:
            tokens = block.orders[directions]
            rows = 2 * tokens + xp.arange(2)[directions, None]
            get_packed = partial(_slice_inputs, get_inputs, directions, tokens)
            args = (model.ops, block.step_offsets, weights.U[directions], get_packed)
            if readouts is None:
                lstm_forward_inference(*args, halves, rows)
            else:
                hidden = xp.empty((tokens.size, nH), dtype=dtype)
                hidden_rows = xp.arange(tokens.size, dtype="int64").reshape(tokens.shape)
                lstm_forward_inference(*args, hidden, hidden_rows)
                hidden = hidden.reshape(*tokens.shape, nH)
                halves[rows] = xp.matmul(hidden, readouts[directions])

    n_sequences = max((block.n_sequences for block in blocks), default=0)
    plan_directions(model, n_rows, n_sequences).run(encode)
    if readouts is None:
        return halves.reshape(n_rows, 2 * nH)
    return halves[0::2] + halves[1::2]


def _slice_inputs(
    get_inputs: GetInputsT, directions: slice, tokens: Ints2d, packed: slice
) -> GateInputs:
    return get_inputs(directions, tokens[:, packed])
