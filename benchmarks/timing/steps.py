"""Whole training steps: ours, the same model in PyTorch, and spaCy's own ner.

Pipelines are timed as spaCy's training loop runs them: nlp.update on a batch of Examples, which
looks the words up and aligns the gold tags, then the optimizer.
"""

from collections.abc import Callable, Sequence
from itertools import cycle, islice
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.training import Corpus, Example
from spacy.training.initialize import init_nlp
from spacy.util import minibatch, registry

from .article import LEARN_RATE, WIDTH, Encoder, make_torch_model
from .clock import Prepare, Timings, take_turns
from .contestants import (
    BATCH_SIZE,
    COMPONENT,
    DEFAULT,
    LEXICAL,
    SPACY,
    Contestant,
    hidden_units,
    make_config,
    missing_files,
)
from .layer import ratio_cell, speed_cell
from .rates import FORWARD_BACKWARD
from .tables import Table, cpu_note
from .texts import corpus_path
from .workload import Workload

RECURRENT_DROPOUT = f"components.{COMPONENT}.model.tok2vec.encode.recurrent_dropout"
ARTICLE = Contestant("article, ours", "article", "configs/article.cfg", {RECURRENT_DROPOUT: 0.0})
ARTICLE_RECURRENT = Contestant(
    "article, ours, with its recurrent dropout", "article_recurrent", "configs/article.cfg"
)
PIPELINES = (DEFAULT, LEXICAL, SPACY, ARTICLE, ARTICLE_RECURRENT)
PACKED, PADDED = "article, PyTorch, packed", "article, PyTorch, padded"
TORCH = (PACKED, PADDED)


class Trainer(NamedTuple):
    """A pipeline to train.

    nlp (Language): The pipeline, initialised.
    optimizer (Any): Its optimizer, with a constant learn rate.
    dropout (float): Its dropout rate.
    batches (list[list[Example]]): The corpus.
    """

    nlp: Language
    optimizer: Any
    dropout: float
    batches: list[list[Example]]

    def round(self, number: int, size: int) -> list[list[Example]]:
        """RETURNS (list[list[Example]]): So many batches, other ones in each round; after the last
        the first come again."""
        start = number * size % len(self.batches)
        return list(islice(cycle(self.batches), start, start + size))

    def train(self, batches: Sequence[list[Example]]) -> None:
        """Train as spacy.training.loop.train_while_improving does."""
        losses: dict[str, float] = {}
        for batch in batches:
            self.nlp.update(batch, drop=self.dropout, losses=losses, sgd=False)  # type: ignore[arg-type]
            for _, pipe in self.nlp.pipeline:
                pipe.finish_update(self.optimizer)  # type: ignore[attr-defined]
            self.optimizer.step_schedules()


def make_trainer(work: Workload, contestant: Contestant) -> Trainer:
    """RETURNS (Trainer): A contestant's pipeline, initialised on the whole training corpus."""
    config = make_config(work, contestant)
    nlp = init_nlp(config)
    training = config.interpolate()["training"]
    settings = {**training["optimizer"], "learn_rate": LEARN_RATE}
    optimizer = registry.resolve({"optimizer": settings})["optimizer"]
    examples = Corpus(corpus_path(work.root, work.corpus, "train"))(nlp)
    return Trainer(nlp, optimizer, training["dropout"], list(minibatch(examples, BATCH_SIZE)))


def measure(work: Workload) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The timings, and how they compare."""
    trainers = {
        one.name: make_trainer(work, one) for one in PIPELINES if not missing_files(work, one)
    }
    size = work.effort.train_batches
    turns = {name: pipeline_turn(trainer, size) for name, trainer in trainers.items()}
    if work.torch is not None:
        article = trainers[ARTICLE.name]
        encoder = Encoder(article.nlp)
        for name in TORCH:
            train = make_torch_model(
                work.torch, encoder.n_words, encoder.n_tags, packed=name == PACKED
            )
            turns[name] = torch_turn(train, encoder, article, size)
    any_trainer = trainers[DEFAULT.name]
    timings = take_turns(
        turns, lambda number: count_words(any_trainer.round(number, size)), work.effort
    )
    hidden = {name: hidden_units(trainer.nlp) for name, trainer in trainers.items()}
    return {"batches": size, **summarise(timings, {**dict.fromkeys(TORCH, WIDTH), **hidden})}


def pipeline_turn(trainer: Trainer, size: int) -> Prepare:
    def prepare(number: int) -> Callable[[], None]:
        batches = trainer.round(number, size)
        return lambda: trainer.train(batches)

    return prepare


def torch_turn(
    train: Callable[[Sequence[Any]], None], encoder: Encoder, trainer: Trainer, size: int
) -> Prepare:
    def prepare(number: int) -> Callable[[], None]:
        batches = [encoder.encode(batch) for batch in trainer.round(number, size)]
        return lambda: train(batches)

    return prepare


def count_words(batches: Sequence[list[Example]]) -> int:
    return sum(len(example.predicted) for batch in batches for example in batch)


def summarise(timings: Timings, hidden: dict[str, int]) -> dict[str, Any]:
    """Compare the contestants.

    hidden (dict[str, int]): The hidden units of each, 0 for those without a BiLSTM.
    RETURNS (dict[str, Any]): Words a second, share of the bound, ratio to spaCy's ner, and ratio
        of the article's model to the faster one in PyTorch.
    """
    torch = timings.best([name for name in TORCH if name in timings.seconds] or [SPACY.name])
    of_article = [name for name in timings.seconds if name.startswith("article")]
    return {
        **timings.to_json(),
        "share_of_bound": {
            name: timings.share_of_bound(
                name, hidden[name] or hidden[DEFAULT.name], FORWARD_BACKWARD
            )
            for name in timings.seconds
        },
        "ratio_to_spacy_ner": {name: timings.ratio(name, SPACY.name) for name in timings.seconds},
        "ratio_to_torch": {
            name: timings.ratio(name, torch) for name in of_article if torch in TORCH
        },
    }


def tables(figures: dict[str, Any]) -> list[Table]:
    """RETURNS (list[Table]): One table, a row for each contestant."""
    return [
        Table(
            f"Whole training steps, {figures['batches']} batches of {BATCH_SIZE} tweets a round: "
            "words/s (share of the bound)",
            ("", "words/s", f"× {SPACY.name}", "× the better PyTorch"),
            [
                (
                    name,
                    speed_cell(figures, name),
                    ratio_cell(figures["ratio_to_spacy_ner"][name]),
                    ratio_cell(figures["ratio_to_torch"].get(name)),
                )
                for name in figures["seconds"]
            ],
            "The bound of three recurrent products, of a model's own hidden units; for spaCy's "
            "`ner` that of the default. " + cpu_note([figures]),
        )
    ]
