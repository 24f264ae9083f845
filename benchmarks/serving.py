"""How fast the service is under load, beside nlp.pipe, and what memory it takes.

    python benchmarks/serving.py --write-docs
    python benchmarks/serving.py --write-docs --workers 2 --memory-requests 0

Starts `spacy-twitter-ner serve` on this machine and sends it tweets over the loopback by clients
that each wait for an answer before they ask again: first of one text a request, then of many. The
pipeline itself, `nlp.pipe` with confidence, is timed in this process on the same tweets, half of
them before the load and half after it, so that what else the machine does is in both. Neither has
seen them before: words that it has seen cost a pipeline less. It is timed a second time in batches
of no more texts than the clients can be waiting for, which is as many as the service can put
together; small batches are slower. Clients and service share the cores; how many requests the
clients could make is measured with a service that does nothing. Tweets are those of
assets/unlabelled, or the sample corpus's.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, NamedTuple

import psutil
import typer
import uvloop
from spacy.language import Language
from wasabi import msg

import spacy_twitter_ner
from spacy_twitter_ner.corpus.tweets import read_tweets, tweet_files
from spacy_twitter_ner.evaluation.predictions import scores_stored
from spacy_twitter_ner.serving.settings import ServiceSettings
from timing.tables import Table, print_table, split_at_block, to_markdown, write_block

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs" / "serving.md"
CLIENTS = (1, 16, 64)
SERVE = [sys.executable, "-c", "from spacy_twitter_ner.cli import main; main()", "serve"]


class Load(NamedTuple):
    """What some clients saw: the seconds of each request, and how long all took."""

    latencies: list[float]
    seconds: float
    texts: int
    failures: int

    def quantile(self, share: float) -> float:
        """RETURNS (float): So many milliseconds this share of the requests took at most."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Measured(NamedTuple):
    """A load, and how many texts a second nlp.pipe reads of the same; and of others, in batches of
    as many texts as the clients can be waiting for."""

    per_request: int
    clients: int
    load: Load
    pipe: float
    small_pipe: float


class Service:
    """The service, in processes of its own.

    workers (int): How many of them annotate.
    """

    def __init__(self, workers: int = 1) -> None:
        command = [*SERVE, "--port", "0", "--max-texts", "128", "--workers", str(workers)]
        self.process = subprocess.Popen(  # noqa: S603
            command, stdout=subprocess.PIPE, encoding="utf-8"
        )
        line = self.process.stdout.readline() if self.process.stdout else ""
        if " on http" not in line:
            raise RuntimeError(f"the service did not start: {line}")
        self.port = int(line.rpartition(":")[2])

    def memory(self) -> float:
        """RETURNS (float): The resident memory of all its processes in MiB."""
        parent = psutil.Process(self.process.pid)
        processes = [parent, *parent.children(recursive=True)]
        return sum(one.memory_info().rss for one in processes) / 2**20

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self.process.terminate()
        self.process.wait(60)


class _Nothing(asyncio.Protocol):
    """Answers whatever comes, and reads nothing of it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        answer = b'{"results":[{"entities":[]}]}'
        head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(answer)
        self.transport.write(head + answer)  # type: ignore[attr-defined]


def serve_nothing(connection: Connection) -> None:
    """Serve until killed.

    connection (Connection): Where the port is told.
    """

    async def answer() -> None:
        server = await asyncio.get_running_loop().create_server(_Nothing, "127.0.0.1", 0)
        connection.send_bytes(str(server.sockets[0].getsockname()[1]).encode())
        await server.serve_forever()

    uvloop.run(answer())


@contextmanager
def nothing_served() -> Iterator[int]:
    """YIELDS (int): The port of a service that does nothing, in a process of its own."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve_nothing, args=(theirs,))
    process.start()
    try:
        yield int(ours.recv_bytes())
    finally:
        process.kill()
        process.join()


def make_requests(tweets: Sequence[str], per_request: int, count: int) -> list[bytes]:
    """Make requests, each of other tweets; they begin anew where there are no more.

    tweets (Sequence[str]): The tweets.
    per_request (int): How many a request has.
    count (int): How many requests to make.
    RETURNS (list[bytes]): The requests as they are sent.
    """
    requests = []
    for i in range(count):
        texts = [tweets[(i * per_request + j) % len(tweets)] for j in range(per_request)]
        body = json.dumps({"texts": texts}).encode()
        head = (
            "POST /annotate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)
    return requests


class Client(asyncio.Protocol):
    """Sends a request, and the next one once that is answered. It reads of an answer no more than
    where it ends.

    todo (Iterator[bytes]): The requests, of which other clients take, too.
    latencies (list[float]): Where to add the seconds of each.
    statuses (list[bytes]): Where to add the first line of each answer.
    """

    def __init__(
        self, todo: Iterator[bytes], latencies: list[float], statuses: list[bytes]
    ) -> None:
        self.todo, self.latencies, self.statuses = todo, latencies, statuses
        self.answer = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        """Send the next request, or close the connection if there is none."""
        request = next(self.todo, None)
        if request is None:
            self.done.set_result(None)
            self.transport.close()
            return
        self.start = time.perf_counter()
        self.transport.write(request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.answer += data
        head, end, body = self.answer.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        if len(body) == length:
            self.latencies.append(time.perf_counter() - self.start)
            self.statuses.append(head.partition(b"\r\n")[0])
            self.answer = b""
            self.send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the service closed a connection"))


async def put_load(port: int, requests: Sequence[bytes], clients: int, per_request: int) -> Load:
    """Send requests by some clients at a time, each over one connection."""
    latencies: list[float] = []
    statuses: list[bytes] = []
    todo = iter(requests)
    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    opened = [
        await loop.create_connection(lambda: Client(todo, latencies, statuses), "127.0.0.1", port)
        for _ in range(clients)
    ]
    await asyncio.gather(*(client.done for _, client in opened))
    seconds = time.perf_counter() - start
    failures = sum(status.split(b" ")[1] != b"200" for status in statuses)
    return Load(latencies, seconds, (len(latencies) - failures) * per_request, failures)


def load_of(port: int, requests: Sequence[bytes], clients: int, per_request: int) -> Load:
    """RETURNS (Load): What the clients saw."""
    return uvloop.run(put_load(port, requests, clients, per_request))


def pipe_seconds(nlp: Language, tweets: Sequence[str], batch_size: int | None = None) -> float:
    """RETURNS (float): Seconds of nlp.pipe, with confidence as the service has it."""
    with scores_stored(nlp), nlp.memory_zone():
        start = time.perf_counter()
        for _doc in nlp.pipe(tweets, batch_size=batch_size):
            pass
        return time.perf_counter() - start


def read_texts(count: int) -> list[str]:
    """RETURNS (list[str]): So many tweets, or as many as there are."""
    folder = ROOT / "assets" / "unlabelled"
    if folder.exists():
        return list(islice(read_tweets(tweet_files([folder])), count))
    lines = (ROOT / "assets" / "sample" / "train.txt").read_text(encoding="utf8").split("\n\n")
    tweets = [" ".join(line.split(" ")[0] for line in one.splitlines()) for one in lines]
    return [tweet for tweet in tweets if tweet][:count]


def main(
    requests: Annotated[
        int, typer.Option("--requests", "-n", help="Requests of one text for each figure")
    ] = 8000,
    rounds: Annotated[int, typer.Option("--rounds", help="How often each load is put")] = 3,
    workers: Annotated[int, typer.Option("--workers", help="Processes that annotate")] = 1,
    memory_requests: Annotated[
        int, typer.Option("--memory-requests", help="Requests for the growth of memory; 0 for none")
    ] = 100_000,
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Write the tables to docs/serving.md")
    ] = False,
) -> None:
    """Measure the service."""
    block = "serving" if workers == 1 else f"serving-{workers}"
    if write_docs:
        # Whether there is a place for the tables is not to be found out after minutes of work.
        split_at_block(DOCS, block)
    tweets = read_texts(300_000)
    with nothing_served() as port:
        trivial = load_of(port, make_requests(tweets, 1, 20 * requests), CLIENTS[-1], 1)
    service = Service(workers)
    try:
        loads = measure_loads(service.port, tweets, requests, rounds)
        memories = measure_memory(service, tweets, memory_requests)
    finally:
        service.stop()
    tables = [load_table(loads)] + ([memory_table(memories)] if memory_requests else [])
    for table in tables:
        print_table(table)
    most = len(trivial.latencies) / trivial.seconds
    note = (
        f"Of {rounds} rounds, each figure's median. `nlp.pipe`, with confidence, had the same "
        "tweets, half of them before the load and half after it; in batches of as many texts as "
        "the clients can be waiting for, others. Processes that annotate: "
        f"{workers}. Cores: {psutil.cpu_count()}. With a service that does nothing "
        f"the clients make {most:,.0f} requests/s."
    )
    print(note)
    if write_docs:
        write_block(DOCS, block, "\n\n".join([note, *map(to_markdown, tables)]))


def measure_loads(
    port: int, tweets: Sequence[str], requests: int, rounds: int
) -> list[list[Measured]]:
    """RETURNS (list[list[Measured]]): What was measured of each load, in each round."""
    nlp = spacy_twitter_ner.load()
    source = cycle(tweets)
    warm_up = list(islice(source, 4000))
    pipe_seconds(nlp, warm_up)
    load_of(port, make_requests(warm_up, 8, 500), 16, 8)
    kinds = [(per_request, clients) for per_request in (1, 32) for clients in CLIENTS]
    measured: list[list[Measured]] = [[] for _ in kinds]
    for _ in range(rounds):
        for found, (per_request, clients) in zip(measured, kinds, strict=True):
            # What is slower sends fewer.
            fewer = (1 if per_request == 1 else 10) * (4 if clients == 1 else 1)
            count = max(clients, requests // fewer)
            texts = list(islice(source, count * per_request))
            half = len(texts) // 2
            seconds = pipe_seconds(nlp, texts[:half])
            load = load_of(port, make_requests(texts, per_request, count), clients, per_request)
            seconds += pipe_seconds(nlp, texts[half:])
            others = list(islice(source, half))
            batch_size = min(clients * per_request, ServiceSettings().max_batch)
            small_pipe = half / pipe_seconds(nlp, others, batch_size)
            pipe = len(texts) / seconds
            found.append(Measured(per_request, clients, load, pipe, small_pipe))
            msg.info(
                f"{clients} clients, {per_request} texts: {load.texts / load.seconds:,.0f} texts/s "
                f"of {found[-1].pipe:,.0f}, p99 {load.quantile(0.99):.1f} ms"
            )
    return measured


def measure_memory(
    service: Service, tweets: Sequence[str], requests: int
) -> list[tuple[int, float]]:
    """RETURNS (list[tuple[int, float]]): MiB after so many requests."""
    memories = [(0, service.memory())]
    step = max(1, requests // 10)
    for done in range(step, requests + 1, step):
        texts = tweets[done - step : done] if done <= len(tweets) else tweets
        load = load_of(service.port, make_requests(texts, 1, step), 64, 1)
        if load.failures:
            msg.fail(f"{load.failures} requests failed")
        memories.append((done, service.memory()))
    return memories


def load_table(loads: Sequence[Sequence[Measured]]) -> Table:
    """RETURNS (Table): Throughput and latency, the median of each kind of load."""
    rows = []
    for rounds in loads:
        speeds = [one.load.texts / one.load.seconds for one in rounds]
        ratios = [speed / one.pipe for speed, one in zip(speeds, rounds, strict=True)]
        small = [speed / one.small_pipe for speed, one in zip(speeds, rounds, strict=True)]
        quantiles = [
            statistics.median(one.load.quantile(share) for one in rounds)
            for share in (0.5, 0.95, 0.99)
        ]
        rows.append(
            (
                str(rounds[0].per_request),
                str(rounds[0].clients),
                f"{statistics.median(speeds):,.0f}",
                f"{statistics.median(one.pipe for one in rounds):,.0f}",
                f"{statistics.median(ratios):.0%}",
                f"{statistics.median(one.small_pipe for one in rounds):,.0f}",
                f"{statistics.median(small):.0%}",
                *(f"{one:.1f}" for one in quantiles),
                str(sum(one.load.failures for one in rounds)),
            )
        )
    header = (
        "texts a request,clients,texts/s,nlp.pipe,ratio,nlp.pipe in such batches,ratio,"
        "p50 ms,p95 ms,p99 ms,failures"
    )
    return Table("Load", tuple(header.split(",")), rows)


def memory_table(memories: Sequence[tuple[int, float]]) -> Table:
    """RETURNS (Table): Resident memory after so many requests."""
    rows = [(f"{done:,}", f"{mib:.1f}") for done, mib in memories]
    return Table("Memory", ("requests", "MiB"), rows)


if __name__ == "__main__":
    typer.run(main)
