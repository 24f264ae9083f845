"""ASGI middleware: limits, authentication, metrics and security headers."""

import asyncio
import hmac
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from .errors import log_error
from .metrics import ServiceMetrics
from .schemas import Problem
from .settings import ServiceSettings, parse_host

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
ResultT = TypeVar("ResultT")

ANNOTATE = "/annotate"
PROTECTED = frozenset({ANNOTATE, "/metrics"})
# Key of a connection's ConnectionState in scope["state"].
CONNECTION = "spacy_twitter_ner.connection"
# The page displays untrusted texts: only allow our own scripts and requests to this service, and
# don't allow framing.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
SECURITY_HEADERS = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode("ascii")),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    (b"cache-control", b"no-store"),
]
# Number of bytes to read and discard from a body that is too large. A client that is disconnected
# while it sends may not read the response.
_MAX_DRAINED = 4 * 1024 * 1024
# Maximum time in seconds to discard the body of a rejected request.
_SKIP_SECONDS = 1.0
# Seconds after which to start watching for a disconnect.
_PATIENCE = 0.2


@dataclass
class ConnectionState:
    """State that decides whether a connection is closed to make room for others.

    is_trusted (bool): Whether a request was accepted on the connection.
    n_active (int): Number of accepted requests being processed.
    """

    is_trusted: bool = False
    n_active: int = 0


class _Exchange:
    """A request and its response.

    scope (Scope): The request.
    send (Send): Function to send the response.
    """

    def __init__(self, scope: Scope, send: Send) -> None:
        self.is_head = scope["method"] == "HEAD"
        self.scope = {**scope, "method": "GET"} if self.is_head else scope
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        length = self.headers.get(b"content-length", b"0")
        self.has_body = length != b"0" or b"transfer-encoding" in self.headers
        self.body_is_read = False
        self.has_started = False
        self.status = 500
        self._send = send

    async def send(self, message: Message) -> None:
        """Send a message with security headers, and without a body for HEAD."""
        if message["type"] == "http.response.start":
            self.has_started, self.status = True, message["status"]
            message["headers"] = [*message.get("headers", ()), *SECURITY_HEADERS]
            if self.has_body and not self.body_is_read:
                message["headers"].append((b"connection", b"close"))
        elif self.is_head:
            message = {**message, "body": b""}
        await self._send(message)


class LimitMiddleware:
    """ASGI middleware that enforces limits and authentication, counts requests and adds security
    headers.

    app (App): The application.
    settings (ServiceSettings): The limits and the token.
    metrics (ServiceMetrics): The metrics.
    routes (frozenset[str]): The paths with their own metrics.
    protected (frozenset[str]): The paths that require the token.
    posts (frozenset[str]): The paths whose POST requests have a body. Other bodies are discarded.
    """

    def __init__(
        self,
        app: App,
        settings: ServiceSettings,
        metrics: ServiceMetrics,
        routes: frozenset[str] = frozenset(),
        protected: frozenset[str] = PROTECTED,
        posts: frozenset[str] = frozenset({ANNOTATE}),
    ) -> None:
        self.app = app
        self.settings = settings
        self.metrics = metrics
        self.routes = routes
        self.protected, self.posts = protected, posts
        self._n_active = self._n_slots = 0
        self._clients: Counter[str] = Counter()
        self._hosts = frozenset(parse_host(one) or one.lower() for one in settings.allowed_hosts)
        metrics.active.set_function(lambda: self._n_active)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        exchange = _Exchange(scope, send)
        self._n_active += 1
        try:
            await self._handle(exchange, receive)
        except Problem as problem:
            if exchange.has_body and problem.status in (401, 421, 429):
                await skip_body(receive)
            await send_problem(exchange.send, problem)
        except Disconnected:
            exchange.status = 499  # nginx's code for a client that disconnected
        except Exception as error:
            log_error(error)
            if not exchange.has_started:
                await send_problem(exchange.send, Problem(500, "internal", "The service failed"))
        finally:
            self._n_active -= 1
            route = scope["path"] if scope["path"] in self.routes else "other"
            self.metrics.count(route, exchange.status, time.perf_counter() - start)

    async def _handle(self, exchange: _Exchange, receive: Receive) -> None:
        scope = exchange.scope
        self._check_head(scope)
        if scope["path"] in self.protected and scope["method"] != "OPTIONS":
            require_token(exchange.headers.get(b"authorization", b""), self.settings.token)
        if scope["path"] in self.posts and scope["method"] == "POST":
            client, connection = self._take_slot(scope)
            try:
                body = await self._receive(receive)
                exchange.body_is_read = True
                await self.app(scope, replay(body, receive), exchange.send)
            finally:
                self._free_slot(client, connection)
        else:
            if exchange.has_body:
                await skip_body(receive)
            await self.app(scope, replay(b"", receive), exchange.send)

    def _check_head(self, scope: Scope) -> None:
        """Check the size of the head and the host.

        RAISES (Problem): If the head is too large or the host isn't allowed.
        """
        size = len(scope.get("raw_path") or b"") + len(scope["query_string"])
        hosts = []
        for name, value in scope["headers"]:
            size += len(name) + len(value) + 4
            if name == b"host":
                hosts.append(value)
        if size > self.settings.max_head:
            raise head_too_large(self.settings.max_head)
        if self._hosts:
            host = parse_host(hosts[0].decode("latin-1")) if len(hosts) == 1 else None
            if host not in self._hosts:
                raise Problem(
                    421,
                    "unknown_host",
                    "The Host header isn't allowed: start the service with --allowed-host NAME",
                )

    def _take_slot(self, scope: Scope) -> tuple[str, ConnectionState]:
        """Count a concurrent request with a body.

        RAISES (Problem): If there are too many.
        """
        client = (scope.get("client") or ("", 0))[0]
        if (
            self._n_slots >= self.settings.max_requests
            or self._clients[client] >= self.settings.max_client_requests
        ):
            raise overloaded("Too many concurrent requests")
        connection: ConnectionState = scope.get("state", {}).get(CONNECTION) or ConnectionState()
        connection.is_trusted = True
        connection.n_active += 1
        self._n_slots += 1
        self._clients[client] += 1
        return client, connection

    def _free_slot(self, client: str, connection: ConnectionState) -> None:
        connection.n_active -= 1
        self._n_slots -= 1
        self._clients[client] -= 1
        if not self._clients[client]:
            del self._clients[client]

    async def _receive(self, receive: Receive) -> bytes:
        """Read the body of a request.

        RAISES (Problem): If it is too large or takes too long.
        """
        try:
            return await within(
                self.settings.body_timeout, read_body(receive, self.settings.max_body)
            )
        except asyncio.TimeoutError:
            raise Problem(
                408, "too_slow", f"The body took longer than {self.settings.body_timeout:g} s"
            ) from None


async def within(seconds: float, work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Await a coroutine with a timeout.

    seconds (float): The timeout.
    work (Coroutine): The coroutine. Cancelled on timeout.
    RETURNS (ResultT): Its result.
    RAISES (asyncio.TimeoutError): On timeout.
    """
    # Before Python 3.12, wait_for creates a task, which takes longer than reading a body.
    if sys.version_info < (3, 11):
        return await asyncio.wait_for(work, seconds)
    async with asyncio.timeout(seconds):
        return await work


class CancelledOnDisconnect:
    """Cancel a block and raise Disconnected if the client disconnects.

    receive (Receive): The request. Its body must have been read.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_gone = False
        self._watching: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        # Most requests finish before a task to watch them is worth its cost.
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE, self._start)
        self._task = asyncio.current_task()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()
        if self._is_gone and kind is asyncio.CancelledError:
            if self._task is not None and sys.version_info >= (3, 11):
                self._task.uncancel()
            raise Disconnected from None

    def _start(self) -> None:
        self._watching = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._is_gone = True
        if self._task is not None:
            self._task.cancel()


class Disconnected(Exception):
    """Raised if the client disconnected before the response."""


async def read_body(receive: Receive, max_body: int) -> bytes:
    """Read the body of a request with bounded memory use.

    receive (Receive): The request.
    max_body (int): Maximum number of bytes.
    RETURNS (bytes): The body.
    RAISES (Problem): If it is too large.
    """
    parts: list[bytes] = []
    size, more = 0, True
    while more and size <= max_body + _MAX_DRAINED:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part = message.get("body", b"")
        size += len(part)
        more = message.get("more_body", False)
        if size > max_body:
            parts.clear()
        else:
            parts.append(part)
    if size > max_body:
        raise Problem(
            413, "body_too_large", f"The body is larger than {max_body} bytes: send fewer texts"
        )
    return b"".join(parts)


async def skip_body(receive: Receive) -> None:
    """Read and discard a body for a short time. A client that is disconnected while it sends may
    not read the response.

    receive (Receive): The request.
    """

    async def skip() -> None:
        size, more = 0, True
        while more and size <= _MAX_DRAINED:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)

    with suppress(asyncio.TimeoutError):
        await within(_SKIP_SECONDS, skip())


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a function that receives the given body and then the remaining messages."""
    is_read = False

    async def receive_again() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def require_token(header: bytes, token: str | None) -> None:
    """Compare the Authorization header with the token, in constant time.

    header (bytes): The header, or empty if there is none.
    token (Optional[str]): The token, or None if none is required.
    RAISES (Problem): If the token is wrong.
    """
    if token is None:
        return
    scheme, _, given = header.partition(b" ")
    is_right = hmac.compare_digest(given.strip(), token.encode("utf-8"))
    if scheme.lower() != b"bearer" or not is_right:
        raise Problem(401, "unauthorized", "Send the header Authorization: Bearer TOKEN")


def overloaded(reason: str) -> Problem:
    """Return the problem of a client that should retry later."""
    return Problem(429, "overloaded", f"{reason}: try again in a second")


def head_too_large(max_head: int) -> Problem:
    """Return the problem of a request whose head exceeds the limit."""
    return Problem(431, "head_too_large", f"The head is larger than {max_head} bytes")


def problem_response(problem: Problem) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of an error response: a schemas.ErrorResponse."""
    headers = {"content-type": "application/json"}
    if problem.status in (429, 503):
        headers["retry-after"] = "1"
    if problem.status == 401:
        headers["www-authenticate"] = "Bearer"
    if problem.status in (408, 413, 431):
        # The rest of the body won't be read.
        headers["connection"] = "close"
    error = {"code": problem.code, "message": problem.message, "details": problem.details}
    return headers, json.dumps({"error": error}).encode("utf-8")


async def send_problem(send: Send, problem: Problem) -> None:
    """Send an error response."""
    headers, body = problem_response(problem)
    pairs = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
    pairs.append((b"content-length", str(len(body)).encode("ascii")))
    await send({"type": "http.response.start", "status": problem.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
