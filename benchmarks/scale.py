"""How fast and how lean `annotate` is with more workers, and what its engines cost.

    python benchmarks/scale.py training/hse/bilstm_crf/model-best --write-docs
    python benchmarks/scale.py MODEL --only workers --tweets 20000 --rounds 1

Tweets are those of assets/unlabelled, again and again if there are not enough, or of the bundled
sample, whose corpus has to be converted. Sections:

    workers  one process, two processes, two threads, Dask with two workers: by turns
    memory   of a worker after 10,000 tweets, and at the end of --memory-tweets
    shards   how many shards a second the engines hand out that take no time: --shards of one
             tweet, and a hundredth of that of 10,000; Dask has as many threads as 100 workers
"""

import itertools
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, NamedTuple

import psutil
import typer
from threadpoolctl import threadpool_limits

from spacy_twitter_ner.annotate.annotator import Annotator
from spacy_twitter_ner.annotate.engines import local_cluster, run_dask, run_processes
from spacy_twitter_ner.annotate.jobs import Job, Outcome
from spacy_twitter_ner.annotate.outputs import json_line
from spacy_twitter_ner.annotate.run import Engine, Workers, annotate_files
from spacy_twitter_ner.sources.inputs import Shard, read_shards
from spacy_twitter_ner.sources.records import RawRecord
from timing.no_work import count_only
from timing.tables import Table, print_table, to_markdown, write_block
from timing.texts import read_stream, read_texts

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs" / "annotate.md"
SHARD_SIZE = 2_000
# What a shard of the command has.
FULL_SHARD = 10_000
# As many as the workers of a cluster for which a scheduler is to have enough shards.
DASK_THREADS = 100
FIRST = 10_000
SECTIONS = ("workers", "memory", "shards")
DASK: Engine = "dask"
MIB = 2**20
BILLION = 10**9
SECONDS_AN_HOUR = 3_600


def write_tweets(path: Path, n: int) -> None:
    """Write tweets to a file, a tweet a line; again and again if there are not enough."""
    stream = read_stream(ROOT, read_texts(ROOT, "sample", n))
    with path.open("w", encoding="utf8") as file:
        file.writelines(f"{tweet}\n" for tweet in itertools.islice(stream, n))


class Run(NamedTuple):
    """One run.

    speed (float): Tweets a second since each worker had done its first shard.
    seconds (float): All that it took, with the start of processes and the loading of pipelines.
    """

    speed: float
    seconds: float


def annotate(model: str, tweets: Path, workers: Workers) -> Run:
    """Annotate a file into a folder that is thrown away."""
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
    """The same work by threads, each with a pipeline of its own, that share one interpreter."""
    import spacy

    start = time.perf_counter()
    lines = tweets.read_text(encoding="utf8").splitlines()
    annotators = [Annotator(spacy.load(model)) for _ in range(n)]
    parts = [lines[number::n] for number in range(n)]

    def work(number: int) -> None:
        annotator, part = annotators[number], parts[number]
        for first in range(0, len(part), SHARD_SIZE):
            with annotator.nlp.memory_zone():
                for doc in annotator.annotate(part[first : first + SHARD_SIZE]):
                    json_line(dict(annotator.get_record(doc)))

    loaded = time.perf_counter()
    with ThreadPoolExecutor(n) as pool:
        list(pool.map(work, range(n)))
    end = time.perf_counter()
    return Run(len(lines) / (end - loaded), end - start)


def measure_workers(model: str, tweets: Path, n: int, rounds: int) -> tuple[Table, float]:
    """RETURNS (tuple[Table, float]): Each way's runs, by turns; tweets a second of one worker."""
    ways: dict[str, Callable[[], Run]] = {
        "one process": lambda: annotate(model, tweets, Workers(1)),
        "two processes": lambda: annotate(model, tweets, Workers(2)),
        "two threads": lambda: annotate_in_threads(model, tweets, 2),
        "Dask, two workers": lambda: annotate(model, tweets, Workers(2, DASK)),
    }
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    for turn in range(rounds):
        names = list(ways)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            run = ways[name]()
            runs[name].append(run)
            print(f"{name}: {run.speed:,.0f} tweets/s, {run.seconds:.1f} s", flush=True)

    def median(name: str, value: Callable[[Run, Run], float], to: str) -> float:
        return statistics.median(map(value, runs[name], runs[to]))

    rows = [
        (
            name,
            f"{median(name, lambda run, _: run.speed, name):,.0f}",
            f"{median(name, lambda run, one: run.speed / one.speed, 'one process'):.2f}",
            f"{median(name, lambda run, _: run.seconds, name):.1f}",
            f"{median(name, lambda run, two: run.seconds / two.seconds, 'two processes'):.2f}",
        )
        for name in ways
    ]
    header = ("", "Tweets/s", "to one process", "Seconds in all", "to two processes")
    title = f"{n:,} tweets, {rounds} rounds; tweets/s once all workers are at work"
    return Table(title, header, rows), median(
        "one process", lambda run, _: run.speed, "one process"
    )


class MemoryWatch:
    """Watches how much memory processes of ours take: the most that each worker ever had."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.highest: dict[int, int] = {}

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
                self.highest[child.pid] = max(self.highest.get(child.pid, 0), resident)


def measure_memory(model: str, tweets: Path, n: int, engine: str) -> tuple[str, ...]:
    """RETURNS (tuple[str, ...]): The most that any worker had after `FIRST` tweets, and ever."""
    marks: list[int] = []
    with tempfile.TemporaryDirectory() as folder, MemoryWatch() as watch:

        def on_outcome(outcome: Outcome) -> None:
            done.append(outcome.records)
            if not marks and sum(done) >= min(FIRST, n):
                marks.append(max(watch.highest.values()))

        done: list[int] = []
        job = Job(model, str(Path(folder) / "out"))
        workers = Workers(2, DASK if engine == "dask" else "local")
        annotate_files(
            [str(tweets)], job, shard_size=SHARD_SIZE, workers=workers, on_outcome=on_outcome
        )
        time.sleep(0.5)
    end = max(watch.highest.values())
    return (engine, f"{n:,}", f"{marks[0] / MIB:,.0f}", f"{end / MIB:,.0f}")


def run_cluster(shards: Iterable[Shard], job: Job) -> Iterator[Outcome]:
    """YIELDS (Outcome): What comes of each shard without work on a Dask cluster."""
    with local_cluster(2, threads_per_worker=DASK_THREADS // 2) as cluster:
        yield from run_dask(shards, job, 2, cluster.scheduler_address, count_only)


def run_pool(shards: Iterable[Shard], job: Job) -> Iterator[Outcome]:
    """YIELDS (Outcome): What comes of each shard without work by two processes."""
    return run_processes(shards, job, 2, count_only)


def tiny_shards(n: int) -> Iterator[Shard]:
    """YIELDS (Shard): Shards of a tweet each."""
    for number in range(n):
        yield Shard(number, "a", "text", [RawRecord(number, b"a tweet")])


def full_shards(tweets: Path, n: int) -> Iterator[Shard]:
    """YIELDS (Shard): Shards as the command reads them, of the same file again and again."""
    while n:
        for shard in itertools.islice(read_shards([str(tweets)], FULL_SHARD, None), n):
            yield shard
            n -= 1


def measure_shards(tweets: Path, n: int) -> Table:
    """RETURNS (Table): Shards a second that the engines hand out, when work takes no time."""
    engines = {"processes": run_pool, "dask": run_cluster}
    sources = {
        "1": lambda: tiny_shards(n),
        f"{FULL_SHARD:,}": lambda: full_shards(tweets, max(n // 100, 1)),
    }
    rows = []
    for (size, source), (name, run) in itertools.product(sources.items(), engines.items()):
        start = time.perf_counter()
        records = [outcome.records for outcome in run(source(), Job("", None))]
        seconds = time.perf_counter() - start
        shards = len(records)
        speed = f"{sum(records) / seconds:,.0f}"
        row = (name, size, f"{shards:,}", f"{seconds:,.0f}", f"{shards / seconds:,.0f}", speed)
        print(" ".join(row), flush=True)
        rows.append(row)
    header = ("Engine", "Tweets a shard", "Shards", "Seconds", "Shards/s", "Tweets/s")
    return Table("Shards without work", header, rows)


def estimate(speed: float) -> Table:
    """RETURNS (Table): What a billion tweets would take, if workers did not get in each other's
    way: an estimate, not a measurement."""
    rows = [
        (f"{workers:,}", f"{BILLION / speed / workers / SECONDS_AN_HOUR:,.2f}")
        for workers in (1, 16, 100, 1_000)
    ]
    return Table(
        f"Estimate for a billion tweets at {speed:,.0f} a second and worker",
        ("Workers", "Hours"),
        rows,
    )


def scale_cli(
    model: Annotated[str, typer.Argument(help="A trained pipeline: its folder or package")],
    tweets: Annotated[int, typer.Option(min=1, help="Tweets of a turn")] = 100_000,
    rounds: Annotated[int, typer.Option(min=1, help="Turns; medians count")] = 3,
    memory_tweets: Annotated[int, typer.Option(min=1, help="For memory")] = 1_000_000,
    shards: Annotated[int, typer.Option(min=1, help="Shards without work")] = 100_000,
    only: Annotated[str, typer.Option(help="Sections, with commas")] = ",".join(SECTIONS),
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Update docs/annotate.md")
    ] = False,
) -> None:
    """Measure `annotate`."""
    wanted = [name.strip() for name in only.split(",")]
    if unknown := set(wanted) - set(SECTIONS):
        raise typer.BadParameter(f"unknown section {unknown.pop()}: {', '.join(SECTIONS)}")
    blocks: dict[str, list[Table]] = {}
    # Workers have one thread of BLAS each; so has this process when it is the only one.
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        path = Path(folder) / "tweets.txt"
        if "workers" in wanted:
            write_tweets(path, tweets)
            table, speed = measure_workers(model, path, tweets, rounds)
            blocks["workers"] = [table, estimate(speed)]
        if "memory" in wanted:
            write_tweets(path, memory_tweets)
            rows = [measure_memory(model, path, memory_tweets, name) for name in ("local", "dask")]
            header = ("Engine", "Tweets", f"MiB after {FIRST:,}", "MiB at most")
            blocks["memory"] = [Table("Memory of the largest of two workers", header, rows)]
        if "shards" in wanted:
            write_tweets(path, tweets)
            blocks["shards"] = [measure_shards(path, shards)]
    for name, tables in blocks.items():
        for table in tables:
            print_table(table)
        if write_docs:
            write_block(DOCS, f"scale:{name}", "\n\n".join(map(to_markdown, tables)))


if __name__ == "__main__":
    typer.run(scale_cli)
