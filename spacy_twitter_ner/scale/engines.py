"""Who annotates the shards: this process, processes of this machine, or a Dask cluster.

All of them hand outcomes back in the order of the shards, and take no more shards than they can
keep busy with, so that memory does not grow with the input.
"""

import asyncio
import atexit
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Any

from ..blas import one_blas_thread
from .inputs import Shard
from .jobs import Job, Outcome, annotate_shard

# How often a shard is tried whose worker dies.
MAX_TRIES = 3
# Shards that wait for each worker, so that none waits for its next one.
_WAITING = 3
# A message to Dask's scheduler gets no more shards when it has so many bytes.
_MAX_MESSAGE = 2**23
# Of a cluster that is started here. What Dask does besides, for people who watch their clusters,
# takes the interpreter from the thread that annotates, a hundred times a second.
_CLUSTER_SETTINGS = {
    "distributed.worker.daemon": True,
    "distributed.scheduler.allowed-failures": MAX_TRIES - 1,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    # There are never more shards than `_WAITING` for each worker: nothing is gained if the
    # scheduler keeps them back.
    "distributed.scheduler.worker-saturation": "inf",
    # Dask makes workers give memory back to the system at once, and so ask for it again for each
    # batch: a tenth of the time.
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
}
# Dask advises against large messages; shards are what they are.
_CLIENT_SETTINGS = {"distributed.admin.large-graph-warning-threshold": "1GB"}

Work = Callable[[Shard, Job], Outcome]


class WorkerError(RuntimeError):
    """A shard cannot be annotated: whoever tries dies."""


def run_here(shards: Iterable[Shard], job: Job, work: Work = annotate_shard) -> Iterator[Outcome]:
    """YIELDS (Outcome): What came of each shard, annotated in this process."""
    for shard in shards:
        yield work(shard, job)


def run_processes(
    shards: Iterable[Shard], job: Job, n_workers: int, work: Work = annotate_shard
) -> Iterator[Outcome]:
    """Annotate shards with processes of this machine. Where one dies, others do its shards again.

    shards (Iterable[Shard]): The shards.
    job (Job): What to do with each.
    n_workers (int): How many processes.
    work (Callable[[Shard, Job], Outcome]): What does it.
    YIELDS (Outcome): What came of each shard, in order.
    RAISES (WorkerError): If the process that has a shard dies `MAX_TRIES` times.
    """
    with one_blas_thread():
        pool = _make_pool(n_workers)
        try:
            yield from _run_pool(pool, shards, job, n_workers, work)
        finally:
            pool.close()


class _Pool:
    """A pool of processes that can be replaced."""

    def __init__(self, make: Callable[[], ProcessPoolExecutor]):
        self._make = make
        self._executor = make()

    def submit(self, *arguments: Any) -> "Future[Outcome]":
        return self._executor.submit(*arguments)

    def replace(self) -> None:
        self.close()
        self._executor = self._make()

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


def _make_pool(n_workers: int) -> _Pool:
    # A process that has threads, as BLAS does, must not be forked.
    context = get_context("spawn")
    return _Pool(
        lambda: ProcessPoolExecutor(n_workers, mp_context=context, initializer=_start_worker)
    )


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and end when it ends, even if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _run_pool(
    pool: _Pool, shards: Iterable[Shard], job: Job, n_workers: int, work: Work
) -> Iterator[Outcome]:
    waiting: deque[tuple[Shard, Future[Outcome]]] = deque()
    source = iter(shards)
    while True:
        while len(waiting) < _WAITING * n_workers and (shard := next(source, None)) is not None:
            waiting.append((shard, _submit(pool, work, shard, job)))
        if not waiting:
            return
        shard, future = waiting[0]
        try:
            outcome = future.result()
        except BrokenProcessPool:
            # Nobody knows whose shard killed a process: each goes alone until all of them are done.
            suspects = [each for each, _ in waiting]
            waiting.clear()
            yield from _run_alone(pool, suspects, job, work)
        else:
            waiting.popleft()
            yield outcome


def _submit(pool: _Pool, work: Work, shard: Shard, job: Job) -> "Future[Outcome]":
    try:
        return pool.submit(work, shard, job)
    except BrokenProcessPool as error:
        broken: Future[Outcome] = Future()
        broken.set_exception(error)
        return broken


def _run_alone(pool: _Pool, shards: Iterable[Shard], job: Job, work: Work) -> Iterator[Outcome]:
    pool.replace()
    for shard in shards:
        for _ in range(MAX_TRIES):
            try:
                yield pool.submit(work, shard, job).result()
                break
            except BrokenProcessPool:
                pool.replace()
        else:
            raise WorkerError(_describe_poison(shard))


def _describe_poison(shard: Shard) -> str:
    first, last = shard.records[0].line, shard.records[-1].line
    return (
        f"{shard.source}:{first}-{last}: the process that annotates these records died "
        f"{MAX_TRIES} times; is there memory enough? A smaller --shard-size needs less"
    )


def run_dask(
    shards: Iterable[Shard],
    job: Job,
    n_workers: int,
    scheduler: str | None = None,
    work: Work = annotate_shard,
) -> Iterator[Outcome]:
    """Annotate shards on a Dask cluster; it does those of a lost worker again.

    shards (Iterable[Shard]): The shards.
    job (Job): What to do with each. Model and output folder must be where workers find them.
    n_workers (int): How many processes the cluster gets that is started on this machine.
    scheduler (Optional[str]): Address of a cluster's scheduler; then none is started.
    work (Callable[[Shard, Job], Outcome]): What does it.
    YIELDS (Outcome): What came of each shard, in order.
    RAISES (ImportError): If dask.distributed is not installed.
    RAISES (WorkerError): If the workers that have a shard die again and again, or the scheduler
        does.
    """
    try:
        from distributed import CancelledError
        from distributed.comm import CommClosedError
    except ImportError as error:
        raise ImportError(
            "--engine dask needs dask; pip install 'spacy-twitter-ner[dask]'"
        ) from error
    with _dask_client(n_workers, scheduler) as client:
        try:
            yield from _run_cluster(client, shards, job, n_workers, work)
        except (CancelledError, CommClosedError):
            raise WorkerError(
                "the Dask scheduler is gone; run the same command again to go on"
            ) from None


def _run_cluster(
    client: Any, shards: Iterable[Shard], job: Job, n_workers: int, work: Work
) -> Iterator[Outcome]:
    from distributed import KilledWorker
    from distributed.protocol.pickle import dumps, loads

    n_threads = max(sum(client.nthreads().values()), n_workers, 1)
    window = _WAITING * n_threads
    waiting: deque[tuple[bytes, Future[Outcome]]] = deque()
    # As Dask would pack them, but here and once.
    source = map(dumps, shards)
    while True:
        # Shards that are handed over together take Dask less time than one by one.
        while len(waiting) <= window - n_threads and (batch := _next_batch(source, n_threads)):
            waiting.extend(zip(batch, _map(client, batch, job, work), strict=True))
        if not waiting:
            return
        shard, future = waiting.popleft()
        try:
            outcome = future.result()
        except KilledWorker:
            # Dask blames all shards that the dead workers had: this one is tried alone.
            wait_for([each for _, each in waiting])
            try:
                outcome = _map(client, [shard], job, work)[0].result()
            except KilledWorker:
                raise WorkerError(_describe_poison(loads(shard))) from None
        yield outcome


def _next_batch(shards: Iterator[bytes], n: int) -> list[bytes]:
    """So many shards, or as many as fill a message."""
    batch: list[bytes] = []
    size = 0
    for shard in islice(shards, n):
        batch.append(shard)
        size += len(shard)
        if size >= _MAX_MESSAGE:
            break
    return batch


def _map(client: Any, shards: list[bytes], job: Job, work: Work) -> list["Future[Outcome]"]:
    """Submit shards. Their outcomes are fetched when they are there, those that come at the same
    time together, while this thread reads on."""
    # Not pure: the same shard of another run is another file.
    futures = client.map(
        _unpack_and_work,
        shards,
        job=job,
        work=work,
        key=getattr(work, "__name__", None),
        pure=False,
        retries=MAX_TRIES - 1,
    )
    outcomes: list[Future[Outcome]] = [Future() for _ in futures]
    client.loop.add_callback(_fetch_all, client, futures, outcomes)
    return outcomes


def _unpack_and_work(shard: bytes, job: Job, work: Work) -> Outcome:
    """The scheduler, by which shards come, has no need to unpack them."""
    from distributed.protocol.pickle import loads

    return work(loads(shard), job)


def _end_at_once() -> None:
    """Let this process, a worker of a cluster of ours, end without taking down the pipeline piece
    by piece, for which whoever closes the cluster would wait. Finished shards are on the disk."""
    atexit.register(os._exit, 0)


async def _fetch_all(client: Any, futures: list[Any], outcomes: list["Future[Outcome]"]) -> None:
    await asyncio.gather(*map(_fetch, [client] * len(futures), futures, outcomes))


async def _fetch(client: Any, future: Any, outcome: "Future[Outcome]") -> None:
    try:
        outcome.set_result(await client.gather(future, asynchronous=True))
    except BaseException as error:
        # Raised again by who waits for the outcome.
        outcome.set_exception(error)


@contextmanager
def _dask_client(n_workers: int, scheduler: str | None) -> Iterator[Any]:
    import dask
    from distributed import Client

    with dask.config.set(_CLIENT_SETTINGS):
        if scheduler is not None:
            with Client(scheduler) as client:
                yield client
            return
        with local_cluster(n_workers) as cluster, Client(cluster) as client:
            client.run(_end_at_once)
            yield client


@contextmanager
def local_cluster(n_workers: int, *, threads_per_worker: int = 1) -> Iterator[Any]:
    """Start a Dask cluster on this machine; it ends when the block does.

    n_workers (int): How many processes.
    threads_per_worker (int): How many shards each has at a time.
    YIELDS (distributed.LocalCluster): The cluster.
    """
    import dask
    from distributed import LocalCluster

    # The page of figures that Dask serves is not asked for here; what remains takes a free port.
    with (
        one_blas_thread(),
        dask.config.set(_CLUSTER_SETTINGS),
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=threads_per_worker,
            processes=True,
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs="ERROR",
        ) as cluster,
    ):
        yield cluster
