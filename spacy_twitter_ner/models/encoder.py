"""Encoders for spaCy's Tok2Vec: token vectors to contextual token vectors."""

from collections.abc import Callable

from thinc.api import Model
from thinc.types import Floats2d, Ragged

from ..layers.bigru import BiGRU
from ..layers.bilstm import BiLSTM

InT = list[Floats2d]
OutT = list[Floats2d]

BILSTM_NAME = "bilstm_encoder"


def BiLSTMEncoder(
    hidden_width: int, *, depth: int = 1, dropout: float = 0.0, recurrent_dropout: float = 0.0
) -> Model[InT, OutT]:
    """Encode tokens in context with a bidirectional LSTM.

    hidden_width (int): Hidden units per direction. The output is twice as wide.
    depth (int): Number of layers.
    dropout (float): Dropout rate on the input of each layer. Overwritten by spaCy's [training]
        dropout.
    recurrent_dropout (float): Dropout rate on the hidden state that enters the next step.
    RETURNS (Model[list[Floats2d], list[Floats2d]]): (nT, nI) -> (nT, 2 * hidden_width) each.
    """
    return _with_lists(
        BILSTM_NAME,
        BiLSTM(2 * hidden_width, depth=depth, dropout=dropout, recurrent_dropout=recurrent_dropout),
    )


def BiGRUEncoder(
    hidden_width: int, *, depth: int = 1, dropout: float = 0.0, recurrent_dropout: float = 0.0
) -> Model[InT, OutT]:
    """Encode tokens in context with a bidirectional GRU.

    hidden_width, depth, dropout: See BiLSTMEncoder.
    recurrent_dropout (float): Dropout rate on the hidden state that enters the next step's gates.
    RETURNS (Model[list[Floats2d], list[Floats2d]]): (nT, nI) -> (nT, 2 * hidden_width) each.
    """
    return _with_lists(
        "bigru_encoder",
        BiGRU(2 * hidden_width, depth=depth, dropout=dropout, recurrent_dropout=recurrent_dropout),
    )


def _with_lists(name: str, layer: Model[Ragged, Ragged]) -> Model[InT, OutT]:
    """Like thinc.api.with_ragged, but with the layer's widths, which spaCy's Tok2Vec needs."""
    dims = {dim: layer.maybe_get_dim(dim) for dim in ("nO", "nI")}
    return Model(name, forward, init=init, layers=[layer], dims=dims)


def init(model: Model[InT, OutT], X: InT | None = None, Y: OutT | None = None) -> None:
    layer = model.layers[0]
    if X and not any(len(x) for x in X):
        # Thinc can't infer the width of a Ragged without rows.
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


def _flatten(model: Model[InT, OutT], Xs: list[Floats2d], dim: str) -> Ragged:
    lengths = model.ops.asarray1i([len(X) for X in Xs])
    if not Xs:
        return Ragged(model.ops.alloc2f(0, model.get_dim(dim)), lengths)
    return Ragged(model.ops.flatten(Xs), lengths)
