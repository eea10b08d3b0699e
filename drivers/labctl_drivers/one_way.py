"""What a cycler does that either charges or discharges: a current up to a voltage, which it then holds.

MacNet's direct mode and Arbin's CCCV are of this kind. A hold is the same with the voltage as its aim, in the direction that leads
there: nothing flows back.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from labctl.driver import (
    Bounds,
    Capabilities,
    ConstantPower,
    Galvanostatic,
    Potentiostatic,
    Program,
    ProgramStep,
    Rest,
)
from labctl.errors import InstrumentError, OptionRefused, SettingRefused

ACCURACY = 2e-3  # V


@dataclass(frozen=True, slots=True)
class OneWay:
    """A set-point: at most `current` (A, positive) up to `voltage` (V), or `power` (W, positive) within both."""

    charge: bool
    current: float
    voltage: float
    power: float | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """The most that a channel gives, A and V; it reaches no voltage below zero."""

    current: float
    voltage: float

    def capabilities(self, current_accuracy: float, poll: float) -> Capabilities:
        """Return what a channel can do: one set-point inside limits, no ends.

        Args:
            current_accuracy: A.
            poll: Seconds between two reads.
        """
        return Capabilities(
            modes=frozenset({"Rest", "Galvanostatic", "Potentiostatic", "ConstantPower"}),
            limits=frozenset({"voltage", "current"}),
            voltage=(0.0, self.voltage),
            current=(-self.current, self.current),
            voltage_accuracy=ACCURACY,
            current_accuracy=current_accuracy,
            poll_at_most=poll,
        )

    def rest(self) -> OneWay:
        """Return zero amperes, whatever the voltage."""
        return OneWay(charge=True, current=0.0, voltage=self.voltage)

    def toward(self, step: ProgramStep, now: float, last: OneWay | None) -> OneWay:
        """Return the set-point of a step.

        Args:
            step: Of a program.
            now: Voltage of the cell, V.
            last: The set-point that holds.

        Raises:
            SettingRefused: It is of another kind, has no voltage limit, or lies beyond the channel.
        """
        low, high = self._window(step)
        charging, discharging = self.most(step.bounds)
        match step.mode:
            case Rest():
                made = self.rest()
            case Galvanostatic(current):
                made = OneWay(current >= 0, abs(current), high if current >= 0 else low)
            case Potentiostatic(voltage, most):
                way = charges(voltage, now, last)
                made = OneWay(way, most or (charging if way else discharging), voltage)
            case ConstantPower(power) if power >= 0:
                made = OneWay(charge=True, current=charging, voltage=high, power=power)
            case ConstantPower(power):
                made = OneWay(charge=False, current=discharging, voltage=low, power=-power)
            case _:
                raise SettingRefused(f"line {step.line}: it has no {type(step.mode).__name__}", safe=last is None)
        if made.current > self.current or not 0.0 <= made.voltage <= self.voltage:
            raise SettingRefused(
                f"line {step.line}: wanted at most {self.current:g} A and 0 to {self.voltage:g} V, "
                f"found {made.current:g} A and {made.voltage:g} V",
                safe=last is None,
            )
        return made

    def most(self, bounds: Bounds) -> tuple[float, float]:
        """Return the most current that may charge and discharge, A, both positive."""
        low, high = bounds.current or (-self.current, self.current)
        return min(max(high, 0.0), self.current), min(max(-low, 0.0), self.current)

    def _window(self, step: ProgramStep) -> tuple[float, float]:
        """Return the voltages between which a step must stay, as far as the channel reaches."""
        if step.bounds.voltage is None:
            if isinstance(step.mode, Rest):
                return 0.0, self.voltage
            raise SettingRefused(f"line {step.line}: a cycler is not energised without a voltage limit", safe=True)
        low, high = step.bounds.voltage
        return max(low, 0.0), min(high, self.voltage)


def charges(voltage: float, now: float, last: OneWay | None) -> bool:
    """Tell whether a voltage is reached by charging: in the direction that runs, where that has led there."""
    if last is not None and last.current and abs(voltage - now) <= ACCURACY:
        return last.charge
    return voltage >= now


def only_step(channel: str, program: Program) -> ProgramStep:
    """Return the step of a program that has one.

    Raises:
        SettingRefused: It has another number of steps.
    """
    match program.steps:
        case (ProgramStep() as step,):
            return step
    raise SettingRefused(f"{channel}: it holds one step, found {len(program.steps)}", safe=True)


def number_of_channel(numbers: Mapping[str, int], channel: str) -> int:
    """Return the cycler's own number of a channel.

    Raises:
        InstrumentError: No channel is called so.
    """
    try:
        return numbers[channel]
    except KeyError as error:
        raise InstrumentError(f"wanted a channel of {', '.join(numbers)}, found {channel!r}") from error


def numbers_of(channels: Mapping[str, int]) -> dict[str, int]:
    """Return the cycler's channel of each of our names.

    Raises:
        OptionRefused: One is no number from 1, or two names have the same.
    """
    numbers: dict[str, int] = {}
    for name, number in channels.items():
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            message = f"wanted the number that the cycler's own program has for the channel {name}, found {number!r}"
            raise OptionRefused(("channels", name), message, f"for example {{{name}: 1}}")
        if other := next((other for other, taken in numbers.items() if taken == number), ""):
            message = f"wanted a channel of its own for {name}, found {number}, which {other} has"
            raise OptionRefused(("channels", name), message, "give each name its own number")
        numbers[name] = number
    return numbers
