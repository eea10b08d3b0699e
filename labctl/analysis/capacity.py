"""Capacities in the cell's own units, coulombic and energy efficiency."""

from collections.abc import Mapping

import numpy as np

from labctl.analysis.complete import DRIVEN, cycles_left_out, galvanostatic_cycles
from labctl.analysis.complete import counted as counted_cycles
from labctl.analysis.digits import shown
from labctl.analysis.efficiency import Efficiencies, efficiencies
from labctl.analysis.run_record import Analysis, Figure, Integers, Mask, RunRecord
from labctl.engine.cycle import ONE_SIDED
from labctl.plan.step import CellFigures
from labctl.sample import SECONDS_PER_HOUR, Floats

FORMATION = "formation"
GAIN = 1.01  # a coulombic efficiency above which no counting error is to blame
SMALL = 1e-4  # Ah of a nominal capacity below which capacities are told in uAh


def scales(cell: CellFigures) -> dict[str, float]:
    """Return the units in which this cell's capacity can be told, with the factor from Ah.

    Specific, areal and volumetric capacity are Q/m, Q/A and Q/(A d): 1 uAh cm-2 um-1 is 10 mAh cm-3.
    """
    small = cell.nominal is not None and cell.nominal / SECONDS_PER_HOUR < SMALL
    units = {"uAh": 1e6} if small else {"mAh": 1e3}
    if cell.active_mass:
        units["mAh/g"] = 1e3 / (cell.active_mass * 1e3)
    if cell.area:
        units["uAh/cm2"] = 1e6 / (cell.area * 1e4)
    if cell.area and cell.film_thickness:
        units["uAh/cm2/um"] = 1e6 / (cell.area * 1e4) / (cell.film_thickness * 1e6)
    return units


def counted(record: RunRecord) -> tuple[str, Floats]:
    """Return which half-cycle the capacity of this kind of cell is, and its column in Ah."""
    side = "charging" if record.cell.retention == "charge" else "discharging"
    return side, np.asarray(record.cycles[f"{side}_capacity_ah"], dtype=float)


def analyse_capacity(record: RunRecord, options: Mapping[str, str]) -> Analysis:
    """Tell charge and discharge capacity, efficiencies, energies and mean voltages of every complete cycle.

    Capacities are in every unit that the cell allows.
    The efficiency is what came out over what had been put in before it: see `labctl.analysis.efficiency`.
    """
    del options
    cycles = record.cycles
    if not len(cycles["cycle_count"]):
        return Analysis(
            "capacity",
            flags=(
                "no cycle: a block with `cycle: true` makes each of its passes one; half_cycles tells every charge and discharge",
            ),
        )
    taken = galvanostatic_cycles(record)
    out = cycles_left_out(record, taken)
    count = np.asarray(cycles["cycle_count"], dtype=int)[taken]
    if not len(count):
        return Analysis("capacity", flags=("no cycle is complete", *out))
    table: dict[str, tuple[float | int | str, ...]] = {"cycle": tuple(count.tolist())}
    for unit, factor in scales(record.cell).items():
        for side, word in (("charging", "charge"), ("discharging", "discharge")):
            column = np.asarray(cycles[f"{side}_capacity_ah"], dtype=float)[taken] * factor
            table[f"{word} capacity / {unit}"] = tuple(column.tolist())
    ratios = efficiencies(record)
    if np.isfinite(ratios.charge[taken]).any():
        table["coulombic efficiency / %"] = tuple((100 * ratios.charge[taken]).tolist())
    shifted = taken & (ratios.against > 0) & (ratios.against != np.asarray(cycles["cycle_count"], dtype=int))
    if shifted.any():
        table["of the same cycle / %"] = tuple((100 * ratios.own[taken]).tolist())
    table |= energies(record, taken, ratios)
    flags = (
        *out,
        *unseen_charge(record, taken),
        *summed_energy(record, taken),
        *one_sided(cycles["cycle_count"][ratios.one_sided & taken]),
        *shifted_pairs(record, shifted),
        *unpaired(record, taken & ~ratios.one_sided & ~np.isfinite(ratios.charge)),
        *set_charges(record, taken & np.isfinite(ratios.charge)),
        *gaining(record, taken & (ratios.charge > GAIN)),
    )
    return Analysis("capacity", capacity_figures(record, taken, ratios), table, flags)


def energies(record: RunRecord, taken: Mask, ratios: Efficiencies) -> dict[str, tuple[float | int | str, ...]]:
    """Return columns of energy, energy efficiency, mean voltages and voltage gap, those of which anything is known."""
    unit, factor = ("uWh", 1e6) if "uAh" in scales(record.cell) else ("mWh", 1e3)
    words = (("charging", "charge"), ("discharging", "discharge"))
    energy = {word: np.asarray(record.cycles[f"{side}_energy_wh"], dtype=float)[taken] for side, word in words}
    if not any(np.any(np.nan_to_num(column)) for column in energy.values()):
        return {}
    columns = {f"{word} energy / {unit}": column * factor for word, column in energy.items()}
    columns["energy efficiency / %"] = 100 * ratios.energy[taken]
    for side, word in words:
        charge = np.asarray(record.cycles[f"{side}_capacity_ah"], dtype=float)[taken]
        columns[f"mean {word} voltage / V"] = np.divide(
            energy[word], charge, out=np.full(len(charge), np.nan), where=charge > 0
        )
    columns["voltage gap / V"] = ratios.gap[taken]
    return {name: tuple(column.tolist()) for name, column in columns.items() if np.isfinite(column).any()}


def unseen_charge(record: RunRecord, taken: Mask) -> tuple[str, ...]:
    """Say in which cycles charge may have passed while nobody was reading: their capacities are intervals."""
    blind = record.steps.get("blind_charge_high_ah")
    if blind is None:
        return ()
    high = np.nan_to_num(np.asarray(blind, dtype=float))
    owner = np.asarray(record.steps["cycle_count"], dtype=np.int64)
    cycles = np.asarray(record.cycles["cycle_count"], dtype=np.int64)[taken]
    most = {int(cycle): float(high[owner == cycle].sum()) for cycle in np.unique(owner[high > 0.0]) if cycle in cycles}
    return tuple(
        f"cycle {cycle}: up to {shown(1e3 * charge, 'mAh')} mAh more may have passed while nobody was reading"
        for cycle, charge in most.items()
    )


def summed_energy(record: RunRecord, taken: Mask) -> tuple[str, ...]:
    """Say that energies are sums over stored rows, where the instrument counted none."""
    records = record.cycles.get("last_record")
    if records is None or not taken.any():
        return ()
    row = int(np.asarray(records)[taken][-1])
    if row < 0 or record.rows(row, row).charging_wh is not None:
        return ()
    return ("energies are sums over the stored rows, since nothing counted them: they hang on the record rule",)


def shifted_pairs(record: RunRecord, shifted: Mask) -> tuple[str, ...]:
    """Say that efficiencies are taken against the cycle before, where they are."""
    if not shifted.any():
        return ()
    taken, put = ("charge", "discharge") if record.cell.efficiency == "charge/discharge" else ("discharge", "charge")
    words = f"the efficiency of a cycle is its {taken} over the {put} of the cycle before"
    return (f"the cell is cycled {taken} first: {words}; `of the same cycle` is its {taken} over the {put} after it",)


def unpaired(record: RunRecord, without: Mask) -> tuple[str, ...]:
    """Say which cycles have no efficiency because what they give was put in before any cycle of the run."""
    numbers = [int(cycle) for cycle in np.asarray(record.cycles["cycle_count"])[without]]
    if not numbers or record.cell.efficiency is None:
        return ()
    reason = "left out of the efficiencies: what came out was put in neither by the cycle nor by one right before it"
    return (f"{counted_cycles('cycle', numbers)} {reason}",)


def set_charges(record: RunRecord, taken: Mask) -> tuple[str, ...]:
    """Say in which cycles both half-cycles ended by a charge or a time that was set, so that their ratio measures nothing."""
    numbers = between_set_charges(record, taken)
    if not numbers:
        return ()
    words = (
        "cycled between charges or times that were set: the efficiency there is what was set, not what the cell gives"
    )
    return (f"{counted_cycles('cycle', numbers)} {words}",)


def between_set_charges(record: RunRecord, taken: Mask) -> list[int]:
    """Return the numbers of those cycles in which a charge or a time that was set ended everything that drove them."""
    steps = record.steps
    verbs, ends = (np.asarray(steps[name], dtype=object) for name in ("step_type", "end_reason"))
    owner = np.asarray(steps["cycle_count"], dtype=np.int64)
    driven = np.isin(verbs, DRIVEN)
    open_ended = {int(cycle) for cycle in owner[driven & ~np.isin(ends, ["capacity", "for"])]}
    driving = {int(cycle) for cycle in owner[driven]}
    numbers = [int(cycle) for cycle in np.asarray(record.cycles["cycle_count"])[taken]]
    return [cycle for cycle in numbers if cycle in driving - open_ended]


def gaining(record: RunRecord, above: Mask) -> tuple[str, ...]:
    """Say of which cycles more came out than had been put in, though nobody had set it so."""
    was_set = between_set_charges(record, above)
    numbers = [
        cycle for cycle in np.asarray(record.cycles["cycle_count"])[above].astype(int).tolist() if cycle not in was_set
    ]
    if not numbers:
        return ()
    words = (
        f"above {100 * GAIN:.0f} % coulombic efficiency: more came out than had been put in, as where a cycle begins fuller "
        "than it ends, after one at another rate or with another hold"
    )
    return (f"{counted_cycles('cycle', numbers)} {words}",)


def one_sided(cycles: Integers) -> tuple[str, ...]:
    """Say of which cycles there is no efficiency, because their first half-cycle had little left to do."""
    if not len(cycles):
        return ()
    which = ", ".join(str(cycle) for cycle in cycles[:5]) + ("" if len(cycles) <= 5 else ", ...")
    reason = f"more than {ONE_SIDED:.0f} times the charge went out than in, as when a charged cell is charged first"
    return (f"no coulombic efficiency of cycle {which}: {reason}; nor an energy efficiency or a voltage gap",)


def capacity_figures(record: RunRecord, taken: Mask, ratios: Efficiencies) -> tuple[Figure, ...]:
    """Return first and last capacity in every unit, energy and mean voltage, voltage gap, first and median efficiency."""
    side, column = counted(record)
    count = np.asarray(record.cycles["cycle_count"], dtype=int)
    whole = np.flatnonzero(taken & np.isfinite(column))
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
    figures += [*largest(record, whole), Figure("complete cycles", float(len(whole)), "cycles")]
    energy = np.asarray(record.cycles[f"{side}_energy_wh"], dtype=float)
    if column[last] > 0 and np.isfinite(energy[last]):
        figures.append(Figure("energy", float(energy[last] * 1e3), "mWh", int(count[last])))
        figures.append(Figure("mean voltage", float(energy[last] / column[last]), "V", int(count[last])))
    figures += mean_voltages(record, last)
    for name, values, unit, factor in (
        ("voltage gap", ratios.gap, "V", 1.0),
        ("energy efficiency", ratios.energy, "%", 100.0),
    ):
        if np.isfinite(values[last]):
            figures.append(Figure(name, float(factor * values[last]), unit, int(count[last])))
    known = np.flatnonzero(np.isfinite(ratios.charge) & taken)
    if len(known):
        at = int(known[0])
        figures.append(Figure("first coulombic efficiency", float(100 * ratios.charge[at]), "%", int(count[at])))
        figures.append(Figure("median coulombic efficiency", float(100 * np.median(ratios.charge[known])), "%"))
    return tuple(figures)


def largest(record: RunRecord, whole: Integers) -> list[Figure]:
    """Return the largest counted capacity in every unit with its cycle, where it is neither the first nor the last."""
    side, column = counted(record)
    word = "charge" if side == "charging" else "discharge"
    at = int(whole[np.argmax(column[whole])])
    if at in {int(whole[0]), int(whole[-1])}:
        return []
    cycle = int(record.cycles["cycle_count"][at])
    return [
        Figure(f"largest {word} capacity", float(column[at] * factor), unit, cycle)
        for unit, factor in scales(record.cell).items()
    ]


def mean_voltages(record: RunRecord, at: int) -> list[Figure]:
    """Return the mean voltages E/Q of charge, of discharge and of both together of one cycle, by its position."""
    figures, cycle = [], int(record.cycles["cycle_count"][at])
    sums = []
    for side, word in (("charging", "charge"), ("discharging", "discharge")):
        charge = float(record.cycles[f"{side}_capacity_ah"][at])
        energy = float(record.cycles[f"{side}_energy_wh"][at])
        if charge > 0 and np.isfinite(energy):
            figures.append(Figure(f"mean {word} voltage", energy / charge, "V", cycle))
            sums.append((energy, charge))
    if len(sums) == 2:
        energy, charge = map(sum, zip(*sums, strict=True))
        figures.append(Figure("mean voltage of the cycle", energy / charge, "V", cycle))
    return figures
