"""What harms a cell or trips its limits though every value lies inside them: charge in the cold, fast sweeps, fast formation."""

from collections.abc import Iterator, Mapping
from typing import Final

from labctl.driver import OPEN
from labctl.finding import Finding, Mark
from labctl.plan.index import walk
from labctl.plan.number import known
from labctl.plan.step import Block, Line, Plan
from labctl.plan.step_context import Spot
from labctl.plan.vain_ends import mark_of, warning
from labctl.quantity.units import ZERO_CELSIUS, display

Places = Mapping[Spot, Mark]

INSERTION: Final = frozenset({"full", "half_cathode", "half_anode"})
SLOW_CHARGE: Final = 0.2  # times 1C: what a cold cell takes without plating metal, about
FORMING: Final = 1.0  # times 1C: a formation is slower
BEYOND: Final = 2.0  # times the current limit that a sweep through the whole cell needs on the average
FRACTION: Final = 0.2  # of the limit, on the average: its peaks are several times higher
LEAST_STRIPPED: Final = 36.0  # C/m2, 1 uAh/cm2: 5 nm of lithium
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
        if cold and plan.cell.kind == "full" and line.verb == "charge" and rate > SLOW_CHARGE:
            yield _cold(line, rate, places)
        if rate > FORMING * (1.0 + 1e-9) and any(block.cycle == "formation" for block in path):
            yield _forming(line, rate, places)
    yield from _wide(plan, places)


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
    """Give a strip or plate of a cycle whose time passes a few layers of atoms: most often s where h was meant."""
    times = [number for end in line.ends if end.kind == "for" for number in known(end.condition.any_of[0][0].value)]
    currents = list(map(abs, known(line.settings.get("current"))))
    cycled = any(block.cycle in {"true", "formation"} and block.passes > 1 for block in path)
    if (
        line.verb not in {"strip", "plate"}
        or line.mode != "Galvanostatic"
        or {end.kind for end in line.ends} != {"for"}
    ):
        return
    passed = max(currents, default=0.0) * max(times, default=0.0) / (plan.cell.area or 1.0)
    if plan.cell.area and cycled and 0.0 < passed < LEAST_STRIPPED:
        most, shown = max(times), f"{passed / LEAST_STRIPPED:.2g} uAh/cm2"
        message = f"wanted 1 uAh/cm2 and more in {line.verb}, found {shown} in {display(most, 'duration')}: a few layers of atoms"
        yield warning("plan.range", message, mark_of(line, places), f"is {display(3600.0 * most, 'duration')} meant?")


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
