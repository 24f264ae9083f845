"""What every request passes before it is read: limits, token, metrics, headers of the answer."""

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
from .messages import Problem
from .metrics import ServiceMetrics
from .settings import ServiceSettings, parse_host

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
ResultT = TypeVar("ResultT")

ANNOTATE = "/annotate"
PROTECTED = (ANNOTATE, "/metrics")
# The key of a connection's ConnectionState in scope["state"].
CONNECTION = "spacy_twitter_ner.connection"
# A page that holds texts of strangers: nothing of it runs but our own script, nothing leaves it
# but requests to this service, and no other page may frame it.
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
# Of a body that is too large so much is read and thrown away: a client that is cut off while it
# sends would not read why.
_MAX_DRAINED = 4 * 1024 * 1024
# Seconds in which the body of a request is dropped that isn't let in.
_SKIP_SECONDS = 1.0
# Seconds after which it is worth watching whether a client still waits.
_PATIENCE = 0.2


@dataclass
class ConnectionState:
    """What decides whether a connection is closed to make room for others.

    is_trusted (bool): Whether it has had a request that was let in.
    n_active (int): How many such requests it has now.
    """

    is_trusted: bool = False
    n_active: int = 0


class Gate:
    """An ASGI application around another.

    app (App): The application.
    settings (ServiceSettings): The limits and the token.
    metrics (ServiceMetrics): Where requests are counted.
    routes (Collection[str]): The paths that are counted by themselves.
    """

    def __init__(
        self,
        app: App,
        settings: ServiceSettings,
        metrics: ServiceMetrics,
        routes: frozenset[str] = frozenset(),
    ) -> None:
        self.app = app
        self.settings = settings
        self.metrics = metrics
        self.routes = routes
        self._n_active = self._n_slots = 0
        self._clients: Counter[str] = Counter()
        self._hosts = frozenset(parse_host(one) or one.lower() for one in settings.allowed_hosts)
        metrics.active.set_function(lambda: self._n_active)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500
        has_begun = False
        is_head = scope["method"] == "HEAD"
        if is_head:
            scope = {**scope, "method": "GET"}
        headers = dict(scope["headers"])

        async def send_secured(message: Message) -> None:
            nonlocal has_begun, status
            if message["type"] == "http.response.start":
                has_begun, status = True, message["status"]
                message["headers"] = [*message.get("headers", ()), *SECURITY_HEADERS]
                if has_body and not body_is_read:
                    message["headers"].append((b"connection", b"close"))
            elif is_head:
                message = {**message, "body": b""}
            await send(message)

        has_body = headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers
        body_is_read = False
        self._n_active += 1
        try:
            self._check_head(scope)
            if scope["path"] in PROTECTED and scope["method"] != "OPTIONS":
                require_token(headers.get(b"authorization", b""), self.settings.token)
            if scope["path"] == ANNOTATE and scope["method"] == "POST":
                client, connection = self._take_slot(scope)
                try:
                    body = await self._receive(receive)
                    body_is_read = True
                    await self.app(scope, replay(body, receive), send_secured)
                finally:
                    self._free_slot(client, connection)
            else:
                if has_body:
                    await skip_body(receive)
                await self.app(scope, replay(b"", receive), send_secured)
        except Problem as problem:
            if has_body and problem.status in (401, 421, 429):
                await skip_body(receive)
            await send_problem(send_secured, problem)
        except Disconnected:
            status = 499  # nginx's number for a client that went away
        except Exception as error:
            log_error(error)
            if not has_begun:
                await send_problem(send_secured, Problem(500, "internal", "The service failed"))
        finally:
            self._n_active -= 1
            route = scope["path"] if scope["path"] in self.routes else "other"
            self.metrics.count(route, status, time.perf_counter() - start)

    def _check_head(self, scope: Scope) -> None:
        """RAISES (Problem): If the head is too large or the host isn't served."""
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
                    "The service doesn't serve the host that the Host header names: start it with "
                    "--allowed-host NAME",
                )

    def _take_slot(self, scope: Scope) -> tuple[str, ConnectionState]:
        """Count a request to /annotate, from when it is received until it is answered.

        RAISES (Problem): If there are too many.
        """
        client = (scope.get("client") or ("", 0))[0]
        if (
            self._n_slots >= self.settings.max_requests
            or self._clients[client] >= self.settings.max_client_requests
        ):
            raise overloaded("Too many requests are worked on")
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
        """RETURNS (bytes): The request's body.
        RAISES (Problem): If it is too large or takes too long."""
        try:
            return await within(
                self.settings.body_timeout, read_body(receive, self.settings.max_body)
            )
        except asyncio.TimeoutError:
            raise Problem(
                408, "too_slow", f"The body took longer than {self.settings.body_timeout:g} s"
            ) from None


async def within(seconds: float, work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Wait for work, but not for long.

    seconds (float): How long.
    work (Coroutine): The work; cancelled if it takes longer.
    RETURNS (ResultT): Its result.
    RAISES (asyncio.TimeoutError): If it took longer.
    """
    # Before Python 3.12, wait_for makes a task of the work, which costs more than a request's body.
    if sys.version_info < (3, 11):
        return await asyncio.wait_for(work, seconds)
    async with asyncio.timeout(seconds):
        return await work


class CancelledOnDisconnect:
    """Cancel a block if the client goes away meanwhile: it then raises Disconnected.

    receive (Receive): The request, whose body has been read.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_gone = False
        self._watching: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        # A task per request would cost more than it saves: most are answered sooner.
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
    """The client went away before its request was answered."""


async def read_body(receive: Receive, max_body: int) -> bytes:
    """Read a request's body, never holding more than is allowed.

    receive (Receive): The request.
    max_body (int): How many bytes are allowed.
    RETURNS (bytes): The body.
    RAISES (Problem): If it is larger.
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
    """Read and drop a body, for a short time: a client that is cut off while it sends might not
    read the response.

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
    """RETURNS (Receive): Gives the body in one piece, and then what comes after it."""
    is_read = False

    async def receive_again() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def require_token(header: bytes, token: str | None) -> None:
    """Compare the header Authorization with the token, in a time that tells nothing of it.

    header (bytes): The header; empty if there is none.
    token (Optional[str]): The token; None if none is needed.
    RAISES (Problem): If it is not the token.
    """
    if token is None:
        return
    scheme, _, given = header.partition(b" ")
    is_right = hmac.compare_digest(given.strip(), token.encode("utf-8"))
    if scheme.lower() != b"bearer" or not is_right:
        raise Problem(401, "unauthorized", "Send the header Authorization: Bearer TOKEN")


def overloaded(reason: str) -> Problem:
    """RETURNS (Problem): Says that the client shall come again."""
    return Problem(429, "overloaded", f"{reason}: try again in a second")


def head_too_large(max_head: int) -> Problem:
    """RETURNS (Problem): The problem of a request whose head exceeds the limit."""
    return Problem(431, "head_too_large", f"The head is larger than {max_head} bytes")


def problem_response(problem: Problem) -> tuple[dict[str, str], bytes]:
    """RETURNS (tuple[dict[str, str], bytes]): Headers and body, a messages.ErrorResponse."""
    headers = {"content-type": "application/json"}
    if problem.status in (429, 503):
        headers["retry-after"] = "1"
    if problem.status == 401:
        headers["www-authenticate"] = "Bearer"
    if problem.status in (408, 413, 431):
        # There may be more of the body to come, which nobody will read.
        headers["connection"] = "close"
    error = {"code": problem.code, "message": problem.message, "details": problem.details}
    return headers, json.dumps({"error": error}).encode("utf-8")


async def send_problem(send: Send, problem: Problem) -> None:
    """Answer a request that is not let in."""
    headers, body = problem_response(problem)
    pairs = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
    pairs.append((b"content-length", str(len(body)).encode("ascii")))
    await send({"type": "http.response.start", "status": problem.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
