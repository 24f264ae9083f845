"""The service as an ASGI application."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException

from .. import __version__
from ..viz.colors import type_colors
from .batcher import MicroBatcher
from .endpoint import PATH, AnnotateEndpoint, FastPath
from .metrics import ServiceMetrics
from .middleware import App, LimitMiddleware, problem_response
from .schemas import (
    MAX_ALTERNATIVES,
    AnnotateRequest,
    AnnotateResponse,
    Description,
    ErrorResponse,
    Problem,
    Worker,
    get_request_schema,
)
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
    400: "The body isn't JSON in UTF-8",
    401: "The token is missing or wrong",
    408: "The body didn't arrive in time",
    413: "The body, a text, the number of texts or their cost exceeds a limit",
    415: "The content type isn't JSON",
    421: "The Host header isn't allowed",
    422: "The body isn't a valid request",
    429: "The queue is full: see the header Retry-After",
    431: "The request head exceeds the limit",
    503: "The request timed out, or the pipeline is being restarted",
}


def create_app(nlp: "Language", settings: ServiceSettings | None = None) -> App:
    """Create the service for a pipeline in this process.

    nlp (Language): The pipeline. Don't use it elsewhere while the service runs.
    settings (Optional[ServiceSettings]): The settings. Default: ServiceSettings().
    RETURNS (App): The ASGI application. Its OpenAPI document is at /openapi.json.
    """
    # Imports spaCy, which isn't needed if workers run in other processes.
    from .local_worker import LocalWorker

    return create_app_for_workers([LocalWorker(nlp)], settings or ServiceSettings())


def create_app_for_workers(workers: Sequence[Worker], settings: ServiceSettings) -> App:
    """Create the service for several workers.

    workers (Sequence[Worker]): The workers, all with the same pipeline.
    settings (ServiceSettings): The settings.
    RETURNS (App): The ASGI application.
    """
    metrics = ServiceMetrics()
    batcher: MicroBatcher[AnnotateRequest, bytes] = MicroBatcher(
        workers,
        max_batch=settings.max_batch,
        max_waiting=settings.max_waiting,
        timeout=settings.worker_timeout,
        on_batch=lambda batch: metrics.batch_texts.observe(
            sum(len(request.all_texts) for request in batch)
        ),
    )

    def count_ready() -> int:
        return sum(worker.is_ready for worker in workers) if batcher.is_running else 0

    metrics.waiting.set_function(lambda: batcher.n_waiting)
    metrics.workers.set_function(count_ready)
    endpoint = AnnotateEndpoint(batcher, settings)
    api = _create_api(batcher, workers)
    _add_annotate(api, endpoint)
    _add_probes(api, count_ready, metrics)
    _add_page(api, _describe_pipeline(workers[0].describe(), settings))
    app: App = LimitMiddleware(
        FastPath(api, endpoint), settings=settings, metrics=metrics, routes=ROUTES
    )
    if settings.cors_origins:
        app = CORSMiddleware(
            app,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    return app


def _create_api(
    batcher: MicroBatcher[AnnotateRequest, bytes], workers: Sequence[Worker]
) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Warm up: the first batch takes longer.
        warm_up = [AnnotateRequest(text="so tired", probabilities=True)]
        await asyncio.gather(*(asyncio.to_thread(worker.annotate, warm_up) for worker in workers))
        batcher.start()
        yield
        await batcher.close()
        await asyncio.gather(*(asyncio.to_thread(worker.close) for worker in workers))

    api = FastAPI(
        title="spacy-twitter-ner",
        version=__version__,
        summary="Named entities of tweets",
        lifespan=lifespan,
        # FastAPI's documentation pages load scripts from a CDN.
        docs_url=None,
        redoc_url=None,
        # FastAPI builds redirects from the client's Host header.
        redirect_slashes=False,
    )
    add_error_handlers(api)
    return api


def add_error_handlers(api: FastAPI) -> None:
    """Respond to problems, unknown paths and wrong methods as described in schemas.ErrorResponse.

    api (FastAPI): The application.
    """
    api.add_exception_handler(Problem, _handle_problem)
    api.add_exception_handler(HTTPException, _handle_http_exception)


def _add_annotate(app: FastAPI, endpoint: AnnotateEndpoint) -> None:
    async def annotate(request: Request) -> Response:
        content_type = request.headers.get("content-type", "")
        body = await endpoint.respond(content_type, await request.body())
        return Response(body, media_type="application/json")

    schema = get_request_schema(endpoint.settings)
    app.add_api_route(
        PATH,
        annotate,
        methods=["POST"],
        summary="Annotate one or several texts",
        response_model=AnnotateResponse,
        responses=_describe_errors(),
        openapi_extra={
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
            **({"security": [{"bearer": []}]} if endpoint.settings.token else {}),
        },
    )


def _add_probes(app: FastAPI, count_ready: Callable[[], int], metrics: ServiceMetrics) -> None:
    @app.get("/healthz", summary="Liveness probe")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get(
        "/readyz",
        summary="Readiness probe",
        responses={503: {"model": ErrorResponse, "description": "Starting or stopping"}},
    )
    async def ready() -> dict[str, str]:
        if not count_ready():
            raise Problem(503, "not_ready", "The service is starting or stopping")
        return {"status": "ready"}

    async def expose() -> Response:
        return Response(metrics.render(), media_type=metrics.content_type)

    app.add_api_route("/metrics", expose, include_in_schema=False)


def _add_page(app: FastAPI, pipeline: dict[str, Any]) -> None:
    async def describe() -> dict[str, Any]:
        return pipeline

    app.add_api_route("/pipeline", describe, summary="Name, labels and limits of the pipeline")
    add_files(app, PAGE_TYPES, __package__)


def add_files(app: FastAPI, types: Mapping[str, str], *packages: str) -> None:
    """Serve the files of a page: index.html at /, and all of them at /page.

    app (FastAPI): The app.
    types (Mapping[str, str]): The content type of each file.
    *packages (str): The packages with a folder `page`. A file is read from the first that has it.
    """
    folders = [files(package) / "page" for package in packages]
    page = {
        name: next(path for folder in folders if (path := folder / name).is_file()).read_bytes()
        for name in types
    }

    async def index() -> Response:
        return Response(page["index.html"], media_type=types["index.html"])

    async def asset(name: str) -> Response:
        if name not in page:
            raise Problem(404, "not_found", "No such file")
        return Response(page[name], media_type=types[name])

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


async def _handle_problem(request: Request, problem: Any) -> Response:
    headers, body = problem_response(problem)
    return Response(body, problem.status, headers)


async def _handle_http_exception(request: Request, error: Any) -> Response:
    """Convert an error of Starlette, such as an unknown path or method."""
    codes = {404: "not_found", 405: "method_not_allowed"}
    code = codes.get(error.status_code, "http_error")
    headers, body = problem_response(Problem(error.status_code, code, str(error.detail)))
    return Response(body, error.status_code, {**headers, **(error.headers or {})})
