"""Training speed of the article's model: this package beside PyTorch.

    python benchmarks/train_speed.py --train corpus/train.spacy --json train_speed.json

The model is that of configs/article.cfg: a vector of 200 for each word, dropout, an LSTM of 200
hidden units a direction, dropout, a dense layer, softmax; masked cross-entropy; Adam, the
gradient of each weight clipped at norm 1; batches of 32 tweets. All contestants get the same
batches in the same process, and take turns epoch by epoch, so that whatever else the machine
does slows them all.

Ours is timed as spaCy's training loop runs it: `nlp.update` on a batch of Examples, which looks
the words up and aligns the gold tags, then the optimizer. PyTorch is given the rows of words and
tags, found beforehand, and is timed from making tensors of them on. PyTorch's LSTM has no
recurrent dropout, so ours is compared without; with it, as the article has it, is timed too.
"""

import json
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy
import spacy
import thinc
import typer
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import load_config, load_model_from_config, minibatch, registry
from thinc.api import NumpyOps
from thinc.types import Ints1d
from wasabi import msg

from spacy_twitter_ner.models.vocabulary import Vocabulary
from spacy_twitter_ner.normalization import mask_user_and_url
from spacy_twitter_ner.pipeline.gold import MISSING, gold_tags

CONFIG = Path(__file__).parents[1] / "configs" / "article.cfg"
COMPONENT = "twitter_bilstm_ner"
BATCH_SIZE = 32
WIDTH = 200
DROPOUT = 0.5
LEARN_RATE = 0.005
MAX_NORM = 1.0
N_WARM_UP = 5

OURS, OURS_RECURRENT = "ours", "ours, recurrent dropout"
PACKED, PADDED = "PyTorch, packed", "PyTorch, padded"

# Trains on so many of the batches.
Train = Callable[[int], None]


class Encoded(NamedTuple):
    """A batch for PyTorch.

    words (list[Ints1d]): For each tweet, the rows of its words, (nT,).
    tags (list[Ints1d]): For each tweet, its gold tags, (nT,).
    """

    words: list[Ints1d]
    tags: list[Ints1d]


def read_docs(path: Path, language: Language) -> list[Doc]:
    """RETURNS (list[Doc]): The docs of a .spacy file that are not empty."""
    return [doc for doc in DocBin().from_disk(path).get_docs(language.vocab) if len(doc)]


def make_examples(docs: Sequence[Doc]) -> list[Example]:
    """RETURNS (list[Example]): Examples on gold tokens."""
    return [Example(Doc(doc.vocab, words=[token.text for token in doc]), doc) for doc in docs]


def make_pipeline(examples: Sequence[Example], *, recurrent_dropout: float) -> tuple[Language, Any]:
    """Make the pipeline of configs/article.cfg and its optimizer.

    RETURNS (tuple[Language, Any]): The pipeline, initialised, and the optimizer, whose learn
        rate is constant here.
    """
    setting = f"components.{COMPONENT}.model.tok2vec.encode.recurrent_dropout"
    config = load_config(CONFIG, overrides={setting: recurrent_dropout})
    nlp = load_model_from_config(config, auto_fill=True)
    settings = {**config["training"]["optimizer"], "learn_rate": LEARN_RATE}
    optimizer = registry.resolve({"optimizer": settings})["optimizer"]
    nlp.initialize(lambda: examples, sgd=optimizer)
    return nlp, optimizer


def train_ours(nlp: Language, optimizer: Any, batches: Sequence[Sequence[Example]]) -> None:
    """Run an epoch as spacy.training.loop.train_while_improving does."""
    losses: dict[str, float] = {}
    for batch in batches:
        nlp.update(batch, drop=DROPOUT, losses=losses, sgd=False)  # type: ignore[arg-type]
        for _, pipe in nlp.pipeline:
            pipe.finish_update(optimizer)  # type: ignore[attr-defined]
        optimizer.step_schedules()


def word_rows(doc: Doc, vocabulary: Vocabulary) -> Ints1d:
    """RETURNS (Ints1d): (nT,) each word's row in the table of word vectors."""
    rows = [vocabulary.row(mask_user_and_url(token.text)) for token in doc]
    return NumpyOps().asarray1i(rows, dtype="int64")


def encode_batches(
    nlp: Language, batches: Sequence[Sequence[Example]]
) -> tuple[list[Encoded], int, int]:
    """Find the rows of words and tags, by the vocabulary and labels of our pipeline.

    RETURNS (tuple[list[Encoded], int, int]): The batches, and how many words and tags there are.
    """
    pipe: Any = nlp.get_pipe(COMPONENT)
    embed = next(node for node in pipe.model.walk() if node.name == "lexeme_features")
    vocabulary: Vocabulary = embed.attrs["vocabulary_masked"]
    type_index = {label: i for i, label in enumerate(pipe.labels)}
    encoded = [
        Encoded(
            [word_rows(example.predicted, vocabulary) for example in batch],
            [gold_tags(example, type_index) for example in batch],
        )
        for batch in batches
    ]
    return encoded, len(vocabulary), len(pipe.tags)


def import_torch() -> Any:
    """RETURNS (Any): The module torch.
    RAISES (typer.Exit): If it is not installed.
    """
    try:
        import torch
    except ImportError as error:
        msg.fail(
            "This benchmark needs PyTorch",
            "pip install torch --index-url https://download.pytorch.org/whl/cpu",
        )
        raise typer.Exit(1) from error
    return torch


def make_torch_model(
    torch: Any, batches: Sequence[Encoded], n_words: int, n_tags: int, *, packed: bool
) -> Train:
    """Make the same model in PyTorch.

    packed (bool): Run the LSTM on a PackedSequence; otherwise on the padded batch, where the
        direction from the right reads the padding first. That is not the same result, but it is
        what most do, and faster.
    RETURNS (Callable): Trains the model on the first so many batches.
    """
    embedding = torch.nn.Embedding(n_words, WIDTH)
    lstm = torch.nn.LSTM(WIDTH, WIDTH, bidirectional=True, batch_first=True)
    dropout = torch.nn.Dropout(DROPOUT)
    dense = torch.nn.Linear(2 * WIDTH, n_tags)
    parameters = [p for layer in (embedding, lstm, dense) for p in layer.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=LEARN_RATE)
    utils = torch.nn.utils
    pad = utils.rnn.pad_sequence

    def encode(words: list[Any]) -> Any:
        vectors = dropout(embedding(pad(words, batch_first=True)))
        if not packed:
            return lstm(vectors)[0]
        lengths = torch.tensor([len(tweet) for tweet in words])
        sequence = utils.rnn.pack_padded_sequence(
            vectors, lengths, batch_first=True, enforce_sorted=False
        )
        return utils.rnn.pad_packed_sequence(lstm(sequence)[0], batch_first=True)[0]

    def train(n_batches: int) -> None:
        for batch in batches[:n_batches]:
            words = [torch.from_numpy(tweet) for tweet in batch.words]
            gold = [torch.from_numpy(tweet) for tweet in batch.tags]
            tags = pad(gold, batch_first=True, padding_value=MISSING)
            scores = dense(dropout(encode(words)))
            loss = torch.nn.functional.cross_entropy(
                scores.flatten(0, 1), tags.flatten(), ignore_index=MISSING
            )
            optimizer.zero_grad()
            loss.backward()
            for parameter in parameters:
                utils.clip_grad_norm_([parameter], MAX_NORM)
            optimizer.step()
            loss.item()

    return train


def time_epochs(
    contestants: dict[str, Train], n_batches: int, n_epochs: int
) -> dict[str, list[float]]:
    """Let the contestants take turns.

    RETURNS (dict[str, list[float]]): Each one's seconds, an epoch an element.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for train in contestants.values():
        train(N_WARM_UP)
    for epoch in range(n_epochs):
        # Each turn another one begins.
        names = list(contestants)
        for name in names[epoch % len(names) :] + names[: epoch % len(names)]:
            start = time.perf_counter()
            contestants[name](n_batches)
            seconds[name].append(time.perf_counter() - start)
    return seconds


def summarise(seconds: dict[str, list[float]], n_words: int) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): Medians, words a second, and the ratios to the better PyTorch."""
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    torch_best = min(medians[PACKED], medians[PADDED])
    return {
        "seconds": seconds,
        "median_seconds": medians,
        "words_per_second": {name: n_words / median for name, median in medians.items()},
        "ratio_to_torch": {name: median / torch_best for name, median in medians.items()},
    }


def limit_threads(torch: Any, n_threads: int | None) -> tuple[Any, dict[str, int]]:
    """Set how many threads NumPy's BLAS and PyTorch may use.

    RETURNS (tuple[Any, dict[str, int]]): A context in which the limit holds, and the threads of
        each library.
    RAISES (typer.Exit): If there is a limit to set and threadpoolctl is not installed.
    """
    context: Any = nullcontext()
    threads = {}
    if n_threads is not None:
        torch.set_num_threads(n_threads)
    try:
        import threadpoolctl
    except ImportError as error:
        if n_threads is not None:
            msg.fail("--threads needs threadpoolctl", "pip install threadpoolctl")
            raise typer.Exit(1) from error
    else:
        if n_threads is not None:
            context = threadpoolctl.threadpool_limits(n_threads, user_api="blas")
        for library in threadpoolctl.threadpool_info():
            threads[Path(library["filepath"]).name] = library["num_threads"]
    threads["torch"] = torch.get_num_threads()
    return context, threads


def train_speed_cli(
    train_path: Annotated[
        Path,
        typer.Option("--train", exists=True, dir_okay=False, help="Training corpus (.spacy)"),
    ],
    n_epochs: Annotated[int, typer.Option("--epochs", min=1, help="Timed epochs each")] = 1,
    n_batches: Annotated[
        int | None, typer.Option("--batches", min=1, help="Only the first batches of the corpus")
    ] = None,
    n_threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Threads of BLAS and PyTorch")
    ] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", dir_okay=False, help="File for all figures")
    ] = None,
) -> None:
    """Time epochs of the article's model, ours and PyTorch's, by turns."""
    torch = import_torch()
    examples = make_examples(read_docs(train_path, spacy.blank("en")))
    nlp, optimizer = make_pipeline(examples, recurrent_dropout=0.0)
    recurrent_nlp, recurrent_optimizer = make_pipeline(examples, recurrent_dropout=DROPOUT)
    batches = list(minibatch(examples, BATCH_SIZE))[:n_batches]
    n_words = sum(len(example.predicted) for batch in batches for example in batch)
    encoded, n_rows, n_tags = encode_batches(nlp, batches)
    contestants: dict[str, Train] = {
        OURS: lambda n: train_ours(nlp, optimizer, batches[:n]),
        OURS_RECURRENT: lambda n: train_ours(recurrent_nlp, recurrent_optimizer, batches[:n]),
        PACKED: make_torch_model(torch, encoded, n_rows, n_tags, packed=True),
        PADDED: make_torch_model(torch, encoded, n_rows, n_tags, packed=False),
    }
    context, threads = limit_threads(torch, n_threads)
    versions = {module.__name__: module.__version__ for module in (spacy, thinc, numpy, torch)}
    with context:
        result = summarise(time_epochs(contestants, len(batches), n_epochs), n_words)
    result |= {
        "words": n_words,
        "batches": len(batches),
        "table_rows": n_rows,
        "threads": threads,
        "versions": versions,
    }
    print_result(result)
    if json_path is not None:
        json_path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf8")


def print_result(result: dict[str, Any]) -> None:
    """Print a row for each contestant."""
    rows = [
        (
            name,
            f"{median:.2f}",
            f"{result['words_per_second'][name]:,.0f}",
            f"{result['ratio_to_torch'][name]:.2f}",
        )
        for name, median in result["median_seconds"].items()
    ]
    n_epochs = len(next(iter(result["seconds"].values())))
    msg.table(
        rows,
        header=("", "s/epoch", "words/s", "× PyTorch"),
        aligns=("l", "r", "r", "r"),
        title=f"{result['words']:,} words in {result['batches']} batches, {result['table_rows']:,} "
        f"vectors; median of {n_epochs}",
    )
    for title in ("versions", "threads"):
        msg.text(f"{title}: " + ", ".join(f"{k} {v}" for k, v in result[title].items()))


if __name__ == "__main__":
    typer.run(train_speed_cli)
