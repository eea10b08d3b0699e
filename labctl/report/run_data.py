"""A stored run as an analysis wants it, and the analyses that its protocol asks for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import orjson

from labctl.analysis.capacity import counted
from labctl.analysis.catalogue import ANALYSES
from labctl.analysis.complete import galvanostatic_cycles, settled
from labctl.analysis.rate import cycle_currents
from labctl.analysis.retention import reference_cycles
from labctl.analysis.run_record import Analysis, Column, RunRecord, SpectrumRecord, Table
from labctl.errors import UsageError
from labctl.inputs import near
from labctl.plan.codec import plan_from_json
from labctl.plan.index import index
from labctl.plan.step import CellFigures, Plan
from labctl.run.stand_in import largest_current
from labctl.sample import SECONDS_PER_HOUR, Batch
from labctl.store import queries, schema
from labctl.store.entry import StoredRun
from labctl.store.reader import Reader

BEYOND = 1.05  # times the largest current of a model: published sizes are rounded
TEXTS = frozenset({"step_type", "step_name", "end_reason", "end_text", "kind"})


def plan_of(reader: Reader, run: StoredRun) -> Plan:
    """Return the plan of a run."""
    return plan_from_json(reader.plan(run.run_id))


def record_of(reader: Reader, run: StoredRun) -> RunRecord:
    """Return a run as its tables; samples are read when an analysis asks for them."""

    def rows(first: int, last: int) -> Batch:
        return reader.rows(run.run_id, first, last)

    results = reader.query(queries.RESULT_VALUES, run=run.run_id)
    plan = plan_of(reader, run)
    steps, cycles = settled(
        table(reader, "steps", "step_count", run.run_id),
        table(reader, "cycles", "cycle_count", run.run_id),
        efficient=plan.cell.efficiency is not None,
        resumed=broken_cycle(plan),
    )
    made = corrections(reader, run)
    return RunRecord(
        corrected(plan.cell, made),
        steps,
        cycles,
        rows,
        tuple((str(name), float(value if value is not None else np.nan), int(cycle)) for name, value, cycle in results),
        earlier_cycles(reader, run, plan),
        lambda: placed(spectra_of(reader, run), cycles),
        largest_current(run.options) if run.simulated else np.inf,
        tuple(each.words for each in made),
    )


@dataclass(frozen=True, slots=True)
class Correction:
    """A value of a cell that somebody corrected after its run had begun: SI, in words, and who did."""

    name: str
    value: float
    text: str
    by: str

    @property
    def words(self) -> str:
        """Say it in a sentence, as a flag of what was made with it."""
        who = f" by {self.by}" if self.by else ""
        return f"{self.name.replace('_', ' ')} corrected to {self.text}{who}; currents and rates are as they were run"


def corrections(reader: Reader, run: StoredRun) -> tuple[Correction, ...]:
    """Return the last correction of each value of a run's cell."""
    last: dict[str, Correction] = {}
    for (stored,) in reader.query(queries.CORRECTIONS, run=run.run_id):
        data = orjson.loads(stored)
        for name, value in data["values"].items():
            last[name] = Correction(name, float(value), str(data["texts"][name]), str(data["by"]))
    return tuple(last.values())


def corrected(cell: CellFigures, made: Iterable[Correction]) -> CellFigures:
    """Return the figures of a cell with its corrected values; the nominal capacity stays, and with it every rate."""
    values = {each.name: each.value for each in made}
    return replace(
        cell,
        active_mass=values.get("active_mass", cell.active_mass),
        area=values.get("area", cell.area),
        film_thickness=values.get("film_thickness", cell.film_thickness),
    )


def broken_cycle(plan: Plan) -> int | None:
    """Return the number of the cycle in whose middle a run begins that resumes another, None if it begins in none."""
    start = plan.carried.start
    inside = start and any(block.cycle for block in index(plan).paths[start])
    return plan.carried.cycle + 1 if inside else None


def earlier_cycles(reader: Reader, run: StoredRun, plan: Plan) -> Table:
    """Return the complete cycles of the runs that a run goes on from, as `RunRecord.earlier` has them.

    Where the earlier run is not in this store, the references that the run carries stand for them.
    """
    before = None if run.resumed_from is None else known_run(reader, run.resumed_from)
    if before is None:
        known = {"first": 1, "max": 1} | {f"cycle {n}": n for n in range(1, plan.carried.cycle + 1)}
        carried = {known[name]: value for name, value in plan.carried.references.items() if name in known}
        return {
            "cycle_count": np.array(list(carried), dtype=np.int64),
            "capacity_ah": np.array(list(carried.values()), dtype=float) / SECONDS_PER_HOUR,
            "current_ampere": np.full(len(carried), np.inf),
        }
    record = record_of(reader, before)
    taken = galvanostatic_cycles(record)
    chosen = taken & reference_cycles(record.cycles["kind"], taken) & np.isfinite(counted(record)[1])
    mine = {
        "cycle_count": np.asarray(record.cycles["cycle_count"], dtype=np.int64)[chosen],
        "capacity_ah": counted(record)[1][chosen],
        "current_ampere": cycle_currents(record)[chosen],
    }
    return {name: np.concatenate((record.earlier[name], mine[name])) for name in mine} if record.earlier else mine


def known_run(reader: Reader, run_id: int) -> StoredRun | None:
    """Return a run, None if the store does not have it."""
    try:
        return reader.run(run_id)
    except UsageError:
        return None


def spectra_of(reader: Reader, run: StoredRun) -> tuple[SpectrumRecord, ...]:
    """Return the complete impedance spectra of a run, in order; points without a value are left out."""
    heads = reader.query(queries.COMPLETE_SPECTRA, run=run.run_id)
    return tuple(_spectrum(reader, run, *head) for head in heads)


def placed(spectra: Sequence[SpectrumRecord], cycles: Table) -> tuple[SpectrumRecord, ...]:
    """Return spectra with the cycle in which they were measured, or else the last that had ended before; 0 before the first."""
    numbers = np.asarray(cycles["cycle_count"], dtype=np.int64)
    ends = np.asarray(cycles["end_test_time_second"], dtype=float)
    return tuple(
        each if each.cycle else replace(each, cycle=int(max(numbers[ends <= each.time], default=0))) for each in spectra
    )


def _spectrum(
    reader: Reader,
    run: StoredRun,
    number: int,
    attempt: int,
    step: int,
    cycle: int,
    begin: float,
    temperature: float | None,
) -> SpectrumRecord:
    points = reader.query(queries.IMPEDANCES, run=run.run_id, attempt=attempt)
    frequency, real, imaginary, voltage = (
        np.array([[np.nan if v is None else v for v in row] for row in points], dtype=float).reshape(-1, 4).T
    )
    direct = voltage[np.isfinite(voltage)]
    return SpectrumRecord(
        int(number), int(step), int(cycle), float(begin), frequency, real + 1j * imaginary,
        float(direct.mean()) if len(direct) else np.nan, np.nan if temperature is None else float(temperature),
    )  # fmt: skip


def table(reader: Reader, name: str, order: str, run_id: int) -> Table:
    """Return a table's rows of one run as columns: floats with NaN for null, integers, or texts."""
    rows = reader.query(queries.all_of(name, order), run=run_id)
    names = rows[0]._fields if rows else [known_column.name for known_column in schema.metadata.tables[name].columns]
    return {field: column(field, [row[at] for row in rows]) for at, field in enumerate(names)}


def column(name: str, values: Sequence[object]) -> Column:
    """Return one column."""
    if name in TEXTS:
        return np.array([value or "" for value in values], dtype=object)
    if all(isinstance(value, int) for value in values):
        return np.array(values, dtype=np.int64)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def analyse(record: RunRecord, wanted: Sequence[tuple[str, Mapping[str, str]]]) -> list[Analysis]:
    """Carry analyses out.

    Raises:
        UsageError: One of them does not exist.
    """
    analyses = []
    for name, options in wanted:
        if name not in ANALYSES:
            raise UsageError(
                f"wanted an analysis out of {', '.join(sorted(ANALYSES))}, found {name!r}{near(name, ANALYSES)}"
            )
        try:
            analyses.append(ANALYSES[name](record, options))
        except ValueError as error:
            analyses.append(Analysis(name, flags=(str(error),)))
    more = (*beyond_model(record), *record.corrected)
    return [replace(each, flags=(*each.flags, *more)) for each in analyses]


def beyond_model(record: RunRecord) -> tuple[str, ...]:
    """Return a flag where steps of a simulated run had a mean current for which its cell's model is not valid."""
    steps, most = record.steps, BEYOND * record.largest_current
    seconds = np.asarray(steps["step_time_second"], dtype=float)
    charge = np.abs(np.asarray(steps["charging_capacity_ah"]) - np.asarray(steps["discharging_capacity_ah"]))
    mean = np.divide(SECONDS_PER_HOUR * charge, seconds, out=np.zeros(len(seconds)), where=seconds > 0.0)
    wrong = mean > most
    if not wrong.any():
        return ()
    words = (
        f"{np.count_nonzero(wrong)} of {len(mean)} steps beyond what the cell's model is valid for, "
        f"{1e3 * record.largest_current:.4g} mA: up to {1e3 * mean[wrong].max():.4g} mA, where it is compared with nothing"
    )
    return (words,)


def default_analyses(plan: Plan) -> list[tuple[str, Mapping[str, str]]]:
    """Return what the protocol asks for, or what its cell's kind suggests."""
    if plan.analyses:
        detailed = {name for name, options in plan.analyses if options}  # a used file's plain one gives way
        return [(name, options) for name, options in plan.analyses if options or name not in detailed]
    return [("life", {})] if plan.cell.kind == "symmetric" else [("capacity", {})]
