"""Worker processes. Each has its own pipeline, and the HTTP server keeps its interpreter free."""

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

from ..util import one_blas_thread
from .errors import RemoteError, describe_error
from .schemas import AnnotateRequest, Description

# Prefixes of messages from a process, and the separator of responses, which are JSON in one line.
_RESPONSES, _ERROR, _SEPARATOR = b"+", b"-", b"\n"
# Timeouts in seconds for loading the pipeline and for stopping.
_LOAD_TIMEOUT, _STOP_TIMEOUT = 300.0, 2.0

logger = logging.getLogger("spacy_twitter_ner.serving")


class WorkerError(ValueError):
    """Raised if a worker process can't be started."""


class WorkerDied(RuntimeError):
    """Raised if a worker process died before it responded."""


@contextmanager
def started_workers(
    model: str, n_workers: int, on_failure: Callable[[], None]
) -> Iterator[list["WorkerProcess"]]:
    """Start worker processes, and stop them after the block.

    model (str): The pipeline: its folder or package.
    n_workers (int): Number of processes.
    on_failure (Callable[[], None]): Called in any thread if a process dies and can't be restarted.
    YIELDS (list[WorkerProcess]): The processes. All of them are ready.
    RAISES (WorkerError): If one can't be started.
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
    """A worker process. If it dies, it is restarted. Implements schemas.Worker.

    model (str): The pipeline: its folder or package.
    on_failure (Callable[[], None]): Called if the process dies and can't be restarted.
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
        """The process id."""
        return self._process.pid

    def describe(self) -> Description:
        """Describe the pipeline.

        RAISES (WorkerError): If the process couldn't be started.
        """
        self.wait_until_ready()
        if self._description is None:
            raise WorkerError("the worker process didn't describe its pipeline")
        return self._description

    def annotate(self, requests: Sequence[AnnotateRequest]) -> list[bytes]:
        """Annotate the texts of several requests as one batch. Waits if the process is restarting.

        requests (Sequence[AnnotateRequest]): The requests.
        RETURNS (list[bytes]): One response per request: a schemas.AnnotateResponse in JSON.
        RAISES (RemoteError): If the pipeline raised an error.
        RAISES (WorkerDied): If the process died.
        """
        self.wait_until_ready()
        connection = self._connection
        try:
            connection.send_bytes(_pack_requests(requests))
            response = connection.recv_bytes()
        except (EOFError, OSError):
            # Don't wait for the supervisor, so that the next requests wait for the new process.
            self._set_dead(connection)
            raise WorkerDied from None
        return _unpack_responses(response)

    def kill(self) -> None:
        """Kill the process to end a call of annotate that hangs."""
        with self._changed:
            # Otherwise, it has already died and the new one is loading.
            if self.is_ready:
                self.is_ready = False
                self._process.kill()

    def wait_until_ready(self) -> None:
        """Block until the process is ready.

        RAISES (WorkerError): If it couldn't be restarted.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.is_ready or self._failure is not None)
            if self._failure is not None:
                raise self._failure

    def raise_failure(self) -> None:
        """Raise the error if the process couldn't be restarted.

        RAISES (WorkerError): If so.
        """
        if isinstance(self._failure, WorkerError):
            raise self._failure

    def close(self) -> None:
        """Stop the process. Kill it if it doesn't stop in time."""
        with self._changed:
            self._is_closing = True
        if self.is_ready:
            # The process stops when its connection is closed.
            self._connection.close()
        else:
            self._process.kill()
        self._process.join(_STOP_TIMEOUT)
        self._process.kill()
        self._supervisor.join()

    def _launch(self) -> bool:
        """Start the process, unless the worker is closing. Return whether it was started."""
        context = get_context("spawn")
        with self._changed, one_blas_thread():
            if not self._is_closing:
                self._connection, theirs = context.Pipe()
                self._process = context.Process(target=work, args=(theirs, self._model))
                self._process.start()
                theirs.close()
            return not self._is_closing

    def _supervise(self) -> None:
        """Wait until the process is ready, wait until it dies, restart it, and repeat."""
        is_launched = True
        while is_launched and self._greet():
            wait([self._process.sentinel])
            self._process.join()
            self._set_dead(self._connection)
            if not self._is_closing:
                logger.error(
                    "A worker process died with exit code %s and is being restarted",
                    self._process.exitcode,
                )
            is_launched = self._launch()
        if self._is_closing:
            self._fail(WorkerDied())
        else:
            self._on_failure()

    def _greet(self) -> bool:
        """Receive the first message of the process. Return whether it is ready."""
        try:
            if not self._connection.poll(_LOAD_TIMEOUT):
                logger.error("A worker process didn't load its pipeline within %g s", _LOAD_TIMEOUT)
                self._process.kill()
            greeting = json.loads(self._connection.recv_bytes())
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            greeting = {"error": f"a worker process died with exit code {code}"}
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
    """Run a worker process: load the pipeline and process requests until the connection is closed.

    connection (Connection): The connection to the server.
    model (str): The pipeline: its folder or package.
    """
    # Terminals and service managers signal all processes of a group, but the server still has
    # requests to finish before it closes the connection.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # A pipeline that hangs doesn't notice that the connection is closed.
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    try:
        from ..loading import load_pipeline
        from .local_worker import LocalWorker

        worker = LocalWorker(load_pipeline(model))
        # Warm up: the first batch takes longer.
        worker.annotate([AnnotateRequest(text="so tired", probabilities=True)])
        greeting: Any = worker.describe()
    except Exception as error:
        greeting = {"error": str(error)}
    with suppress(EOFError, OSError):
        connection.send_bytes(json.dumps(greeting).encode("utf-8"))
        while "error" not in greeting:
            requests = _unpack_requests(connection.recv_bytes())
            try:
                packed = _RESPONSES + _SEPARATOR.join(worker.annotate(requests))
            except Exception as error:
                packed = _ERROR + json.dumps(describe_error(error)).encode("utf-8")
            connection.send_bytes(packed)


def _exit_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        # sys.exit would only end this thread.
        os._exit(1)


def _pack_requests(requests: Sequence[AnnotateRequest]) -> bytes:
    values = [
        (one.all_texts, one.threshold, one.probabilities, one.alternatives) for one in requests
    ]
    return json.dumps(values).encode("ascii")


def _unpack_requests(packed: bytes) -> list[AnnotateRequest]:
    names = ("texts", "threshold", "probabilities", "alternatives")
    # The server has validated them.
    return [
        AnnotateRequest.model_construct(**dict(zip(names, values, strict=True)))
        for values in json.loads(packed)
    ]


def _unpack_responses(packed: bytes) -> list[bytes]:
    if packed.startswith(_ERROR):
        raise RemoteError(*json.loads(packed[1:]))
    return packed[1:].split(_SEPARATOR) if len(packed) > 1 else []
