"""Run the service on a socket until it receives a signal."""

import math
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import uvicorn

from .app import create_app_for_workers
from .connections import Connections
from .middleware import App
from .settings import ServiceSettings
from .workers import started_workers

_BACKLOG = 512
_SWITCH_INTERVAL = 0.0002
# Seconds to keep idle connections open.
_KEEP_ALIVE = 15
# Seconds that workers and connections take to close.
_END_SECONDS = 4
_TICKS_PER_SECOND = 10
# Number of open files other than connections.
_OTHER_FILES = 200


def open_socket(host: str, port: int) -> socket.socket:
    """Bind a socket. Errors are reported before the pipeline is loaded.

    host (str): Name or address.
    port (int): The port, or 0 for any free port.
    RETURNS (socket.socket): The socket.
    RAISES (OSError): If the address can't be bound. The message contains it.
    """
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _, protocol, _, address = addresses[0]
        # Without the protocol, asyncio doesn't disable Nagle's algorithm, and the end of a response
        # waits for the client's acknowledgement.
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
    """uvicorn, configured for the service. `run([listener])` serves until SIGINT or SIGTERM, then
    finishes the requests that are being processed.

    app (App): The service.
    settings (ServiceSettings): The limits.
    access_log (bool): Whether to log client, method, path and status of each request.
    on_start (Callable[[], None]): Called when the service accepts requests.
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
            # The rest is for stopping the workers.
            timeout_graceful_shutdown=max(1, math.floor(settings.grace - _END_SECONDS)),
            # Don't trust proxies about the client's address.
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
    """Raise the limit on open files.

    n_connections (int): The number of connections to allow.
    RETURNS (int): The number of connections that is possible.
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
    # macOS has a lower limit than it reports.
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
    listener (socket.socket): The socket.
    settings (ServiceSettings): The settings.
    n_workers (int): Number of worker processes.
    access_log (bool): Whether to log client, method, path and status of each request.
    on_start (Callable[[], None]): Called when the service accepts requests.
    RAISES (WorkerError): If the pipeline can't be loaded or reloaded.
    """
    # The threads that call the workers alternate with the event loop. With Python's default of
    # 5 ms, a worker would wait for its next batch about as long as it takes to process one.
    sys.setswitchinterval(_SWITCH_INTERVAL)
    server: ServiceServer | None = None

    def stop() -> None:
        if server is not None:
            server.should_exit = True

    settings = replace(settings, max_connections=reserve_files(settings.max_connections))
    with started_workers(model, n_workers, on_failure=stop) as workers:
        app = create_app_for_workers(workers, settings)
        server = ServiceServer(app, settings, access_log=access_log, on_start=on_start)
        server.run([listener])
        for worker in workers:
            worker.raise_failure()
