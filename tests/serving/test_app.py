import asyncio
import json
import logging
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import spacy
from spacy.language import Language

from spacy_twitter_ner.serving import local_worker
from spacy_twitter_ner.serving.app import create_app
from spacy_twitter_ner.serving.server import open_socket

from ..waiting import wait_until
from .conftest import httpx

TEXT = "saw Drake in Chicago 😂 last nite"
TOKEN = "a token of the tests"


def error_of(response, status: int) -> dict:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"code", "message", "details"}
    assert error["message"]
    return error


def test_annotate_one_text(service, served_nlp):
    response = service.post({"text": TEXT})
    assert response.status_code == 200
    (result,) = response.json()["results"]
    expected = [
        (ent.start_char, ent.end_char, ent.label_, ent.text) for ent in served_nlp(TEXT).ents
    ]
    found = result["entities"]
    assert [(e["start"], e["end"], e["type"], e["text"]) for e in found] == expected
    assert expected
    assert all(0 < entity["confidence"] <= 1 for entity in found)
    assert set(result) == {"entities"}


def test_annotate_many_texts_in_order(service):
    texts = ["so tired", TEXT, "", "   ", "\u0000\ufeff\u202e", "in Chicago " * 30]
    results = service.post({"texts": texts}).json()["results"]
    assert len(results) == len(texts)
    assert results[1] == service.post({"text": TEXT}).json()["results"][0]
    for text, result in zip(texts, results, strict=True):
        for entity in result["entities"]:
            assert text[entity["start"] : entity["end"]] == entity["text"]


def test_confidence_equals_component_score(service, served_nlp):
    (result,) = service.post({"text": TEXT}).json()["results"]
    ner = served_nlp.get_pipe("twitter_bilstm_ner")
    doc = served_nlp(TEXT)
    group = ner.predict_spans([doc], 1e-6)[0]
    scores = {
        (span.start_char, span.end_char, span.label_): score
        for span, score in zip(group, group.attrs["scores"], strict=True)
    }
    for entity in result["entities"]:
        place = (entity["start"], entity["end"], entity["type"])
        assert entity["confidence"] == pytest.approx(scores[place], abs=1e-4)


def test_threshold(service):
    everything = service.post({"text": TEXT}).json()["results"][0]["entities"]
    least = min(entity["confidence"] for entity in everything)
    some = service.post({"text": TEXT, "threshold": min(1, least + 1e-6)}).json()["results"][0]
    assert some["entities"] == [one for one in everything if one["confidence"] > least]
    assert service.post({"text": TEXT, "threshold": 1}).json()["results"][0]["entities"] == []


def test_probabilities_and_alternatives(service, served_nlp):
    body = {"texts": [TEXT, ""], "probabilities": True, "alternatives": 3.0}
    response = service.post(body).json()
    assert response["tags"] == list(served_nlp.get_pipe("twitter_bilstm_ner").tags)
    first, empty = response["results"]
    doc = served_nlp.make_doc(TEXT)
    assert [(t["start"], t["end"]) for t in first["tokens"]] == [
        (token.idx, token.idx + len(token)) for token in doc
    ]
    for token in first["tokens"]:
        assert sum(token["probabilities"]) == pytest.approx(1, abs=1e-4)
    probabilities = [one["probability"] for one in first["alternatives"]]
    assert len(probabilities) == 3
    assert probabilities == sorted(probabilities, reverse=True)
    names = {name for one in first["alternatives"] for entity in one["entities"] for name in entity}
    assert names == {"start", "end", "type", "text"}
    assert empty == {
        "entities": [],
        "tokens": [],
        "alternatives": [{"probability": 1.0, "entities": []}],
    }


def test_concurrent_requests_share_batches(serve, served_nlp, blocked, batches):
    service = serve()
    threads = [in_background(lambda: service.post({"text": "block"}))]
    wait_until(lambda: len(batches) == 2, seconds=20)
    texts = [f"in Chicago {i}" for i in range(9)]
    threads += [in_background(lambda text=text: service.post({"text": text})) for text in texts]
    wait_until(lambda: waiting(service) == 9, seconds=20)
    blocked.set()
    for thread, _ in threads:
        thread.join()
    assert batches == [1, 1, 9]
    for text, (_, (response,)) in zip(texts, threads[1:], strict=True):
        expected = [(e.start_char, e.text) for e in served_nlp(text).ents]
        found = response.json()["results"][0]["entities"]
        assert [(e["start"], e["text"]) for e in found] == expected


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_json"),
        (b"{", 400, "invalid_json"),
        (b'{"text": "\xff\xfe"}', 400, "invalid_json"),
        (b'{"text": "\xed\xa0\x80"}', 400, "invalid_json"),
        (b"[" * 100_000, 400, "invalid_json"),
        (b"[]", 422, "invalid_request"),
        (b"null", 422, "invalid_request"),
        (b"{}", 422, "invalid_request"),
        (b'{"text": null}', 422, "invalid_request"),
        (b'{"text": 3}', 422, "invalid_request"),
        (b'{"texts": []}', 422, "invalid_request"),
        (b'{"texts": ["a", 1]}', 422, "invalid_request"),
        (b'{"text": "a", "texts": ["b"]}', 422, "invalid_request"),
        (b'{"text": "a", "treshold": 0.5}', 422, "invalid_request"),
        (b'{"text": "a", "threshold": 1.5}', 422, "invalid_request"),
        (b'{"text": "a", "threshold": NaN}', 422, "invalid_request"),
        (b'{"text": "a", "alternatives": 11}', 422, "invalid_request"),
        (b'{"text": "a", "alternatives": true}', 422, "invalid_request"),
    ],
)
def test_invalid_bodies(service, body, status, code):
    headers = {"content-type": "application/json"}
    response = httpx.post(f"{service.url}/annotate", content=body, headers=headers, timeout=30)
    assert error_of(response, status)["code"] == code


def test_error_details_do_not_contain_texts(service):
    error = error_of(service.post({"texts": ["a secret", 5, "b"]}), 422)
    assert error["details"] == [
        {"place": ["texts", 1], "message": "Input should be a valid string"}
    ]
    assert "secret" not in str(error)


def test_limits_of_texts_and_bodies(serve):
    service = serve(max_texts=3, max_text_length=20, max_body=300)
    assert service.post({"texts": ["x" * 20] * 3}).status_code == 200
    error = error_of(service.post({"texts": ["x"] * 4}), 413)
    assert error["code"] == "too_many_texts"
    assert "4 texts are more than 3" in error["message"]
    error = error_of(service.post({"texts": ["x", "x" * 21]}), 413)
    assert error["code"] == "text_too_long"
    assert error["details"] == [{"place": ["texts", 1]}]
    error = error_of(service.post({"texts": ["x" * 20] * 3, "x": "y" * 300}), 413)
    assert error["code"] == "body_too_large"
    # Characters, not bytes.
    assert service.post({"text": "😂" * 20}).status_code == 200


def test_content_type(service):
    response = httpx.post(f"{service.url}/annotate", content=b"{}", headers={}, timeout=30)
    assert error_of(response, 415)["code"] == "not_json"
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    content = b'{"text": "a"}'
    response = httpx.post(f"{service.url}/annotate", content=content, headers=headers, timeout=30)
    assert response.status_code == 200


def test_unknown_routes(service):
    assert error_of(service.get("/other"), 404)["code"] == "not_found"
    assert error_of(service.get("/page/..%2fapp.py"), 404)
    assert error_of(service.get("/page/app.py"), 404)
    response = service.get("/annotate")
    assert error_of(response, 405)["code"] == "method_not_allowed"
    assert response.headers["allow"] == "POST"


def test_token_is_required(serve):
    service = serve(token=TOKEN)
    for headers in (
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": TOKEN},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": b"Bearer \xff\xfe"},
    ):
        response = service.post({"text": "a"}, headers=headers)
        assert error_of(response, 401)["code"] == "unauthorized"
        assert response.headers["www-authenticate"] == "Bearer"
    assert service.get("/metrics").status_code == 401
    headers = {"authorization": f"bearer {TOKEN}"}
    assert service.post({"text": "a"}, headers=headers).status_code == 200
    assert service.get("/metrics", headers=headers).status_code == 200
    for path in ("/", "/healthz", "/readyz", "/pipeline", "/openapi.json"):
        assert service.get(path).status_code == 200
    assert service.get("/pipeline").json()["needs_token"]


def test_cors_is_off_by_default(service, serve):
    headers = {"origin": "https://example.org"}
    response = service.post({"text": "a"}, headers=headers)
    assert "access-control-allow-origin" not in response.headers
    asking = {**headers, "access-control-request-method": "POST"}
    assert httpx.options(f"{service.url}/annotate", headers=asking).status_code == 405
    service = serve(cors_origins=("https://example.org",), token=TOKEN)
    response = httpx.options(f"{service.url}/annotate", headers=asking)
    assert response.headers["access-control-allow-origin"] == "https://example.org"
    response = service.post({"text": "a"}, headers=headers)
    assert response.status_code == 401
    assert response.headers["access-control-allow-origin"] == "https://example.org"
    response = service.post({"text": "a"}, headers={"origin": "https://example.com"})
    assert "access-control-allow-origin" not in response.headers


def test_health_check_of_the_container(serve):
    container = (Path(__file__).parents[2] / "Containerfile").read_text(encoding="utf-8")
    _, *command = json.loads(re.search(r"^HEALTHCHECK .*? CMD \\\s+(\[.+\])$", container, re.M)[1])

    def is_healthy(port: int) -> bool:
        arguments = [argument.replace(":8000/", f":{port}/") for argument in command]
        result = subprocess.run([sys.executable, *arguments], capture_output=True)
        return result.returncode == 0

    assert is_healthy(serve(token=TOKEN).port)
    with open_socket("127.0.0.1", 0) as unused:
        port = unused.getsockname()[1]
    assert not is_healthy(port)


def test_probes_and_metrics(service):
    assert service.get("/healthz").json() == {"status": "ok"}
    assert service.get("/readyz").json() == {"status": "ready"}
    service.post({"texts": ["a", "b"]})
    service.get("/a/path/that/a/client/chose")
    text = service.get("/metrics").text
    assert 'twitter_ner_requests_total{route="/annotate",status="200"}' in text
    assert 'twitter_ner_requests_total{route="other",status="404"}' in text
    assert "twitter_ner_batch_texts_bucket" in text
    assert "twitter_ner_ready_workers 1.0" in text
    # This request itself.
    assert "twitter_ner_active_requests 1.0" in text
    assert "client/chose" not in text


def test_fast_path_matches_documented_route(saved_pipeline):
    middleware = create_app(spacy.load(saved_pipeline))
    fast_path, api = middleware.app, middleware.app.app
    bodies = [b'{"text": "in Chicago"}', b"{", b'{"text": 3}', b"x" * 300_000]

    async def ask(app) -> list:
        middleware.app = app
        transport = httpx.ASGITransport(middleware)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return [
                await client.post("/annotate", content=body, headers={"content-type": media_type})
                for body in bodies
                for media_type in ("application/json", "text/plain")
            ]

    async def main():
        async with api.router.lifespan_context(api):
            documented = await ask(api)
            # The fast path handles all of these requests.
            fast_path.app = None
            return documented, await ask(fast_path)

    documented, short = asyncio.run(main())
    for one, other in zip(documented, short, strict=True):
        assert (one.status_code, one.json()) == (other.status_code, other.json())
        assert sorted(one.headers.items()) == sorted(other.headers.items())
    assert {one.status_code for one in short} == {200, 400, 413, 415, 422}


def test_socket_disables_nagle():
    with open_socket("127.0.0.1", 0) as listener:
        # Otherwise, asyncio doesn't disable Nagle's algorithm.
        assert listener.proto == socket.IPPROTO_TCP


def test_security_headers(service):
    responses = [
        service.get("/"),
        service.get("/nothing"),
        service.post({}),
        service.post({"text": ""}),
    ]
    for response in responses:
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'")
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "server" not in response.headers


@Language.component("tests_fail_on_word")
def fail_on_word(doc):
    if "explode" in doc.text:
        raise RuntimeError(f"cannot read {doc.text}")
    return doc


def test_failing_text_is_500_and_not_logged(serve, caplog):
    nlp = spacy.blank("xx")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "geo-loc", "pattern": "Leeds"}])
    nlp.add_pipe("tests_fail_on_word")
    service = serve(nlp)
    with caplog.at_level(logging.INFO):
        error = error_of(service.post({"text": "this will explode, secretly"}), 500)
    assert error["code"] == "internal"
    assert "A request failed with RuntimeError" in caplog.text
    assert "secretly" not in caplog.text + str(error)
    (result,) = service.post({"text": "in Leeds", "alternatives": 2}).json()["results"]
    assert result["entities"] == [
        {"start": 3, "end": 8, "type": "geo-loc", "text": "Leeds", "confidence": None}
    ]
    assert service.get("/pipeline").json()["labels"] == ["geo-loc"]


@pytest.fixture
def batches() -> list[int]:
    """Number of requests per batch, including the warm-up."""
    return []


@pytest.fixture
def blocked(monkeypatch, batches):
    """Block the pipeline on texts that contain "block", until the event is set."""
    gate = threading.Event()
    original = local_worker.LocalWorker.annotate

    def annotate(self, requests):
        if requests:  # not a check of an idle worker
            batches.append(len(requests))
        if any("block" in text for request in requests for text in request.all_texts):
            assert gate.wait(30)
        return original(self, requests)

    monkeypatch.setattr(local_worker.LocalWorker, "annotate", annotate)
    yield gate
    gate.set()


def in_background(function):
    responses = []
    thread = threading.Thread(target=lambda: responses.append(function()))
    thread.start()
    return thread, responses


def waiting(service) -> float:
    lines = service.get("/metrics").text.splitlines()
    (line,) = (line for line in lines if line.startswith("twitter_ner_waiting_texts "))
    return float(line.split()[1])


def test_full_queue_is_429(serve, blocked, batches):
    service = serve(max_waiting=4, max_texts=4)
    threads = [in_background(lambda: service.post({"text": "block"}))]
    wait_until(lambda: waiting(service) == 0 and len(batches) > 1, seconds=20)
    threads.append(in_background(lambda: service.post({"texts": ["a"] * 4})))
    wait_until(lambda: waiting(service) == 4, seconds=20)
    response = service.post({"text": "b"})
    assert error_of(response, 429)["code"] == "overloaded"
    assert response.headers["retry-after"] == "1"
    assert service.get("/healthz").status_code == 200
    blocked.set()
    for thread, responses in threads:
        thread.join(30)
        assert responses[0].status_code == 200
    assert service.post({"text": "b"}).status_code == 200


def test_slow_pipeline_is_503(serve, blocked):
    service = serve(timeout=0.3)
    response = service.post({"text": "block"})
    assert error_of(response, 503)["code"] == "timeout"
    blocked.set()
    assert service.post({"text": "a"}).status_code == 200


@pytest.mark.slow
def test_shutdown_finishes_active_requests(serve, blocked):
    service = serve()
    thread, responses = in_background(lambda: service.post({"text": "block in Chicago"}))
    time.sleep(0.5)
    service.server.should_exit = True
    time.sleep(0.5)
    with pytest.raises(httpx.TransportError):
        service.get("/healthz")
    blocked.set()
    thread.join(30)
    assert responses[0].status_code == 200


def test_openapi_contains_limits(service):
    document = service.get("/openapi.json").json()
    operation = document["paths"]["/annotate"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"]["texts"]["maxItems"] == 128
    assert schema["properties"]["text"]["maxLength"] == 10_000
    assert {"200", "400", "401", "408", "413", "415", "422", "429", "503"} <= set(
        operation["responses"]
    )
    assert set(document["paths"]) == {"/annotate", "/healthz", "/readyz", "/pipeline"}
