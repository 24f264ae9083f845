"""The teaching page and its API."""

from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from .. import __version__, serving
from ..serving.app import add_error_handlers, add_files
from ..serving.metrics import ServiceMetrics
from ..serving.middleware import App, LimitMiddleware, problem_response
from ..serving.schemas import Problem
from ..serving.settings import ServiceSettings
from ..viz.colors import type_colors
from .desk import ADJUDICATED, Desk, InvalidAnswerError, UnknownTweetError
from .journal import JournalError

PAGE_TYPES = {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",  # that of the service
    "teach.css": "text/css; charset=utf-8",
    "main.js": "text/javascript; charset=utf-8",
    "tweet.js": "text/javascript; charset=utf-8",
    "progress.js": "text/javascript; charset=utf-8",
}
API = "/api"
GETS = frozenset({f"{API}/progress", f"{API}/disagreement"})
POSTS = frozenset({f"{API}/next", f"{API}/answer", f"{API}/label", f"{API}/finish"})
# Requests from other sites can't have this header without our permission.
HEADER = "x-teach"
_MAX_NEXT = 10

Name = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f\x7f]+$")]
Label = Annotated[str, Field(pattern=r"^[\w.&+-]{1,40}$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NextBody(_Body):
    """A request for tweets."""

    annotator: Name
    client: Name
    n: int = Field(ge=1, le=_MAX_NEXT)


class AnswerBody(_Body):
    """An answer. Offsets count Unicode code points."""

    id: Name
    tweet: StrictInt
    annotator: Name
    action: Literal["accept", "skip", "flag"]
    spans: list[tuple[StrictInt, StrictInt, str]] = Field(max_length=500)
    unsure: list[tuple[StrictInt, StrictInt]] = Field(max_length=500)
    seconds: float = Field(ge=0, le=86_400)
    adjudicates: bool = False


class LabelBody(_Body):
    """A new type."""

    id: Name
    label: Label


def create_app(desk: Desk, settings: ServiceSettings) -> App:
    """Create the application for a session.

    desk (Desk): The session.
    settings (ServiceSettings): Limits, token and allowed hosts.
    RETURNS (App): The ASGI application.
    """
    # FastAPI's documentation pages load scripts from a CDN.
    api = FastAPI(title="spacy-twitter-ner teach", version=__version__, openapi_url=None)
    add_error_handlers(api)
    api.add_exception_handler(RequestValidationError, _handle_invalid)
    add_files(api, PAGE_TYPES, __package__, serving.__name__)
    _add_reads(api, desk)
    _add_writes(api, desk)
    return LimitMiddleware(api, settings, ServiceMetrics(), protected=GETS | POSTS, posts=POSTS)


def _add_reads(api: FastAPI, desk: Desk) -> None:
    # Not async: they wait for locks and files, in threads.
    @api.get(f"{API}/progress")
    def progress(target: Annotated[float, Field(gt=0, lt=1)] = 0.8) -> dict[str, Any]:
        found = desk.describe_progress(target)
        return {**found, "colors": type_colors(found["labels"])}

    @api.get(f"{API}/disagreement")
    def disagreement(tweet: int) -> dict[str, Any]:
        try:
            return desk.disagreement(tweet)
        except UnknownTweetError as error:
            raise Problem(404, "unknown_tweet", str(error)) from error


def _add_writes(api: FastAPI, desk: Desk) -> None:
    @api.post(f"{API}/next")
    def give_next(request: Request, body: NextBody) -> dict[str, Any]:
        _require_own_page(request)
        return {"tweets": desk.next_tweets(body.annotator, body.client, body.n)}

    @api.post(f"{API}/answer")
    def answer(request: Request, body: AnswerBody) -> dict[str, Any]:
        _require_own_page(request)
        fields = body.model_dump(exclude={"adjudicates"})
        if body.adjudicates:
            fields["annotator"] = ADJUDICATED
        elif body.annotator == ADJUDICATED:
            raise Problem(422, "invalid", f"the name {ADJUDICATED!r} is reserved: use another one")
        return {"is_new": _store(lambda: desk.answer(**fields))}

    @api.post(f"{API}/label")
    def add_label(request: Request, body: LabelBody) -> dict[str, Any]:
        _require_own_page(request)
        return {"is_new": _store(lambda: desk.add_label(body.id, body.label))}

    @api.post(f"{API}/finish")
    def finish(request: Request) -> dict[str, Any]:
        _require_own_page(request)
        return {"is_started": desk.finish()}


def _store(action: Any) -> bool:
    try:
        return action()
    except UnknownTweetError as error:
        raise Problem(404, "unknown_tweet", str(error)) from error
    except InvalidAnswerError as error:
        raise Problem(422, "invalid", str(error)) from error
    except JournalError as error:
        message = f"Not saved: {error.strerror}. Your answer is still here: try again"
        raise Problem(507, "not_saved", message) from error


def _require_own_page(request: Request) -> None:
    """Reject forms and scripts of other sites.

    RAISES (Problem): If the request isn't JSON with our header.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise Problem(415, "not_json", "Send JSON with Content-Type: application/json")
    if HEADER not in request.headers:
        raise Problem(403, "forbidden", f"Send the header {HEADER}: 1")


async def _handle_invalid(request: Request, error: Any) -> Response:
    places = [".".join(map(str, one["loc"][1:])) for one in error.errors()]
    problem = Problem(422, "invalid", f"Invalid: {', '.join(places[:5]) or 'the request'}")
    headers, body = problem_response(problem)
    return Response(body, problem.status, headers)
