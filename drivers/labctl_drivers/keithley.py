"""Keithley source meters through pyvisa: 2450, 2460, 2461 in SCPI mode, and the 2400 family.

A puppet: it sources the last level for ever, so the daemon is the control loop and a guard switches off when the daemon dies.
Facts: Model 2450 Reference Manual 2450-901-01, 2400 Series User's Manual 2400S-900-01. Never run on hardware by us.

Safety, in this order: off state high impedance (normal or zero would put 0 V across the cell), range and level zero, limit,
limit read back, four-wire, output on, level. Constant voltage is the instrument's own; a hold that follows a charge in the
same direction is its compliance, so that no gap at open circuit lies between them.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, TypeVar

import numpy as np

from labctl.driver import (
    Bounds,
    Capabilities,
    Galvanostatic,
    Identity,
    Mode,
    Potentiostatic,
    Program,
    ProgramStep,
    ReadBack,
    Readings,
    Rest,
    Status,
)
from labctl.errors import InstrumentError, SettingRefused, Unreachable, WireError
from labctl.sample import Snapshot

T = TypeVar("T")

TOLERANCE = 1e-3  # of a limit read back
ACCURACY = 2e-3  # V
NOT_A_NUMBER = 9.8e37  # overflow is 9.9E37, not a number 9.91E37
HIGHEST = {  # model: highest voltage in V, highest current in A
    "2400": (210.0, 1.05),
    "2410": (1100.0, 1.05),
    "2420": (63.0, 3.15),
    "2425": (105.0, 3.15),
    "2430": (105.0, 3.15),
    "2440": (42.0, 5.25),
    "2450": (210.0, 1.05),
    "2460": (105.0, 7.35),
    "2461": (105.0, 10.5),
}


class Keithley2450:
    """One source meter, one channel.

    Args:
        resource: VISA address, `TCPIP0::10.0.0.5::5025::SOCKET` or another.
        serial: Serial number that must answer, or None for any.
        four_wire: Sense leads are connected.
        timeout: Seconds to wait for a reply.
        poll: Seconds between two reads, at least.
        backend: VISA library; `@py` is pyvisa-py.
    """

    models: ClassVar[frozenset[str]] = frozenset({"2450", "2460", "2461"})
    limit_nodes: ClassVar[dict[str, str]] = {"CURR": ":SOUR:CURR:VLIM", "VOLT": ":SOUR:VOLT:ILIM"}
    measures_when_off: ClassVar[bool] = True

    def __init__(
        self,
        resource: str,
        serial: str | None = None,
        *,
        four_wire: bool = True,
        timeout: float = 2.0,
        poll: float = 0.05,
        backend: str = "@py",
    ) -> None:
        self.resource = resource
        self.serial = serial
        self.four_wire = four_wire
        self.timeout = timeout
        self.poll = poll
        self.backend = backend
        self._identity = Identity("Keithley", "2450")
        self._function = ""
        self._on = False
        self._level = 0.0
        self._range = 0.0
        self._attempt: int | None = None
        self._session: Any = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"keithley {resource}")
        self._thread.submit(self._manager)  # ahead: a guard that must switch off has no time for it

    # --- the contract ---------------------------------------------------------------------------------------------

    async def open(self) -> Identity:
        """Connect, compare model and serial number, and see that an output that is off is at high impedance."""
        return await self._in_thread(self._open)

    async def close(self) -> None:
        """Disconnect; touches no output."""
        await self._in_thread(self._close)

    def capabilities(self, channel: str) -> Capabilities:
        """Return what a source meter can do: one set-point, its limits, no ends."""
        del channel
        voltage, current = HIGHEST[self._identity.model]
        return Capabilities(
            modes=frozenset({"Rest", "Galvanostatic", "Potentiostatic"}),
            limits=frozenset({"voltage", "current"}),
            voltage=(-voltage, voltage),
            current=(-current, current),
            voltage_accuracy=ACCURACY,
            current_accuracy=1e-6,
            poll_at_most=self.poll,
        )

    async def status(self, channel: str) -> Status:
        """Return whether the output is on; what it does for whom, a source meter cannot say."""
        del channel
        on = await self._in_thread(lambda: self._ask(":OUTP?")) == "1"
        if not on:
            return Status("idle")
        known = self._attempt is not None
        return Status("running" if known else "unknown", self._attempt, 0 if known else None, text="output is on")

    async def apply(self, channel: str, program: Program) -> ReadBack:
        """Make the output what the program's one step says."""
        del channel
        match program.steps:
            case (ProgramStep() as step,):
                back = await self._in_thread(lambda: self._apply(step.mode, step.bounds))
            case _:
                raise SettingRefused(f"a source meter holds one step, found {len(program.steps)}", safe=not self._on)
        self._attempt = program.attempt
        return back

    async def read(self, channels: Sequence[str]) -> Readings:
        """Return voltage and current now."""
        voltage, current = await self._in_thread(self._read)
        return Readings(Snapshot(tuple(channels), np.array([voltage]), np.array([current])))

    async def output_off(self, channel: str) -> None:
        """Switch off into high impedance."""
        del channel
        await self._in_thread(self._off)
        self._attempt = None

    # --- in the instrument's own thread ----------------------------------------------------------------------------

    def _manager(self) -> Any:
        import pyvisa  # noqa: PLC0415 - takes a third of a second

        return pyvisa.ResourceManager(self.backend)  # one for each backend: pyvisa keeps it

    def _open(self) -> Identity:
        import pyvisa  # noqa: PLC0415

        self._close()
        try:
            self._session = self._manager().open_resource(self.resource)
            self._session.timeout = 1e3 * self.timeout
            if self.resource.upper().endswith("SOCKET") or self.resource.upper().startswith("ASRL"):
                self._session.read_termination = self._session.write_termination = "\n"
            if self.resource.upper().endswith(
                "SOCKET"
            ):  # two writes in a row would wait for the acknowledgement of the first
                sessions = getattr(self._session.visalib, "sessions", {})  # pyvisa-py cannot set the attribute for it
                wire = getattr(sessions.get(self._session.session), "interface", None)
                if isinstance(wire, socket.socket):
                    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            words = self._resynchronised().split(",")
        except (pyvisa.errors.VisaIOError, OSError, ValueError, Unreachable) as error:
            why = error.__cause__ or error
            raise Unreachable(f"{self.resource}: wanted a Keithley, found no answer ({why})") from error
        return self._identified(words)

    def _resynchronised(self) -> str:
        """Drain what an earlier talk may have left, so that the next reply belongs to the next question."""
        self._write("*CLS")
        mark = ""
        while not mark.upper().startswith("KEITHLEY"):
            mark = self._ask("*IDN?")
        return mark

    def _identified(self, words: list[str]) -> Identity:
        model = words[1].strip().upper().removeprefix("MODEL ") if len(words) == 4 else "?"
        if model not in self.models:
            raise WireError(
                f"{self.resource}: wanted a Keithley {'/'.join(sorted(self.models))}, found {','.join(words)}"
            )
        serial, firmware = words[2].strip(), words[3].strip()
        if self.serial is not None and serial != self.serial:
            raise WireError(f"{self.resource}: wanted serial number {self.serial}, found {serial}")
        self._identity = Identity("Keithley", model, serial, firmware)
        self._on = self._ask(":OUTP?") == "1"
        self._function = self._ask(":SOUR:FUNC?")[:4]
        if not self._on:  # the off state of a power-up is a short circuit across the cell
            self._high_impedance()
            self._ask("*OPC?")
        return self._identity

    def _close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _apply(self, mode: Mode, bounds: Bounds) -> ReadBack:
        match mode:
            case Rest():
                return self._rest(bounds)
            case Galvanostatic(current):
                return self._source("CURR", current, self._voltage_limit(bounds))
            case Potentiostatic(voltage, most):
                return self._hold(voltage, self._current_limit(most, bounds))
        raise SettingRefused(f"a source meter has no {type(mode).__name__}", safe=not self._on)

    def _rest(self, bounds: Bounds) -> ReadBack:
        if self.measures_when_off:
            self._off()
            return ReadBack({"output": 0.0})
        return self._source("CURR", 0.0, self._voltage_limit(bounds))

    def _hold(self, voltage: float, most: float) -> ReadBack:
        """Hold by the compliance of a running current that leads there, else by sourcing the voltage."""
        if self._on and self._function == "CURR" and self._level:
            now, _ = self._read()
            if (voltage - now) * self._level >= -ACCURACY * abs(self._level) and voltage * self._level > 0:
                return self._source("CURR", float(np.copysign(most, self._level)), abs(voltage))
        return self._source("VOLT", voltage, most)

    def _source(self, function: str, level: float, limit: float) -> ReadBack:
        """Range, level zero, limit, read back, four-wire, output on, level: nothing flows before the limit holds."""
        if not (self._on and self._function == function):
            self._off()
            self._write(f":SOUR:FUNC {function}")
            self._function = function
            self._prepare(function, level)
            self._write(f":SOUR:{function} {0.0 if function == 'CURR' else level:.9G}")
        elif abs(level) > self._range:
            self._set_range(function, level)
        found = self._limited(function, limit)
        if not self._on:
            self._write(":OUTP ON")
            self._on = True
        self._write(f":SOUR:{function} {level:.9G}")
        self._level = level if function == "CURR" else 0.0
        self._without_errors(f"{function} {level:g}")
        return ReadBack(
            {"level": float(self._ask(f":SOUR:{function}?")), "limit": found, "output": float(self._ask(":OUTP?"))}
        )

    def _prepare(self, function: str, level: float) -> None:
        other = "VOLT" if function == "CURR" else "CURR"
        self._set_range(function, level)
        self._write(f":SENS:{other}:RSEN {'ON' if self.four_wire else 'OFF'}")
        self._write(f':SENS:FUNC "{other}"')
        self._write(f":SOUR:{function}:READ:BACK ON")

    def _set_range(self, function: str, level: float) -> None:
        """Choose the source range: a level beyond it is refused as a settings conflict."""
        self._range = abs(level) or 1e-6
        self._write(f":SOUR:{function}:RANG {self._range:.9G}")

    def _limited(self, function: str, limit: float) -> float:
        """Write the limit and read it back.

        Raises:
            InstrumentError: What holds is not what was wanted; the output has been switched off.
        """
        node = self.limit_nodes[function]
        self._write(f"{node} {limit:.9G}")
        found = float(self._ask(f"{node}?"))
        if not abs(found - limit) <= TOLERANCE * limit:
            self._off()
            raise SettingRefused(f"{node}: wanted {limit:g}, found {found:g}; the output is off", safe=True)
        return found

    def _voltage_limit(self, bounds: Bounds) -> float:
        if bounds.voltage is None:
            raise SettingRefused("a source meter is not energised without a voltage limit", safe=not self._on)
        return max(abs(bounds.voltage[0]), abs(bounds.voltage[1]))

    def _current_limit(self, most: float | None, bounds: Bounds) -> float:
        limits = [abs(value) for value in bounds.current or ()]
        if most is None and not limits:
            raise SettingRefused("a voltage is not held without a current limit", safe=not self._on)
        return min([most] if most is not None else [], default=max(limits, default=0.0))

    def _read(self) -> tuple[float, float]:
        sourced, sensed = pair(self._ask(':READ? "defbuffer1",SOUR,READ'))
        return (sensed, sourced) if self._function == "CURR" else (sourced, sensed)

    def _off(self) -> None:
        self._high_impedance()
        self._write(":OUTP OFF")
        self._on, self._level = False, 0.0
        if self._function != "CURR":  # so that the voltage can be read while off
            self._write(":SOUR:FUNC CURR")
            self._function = "CURR"
        self._write(':SENS:FUNC "VOLT"')
        if self._ask(":OUTP?") != "0":
            raise InstrumentError("wanted the output off, found it on")

    def _high_impedance(self) -> None:
        for function in ("CURR", "VOLT"):
            self._write(f":OUTP:{function}:SMOD HIMP")

    def _without_errors(self, wanted: str) -> None:
        """Empty the error queue.

        Raises:
            InstrumentError: The instrument refused something; the output has been switched off.
        """
        found = self._ask(":SYST:ERR?")
        if not found.startswith(("0,", "+0,")):
            self._off()
            raise SettingRefused(f"{wanted}: wanted no error, found {found}; the output is off", safe=True)

    def _write(self, text: str) -> None:
        self._talk(lambda: self._session.write(text))

    def _ask(self, text: str) -> str:
        return str(self._talk(lambda: self._session.query(text))).strip()

    def _talk(self, exchange: Callable[[], T]) -> T:
        if self._session is None:
            raise Unreachable(f"{self.resource}: not open")
        try:
            return exchange()
        except (OSError, ValueError, self._visa_error) as error:
            self._close()  # after a timeout the line is out of step: only `open` brings it back
            raise Unreachable(f"{self.resource}: {error}") from error

    @property
    def _visa_error(self) -> type[Exception]:
        import pyvisa  # noqa: PLC0415

        return pyvisa.errors.VisaIOError

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


class Keithley2400(Keithley2450):
    """The 2400 family: with its output off it measures nothing, so a rest sources zero amperes."""

    models = frozenset({"2400", "2410", "2420", "2425", "2430", "2440"})
    limit_nodes: ClassVar[dict[str, str]] = {"CURR": ":SENS:VOLT:PROT", "VOLT": ":SENS:CURR:PROT"}
    measures_when_off = False

    def _prepare(self, function: str, level: float) -> None:
        self._write(f":SOUR:{function}:MODE FIX")
        self._set_range(function, level)
        self._write(':SENS:FUNC "VOLT","CURR"')
        self._write(f":SYST:RSEN {'ON' if self.four_wire else 'OFF'}")
        self._write(":FORM:ELEM VOLT,CURR")

    def _read(self) -> tuple[float, float]:
        if not self._on:
            raise InstrumentError("the 2400 measures nothing while its output is off", safe=True)
        return pair(self._ask(":READ?"))

    def _high_impedance(self) -> None:
        self._write(":OUTP:SMOD HIMP")

    def _off(self) -> None:
        self._high_impedance()
        self._write(":OUTP OFF")
        self._on, self._level = False, 0.0
        if self._ask(":OUTP?") != "0":
            raise InstrumentError("wanted the output off, found it on")


def pair(text: str) -> tuple[float, float]:
    """Return the first two numbers of a reading; what the instrument calls not a number becomes NaN.

    Raises:
        WireError: It is something else.
    """
    words = text.split(",")[:2]
    try:
        first, second = (float(word) for word in words)
    except ValueError as error:
        raise WireError(f"wanted two numbers, found {text[:40]!r}") from error
    return believed(first), believed(second)


def believed(value: float) -> float:
    """Return a value, NaN where it stands for overflow or for no number."""
    return value if abs(value) < NOT_A_NUMBER else float("nan")
