"""Rig K: the whole daemon is killed with SIGKILL at random moments, again and again, and goes on.

    python -m tests.crash.kill --kills 200 --write

Half of the kills hit a daemon with simulated cells in itself, on a fast clock; the other half one whose cells live in a process
that survives, on a paced clock, with a guard. After every kill: no acknowledged row is missing, records have no hole, the
checkpoint is the last row, every set-point that reached a cell had been recorded as an intent, and the guard has switched
the outputs off. At the end every run replays to the bit, finished runs in the daemon are those of a dry run that nobody killed,
row by row, and no step has gone beyond its budget by more than a row.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from labctl.clock import FastClock, ScaledClock
from labctl.daemon import Parts, running
from labctl.run.guard_record import STOOD_STILL, read_entries
from labctl.run.replay import replay
from labctl.run.request import StartRequest
from labctl.run.resume_point import ResumePoint
from labctl.run.simulate import DryRunRequest, Simulation
from labctl.station.settings import ChannelSettings, InstrumentSettings, Mqtt, Part, Station
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from labctl.store.verify import verify
from tests.crash.counted import counting, progress
from tests.crash.promises import told

CHANNELS = 8
EACH = 50  # kills of one station
SPEED = 100.0
ALIVE = (0.030, 0.280)  # s between the daemon's first word and its death
CLOSE = 2e-6  # V: a held voltage is solved from what the last solve left as a guess, which no checkpoint holds
LOW, HIGH, MARGIN = 2.5, 4.3, 0.06  # V: the cell's limits, and how far the truth may lie beyond them
OFF_WITHIN = 3.0  # s that the guard has, here beside many other processes

CELL = """\
labctl_cell: 1
name: {name}
kind: full
nominal: {{capacity: 680 mAh}}
limits: {{voltage: [2.5 V, 4.3 V], current: [-5 A, 5 A]}}
model: marquis2019
"""
IN_THE_DAEMON = """\
labctl: 1
name: in the daemon
record: {every: 60 s, dV: 20 mV}
steps:
  - rest: 5 min
  - repeat: 6
    cycle: true
    steps:
      - charge: {current: 0.5 A, to: 4.1 V, hold_until: "current < 0.2 A", for: 10 h}
      - discharge: {current: 0.5 A, to: 3.5 V, for: 10 h}
"""
OUTSIDE = """\
labctl: 1
name: outside
record: {every: 10 s, dV: 2 mV}
steps:
  - rest: 1 min
  - repeat: 3
    cycle: true
    steps:
      - charge: {current: 0.5 A, to: 4.2 V, for: 2 min}
      - discharge: {current: 0.5 A, to: 3 V, for: 2 min}
"""


@dataclass
class Count:
    """What was seen."""

    kills: int = 0
    stood: int = (
        0  # daemons that by its record their guard ended, as they stood still on a machine that did other things
    )
    rows: int = 0
    runs: int = 0
    equal: int = 0
    set_points: int = 0
    slowest_off: float = 0.0
    wrong: list[str] = field(default_factory=list)


# --- the daemon that is killed ----------------------------------------------------------------------------------------


def fork(folder: Path, station: Station, fast: bool) -> tuple[int, int]:
    """Start a daemon as a process that inherits what is imported; return its id and the pipe on which it speaks."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child:
        os.close(theirs)
        return child, ours
    os.close(ours)
    try:
        asyncio.run(live(folder, station, fast, theirs))
    finally:
        os._exit(1)


async def live(folder: Path, station: Station, fast: bool, pipe: int) -> None:
    """Serve, keep every channel busy, and say what has been acknowledged."""
    clock = FastClock() if fast else ScaledClock(SPEED)

    def say(**words: object) -> None:
        os.write(pipe, json.dumps(words).encode() + b"\n")

    try:
        async with running(station, folder / "data", clock) as parts:
            parts.sink.on_commit(lambda done: say(commit=done.commit_id, rows=acknowledged(done.entries)))
            while True:
                for name, channel in parts.channels.items():
                    if channel.session is None and not channel.starting:
                        await start(parts, folder, name, fast)
                say(ready=True)
                await asyncio.sleep(0.02)
    except Exception as error:  # noqa: BLE001 - the rig counts it
        say(error=repr(error))


def acknowledged(entries) -> dict[int, int]:
    """Return the last record of each run among committed entries."""
    return {entry.run_id: entry.first_record + entry.rows - 1 for entry in entries if entry.rows}


async def start(parts: Parts, folder: Path, channel: str, fast: bool) -> None:
    """Start a run on a fresh cell."""
    number = parts.journal.commit_id
    cell = folder / f"cell-{number}.yaml"
    cell.write_text(CELL.format(name=f"K{number}"))
    protocol = folder / ("inside.yaml" if fast else "outside.yaml")
    await parts.supervisor.start(StartRequest(str(protocol), str(cell), channel, by="rig K"))


# --- the one who kills ------------------------------------------------------------------------------------------------


class Rig:
    """One folder, one station, one daemon at a time."""

    def __init__(self, folder: Path, fast: bool, port: int, count: Count) -> None:
        self.folder = folder
        self.fast = fast
        self.port = port
        self.count = count
        folder.mkdir()
        (folder / "inside.yaml").write_text(IN_THE_DAEMON)
        (folder / "outside.yaml").write_text(OUTSIDE)
        driver = InstrumentSettings("it", "simulated") if fast else InstrumentSettings("it", "practice", {"port": port})
        parts = {f"c{n}": ChannelSettings(f"c{n}", {"cell": Part("it", str(n))}) for n in range(1, CHANNELS + 1)}
        self.station = Station("rig", instruments={"it": driver}, channels=parts, mqtt=Mqtt(broker="none"))
        self.promised: dict[int, int] = {}
        self.commit = 0

    def once(self, alive: float) -> None:
        """Let a daemon live for a moment, kill it, and look at what it left."""
        child, pipe = fork(self.folder, self.station, self.fast)
        with os.fdopen(pipe, "rb") as said:
            if not self._ready(said, child):
                return
            time.sleep(alive)
            os.kill(child, signal.SIGKILL)
            killed = time.monotonic()
            os.waitpid(child, 0)
            for line in said:
                self._note(line)
        self.count.kills += 1
        if not self.fast:
            self._wait_for_off(killed)
        self._look()

    def _ready(self, said, child: int) -> bool:
        began = time.time()
        for line in said:
            words = json.loads(line)
            if "ready" in words:
                return True
            if "error" in words:
                self.count.wrong.append(f"the daemon did not come up: {words['error']}")
            self._note(line)
        _, how = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(how) and os.WTERMSIG(how) == signal.SIGKILL
        if killed and not self.fast and self._ended_by_guard(began):
            self.count.stood += 1
        else:
            self.count.wrong.append("the daemon died before it was ready")
        return False

    def _ended_by_guard(self, began: float) -> bool:
        """Tell whether a guard has written down, since a moment in s of Unix time, that it ended a daemon that stood still."""
        until = time.monotonic() + OFF_WITHIN
        while time.monotonic() < until:
            if any(one.why == STOOD_STILL and one.unix >= began for one in read_entries(self.folder / "data")):
                return True
            time.sleep(0.05)
        return False

    def _note(self, line: bytes) -> None:
        with contextlib.suppress(ValueError):  # the last word may be cut
            words = json.loads(line)
            self.commit = max(self.commit, words.get("commit", 0))
            for run, last in words.get("rows", {}).items():
                self.promised[int(run)] = max(self.promised.get(int(run), -1), last)

    def _wait_for_off(self, killed: float) -> None:
        while True:
            modes = [ask(self.port, verb="status", channel=str(n))["mode"] for n in range(1, CHANNELS + 1)]
            if all(mode in {"off", "rest"} for mode in modes):
                self.count.slowest_off = max(self.count.slowest_off, time.monotonic() - killed)
                return
            if time.monotonic() - killed > OFF_WITHIN:
                self.count.wrong.append(f"{OFF_WITHIN} s after the kill the outputs are {modes}")
                return
            time.sleep(0.005)

    def _look(self) -> None:
        """Check everything that must hold after any kill."""
        wrong = self.count.wrong
        if not self.fast:
            names = [str(number) for number in range(1, CHANNELS + 1)]
            for name, volts in zip(names, ask(self.port, verb="read", channels=names)["voltage"], strict=True):
                if not LOW - MARGIN < volts < HIGH + MARGIN:
                    wrong.append(f"the cell of c{name} is at {volts:.3f} V")
        with Reader(self.folder / "data") as reader:
            if reader.last_commit() < self.commit:
                wrong.append(f"commit {self.commit} was acknowledged, the journal ends with {reader.last_commit()}")
            for run, number, last in reader.query(
                "SELECT run_id, count(*), max(record_index) FROM samples GROUP BY run_id"
            ):
                if number != last + 1:
                    wrong.append(f"run {run} has {number} rows up to record {last}")
                if last < self.promised.get(run, -1):
                    wrong.append(f"run {run}: row {self.promised[run]} was acknowledged, the journal ends with {last}")
            for run in reader.runs(active=True):
                self._look_at(reader, run)

    def _look_at(self, reader: Reader, run) -> None:
        checkpoint = reader.checkpoint(run.run_id)
        if checkpoint is None:
            if run.rows:
                self.count.wrong.append(f"run {run.run_id} has rows and no checkpoint")
            return
        if checkpoint.record_index != run.rows - 1:
            self.count.wrong.append(f"run {run.run_id}: checkpoint at {checkpoint.record_index} of {run.rows} rows")
        if not self.fast and run.channel:
            mark = ResumePoint.from_json(checkpoint.source)
            applied = json.loads(checkpoint.state)["applied"]
            ledger = ask(self.port, verb="ledger")["channels"][run.channel[1:]]
            self.count.set_points = max(self.count.set_points, len(ledger["set_points"]))
            given = [tag for _, mode, _, tag in ledger["set_points"][-1:] if mode not in {"off", "rest"}]
            if given and given[-1] > applied:
                self.count.wrong.append(
                    f"run {run.run_id}: attempt {given[-1]} was given, {applied} is recorded ({mark.time})"
                )

    def finish(self) -> None:
        """Check everything that must hold at the end."""
        count = self.count
        count.wrong += [f"not what was written: {each}" for each in verify(self.folder / "data").findings]
        with Reader(self.folder / "data") as reader:
            runs = reader.runs()
            count.runs += len(runs)
            for run in runs:
                count.rows += run.rows
                found = replay(reader, run.run_id) if reader.checkpoint(run.run_id) else None
                if found is not None and not found.equal:
                    count.wrong.append(f"run {run.run_id} replays to something else: {found.difference}")
                if run.end_reason not in {None, "done"}:
                    count.wrong.append(f"run {run.run_id} ended as {run.end_reason}: {run.end_why}")
            if self.fast:
                self._compare(reader, [run for run in runs if run.end_reason == "done"])
            else:
                self._budgets(reader)

    def _compare(self, reader: Reader, runs) -> None:
        """Compare finished runs with dry runs that nobody killed."""
        with Journal.open(self.folder / "dry.db") as journal, Reader(self.folder / "dry.db") as dry:
            for run in runs:
                wanted = DryRunRequest(str(self.folder / "inside.yaml"), self._cell(run.cell), seed=run.options["seed"])
                ended = Simulation(wanted).run(journal)
                found, dry_found = columns(reader, run.run_id), columns(dry, ended.run_id)
                self.count.equal += found == dry_found
                if len(found) != len(dry_found) or not np.allclose(found, dry_found, rtol=1e-9, atol=CLOSE):
                    self.count.wrong.append(f"run {run.run_id} differs from a dry run that nobody killed")

    def _cell(self, name: str) -> str:
        return str(self.folder / f"cell-{name.removeprefix('K')}.yaml")

    def _budgets(self, reader: Reader) -> None:
        tick = 0.1 * SPEED
        late = reader.query(
            "SELECT s.run_id, s.step_count, s.step_time_second, s.late_second FROM steps s "
            "WHERE s.end_reason IS NOT NULL AND s.step_type <> 'rest' AND s.step_time_second > :most",
            most=120.0 + 40 * tick,
        )
        for run, step, seconds, _ in late:
            self.count.wrong.append(f"run {run}, step {step}: {seconds:.1f} s of 120 s")
        for run, step in reader.query(
            "SELECT run_id, step_count FROM steps WHERE end_test_time_second >= 0 AND end_reason IS NULL"
        ):
            self.count.wrong.append(f"run {run}, step {step} ended without a reason")


def columns(reader: Reader, run: int) -> list[tuple[object, ...]]:
    """Return the rows of a run."""
    return [
        tuple(row)
        for row in reader.query(
            "SELECT record_index, test_time_second, voltage_volt, current_ampere, charging_capacity_ah, "
            "discharging_capacity_ah, surface_temperature_celsius FROM samples WHERE run_id = :run ORDER BY record_index",
            run=run,
        )
    ]


def ask(port: int, **request: object) -> dict:
    """Ask the cells that survive."""
    with socket.create_connection(("127.0.0.1", port), timeout=5.0) as line, line.makefile("rwb") as both:
        both.write(json.dumps({"id": 1, **request}).encode() + b"\n")
        both.flush()
        return json.loads(both.readline())


def cells() -> tuple[subprocess.Popen[bytes], int]:
    """Start the cells that survive."""
    words = [
        "emulate",
        "cell",
        "--cell",
        "marquis2019",
        "--channels",
        str(CHANNELS),
        "--speed",
        str(SPEED),
        "--soc",
        "0.5",
    ]
    process = subprocess.Popen([sys.executable, "-m", "labctl", *words], stdout=subprocess.PIPE, start_new_session=True)
    return process, int(process.stdout.readline().split(b":")[-1])


def rig(kills: int, seed: int, folder: Path, ended: Callable[[], bool] = lambda: False) -> Count:
    """Kill so many times, or until somebody asks for an end, and return what was seen."""
    rng, count = random.Random(seed), Count()
    process, port = cells()
    begin = time.monotonic()
    try:
        rigs = [Rig(folder / "inside", True, port, count), Rig(folder / "outside", False, port, count)]
        for kill in range(kills):
            if ended():
                break
            rigs[kill % 2].once(rng.uniform(*ALIVE))
            left = (time.monotonic() - begin) / (kill + 1) * (kills - kill - 1)
            progress(f"seed {seed}: {kill + 1} of {kills} kills, {len(count.wrong)} wrong, about {left:.0f} s left")
        for each in rigs:
            if (each.folder / "data").exists():
                each.finish()
    finally:
        process.terminate()
        process.wait()
    return count


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.kill", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None, help="of the first station")
    parser.add_argument("--folder", type=Path, default=None, help="keep what was left there")
    parser.add_argument("--write", action="store_true", help="add to tests/crash/counted/kill.json and to the page")
    given = parser.parse_args()
    with counting("kill", given.write) as tally:
        first = given.seed if given.seed is not None or given.write else random.SystemRandom().randrange(2**31)
        for seed in tally.seeds(first):
            left = given.kills - int(tally.now.sums.get("kills", 0))
            if left <= 0:
                break
            begin = time.monotonic()
            with tempfile.TemporaryDirectory() as temporary:
                place = (given.folder or Path(temporary)) / f"seed-{seed}"
                place.mkdir(parents=True)
                count = rig(min(EACH, left), seed, place, lambda: tally.ended)
            names = ("kills", "stood", "runs", "rows", "equal", "set_points")
            sums = {name: getattr(count, name) for name in names}
            tally.add(seed, sums, {"slowest_off": count.slowest_off}, count.wrong, time.monotonic() - begin)
            if count.kills == 0:
                break
        print(told("kill", tally.now))
        return 1 if tally.now.findings else 0


if __name__ == "__main__":
    sys.exit(main())
