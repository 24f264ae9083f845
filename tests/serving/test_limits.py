"""Limits: no client may block the others."""

import asyncio
import json
import re
import socket
import time
from contextlib import ExitStack, contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_twitter_ner.serving.batcher import MicroBatcher, WorkerHung
from spacy_twitter_ner.serving.schemas import (
    MAX_DETAILS,
    AnnotateRequest,
    Problem,
    join_responses,
    read_request,
)
from spacy_twitter_ner.serving.settings import ServiceSettings, parse_host, restrict_hosts

from ..waiting import wait_until
from .conftest import httpx
from .test_abuse import assert_alive, post_head, status_of, talk

TOKEN = "a token of the tests"
BEARER = {"authorization": f"Bearer {TOKEN}"}
PROBES = ["/healthz", "/readyz", "/metrics"]
GET_ROUTES = [*PROBES, "/", "/pipeline", "/openapi.json", "/page/main.js"]


@contextmanager
def open_sockets(service, count: int, data: bytes = b""):
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            one = socket.create_connection(("127.0.0.1", service.port), timeout=20)
            opened.append(stack.enter_context(one))
            one.sendall(data)
        yield opened


def metric(service, name: str, **settings) -> float:
    text = service.get("/metrics", **settings).text
    return float(re.search(rf"^twitter_ner_{name} (\S+)$", text, re.M)[1])


def is_closed(connection: socket.socket) -> bool:
    with suppress(ConnectionError):
        return connection.recv(65536) == b""
    return True


# Tokens and slots


@pytest.mark.parametrize(
    "head",
    [
        post_head(100),
        post_head(100, b"Authorization: Bearer wrong"),
        post_head(100).replace(b"/annotate", b"/healthz"),
        post_head(100).replace(b"/annotate", b"/nothing"),
        post_head(100).replace(b"POST /annotate", b"GET /pipeline"),
        post_head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"),
    ],
    ids=["no token", "wrong token", "probe", "no route", "get", "chunked"],
)
def test_unauthorized_clients_take_no_slot(serve, head):
    service = serve(token=TOKEN, max_requests=3, max_client_requests=3)
    with open_sockets(service, 20, head + b"1"):
        for _ in range(3):
            assert service.post({"text": "in Chicago"}, headers=BEARER).status_code == 200
        for path in PROBES:
            assert service.get(path, headers=BEARER).status_code == 200


def test_probes_do_not_need_slots(serve):
    service = serve(token=TOKEN, max_requests=3)
    head = post_head(100, f"Authorization: Bearer {TOKEN}".encode())
    with open_sockets(service, 3, head + b"1"):
        wait_until(lambda: service.post({"text": "a"}, headers=BEARER).status_code == 429)
        for path in PROBES:
            assert service.get(path, headers=BEARER).status_code == 200
    wait_until(lambda: service.post({"text": "a"}, headers=BEARER).status_code == 200)


def test_slots_per_client_are_limited(serve):
    service = serve(max_requests=100, max_client_requests=2)
    with open_sockets(service, 2, post_head(100) + b"1"):
        wait_until(lambda: service.post({"text": "a"}).status_code == 429)
    wait_until(lambda: service.post({"text": "a"}).status_code == 200)


# Heads


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    [b"", b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"\r\n"],
    ids=["nothing", "method", "line", "header", "blank lines"],
)
@pytest.mark.parametrize("before", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_slow_heads_are_disconnected(serve, before, part):
    service = serve(head_timeout=0.5)
    with open_sockets(service, 1, before) as (connection,):
        if before:
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        if before and not part:
            return  # an idle connection is kept for a while
        connection.settimeout(0.1)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                connection.sendall(part[-1:])
                if connection.recv(65536) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        assert time.monotonic() < deadline
    assert_alive(service)


@pytest.mark.parametrize(
    "parts",
    [
        [b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"],
        [b"GET /?" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"],
        [b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 70_000 + b"\r\n\r\n"],
        [b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: yyyy\r\n" * 8000 + b"\r\n"],
        [b"GET / HTTP/1.1\r\nHost: x\r\nX: ", *[b"y" * 10_000] * 400],
        [b"GET / HTTP/1.1\r\nHost: x\r\n", *[b"X" * 100 + b": y\r\n"] * 2000],
    ],
    ids=["path", "query", "header", "headers", "endless header", "endless headers"],
)
def test_large_heads_are_431(service, parts):
    response = b""
    with open_sockets(service, 1) as (connection,):
        with suppress(OSError):
            for part in parts:
                connection.sendall(part)
        with suppress(OSError):
            response = connection.recv(65536)
    # Clients that keep sending may not receive the response.
    assert (not response and len(parts) > 1) or status_of(response) == 431
    assert_alive(service)


def test_large_pipelined_head_is_not_buffered(serve):
    service = serve()
    sent = 0
    first = post_head(100) + b"1"
    with open_sockets(service, 1, first) as (connection,):
        connection.sendall(b" " * 99 + b"GET / HTTP/1.1\r\nX: ")
        with suppress(OSError):
            for _ in range(600):
                sent += connection.send(b"y" * 65536)
    assert sent < 16 * 1024 * 1024
    assert_alive(service)


def test_heads_below_the_limit_are_accepted(service):
    headers = {f"x-{i}": "y" * 1000 for i in range(50)}
    assert service.post({"text": "a"}, headers=headers).status_code == 200


# Connections


def test_new_connections_replace_idle_ones(serve):
    service = serve(max_connections=10)
    with httpx.Client(base_url=service.url) as client:
        assert client.post("/annotate", json={"text": "a"}).status_code == 200
        with open_sockets(service, 40) as opened:
            assert is_closed(opened[0])
            # The connection with an accepted request is kept.
            (kept,) = client._transport._pool.connections
            assert client.post("/annotate", json={"text": "a"}).status_code == 200
            assert client._transport._pool.connections == [kept]
            assert_alive(service)


@pytest.mark.slow
def test_unread_response_does_not_hold_slot(serve):
    service = serve(send_timeout=0.5, max_text_length=2000, max_cost=4000, max_batch=4000)
    body = json.dumps({"texts": ["a " * 1000] * 100, "probabilities": True}).encode()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", service.port))
        connection.sendall((post_head(len(body)) + body) * 2)
        wait_until(lambda: metric(service, "active_requests") == 2)
        wait_until(lambda: metric(service, "active_requests") == 1)
    assert_alive(service)


def test_pipelined_requests(service):
    body = b'{"text":"in Chicago"}'
    one = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + post_head(len(body)) + body
    last = b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with open_sockets(service, 1, one * 20 + last) as (connection,):
        response = b""
        while part := connection.recv(65536):
            response += part
    statuses = re.findall(rb"HTTP/1.1 (\d+)", response)
    assert statuses == [b"200"] * 40 + [b"404"]


# Cost


def test_cost_is_limited(service):
    text = "in Chicago " * 170
    error = service.post({"texts": [text] * 120, "alternatives": 10})
    assert error.status_code == 413
    assert error.json()["error"]["code"] == "too_costly"
    assert "costs 2520, more than 1024" in error.json()["error"]["message"]
    assert service.post({"texts": ["in Chicago"] * 128, "alternatives": 10}).status_code == 200


@pytest.mark.parametrize(
    "options", [{}, {"probabilities": True}, {"alternatives": 3}, {"threshold": 0.5}]
)
def test_split_request_has_same_response(serve, service, options):
    texts = [f"saw Drake in Chicago {i}" for i in range(7)]
    body = {"texts": texts, **options}
    whole, split = service.post(body), serve(max_batch=2).post(body)
    # Rounding depends on the batch size.
    without_numbers = {"parse_float": lambda digits: None}
    assert split.json(**without_numbers) == whole.json(**without_numbers)
    assert len(whole.json()["results"]) == 7


@given(
    st.lists(st.text(max_size=50), min_size=1, max_size=20),
    st.integers(1, 20),
    st.integers(0, 10),
)
def test_split_keeps_texts_and_limits_cost(texts, max_cost, alternatives):
    request = AnnotateRequest(texts=texts, alternatives=alternatives)
    parts = request.split(max_cost)
    assert [text for part, _ in parts for text in part.all_texts] == texts
    assert [cost for _, cost in parts] == [part.cost for part, _ in parts]
    assert all(cost <= max_cost or len(part.all_texts) == 1 for part, cost in parts)
    assert {part.alternatives for part, _ in parts} == {alternatives}


def test_join_responses_with_texts_like_json():
    parts = [
        b'{"tags":["]}"],"results":[{"a":"\\"results\\":["}]}',
        b'{"tags":["]}"],"results":[1]}',
    ]
    assert json.loads(join_responses(parts)) == {
        "tags": ["]}"],
        "results": [{"a": '"results":['}, 1],
    }


class Worker:
    """Block while hangs is set, until killed."""

    is_ready = True

    def __init__(self):
        self.batches = []
        self.killed = False
        self.hangs = False

    def annotate(self, jobs):
        if jobs:
            self.batches.append(list(jobs))
        while self.hangs and not self.killed:
            time.sleep(0.005)
        if self.killed:
            raise RuntimeError("killed")
        return list(jobs)

    def kill(self):
        self.killed, self.is_ready = True, False

    def wait_until_ready(self):
        self.killed = self.hangs = False
        self.is_ready = True


def run_batcher(scenario, timeout: float = 60) -> Worker:
    worker = Worker()

    async def main():
        batcher = MicroBatcher([worker], max_batch=2, max_waiting=100, timeout=timeout)
        batcher.start()
        await asyncio.wait_for(scenario(batcher, worker), 30)
        await asyncio.wait_for(batcher.close(), 30)

    asyncio.run(main())
    return worker


def test_parts_alternate_with_other_jobs():
    async def scenario(batcher, worker):
        big = asyncio.create_task(batcher.submit_parts([(f"big {i}", 2) for i in range(3)]))
        await asyncio.sleep(0)
        others = [asyncio.create_task(batcher.submit(f"small {i}", 2)) for i in range(2)]
        assert await big == ["big 0", "big 1", "big 2"]
        assert all(one.done() for one in others)

    batches = run_batcher(scenario).batches
    assert batches == [["big 0"], ["small 0"], ["small 1"], ["big 1"], ["big 2"]] or batches == [
        *(["big 0"], ["small 0"], ["big 1"], ["small 1"], ["big 2"])
    ]


def test_cancelled_jobs_leave_queue():
    async def scenario(batcher, worker):
        worker.hangs = True
        running = asyncio.create_task(batcher.submit("running", 1))
        gone = asyncio.create_task(batcher.submit_parts([("gone 0", 2), ("gone 1", 2)]))
        await asyncio.sleep(0.05)
        assert batcher.n_waiting == 4
        gone.cancel()
        await asyncio.wait([gone])
        assert batcher.n_waiting == 0
        worker.hangs = False
        assert await running == "running"

    assert run_batcher(scenario).batches == [["running"]]


def test_hanging_worker_only_fails_its_batch():
    async def scenario(batcher, worker):
        worker.hangs = True
        first = asyncio.create_task(batcher.submit("first", 1))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(batcher.submit("second", 1))
        with pytest.raises(WorkerHung):
            await first
        assert await second == "second"

    assert run_batcher(scenario, timeout=0.5).batches == [["first"], ["second"]]


def test_hanging_idle_worker_is_detected():
    async def scenario(batcher, worker):
        worker.hangs = True
        while worker.hangs:
            await asyncio.sleep(0.02)
        assert await batcher.submit("after", 1) == "after"

    run_batcher(scenario, timeout=0.3)


def test_close_does_not_wait_for_cancelled_jobs():
    async def scenario(batcher, worker):
        worker.hangs = True
        task = asyncio.create_task(batcher.submit("gone", 1))
        await asyncio.sleep(0.05)
        task.cancel()

    run_batcher(scenario)


@pytest.mark.slow
@pytest.mark.parametrize("sent", ["timed out", "went away"])
def test_abandoned_requests_leave_queue(serve, sent, monkeypatch):
    from spacy_twitter_ner.serving import local_worker

    original, is_blocked, seen = local_worker.LocalWorker.annotate, True, []

    def annotate(self, requests):
        seen.extend(text for request in requests for text in request.all_texts)
        while is_blocked and any("block" in one.all_texts for one in requests):
            time.sleep(0.01)
        return original(self, requests)

    service = serve(timeout=2.0 if sent == "timed out" else 30.0)
    monkeypatch.setattr(local_worker.LocalWorker, "annotate", annotate)
    bodies = [json.dumps({"text": text}).encode() for text in ("block", "never", "never")]
    with ExitStack() as stack:
        for body in bodies:
            stack.enter_context(open_sockets(service, 1, post_head(len(body)) + body))
            wait_until(lambda: "block" in seen)
        wait_until(lambda: metric(service, "waiting_texts") == 2)
        if sent == "timed out":
            wait_until(lambda: metric(service, "waiting_texts") == 0)
    wait_until(lambda: metric(service, "waiting_texts") == 0)
    is_blocked = False
    assert_alive(service)
    assert "never" not in seen


# Errors


@pytest.mark.parametrize(
    ("body", "status", "count"),
    [
        ({"texts": [1] * 128}, 422, 128),
        ({"texts": [[]] * 128}, 422, 128),
        ({"texts": [None, "a"] * 64}, 422, 64),
        ({"texts": [1] * 100_000}, 413, None),
        ({f"unknown{i}": 1 for i in range(15_000)}, 422, 15_000),
        ({"x" * 200_000: 1}, 422, None),
        ({"text": {"a": [1] * 50_000}}, 422, None),
        ({"text": [1] * 50_000}, 422, None),
        ({"text": "a", "alternatives": [1] * 50_000}, 422, None),
        ([1] * 100_000, 422, None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_error_bodies_are_short(service, body, status, count):
    content = json.dumps(body, separators=(",", ":")).encode()
    headers = {"content-type": "application/json"}
    response = httpx.post(f"{service.url}/annotate", content=content, headers=headers, timeout=30)
    assert response.status_code == status
    assert len(response.content) < 4000
    error = response.json()["error"]
    assert len(error["details"]) <= MAX_DETAILS
    if count:
        assert f"first {MAX_DETAILS} of {count} errors" in error["message"]


def outcome_of(body: bytes) -> AnnotateRequest | Problem:
    try:
        return read_request(body, ServiceSettings())
    except Problem as problem:
        return problem


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
fields = st.sampled_from([*AnnotateRequest.model_fields, "other"])


@given(st.dictionaries(fields, json_values | st.lists(st.text())) | json_values)
def test_any_json_is_request_or_short_problem(value):
    outcome = outcome_of(json.dumps(value).encode())
    if isinstance(outcome, Problem):
        assert outcome.status in (413, 422)
        assert len(outcome.details) <= MAX_DETAILS
    else:
        assert all(text.encode("utf-8").decode("utf-8") == text for text in outcome.all_texts)


@given(st.binary())
def test_any_bytes_are_request_or_problem(body):
    outcome_of(body)


@pytest.mark.parametrize(
    ("escaped", "expected"),
    [
        (rb"\ud83d", "\ufffd"),
        (rb"\uDE00 lol", "\ufffd lol"),
        (rb"\ude00\ud83d", "\ufffd\ufffd"),
        (rb"\ud83d\ud83d\ude00", "\ufffd😂".replace("😂", "\U0001f600")),
        (rb"\ud83d\u0041", "\ufffdA"),
        (rb"\\ud83d", r"\ud83d"),
        (rb"caf\u00e9", "café"),
    ],
)
def test_lone_surrogates_are_replaced(escaped, expected):
    (text,) = read_request(b'{"text":"%s"}' % escaped, ServiceSettings()).all_texts
    assert text == expected
    texts = read_request(b'{"texts":["a","%s"]}' % escaped, ServiceSettings()).all_texts
    assert texts == ["a", expected]


# Routes and hosts


@pytest.mark.parametrize("path", GET_ROUTES)
def test_head_matches_get_without_body(service, path):
    response, expected = httpx.head(service.url + path), service.get(path)
    assert response.status_code == expected.status_code == 200
    assert response.content == b""
    assert response.headers["content-type"] == expected.headers["content-type"]


def test_head_of_other_routes(service):
    assert httpx.head(f"{service.url}/annotate").status_code == 405
    assert httpx.head(f"{service.url}/nothing").status_code == 404


@pytest.mark.parametrize("path", ["/annotate/", "/healthz/", "/pipeline/", "//annotate", "/page"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_is_redirected(service, method, path):
    response = httpx.request(method, service.url + path, headers={"host": "evil.example"}, json={})
    assert response.status_code == 404
    assert "location" not in response.headers


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("localhost", "localhost"),
        ("LocalHost:8000", "localhost"),
        ("127.0.0.1:8000", "127.0.0.1"),
        ("[::1]:8000", "::1"),
        ("[::1]", "::1"),
        ("example.org.", "example.org"),
        ("::1", None),
        ("", None),
        ("a b", None),
        ("localhost@evil.example", None),
        ("localhost:80:80", None),
        ("localhost/", None),
    ],
)
def test_parse_host(header, expected):
    assert parse_host(header) == expected


@pytest.mark.parametrize(
    ("settings", "host", "extra", "allowed", "refused"),
    [
        ({}, "127.0.0.1", (), "localhost", "evil.example"),
        ({}, "127.0.0.2", (), "127.0.0.2", "127.0.0.3"),
        ({}, "::1", (), "[::1]", "[::2]"),
        ({}, "127.0.0.1", ("ner.example",), "NER.example:80", "example"),
        ({}, "0.0.0.0", ("ner.example",), "ner.example", "evil.example"),
        ({"token": TOKEN}, "127.0.0.1", ("ner.example",), "ner.example", "evil.example"),
        ({"token": TOKEN}, "127.0.0.1", (), "proxied.example", None),
        ({}, "0.0.0.0", (), "anything.example", None),
        ({}, "127.0.0.1", ("*",), "anything.example", None),
    ],
)
def test_allowed_hosts(serve, settings, host, extra, allowed, refused):
    restricted = restrict_hosts(ServiceSettings(**settings), host, extra)
    service = serve(**settings, allowed_hosts=restricted.allowed_hosts)
    for path in ("/", "/healthz", "/pipeline", "/openapi.json"):
        assert service.get(path, headers={"host": allowed}).status_code == 200
        if refused:
            response = service.get(path, headers={"host": refused})
            assert response.status_code == 421
            assert refused not in response.text
    if refused:
        body = {"text": "a"}
        assert service.post(body, headers={"host": refused, **BEARER}).status_code == 421
        assert service.post(body, headers={"host": allowed, **BEARER}).status_code == 200
        for head in (b"GET / HTTP/1.0\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n"):
            assert status_of(talk(service, head + b"\r\n")) == 421


@pytest.mark.parametrize("host", ["", "a b", "http://example.org", "example.org/x"])
def test_invalid_allowed_hosts_raise(host):
    with pytest.raises(ValueError, match="invalid allowed host"):
        ServiceSettings(allowed_hosts=(host,))
