"""Predictions of a BiLSTM equal the forward pass of training."""

import multiprocessing
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from thinc.api import Model
from thinc.types import Ragged

from spacy_twitter_ner.layers import recurrent
from spacy_twitter_ner.layers.bilstm import BiLSTM
from spacy_twitter_ner.layers.bilstm_inference import predict, predict_projected, project_inputs
from spacy_twitter_ner.layers.lstm_ops import GateWeights
from spacy_twitter_ner.layers.recurrent import DirectionPlan, plan_directions, set_threads

from .gradients import make_batch, randomize

pytestmark = pytest.mark.usefixtures("each_kernel")

BATCHES = [[], [0], [0, 0], [1], [1, 1, 0, 1], [3, 1, 5, 0, 2], [40, *range(12), 33, 1, 1, 7]]
any_batch = pytest.mark.parametrize("lengths", BATCHES, ids=str)
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
both_dtypes = pytest.mark.parametrize("dtype", TOLERANCE)


def make_model(dtype: str = "float32", *, depth: int = 1) -> Model[Ragged, Ragged]:
    model = BiLSTM(12, 4, depth=depth).initialize()
    randomize(model, dtype=dtype)
    return model


def train_forward(model: Model[Ragged, Ragged], X: Ragged) -> numpy.ndarray:
    return model(X, is_train=True)[0].dataXd


def tweet_lengths(n_tweets: int) -> list[int]:
    """Lengths of tweets: 18 tokens on average, at least 1."""
    return (1 + numpy.random.RandomState(2).negative_binomial(4, 0.19, size=n_tweets)).tolist()


@any_batch
@both_dtypes
@pytest.mark.parametrize("depth", [1, 2])
def test_predict_equals_training(lengths: list[int], dtype: str, depth: int) -> None:
    model, X = make_model(dtype, depth=depth), make_batch(lengths, 4, dtype=dtype)
    before = X.dataXd.copy()
    Y = model.predict(X)
    assert (X.dataXd == before).all()
    assert Y.lengths.tolist() == lengths
    assert Y.dataXd.dtype == dtype
    assert Y.dataXd.shape == (sum(lengths), 12)
    assert Y.dataXd == pytest.approx(train_forward(model, X), abs=TOLERANCE[dtype])


@given(st.lists(st.integers(0, 6), max_size=7))
def test_predict_any_lengths(lengths: list[int]) -> None:
    model, X = make_model("float64"), make_batch(lengths, 4)
    assert model.predict(X).dataXd == pytest.approx(train_forward(model, X), abs=1e-12)


def test_predict_many_tweets() -> None:
    model, X = make_model(), make_batch(tweet_lengths(400), 4, dtype="float32")
    assert model.predict(X).dataXd == pytest.approx(train_forward(model, X), abs=1e-5)


def test_predict_leaves_weights_of_width_1() -> None:
    """Transposed weights with one column are the same memory."""
    model = BiLSTM(2, 1).initialize()
    X = make_batch([3, 2], 1, dtype="float32")
    weights = [model.get_param(name).copy() for name in model.param_names]
    Y = model.predict(X).dataXd
    assert pytest.approx(train_forward(model, X), abs=1e-6) == Y
    for name, before in zip(model.param_names, weights, strict=True):
        assert (model.get_param(name) == before).all()


@any_batch
@both_dtypes
def test_predict_with_readout(lengths: list[int], dtype: str) -> None:
    model, X = make_model(dtype), make_batch(lengths, 4, dtype=dtype)
    readout = numpy.random.RandomState(7).normal(size=(5, model.get_dim("nO"))).astype(dtype).T
    expected = pytest.approx(train_forward(model, X) @ readout, abs=TOLERANCE[dtype])
    Y = predict(model, X.dataXd, X.lengths, readout=readout)
    assert Y.shape == (sum(lengths), 5)
    assert expected == Y
    rows = numpy.arange(sum(lengths))
    projected = project_inputs(model, X.dataXd)
    assert expected == predict_projected(model, projected, rows, X.lengths, readout=readout)


def test_backprop_of_prediction_raises() -> None:
    Y, backprop = make_model()(make_batch([2], 4, dtype="float32"), is_train=False)
    with pytest.raises(ValueError, match="is_train=True"):
        backprop(Y)


def make_repeating(lengths: Sequence[int], dtype: str) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Create distinct inputs, and the row of each token's input."""
    distinct = make_batch([5], 4, dtype=dtype).dataXd
    return distinct, numpy.random.RandomState(4).randint(5, size=sum(lengths))


@any_batch
@both_dtypes
def test_predict_projected_equals_training(lengths: list[int], dtype: str) -> None:
    model = make_model(dtype)
    distinct, rows = make_repeating(lengths, dtype)
    projected = project_inputs(model, distinct)
    assert projected.shape == (2, 5, 24)
    kept = projected.copy()
    X = Ragged(distinct[rows], model.ops.asarray1i(lengths))
    expected = pytest.approx(train_forward(model, X), abs=TOLERANCE[dtype])
    assert predict_projected(model, projected, rows, X.lengths) == expected
    # The projections may be cached, so they must not be modified.
    assert (projected == kept).all()


@any_batch
@both_dtypes
def test_predict_projected_with_extra_columns(lengths: list[int], dtype: str) -> None:
    model = make_model(dtype)
    distinct, rows = make_repeating(lengths, dtype)
    random = numpy.random.RandomState(6)
    extra_tokens = random.permutation(sum(lengths))[: sum(lengths) // 3]
    columns = random.normal(size=(len(extra_tokens), 1)).astype(dtype)
    data = distinct[rows]
    data[:, 3] = 0.0
    data[extra_tokens, 3:] = columns
    X = Ragged(data, model.ops.asarray1i(lengths))
    projected = project_inputs(model, distinct[:, :3], columns=slice(0, 3))
    extra = project_inputs(model, columns, columns=slice(3, 4), bias=False)
    kept = projected.copy(), extra.copy()
    Y = predict_projected(model, projected, rows, X.lengths, extra_tokens=extra_tokens, extra=extra)
    assert pytest.approx(train_forward(model, X), abs=TOLERANCE[dtype]) == Y
    assert (projected == kept[0]).all()
    assert (extra == kept[1]).all()


def test_predict_projected_raises_without_extra_tokens() -> None:
    model = make_model()
    projected = project_inputs(model, make_batch([2], 4, dtype="float32").dataXd)
    with pytest.raises(ValueError, match="both of extra_tokens and extra"):
        predict_projected(model, projected, numpy.arange(2), [2], extra=projected)


def test_predict_projected_with_prepared_weights() -> None:
    model, X = make_model(), make_batch([3, 1], 4, dtype="float32")
    weights, expected = GateWeights.from_model(model), model.predict(X).dataXd
    rows = numpy.arange(4)
    for name in model.param_names:
        model.get_param(name)[:] = 0.0
    projected = project_inputs(model, X.dataXd, weights=weights)
    Y = predict_projected(model, projected, rows, X.lengths, weights=weights)
    assert pytest.approx(expected, abs=1e-6) == Y
    # Weights are not cached.
    assert not model.predict(X).dataXd.any()
    assert not predict_projected(model, project_inputs(model, X.dataXd), rows, X.lengths).any()


@pytest.fixture
def direction_threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the threads that process a direction."""
    names: list[str] = []
    run = DirectionPlan.run

    def watch(plan: DirectionPlan, process: Callable[[slice], Any]) -> list[Any]:
        def named(directions: slice) -> Any:
            names.extend([threading.current_thread().name] * (directions.stop - directions.start))
            return process(directions)

        return run(plan, named)

    monkeypatch.setattr(DirectionPlan, "run", watch)
    return names


@pytest.mark.parametrize("is_train", [False, True])
def test_two_threads_give_equal_results(direction_threads: list[str], is_train: bool) -> None:
    X = make_batch(tweet_lengths(40), 4, dtype="float32")
    results = []
    for threads in (1, 2):
        model = make_model(depth=2)
        set_threads(model, threads)
        Y, backprop = model(X, is_train=is_train)
        arrays = [Y.dataXd]
        if is_train:
            arrays.append(backprop(Y).dataXd)
            arrays += [node.get_grad(name) for node in model.walk() for name in node.param_names]
        results.append(arrays)
        in_main = direction_threads.count("MainThread")
        assert in_main == len(direction_threads) // threads
        direction_threads.clear()
    assert len(results[0]) == (8 if is_train else 1)
    for one, two in zip(*results, strict=True):
        assert (one == two).all()


@pytest.mark.parametrize("n_sequences", [1, 1000])
def test_plan_preserves_floating_point_error_handling(n_sequences: int) -> None:
    plan = plan_directions(BiLSTM(2, 2, threads=2), 1000, n_sequences)

    def overflow(directions: slice) -> numpy.ndarray:
        return numpy.exp(numpy.full(1, 1000.0 * directions.start))

    with numpy.errstate(over="ignore"):
        assert plan.run(overflow) == [1.0, numpy.inf]
    with numpy.errstate(over="raise"), pytest.raises(FloatingPointError):
        plan.run(overflow)


@any_batch
def test_separate_directions_give_equal_results(
    lengths: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, X = make_model("float64"), make_batch(lengths, 4)
    results = []
    for n_sequences in (10**6, 0):
        monkeypatch.setattr(recurrent, "MIN_SEQUENCES_FOR_ONE_BY_ONE", n_sequences)
        assert len(plan_directions(model, 1, 1).parts) == (1 if n_sequences else 2)
        Y, backprop = model(X, is_train=True)
        results.append((model.predict(X).dataXd, Y.dataXd, backprop(Y).dataXd))
    for both, one_by_one in zip(*results, strict=True):
        assert one_by_one == pytest.approx(both, abs=1e-12)


def test_second_thread_is_only_used_in_main_thread_and_process(
    direction_threads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, X = BiLSTM(4, 4, threads=2).initialize(), make_batch([400], 4, dtype="float32")
    few = make_batch([9], 4, dtype="float32")
    model.predict(few)
    thread = threading.Thread(target=model.predict, args=(X,), name="worker")
    thread.start()
    thread.join()
    assert set(direction_threads) == {"MainThread", "worker"}
    direction_threads.clear()
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: "parent")
    model.predict(X)
    assert set(direction_threads) == {"MainThread"}


@pytest.mark.parametrize("threads", [0, 3, -1])
def test_other_numbers_of_threads_raise(threads: int) -> None:
    for call in (lambda: BiLSTM(4, 2, threads=threads), lambda: set_threads(BiLSTM(4, 2), threads)):
        with pytest.raises(ValueError, match=f"threads must be 1 or 2, not {threads}"):
            call()
