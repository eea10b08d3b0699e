"""Coulombic efficiency of plating and stripping by a reservoir: one plating, partial cycles of it, and a strip of what is left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labctl.analysis.complete import complete_steps, steps_left_out
from labctl.analysis.run_record import Analysis, Figure, RunRecord
from labctl.analysis.symmetric import AREAL, by_voltage, number

NONE = "no reservoir: wanted a plating, strips and platings of a part of it, and a strip that its voltage ends"


@dataclass(frozen=True, slots=True)
class Reservoir:
    """One reservoir from its plating to the strip of what is left, charges in Ah.

    Attributes:
        steps: Positions in `steps` of its platings and strips, in order.
        plated: Charge of the first plating, Q_T.
        cycled: Charge of the strips of the partial cycles together; n Q_C where all are alike.
        replated: Charge of the platings of the partial cycles together.
        left: Charge of the last strip, Q_S.
        cycles: Number of partial cycles, n.
    """

    steps: tuple[int, ...]
    plated: float
    cycled: float
    replated: float
    left: float
    cycles: int

    @property
    def efficiency(self) -> float:
        """Return all that was stripped over all that was plated."""
        return (self.cycled + self.left) / (self.replated + self.plated)


def reservoirs(record: RunRecord) -> tuple[tuple[Reservoir, ...], tuple[int, ...]]:
    """Return the reservoirs of a run, and the positions of the steps that were cut short in others.

    A reservoir ends with the strip that its voltage ends, and begins with the first plating after such a strip. One without
    partial cycles, as the conditioning of a collector, is a cycle like any other and no reservoir.
    """
    verbs = np.asarray(record.steps["step_type"], dtype=object)
    complete = complete_steps(record)
    found, cut = [], []
    begun: list[int] = []
    for at in np.flatnonzero(np.isin(verbs, ["strip", "plate"])).tolist():
        if not begun and verbs[at] == "strip":
            continue  # what it strips was plated before the run
        begun.append(at)
        if verbs[at] == "strip" and (stripped_bare(record, at) or not complete[at]):
            broken = [k for k in begun if not complete[k]]
            cut += broken
            if not broken and sum(verbs[k] == "plate" for k in begun) > 1:
                found.append(_reservoir(record, begun))
            begun = []
    return tuple(found), tuple(cut)


def stripped_bare(record: RunRecord, at: int) -> bool:
    """Tell whether a strip took what was there: its voltage ended it, not its charge or its time."""
    reason, text = str(record.steps["end_reason"][at]), str(record.steps["end_text"][at] or "")
    volts = float(record.steps["last_voltage_volt"][at])
    return reason == "to" or (reason == "until" and by_voltage(text, volts))


def _reservoir(record: RunRecord, steps: Sequence[int]) -> Reservoir:
    at = np.asarray(steps)
    plating = np.asarray(record.steps["step_type"], dtype=object)[at] == "plate"
    net = number(record, "charging_capacity_ah")[at] - number(record, "discharging_capacity_ah")[at]
    plated, stripped = -net[plating], net[~plating]
    return Reservoir(
        tuple(steps),
        float(plated[0]),
        float(np.sum(stripped[:-1])),
        float(np.sum(plated[1:])),
        float(stripped[-1]),
        len(stripped) - 1,
    )


def analyse_reservoir(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell the coulombic efficiency (n Q_C + Q_S) / (n Q_C + Q_T) of every reservoir, by the charges that were passed.

    Q_T is plated once, Q_C stripped and plated n times, Q_S what a strip to a voltage finds at the end. It is a mean over the n
    cycles; where partial cycles differ, it is all that was stripped over all that was plated. Figures are of the last reservoir.

    Source: Aurbach, Gofer and Langzam, J. Electrochem. Soc. 136 (1989) 3198; Adams et al., Adv. Energy Mater. 8 (2018) 1702097,
    method 3, whose conditioning cycle is left out here as there.
    """
    del options
    if record.cell.kind != "asymmetric":
        return Analysis(
            "reservoir", flags=("wanted an asymmetric cell, where a bare collector is stripped to a voltage",)
        )
    found, cut = reservoirs(record)
    out = steps_left_out(record, cut)
    if not found:
        return Analysis("reservoir", flags=(NONE, *out))
    scale, unit = (AREAL / record.cell.area, "mAh/cm2") if record.cell.area else (1e3, "mAh")
    last = found[-1]
    figures = (
        Figure("coulombic efficiency by reservoir", 100 * last.efficiency, "%"),
        Figure("partial cycles", float(last.cycles), "cycles"),
        Figure("reservoir", scale * last.plated, unit),
        Figure("mean cycled charge", scale * last.cycled / last.cycles, unit),
        Figure("stripped at the end", scale * last.left, unit),
    )
    table: dict[str, tuple[float | int | str, ...]] = {
        "first step": tuple(int(record.steps["step_count"][each.steps[0]]) for each in found),
        "partial cycles": tuple(each.cycles for each in found),
        f"reservoir / {unit}": tuple(scale * each.plated for each in found),
        f"mean cycled charge / {unit}": tuple(scale * each.cycled / each.cycles for each in found),
        f"stripped at the end / {unit}": tuple(scale * each.left for each in found),
        "coulombic efficiency / %": tuple(100 * each.efficiency for each in found),
    }
    return Analysis("reservoir", figures, table, (*used_up(record, found), *out))


def used_up(record: RunRecord, found: Sequence[Reservoir]) -> tuple[str, ...]:
    """Say which reservoirs may have been used up before their last strip was meant to come."""
    return tuple(
        f"the strip of step {int(record.steps['step_count'][each.steps[-1]])} found less than the partial cycles stripped: "
        "the reservoir may have been used up in a partial cycle, and the efficiency is then of the cycles until there"
        for each in found
        if each.left < each.cycled / each.cycles
    )
