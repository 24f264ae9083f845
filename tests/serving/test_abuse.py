"""What clients do that mean harm, or are broken: never is a 5xx the answer, and the service goes
on."""

import json
import socket
import time
from contextlib import suppress

import pytest

from .conftest import httpx


def talk(service, *parts: bytes, pause: float = 0.0, timeout: float = 20) -> bytes:
    """Sends bytes, with pauses, and reads until the service closes or is silent."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=timeout) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        answer = b""
        with suppress(TimeoutError):
            while part := connection.recv(65536):
                answer += part
                head, _, body = answer.partition(b"\r\n\r\n")
                if b"content-length: %d\r\n" % len(body) in head.lower() + b"\r\n":
                    break
        return answer


def post_head(length: int, *more: bytes) -> bytes:
    lines = [
        b"POST /annotate HTTP/1.1",
        b"Host: x",
        b"Content-Type: application/json",
        b"Content-Length: %d" % length,
        *more,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def assert_alive(service) -> None:
    assert service.post({"text": "in Chicago"}).status_code == 200


def test_a_slow_body_is_cut_off(serve):
    service = serve(body_timeout=0.5)
    start = time.monotonic()
    answer = talk(service, post_head(100), b"{", pause=0.1)
    assert status_of(answer) == 408
    assert b'"too_slow"' in answer
    assert time.monotonic() - start < 15
    # A body that drips in is no better than one that stops.
    dripping = [post_head(100), *[b" "] * 9]
    assert status_of(talk(service, *dripping, pause=0.05)) == 408
    assert_alive(service)


def test_slow_clients_do_not_hinder_others(service):
    slow = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(100)]
    try:
        for connection in slow:
            connection.sendall(post_head(50) + b'{"text"')
        assert_alive(service)
    finally:
        for connection in slow:
            connection.close()
    assert_alive(service)


def test_too_many_requests_at_a_time_are_429(serve):
    service = serve(max_requests=5)
    slow = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(5)]
    try:
        for connection in slow:
            connection.sendall(post_head(50) + b"{")
        time.sleep(0.3)
        answer = service.post({"text": "a"})
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "1"
    finally:
        for connection in slow:
            connection.close()
    time.sleep(0.3)
    assert_alive(service)


@pytest.mark.parametrize("length", [300_000, 3_000_000])
def test_a_body_that_is_too_large_is_told_why(service, length):
    body = json.dumps({"text": "x" * length}).encode()
    answer = httpx.post(
        f"{service.url}/annotate", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "body_too_large"


def test_an_endless_body_is_cut_off(service):
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    head = post_head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    sent = 0
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(head)
        with suppress(OSError):  # reset, or a broken pipe
            for _ in range(2000):
                connection.sendall(chunk)
                sent += len(chunk)
                time.sleep(0.001)
    assert sent < 64 * 1024 * 1024
    assert_alive(service)


@pytest.mark.parametrize(
    "parts",
    [
        [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200)],
        [b"GET / HTTP/9.9\r\n\r\n"],
        [b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n"],
        [b"\r\n\r\n\r\n"],
        [post_head(-1)],
        [b"POST /annotate HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n"],
        [b"GET / HTTP/1.1\r\n" + b"X-Header: " + b"y" * 200_000 + b"\r\n\r\n"],
        [b"GET /\xff\xfe%ff%00 HTTP/1.1\r\nHost: x\r\n\r\n"],
    ],
    ids=["tls", "version", "long path", "nothing", "negative", "no number", "header", "bytes"],
)
def test_what_is_no_http(service, parts):
    answer = talk(service, *parts, timeout=3)
    assert not answer or status_of(answer) < 500
    assert_alive(service)


def test_clients_that_go_away(service):
    body = json.dumps({"texts": ["saw Drake in Chicago " * 20] * 100}).encode()
    for sent in (0, 1, len(body) // 2, len(body)):
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", service.port)) as connection:
                connection.sendall(post_head(len(body)) + body[:sent])
    assert_alive(service)
    statuses = service.get("/metrics").text
    assert 'status="5' not in statuses
