"""The compiled LSTM steps give the same results as NumPy. See test_bilstm.py, test_recurrent.py and
test_bilstm_inference.py for tests of both."""

from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from thinc.api import Model
from thinc.types import Ragged

from spacy_twitter_ner.layers import bilstm, lstm_ops
from spacy_twitter_ner.layers.bilstm import BiLSTM
from spacy_twitter_ner.layers.bilstm_inference import predict, predict_projected, project_inputs
from spacy_twitter_ner.layers.recurrent import recurrent_dropout_mask

from .gradients import make_batch, randomize

TOLERANCE = {"float32": 2e-6, "float64": 1e-13}
N_HIDDEN, WIDTH = 19, 5  # not a multiple of any vector size

kernel = pytest.importorskip(
    "spacy_twitter_ner.layers.lstm_kernel", reason="the LSTM kernel was not compiled"
)
any_lengths = st.lists(st.integers(0, 9), max_size=9)
any_dtype = st.sampled_from(sorted(TOLERANCE))


def make_model(dtype: str, **settings: float) -> Model[Ragged, Ragged]:
    model = BiLSTM(2 * N_HIDDEN, WIDTH, **settings).initialize()
    randomize(model, dtype=dtype)
    return model


def check_both(compute: Any, tolerance: float) -> None:
    """Compare the arrays that a function returns with and without the kernel."""
    compiled = compute()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lstm_ops, "kernel", None)
        expected = compute()
    for one, other in zip(compiled, expected, strict=True):
        assert one.dtype == other.dtype
        scale = max(float(abs(other).max(initial=0.0)), 1.0)
        assert one == pytest.approx(other, abs=tolerance * scale)


@given(any_lengths, any_dtype)
def test_kernel_prediction(lengths: list[int], dtype: str) -> None:
    model, X = make_model(dtype), make_batch(lengths, WIDTH, dtype=dtype)
    readout = make_batch([model.get_dim("nO")], 3, dtype=dtype).dataXd
    check_both(
        lambda: [model.predict(X).dataXd, predict(model, X.dataXd, X.lengths, readout=readout)],
        TOLERANCE[dtype],
    )


@pytest.mark.slow
@given(any_lengths, any_dtype, st.data())
def test_kernel_prediction_of_projected_inputs(
    lengths: list[int], dtype: str, data: st.DataObject
) -> None:
    model, n_tokens = make_model(dtype), sum(lengths)
    inputs = make_batch([4, 3], WIDTH, dtype=dtype).dataXd
    projected = project_inputs(model, inputs)
    rows = numpy.asarray(
        data.draw(st.lists(st.integers(0, 6), min_size=n_tokens, max_size=n_tokens)), dtype="int64"
    )
    chosen = data.draw(st.sets(st.integers(0, n_tokens - 1), max_size=7)) if n_tokens else set()
    tokens = numpy.asarray(sorted(chosen), dtype="int64")
    extra = project_inputs(model, inputs[: len(tokens)], bias=False)
    check_both(
        lambda: [
            predict_projected(
                model,
                projected,
                rows,
                model.ops.asarray1i(lengths),
                extra_tokens=tokens,
                extra=extra,
            )
        ],
        TOLERANCE[dtype],
    )


@pytest.mark.slow
@given(any_lengths, any_dtype, st.sampled_from([0.0, 0.5]))
def test_kernel_training(lengths: list[int], dtype: str, recurrent_dropout: float) -> None:
    model = make_model(dtype, recurrent_dropout=recurrent_dropout)
    X = make_batch(lengths, WIDTH, dtype=dtype)

    def draw_mask(*args: Any, **settings: Any) -> numpy.ndarray | None:
        mask = recurrent_dropout_mask(*args, **settings)  # always float32
        return None if mask is None else mask.astype(dtype)

    def compute() -> list[numpy.ndarray]:
        numpy.random.seed(0)
        for name in model.param_names:
            model.set_grad(name, numpy.zeros_like(model.get_param(name)))
        Y, backprop = model(X, is_train=True)
        dX = backprop(Ragged(Y.dataXd**2, Y.lengths))
        return [Y.dataXd, dX.dataXd, *(model.get_grad(name).copy() for name in model.param_names)]

    # Recurrent dropout amplifies rounding errors at each step.
    is_amplified = dtype == "float32" and recurrent_dropout
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bilstm, "recurrent_dropout_mask", draw_mask)
        check_both(compute, (30 if is_amplified else 10) * TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_kernel_tanh(dtype: str) -> None:
    """If the sigmoid gates of a row are open, its first hidden state is tanh(tanh(g))."""
    values = numpy.concatenate([numpy.linspace(-12, 12, 4001), [-1e30, 1e30, 1e-30, 0.0]])
    nH = len(values)
    table = numpy.full((1, 4 * nH), 50.0)
    table[0, 3 * nH :] = values
    gates, rows = numpy.zeros((1, 4 * nH), dtype=dtype), numpy.zeros(1, dtype="int64")
    cells, hidden, outputs = (numpy.zeros((1, nH), dtype=dtype) for _ in range(3))
    step = kernel.infer_step["float" if dtype == "float32" else "double"]
    step(0, 1, table.astype(dtype), rows, None, None, gates, cells, hidden, outputs, rows)
    assert cells[0] == pytest.approx(numpy.tanh(values), abs=3e-7)
    assert hidden[0] == pytest.approx(numpy.tanh(numpy.tanh(values)), abs=5e-7)
    assert (outputs == hidden).all()


def test_kernel_propagates_nan() -> None:
    model, X = make_model("float32"), make_batch([3, 2], WIDTH, dtype="float32")
    X.dataXd[1, 0] = numpy.nan
    Y = model.predict(X).dataXd
    assert numpy.isnan(Y[:3]).any(axis=1).all()
    assert not numpy.isnan(Y[3:]).any()


def test_kernel_raises_for_mismatched_shapes() -> None:
    nH, rows = 2, numpy.zeros(3, dtype="int64")
    gates, cells = numpy.zeros((3, 4 * nH), dtype="f"), numpy.zeros((3, nH), dtype="f")
    narrow = gates[:, :4].copy()
    infer, train, back = (
        getattr(kernel, name)["float"] for name in ("infer_step", "train_step", "backprop_step")
    )
    for call in (
        lambda: infer(0, 4, gates, rows, None, None, gates, cells, cells, cells, rows),
        lambda: infer(0, 2, narrow, rows, None, None, gates, cells, cells, cells, rows),
        lambda: infer(0, 2, gates, rows, narrow, rows, gates, cells, cells, cells, rows),
        lambda: train(1, 3, 0, gates, gates, cells, cells, cells),
        lambda: back(1, 2, 0, 2, gates, cells, cells, cells, cells, cells, gates),
    ):
        with pytest.raises(ValueError, match="do not match"):
            call()
