"""A run as a file for others: Battery Data Format as CSV or Parquet, or a plain CSV of the view's columns; with a sidecar.

Format: Battery Data Format, LF Energy, github.com/battery-data-alliance/battery-data-format (machine names as header). What
it has no name for is prefixed `labctl_`. A sidecar `FILE.metadata.json` has the protocol, the plan, the cell and the events.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import orjson
from numpy.typing import NDArray

from labctl.errors import UsageError
from labctl.sample import Batch, Floats
from labctl.store import schema
from labctl.store.entry import StoredRows, StoredRun
from labctl.store.parquet import pyarrow
from labctl.store.reader import Reader
from labctl.store.sidecar import metadata
from labctl.store.whole_file import whole_file

Format: TypeAlias = Literal["bdf-csv", "bdf-parquet", "csv", "cycles", "steps", "impedance"]
Columns: TypeAlias = dict[str, NDArray[Any]]

FORMATS: tuple[Format, ...] = ("bdf-csv", "bdf-parquet", "csv")
TABLES: tuple[Format, ...] = ("cycles", "steps", "impedance")
PARQUET = frozenset({".parquet", ".pq"})
TEXT = frozenset({".csv", ".txt", ".dat", ".tsv"})
OTHERS = frozenset(
    {".xlsx", ".xls", ".ods", ".json", ".mat", ".h5", ".hdf5", ".feather", ".npy", ".npz", ".pkl", ".zip", ".gz", ".db"}
    | {".xml", ".html", ".pdf", ".nda", ".ndax", ".mpr", ".mpt", ".res"}
)  # endings by which a program is chosen that opens no text in columns
BDF_AUXILIARY = frozenset(
    {"ambient_temperature_celsius", "ambient_pressure_pa", "applied_pressure_pa", "surface_pressure_pa"}
    | {f"temperature_t{number}_celsius" for number in range(1, 6)}
)
_INTEGERS = frozenset(
    {"record_index", "cycle_count", "step_count", "step_id", "labctl_attempt_id", "labctl_quality", "attempt_id"}
    | {"quality", "labctl_spectrum", "labctl_point", "cycles_completed", "labctl_cycles_completed"}
)
_TEXTS = frozenset({"step_type"})
_AUXILIARY = "auxiliary "  # before the name of a further quantity, inside this module
_ATTEMPTS = """
SELECT attempt_id, cycle_count, cycles_completed, step_count, step_id, step_type, begun_test_time_second, step_time_second,
       step_begin_charging_ah, step_begin_discharging_ah, cycle_begin_charging_ah, cycle_begin_discharging_ah,
       step_begin_charging_wh, step_begin_discharging_wh, cycle_begin_charging_wh, cycle_begin_discharging_wh
FROM attempts WHERE run_id = :run"""


def format_of(file: Path) -> Format:
    """Return the format of a file by its name, where nobody named one."""
    return "bdf-parquet" if file.suffix.lower() in PARQUET else "bdf-csv"


def _see_ending(file: Path, kind: Format) -> None:
    """See that the name of a file does not say another format: the program that opens it by its ending would fail.

    Raises:
        UsageError: It does.
    """
    ending = file.suffix.lower()
    if ending in (OTHERS | TEXT if kind == "bdf-parquet" else OTHERS | PARQUET):
        wanted = f"{file.stem}.{'parquet' if kind == 'bdf-parquet' or ending in PARQUET else 'csv'}"
        hint = f"write -o {wanted}" if wanted != file.name else "leave --format out, or write bdf-parquet"
        if ending == ".xlsx":
            hint += ", which Excel opens"
        raise UsageError(f"wanted a file name that fits {kind}, found {file.name}: {hint}")


def export(
    reader: Reader,
    run: StoredRun,
    file: Path,
    kind: Format = "bdf-csv",
    progress: Callable[[int], None] = lambda _: None,
) -> list[Path]:
    """Write a run to a file, its spectra to one beside it, and its metadata to a sidecar; return the files.

    `cycles` and `steps` are those tables alone, as CSV with the columns of SQL; `impedance` is one file a spectrum of frequency,
    real and imaginary part without a header, from high to low, as programs that fit circuits read it.

    Args:
        reader: Of the store.
        run: One of its runs.
        file: Replaced when all is written.
        kind: One of `FORMATS` or `TABLES`.
        progress: Called with the number of rows written so far.

    Raises:
        UsageError: No such format, a file whose name ends as another's, or Parquet without pyarrow.
        StoreError: The file cannot be written.
    """
    if kind not in {*FORMATS, *TABLES}:
        raise UsageError(f"wanted a format out of {', '.join((*FORMATS, *TABLES))}, found {kind!r}")
    _see_ending(file, kind)
    if kind == "impedance":
        return _impedance(reader, run, file)
    if kind in TABLES:
        with whole_file(file) as part:
            _write_csv(part, iter([_table(reader, run, kind)]))
        return [file]
    write = _write_parquet if kind == "bdf-parquet" else _write_csv
    pages = _counted((plain if kind == "csv" else bdf)(reader, run), progress)
    with whole_file(file) as part:
        write(part, pages)
    files = [file]
    spectra = list(_spectra(reader, run))
    if spectra:
        stem, dot, ending = file.name.partition(".")
        beside = file.with_name(f"{stem}-spectra{dot}{ending}")
        with whole_file(beside) as part:
            write(part, iter(spectra))
        files.append(beside)
    sidecar = file.with_name(file.name + ".metadata.json")
    with whole_file(sidecar) as part:
        part.write_bytes(orjson.dumps(metadata(reader, run, kind), option=orjson.OPT_INDENT_2))
    return [*files, sidecar]


def _counted(pages: Iterator[Columns], progress: Callable[[int], None]) -> Iterator[Columns]:
    total = 0
    for page in pages:
        yield page
        total += len(next(iter(page.values())))
        progress(total)


# --- columns ----------------------------------------------------------------------------------------------------------


def bdf(reader: Reader, run: StoredRun) -> Iterator[Columns]:
    """Give a run as pages of columns with the names of the Battery Data Format."""
    for page in plain(reader, run):
        yield {_bdf_name(name): column for name, column in page.items()}


def _bdf_name(name: str) -> str:
    own = name.removeprefix(_AUXILIARY)
    ours = name in {"attempt_id", "quality", "cycles_completed"} or (own != name and own not in BDF_AUXILIARY)
    return f"labctl_{own}" if ours else own


def plain(reader: Reader, run: StoredRun) -> Iterator[Columns]:
    """Give a run as pages of the columns of `v_samples`, auxiliary ones after them."""
    attempt_rows = reader.query(_ATTEMPTS, run=run.run_id)
    attempts = {row[0]: row[1:] for row in attempt_rows}
    names = [row[0] for row in reader.query(_NAMES, run=run.run_id)]
    for rows in reader.batches(run.run_id) if run.rows else [_none(run.run_id)]:  # a header even so
        page = _columns(rows, run.began_unix_time, attempts.get(rows.attempt_id, (None,) * 15))
        for name in names:
            column = rows.batch.auxiliary.get(name)
            page[_AUXILIARY + name] = np.full(len(rows.batch), np.nan) if column is None else column
        yield page


_NAMES = "SELECT DISTINCT name FROM auxiliary WHERE run_id = :run ORDER BY name"


def _columns(rows: StoredRows, began: float, attempt: Any) -> Columns:
    batch, count = rows.batch, len(rows.batch)
    cycle, completed, step, line, verb = attempt[:5]
    numbers = [np.nan if value is None else float(value) for value in attempt[5:]]
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
    page |= _counters("capacity_ah", (batch.charging_ah, batch.discharging_ah), count, counters[:4])
    page |= _counters("energy_wh", (batch.charging_wh, batch.discharging_wh), count, counters[4:])
    page["cycles_completed"] = _repeated(completed, count)
    page["attempt_id"] = np.full(count, rows.attempt_id)
    page["quality"] = np.zeros(count, np.int64) if batch.quality is None else batch.quality.astype(np.int64)
    return page


def _counters(what: str, counters: Sequence[Floats | None], count: int, begins: Sequence[float]) -> Columns:
    """Return the columns of a pair of counters: in each direction, net and cumulative, of the run, the step and the cycle."""
    columns: Columns = {}
    charging, discharging = (np.full(count, np.nan) if counter is None else counter for counter in counters)
    for prefix, (low, high) in (("", (0.0, 0.0)), ("step_", begins[:2]), ("cycle_", begins[2:])):
        plus, minus = charging - low, discharging - high
        columns[f"{prefix}charging_{what}"], columns[f"{prefix}discharging_{what}"] = plus, minus
        columns[f"{prefix}net_{what}"], columns[f"{prefix}cumulative_{what}"] = plus - minus, plus + minus
    return columns


def _none(run_id: int) -> StoredRows:
    nothing = np.empty(0)
    return StoredRows(run_id, 0, 0, Batch(nothing, nothing, nothing, nothing, nothing))


def _repeated(value: object, count: int) -> NDArray[Any]:
    column = np.empty(count, dtype=object)
    column[:] = value
    return column


def _table(reader: Reader, run: StoredRun, name: str) -> Columns:
    """Return a table of a run as columns, in order."""
    columns = [column.name for column in schema.metadata.tables[name].columns if column.name != "run_id"]
    rows = reader.query(f"SELECT {', '.join(columns)} FROM {name} WHERE run_id = :run ORDER BY 1", run=run.run_id)  # noqa: S608
    cells = zip(*rows, strict=True) if rows else [()] * len(columns)
    return {name: np.array(values, dtype=object) for name, values in zip(columns, cells, strict=True)}


def _impedance(reader: Reader, run: StoredRun, file: Path) -> list[Path]:
    """Write each spectrum to a file of its own, numbered where there are several; return the files.

    Raises:
        UsageError: There is no spectrum.
    """
    spectra: dict[int, list[tuple[float, float, float]]] = {}
    for spectrum, *point in reader.query(_POINTS, run=run.run_id):
        spectra.setdefault(int(spectrum), []).append(tuple(point))
    if not spectra:
        raise UsageError(f"wanted a spectrum of run {run.run_id}, found none")
    files = []
    for number, points in spectra.items():
        named = file if len(spectra) == 1 else file.with_name(f"{file.stem}-{number}{file.suffix}")
        with whole_file(named) as part, part.open("w", encoding="utf-8", newline="") as opened:
            csv.writer(opened, lineterminator="\n").writerows(points)
        files.append(named)
    return files


_POINTS = """
SELECT spectrum, frequency_hertz, real_impedance_ohm, imaginary_impedance_ohm FROM v_spectrum_points
WHERE run_id = :run AND real_impedance_ohm IS NOT NULL AND imaginary_impedance_ohm IS NOT NULL
ORDER BY spectrum, frequency_hertz DESC, point"""


def _spectra(reader: Reader, run: StoredRun) -> Iterator[Columns]:
    points = reader.query(_SPECTRA, run=run.run_id)
    names = (
        "test_time_second", "voltage_volt", "current_ampere", "unix_time_second", "cycle_count", "step_count",
        "frequency_hertz", "real_impedance_ohm", "imaginary_impedance_ohm", "labctl_spectrum", "labctl_point",
    )  # fmt: skip
    if points:
        columns = [np.array(column, dtype=object) for column in zip(*points, strict=True)]
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
