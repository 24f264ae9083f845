"""Malicious and broken clients: the response is never a 5xx, and the service continues."""

import json
import socket
import time
from contextlib import suppress

import pytest

from .conftest import httpx


def talk(service, *parts: bytes, pause: float = 0.0, timeout: float = 20) -> bytes:
    """Send bytes with pauses, and read until the service disconnects or sends nothing."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=timeout) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        response = b""
        with suppress(TimeoutError):
            while part := connection.recv(65536):
                response += part
                head, _, body = response.partition(b"\r\n\r\n")
                if b"content-length: %d\r\n" % len(body) in head.lower() + b"\r\n":
                    break
        return response


def post_head(length: int, *more: bytes) -> bytes:
    lines = [
        b"POST /annotate HTTP/1.1",
        b"Host: x",
        b"Content-Type: application/json",
        b"Content-Length: %d" % length,
        *more,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def status_of(response: bytes) -> int:
    return int(response.split(b" ", 2)[1])


def assert_alive(service) -> None:
    assert service.post({"text": "in Chicago"}).status_code == 200


@pytest.mark.slow
def test_slow_body_is_408(serve):
    service = serve(body_timeout=0.5)
    start = time.monotonic()
    response = talk(service, post_head(100), b"{", pause=0.1)
    assert status_of(response) == 408
    assert b'"too_slow"' in response
    assert time.monotonic() - start < 15
    # A body that arrives slowly.
    dripping = [post_head(100), *[b" "] * 9]
    assert status_of(talk(service, *dripping, pause=0.05)) == 408
    assert_alive(service)


def test_slow_clients_do_not_block_others(service):
    slow = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(100)]
    try:
        for connection in slow:
            connection.sendall(post_head(50) + b'{"text"')
        assert_alive(service)
    finally:
        for connection in slow:
            connection.close()
    assert_alive(service)


def test_too_many_concurrent_requests_are_429(serve):
    service = serve(max_requests=5)
    slow = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(5)]
    try:
        for connection in slow:
            connection.sendall(post_head(50) + b"{")
        time.sleep(0.3)
        response = service.post({"text": "a"})
        assert response.status_code == 429
        assert response.headers["retry-after"] == "1"
    finally:
        for connection in slow:
            connection.close()
    time.sleep(0.3)
    assert_alive(service)


@pytest.mark.parametrize("length", [300_000, 3_000_000])
def test_large_body_is_413(service, length):
    body = json.dumps({"text": "x" * length}).encode()
    response = httpx.post(
        f"{service.url}/annotate", content=body, headers={"content-type": "application/json"}
    )
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "body_too_large"


@pytest.mark.slow
def test_endless_body_is_disconnected(service):
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


@pytest.mark.slow
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
def test_invalid_http(service, parts):
    response = talk(service, *parts, timeout=3)
    assert not response or status_of(response) < 500
    assert_alive(service)


def test_disconnecting_clients(service):
    body = json.dumps({"texts": ["saw Drake in Chicago " * 20] * 100}).encode()
    for sent in (0, 1, len(body) // 2, len(body)):
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", service.port)) as connection:
                connection.sendall(post_head(len(body)) + body[:sent])
    assert_alive(service)
    statuses = service.get("/metrics").text
    assert 'status="5' not in statuses
