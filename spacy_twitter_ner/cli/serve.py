"""The command `serve`."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from .. import PRETRAINED
from .app import MODEL_HELP, app, errors_as_messages


@app.command("serve")
def serve_cli(
    model: Annotated[str, typer.Argument(show_default=False, help=MODEL_HELP)] = str(PRETRAINED),
    host: Annotated[
        str, typer.Option("--host", "-h", help="Where to listen; by default for this machine only")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", "-p", min=0, max=65535, help="The port; 0 for any free one")
    ] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            help="File with a token that requests need: Authorization: Bearer TOKEN. The "
            "environment variable SPACY_TWITTER_NER_TOKEN does the same",
        ),
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(
            "--cors-origin", help="Origin whose pages may ask, as https://example.org; repeatable"
        ),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allowed-host",
            help="Host name that requests may be addressed to, or * for any; repeatable. Without a "
            "token, a service on this machine only answers to its own names by default",
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option("--workers", "-w", min=1, help="Processes that annotate, each on a core"),
    ] = 1,
    max_body: Annotated[
        int, typer.Option("--max-body", min=1, help="Bytes of a request")
    ] = 262_144,
    max_texts: Annotated[int, typer.Option("--max-texts", min=1, help="Texts of a request")] = 128,
    max_text_length: Annotated[
        int, typer.Option("--max-text-length", min=1, help="Characters of a text")
    ] = 10_000,
    max_cost: Annotated[
        int,
        typer.Option(
            "--max-cost",
            min=1,
            help="Cost of a request: 1 per text and per 1,000 characters of it, times 1 + "
            "alternatives",
        ),
    ] = 1024,
    max_batch: Annotated[
        int,
        typer.Option("--max-batch", min=1, help="Cost of the texts that are annotated together"),
    ] = 256,
    max_waiting: Annotated[
        int,
        typer.Option("--max-waiting", min=1, help="Cost of the texts that may wait; above it, 429"),
    ] = 4096,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            min=0.1,
            help="Seconds within which a request is answered; a worker that takes longer than half "
            "of them is replaced",
        ),
    ] = 30.0,
    grace: Annotated[
        float,
        typer.Option("--grace", min=5, help="Seconds within which the service ends on SIGTERM"),
    ] = 30.0,
    access_log: Annotated[
        bool, typer.Option("--access-log", help="Log each request's method, path and status")
    ] = False,
) -> None:
    """
    Serve a pipeline on the web (extra `serve`): a page to try it at /, POST /annotate for
    programs, /openapi.json, which describes it, /healthz, /readyz and /metrics. For example:
    spacy-twitter-ner serve --port 8000
    """
    # Imported here because the libraries may be missing.
    from ..serving.libraries import require_libraries
    from ..serving.settings import (
        ServiceSettings,
        is_loopback,
        read_token,
        restrict_hosts,
    )

    with errors_as_messages(msg):
        require_libraries()
        from ..serving.server import open_socket, serve

        settings = ServiceSettings(
            max_body=max_body,
            max_texts=max_texts,
            max_text_length=max_text_length,
            max_cost=max_cost,
            max_batch=max_batch,
            max_waiting=max_waiting,
            timeout=timeout,
            grace=grace,
            token=read_token(token_file),
            cors_origins=tuple(cors_origin or ()),
        )
        settings = restrict_hosts(settings, host, allowed_host or ())
        with open_socket(host, port) as listener:
            if not is_loopback(host) and settings.token is None:
                msg.warn("Whoever reaches this machine can use the service: no token is set")
            place = f"[{host}]" if ":" in host else host
            url = f"http://{place}:{listener.getsockname()[1]}"
            serve(
                *(model, listener, settings),
                n_workers=workers,
                access_log=access_log,
                on_start=lambda: print(f"Serving {Path(model).name} on {url}", flush=True),
            )
