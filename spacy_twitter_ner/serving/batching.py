"""Requests that arrive while others are worked on are put together, and go through the pipeline as
one batch. Nothing waits for more to come: a single request is worked on at once."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeAlias, TypeVar

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")
Work: TypeAlias = Callable[[Sequence[JobT]], Sequence[ResultT]]
Batch: TypeAlias = list[tuple[JobT, asyncio.Future[ResultT]]]


class QueueFull(Exception):
    """Too much is waiting already."""


class MicroBatcher(Generic[JobT, ResultT]):
    """Works on jobs, as many at a time as there are, up to a size; each worker in one thread.

    workers (Sequence[Callable[[Sequence[JobT]], Sequence[ResultT]]]): Each works on several jobs.
        If it fails, each job is worked on again alone, so that only those fail that fail by
        themselves.
    max_batch (int): The largest size of a batch; a larger job is a batch by itself.
    max_waiting (int): The largest size of all jobs that wait.
    on_batch (Callable[[int], None]): Called with the size of each batch.
    """

    def __init__(
        self,
        workers: Sequence[Work[JobT, ResultT]],
        *,
        max_batch: int,
        max_waiting: int,
        on_batch: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._idle: deque[Work[JobT, ResultT]] = deque(workers)
        self._n_busy = 0
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._on_batch = on_batch
        self._jobs: deque[tuple[JobT, int, asyncio.Future[ResultT]]] = deque()
        self._again: deque[Batch[JobT, ResultT]] = deque()
        self._is_scheduled = False
        self._is_closing = False
        self._all_done = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._executor = ThreadPoolExecutor(len(workers), thread_name_prefix="annotate")
        self.n_waiting = 0

    @property
    def is_running(self) -> bool:
        """RETURNS (bool): Whether jobs are taken."""
        return self._loop is not None and not self._is_closing

    def start(self) -> None:
        """Begin to work. Needs a running event loop."""
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        """Take no more jobs, and finish those there are."""
        self._is_closing = True
        if self._loop is not None:
            self._dispatch()
            await self._all_done.wait()
        self._executor.shutdown()

    async def submit(self, job: JobT, size: int) -> ResultT:
        """Have a job done. A job whose caller is cancelled before it is begun is left out.

        job (JobT): The job.
        size (int): Its size.
        RETURNS (ResultT): Its result.
        RAISES (QueueFull): If too much is waiting, or the batcher is closing.
        """
        if self._loop is None or self._is_closing or self.n_waiting + size > self._max_waiting:
            raise QueueFull
        future: asyncio.Future[ResultT] = self._loop.create_future()
        self._jobs.append((job, size, future))
        self.n_waiting += size
        # Soon, not now: what else has arrived in this turn of the loop comes along.
        if self._idle and not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._dispatch)
        return await future

    def _dispatch(self) -> None:
        self._is_scheduled = False
        while self._idle and (batch := self._take_batch()):
            self._begin(self._idle.popleft(), batch)
        if self._is_closing and not (self._n_busy or self._jobs or self._again):
            self._all_done.set()

    def _take_batch(self) -> Batch[JobT, ResultT]:
        if self._again:
            return self._again.popleft()
        # Workers that are idle share what waits.
        limit = min(self._max_batch, -(-self.n_waiting // len(self._idle)))
        batch: Batch[JobT, ResultT] = []
        total = 0
        while self._jobs and (total == 0 or total + self._jobs[0][1] <= limit):
            job, size, future = self._jobs.popleft()
            self.n_waiting -= size
            if not future.done():
                batch.append((job, future))
                total += size
        if batch:
            self._on_batch(total)
        return batch

    def _begin(self, work: Work[JobT, ResultT], batch: Batch[JobT, ResultT]) -> None:
        if self._loop is None:
            raise RuntimeError("the batcher has not been started")
        self._n_busy += 1
        jobs = [job for job, _ in batch]
        done = self._loop.run_in_executor(self._executor, work, jobs)
        done.add_done_callback(lambda done: self._finish(work, batch, done))

    def _finish(
        self,
        work: Work[JobT, ResultT],
        batch: Batch[JobT, ResultT],
        done: "asyncio.Future[Sequence[ResultT]]",
    ) -> None:
        self._n_busy -= 1
        self._idle.append(work)
        error = done.exception()
        if error is not None and len(batch) > 1:
            self._again.extend([one] for one in batch if not one[1].done())
        # First, so that the worker works while this batch is answered.
        self._dispatch()
        if error is None:
            for (_, future), result in zip(batch, done.result(), strict=True):
                if not future.done():
                    future.set_result(result)
        elif len(batch) == 1 and not batch[0][1].done():
            batch[0][1].set_exception(error)
