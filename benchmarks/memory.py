"""Resident memory of pipelines, and its growth in a stream of tweets.

    python benchmarks/memory.py --corpus hse --docs 1000000 --write-docs
    python benchmarks/memory.py --quick

needs corpus/<corpus>/{train,validation}.spacy (`python -m spacy project run convert`). The stream
is processed in memory zones by the default pipeline, and by a blank pipeline with the same
tokenizer.
"""

from collections.abc import Callable
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import spacy
import typer
from wasabi import msg

from lib.machine import MB, MIB, describe_machine, limit_threads, resident_bytes
from lib.pipelines import OURS, find_pipelines
from lib.project import ROOT, default_corpus
from lib.tables import Table, print_table, split_at_block, write_block
from lib.timing import exhaust
from lib.tweets import read_some, stream_texts

DOCS = ROOT / "docs" / "benchmarks.md"
BLOCK = "memory"
BLANK = "blank"
# Tweets per memory zone.
ZONE = 10_000
N_POINTS = 10


class Usage(NamedTuple):
    """Resident memory of a process in bytes: before and after loading a pipeline, and after it has
    processed tweets."""

    before: int
    loaded: int
    after: int


class Point(NamedTuple):
    """Number of tweets processed so far, and resident memory in bytes."""

    n_docs: int
    resident: int


def call_alone(function: Callable, *arguments: Any) -> Any:
    """RETURNS (Any): The result of a function in its own process."""
    # A forked process would have the memory of this one.
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def measure_usage(path: Path, texts: list[str]) -> Usage:
    """RETURNS (Usage): The memory of this process with a pipeline."""
    before = resident_bytes()
    nlp = spacy.load(path)
    loaded = resident_bytes()
    with limit_threads(1), nlp.memory_zone():
        exhaust(nlp.pipe(texts))
    return Usage(before, loaded, resident_bytes())


def measure_stream(name: str, path: Path, corpus: str, n_docs: int) -> list[Point]:
    """Process a stream of tweets in memory zones.

    name (str): OURS for the pipeline, or BLANK for its tokenizer alone.
    path (Path): The pipeline.
    corpus (str): The corpus that is streamed if there are no unlabeled tweets.
    n_docs (int): Number of tweets.
    RETURNS (list[Point]): The memory at several points.
    """
    nlp = spacy.load(path)
    if name == BLANK:
        nlp = spacy.blank("en", config={"nlp": {"tokenizer": nlp.config["nlp"]["tokenizer"]}})
    texts = stream_texts(corpus)
    points = []
    n_read = 0
    with limit_threads(1):
        for target in choose_points(n_docs):
            while n_read < target:
                size = min(ZONE, target - n_read)
                with nlp.memory_zone():
                    exhaust(nlp.pipe(islice(texts, size)))
                n_read += size
            points.append(Point(n_read, resident_bytes()))
            msg.text(f"{name}, {n_read:,} tweets: {points[-1].resident / MIB:,.1f} MiB")
    return points


def choose_points(n_docs: int) -> list[int]:
    """RETURNS (list[int]): The numbers of tweets after which memory is measured."""
    interval = max(n_docs // N_POINTS, 1)
    return sorted({min(ZONE, interval), *range(interval, n_docs, interval), n_docs})


def usage_table(usages: dict[str, Usage], n_texts: int) -> Table:
    """RETURNS (Table): The memory of each pipeline."""
    rows = [
        (
            name,
            f"{usage.before / MB:,.1f}",
            f"{(usage.loaded - usage.before) / MB:,.1f}",
            f"{(usage.after - usage.loaded) / MB:,.1f}",
        )
        for name, usage in usages.items()
    ]
    header = ("pipeline", "before loading", "the pipeline adds", f"{n_texts:,} tweets add")
    note = "One process per pipeline; one memory zone for all tweets."
    return Table("Resident memory of a process, MB", header, rows, note)


def stream_table(streams: dict[str, list[Point]]) -> Table:
    """RETURNS (Table): The memory during streams, and its growth from the first two points."""
    points = list(zip(*streams.values(), strict=True))
    rows = [(f"{row[0].n_docs:,}", *(f"{p.resident / MIB:,.1f}" for p in row)) for row in points]
    for row in points[:2]:
        growth = (
            f"{(last.resident - first.resident) / MIB:,.1f}"
            for first, last in zip(row, points[-1], strict=True)
        )
        rows.append((f"growth from {row[0].n_docs:,}", *growth))
    return Table(
        f"Resident memory during a stream, in memory zones of at most {ZONE:,} tweets, MiB",
        ("tweets", *streams),
        rows,
        f'One process per pipeline. "{BLANK}" is `spacy.blank("en")` with the same tokenizer.',
    )


def memory_cli(
    corpus: Annotated[
        str | None, typer.Option(help="Name of a folder in corpus/. Default: hse, or else sample")
    ] = None,
    n_docs: Annotated[int, typer.Option("--docs", min=1, help="Tweets in the stream")] = 50_000,
    quick: Annotated[bool, typer.Option("--quick", help="Check that everything runs")] = False,
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Write the tables to docs/benchmarks.md")
    ] = False,
) -> None:
    """Measure the memory of pipelines."""
    if write_docs:
        # Before measuring, not after.
        split_at_block(DOCS, BLOCK)
    corpus = corpus or default_corpus()
    n_docs, n_texts = (200, 100) if quick else (n_docs, 2000)
    texts = [tweet.text for tweet in read_some(n_texts, corpus).tweets]
    pipelines = find_pipelines(corpus, quick=quick)
    usages = {
        name: call_alone(measure_usage, pipeline.path, texts)
        for name, pipeline in pipelines.items()
    }
    path = pipelines[OURS].path
    streams = {
        name: call_alone(measure_stream, name, path, corpus, n_docs) for name in (OURS, BLANK)
    }
    tables = [usage_table(usages, len(texts)), stream_table(streams)]
    for table in tables:
        print_table(table)
    if write_docs:
        write_block(DOCS, BLOCK, describe_machine(), tables)


if __name__ == "__main__":
    typer.run(memory_cli)
