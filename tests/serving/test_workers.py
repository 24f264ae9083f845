import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
import spacy

from spacy_twitter_ner.serving.errors import RemoteError
from spacy_twitter_ner.serving.local_worker import LocalWorker
from spacy_twitter_ner.serving.schemas import AnnotateRequest
from spacy_twitter_ner.serving.workers import WorkerDied, WorkerError, started_workers

from ..waiting import wait_until

pytestmark = pytest.mark.slow
TEXT = "saw Drake in Chicago 😂 last nite"


@pytest.fixture(scope="module")
def workers(saved_pipeline):
    with started_workers(str(saved_pipeline), 2, on_failure=lambda: None) as started:
        yield started


def kill(worker) -> None:
    os.kill(worker.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_responses_match_local_worker(workers, saved_pipeline):
    requests = [
        AnnotateRequest(text=TEXT, probabilities=True, alternatives=2),
        AnnotateRequest(texts=[TEXT, "", "so tired"], threshold=0.3),
        AnnotateRequest(texts=["saw\nDrake\u2028in\x00Chicago\r\n", "\ufeff", '["+"]']),
    ]
    local = LocalWorker(spacy.load(saved_pipeline))
    expected = [json.loads(response) for response in local.annotate(requests)]
    assert expected[0]["results"][0]["entities"]
    assert workers[0].pid != workers[1].pid
    for worker in workers:
        assert worker.is_ready
        assert worker.describe() == local.describe()
        assert [json.loads(response) for response in worker.annotate(requests)] == expected


def test_remote_error_contains_no_text(workers):
    impossible = AnnotateRequest.model_construct(texts=[TEXT], threshold="a secret")
    with pytest.raises(RemoteError) as error:
        workers[0].annotate([impossible])
    assert error.value.name == "TypeError"
    assert "annotator.py" in error.value.trace
    assert "secret" not in error.value.trace
    assert workers[0].annotate([AnnotateRequest(text=TEXT)])


def test_missing_pipeline_raises(tmp_path):
    with (
        pytest.raises(WorkerError, match="no-such-pipeline"),
        started_workers(str(tmp_path / "no-such-pipeline"), 2, on_failure=lambda: None),
    ):
        pytest.fail("started")


def test_dead_worker_is_restarted(ruler, caplog):
    with started_workers(str(ruler), 1, on_failure=lambda: None) as (worker,):
        before = worker.pid
        kill(worker)
        wait_until(lambda: not worker.is_ready)
        # Waits for the restart.
        (response,) = worker.annotate([AnnotateRequest(text="in Leeds")])
        assert json.loads(response)["results"][0]["entities"][0]["text"] == "Leeds"
        assert worker.is_ready
        assert worker.pid != before
        worker.raise_failure()
        after = worker.pid
    assert "died with exit code" in caplog.text
    wait_until(lambda: not exists(after))
    assert not worker.is_ready


def test_requests_of_dead_worker_fail(ruler):
    with started_workers(str(ruler), 1, on_failure=lambda: None) as (worker,):
        errors = []

        def annotate():
            try:
                worker.annotate([AnnotateRequest(texts=["in Leeds " * 1000] * 2000)])
            except WorkerDied as error:
                errors.append(error)

        thread = threading.Thread(target=annotate)
        thread.start()
        time.sleep(0.1)
        kill(worker)
        thread.join(60)
        assert len(errors) == 1
        assert worker.annotate([AnnotateRequest(text="in Leeds")])


def test_failed_restart_raises(ruler):
    failed = threading.Event()
    with started_workers(str(ruler), 1, on_failure=failed.set) as (worker,):
        shutil.rmtree(ruler)
        kill(worker)
        assert failed.wait(60)
        with pytest.raises(WorkerError, match="ruler"):
            worker.raise_failure()
        with pytest.raises(WorkerError, match="ruler"):
            worker.annotate([AnnotateRequest(text="in Leeds")])


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_worker_ignores_signals(ruler):
    with started_workers(str(ruler), 1, on_failure=lambda: None) as (worker,):
        before = worker.pid
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(worker.pid, number)
        time.sleep(0.2)
        assert worker.annotate([AnnotateRequest(text="in Leeds")])
        assert worker.pid == before


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_worker_exits_with_killed_parent(ruler):
    script = (
        "import sys, time\n"
        "from spacy_twitter_ner.serving.workers import started_workers\n"
        "with started_workers(sys.argv[1], 1, lambda: None) as (worker,):\n"
        "    print(worker.pid, flush=True)\n"
        "    time.sleep(100)\n"
    )
    command = [sys.executable, "-c", script, str(ruler)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        pid = int(process.stdout.readline())
        process.kill()
    wait_until(lambda: not exists(pid))


def test_close_does_not_wait_for_restart(ruler):
    def stop_at_once():
        with started_workers(str(ruler), 1, on_failure=lambda: None) as (worker,):
            kill(worker)
            wait_until(lambda: not worker.is_ready)
            return worker

    start = time.monotonic()
    worker = stop_at_once()
    assert time.monotonic() - start < 30
    with pytest.raises(WorkerDied):
        worker.annotate([AnnotateRequest(text="in Leeds")])
    worker.raise_failure()


def test_server_does_not_import_spacy():
    script = "import spacy_twitter_ner.serving.server, sys; sys.exit('spacy' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
