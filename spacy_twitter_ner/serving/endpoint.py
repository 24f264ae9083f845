"""The way of nearly all requests: POST /annotate."""

import asyncio

from .batching import MicroBatcher, QueueFull, WorkerHung
from .errors import log_error
from .gate import (
    App,
    CancelledOnDisconnect,
    Receive,
    Scope,
    Send,
    overloaded,
    read_body,
    within,
)
from .messages import AnnotateRequest, Problem, join_answers, read_request
from .settings import ServiceSettings

PATH = "/annotate"
_JSON = (b"content-type", b"application/json")


class AnnotateEndpoint:
    """Reads requests, and has them answered.

    batcher (MicroBatcher): Answers them.
    settings (ServiceSettings): The limits.
    """

    def __init__(
        self, batcher: MicroBatcher[AnnotateRequest, bytes], settings: ServiceSettings
    ) -> None:
        self.batcher = batcher
        self.settings = settings

    async def answer(self, content_type: str, body: bytes) -> bytes:
        """Answer a request.

        content_type (str): Its header Content-Type.
        body (bytes): Its body.
        RETURNS (bytes): The answer, as messages.AnnotateResponse in JSON.
        RAISES (Problem): If there is none.
        """
        if content_type.partition(";")[0].strip().lower() != "application/json":
            raise Problem(415, "not_json", "Send the header Content-Type: application/json")
        request = read_request(body, self.settings)
        parts = request.split(self.settings.max_batch)
        try:
            answers = await within(self.settings.timeout, self.batcher.submit_parts(parts))
            return join_answers(answers)
        except QueueFull:
            raise overloaded("Too many texts are waiting") from None
        except asyncio.TimeoutError:
            raise Problem(
                503,
                "timeout",
                f"The texts took longer than {self.settings.timeout:g} s: send fewer",
            ) from None
        except WorkerHung:
            raise Problem(
                503,
                "worker_timeout",
                f"The pipeline did not answer within {self.settings.worker_timeout:g} s and is "
                "restarted: try again, with fewer texts",
            ) from None
        except Exception as error:
            log_error(error)
            raise Problem(500, "internal", "The pipeline failed on these texts") from None


class Shortcut:
    """An ASGI application around another, whose routing would cost a request of one text more than
    the pipeline's share for it: POST /annotate is answered here.

    app (App): Has all other requests.
    endpoint (AnnotateEndpoint): Has these.
    """

    def __init__(self, app: App, endpoint: AnnotateEndpoint) -> None:
        self.app = app
        self.endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        content_type = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
        body = await read_body(receive, self.endpoint.settings.max_body)
        with CancelledOnDisconnect(receive):
            answer = await self.endpoint.answer(content_type, body)
        length = (b"content-length", b"%d" % len(answer))
        await send({"type": "http.response.start", "status": 200, "headers": [_JSON, length]})
        await send({"type": "http.response.body", "body": answer})
