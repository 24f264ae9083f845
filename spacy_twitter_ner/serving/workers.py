"""Pipelines in processes of their own. The process that speaks HTTP then has its interpreter for
itself, and several pipelines work at a time."""

import json
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from typing import Any

from ..blas import one_blas_thread
from .errors import RemoteError, describe_error
from .messages import AnnotateRequest, Description

# What an answer begins with, and what is between those of several requests: they are JSON of one
# line. (srsly's msgpack looks for extensions among all installed packages at each call.)
_ANSWERS, _ERROR, _BETWEEN = b"+", b"-", b"\n"
# Seconds that a process has to load its pipeline, and to end once it is told to.
_START, _END = 300.0, 2.0

logger = logging.getLogger("spacy_twitter_ner.serving")


class WorkerError(ValueError):
    """A process that annotates cannot be started."""


class WorkerDied(RuntimeError):
    """A process that annotates has ended before it had answered."""


@contextmanager
def started_workers(
    model: str, n_workers: int, on_failure: Callable[[], None]
) -> Iterator[list["WorkerProcess"]]:
    """Start processes that annotate; they end when the block does.

    model (str): The pipeline of each: its folder or package.
    n_workers (int): How many.
    on_failure (Callable[[], None]): Called, in any thread, when one has ended and cannot be
        started again.
    YIELDS (list[WorkerProcess]): The processes, once all are ready.
    RAISES (WorkerError): If one cannot be started.
    """
    workers: list[WorkerProcess] = []
    try:
        for _ in range(n_workers):
            workers.append(WorkerProcess(model, on_failure))
        for worker in workers:
            worker.describe()
        yield workers
    finally:
        for worker in workers:
            worker.close()


class WorkerProcess:
    """A process that answers requests. If it dies, it is started again.

    model (str): Its pipeline: a folder or a package.
    on_failure (Callable[[], None]): Called when it has ended and cannot be started again.
    """

    def __init__(self, model: str, on_failure: Callable[[], None]) -> None:
        self._model = model
        self._on_failure = on_failure
        self._changed = threading.Condition()
        self._is_closing = False
        self._description: Description | None = None
        self._failure: Exception | None = None
        self.is_ready = False
        self._launch()
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)
        self._supervisor.start()

    @property
    def pid(self) -> int | None:
        """RETURNS (Optional[int]): The process's number."""
        return self._process.pid

    def describe(self) -> Description:
        """RETURNS (Description): What the service tells of the pipeline.
        RAISES (WorkerError): If the process could not be started."""
        self.wait_until_ready()
        if self._description is None:
            raise WorkerError("a process that is ready has not said what it is ready for")
        return self._description

    def annotate(self, requests: Sequence[AnnotateRequest]) -> list[bytes]:
        """Answer requests; after a death, once the process has been started again.

        requests (Sequence[AnnotateRequest]): The requests.
        RETURNS (list[bytes]): Each one's answer, as messages.AnnotateResponse in JSON.
        RAISES (RemoteError): If the pipeline raised an error.
        RAISES (WorkerDied): If the process died of the requests, or otherwise meanwhile.
        """
        self.wait_until_ready()
        connection = self._connection
        try:
            connection.send_bytes(_pack_requests(requests))
            answer = connection.recv_bytes()
        except (EOFError, OSError):
            # At once, not when the supervisor comes to see it: the next requests have to wait.
            self._set_dead(connection)
            raise WorkerDied from None
        return _unpack_answers(answer)

    def kill(self) -> None:
        """Kill the process, so that a call of annotate ends whatever the pipeline does."""
        with self._changed:
            # Otherwise it has ended already, and the new one is loading.
            if self.is_ready:
                self.is_ready = False
                self._process.kill()

    def wait_until_ready(self) -> None:
        """Block until the process can answer.

        RAISES (WorkerError): If it could not be started again.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.is_ready or self._failure is not None)
            if self._failure is not None:
                raise self._failure

    def raise_failure(self) -> None:
        """RAISES (WorkerError): If the process has ended and could not be started again."""
        if isinstance(self._failure, WorkerError):
            raise self._failure

    def close(self) -> None:
        """End the process: kill it if it doesn't end by itself."""
        with self._changed:
            self._is_closing = True
        if self.is_ready:
            # It ends when it reads that no more is to come.
            self._connection.close()
        else:
            self._process.kill()
        self._process.join(_END)
        self._process.kill()
        self._supervisor.join()

    def _launch(self) -> bool:
        """RETURNS (bool): Whether the process has been started: not if there shall be none."""
        context = get_context("spawn")
        with self._changed, one_blas_thread():
            if not self._is_closing:
                self._connection, theirs = context.Pipe()
                self._process = context.Process(target=work, args=(theirs, self._model))
                self._process.start()
                theirs.close()
            return not self._is_closing

    def _supervise(self) -> None:
        """Wait for the process to be ready, and for its end; again and again."""
        is_launched = True
        while is_launched and self._greet():
            wait([self._process.sentinel])
            self._process.join()
            self._set_dead(self._connection)
            if not self._is_closing:
                logger.error(
                    "A process that annotates has ended with exit code %s and is started again",
                    self._process.exitcode,
                )
            is_launched = self._launch()
        if self._is_closing:
            self._fail(WorkerDied())
        else:
            self._on_failure()

    def _greet(self) -> bool:
        """RETURNS (bool): Whether the process has come to be ready."""
        try:
            if not self._connection.poll(_START):
                logger.error("A pipeline has not been loaded within %g s", _START)
                self._process.kill()
            greeting = json.loads(self._connection.recv_bytes())
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            greeting = {"error": f"a process that annotates has ended with exit code {code}"}
        if "error" in greeting:
            self._fail(WorkerError(greeting["error"]))
            return False
        with self._changed:
            self._description, self.is_ready = greeting, True
            self._changed.notify_all()
        return True

    def _set_dead(self, connection: Connection) -> None:
        with self._changed:
            if connection is self._connection:
                self.is_ready = False

    def _fail(self, failure: Exception) -> None:
        with self._changed:
            self._failure = failure
            self._changed.notify_all()


def work(connection: Connection, model: str) -> None:
    """What the process does: load a pipeline, say so, and answer until the other end is closed.

    connection (Connection): Where requests come from.
    model (str): The pipeline's folder or package.
    """
    # A terminal and a service manager send these to all processes of a group; but the first one
    # has requests to finish, and then closes the connection.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # A pipeline that loops doesn't find out that the connection is closed.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        from ..loading import load_pipeline
        from .annotating import Annotator

        annotator = Annotator(load_pipeline(model))
        # The first batch takes longer than all others.
        annotator.annotate([AnnotateRequest(text="so tired", probabilities=True)])
        greeting: Any = annotator.describe()
    except Exception as error:
        greeting = {"error": str(error)}
    with suppress(EOFError, OSError):
        connection.send_bytes(json.dumps(greeting).encode("utf-8"))
        while "error" not in greeting:
            requests = _unpack_requests(connection.recv_bytes())
            try:
                packed = _ANSWERS + _BETWEEN.join(annotator.annotate(requests))
            except Exception as error:
                packed = _ERROR + json.dumps(describe_error(error)).encode("utf-8")
            connection.send_bytes(packed)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _pack_requests(requests: Sequence[AnnotateRequest]) -> bytes:
    values = [
        (one.all_texts, one.threshold, one.probabilities, one.alternatives) for one in requests
    ]
    return json.dumps(values).encode("ascii")


def _unpack_requests(packed: bytes) -> list[AnnotateRequest]:
    names = ("texts", "threshold", "probabilities", "alternatives")
    # They have been validated where they came from.
    return [
        AnnotateRequest.model_construct(**dict(zip(names, values, strict=True)))
        for values in json.loads(packed)
    ]


def _unpack_answers(packed: bytes) -> list[bytes]:
    if packed.startswith(_ERROR):
        raise RemoteError(*json.loads(packed[1:]))
    return packed[1:].split(_BETWEEN) if len(packed) > 1 else []
