"""The daemon as a process, its guard, and instruments in a process of their own whose books say what truly flowed."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from configparser import ConfigParser
from pathlib import Path

import numpy as np
import pytest

from labctl.clock import monotonic
from labctl.control.client import DaemonClient
from labctl.run.guard_record import read_entries
from labctl.store.reader import Reader
from labctl.store.verify import verify
from tests.crash.truth.rig import Bank
from tests.crash.truth.station import CELL

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="sends signals that Windows has not")
UNIT = Path(__file__).parents[2] / "labctl" / "doctor" / "labctl.service"
CURRENT = 0.5  # A
ONE_ROW = 0.2  # s, the confirmation of a set-point included
WITHIN = 30.0  # s, beside other processes
PROTOCOL = """\
labctl: 1
name: guarded
record: {{every: 0.1 s}}
on_interruption: {{continue_within: 10 min, else: ask}}
steps:
  - charge: {{current: 0.5 A, for: {seconds} s}}
  - rest: 0.3 s
"""


def until(holds, within: float = WITHIN):
    """Wait until something holds, on the machine's own clock: what is waited for are other processes."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, LookupError):
            if result := holds():
                return result
        time.sleep(0.02)
    raise AssertionError(f"{holds} does not hold after {within:g} s")


class Service:
    """`labctl serve` for one channel of the bank, as a service manager runs it."""

    def __init__(self, folder: Path, bank: Bank, name: str) -> None:
        self.folder, self.bank, self.name = folder, bank, name
        place = {
            "kei1": f'{{driver: keithley2450, resource: "TCPIP0::127.0.0.1::{bank.places["kei1"]}::SOCKET"}}',
            "pra1": f"{{driver: practice, port: {bank.places['pra']}}}",
        }[name]
        (folder / "cell.yaml").write_text(CELL.format(name="G"))
        (folder / "station.yaml").write_text(
            f"labctl_station: 1\nname: guarded\ninstruments: {{it: {place}}}\n"
            f"channels: {{c1: {{cell: {{instrument: it, at: 1}}}}}}\nmqtt: none\n"
        )
        self.data = folder / "data"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Service":
        words = [sys.executable, "-m", "labctl", "serve", "--station", str(self.folder / "station.yaml")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*words, "--data", str(self.data)], stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        assert any(line.startswith(b"next:") for line in self.process.stdout), (self.folder / "log").read_text()
        return self

    def order(self, verb: str, **arguments: object):
        with DaemonClient(self.data) as client:
            return client.order(verb, {"channel": "c1", **arguments})

    def charge(self, seconds: float) -> None:
        (self.folder / "p.yaml").write_text(PROTOCOL.format(seconds=seconds))
        self.order("start", protocol=str(self.folder / "p.yaml"), cell=str(self.folder / "cell.yaml"))
        self.until_on()
        until(lambda: self.query("SELECT 1 FROM samples WHERE charging_capacity_ah > 0"))  # its begin is committed

    def query(self, sql: str):
        with Reader(self.data) as reader:
            return reader.query(sql)

    def look(self):
        with DaemonClient(self.data) as client:
            return client.status()[0]

    def current(self) -> float:
        return abs(self.bank.ask("now")[self.name])

    def until_on(self) -> None:
        until(lambda: self.current() > 1e-9)

    def until_off(self) -> None:
        until(lambda: self.current() < 1e-9)

    def ended(self) -> int:
        code = self.process.wait(WITHIN)
        self.process.stdout.close()
        return code

    def kill(self) -> None:
        self.process.kill()
        self.ended()

    def flowed(self) -> float:
        """What truly flowed so far, C."""
        book = np.array(self.bank.ask("book", since=0.0)[self.name])
        return float(book[-1, 1] + book[-1, 2] - book[0, 1] - book[0, 2])

    def guard(self) -> int:
        """The process number of the guard, which is a child of the daemon."""
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                if int(parent) == self.process.pid and b"labctl.guard" in (entry / "cmdline").read_bytes():
                    return int(entry.name)
        raise AssertionError("no guard runs")


@pytest.fixture(scope="module")
def bank():
    made = Bank()
    yield made
    made.close()


@pytest.fixture(params=["kei1", "pra1"])
def service(tmp_path, bank, request):
    made = Service(tmp_path, bank, request.param)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()
        made.until_off()


def only_step(service: Service) -> tuple[float, float, float, float]:
    """Charge counted in the only charge, the interval beside it (C), and its step time (s)."""
    with Reader(service.data) as reader:
        rows = reader.query(
            "SELECT charging_capacity_ah, blind_charge_low_ah, blind_charge_high_ah, step_time_second FROM steps "
            "WHERE step_type = 'charge' AND end_reason IS NOT NULL"
        )
    return [(*(3600.0 * (value or 0.0) for value in row[:3]), row[3]) for row in rows][-1]


@pytest.mark.timeout(240)
def test_budget_by_kills(service):
    """A step that is interrupted again and again passes no more than its budget and one row."""
    before, kills, budget = service.flowed(), 2, 3.0
    service.start().charge(budget)
    for _ in range(kills):
        since = monotonic()
        until(lambda since=since: monotonic() > since + 0.7)
        service.kill()
        service.until_off()
        service.start()
        until(lambda: service.current() > 1e-9 or service.look()["activity"] == "done")
    until(lambda: service.look()["activity"] == "done")
    service.until_off()
    true = service.flowed() - before
    counted, low, high, seconds = until(lambda: only_step(service))
    tolerance = CURRENT * ONE_ROW * (kills + 1)
    assert counted + low - tolerance <= true <= counted + high + tolerance
    assert true <= CURRENT * budget + CURRENT * ONE_ROW * 2
    assert seconds >= budget
    assert high > 0.0
    assert verify(service.data).findings == ()


@pytest.mark.timeout(240)
def test_guard_acts_daemon_goes_on(service):
    """A daemon that stands still is ended by its guard; the one after it knows what its guard did, and its run asks."""
    before = service.flowed()
    service.start().charge(60.0)
    service.process.send_signal(signal.SIGSTOP)
    assert service.ended() == -signal.SIGKILL
    service.until_off()
    service.start()
    look = until(lambda: (row := service.look())["activity"] == "waiting" and row)
    assert "its guard ended it, since it stood still" in str(look["why"])
    assert service.current() < 1e-9
    service.order("stop")
    until(lambda: service.look()["activity"] != "waiting")
    counted, low, high, _ = until(lambda: only_step(service))
    true = service.flowed() - before
    assert counted + low - CURRENT * ONE_ROW <= true <= counted + high + CURRENT * ONE_ROW
    assert high >= CURRENT * 1.5  # it stood for two seconds


@pytest.mark.parametrize("service", ["kei1"], indirect=True)
@pytest.mark.timeout(240)
def test_a_service_that_is_ended_as_a_whole_leaves_nothing_on(service):
    """SIGTERM to every process of the control group at once: the daemon ends in order, the guard is told."""
    service.start().charge(60.0)
    guard = service.guard()
    os.kill(guard, signal.SIGTERM)
    service.process.send_signal(signal.SIGTERM)
    begin = time.monotonic()
    assert service.ended() == 0
    assert time.monotonic() - begin < 10.0  # 3 s on a machine of its own
    assert service.current() < 1e-9
    until(lambda: not Path(f"/proc/{guard}").exists())
    assert {entry.kind for entry in read_entries(service.data)} == {"begin"}


@pytest.mark.parametrize("service", ["pra1"], indirect=True)
@pytest.mark.timeout(240)
def test_a_killed_daemon_whose_guard_is_signalled_leaves_nothing_on(service):
    service.start().charge(60.0)
    guard = service.guard()
    service.process.kill()
    for name in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        with contextlib.suppress(ProcessLookupError):
            os.kill(guard, name)
    service.ended()
    service.until_off()


@pytest.mark.parametrize("service", ["kei1"], indirect=True)
@pytest.mark.timeout(240)
def test_a_meter_that_is_away_keeps_no_new_daemon_from_serving(service):
    """The guard tries on; the next daemon relieves it, serves, and has the output off once the meter answers."""
    before = service.flowed()
    service.start().charge(60.0)
    service.bank.ask("fault", instrument="kei1", text="refuse")
    try:
        service.kill()
        service.start()
        assert service.look()["activity"] == "unknown"
        assert service.current() > 1e-9
    finally:
        service.bank.ask("fault", instrument="kei1", text="")
    until(lambda: service.look()["activity"] in {"running", "waiting"})
    service.order("stop")
    service.until_off()
    counted, low, high, _ = until(lambda: only_step(service))
    true = service.flowed() - before
    assert counted + low - 2 * CURRENT * ONE_ROW <= true <= counted + high + 2 * CURRENT * ONE_ROW


def test_the_unit_file_is_what_the_daemon_is_made_for():
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(UNIT)
    service = unit["Service"]
    assert service["KillMode"] == "process"  # the guard outlives the daemon
    assert service["Type"] == "notify"
    assert service["Restart"] == "on-failure"
    assert float(service["WatchdogSec"]) >= 10.0
    words = shlex.split(service["ExecStart"])
    assert words[1] == "serve"
    answer = subprocess.run(
        [sys.executable, "-m", "labctl", "serve", "--help"], capture_output=True, text=True, check=True,
        env={**os.environ, "COLUMNS": "200", "TERM": "dumb"},
    )  # fmt: skip
    assert all(word in answer.stdout for word in words if word.startswith("--"))
