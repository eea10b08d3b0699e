"""EC-Lab's text files (`.mpt`): `Nb header lines : N`, then a table with tabs; numbers with a point or a comma."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from labctl.exchange.formats.eclab import recording_of
from labctl.exchange.table import TextTable, read_text_table
from labctl.exchange.vendor_test import VendorFileError, VendorTest
from labctl.sample import Floats

MAGIC: Final = (b"EC-Lab ASCII FILE", b"BT-Lab ASCII FILE")
_LINES: Final = re.compile(r"Nb header lines\s*:\s*(\d+)")
_STARTED: Final = re.compile(r"Acquisition started on\s*:\s*(.+)")
_TIMES: Final = ("%m/%d/%Y %H:%M:%S.%f", "%m/%d/%Y %H:%M:%S", "%m-%d-%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S")


def is_mpt(head: bytes) -> bool:
    """Tell whether a file is an EC-Lab text."""
    return head.lstrip(b"\xef\xbb\xbf").startswith(MAGIC)


def read(file: Path) -> list[VendorTest]:
    """Read one technique.

    Raises:
        VendorFileError: The header is not there, a row is damaged or cut short, or its time goes back.
    """
    name, text = file.name, file.read_bytes().decode("cp1252", errors="replace")
    lines = text.splitlines()
    match = _LINES.search("\n".join(lines[:5]))
    if match is None or int(match[1]) > len(lines) or int(match[1]) < 1:
        raise VendorFileError(
            f"{name}: wanted `Nb header lines : N` and as many lines, found none: the file was cut off"
        )
    at = int(match[1]) - 1
    head = lines[:at]
    wide = [line.rstrip("\t") for line in lines]
    table = read_text_table(wide, name, at, "\t", cut=not text.endswith("\n"))
    columns = {header: _numbers(table, header) for header in table.header if header}
    technique = next((line.strip() for line in head[2:6] if line.strip()), "")
    recording = recording_of(columns, file.stem, name, technique, _began(head))
    return [recording]


def _numbers(table: TextTable, header: str) -> Floats:
    cells = table.texts(header)
    if any("," in cell for cell in cells[:3]):
        cells = tuple(cell.replace(",", ".") for cell in cells)
        table = TextTable(table.name, (header,), (cells,), table.first_line)
    if any(cell in {"True", "False"} for cell in cells[:1]):
        return np.array([float(cell == "True") for cell in cells])
    return table.numbers(header)


def _began(head: list[str]) -> float | None:
    """Return when the acquisition began by the computer's clock, taken as UTC; None where no line says it."""
    match = next((found for line in head if (found := _STARTED.search(line))), None)
    for pattern in _TIMES if match else ():
        try:
            return datetime.strptime(match[1].strip(), pattern).replace(tzinfo=UTC).timestamp() if match else None
        except ValueError:
            continue
    return None
