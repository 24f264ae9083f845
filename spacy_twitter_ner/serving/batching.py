"""Requests that arrive while others are worked on are put together, and go through the pipeline as
one batch. Nothing waits for more to come: a single request is worked on at once."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")


class QueueFull(Exception):
    """Too much is waiting already."""


class MicroBatcher(Generic[JobT, ResultT]):
    """Works on jobs in one thread, as many at a time as there are, up to a size.

    work (Callable[[Sequence[JobT]], Sequence[ResultT]]): Works on several jobs; called in the
        thread. If it fails, it is called again with each job alone, so that only those fail that
        fail by themselves.
    max_batch (int): The largest size of a batch; a larger job is a batch by itself.
    max_waiting (int): The largest size of all jobs that wait.
    on_batch (Callable[[int], None]): Called with the size of each batch.
    """

    def __init__(
        self,
        work: Callable[[Sequence[JobT]], Sequence[ResultT]],
        *,
        max_batch: int,
        max_waiting: int,
        on_batch: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._work = work
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._on_batch = on_batch
        self._jobs: deque[tuple[JobT, int, asyncio.Future[ResultT]]] = deque()
        self._arrived = asyncio.Event()
        self._is_closing = False
        self._task: asyncio.Task[None] | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="annotate")
        self.n_waiting = 0

    @property
    def is_running(self) -> bool:
        """RETURNS (bool): Whether jobs are taken."""
        return self._task is not None and not self._task.done() and not self._is_closing

    def start(self) -> None:
        """Begin to work. Needs a running event loop."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Take no more jobs, and finish those there are."""
        self._is_closing = True
        self._arrived.set()
        if self._task is not None:
            await self._task
        self._executor.shutdown()

    async def submit(self, job: JobT, size: int) -> ResultT:
        """Have a job done. A job whose caller is cancelled before it is begun is left out.

        job (JobT): The job.
        size (int): Its size.
        RETURNS (ResultT): Its result.
        RAISES (QueueFull): If too much is waiting, or the batcher is closing.
        """
        if not self.is_running or self.n_waiting + size > self._max_waiting:
            raise QueueFull
        future = asyncio.get_running_loop().create_future()
        self._jobs.append((job, size, future))
        self.n_waiting += size
        self._arrived.set()
        return await future

    async def _run(self) -> None:
        while self._jobs or not self._is_closing:
            if not self._jobs:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            batch = self._take_batch()
            if batch:
                await self._finish(batch)

    def _take_batch(self) -> list[tuple[JobT, "asyncio.Future[ResultT]"]]:
        batch, total = [], 0
        while self._jobs and (total == 0 or total + self._jobs[0][1] <= self._max_batch):
            job, size, future = self._jobs.popleft()
            self.n_waiting -= size
            if not future.done():
                batch.append((job, future))
                total += size
        if batch:
            self._on_batch(total)
        return batch

    async def _finish(self, batch: list[tuple[JobT, "asyncio.Future[ResultT]"]]) -> None:
        loop = asyncio.get_running_loop()
        jobs = [job for job, _ in batch]
        try:
            results = await loop.run_in_executor(self._executor, self._work, jobs)
        except Exception as error:
            if len(batch) > 1:
                for one in batch:
                    await self._finish([one])
            elif not batch[0][1].done():
                batch[0][1].set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
