"""The compiled kernel gives the same results as NumPy. See test_bilstm.py, test_recurrent.py,
test_bilstm_inference.py and test_decoding.py for tests of both."""

from dataclasses import replace
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from thinc.api import Model
from thinc.types import Ragged

from spacy_twitter_ner.layers import bilstm, compiled
from spacy_twitter_ner.layers.bilstm import BiLSTM
from spacy_twitter_ner.layers.bilstm_inference import predict, predict_projected, project_inputs
from spacy_twitter_ner.layers.crf import Lattice
from spacy_twitter_ner.layers.decoding import viterbi
from spacy_twitter_ner.layers.recurrent import recurrent_dropout_mask

from .decoding_oracle import draw_masks, lattices
from .gradients import make_batch, randomize

TOLERANCE = {"float32": 5e-6, "float64": 1e-13}
WIDTH = 5

kernel = pytest.importorskip(
    "spacy_twitter_ner.layers.kernel", reason="the kernel was not compiled"
)
any_lengths = st.lists(st.integers(0, 9), max_size=9)
# Tiles of matrix products have 16 columns. Fewer columns are a case of their own.
any_size = st.sampled_from([1, 3, 19])
any_dtype = st.sampled_from(sorted(TOLERANCE))


def make_model(dtype: str, n_hidden: int = 19, **settings: float) -> Model[Ragged, Ragged]:
    model = BiLSTM(2 * n_hidden, WIDTH, **settings).initialize()
    randomize(model, dtype=dtype)
    return model


def check_both(compute: Any, tolerance: float) -> None:
    """Compare the arrays that a function returns with and without the kernel."""
    found = compute()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "kernel", None)
        expected = compute()
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        scale = max(float(abs(other).max(initial=0.0)), 1.0)
        assert one == pytest.approx(other, abs=tolerance * scale)


@given(any_lengths, any_dtype, any_size, any_size)
def test_kernel_prediction(lengths: list[int], dtype: str, n_hidden: int, n_outputs: int) -> None:
    model, X = make_model(dtype, n_hidden), make_batch(lengths, WIDTH, dtype=dtype)
    readout = make_batch([model.get_dim("nO")], n_outputs, dtype=dtype).dataXd
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


def test_kernel_prediction_of_many_sequences() -> None:
    """A sequence's hidden states don't depend on the others, which are in the same or other
    blocks."""
    model = make_model("float32")
    lengths = numpy.arange(150) % 7
    X = make_batch(lengths.tolist(), WIDTH, dtype="float32")
    Y = model.predict(X).dataXd
    check_both(lambda: [model.predict(X).dataXd], TOLERANCE["float32"])
    ends = numpy.cumsum(lengths)
    for end, length in zip(ends.tolist(), lengths.tolist(), strict=True):
        rows = slice(end - length, end)
        weights = project_inputs(model, X.dataXd)[:, rows]
        alone = predict_projected(model, weights, numpy.arange(length), [length])
        assert (alone == Y[rows]).all()


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_kernel_tanh(dtype: str) -> None:
    """If the sigmoid gates of a token are open, its hidden state is tanh(tanh(g))."""
    values = numpy.concatenate([numpy.linspace(-12, 12, 4001), [-1e30, 1e30, 1e-30, 0.0]])
    nH = len(values)
    table = numpy.full((2, 1, 4 * nH), 50.0, dtype=dtype)
    table[..., 3 * nH :] = values
    token, U = numpy.zeros(1, dtype="int64"), numpy.zeros((2, nH, 4 * nH), dtype=dtype)
    outputs = numpy.zeros((1, 2 * nH), dtype=dtype)
    infer = kernel.infer["float" if dtype == "float32" else "double"]
    infer(token + 1, table, token, None, None, U, None, outputs, slice(0, 2))
    for hidden in outputs.reshape(2, nH):
        assert hidden == pytest.approx(numpy.tanh(numpy.tanh(values)), abs=5e-7)


def test_kernel_propagates_nan() -> None:
    model, X = make_model("float32"), make_batch([3, 2], WIDTH, dtype="float32")
    X.dataXd[1, 0] = numpy.nan
    Y = model.predict(X).dataXd
    assert numpy.isnan(Y[:3]).any(axis=1).all()
    assert not numpy.isnan(Y[3:]).any()


@given(lattices(), st.data(), any_dtype)
def test_kernel_viterbi(lattice: Lattice, data: st.DataObject, dtype: str) -> None:
    lattice = replace(lattice, emissions=lattice.emissions.astype(dtype))
    no_begin, no_inside = draw_masks(data, lattice)
    check_both(lambda: [viterbi(lattice, no_begin=no_begin, no_inside=no_inside)], 0.0)


def test_kernel_raises_for_mismatched_shapes() -> None:
    nH, rows, lengths = 2, numpy.zeros(3, dtype="int64"), numpy.asarray([1, 2])
    gates, cells = numpy.zeros((3, 4 * nH), dtype="f"), numpy.zeros((3, nH), dtype="f")
    table, narrow = numpy.zeros((2, 3, 4 * nH), dtype="f"), numpy.zeros((2, 3, nH), dtype="f")
    U, outputs = numpy.zeros((2, nH, 4 * nH), dtype="f"), numpy.zeros((3, 2 * nH), dtype="f")
    emissions, scores = numpy.zeros((3, 5), dtype="f"), numpy.zeros(5)
    transitions, mask = numpy.zeros((5, 5)), numpy.zeros(2, dtype="uint8")
    names = ("infer", "train_step", "backprop_step", "viterbi")
    infer, train, back, search = (getattr(kernel, name)["float"] for name in names)
    both = slice(0, 2)
    for call in (
        lambda: infer(lengths + 1, table, rows, None, None, U, None, outputs, both),
        lambda: infer(lengths - 2, table, rows, None, None, U, None, outputs, both),
        lambda: infer(lengths, table, rows + 3, None, None, U, None, outputs, both),
        lambda: infer(lengths, table, rows - 1, None, None, U, None, outputs, both),
        lambda: infer(lengths, table, rows, None, None, U, None, outputs, slice(0, 3)),
        lambda: infer(lengths, table, rows, None, None, U, None, outputs[:, :3].copy(), both),
        lambda: infer(lengths, table, rows, table, rows + 3, U, None, outputs, both),
        lambda: infer(lengths, table, rows, narrow, rows, U, None, outputs, both),
        lambda: infer(lengths, table, rows, None, None, U, table, outputs, both),
        lambda: infer(lengths, narrow, rows, None, None, U, None, outputs, both),
        lambda: infer(lengths, table[:1], rows, None, None, U, None, outputs, both),
        lambda: train(1, 3, 0, gates, gates, cells, cells, cells),
        lambda: back(1, 2, 0, 2, gates, cells, cells, cells, cells, cells, gates),
        lambda: search(lengths + 1, emissions, None, None, transitions, scores, scores),
        lambda: search(lengths, emissions, mask, None, transitions, scores, scores),
        lambda: search(lengths, emissions, None, mask, transitions, scores, scores),
        lambda: search(lengths, emissions, None, None, transitions, scores, scores[1:]),
        lambda: search(lengths, emissions[:, :4].copy(), None, None, transitions, scores, scores),
    ):
        with pytest.raises(ValueError, match="do not match"):
            call()
