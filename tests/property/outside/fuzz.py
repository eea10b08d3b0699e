"""Damaged files and orders for every parser that meets them: none may raise anything but an error of ours, and none may grow.

python -m tests.property.outside.fuzz --inputs 100000
"""

import argparse
import asyncio
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from labctl.control import dispatch
from labctl.control.mqtt import MqttFace
from labctl.control.order_table import ORDERS
from labctl.plan.check import check
from labctl.protocol.cell_correction import with_value
from labctl.protocol.cellfile import read_cell
from labctl.protocol.load import read
from labctl.run.request import EditReply, OrderReply, StartReply
from labctl.run.supervisor import Supervisor
from labctl.station.load import read_station
from labctl.store.signature import _parsed

LIBRARY = Path(__file__).parents[3] / "protocols"
NOW = 1_700_000_000.0
PREFIX = "labctl/1/bench"
ODD = (
    b"nan", b".inf", b"1e999", b"99999999999999999999", b"\xff", b"\x00", b"&a ", b"*a", b"!!python/object ", b"<<: ", b"- ", b": ",
    b"{", b"[", b"}", b"]", b'"', b"'", b"|\n", b"#", b"\t", b"\xe2\x80\x93", b"12:30:00", b"017", b"no", b"$(", b"$a", b"1 mA", b"\\u0000",
    b"\r\n", b"null", b"true", b"-1", b"\xef\xbb\xbf", b"---\n", b"...\n", b"%YAML 1.1\n", b"? ",
)  # fmt: skip
STATION = b"""\
labctl_station: 1
name: bench
instruments: {kei1: {driver: keithley2450, resource: "TCPIP0::10.0.0.5::5025::SOCKET"}}
channels: {A1: {cell: {instrument: kei1}, limits: {voltage: [2.5 V, 4.2 V], current: [-1 A, 1 A]}}}
mqtt: {broker: {host: mqtt.lab, port: 8883, user: lab, password_file: pw, tls: true}, commands: stop-only}
web: {listen: "127.0.0.1:8023"}
notify: {routes: {lab: {webhook: "https://chat.lab/hook"}}, quiet: ["22:00", "07:00"]}
"""
ORDER_SEEDS = (
    b'{"channel": "A1", "id": "7", "issued_at": 1700000000, "reply_to": "me/answers"}',
    b'{"run": "0b5c2a6e-9f5e-4a1c-8f43-3b7a1f1e8a11", "step": 3, "step_seen": 4, "id": "8", "issued_at": "2023-11-14T22:13:20Z"}',
    b'{"protocol": "ccd", "cell": "lps", "channel": "A1", "values": {"first": "0.1 mA/cm2"}, "at": 1.7e9, "next": true, "id": "9"}',
    b'{"channel": "A1", "run": "0b5c2a6e", "place": 2, "remove": true, "text": "a remark", "mass": "12 mg", "check": false}',
)


class Deaf(Supervisor):
    """A supervisor that does nothing with what got through."""

    alarms = ()  # type: ignore[assignment]

    def __init__(self) -> None:
        self.reload = self._reloaded

    async def _reloaded(self) -> str:
        return ""

    async def attach(self, path: str) -> str:
        return ""

    async def edit(self, request: object) -> EditReply:  # type: ignore[override]
        return EditReply("", "", "", "", applied=False)

    async def correct(self, request: object) -> OrderReply:  # type: ignore[override]
        return OrderReply("correct", "", "", "idle")

    async def order(self, verb: str, target: str, *more: object, **rest: object) -> OrderReply:  # type: ignore[override]
        return OrderReply(verb, target, "", "idle")

    async def foreign(self, verb: str, channel: str, *more: object, **rest: object) -> OrderReply:  # type: ignore[override]
        return OrderReply(verb, channel, "", "idle")

    async def start(self, request: object) -> StartReply:  # type: ignore[override]
        return StartReply("", "")

    async def queue(self, request: object) -> OrderReply:  # type: ignore[override]
        return OrderReply("queue", "", "", "idle")

    def waiting(self, channel: str) -> list[object]:  # type: ignore[override]
        return []

    def able_to(self, verb: str, reason: str = "") -> list[str]:
        return []

    def looks(self) -> Iterator[object]:  # type: ignore[override]
        return iter(())

    def why(self, channel: str) -> tuple[str, str]:
        return "", ""


class Orders:
    """The two faces by which orders come in, with nobody behind them."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.random = random.Random(1)

    def http(self, data: bytes) -> None:
        """Read the body of a request and obey what it says."""
        asked = dispatch.check(self.random.choice(tuple(ORDERS)), dispatch.parse(data))
        self.loop.run_until_complete(dispatch.obey(Deaf(), asked))

    def mqtt(self, data: bytes) -> None:
        """Receive a message on a topic, parts of which come from the message."""
        cut = data.find(b"|")
        topic = (
            data[:cut].decode("utf-8", "replace") if cut > 0 else f"{PREFIX}/cmd/{self.random.choice(tuple(ORDERS))}"
        )
        self.loop.run_until_complete(self._received(topic, data[cut + 1 :]))

    async def _received(self, topic: str, payload: bytes) -> None:
        face = MqttFace(Deaf(), "all", PREFIX, lambda *_: None, lambda: NOW)
        face.receive(topic, payload, self.random.random() < 0.1)
        await face.close()


def protocol(data: bytes) -> None:
    """Check a protocol file."""
    for finding in check(read(data, "f.yaml")):
        str(finding)


def cell(data: bytes) -> None:
    """Read a cell file, and correct its mass."""
    found, findings = read_cell(data, "f.yaml")
    for finding in findings:
        str(finding)
    if found is not None and not findings:
        with_value(data.decode(), "f.yaml", "active_mass", "12.3 mg")


def station(data: bytes) -> None:
    """Read a station file."""
    for finding in read_station(data, "f.yaml", ("keithley2450", "simulated"))[1]:
        str(finding)


def signed_head(data: bytes) -> None:
    """Read the text of a signed head."""
    _parsed(data.decode("ascii", "replace"))


def small(folder: Path, most: int = 2000) -> tuple[bytes, ...]:
    """Return the files of a folder that are quick to read."""
    texts = (path.read_bytes() for path in sorted(folder.glob("*.yaml")))
    return tuple(text for text in texts if len(text) <= most)


ASKED = Orders()
PARSERS: dict[str, tuple[Callable[[bytes], None], tuple[bytes, ...]]] = {
    "protocol files": (protocol, small(LIBRARY)),
    "cell files": (cell, small(LIBRARY / "cells")),
    "station files": (station, (STATION,)),
    "orders over HTTP": (ASKED.http, ORDER_SEEDS),
    "orders over MQTT": (ASKED.mqtt, (*ORDER_SEEDS, *(f"{PREFIX}/cmd/stop|".encode() + seed for seed in ORDER_SEEDS))),
    "signed heads": (signed_head, (b"labctl head 1\njournal e6\ncommit 7\nchain 72cf\nsigned 2026-11-29T05:00:00Z\n",)),
}


def main(words: Sequence[str] | None = None) -> int:
    """Fuzz from the command line, with progress and the time that is left; return the exit code."""
    from tests.crash.fuzzed import count  # noqa: PLC0415 - what is counted is no part of the tests that use this

    asked = argparse.ArgumentParser(prog="python -m tests.property.outside.fuzz", description=__doc__)
    asked.add_argument("--inputs", type=int, default=100_000, help="inputs for each parser")
    asked.add_argument("--seed", type=int, default=None, help="of the first inputs")
    asked.add_argument("--of", choices=PARSERS, action="append", help="this parser alone")
    asked.add_argument("--write", action="store_true", help="add to tests/crash/counted and to the page")
    given = asked.parse_args(words)
    wrong = 0
    for name in given.of or PARSERS:
        family = f"fuzz-{name.replace(' ', '-').lower()}"
        wrong |= count(family, {name: PARSERS[name]}, ODD, given.inputs, given.seed, keep=given.write)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
