"""Pipelines that hang or crash: workers are replaced, and the service always stops."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
import spacy

from ..waiting import wait_until
from .conftest import httpx

psutil = pytest.importorskip("psutil")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals"),
]

COMPONENT = """
import os, re, signal, time

from spacy.language import Language


def recurse():
    recurse()


def loop():
    while True:
        pass


TROUBLE = {
    "loop": loop,
    # Holds the interpreter lock.
    "backtrack": lambda: re.match("(a+)+$", "a" * 64 + "b"),
    "sleep": lambda: time.sleep(1000),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "exit": lambda: os._exit(3),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "quit": lambda: exit(1),
    "allocate": lambda: bytearray(2**60),
    "recurse": recurse,
    "raise": lambda: [].pop(),
}


@Language.component("tests_trouble")
def make_trouble(doc):
    for word, function in TROUBLE.items():
        if f"please {word}" in doc.text:
            function()
    return doc
"""


@pytest.fixture(scope="module")
def trouble(tmp_path_factory):
    """A folder with a pipeline that hangs or crashes on request, and its installed component."""
    folder = tmp_path_factory.mktemp("trouble")
    (folder / "tests_trouble.py").write_text(COMPONENT)
    info = folder / "tests_trouble-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tests_trouble\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[spacy_factories]\ntests_trouble = tests_trouble:make_trouble\n"
    )
    nlp = spacy.blank("xx")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "geo-loc", "pattern": "Leeds"}])
    nlp.to_disk(folder / "pipeline")
    config = folder / "pipeline" / "config.cfg"
    text = config.read_text().replace('["entity_ruler"]', '["entity_ruler","trouble"]')
    config.write_text(f'{text}\n[components.trouble]\nfactory = "tests_trouble"\n')
    return folder


class Command:
    """The command `serve` in a process."""

    def __init__(self, folder, *options: str) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-c", "from spacy_twitter_ner.cli import main; main()", "serve"),
                *(str(folder / "pipeline"), "--port", "0", *options),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": str(folder)},
        )
        line = self.process.stdout.readline()
        self.url = line.split()[-1]
        self.port = int(self.url.rpartition(":")[2])

    @property
    def workers(self) -> list:
        children = psutil.Process(self.process.pid).children()
        return [one for one in children if "spawn_main" in " ".join(one.cmdline())]

    def post(self, text: str):
        return httpx.post(f"{self.url}/annotate", json={"text": text}, timeout=60)

    def is_ready(self) -> bool:
        return httpx.get(f"{self.url}/readyz", timeout=60).status_code == 200


@contextmanager
def running(folder, *options: str):
    command = Command(folder, *options)
    family = psutil.Process(command.process.pid).children(recursive=True)
    try:
        yield command
    finally:
        with command.process as process:
            if process.poll() is None:
                family += psutil.Process(process.pid).children(recursive=True)
            process.kill()
        for one in family:
            if one.is_running():
                one.kill()


@pytest.fixture(scope="module")
def command(trouble):
    """A service that all tests share. It has to recover after each of them."""
    with running(trouble, "--timeout", "8") as command:
        yield command


def wait_until_it_loops(worker) -> None:
    before = worker.cpu_times().user
    wait_until(lambda: worker.cpu_times().user > before + 0.3)


def assert_recovers(command) -> None:
    wait_until(command.is_ready)
    # A busy machine may still delay it.
    wait_until(lambda: command.post("in Leeds").status_code == 200)


@pytest.mark.parametrize("kind", ["loop", "backtrack", "sleep", "stop"])
def test_hanging_worker_is_replaced(command, kind):
    assert_recovers(command)
    (before,) = command.workers
    start = time.monotonic()
    response = command.post(f"please {kind}")
    assert time.monotonic() - start < 8 + 2
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert not command.is_ready()
    assert httpx.get(f"{command.url}/healthz").status_code == 200
    assert_recovers(command)
    assert before not in command.workers
    assert not before.is_running()


def test_hanging_idle_worker_is_replaced(command):
    assert_recovers(command)
    (before,) = command.workers
    before.suspend()
    wait_until(lambda: not command.is_ready())
    assert_recovers(command)
    assert before not in command.workers


@pytest.mark.parametrize("kind", ["exit", "kill", "quit"])
def test_dead_worker_is_replaced(command, kind):
    assert_recovers(command)
    (before,) = command.workers
    # 503 if ending takes longer than the worker's timeout.
    assert command.post(f"please {kind}").status_code in (500, 503)
    assert_recovers(command)
    assert before not in command.workers


@pytest.mark.parametrize("kind", ["allocate", "recurse", "raise"])
def test_worker_survives_errors(command, kind):
    assert_recovers(command)
    (before,) = command.workers
    assert command.post(f"please {kind}").status_code == 500
    assert command.post("in Leeds").status_code == 200
    assert before in command.workers


def test_replacement_worker_processes_waiting_requests(trouble):
    with running(trouble, "--timeout", "16") as command:
        responses = {}

        def ask(text):
            responses[text] = command.post(text)

        threads = [threading.Thread(target=ask, args=["please loop"])]
        threads[0].start()
        wait_until_it_loops(command.workers[0])
        texts = [f"in Leeds {i}" for i in range(5)]
        threads += [threading.Thread(target=ask, args=[text]) for text in texts]
        for thread in threads[1:]:
            thread.start()
        for thread in threads:
            thread.join()
        assert responses["please loop"].status_code == 503
        assert [responses[text].status_code for text in texts] == [200] * 5


@pytest.mark.parametrize("kind", ["loop", "backtrack", "stop", "idle", "silent clients"])
def test_sigterm_stops_service_within_grace_period(trouble, kind):
    with running(trouble, "--timeout", "60", "--grace", "6", "--workers", "2") as command:
        family = psutil.Process(command.process.pid).children(recursive=True)
        sockets = []
        if kind == "idle":
            command.workers[0].suspend()
        elif kind == "silent clients":
            for part in (b"", b"POST /annotate HTTP/1.1\r\nHost: localhost\r\n"):
                sockets.append(socket.create_connection(("127.0.0.1", command.port)))
                sockets[-1].sendall(part)
        else:
            body = b'{"text":"please %s"}' % kind.encode()
            head = (
                b"POST /annotate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body)
            )
            for _ in range(2):
                sockets.append(socket.create_connection(("127.0.0.1", command.port)))
                sockets[-1].sendall(head + body)
        url = f"{command.url}/metrics"
        waiting = r"^twitter_ner_waiting_texts 0\.0$"
        wait_until(lambda: re.search(waiting, httpx.get(url).text, re.M))
        time.sleep(0.3)
        start = time.monotonic()
        command.process.send_signal(signal.SIGTERM)
        command.process.wait(30)
        assert time.monotonic() - start < 6 + 1
        _, alive = psutil.wait_procs(family, timeout=5)
        assert not alive
        for one in sockets:
            one.close()


def test_looping_worker_exits_with_killed_service(trouble):
    with running(trouble, "--timeout", "60") as command:
        (worker,) = command.workers

        def ask():
            with pytest.raises(httpx.TransportError):
                command.post("please loop")

        thread = threading.Thread(target=ask)
        thread.start()
        wait_until_it_loops(worker)
        command.process.kill()
        thread.join()
        assert not psutil.wait_procs([worker], timeout=20)[1]
