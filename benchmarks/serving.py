"""Speed of the web service under load, compared with nlp.pipe, and its memory.

    python benchmarks/serving.py --write-docs
    python benchmarks/serving.py --write-docs --workers 2 --memory-requests 0

Starts `spacy-twitter-ner serve` on this machine and sends tweets over the loopback interface. Each
client waits for an answer before it sends the next request. Clients and service share the cores.
nlp.pipe, with confidence, is timed in this process: on the same tweets, half of them before the
load and half after it, and on others in batches as large as the service can form, that is, as many
texts as the clients can wait for. All tweets are new to both, because known words are faster.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import Annotated, NamedTuple

import numpy
import psutil
import typer
import uvloop
from spacy.language import Language
from wasabi import msg

import spacy_twitter_ner
from lib.machine import MIB, resident_bytes
from lib.project import ROOT, BenchmarkError
from lib.tables import Table, print_table, split_at_block, write_block
from lib.timing import exhaust
from lib.tweets import read_some
from spacy_twitter_ner.pipeline.distribution import request_scores
from spacy_twitter_ner.serving.settings import ServiceSettings

DOCS = ROOT / "docs" / "serving.md"
CLIENTS = (1, 16, 64)
TEXTS_PER_REQUEST = (1, 32)
WARM_UP = 4000
SERVE = [sys.executable, "-c", "from spacy_twitter_ner.cli import main; main()", "serve"]


class Load(NamedTuple):
    """What clients measured.

    latencies (list[float]): The seconds of each request.
    seconds (float): The seconds of all requests together.
    texts (int): Number of annotated texts.
    failures (int): Number of requests that failed.
    """

    latencies: list[float]
    seconds: float
    texts: int
    failures: int


class Round(NamedTuple):
    """The measurements of a kind of load in one round.

    load (Load): What the clients measured.
    pipe (float): Texts per second of nlp.pipe on the same texts.
    small_pipe (float): Texts per second of nlp.pipe in batches as large as the service can form.
    """

    load: Load
    pipe: float
    small_pipe: float


class Service:
    """The service, in its own processes.

    workers (int): Number of worker processes.
    """

    def __init__(self, workers: int = 1) -> None:
        command = [*SERVE, "--port", "0", "--max-texts", "128", "--workers", str(workers)]
        self.process = subprocess.Popen(  # noqa: S603
            command, stdout=subprocess.PIPE, encoding="utf-8"
        )
        line = self.process.stdout.readline() if self.process.stdout else ""
        if " on http" not in line:
            raise BenchmarkError(f"the service did not start: {line}")
        self.port = int(line.rpartition(":")[2])

    def memory(self) -> float:
        """RETURNS (float): The resident memory of all its processes in MiB."""
        return resident_bytes(psutil.Process(self.process.pid)) / MIB

    def stop(self) -> None:
        """Stop the service and wait for its end."""
        self.process.terminate()
        self.process.wait(60)


class Client(asyncio.Protocol):
    """Sends requests over one connection, each once the previous one is answered.

    requests (Iterator[bytes]): The requests, shared with other clients.
    latencies (list[float]): The seconds of each request are added to it.
    statuses (list[bytes]): The status code of each answer is added to it.
    """

    def __init__(
        self, requests: Iterator[bytes], latencies: list[float], statuses: list[bytes]
    ) -> None:
        self.requests, self.latencies, self.statuses = requests, latencies, statuses
        self.answer = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self.transport = transport
        self.send()

    def send(self) -> None:
        """Send the next request, or close the connection if there is none."""
        request = next(self.requests, None)
        if request is None:
            self.done.set_result(None)
            self.transport.close()
            return
        self.start = time.perf_counter()
        self.transport.write(request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Record the answer if it is complete, without parsing the body."""
        self.answer += data
        head, end, body = self.answer.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        if len(body) == length:
            self.latencies.append(time.perf_counter() - self.start)
            self.statuses.append(head.split(b" ", 2)[1])
            self.answer = b""
            self.send()

    def connection_lost(self, error: Exception | None) -> None:
        """Fail if the service closed the connection."""
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the service closed a connection"))


def make_requests(tweets: Sequence[str], per_request: int) -> list[bytes]:
    """RETURNS (list[bytes]): Requests with a number of tweets each, as they are sent."""
    requests = []
    for start in range(0, len(tweets), per_request):
        body = json.dumps({"texts": tweets[start : start + per_request]}).encode()
        head = (
            "POST /annotate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)
    return requests


async def send_load(port: int, tweets: Sequence[str], clients: int, per_request: int) -> Load:
    """Send tweets from several clients.

    port (int): The port of the service.
    tweets (Sequence[str]): The tweets.
    clients (int): Number of clients.
    per_request (int): Number of texts per request.
    RETURNS (Load): What the clients measured.
    """
    latencies: list[float] = []
    statuses: list[bytes] = []
    requests = iter(make_requests(tweets, per_request))
    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    connections = [
        await loop.create_connection(
            lambda: Client(requests, latencies, statuses), "127.0.0.1", port
        )
        for _ in range(clients)
    ]
    await asyncio.gather(*(client.done for _, client in connections))
    seconds = time.perf_counter() - start
    failures = sum(status != b"200" for status in statuses)
    return Load(latencies, seconds, (len(latencies) - failures) * per_request, failures)


def pipe_seconds(nlp: Language, tweets: Sequence[str], batch_size: int | None = None) -> float:
    """RETURNS (float): The seconds of nlp.pipe, with confidence as in the service."""
    with nlp.memory_zone():
        start = time.perf_counter()
        component_cfg = request_scores(nlp)
        exhaust(nlp.pipe(tweets, batch_size=batch_size, component_cfg=component_cfg))
        return time.perf_counter() - start


def measure_loads(
    port: int, source: Iterator[str], requests: int, rounds: int
) -> dict[tuple[int, int], list[Round]]:
    """Measure all kinds of load.

    port (int): The port of the service.
    source (Iterator[str]): The tweets.
    requests (int): Number of requests with one text; slower kinds of load get fewer.
    rounds (int): Number of rounds.
    RETURNS (dict[tuple[int, int], list[Round]]): By texts per request and clients, the rounds.
    """
    nlp = spacy_twitter_ner.load()
    warm_up = list(islice(source, WARM_UP))
    pipe_seconds(nlp, warm_up)
    uvloop.run(send_load(port, warm_up, 16, 8))
    kinds = [(per_request, clients) for per_request in TEXTS_PER_REQUEST for clients in CLIENTS]
    measured: dict[tuple[int, int], list[Round]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for per_request, clients in kinds:
            divisor = (1 if per_request == 1 else 10) * (4 if clients == 1 else 1)
            count = max(clients, requests // divisor)
            one = measure_round(nlp, port, source, per_request, clients, count)
            measured[per_request, clients].append(one)
            msg.info(
                f"{clients} clients, {per_request} texts: {one.load.texts / one.load.seconds:,.0f} "
                f"texts/s, nlp.pipe {one.pipe:,.0f}"
            )
    return measured


def measure_round(
    nlp: Language, port: int, source: Iterator[str], per_request: int, clients: int, count: int
) -> Round:
    """RETURNS (Round): The measurements of `count` requests."""
    texts = list(islice(source, count * per_request))
    half = len(texts) // 2
    seconds = pipe_seconds(nlp, texts[:half])
    load = uvloop.run(send_load(port, texts, clients, per_request))
    seconds += pipe_seconds(nlp, texts[half:])
    others = list(islice(source, half))
    batch_size = min(clients * per_request, ServiceSettings().max_batch)
    small_pipe = half / pipe_seconds(nlp, others, batch_size)
    return Round(load, len(texts) / seconds, small_pipe)


def measure_memory(service: Service, source: Iterator[str], requests: int) -> Table:
    """RETURNS (Table): The memory of the service after a number of requests with one text."""
    rows = [("0", f"{service.memory():.1f}")]
    step = max(1, requests // 10)
    for done in range(step, requests + 1, step):
        load = uvloop.run(send_load(service.port, list(islice(source, step)), 64, 1))
        if load.failures:
            msg.fail(f"{load.failures} requests failed")
        rows.append((f"{done:,}", f"{service.memory():.1f}"))
    return Table("Memory", ("requests", "MiB"), rows)


def load_table(loads: dict[tuple[int, int], list[Round]]) -> Table:
    """RETURNS (Table): Throughput and latency of each kind of load: medians of the rounds."""
    rows = []
    median = statistics.median
    for (per_request, clients), rounds in loads.items():
        speeds = [one.load.texts / one.load.seconds for one in rounds]
        ratios = [speed / one.pipe for speed, one in zip(speeds, rounds, strict=True)]
        small = [speed / one.small_pipe for speed, one in zip(speeds, rounds, strict=True)]
        percentiles = numpy.median(
            [numpy.quantile(one.load.latencies, (0.5, 0.95, 0.99)) for one in rounds], axis=0
        )
        rows.append(
            (
                str(per_request),
                str(clients),
                f"{median(speeds):,.0f}",
                f"{median(one.pipe for one in rounds):,.0f}",
                f"{median(ratios):.0%}",
                f"{median(one.small_pipe for one in rounds):,.0f}",
                f"{median(small):.0%}",
                *(f"{1000 * seconds:.1f}" for seconds in percentiles),
                str(sum(one.load.failures for one in rounds)),
            )
        )
    pipe, small_pipe = "nlp.pipe", "nlp.pipe, small batches"
    header = ("texts per request", "clients", "texts/s", pipe, "ratio", small_pipe, "ratio")
    header += ("p50 ms", "p95 ms", "p99 ms", "failures")
    return Table("Load", header, rows, n_names=0)


def serving_cli(
    requests: Annotated[
        int, typer.Option("--requests", "-n", min=8, help="Requests with one text per figure")
    ] = 8000,
    rounds: Annotated[int, typer.Option(min=1, help="Number of rounds")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes of the service")] = 1,
    memory_requests: Annotated[
        int, typer.Option(min=0, help="Requests to measure memory growth; 0 for none")
    ] = 100_000,
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Write the tables to docs/serving.md")
    ] = False,
) -> None:
    """Measure the service."""
    block = "serving" if workers == 1 else f"serving-{workers}"
    if write_docs:
        # Before measuring, not after.
        split_at_block(DOCS, block)
    source = cycle(tweet.text for tweet in read_some(300_000).tweets)
    service = Service(workers)
    try:
        tables = [load_table(measure_loads(service.port, source, requests, rounds))]
        if memory_requests:
            tables.append(measure_memory(service, source, memory_requests))
    finally:
        service.stop()
    caption = (
        f"Medians of {rounds} rounds. `nlp.pipe`, with confidence, processes the same tweets, half "
        "of them before the load and half after it; in small batches, other tweets. Workers: "
        f"{workers}. Cores: {psutil.cpu_count()}."
    )
    for table in tables:
        print_table(table)
    print(caption)
    if write_docs:
        write_block(DOCS, block, caption, tables)


if __name__ == "__main__":
    typer.run(serving_cli)
