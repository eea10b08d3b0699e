"""PalmSens modules over a serial line, by MethodSCRIPT: EmStat4 and Nexus with a galvanostat, EmStat Pico without.

Partly autonomous: a step with its voltage cut-off and its time runs on the instrument, but what nobody reads is lost. Facts:
communication protocols Pico 1.6 and EmStat4 1.3 as quoted by public clients. Never run on hardware by us.
"""

import asyncio
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
from labctl.errors import SettingRefused, Unreachable, WireError
from labctl.sample import Batch, Quality
from labctl_drivers.palmsens_script import Variable, read_package, script

T = TypeVar("T")

RANGES = {  # device code: (low V, high V, largest A, galvanostat)
    "espico": (-1.7, 2.0, 3e-3, False),
    "es4_hr": (-6.0, 6.0, 0.2, True),
    "es4_lr": (-3.0, 3.0, 0.03, True),
    "nexus1": (-10.0, 10.0, 1.0, True),
}
CELL_OFF = "cell_off\n"
SILENCE = 0.15  # s
SAYS = frozenset("eMPCLT*-+!")  # begins of the lines that a running script says
ROUNDING = 1e-6  # V, of a value on the line


class PalmSens:
    """One module, one channel.

    Args:
        port: Serial port, or what pyserial's `serial_for_url` takes.
        serial: Serial number that must answer, or None for any.
        baud: 230400 for a Pico, 921600 for EmStat4 and Nexus (nominal over USB).
        timeout: Seconds to wait for a reply.
    """

    def __init__(self, port: str, serial: str | None = None, *, baud: int = 921600, timeout: float = 2.0) -> None:
        self.port = port
        self.serial = serial
        self.baud = baud
        self.timeout = timeout
        self._code = "es4_hr"
        self._line: Any = None
        self._buffer = b""
        self._attempt: int | None = None
        self._step: ProgramStep | None = None
        self._said: list[list[Variable]] = []
        self._heard_early: list[str] = []  # lines of a script that came before an answer
        self._count = 0
        self._voltage = float("nan")  # of the last row
        self._interval = 1.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"palmsens {port}")

    # --- the contract ---------------------------------------------------------------------------------------------

    async def open(self) -> Identity:
        """Connect, resynchronise by aborting whatever runs, and compare the device code and serial number."""
        return await self._in_thread(self._open)

    async def close(self) -> None:
        """Disconnect; a running script goes on."""
        await self._in_thread(self._close)

    def capabilities(self, channel: str) -> Capabilities:
        """Return what the module can do; a Pico has no galvanostat and cannot reach the voltage of a lithium-ion cell."""
        del channel
        low, high, current, galvanostat = RANGES[self._code]
        modes = {"Rest", "Potentiostatic", "Sweep", "Spectrum"} | ({"Galvanostatic"} if galvanostat else set())
        return Capabilities(
            modes=frozenset(modes),
            ends=frozenset({"time", "voltage"}),
            limits=frozenset({"voltage"}),
            voltage=(low, high),
            current=(-current, current),
            voltage_accuracy=2e-3,
            current_accuracy=1e-3 * current,
            poll_at_most=0.2,
        )

    async def status(self, channel: str) -> Status:
        """Return whether a script of ours runs: the module is asked, as one that has restarted does not say so by itself."""
        del channel
        if self._step is not None and await self._in_thread(self._runs):
            return Status("running", self._attempt, 0)
        return Status("idle" if self._line is not None else "unknown")

    async def apply(self, channel: str, program: Program) -> ReadBack:
        """Stop what runs and run the script of one step."""
        await self.output_off(channel)
        match program.steps:
            case (ProgramStep() as step,):
                self._within(step)
                text = script(step, galvanostat=RANGES[self._code][3])
                await self._in_thread(lambda: self._run(text))
            case _:
                raise SettingRefused(f"a script here holds one step, found {len(program.steps)}", safe=True)
        self._attempt, self._step, self._count = program.attempt, step, 0
        self._interval = min((rule.every for rule in step.record if rule.every is not None), default=1.0)
        return ReadBack({"running": 1.0})

    async def read(self, channels: Sequence[str]) -> Readings:
        """Return what the script has sent since the last read."""
        if self._step is None:
            return Readings()
        found = await self._in_thread(self._drain)
        return Readings(by_channel=dict.fromkeys(channels, found))

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
        import serial  # noqa: PLC0415

        self._close()
        self._step = self._attempt = None  # what runs is aborted below
        try:
            self._line = serial.serial_for_url(self.port, baudrate=self.baud, timeout=self.timeout)
        except (OSError, serial.SerialException) as error:
            raise Unreachable(f"{self.port}: wanted a PalmSens module, found {error}") from error
        self._resynchronise()
        self._send("t\n")
        code = self._receive().removeprefix("t")
        self._receive_until("*")
        self._code = next((known for known in RANGES if code.startswith(known)), "")
        if not self._code:
            raise WireError(f"{self.port}: wanted one of {', '.join(RANGES)}, found {code[:20]!r}")
        self._send("i\n")
        number = self._receive().removeprefix("i")
        if self.serial is not None and number != self.serial:
            raise WireError(f"{self.port}: wanted serial number {self.serial}, found {number}")
        return Identity("PalmSens", self._code, number, code.partition("#")[0].removeprefix(self._code))

    def _close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
        self._buffer = b""
        self._heard_early.clear()

    def _runs(self) -> bool:
        """Ask for the version, which a module that runs a script refuses to tell; what its script says meanwhile is kept."""
        self._send("v\n")
        while not (answer := self._receive()).startswith("v"):
            self._heard_early.append(answer)
        return answer.startswith("v!")

    def _resynchronise(self) -> None:
        """Abort what may run and read until its answer has come, so that nothing said before is taken for a reply."""
        self._send("Z\n")
        while not self._receive().startswith("Z"):
            pass
        self._fall_silent()
        self._send("v\n")
        while not self._receive().startswith("v"):
            pass

    def _fall_silent(self) -> None:
        """Read until nothing has come for a while: an idle module refuses the abort and is deaf for 50 to 100 ms after it."""
        patience, self._line.timeout = self._line.timeout, SILENCE
        try:
            while self._line.read(4096):
                pass
        except OSError as error:
            raise Unreachable(f"{self.port}: {error}") from error
        finally:
            self._line.timeout = patience
        self._buffer = b""

    def _off(self) -> None:
        self._resynchronise()
        self._run(CELL_OFF)
        while self._receive():
            pass

    def _run(self, text: str) -> None:
        self._send(f"e\n{text}\n")
        found = self._receive()
        if found != "e":
            raise SettingRefused(f"{self.port}: the script was refused: {found}", safe=True)

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
        said, self._said = self._said, []
        time = np.array([self._time(self._count + at) for at in range(len(said))])
        self._count += len(said)
        columns = {kind: np.array([value_of(row, kind) for row in said]) for kind in ("ab", "ba", "dc", "cc", "cd")}
        if self._step is not None and isinstance(self._step.mode, Spectrum):
            nothing = np.full(len(said), np.nan)
            return [Points(time, columns["dc"], columns["cc"], columns["cd"], nothing, nothing)]
        current = np.zeros(len(said)) if self._step is not None and isinstance(self._step.mode, Rest) else columns["ba"]
        bad = np.array([any(variable.overload for variable in row) for row in said])
        quality = np.where(bad, np.uint8(Quality.SUSPECT), np.uint8(Quality.GOOD)).astype(np.uint8)
        self._voltage = float(columns["ab"][-1])
        return [Batch(time, columns["ab"], current, quality=quality)]

    def _time(self, count: int) -> float:
        """Return the time of a point: data are real-time at the loop's own interval."""
        if self._step is not None and isinstance(self._step.mode, Sweep):
            return (count + 1) * 1e-3 / self._step.mode.rate
        return max(0, count) * self._interval

    def _end(self) -> int | None:
        """Return the number of the threshold that the last row has met."""
        step = self._step
        if step is None or isinstance(step.mode, Sweep | Spectrum):
            return None
        for end in step.ends:
            if end.quantity == "voltage":
                beyond = self._voltage - end.value
                if (beyond if end.above else -beyond) >= -ROUNDING:
                    return end.number
        return next((end.number for end in step.ends if end.quantity == "time"), None)

    def _send(self, text: str) -> None:
        if self._line is None:
            raise Unreachable(f"{self.port}: not open")
        try:
            self._line.write(text.encode("ascii"))
        except OSError as error:
            raise Unreachable(f"{self.port}: {error}") from error

    def _receive(self) -> str:
        while b"\n" not in self._buffer:
            try:
                more = self._line.read(max(1, self._line.in_waiting))
            except OSError as error:
                raise Unreachable(f"{self.port}: {error}") from error
            if not more:
                raise Unreachable(f"{self.port}: wanted a line, found {self._buffer!r} within {self.timeout:g} s")
            self._buffer += more
        raw, _, self._buffer = self._buffer.partition(b"\n")
        return str(raw.decode("ascii", "replace").rstrip("\r"))

    def _receive_until(self, last: str) -> None:
        while not self._receive().endswith(last):
            pass

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def value_of(row: Sequence[Variable], kind: str) -> float:
    """Return the value of one kind of variable in a package, NaN where it is not there."""
    return next((variable.value for variable in row if variable.kind == kind), float("nan"))
