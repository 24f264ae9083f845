"""The command in a process of its own: what a user starts and a service manager stops."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading

import pytest

from ..waiting import wait_until
from .util import run

httpx = pytest.importorskip("httpx")
psutil = pytest.importorskip("psutil")
pytest.importorskip("fastapi")

TOKEN = "a token of the tests"
needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="signals")


class Served:
    """The command, and where it listens."""

    def __init__(self, process):
        self.process = process
        line = process.stdout.readline()
        found = re.fullmatch(r"Serving \S+ on (http://127\.0\.0\.1:\d+)\n", line)
        assert found, line + process.stderr.read()
        self.url = found[1]

    @property
    def workers(self) -> list:
        """The processes that annotate. Others are multiprocessing's own."""
        children = psutil.Process(self.process.pid).children()
        return [one for one in children if "spawn_main" in " ".join(one.cmdline())]

    def post(self, text: str):
        headers = {"authorization": f"Bearer {TOKEN}"}
        return httpx.post(f"{self.url}/annotate", json={"text": text}, headers=headers, timeout=60)

    def is_ready(self) -> bool:
        return httpx.get(f"{self.url}/readyz").status_code == 200

    def count_ready(self) -> int:
        headers = {"authorization": f"Bearer {TOKEN}"}
        text = httpx.get(f"{self.url}/metrics", headers=headers).text
        return int(float(re.search(r"^twitter_ner_ready_workers (\S+)$", text, re.M)[1]))

    def stop(self) -> tuple[str, str]:
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=30)


@pytest.fixture
def served(ruler):
    """Serves with options of the test's own."""
    started = []

    def start(*options: str) -> Served:
        command = [sys.executable, "-c", "from spacy_twitter_ner.cli import main; main()", "serve"]
        process = subprocess.Popen(
            [*command, str(ruler), "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, "SPACY_TWITTER_NER_TOKEN": TOKEN},
            start_new_session=True,
        )
        started.append(process)
        return Served(process)

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.slow
@needs_signals
@pytest.mark.parametrize("n_workers", [1, 2])
def test_serves_until_it_is_told_to_stop(served, n_workers):
    service = served("--workers", str(n_workers))
    assert service.is_ready()
    assert service.count_ready() == n_workers
    answer = service.post("in Leeds")
    assert answer.json()["results"][0]["entities"][0]["text"] == "Leeds"
    assert httpx.post(f"{service.url}/annotate", json={"text": "in Leeds"}).status_code == 401
    workers = service.workers
    assert len(workers) == n_workers
    output, errors = service.stop()
    # uvicorn raises the signal again once it has stopped.
    assert service.process.returncode in (0, -signal.SIGTERM)
    assert not psutil.wait_procs(workers, timeout=10)[1]
    assert "Leeds" not in output + errors
    assert "Traceback" not in errors


@pytest.mark.slow
@needs_signals
def test_ctrl_c_goes_to_all_and_what_was_begun_is_finished(served):
    service = served("--workers", "2", "--max-body", "10000000", "--timeout", "60")
    texts = ["in Leeds " * 1000] * 50
    headers = {"authorization": f"Bearer {TOKEN}"}
    answers = []

    def ask():
        body = {"texts": texts}
        answers.append(
            httpx.post(f"{service.url}/annotate", json=body, headers=headers, timeout=60)
        )

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    requests = f"{service.url}/metrics"
    # Four, and that for the metrics.
    wait_until(
        lambda: "twitter_ner_active_requests 5.0" in httpx.get(requests, headers=headers).text
    )
    os.killpg(service.process.pid, signal.SIGINT)
    for thread in threads:
        thread.join(60)
    assert [answer.status_code for answer in answers] == [200] * 4
    _, errors = service.process.communicate(timeout=30)
    assert "Traceback" not in errors.replace("KeyboardInterrupt", "")


@pytest.mark.slow
@needs_signals
def test_a_worker_that_dies_is_replaced(served):
    service = served("--workers", "2")
    dead, other = service.workers
    dead.kill()
    wait_until(lambda: service.count_ready() == 1)
    # The other one goes on meanwhile.
    assert service.is_ready()
    assert service.post("in Leeds").status_code == 200
    wait_until(lambda: service.count_ready() == 2)
    assert other in service.workers
    assert dead not in service.workers
    _, errors = service.stop()
    assert "is being restarted" in errors


@pytest.mark.slow
@needs_signals
def test_readiness_is_that_of_the_workers(served):
    service = served()
    (worker,) = service.workers
    worker.kill()
    wait_until(lambda: not service.is_ready())
    assert httpx.get(f"{service.url}/healthz").status_code == 200
    # It waits until there is one again.
    assert service.post("in Leeds").status_code == 200
    assert service.is_ready()


@pytest.mark.slow
@needs_signals
def test_without_workers_that_start_it_ends(served, ruler):
    service = served()
    shutil.rmtree(ruler)
    service.workers[0].kill()
    output, errors = service.process.communicate(timeout=60)
    assert service.process.returncode == 1
    assert str(ruler) in " ".join((output + errors).split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-waiting", "5"], "max_waiting must be at least max_texts"),
        (["--cors-origin", "*"], "invalid origin"),
        (["--token-file", "no-such-file"], "no-such-file"),
        (["--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid"),
    ],
)
def test_settings_that_cannot_be_meant(ruler, options, message):
    result = run("serve", ruler, "--port", 0, *options)
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())


def test_port_in_use(ruler):
    from spacy_twitter_ner.serving.server import open_socket

    with open_socket("127.0.0.1", 0) as listener:
        listener.listen()
        port = listener.getsockname()[1]
        result = run("serve", ruler, "--port", port)
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1, port {port}" in " ".join(result.output.split())


def test_a_pipeline_that_is_not_there():
    result = run("serve", "no-such-pipeline", "--port", 0)
    assert result.exit_code == 1
    assert "no-such-pipeline" in result.output


def test_without_the_extra(ruler, monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    result = run("serve", ruler)
    assert result.exit_code == 1
    assert 'pip install "spacy-twitter-ner[serve]"' in " ".join(result.output.split())
