"""Tests of both recurrent layers."""

from collections.abc import Callable
from typing import Any

import numpy
import pytest
from thinc.api import Adam, Model, Softmax_v2
from thinc.types import Ragged

from spacy_twitter_ner.layers.bigru import BiGRU
from spacy_twitter_ner.layers.bilstm import BiLSTM

from .gradients import OPS, gradient_errors, make_batch, randomize

pytestmark = pytest.mark.usefixtures("each_kernel")

MIXED = [3, 1, 5, 0, 2]
GATES = {BiLSTM: 4, BiGRU: 3}

each_layer = pytest.mark.parametrize("make_layer", GATES)


def make_model(
    make_layer: Callable[..., Model[Ragged, Ragged]],
    nO: int = 4,
    nI: int = 3,
    *,
    dtype: str = "float64",
    **settings: Any,
) -> Model[Ragged, Ragged]:
    model = make_layer(nO, nI, **settings)
    model.initialize()
    randomize(model, dtype=dtype)
    return model


@each_layer
@pytest.mark.parametrize("lengths", [MIXED, [4], [1], [1, 1], [2, 2, 2]], ids=str)
@pytest.mark.parametrize("depth", [1, 2])
def test_gradients(make_layer: Callable, lengths: list[int], depth: int) -> None:
    errors = gradient_errors(make_model(make_layer, depth=depth), make_batch(lengths, 3))
    assert len(errors) == 1 + depth * (3 if make_layer is BiLSTM else 4)
    assert max(errors.values()) < 1e-7, errors


@each_layer
@pytest.mark.parametrize("half", [slice(None, 2), slice(2, None)], ids=["forward", "backward"])
def test_gradients_of_single_direction(make_layer: Callable, half: slice) -> None:
    def keep_half(weights: numpy.ndarray) -> None:
        kept = weights[:, half].copy()
        weights[:] = 0.0
        weights[:, half] = kept

    model = make_model(make_layer)
    errors = gradient_errors(model, make_batch(MIXED, 3), weigh=keep_half)
    assert max(errors.values()) < 1e-7, errors
    direction = 0 if half.start is None else 1
    for name in model.param_names:
        assert abs(model.get_grad(name)[direction]).max() > 1e-3
        assert not model.get_grad(name)[1 - direction].any()


@each_layer
@pytest.mark.parametrize("index", [0, -1], ids=["first", "last"])
def test_gradients_of_single_token(make_layer: Callable, index: int) -> None:
    # The gradient has to pass through all steps of a direction.
    def keep_token(weights: numpy.ndarray) -> None:
        kept = weights[index].copy()
        weights[:] = 0.0
        weights[index] = kept

    model = make_model(make_layer)
    errors = gradient_errors(model, make_batch([6], 3), weigh=keep_token)
    assert max(errors.values()) < 1e-7, errors


@each_layer
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize(
    "rates",
    [
        {"recurrent_dropout": 0.5},
        {"dropout": 0.5},
        {"dropout": 0.3, "recurrent_dropout": 0.3},
    ],
    ids=str,
)
def test_gradients_with_dropout(make_layer: Callable, depth: int, rates: dict[str, float]) -> None:
    model = make_model(make_layer, depth=depth, **rates)
    errors = gradient_errors(model, make_batch(MIXED, 3))
    assert max(errors.values()) < 1e-7, errors


@each_layer
@pytest.mark.parametrize("lengths", [[], [0], [0, 0, 0]], ids=str)
@pytest.mark.parametrize("rate", [0.0, 0.5])
@pytest.mark.parametrize("depth", [1, 2])
def test_batches_without_tokens(
    make_layer: Callable, lengths: list[int], rate: float, depth: int
) -> None:
    model = make_model(make_layer, depth=depth, dropout=rate, recurrent_dropout=rate)
    Y, backprop = model(make_batch(lengths, 3), is_train=True)
    assert Y.dataXd.shape == (0, 4)
    assert Y.lengths.tolist() == lengths
    dX = backprop(Y)
    assert dX.dataXd.shape == (0, 3)
    assert dX.lengths.tolist() == lengths
    for node in model.walk():
        for name in node.param_names:
            assert node.get_grad(name).shape == node.get_param(name).shape
            assert not node.get_grad(name).any()


@each_layer
def test_gradients_accumulate(make_layer: Callable) -> None:
    model, X = make_model(make_layer), make_batch(MIXED, 3)
    once = {}
    for times in (1, 2):
        Y, backprop = model(X, is_train=True)
        backprop(Y)
        for name in model.param_names:
            once.setdefault(name, model.get_grad(name).copy())
            assert model.get_grad(name) == pytest.approx(times * once[name])


@each_layer
def test_backprop_does_not_modify_output_gradient(make_layer: Callable) -> None:
    model = make_model(make_layer, recurrent_dropout=0.3)
    Y, backprop = model(make_batch(MIXED, 3), is_train=True)
    dY = numpy.ones_like(Y.dataXd)
    backprop(Ragged(dY, Y.lengths))
    assert (dY == 1.0).all()


@each_layer
def test_output_is_independent_of_the_batch(make_layer: Callable) -> None:
    model = make_model(make_layer, 8, 5, depth=2, dtype="float32")
    X = make_batch(MIXED, 5, dtype="float32")
    together = OPS.unflatten(model.predict(X).dataXd, X.lengths)
    alone = [
        model.predict(Ragged(rows, OPS.asarray1i([len(rows)]))).dataXd
        for rows in OPS.unflatten(X.dataXd, X.lengths)
    ]
    assert [len(Y) for Y in together] == MIXED
    for Y_together, Y_alone in zip(together, alone, strict=True):
        assert Y_together == pytest.approx(Y_alone, abs=1e-5)


@each_layer
def test_backward_half_is_forward_half_of_reversed_sequence(make_layer: Callable) -> None:
    model, swapped = make_model(make_layer), make_model(make_layer)
    for name in model.param_names:
        swapped.set_param(name, model.get_param(name)[::-1].copy())
    X = make_batch([5], 3)
    Y = model.predict(X).dataXd
    reversed_Y = swapped.predict(Ragged(X.dataXd[::-1].copy(), X.lengths)).dataXd[::-1]
    assert Y[:, 2:] == pytest.approx(reversed_Y[:, :2], abs=1e-12)
    assert Y[:, :2] == pytest.approx(reversed_Y[:, 2:], abs=1e-12)
    assert abs(Y[:, 2:] - Y[:, :2]).max() > 0.01


@each_layer
def test_directions_only_depend_on_one_side(make_layer: Callable) -> None:
    model, X = make_model(make_layer), make_batch([6], 3)
    Y = model.predict(X).dataXd
    X.dataXd[3] += 1.0
    changed = abs(model.predict(X).dataXd - Y) > 1e-9
    assert changed[:, :2].any(axis=1).tolist() == [False] * 3 + [True] * 3
    assert changed[:, 2:].any(axis=1).tolist() == [True] * 4 + [False] * 2


@each_layer
def test_initial_weights(make_layer: Callable) -> None:
    numpy.random.seed(0)
    nH, nI = 16, 10
    model = make_layer(2 * nH, nI).initialize()
    W, U = model.get_param("W"), model.get_param("U")
    bound = numpy.sqrt(6.0 / (nH + nI))
    assert W.shape == (2, GATES[make_layer] * nH, nI)
    assert abs(W).max() <= bound
    for gate in W.reshape(-1, nH, nI):
        assert gate.min() < -0.9 * bound
        assert gate.max() > 0.9 * bound
    assert U.shape == (2, GATES[make_layer] * nH, nH)
    matrices = U.reshape(-1, nH, nH)
    for matrix in matrices:
        assert matrix @ matrix.T == pytest.approx(numpy.eye(nH), abs=1e-5)
    # Gates and directions are drawn separately.
    assert len({matrix.tobytes() for matrix in matrices}) == len(matrices)
    assert len({gate.tobytes() for gate in W.reshape(-1, nH, nI)}) == len(matrices)
    for name in model.param_names:
        assert model.get_param(name).dtype == "float32"


@each_layer
def test_initialization_is_reproducible(make_layer: Callable) -> None:
    drawn = []
    for seed in (1, 1, 2):
        numpy.random.seed(seed)
        drawn.append(make_layer(4, 3).initialize().to_bytes())
    # The bytes also contain the node's ID.
    models = [make_layer(4, 3).from_bytes(data) for data in drawn]
    assert (models[0].get_param("W") == models[1].get_param("W")).all()
    assert (models[0].get_param("U") == models[1].get_param("U")).all()
    assert (models[0].get_param("W") != models[2].get_param("W")).all()


@each_layer
def test_overfits_to_tokens_at_the_other_end(make_layer: Callable) -> None:
    """The tag of the last token is the first word and vice versa, which takes the memory of both
    directions."""
    numpy.random.seed(0)
    random = numpy.random.RandomState(1)
    lengths = [2, 4, 5, 3, 6, 4, 5, 2]
    words = [random.randint(1, 4, size=length) for length in lengths]
    tags = numpy.concatenate([[w[-1], *([0] * (len(w) - 2)), w[0]] for w in words])
    one_hot = numpy.eye(4, dtype="float32")
    X = Ragged(one_hot[numpy.concatenate(words)], OPS.asarray1i(lengths))
    encoder, output = make_layer(16, 4).initialize(), Softmax_v2(4, 16).initialize()
    optimizer = Adam(0.03)
    for _ in range(80):
        hidden, backprop_encoder = encoder(X, is_train=True)
        Y, backprop_output = output(hidden.dataXd, is_train=True)
        d_hidden = backprop_output((Y - one_hot[tags]) / len(tags))
        backprop_encoder(Ragged(d_hidden, hidden.lengths))
        for model in (encoder, output):
            model.finish_update(optimizer)
    probabilities = output.predict(encoder.predict(X).dataXd)
    assert probabilities.argmax(axis=1).tolist() == tags.tolist()
    assert probabilities[numpy.arange(len(tags)), tags].min() > 0.9


@each_layer
def test_recurrent_layers_preserve_float32(make_layer: Callable) -> None:
    model = make_layer(4, 3, depth=2, dropout=0.2, recurrent_dropout=0.2).initialize()
    Y, backprop = model(make_batch(MIXED, 3, dtype="float32"), is_train=True)
    dX = backprop(Y)
    assert Y.dataXd.dtype == "float32"
    assert dX.dataXd.dtype == "float32"
    for node in model.walk():
        for name in node.param_names:
            assert node.get_grad(name).dtype == "float32"


@each_layer
@pytest.mark.parametrize("depth", [1, 2])
def test_bytes_round_trip(make_layer: Callable, depth: int) -> None:
    model = make_layer(4, 3, depth=depth, recurrent_dropout=0.5).initialize()
    X = make_batch(MIXED, 3, dtype="float32")
    copy = make_layer(depth=depth).from_bytes(model.to_bytes())
    assert (copy.predict(X).dataXd == model.predict(X).dataXd).all()
    assert (copy.get_dim("nO"), copy.get_dim("nI")) == (4, 3)
    for node in copy.walk():
        assert node.attrs.get("recurrent_dropout_rate", 0.5) == 0.5


@each_layer
@pytest.mark.parametrize("nO", [-2, 0, 1, 3])
def test_odd_width_raises(make_layer: Callable, nO: int) -> None:
    with pytest.raises(ValueError, match=f"{make_layer.__name__}.*nO = {nO} must be even"):
        make_layer(nO, 2)


@each_layer
def test_odd_inferred_width_raises(make_layer: Callable) -> None:
    X, Y = make_batch([2], 3, dtype="float32"), make_batch([2], 5, dtype="float32")
    with pytest.raises(ValueError, match="nO = 5 must be even"):
        make_layer().initialize(X=X, Y=Y)


@each_layer
@pytest.mark.parametrize("depth", [0, -1])
def test_nonpositive_depth_raises(make_layer: Callable, depth: int) -> None:
    with pytest.raises(ValueError, match=r"depth .* must be at least 1"):
        make_layer(4, 2, depth=depth)


@each_layer
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("nO", [None, 6])
def test_widths_are_inferred(make_layer: Callable, depth: int, nO: int | None) -> None:
    X, Y = make_batch([2, 0], 3, dtype="float32"), make_batch([2, 0], 6, dtype="float32")
    model = make_layer(nO, depth=depth)
    model.initialize(X=X, Y=Y if nO is None else None)
    assert (model.get_dim("nO"), model.get_dim("nI")) == (6, 3)
    nodes = [node for node in model.walk() if node.param_names]
    assert [node.get_dim("nI") for node in nodes] == [3, *[6] * (depth - 1)]
    assert model.predict(X).dataXd.shape == (2, 6)


@each_layer
def test_dropout_only_applies_to_training(make_layer: Callable) -> None:
    settings = {"depth": 2, "dtype": "float32"}
    plain = make_model(make_layer, **settings)
    X = make_batch(MIXED, 3, dtype="float32")
    expected = plain.predict(X).dataXd
    for rates in ({"dropout": 0.5}, {"recurrent_dropout": 0.5}):
        dropping = make_model(make_layer, **settings, **rates)
        assert (dropping.predict(X).dataXd == expected).all()
        assert (dropping(X, is_train=False)[0].dataXd == expected).all()
        assert abs(dropping(X, is_train=True)[0].dataXd - expected).max() > 0.01
    assert plain(X, is_train=True)[0].dataXd == pytest.approx(expected, abs=1e-6)


@each_layer
def test_recurrent_dropout_skips_first_step_of_each_direction(make_layer: Callable) -> None:
    model = make_model(make_layer, recurrent_dropout=0.9)
    X = make_batch([3, 1], 3)
    expected = model.predict(X).dataXd
    Y = model(X, is_train=True)[0].dataXd
    for row, half in ((0, slice(0, 2)), (2, slice(2, 4)), (3, slice(0, 4))):
        assert Y[row, half] == pytest.approx(expected[row, half], abs=1e-12)
    assert abs(Y - expected).max() > 0.01
