"""The command in a process of its own: what a user starts and a service manager stops."""

import os
import re
import signal
import subprocess
import sys

import pytest
import spacy

from spacy_twitter_ner.serving import libraries

from .util import run

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")


@pytest.fixture
def model(tmp_path):
    nlp = spacy.blank("xx")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "geo-loc", "pattern": "Leeds"}])
    nlp.to_disk(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_serves_until_it_is_told_to_stop(model):
    command = [sys.executable, "-c", "from spacy_twitter_ner.cli import main; main()", "serve"]
    token = "a token of the tests"
    environment = {**os.environ, "SPACY_TWITTER_NER_TOKEN": token}
    with subprocess.Popen(
        [*command, str(model), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=environment,
    ) as process:
        try:
            line = process.stdout.readline()
            found = re.fullmatch(r"Serving \S+ on (http://127\.0\.0\.1:\d+)\n", line)
            assert found, line + process.stderr.read()
            url = f"{found[1]}/annotate"
            headers = {"authorization": f"Bearer {token}"}
            answer = httpx.post(url, json={"text": "in Leeds"}, headers=headers)
            assert answer.json()["results"][0]["entities"][0]["text"] == "Leeds"
            assert httpx.post(url, json={"text": "in Leeds"}).status_code == 401
        finally:
            process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=30)
    # uvicorn raises the signal again once it has stopped.
    assert process.returncode in (0, -signal.SIGTERM)
    assert "Leeds" not in output + errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-waiting", "5"], "max_waiting has to be at least max_texts"),
        (["--cors-origin", "*"], "an origin is"),
        (["--token-file", "no-such-file"], "no-such-file"),
        (["--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid"),
    ],
)
def test_settings_that_cannot_be_meant(model, options, message):
    result = run("serve", model, "--port", 0, *options)
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())


def test_port_in_use(model):
    from spacy_twitter_ner.serving.server import open_socket

    with open_socket("127.0.0.1", 0) as listener:
        listener.listen()
        port = listener.getsockname()[1]
        result = run("serve", model, "--port", port)
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1, port {port}" in " ".join(result.output.split())


def test_a_pipeline_that_is_not_there():
    result = run("serve", "no-such-pipeline", "--port", 0)
    assert result.exit_code == 1
    assert "no-such-pipeline" in result.output


def test_without_the_extra(model, monkeypatch):
    monkeypatch.setitem(libraries._LIBRARIES, "no_such_library", "Library")
    result = run("serve", model)
    assert result.exit_code == 1
    assert 'pip install "spacy-twitter-ner[serve]"' in " ".join(result.output.split())
