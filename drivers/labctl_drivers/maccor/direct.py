"""Direct mode as values: what a step becomes on the wire, and what a status says. Nothing here touches anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from labctl.driver import (
    Bounds,
    ConstantPower,
    Galvanostatic,
    Potentiostatic,
    ProgramStep,
    Rest,
)
from labctl.errors import SettingRefused
from labctl_drivers.maccor.client import number_of

ACCURACY = 2e-3  # V
MARGIN = 10e-3  # V by which the tester's own safety limit lies beyond ours
BEYOND = 1.01  # the same of currents, as a factor
LEAST = 1e-6  # A, of a safety limit
Output = dict[str, float | str]


@dataclass(frozen=True, slots=True)
class Reach:
    """What a tester can give.

    Attributes:
        ranges: Full scales of its current ranges, A, from the smallest.
        voltage: Highest voltage, V.
    """

    ranges: tuple[float, ...]
    voltage: float

    def nothing(self) -> Output:
        """Return the set-point of a rest: zero amperes, whatever the voltage."""
        return self._set_point(Current=0.0, Voltage=self.voltage, ChMode="C", CurrentRange=1)

    def output(self, step: ProgramStep, now: float, last: Mapping[str, float | str]) -> Output:
        """Return the set-point of a step.

        Args:
            step: Of a program.
            now: Voltage of the cell, V.
            last: The set-point that holds, empty where none does.

        Raises:
            SettingRefused: It cannot be said in direct mode, or lies beyond the tester.
        """
        if isinstance(step.mode, Rest):
            return self.nothing()
        low, high = self._window(step)
        charge_most, discharge_most = self.most(step.bounds)
        match step.mode:
            case Galvanostatic(current):
                charge, values = current >= 0, {"Current": abs(current), "Voltage": high if current >= 0 else low}
            case Potentiostatic(voltage, most):
                charge = charges(voltage, now, last)
                values = {"Current": most or (charge_most if charge else discharge_most), "Voltage": voltage}
            case ConstantPower(power) if power >= 0:
                charge, values = True, {"Power": power, "Current": charge_most, "Voltage": high}
            case ConstantPower(power):
                charge, values = False, {"Power": -power, "Current": discharge_most, "Voltage": low}
            case _:
                raise SettingRefused(f"line {step.line}: direct mode has no {type(step.mode).__name__}", safe=not last)
        if values["Current"] > self.ranges[-1] or not 0.0 <= values["Voltage"] <= self.voltage:
            raise SettingRefused(
                f"line {step.line}: wanted at most {self.ranges[-1]:g} A and 0 to {self.voltage:g} V, "
                f"found {values['Current']:g} A and {values['Voltage']:g} V",
                safe=not last,
            )
        number = next(place for place, full in enumerate(self.ranges, 1) if values["Current"] <= full)
        return self._set_point(**values, ChMode="C" if charge else "D", CurrentRange=number)

    def safety(self, bounds: Bounds, output: Mapping[str, float | str]) -> dict[str, float]:
        """Return the tester's own safety limits, a little beyond those of a step: a limit is held, not tripped at."""
        low, high = bounds.voltage or (0.0, self.voltage)
        charge, discharge = self.most(bounds)
        asked = float(output["Current"])
        power = BEYOND * (self.voltage + MARGIN) * self.ranges[-1]
        return {
            "VSafeMax": min(high, self.voltage) + MARGIN, "VSafeMin": max(low, 0.0) - MARGIN,
            "ISafeChg": max(BEYOND * max(charge, asked), LEAST), "ISafeDis": max(BEYOND * max(discharge, asked), LEAST),
            "PBatSafeChg": power, "PBatSafeDis": power,
        }  # fmt: skip

    def most(self, bounds: Bounds) -> tuple[float, float]:
        """Return the most current that may charge and discharge, A, both positive."""
        low, high = bounds.current or (-self.ranges[-1], self.ranges[-1])
        return min(max(high, 0.0), self.ranges[-1]), min(max(-low, 0.0), self.ranges[-1])

    def _set_point(self, **values: float | str) -> Output:
        """Return a set-point that holds the most power where it says none; a quantity that is not active at the start never is."""
        return {"Current": 0.0, "Power": self.voltage * self.ranges[-1], "Resistance": 0.0, **values}

    def _window(self, step: ProgramStep) -> tuple[float, float]:
        """Return the voltages between which a step must stay, as far as the tester reaches."""
        if step.bounds.voltage is None:
            raise SettingRefused(f"line {step.line}: a cycler is not energised without a voltage limit", safe=True)
        low, high = step.bounds.voltage
        return max(low, 0.0), min(high, self.voltage)


def charges(voltage: float, now: float, last: Mapping[str, float | str]) -> bool:
    """Tell whether a voltage is reached by charging: in the direction that runs, where that has led there."""
    if last.get("Current") and abs(voltage - now) <= ACCURACY:
        return last["ChMode"] == "C"
    return voltage >= now


def signed_current(found: Mapping[str, Any]) -> float:
    """Return the current of a status in A, positive where it charges: RF1 tells the direction, whatever sign the tester gives."""
    current = number_of(found, "Current")
    match found.get("RF1"):
        case 1:
            return abs(current)
        case 2:
            return -abs(current)
    return current


def second_of(found: Mapping[str, Any]) -> float:
    """Return the tester's clock in s, of an origin of its own; 0 where it tells none."""
    try:
        told = datetime.fromisoformat(str(found.get("TesterTime"))).replace(tzinfo=None)
    except ValueError:
        return 0.0
    return (told - datetime(2000, 1, 1)).total_seconds()  # noqa: DTZ001 - the wall clock of the tester's PC, only differences count
