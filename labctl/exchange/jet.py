"""Tables of a Microsoft Access database (Jet 4 and ACE), of which other makers' programs write some: numbers as columns, few texts.

The format is not published; the facts are those of mdbtools' description of it. Tables are found by the columns that they have, so
no catalogue is read. Numbers of a fixed size are taken from all rows at once; what a table says of its number of rows must be true.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labctl.exchange.vendor_test import VendorFileError
from labctl.sample import Floats

PAGE: Final = 4096
MAGIC: Final = (b"Standard Jet DB", b"Standard ACE DB")
JET4: Final = 1  # and above: pages of 4096 bytes
DATA, DEFINITION = 1, 2  # kinds of pages
DELETED, ELSEWHERE, PLACE = 0x8000, 0x4000, 0x1FFF  # in the offset of a row
FIXED: Final = {2: "u1", 3: "<i2", 4: "<i4", 5: "<i8", 6: "<f4", 7: "<f8", 8: "<f8"}
"""Types of numbers and dates by their code."""
TEXT: Final = 10
FIRST_INDEX: Final = 63  # byte of a definition behind which its indexes stand, 12 bytes each, and then its columns
COLUMN: Final = 25  # bytes of a column's definition
OF_INDEX: Final = 12
CHAIN: Final = 8  # bytes before what goes on on the next page of a definition


@dataclass(frozen=True, slots=True)
class JetColumn:
    """A column: its code of a type, its number, its place among those of a variable size, and its byte among the fixed ones."""

    kind: int
    number: int
    variable: int
    offset: int
    fixed: bool


@dataclass(frozen=True, slots=True)
class JetTable:
    """A table: its number of rows as it says, its columns by name, and where its rows begin and end in the file."""

    rows: int
    columns: dict[str, JetColumn]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]


class JetFile:
    """A database in memory.

    Args:
        data: Of the whole file.
        name: Of the file, for messages.

    Raises:
        VendorFileError: It is no whole database of a version that is known.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self.data, self.name = data, name
        if len(data) % PAGE or len(data) < 2 * PAGE:
            raise VendorFileError(
                f"{name}: wanted whole pages of {PAGE} bytes, found {len(data)} bytes: it was cut off"
            )
        if data[0x14] < JET4:
            raise VendorFileError(f"{name}: wanted a database of Access 2000 or later, found an older one: convert it")
        self._bytes = np.frombuffer(data, np.uint8)
        self._kinds = self._bytes[::PAGE]
        self._owners = np.frombuffer(data, "<u4").reshape(-1, PAGE // 4)[:, 1]

    def table(self, *columns: str) -> JetTable:
        """Return the table that has these columns, those of the data of a test for example.

        Raises:
            VendorFileError: There is none, or it lacks rows.
        """
        found = self._find(columns)
        if found is None:
            raise VendorFileError(f"{self.name}: wanted a table with {', '.join(columns)}, found none")
        page, rows, known = found
        begins, ends = self._rows(page)
        if len(begins) != rows:
            raise VendorFileError(
                f"{self.name}: wanted {rows} rows with {columns[0]}, found {len(begins)}: it was cut off or is damaged"
            )
        return JetTable(rows, known, begins, ends)

    def count(self, *columns: str) -> int:
        """Return how many rows the table with these columns says that it has, 0 where there is none."""
        found = self._find(columns)
        return 0 if found is None else found[1]

    def _find(self, columns: Sequence[str]) -> tuple[int, int, dict[str, JetColumn]] | None:
        """Return the page of the first table with these columns, its number of rows and all of its columns."""
        for page in np.flatnonzero(self._kinds == DEFINITION).tolist():
            if (found := self._definition(page)) is not None and set(columns) <= found[1].keys():
                return page, *found
        return None

    def numbers(self, table: JetTable, name: str) -> Floats:
        """Return a column of numbers or dates of all rows.

        Raises:
            VendorFileError: It is none.
        """
        column = table.columns.get(name)
        if column is None or column.kind not in FIXED or not column.fixed:
            raise VendorFileError(f"{self.name}: wanted a column of numbers {name}, found {column or 'none'}")
        kind = np.dtype(FIXED[column.kind])
        places = table.begins[:, None] + 2 + column.offset + np.arange(kind.itemsize)
        if len(places) and int(places.max()) >= len(self.data):
            raise VendorFileError(f"{self.name}: wanted {name} within the file, found it beyond: it is damaged")
        with np.errstate(invalid="ignore"):  # what is no number stays none
            return np.ascontiguousarray(self._bytes[places]).view(kind)[:, 0].astype(np.float64)

    def text(self, table: JetTable, row: int, name: str) -> str:
        """Return a text of one row, "" where there is none."""
        column = table.columns.get(name)
        if column is None or column.kind != TEXT:
            return ""
        record = self.data[int(table.begins[row]) : int(table.ends[row])]
        (count,) = struct.unpack_from("<H", record)
        last = len(record) - (count + 7) // 8 - 2
        (variables,) = struct.unpack_from("<H", record, last)
        if column.variable >= variables:
            return ""
        at = last - 2 * (column.variable + 1)
        end, begin = struct.unpack_from("<HH", record, at - 2)
        raw = record[begin:end]
        return raw[2:].decode("latin-1") if raw[:2] == b"\xff\xfe" else raw.decode("utf-16-le", "replace")

    def _rows(self, page: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        pairs = list(self._of_pages(page))
        return np.array([begin for begin, _ in pairs], np.int64), np.array([end for _, end in pairs], np.int64)

    def _of_pages(self, page: int) -> Iterator[tuple[int, int]]:
        for there in np.flatnonzero((self._kinds == DATA) & (self._owners == page)).tolist():
            (count,) = struct.unpack_from("<H", self.data, there * PAGE + 12)
            if 14 + 2 * count > PAGE:
                raise VendorFileError(
                    f"{self.name}: wanted a page of rows at {there * PAGE}, found {count} rows: damaged"
                )
            end = PAGE
            for offset in struct.unpack_from(f"<{count}H", self.data, there * PAGE + 14):
                begin = offset & PLACE
                if offset & ELSEWHERE and not offset & DELETED:
                    raise VendorFileError(
                        f"{self.name}: wanted rows on one page each, found one that goes on elsewhere"
                    )
                if not offset & DELETED:
                    yield there * PAGE + begin, there * PAGE + end
                end = begin

    def _definition(self, page: int) -> tuple[int, dict[str, JetColumn]] | None:
        """Return the number of rows and the columns of the table that is defined on a page; None where none begins there."""
        try:
            data = self._chained(page)
            (rows,) = struct.unpack_from("<I", data, 16)
            columns, indexes = struct.unpack_from("<H4xI", data, 45)
            at = FIRST_INDEX + OF_INDEX * indexes
            found = [self._column(data, at + COLUMN * number) for number in range(columns)]
            at += COLUMN * columns
            names = []
            for _ in range(columns):
                (size,) = struct.unpack_from("<H", data, at)
                names.append(data[at + 2 : at + 2 + size].decode("utf-16-le"))
                at += 2 + size
        except (struct.error, IndexError, UnicodeDecodeError):
            return None
        return rows, dict(zip(names, found, strict=True))

    @staticmethod
    def _column(data: bytes, at: int) -> JetColumn:
        kind, number, variable = struct.unpack_from("<B4xHH", data, at)
        flags, offset = data[at + 15], struct.unpack_from("<H", data, at + 21)[0]
        return JetColumn(kind, number, variable, offset, bool(flags & 1))

    def _chained(self, page: int) -> bytes:
        """Return a definition with what of it stands on further pages."""
        data, seen = self.data[page * PAGE : (page + 1) * PAGE], {page}
        (following,) = struct.unpack_from("<I", data, 4)
        while following and following not in seen and (following + 1) * PAGE <= len(self.data):
            seen.add(following)
            part = self.data[following * PAGE : (following + 1) * PAGE]
            data += part[CHAIN:]
            (following,) = struct.unpack_from("<I", part, 4)
        return data
