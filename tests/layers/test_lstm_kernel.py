"""The compiled loops beside the NumPy code: the same results. What is right is tested where both
are, in test_bilstm.py, test_bilstm_prediction.py and test_recurrent.py."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from thinc.api import Model
from thinc.types import Ragged

from spacy_twitter_ner.layers import bilstm, lstm
from spacy_twitter_ner.layers.bilstm import BiLSTM, input_projection, predict, predict_projected
from spacy_twitter_ner.layers.recurrent import recurrent_dropout_mask

from .gradients import make_batch, randomise

TOLERANCE = {"float32": 2e-6, "float64": 1e-13}
N_HIDDEN, WIDTH = 19, 5  # of no vector's size

kernel = pytest.importorskip(
    "spacy_twitter_ner.layers.lstm_kernel", reason="the compiled loops were not built here"
)
any_lengths = st.lists(st.integers(0, 9), max_size=9)
any_dtype = st.sampled_from(sorted(TOLERANCE))


def make_model(dtype: str, **settings: float) -> Model[Ragged, Ragged]:
    model = BiLSTM(2 * N_HIDDEN, WIDTH, **settings).initialize()
    randomise(model, dtype=dtype)
    return model


def both_ways(compute):
    """RETURNS (tuple): What a function returns with the compiled loops, and without."""
    compiled = compute()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lstm, "kernel", None)
        return compiled, compute()


def assert_close(found, expected, tolerance: float) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        scale = max(float(abs(other).max(initial=0.0)), 1.0)
        assert one == pytest.approx(other, abs=tolerance * scale)


@given(any_lengths, any_dtype)
def test_predict(lengths: list[int], dtype: str) -> None:
    model, X = make_model(dtype), make_batch(lengths, WIDTH, dtype=dtype)
    compiled, expected = both_ways(lambda: [model.predict(X).dataXd])
    assert_close(compiled, expected, TOLERANCE[dtype])


@given(any_lengths, any_dtype, st.data())
def test_predict_projected(lengths: list[int], dtype: str, data: st.DataObject) -> None:
    model, n_tokens = make_model(dtype), sum(lengths)
    inputs, extra = make_batch([4, 3], WIDTH, dtype=dtype).dataXd, None
    rows = numpy.asarray(
        data.draw(st.lists(st.integers(0, 6), min_size=n_tokens, max_size=n_tokens)), dtype="int64"
    )
    chosen = data.draw(st.sets(st.integers(0, n_tokens - 1))) if n_tokens else set()
    tokens = numpy.asarray(sorted(chosen), dtype="int64")
    extra = input_projection(model, inputs[: len(tokens) % 8], bias=False)
    tokens = tokens[: extra.shape[1]]
    extra = extra[:, : len(tokens)]
    projected = input_projection(model, inputs)

    def compute() -> list[numpy.ndarray]:
        lengths1d = model.ops.asarray1i(lengths)
        settings = {"extra_tokens": tokens, "extra": extra}
        return [predict_projected(model, projected, rows, lengths1d, **settings)]

    compiled, expected = both_ways(compute)
    assert_close(compiled, expected, TOLERANCE[dtype])


@given(any_lengths, any_dtype)
def test_readout(lengths: list[int], dtype: str) -> None:
    model, X = make_model(dtype), make_batch(lengths, WIDTH, dtype=dtype)
    readout = make_batch([model.get_dim("nO")], 3, dtype=dtype).dataXd
    compiled, expected = both_ways(
        lambda: [predict(model, X.dataXd, X.lengths, readout=readout)],
    )
    assert_close(compiled, expected, TOLERANCE[dtype])


@given(any_lengths, any_dtype, st.sampled_from([0.0, 0.5]))
def test_train(lengths: list[int], dtype: str, recurrent_dropout: float) -> None:
    model = make_model(dtype, recurrent_dropout=recurrent_dropout)
    X = make_batch(lengths, WIDTH, dtype=dtype)

    def draw_mask(*args) -> numpy.ndarray | None:
        mask = recurrent_dropout_mask(*args)  # Thinc draws them of float32 only
        return None if mask is None else mask.astype(dtype)

    def compute() -> list[numpy.ndarray]:
        numpy.random.seed(0)
        for name in model.param_names:
            model.set_grad(name, numpy.zeros_like(model.get_param(name)))
        Y, backprop = model(X, is_train=True)
        dX = backprop(Ragged(Y.dataXd**2, Y.lengths))
        return [Y.dataXd, dX.dataXd, *(model.get_grad(name).copy() for name in model.param_names)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bilstm, "recurrent_dropout_mask", draw_mask)
        compiled, expected = both_ways(compute)
    # What recurrent dropout leaves is twice as large, and so is its rounding at each step: either
    # way then differs from float64 as much as from the other.
    is_amplified = dtype == "float32" and recurrent_dropout
    assert_close(compiled, expected, (30 if is_amplified else 10) * TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_tanh(dtype: str) -> None:
    """From the gates of one row: with all others open, hidden = tanh(tanh(g))."""
    values = numpy.concatenate([numpy.linspace(-12, 12, 4001), [-1e30, 1e30, 1e-30, 0.0]])
    nH = len(values)
    table = numpy.full((1, 4 * nH), 50.0)
    table[0, 3 * nH :] = values
    gates, place = numpy.empty((1, 4 * nH), dtype=dtype), numpy.zeros(1, dtype="int64")
    cells, hidden, outputs = (numpy.empty((1, nH), dtype=dtype) for _ in range(3))
    step = kernel.predict_step["float" if dtype == "float32" else "double"]
    step(0, 1, True, gates, table.astype(dtype), place, None, None, cells, hidden, outputs, place)
    assert cells[0] == pytest.approx(numpy.tanh(values), abs=3e-7)
    assert hidden[0] == pytest.approx(numpy.tanh(numpy.tanh(values)), abs=5e-7)
    assert (outputs == hidden).all()


def test_nan_stays_nan() -> None:
    model, X = make_model("float32"), make_batch([3, 2], WIDTH, dtype="float32")
    X.dataXd[1, 0] = numpy.nan
    Y = model.predict(X).dataXd
    assert numpy.isnan(Y[:3]).any(axis=1).all()
    assert not numpy.isnan(Y[3:]).any()


def test_arrays_that_do_not_fit_are_refused() -> None:
    nH, place = 2, numpy.zeros(3, dtype="int64")
    gates, cells = numpy.zeros((3, 4 * nH), dtype="f"), numpy.zeros((3, nH), dtype="f")
    narrow = gates[:, :4].copy()
    predict, train, back = (
        getattr(kernel, name)["float"] for name in ("predict_step", "train_step", "backprop_step")
    )
    with pytest.raises(ValueError, match="do not fit"):
        predict(0, 4, True, gates, gates, place, None, None, cells, cells, cells, place)
    with pytest.raises(ValueError, match="do not fit"):
        predict(0, 2, True, gates, narrow, place, None, None, cells, cells, cells, place)
    with pytest.raises(ValueError, match="do not fit"):
        train(1, 3, 0, gates, gates, cells, cells, cells)
    with pytest.raises(ValueError, match="do not fit"):
        back(1, 2, 0, 2, gates, cells, cells, cells, cells, cells, gates)
