"""A learning rate that decays once an epoch, as in the article, and the length of an epoch.

Thinc advances a schedule once an update and knows nothing of epochs, so the schedule is told
how many updates make one. In a config:

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

    The n-th value is the rate of the n-th update: a Thinc optimizer takes the first value when
    it is made and spaCy's training loop takes the next one after each update, by
    `Optimizer.step_schedules`. A loop of one's own has to call that too, once an update.

    initial_rate (float): The rate of the first epoch.
    decay (float): What the rate is divided by after each epoch; 1.0 keeps it constant.
    steps_per_epoch (int): How many updates make an epoch.
    RETURNS (Iterable[float]): The rates, one an update, without end.
    RAISES (ValueError): If a setting is not positive.
    """
    settings = {"initial_rate": initial_rate, "decay": decay, "steps_per_epoch": steps_per_epoch}
    for name, value in settings.items():
        if not value > 0:
            raise ValueError(f"epoch_decay: {name} has to be above 0, got {value}")
    # The generator is a function of its own so that the checks run here, not at the first next().
    return _iterate_rates(initial_rate, decay, steps_per_epoch)


def _iterate_rates(initial_rate: float, decay: float, steps_per_epoch: int) -> Iterable[float]:
    for epoch in itertools.count():
        # A negative power ends at 0.0 in a long run, where decay**epoch would overflow.
        yield from itertools.repeat(initial_rate * decay**-epoch, steps_per_epoch)


def count_steps(path: Path | None, batch_size: int, n_epochs: int = 1) -> int:
    """Count the batches that a corpus makes, which is the updates of one epoch or of several.

    Holds for a batcher of a fixed number of docs (`spacy.batch_by_sequence.v1`) over
    `spacy.Corpus.v1` without limit, max_length, gold_preproc and augmenter: those change how
    many examples there are. Empty docs are left out, as the corpus leaves them out.

    path (Optional[Path]): A .spacy file or a folder of them; None, the default of
        ${paths.train}, is an error.
    batch_size (int): How many docs make a batch.
    n_epochs (int): How often the corpus is read.
    RETURNS (int): The number of batches; the last one of an epoch may be smaller.
    RAISES (ValueError): If the path is None or holds no docs, or a number is below 1.
    RAISES (FileNotFoundError): If there is no such path.
    """
    for name, value in {"batch_size": batch_size, "n_epochs": n_epochs}.items():
        if value < 1:
            raise ValueError(f"{_NAME}: {name} has to be at least 1, got {value}")
    if path is None:
        raise ValueError(
            f"the path of {_NAME} is null: give the training corpus, e.g. with "
            "--paths.train corpus/train.spacy"
        )
    path = Path(path)
    hint = f"It is the path of {_NAME}; `python -m spacy project run convert` creates it."
    if not path.exists():
        raise FileNotFoundError(f"training corpus {path} not found. {hint}")
    # walk_corpus only warns of a folder without corpora, and here that has to be an error.
    if path.is_dir() and not any(path.rglob(f"*{FILE_TYPE}")):
        raise ValueError(f"no {FILE_TYPE} files in {path}. {hint}")
    n_docs = sum(_count_docs(file_path) for file_path in walk_corpus(path, FILE_TYPE))
    if n_docs == 0:
        raise ValueError(f"no docs in {path}. {hint}")
    return n_epochs * -(-n_docs // batch_size)


def _count_docs(path: Path) -> int:
    # The packed arrays tell the lengths: no Doc is built and no vocab is filled.
    return sum(len(tokens) > 0 for tokens in DocBin().from_disk(path).tokens)
