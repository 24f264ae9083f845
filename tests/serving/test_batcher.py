import asyncio
import threading
import time

import pytest

from spacy_twitter_ner.serving.batcher import MicroBatcher, QueueFull


class Worker:
    """Double numbers when the gate is open, and record batches."""

    is_ready = True

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.batches: list[list[int]] = []

    def kill(self):
        raise AssertionError("must not be killed")

    def wait_until_ready(self):
        pass

    def annotate(self, jobs):
        assert self.gate.wait(10)
        self.batches.append(list(jobs))
        if -1 in jobs:
            raise ValueError("no")
        return [2 * job for job in jobs]


class SlowWorker(Worker):
    """Block batches of several jobs."""

    def __init__(self) -> None:
        super().__init__()
        self.is_working = False
        self.finish = threading.Event()

    def annotate(self, jobs):
        if len(jobs) > 1:
            self.is_working = True
            assert self.finish.wait(10)
        return super().annotate(jobs)


def run(scenario, worker=None, **settings):
    """Run a scenario with a batcher whose worker blocks on job 0."""
    worker = worker or Worker()
    settings = {"max_batch": 4, "max_waiting": 8, "timeout": 60, **settings}

    async def main():
        batcher = MicroBatcher([worker], **settings)
        batcher.start()
        first = asyncio.create_task(batcher.submit(0, 1))
        while batcher.n_waiting or not batcher.is_running or not first:
            await asyncio.sleep(0.001)
            if batcher.n_waiting == 0:
                break
        await asyncio.sleep(0.02)
        try:
            await scenario(batcher, worker)
        finally:
            worker.gate.set()
            await batcher.close()
        assert await first == 0

    asyncio.run(main())
    return worker


def test_jobs_of_busy_worker_form_batch():
    async def scenario(batcher, worker):
        tasks = [asyncio.create_task(batcher.submit(i, 1)) for i in range(1, 7)]
        await asyncio.sleep(0)
        worker.gate.set()
        assert await asyncio.gather(*tasks) == [2, 4, 6, 8, 10, 12]

    assert run(scenario).batches == [[0], [1, 2, 3, 4], [5, 6]]


def test_batches_are_limited_by_size():
    sizes = []

    async def scenario(batcher, worker):
        jobs = [(1, 3), (2, 2), (3, 7)]
        tasks = [asyncio.create_task(batcher.submit(job, size)) for job, size in jobs]
        await asyncio.sleep(0)
        worker.gate.set()
        await asyncio.gather(*tasks)

    worker = run(scenario, max_waiting=20, on_batch=lambda jobs: sizes.append(len(jobs)))
    assert worker.batches == [[0], [1], [2], [3]]
    assert sizes == [1, 1, 1, 1]


def test_queue_is_bounded():
    async def scenario(batcher, worker):
        tasks = [asyncio.create_task(batcher.submit(i, 4)) for i in (1, 2)]
        await asyncio.sleep(0)
        assert batcher.n_waiting == 8
        with pytest.raises(QueueFull):
            await batcher.submit(3, 1)
        worker.gate.set()
        assert await asyncio.gather(*tasks) == [2, 4]
        assert batcher.n_waiting == 0
        assert await batcher.submit(3, 1) == 6

    run(scenario)


def test_failed_batch_is_retried_by_job():
    async def scenario(batcher, worker):
        tasks = [asyncio.create_task(batcher.submit(i, 1)) for i in (1, -1, 3)]
        await asyncio.sleep(0)
        worker.gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results[0] == 2
        assert isinstance(results[1], ValueError)
        assert results[2] == 6
        assert batcher.is_running

    run(scenario)


def test_cancelled_job_is_not_processed():
    async def scenario(batcher, worker):
        gone = asyncio.create_task(batcher.submit(1, 1))
        stays = asyncio.create_task(batcher.submit(2, 1))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        worker.gate.set()
        assert await stays == 4

    assert run(scenario).batches == [[0], [2]]


def test_close_finishes_waiting_jobs():
    async def scenario(batcher, worker):
        task = asyncio.create_task(batcher.submit(5, 1))
        await asyncio.sleep(0)
        closing = asyncio.create_task(batcher.close())
        await asyncio.sleep(0)
        assert not batcher.is_running
        with pytest.raises(QueueFull):
            await batcher.submit(6, 1)
        worker.gate.set()
        await closing
        assert task.done()
        assert await task == 10

    run(scenario)


def test_worker_does_not_block_event_loop():
    async def scenario(batcher, worker):
        start = time.monotonic()
        task = asyncio.create_task(batcher.submit(1, 1))
        await asyncio.sleep(0.05)
        assert not task.done()
        assert time.monotonic() - start < 5
        worker.gate.set()
        await task

    run(scenario)


def test_idle_workers_share_queue():
    first, second = Worker(), Worker()

    async def main():
        batcher = MicroBatcher([first, second], max_batch=8, max_waiting=20, timeout=60)
        batcher.start()
        tasks = [asyncio.create_task(batcher.submit(i, 1)) for i in range(5)]
        await asyncio.sleep(0.02)
        # Both work at the same time.
        second.gate.set()
        assert await asyncio.gather(*tasks[3:]) == [6, 8]
        assert not first.batches
        first.gate.set()
        assert await asyncio.gather(*tasks[:3]) == [0, 2, 4]
        await batcher.close()

    asyncio.run(main())
    assert (first.batches, second.batches) == ([[0, 1, 2]], [[3, 4]])


def test_cancelled_job_is_not_retried():
    async def scenario(batcher, worker):
        tasks = [asyncio.create_task(batcher.submit(i, 1)) for i in (1, -1, 3)]
        await asyncio.sleep(0)
        worker.gate.set()
        while not worker.is_working:
            await asyncio.sleep(0.001)
        tasks[0].cancel()
        worker.finish.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results[2] == 6

    worker = run(scenario, worker=SlowWorker())
    assert worker.batches == [[0], [1, -1, 3], [-1], [3]]


def test_jobs_of_one_loop_iteration_form_batch():
    worker = Worker()
    worker.gate.set()

    async def main():
        batcher = MicroBatcher([worker], max_batch=8, max_waiting=8, timeout=60)
        batcher.start()
        assert await asyncio.gather(*(batcher.submit(i, 1) for i in range(5))) == [0, 2, 4, 6, 8]
        await batcher.close()

    asyncio.run(main())
    assert worker.batches == [[0, 1, 2, 3, 4]]


def test_close_waits_for_retries():
    async def scenario(batcher, worker):
        tasks = [asyncio.create_task(batcher.submit(i, 1)) for i in (-1, 2, 3)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(batcher.close())
        await asyncio.sleep(0)
        worker.gate.set()
        await closing
        await asyncio.sleep(0)
        assert [task.done() for task in tasks] == [True] * 3
        assert isinstance(tasks[0].exception(), ValueError)

    run(scenario)
