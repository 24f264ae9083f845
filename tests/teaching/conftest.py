"""Sessions with invented tweets, and a service for them in a thread of the test process."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")
pytest.importorskip("uvicorn")
httpx = pytest.importorskip("httpx")

from spacy_twitter_ner.serving.server import ServiceServer, open_socket  # noqa: E402
from spacy_twitter_ner.serving.settings import ServiceSettings  # noqa: E402
from spacy_twitter_ner.teaching.app import create_app  # noqa: E402
from spacy_twitter_ner.teaching.desk import Desk  # noqa: E402
from spacy_twitter_ner.teaching.session import (  # noqa: E402
    PoolTweet,
    Round,
    SessionFolder,
    Settings,
)

HEADERS = {"X-Teach": "1", "Content-Type": "application/json"}


def make_tweet(text: str) -> PoolTweet:
    tokens, start = [], 0
    for word in text.split(" "):
        tokens.append((start, start + len(word)))
        start += len(word) + 1
    return PoolTweet(text, tokens)


def make_session(folder: Path, texts: list[str], **settings: object) -> SessionFolder:
    """A session that predicts the second word of each tweet as a person, and doesn't train."""
    session = SessionFolder(folder)
    folder.mkdir(exist_ok=True)
    options = {"model": "none", "labels": ["person", "geo-loc"], "every": 10**6, **settings}
    tweets = [make_tweet(text) for text in texts]
    session.create(Settings(**options), tweets)
    write_round(session, Round(0, 0, 0, ["person", "geo-loc"], 0.0))
    return session


def write_round(session: SessionFolder, learned: Round) -> None:
    queue = [
        {"tweet": i, "reason": "random", "spans": [(*tweet.tokens[1], "person")]}
        for i, tweet in enumerate(session.read_tweets())
    ]
    path = session.round_path(learned.number)
    path.mkdir(parents=True)
    (path / "queue.json").write_text(json.dumps(queue))
    (path / "round.json").write_text(json.dumps(asdict(learned)))


class Teaching(NamedTuple):
    url: str
    desk: Desk
    session: SessionFolder

    def post(self, path: str, body: object, headers: dict = HEADERS):
        return httpx.post(f"{self.url}/api/{path}", json=body, headers=headers, timeout=30)

    def get(self, path: str, **settings: object):
        return httpx.get(self.url + path, timeout=30, **settings)


@contextmanager
def serving(session: SessionFolder, settings: ServiceSettings) -> Iterator[Teaching]:
    desk = Desk(session)
    listener = open_socket("127.0.0.1", 0)
    server = ServiceServer(create_app(desk, settings), settings)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield Teaching(f"http://127.0.0.1:{listener.getsockname()[1]}", desk, session)
    finally:
        server.should_exit = True
        thread.join(60)
        listener.close()
        desk.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Teaching]]:
    """Serve a session."""
    with ExitStack() as stack:
        yield lambda session, **settings: stack.enter_context(
            serving(session, ServiceSettings(**settings))
        )
