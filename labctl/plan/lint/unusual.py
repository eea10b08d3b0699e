"""Values that hardly anybody means: an amplitude that no cell answers in proportion, a rate that no cell stands, a slope."""

import math
from collections.abc import Iterator, Mapping
from typing import Final

from labctl.finding import Finding, Mark
from labctl.plan.beyond_envelope import MOST_RATE
from labctl.plan.index import blocks, walk
from labctl.plan.lint.ends import DRIVEN, mark_of, warning
from labctl.plan.number import values
from labctl.plan.step import Block, ByPass, Condition, End, Line, Plan, Relative, Setting, Term, VersusOcv
from labctl.plan.step_context import Spot
from labctl.quantity.units import display

Places = Mapping[Spot, Mark]

LINEAR: Final = 0.05  # V peak: beyond it no electrode answers in proportion (twice the thermal voltage of 25.7 mV)
LINEAR_BLOCKING: Final = 0.2  # V peak, where nothing reacts
YEARS: Final = 10 * 365 * 86400.0  # s: nobody waits so long
CENTURY: Final = 50 * 365 * 86400.0  # s: a date is so far where the begin of the run is not known
HIGHEST: Final = 1e7  # Hz that an instrument for impedance reaches
SLOWEST_BEGIN: Final = 1.0  # Hz: a spectrum that begins below, and rises, is rather one of MHz
NARROW: Final = 10.0 * (1.0 + 1e-9)  # times its lowest frequency: what a spectrum is wider than
SLOWEST: Final = 5e-4  # Hz: a period takes half an hour and more
FASTEST: Final = 0.05  # V/s of an electrode with a bulk to fill
SWEPT_SLOWLY: Final = frozenset({"full", "half_cathode", "half_anode"})
FAST: Final = MOST_RATE  # times the nominal current
STEEP: Final = 0.1 / 3600.0  # V/s of a cell at rest: met within minutes
ENOUGH: Final = 0.9  # of the nominal capacity, what one step must be allowed to pass to come to its voltage
SLOW_TO_VOLTAGE: Final = 1.0 / 2000.0  # of 1C: a charge to a voltage of three months
SLOW_AT_ALL: Final = 1e-5  # of 1C
SLOWLY: Final = frozenset({"Galvanostatic", "ConstantLoad", "ConstantPower"})
CELLS_WITH_RATE: Final = frozenset({"full", "half_cathode", "half_anode", "asymmetric", "symmetric"})


def unusual(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of values that are legal and most likely a slip."""
    for path, line in walk(plan.root):
        if line.mode == "Spectrum":
            yield from _spectrum(plan, line, places)
        if line.mode == "Sweep" and plan.cell.kind in SWEPT_SLOWLY:
            yield from _fast_sweep(line, places)
        yield from _rate(plan, line, places)
        yield from _slow(plan, line, places)
        yield from _turns(line, places)
        yield from _over(line, places)
        yield from _slopes(line, places)
        yield from _charge_limit(plan, path[-1], line, places)
    for block in blocks(plan.root):
        yield from _straight_on(block, places)
    yield from _unbounded(plan, places)
    yield from _formation_as_reference(plan, places)
    yield from _formation_alone(plan, places)
    yield from _formation_late(plan, places)


def _unbounded(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn once where nothing says what current is too much: neither a limit of current nor a nominal capacity."""
    if plan.cell.nominal or not plan.cell.name:  # without a cell nobody knows
        return
    for _, line in walk(plan.root):
        if line.mode == "Galvanostatic" and line.bounds.current is None:
            shown = display(max(map(abs, _numbers(line.settings.get("current"))), default=0.0), "current")
            yield warning(
                "plan.unbounded",
                f"wanted a current limit in the file or the cell, or its nominal capacity, found neither: nothing judges the "
                f"{shown} of {line.verb}",
                mark_of(line, places, "current"),
                "add to the cell file limits: {current: [-5 mA, 5 mA]}, as much as it may be given",
            )
            return


def _numbers(value: Setting) -> tuple[float, ...]:
    return values(value) if isinstance(value, float | ByPass | Relative) else ()


def _spectrum(plan: Plan, line: Line, places: Places) -> Iterator[Finding]:
    amplitude = max(map(abs, _numbers(line.settings.get("amplitude"))), default=0.0)
    most = LINEAR_BLOCKING if plan.cell.kind == "blocking" else LINEAR
    if line.settings.get("potentiostatic") and amplitude > most:
        yield warning(
            "eis.amplitude",
            f"wanted an amplitude to which the cell answers in proportion, at most {display(most, 'voltage')}, "
            f"found {display(amplitude, 'voltage')}",
            mark_of(line, places, "amplitude"),
            "5 mV to 20 mV are usual: is the unit meant?",
        )
    frequencies = line.settings.get("frequencies")
    if isinstance(frequencies, tuple) and frequencies:
        yield from _swept(frequencies[0], frequencies[-1], mark_of(line, places))
        if max(frequencies) > HIGHEST and frequencies[0] >= frequencies[-1]:  # that it rises is told already
            yield warning(
                "eis.range",
                f"wanted frequencies that an instrument reaches, at most {display(HIGHEST, 'frequency')}, found "
                f"{display(max(frequencies), 'frequency', 6)}",
                mark_of(line, places),
                f"is {display(max(frequencies) / 1000.0, 'frequency', 6)} meant?",
            )
        if min(frequencies) < SLOWEST:
            yield warning(
                "eis.range",
                f"wanted a spectrum of minutes, found one down to {display(min(frequencies), 'frequency')}: a period of it takes "
                f"{display(1.0 / min(frequencies), 'duration')}",
                mark_of(line, places),
                "is the unit meant? mHz is millihertz",
            )


def _fast_sweep(line: Line, places: Places) -> Iterator[Finding]:
    rate = max(map(abs, _numbers(line.settings.get("rate"))), default=0.0)
    if rate > FASTEST:
        yield warning(
            "plan.rate",
            f"wanted a sweep that an electrode follows, at most {1e3 * FASTEST:g} mV/s, found {1e3 * rate:g} mV/s in {line.verb}",
            mark_of(line, places, "rate"),
            f"is {rate:g} mV/s meant?",
        )


def _straight_on(block: Block, places: Places) -> Iterator[Finding]:
    """Give a `cv` that goes on at `to` in the direction from which it came: it does not turn there."""
    pair = [child for child in block.children if isinstance(child, Line) and child.mode == "Sweep"]
    if not block.fused or len(pair) != 2:
        return
    places_of = (pair[0].settings.get("start"), pair[0].settings.get("end"), pair[1].settings.get("end"))
    begin, turn, back = (_numbers(one)[:1] for one in places_of)
    if begin and turn and back and (turn[0] - begin[0]) * (back[0] - turn[0]) > 0.0:
        at, on = (display(one[0], "voltage") for one in (turn, back))
        yield warning(
            "plan.turn",
            f"wanted a sweep that turns at {at}, found one that goes on from there to {on}",
            mark_of(pair[1], places, "end"),
            f"are to and back swapped? then write to: {on}, back: {at}",
        )


def _swept(first: float, last: float, mark: Mark) -> Iterator[Finding]:
    """Give a spectrum of one frequency, and one that rises from a frequency which is hardly a first one."""
    shown = display(first, "frequency")
    if first == last:
        meant = f": is {display(1e6 * first, 'frequency')} meant?" if first < SLOWEST_BEGIN else ""
        hint = f"one frequency only{meant or '; write the highest after from and the lowest after to'}"
        yield warning("eis.range", f"wanted a range of frequencies, found {shown} at both ends", mark, hint)
    elif first < last:
        message = f"wanted a spectrum that begins with its highest frequency, found one that rises from {shown} to "
        hint = f"write from: {display(last, 'frequency')}, to: {shown}"
        if first >= SLOWEST_BEGIN and last >= 1e5:
            hint = f"MHz is megahertz: is {last / 1e6:g} mHz meant? Else {hint}"
        elif first < SLOWEST_BEGIN and 1e9 * first <= HIGHEST:
            hint = f"mHz is millihertz: is {1e3 * first:g} MHz meant? Else {hint}"
        yield warning("eis.range", message + display(last, "frequency"), mark, hint)
    elif last > 0.0 and first <= NARROW * last:
        message = f"wanted a spectrum over decades, in which processes are told apart, found one from {shown} to "
        meant = display(1e-3 * last, "frequency")
        yield warning("eis.range", message + display(last, "frequency"), mark, f"is to: {meant} meant?")


def _rate(plan: Plan, line: Line, places: Places) -> Iterator[Finding]:
    nominal = plan.cell.nominal
    if not nominal or line.mode != "Galvanostatic" or plan.cell.kind not in CELLS_WITH_RATE:
        return
    current = max(map(abs, _numbers(line.settings.get("current"))), default=0.0)
    times = current * 3600.0 / nominal
    if times > FAST:
        yield warning(
            "plan.rate",
            f"wanted a current of at most {FAST:g}C, found {display(current, 'current')} = {times:.3g}C in {line.verb}",
            mark_of(line, places, "current"),
            "is the unit meant, and the nominal capacity of the cell file?",
        )


def _slow(plan: Plan, line: Line, places: Places) -> Iterator[Finding]:
    """Give a current, or a load, that hardly moves a cell to the voltage at which it ends, or at all."""
    nominal = plan.cell.nominal
    if not nominal or line.mode not in SLOWLY or plan.cell.kind not in CELLS_WITH_RATE:
        return
    least = min(_numbers(line.settings.get("resistance")), default=0.0) if line.mode == "ConstantLoad" else 0.0
    if least:
        current = max(map(abs, line.bounds.voltage or (0.0,))) / least
    elif line.mode == "ConstantPower":
        lowest = min(map(abs, line.bounds.voltage or (0.0,)))
        current = max(map(abs, _numbers(line.settings.get("power"))), default=0.0) / lowest if lowest else 0.0
    else:
        current = max(map(abs, _numbers(line.settings.get("current"))), default=0.0)
    rate = current * 3600.0 / nominal
    to_voltage = any(end.kind == "to" for end in line.ends)
    if 0.0 < rate < (SLOW_TO_VOLTAGE if to_voltage else SLOW_AT_ALL):
        factor = next((factor for factor in (1e3, 1e6, 1e9) if rate * factor > SLOW_TO_VOLTAGE), 1e3)
        power = max(map(abs, _numbers(line.settings.get("power"))), default=0.0)
        meant = display(current * factor, "current") if not least else display(least / factor, "resistance")
        meant = display(power * factor, "power") if power else meant
        yield warning(
            "plan.rate",
            f"wanted a current that moves the cell, found {display(current, 'current')} = C/{1.0 / rate:.3g} in {line.verb}",
            mark_of(line, places, "current"),
            f"is {meant} meant? 1C of this cell is {display(nominal / 3600.0, 'current')}",
        )


def _turns(line: Line, places: Places) -> Iterator[Finding]:
    """Give a bend by more than a whole turn."""
    angle = max(map(abs, _numbers(line.settings.get("angle"))), default=0.0) if line.mode == "Bend" else 0.0
    if angle > 2.0 * math.pi:
        message = f"wanted an angle of at most 360 deg, found {display(angle, 'angle', 6)}"
        yield warning("plan.rate", message, mark_of(line, places, "angle"), f"is {angle:.6g} deg meant?")


def _over(line: Line, places: Places) -> Iterator[Finding]:
    """Give a wait until a date that is over when the run begins."""
    if "moment" in line.options and line.ends and line.ends[0].condition.any_of[0][0].value == 0.0:
        message = f"wanted a time to come, found {line.options['moment']}, which is over"
        yield warning("wait.over", message, mark_of(line, places), "the step then ends at once")
    elif "moment" in line.options and line.ends and YEARS < _until_then(line) < CENTURY:
        message = f"wanted a date within ten years, found {line.options['moment']}"
        yield warning("plan.long", message, mark_of(line, places), "is its year meant?")


def _until_then(line: Line) -> float:
    """Return the seconds until a date; most where it is not known when the run begins."""
    return max(_numbers(line.ends[0].condition.any_of[0][0].value), default=0.0)


def _slopes(line: Line, places: Places) -> Iterator[Finding]:
    if line.verb not in {"rest", "hold"}:
        return
    watched = "voltage" if line.verb == "rest" else "current"
    for number, end in enumerate(line.ends):
        for at, terms in enumerate(end.condition.any_of):
            for which, term in enumerate(terms):
                if term.slope and term.quantity == watched and end.kind == "until":
                    yield from _slope(line, end, term, mark_of(line, places, (number, at, which)))


def _slope(line: Line, end: End, term: Term, mark: Mark) -> Iterator[Finding]:
    if isinstance(term.value, VersusOcv) or term.figure == "share":
        return
    window = term.over if term.figure else 1.0  # a change is of the whole window
    numbers, below = tuple(value / window for value in values(term.value)), term.comparison in {"<", "<="}
    name = "dV/dt" if term.quantity == "voltage" else "dI/dt"
    one_sided = all(value > 0.0 for value in numbers) if below else all(value < 0.0 for value in numbers)
    if numbers and not term.absolute and one_sided:
        yield warning(
            "end.at_once",
            f"wanted the magnitude of a slope, found {end.condition.text}: what {'falls' if below else 'rises'} meets it at once",
            mark,
            f"write abs({name})",
        )
    elif below and line.verb == "rest" and min(map(abs, numbers), default=0.0) > STEEP:
        yield warning(
            "end.at_once",
            f"wanted a slope of a cell that has come to rest, found {end.condition.text}: any cell meets it within minutes",
            mark,
            "a few mV/h are usual: is the unit meant?",
        )


def _charge_limit(plan: Plan, block: Block, line: Line, places: Places) -> Iterator[Finding]:
    """Give a limit of charge that trips the run before a charge or discharge comes to its voltage."""
    nominal, most = plan.cell.nominal, line.bounds.charge
    if not nominal or most is None or most >= ENOUGH * nominal or line.mode != "Galvanostatic":
        return
    ends = (*line.ends, *block.ends) if block.fused else line.ends
    kinds = {end.kind for end in ends}
    if line.verb not in DRIVEN or "to" not in kinds or kinds & {"capacity", "energy", "until"}:
        return
    currents = [abs(value) for value in _numbers(line.settings.get("current"))]
    times = [value for end in ends if end.kind == "for" for value in _numbers(end.condition.any_of[0][0].value)]
    if times and currents and max(times) * max(currents) <= most:
        return
    yield warning(
        "plan.charge_first",
        f"wanted a limit of charge that lets {line.verb} come to its voltage, found {display(most, 'capacity')} of the nominal "
        f"{display(nominal, 'capacity')}: it trips the run",
        mark_of(line, places),
        f"widen limits: {{capacity: ...}}, or end the step by capacity: {display(most, 'capacity')}",
    )


# --- retention of a cycle that is formation ---------------------------------------------------------------------------


def _formation_as_reference(plan: Plan, places: Places) -> Iterator[Finding]:
    """Give a retention of a formation cycle at another current than that of the cycles which are asked."""
    for block in blocks(plan.root):
        for number, end in enumerate(block.ends):
            for at, terms in enumerate(end.condition.any_of):
                for which, term in enumerate(terms):
                    if term.quantity != "retention" or not isinstance(term.reference, int):
                        continue
                    found, _ = _cycle(plan.root, term.reference, 0)
                    if found is None or found.cycle != "formation" or _currents(found) & _currents(block):
                        continue
                    message = (
                        f"wanted a cycle at the current of those that are asked, found cycle {term.reference}, a formation "
                        "cycle at another: retention compares cycles of one current alone, so this never comes"
                    )
                    line = next(line for _, line in walk(block))
                    spot = places.get(("block", block.id, (number, at, which)), mark_of(line, places))
                    yield warning(
                        "end.never", message, spot, "write retention: of the first cycle that is not formation"
                    )


def _formation_alone(plan: Plan, places: Places) -> Iterator[Finding]:
    """Give a retention where all cycles are formation, of which none is ever measured against another."""
    kinds = {block.cycle for block in blocks(plan.root)} - {None, "cv"}
    for block in blocks(plan.root) if not plan.carried.references else ():
        inside = {one.cycle for one in blocks(block)} - {None, "cv"}
        asked = {(number, 0, 0): end.condition for number, end in enumerate(block.ends) if inside == {"formation"}}
        chosen = {"if": block.condition} if block.condition is not None and kinds == {"formation"} else {}
        conditions: list[tuple[str | tuple[int, int, int], Condition]] = [*asked.items(), *chosen.items()]
        for key, condition in conditions:
            terms = [term for terms in condition.any_of for term in terms if term.quantity == "retention"]
            if all(isinstance(term.reference, int) for term in terms):
                continue
            line = next(line for _, line in walk(block))
            message = (
                f"wanted cycles that retention is measured against, found {condition.text} where all of them are formation: "
                "it never comes"
            )
            mark = places.get(("block", block.id, key), mark_of(line, places))
            yield warning(
                "end.never",
                message,
                mark,
                "write cycle: true; formation are the first few, in a block of their own",
            )


def _formation_late(plan: Plan, places: Places) -> Iterator[Finding]:
    """Give cycles of formation behind others, or in a loop with others: they are left out of every figure."""
    begun, looped = False, set()
    for block in blocks(plan.root):
        if block.passes > 1 and any(one.cycle == "true" for one in blocks(block)):
            looped |= {one.id for one in blocks(block) if one.cycle == "formation"}
        begun = begun or block.cycle == "true"
        if block.cycle == "formation" and (begun or block.id in looped):
            line = next(line for _, line in walk(block))
            found = "behind such cycles" if begun else "in a loop with them"
            message = f"wanted formation before the cycles for which it forms the cell, found it {found}"
            yield warning(
                "plan.passes", message, mark_of(line, places), "write cycle: check for a few slow cycles among others"
            )


def _currents(block: Block) -> frozenset[float]:
    """Return the magnitudes of the currents of cycles that are no checks, rounded as they are compared, A."""
    lines = [line for path, line in walk(block) if line.mode == "Galvanostatic" and not _in_check(path)]
    return frozenset(float(f"{abs(value):.2g}") for line in lines for value in _numbers(line.settings["current"]))


def _in_check(path: tuple[Block, ...]) -> bool:
    return any(one.cycle == "check" for one in path)


def _cycle(block: Block, wanted: int, before: int) -> tuple[Block | None, int]:
    """Return the block of which cycle `wanted` is a pass, and how many are done behind this block, where that is sure."""
    if block.condition is not None:
        return None, wanted  # nobody knows how many: what comes behind is not looked for
    if block.cycle is not None:
        done = before + block.passes
        return (block if before < wanted <= done else None), done
    done = before
    for child in block.children:
        if isinstance(child, Block):
            found, done = _cycle(child, wanted, done)
            if found is not None or done >= wanted:
                return found, done
    return None, before + (done - before) * block.passes
