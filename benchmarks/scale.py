"""Throughput and memory of `annotate` with several workers.

    python benchmarks/scale.py training/hse/bilstm_crf/model-best --write-docs
    python benchmarks/scale.py MODEL --only workers --tweets 20000 --rounds 1

Three sections:

    workers  one process, two processes, two threads, and Dask with two workers, in turns
    memory   of a worker after 10,000 tweets, and the peak until --memory-tweets
    count    CPU seconds of `count` and `annotate` in turns, and the memory of `count`
"""

import itertools
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, NamedTuple

import psutil
import spacy
import typer
from threadpoolctl import threadpool_limits

from lib.machine import MIB
from lib.project import ROOT
from lib.tables import Table, print_table, split_at_block, write_block
from lib.tweets import stream_texts
from spacy_twitter_ner.annotate.annotator import Annotator, load_annotator
from spacy_twitter_ner.annotate.jobs import Job, Outcome
from spacy_twitter_ner.annotate.outputs import json_line
from spacy_twitter_ner.annotate.run import Engine, Workers, annotate_files
from spacy_twitter_ner.counts.candidates import CountJob
from spacy_twitter_ner.counts.run import count_files

DOCS = ROOT / "docs" / "annotate.md"
COUNT_DOCS = ROOT / "docs" / "guarantees.md"
SHARD_SIZE = 2_000
FIRST = 10_000
SECTIONS = ("workers", "memory", "count")
ENGINES: tuple[Engine, ...] = ("local", "dask")
BILLION = 10**9
SECONDS_PER_HOUR = 3_600
ONE, TWO = "one process", "two processes"


def write_tweets(path: Path, n: int) -> None:
    """Write tweets to a file, one per line. They start over if there aren't enough."""
    with path.open("w", encoding="utf8") as file:
        file.writelines(f"{tweet}\n" for tweet in itertools.islice(stream_texts(), n))


class Run(NamedTuple):
    """The measurements of a run.

    speed (float): Tweets per second after each worker has completed its first shard.
    seconds (float): Seconds in all, including the start of processes and loading of pipelines.
    """

    speed: float
    seconds: float


def annotate(model: str, tweets: Path, workers: Workers) -> Run:
    """RETURNS (Run): The measurements of annotating a file to a temporary folder."""
    times: list[float] = []
    records: list[int] = []

    def on_outcome(outcome: Outcome) -> None:
        times.append(time.perf_counter())
        records.append(outcome.records)

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        job = Job(model, str(Path(folder) / "out"))
        annotate_files(
            [str(tweets)], job, shard_size=SHARD_SIZE, workers=workers, on_outcome=on_outcome
        )
        seconds = time.perf_counter() - start
    return Run(sum(records[workers.n :]) / (times[-1] - times[workers.n - 1]), seconds)


def annotate_in_threads(model: str, tweets: Path, n: int) -> Run:
    """RETURNS (Run): The measurements of the same work in threads of one interpreter, with one
    pipeline each."""
    start = time.perf_counter()
    lines = tweets.read_text(encoding="utf8").splitlines()
    annotators = [Annotator(spacy.load(model)) for _ in range(n)]

    def work(number: int) -> None:
        annotator, part = annotators[number], lines[number::n]
        for first in range(0, len(part), SHARD_SIZE):
            with annotator.nlp.memory_zone():
                for doc in annotator.annotate(part[first : first + SHARD_SIZE]):
                    json_line(dict(annotator.get_record(doc)))

    loaded = time.perf_counter()
    with ThreadPoolExecutor(n) as pool:
        list(pool.map(work, range(n)))
    end = time.perf_counter()
    return Run(len(lines) / (end - loaded), end - start)


def measure_workers(model: str, tweets: Path, n: int, rounds: int) -> list[Table]:
    """RETURNS (list[Table]): Speed by kind of workers, and an estimate for a billion tweets."""
    baselines: dict[str, Callable[[], Run]] = {
        ONE: lambda: annotate(model, tweets, Workers(1)),
        TWO: lambda: annotate(model, tweets, Workers(2)),
        "two threads": lambda: annotate_in_threads(model, tweets, 2),
        "Dask, two workers": lambda: annotate(model, tweets, Workers(2, "dask")),
    }
    names = list(baselines)
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            run = baselines[name]()
            runs[name].append(run)
            print(f"{name}: {run.speed:,.0f} tweets/s, {run.seconds:.1f} s", flush=True)
    rows = []
    for name, own in runs.items():
        speed = statistics.median(run.speed for run in own)
        seconds = statistics.median(run.seconds for run in own)
        to_one = statistics.median(a.speed / b.speed for a, b in zip(own, runs[ONE], strict=True))
        to_two = statistics.median(
            a.seconds / b.seconds for a, b in zip(own, runs[TWO], strict=True)
        )
        rows.append((name, f"{speed:,.0f}", f"{to_one:.2f}", f"{seconds:.1f}", f"{to_two:.2f}"))
    title = f"{n:,} tweets, {rounds} rounds; tweets/s once all workers are running"
    header = ("", "Tweets/s", f"× {ONE}", "Seconds in all", f"× {TWO}")
    speed = statistics.median(run.speed for run in runs[ONE])
    return [Table(title, header, rows), estimate(speed)]


def estimate(speed: float) -> Table:
    """RETURNS (Table): The time for a billion tweets if workers don't slow each other down."""
    rows = [
        (f"{workers:,}", f"{BILLION / speed / workers / SECONDS_PER_HOUR:,.2f}")
        for workers in (1, 16, 100, 1_000)
    ]
    title = f"Estimate for a billion tweets at {speed:,.0f} tweets/s per worker"
    return Table(title, ("Workers", "Hours"), rows)


class MemoryWatch:
    """Tracks the peak memory of child processes, within the context.

    peaks (dict[int, int]): The peak of each process, in bytes.
    """

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peaks: dict[int, int] = {}

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        own = psutil.Process()
        while not self._stop.wait(0.2):
            for child in own.children(recursive=True):
                try:
                    resident = child.memory_info().rss
                except psutil.Error:
                    continue
                self.peaks[child.pid] = max(self.peaks.get(child.pid, 0), resident)


def measure_memory(model: str, tweets: Path, n: int) -> list[Table]:
    """RETURNS (list[Table]): The peak memory of the largest worker, by engine."""
    rows = []
    for engine in ENGINES:
        first, whole = measure_peaks(model, tweets, n, engine)
        rows.append((engine, f"{n:,}", f"{first / MIB:,.0f}", f"{whole / MIB:,.0f}"))
    header = ("Engine", "Tweets", f"MiB after {FIRST:,}", "Peak MiB")
    return [Table("Memory of the largest of two workers", header, rows)]


def measure_peaks(model: str, tweets: Path, n: int, engine: Engine) -> tuple[int, int]:
    """RETURNS (tuple[int, int]): The peak memory of the largest of two workers in bytes, in the
    first `FIRST` tweets and in the whole run."""
    first_peaks: list[int] = []
    records: list[int] = []
    with tempfile.TemporaryDirectory() as folder, MemoryWatch() as watch:

        def on_outcome(outcome: Outcome) -> None:
            records.append(outcome.records)
            if not first_peaks and sum(records) >= min(FIRST, n):
                first_peaks.append(max(watch.peaks.values()))

        annotate_files(
            [str(tweets)],
            Job(model, str(Path(folder) / "out")),
            shard_size=SHARD_SIZE,
            workers=Workers(2, engine),
            on_outcome=on_outcome,
        )
    return first_peaks[0], max(watch.peaks.values())


def measure_count(model: str, tweets: Path, n: int, rounds: int) -> list[Table]:
    """RETURNS (list[Table]): Tweets per CPU second of `annotate` and `count` in this process, and
    its memory during the last count."""
    process = psutil.Process()
    speeds: dict[str, list[float]] = {"annotate": [], "count": []}
    memory: list[int] = []

    def run_count() -> None:
        count_files(
            [str(tweets)],
            CountJob(model, None),
            on_outcome=lambda outcome: memory.append(process.memory_info().rss),
        )

    works = {"annotate": lambda: annotate(model, tweets, Workers(1)), "count": run_count}
    load_annotator(model)
    for _ in range(rounds):
        for name, work in works.items():
            memory.clear()
            start = time.process_time()
            work()
            speeds[name].append(n / (time.process_time() - start))
            print(f"{name}: {speeds[name][-1]:,.0f} tweets per CPU second", flush=True)
    medians = {name: statistics.median(some) for name, some in speeds.items()}
    rows = [(name, f"{x:,.0f}", f"{x / medians['annotate']:.2f}") for name, x in medians.items()]
    n_first = FIRST // SHARD_SIZE
    note = (
        f"Memory of count: {memory[min(n_first, len(memory)) - 1] / MIB:,.0f} MiB after {FIRST:,} "
        f"tweets, at most {max(memory) / MIB:,.0f} MiB until the end."
    )
    title = f"{n:,} tweets, {rounds} rounds, one process"
    return [Table(title, ("", "Tweets per CPU second", "× annotate"), rows, note)]


def scale_cli(
    model: Annotated[str, typer.Argument(help="A trained pipeline: its folder or package")],
    tweets: Annotated[int, typer.Option(min=1, help="Tweets per run")] = 100_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, of which medians are taken")] = 3,
    memory_tweets: Annotated[int, typer.Option(min=1, help="Tweets to measure memory")] = 1_000_000,
    only: Annotated[str, typer.Option(help="Comma-separated sections")] = ",".join(SECTIONS),
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Write the tables to the docs")
    ] = False,
) -> None:
    """Measure `annotate`."""
    chosen = [name.strip() for name in only.split(",")]
    if unknown := set(chosen) - set(SECTIONS):
        raise typer.BadParameter(f"unknown section {unknown.pop()}: {', '.join(SECTIONS)}")
    if write_docs:
        # Before measuring, not after.
        for name in chosen:
            split_at_block(COUNT_DOCS if name == "count" else DOCS, f"scale:{name}")
    # Workers have one BLAS thread each, and so has this process if it is the only one.
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        path = Path(folder) / "tweets.txt"
        for name in chosen:
            if name == "workers":
                write_tweets(path, tweets)
                tables = measure_workers(model, path, tweets, rounds)
            elif name == "count":
                write_tweets(path, tweets)
                tables = measure_count(model, path, tweets, rounds)
            else:
                write_tweets(path, memory_tweets)
                tables = measure_memory(model, path, memory_tweets)
            for table in tables:
                print_table(table)
            if write_docs:
                page = COUNT_DOCS if name == "count" else DOCS
                write_block(page, f"scale:{name}", "", tables)


if __name__ == "__main__":
    typer.run(scale_cli)
