"""What harms a cell or trips its limits though every value lies inside them: charge in the cold, fast sweeps, fast formation."""

import math
from collections.abc import Iterator, Mapping
from typing import Final

from labctl.driver import OPEN
from labctl.finding import Finding, Mark
from labctl.plan.index import walk
from labctl.plan.lint.ends import DRIVEN, end_values, mark_of, target_of, warning
from labctl.plan.number import known
from labctl.plan.step import Block, Line, Plan
from labctl.plan.step_context import Spot
from labctl.quantity.units import ZERO_CELSIUS, display

Places = Mapping[Spot, Mark]

INSERTION: Final = frozenset({"full", "half_cathode", "half_anode"})
PULSE: Final = 60.0  # s
SLOW_CHARGE: Final = 0.2  # times 1C: what a cold cell takes without plating metal, about
FORMING: Final = 1.0  # times 1C: a formation is slower
BEYOND: Final = 2.0  # times the current limit that a sweep through the whole cell needs on the average
FRACTION: Final = 0.2  # of the limit, on the average: its peaks are several times higher
FAINT: Final = 0.1  # A/m2, 10 uA/cm2: metal is plated at more
LEAST_STRIPPED: Final = 36.0  # C/m2, 1 uAh/cm2: 5 nm of lithium
MOST_STRIPPED: Final = 1.8e6  # C/m2, 50 mAh/cm2
WEAK: Final = 0.05  # of the nominal capacity: what moves a cell through half of its window passes more
WIDEST: Final = 4.5  # V between limits: no electrode stands both of them
ENCLOSED: Final = frozenset({"full", "half_cathode"})


def harsh(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of steps that are inside all limits, and that a cell is not given or does not stand."""
    cold, nominal = False, plan.cell.nominal or 0.0
    for path, line in walk(plan.root):
        temperatures = known(line.settings.get("temperature")) if line.mode == "Chamber" else ()
        cold = min(temperatures) < ZERO_CELSIUS if temperatures else cold
        yield from _areal(plan, path, line, places)
        if not nominal or plan.cell.kind not in INSERTION:
            continue
        if line.mode == "Sweep":
            yield from _sweep(line, nominal, places)
        rate = max(map(abs, known(line.settings.get("current"))), default=0.0) * 3600.0 / nominal
        if line.mode != "Galvanostatic":
            continue
        if cold and plan.cell.kind == "full" and line.verb == "charge" and rate > SLOW_CHARGE and not _is_pulse(line):
            yield _cold(line, rate, places)
        if rate > FORMING * (1.0 + 1e-9) and any(block.cycle == "formation" for block in path):
            yield _forming(line, rate, places)
    yield from _weak_holds(plan, places)
    yield from _wide(plan, places)


def _is_pulse(line: Line) -> bool:
    """Tell whether a line is over before an anode has taken much."""
    times = end_values(line, "for")
    return max(times, default=math.inf) <= PULSE


def _cold(line: Line, rate: float, places: Places) -> Finding:
    message = (
        f"wanted a charge of at most {SLOW_CHARGE:g}C below 0 degC, where an anode takes little, found {rate:.2g}C: metal is "
        "plated on it"
    )
    hint = "charge before the chamber cools down, or at a smaller current"
    return warning("plan.rate", message, mark_of(line, places, "current"), hint)


def _forming(line: Line, rate: float, places: Places) -> Finding:
    message = f"wanted formation cycles of at most {FORMING:g}C, found {rate:.3g}C in {line.verb}"
    return warning(
        "plan.rate", message, mark_of(line, places, "current"), "C/20 to C/5 are usual; else write cycle: true"
    )


def _sweep(line: Line, nominal: float, places: Places) -> Iterator[Finding]:
    """Give a sweep that needs more current than the limits allow to move the whole cell through its window."""
    low, high = line.bounds.voltage or (-OPEN, OPEN)
    most = min(map(abs, line.bounds.current or (OPEN,)))
    rate = max(map(abs, known(line.settings.get("rate"))), default=0.0)
    if most >= OPEN or high - low >= OPEN or high <= low:
        return
    mean = nominal * rate / (high - low)
    if mean > BEYOND * most:
        slower = FRACTION * most * (high - low) / nominal
        message = (
            f"wanted a sweep whose current stays inside {display(most, 'current')}, found {1e3 * rate:g} mV/s, at which the cell "
            f"takes {display(mean, 'current')} on the average: the limits trip the run"
        )
        hint = f"write rate: {float(f'{1e3 * slower:.1g}'):g} mV/s or less"
        yield warning("plan.forestalled", message, mark_of(line, places, "rate"), hint)


def _areal(plan: Plan, path: tuple[Block, ...], line: Line, places: Places) -> Iterator[Finding]:
    """Give a strip or plate of a cycle that passes a few layers of atoms, or more than a foil has: most often another unit."""
    by_kind = {end.kind: known(end.condition.any_of[0][0].value) for end in line.ends}
    cycled = any(block.cycle in {"true", "formation"} and block.passes > 1 for block in path)
    area = plan.cell.area or 0.0
    if not area or not cycled or line.verb not in {"strip", "plate"} or line.mode != "Galvanostatic" or "to" in by_kind:
        return
    current, times = max(map(abs, known(line.settings.get("current"))), default=0.0), by_kind.get("for", ())
    amounts = [*by_kind.get("capacity", ()), *(current * max(times, default=0.0) for _ in times[:1])]
    passed = min(amounts, default=0.0) / area
    shown = (
        f"{passed / LEAST_STRIPPED:.3g} uAh/cm2"
        if passed < LEAST_STRIPPED
        else f"{passed / LEAST_STRIPPED / 1e3:.3g} mAh/cm2"
    )
    if 0.0 < passed < LEAST_STRIPPED:
        message = f"wanted 1 uAh/cm2 and more in {line.verb}, found {shown}: a few layers of atoms"
        hint = f"is {display(3600.0 * max(times), 'duration')} meant?" if times else "is the unit meant?"
        faint = current / area < FAINT
        hint = f"is {1e2 * current / area:.3g} mA/cm2 meant?" if faint else hint
        yield warning("plan.range", message, mark_of(line, places, "current" if faint else ""), hint)
    if passed > MOST_STRIPPED:
        message = f"wanted at most 50 mAh/cm2 in {line.verb}, a foil of 250 um, found {shown}"
        yield warning("plan.range", message, mark_of(line, places), "is the unit meant?")


def _weak_holds(plan: Plan, places: Places) -> Iterator[Finding]:
    """Give a hold far from where the drive before it ended whose current and time pass next to nothing on the way."""
    at: float | None = None
    for path, line in walk(plan.root):
        if not line.energises or line.mode == "Spectrum" or (path[-1].fused and line.verb == "hold"):
            continue
        low, high = line.bounds.voltage or (-OPEN, OPEN)
        held, most = known(line.settings.get("voltage")), known(line.settings.get("most"))
        times = end_values(line, "for")
        passed = max(map(abs, most), default=OPEN) * max(times, default=OPEN)
        little = plan.cell.kind in INSERTION and passed < WEAK * (plan.cell.nominal or 0.0)
        if (
            line.mode == "Potentiostatic"
            and at is not None
            and len(held) == 1
            and little
            and abs(held[0] - at) > (high - low) / 2.0
        ):
            there, wanted = display(at, "voltage"), display(held[0], "voltage")
            message = (
                f"wanted a hold that brings the cell from {there} to {wanted}, found one that passes {display(passed, 'capacity')} "
                "in its time: its current limit keeps it from there"
            )
            hint = "raise current, or discharge or charge the cell to that voltage first"
            yield warning("plan.time_first", message, mark_of(line, places), hint)
        target = known(target_of(line)) if line.verb in DRIVEN else ()
        at = target[-1] if target else held[-1] if held and not little else None


def _wide(plan: Plan, places: Places) -> Iterator[Finding]:
    """Give voltage limits so far apart that they protect nothing, once."""
    for _, line in walk(plan.root):
        low, high = line.bounds.voltage or (-OPEN, OPEN)
        if plan.cell.kind in ENCLOSED and line.energises and WIDEST < high - low < OPEN:
            shown = f"{display(low, 'voltage')} to {display(high, 'voltage')}"
            message = f"wanted voltage limits that protect a {plan.cell.kind} cell, found {shown}: no cell stands both of them"
            hint = "write limits a little beyond your cut-offs, such as voltage: [2.5 V, 4.3 V]"
            yield warning("limit.unusual", message, mark_of(line, places), hint)
            return
