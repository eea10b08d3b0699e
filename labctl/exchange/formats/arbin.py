"""Arbin's `.res` (MITS Pro): a database of Access with the rows of one or more tests, and one line about each test.

Currents are signed as ours. A file does not say what a step was: charge, discharge or rest by its mean current. Counters of charge
and energy begin again where the schedule says so.
"""

from pathlib import Path
from typing import Final

import numpy as np

from labctl.exchange.jet import MAGIC, JetFile, JetTable
from labctl.exchange.vendor_test import (
    Convention,
    Counts,
    VendorFileError,
    VendorTest,
    accumulated,
    changes,
    one_based,
    refuse_backwards,
    verbs_by_current,
)
from labctl.sample import Floats

ROWS: Final = ("Test_ID", "Data_Point", "Test_Time", "Step_Time", "Step_Index", "Cycle_Index", "Current", "Voltage")
COUNTERS: Final = ("Charge_Capacity", "Discharge_Capacity", "Charge_Energy", "Discharge_Energy")
TESTS: Final = ("Test_ID", "Channel_Index", "Start_DateTime", "Test_Name")
FACTS: Final = ("Creator", "Comments", "Schedule_File_Name", "Software_Version", "Serial_Number", "Item_ID")
LEFT_OUT: Final = {
    "auxiliary channels": ("Test_ID", "Data_Point", "Auxiliary_Index", "X"),
    "impedances": ("Test_ID", "Data_Point", "Cell_Index", "ACI"),
}
OLE_DAY_OF_UNIX: Final = 25569.0  # days from 1899-12-30 to 1970-01-01
DAY: Final = 86400.0
BEYOND: Final = 1e15  # of any unit: no count, time or charge of a test
RESTING: Final = 1e-3  # of the largest current of a test, below which a step rests


def is_res(head: bytes) -> bool:
    """Tell whether a file is a database of Access; whether Arbin wrote it is for the reader to say."""
    return head[4:].startswith(MAGIC)


def read(file: Path) -> list[VendorTest]:
    """Read each test.

    Raises:
        VendorFileError: The file is damaged or cut short, or is no recording of Arbin.
    """
    database = JetFile(file.read_bytes(), file.name)
    rows, tests = database.table(*ROWS, *COUNTERS), database.table(*TESTS)
    columns = {name: database.numbers(rows, name) for name in (*ROWS, *COUNTERS)}
    wrong = next((name for name, column in columns.items() if not (np.abs(column) < BEYOND).all()), "")
    if wrong:
        row = int(np.argmin(np.abs(columns[wrong]) < BEYOND)) + 1
        raise VendorFileError(
            f"{file.name}, row {row}: wanted a number for {wrong}, found {columns[wrong][row - 1]:g}: damaged"
        )
    order = np.lexsort((columns["Data_Point"], columns["Test_ID"]))
    columns = {name: column[order] for name, column in columns.items()}
    numbers = database.numbers(tests, "Test_ID")
    strange = sorted(set(columns["Test_ID"].tolist()) - set(numbers.tolist()))
    if strange:
        raise VendorFileError(f"{file.name}: wanted a line about test {strange[0]:g}, found none: it is damaged")
    return [
        _recording(
            {name: column[columns["Test_ID"] == number] for name, column in columns.items()}, database, tests, line
        )
        for line, number in enumerate(numbers.tolist())
    ]


def _recording(columns: dict[str, Floats], database: JetFile, tests: JetTable, line: int) -> VendorTest:
    name, time, current = database.name, columns["Test_Time"], columns["Current"]
    refuse_backwards(time, name)
    points = np.diff(columns["Data_Point"])
    notes = [f"{what} are left out" for what, table in LEFT_OUT.items() if database.count(*table)]
    if (points != 1.0).any():
        at = int(np.argmax(points != 1.0)) + 1
        notes.append(
            f"rows are missing: after point {columns['Data_Point'][at - 1]:g} comes {columns['Data_Point'][at]:g}"
        )
    conventions = [
        Convention("current", "A, positive charges", "A, the same sign"),
        Convention("step", "no kind: its index alone", "charge, discharge or rest by its mean current"),
        Convention("charge, energy", "counters that the schedule sets to 0", "counters of the run in each direction"),
    ]
    began = np.diff(columns["Step_Time"], prepend=np.inf) < 0.0
    segment = changes(columns["Step_Index"], columns["Cycle_Index"], np.cumsum(began))
    cycle = one_based(np.rint(columns["Cycle_Index"]).astype(np.int64), conventions)
    start = float(database.numbers(tests, "Start_DateTime")[line])
    facts = {each: database.text(tests, line, each) for each in FACTS}
    facts["Channel"] = f"{database.numbers(tests, 'Channel_Index')[line] + 1:g}"
    charged, discharged, charged_wh, discharged_wh = (accumulated(columns[counter]) for counter in COUNTERS)
    return VendorTest(
        database.text(tests, line, "Test_Name") or Path(name).stem, time, columns["Voltage"], current, segment,
        np.rint(columns["Step_Index"]).astype(np.int64), cycle, _verbs(current, segment),
        charged, discharged, charged_wh, discharged_wh, step_time=columns["Step_Time"],
        began=(start - OLE_DAY_OF_UNIX) * DAY, facts=facts, conventions=tuple(conventions), notes=tuple(notes),
    )  # fmt: skip


def _verbs(current: Floats, segment: Counts) -> Counts:
    """Return what each row's step is, by the mean current of the step."""
    if not len(current):
        return np.empty(0, np.int64)
    first = np.flatnonzero(np.diff(segment, prepend=0))
    mean = np.add.reduceat(current, first) / np.diff(first, append=len(current))
    threshold = RESTING * float(np.abs(current).max())
    return np.repeat(verbs_by_current(mean, threshold), np.diff(first, append=len(current)))
