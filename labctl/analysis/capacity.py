"""Capacities in the cell's own units, coulombic efficiency, and retention against a reference that is always said."""

from collections.abc import Mapping

import numpy as np

from labctl.analysis.record import Analysis, Column, Figure, Integers, Mask, Record
from labctl.plan.step import CellFigures
from labctl.sample import Floats

FORMATION = "formation"
ONE_SIDED = 2.0  # a cycle that gives twice what it took (or takes twice) was not begun where it ended


def scales(cell: CellFigures) -> dict[str, float]:
    """Return the units in which this cell's capacity can be told, with the factor from Ah.

    Specific, areal and volumetric capacity are Q/m, Q/A and Q/(A d): 1 uAh cm-2 um-1 is 10 mAh cm-3.
    """
    found = {"mAh": 1e3}
    if cell.active_mass:
        found["mAh/g"] = 1e3 / (cell.active_mass * 1e3)
    if cell.area:
        found["uAh/cm2"] = 1e6 / (cell.area * 1e4)
    if cell.area and cell.film_thickness:
        found["uAh/cm2/um"] = 1e6 / (cell.area * 1e4) / (cell.film_thickness * 1e6)
    return found


def counted(record: Record) -> tuple[str, Floats]:
    """Return which half-cycle the capacity of this kind of cell is, and its column in Ah."""
    side = "charging" if record.cell.retention == "charge" else "discharging"
    return side, np.asarray(record.cycles[f"{side}_capacity_ah"], dtype=float)


def analyse_capacity(record: Record, options: Mapping[str, str]) -> Analysis:
    """Tell charge and discharge capacity and coulombic efficiency of every cycle, in every unit the cell allows."""
    del options
    cycles = record.cycles
    count = np.asarray(cycles["cycle_count"], dtype=int)
    if not len(count):
        return Analysis("capacity", flags=("no cycle: a block with `cycle: true` makes each of its passes one",))
    table: dict[str, tuple[float | int | str, ...]] = {"cycle": tuple(count.tolist())}
    for unit, factor in scales(record.cell).items():
        for side, word in (("charging", "charge"), ("discharging", "discharge")):
            column = np.asarray(cycles[f"{side}_capacity_ah"], dtype=float) * factor
            table[f"{word} capacity / {unit}"] = tuple(column.tolist())
    efficiency = np.asarray(cycles["coulombic_efficiency"], dtype=float)
    if np.isfinite(efficiency).any():
        table["coulombic efficiency / %"] = tuple((100 * efficiency).tolist())
    odd = efficiency > ONE_SIDED
    figures = capacity_figures(record, count, np.where(odd, np.nan, efficiency))
    return Analysis("capacity", figures, table, one_sided(count[odd]))


def one_sided(cycles: Integers) -> tuple[str, ...]:
    """Say of which cycles there is no efficiency, because their first half-cycle had little left to do."""
    if not len(cycles):
        return ()
    which = ", ".join(str(cycle) for cycle in cycles[:5]) + ("" if len(cycles) <= 5 else ", ...")
    why = f"more than {ONE_SIDED:.0f} times the charge went out than in, as when a charged cell is charged first"
    return (f"no coulombic efficiency of cycle {which}: {why}",)


def capacity_figures(record: Record, count: Integers, efficiency: Floats) -> tuple[Figure, ...]:
    """Return first and last capacity in every unit, energy and mean voltage, first and median efficiency."""
    side, column = counted(record)
    whole = np.flatnonzero(np.isfinite(column))  # the running cycle has no capacity yet
    if not len(whole):
        return ()
    first, last = int(whole[0]), int(whole[-1])
    figures = [
        Figure(
            f"{when} {'charge' if side == 'charging' else 'discharge'} capacity",
            float(column[at] * factor),
            unit,
            int(count[at]),
        )
        for unit, factor in scales(record.cell).items()
        for when, at in (("first", first), ("last", last))
    ]
    energy = np.asarray(record.cycles[f"{side}_energy_wh"], dtype=float)
    if column[last] > 0 and np.isfinite(energy[last]):
        figures.append(Figure("energy", float(energy[last] * 1e3), "mWh", int(count[last])))
        figures.append(Figure("mean voltage", float(energy[last] / column[last]), "V", int(count[last])))
        figures += there_and_back(record, last)
    known = np.isfinite(efficiency)
    if known.any():
        figures.append(
            Figure("first coulombic efficiency", float(100 * efficiency[known][0]), "%", int(count[known][0]))
        )
        figures.append(Figure("median coulombic efficiency", float(100 * np.median(efficiency[known])), "%"))
    return tuple(figures)


def there_and_back(record: Record, at: int) -> list[Figure]:
    """Return the voltage gap of a cycle, E/Q of charging less E/Q of discharging, and its energy efficiency.

    The efficiency is of energy taken out over energy put in; a half cell whose capacity counts on charge stores none.
    """
    cycle = int(record.cycles["cycle_count"][at])
    charge, energy = (
        {side: float(record.cycles[f"{side}_{what}"][at]) for side in ("charging", "discharging")}
        for what in ("capacity_ah", "energy_wh")
    )
    if not all(value > 0 for value in charge.values()) or not np.isfinite(list(energy.values())).all():
        return []
    gap = energy["charging"] / charge["charging"] - energy["discharging"] / charge["discharging"]
    found = [Figure("voltage gap", gap, "V", cycle)]
    if record.cell.efficiency == "discharge/charge" and energy["charging"] > 0:
        found.append(Figure("energy efficiency", 100 * energy["discharging"] / energy["charging"], "%", cycle))
    return found


def analyse_retention(record: Record, options: Mapping[str, str]) -> Analysis:
    """Tell capacity retention, 100 Q_k / Q_reference, and the cycle life.

    Options: `of` is `first` (the first cycle that is not formation, the default), `max`, or a cycle's number; `below` is the
    end of life in % (default 80). A cell has reached it at the first cycle that is below with at least two of the three
    that follow.
    """
    _, column = counted(record)
    count = np.asarray(record.cycles["cycle_count"], dtype=int)
    kinds = np.asarray(record.cycles["kind"], dtype=object)
    chosen = reference_cycles(kinds) & np.isfinite(column)
    if not chosen.any():
        return Analysis("retention", flags=("no cycle that is not formation",))
    count, column = count[chosen], column[chosen]
    of = options.get("of", "first")
    at = reference_position(of, count, column)
    if at is None or not column[at] > 0:
        return Analysis(
            "retention", flags=(f"no capacity to refer to in {'cycle ' + of if of.isdigit() else 'the ' + of} cycle",)
        )
    retention = 100 * column / column[at]
    name = f"retention of {'max' if of == 'max' else f'cycle {count[at]}'}"
    figures = [Figure(name, float(retention[-1]), "%", int(count[-1]))]
    life = cycle_life(retention, float(options.get("below", "80").rstrip(" %")))
    if life is not None:
        figures.append(Figure("cycle life", float(count[life]), "cycles", int(count[life])))
    table = {"cycle": tuple(count.tolist()), f"{name} / %": tuple(retention.tolist())}
    return Analysis("retention", tuple(figures), table)


def reference_cycles(kinds: Column) -> Mask:
    """Return which cycles count: the `check` cycles where there are any, else all that are not formation."""
    checks = np.array([kind == "check" for kind in kinds], dtype=bool)
    return checks if checks.any() else np.array([kind != FORMATION for kind in kinds], dtype=bool)


def reference_position(of: str, count: Integers, column: Floats) -> int | None:
    """Return where the reference cycle stands, or None if there is no such cycle."""
    if of == "max":
        return int(np.argmax(column))
    if of == "first":
        return 0
    found = np.flatnonzero(count == int(of.removeprefix("cycle ")))
    return int(found[0]) if len(found) else None


def cycle_life(retention: Floats, below: float) -> int | None:
    """Return the position of the first cycle below `below` % that two of the next three confirm, or None."""
    low = retention < below
    for at in np.flatnonzero(low):
        following = low[at + 1 : at + 4]
        if following.sum() >= 2:
            return int(at)
    return None
