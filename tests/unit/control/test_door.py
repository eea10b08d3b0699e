"""Stop is obeyed whoever floods: without the token nobody holds a place for long, with it nobody holds the lane of stop."""

import asyncio
import time

import pytest

from labctl.control import door, http
from labctl.control.client import DaemonClient
from labctl.control.endpoint import EndpointFiles
from labctl.control.http import HttpFace
from labctl.run.request import OrderReply, StartReply
from labctl.run.supervisor import Supervisor

HALF = b"POST /v1/orders/stop HTTP/1.1\r\nhost: localhost\r\n"


class Slow(Supervisor):
    """A supervisor whose starts take until they are let go."""

    def __init__(self):
        self.go = asyncio.Event()

    async def start(self, request):
        await self.go.wait()
        return StartReply("run-1", request.channel)

    async def order(self, verb, target, order_id="", by="", text="", run=""):
        return OrderReply(verb, target, "run-1", "done")

    alarms = ()

    def looks(self):
        return []


async def stopped(folder):
    """Stop a channel as the command line does, and return how long that took, s."""

    def give():
        began = time.perf_counter()
        with DaemonClient(folder) as client:
            assert client.order("stop", {"channel": "A1"})["activity"] == "done"
        return time.perf_counter() - began

    return await asyncio.to_thread(give)


async def closed(reader):
    async with asyncio.timeout(30):
        try:
            return await reader.read() == b""
        except ConnectionError:
            return True


@pytest.mark.parametrize("wanted", ["unix", "127.0.0.1:0"])
async def test_stop_refused_beside_half_open_requests(tmp_path, wanted, monkeypatch):
    monkeypatch.setattr(door, "JUST_COME", 0.0)
    async with HttpFace(Slow(), EndpointFiles(tmp_path), wanted) as face:
        where = face.endpoint
        streams = []
        for _ in range(4 * door.STRANGERS):
            if where.unix:
                streams.append(await asyncio.open_unix_connection(where.unix))
            else:
                streams.append(await asyncio.open_connection(where.host, where.port))
            streams[-1][1].write(HALF)
        took = await stopped(tmp_path)
        assert took < 5.0
        assert len(face.door) <= door.STRANGERS
        first = streams[0][0]
        assert await closed(first), "the one that waited longest made room"
        for _, writer in streams:
            writer.close()


async def test_a_connection_that_never_shows_the_token_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(door, "HEADERS_WITHIN", 0.05)
    async with HttpFace(Slow(), EndpointFiles(tmp_path), "127.0.0.1:0") as face:
        reader, writer = await asyncio.open_connection(face.endpoint.host, face.endpoint.port)
        writer.write(HALF)
        assert await closed(reader)
        writer.close()
        assert len(face.door) == 0


async def test_stop_has_a_lane_of_its_own(tmp_path):
    supervisor = Slow()
    async with HttpFace(supervisor, EndpointFiles(tmp_path)):
        start = {"protocol": "p", "cell": "c", "channel": "A1"}
        clients = [DaemonClient(tmp_path) for _ in range(http.BUSY)]
        busy = [asyncio.create_task(asyncio.to_thread(client.order, "start", start)) for client in clients]
        assert await stopped(tmp_path) < 5.0
        supervisor.go.set()
        answers = await asyncio.gather(*busy)
        assert {answer["run"] for answer in answers} == {"run-1"}
        for client in clients:
            client.close()


async def test_a_body_that_never_comes_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(http, "BODY_WITHIN", 0.05)
    place = EndpointFiles(tmp_path)
    async with HttpFace(Slow(), place, "127.0.0.1:0") as face:
        reader, writer = await asyncio.open_connection(face.endpoint.host, face.endpoint.port)
        token = f"authorization: Bearer {place.token()}\r\n".encode()
        writer.write(HALF + token + b"content-length: 100\r\n\r\n{")
        async with asyncio.timeout(30):
            assert b"400" in await reader.readline()
        writer.close()
