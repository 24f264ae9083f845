"""What is timed is the same work: the layers read the same rows and give as many."""

from typing import Any

import numpy
import pytest
from thinc.api import Model
from thinc.types import Padded, Ragged

from spacy_twitter_ner.layers import lstm
from spacy_twitter_ner.layers.bilstm import BiLSTM
from timing import recurrent
from timing.recurrent import (
    OURS,
    OURS_NUMPY,
    OURS_SORTED,
    PACKED,
    PADDED,
    THINC,
    make_batches,
    make_layers,
)

LENGTHS = [3, 1, 5, 2, 4]


def import_torch() -> Any:
    return pytest.importorskip("torch", reason="needs PyTorch")


def test_batches_have_the_lengths() -> None:
    batches = make_batches(LENGTHS, 2, 4)
    assert [batch.lengths for batch in batches] == [[3, 1], [5, 2], [4]]
    assert [batch.X.shape for batch in batches] == [(4, 4), (7, 4), (4, 4)]
    assert [len(X) for X in batches[1].sequences()] == [5, 2]
    numpy.testing.assert_array_equal(numpy.concatenate(batches[1].sequences()), batches[1].X)


def test_thinc_trains_not() -> None:
    ours = {OURS, OURS_SORTED} | ({OURS_NUMPY} if lstm.kernel is not None else set())
    assert set(make_layers(None, LENGTHS, 2, 4, 3, is_train=False)) == {*ours, THINC}
    assert set(make_layers(None, LENGTHS, 2, 4, 3, is_train=True)) == ours


@pytest.mark.skipif(lstm.kernel is None, reason="the compiled loops were not built here")
def test_the_compiled_loops_are_left_out_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(Model, "predict", lambda model, X: seen.append(lstm.kernel))
    layers = make_layers(None, LENGTHS, 2, 4, 3, is_train=False)
    layers[OURS]()
    layers[OURS_NUMPY]()
    layers[OURS]()
    assert seen == [lstm.kernel] * 3 + [None] * 3 + [lstm.kernel] * 3
    assert lstm.kernel is not None


def test_ours_and_thinc_read_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    predict, outputs = Model.predict, []

    def spy(model: Model, X: Any) -> Any:
        outputs.append(predict(model, X))
        return outputs[-1]

    monkeypatch.setattr(Model, "predict", spy)
    layers = make_layers(None, LENGTHS, 2, 4, 3, is_train=False)
    layers[OURS]()
    layers[OURS_SORTED]()
    layers[THINC]()
    ours, in_order, thinc = outputs[:3], outputs[3:6], outputs[6:]
    assert all(isinstance(Y, Ragged) for Y in (*ours, *in_order))
    assert [Y.dataXd.shape for Y in ours] == [(4, 6), (7, 6), (4, 6)]
    assert [list(Y.lengths) for Y in in_order] == [[1, 2], [3, 4], [5]]
    assert all(isinstance(Y, Padded) for Y in thinc)
    assert [Y.data.shape for Y in thinc] == [(3, 2, 6), (5, 2, 6), (4, 1, 6)]


def test_torch_reads_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = import_torch()
    seen: dict[str, list[tuple[int, ...]]] = {PACKED: [], PADDED: []}
    forward = torch.nn.LSTM.forward

    def spy(lstm: Any, X: Any) -> Any:
        is_packed = isinstance(X, torch.nn.utils.rnn.PackedSequence)
        seen[PACKED if is_packed else PADDED].append(tuple((X.data if is_packed else X).shape))
        return forward(lstm, X)

    monkeypatch.setattr(torch.nn.LSTM, "forward", spy)
    layers = make_layers(torch, LENGTHS, 2, 4, 3, is_train=False)
    layers[PACKED]()
    layers[PADDED]()
    assert seen[PACKED] == [(4, 4), (7, 4), (4, 4)]
    # Sorted, the lengths are 1 2, 3 4, 5: little padding.
    assert seen[PADDED] == [(2, 2, 4), (4, 2, 4), (5, 1, 4)]


def test_our_training_runs_backwards(monkeypatch: pytest.MonkeyPatch) -> None:
    models = []
    monkeypatch.setattr(
        recurrent, "BiLSTM", lambda *args, **kw: models.append(BiLSTM(*args, **kw)) or models[0]
    )
    make_layers(None, LENGTHS, 2, 4, 3, is_train=True)[OURS]()
    for name in models[0].param_names:
        assert models[0].get_grad(name).any(), name


def test_torch_training_runs_backwards(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = import_torch()
    backward, shapes = torch.Tensor.backward, []
    monkeypatch.setattr(
        torch.Tensor, "backward", lambda Y, dY: shapes.append(tuple(Y.shape)) or backward(Y, dY)
    )
    layers = make_layers(torch, LENGTHS, 2, 4, 3, is_train=True)
    layers[PACKED]()
    assert shapes == [(3, 2, 6), (5, 2, 6), (4, 1, 6)]
    shapes.clear()
    layers[PADDED]()
    assert shapes == [(2, 2, 6), (4, 2, 6), (5, 1, 6)]


@pytest.mark.parametrize(("threads", "expected"), [(1, 1), (2, 2), (16, 2)])
@pytest.mark.parametrize("is_train", [False, True])
def test_threads(
    threads: int, expected: int, is_train: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("threadpoolctl")
    import threadpoolctl

    seen = []
    begin = Model.__call__

    def spy(model: Model, X: Any, is_train: bool) -> Any:
        blas = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
        seen.append((model.attrs["threads"], {pool["num_threads"] for pool in blas}))
        return begin(model, X, is_train)

    monkeypatch.setattr(Model, "__call__", spy)
    monkeypatch.setattr(Model, "predict", lambda model, X: model(X, False))
    monkeypatch.setattr(Model, "begin_update", lambda model, X: model(X, True))
    with threadpoolctl.threadpool_limits(threads):
        make_layers(None, LENGTHS, 2, 4, 3, is_train=is_train, threads=threads)[OURS]()
    assert seen == [(expected, {1})] * 3
