"""Speed of prediction: layers and whole pipelines beside each other, and beside the bound.

    python benchmarks/speed.py --corpus hse --json speed.json --write-docs
    python benchmarks/speed.py --only memory --docs 1000000
    python benchmarks/speed.py --quick

needs corpus/<corpus>/{train,validation}.spacy, as `python -m spacy project run convert` makes them,
and takes its texts from assets/unlabelled if there are tweets. Sections:

    bound     what this machine can do, and how fast a BiLSTM could be on it
    layer     our BiLSTM, Thinc's and PyTorch's, forward and forward+backward
    pipeline  ours, spaCy's `ner` and CRFsuite, from given tokens and from raw text
    growth    with batch size, length of the texts, hidden units, number of labels
    memory    resident memory of each pipeline, and its growth over a stream, beside spaCy alone

All contestants of a table run in one process on the same tweets, by turns, round by round; another
begins each time. Speeds are medians over the rounds, and so are ratios, each taken within a round:
a ratio may differ a little from that of the speeds beside it. The bound is measured anew before
each round. Pipelines that the project's workflow has not trained are trained for a few steps and
kept in training/speed/.
"""

from pathlib import Path
from typing import Annotated

import typer

from timing import bound, growth, layer, memory, pipeline
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
    "bound": Section(bound.measure, bound.tables),
    "layer": Section(layer.measure, layer.tables),
    "pipeline": Section(pipeline.measure, pipeline.tables),
    "growth": Section(growth.measure, growth.tables),
    "memory": Section(memory.measure, memory.tables),
}


def speed_cli(
    corpus: Corpus = None,
    threads: Threads = 1,
    repeats: Repeats = None,
    only: Only = None,
    n_docs: Annotated[
        int | None, typer.Option("--docs", min=1, help="Tweets of the memory section's stream")
    ] = None,
    quick: Quick = False,
    json_path: JSONPath = None,
    write_docs: WriteDocs = False,
) -> None:
    """Measure how fast layers and pipelines predict."""
    options = Options(corpus, threads, repeats, only, quick, json_path, write_docs)
    run_sections("speed", SECTIONS, ROOT, options, memory_docs=n_docs)


if __name__ == "__main__":
    typer.run(speed_cli)
