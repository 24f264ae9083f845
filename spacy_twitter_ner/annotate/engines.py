"""Engines that annotate shards: this process, a pool of processes, or a Dask cluster.

All of them yield outcomes in the order of the shards and read only as many shards ahead as they
need to keep their workers busy, so memory use doesn't depend on the size of the input.
"""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Any

from ..sources.inputs import Shard
from ..util import one_blas_thread, require
from .jobs import Job, Outcome, annotate_shard

# Number of attempts for a shard whose worker dies.
MAX_TRIES = 3
# Number of shards to submit per worker.
_SHARDS_PER_WORKER = 3
# Settings of local clusters. Profiling and frequent ticks interrupt the annotating thread, and
# trimming makes workers return memory to the system that they need for the next batch.
_CLUSTER_SETTINGS = {
    "distributed.worker.daemon": True,
    "distributed.scheduler.allowed-failures": MAX_TRIES - 1,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    # Don't hold back shards in the scheduler: `_SHARDS_PER_WORKER` limits their number.
    "distributed.scheduler.worker-saturation": "inf",
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
}
# Don't warn of large shards.
_CLIENT_SETTINGS = {"distributed.admin.large-graph-warning-threshold": "1GB"}

Work = Callable[[Shard, Job], Outcome]


class WorkerError(RuntimeError):
    """Raised if the workers that annotate a shard keep dying, or the Dask scheduler is gone."""


def run_here(shards: Iterable[Shard], job: Job, work: Work = annotate_shard) -> Iterator[Outcome]:
    """Annotate shards in this process.

    shards (Iterable[Shard]): The shards.
    job (Job): The settings.
    work (Callable[[Shard, Job], Outcome]): The function to call.
    YIELDS (Outcome): The outcomes, in order.
    """
    for shard in shards:
        yield work(shard, job)


def run_processes(
    shards: Iterable[Shard], job: Job, n_workers: int, work: Work = annotate_shard
) -> Iterator[Outcome]:
    """Annotate shards in several processes. The shards of a process that dies are retried.

    shards (Iterable[Shard]): The shards.
    job (Job): The settings.
    n_workers (int): Number of processes.
    work (Callable[[Shard, Job], Outcome]): The function to call. It must be picklable.
    YIELDS (Outcome): The outcomes, in order.
    RAISES (WorkerError): If the process of a shard dies `MAX_TRIES` times.
    """
    with one_blas_thread():
        pool = _Pool(n_workers)
        try:
            yield from _run_pool(pool, shards, job, n_workers, work)
        finally:
            pool.close()


class _Pool:
    """A process pool that can be replaced when it breaks.

    n_workers (int): Number of processes.
    """

    def __init__(self, n_workers: int):
        self.n_workers = n_workers
        self._executor = self._start()

    def submit(self, work: Work, shard: Shard, job: Job) -> "Future[Outcome]":
        return self._executor.submit(work, shard, job)

    def replace(self) -> None:
        self.close()
        self._executor = self._start()

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> ProcessPoolExecutor:
        # Spawn, since processes with threads, such as those of BLAS, must not be forked.
        return ProcessPoolExecutor(
            self.n_workers, mp_context=get_context("spawn"), initializer=_start_worker
        )


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and exit when the parent exits or is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_exit_with, args=(parent.sentinel,), daemon=True).start()


def _exit_with(sentinel: int) -> None:
    wait([sentinel])
    # sys.exit would only end this thread.
    os._exit(1)


def _run_pool(
    pool: _Pool, shards: Iterable[Shard], job: Job, n_workers: int, work: Work
) -> Iterator[Outcome]:
    pending: deque[tuple[Shard, Future[Outcome]]] = deque()
    source = iter(shards)
    while True:
        limit = _SHARDS_PER_WORKER * n_workers
        while len(pending) < limit and (shard := next(source, None)) is not None:
            pending.append((shard, _submit(pool, work, shard, job)))
        if not pending:
            return
        _, future = pending[0]
        try:
            outcome = future.result()
        except BrokenProcessPool:
            # It's unknown which shard killed its process, so retry one at a time.
            suspects = [shard for shard, _ in pending]
            pending.clear()
            yield from _run_alone(pool, suspects, job, work)
        else:
            pending.popleft()
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
        f"{MAX_TRIES} times. It may have run out of memory: try a smaller --shard-size"
    )


def run_dask(
    shards: Iterable[Shard],
    job: Job,
    n_workers: int,
    scheduler: str | None = None,
    work: Work = annotate_shard,
) -> Iterator[Outcome]:
    """Annotate shards on a Dask cluster. The shards of a worker that dies are retried.

    shards (Iterable[Shard]): The shards.
    job (Job): The settings. Workers need access to the model and the output folder.
    n_workers (int): Number of processes, if a local cluster is started.
    scheduler (Optional[str]): Address of a cluster's scheduler. Default: start a local cluster.
    work (Callable[[Shard, Job], Outcome]): The function to call. It must be picklable.
    YIELDS (Outcome): The outcomes, in order.
    RAISES (ImportError): If dask.distributed isn't installed.
    RAISES (WorkerError): If the workers of a shard keep dying, or the scheduler is gone.
    """
    require("scale", "distributed")
    from distributed import CancelledError
    from distributed.comm import CommClosedError

    with _dask_client(n_workers, scheduler) as client:
        try:
            yield from _run_cluster(client, shards, job, n_workers, work)
        except (CancelledError, CommClosedError):
            raise WorkerError(
                "the Dask scheduler is gone. Run the same command again to continue"
            ) from None


def _run_cluster(
    client: Any, shards: Iterable[Shard], job: Job, n_workers: int, work: Work
) -> Iterator[Outcome]:
    from distributed import KilledWorker
    from distributed import wait as wait_for

    n_threads = max(sum(client.nthreads().values()), n_workers, 1)
    pending: deque[tuple[Shard, Any]] = deque()
    source = iter(shards)
    while True:
        limit = _SHARDS_PER_WORKER * n_threads
        while len(pending) < limit and (shard := next(source, None)) is not None:
            pending.append((shard, _submit_to_cluster(client, shard, job, work)))
        if not pending:
            return
        shard, future = pending.popleft()
        try:
            outcome = future.result()
        except KilledWorker:
            # Dask blames all shards of the dead workers, so retry this one alone.
            wait_for([other for _, other in pending])
            try:
                outcome = _submit_to_cluster(client, shard, job, work).result()
            except KilledWorker:
                raise WorkerError(_describe_poison(shard)) from None
        yield outcome


def _submit_to_cluster(client: Any, shard: Shard, job: Job, work: Work) -> Any:
    from distributed.protocol.pickle import dumps

    # Serialized here, so that the scheduler doesn't unpack it. Not pure: the same shard of another
    # run has another output.
    return client.submit(
        _unpack_and_work,
        dumps(shard),
        job=job,
        work=work,
        pure=False,
        retries=MAX_TRIES - 1,
    )


def _unpack_and_work(shard: bytes, job: Job, work: Work) -> Outcome:
    from distributed.protocol.pickle import loads

    return work(loads(shard), job)


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
            yield client


@contextmanager
def local_cluster(n_workers: int, *, threads_per_worker: int = 1) -> Iterator[Any]:
    """Start a Dask cluster on this machine, and close it after the block.

    n_workers (int): Number of processes.
    threads_per_worker (int): Number of threads per process.
    YIELDS (distributed.LocalCluster): The cluster.
    """
    import dask
    from distributed import LocalCluster

    with (
        one_blas_thread(),
        dask.config.set(_CLUSTER_SETTINGS),
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=threads_per_worker,
            processes=True,
            # No dashboard. The remaining HTTP server takes a free port.
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs="ERROR",
        ) as cluster,
    ):
        yield cluster
