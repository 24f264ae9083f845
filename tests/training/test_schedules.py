import itertools
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus
from spacy.training.loop import create_train_batches, train_while_improving
from spacy.util import minibatch
from thinc.api import SGD, Config, NumpyOps, Optimizer

from spacy_twitter_ner.training.schedules import count_steps, epoch_decay

CONFIG = """
[paths]
train = null

[training]

[training.optimizer]
@optimizers = "SGD.v1"
grad_clip = 0.0
use_averages = false

[training.optimizer.learn_rate]
@schedules = "spacy-twitter-ner.epoch_decay.v1"
initial_rate = 0.8
decay = 2.0

[training.optimizer.learn_rate.steps_per_epoch]
@misc = "spacy-twitter-ner.count_steps.v1"
path = ${paths.train}
batch_size = 2
"""


def write_corpus(path: Path, lengths: list[int]) -> Path:
    vocab = spacy.blank("en").vocab
    docs = (Doc(vocab, words=["x"] * length) for length in lengths)
    DocBin(docs=docs).to_disk(path)
    return path


def make_sgd(rates: Any) -> Optimizer:
    return SGD(rates, grad_clip=0.0, use_averages=False)


def rates_of_updates(optimizer: Optimizer, n_updates: int) -> list[float]:
    """Measure the rate of each update with SGD on a weight with gradient 1."""
    rates = []
    ops = NumpyOps()
    weights = ops.alloc1f(1)
    for _ in range(n_updates):
        before = weights.copy()
        optimizer((0, "W"), weights, ops.asarray1f([1.0]))
        rates.append(float((before - weights)[0]))
        optimizer.step_schedules()
    return rates


def resolve_optimizer(train_path: Path | None) -> Optimizer:
    overrides = {"paths.train": None if train_path is None else str(train_path)}
    config = Config().from_str(CONFIG, overrides=overrides).interpolate()
    optimizer: Optimizer = spacy.registry.resolve(config["training"])["optimizer"]
    return optimizer


def test_epoch_decay_in_optimizer() -> None:
    optimizer = make_sgd(epoch_decay(0.8, 2.0, 3))
    assert rates_of_updates(optimizer, 9) == pytest.approx([0.8] * 3 + [0.4] * 3 + [0.2] * 3)


def test_epoch_decay_in_spacy_training_loop(tmp_path: Path) -> None:
    batch_size = 2
    path = write_corpus(tmp_path / "train.spacy", [3, 1, 0, 2, 5, 4])  # 5 docs with tokens
    optimizer = make_sgd(epoch_decay(0.8, 2.0, count_steps(path, batch_size)))
    nlp = spacy.blank("en")
    seen = []
    batches = create_train_batches(nlp, Corpus(path), partial(minibatch, size=batch_size), 3)
    for _ in train_while_improving(
        nlp,
        optimizer,
        batches,
        lambda: (0.0, {}),
        dropout=0.1,
        eval_frequency=100,
        accumulate_gradient=1,
        patience=0,
        max_steps=0,
        exclude=[],
        annotating_components=[],
        before_update=lambda _, info: seen.append((info["epoch"], optimizer.learn_rate)),
    ):
        pass
    expected = [(epoch, 0.8 / 2.0**epoch) for epoch in range(3) for _ in range(3)]
    assert seen == [(epoch, pytest.approx(rate)) for epoch, rate in expected]


def test_epoch_decay_in_config(tmp_path: Path) -> None:
    optimizer = resolve_optimizer(write_corpus(tmp_path / "train.spacy", [1, 2, 3]))
    assert rates_of_updates(optimizer, 6) == pytest.approx([0.8, 0.8, 0.4, 0.4, 0.2, 0.2])


def test_count_steps_without_path() -> None:
    with pytest.raises(ValueError, match=r"path of spacy-twitter-ner\.count_steps\.v1 is null"):
        resolve_optimizer(None)


def test_epoch_decay_ends_at_zero() -> None:
    late = next(itertools.islice(epoch_decay(0.005, 2.0, 1), 2000, None))
    assert late == 0.0


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ((0.0, 2.0, 3), "initial_rate"),
        ((float("nan"), 2.0, 3), "initial_rate"),
        ((0.1, -2.0, 3), "decay"),
        ((0.1, 2.0, 0), "steps_per_epoch"),
    ],
)
def test_epoch_decay_validates_settings(settings: tuple[float, float, int], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        epoch_decay(*settings)


@pytest.mark.parametrize(
    ("n_docs", "batch_size", "expected"), [(1, 32, 1), (4, 2, 2), (5, 2, 3), (3, 1, 3)]
)
def test_count_steps_includes_last_batch(
    tmp_path: Path, n_docs: int, batch_size: int, expected: int
) -> None:
    path = write_corpus(tmp_path / "train.spacy", [2] * n_docs)
    assert count_steps(path, batch_size) == expected
    assert count_steps(path, batch_size, n_epochs=4) == 4 * expected


def test_count_steps_of_folder_matches_corpus(tmp_path: Path) -> None:
    write_corpus(tmp_path / "a.spacy", [1, 0, 1])
    (tmp_path / "more").mkdir()
    write_corpus(tmp_path / "more" / "b.spacy", [1, 1, 1])
    (tmp_path / "notes.txt").write_text("not a corpus", encoding="utf8")
    assert count_steps(tmp_path, 1) == 5
    assert count_steps(tmp_path, 1) == len(list(Corpus(tmp_path)(spacy.blank("en"))))


def test_count_steps_missing_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"count_steps.*project run convert"):
        count_steps(tmp_path / "train.spacy", 32)


@pytest.mark.parametrize("lengths", [None, [], [0, 0]])
def test_count_steps_without_docs(tmp_path: Path, lengths: list[int] | None) -> None:
    if lengths is not None:
        write_corpus(tmp_path / "train.spacy", lengths)
    with pytest.raises(ValueError, match=r"no (docs|\.spacy files) in .*project run convert"):
        count_steps(tmp_path, 32)


def test_count_steps_validates_settings(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="batch_size"):
        count_steps(tmp_path, 0)
    with pytest.raises(ValueError, match="n_epochs"):
        count_steps(tmp_path, 32, n_epochs=0)
