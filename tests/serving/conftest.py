"""A service in a thread of the test process."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
import spacy
from spacy.language import Language

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")
pytest.importorskip("uvicorn")
httpx = pytest.importorskip("httpx")

from spacy_twitter_ner.serving.app import create_app  # noqa: E402
from spacy_twitter_ner.serving.server import ServiceServer, open_socket  # noqa: E402
from spacy_twitter_ner.serving.settings import ServiceSettings  # noqa: E402


class Service(NamedTuple):
    url: str
    port: int
    server: object

    def post(self, body: object, **settings: object):
        return httpx.post(f"{self.url}/annotate", json=body, timeout=30, **settings)

    def get(self, path: str, **settings: object):
        return httpx.get(self.url + path, timeout=30, **settings)


@contextmanager
def serving(nlp: Language, settings: ServiceSettings | None = None) -> Iterator[Service]:
    """Serve a pipeline, and stop like on SIGTERM."""
    settings = settings or ServiceSettings()
    listener = open_socket("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server = ServiceServer(create_app(nlp, settings), settings)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.started, "the service did not start"
    try:
        yield Service(f"http://127.0.0.1:{port}", port, server)
    finally:
        server.should_exit = True
        thread.join(60)
        listener.close()
        assert not thread.is_alive(), "the service did not stop"


@pytest.fixture(scope="session")
def served_nlp(saved_pipeline) -> Language:
    """The pipeline of the services. They use copies, since a served pipeline must not be shared."""
    return spacy.load(saved_pipeline)


@pytest.fixture(scope="session")
def service(saved_pipeline) -> Iterator[Service]:
    with serving(spacy.load(saved_pipeline)) as one:
        yield one


@pytest.fixture
def serve(saved_pipeline) -> Iterator[Callable[..., Service]]:
    """Serve a pipeline with settings."""
    opened = []

    def open_service(nlp: Language | None = None, **settings: object) -> Service:
        context = serving(nlp or spacy.load(saved_pipeline), ServiceSettings(**settings))
        opened.append(context)
        return context.__enter__()

    yield open_service
    for context in opened:
        context.__exit__(None, None, None)
