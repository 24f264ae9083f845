"""How fast the service is under load, beside nlp.pipe, and what memory it takes.

    python benchmarks/serving.py --write-docs

Starts `spacy-twitter-ner serve` on this machine and sends it tweets over the loopback by clients
that each wait for an answer before they ask again: first of one text a request, then of many. The
pipeline itself, `nlp.pipe` with confidence, is timed in this process before and after. Client and
service share the machine's cores. Tweets are those of assets/unlabelled, or the sample corpus's.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, NamedTuple

import psutil
import typer
from wasabi import msg

import spacy_twitter_ner
from spacy_twitter_ner.evaluation.predictions import scores_stored
from spacy_twitter_ner.lexical.training import read_tweets, tweet_files
from timing.tables import Table, print_table, to_markdown, write_block

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


class Service:
    """The service in a process of its own."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(  # noqa: S603
            [*SERVE, "--port", "0", "--max-texts", "128"], stdout=subprocess.PIPE, encoding="utf-8"
        )
        line = self.process.stdout.readline() if self.process.stdout else ""
        if " on http" not in line:
            raise RuntimeError(f"the service did not start: {line}")
        self.port = int(line.rpartition(":")[2])

    def memory(self) -> float:
        """RETURNS (float): Its resident memory in MiB."""
        return psutil.Process(self.process.pid).memory_info().rss / 2**20

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self.process.terminate()
        self.process.wait(60)


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


async def put_load(port: int, requests: Sequence[bytes], clients: int, per_request: int) -> Load:
    """Send requests by some clients at a time, each over one connection."""
    latencies: list[float] = []
    failures = 0
    todo = iter(requests)

    async def client() -> None:
        nonlocal failures
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in todo:
            start = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            await reader.readexactly(length)
            latencies.append(time.perf_counter() - start)
            failures += not head.startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    seconds = time.perf_counter() - start
    return Load(latencies, seconds, (len(latencies) - failures) * per_request, failures)


def pipe_speed(tweets: Sequence[str], repeats: int = 3) -> float:
    """RETURNS (float): Tweets a second of nlp.pipe, with confidence as the service has it; the
    median of some runs."""
    nlp = spacy_twitter_ner.load()
    speeds = []
    with scores_stored(nlp):
        for _ in range(repeats + 1):
            start = time.perf_counter()
            with nlp.memory_zone():
                for _doc in nlp.pipe(tweets):
                    pass
            speeds.append(len(tweets) / (time.perf_counter() - start))
    return statistics.median(speeds[1:])


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
    ] = 4000,
    memory_requests: Annotated[
        int, typer.Option("--memory-requests", help="Requests for the growth of memory; 0 for none")
    ] = 100_000,
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Write the tables to docs/serving.md")
    ] = False,
) -> None:
    """Measure the service."""
    tweets = read_texts(200_000)
    before = pipe_speed(tweets[:4000])
    service = Service()
    loads: list[tuple[int, int, Load]] = []
    memories: list[tuple[int, float]] = []
    try:
        asyncio.run(put_load(service.port, make_requests(tweets, 1, 500), 16, 1))
        for per_request in (1, 32):
            for clients in CLIENTS:
                count = max(clients, requests // (1 if per_request == 1 else 10))
                made = make_requests(tweets, per_request, count)
                load = asyncio.run(put_load(service.port, made, clients, per_request))
                loads.append((per_request, clients, load))
                msg.info(
                    f"{clients} clients, {per_request} texts: p99 {load.quantile(0.99):.1f} ms"
                )
        memories.append((0, service.memory()))
        step = max(1, memory_requests // 10)
        for done in range(step, memory_requests + 1, step):
            texts = tweets[done - step : done] if done <= len(tweets) else tweets
            load = asyncio.run(put_load(service.port, make_requests(texts, 1, step), 64, 1))
            if load.failures:
                msg.fail(f"{load.failures} requests failed")
            memories.append((done, service.memory()))
    finally:
        service.stop()
    after = pipe_speed(tweets[:4000])
    pipe = (before + after) / 2
    tables = [load_table(loads, pipe), memory_table(memories)]
    for table in tables:
        print_table(table)
    if write_docs:
        note = (
            f"`nlp.pipe`, with confidence: {before:,.0f} tweets/s before and {after:,.0f} after; "
            f"the ratios are to the mean. {psutil.cpu_count()} cores."
        )
        write_block(DOCS, "serving", "\n\n".join([note, *map(to_markdown, tables)]))


def load_table(loads: Sequence[tuple[int, int, Load]], pipe: float) -> Table:
    """RETURNS (Table): Throughput and latency."""
    rows = [
        (
            str(per_request),
            str(clients),
            f"{load.texts / load.seconds:,.0f}",
            f"{load.texts / load.seconds / pipe:.0%}",
            *(f"{load.quantile(share):.1f}" for share in (0.5, 0.95, 0.99)),
            str(load.failures),
        )
        for per_request, clients, load in loads
    ]
    header = "texts a request,clients,texts/s,of nlp.pipe,p50 ms,p95 ms,p99 ms,failures"
    return Table("Load", tuple(header.split(",")), rows)


def memory_table(memories: Sequence[tuple[int, float]]) -> Table:
    """RETURNS (Table): Resident memory after so many requests."""
    rows = [(f"{done:,}", f"{mib:.1f}") for done, mib in memories]
    return Table("Memory", ("requests", "MiB"), rows)


if __name__ == "__main__":
    typer.run(main)
