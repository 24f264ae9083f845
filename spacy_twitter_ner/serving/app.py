"""The service as an ASGI application."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException

from .. import __version__
from ..viz.colors import type_colors
from .batching import MicroBatcher
from .endpoint import PATH, AnnotateEndpoint, Shortcut
from .gate import App, Gate, problem_response
from .messages import (
    MAX_ALTERNATIVES,
    AnnotateRequest,
    AnnotateResponse,
    Annotates,
    Description,
    ErrorResponse,
    Problem,
    request_schema,
)
from .metrics import ServiceMetrics
from .settings import ServiceSettings

if TYPE_CHECKING:
    from spacy.language import Language

PAGE_TYPES = {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "main.js": "text/javascript; charset=utf-8",
    "results.js": "text/javascript; charset=utf-8",
}
ROUTES = frozenset({"/", PATH, "/healthz", "/readyz", "/metrics", "/pipeline"})
_ERRORS = {
    400: "The body is not JSON in UTF-8",
    401: "A token is needed",
    408: "The body did not arrive in time",
    413: "The body, a text, the number of texts or their cost is above a limit",
    415: "The body is not said to be JSON",
    421: "The host is not served here",
    422: "The body is not a request",
    429: "Too much is waiting; the header Retry-After says when to try again",
    431: "The head is above a limit",
    503: "The answer took too long, or the pipeline is restarted",
}


def create_app(nlp: "Language", settings: ServiceSettings | None = None) -> App:
    """Make the service of a pipeline in this process.

    nlp (Language): The pipeline. It must not be used elsewhere meanwhile.
    settings (Optional[ServiceSettings]): Limits, token and origins; the defaults if None.
    RETURNS (App): The application. Its OpenAPI document is at /openapi.json.
    """
    # It imports spaCy, which a process that only speaks HTTP does without.
    from .annotating import Annotator

    return create_app_of([Annotator(nlp)], settings or ServiceSettings())


def create_app_of(annotators: Sequence[Annotates], settings: ServiceSettings) -> App:
    """Make the service of a pipeline that there may be several of.

    annotators (Sequence[Annotates]): All of the same pipeline.
    settings (ServiceSettings): Limits, token and origins.
    RETURNS (App): The application.
    """
    metrics = ServiceMetrics()
    batcher: MicroBatcher[AnnotateRequest, bytes] = MicroBatcher(
        annotators,
        max_batch=settings.max_batch,
        max_waiting=settings.max_waiting,
        timeout=settings.worker_timeout,
        on_batch=lambda batch: metrics.batch_texts.observe(
            sum(len(request.all_texts) for request in batch)
        ),
    )

    def count_ready() -> int:
        return sum(one.is_ready for one in annotators) if batcher.is_running else 0

    metrics.waiting.set_function(lambda: batcher.n_waiting)
    metrics.workers.set_function(count_ready)
    endpoint = AnnotateEndpoint(batcher, settings)
    api = _create_api(batcher, annotators)
    _add_annotate(api, endpoint)
    _add_probes(api, count_ready, metrics)
    _add_page(api, _describe_pipeline(annotators[0].describe(), settings))
    app: App = Gate(Shortcut(api, endpoint), settings=settings, metrics=metrics, routes=ROUTES)
    if settings.cors_origins:
        app = CORSMiddleware(
            app,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    return app


def _create_api(
    batcher: MicroBatcher[AnnotateRequest, bytes], annotators: Sequence[Annotates]
) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # The first batch takes longer than all others.
        warm_up = [AnnotateRequest(text="so tired", probabilities=True)]
        await asyncio.gather(*(asyncio.to_thread(one.annotate, warm_up) for one in annotators))
        batcher.start()
        yield
        await batcher.close()
        await asyncio.gather(*(asyncio.to_thread(one.close) for one in annotators))

    api = FastAPI(
        title="spacy-twitter-ner",
        version=__version__,
        summary="Named entities of tweets",
        lifespan=lifespan,
        # FastAPI's pages of documentation load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        # Redirects would be built from the client's Host header.
        redirect_slashes=False,
    )
    api.add_exception_handler(Problem, _answer_problem)
    api.add_exception_handler(HTTPException, _answer_http_exception)
    return api


def _add_annotate(app: FastAPI, endpoint: AnnotateEndpoint) -> None:
    async def annotate(request: Request) -> Response:
        content_type = request.headers.get("content-type", "")
        answer = await endpoint.answer(content_type, await request.body())
        return Response(answer, media_type="application/json")

    schema = request_schema(endpoint.settings)
    app.add_api_route(
        PATH,
        annotate,
        methods=["POST"],
        summary="Find the entities of one text or of several",
        response_model=AnnotateResponse,
        responses=_describe_errors(),
        openapi_extra={
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
            **({"security": [{"bearer": []}]} if endpoint.settings.token else {}),
        },
    )


def _add_probes(app: FastAPI, count_ready: Callable[[], int], metrics: ServiceMetrics) -> None:
    @app.get("/healthz", summary="Whether the process lives")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get(
        "/readyz",
        summary="Whether requests are taken",
        responses={503: {"model": ErrorResponse, "description": "Not yet, or no more"}},
    )
    async def ready() -> dict[str, str]:
        if not count_ready():
            raise Problem(503, "not_ready", "The service starts or stops")
        return {"status": "ready"}

    async def expose() -> Response:
        return Response(metrics.render(), media_type=metrics.content_type)

    app.add_api_route("/metrics", expose, include_in_schema=False)


def _add_page(app: FastAPI, pipeline: dict[str, Any]) -> None:
    folder = files(__package__) / "page"
    page = {name: (folder / name).read_bytes() for name in PAGE_TYPES}

    async def describe() -> dict[str, Any]:
        return pipeline

    async def index() -> Response:
        return Response(page["index.html"], media_type=PAGE_TYPES["index.html"])

    async def asset(name: str) -> Response:
        if name not in page:
            raise Problem(404, "not_found", "There is no such file")
        return Response(page[name], media_type=PAGE_TYPES[name])

    app.add_api_route("/pipeline", describe, summary="Name, labels and limits")
    app.add_api_route("/", index, include_in_schema=False)
    app.add_api_route("/page/{name}", asset, include_in_schema=False)


def _describe_pipeline(pipeline: Description, settings: ServiceSettings) -> dict[str, Any]:
    return {
        **pipeline,
        "colors": type_colors(pipeline["labels"]),
        "needs_token": settings.token is not None,
        "max_texts": settings.max_texts,
        "max_text_length": settings.max_text_length,
        "max_cost": min(settings.max_cost, settings.max_waiting),
        "max_alternatives": MAX_ALTERNATIVES,
    }


def _describe_errors() -> dict[int | str, dict[str, Any]]:
    return {
        status: {"model": ErrorResponse, "description": description}
        for status, description in _ERRORS.items()
    }


async def _answer_problem(request: Request, problem: Any) -> Response:
    headers, body = problem_response(problem)
    return Response(body, problem.status, headers)


async def _answer_http_exception(request: Request, error: Any) -> Response:
    """What Starlette has to say itself: no such path, no such method."""
    codes = {404: "not_found", 405: "method_not_allowed"}
    code = codes.get(error.status_code, "http_error")
    headers, body = problem_response(Problem(error.status_code, code, str(error.detail)))
    return Response(body, error.status_code, {**headers, **(error.headers or {})})
