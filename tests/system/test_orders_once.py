"""An order is obeyed once, wherever between two of its steps the daemon dies, on every face.

At each named step of an order the data folder is copied as a killed process would leave it: what the system has been handed is
there, what only memory held is not. A daemon on the copy is then given the same order under the same id, and again. Whatever the
step, the journal holds what it holds where nobody died: the same runs, the order's effect once, the run at the same place.
"""

import asyncio
import json
import os
import shutil
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from labctl.cli.main import main
from labctl.control.client import DaemonClient
from labctl.control.mqtt import MqttFace
from labctl.daemon import running
from labctl.errors import OrderRefused
from labctl.run.request import StartRequest
from labctl.run.stations import simulated_station
from labctl.station.settings import Mqtt
from labctl.store.reader import Reader

CELL = """\
labctl_cell: 1
name: A
kind: full
nominal: {capacity: 680 mAh}
limits: {voltage: [2.5 V, 4.3 V], current: [-5 A, 5 A]}
model: marquis2019
"""
PROTOCOL = """\
labctl: 1
name: waits
steps:
  - {name: first, rest: 100 h}
  - prompt: {say: press it, for: 100 h}
  - {name: third, rest: 100 h}
"""
KINDS = {
    "rest": "rest: 100 h",
    "charge": "charge: {current: 0.1 mA, for: 100 h}",
    "discharge": "discharge: {current: 0.1 mA, for: 100 h}",
    "power": "discharge: {power: 0.1 mW, for: 100 h}",
    "hold": "hold: {voltage: 3.8 V, for: 100 h}",
    "charge and hold": "charge: {current: 0.1 mA, to: 4.2 V, hold_until: current < 0.01 mA, for: 100 h}",
    "block": "repeat: 1, steps: [{charge: {current: 0.1 mA, for: 100 h}}]",
}  # of step, in the middle of which an order comes
DRAWN = 1  # kinds in a run of the tests; `make rig-break` takes all
STATION = replace(simulated_station(1, "bench"), mqtt=Mqtt(broker="none"))
BEFORE = {
    "start": [], "pause": ["start"], "resume": ["start", "pause"], "skip": ["start"], "confirm": ["start", "skip"],
    "note": ["start"], "stop": ["start"], "again": ["start", "stop"],
}  # fmt: skip # what brings a channel to where the order can be obeyed; `again` is `resume --from`
STEPS = {"known", "drafted", "created", "begun", "acted", "committed"}
ID = "mine"


@dataclass
class World:
    """What the journal holds of the orders of one id."""

    runs: int
    obeyed: int
    activity: str
    step: object

    @classmethod
    def of(cls, folder, verb):
        with Reader(folder) as reader:
            runs = reader.runs()
            events = [each.event for run in runs for each in reader.events(run.run_id)]
            obeyed = [event for event in events if event.data.get("id") == ID]
            steps = [event.data["step_id"] for event in events if event.kind == "step_began"]
        return cls(len(runs), len(obeyed), runs[-1].activity if runs else "", steps[-1:])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "cell.yaml").write_text(CELL)
    (tmp_path / "p.yaml").write_text(PROTOCOL)
    return tmp_path


async def bring(parts, folder, verbs):
    for verb in verbs:
        if verb == "start":
            await parts.supervisor.start(StartRequest(str(folder / "p.yaml"), str(folder / "cell.yaml"), "sim1"))
        else:
            await parts.supervisor.order(verb, "sim1")


def asked(folder, verb):
    """Return the order as HTTP and MQTT have it: verb and arguments."""
    match verb:
        case "start":
            return "start", {"protocol": str(folder / "p.yaml"), "cell": str(folder / "cell.yaml"), "channel": "sim1"}
        case "again":
            return "resume", {"run": "1", "step": 3}
        case "confirm" | "note":
            return verb, {"channel": "sim1", "text": "30 degrees"}
    return verb, {"channel": "sim1"}


async def over_http(parts, folder, verb):
    name, arguments = asked(folder, verb)

    def give():
        with DaemonClient(parts.folder) as client:
            return client.order(name, {**arguments, "id": ID, "by": "me"})

    return await asyncio.to_thread(give)


async def over_cli(parts, folder, verb):
    name, arguments = asked(folder, verb)
    words = {
        "start": [arguments.get("protocol"), "--cell", arguments.get("cell"), "--channel", "sim1"],
        "again": ["1", "--from", "3"],
        "confirm": ["sim1", "30 degrees"],
        "note": ["sim1", "30 degrees"],
    }.get(verb, ["sim1"])
    code = await asyncio.to_thread(main, [name, *words, "--id", ID, "--data", str(parts.folder), "--json"])
    if code:
        raise OrderRefused("the command line says why on its standard error")
    return {}


async def over_mqtt(parts, folder, verb):
    name, arguments = asked(folder, verb)
    answers = []
    face = MqttFace(parts.supervisor, "all", "p", lambda _topic, payload, _correlation: answers.append(payload))
    order = {**arguments, "id": ID, "by": "me", "issued_at": time.time(), "reply_to": "a"}
    for key in {"protocol", "cell"} & order.keys():
        order[key] = order[key].removeprefix(f"{folder}/")
    face.receive(f"p/cmd/{name}", json.dumps(order).encode(), retained=False)
    await face.close()
    last = json.loads(answers[-1])
    if not last.get("ok"):
        raise OrderRefused(last["why"])
    return {key: value for key, value in last.items() if key not in {"unix_time_second", "time", "answer", "id", "ok"}}


@asynccontextmanager
async def cut(parts, into):
    """Keep what a kill at each step of an order would leave."""
    seen = []

    def reached(step):
        copy = into / step
        if not copy.exists():
            seen.append(step)
            copy.mkdir()
            for file in parts.folder.glob("journal.db*"):
                shutil.copy(file, copy / file.name)

    parts.supervisor.book.reached = reached
    yield seen


@pytest.mark.parametrize("face", [over_http, over_mqtt, over_cli])
@pytest.mark.parametrize("verb", BEFORE)
async def test_an_order_is_obeyed_once_wherever_the_daemon_dies(folder, verb, face, monkeypatch, capsys):
    await obeyed_once(folder, verb, face, monkeypatch)


def kinds(seed):
    """Return the kinds of step to look at: all, or some that the seed draws."""
    names = sorted(KINDS)
    return names if os.environ.get("LABCTL_BREAK_POINTS") else [names[(seed + n) % len(names)] for n in range(DRAWN)]


@pytest.mark.parametrize("verb", BEFORE)
@pytest.mark.timeout(600)
async def test_an_order_is_obeyed_once_at_every_kind_of_step(tmp_path, verb, monkeypatch, capsys, seed):
    for kind in kinds(seed):
        place = tmp_path / kind.replace(" ", "-")
        place.mkdir()
        (place / "cell.yaml").write_text(CELL)
        (place / "p.yaml").write_text(PROTOCOL.replace("first, rest: 100 h", f"first, {KINDS[kind]}"))
        await obeyed_once(place, verb, over_http, monkeypatch)


async def obeyed_once(folder, verb, face, monkeypatch):
    """Let the daemon die at every step of an order, and give the order again."""
    monkeypatch.chdir(folder)
    copies = folder / "copies"
    copies.mkdir()
    async with running(STATION, folder / "data") as parts:
        await bring(parts, folder, BEFORE[verb])
        async with cut(parts, copies) as steps:
            first = await face(parts, folder, verb)
            assert set(steps) <= STEPS
            assert len(steps) >= 2
            parts.supervisor.book.reached("answered")
    once = World.of(folder / "data", verb)
    assert once.obeyed == (verb not in {"start", "again"})
    for step in steps:
        data = copies / step
        async with running(STATION, data) as parts:
            again = await face(parts, folder, verb)
            assert await face(parts, folder, verb) == again
        assert World.of(data, verb) == once, step
        if step in {"created", "begun", "answered"}:
            assert again == first, step


@pytest.mark.parametrize("verb", ["confirm", "note", "resume", "skip"])
async def test_acked_order_lost(folder, verb, monkeypatch):
    """What was answered is there after a kill right after the answer, and its repetition is answered with the truth."""
    monkeypatch.chdir(folder)
    (folder / "copies").mkdir()
    async with running(STATION, folder / "data") as parts:
        await bring(parts, folder, BEFORE[verb])
        async with cut(parts, folder / "copies"):
            first = await over_http(parts, folder, verb)
            parts.supervisor.book.reached("answered")
    killed = folder / "copies" / "answered"
    once = World.of(killed, verb)
    assert once.obeyed == 1
    async with running(STATION, killed) as parts:
        assert await over_http(parts, folder, verb) == first
    assert World.of(killed, verb) == once


@pytest.mark.parametrize("step", ["created", "begun", "answered"])
async def test_double_start(folder, step, monkeypatch):
    """A start whose answer a kill has cut is given again under its id: there is one run."""
    monkeypatch.chdir(folder)
    (folder / "copies").mkdir()
    async with running(STATION, folder / "data") as parts, cut(parts, folder / "copies"):
        first = await over_http(parts, folder, "start")
        parts.supervisor.book.reached("answered")
    killed = folder / "copies" / step
    async with running(STATION, killed) as parts:
        assert await over_http(parts, folder, "start") == first
    assert World.of(killed, "start").runs == 1
