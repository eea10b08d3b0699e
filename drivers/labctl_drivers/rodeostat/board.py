"""A step as a test of the board, and the lines that the board sends.

Facts: iorodeo/potentiostat, the open firmware FW0.1.0: names of tests and parameters, milliseconds and microamperes.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from labctl.driver import Potentiostatic, ProgramStep, Rest, Sweep
from labctl.errors import SettingRefused, WireError

VARIANT = re.compile(r"(?:(10V|AD8250|AD8251)_)?(nanoAmp|microAmp|milliAmp|10MilliAmp|24MilliAmp)(V0\.\d)")
CURRENTS = {  # variant: names of its ranges by their largest current, uA
    "nanoAmp": {0.06: "60nA", 0.1: "100nA", 1.0: "1uA", 10.0: "10uA"},
    "microAmp": {1.0: "1uA", 10.0: "10uA", 100.0: "100uA", 1000.0: "1000uA"},
    "10MilliAmp": {10.0: "10uA", 100.0: "100uA", 1000.0: "1000uA", 10000.0: "10000uA"},
    "24MilliAmp": {100.0: "100uA", 1000.0: "1000uA", 12000.0: "12000uA", 24000.0: "24000uA"},
}
CURRENTS["milliAmp"] = CURRENTS["24MilliAmp"]
VOLTS = {"AD8251": 8.0}  # variant: largest voltage, V; 10 V of all others
SLOWEST, FASTEST = 1.0, 1e-3  # s between two samples
LONGEST = 1e6  # s, for a step whose only end is not a time
MOST = 4e6  # s: the board counts milliseconds in 32 bits
SWEEP_STEP = 1e-3  # V between two rows of a sweep
SAME = 1e-5  # of a number read back


class StreamedSample(NamedTuple):
    """A sample of a running test: s, V of the set-point, A, and whether the current lies beyond its range."""

    time: float
    voltage: float
    current: float
    beyond: bool


@dataclass(frozen=True, slots=True)
class BoardTest:
    """A step in the board's own words: the name of a test, its parameters, its duration, and the time between two samples, s."""

    name: str
    parameters: dict[str, float]
    duration: float
    period: float
    connects: bool


def board_test(step: ProgramStep, volts: float) -> BoardTest:
    """Return the test that does a step.

    Args:
        step: Of a program.
        volts: The most that the board reaches, V.

    Raises:
        SettingRefused: The board cannot do it.
    """
    test = _unbounded(step, volts)
    if test.duration > MOST:
        raise SettingRefused(
            f"line {step.line}: wanted at most {MOST:g} s of one step, found {test.duration:g} s", safe=True
        )
    return test


def _unbounded(step: ProgramStep, volts: float) -> BoardTest:
    asked = min((rule.every for rule in step.record if rule.every is not None), default=SLOWEST)
    duration = min((end.value for end in step.ends if end.quantity == "time"), default=LONGEST)
    period = period_of(min(asked, duration))
    duration = max(
        duration, period
    )  # so that one sample is said: a test of 0 s, as the first look at a cell is, says none
    match step.mode:
        case Rest():
            return BoardTest("constant", constant(0.0, duration), duration, period, connects=False)
        case Potentiostatic(voltage) if step.bounds.voltage is not None and abs(voltage) <= volts:
            return BoardTest("constant", constant(voltage, duration), duration, period, connects=True)
        case Sweep(start, end, rate) if step.bounds.voltage is not None and max(abs(start), abs(end)) <= volts:
            duration = abs(end - start) / rate
            period = period_of(SWEEP_STEP / rate)
            ends = {"startValue": start, "finalValue": end, "quietValue": start, "quietTime": 0}
            return BoardTest("linearSweep", ends | {"duration": round(1e3 * duration)}, duration, period, connects=True)
        case Potentiostatic() | Sweep():
            raise SettingRefused(
                f"line {step.line}: wanted a voltage limit and at most {volts:g} V, found {step.bounds.voltage} and {step.mode}",
                safe=True,
            )
    raise SettingRefused(
        f"line {step.line}: a Rodeostat is a potentiostat: it has no {type(step.mode).__name__}", safe=True
    )


def period_of(wanted: float) -> float:
    """Return the time between two samples that the board can have, s."""
    return min(max(wanted, FASTEST), SLOWEST)


def constant(voltage: float, duration: float) -> dict[str, float]:
    """Return the parameters of a hold, V and s."""
    return {"value": voltage, "duration": round(1e3 * duration), "quietValue": voltage, "quietTime": 0}


def alike(found: object, wanted: object) -> bool:
    """Tell whether what was read back is what was set: numbers as far as the board's 32 bits hold them."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(alike(found.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, int | float) and not isinstance(wanted, bool):
        return (
            isinstance(found, int | float)
            and not isinstance(found, bool)
            and math.isclose(found, wanted, rel_tol=SAME, abs_tol=SAME)
        )
    return found == wanted


def parsed(raw: bytes) -> dict[str, Any]:
    """Read a line.

    Raises:
        WireError: It is no JSON object.
    """
    try:
        found = json.loads(raw.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise WireError(f"wanted a line of JSON, found {raw[:60]!r}") from error
    if not isinstance(found, dict):
        raise WireError(f"wanted a JSON object, found {raw[:60]!r}")
    return found


def sample_of(found: dict[str, Any]) -> StreamedSample:
    """Read a sample.

    Raises:
        WireError: It is none.
    """
    time, voltage, current = (number_of(found, name) for name in ("t", "v", "i"))
    return StreamedSample(1e-3 * time, voltage, 1e-6 * current, bool(found.get("le", False)))


def number_of(found: dict[str, Any], name: str) -> float:
    """Return a number of a line.

    Raises:
        WireError: There is none.
    """
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e12 < value < 1e12:
        raise WireError(f"wanted a number {name}, found {str(found)[:60]}")
    return float(value)
