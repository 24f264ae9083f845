"""Limits on connections, which ASGI middleware can't enforce: time and size of request heads, time
to read responses, and number of connections."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .middleware import CONNECTION, ConnectionState, head_too_large, problem_response
from .settings import ServiceSettings

# Size of the shortest head without its URL.
_MIN_HEAD = 16


class Connections:
    """All connections of a service.

    settings (ServiceSettings): The limits.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        # In the order of creation.
        self._open: dict[GuardedProtocol, None] = {}

    def make_protocol(self, **settings: Any) -> "GuardedProtocol":
        """Create the protocol of a connection. Called by uvicorn."""
        return GuardedProtocol(self, **settings)

    def add(self, protocol: "GuardedProtocol") -> None:
        """Add a connection. If there are too many, close the oldest idle one, preferably one
        without an accepted request."""
        self._open[protocol] = None
        if len(self._open) > self.settings.max_connections:
            victim = next(self._find_victims(), protocol)
            self.remove(victim)
            victim.transport.abort()

    def remove(self, protocol: "GuardedProtocol") -> None:
        """Remove a connection."""
        self._open.pop(protocol, None)

    def close_slow(self) -> None:
        """Close connections with slow clients. Must be called periodically."""
        now = asyncio.get_running_loop().time()
        for protocol in list(self._open):
            if protocol.is_slow(now):
                protocol.transport.abort()

    def _find_victims(self) -> Iterator["GuardedProtocol"]:
        for is_trusted in (False, True):
            for protocol in self._open:
                state = protocol.state
                if not state.n_active and state.is_trusted == is_trusted:
                    yield protocol


@dataclass(eq=False)
class _Head:
    """An incomplete request head.

    since (float): Start time.
    size (int): Number of bytes received.
    """

    since: float
    size: int = 0


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with limits.

    group (Connections): The connections of the service.
    """

    def __init__(self, group: Connections, *, app_state: dict[str, Any], **settings: Any) -> None:
        self.group = group
        self.state = ConnectionState()
        super().__init__(app_state={**app_state, CONNECTION: self.state}, **settings)
        self.url = b""
        self._head: _Head | None = None
        self._unread_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head = _Head(self.loop.time())
        self.group.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.group.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head is None and self._is_idle():
            self._head = _Head(self.loop.time())
        head = self._head
        super().data_received(data)
        # Heads that start in the same data are counted from the next data on.
        if head is not None and self._head is head:
            head.size += len(data)
            if head.size > self.group.settings.max_head:
                self._refuse_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head is None:
            self._head = _Head(self.loop.time())

    def on_headers_complete(self) -> None:
        self._head = None
        super().on_headers_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_since = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread_since = None

    def send_400_response(self, msg: str) -> None:
        # httptools can't parse URLs of about this length.
        if len(self.url) > self.group.settings.max_head - _MIN_HEAD:
            self._refuse_head()
        else:
            super().send_400_response(msg)

    def is_slow(self, now: float) -> bool:
        """Return whether the client takes too long to send a head or read a response."""
        settings = self.group.settings
        if self._unread_since is not None:
            return now - self._unread_since > settings.send_timeout
        if self._head is None:
            return False
        if not self._is_idle():
            # The time for the next head starts after this response.
            self._head.since = now
        return now - self._head.since > settings.head_timeout

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _refuse_head(self) -> None:
        if self._is_idle() and not self.transport.is_closing():
            headers, body = problem_response(head_too_large(self.group.settings.max_head))
            lines = [
                "HTTP/1.1 431 Request Header Fields Too Large",
                *(f"{name}: {value}" for name, value in headers.items()),
                f"content-length: {len(body)}",
            ]
            self.transport.write("\r\n".join([*lines, "\r\n"]).encode("ascii") + body)
            self.transport.close()
        else:
            self.transport.abort()
