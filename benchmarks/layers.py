"""Speed of LSTM layers: ours, Thinc's and PyTorch's.

    python benchmarks/layers.py --corpus hse --write-docs
    python benchmarks/layers.py --corpus hse --threads 2 --write-docs
    python benchmarks/layers.py --quick

Each layer gets random input with the lengths of tweets, in the format that it likes best, which
isn't timed. PyTorch gets it in two ways: packed, and padded, with tweets sorted by length across
batches so that there is little padding. Padded is PyTorch's fastest way, but its backward direction
starts in the padding, so its output differs.
"""

import random
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Annotated, Any, NamedTuple

import numpy
import typer
from thinc.api import LSTM, Model
from thinc.types import Floats2d, Ragged

from lib.machine import describe_machine, import_torch, limit_threads
from lib.project import ROOT, default_corpus
from lib.tables import Table, print_table, split_at_block, write_block
from lib.timing import Run, Timings, cpu_note, time_in_turns
from lib.tweets import read_some
from spacy_twitter_ner.layers import compiled
from spacy_twitter_ner.layers.bilstm import BiLSTM

DOCS = ROOT / "docs" / "benchmarks.md"
WIDTH = 200
OURS, THINC = "ours", "Thinc `LSTM.v1`"
OURS_NUMPY = "ours without compiled steps"
PACKED, PADDED = "PyTorch, packed", "PyTorch, padded and sorted"
NAMES = (OURS, OURS_NUMPY, THINC, PACKED, PADDED)
FORWARD, BACKWARD = "forward", "forward+backward"


class Batch(NamedTuple):
    """A batch of sequences.

    X (Floats2d): (N, nI) concatenated rows.
    lengths (list[int]): Number of rows of each sequence.
    """

    X: Floats2d
    lengths: list[int]

    def sequences(self) -> list[Floats2d]:
        """RETURNS (list[Floats2d]): The rows of each sequence."""
        return numpy.split(self.X, list(accumulate(self.lengths))[:-1])


def make_batches(lengths: Sequence[int], batch_size: int) -> list[Batch]:
    """RETURNS (list[Batch]): Batches of random rows, with sequences of the given lengths."""
    generator = numpy.random.default_rng(0)
    parts = (lengths[i : i + batch_size] for i in range(0, len(lengths), batch_size))
    return [
        Batch(generator.normal(size=(sum(part), WIDTH)).astype("float32"), list(part))
        for part in parts
    ]


def make_ours(batches: Sequence[Batch], threads: int, *, is_train: bool) -> Run:
    """RETURNS (Callable): Runs our layer on all batches. With two threads it runs both directions
    in parallel, with single-threaded matrix products."""
    model = BiLSTM(2 * WIDTH, WIDTH, threads=min(threads, 2))
    model.initialize()
    inputs = [Ragged(X, model.ops.asarray1i(lengths)) for X, lengths in batches]
    gradients = [Ragged(_ones(len(X.dataXd)), X.lengths) for X in inputs]

    def train() -> None:
        with limit_threads(1):
            for X, dY in zip(inputs, gradients, strict=True):
                model.begin_update(X)[1](dY)

    def predict() -> None:
        with limit_threads(1):
            predict_all(model, inputs)

    return train if is_train else predict


def without_kernel(run: Run) -> Run:
    """RETURNS (Callable): The same as without a C compiler."""

    def limited() -> None:
        kernel, compiled.kernel = compiled.kernel, None
        try:
            run()
        finally:
            compiled.kernel = kernel

    return limited


def make_thinc(batches: Sequence[Batch]) -> Run:
    """RETURNS (Callable): Runs Thinc's layer on all batches, forward."""
    model: Model = LSTM(2 * WIDTH, WIDTH, bi=True)
    model.initialize()
    inputs = [model.ops.list2padded(batch.sequences()) for batch in batches]
    return lambda: predict_all(model, inputs)


def predict_all(model: Model, inputs: Sequence[Any]) -> None:
    """Run a Thinc layer on all batches without keeping the output."""
    for X in inputs:
        model.predict(X)


def make_torch(torch: Any, batches: Sequence[Batch], *, packed: bool, is_train: bool) -> Run:
    """RETURNS (Callable): Runs PyTorch's layer on all batches."""
    lstm = torch.nn.LSTM(WIDTH, WIDTH, bidirectional=True)
    rnn = torch.nn.utils.rnn
    inputs = [rnn.pad_sequence([torch.from_numpy(X) for X in b.sequences()]) for b in batches]
    all_lengths = [torch.tensor(batch.lengths) for batch in batches]
    gradients = [torch.ones(*X.shape[:2], 2 * WIDTH) for X in inputs]

    def forward(X: Any, lengths: Any) -> Any:
        if not packed:
            return lstm(X)[0]
        sequence = rnn.pack_padded_sequence(X, lengths, enforce_sorted=False)
        return rnn.pad_packed_sequence(lstm(sequence)[0])[0]

    def predict() -> None:
        with torch.inference_mode():
            for X, lengths in zip(inputs, all_lengths, strict=True):
                forward(X, lengths)

    def train() -> None:
        for X, lengths, dY in zip(inputs, all_lengths, gradients, strict=True):
            lstm.zero_grad(set_to_none=True)
            X.grad = None
            forward(X, lengths).backward(dY)

    if not is_train:
        return predict
    inputs = [X.requires_grad_() for X in inputs]
    return train


def _ones(n_rows: int) -> Floats2d:
    return numpy.ones((n_rows, 2 * WIDTH), dtype="float32")


def measure(
    lengths: Sequence[int], batch_size: int, mode: str, rounds: int, torch: Any, threads: int
) -> Timings:
    """Time all layers at one batch size.

    lengths (Sequence[int]): The lengths of the sequences.
    batch_size (int): Number of sequences per batch.
    mode (str): FORWARD or BACKWARD. Thinc's LSTM.v1 computes wrong gradients, so it is left out of
        the latter.
    rounds (int): Number of rounds.
    torch (Any): The module torch, or None.
    threads (int): Number of threads of our layer.
    RETURNS (Timings): The timings.
    """
    is_train = mode == BACKWARD
    batches = make_batches(lengths, batch_size)
    ours = make_ours(batches, threads, is_train=is_train)
    runs: dict[str, Run] = {OURS: ours}
    if compiled.kernel is not None:
        runs[OURS_NUMPY] = without_kernel(ours)
    if not is_train:
        runs[THINC] = make_thinc(batches)
    if torch is not None:
        by_length = make_batches(sorted(lengths), batch_size)
        runs[PACKED] = make_torch(torch, batches, packed=True, is_train=is_train)
        runs[PADDED] = make_torch(torch, by_length, packed=False, is_train=is_train)
    prepared: dict[str, Callable[[int], Run]] = {
        name: lambda _, run=run: run  # type: ignore[misc]
        for name, run in runs.items()
    }
    return time_in_turns(prepared, lambda _: sum(lengths), rounds)


def layer_table(rows: Sequence[tuple[str, int, Timings]]) -> Table:
    """RETURNS (Table): A row per mode and batch size."""
    header = ("", "tweets per batch", *NAMES, "ours × the better PyTorch", "ours × Thinc")
    cells = []
    for mode, batch_size, timings in rows:
        speeds = [
            f"{timings.words_per_second(name):,.0f}" if name in timings.seconds else "-"
            for name in NAMES
        ]
        torch = [name for name in (PACKED, PADDED) if name in timings.seconds]
        ratios = [
            f"{timings.ratio(OURS, timings.fastest(others)):.2f}" if others else "-"
            for others in (torch, [THINC] if THINC in timings.seconds else [])
        ]
        cells.append((mode, f"{batch_size:,}", *speeds, *ratios))
    title = f"Layer, {WIDTH} wide, {WIDTH} hidden units per direction: words/s"
    return Table(title, header, cells, cpu_note([timings for *_, timings in rows]))


def layers_cli(
    corpus: Annotated[
        str | None, typer.Option(help="Name of a folder in corpus/. Default: hse, or else sample")
    ] = None,
    threads: Annotated[
        int, typer.Option(min=1, help="Threads of BLAS and PyTorch; ours uses at most 2")
    ] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="Check that everything runs")] = False,
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Write the table to docs/benchmarks.md")
    ] = False,
) -> None:
    """Measure the speed of LSTM layers."""
    block = "layers" if threads == 1 else f"layers:{threads}-threads"
    if write_docs:
        # Before measuring, not after.
        split_at_block(DOCS, block)
    batch_sizes, n_tweets, rounds = ((1, 32), 64, 2) if quick else ((1, 32, 256, 1000), 2048, 5)
    tweets = read_some(10_000, corpus or default_corpus()).tweets
    rows = []
    torch = import_torch()
    with limit_threads(threads, torch):
        for mode in (FORWARD, BACKWARD):
            for batch_size in batch_sizes:
                # Layers are many times slower with batches of 1. Sorting needs several batches.
                n = n_tweets // 8 if batch_size == 1 else max(n_tweets, 4 * batch_size)
                drawn = random.Random(0).choices(tweets, k=n)  # noqa: S311
                lengths = [len(tweet.words) for tweet in drawn]
                timings = measure(lengths, batch_size, mode, rounds, torch, threads)
                rows.append((mode, batch_size, timings))
        table = layer_table(rows)
        print_table(table)
        if write_docs:
            write_block(DOCS, block, describe_machine(), [table])


if __name__ == "__main__":
    typer.run(layers_cli)
