"""Batch concurrent requests. Requests that arrive while the workers are busy form the next batch.
Idle workers start at once, so batching adds no latency."""

import asyncio
import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")
JobT_contra = TypeVar("JobT_contra", contravariant=True)
ResultT_co = TypeVar("ResultT_co", covariant=True)
_Call: TypeAlias = tuple[
    asyncio.AbstractEventLoop,
    Callable[[Any, BaseException | None], None],
    Callable[..., Any],
    tuple[Any, ...],
]
Batch: TypeAlias = list[tuple[JobT, asyncio.Future[ResultT]]]

logger = logging.getLogger("spacy_twitter_ner.serving")


class QueueFull(Exception):
    """Raised if the queue is full."""


class WorkerHung(Exception):
    """Raised if a worker didn't respond in time and is being replaced."""


class Worker(Protocol[JobT_contra, ResultT_co]):
    """Process jobs. See schemas.Worker."""

    @property
    def is_ready(self) -> bool: ...

    def annotate(self, jobs: Sequence[JobT_contra], /) -> Sequence[ResultT_co]: ...

    def kill(self) -> None: ...

    def wait_until_ready(self) -> None: ...


class MicroBatcher(Generic[JobT, ResultT]):
    """Process jobs in batches, with one thread per worker.

    workers (Sequence[Worker]): The workers. If a batch fails, its jobs are retried one at a time,
        so that only the requests that crash it fail. A worker that doesn't respond in time is
        killed, and its batch fails.
    max_batch (int): Maximum size of a batch. A larger job is a batch of its own.
    max_waiting (int): Maximum total size of the queue.
    timeout (float): Seconds after which a worker that doesn't respond is killed.
    on_batch (Callable[[Sequence[JobT]], None]): Called with each batch.
    """

    def __init__(
        self,
        workers: Sequence[Worker[JobT, ResultT]],
        *,
        max_batch: int,
        max_waiting: int,
        timeout: float,
        on_batch: Callable[[Sequence[JobT]], None] = lambda jobs: None,
    ) -> None:
        self._threads = [_WorkerThread(worker) for worker in workers]
        self._idle = deque(self._threads)
        self._n_alive = len(self._threads)
        self._failure: BaseException | None = None
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._timeout = timeout
        self._on_batch = on_batch
        # An ordered dict, so that cancelled jobs can be removed.
        self._jobs: OrderedDict[asyncio.Future[ResultT], tuple[JobT, int]] = OrderedDict()
        self._retries: deque[Batch[JobT, ResultT]] = deque()
        self._running: dict[_WorkerThread[JobT, ResultT], Batch[JobT, ResultT]] = {}
        self._is_scheduled = False
        self._is_closing = False
        self._all_done = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._checks: asyncio.TimerHandle | None = None
        self.n_waiting = 0

    @property
    def is_running(self) -> bool:
        """Whether jobs are accepted."""
        return self._loop is not None and not self._is_closing

    def start(self) -> None:
        """Start processing. Requires a running event loop."""
        self._loop = asyncio.get_running_loop()
        self._checks = self._loop.call_later(self._timeout / 2, self._check_idle, self._loop)

    async def close(self) -> None:
        """Stop accepting jobs and finish those with a waiting caller."""
        self._is_closing = True
        if self._checks is not None:
            self._checks.cancel()
            for thread, batch in list(self._running.items()):
                if all(future.done() for _, future in batch):
                    self._give_up(thread)
            self._dispatch()
            await self._all_done.wait()
        for thread in self._threads:
            thread.stop()

    async def submit(self, job: JobT, size: int) -> ResultT:
        """Process a job. See submit_parts.

        job (JobT): The job.
        size (int): Its size.
        RETURNS (ResultT): Its result.
        """
        (result,) = await self.submit_parts([(job, size)])
        return result

    async def submit_parts(self, parts: Sequence[tuple[JobT, int]]) -> list[ResultT]:
        """Process the parts of a job one at a time, so that other jobs are processed in between. If
        the caller is cancelled, the remaining parts are dropped.

        parts (Sequence[tuple[JobT, int]]): The parts and their sizes.
        RETURNS (list[ResultT]): Their results.
        RAISES (QueueFull): If the queue is full or the batcher is closing.
        RAISES (WorkerHung): If the worker didn't respond in time.
        """
        if self._failure is not None:
            raise self._failure
        left = sum(size for _, size in parts)
        if self._loop is None or self._is_closing or self.n_waiting + left > self._max_waiting:
            raise QueueFull
        self.n_waiting += left
        results = []
        try:
            for part in parts:
                future: asyncio.Future[ResultT] = self._loop.create_future()
                self._jobs[future] = part
                if self._idle:
                    self._schedule()
                try:
                    results.append(await future)
                finally:
                    # Otherwise, it has started and no longer counts as waiting.
                    if self._jobs.pop(future, None) is None:
                        left -= part[1]
        finally:
            self.n_waiting -= left
            if self._is_closing:
                self._schedule()
        return results

    def _schedule(self) -> None:
        """Dispatch after all jobs that arrive in this iteration of the event loop."""
        if self._loop is not None and not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._is_scheduled = False
        while self._idle and (self._retries or self._jobs):
            thread = self._idle.popleft()
            if not thread.worker.is_ready:
                self._recover(thread)
            elif batch := self._take_batch(1 + len(self._idle)):
                self._begin(thread, batch)
            else:
                self._idle.append(thread)
        if self._is_closing and not (self._running or self.n_waiting or self._retries):
            self._all_done.set()

    def _take_batch(self, n_idle: int) -> Batch[JobT, ResultT]:
        if self._retries:
            return [one for one in self._retries.popleft() if not one[1].done()]
        # Split the queue between idle workers.
        limit = min(self._max_batch, -(-self.n_waiting // n_idle))
        batch: Batch[JobT, ResultT] = []
        total = 0
        while self._jobs:
            future, (job, size) = self._jobs.popitem(last=False)
            if total and total + size > limit:
                self._jobs[future] = job, size
                self._jobs.move_to_end(future, last=False)
                break
            self.n_waiting -= size
            if not future.done():
                total += size
                batch.append((job, future))
        if batch:
            self._on_batch([job for job, _ in batch])
        return batch

    def _begin(self, thread: "_WorkerThread[JobT, ResultT]", batch: Batch[JobT, ResultT]) -> None:
        if self._loop is None:
            raise RuntimeError("the batcher isn't running: call start first")
        self._running[thread] = batch
        timer = self._loop.call_later(self._timeout, self._give_up, thread)

        def finish(results: Sequence[ResultT], error: BaseException | None) -> None:
            timer.cancel()
            self._finish(thread, batch, results, error)

        thread.call(self._loop, finish, thread.worker.annotate, [job for job, _ in batch])

    def _give_up(self, thread: "_WorkerThread[JobT, ResultT]") -> None:
        """Kill a worker that doesn't respond. Its batch isn't retried, since the job that hangs
        would block the next worker as well."""
        if not self._is_closing:
            logger.error("A worker didn't respond within %g s and is being replaced", self._timeout)
        thread.worker.kill()
        for _, future in self._running.pop(thread):
            if not future.done():
                future.set_exception(WorkerHung())

    def _finish(
        self,
        thread: "_WorkerThread[JobT, ResultT]",
        batch: Batch[JobT, ResultT],
        results: Sequence[ResultT],
        error: BaseException | None,
    ) -> None:
        self._running.pop(thread, None)
        if error is None:
            self._idle.append(thread)
        else:
            self._recover(thread)
            if len(batch) > 1:
                self._retries.extend([one] for one in batch if not one[1].done())
        # Dispatch first, to keep the worker busy while responses are sent.
        self._dispatch()
        if error is None:
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)
        elif len(batch) == 1 and not batch[0][1].done():
            batch[0][1].set_exception(error)

    def _recover(self, thread: "_WorkerThread[JobT, ResultT]") -> None:
        """Wait until a worker is ready, then use it again."""

        def finish(_: None, error: BaseException | None) -> None:
            if error is None:
                self._idle.append(thread)
            else:
                self._n_alive -= 1
                if not self._n_alive:
                    self._fail(error)
            self._dispatch()

        if self._loop is not None:
            thread.call(self._loop, finish, thread.worker.wait_until_ready)

    def _fail(self, error: BaseException) -> None:
        """Fail all jobs, since no worker is left."""
        self._failure = error
        for future in [*self._jobs, *(future for batch in self._retries for _, future in batch)]:
            if not future.done():
                future.set_exception(error)
        self._retries.clear()

    def _check_idle(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send an empty batch to idle workers, to detect those that hang."""
        for _ in range(len(self._idle)):
            thread = self._idle.popleft()
            if thread.worker.is_ready:
                self._begin(thread, [])
            else:
                self._recover(thread)
        self._checks = loop.call_later(self._timeout / 2, self._check_idle, loop)


class _WorkerThread(Generic[JobT, ResultT]):
    """The thread that calls a worker. A daemon, so that a hanging call doesn't block exit."""

    def __init__(self, worker: Worker[JobT, ResultT]) -> None:
        self.worker = worker
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        threading.Thread(target=self._run, name="annotate", daemon=True).start()

    def call(
        self,
        loop: asyncio.AbstractEventLoop,
        on_end: Callable[[Any, BaseException | None], None],
        function: Callable[..., Any],
        *args: Any,
    ) -> None:
        """Call a function in the thread.

        loop (asyncio.AbstractEventLoop): The loop that calls on_end.
        on_end (Callable[[Any, Optional[BaseException]], None]): Called with the result and the
            error.
        function (Callable): The function.
        *args: Its arguments.
        """
        self._calls.put((loop, on_end, function, args))

    def stop(self) -> None:
        """Stop the thread after its last call."""
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            loop, on_end, function, args = call
            result, error = None, None
            try:
                result = function(*args)
            except BaseException as raised:
                error = raised
            # The loop is closed if the service has ended in the meantime.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(on_end, result, error)
