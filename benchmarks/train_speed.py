"""Speed of training: ours and spaCy's `ner`.

    python benchmarks/train_speed.py --corpus hse --write-docs
    python benchmarks/train_speed.py --quick

needs corpus/<corpus>/{train,validation}.spacy (`python -m spacy project run convert`). Pipelines
are timed as in spaCy's training loop: nlp.update on batches of Examples, with feature extraction
and alignment of gold tags, then the optimizer.
"""

from collections.abc import Sequence
from functools import partial
from itertools import cycle, islice
from typing import Annotated, Any, NamedTuple

import typer
from spacy.language import Language
from spacy.training import Corpus, Example
from spacy.training.initialize import init_nlp
from spacy.util import minibatch, registry

from lib.machine import describe_machine, limit_threads
from lib.models import DEFAULT, MODELS, ModelSpec, make_config
from lib.pipelines import OURS, SPACY
from lib.project import ROOT, corpus_path, default_corpus
from lib.tables import Table, print_table, split_at_block, write_block
from lib.timing import Run, Timings, cpu_note, time_in_turns

DOCS = ROOT / "docs" / "benchmarks.md"
BLOCK = "train_speed"
ARTICLE = "article"
SPECS = {OURS: DEFAULT, SPACY: MODELS["spacy_ner"], ARTICLE: MODELS["article"]}
BATCH_SIZE = 32
# All pipelines have the same constant learning rate, so that schedules don't matter.
LEARN_RATE = 0.005


class Trainer(NamedTuple):
    """A pipeline to train.

    nlp (Language): The initialized pipeline.
    optimizer (Any): Its optimizer.
    dropout (float): Its dropout rate.
    batches (list[list[Example]]): The training corpus.
    """

    nlp: Language
    optimizer: Any
    dropout: float
    batches: list[list[Example]]

    def round(self, number: int, size: int) -> list[list[Example]]:
        """RETURNS (list[list[Example]]): The batches of a round, new ones until they start over."""
        start = number * size % len(self.batches)
        return list(islice(cycle(self.batches), start, start + size))

    def train(self, batches: Sequence[list[Example]]) -> None:
        """Train like spacy.training.loop.train_while_improving."""
        losses: dict[str, float] = {}
        for batch in batches:
            self.nlp.update(batch, drop=self.dropout, losses=losses, sgd=False)  # type: ignore[arg-type]
            for _, pipe in self.nlp.pipeline:
                pipe.finish_update(self.optimizer)  # type: ignore[attr-defined]
            self.optimizer.step_schedules()


def make_trainer(spec: ModelSpec, corpus: str) -> Trainer:
    """RETURNS (Trainer): A pipeline initialized with the whole training corpus."""
    config = make_config(spec, corpus)
    nlp = init_nlp(config)
    training = config.interpolate()["training"]
    settings = {**training["optimizer"], "learn_rate": LEARN_RATE}
    optimizer = registry.resolve({"optimizer": settings})["optimizer"]
    examples = Corpus(corpus_path(corpus, "train"))(nlp)
    return Trainer(nlp, optimizer, training["dropout"], list(minibatch(examples, BATCH_SIZE)))


def measure(corpus: str, n_batches: int, rounds: int) -> Timings:
    """Time the training of all pipelines.

    corpus (str): Name of a folder in corpus/.
    n_batches (int): Number of batches per round.
    rounds (int): Number of rounds.
    RETURNS (Timings): The timings.
    """
    trainers = {name: make_trainer(spec, corpus) for name, spec in SPECS.items()}

    def prepare(trainer: Trainer, number: int) -> Run:
        return partial(trainer.train, trainer.round(number, n_batches))

    def count_words(number: int) -> int:
        batches = trainers[OURS].round(number, n_batches)
        return sum(len(example.predicted) for batch in batches for example in batch)

    turns = {name: partial(prepare, trainer) for name, trainer in trainers.items()}
    return time_in_turns(turns, count_words, rounds)


def train_speed_cli(
    corpus: Annotated[
        str | None, typer.Option(help="Name of a folder in corpus/. Default: hse, or else sample")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Check that everything runs")] = False,
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Write the table to docs/benchmarks.md")
    ] = False,
) -> None:
    """Measure how fast pipelines train."""
    if write_docs:
        # Before measuring, not after.
        split_at_block(DOCS, BLOCK)
    n_batches, rounds = (2, 2) if quick else (20, 5)
    with limit_threads(1):
        timings = measure(corpus or default_corpus(), n_batches, rounds)
        rows = [
            (one, f"{timings.words_per_second(one):,.0f}", f"{timings.ratio(one, SPACY):.2f}")
            for one in SPECS
        ]
        title = f"Training steps, {n_batches} batches of {BATCH_SIZE} tweets per round"
        table = Table(title, ("", "words/s", f"× {SPACY}"), rows, cpu_note([timings]))
        print_table(table)
        if write_docs:
            write_block(DOCS, BLOCK, describe_machine(), [table])


if __name__ == "__main__":
    typer.run(train_speed_cli)
