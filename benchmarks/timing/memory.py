"""Resident memory: what each pipeline holds, and whether a stream of tweets makes it grow."""

import os
from collections.abc import Iterator, Mapping
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import spacy
from spacy.language import Language
from wasabi import msg

from .contestants import DEFAULT, TrainedModel, find_models
from .machine import import_psutil, limit_threads, resident_bytes
from .pipeline import exhaust
from .tables import Table, thousands
from .texts import read_stream
from .workload import Workload

# Tweets of a memory zone.
ZONE = 10_000
N_POINTS = 10
MB = 1e6


class Held(NamedTuple):
    """Resident memory of a process with one pipeline, in bytes: before it is loaded, after, and
    after it has read tweets."""

    before: int
    loaded: int
    after: int


def measure(work: Workload) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): What each pipeline holds, and the default's memory in a stream.
    RAISES (ImportError): If psutil is not installed.
    """
    # Before anything is trained in vain.
    import_psutil()
    found = find_models(work)
    texts = [tweet.text for tweet in work.texts.round(0, work.effort.pipeline_tweets)]
    held = measure_alone(found, texts)
    nlp = spacy.load(found[DEFAULT.name].path)
    n_docs = work.effort.memory_docs
    points = []
    for point in stream(nlp, read_stream(work.root, work.texts), n_docs):
        points.append(point)
        msg.text(f"{point[0]:,} tweets: {point[1] / MB:,.1f} MB")
    return {
        "n_texts": len(texts),
        "held": {name: bytes_held._asdict() for name, bytes_held in held.items()},
        "stream": points,
    }


def measure_alone(models: Mapping[str, TrainedModel], texts: list[str]) -> dict[str, Held]:
    """RETURNS (dict[str, Held]): What each pipeline holds in a process of its own."""
    # A process that was forked would have all that this one has.
    with get_context("spawn").Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        tasks = [(model.path, texts) for model in models.values()]
        held = pool.starmap(load_and_read, tasks, chunksize=1)
    return dict(zip(models, held, strict=True))


def load_and_read(path: Path, texts: list[str]) -> Held:
    """RETURNS (Held): The memory of this process before and after a pipeline reads texts."""
    before = resident_bytes()
    nlp = spacy.load(path)
    loaded = resident_bytes()
    with limit_threads(1), nlp.memory_zone():
        exhaust(nlp.pipe(texts))
    return Held(before, loaded, resident_bytes())


def stream(nlp: Language, texts: Iterator[str], n_docs: int) -> Iterator[tuple[int, int]]:
    """Annotate a stream of tweets, in memory zones.

    nlp (Language): The pipeline.
    texts (Iterator[str]): The tweets.
    n_docs (int): How many of them.
    YIELDS (tuple[int, int]): From time to time, how many have been read, and the bytes held.
    """
    interval = max(n_docs // N_POINTS, 1)
    next_point, n_read = interval, 0
    while n_read < n_docs:
        size = min(ZONE, next_point - n_read)
        with nlp.memory_zone():
            exhaust(nlp.pipe(islice(texts, size)))
        n_read += size
        if n_read == next_point:
            next_point = min(next_point + interval, n_docs)
            yield n_read, resident_bytes()


def tables(figures: dict[str, Any]) -> list[Table]:
    """RETURNS (list[Table]): What each pipeline holds, and the stream."""
    return [
        Table(
            "Resident memory of a process, MB",
            (
                "pipeline",
                "before loading",
                "the pipeline adds",
                f"{figures['n_texts']:,} tweets add",
            ),
            [
                (
                    name,
                    megabytes(held["before"]),
                    megabytes(held["loaded"] - held["before"]),
                    megabytes(held["after"] - held["loaded"]),
                )
                for name, held in figures["held"].items()
            ],
            "A process each; one memory zone for all tweets.",
        ),
        Table(
            f"A stream through `{DEFAULT.name}`, in memory zones of {ZONE:,} tweets at most",
            ("tweets", "resident memory, MB"),
            [(thousands(n_docs), megabytes(n_bytes)) for n_docs, n_bytes in figures["stream"]],
        ),
    ]


def megabytes(n_bytes: int) -> str:
    return f"{n_bytes / MB:,.1f}"
