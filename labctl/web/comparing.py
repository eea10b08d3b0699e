"""Runs over each other: figures and cycles of each, replicates of one protocol on cells of one name as mean and spread."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from labctl.analysis.capacity import FORMATION, counted, scales
from labctl.analysis.complete import galvanostatic_cycles
from labctl.analysis.efficiency import efficiencies
from labctl.analysis.replicates import by_cycle, statistics
from labctl.analysis.retention import analyse_retention, reference_cycles
from labctl.analysis.run_record import Mask
from labctl.report.run_data import record_of
from labctl.sample import Floats
from labctl.store.entry import StoredRun
from labctl.store.reader import Reader

MOST: Final = 24  # runs over each other
FIGURES: Final = (
    ("complete cycles", ""), ("first capacity", "Ah"), ("last capacity", "Ah"), ("retention", "%"),
    ("mean coulombic efficiency", "%"), ("mean energy efficiency", "%"), ("last voltage gap", "V"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One run among others.

    Attributes:
        run: As it is stored.
        cycles: Numbers of its complete cycles.
        capacity: Of them, Ah, of the side that counts for its kind of cell.
        efficiency: Coulombic, a fraction, NaN where withheld.
        energy: Energy efficiency, likewise.
        gap: Mean charge voltage less mean discharge voltage, V.
        counts: Which of them capacities are compared of: the checks where there are any, else those that are no formation.
        ages: Which of them are neither formation nor checks, of which the efficiencies are averaged; all where there are none.
        retention: Of the last that counts against the reference of its current, %, as `analyse retention` has it; NaN for none.
        scales: Units in which its capacity can be told, with the factor from Ah.
    """

    run: StoredRun
    cycles: Floats
    capacity: Floats
    efficiency: Floats
    energy: Floats
    gap: Floats
    counts: Mask
    ages: Mask
    retention: float
    scales: dict[str, float]

    @property
    def group(self) -> tuple[str, str]:
        """Whose replicate it is: the same protocol on cells of the same name."""
        return self.run.protocol, self.run.cell

    @property
    def figures(self) -> tuple[float, ...]:
        """`FIGURES` of it, NaN where it has none."""
        capacity = self.capacity[self.counts & np.isfinite(self.capacity)]
        first, last = (float(capacity[0]), float(capacity[-1])) if len(capacity) else (np.nan, np.nan)
        gap = self.gap[self.ages & np.isfinite(self.gap)]
        return (
            float(len(self.cycles)), 100 * last / self.retention if np.isfinite(self.retention) else first, last,
            self.retention, 100 * _mean(self.efficiency[self.ages]), 100 * _mean(self.energy[self.ages]),
            float(gap[-1]) if len(gap) else np.nan,
        )  # fmt: skip


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan


def read_compared(reader: Reader, run: StoredRun) -> ComparedRun:
    """Return a run as it is compared, from the tables of its cycles and steps."""
    record = record_of(reader, run)
    if not len(record.cycles["cycle_count"]):
        none, nothing = np.empty(0), np.empty(0, dtype=bool)
        return ComparedRun(run, none, none, none, none, none, nothing, nothing, np.nan, scales(record.cell))
    taken, ratios = galvanostatic_cycles(record), efficiencies(record)
    count = np.asarray(record.cycles["cycle_count"], dtype=float)
    kinds = np.asarray(record.cycles["kind"])
    ages = taken & ~np.isin(kinds, (FORMATION, "check"))
    told = (each.value for each in analyse_retention(record, {}).figures if each.name.startswith("retention"))
    return ComparedRun(
        run, count[taken], counted(record)[1][taken], ratios.charge[taken], ratios.energy[taken], ratios.gap[taken],
        reference_cycles(kinds, taken)[taken], (ages if ages.any() else taken)[taken], next(told, np.nan),
        scales(record.cell),
    )  # fmt: skip


def compared(reader: Reader, names: Sequence[str]) -> dict[str, Any]:
    """Return the runs of these names over each other, each at most once and at most `MOST` of them.

    Raises:
        UsageError: There is no such run.
    """
    chosen = {run.run_id: run for run in (reader.find(name) for name in names[:MOST])}
    runs = [read_compared(reader, run) for run in chosen.values()]
    keys = list(dict.fromkeys(each.group for each in runs))
    units = [set(each.scales) for each in runs]
    return {
        "runs": [_told(each, keys.index(each.group)) for each in runs],
        "groups": [_group(key, [each for each in runs if each.group == key]) for key in keys],
        "units": [unit for unit in runs[0].scales if all(unit in each for each in units)] if runs else [],
        "figures": [{"name": name, "unit": unit} for name, unit in FIGURES],
    }


def _told(each: ComparedRun, group: int) -> dict[str, Any]:
    return {
        "run_id": each.run.run_id, "uuid": each.run.uuid, "protocol": each.run.protocol, "cell": each.run.cell,
        "active": each.run.active, "group": group, "total": each.run.test_time, "scales": each.scales,
        "figures": each.figures, "cycle": each.cycles.astype(np.int64), "capacity": each.capacity,
        "efficiency": each.efficiency,
    }  # fmt: skip


def _group(key: tuple[str, str], runs: Sequence[ComparedRun]) -> dict[str, Any]:
    cycles, mean, deviation, count = by_cycle([(each.cycles, each.capacity) for each in runs])
    columns = zip(*(each.figures for each in runs), strict=True)
    return {
        "protocol": key[0], "cell": key[1], "runs": [each.run.run_id for each in runs],
        "cycle": cycles.astype(np.int64), "mean": mean, "deviation": deviation, "count": count.astype(np.int64),
        "figures": [_statistics(np.array(values)) for values in columns],
    }  # fmt: skip


def _statistics(values: Floats) -> dict[str, float | int | None]:
    known = values[np.isfinite(values)]
    if not len(known):
        return {"mean": None, "deviation": None, "count": 0}
    told = statistics("", "", known)
    return {"mean": told.mean, "deviation": told.deviation if told.count > 1 else None, "count": told.count}


def as_csv(reader: Reader, names: Sequence[str]) -> str:
    """Return the complete cycles of runs as CSV, a row a cycle."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([
        "run_id", "run_uuid", "protocol", "cell", "cycle_count", "capacity_ah", "coulombic_efficiency", "energy_efficiency",
        "voltage_gap_volt",
    ])  # fmt: skip
    for run in {run.run_id: run for run in (reader.find(name) for name in names[:MOST])}.values():
        each = read_compared(reader, run)
        head = (run.run_id, run.uuid, _plain(run.protocol), _plain(run.cell))
        columns = np.column_stack([each.capacity, each.efficiency, each.energy, each.gap])
        cells = np.where(np.isfinite(columns), columns.astype(object), "").tolist()
        writer.writerows((*head, int(cycle), *row) for cycle, row in zip(each.cycles.tolist(), cells, strict=True))
    return text.getvalue()


def _plain(text: str) -> str:
    """Return a name that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
