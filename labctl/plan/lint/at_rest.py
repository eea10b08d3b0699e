"""Where a cell of its kind rests, and what does not fit that: voltages of a full cell on two equal electrodes, a fresh anode."""

from collections.abc import Iterator, Mapping
from typing import Final

from labctl.finding import Finding, Mark
from labctl.plan.index import walk
from labctl.plan.lint.ends import EMPTY_ANODE, mark_of, target_of, warning
from labctl.plan.number import known
from labctl.plan.step import Line, Plan
from labctl.plan.step_context import Spot
from labctl.quantity.units import display

Places = Mapping[Spot, Mark]

BETWEEN_EQUALS: Final = 1.0  # V, what is held between two equal electrodes at most
SWEPT_BETWEEN_EQUALS: Final = 2.0  # V: a limiting current has come long before
FRESH_ANODE: Final = 2.5  # V, and up to 3.2 V: where an anode rests against lithium before its first discharge
FRESHEST: Final = {"half_anode": 2.2, "asymmetric": 2.0}
"""V, where the lowest of fresh anodes rests, hard carbon against sodium, and the lowest of bare collectors."""
LITHIATES: Final = {"half_anode": "discharge", "asymmetric": "plate"}
HIGHEST_LIMIT: Final = 2.0  # V: limits that end here have no fresh anode in mind
TOLD_FROM_NOTHING: Final = 1e-3  # V
NOT_PLATED: Final = 0.0  # V against the metal: above it nothing is plated
LOWEST_CATHODE: Final = 1.0  # V: no cathode rests below, charged or discharged


_MEANT: Final = {
    "Potentiostatic": "10 mV to 100 mV polarise it: is it the voltage of a full cell?",
    "Spectrum": "leave at out: its spectrum is taken at 0 V",
    "Sweep": "a stability window is swept on an asymmetric or blocking cell: is the kind of the cell right?",
}


def not_at_rest(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of voltages between equal electrodes that a full cell has, and of a fresh anode that is charged first."""
    if plan.cell.kind == "symmetric":
        for _, line in walk(plan.root):
            yield from _between_equals(line, places)
    if plan.cell.kind == "half_anode":
        yield from _fresh_anode(plan, places)
        yield from _at_nothing(plan, places)
    if plan.cell.kind in FRESHEST:
        yield from _fresh_beyond(plan, places)
    if plan.cell.kind == "asymmetric":
        for _, line in walk(plan.root):
            yield from _above_zero(line, places)


def _between_equals(line: Line, places: Places) -> Iterator[Finding]:
    """Give a hold, a bias or a sweep at a voltage that two equal electrodes never have between them."""
    keys = {"Potentiostatic": ("voltage",), "Spectrum": ("bias",), "Sweep": ("start", "end")}.get(line.mode, ())
    if line.mode == "Spectrum" and not line.settings.get("potentiostatic"):
        return
    most = SWEPT_BETWEEN_EQUALS if line.mode == "Sweep" else BETWEEN_EQUALS
    for key in keys:
        farthest = max(known(line.settings.get(key)), key=abs, default=0.0)
        if abs(farthest) > most:
            message = (
                f"wanted at most {display(most, 'voltage')} between the two equal electrodes of a symmetric cell, which rests at "
                f"0 V, found {display(farthest, 'voltage')} in {line.verb}"
            )
            yield warning("plan.range", message, mark_of(line, places, key), _MEANT[line.mode])


def _above_zero(line: Line, places: Places) -> Iterator[Finding]:
    """Give a plate that ends at a voltage above that at which metal is plated."""
    ends = line.ends if line.verb == "plate" else ()
    asked = [number for end in ends if end.kind == "to" for number in known(end.condition.any_of[0][0].value)]
    if min(asked, default=-1.0) >= NOT_PLATED:
        shown = display(min(asked), "voltage")
        message = f"wanted an end below 0 V, where metal is plated, found {shown}: it comes before any is"
        hint = "end it by capacity: or for:, and to: -0.5 V as a safeguard"
        yield warning("end.at_once", message, mark_of(line, places), hint)


def _fresh_anode(plan: Plan, places: Places) -> Iterator[Finding]:
    """Give cycles of an anode that begin with its charge, at whose end a fresh one is already, where ocv lets one begin."""
    driven = [(path, line) for path, line in walk(plan.root) if line.energises and line.mode != "Spectrum"]
    if not driven or driven[0][1].verb != "charge" or plan.ocv is None or plan.carried.start or plan.carried.cycle:
        return
    path, first = driven[0]
    target, (lowest, highest) = known(target_of(first)), plan.ocv
    cycle = next((block for block in path if block.cycle in {"true", "formation"}), None)
    if not target or cycle is None or any(block.condition is not None for block in path):
        return
    lithiates = any(line.verb == "discharge" for _, line in walk(cycle))
    said = plan.ocv != first.bounds.voltage  # else it is that of the limits, which no file need have thought of
    fresh_fits = (
        said and lowest < max(target) < FRESH_ANODE <= highest
    )  # where all of the range lies beyond is told elsewhere
    if not lithiates or not fresh_fits or max(target) <= EMPTY_ANODE:
        return
    shown, fresh = display(max(target), "voltage"), display(FRESH_ANODE, "voltage")
    message = (
        f"wanted a discharge first, which lithiates a half_anode cell, found a charge to {shown}: a fresh one rests at {fresh} and "
        "more, so that it is true at once"
    )
    hint = f"put discharge before charge; of a cell that is lithiated already require ocv: [0 V, {shown}]"
    yield warning("end.at_once", message, mark_of(first, places), hint)


def _fresh_beyond(plan: Plan, places: Places) -> Iterator[Finding]:
    """Give a first discharge or plating where a fresh cell would rest above the voltage limits, so that its run asks."""
    first = next((line for _, line in walk(plan.root) if line.energises), None)
    kind = plan.cell.kind
    if (
        first is None
        or first.verb != LITHIATES[kind]
        or first.bounds.voltage is None
        or plan.ocv != first.bounds.voltage
    ):
        return
    low, high = first.bounds.voltage
    if plan.carried.start or plan.carried.cycle or high > HIGHEST_LIMIT or high >= FRESHEST[kind]:
        return
    message = (
        f"wanted voltage limits within which a cell of kind {kind} begins, found {display(low, 'voltage')} to "
        f"{display(high, 'voltage')}: "
        f"a fresh one rests at {display(FRESHEST[kind], 'voltage')} and more, and the run asks at its first current"
    )
    hint = f"say where it may rest: requires: {{cell: {kind}, ocv: [{display(low, 'voltage')}, 3.5 V]}}"
    yield warning("plan.range", message, mark_of(first, places), hint)


def _at_nothing(plan: Plan, places: Places) -> Iterator[Finding]:
    """Give a lithiation to less than a channel tells from 0 V."""
    for _, line in walk(plan.root):
        ends = enumerate(line.ends) if line.verb == "discharge" else ()
        asked = [
            (at, number) for at, end in ends if end.kind == "to" for number in known(end.condition.any_of[0][0].value)
        ]
        for at, number in asked:
            if 0.0 < number < TOLD_FROM_NOTHING:
                message = f"wanted a voltage to which an anode is lithiated, 1 mV and more, found {display(number, 'voltage')}"
                yield warning(
                    "plan.range", message, mark_of(line, places, at), f"is {display(1000.0 * number, 'voltage')} meant?"
                )


def never_rests(kind: str, low: float, high: float) -> str:
    """Return why no cell of a kind rests between two voltages, V; nothing where one may."""
    if kind == "symmetric" and not low <= 0.0 <= high:  # a blocking one may have lithium on one side
        return "a symmetric cell rests at 0 V, between two equal electrodes"
    if kind == "half_cathode" and high <= LOWEST_CATHODE:
        return f"no half_cathode cell rests below {display(LOWEST_CATHODE, 'voltage')}"
    return ""
