"""PalmSens modules over a serial line, by MethodSCRIPT: EmStat4 and Nexus with a galvanostat, EmStat Pico without.

Partly autonomous: a step with its voltage cut-off and its time runs on the instrument, but what nobody reads is lost. Facts:
communication protocols Pico 1.6 and EmStat4 1.3 as quoted by public clients. Never run on hardware by us.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from labctl.driver import (
    Capabilities,
    Ended,
    Fault,
    Galvanostatic,
    Identity,
    Points,
    Program,
    ProgramStep,
    ReadBack,
    Reading,
    Readings,
    Rest,
    Spectrum,
    Status,
    Sweep,
)
from labctl.driver.option_range import Count, Positive
from labctl.errors import SettingRefused, Unreachable, WireError
from labctl.sample import Batch, Quality
from labctl_drivers.palmsens.script import SLOWEST, ScriptVariable, interval_of, read_package, script
from labctl_drivers.serial_line import close_line, next_line, open_line, send

T = TypeVar("T")

RANGES = {  # device code: (low V, high V, largest A, galvanostat)
    "espico": (-1.7, 2.0, 3e-3, False),
    "es4_hr": (-6.0, 6.0, 0.2, True),
    "es4_lr": (-3.0, 3.0, 0.03, True),
    "nexus1": (-10.0, 10.0, 1.0, True),
}
CELL_OFF = "cell_off\n"
HOLDS = {
    "Rest": frozenset({"time>", "voltage"}),
    "Galvanostatic": frozenset({"time>", "voltage", "charge>"}),
    "Potentiostatic": frozenset({"time>", "voltage", "charge>", "current<"}),
    "Sweep": frozenset({"voltage", "charge>"}),
    "Spectrum": frozenset[str](),
}
SILENCE = 0.15  # s
TALKS_AT_MOST = 4.0  # s that other lines may come before the one that was asked for
SAYS = frozenset("eMPCLT*-+!")  # begins of the lines that a running script says
ROUNDING = 1e-6  # V, of a value on the line; of a current as a part of it
CLOSE = 0.01  # of a charge, and of the interval: the module counts with rounded numbers


class PalmSens:
    """One module, one channel.

    Args:
        port: Serial port: `/dev/ttyACM0`, or what else pyserial's `serial_for_url` takes.
        serial: Serial number that must answer, or None for any.
        baud: 230400 for a Pico, 921600 for EmStat4 and Nexus (nominal over USB).
        timeout: Seconds to wait for a reply.
    """

    def __init__(self, port: str, serial: str | None = None, *, baud: Count = 921600, timeout: Positive = 2.0) -> None:
        self.port = port
        self.serial = serial
        self.baud = baud
        self.timeout = timeout
        self._code = "es4_hr"
        self._line: Any = None
        self._buffer = b""
        self._attempt: int | None = None
        self._step: ProgramStep | None = None
        self._said: list[list[ScriptVariable]] = []
        self._heard_early: list[str] = []  # lines of a script that came before an answer
        self._count = 0
        self._voltage = float("nan")  # of the last row
        self._interval = 1.0
        self._current = self._charge = 0.0  # of the last row, and of the step so far, C
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"palmsens {port}")

    # --- the contract ---------------------------------------------------------------------------------------------

    async def open(self) -> Identity:
        """Connect, resynchronise, and compare the device code and serial number; a script that runs is left alone.

        While one runs the module tells no serial number: that of the station's entry is given then, as it could not be compared.
        """
        return await self._in_thread(self._open)

    async def close(self) -> None:
        """Disconnect; a running script goes on."""
        await self._in_thread(self._close)

    def channels(self) -> Sequence[str]:
        """Return its only channel, which need not be named."""
        return ("1", "")

    def capabilities(self, channel: str) -> Capabilities:
        """Return what the module can do; a Pico has no galvanostat and cannot reach the voltage of a lithium-ion cell."""
        del channel
        low, high, current, galvanostat = RANGES[self._code]
        modes = {"Rest", "Potentiostatic", "Sweep", "Spectrum"} | ({"Galvanostatic"} if galvanostat else set())
        return Capabilities(
            modes=frozenset(modes),
            ends=frozenset({"time", "voltage", "current", "charge"}),
            holds=HOLDS,
            limits=frozenset({"voltage", "current", "charge"}),
            compliance=False,
            voltage=(low, high),
            current=(-current, current),
            voltage_accuracy=2e-3,
            current_accuracy=1e-3 * current,
            poll_at_most=0.2,
            row_at_most=1e-3,
        )

    def translate(self, channel: str, program: Program) -> str:
        """Return the script of a program.

        Raises:
            SettingRefused: The module cannot do it.
        """
        del channel
        match program.steps:
            case (ProgramStep() as step,):
                self._within(step)
                return script(step, galvanostat=RANGES[self._code][3])
        raise SettingRefused(f"a script here holds one step, found {len(program.steps)}", safe=True)

    async def status(self, channel: str) -> Status:
        """Return whether a script of ours runs: the module is asked, as one that has restarted does not say so by itself."""
        del channel
        if self._line is None:
            return Status("unknown")
        if not await self._in_thread(self._runs):
            return Status("idle")
        if self._step is not None:
            return Status("running", self._attempt, 0)
        return Status("unknown", text="a script that was not started from here")

    async def apply(self, channel: str, program: Program) -> ReadBack:
        """Stop what runs and run the script of one step."""
        text = self.translate(channel, program)
        await self.output_off(channel)
        await self._in_thread(lambda: self._run(text))
        (step,) = program.steps
        assert isinstance(step, ProgramStep)
        self._attempt, self._step, self._count = program.attempt, step, 0
        self._interval = min(interval_of(step), SLOWEST)
        self._current = self._charge = 0.0
        return ReadBack({"running": 1.0})

    async def read(self, channels: Sequence[str]) -> Readings:
        """Return what the script has sent since the last read."""
        if self._step is None:
            return Readings()
        readings = await self._in_thread(self._drain)
        return Readings(by_channel=dict.fromkeys(channels, readings))

    async def output_off(self, channel: str) -> None:
        """Abort whatever runs and switch the cell off by a script of its own: a runtime error may have left it on."""
        del channel
        await self._in_thread(self._off)
        self._step = self._attempt = None

    def _within(self, step: ProgramStep) -> None:
        """Refuse a current beyond the module."""
        most = RANGES[self._code][2]
        if isinstance(step.mode, Galvanostatic) and abs(step.mode.current) > most:
            raise SettingRefused(
                f"line {step.line}: wanted {step.mode.current:g} A, the module gives {most:g} A", safe=True
            )

    # --- in the line's own thread ----------------------------------------------------------------------------------

    def _open(self) -> Identity:
        self._close()
        self._step = self._attempt = None  # of what runs rows were lost
        self._line = open_line(self.port, self.baud, self.timeout, "a PalmSens module")
        busy = self._runs()
        if not busy:
            self._fall_silent()
        self._heard_early.clear()
        self._send("t\n")
        code = self._until(lambda line: line.startswith("t"))[-1].removeprefix("t")
        self._until(lambda line: line.startswith("R"))
        self._code = next((known for known in RANGES if code.startswith(known)), "")
        if not self._code:
            raise WireError(f"{self.port}: wanted one of {', '.join(RANGES)}, found {code[:20]!r}")
        if busy:
            return Identity("PalmSens", self._code, self.serial or "", code.partition("#")[0].removeprefix(self._code))
        self._send("i\n")
        number = self._receive().removeprefix("i")
        if self.serial is not None and number != self.serial:
            raise WireError(f"{self.port}: wanted serial number {self.serial}, found {number}")
        return Identity("PalmSens", self._code, number, code.partition("#")[0].removeprefix(self._code))

    def _close(self) -> None:
        if self._line is not None:
            close_line(self._line)
            self._line = None
        self._buffer = b""
        self._heard_early.clear()

    def _runs(self) -> bool:
        """Ask for the version, which a module that runs a script refuses to tell; what its script says meanwhile is kept."""
        self._send("v\n")
        *early, answer = self._until(lambda line: line.startswith("v"))
        self._heard_early += early
        return answer.startswith("v!")

    def _resynchronise(self) -> None:
        """Abort what may run and read until its answer has come, so that nothing said before is taken for a reply."""
        self._send("Z\n")
        self._until(lambda line: line.startswith("Z"))
        self._fall_silent()
        self._send("v\n")
        self._until(lambda line: line.startswith("v"))

    def _fall_silent(self) -> None:
        """Read until nothing has come for a while: an idle module refuses the abort and is deaf for 50 to 100 ms after it."""
        patience, self._line.timeout = self._line.timeout, SILENCE
        begin = time.monotonic()
        try:
            while self._line.read(4096):
                if time.monotonic() - begin > TALKS_AT_MOST:
                    raise Unreachable(f"{self.port}: wanted silence, found it talking for {TALKS_AT_MOST:g} s")
        except OSError as error:
            raise Unreachable(f"{self.port}: {error}") from error
        finally:
            self._line.timeout = patience
        self._buffer = b""

    def _off(self) -> None:
        self._resynchronise()
        self._run(CELL_OFF)
        self._until(lambda line: not line)

    def _run(self, text: str) -> None:
        self._send(f"e\n{text}\n")
        received = self._receive()
        if received != "e":
            raise SettingRefused(f"{self.port}: the script was refused: {received}", safe=True)

    def _drain(self) -> list[Reading]:
        """Read what is there, without waiting for more."""
        try:
            self._buffer += self._line.read(self._line.in_waiting or 0)
        except OSError as error:
            raise Unreachable(f"{self.port}: {error}") from error
        lines, self._heard_early = self._heard_early, []
        *whole, self._buffer = self._buffer.split(b"\n")
        lines += [raw.decode("ascii", "replace") for raw in whole]
        readings: list[Reading] = []
        for line in lines:
            if self._step is not None:
                readings += self._heard(line)
        return self._flushed() + readings if self._said else readings

    def _heard(self, line: str) -> list[Reading]:
        """Act on one line of a running script.

        Raises:
            WireError: No script says that: the line is out of step, or the module has restarted.
        """
        if line.startswith("P"):
            self._said.append(read_package(line))
            return []
        if line.startswith("!"):
            self._step = None
            return [*self._flushed(), Fault(f"the script failed: {line}", safe=False)]
        if line == "":
            rows = self._flushed()
            ended = Ended(0, self._time(self._count - 1), self._end(), "the script ended")
            self._step = None
            return [*rows, ended]
        if line[0] not in SAYS:
            raise WireError(f"{self.port}: wanted a line of a script, found {line[:40]!r}")
        return []

    def _flushed(self) -> list[Reading]:
        """Return the packages read so far as columns."""
        if not self._said:
            return []
        pending, self._said = self._said, []
        time = np.array([self._time(self._count + at) for at in range(len(pending))])
        self._count += len(pending)
        columns = {kind: np.array([value_of(row, kind) for row in pending]) for kind in ("ab", "ba", "dc", "cc", "cd")}
        if self._step is not None and isinstance(self._step.mode, Spectrum):
            nothing = np.full(len(pending), np.nan)
            return [Points(time, columns["dc"], columns["cc"], columns["cd"], nothing, nothing)]
        current = (
            np.zeros(len(pending)) if self._step is not None and isinstance(self._step.mode, Rest) else columns["ba"]
        )
        bad = np.array([any(variable.overload for variable in row) for row in pending])
        quality = np.where(bad, np.uint8(Quality.SUSPECT), np.uint8(Quality.GOOD)).astype(np.uint8)
        self._voltage = float(columns["ab"][-1])
        flowed = np.concatenate(([self._current], current))
        self._charge += float(np.sum(flowed[:-1])) * self._spacing
        self._current = float(flowed[-1])
        return [Batch(time, columns["ab"], current, quality=quality)]

    @property
    def _spacing(self) -> float:
        """Seconds between two points of the running script."""
        sweeps = self._step is not None and isinstance(self._step.mode, Sweep)
        return 1e-3 / self._step.mode.rate if sweeps else self._interval  # type: ignore[union-attr]

    def _time(self, count: int) -> float:
        """Return the time of a point: data are real-time at the loop's own interval."""
        if self._step is not None and isinstance(self._step.mode, Sweep):
            return (count + 1) * self._spacing
        return max(0, count) * self._interval

    def _end(self) -> int | None:
        """Return the number of the threshold that the last row has met; None of a sweep's own end, or outside the limits."""
        step = self._step
        if step is None or isinstance(step.mode, Spectrum):
            return None
        measured = {
            "voltage": (self._voltage, ROUNDING),
            "current": (abs(self._current), ROUNDING * abs(self._current)),
            "charge": (abs(self._charge), CLOSE * abs(self._charge)),
            "time": (self._time(self._count - 1), CLOSE * self._interval),
        }
        for end in sorted(step.ends, key=lambda end: end.quantity == "time"):
            value, margin = measured.get(end.quantity, (0.0, -np.inf))
            if (value - end.value if end.above else end.value - value) >= -margin:
                return end.number
        return None

    def _send(self, text: str) -> None:
        send(self._line, self.port, text.encode("ascii"))

    def _receive(self) -> str:
        raw, self._buffer = next_line(self._line, self.port, self._buffer)
        return str(raw.decode("ascii", "replace").rstrip("\r"))

    def _until(self, is_last: Callable[[str], bool]) -> list[str]:
        """Read lines up to the one that is waited for, and return them all; a line may stream, but not for ever.

        Raises:
            Unreachable: Others went on coming for too long.
        """
        lines: list[str] = []
        begin = time.monotonic()
        while time.monotonic() - begin < TALKS_AT_MOST:
            lines.append(self._receive())
            if is_last(lines[-1]):
                return lines
        raise Unreachable(f"{self.port}: wanted an answer, found {len(lines)} other lines, {lines[-1][:40]!r} at last")

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def value_of(row: Sequence[ScriptVariable], kind: str) -> float:
    """Return the value of one kind of variable in a package, NaN where it is not there."""
    return next((variable.value for variable in row if variable.kind == kind), float("nan"))
