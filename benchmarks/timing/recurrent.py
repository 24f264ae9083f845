"""Bidirectional LSTM layers, ours and others', each given its input as it likes it best.

The input is made ready beforehand and not timed: rows one after another for ours, padded and
time-major for Thinc and PyTorch. PyTorch has two ways. Packed, it is given a padded batch, packs
it, runs and unpacks. Padded and sorted, all tweets are sorted by length before they are cut into
batches, so that there is little padding, and run without regard to it: the fastest way, but the
direction from the right then begins with padding, and its result is another. Ours is given the
sorted batches, too.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy
from thinc.api import LSTM, Model
from thinc.types import Floats2d, Ragged

from spacy_twitter_ner.layers import lstm_ops
from spacy_twitter_ner.layers.bilstm import BiLSTM

from .clock import Run
from .machine import limit_threads
from .texts import offsets

OURS, THINC = "ours", "Thinc `LSTM.v1`"
OURS_NUMPY, OURS_SORTED = "ours without compiled loops", "ours, sorted"
PACKED, PADDED = "PyTorch, packed", "PyTorch, padded and sorted"
TORCH = (PACKED, PADDED)


class Batch(NamedTuple):
    """A batch of sequences.

    X (Floats2d): (N, nI) the rows of all sequences, one after another.
    lengths (list[int]): How many rows each sequence has.
    """

    X: Floats2d
    lengths: list[int]

    def sequences(self) -> list[Floats2d]:
        """RETURNS (list[Floats2d]): Each sequence's rows."""
        return numpy.split(self.X, offsets(self.lengths)[1:-1])


def make_batches(lengths: Sequence[int], batch_size: int, width: int) -> list[Batch]:
    """RETURNS (list[Batch]): Batches of random rows, with sequences of the given lengths."""
    generator = numpy.random.default_rng(0)
    parts = (lengths[i : i + batch_size] for i in range(0, len(lengths), batch_size))
    return [
        Batch(generator.normal(size=(sum(part), width)).astype("float32"), list(part))
        for part in parts
    ]


def make_layers(
    torch: Any,
    lengths: Sequence[int],
    batch_size: int,
    nI: int,
    nH: int,
    *,
    is_train: bool,
    threads: int = 1,
) -> dict[str, Run]:
    """Make all layers and their input.

    torch (Any): The module, or None if it is not there.
    lengths (Sequence[int]): The lengths of the tweets.
    batch_size (int): How many tweets a batch has.
    nI (int): The input's width.
    nH (int): Hidden units of each direction.
    is_train (bool): Forwards and backwards; otherwise forwards alone. Thinc's LSTM.v1 computes
        wrong gradients, so it is not there then.
    threads (int): How many threads ours may use; those of PyTorch are set elsewhere.
    RETURNS (dict[str, Callable]): By name, what runs a layer on all batches.
    """
    batches = make_batches(lengths, batch_size, nI)
    in_order = make_batches(sorted(lengths), batch_size, nI)
    ours, ours_sorted = (
        make_ours(each, nI, nH, is_train=is_train, threads=threads) for each in (batches, in_order)
    )
    layers = {OURS: ours, OURS_SORTED: ours_sorted}
    if lstm_ops.kernel is not None:
        layers[OURS_NUMPY] = without_kernel(ours)
    if not is_train:
        layers[THINC] = make_thinc(batches, nI, nH)
    if torch is not None:
        layers[PACKED] = make_torch(torch, batches, nI, nH, packed=True, is_train=is_train)
        layers[PADDED] = make_torch(torch, in_order, nI, nH, packed=False, is_train=is_train)
    return layers


def make_ours(
    batches: Sequence[Batch], nI: int, nH: int, *, is_train: bool, threads: int = 1
) -> Run:
    """RETURNS (Callable): Runs our layer on all batches. If it may use more than one thread, it
    reads both directions at the same time, with products in one thread."""
    model = BiLSTM(2 * nH, nI, threads=min(threads, 2))
    model.initialize()
    inputs = [Ragged(X, model.ops.asarray1i(lengths)) for X, lengths in batches]
    gradients = [
        Ragged(_gradient(len(batch.X), nH), X.lengths)
        for batch, X in zip(batches, inputs, strict=True)
    ]

    def train() -> None:
        for X, dY in zip(inputs, gradients, strict=True):
            model.begin_update(X)[1](dY)

    run = train if is_train else _predict_all(model, inputs)
    return run if threads == 1 else _with_products_in_one_thread(run)


def without_kernel(run: Run) -> Run:
    """RETURNS (Callable): The same as where no compiler was there."""

    def limited() -> None:
        kernel, lstm_ops.kernel = lstm_ops.kernel, None
        try:
            run()
        finally:
            lstm_ops.kernel = kernel

    return limited


def _with_products_in_one_thread(run: Run) -> Run:
    def limited() -> None:
        with limit_threads(1):
            run()

    return limited


def make_thinc(batches: Sequence[Batch], nI: int, nH: int) -> Run:
    """RETURNS (Callable): Runs Thinc's layer on all batches, forwards."""
    model: Model = LSTM(2 * nH, nI, bi=True)
    model.initialize()
    inputs = [model.ops.list2padded(batch.sequences()) for batch in batches]
    return _predict_all(model, inputs)


def _predict_all(model: Model, inputs: Sequence[Any]) -> Run:
    def predict() -> None:
        # No output is kept, as PyTorch keeps none.
        for X in inputs:
            model.predict(X)

    return predict


def make_torch(
    torch: Any, batches: Sequence[Batch], nI: int, nH: int, *, packed: bool, is_train: bool
) -> Run:
    """RETURNS (Callable): Runs PyTorch's layer on all batches."""
    lstm = torch.nn.LSTM(nI, nH, bidirectional=True)
    inputs = [_pad(torch, batch) for batch in batches]
    all_lengths = [torch.tensor(batch.lengths) for batch in batches]
    run = _run_packed(torch, lstm) if packed else lambda X, lengths: lstm(X)[0]

    def predict() -> None:
        with torch.inference_mode():
            for X, lengths in zip(inputs, all_lengths, strict=True):
                run(X, lengths)

    if not is_train:
        return predict
    gradients = [torch.ones(*X.shape[:2], 2 * nH) for X in inputs]
    inputs = [X.requires_grad_() for X in inputs]

    def train() -> None:
        for X, lengths, dY in zip(inputs, all_lengths, gradients, strict=True):
            lstm.zero_grad(set_to_none=True)
            X.grad = None
            run(X, lengths).backward(dY)

    return train


def _pad(torch: Any, batch: Batch) -> Any:
    """(longest, B, nI)"""
    return torch.nn.utils.rnn.pad_sequence([torch.from_numpy(X) for X in batch.sequences()])


def _run_packed(torch: Any, lstm: Any) -> Callable[[Any, Any], Any]:
    rnn = torch.nn.utils.rnn

    def run(X: Any, lengths: Any) -> Any:
        sequence = rnn.pack_padded_sequence(X, lengths, enforce_sorted=False)
        return rnn.pad_packed_sequence(lstm(sequence)[0])[0]

    return run


def _gradient(n_rows: int, nH: int) -> Floats2d:
    return numpy.ones((n_rows, 2 * nH), dtype="float32")
