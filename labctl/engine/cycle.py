"""Cycles: what a finished one gave, and what a block's cycles amount to so far.

Capacity is the counter's, in C. Efficiency is discharge over charge or the other way round, by the kind of cell; retention is
the capacity that the kind of cell counts over that of the first cycle that is not formation, or of the best.
"""

from dataclasses import replace
from typing import Final

from labctl.engine.memory import Entry, Figures, Last, Tally
from labctl.plan.step import Block, CellFigures, Condition

KEPT: Final = 4  # cycles a tally remembers; a condition asks for two at most
RESULTS: Final = frozenset(
    {"charge_capacity", "discharge_capacity", "coulombic_efficiency", "retention", "cycle", "short", "short.soft"}
)


def entry_of(last: Last, time: float) -> Entry:
    """Return the sums as they stand, as what begins now has them at its begin."""
    return Entry(time, last.charging_ah, last.discharging_ah, last.charging_wh, last.discharging_wh, last.record + 1)


def figures_of(cell: CellFigures, kind: str, count: int, entry: Entry, last: Last) -> Figures:
    """Return what a cycle gave: capacities in C and what the kind of cell makes of them."""
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


def added(tally: Tally, figures: Figures, *, check: bool) -> Tally:
    """Return a tally with one more cycle; where the block has check cycles, others do not count."""
    if check and figures.kind != "check":
        return tally
    first, most = tally.first, tally.most
    if figures.kind != "formation" and figures.counted is not None:
        first = figures.counted if first is None else first
        most = figures.counted if most is None else max(most, figures.counted)
    return Tally((*tally.last, figures)[-KEPT:], first, most)


def seeded(tally: Tally, first: float | None, most: float | None) -> Tally:
    """Return a tally that goes on from another run's references."""
    return replace(tally, first=first, most=most)


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
    below = [found for child in block.children if isinstance(child, Block) for found in conditions(child)]
    return (*own, *below)


def referred(block: Block) -> frozenset[int]:
    """Return the numbers of the cycles that retentions refer to."""
    return frozenset(
        term.reference
        for condition in conditions(block)
        for terms in condition.any_of
        for term in terms
        if isinstance(term.reference, int)
    )
