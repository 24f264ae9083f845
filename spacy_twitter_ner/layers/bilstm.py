"""Bidirectional LSTM over packed sequences.

    o, i, f = sigmoid(W x + U h' + b)      the output, input and forget gates
    g       = tanh(W x + U h' + b)         the candidate
    c       = f * c' + i * g
    h       = o * tanh(c)

with h', c' the state one step before (Hochreiter & Schmidhuber 1997, forget gate of Gers et al.
2000). While training, what the steps come to is kept. A prediction reads blocks of sequences of
like length, small enough for a cache, and keeps nothing else than their hidden states.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from thinc.api import Model, get_width
from thinc.types import Floats2d, Floats3d, Ints1d, Ints2d, Ragged

from .lstm import (
    FORGET_GATE,
    N_GATES,
    GateWeights,
    Inputs,
    Steps,
    backprop_steps,
    has_kernel,
    predict_compiled,
    predict_steps,
    run_steps,
)
from .memory import keep_freed_memory
from .packing import pack_for_prediction, pack_sequences, take_rows
from .recurrent import (
    drop_inputs,
    glorot_gates,
    orthogonal_gates,
    plan_directions,
    recurrent_dropout_mask,
    stack_layers,
    validate_threads,
    validate_width,
)

InT: TypeAlias = Ragged
OutT: TypeAlias = Ragged
ReadT: TypeAlias = Callable[[slice, Floats3d], None]
FindT: TypeAlias = Callable[[slice], Inputs]


def BiLSTM(
    nO: int | None = None,
    nI: int | None = None,
    *,
    depth: int = 1,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    threads: int = 1,
) -> Model[InT, OutT]:
    """Read each sequence from both ends with an LSTM.

    nO (Optional[int]): Output width: nO / 2 hidden units for each direction.
    nI (Optional[int]): Input width.
    depth (int): How many layers, each over the outputs of the one below.
    dropout (float): Rate on the input of every layer. spaCy's training loop overwrites it
        with its own [training] dropout.
    recurrent_dropout (float): Rate on the hidden state that enters the next step, a new mask
        for every token. The training loop leaves it alone.
    threads (int): 2 to read from both ends at the same time, see recurrent.set_threads.
    RETURNS (Model[Ragged, Ragged]): (N, nI) -> (N, nO); the left half of the columns is read
        from the left.
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
    if not is_train:
        return Ragged(predict(model, X.dataXd, X.lengths), X.lengths), _no_backprop
    keep_freed_memory()
    ops = model.ops
    W, U = model.get_param("W"), model.get_param("U")
    weights = GateWeights.of(model)
    packing = pack_sequences(ops, X.lengths)
    rows, backprop_dropout = drop_inputs(model, X.dataXd, is_train)
    mask = recurrent_dropout_mask(model, (2, len(rows), U.shape[2]), is_train)

    def read(directions: slice) -> tuple[Floats3d, Steps, Floats3d | None]:
        inputs = rows[packing.orders[directions]]
        gates = ops.xp.matmul(inputs, weights.W[directions])
        gates += weights.b[directions]
        factors = None if mask is None else mask[directions]
        U_t = weights.U[directions]
        steps = run_steps(ops, packing.bounds, gates, U_t, factors)
        return inputs, steps, factors

    plan = plan_directions(model, len(rows), packing.first_step)
    results = plan.run(read)

    def backprop(dY: OutT) -> InT:
        dtype = ops.xp.result_type(rows, U)
        d_hidden = packing.pack_halves(ops, dY.dataXd.astype(dtype, copy=False))
        gradients = {name: ops.xp.empty_like(model.get_param(name)) for name in "WUb"}
        d_inputs = ops.xp.empty((2, *rows.shape), dtype=rows.dtype)

        def read_back(directions: slice) -> None:
            inputs, steps, factors = results[directions.start]
            d_gates = backprop_steps(
                ops, packing.bounds, d_hidden[directions], steps, U[directions], factors
            )
            states = steps.hidden[:, packing.previous]
            if factors is not None:
                states *= factors[:, packing.previous]
            later = d_gates[:, packing.first_step :]
            dW, dU, db = (gradients[name][directions] for name in "WUb")
            ops.xp.matmul(d_gates.transpose(0, 2, 1), inputs, out=dW)
            ops.xp.matmul(later.transpose(0, 2, 1), states, out=dU)
            ops.xp.sum(d_gates, axis=1, out=db)
            ops.xp.matmul(d_gates, W[directions], out=d_inputs[directions])

        plan.run(read_back)
        for name, gradient in gradients.items():
            model.inc_grad(name, gradient)
        d_rows = packing.unpack_sum(ops, d_inputs)
        return Ragged(backprop_dropout(d_rows), dY.lengths)

    hidden = [states for _, steps, _ in results for states in steps.hidden]
    return Ragged(packing.unpack_concat(ops, hidden), X.lengths), backprop


def predict(
    model: Model[InT, OutT], X: Floats2d, lengths: Ints1d, *, readout: Floats2d | None = None
) -> Floats2d:
    """Find the hidden states, without keeping what backpropagation would need.

    X (Floats2d): (N, nI) the rows of all sequences, one after another.
    lengths (Ints1d): (B,) the sequences' lengths.
    readout (Optional[Floats2d]): (nO, m) What to multiply them by, if nothing else is wanted of
        them: it is done block by block, while they are in a cache.
    RETURNS (Floats2d): (N, nO), or (N, m) if there is a readout.
    """
    xp = model.ops.xp
    weights = GateWeights.of(model)
    weights = weights.astype(xp.result_type(X, weights.U))

    def gates_of(
        tokens: Ints1d | Ints2d, directions: int | slice, out: Floats3d | None = None
    ) -> Any:
        gates = xp.matmul(X[tokens], weights.W[directions], out=out)
        gates += weights.b[directions]
        return gates

    def project(directions: slice, tokens: Ints2d) -> ReadT:
        def read(packed: slice, gates: Floats3d) -> None:
            gates_of(tokens[:, packed], directions, out=gates)

        return read

    def find(direction: int, tokens: Ints1d) -> FindT:
        def find_inputs(packed: slice) -> Inputs:
            gates = gates_of(tokens[packed], direction)
            return Inputs(gates, xp.arange(len(gates)))

        return find_inputs

    return _predict(model, weights, project, find, len(X), lengths, readout)


def input_projection(
    model: Model[InT, OutT],
    X: Floats2d,
    *,
    columns: slice = slice(None),
    bias: bool = True,
    weights: GateWeights | None = None,
) -> Floats3d:
    """Find what the gates get from inputs: W x + b, the sigmoids halved. It depends on nothing
    but the input, so where inputs repeat it can be kept, until the weights change.

    model (Model[Ragged, Ragged]): A BiLSTM of depth 1.
    X (Floats2d): (n, nI) inputs, or as many of their columns as are asked for.
    columns (slice): Which columns of the input X has. The projections of all columns, one of
        them with the bias, add up to that of the whole input.
    bias (bool): Whether to add b.
    weights (Optional[GateWeights]): The model's weights, if they have been made ready before.
    RETURNS (Floats3d): (2, n, 4 * nH) for predict_projected.
    """
    weights = weights or GateWeights.of(model)
    projected = model.ops.xp.matmul(X, weights.W[:, columns])
    if bias:
        projected += weights.b
    return projected


def predict_projected(
    model: Model[InT, OutT],
    projected: Floats3d,
    rows: Ints1d,
    lengths: Ints1d,
    *,
    extra_tokens: Ints1d | None = None,
    extra: Floats3d | None = None,
    weights: GateWeights | None = None,
    readout: Floats2d | None = None,
) -> Floats2d:
    """Find the hidden states of tokens whose inputs were projected before: what the model's
    predict gives for those inputs.

    model (Model[Ragged, Ragged]): A BiLSTM of depth 1.
    projected (Floats3d): (2, n, 4 * nH) as of input_projection.
    rows (Ints1d): (N,) the projection of each token, all sequences one after another.
    lengths (Ints1d): (B,) the sequences' lengths.
    extra_tokens (Optional[Ints1d]): (M,) distinct tokens, from 0 to N - 1, whose projection is
        that of their row and another one.
    extra (Optional[Floats3d]): (2, M, 4 * nH) the other ones.
    weights (Optional[GateWeights]): The model's weights, if they have been made ready before.
    readout (Optional[Floats2d]): (nO, m) As of predict.
    RETURNS (Floats2d): (N, nO), or (N, m) if there is a readout.
    RAISES (ValueError): If only one of extra_tokens and extra is given.
    """
    xp = model.ops.xp
    if (extra_tokens is None) != (extra is None):
        raise ValueError("predict_projected: give both of extra_tokens and extra, or none")
    weights = weights or GateWeights.of(model)
    dtype = xp.result_type(projected, weights.U)
    weights, projected = weights.astype(dtype), xp.ascontiguousarray(projected, dtype=dtype)
    if extra is not None:
        extra = xp.ascontiguousarray(extra, dtype=dtype)
    added = projected[:, :0] if extra is None else extra
    rows = xp.asarray(rows, dtype="int64")
    place = xp.full(len(rows), -1, dtype="int64")
    if extra_tokens is not None:
        place[extra_tokens] = xp.arange(len(extra_tokens))

    def project(directions: slice, tokens: Ints2d) -> ReadT:
        rows_of, places = rows[tokens], place[tokens]
        with_extra = [xp.flatnonzero(each >= 0) for each in places]

        def read(packed: slice, gates: Floats3d) -> None:
            for k, direction in enumerate(range(2)[directions]):
                take_rows(model.ops, projected[direction], rows_of[k, packed], out=gates[k])
                ends = xp.asarray([packed.start, packed.stop])
                first, last = xp.searchsorted(with_extra[k], ends).tolist()
                if first < last:
                    found = with_extra[k][first:last]
                    gates[k, found - packed.start] += added[direction][places[k, found]]

        return read

    def find(direction: int, tokens: Ints1d) -> FindT:
        table, more = projected[direction], None if extra is None else extra[direction]
        rows_of, places = rows[tokens], place[tokens]
        return lambda packed: Inputs(table, rows_of[packed], more, places[packed])

    return _predict(model, weights, project, find, len(rows), lengths, readout)


def _predict(
    model: Model[InT, OutT],
    weights: GateWeights,
    project: Callable[[slice, Ints2d], ReadT],
    find: Callable[[int, Ints1d], FindT],
    n_rows: int,
    lengths: Ints1d,
    readout: Floats2d | None,
) -> Floats2d:
    """Read the sequences block by block.

    project (Callable): Given some directions, and the tokens of each in packed order, makes a
        function that writes the inputs' part of the gates of a slice of these to an array.
    find (Callable): For compiled loops: given one direction, and its tokens in packed order, makes
        a function that returns the inputs' part of a slice of these.
    """
    xp = model.ops.xp
    nH = weights.U.shape[1]
    blocks = list(pack_for_prediction(model.ops, lengths))
    # Of each direction that which it reads out of its own hidden states.
    readouts = None if readout is None else xp.ascontiguousarray(readout).reshape(2, nH, -1)
    width = nH if readouts is None else readouts.shape[2]
    # Each half of an output on its own, so that a direction's are whole rows.
    halves = xp.empty((2 * n_rows, width), dtype=weights.U.dtype)

    def read(directions: slice) -> None:
        half = xp.arange(2)[directions, None]

        def write(rows: Ints2d, packed: slice, hidden: Floats3d) -> None:
            if readouts is not None:
                hidden = xp.matmul(hidden, readouts[directions])
            halves[rows[:, packed]] = hidden

        for block in blocks:
            tokens, U = block.orders[directions], weights.U[directions]
            write_outputs = partial(write, 2 * tokens + half)
            predict_steps(model.ops, block.bounds, U, project(directions, tokens), write_outputs)

    def read_compiled(directions: slice) -> None:
        for direction in range(2)[directions]:
            for block in blocks:
                tokens, U = block.orders[direction], weights.U[direction]
                find_inputs, rows = find(direction, tokens), 2 * tokens + direction
                if readouts is None:
                    predict_compiled(model.ops, block.bounds, find_inputs, U, halves, rows)
                else:
                    hidden = xp.empty((len(tokens), nH), dtype=U.dtype)
                    predict_compiled(
                        model.ops, block.bounds, find_inputs, U, hidden, xp.arange(len(tokens))
                    )
                    halves[rows] = xp.matmul(hidden, readouts[direction])

    plan = plan_directions(model, n_rows, max((block.first_step for block in blocks), default=0))
    plan.run(read_compiled if has_kernel(model.ops) else read)
    if readouts is None:
        return halves.reshape(n_rows, 2 * nH)
    return halves[0::2] + halves[1::2]


def _no_backprop(dY: OutT) -> InT:
    raise ValueError("BiLSTM: a prediction cannot be backpropagated; call it with is_train=True")
