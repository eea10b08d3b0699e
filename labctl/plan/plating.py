"""Plating on a bare collector that ends by a voltage above that at which the metal is plated."""

from collections.abc import Iterator, Mapping
from typing import Final

from labctl.finding import Finding, Mark
from labctl.plan.index import walk
from labctl.plan.number import values
from labctl.plan.step import Line, Plan, VersusOcv
from labctl.plan.step_context import Spot
from labctl.plan.vain_ends import mark_of, warning
from labctl.quantity.units import display

BARE: Final = 0.1  # V against the metal: below it an oxide is taken away and a film made, on purpose; above it, neither


def unplated(plan: Plan, places: Mapping[Spot, Mark]) -> Iterator[Finding]:
    """Give each plate of an asymmetric cell that ends at a voltage where nothing is plated yet."""
    for _, line in walk(plan.root):
        ends = [end for end in line.ends if end.kind == "to"]
        value = ends[0].condition.any_of[0][0].value if ends else None
        highest = None if value is None or isinstance(value, VersusOcv) else min(values(value), default=None)
        if highest is not None and ends_unplated(line, highest, plan.cell.kind):
            shown = display(highest, "voltage")
            amount = any(end.kind in {"capacity", "for"} for end in line.ends)
            yield warning(
                "end.at_once",
                f"wanted a plate that ends below 0 V, where the metal is plated, found to: {shown}: it ends before it plates",
                mark_of(line, places),
                f"leave to: {shown} out"
                + (", the other end is enough" if amount else ", and write how much is plated: capacity: 1 mAh/cm2")
                + "; to: above 0 V belongs to strip",
            )


def ends_unplated(line: Line, voltage: float | None, kind: str) -> bool:
    """Tell whether a line is a plate on a bare collector that ends at a voltage above that of its metal."""
    return kind == "asymmetric" and line.verb == "plate" and voltage is not None and voltage > BARE
