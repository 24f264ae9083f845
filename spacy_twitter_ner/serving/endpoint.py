"""The endpoint POST /annotate."""

import asyncio

from .batcher import MicroBatcher, QueueFull, WorkerHung
from .errors import log_error
from .middleware import (
    App,
    CancelledOnDisconnect,
    Receive,
    Scope,
    Send,
    overloaded,
    read_body,
    within,
)
from .schemas import AnnotateRequest, Problem, join_responses, read_request
from .settings import ServiceSettings

PATH = "/annotate"
_JSON = (b"content-type", b"application/json")


class AnnotateEndpoint:
    """Parse requests and process them.

    batcher (MicroBatcher): The batcher.
    settings (ServiceSettings): The limits.
    """

    def __init__(
        self, batcher: MicroBatcher[AnnotateRequest, bytes], settings: ServiceSettings
    ) -> None:
        self.batcher = batcher
        self.settings = settings

    async def respond(self, content_type: str, body: bytes) -> bytes:
        """Process a request.

        content_type (str): The Content-Type header.
        body (bytes): The body.
        RETURNS (bytes): The response: a schemas.AnnotateResponse in JSON.
        RAISES (Problem): If the request is invalid or fails.
        """
        if content_type.partition(";")[0].strip().lower() != "application/json":
            raise Problem(415, "not_json", "Send the header Content-Type: application/json")
        request = read_request(body, self.settings)
        parts = request.split(self.settings.max_batch)
        try:
            responses = await within(self.settings.timeout, self.batcher.submit_parts(parts))
            return join_responses(responses)
        except QueueFull:
            raise overloaded("The queue is full") from None
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
                f"The pipeline didn't respond within {self.settings.worker_timeout:g} s and is "
                "being restarted: try again, with fewer texts",
            ) from None
        except Exception as error:
            log_error(error)
            raise Problem(500, "internal", "The pipeline failed on these texts") from None


class FastPath:
    """ASGI middleware that handles POST /annotate without FastAPI. Its routing takes longer than
    the annotation of a short text.

    app (App): The application for all other requests.
    endpoint (AnnotateEndpoint): The endpoint.
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
            response = await self.endpoint.respond(content_type, body)
        length = (b"content-length", b"%d" % len(response))
        await send({"type": "http.response.start", "status": 200, "headers": [_JSON, length]})
        await send({"type": "http.response.body", "body": response})
