"""A stored run as an analysis wants it, and the analyses that its protocol asks for."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from labctl.analysis.catalogue import ANALYSES
from labctl.analysis.record import Analysis, Column, Record, Table
from labctl.errors import UsageError
from labctl.plan.codec import plan_from_json
from labctl.plan.step import Plan
from labctl.sample import Batch
from labctl.store import schema
from labctl.store.entry import Run
from labctl.store.reader import Reader

Spectrum: TypeAlias = NDArray[np.complex128]
"""Impedance in ohm, one value a frequency, from high to low."""

TEXTS = frozenset({"step_type", "step_name", "end_reason", "end_text", "kind"})


def plan_of(reader: Reader, run: Run) -> Plan:
    """Return the plan of a run."""
    return plan_from_json(reader.plan(run.run_id))


def record_of(reader: Reader, run: Run) -> Record:
    """Return a run as its tables; samples are read when an analysis asks for them."""

    def rows(first: int, last: int) -> Batch:
        return reader.rows(run.run_id, first, last)

    results = reader.query("SELECT name, value, cycle_count FROM results WHERE run_id = :run", run=run.run_id)
    return Record(
        plan_of(reader, run).cell,
        table(reader, "steps", "step_count", run.run_id),
        table(reader, "cycles", "cycle_count", run.run_id),
        rows,
        tuple((str(name), float(value if value is not None else np.nan), int(cycle)) for name, value, cycle in results),
    )


def spectra_of(reader: Reader, run: Run) -> dict[int, Spectrum]:
    """Return the impedance spectra of a run by number; points without a value are left out."""
    points = reader.query(
        "SELECT spectrum, real_impedance_ohm, imaginary_impedance_ohm FROM v_spectrum_points WHERE run_id = :run "
        "AND real_impedance_ohm IS NOT NULL AND imaginary_impedance_ohm IS NOT NULL ORDER BY spectrum, point",
        run=run.run_id,
    )
    found: dict[int, list[complex]] = {}
    for number, real, imaginary in points:
        found.setdefault(int(number), []).append(complex(real, imaginary))
    return {number: np.array(values) for number, values in found.items()}


def table(reader: Reader, name: str, order: str, run_id: int) -> Table:
    """Return a table's rows of one run as columns: floats with NaN for null, integers, or texts."""
    rows = reader.query(f"SELECT * FROM {name} WHERE run_id = :run ORDER BY {order}", run=run_id)  # noqa: S608 - ours
    names = rows[0]._fields if rows else [found.name for found in schema.metadata.tables[name].columns]
    return {field: column(field, [row[at] for row in rows]) for at, field in enumerate(names)}


def column(name: str, values: Sequence[object]) -> Column:
    """Return one column."""
    if name in TEXTS:
        return np.array([value or "" for value in values], dtype=object)
    if all(isinstance(value, int) for value in values):
        return np.array(values, dtype=np.int64)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def analyse(record: Record, wanted: Sequence[tuple[str, Mapping[str, str]]]) -> list[Analysis]:
    """Carry analyses out.

    Raises:
        UsageError: One of them does not exist.
    """
    found = []
    for name, options in wanted:
        if name not in ANALYSES:
            raise UsageError(f"wanted an analysis out of {', '.join(sorted(ANALYSES))}, found {name!r}")
        try:
            found.append(ANALYSES[name](record, options))
        except ValueError as error:
            found.append(Analysis(name, flags=(str(error),)))
    return found


def default_analyses(plan: Plan) -> list[tuple[str, Mapping[str, str]]]:
    """Return what the protocol asks for, or what its cell's kind suggests."""
    if plan.analyses:
        return list(plan.analyses)
    return [("life", {})] if plan.cell.kind == "symmetric" else [("capacity", {})]
