"""A run as a file for others: Battery Data Format as CSV or Parquet, or a plain CSV of the view's columns; with a sidecar.

Format: Battery Data Format, LF Energy, github.com/battery-data-alliance/battery-data-format (machine names as header). What
it has no name for is prefixed `labctl_`. A sidecar `FILE.metadata.json` has the protocol, the plan, the cell and the events.
"""

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import orjson
from numpy.typing import NDArray

from labctl.errors import StoreError, UsageError
from labctl.sample import Batch, Floats
from labctl.store.entry import Rows, Run
from labctl.store.parquet import pyarrow
from labctl.store.reader import Reader
from labctl.store.sidecar import metadata

Format: TypeAlias = Literal["bdf-csv", "bdf-parquet", "csv"]
Columns: TypeAlias = dict[str, NDArray[Any]]

FORMATS: tuple[Format, ...] = ("bdf-csv", "bdf-parquet", "csv")
BDF_AUXILIARY = frozenset(
    {"ambient_temperature_celsius", "ambient_pressure_pa", "applied_pressure_pa", "surface_pressure_pa"}
    | {f"temperature_t{number}_celsius" for number in range(1, 6)}
)
_INTEGERS = frozenset(
    {"record_index", "cycle_count", "step_count", "step_id", "labctl_attempt_id", "labctl_quality", "attempt_id"}
    | {"quality", "labctl_spectrum", "labctl_point"}
)
_TEXTS = frozenset({"step_type"})
_AUXILIARY = "auxiliary "  # before the name of a further quantity, inside this module
_ATTEMPTS = """
SELECT attempt_id, cycle_count, step_count, step_id, step_type, begun_test_time_second, step_time_second,
       step_begin_charging_ah, step_begin_discharging_ah, cycle_begin_charging_ah, cycle_begin_discharging_ah
FROM attempts WHERE run_id = :run"""


def export(
    reader: Reader, run: Run, file: Path, kind: Format = "bdf-csv", progress: Callable[[int], None] = lambda _: None
) -> list[Path]:
    """Write a run to a file, its spectra to one beside it, and its metadata to a sidecar; return the files.

    Args:
        reader: Of the store.
        run: One of its runs.
        file: Replaced when all is written.
        kind: One of `FORMATS`.
        progress: Called with the number of rows written so far.

    Raises:
        UsageError: No such format, or Parquet without pyarrow.
        StoreError: The file cannot be written.
    """
    if kind not in FORMATS:
        raise UsageError(f"wanted a format out of {', '.join(FORMATS)}, found {kind!r}")
    write = _write_parquet if kind == "bdf-parquet" else _write_csv
    pages = _counted((plain if kind == "csv" else bdf)(reader, run), progress)
    with _whole(file) as part:
        write(part, pages)
    files = [file]
    spectra = list(_spectra(reader, run))
    if spectra:
        stem, dot, ending = file.name.partition(".")
        beside = file.with_name(f"{stem}-spectra{dot}{ending}")
        with _whole(beside) as part:
            write(part, iter(spectra))
        files.append(beside)
    sidecar = file.with_name(file.name + ".metadata.json")
    with _whole(sidecar) as part:
        part.write_bytes(orjson.dumps(metadata(reader, run, kind), option=orjson.OPT_INDENT_2))
    return [*files, sidecar]


@contextmanager
def _whole(file: Path) -> Iterator[Path]:
    """Give a path to write to that becomes the file only when all went well."""
    part = file.with_name(f".{file.name}.part")
    try:
        yield part
        os.replace(part, file)  # noqa: PTH105 - Path.replace says the same
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def _counted(pages: Iterator[Columns], progress: Callable[[int], None]) -> Iterator[Columns]:
    total = 0
    for page in pages:
        yield page
        total += len(next(iter(page.values())))
        progress(total)


# --- columns ----------------------------------------------------------------------------------------------------------


def bdf(reader: Reader, run: Run) -> Iterator[Columns]:
    """Give a run as pages of columns with the names of the Battery Data Format."""
    for page in plain(reader, run):
        yield {_bdf_name(name): column for name, column in page.items()}


def _bdf_name(name: str) -> str:
    own = name.removeprefix(_AUXILIARY)
    ours = name in {"attempt_id", "quality"} or (own != name and own not in BDF_AUXILIARY)
    return f"labctl_{own}" if ours else own


def plain(reader: Reader, run: Run) -> Iterator[Columns]:
    """Give a run as pages of the columns of `v_samples`, auxiliary ones after them."""
    found = reader.query(_ATTEMPTS, run=run.run_id)
    attempts = {row[0]: row[1:] for row in found}
    names = [row[0] for row in reader.query(_NAMES, run=run.run_id)]
    for rows in reader.batches(run.run_id) if run.rows else [_none(run.run_id)]:  # a header even so
        page = _columns(rows, run.began_unix_time, attempts.get(rows.attempt_id, (None,) * 10))
        for name in names:
            column = rows.batch.auxiliary.get(name)
            page[_AUXILIARY + name] = np.full(len(rows.batch), np.nan) if column is None else column
        yield page


_NAMES = "SELECT DISTINCT name FROM auxiliary WHERE run_id = :run ORDER BY name"


def _columns(rows: Rows, began: float, attempt: Any) -> Columns:
    batch, count = rows.batch, len(rows.batch)
    cycle, step, line, verb = attempt[:4]
    numbers = [np.nan if value is None else float(value) for value in attempt[4:]]
    begun, spent, counters = numbers[0], numbers[1], numbers[2:]
    page: Columns = {
        "test_time_second": batch.time,
        "voltage_volt": batch.voltage,
        "current_ampere": batch.current,
        "unix_time_second": began + batch.time,
        "cycle_count": _repeated(cycle, count),
        "step_count": _repeated(step, count),
        "record_index": np.arange(rows.first_record, rows.first_record + count),
        "step_id": _repeated(line, count),
        "step_type": _repeated(verb, count),
        "step_time_second": np.full(count, np.nan)
        if begun is None
        else float(spent or 0.0) + (batch.time - float(begun)),
    }
    if batch.temperature_celsius is not None:
        page["surface_temperature_celsius"] = batch.temperature_celsius
    else:
        page["surface_temperature_celsius"] = np.full(count, np.nan)
    page["power_watt"] = batch.voltage * batch.current
    page |= _capacities(batch, counters)
    page["attempt_id"] = np.full(count, rows.attempt_id)
    page["quality"] = np.zeros(count, np.int64) if batch.quality is None else batch.quality.astype(np.int64)
    return page


def _capacities(batch: Batch, counters: Sequence[float]) -> dict[str, Floats]:
    charging = batch.time * 0.0 if batch.charging_ah is None else batch.charging_ah
    discharging = batch.time * 0.0 if batch.discharging_ah is None else batch.discharging_ah
    found: dict[str, Floats] = {}
    steps, cycles = (counters[0], counters[1]), (counters[2], counters[3])
    for prefix, (low, high) in (("", (0.0, 0.0)), ("step_", steps), ("cycle_", cycles)):
        plus, minus = charging - low, discharging - high
        found[f"{prefix}charging_capacity_ah"], found[f"{prefix}discharging_capacity_ah"] = plus, minus
        found[f"{prefix}net_capacity_ah"], found[f"{prefix}cumulative_capacity_ah"] = plus - minus, plus + minus
    return found


def _none(run_id: int) -> Rows:
    nothing = np.empty(0)
    return Rows(run_id, 0, 0, Batch(nothing, nothing, nothing, nothing, nothing))


def _repeated(value: object, count: int) -> NDArray[Any]:
    column = np.empty(count, dtype=object)
    column[:] = value
    return column


def _spectra(reader: Reader, run: Run) -> Iterator[Columns]:
    found = reader.query(_SPECTRA, run=run.run_id)
    names = (
        "test_time_second", "voltage_volt", "current_ampere", "unix_time_second", "cycle_count", "step_count",
        "frequency_hertz", "real_impedance_ohm", "imaginary_impedance_ohm", "labctl_spectrum", "labctl_point",
    )  # fmt: skip
    if found:
        columns = [np.array(column, dtype=object) for column in zip(*found, strict=True)]
        yield dict(zip(names, columns, strict=True))


_SPECTRA = """
SELECT test_time_second, voltage_volt, current_ampere, unix_time_second, cycle_count, step_count,
       frequency_hertz, real_impedance_ohm, imaginary_impedance_ohm, spectrum, point
FROM v_spectrum_points WHERE run_id = :run ORDER BY attempt_id, point"""

# --- files ------------------------------------------------------------------------------------------------------------


def _write_csv(file: Path, pages: Iterator[Columns]) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        for number, page in enumerate(pages):
            if number == 0:
                writer.writerow([name.removeprefix(_AUXILIARY) for name in page])
            writer.writerows(zip(*(_cells(column) for column in page.values()), strict=True))


def _cells(column: NDArray[Any]) -> list[object]:
    """Return a column's values, the shortest text that reads back to the same number, and nothing for null."""
    cells: list[object] = column.tolist()
    if column.dtype.kind == "f" and np.isnan(column).any():
        return [None if value != value else value for value in cells]  # noqa: PLR0124 - only NaN differs from itself
    return cells


def _write_parquet(file: Path, pages: Iterator[Columns]) -> None:
    arrow = pyarrow()
    writer = None
    try:
        for page in pages:
            fields = [arrow.field(name, _kind(arrow, name)) for name in page]
            arrays = [
                arrow.array(column, type=field.type, from_pandas=True)
                for field, column in zip(fields, page.values(), strict=True)
            ]
            table = arrow.table(arrays, schema=arrow.schema(fields))
            writer = writer or arrow.parquet.ParquetWriter(file, table.schema, compression="zstd")
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _kind(arrow: Any, name: str) -> Any:
    if name in _TEXTS:
        return arrow.string()
    return arrow.int64() if name in _INTEGERS else arrow.float64()
