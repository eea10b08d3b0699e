"""Cycles: what a finished one gave, and what a block's cycles amount to so far.

Capacity is the counter's, in C. Efficiency is discharge over charge or the other way round, by the kind of cell; retention is
the capacity that the kind of cell counts over that of the first cycle that is not formation, or of the best.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from labctl.engine.cycle_parts import Alike, Before, Cycle, Figures, Tally
from labctl.engine.state_parts import Blind, LastRow, SumsAtBegin
from labctl.plan.step import Block, CellFigures, Condition

SWEEPS: Final = "cv"
"""Kind of the cycles of a `cv`: of no capacity, so no reference and no result."""
OWN_ENDS: Final = frozenset({"for", "to", "until", "capacity", "own"})
"""Why a step ended that reached an end of its own."""
ONE_SIDED: Final = 2.0  # a cycle that gives twice what it took (or takes twice) was not begun where it ended
BETWEEN: Final = 1e-3  # of a cycle's charge: what may have passed between two cycles that are set against each other
BEGINS: Final = 0.1  # of the widest swing of a cycle's net charge: the first step end as far out says how it begins
SAME: Final = 0.02  # relative difference of two currents that still count as one
NOTHING: Final = 0.01  # of what another cycle passed: a first cycle that passed less is no reference beside it
DRIVEN: Final = frozenset({"charge", "discharge", "strip", "plate"})
KEPT: Final = 4  # cycles a tally remembers; a condition asks for two at most
RESULTS: Final = frozenset(
    {
        "charge_capacity",
        "discharge_capacity",
        "coulombic_efficiency",
        "retention",
        "cycle",
        "every",
        "short",
        "short.soft",
    }
)


def entry_of(last: LastRow, time: float, blind: Blind) -> SumsAtBegin:
    """Return the run's counters at this moment, as the origin of a step, cycle or block that begins now."""
    sums = last.charging_ah, last.discharging_ah, last.charging_wh, last.discharging_wh
    return SumsAtBegin(time, *sums, last.record + 1, blind.low_ah, blind.high_ah)


def figures_of(cell: CellFigures, kind: str, count: int, entry: SumsAtBegin, last: LastRow) -> Figures:
    """Return the capacities of a cycle, C, with its efficiency and the capacity that retention counts, by the kind of cell."""
    charge = (last.charging_ah - entry.charging_ah) * 3600.0
    discharge = (last.discharging_ah - entry.discharging_ah) * 3600.0
    match cell.efficiency:
        case "discharge/charge":
            efficiency = discharge / charge if charge > 0.0 else None
        case "charge/discharge":
            efficiency = charge / discharge if discharge > 0.0 else None
        case None:
            efficiency = None
    counted = {"charge": charge, "discharge": discharge, None: None}[cell.retention]
    return Figures(count, kind, charge, discharge, efficiency, counted)


def numbers_of(edition: int, cycle: Cycle) -> dict[str, int]:
    """Return the numbers of the cycle as events, rows and states have them: 0 outside a pass, and the last that was completed.

    In the first edition what came after a cycle kept its number.
    """
    if edition == 1:
        return {"cycle_count": cycle.count}
    return {"cycle_count": cycle.count if cycle.kind else 0, "cycles_completed": cycle.completed}


def paired(cell: CellFigures, cycle: Cycle, last: LastRow) -> Figures:
    """Return what a cycle gave, its efficiency against what had been put in before: by the rules of the second edition.

    What a cycle puts in before it takes out is the denominator; a cycle that begins by taking out takes what the cycle before
    it had put in, if that was complete and next to nothing passed between the two. A cycle that gives more than twice what was
    put in did not begin where it ended: its efficiency is withheld.
    """
    entry = cycle.entry
    assert entry is not None
    figures = replace(figures_of(cell, cycle.kind, cycle.count, entry, last), current=cycle.largest[1])
    if cell.efficiency is None or cycle.kind == SWEEPS:
        return replace(figures, efficiency=None)
    sign = 1.0 if cell.efficiency == "charge/discharge" else -1.0
    taken, put = (figures.charge, figures.discharge) if sign > 0.0 else (figures.discharge, figures.charge)
    net = last.charging_ah - entry.charging_ah - (last.discharging_ah - entry.discharging_ah)
    against: int | None = cycle.count
    if cycle.takes_first or begins_with([sign * way for way in (*cycle.ways, net)]) > 0:
        before = cycle.before
        between = 0.0
        if before is not None:
            between = entry.charging_ah - before.charging_ah + (entry.discharging_ah - before.discharging_ah)
        joined = before is not None and before.number == cycle.count - 1 and between * 3600.0 <= BETWEEN * taken
        put = 0.0 if before is None or not joined else 3600.0 * (before.discharge if sign > 0.0 else before.charge)
        against = cycle.count - 1
    if put <= 0.0 or taken > ONE_SIDED * put:
        return replace(figures, efficiency=None)
    return replace(figures, efficiency=taken / put, against=against)


def before_of(cycle: Cycle, last: LastRow) -> Before:
    """Return a cycle that ended complete, as the next one must know it."""
    entry = cycle.entry
    assert entry is not None
    charge, discharge = last.charging_ah - entry.charging_ah, last.discharging_ah - entry.discharging_ah
    return Before(cycle.count, charge, discharge, last.charging_ah, last.discharging_ah)


def begins_with(ways: Sequence[float]) -> int:
    """Return in which direction a cycle goes first: 1 or -1, 0 for neither.

    Args:
        ways: Net charge since the cycle's begin at the end of each of its steps; short pulses before the cycle proper do not
            count, being small against its widest swing.
    """
    if not ways:
        return 0
    swing = max(*ways, 0.0) - min(*ways, 0.0)
    far = (way for way in ways if abs(way) >= BEGINS * swing)
    first = next(far, 0.0)
    return (first > 0.0) - (first < 0.0)


def added(tally: Tally, figures: Figures, *, check: bool) -> Tally:
    """Return a tally with one more cycle; where the block has check cycles, others do not count."""
    if (check and figures.kind != "check") or figures.kind == SWEEPS:
        return tally
    first, most = tally.first, tally.most
    if figures.kind != "formation" and figures.counted is not None:
        first = figures.counted if first is None else first
        most = figures.counted if most is None else max(most, figures.counted)
    return Tally((*tally.last, figures)[-KEPT:], first, most)


def counted(tally: Tally, figures: Figures, kept: int) -> Tally:
    """Return a tally with one more completed cycle, by the rules of the second edition: checks are counted apart."""
    if figures.kind == "check":
        checks = _with_figures(tally.checks or Tally(), figures, kept)
        return Tally(tally.last, tally.first, tally.most, tally.count, checks, tally.alike)
    if figures.kind == SWEEPS:
        return Tally(tally.last, tally.first, tally.most, tally.count + 1, tally.checks, tally.alike)
    return _with_figures(tally, figures, kept)


def _with_figures(tally: Tally, figures: Figures, kept: int) -> Tally:
    with_it = added(tally, figures, check=False)
    alike = tally.alike
    if figures.kind != "formation" and figures.counted is not None:
        alike = compared(alike, figures.current, figures.counted)
    return Tally((*tally.last, figures)[-kept:], with_it.first, with_it.most, tally.count + 1, tally.checks, alike)


# --- what retention is measured against -------------------------------------------------------------------------------


def same_current(first: float | None, second: float | None) -> bool:
    """Tell whether two currents, A, count as the same; None, a current that was not constant, equals None alone."""
    if first is None or second is None:
        return first is second
    return abs(first / second - 1.0) < SAME if second else first == second


def takes_over(reference: float, capacity: float) -> bool:
    """Tell whether a cycle replaces the first one as the reference, because the first passed next to no charge."""
    return reference < NOTHING * capacity


def compared(alike: tuple[Alike, ...], current: float | None, capacity: float) -> tuple[Alike, ...]:
    """Return the references with one more cycle, of a capacity in C at a current in A."""
    for at, one in enumerate(alike):
        if same_current(one.current, current):
            first = capacity if takes_over(one.first, capacity) else one.first
            return (*alike[:at], Alike(one.current, first, max(one.most, capacity)), *alike[at + 1 :])
    return (*alike, Alike(current, capacity, capacity))


def reference_at(alike: Sequence[Alike], current: float | None, of: str | None) -> float | None:
    """Return the capacity, C, that a cycle at a current is measured against: of the first, or the "max"; None where none is."""
    one = next((one for one in alike if same_current(one.current, current)), None)
    return None if one is None else one.most if of == "max" else one.first


def half_cycle(cell: CellFigures, entry: SumsAtBegin, last: LastRow, seconds: float) -> tuple[float, float | None]:
    """Return the charge that counts of a driven step, Ah, and its current in A, None where that was not constant.

    It was constant where the last one is the mean.
    """
    charge = (
        last.charging_ah - entry.charging_ah
        if cell.retention == "charge"
        else last.discharging_ah - entry.discharging_ah
    )
    mean = 3600.0 * charge / seconds if seconds > 0.0 else 0.0
    constant = mean > 0.0 and last.current is not None and same_current(abs(last.current), mean)
    return charge, mean if constant else None


def seeded(tally: Tally, references: Mapping[str, float]) -> Tally:
    """Return a tally that goes on from another run's references."""
    first, most = (references.get(name) for name in ("first check", "max check"))
    checks = (
        None if first is None and most is None else Tally(first=first, most=most, alike=_carried(references, " check"))
    )
    count = round(references.get("cycles", 0.0))
    first, most = references.get("first"), references.get("max")
    return replace(tally, first=first, most=most, count=count, checks=checks, alike=_carried(references, ""))


def references_of(tally: Tally) -> dict[str, float]:
    """Return what a run that goes on from this one must know of its cycles, by the rules of the second edition."""
    checks = tally.checks or Tally()
    references = {"first": tally.first, "max": tally.most, "first check": checks.first, "max check": checks.most}
    known = {name: value for name, value in references.items() if value is not None} | {"cycles": float(tally.count)}
    return known | _carrying(tally.alike, "") | _carrying(checks.alike, " check")


def _carrying(alike: Iterable[Alike], kind: str) -> dict[str, float]:
    """Return references by name: `first at 0.001 A`, `max check at 0.001 A`, `first at no current`."""
    references: dict[str, float] = {}
    for one in alike:
        references |= {named("first", kind, one.current): one.first, named("max", kind, one.current): one.most}
    return references


def named(of: str, kind: str, current: float | None) -> str:
    """Return the name under which a run carries a reference at a current."""
    return f"{of}{kind} at {'no current' if current is None else f'{current!r} A'}"


def _carried(references: Mapping[str, float], kind: str) -> tuple[Alike, ...]:
    """Return the references that another run carries, for each current."""
    begin = f"first{kind} at "
    alike: list[Alike] = []
    for name, first in references.items():
        if name.startswith(begin):
            text = name.removeprefix(begin).removesuffix(" A")
            current = None if text == "no current" else float(text)
            alike.append(Alike(current, first, references.get(named("max", kind, current), first)))
    return tuple(alike)


def value_of(figures: Figures, quantity: str, reference: float | None) -> float | None:
    """Return one result of one cycle, or None where it has none."""
    match quantity:
        case "charge_capacity":
            return figures.charge
        case "discharge_capacity":
            return figures.discharge
        case "coulombic_efficiency":
            return figures.efficiency
    return None if figures.counted is None or not reference else figures.counted / reference


def spread(values: Sequence[float]) -> float | None:
    """Return how far values lie apart: largest less smallest over their mean; None of a mean of zero."""
    mean = math.fsum(values) / len(values)
    return (max(values) - min(values)) / abs(mean) if mean else None


def has_check(block: Block) -> bool:
    """Tell whether a block has check cycles in it or is one."""
    return block.cycle == "check" or any(isinstance(child, Block) and has_check(child) for child in block.children)


def asks_results(block: Block) -> bool:
    """Tell whether a block ends on results."""
    return any(wants(end.condition, RESULTS) for end in block.ends)


def wants(condition: Condition, quantities: frozenset[str]) -> bool:
    """Tell whether a condition has a term of one of these quantities."""
    return any(term.quantity in quantities for terms in condition.any_of for term in terms)


def conditions(block: Block) -> tuple[Condition, ...]:
    """Return every condition of blocks in and below a block."""
    own = [end.condition for end in block.ends] + ([block.condition] if block.condition else [])
    below = [condition for child in block.children if isinstance(child, Block) for condition in conditions(child)]
    return (*own, *below)


def most_kept(block: Block) -> int:
    """Return how many cycles the conditions of a block and of those below it look back at."""
    terms = (term for condition in conditions(block) for terms in condition.any_of for term in terms)
    return max([KEPT, *(term.cycles + max(term.among, 1) for term in terms)])


def referred(block: Block) -> frozenset[int]:
    """Return the numbers of the cycles that retentions refer to."""
    return frozenset(
        term.reference
        for condition in conditions(block)
        for terms in condition.any_of
        for term in terms
        if isinstance(term.reference, int)
    )
