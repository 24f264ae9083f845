"""A learning rate that decays once per epoch, and the number of steps per epoch.

Thinc advances schedules after each update and doesn't know about epochs, so the schedule needs the
number of updates per epoch. In a config:

    [training.optimizer.learn_rate]
    @schedules = "spacy-twitter-ner.epoch_decay.v1"
    initial_rate = 0.005
    decay = 1.4142135

    [training.optimizer.learn_rate.steps_per_epoch]
    @misc = "spacy-twitter-ner.count_steps.v1"
    path = ${paths.train}
    batch_size = 32
"""

import itertools
from collections.abc import Iterable
from pathlib import Path

from spacy.tokens import DocBin
from spacy.training.corpus import FILE_TYPE, walk_corpus

_NAME = "spacy-twitter-ner.count_steps.v1"


def epoch_decay(initial_rate: float, decay: float, steps_per_epoch: int) -> Iterable[float]:
    """Divide a rate by a constant after each epoch: initial_rate / decay**epoch.

    The n-th value is the rate of the n-th update. Thinc's optimizers take the first value when they
    are created, and spaCy's training loop advances them with `Optimizer.step_schedules`. Custom
    training loops must call it after each update.

    initial_rate (float): The rate in the first epoch.
    decay (float): The divisor after each epoch. 1.0 keeps the rate constant.
    steps_per_epoch (int): The number of updates per epoch.
    RETURNS (Iterable[float]): An infinite series with one rate per update.
    RAISES (ValueError): If a setting isn't positive.
    """
    settings = {"initial_rate": initial_rate, "decay": decay, "steps_per_epoch": steps_per_epoch}
    for name, value in settings.items():
        if not value > 0:
            raise ValueError(f"epoch_decay: {name} must be above 0, got {value}")
    # A separate generator, so that the checks don't wait for the first next().
    return _iterate_rates(initial_rate, decay, steps_per_epoch)


def _iterate_rates(initial_rate: float, decay: float, steps_per_epoch: int) -> Iterable[float]:
    for epoch in itertools.count():
        # Negative powers end at 0.0 in a long run; decay**epoch would overflow.
        yield from itertools.repeat(initial_rate * decay**-epoch, steps_per_epoch)


def count_steps(path: Path | None, batch_size: int, n_epochs: int = 1) -> int:
    """Count the batches in a corpus, which is the number of updates per epoch.

    Assumes a batcher with a fixed number of docs (`spacy.batch_by_sequence.v1`) and
    `spacy.Corpus.v1` without limit, max_length, gold_preproc and augmenter, since those change the
    number of examples. Empty docs don't count, since the corpus skips them.

    path (Optional[Path]): A .spacy file or a folder of them. None, the default of ${paths.train},
        raises an error.
    batch_size (int): The number of docs per batch.
    n_epochs (int): The number of epochs to count.
    RETURNS (int): The number of batches. The last one of each epoch may be smaller.
    RAISES (ValueError): If the path is None or contains no docs, or a number is below 1.
    RAISES (FileNotFoundError): If the path doesn't exist.
    """
    for name, value in {"batch_size": batch_size, "n_epochs": n_epochs}.items():
        if value < 1:
            raise ValueError(f"{_NAME}: {name} must be at least 1, got {value}")
    if path is None:
        raise ValueError(
            f"the path of {_NAME} is null: set it to the training corpus, e.g. with "
            "--paths.train corpus/train.spacy"
        )
    path = Path(path)
    hint = f"It is the path of {_NAME}; `python -m spacy project run convert` creates it."
    if not path.exists():
        raise FileNotFoundError(f"training corpus {path} not found. {hint}")
    # walk_corpus only warns if a folder contains no corpora.
    if path.is_dir() and not any(path.rglob(f"*{FILE_TYPE}")):
        raise ValueError(f"no {FILE_TYPE} files in {path}. {hint}")
    n_docs = sum(_count_docs(file_path) for file_path in walk_corpus(path, FILE_TYPE))
    if n_docs == 0:
        raise ValueError(f"no docs in {path}. {hint}")
    return n_epochs * -(-n_docs // batch_size)


def _count_docs(path: Path) -> int:
    # Without creating Docs.
    return sum(len(tokens) > 0 for tokens in DocBin().from_disk(path).tokens)
