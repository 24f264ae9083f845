import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy
import pytest
from thinc.api import Model
from thinc.types import Ragged

from spacy_twitter_ner.layers.char_cnn import CharCNN

from .gradients import OPS, gradient_errors, randomize, relative_error

MIXED = [3, 1, 5, 0, 2]
N_CHARS, CHAR_WIDTH, N_FILTERS = 7, 3, 4

each_window = pytest.mark.parametrize("window", [0, 1, 2])


def make_model(*, dtype: str = "float64", **settings: Any) -> Model:
    model = CharCNN(N_FILTERS, N_CHARS, char_width=CHAR_WIDTH, **settings).initialize()
    randomize(model, dtype=dtype)
    return model


def make_words(lengths: Sequence[int]) -> Ragged:
    """Create words of random characters, always the same ones."""
    ids = numpy.random.RandomState(11).randint(N_CHARS, size=sum(lengths))
    return Ragged(ids.astype("int32"), OPS.asarray1i(list(lengths)))


def words_of(*words: Sequence[int]) -> Ragged:
    ids = [char for word in words for char in word]
    return Ragged(OPS.asarray1i(ids), OPS.asarray1i([len(word) for word in words]))


def check_gradients(model: Model, X: Ragged) -> dict[str, float]:
    return gradient_errors(model, X, rows=lambda Y: Y, wrap=lambda dY, Y: dY, inputs=lambda X: [])


def plain_loops(model: Model, X: Ragged) -> numpy.ndarray:
    """The layer's definition in plain loops."""
    E, W, b = (model.get_param(name) for name in "EWb")
    window = model.attrs["window"]
    Y = numpy.zeros((len(X.lengths), N_FILTERS))
    for i, word in enumerate(OPS.unflatten(X.dataXd, X.lengths)):
        for filter_ in range(N_FILTERS if len(word) else 0):
            values = []
            for middle in range(len(word)):
                value = b[filter_]
                for k in range(2 * window + 1):
                    index = middle + k - window
                    if 0 <= index < len(word):
                        for j in range(CHAR_WIDTH):
                            value += W[filter_, k * CHAR_WIDTH + j] * E[word[index], j]
                values.append(value)
            Y[i, filter_] = max(values)
    return Y


@each_window
@pytest.mark.parametrize("lengths", [MIXED, [4], [1], [1, 1], [0, 3, 0]], ids=str)
def test_char_cnn_gradients(lengths: list[int], window: int) -> None:
    errors = check_gradients(make_model(window=window), make_words(lengths))
    assert set(errors) == {"0.char_cnn.E", "0.char_cnn.W", "0.char_cnn.b"}
    assert max(errors.values()) < 1e-7, errors


@each_window
def test_char_cnn_gradients_with_dropout(window: int) -> None:
    errors = check_gradients(make_model(window=window, dropout=0.4), make_words(MIXED))
    assert max(errors.values()) < 1e-7, errors


@each_window
def test_char_cnn_equals_plain_loops(window: int) -> None:
    model, X = make_model(window=window), make_words([*MIXED, 9, 0])
    assert model.predict(X) == pytest.approx(plain_loops(model, X), abs=1e-12)


@each_window
def test_char_cnn_equals_torch(window: int) -> None:
    torch = pytest.importorskip("torch")
    model, X = make_model(window=window), make_words([3, 1, 5, 2])
    Y, backprop = model(X, is_train=True)
    dY = numpy.random.RandomState(2).normal(size=Y.shape)
    backprop(dY)

    size = 2 * window + 1
    embed = torch.nn.Embedding(N_CHARS, CHAR_WIDTH).double()
    convolve = torch.nn.Conv1d(CHAR_WIDTH, N_FILTERS, size, padding=window).double()

    def in_torch_order(W: numpy.ndarray) -> numpy.ndarray:
        return W.reshape(N_FILTERS, size, CHAR_WIDTH).transpose(0, 2, 1)

    with torch.no_grad():
        embed.weight.copy_(torch.from_numpy(model.get_param("E")))
        convolve.weight.copy_(torch.from_numpy(in_torch_order(model.get_param("W"))))
        convolve.bias.copy_(torch.from_numpy(model.get_param("b")))
    words = [torch.from_numpy(word).long() for word in OPS.unflatten(X.dataXd, X.lengths)]
    output = torch.stack([convolve(embed(word).T).max(dim=1).values for word in words])
    (output * torch.from_numpy(dY)).sum().backward()

    assert relative_error(Y, output.detach().numpy()) < 1e-12
    assert relative_error(model.get_grad("E"), embed.weight.grad.numpy()) < 1e-12
    W_gradient = in_torch_order(model.get_grad("W"))
    assert relative_error(W_gradient, convolve.weight.grad.numpy()) < 1e-12
    assert relative_error(model.get_grad("b"), convolve.bias.grad.numpy()) < 1e-12


@pytest.mark.parametrize("lengths", [[], [0], [0, 0, 0]], ids=str)
@pytest.mark.parametrize("rate", [0.0, 0.5])
@each_window
def test_char_cnn_without_characters(lengths: list[int], rate: float, window: int) -> None:
    model = make_model(window=window, dropout=rate)
    Y, backprop = model(make_words(lengths), is_train=True)
    assert Y.shape == (len(lengths), N_FILTERS)
    assert not Y.any()
    dX = backprop(numpy.ones_like(Y))
    assert dX.dataXd.shape == (0,)
    assert dX.lengths.tolist() == lengths
    for name in model.param_names:
        assert model.get_grad(name).shape == model.get_param(name).shape
        assert not model.get_grad(name).any()


def test_empty_word_is_zero_and_has_no_gradient() -> None:
    model = make_model()
    Y, backprop = model(words_of([1, 2], [], [3]), is_train=True)
    assert Y[[0, 2]].all()
    assert not Y[1].any()
    dY = numpy.zeros_like(Y)
    dY[1] = 1.0
    backprop(dY)
    assert not any(model.get_grad(name).any() for name in model.param_names)


def test_only_one_of_equal_characters_gets_a_gradient() -> None:
    model = make_model(window=0)
    Y, backprop = model(words_of([5] * 4), is_train=True)
    backprop(numpy.ones_like(Y))
    expected = numpy.zeros((N_CHARS, CHAR_WIDTH))
    expected[5] = model.get_param("W").sum(axis=0)
    assert model.get_grad("E") == pytest.approx(expected)


@each_window
def test_char_cnn_is_independent_of_the_batch(window: int) -> None:
    model, X = make_model(window=window), make_words(MIXED)
    alone = [model.predict(words_of(word))[0] for word in OPS.unflatten(X.dataXd, X.lengths)]
    assert model.predict(X) == pytest.approx(numpy.asarray(alone), abs=1e-12)


def test_order_of_characters_only_matters_within_the_window() -> None:
    unigrams, trigrams = make_model(window=0), make_model(window=1)
    X = words_of([1, 2, 3], [3, 2, 1])
    assert unigrams.predict(X)[0] == pytest.approx(unigrams.predict(X)[1])
    assert abs(trigrams.predict(X)[0] - trigrams.predict(X)[1]).max() > 0.01


def test_char_cnn_accepts_a_column_of_any_integers() -> None:
    model, X = make_model(), make_words(MIXED)
    column = Ragged(X.dataXd.astype("int64")[:, None], X.lengths.astype("int64"))
    Y, backprop = model(column, is_train=True)
    numpy.testing.assert_allclose(model.predict(column), Y, atol=1e-12)
    dX = backprop(Y)
    assert dX.dataXd.shape == (sum(MIXED), 1)
    assert not dX.dataXd.any()


def test_char_cnn_gradients_accumulate() -> None:
    model, X = make_model(), make_words(MIXED)
    once: dict[str, numpy.ndarray] = {}
    for times in (1, 2):
        Y, backprop = model(X, is_train=True)
        dY = numpy.ones_like(Y)
        backprop(dY)
        assert (dY == 1.0).all()
        for name in model.param_names:
            once.setdefault(name, model.get_grad(name).copy())
            assert model.get_grad(name) == pytest.approx(times * once[name])


def test_char_dropout_only_applies_to_training() -> None:
    model, X = make_model(dropout=0.5), make_words(MIXED)
    expected = make_model().predict(X)
    assert (model.predict(X) == expected).all()
    assert (model(X, is_train=True)[0] != expected).any()
    # Like spaCy's training loop.
    model.attrs["dropout_rate"] = 0.0
    numpy.testing.assert_allclose(model(X, is_train=True)[0], expected, atol=1e-12)


def test_char_dropout_is_drawn_for_each_character() -> None:
    model = make_model(window=0, dropout=0.5)
    Y, _ = model(words_of(*[[1]] * 60), is_train=True)
    # Each dimension of the character vector is either dropped or not.
    assert len(numpy.unique(Y.round(9), axis=0)) == 2**CHAR_WIDTH


def test_long_word_does_not_pad_other_words() -> None:
    model, X = make_model(dtype="float32"), make_words([10_000, *[1] * 1000])
    tracemalloc.start()
    try:
        Y, backprop = model(X, is_train=True)
        backprop(Y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # With padding, the vectors alone would take 120 MB.
    assert peak < 3_000_000


def test_char_cnn_initial_weights() -> None:
    numpy.random.seed(0)
    model = CharCNN(50, 400, char_width=25, window=1).initialize()
    E, W, b = (model.get_param(name) for name in "EWb")
    assert (E.shape, W.shape, b.shape) == ((400, 25), (50, 75), (50,))
    assert {E.dtype.name, W.dtype.name, b.dtype.name} == {"float32"}
    assert abs(E.mean()) < 0.01
    assert E.std() == pytest.approx(0.2, rel=0.05)
    bound = (6 / (50 + 75)) ** 0.5
    assert 0.95 * bound < abs(W).max() <= bound
    assert W.std() == pytest.approx(bound / 3**0.5, rel=0.05)
    assert not b.any()


def test_char_cnn_infers_output_width() -> None:
    X = words_of([1, 2])
    model = CharCNN(nV=N_CHARS).initialize(X, numpy.zeros((1, 6), "float32"))
    Y = model.predict(X)
    assert Y.shape == (1, 6)
    assert Y.dtype == "float32"


def test_char_cnn_bytes_round_trip() -> None:
    model, X = make_model(window=2, dtype="float32"), make_words(MIXED)
    loaded = CharCNN(char_width=CHAR_WIDTH).from_bytes(model.to_bytes())
    assert loaded.get_dim("nV") == N_CHARS
    assert (loaded.predict(X) == model.predict(X)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"char_width": 0}, "char_width must be at least 1"), ({"window": -1}, "not -1")],
)
def test_char_cnn_raises_for_invalid_settings(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CharCNN(4, 5, **settings)


@pytest.mark.parametrize("window", [0, 1, 3])
@pytest.mark.parametrize("n_words", [0, 1, 40])
def test_char_cnn_lookup_equals_convolution(n_words: int, window: int) -> None:
    """Prediction looks up contributions if there are more characters than distinct ones."""
    random = numpy.random.RandomState(0)
    model = CharCNN(5, 7, char_width=3, window=window).initialize()
    lengths = random.randint(0, 6, size=n_words).astype("int32")
    X = Ragged(random.randint(0, 7, size=lengths.sum()).astype("int32"), lengths)
    expected, _ = model(X, is_train=True)
    Y, backprop = model(X, is_train=False)
    numpy.testing.assert_allclose(Y, expected, atol=1e-5)
    assert Y.dtype == expected.dtype
    if n_words == 40:
        with pytest.raises(ValueError, match="is_train=True"):
            backprop(Y)
