"""One output of a source meter, made safe in one order whatever language the meter speaks.

High impedance, range and level zero, limit, limit read back, four-wire, output on, level: nothing flows before the limit holds.
Constant voltage is the meter's own; a hold that follows a charge in the same direction is its compliance, so that no gap at open
circuit lies between them.
"""

import contextlib
from typing import ClassVar, Protocol

import numpy as np

from labctl.driver import Bounds, Galvanostatic, Mode, Potentiostatic, ReadBack, Rest
from labctl.errors import InstrumentError, SettingRefused, WireError

TOLERANCE = 1e-3  # of a limit read back
ACCURACY = 2e-3  # V
SAME = 1e-6  # of a setting read back twice
SMALLEST_SPAN = 1e-6  # of a source range, V or A, where nothing is sourced
SETTINGS = ("output", "level", "limit", "range")
NOT_A_NUMBER = 9.8e37  # overflow is 9.9E37, not a number 9.91E37


class Language(Protocol):
    """What a meter is told about one output, in its own words; `CURR` and `VOLT` name what is sourced.

    Attributes:
        measures_when_off: Its voltage can be read while the output is off.
    """

    measures_when_off: ClassVar[bool]

    def begin(self) -> None:
        """Agree on the form of answers as the meter is opened; touches no output."""

    def output(self) -> bool:
        """Return whether the output is on."""

    def function(self) -> str:
        """Return what is sourced."""

    def high_impedance(self) -> None:
        """Make an output that is off open, now and from now on."""

    def choose(self, function: str) -> None:
        """Source the other, with the output off."""

    def prepare(self, function: str, span: float, *, four_wire: bool) -> None:
        """Set the source range, what is measured and the sense leads."""

    def set_range(self, function: str, span: float) -> None:
        """Choose the source range: a level beyond it is refused."""

    def set_level(self, function: str, level: float) -> None:
        """Set what is sourced."""

    def set_limit(self, function: str, limit: float) -> None:
        """Set the most that the other may become."""

    def limit(self, function: str) -> float:
        """Read the limit back."""

    def switch_on(self) -> None:
        """Switch the output on."""

    def switch_off(self, function: str) -> str:
        """Switch the output off into high impedance and return what is sourced from then on."""

    def settings(self, function: str) -> tuple[float, ...]:
        """Return output, level, limit and range in one exchange, whose answer has another shape than a reading's."""

    def reading(self, function: str) -> tuple[float, float, float]:
        """Return voltage, current and the meter's clock, V, A and s."""

    def refusal(self) -> str:
        """Return the oldest error that the meter has kept, "" for none, and let it forget the others."""

    def drain(self) -> None:
        """Get all that was said before out of the way."""


class SourceOutput:
    """What is known of one output, and what is asked of it.

    Args:
        where: Names it in messages.
        language: Of its meter.
        four_wire: Sense leads are connected.
    """

    def __init__(self, where: str, language: Language, *, four_wire: bool) -> None:
        self.where = where
        self.language = language
        self.four_wire = four_wire
        self.attempt: int | None = None
        self.on = False
        self._function = ""
        self._level = 0.0
        self._range = 0.0
        self._settings: tuple[float, ...] | None = None  # read back after the last set-point, None with the output off

    def look(self) -> None:
        """Take over what holds as the meter is opened; one that is off becomes open: a power-up leaves 0 V across the cell."""
        self.language.begin()
        self.on = self.language.output()
        self._function = self.language.function()
        if not self.on:
            self.language.high_impedance()

    def apply(self, mode: Mode, bounds: Bounds) -> ReadBack:
        """Make the output what a step says.

        Raises:
            SettingRefused: It cannot, or the step has no limit.
        """
        match mode:
            case Rest():
                return self._rest(bounds)
            case Galvanostatic(current):
                return self._source("CURR", current, self._voltage_limit(bounds))
            case Potentiostatic(voltage, most):
                return self._hold(voltage, self._current_limit(most, bounds))
        raise SettingRefused(f"a source meter has no {type(mode).__name__}", safe=not self.on)

    def off(self) -> None:
        """Switch off into high impedance and see that it is.

        Raises:
            InstrumentError: It is on, or nobody can tell.
        """
        function = self.language.switch_off(self._function)
        self.on, self._level, self._settings, self._function = False, 0.0, None, function
        with contextlib.suppress(
            WireError
        ):  # an answer to another question: with that out of the way it is asked again
            if not self.language.output():
                return
        self.language.drain()
        if self.language.output():
            raise InstrumentError(f"{self.where}: wanted the output off, found it on")

    def read(self) -> tuple[str, tuple[float, float, float] | None]:
        """Return what was changed since the last set-point, "" for nothing, and voltage, current and clock of a reading.

        No reading where the output is off and the meter then measures nothing.
        """
        if self._settings is None:
            on = self.language.output()
            changed = "the output is on and was switched off" if on and not self.on else ""
            return changed, self._reading() if on or self.language.measures_when_off else None
        now = self.language.settings(self._function)
        changed = ", ".join(
            f"{name} {value:.6g} where {was:.6g} was read back"
            for name, was, value in zip(SETTINGS, self._settings, now, strict=True)
            if abs(value - was) > SAME * abs(was)
        )
        readable = now[0] == 1.0 or self.language.measures_when_off
        return (f"changed at the instrument: {changed}" if changed else ""), self._reading() if readable else None

    def _reading(self) -> tuple[float, float, float]:
        return self.language.reading(self._function)

    def _rest(self, bounds: Bounds) -> ReadBack:
        if self.language.measures_when_off:
            self.off()
            return ReadBack({"output": 0.0})
        return self._source("CURR", 0.0, self._voltage_limit(bounds))

    def _hold(self, voltage: float, most: float) -> ReadBack:
        """Hold by the compliance of a running current that leads there, else by sourcing the voltage."""
        if self.on and self._function == "CURR" and self._level:
            now, _, _ = self._reading()
            if (voltage - now) * self._level >= -ACCURACY * abs(self._level) and voltage * self._level > 0:
                return self._source("CURR", float(np.copysign(most, self._level)), abs(voltage))
        return self._source("VOLT", voltage, most)

    def _source(self, function: str, level: float, limit: float) -> ReadBack:
        if not (self.on and self._function == function):
            self.off()
            self.language.choose(function)
            self._function = function
            self._range = abs(level) or SMALLEST_SPAN
            self.language.prepare(function, self._range, four_wire=self.four_wire)
            self.language.set_level(function, 0.0 if function == "CURR" else level)
        elif abs(level) > self._range:
            self._range = abs(level)
            self.language.set_range(function, self._range)
        self._limited(function, limit)
        if not self.on:
            self.language.switch_on()
            self.on = True
        self.language.set_level(function, level)
        self._level = level if function == "CURR" else 0.0
        self._without_errors(f"{function} {level:g}")
        self._settings = self.language.settings(function)
        output, source_level, most, _ = self._settings
        return ReadBack({"level": source_level, "limit": most, "output": output})

    def _limited(self, function: str, limit: float) -> None:
        """Set the limit and read it back.

        Raises:
            SettingRefused: What holds is not what was wanted; the output has been switched off.
        """
        self.language.set_limit(function, limit)
        found = self.language.limit(function)
        if not abs(found - limit) <= TOLERANCE * limit:
            self.off()
            what = "the voltage limit" if function == "CURR" else "the current limit"
            raise SettingRefused(
                f"{self.where}: {what}: wanted {limit:g}, found {found:g}; the output is off", safe=True
            )

    def _without_errors(self, wanted: str) -> None:
        if refusal := self.language.refusal():
            self.off()
            raise SettingRefused(f"{wanted}: wanted no error, found {refusal}; the output is off", safe=True)

    def _voltage_limit(self, bounds: Bounds) -> float:
        if bounds.voltage is None:
            raise SettingRefused("a source meter is not energised without a voltage limit", safe=not self.on)
        return max(abs(bounds.voltage[0]), abs(bounds.voltage[1]))

    def _current_limit(self, most: float | None, bounds: Bounds) -> float:
        limits = [abs(value) for value in bounds.current or ()]
        if most is None and not limits:
            raise SettingRefused("a voltage is not held without a current limit", safe=not self.on)
        return min([most] if most is not None else [], default=max(limits, default=0.0))


def numbers(text: str, count: int, separator: str = ",") -> tuple[float, ...]:
    """Return the numbers of a reply, as many as were asked for; what the meter calls not a number becomes NaN.

    Raises:
        WireError: It is something else.
    """
    words = text.split(separator)
    try:
        values = tuple(believed(float(word)) for word in words)
    except ValueError as error:
        raise WireError(f"wanted {count} numbers, found {text[:60]!r}") from error
    if len(values) != count:
        raise WireError(f"wanted {count} numbers, found {text[:60]!r}")
    return values


def believed(value: float) -> float:
    """Return a value, NaN where it stands for overflow or for no number."""
    return value if abs(value) < NOT_A_NUMBER else float("nan")
