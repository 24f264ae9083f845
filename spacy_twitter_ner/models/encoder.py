"""Encoders for spaCy's Tok2Vec: from each token's vector to its vector in context."""

from collections.abc import Callable, Sequence

from thinc.api import Model
from thinc.types import Floats2d, Floats3d, Ints1d, Ragged

from ..layers.bigru import BiGRU
from ..layers.bilstm import BiLSTM
from ._standin import input_projection, predict_projected

InT = list[Floats2d]
OutT = list[Floats2d]


def BiLSTMEncoder(
    hidden_width: int, *, depth: int = 1, dropout: float = 0.0, recurrent_dropout: float = 0.0
) -> Model[InT, OutT]:
    """Encode each token in its context with a bidirectional LSTM.

    hidden_width (int): Hidden units for each direction; the output is twice as wide.
    depth (int): How many layers.
    dropout (float): Rate on the input of every layer; spaCy's [training] dropout overwrites it.
    recurrent_dropout (float): Rate on the hidden state that enters the next step.
    RETURNS (Model[list[Floats2d], list[Floats2d]]): (nT, nI) -> (nT, 2 * hidden_width) each.
    """
    model = _over_lists(
        "bilstm_encoder",
        BiLSTM(2 * hidden_width, depth=depth, dropout=dropout, recurrent_dropout=recurrent_dropout),
    )
    model.attrs["project"] = project
    model.attrs["encode_projected"] = encode_projected
    return model


def BiGRUEncoder(
    hidden_width: int, *, depth: int = 1, dropout: float = 0.0, recurrent_dropout: float = 0.0
) -> Model[InT, OutT]:
    """Encode each token in its context with a bidirectional GRU.

    hidden_width (int): Hidden units for each direction; the output is twice as wide.
    depth (int): How many layers.
    dropout (float): Rate on the input of every layer; spaCy's [training] dropout overwrites it.
    recurrent_dropout (float): Rate on the hidden state that enters the next step's gates.
    RETURNS (Model[list[Floats2d], list[Floats2d]]): (nT, nI) -> (nT, 2 * hidden_width) each.
    """
    return _over_lists(
        "bigru_encoder",
        BiGRU(2 * hidden_width, depth=depth, dropout=dropout, recurrent_dropout=recurrent_dropout),
    )


def _over_lists(name: str, layer: Model[Ragged, Ragged]) -> Model[InT, OutT]:
    """As thinc.api.with_ragged, but with the layer's widths, which spaCy's Tok2Vec asks for."""
    dims = {dim: layer.maybe_get_dim(dim) for dim in ("nO", "nI")}
    return Model(name, forward, init=init, layers=[layer], dims=dims)


def init(model: Model[InT, OutT], X: InT | None = None, Y: OutT | None = None) -> None:
    layer = model.layers[0]
    if X and not any(len(x) for x in X):
        # Thinc sees no columns in a Ragged without rows; a sample without tokens has some.
        X = [model.ops.alloc2f(1, X[0].shape[1])]
    layer.initialize(
        X=_flatten(model, X, "nI") if X is not None else None,
        Y=_flatten(model, Y, "nO") if Y is not None else None,
    )
    for dim in ("nO", "nI"):
        model.set_dim(dim, layer.get_dim(dim))


def forward(model: Model[InT, OutT], Xs: InT, is_train: bool) -> tuple[OutT, Callable]:
    X = _flatten(model, Xs, "nI")
    Y, backprop_layer = model.layers[0](X, is_train)

    def backprop(dYs: OutT) -> InT:
        dX = backprop_layer(_flatten(model, dYs, "nO"))
        return model.ops.unflatten(dX.dataXd, dX.lengths)

    return model.ops.unflatten(Y.dataXd, Y.lengths), backprop


def project(model: Model[InT, OutT], X: Floats2d) -> Floats3d:
    """Predict the part of the lowest layer's gates that depends on its input alone.

    X (Floats2d): (n, nI)
    RETURNS (Floats3d): (2, n, width) for both directions.
    """
    lowest, *_ = _recurrent_layers(model)
    return input_projection(lowest, X)


def encode_projected(
    model: Model[InT, OutT],
    projected: Floats3d,
    rows: Ints1d,
    lengths: Sequence[int],
    tokens: Ints1d,
    columns: Floats2d,
) -> Floats2d:
    """Predict, of input that is projected already.

    projected (Floats3d): (2, n, width) of project, of distinct inputs with zeros in some last
        columns.
    rows (Ints1d): (N,) each token's row among them.
    lengths (Sequence[int]): The sequences' lengths.
    tokens (Ints1d): (k,) the tokens that have something else than zeros in the last columns.
    columns (Floats2d): (k, m) what they have there.
    RETURNS (Floats2d): (N, nO) all sequences one after another.
    """
    lowest, *others = _recurrent_layers(model)
    added = _project_columns(model, columns) if len(tokens) else None
    Y = predict_projected(lowest, projected, rows, lengths, tokens, added)
    for layer in others:
        Y = layer.predict(Ragged(Y, model.ops.asarray1i(lengths))).dataXd
    return Y


def _recurrent_layers(model: Model[InT, OutT]) -> list[Model[Ragged, Ragged]]:
    layer = model.layers[0]
    return layer.layers or [layer]


def _project_columns(model: Model[InT, OutT], columns: Floats2d) -> Floats3d:
    """RETURNS (Floats3d): (2, k, width) what contents of the last columns add to projections of
    zeros there."""
    xp, m = model.ops.xp, columns.shape[1]
    # The projection is affine: that of the columns' unit vectors tells their weights.
    units = xp.zeros((1 + m, model.get_dim("nI")), dtype=columns.dtype)
    units[1:, -m:] = xp.eye(m)
    projected = project(model, units)
    return xp.matmul(columns, projected[:, 1:] - projected[:, :1])


def _flatten(model: Model[InT, OutT], Xs: list[Floats2d], dim: str) -> Ragged:
    lengths = model.ops.asarray1i([len(X) for X in Xs])
    if not Xs:
        return Ragged(model.ops.alloc2f(0, model.get_dim(dim)), lengths)
    return Ragged(model.ops.flatten(Xs), lengths)
