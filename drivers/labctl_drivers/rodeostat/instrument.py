"""A Rodeostat of IO Rodeo over a serial line: a potentiostat that runs one test at a time and keeps nothing of it.

Between puppet and autonomous: a hold, a sweep or a rest runs on the board for its time, which then opens the circuit; rows that
nobody reads are lost. It cannot control a current. Facts: the open firmware, FW0.1.0: one JSON object a line, a reply has `success`
and repeats the command, a sample has `t` (ms), `v` (V) and `i` (uA), `{}` ends a test. What a sample calls `v` is the set-point:
what is measured between working and reference electrode is asked beside it. Never run on hardware by us.
"""

import asyncio
import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from labctl.driver import (
    Capabilities,
    Ended,
    Fault,
    Identity,
    Program,
    ProgramStep,
    ReadBack,
    Reading,
    Readings,
    Rest,
    Status,
    Sweep,
)
from labctl.driver.option_range import Count, Positive
from labctl.errors import InstrumentError, SettingRefused, WireError
from labctl.sample import Batch, Quality
from labctl_drivers.rodeostat.board import (
    CURRENTS,
    FASTEST,
    VARIANT,
    VOLTS,
    BoardTest,
    StreamedSample,
    alike,
    board_test,
    number_of,
    parsed,
    sample_of,
)
from labctl_drivers.serial_line import close_line, next_line, open_line, send

T = TypeVar("T")

WITH_SWITCHES = "V0.2"  # of the hardware: the first that can open its electrodes
CONTROLLED = 0.05  # V: a measured potential further from its set-point is not controlled
LATEST = 1.0  # s by which what is measured may lie behind a sample, in a sweep
EARLY = 2.5  # sample periods: a test that ends by more before its time was ended by somebody
PACKET = 64  # bytes: a message of a multiple of it waits in the board's USB for the next ones
MOST_LINES = 10_000  # samples that may come before a reply


class Rodeostat:
    """One board, one channel.

    Args:
        port: Serial port: `/dev/ttyACM0`, or what else pyserial's `serial_for_url` takes.
        serial: Device id that must answer, or None for any.
        baud: Of the line, nominal over USB.
        timeout: Seconds to wait for a reply.
    """

    def __init__(self, port: str, serial: str | None = None, *, baud: Count = 115200, timeout: Positive = 2.0) -> None:
        self.port = port
        self.serial = serial
        self.baud = baud
        self.timeout = timeout
        self._volts = 10.0
        self._currents = CURRENTS["24MilliAmp"]
        self._line: Any = None
        self._buffer = b""
        self._heard: list[StreamedSample | None] = []  # of a running test, None is its end
        self._attempt: int | None = None
        self._step: ProgramStep | None = None
        self._test: BoardTest | None = None
        self._last = 0.0  # time of the last sample, s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"rodeostat {port}")

    # --- the contract ---------------------------------------------------------------------------------------------

    async def open(self) -> Identity:
        """Connect, compare the device id, and learn what the board can do; a test that runs is left alone.

        Raises:
            SettingRefused: The board has no switches: at rest it would hold the cell at a voltage.
        """
        return await self._in_thread(self._open)

    async def close(self) -> None:
        """Disconnect; a running test goes on to its end."""
        await self._in_thread(self._close)

    def channels(self) -> Sequence[str]:
        """Return its only channel, which need not be named."""
        return ("1", "")

    def capabilities(self, channel: str) -> Capabilities:
        """Return what the board can do: no current is controlled, and none is held back."""
        del channel
        most = 1e-6 * max(self._currents)
        return Capabilities(
            modes=frozenset({"Rest", "Potentiostatic", "Sweep"}),
            ends=frozenset({"time"}),
            holds={"Rest": frozenset({"time>"}), "Potentiostatic": frozenset({"time>"}), "Sweep": frozenset[str]()},
            compliance=False,
            voltage=(-self._volts, self._volts),
            current=(-most, most),
            voltage_accuracy=5e-3,
            current_accuracy=1e-3 * most,
            poll_at_most=0.2,
            row_at_most=FASTEST,
        )

    def translate(self, channel: str, program: Program) -> BoardTest:
        """Return what a program becomes on the board.

        Raises:
            SettingRefused: It cannot do it.
        """
        del channel
        match program.steps:
            case (ProgramStep() as step,):
                return board_test(step, self._volts)
        raise SettingRefused(f"a Rodeostat holds one step, found {len(program.steps)}", safe=True)

    async def status(self, channel: str) -> Status:
        """Return what runs, as far as the electrodes tell: a board cannot be asked for its test, and a restart opens them."""
        del channel
        counter, reference = await self._in_thread(lambda: (self._connected("Ctr"), self._connected("Ref")))
        if self._step is not None and reference:
            return Status("running", self._attempt, 0)
        if counter:
            return Status("unknown", text="its electrodes are connected, by no test that was started from here")
        return Status("idle")

    async def apply(self, channel: str, program: Program) -> ReadBack:
        """Stop what runs and run the test of one step."""
        test = self.translate(channel, program)
        await self.output_off(channel)
        (step,) = program.steps
        assert isinstance(step, ProgramStep)
        back = await self._in_thread(lambda: self._run(step, test))
        self._attempt, self._step, self._test, self._last = program.attempt, step, test, 0.0
        return back

    async def read(self, channels: Sequence[str]) -> Readings:
        """Return what the test has sent since the last read."""
        if self._step is None:
            return Readings()
        return Readings(by_channel=dict.fromkeys(channels, await self._in_thread(self._drained)))

    async def output_off(self, channel: str) -> None:
        """Stop whatever runs and open all electrodes."""
        del channel
        await self._in_thread(self._off)
        self._step = self._attempt = None

    # --- in the line's own thread ----------------------------------------------------------------------------------

    def _open(self) -> Identity:
        self._close()
        self._step = self._attempt = None  # of what runs rows were lost
        self._line = open_line(self.port, self.baud, self.timeout, "a Rodeostat")
        variant = str(self._ask("getVariant").get("variant"))
        found = VARIANT.fullmatch(variant)
        if found is None:
            raise WireError(f"{self.port}: wanted the variant of a Rodeostat, found {variant[:40]!r}")
        if found[3] < WITH_SWITCHES:
            raise SettingRefused(
                f"{self.port}: wanted hardware {WITH_SWITCHES} or later, found {found[3]}, which cannot open the circuit "
                "and holds the cell at a voltage while nothing runs",
                safe=True,
            )
        number = str(self._ask("getDeviceId").get("deviceId"))
        if self.serial is not None and number != self.serial:
            raise WireError(f"{self.port}: wanted device id {self.serial}, found {number}")
        self._volts, self._currents = VOLTS.get(found[1], 10.0), CURRENTS[found[2]]
        return Identity("IO Rodeo", f"Rodeostat {variant}", number, str(self._ask("getVersion").get("version")))

    def _close(self) -> None:
        if self._line is not None:
            close_line(self._line)
            self._line = None
        self._buffer = b""
        self._heard.clear()

    def _run(self, step: ProgramStep, test: BoardTest) -> ReadBack:
        """Set range, period and parameters, see that they hold, and begin."""
        wanted = self._range(step)
        self._same("setCurrRange", {"currRange": self._currents[wanted]})
        self._same("setSamplePeriod", {"samplePeriod": round(1e3 * test.period)})
        self._same("setParam", {"test": test.name, "param": test.parameters})
        self._same("setElectAutoConnect", {"autoConnect": test.connects})
        if not test.connects:  # the counter electrode stays open, so that no current can flow
            self._same("setRefElectConnected", {"connected": True})
            self._same("setWrkElectConnected", {"connected": True})
        self._heard.clear()
        self._ask("runTest", test=test.name)
        return ReadBack({"range": 1e-6 * wanted, "duration": test.duration})

    def _range(self, step: ProgramStep) -> float:
        """Return the smallest range, in uA, in which the limits lie, so that a current beyond them is seen."""
        wanted = 1e6 * max((abs(value) for value in step.bounds.current or ()), default=math.inf)
        return min((each for each in self._currents if each >= wanted), default=max(self._currents))

    def _off(self) -> None:
        self._ask("stopTest")
        self._same("setElectAutoConnect", {"autoConnect": True})
        self._ask("setAllElectConnected", connected=False)
        if self._connected("Ctr") or self._connected("Wrk"):
            raise InstrumentError(f"{self.port}: wanted its electrodes open, found them connected")
        self._heard.clear()  # the end of the test came before the second reply

    def _connected(self, electrode: str) -> bool:
        """Return whether an electrode is connected.

        Raises:
            WireError: The reply does not say so.
        """
        found = self._ask(f"get{electrode}ElectConnected").get("connected")
        if not isinstance(found, bool):
            raise WireError(f"{self.port}: wanted whether an electrode is connected, found {found!r}")
        return found

    def _drained(self) -> list[Reading]:
        """Ask what is measured between the electrodes, and return it with what the test has said by then.

        The question is asked whether or not there is something to say: a board that has fallen silent is noticed at once.
        """
        seen = number_of(self._ask("getRefVolt"), "r")
        heard, self._heard = self._heard, []
        samples = [each for each in heard if each is not None]
        ended = None in heard
        readings: list[Reading] = [self._rows(samples, seen, ended=ended)] if samples else []
        return [*readings, self._end()] if ended else readings

    def _rows(self, samples: Sequence[StreamedSample], seen: float, *, ended: bool) -> Batch:
        """Return samples as columns; of a rest the last one alone, as its voltage is asked for once.

        What cannot be believed is marked bad: a current beyond its range, of which only the range's end is told, and a hold or
        sweep that is not controlled, as the potential that is seen is not its set-point.
        """
        assert self._step is not None
        self._last = samples[-1].time
        time, voltage, current, beyond = (np.array(column) for column in zip(*samples, strict=True))
        if isinstance(self._step.mode, Rest):
            return Batch(time[-1:], np.array([seen]), np.zeros(1))
        moved = self._step.mode.rate * LATEST if isinstance(self._step.mode, Sweep) else 0.0
        controlled = ended or abs(seen - voltage[-1]) <= CONTROLLED + moved  # after the end its electrodes are open
        bad = beyond | np.logical_not(controlled)
        return Batch(time, voltage, current, quality=np.where(bad, Quality.BAD, Quality.GOOD).astype(np.uint8))

    def _end(self) -> Reading:
        step, test = self._step, self._test
        assert step is not None
        assert test is not None
        self._step = None
        if self._last < test.duration - EARLY * test.period:
            return Fault(f"the test ended after {self._last:g} s of {test.duration:g} s", safe=False)
        times = [end for end in step.ends if end.quantity == "time"]
        return Ended(
            0, test.duration, min(times, key=lambda end: end.value).number if times else None, "the test ended"
        )

    def _same(self, command: str, fields: dict[str, Any]) -> None:
        """Set something and compare what the board says that it is then.

        Raises:
            SettingRefused: It is something else.
        """
        found = self._ask(command, **fields)
        for name, wanted in fields.items():
            if not alike(found.get(name), wanted):
                raise SettingRefused(f"{self.port}: {command}: wanted {name} {wanted}, found {found.get(name)}")

    def _ask(self, command: str, **fields: Any) -> dict[str, Any]:
        """Send a command and return its own reply; samples that come before it are kept.

        Raises:
            SettingRefused: The board did not obey.
        """
        text = json.dumps({"command": command, **fields}, separators=(",", ":"))
        text = f" {text}" if (len(text) + 1) % PACKET == 0 else text
        send(self._line, self.port, text.encode("ascii") + b"\n")
        for _ in range(MOST_LINES):
            found = parsed(self._receive())
            if "success" not in found:
                self._take(found)
                continue
            response = found.get("response")
            if found["success"] is not True:
                raise SettingRefused(f"{self.port}: {command} was answered by {str(found.get('message'))[:60]}")
            if isinstance(response, dict) and response.get("command") == command:
                return response
        raise WireError(f"{self.port}: wanted the reply to {command}, found {MOST_LINES} other lines")

    def _take(self, found: dict[str, Any]) -> None:
        """Keep what a running test says; a reply to a question of before is none of it."""
        if "success" not in found:
            self._heard.append(sample_of(found) if found else None)

    def _receive(self) -> bytes:
        raw, self._buffer = next_line(self._line, self.port, self._buffer)
        return raw

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
