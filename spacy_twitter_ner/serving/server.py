"""Listening: the service on a socket, until it is told to stop."""

import math
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import uvicorn

from .app import create_app_of
from .connections import Connections
from .gate import App
from .settings import ServiceSettings
from .workers import started_workers

_BACKLOG = 512
_SWITCH_INTERVAL = 0.0002
# Seconds that a connection without requests is kept open.
_KEEP_ALIVE = 15
# Seconds that workers and connections may take to close.
_END_SECONDS = 4
_TICKS_PER_SECOND = 10
# Files that the process has open other than connections.
_OTHER_FILES = 200


def open_socket(host: str, port: int) -> socket.socket:
    """Take an address, so that it is known before the service starts, and whether it is free.

    host (str): Name or address.
    port (int): The port; 0 for any that is free.
    RETURNS (socket.socket): The socket.
    RAISES (OSError): If it cannot be had; the message names it.
    """
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _, protocol, _, address = addresses[0]
        # Of a socket whose protocol is not said asyncio does not know that it is TCP's, and leaves
        # Nagle's algorithm on: the end of an answer then waits for the client's acknowledgement.
        listener = socket.socket(family, socket.SOCK_STREAM, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except (OSError, OverflowError) as error:
        raise OSError(f"cannot listen on {host}, port {port}: {error}") from error
    return listener


class ServiceServer(uvicorn.Server):
    """uvicorn, set up for the service. `run([listener])` serves until SIGINT or SIGTERM: then no
    more requests are taken, and those there are get answered.

    app (App): The service.
    settings (ServiceSettings): Says how long requests may take at the end.
    access_log (bool): Whether to log each request: client, method, path, status.
    on_start (Callable[[], None]): Called once requests are taken.
    """

    def __init__(
        self,
        app: App,
        settings: ServiceSettings,
        *,
        access_log: bool = False,
        on_start: Callable[[], None] = lambda: None,
    ) -> None:
        self._connections = Connections(settings)
        self._on_start = on_start
        config = uvicorn.Config(
            app,
            http=self._connections.make_protocol,  # type: ignore[arg-type]
            access_log=access_log,
            log_level="info" if access_log else "warning",
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE,
            # The rest is for the workers to end.
            timeout_graceful_shutdown=max(1, math.floor(settings.grace - _END_SECONDS)),
            # No proxy is trusted to say who the client is.
            proxy_headers=False,
            ws="none",
        )
        super().__init__(config)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_start()

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_PER_SECOND == 0:
            self._connections.close_slow()
        return await super().on_tick(counter)


def reserve_files(n_connections: int) -> int:
    """Raise the limit of open files, so that as many connections can be open.

    n_connections (int): How many.
    RETURNS (int): How many are possible.
    """
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return n_connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = n_connections + _OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return n_connections
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    # macOS has a lower limit that it doesn't report.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return max(1, min(n_connections, soft - _OTHER_FILES))


def serve(
    model: str,
    listener: socket.socket,
    settings: ServiceSettings,
    *,
    n_workers: int = 1,
    access_log: bool = False,
    on_start: Callable[[], None] = lambda: None,
) -> None:
    """Serve a pipeline until SIGINT or SIGTERM.

    model (str): The pipeline: its folder or package.
    listener (socket.socket): Where to listen.
    settings (ServiceSettings): Limits, token and origins.
    n_workers (int): How many processes annotate.
    access_log (bool): Whether to log each request: client, method, path, status.
    on_start (Callable[[], None]): Called once requests are taken.
    RAISES (WorkerError): If the pipeline cannot be loaded, or no more.
    """
    # The threads that talk to the workers take turns with the event loop. With Python's 5 ms a
    # worker would wait for its next batch about as long as it works on one.
    sys.setswitchinterval(_SWITCH_INTERVAL)
    server: ServiceServer | None = None

    def stop() -> None:
        if server is not None:
            server.should_exit = True

    settings = replace(settings, max_connections=reserve_files(settings.max_connections))
    with started_workers(model, n_workers, on_failure=stop) as workers:
        app = create_app_of(workers, settings)
        server = ServiceServer(app, settings, access_log=access_log, on_start=on_start)
        server.run([listener])
        for worker in workers:
            worker.raise_failure()
