from pathlib import Path
from typing import Annotated

from wasabi import msg

from .. import PRETRAINED
from ..util import require
from ._util import MODEL_HELP, Arg, Opt, app, errors_as_messages


# fmt: off
@app.command("serve")
def serve_cli(
    model: Annotated[str, Arg(show_default=False, help=MODEL_HELP)] = str(PRETRAINED),
    host: Annotated[str, Opt("--host", "-h", help="Host to listen on. The default is only reachable from this machine")] = "127.0.0.1",
    port: Annotated[int, Opt("--port", "-p", min=0, max=65535, help="Port, or 0 for any free port")] = 8000,
    token_file: Annotated[Path | None, Opt("--token-file", help="File with a token that requests must send as Authorization: Bearer TOKEN. Or set the environment variable SPACY_TWITTER_NER_TOKEN")] = None,
    cors_origin: Annotated[list[str] | None, Opt("--cors-origin", help="Origin whose pages may send requests, such as https://example.org; repeatable")] = None,
    allowed_host: Annotated[list[str] | None, Opt("--allowed-host", help="Accepted Host header, or * for any; repeatable. By default, a local service without a token only accepts the names of this machine")] = None,
    workers: Annotated[int, Opt("--workers", "-w", min=1, help="Worker processes, each using one core")] = 1,
    max_body: Annotated[int, Opt("--max-body", min=1, help="Maximum size of a request in bytes")] = 262_144,
    max_texts: Annotated[int, Opt("--max-texts", min=1, help="Maximum number of texts per request")] = 128,
    max_text_length: Annotated[int, Opt("--max-text-length", min=1, help="Maximum length of a text in characters")] = 10_000,
    max_cost: Annotated[int, Opt("--max-cost", min=1, help="Maximum cost of a request: 1 per text plus 1 per 1,000 characters of it, times 1 + alternatives")] = 1024,
    max_batch: Annotated[int, Opt("--max-batch", min=1, help="Maximum cost of a batch of texts")] = 256,
    max_waiting: Annotated[int, Opt("--max-waiting", min=1, help="Maximum cost of queued texts. Further requests get status 429")] = 4096,
    timeout: Annotated[float, Opt("--timeout", min=0.1, help="Request timeout in seconds. A worker that takes longer than half of it is replaced")] = 30.0,
    grace: Annotated[float, Opt("--grace", min=5, help="Shutdown timeout in seconds after SIGTERM")] = 30.0,
    access_log: Annotated[bool, Opt("--access-log", help="Log the method, path and status of each request")] = False,
) -> None:
    # fmt: on
    """
    Serve a pipeline over HTTP (extra `serve`): a demo page at /, the API at POST /annotate, its
    description at /openapi.json, and /healthz, /readyz and /metrics.
    For example: spacy-twitter-ner serve --port 8000
    """
    # Imported here because the libraries may be missing.
    from ..serving.settings import (
        ServiceSettings,
        is_loopback,
        read_token,
        restrict_hosts,
    )

    with errors_as_messages(msg):
        require("serve", "fastapi", "uvicorn", "httptools", "prometheus_client")
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
                msg.warn("Anyone who can reach this machine can use the service: no token is set")
            authority = f"[{host}]" if ":" in host else host
            url = f"http://{authority}:{listener.getsockname()[1]}"
            serve(
                *(model, listener, settings),
                n_workers=workers,
                access_log=access_log,
                on_start=lambda: print(f"Serving {Path(model).name} on {url}", flush=True),
            )
