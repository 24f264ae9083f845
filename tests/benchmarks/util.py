"""Tweets, predictions, results and commands for the tests of benchmarks."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import spacy
import typer
from spacy.tokens import Doc, DocBin
from typer.testing import CliRunner, Result

from contest import contestants
from contest.corpus import SPLITS, Gold, Span, doc_spans
from contest.scores import score_splits

VOCAB = spacy.blank("xx").vocab
LABELS = ["person", "place", "team"]
TWEETS = [
    "@ann saw Drake/B-person in New/B-place York/I-place",
    "Leeds/B-team won in Leeds/B-place",
    "nothing here at all",
    "Ann/B-person and Bob/B-person",
]


def make_doc(text: str) -> Doc:
    """Make a doc of words with tags, as in "in Leeds/B-place"; "-" is a word not annotated."""
    pairs = [word.partition("/") for word in text.split()]
    tags: list[Any] = [None if pair[0] == "-" else pair[2] or "O" for pair in pairs]
    return Doc(VOCAB, words=[pair[0] for pair in pairs], ents=tags)


DOCS = [make_doc(text) for text in TWEETS * 5]
GOLD = Gold({split: DOCS for split in ("train", *SPLITS)}, LABELS)


def write_docs(path: Path, *texts: str) -> Path:
    DocBin(docs=[make_doc(text) for text in texts]).to_disk(path)
    return path


def write_corpus(folder: Path, **splits: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", *SPLITS):
        write_docs(folder / f"{split}.spacy", *splits.get(split, TWEETS))


def random_predictions(docs: list[Doc], seed: int) -> list[list[Span]]:
    """Gold spans of which some are lost and some get another type or end."""
    generator = random.Random(seed)
    predictions = []
    for doc in docs:
        spans, free_from = [], 0
        for ent in doc.ents:
            start = generator.choice([ent.start, max(free_from, ent.start - 1)])
            if generator.random() < 0.7:
                spans.append((start, ent.end, generator.choice([ent.label_, *LABELS])))
            free_from = ent.end
        predictions.append(spans)
    return predictions


def gold_spans(docs: list[Doc], *, without: str = "") -> list[list[Span]]:
    return [[span for span in doc_spans(doc) if span[2] != without] for doc in docs]


def make_result(predictions: Any, **values: Any) -> dict[str, Any]:
    """The result of a run whose predictions are the same for each split."""
    predictions = {split: predictions for split in SPLITS}
    scores = score_splits(predictions, GOLD)
    costs = {"processor_seconds": 10.0, "n_bytes": 2_500_000, "stale": [], "notes": {}}
    return {"predictions": predictions, "scores": scores, **costs, **values}


def set_contestants(monkeypatch: pytest.MonkeyPatch, baseline: Any, rung: Any) -> None:
    monkeypatch.setattr(contestants, "BASELINES", (baseline,))
    monkeypatch.setattr(contestants, "LADDER", (rung,))


def run_command(command: Callable, *arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])
