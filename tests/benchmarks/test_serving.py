import asyncio
import json

import pytest

pytest.importorskip("psutil")

from serving import Load, load_table, make_requests, memory_table, put_load


def test_requests_take_all_tweets_in_turn():
    requests = make_requests(["a", "b", "c"], 2, 3)
    bodies = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in requests]
    assert [body["texts"] for body in bodies] == [["a", "b"], ["c", "a"], ["b", "c"]]


def test_load_counts_what_was_answered_and_what_failed():
    async def answer(reader, writer):
        for status in ("200 OK", "429 Too Many Requests"):
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.partition(b"Content-Length: ")[2].split(b"\r")[0]))
            writer.write(f"HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}".encode())
        await writer.drain()
        writer.close()

    async def main():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        load = await put_load(port, make_requests(["a"], 5, 2), 1, 5)
        server.close()
        return load

    load = asyncio.run(main())
    assert load.failures == 1
    assert load.texts == 5
    assert len(load.latencies) == 2


def test_tables():
    load = Load([0.001 * i for i in range(1, 101)], 2.0, 100, 0)
    (row,) = load_table([(1, 16, load)], 200.0).rows
    assert row == ("1", "16", "50", "25%", "51.0", "96.0", "100.0", "0")
    assert memory_table([(1000, 123.44)]).rows == [("1,000", "123.4")]
