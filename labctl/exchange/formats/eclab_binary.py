"""EC-Lab's binary files (`.mpr`): modules one after the other, of which one holds the rows.

The layout is not published. The facts here (sizes of headers, numbers of columns and their types) are those that readers of other
people found, checked against what a reader of other people makes of the same files (`make test-independent`).
"""

import struct
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from labctl.exchange.formats.eclab import recording_of
from labctl.exchange.vendor_test import VendorFileError, VendorTest
from labctl.sample import Floats

MAGIC: Final = b"BIO-LOGIC MODULAR FILE\x1a"
HEAD: Final = 52  # bytes before the first module
OLE_DAY_OF_UNIX: Final = 25569.0  # days from 1899-12-30 to 1970-01-01
FLAGS: Final = {1: ("mode", 0x03), 2: ("ox/red", 0x04), 3: ("error", 0x08), 21: ("control changes", 0x10),
                31: ("Ns changes", 0x20), 65: ("counter inc.", 0x80)}  # fmt: skip
"""Columns that share one byte: name and mask."""
TECHNIQUES: Final = {
    0x04: "Galvanostatic Cycling with Potential Limitation", 0x06: "Cyclic Voltammetry", 0x0B: "Open Circuit Voltage",
    0x18: "Chronoamperometry", 0x19: "Chronopotentiometry", 0x1D: "Potentio Electrochemical Impedance Spectroscopy",
    0x1E: "Galvano Electrochemical Impedance Spectroscopy", 0x6C: "Linear Sweep Voltammetry", 0x7F: "Modulo Bat",
}  # fmt: skip
NAMED: Final = {
    4: ("time/s", "<f8"), 6: ("Ewe/V", "<f4"), 7: ("dq/mA.h", "<f8"), 8: ("I/mA", "<f4"), 9: ("Ece/V", "<f4"),
    11: ("<I>/mA", "<f8"), 13: ("(Q-Qo)/mA.h", "<f8"), 24: ("cycle number", "<f8"), 32: ("freq/Hz", "<f4"),
    35: ("Phase(Z)/deg", "<f4"), 36: ("|Z|/Ohm", "<f4"), 37: ("Re(Z)/Ohm", "<f4"), 38: ("-Im(Z)/Ohm", "<f4"),
    39: ("I Range", "<u2"), 76: ("<I>/mA", "<f4"), 77: ("<Ewe>/V", "<f4"), 131: ("Ns", "<u2"), 174: ("<Ewe>/V", "<f4"),
    178: ("(Q-Qo)/C", "<f4"), 212: ("half cycle", "<u4"), 213: ("z cycle", "<u4"), 434: ("(Q-Qo)/C", "<f4"),
    462: ("Temperature/°C", "<f4"), 468: ("half cycle", "<u4"), 469: ("z cycle", "<u4"), 509: ("", "<u1"),
}  # fmt: skip
"""Columns that are taken over, and odd ones: name and type; "" is passed over."""
DOUBLES: Final = frozenset({23, 74, 123, 124, 125, 126, 211, 438, 467, 498, 499, 500, 501, 502})
SINGLES: Final = frozenset(
    {5, 16, 17, 19, 20, 26, 27, 33, 34, 69, 70, 75, 78, 96, 98, 99, 100, 101, 163, 168, 169, 172, 173, 179, 217, 218,
     220, 221, 223, 224, *range(230, 243), 271, 272, 301, 302, 331, 332, 361, 362, 391, 392, *range(422, 434), 435, 441,
     471, 473, 474, 476, 477, 479, 480, *range(486, 498), 505}
)  # fmt: skip
"""Further columns of four bytes that are passed over."""


class Module(NamedTuple):
    """One module: its short name, version and bytes."""

    name: str
    version: int
    data: bytes


def is_mpr(head: bytes) -> bool:
    """Tell whether a file is an EC-Lab binary."""
    return head.startswith(MAGIC)


def read(file: Path) -> list[VendorTest]:
    """Read one technique.

    Raises:
        VendorFileError: The file is cut short or damaged, or holds a column that is not known.
    """
    modules = {module.name: module for module in modules_of(file.read_bytes(), file.name)}
    if "VMP data" not in modules:
        raise VendorFileError(
            f"{file.name}: wanted a module with rows, found {', '.join(modules) or 'none'}: it was cut off"
        )
    settings = modules.get("VMP Set")
    technique = TECHNIQUES.get(settings.data[0], "") if settings and settings.data else ""
    columns = columns_of(modules["VMP data"], file.name)
    return [recording_of(columns, file.stem, file.name, technique, began(modules.get("VMP LOG")))]


def modules_of(data: bytes, name: str) -> list[Module]:
    """Return the modules of a file in order.

    Raises:
        VendorFileError: A header or a module ends before its length.
    """
    modules, at = [], HEAD
    while at < len(data):
        if data[at : at + 6] != b"MODULE" or len(data) < at + 57:
            raise VendorFileError(
                f"{name}: wanted a module at byte {at}, found something else: damaged or cut off there"
            )
        at += 6
        label, version = data[at : at + 10], 0
        length, version = struct.unpack_from("<II", data, at + 35)
        head = 51
        if length == 0xFFFFFFFF:  # from EC-Lab 11.50 on a length beyond four bytes may stand before it
            length, version = struct.unpack_from("<II", data, at + 39)
            head = 59
        begin = at + head
        if begin + length > len(data):
            raise VendorFileError(
                f"{name}: wanted {length} bytes of module {label.decode('ascii', 'replace').strip()}, found "
                f"{len(data) - begin}: the file was cut off; copy it again, or export it from EC-Lab as text"
            )
        modules.append(Module(label.decode("ascii", "replace").strip(), version, data[begin : begin + length]))
        at = begin + length
    return modules


def columns_of(module: Module, name: str) -> dict[str, Floats]:
    """Return the columns of the module with the rows, by EC-Lab's names.

    Raises:
        VendorFileError: Its version or one of its columns is not known, or it holds another number of rows than it says.
    """
    data = module.data
    rows, count = struct.unpack_from("<IB", data)
    numbers, begin = _numbers(module, count, name)
    fields, flags = _fields(numbers, name)
    dtype = np.dtype(fields)
    if len(data) - begin < rows * dtype.itemsize:
        found = (len(data) - begin) // dtype.itemsize
        raise VendorFileError(f"{name}: wanted {rows} rows, found {found}: the file was cut off while it was written")
    table = np.frombuffer(data, dtype=dtype, count=rows, offset=begin)
    columns = {field: table[field].astype(np.float64) for field, _ in fields if not field.startswith("~")}
    for field, mask in flags.items():
        columns[field] = (table["~flags"] & mask).astype(np.float64)
    return columns


def _numbers(module: Module, count: int, name: str) -> tuple[list[int], int]:
    """Return the numbers of the columns, and where the rows begin."""
    data = module.data
    if module.version == 0 and data[5]:
        return list(data[5 : 5 + count]), 100
    if module.version == 0:
        return list(struct.unpack_from(f">{count}H", data, 5)), 1007
    if module.version in {2, 3}:
        return list(struct.unpack_from(f"<{count}H", data, 5)), 405 + (module.version == 3)
    raise VendorFileError(
        f"{name}: wanted rows of version 0, 2 or 3, found {module.version}: export it from EC-Lab as text"
    )


def _fields(numbers: list[int], name: str) -> tuple[list[tuple[str, str]], dict[str, int]]:
    """Return names and types of what a row holds, those that are passed over with a tilde, and the flags by name."""
    fields: list[tuple[str, str]] = []
    flags: dict[str, int] = {}
    known: set[str] = set()
    for at, number in enumerate(numbers):
        if number in FLAGS:
            if not flags:
                fields.append(("~flags", "<u1"))
            flags[FLAGS[number][0]] = FLAGS[number][1]
            continue
        label, kind = NAMED.get(number, ("", "<f8" if number in DOUBLES else "<f4" if number in SINGLES else ""))
        if not kind:
            raise VendorFileError(
                f"{name}: wanted a column that is known, found number {number}: export it from EC-Lab as text"
            )
        fields.append((label if label and label not in known else f"~{at}", kind))
        known.add(label)
    return fields, flags


def began(log: Module | None) -> float | None:
    """Return when the acquisition began by the computer's clock, taken as UTC; None where no log says it."""
    if log is None:
        return None
    for at in (465, 469, 473, 585):  # where it stands differs between files
        if len(log.data) >= at + 8:
            day = struct.unpack_from("<d", log.data, at)[0]
            if 40000.0 < day < 60000.0:
                return float((day - OLE_DAY_OF_UNIX) * 86400.0)
    return None
