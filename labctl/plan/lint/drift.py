"""Charge that times and amounts alone pass between two ends by the voltage: more than the cell holds, or beyond a full one."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from labctl.driver import OPEN
from labctl.finding import Finding, Mark
from labctl.plan.index import walk
from labctl.plan.lint.ends import RAISING, both_ways, mark_of, target_of, warning
from labctl.plan.number import as_filed, known
from labctl.plan.step import Block, ByPass, Line, Plan, Relative, Setting
from labctl.plan.step_context import Spot
from labctl.quantity.units import display

Places = Mapping[Spot, Mark]

HELD: Final = {"full": 1.1, "half_cathode": 1.1, "half_anode": 1.5, "capacitor": 1.5}
"""Times the nominal capacity that a cell may hold: an anode takes more at first, and of a capacitor it is not well known."""
DRIVEN: Final = frozenset({"charge", "discharge"})
SEEN: Final = 3  # passes of a loop that are gone through: the others drift as the last of them
AT_LIMIT: Final = 0.01  # V from a limit, where a cell that was just brought there has no room
ENOUGH: Final = 0.1  # of 1C: a current whose overpotential is more than what a full cell relaxes
COUNTED: Final = frozenset({"retention", "coulombic_efficiency", "charge_capacity", "discharge_capacity", "cycle"})


@dataclass(slots=True)
class _Balance:
    """The charge in C since an end by the voltage: where it stands, the least and the most, and the drive that ended there."""

    at: float = 0.0
    least: float = 0.0
    most: float = 0.0
    verbs: frozenset[str] = frozenset()
    ended: Line | None = None

    def begin(self, ended: Line | None = None) -> None:
        """Stand where nothing is known, or where a drive has come to its voltage."""
        self.at = self.least = self.most = 0.0
        self.verbs, self.ended = frozenset(), ended

    def go(self, net: float) -> None:
        """Pass a net charge, charging positive."""
        self.at += net
        self.least, self.most = min(self.least, self.at), max(self.most, self.at)

    @property
    def width(self) -> float:
        """Return what a cell must hold for the way."""
        return self.most - self.least


class _Drift:
    """The walk through a plan, and what it finds."""

    def __init__(self, plan: Plan, places: Places) -> None:
        self.nominal, self.places = plan.cell.nominal or 0.0, places
        self.held = HELD[plan.cell.kind] * self.nominal
        self.way = _Balance()
        self.found: list[Finding] = []

    def block(self, block: Block, path: tuple[Block, ...] = ()) -> None:
        """Go through a block; one that may be skipped, or that something else may end, leaves the cell anywhere."""
        path = (*path, block)
        if block.condition is not None or block.fused or _may_end(block):
            first = next((line for _, line in walk(block) if line.energises), None)
            held = first is not None and block.fused and {end.kind for end in block.ends} <= {"for"}
            if first is not None:
                self.way.begin(first if held and first.verb in DRIVEN and target_of(first) is not None else None)
            return
        for number in range(min(block.passes, SEEN)):
            before = self.way.at
            for child in block.children:
                self.block(child, path) if isinstance(child, Block) else self.line(child, path)
            driven = next((line for _, line in walk(block) if line.verb in DRIVEN), None)
            if number == SEEN - 1 and self.way.verbs and driven is not None:
                drift = (self.way.at - before) * (block.passes - SEEN)
                self.way.go(drift)
                self.judge(driven, path)

    def line(self, line: Line, path: tuple[Block, ...]) -> None:
        """Go on by a line: by what it passes, or from a voltage anew."""
        if not line.energises or line.mode == "Spectrum":
            return
        passed = _passes(line)
        if passed is None:
            self.way.begin(line if line.verb in DRIVEN and target_of(line) is not None else None)
            return
        self.at_its_limit(line)
        self.way.verbs |= {line.verb}
        self.way.ended = None
        self.way.go(passed)
        self.judge(line, path)

    def judge(self, line: Line, path: tuple[Block, ...]) -> None:
        """Tell once of a way that is longer than the cell has room for."""
        if self.way.width <= self.held * (1.0 + 1e-9):
            return
        span, verbs = self.way.width, self.way.verbs
        loop = next((block for block in reversed(path) if block.passes > 1), None)
        mark = mark_of(line, self.places)
        self.way.begin()
        if any(one.mark == mark for one in self.found):
            return
        shown = f"{display(span, 'capacity')}, {span / self.nominal:.3g} times the nominal capacity"
        if len(verbs) > 1 and loop is not None:
            message = (
                f"wanted as much charged as discharged in each pass, found times and amounts that drift by {shown}, over "
                "all passes: the voltage limits trip the run"
            )
            self.found.append(
                warning("plan.unbalanced", message, mark, "add to: with the voltage where each step ends")
            )
            return
        where = "a loop" if loop is not None else "a step"
        message = (
            f"wanted an end by the voltage in {where} that passes {shown}, since the cell was at a voltage last, found times "
            "or amounts alone: the limits trip the run"
        )
        one_way = loop is not None and not both_ways(loop)
        hint = "add to: with the voltage where it ends" + (", and stop_if: with it to the loop" if one_way else "")
        self.found.append(warning("plan.one_way", message, mark, hint))

    def at_its_limit(self, line: Line) -> None:
        """Tell of a charge by time alone right behind one that ended at the limit, and of such a discharge."""
        ended, current = self.way.ended, min(map(abs, known(line.settings.get("current"))), default=0.0)
        if ended is None or ended.verb != line.verb or current < ENOUGH * self.nominal / 3600.0:
            return
        low, high = line.bounds.voltage or (-OPEN, OPEN)
        target, up = known(target_of(ended)), line.verb in RAISING
        if not target or abs(high if up else low) >= OPEN:
            return
        if not up and current < max(map(abs, known(ended.settings.get("current"))), default=0.0):
            return  # an emptied cell recovers by more than a small current takes
        if (high - min(target) if up else max(target) - low) > AT_LIMIT:
            return
        limit = display(high if up else low, "voltage")
        message = (
            f"wanted room for {line.verb} before the voltage limit of {limit}, found none: the {ended.verb} before it ended "
            f"at {display(target[0], 'voltage')}, and the limit trips the run"
        )
        other = "discharge" if up else "charge"
        hint = f"add to: {limit}, widen the limit, or {other} a part of the capacity first"
        self.found.append(warning("plan.forestalled", message, mark_of(line, self.places), hint))


def drift(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of charge by time or amount alone that no cell holds, and of a charge that begins at its limit."""
    if plan.cell.nominal and plan.cell.kind in HELD:
        walked = _Drift(plan, places)
        walked.block(plan.root)
        yield from {(one.mark, one.message): one for one in walked.found}.values()


def _may_end(block: Block) -> bool:
    """Tell whether something that a row may meet ends a block before its passes."""
    asked = {term.quantity for end in block.ends for terms in end.condition.any_of for term in terms}
    return bool(asked - COUNTED - {"short", "short.soft"})


def _passes(line: Line) -> float | None:
    """Return the net charge in C of a line that time or amount ends, on the average of its passes; None of any other."""
    if line.verb not in DRIVEN or not {end.kind for end in line.ends} <= {"for", "capacity"}:
        return None
    amounts = []
    for end in line.ends:
        value = end.condition.any_of[0][0].value
        if isinstance(value, float | ByPass | Relative):
            amounts.append(_filed(value) if end.kind == "capacity" else _product(_current(line), _filed(value)))
    means = [math.fsum(amount) / len(amount) for amount in map(known, amounts) if amount]
    return (min(means) if line.verb in RAISING else -min(means)) if means else None


def _current(line: Line) -> float | ByPass | None:
    """Return what flows at least: of a power what it draws at the highest voltage."""
    if line.mode == "Galvanostatic":
        return _filed(line.settings.get("current"))
    power, high = line.settings.get("power"), max(map(abs, line.bounds.voltage or (OPEN,)))
    return (
        abs(power) / high if line.mode == "ConstantPower" and isinstance(power, float) and 0.0 < high < OPEN else None
    )


def _filed(value: Setting) -> float | ByPass | None:
    return as_filed(value) if isinstance(value, float | ByPass | Relative) else None


def _product(first: float | ByPass | None, second: float | ByPass | None) -> float | ByPass | None:
    """Return the magnitude of a product pass by pass; None of two that differ between the passes of unlike blocks."""
    if first is None or second is None:
        return None
    if isinstance(first, ByPass) and isinstance(second, ByPass):
        if first.blocks != second.blocks:
            return None
        pairs = zip(first.values, second.values, strict=True)
        return ByPass(first.blocks, first.shape, tuple(abs(one * other) for one, other in pairs))
    table, factor = (first, second) if isinstance(first, ByPass) else (second, first)
    if isinstance(table, ByPass) and isinstance(factor, float):
        return ByPass(table.blocks, table.shape, tuple(abs(one * factor) for one in table.values))
    return abs(first * second) if isinstance(first, float) and isinstance(second, float) else None
