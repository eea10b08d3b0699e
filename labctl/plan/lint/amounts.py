"""Amounts that no step or cycle of a cell comes to, or that each one meets: efficiency, energy, power, charge, small signals."""

from collections.abc import Iterator, Mapping
from typing import Final

from labctl.driver import OPEN
from labctl.finding import Finding, Mark
from labctl.plan.index import blocks, walk
from labctl.plan.lint.ends import end_values, mark_of, warning
from labctl.plan.number import known
from labctl.plan.step import Block, Line, Plan, VersusOcv
from labctl.plan.step_context import Spot
from labctl.quantity.units import article, display

Places = Mapping[Spot, Mark]

ABOVE: Final = frozenset({">", ">="})
NOISE: Final = 1e-3  # V: a driven cell has more
LEAST_AMPLITUDE: Final = 5e-4  # V peak: below it a spectrum is one of noise
HELD: Final = 1e-3  # C: no hold comes to so little current within days
MOST_ENERGY: Final = 1.5  # times nominal capacity and highest voltage
MOST_POWER: Final = 1.05  # times the current that is held and the highest voltage
LEFT: Final = 0.9  # of what was plated, that a strip must be allowed to take back


def vain_amounts(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of amounts that decide nothing, as every cycle meets them or no step comes to them."""
    for block in blocks(plan.root):
        if not block.fused:
            yield from _watches(block, places)
        yield from _taken_back(plan, block, places)
    for _, line in walk(plan.root):
        yield from _until(plan, line, places)
        amplitude = max(map(abs, known(line.settings.get("amplitude"))), default=0.0)
        if line.mode == "Spectrum" and line.settings.get("potentiostatic") and 0.0 < amplitude < LEAST_AMPLITUDE:
            message = f"wanted an amplitude above noise, found {display(amplitude, 'voltage')}"
            hint = f"is {display(1000.0 * amplitude, 'voltage')} meant? 5 mV to 20 mV are usual"
            yield warning("eis.amplitude", message, mark_of(line, places, "amplitude"), hint)


def _watches(block: Block, places: Places) -> Iterator[Finding]:
    """Give a watch that every cycle meets, as none gives back more than it took, and one that any current meets."""
    line = next((line for _, line in walk(block)), None)
    driven = any(inside.mode == "Galvanostatic" for _, inside in walk(block))
    for number, end in enumerate(block.ends if line is not None else ()):
        for at, terms in enumerate(end.condition.any_of):
            numbers = known(terms[0].value)
            if len(terms) != 1 or end.kind not in {"stop_if", "abort_if"} or not numbers or line is None:
                continue
            term, text = terms[0], end.condition.text
            mark = places.get(("block", block.id, (number, at, 0)), mark_of(line, places))
            above = term.comparison in ABOVE
            if term.quantity == "coulombic_efficiency" and not above and not term.figure and max(numbers) >= 1.0:
                message = f"wanted {article(end.kind)} that good cycles do not meet, found {text}: none gives back more"
                yield warning("end.at_once", message, mark, "write less, such as coulombic_efficiency < 98 %")
            plain = term.quantity == "voltage" and term.absolute and not term.slope
            if plain and above and driven and min(numbers) < NOISE:
                message = (
                    f"wanted {article(end.kind)} that is not true from the begin, found {text}: any current meets it"
                )
                yield warning("end.at_once", message, mark, f"is {display(1000.0 * min(numbers), 'voltage')} meant?")


def _until(plan: Plan, line: Line, places: Places) -> Iterator[Finding]:
    """Give an end by energy or power beyond what a step has, and by a current far below what a hold comes to."""
    nominal, high = plan.cell.nominal or 0.0, max(map(abs, line.bounds.voltage or (OPEN,)))
    currents = list(map(abs, known(line.settings.get("current"))))
    for number, end in enumerate(line.ends):
        for at, terms in enumerate(end.condition.any_of):
            term, asked = terms[0], known(terms[0].value) if not isinstance(terms[0].value, VersusOcv) else ()
            if end.kind != "until" or len(terms) != 1 or not asked or term.slope:
                continue
            above, mark = term.comparison in ABOVE, mark_of(line, places, (number, at, 0))
            most = {
                "energy": MOST_ENERGY * nominal * high,
                "power": MOST_POWER * max(currents, default=0.0) * high,
            }.get(term.quantity, 0.0)
            if above and high < OPEN and 0.0 < most < min(asked):
                kind = "energy" if term.quantity == "energy" else "power"
                shown = f"{end.condition.text}: at most {display(most, kind)}"
                message = f"wanted {article(kind)} that {line.verb} comes to, found {shown}"
                yield warning("end.never", message, mark, f"is {display(min(asked) / 1000.0, kind)} meant?")
            least = HELD * nominal / 3600.0
            if term.quantity == "current" and line.mode == "Potentiostatic" and not above and 0.0 < max(asked) < least:
                rate = f"C/{nominal / 3600.0 / max(asked):.3g}"
                message = f"wanted a current that a hold comes to, found {end.condition.text}: {rate}"
                yield warning("end.never", message, mark, f"is {display(1000.0 * max(asked), 'current')} meant?")


def _taken_back(plan: Plan, block: Block, places: Places) -> Iterator[Finding]:
    """Give a strip of a collector whose time takes back a part of what was plated just before, or whose charge more than comes."""
    pair = [one for one in block.children if isinstance(one, Line) and one.energises and one.mode != "Spectrum"]
    if plan.cell.kind != "asymmetric" or [line.verb for line in pair] != ["plate", "strip"]:
        return
    plated, stripped = (_passed(line) for line in pair)
    whole, part = display(plated, "capacity"), display(stripped, "capacity")
    terms = [term for end in pair[1].ends for one in end.condition.any_of for term in one]
    if any(end.kind == "to" for end in pair[1].ends) and stripped < LEFT * plated:
        yield warning(
            "plan.time_first",
            f"`for` will come before the voltage end: it lets strip take back {part} of the {whole} that were plated",
            mark_of(pair[1], places),
            "lengthen for, so that the voltage says when all is stripped",
        )
    if all(term.quantity != "voltage" for term in terms) and 0.0 < LEFT * plated <= stripped:
        yield warning(
            "plan.forestalled",
            f"wanted a strip that its voltage ends, found one of {part} behind a plate of {whole}: less comes back, and the "
            "voltage limits trip the run",
            mark_of(pair[1], places),
            "add to: 0.5 V, by which the efficiency is told",
        )


def _passed(line: Line) -> float:
    """Return the most charge that a constant current passes by its capacity and time, C; 0 where nothing says."""
    currents, times = [abs(one) for one in known(line.settings.get("current"))], end_values(line, "for")
    amounts = [max(currents) * max(times)] if currents and times else []
    return min([*amounts, *end_values(line, "capacity")], default=0.0)
