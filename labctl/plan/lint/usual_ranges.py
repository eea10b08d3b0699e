"""Values far outside the range that is usual in their place: most often one with another prefix, or a point for thousands."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from labctl.driver import OPEN
from labctl.finding import Finding, Mark
from labctl.plan.index import walk
from labctl.plan.lint.ends import DRIVEN, mark_of, warning
from labctl.plan.number import values
from labctl.plan.step import ByPass, Line, Plan, Relative, Setting
from labctl.plan.step_context import Spot
from labctl.quantity.units import display

Places = Mapping[Spot, Mark]


@dataclass(frozen=True, slots=True)
class UsualRange:
    """What is usual for one setting of a mode: name for people, kind of quantity, least and greatest in SI."""

    mode: str
    setting: str
    name: str
    kind: str
    low: float
    high: float


USUAL: Final = (
    UsualRange("Bend", "radius", "a bending radius", "length", 1e-4, 0.3),
    UsualRange("Bend", "times", "a number of bends", "count", 1.0, 1e6),
    UsualRange("Chamber", "within", "a tolerance of the chamber", "temperature step", 0.05, 10.0),
    UsualRange("Chamber", "soak", "a time to soak", "duration", 0.0, 7 * 86400.0),
    UsualRange("Sweep", "rate", "a scan rate", "scan rate", 1e-6, 1e3),
)
REST: Final = UsualRange("Rest", "for", "a rest", "duration", 0.1, 90 * 86400.0)
PRESSURE: Final = UsualRange("", "", "a pressure", "pressure", 1e3, 1e9)
PREFIXES: Final = (1e-3, 1e3, 1e-6, 1e6, 1e-2, 1e2)
_THOUSANDS: Final = re.compile(r"for (\d{1,3})\.000 ?(s|min)$")
_SECONDS: Final = {"s": 1.0, "min": 60.0}
LONG: Final = 3600.0  # s: what thousands of seconds come to
OFTEN: Final = 20.0  # rows at least of a step whose time is as short as it looks


def unusual_ranges(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of every setting far outside its usual range, and of a time with a point for thousands."""
    for _, line in walk(plan.root):
        for usual in USUAL:
            if usual.mode == line.mode:
                yield from _outside(usual, line.settings.get(usual.setting), mark_of(line, places, usual.setting))
        state = line.options.get("state")
        for name, value in state.items() if isinstance(state, Mapping) else ():
            if "pressure" in name.lower():
                yield from _outside(PRESSURE, value, mark_of(line, places))
        yield from _times(line, places)
        yield from _record(line, places)


def _numbers(value: object) -> tuple[float, ...]:
    return values(value) if isinstance(value, float | int | ByPass | Relative) else ()


def _outside(usual: UsualRange, value: Setting, mark: Mark) -> Iterator[Finding]:
    prefixes = PREFIXES if usual.kind != "duration" else (1e3,)
    for number in _numbers(value):
        if number and not usual.low <= number <= usual.high:
            meant = next((number * by for by in prefixes if usual.low <= number * by <= usual.high), 0.0)
            high = number > usual.high
            bound = display(usual.high if high else usual.low, usual.kind)
            message = (
                f"wanted {usual.name} of at {'most' if high else 'least'} {bound}, found {display(number, usual.kind)}"
            )
            hint = f"is {display(meant, usual.kind)} meant?" if meant and usual.kind != "count" else "is that meant?"
            yield warning("plan.range", message, mark, hint)
            return


def _times(line: Line, places: Places) -> Iterator[Finding]:
    for number, end in enumerate(line.ends):
        if end.kind != "for":
            continue
        if line.verb == "rest" and not line.paced:
            yield from _outside(REST, end.condition.any_of[0][0].value, mark_of(line, places, number))
        match = _THOUSANDS.search(end.condition.text)
        if match is None or line.verb not in {*DRIVEN, "rest", "hold"}:
            continue
        seconds = float(match[1]) * _SECONDS[match[2]]
        every = [rule.every for rule in line.record if rule.every]
        if 1000.0 * seconds >= LONG and not (every and min(every) * OFTEN <= seconds):
            whole = f"{match[1]}000 {match[2]}"
            message = (
                f"wanted a time whose point parts decimals, found {end.condition.text}: {display(seconds, 'duration')}"
            )
            hint = f"is {whole} ({display(1000.0 * seconds, 'duration')}) meant? else write {match[1]} {match[2]}"
            yield warning("plan.range", message, mark_of(line, places, number), hint)


def _record(line: Line, places: Places) -> Iterator[Finding]:
    """Give a rule of rows by a step of the voltage that is larger than the whole window."""
    low, high = line.bounds.voltage or (-OPEN, OPEN)
    for rule in line.record if line.energises else ():
        if rule.voltage is not None and rule.voltage > high - low:
            window, found = display(high - low, "voltage"), display(rule.voltage, "voltage")
            message = f"wanted dV of record inside the window of {window}, found {found}"
            hint = f"is {display(rule.voltage / 1000.0, 'voltage')} meant?"
            yield warning("plan.record", message, mark_of(line, places), hint)
