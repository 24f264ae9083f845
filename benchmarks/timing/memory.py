"""Resident memory: what each pipeline holds, and whether a stream of tweets makes it grow."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
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
from .texts import Texts, read_stream
from .workload import Workload

# Tweets of a memory zone.
ZONE = 10_000
N_POINTS = 10
MB = 1e6
MIB = 2**20


class Held(NamedTuple):
    """Resident memory of a process with one pipeline, in bytes: before it is loaded, after, and
    after it has read tweets."""

    before: int
    loaded: int
    after: int


class Point(NamedTuple):
    """Number of tweets processed so far, and the resident memory of the process in bytes."""

    n_docs: int
    resident: int


class Reader(NamedTuple):
    """What reads a stream: a pipeline, and what opens a memory zone of it."""

    nlp: Language
    zone: Callable[[], AbstractContextManager]


def load_default(path: Path) -> Reader:
    nlp = spacy.load(path)
    return Reader(nlp, nlp.memory_zone)


def load_blank(path: Path) -> Reader:
    """spaCy alone: the default's tokenizer, and no component."""
    tokenizer = spacy.load(path).config["nlp"]["tokenizer"]
    nlp = spacy.blank("en", config={"nlp": {"tokenizer": tokenizer}})
    return Reader(nlp, nlp.memory_zone)


READERS: dict[str, Callable[[Path], Reader]] = {
    DEFAULT.name: load_default,
    "blank": load_blank,
}


def measure(work: Workload) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): What each pipeline holds, and the memory of streams.
    RAISES (ImportError): If psutil is not installed.
    """
    # Before anything is trained in vain.
    import_psutil()
    found = find_models(work)
    texts = [tweet.text for tweet in work.texts.round(0, work.effort.pipeline_tweets)]
    held = measure_alone(found, texts)
    # Not the whole workload: it has the module torch, which cannot be sent to a process.
    source = found[DEFAULT.name].path, work.root, work.texts, work.effort.memory_docs
    streams = {name: call_alone(read_points, name, *source) for name in READERS}
    return {
        "n_texts": len(texts),
        "held": {name: bytes_held._asdict() for name, bytes_held in held.items()},
        "streams": streams,
    }


def measure_alone(models: Mapping[str, TrainedModel], texts: list[str]) -> dict[str, Held]:
    """RETURNS (dict[str, Held]): What each pipeline holds in a process of its own."""
    return {name: call_alone(load_and_read, model.path, texts) for name, model in models.items()}


def call_alone(function: Callable, *arguments: Any) -> Any:
    """RETURNS (Any): What a function returns in a process of its own."""
    # A process that was forked would have all that this one has.
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def load_and_read(path: Path, texts: list[str]) -> Held:
    """RETURNS (Held): The memory of this process before and after a pipeline reads texts."""
    before = resident_bytes()
    nlp = spacy.load(path)
    loaded = resident_bytes()
    with limit_threads(1), nlp.memory_zone():
        exhaust(nlp.pipe(texts))
    return Held(before, loaded, resident_bytes())


def read_points(name: str, path: Path, root: Path, texts: Texts, n_docs: int) -> list[Point]:
    """Read a stream and say how memory grows.

    name (str): Which of READERS reads it.
    path (Path): The default pipeline.
    root (Path): The project's folder.
    texts (Texts): The tweets to take if there are no unlabelled ones.
    n_docs (int): How many tweets.
    RETURNS (list[Point]): Places of the stream.
    """
    points = []
    with limit_threads(1):
        for point in stream(READERS[name](path), read_stream(root, texts), n_docs):
            points.append(point)
            msg.text(f"{name}, {point.n_docs:,} tweets: {point.resident / MIB:,.1f} MiB")
    return points


def stream(reader: Reader, texts: Iterator[str], n_docs: int) -> Iterator[Point]:
    """Annotate a stream of tweets, in memory zones.

    reader (Reader): The pipeline.
    texts (Iterator[str]): The tweets.
    n_docs (int): How many of them.
    YIELDS (Point): The place after the first zone, and others from time to time.
    """
    n_read = 0
    for n_docs_there in places(n_docs):
        while n_read < n_docs_there:
            size = min(ZONE, n_docs_there - n_read)
            with reader.zone():
                exhaust(reader.nlp.pipe(islice(texts, size)))
            n_read += size
        yield Point(n_read, resident_bytes())


def places(n_docs: int) -> list[int]:
    """RETURNS (list[int]): After how many tweets of a stream memory is looked at."""
    interval = max(n_docs // N_POINTS, 1)
    return sorted({min(ZONE, interval), *range(interval, n_docs, interval), n_docs})


def tables(figures: dict[str, Any]) -> list[Table]:
    """RETURNS (list[Table]): What each pipeline holds, and the streams."""
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
                    in_units(held["before"], MB),
                    in_units(held["loaded"] - held["before"], MB),
                    in_units(held["after"] - held["loaded"], MB),
                )
                for name, held in figures["held"].items()
            ],
            "A process each; one memory zone for all tweets.",
        ),
        stream_table(figures["streams"]),
    ]


def stream_table(streams: Mapping[str, Sequence[Sequence[int]]]) -> Table:
    """RETURNS (Table): The memory of streams, and by how much it has grown at their ends since
    their first two places."""
    columns = [[Point(*point) for point in points] for points in streams.values()]
    rows = list(zip(*columns, strict=True))
    growth = [
        (
            f"growth from {row[0].n_docs:,}",
            *(
                in_units(last.resident - first.resident, MIB)
                for first, last in zip(row, rows[-1], strict=True)
            ),
        )
        for row in rows[:2]
    ]
    return Table(
        f"Resident memory during a stream, in memory zones of {ZONE:,} tweets at most, MiB",
        ("tweets", *streams),
        [
            (thousands(row[0].n_docs), *(in_units(point.resident, MIB) for point in row))
            for row in rows
        ]
        + growth,
        f'One process each. `{DEFAULT.name}`, and `spacy.blank("en")` with the same tokenizer.',
    )


def in_units(n_bytes: int, unit: float) -> str:
    return f"{n_bytes / unit:,.1f}"
