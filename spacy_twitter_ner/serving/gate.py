"""What every request passes before it is read: limits, token, metrics, headers of the answer."""

import asyncio
import hmac
import json
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, TypeAlias, TypeVar

from .errors import log_error
from .messages import Problem
from .metrics import ServiceMetrics
from .settings import ServiceSettings

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
ResultT = TypeVar("ResultT")

PROTECTED = ("/annotate", "/metrics")
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
        self._n_active = 0
        metrics.active.set_function(lambda: self._n_active)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500
        has_begun = False

        async def send_secured(message: Message) -> None:
            nonlocal has_begun, status
            if message["type"] == "http.response.start":
                has_begun, status = True, message["status"]
                message["headers"] = [*message.get("headers", ()), *SECURITY_HEADERS]
            await send(message)

        self._n_active += 1
        try:
            body = await self._admit(scope, receive)
            await self.app(scope, replay(body, receive), send_secured)
        except Problem as problem:
            await send_problem(send_secured, problem)
        except _Disconnected:
            status = 499  # nginx's number for a client that went away
        except Exception as error:
            log_error(error)
            if not has_begun:
                await send_problem(send_secured, Problem(500, "internal", "The service failed"))
        finally:
            self._n_active -= 1
            route = scope["path"] if scope["path"] in self.routes else "other"
            self.metrics.count(route, status, time.perf_counter() - start)

    async def _admit(self, scope: Scope, receive: Receive) -> bytes:
        """RETURNS (bytes): The request's body.
        RAISES (Problem): If the request is not let in."""
        if self._n_active > self.settings.max_requests:
            raise overloaded("Too many requests are worked on")
        headers = dict(scope["headers"])
        if scope["path"] in PROTECTED and scope["method"] != "OPTIONS":
            require_token(headers.get(b"authorization", b""), self.settings.token)
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


class _Disconnected(Exception):
    """The client went away before its request had arrived."""


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
            raise _Disconnected
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


def problem_response(problem: Problem) -> tuple[dict[str, str], bytes]:
    """RETURNS (tuple[dict[str, str], bytes]): Headers and body, a messages.ErrorResponse."""
    headers = {"content-type": "application/json"}
    if problem.status in (429, 503):
        headers["retry-after"] = "1"
    if problem.status == 401:
        headers["www-authenticate"] = "Bearer"
    if problem.status in (408, 413):
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
