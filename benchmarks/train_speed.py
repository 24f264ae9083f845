"""Speed of training: layers forward+backward, and whole training steps.

    python benchmarks/train_speed.py --corpus hse --json train_speed.json --write-docs
    python benchmarks/train_speed.py --quick

needs corpus/<corpus>/{train,validation}.spacy, as `python -m spacy project run convert` makes them.
Sections:

    layer  our BiLSTM and PyTorch's, forward+backward
    steps  ours and spaCy's `ner`, and the article's model beside the same in PyTorch

Contestants take turns as in benchmarks/speed.py.
"""

from pathlib import Path

import typer

from timing import layer, steps
from timing.command import (
    Corpus,
    JSONPath,
    Only,
    Options,
    Quick,
    Repeats,
    Section,
    Threads,
    WriteDocs,
    run_sections,
)

ROOT = Path(__file__).parents[1]
SECTIONS = {
    "layer": Section(lambda work: layer.measure(work, ("forward+backward",)), layer.tables),
    "steps": Section(steps.measure, steps.tables),
}


def train_speed_cli(
    corpus: Corpus = None,
    threads: Threads = 1,
    repeats: Repeats = None,
    only: Only = None,
    quick: Quick = False,
    json_path: JSONPath = None,
    write_docs: WriteDocs = False,
) -> None:
    """Measure how fast layers and pipelines train."""
    options = Options(corpus, threads, repeats, only, quick, json_path, write_docs)
    run_sections("train_speed", SECTIONS, ROOT, options)


if __name__ == "__main__":
    typer.run(train_speed_cli)
