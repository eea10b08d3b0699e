"""Tables of other makers as columns: text with a separator, or Parquet; a row that is cut short is refused with its line."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from labctl.exchange.vendor_test import Counts, VendorFileError
from labctl.sample import Floats

NOTHING: Final = frozenset({"", "nan", "NaN", "None", "null", "--", "N/A"})


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table of text.

    Attributes:
        name: Of the file, for messages.
        header: Names of the columns.
        columns: Cells, column by column.
        first_line: Line of the first row in the file, from 1.
        cut: The last line has no end: the file may have been cut within it.
    """

    name: str
    header: tuple[str, ...]
    columns: tuple[tuple[str, ...], ...]
    first_line: int
    cut: bool = False

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.columns[0]) if self.columns else 0

    def has(self, name: str) -> bool:
        """Tell whether there is such a column."""
        return name in self.header

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the cells of a column, as they stand.

        Raises:
            VendorFileError: There is no such column.
        """
        if name not in self.header:
            raise VendorFileError(f"{self.name}: wanted a column {name!r}, found {', '.join(self.header)}")
        return self.columns[self.header.index(name)]

    def numbers(self, name: str, factor: float = 1.0) -> Floats:
        """Return a column as numbers, NaN where a cell is empty.

        Raises:
            VendorFileError: A cell holds no number; the message has its line.
        """
        cells = self.texts(name)
        try:
            return np.array([np.nan if cell in NOTHING else float(cell) for cell in cells]) * factor
        except ValueError:
            row, cell = next((at, cell) for at, cell in enumerate(cells) if cell not in NOTHING and not is_number(cell))
            line = self.first_line + row
            raise VendorFileError(f"{self.name}, line {line}: wanted a number for {name!r}, found {cell!r}") from None

    def counts(self, name: str) -> Counts:
        """Return a column as whole numbers; an empty cell is refused."""
        values = self.numbers(name)
        if not np.isfinite(values).all():
            line = self.first_line + int(np.argmin(np.isfinite(values)))
            raise VendorFileError(f"{self.name}, line {line}: wanted a whole number for {name!r}, found none")
        return np.rint(values).astype(np.int64)


def is_number(cell: str) -> bool:
    """Tell whether a cell reads as a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def read_text_table(lines: Sequence[str], name: str, at: int, separator: str, *, cut: bool) -> TextTable:
    """Read a table whose header is the line at an index.

    Args:
        lines: Of the whole file, without their ends.
        name: Of the file, for messages.
        at: Index of the header.
        separator: Between cells.
        cut: The file does not end with the end of a line.

    Raises:
        VendorFileError: A row has another number of cells than the header: the file was cut or damaged there.
    """
    header = tuple(cell.strip() for cell in next(csv.reader([lines[at]], delimiter=separator)))
    rows = [row for row in csv.reader(lines[at + 1 :], delimiter=separator) if row]
    wanted = len(header)
    ragged = next((number for number, row in enumerate(rows) if len(row) != wanted), None)
    if ragged is not None:
        where = f"{name}, line {at + 2 + ragged}"
        cause = "the file was cut off there" if ragged == len(rows) - 1 else "the line is damaged"
        raise VendorFileError(
            f"{where}: wanted {wanted} cells, found {len(rows[ragged])}: {cause}; nothing was imported"
        )
    columns = tuple(tuple(cell.strip() for cell in column) for column in zip(*rows, strict=True))
    return TextTable(name, header, columns or ((),) * wanted, at + 2, cut)


def decoded(data: bytes, name: str) -> str:
    """Return the text of a file in UTF-8, UTF-16 with its mark, or else Windows' Western encoding.

    Raises:
        VendorFileError: It is no text.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16")
    if b"\0" in data[:4096]:
        raise VendorFileError(f"{name}: wanted a text file, found binary data")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def columns_of_parquet(file: Path) -> dict[str, Any]:
    """Return the columns of a Parquet file as arrays of numpy, texts as objects.

    Raises:
        UsageError: pyarrow is not installed.
        VendorFileError: The file is damaged or cut short.
    """
    from labctl.store.parquet import pyarrow  # noqa: PLC0415 - an extra

    arrow = pyarrow()
    try:
        table = arrow.parquet.read_table(file)
    except (arrow.ArrowException, OSError) as error:
        raise VendorFileError(f"{file.name}: wanted a Parquet file, found one that does not read: {error}") from error
    return {field: table.column(field).to_numpy() for field in table.column_names}


def as_floats(values: Iterable[Any]) -> Floats:
    """Return any column as numbers, NaN for null."""
    array = np.asarray(values)
    if array.dtype == object:
        return np.array([np.nan if value is None else float(value) for value in array])
    return array.astype(np.float64)
