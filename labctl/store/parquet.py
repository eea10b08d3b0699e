"""Rows of `store.matrix` in a Parquet file, bit for bit."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from labctl.errors import StoreDamaged, UsageError
from labctl.sample import Floats
from labctl.store import schema
from labctl.store.matrix import ATTEMPT, QUALITY, RECORD, RUN, WIDTH

_INTEGERS = {RUN: "int32", RECORD: "int64", ATTEMPT: "int32", QUALITY: "int8"}


def pyarrow() -> Any:
    """Return pyarrow with its Parquet module.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import pyarrow  # noqa: ICN001, PLC0415 - an extra, and a fifth of a second
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise UsageError("Parquet needs pyarrow: pip install 'labctl[parquet]'") from error
    return pyarrow


def write_rows(file: Path, matrices: Iterable[Floats]) -> None:
    """Write rows to a new file, with the names of the table's columns."""
    arrow = pyarrow()
    kinds = [_INTEGERS.get(at, "float64") for at in range(WIDTH)]
    columns = arrow.schema(
        [arrow.field(name, getattr(arrow, kind)()) for name, kind in zip(schema.SAMPLE_COLUMNS, kinds, strict=True)]
    )
    with arrow.parquet.ParquetWriter(file, columns, compression="zstd") as writer:
        for matrix in matrices:
            arrays = [
                arrow.array(matrix[:, at].astype(kind), from_pandas=kind == "float64") for at, kind in enumerate(kinds)
            ]
            writer.write_table(arrow.table(arrays, schema=columns))


def read_rows(file: Path, first: int, last: int, page: int) -> Iterator[Floats]:
    """Give the rows from record `first` to `last` as matrices of at most `page` rows.

    Raises:
        StoreDamaged: The file is not there, or no longer what was written.
    """
    arrow = pyarrow()
    if not file.is_file():
        raise StoreDamaged(f"the archive {file} is not there; it holds the rows of an archived run")
    try:
        with arrow.parquet.ParquetFile(file) as opened:
            known = [name for name in schema.SAMPLE_COLUMNS if name in opened.schema_arrow.names]
            for batch in opened.iter_batches(batch_size=page, columns=known):
                rows = _matrix(batch)
                rows = rows[(rows[:, RECORD] >= first) & (rows[:, RECORD] <= last)]
                if len(rows):
                    yield rows
    except (arrow.ArrowException, OSError) as error:
        raise StoreDamaged(f"the archive {file} is not readable: {error}") from error


def _matrix(batch: Any) -> Floats:
    rows = np.full((batch.num_rows, WIDTH), np.nan)  # an archive of labctl 0.1 lacks the last columns
    for at, column in enumerate(batch.columns):
        rows[:, at] = column.to_numpy(zero_copy_only=False)
    rows[np.isnan(rows)] = np.nan  # one bit pattern for null, as the digests want it
    return rows
