import asyncio
import json

import pytest

pytest.importorskip("psutil")
pytest.importorskip("uvloop")

from serving import (
    Load,
    Measured,
    load_of,
    load_table,
    make_requests,
    memory_table,
    nothing_served,
    put_load,
)


def test_requests_take_all_tweets_in_turn():
    requests = make_requests(["a", "b", "c"], 2, 3)
    bodies = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in requests]
    assert [body["texts"] for body in bodies] == [["a", "b"], ["c", "a"], ["b", "c"]]


def test_load_counts_what_was_answered_and_what_failed():
    async def answer(reader, writer):
        for status in ("200 OK", "429 Too Many Requests"):
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.partition(b"Content-Length: ")[2].split(b"\r")[0]))
            answer = f"HTTP/1.1 {status}\r\ncontent-length: 4\r\n\r\n{{  }}".encode()
            # As the network may cut it.
            for part in (answer[:20], answer[20:-2], answer[-2:]):
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.close()
        await writer.wait_closed()
        answered.set()

    async def main():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        load = await put_load(port, make_requests(["a"], 5, 2), 1, 5)
        await answered.wait()
        server.close()
        return load

    answered = asyncio.Event()
    load = asyncio.run(main())
    assert load.failures == 1
    assert load.texts == 5
    assert len(load.latencies) == 2


def test_a_connection_that_breaks_is_an_error():
    class HangUp(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            self.transport.close()

    async def main():
        server = await asyncio.get_running_loop().create_server(HangUp, "127.0.0.1", 0)
        with pytest.raises(ConnectionError):
            await put_load(server.sockets[0].getsockname()[1], make_requests(["a"], 1, 2), 1, 1)
        server.close()

    asyncio.run(main())


def test_a_service_that_does_nothing_answers():
    with nothing_served() as port:
        load = load_of(port, make_requests(["a"], 1, 50), 4, 1)
    assert len(load.latencies) == load.texts == 50
    assert load.failures == 0


def test_tables():
    load = Load([0.001 * i for i in range(1, 101)], 2.0, 100, 0)
    slow = Load([0.001 * i for i in range(1, 101)], 4.0, 100, 1)
    rounds = [Measured(1, 16, one, 200.0, 100.0) for one in (load, load, slow)]
    (row,) = load_table([rounds]).rows
    assert row == ("1", "16", "50", "200", "25%", "100", "50%", "51.0", "96.0", "100.0", "1")
    assert memory_table([(1000, 123.44)]).rows == [("1,000", "123.4")]
