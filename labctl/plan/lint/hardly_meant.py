"""What is legal and hardly meant: a first voltage on the wrong side, swapped times, ends of a first cycle, too many rows."""

import math
from collections.abc import Iterator, Mapping
from typing import Final

from labctl.driver import OPEN
from labctl.finding import Finding, Mark
from labctl.plan.index import blocks, walk
from labctl.plan.lint.ends import DRIVEN, RAISING, WRONG_END, end_values, mark_of, target_of, warning
from labctl.plan.number import known
from labctl.plan.step import Block, Line, Plan
from labctl.plan.step_context import Spot
from labctl.quantity.units import article, display

Places = Mapping[Spot, Mark]

ABOVE: Final = frozenset({">", ">="})
FIRST_WRONG: Final = (
    0.15  # of the voltage limits: where the first charge hardly ends, nor on the other side a discharge
)
LARGE_PULSE: Final = 0.1  # of the nominal capacity: a titration of ten points and fewer
SHORTER: Final = 0.5  # of the pulse, a rest in which the cell is to come to equilibrium
KEPT: Final = 0.995  # of a capacity: between two cycles it differs by more
MOST_ROWS: Final = 2e7  # of one step
COARSE: Final = 1.0  # s between rows: of coarser ones it is the steps that are too many
ROW: Final = 100.0  # bytes of one stored row, about
DENSE: Final = 10.0  # A/m2, 1 mA/cm2: a galvanostatic amplitude that no two electrodes of metal answer in proportion
LOST: Final = 1e-4  # of 1C: an amplitude to which a cell answers with less than a channel tells apart
FINEST: Final = 2e-5  # V that no channel of a cycler tells apart
RESOLVED: Final = 0.02  # of what a voltage is accurate to: a digit of a channel is no smaller
SLOPING: Final = frozenset({"full", "half_cathode"})  # an anode has most of its capacity near its lowest voltage
INSERTION: Final = frozenset({"full", "half_cathode", "half_anode"})


def hardly_meant(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of what is legal and most likely not meant."""
    yield from _first_voltage(plan, places)
    for block in blocks(plan.root):
        yield from _swapped_times(plan, block, places)
        yield from _first_cycle(block, places)
    for path, line in walk(plan.root):
        yield from _rows(path, line, places)
        yield from _amplitude(plan, line, places)
        yield from _beyond_its_voltage(line, places)


def _first_voltage(plan: Plan, places: Places) -> Iterator[Finding]:
    """Give the first drive of a plan to a voltage that most states of the cell are beyond already."""
    drives = ((path, line) for path, line in walk(plan.root) if line.energises and line.mode != "Spectrum")
    path, line = next(drives, ((), None))
    target = () if line is None else known(target_of(line))
    if line is None or not target or plan.cell.kind not in SLOPING or line.mode == "Potentiostatic":
        return
    if any(block.condition is not None for block in path):  # an `if` knows where the cell is
        return
    low, high = line.bounds.voltage or (-OPEN, OPEN)
    at_rest = plan.ocv if plan.ocv is not None and plan.ocv != (low, high) else None
    if high - low >= OPEN or at_rest is not None:  # what the file says of the open circuit is judged elsewhere
        return
    part = (max(target) - low if line.verb in RAISING else high - min(target)) / (high - low)
    if WRONG_END < part <= FIRST_WRONG:
        shown = display(max(target) if line.verb in RAISING else min(target), "voltage")
        limits = f"{display(low, 'voltage')} to {display(high, 'voltage')}"
        side = "low" if line.verb in RAISING else "high"
        message = (
            f"wanted a voltage to which a first {line.verb} leads, found {shown}, {side} in the limits of {limits}"
        )
        yield warning("end.wrong_side", message, mark_of(line, places), "is the direction right?")


def _swapped_times(plan: Plan, block: Block, places: Places) -> Iterator[Finding]:
    """Give a titration whose pulses pass a large part of the capacity and whose rests are the shorter: swapped times."""
    lines = [child for child in block.children if isinstance(child, Line)]
    pulses = [line for line in lines if line.mode == "Galvanostatic" and line.verb in DRIVEN]
    rests = [line for line in lines if line.verb == "rest" and settles(line)]
    if block.passes < 2 or block.cycle is not None or len(pulses) != 1 or len(rests) != 1 or not plan.cell.nominal:
        return
    pulse, rest, current = _time(pulses[0]), _time(rests[0]), known(pulses[0].settings.get("current"))
    passed = pulse * max(map(abs, current), default=0.0) / plan.cell.nominal
    if LARGE_PULSE * (1.0 - 1e-9) <= passed < math.inf and rest <= SHORTER * pulse:
        shown, other = display(pulse, "duration"), display(rest, "duration")
        message = (
            f"wanted pulses of a small part of the capacity, and longer rests, found pulses of {shown}, {100 * passed:.3g} % "
            f"of it each, and rests of {other}"
        )
        hint = f"are the two times swapped? then write for: {other} in {pulses[0].verb}, for: {shown} in rest"
        yield warning("plan.range", message, mark_of(pulses[0], places), hint)


def settles(line: Line) -> bool:
    """Tell whether a line waits until its voltage hardly changes."""
    terms = (term for end in line.ends for all_of in end.condition.any_of for term in all_of)
    return any(term.slope and term.quantity == "voltage" for term in terms)


def _time(line: Line) -> float:
    """Return the longest that `for` lets a line last, s; infinite without one."""
    return max(end_values(line, "for"), default=math.inf)


def _first_cycle(block: Block, places: Places) -> Iterator[Finding]:
    """Give a `stop_if` that one of the first cycles meets which lose anything."""
    line = next((line for _, line in walk(block)), None)
    for number, end in enumerate(block.ends if line is not None and block.passes > 1 else ()):
        for at, terms in enumerate(end.condition.any_of):
            term, asked = terms[0], known(terms[0].value)
            if len(terms) != 1 or end.kind not in {"stop_if", "abort_if"} or not asked or line is None:
                continue
            mark, above = (
                places.get(("block", block.id, (number, at, 0)), mark_of(line, places)),
                term.comparison in ABOVE,
            )
            if term.quantity == "retention" and not above and not term.figure and max(asked) > KEPT:
                message = f"wanted {article(end.kind)} that aging comes to, found {end.condition.text}: cycles differ by as much"
                yield warning("end.at_once", message, mark, "80 % is usual: write retention < 80 %")


def _rows(path: tuple[Block, ...], line: Line, places: Places) -> Iterator[Finding]:
    """Give a record rule that leaves more rows than anybody reads, or one by less voltage than a channel tells apart."""
    longest = _time(line)
    for rule in line.record:
        until = min(longest, math.inf if rule.until is None else rule.until)
        rows = until / rule.every * math.prod(one.passes for one in path) if rule.every and until < math.inf else 0.0
        if rows > MOST_ROWS and (rule.every or 0.0) < COARSE:
            message = (
                f"wanted rows that can be kept and read, found one every {display(rule.every or 0.0, 'duration')}: up to "
                f"{rows:.2g} rows, about {rows * ROW / 1e9:.2g} GB"
            )
            hint = "record: [{every: 10 ms, for: 10 s}, {every: 10 s}] is fine where it is fast and coarse behind it"
            yield warning("plan.record", message, mark_of(line, places), hint)
        if rule.voltage is not None and 0.0 < rule.voltage < FINEST:
            found = display(rule.voltage, "voltage")
            message = (
                f"wanted dV of record that a channel tells apart, at least {display(FINEST, 'voltage')}, found {found}"
            )
            hint = f"is {display(1000.0 * rule.voltage, 'voltage')} meant? below its noise every row is stored"
            yield warning("plan.record", message, mark_of(line, places), hint)


def _beyond_its_voltage(line: Line, places: Places) -> Iterator[Finding]:
    """Give an `until` by a voltage that lies beyond the one of `to`, at which the step ends before."""
    target = end_values(line, "to")
    up = line.verb in RAISING
    for number, end in enumerate(line.ends if target and line.verb in DRIVEN else ()):
        for at, terms in enumerate(end.condition.any_of if end.kind == "until" else ()):
            asked = known(terms[0].value)
            plain = terms[0].quantity == "voltage" and not (terms[0].slope or terms[0].absolute)
            if len(terms) != 1 or not plain or not asked or (terms[0].comparison in ABOVE) != up:
                continue
            if min(asked) > max(target) + FINEST if up else max(asked) < min(target) - FINEST:
                shown = display(max(target) if up else min(target), "voltage")
                message = (
                    f"wanted a voltage that {line.verb} comes to before the {shown} of to, found {end.condition.text}: "
                    "it never comes"
                )
                yield warning("end.never", message, mark_of(line, places, (number, at, 0)), "leave one of the two out")


def _amplitude(plan: Plan, line: Line, places: Places) -> Iterator[Finding]:
    """Give a galvanostatic amplitude to which no cell answers in proportion, or one lost in the noise."""
    amplitude = max(map(abs, known(line.settings.get("amplitude"))), default=0.0)
    one = (plan.cell.nominal or math.inf) / 3600.0
    galvanostatic = line.mode == "Spectrum" and not line.settings.get("potentiostatic")
    if galvanostatic and plan.cell.area and not plan.cell.nominal and amplitude > DENSE * plan.cell.area:
        density = f"{amplitude / plan.cell.area / 10.0:.3g} mA/cm2"
        yield warning(
            "eis.amplitude",
            f"wanted an amplitude to which the cell answers in proportion, found {display(amplitude, 'current')}, {density} of it",
            mark_of(line, places, "amplitude"),
            f"is {1e3 * amplitude:g} mV meant?",
        )
    if galvanostatic and plan.cell.kind in INSERTION and amplitude > one:
        message = (
            f"wanted an amplitude to which the cell answers in proportion, at most 1C, {display(one, 'current')}, "
            f"found {display(amplitude, 'current')}"
        )
        yield warning(
            "eis.amplitude", message, mark_of(line, places, "amplitude"), "C/10 and less are usual: is the unit meant?"
        )
    if galvanostatic and plan.cell.kind in INSERTION and 0.0 < amplitude < LOST * one < math.inf:
        message = (
            f"wanted an amplitude whose answer stands out of the noise, found {display(amplitude, 'current')}, "
            f"C/{one / amplitude:.3g} of this cell"
        )
        meant = display(float(f"{one / 50.0:.1g}"), "current")
        yield warning("eis.amplitude", message, mark_of(line, places, "amplitude"), f"C/50 is usual: is {meant} meant?")


def unresolved(plan: Plan, accuracy: float, places: Places) -> Iterator[Finding]:
    """Warn of a record rule by less voltage than a channel tells apart, whose voltages are accurate to so many V."""
    least = RESOLVED * accuracy
    for _, line in walk(plan.root):
        for rule in line.record:
            if rule.voltage is not None and FINEST <= rule.voltage < least * (1.0 - 1e-9):
                found, told = display(rule.voltage, "voltage"), display(least, "voltage")
                message = f"wanted dV of record above the {told} that the channel tells apart, found {found}"
                yield warning(
                    "channel.resolution", message, mark_of(line, places), "below its noise every row is stored"
                )
