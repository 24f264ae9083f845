"""Encoders for spaCy's Tok2Vec: from each token's vector to its vector in context."""

from collections.abc import Callable, Sequence

from thinc.api import Model
from thinc.types import Floats2d, Floats3d, Ints1d, Ragged

from ..layers.bigru import BiGRU
from ..layers.bilstm import BiLSTM, input_projection, predict, predict_projected
from ..layers.lstm import GateWeights

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
    model.attrs["prepare"] = ProjectedEncoder
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


class ProjectedEncoder:
    """Predicts in two steps, of which the first depends on nothing but the input. Weights are made
    ready once: it is of no use when they have changed.

    model (Model[list[Floats2d], list[Floats2d]]): An encoder of LSTMs.
    """

    def __init__(self, model: Model[InT, OutT]) -> None:
        layer = model.layers[0]
        self._lowest, *self._others = layer.layers or [layer]
        self._width = model.get_dim("nI")
        self._weights = GateWeights.of(self._lowest)

    def project(self, X: Floats2d) -> Floats3d:
        """Find what input adds to the gates of the lowest layer.

        X (Floats2d): (n, m) the first columns of input.
        RETURNS (Floats3d): (2, n, width) for both directions.
        """
        return input_projection(self._lowest, X, columns=slice(X.shape[1]), weights=self._weights)

    def encode(
        self,
        projected: Floats3d,
        rows: Ints1d,
        lengths: Sequence[int],
        tokens: Ints1d,
        last_columns: Floats2d,
        readout: Floats2d,
    ) -> Floats2d:
        """Predict the tokens' vectors in context, and what a linear layer makes of them.

        projected (Floats3d): (2, n, width) of project.
        rows (Ints1d): (N,) each token's row among them.
        lengths (Sequence[int]): The sequences' lengths.
        tokens (Ints1d): (k,) the tokens that have something else than zeros in the last columns.
        last_columns (Floats2d): (k, m) what they have there.
        readout (Floats2d): (nO, n_outputs) the linear layer's weights, transposed.
        RETURNS (Floats2d): (N, n_outputs) all sequences, one after another.
        """
        lowest, weights = self._lowest, self._weights
        lengths = lowest.ops.asarray1i(lengths)
        # Nothing else reads the highest layer.
        of_lowest, *of_others = [*(None for _ in self._others), readout]
        extra = {}
        if len(tokens):
            columns = slice(self._width - last_columns.shape[1], self._width)
            extra["extra_tokens"] = tokens
            extra["extra"] = input_projection(
                lowest, last_columns, columns=columns, bias=False, weights=weights
            )
        Y = predict_projected(
            lowest, projected, rows, lengths, weights=weights, readout=of_lowest, **extra
        )
        for layer, of_layer in zip(self._others, of_others, strict=True):
            Y = predict(layer, Y, lengths, readout=of_layer)
        return Y


def _flatten(model: Model[InT, OutT], Xs: list[Floats2d], dim: str) -> Ragged:
    lengths = model.ops.asarray1i([len(X) for X in Xs])
    if not Xs:
        return Ragged(model.ops.alloc2f(0, model.get_dim(dim)), lengths)
    return Ragged(model.ops.flatten(Xs), lengths)
