"""Keithley source meters through pyvisa: 2450, 2460, 2461 in SCPI mode, and the 2400 family.

A puppet: it sources the last level for ever, so the daemon is the control loop and a guard switches off when the daemon dies.
Facts: Model 2450 Reference Manual 2450-901-01, 2400 Series User's Manual 2400S-900-01. Never run on hardware by us.

Safety, in this order: off state high impedance (normal or zero would put 0 V across the cell), range and level zero, limit,
limit read back, four-wire, output on, level. Constant voltage is the instrument's own; a hold that follows a charge in the
same direction is its compliance, so that no gap at open circuit lies between them.

Every read asks for the settings first, by a query whose answer has another shape than a reading: what was changed at the front
panel is told, and a line that is out of step is noticed. Every reading carries the instrument's own clock.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, TypeVar

import numpy as np

from labctl.driver import (
    Bounds,
    Capabilities,
    Changed,
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
from labctl.driver.option_range import Positive, Visa
from labctl.errors import InstrumentError, SettingRefused, WireError
from labctl.sample import Snapshot
from labctl_drivers.keithley.visa_line import VisaLine

T = TypeVar("T")

TOLERANCE = 1e-3  # of a limit read back
ACCURACY = 2e-3  # V
SAME = 1e-6  # of a setting read back twice
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
    reading: ClassVar[str] = ':READ? "defbuffer1",SOUR,READ,SEC,FRAC'
    numbers: ClassVar[int] = 4  # of a reading
    measures_when_off: ClassVar[bool] = True

    def __init__(
        self,
        resource: Visa,
        serial: str | None = None,
        *,
        four_wire: bool = True,
        timeout: Positive = 0.8,
        poll: Positive = 0.05,
        backend: str = "@py",
    ) -> None:
        self.resource = resource
        self.serial = serial
        self.four_wire = four_wire
        self.poll = poll
        self._identity = Identity("Keithley", "2450")
        self._function = ""
        self._on = False
        self._level = 0.0
        self._range = 0.0
        self._settings: tuple[float, ...] | None = None  # read back after the last set-point, None with the output off
        self._attempt: int | None = None
        self._line = VisaLine(resource, timeout, backend)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"keithley {resource}")
        self._thread.submit(self._line.manager)  # ahead: a guard that must switch off has no time for it

    # --- the contract ---------------------------------------------------------------------------------------------

    async def open(self) -> Identity:
        """Connect, compare model and serial number, and see that an output that is off is at high impedance."""
        return await self._in_thread(self._open)

    async def close(self) -> None:
        """Disconnect; touches no output."""
        await self._in_thread(self._line.close)

    def channels(self) -> Sequence[str]:
        """Return its only channel, which need not be named."""
        return ("1", "")

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
        on = await self._in_thread(self._output)
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
        """Return voltage and current now, and what was changed at the front panel; the 2400 measures nothing while off."""
        changed, readings = await self._in_thread(self._looked)
        changes = {channel: (Changed(changed),) for channel in channels} if changed else {}
        if readings is None:
            return Readings(None, changes)
        voltage, current, clock = (np.array([value]) for value in readings)
        return Readings(Snapshot(tuple(channels), voltage, current, stamp=clock), changes)

    async def output_off(self, channel: str) -> None:
        """Switch off into high impedance."""
        del channel
        await self._in_thread(self._off)
        self._attempt = None

    # --- in the instrument's own thread ----------------------------------------------------------------------------

    def _open(self) -> Identity:
        words = self._line.open("Keithley").split(",")
        model = words[1].strip().upper().removeprefix("MODEL ") if len(words) == 4 else "?"
        if model not in self.models:
            raise WireError(
                f"{self.resource}: wanted a Keithley {'/'.join(sorted(self.models))}, found {','.join(words)}"
            )
        serial, firmware = words[2].strip(), words[3].strip()
        if self.serial is not None and serial != self.serial:
            raise WireError(f"{self.resource}: wanted serial number {self.serial}, found {serial}")
        self._identity = Identity("Keithley", model, serial, firmware)
        self._on = self._output()
        self._function = self._line.ask(":SOUR:FUNC?")[:4]
        if self._function not in self.limit_nodes:
            raise WireError(f"{self.resource}: wanted a source function, found {self._function!r}")
        if not self._on:  # the off state of a power-up is a short circuit across the cell
            self._high_impedance()
            self._line.ask("*OPC?")
        return self._identity

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
            now, _, _ = self._read()
            if (voltage - now) * self._level >= -ACCURACY * abs(self._level) and voltage * self._level > 0:
                return self._source("CURR", float(np.copysign(most, self._level)), abs(voltage))
        return self._source("VOLT", voltage, most)

    def _source(self, function: str, level: float, limit: float) -> ReadBack:
        """Range, level zero, limit, read back, four-wire, output on, level: nothing flows before the limit holds."""
        if not (self._on and self._function == function):
            self._off()
            self._line.write(f":SOUR:FUNC {function}")
            self._function = function
            self._prepare(function, level)
            self._line.write(f":SOUR:{function} {0.0 if function == 'CURR' else level:.9G}")
        elif abs(level) > self._range:
            self._set_range(function, level)
        self._limited(function, limit)
        if not self._on:
            self._line.write(":OUTP ON")
            self._on = True
        self._line.write(f":SOUR:{function} {level:.9G}")
        self._level = level if function == "CURR" else 0.0
        self._without_errors(f"{function} {level:g}")
        self._settings = (output, source_level, most, _) = self._read_settings()
        return ReadBack({"level": source_level, "limit": most, "output": output})

    def _prepare(self, function: str, level: float) -> None:
        other = "VOLT" if function == "CURR" else "CURR"
        self._set_range(function, level)
        self._line.write(f":SENS:{other}:RSEN {'ON' if self.four_wire else 'OFF'}")
        self._line.write(f':SENS:FUNC "{other}"')
        self._line.write(f":SOUR:{function}:READ:BACK ON")

    def _set_range(self, function: str, level: float) -> None:
        """Choose the source range: a level beyond it is refused as a settings conflict."""
        self._range = abs(level) or 1e-6
        self._line.write(f":SOUR:{function}:RANG {self._range:.9G}")

    def _limited(self, function: str, limit: float) -> None:
        """Write the limit and read it back.

        Raises:
            InstrumentError: What holds is not what was wanted; the output has been switched off.
        """
        node = self.limit_nodes[function]
        self._line.write(f"{node} {limit:.9G}")
        set_limit = float(self._line.ask(f"{node}?"))
        if not abs(set_limit - limit) <= TOLERANCE * limit:
            self._off()
            raise SettingRefused(f"{node}: wanted {limit:g}, found {set_limit:g}; the output is off", safe=True)

    def _voltage_limit(self, bounds: Bounds) -> float:
        if bounds.voltage is None:
            raise SettingRefused("a source meter is not energised without a voltage limit", safe=not self._on)
        return max(abs(bounds.voltage[0]), abs(bounds.voltage[1]))

    def _current_limit(self, most: float | None, bounds: Bounds) -> float:
        limits = [abs(value) for value in bounds.current or ()]
        if most is None and not limits:
            raise SettingRefused("a voltage is not held without a current limit", safe=not self._on)
        return min([most] if most is not None else [], default=max(limits, default=0.0))

    def _looked(self) -> tuple[str, tuple[float, float, float] | None]:
        """Return what was changed since the last set-point, "" for nothing, and voltage, current and clock of a reading."""
        if self._settings is None:
            on = self._output()
            changed = "the output is on and was switched off" if on and not self._on else ""
            return changed, self._read() if on or self.measures_when_off else None
        now = self._read_settings()
        names = ("output", "level", "limit", "range")
        changed = ", ".join(
            f"{name} {value:.6g} where {was:.6g} was read back"
            for name, was, value in zip(names, self._settings, now, strict=True)
            if abs(value - was) > SAME * abs(was)
        )
        readable = now[0] == 1.0 or self.measures_when_off
        return (f"changed at the instrument: {changed}" if changed else ""), self._read() if readable else None

    def _read_settings(self) -> tuple[float, float, float, float]:
        """Return output, level, limit and range of the function that was set, in one exchange."""
        function = self._function
        text = self._line.ask(f":OUTP?;:SOUR:{function}?;{self.limit_nodes[function]}?;:SOUR:{function}:RANG?")
        try:
            output, level, limit, span = (float(word) for word in text.split(";"))
        except ValueError as error:
            raise WireError(f"{self.resource}: wanted four settings, found {text[:60]!r}") from error
        return output, level, limit, span

    def _output(self) -> bool:
        """Return whether the output is on.

        Raises:
            WireError: The answer is to another question.
        """
        answer = self._line.ask(":OUTP?")
        if answer not in {"0", "1"}:
            raise WireError(f"{self.resource}: wanted whether the output is on, found {answer[:40]!r}")
        return answer == "1"

    def _read(self) -> tuple[float, float, float]:
        """Return voltage, current and the instrument's clock, s."""
        sourced, sensed, seconds, fraction = numbers(self._line.ask(self.reading), self.numbers)
        clock = seconds + fraction
        return (sensed, sourced, clock) if self._function == "CURR" else (sourced, sensed, clock)

    def _off(self) -> None:
        self._high_impedance()
        self._line.write(":OUTP OFF")
        self._on, self._level, self._settings = False, 0.0, None
        if self._function != "CURR":  # so that the voltage can be read while off
            self._line.write(":SOUR:FUNC CURR")
            self._function = "CURR"
        self._line.write(':SENS:FUNC "VOLT"')
        self._confirm_off()

    def _confirm_off(self) -> None:
        """See that the output is off, again with all that was said before out of the way if the answer is not that.

        Raises:
            InstrumentError: It is on, or nobody can tell.
        """
        if self._line.ask(":OUTP?") == "0":
            return
        self._line.drain()
        if self._output():
            raise InstrumentError(f"{self.resource}: wanted the output off, found it on")

    def _high_impedance(self) -> None:
        for function in ("CURR", "VOLT"):
            self._line.write(f":OUTP:{function}:SMOD HIMP")

    def _without_errors(self, wanted: str) -> None:
        """Empty the error queue.

        Raises:
            InstrumentError: The instrument refused something; the output has been switched off.
        """
        answer = self._line.ask(":SYST:ERR?")
        if not answer.startswith(("0,", "+0,")):
            self._off()
            raise SettingRefused(f"{wanted}: wanted no error, found {answer}; the output is off", safe=True)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


class Keithley2400(Keithley2450):
    """The 2400 family: with its output off it measures nothing, so a rest sources zero amperes."""

    models = frozenset({"2400", "2410", "2420", "2425", "2430", "2440"})
    limit_nodes: ClassVar[dict[str, str]] = {"CURR": ":SENS:VOLT:PROT", "VOLT": ":SENS:CURR:PROT"}
    reading = ":READ?"
    numbers = 3
    measures_when_off = False

    def _prepare(self, function: str, level: float) -> None:
        self._line.write(f":SOUR:{function}:MODE FIX")
        self._set_range(function, level)
        self._line.write(':SENS:FUNC "VOLT","CURR"')
        self._line.write(f":SYST:RSEN {'ON' if self.four_wire else 'OFF'}")
        self._line.write(":FORM:ELEM VOLT,CURR,TIME")

    def _read(self) -> tuple[float, float, float]:
        voltage, current, clock = numbers(self._line.ask(self.reading), self.numbers)
        return voltage, current, clock

    def _high_impedance(self) -> None:
        self._line.write(":OUTP:SMOD HIMP")

    def _off(self) -> None:
        self._high_impedance()
        self._line.write(":OUTP OFF")
        self._on, self._level, self._settings = False, 0.0, None
        self._confirm_off()


def numbers(text: str, count: int) -> tuple[float, ...]:
    """Return the numbers of a reading, as many as were asked for; what the instrument calls not a number becomes NaN.

    Raises:
        WireError: It is something else.
    """
    words = text.split(",")
    try:
        values = tuple(believed(float(word)) for word in words)
    except ValueError as error:
        raise WireError(f"wanted {count} numbers, found {text[:40]!r}") from error
    if len(values) != count:
        raise WireError(f"wanted {count} numbers, found {text[:40]!r}")
    return values


def believed(value: float) -> float:
    """Return a value, NaN where it stands for overflow or for no number."""
    return value if abs(value) < NOT_A_NUMBER else float("nan")
