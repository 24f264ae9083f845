from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from wasabi import msg

from .. import PRETRAINED
from ..util import require
from ._util import MODEL_HELP, Opt, TweetFiles, app, errors_as_messages, printable

if TYPE_CHECKING:
    from ..teaching.session import SessionFolder


# fmt: off
@app.command("teach")
def teach_cli(
    tweets: TweetFiles,
    output: Annotated[Path, Opt("--output", "-o", help="Folder of the session. An existing session is continued")],
    model: Annotated[str, Opt("--model", "-m", show_default=False, help=MODEL_HELP)] = str(PRETRAINED),
    blank: Annotated[bool, Opt("--blank", help="Start without a trained pipeline, from the lexical knowledge of the pretrained one. Needs --labels")] = False,
    labels: Annotated[str, Opt("--labels", "-l", help="Types to annotate, separated by commas. New types are learned, and types of the pipeline that aren't named are kept. Default: the types of the pipeline")] = "",
    every: Annotated[int, Opt("--every", min=1, help="Number of answers after which the pipeline is trained again")] = 50,
    limit: Annotated[int, Opt("--limit", min=1, help="Maximum number of tweets to choose from")] = 20_000,
    double: Annotated[float, Opt("--double", min=0.0, max=1.0, help="Share of tweets that two people annotate")] = 0.0,
    seed: Annotated[int, Opt("--seed", help="Random seed")] = 0,
    finish: Annotated[bool, Opt("--finish", help="Write pipeline, data and report of the session, without opening the page")] = False,
    host: Annotated[str, Opt("--host", "-h", help="Host to listen on. Others than the default require a token")] = "127.0.0.1",
    port: Annotated[int, Opt("--port", "-p", min=0, max=65535, help="Port, or 0 for any free port")] = 8000,
    token_file: Annotated[Path | None, Opt("--token-file", help="File with the token that the page asks for. Or set SPACY_TWITTER_NER_TOKEN. Default on other hosts: OUTPUT/token")] = None,
    allowed_host: Annotated[list[str] | None, Opt("--allowed-host", help="Accepted Host header, or * for any; repeatable")] = None,
) -> None:
    # fmt: on
    """
    Annotate tweets in a page while the pipeline learns (extra `serve`). It asks about the tweets
    that it would learn most from. Every answer is saved before the next tweet is shown: stop at any
    time, and run the same command to continue.
    For example: spacy-twitter-ner teach tweets.jsonl --output session/ --labels person,dish
    """
    with errors_as_messages(msg):
        require("serve", "fastapi", "uvicorn", "httptools", "prometheus_client")
        # Imported here because the libraries may be missing.
        from ..teaching.session import SessionFolder
        from ..teaching.start import open_session

        if blank and not labels:
            raise typer.BadParameter("--blank needs the types to annotate: pass --labels")
        folder = SessionFolder(output)
        names = [name.strip() for name in labels.split(",") if name.strip()]
        options = {"limit": limit, "every": every, "double": double, "seed": seed}
        start = None if blank else model
        opened = open_session(folder, tweets, model=start, labels=names, **options)  # type: ignore[arg-type]
        for note in opened.notes:
            msg.warn(printable(note))
        if finish:
            from ..teaching.trainer import run_finish

            run_finish(output)
            msg.good(printable(f"Wrote model/, data/ and report.md to {output}"))
            return
        _serve(folder, opened.n_tweets, host, port, token_file, allowed_host or [])


def _serve(
    folder: "SessionFolder",
    n_tweets: int,
    host: str,
    port: int,
    token_file: Path | None,
    allowed_hosts: list[str],
) -> None:
    from ..serving.server import open_socket
    from ..serving.settings import ServiceSettings, is_loopback, read_token, restrict_hosts
    from ..teaching.start import make_token, serve_session

    token = read_token(token_file)
    if token is None and not is_loopback(host):
        token = make_token(folder)
        msg.info(printable(f"The page asks for the token in {folder.path / 'token'}"))
    settings = restrict_hosts(ServiceSettings(token=token), host, allowed_hosts)
    with open_socket(host, port) as listener:
        authority = f"[{host}]" if ":" in host else host
        url = f"http://{authority}:{listener.getsockname()[1]}"
        serve_session(
            folder,
            listener,
            settings,
            on_start=lambda: print(f"Choosing from {n_tweets:,} tweets on {url}", flush=True),
        )
