import asyncio
from typing import ClassVar

import httpx
import pytest

from labctl.control.client import DaemonClient
from labctl.control.endpoint import Endpoint, EndpointFiles
from labctl.control.http import HttpFace
from labctl.errors import CellError, InstrumentError, InternalError, OrderRefused, StoreBusy, UsageError
from labctl.run.request import OrderReply, StartReply
from labctl.run.supervisor import Supervisor


class Told(Supervisor):
    """A supervisor that remembers orders, and fails on a channel named after an error."""

    FAILS: ClassVar = {
        "busy": OrderRefused("busy runs cccv-cycling; stop it with: labctl stop busy"),
        "cell": CellError("cell.yaml:3:7: wanted an area, found none"),
        "instrument": InstrumentError("keithley 2450: wanted 1 mA, read back 2 mA"),
        "store": StoreBusy("another process holds the journal"),
        "usage": UsageError("wanted a channel, found usage"),
        "defect": ZeroDivisionError("secret"),
    }

    def __init__(self):
        self.told = []

    async def start(self, request):
        self.told.append(request)
        if request.channel in self.FAILS:
            raise self.FAILS[request.channel]
        return StartReply("run-1", request.channel, "CCD", 3600.0, ("first", "second"))

    async def order(self, verb, target, order_id="", by="", text="", run=""):
        if target in self.FAILS:
            raise self.FAILS[target]
        self.told.append((verb, target, by, text))
        return OrderReply(verb, target, "run-1", "paused")

    alarms = ()

    def looks(self):
        return [{"channel": "A1", "activity": "idle", "voltage_volt": float("nan")}]

    def why(self, channel):
        return "waits for a person", f"labctl confirm {channel}"


@pytest.fixture(params=["unix", "127.0.0.1:0"])
def wanted(request):
    return request.param


async def asked(client, method, *words):
    async with asyncio.timeout(60):
        return await asyncio.to_thread(getattr(client, method), *words)


async def test_the_command_line_reaches_the_daemon(tmp_path, wanted):
    told = Told()
    place = EndpointFiles(tmp_path)
    async with HttpFace(told, place, wanted, lambda: {"version": "0", "mqtt_port": 1883}):
        with DaemonClient(tmp_path) as client:
            answer = await asked(
                client, "order", "note", {"channel": "A1", "text": "Zelle dreht sich · ok", "by": "me"}
            )
            assert answer == {"verb": "note", "channel": "A1", "run": "run-1", "activity": "paused", "text": ""}
            assert told.told == [("note", "A1", "me", "Zelle dreht sich · ok")]
            assert await asked(client, "status") == [{"channel": "A1", "activity": "idle", "voltage_volt": None}]
            assert (await asked(client, "why", "A/1"))["unblock"] == "labctl confirm A/1"
            assert await asked(client, "info") == {"version": "0", "mqtt_port": 1883}
            answer = await asked(
                client, "order", "start", {"protocol": "p", "cell": "c", "channel": "A1", "values": {"a": "1 mA"}}
            )
            assert answer["warnings"] == "first\nsecond"
            assert told.told[-1].id
    with pytest.raises(OrderRefused, match="labctl serve"):
        DaemonClient(tmp_path)


@pytest.mark.parametrize(
    ("target", "kind"), [(name, type(error)) for name, error in Told.FAILS.items() if name != "defect"]
)
async def test_errors_arrive_as_they_were_raised(tmp_path, target, kind):
    async with HttpFace(Told(), EndpointFiles(tmp_path)):
        with DaemonClient(tmp_path) as client, pytest.raises(kind) as caught:
            await asked(client, "order", "stop", {"channel": target})
    assert type(caught.value) is kind
    assert str(caught.value) == str(Told.FAILS[target])


async def test_a_defect_shows_a_mark_and_not_its_trace(tmp_path, caplog):
    async with HttpFace(Told(), EndpointFiles(tmp_path)):
        with DaemonClient(tmp_path) as client, pytest.raises(InternalError, match="log has it under") as caught:
            await asked(client, "order", "stop", {"channel": "defect"})
    mark = str(caught.value).split()[-1]
    assert "secret" not in str(caught.value)
    assert mark in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_daemon_that_vanished_is_said(tmp_path):
    place = EndpointFiles(tmp_path)
    place.make_token()
    place.publish(Endpoint(unix=str(tmp_path / "gone.sock")))
    with pytest.raises(OrderRefused, match=r"no daemon answers at .*labctl serve"):
        DaemonClient(tmp_path)


@pytest.fixture
async def raw(tmp_path):
    """Ask with headers of one's own."""
    place = EndpointFiles(tmp_path)
    told = Told()
    async with HttpFace(told, place, "127.0.0.1:0") as face:
        headers = {"authorization": f"Bearer {place.token()}"}
        async with httpx.AsyncClient(
            base_url=face.endpoint.url, headers=headers, trust_env=False, timeout=10
        ) as client:
            client.told = told.told
            yield client


@pytest.mark.parametrize("host", ["evil.example.org", "127.0.0.1.evil.org", "10.0.0.1:80", "", "localhost.evil:1"])
async def test_another_name_of_this_machine_is_refused(raw, host):
    answer = await raw.get("/v1/status", headers={"host": host})
    assert answer.status_code in {400, 403}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1", "[::1]:80", "[::1]"])
async def test_names_of_this_machine(raw, host):
    assert (await raw.get("/v1/status", headers={"host": host})).status_code == 200


async def test_a_web_page_is_refused(raw):
    answer = await raw.post("/v1/orders/stop", json={"channel": "A1"}, headers={"origin": "http://localhost"})
    assert answer.status_code == 403
    assert not raw.told


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic abc", "Bearer " + "x" * 43])
async def test_without_the_token_nothing_is_told(raw, header):
    answer = await raw.post("/v1/orders/stop", json={"channel": "A1"}, headers={"authorization": header})
    assert answer.status_code == 401
    assert answer.json()["error"] == "Unauthorized"
    assert not raw.told


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/v1/orders/stop", b"{", 400, "as a JSON object"),
        ("/v1/orders/stop", b"x" * 5000, 400, "at most 4096 bytes"),
        ("/v1/orders/fly", b"{}", 400, "found 'fly'"),
        ("/v1/orders/stop", b'{"channel": "A1", "speed": 1}', 400, "unknown key 'speed'"),
    ],
)
async def test_bad_requests_are_answered_in_the_user_s_words(raw, path, body, status, message):
    answer = await raw.post(path, content=body)
    assert answer.status_code == status
    assert message in answer.json()["message"]
    assert answer.headers["content-type"] == "application/json"


async def test_unknown_paths_and_methods(raw):
    assert (await raw.get("/")).status_code == 404
    assert (await raw.get("/v1/orders/stop")).status_code == 405
    assert (await raw.get("/../../etc/passwd")).status_code == 404


async def test_a_request_cut_in_half_keeps_nobody_waiting(tmp_path):
    place = EndpointFiles(tmp_path)
    async with HttpFace(Told(), place, "127.0.0.1:0") as face:
        _, writer = await asyncio.open_connection(face.endpoint.host, face.endpoint.port)
        writer.write(b"POST /v1/orders/stop HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n")
        writer.write(f"authorization: Bearer {place.token()}\r\n\r\n{{".encode())
        await writer.drain()
        with DaemonClient(tmp_path) as client:
            assert await asked(client, "status")
        writer.close()
        await writer.wait_closed()
