"""Text files of Maccor testers: `Rec#`, `Cyc#`, `Step`, times as `0d 00:00:05.1`, `Amp-hr`, `Amps`, `Volts`, `State`.

A current has no sign: the state says which way it flows. Charge and energy begin again with each step; cycles count from 0.
"""

import re
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from labctl.exchange.table import TextTable, decoded, is_number, read_text_table
from labctl.exchange.vendor_test import (
    VERBS,
    Convention,
    Counts,
    VendorFileError,
    VendorTest,
    changes,
    one_based,
    refuse_backwards,
    split_by_sign,
)
from labctl.sample import Floats

STATES: Final = {"R": "rest", "C": "charge", "D": "discharge", "P": "rest", "O": "rest", "S": "rest", "A": "profile"}
"""Rest, charge, discharge, pause, open circuit, suspended, simulation of a profile."""
NAMES: Final = {
    "time": ("TestTime", "Test (Sec)", "Test Time", "TestTime(s)"),
    "step_time": ("StepTime", "Step (Sec)", "Step Time"),
    "cycle": ("Cyc#", "Cycle P", "Cycle"),
    "step": ("Step",),
    "charge": ("Amp-hr", "Capacity"),
    "energy": ("Watt-hr", "Energy"),
    "current": ("Amps", "Current"),
    "voltage": ("Volts", "Voltage"),
    "state": ("State", "MD"),
    "stamp": ("DPt Time", "DPT Time"),
}
_SPAN: Final = re.compile(r"(?:(\d+)d\s+)?(\d+):(\d+):(\d+(?:\.\d*)?)$")
_TIMES: Final = ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S")


def is_maccor(head: bytes) -> bool:
    """Tell whether a text has the header of a Maccor export within its first lines."""
    return any(b"Rec" in line and b"Amps" in line and b"Volts" in line for line in head.split(b"\n")[:20])


def read(file: Path) -> list[VendorTest]:
    """Read one test.

    Raises:
        VendorFileError: A row is damaged or cut short, or its time goes back.
    """
    name, text = file.name, decoded(file.read_bytes(), file.name)
    lines = text.splitlines()
    at = next((at for at, line in enumerate(lines[:50]) if "Amps" in line and "Volts" in line), None)
    if at is None:
        raise VendorFileError(f"{name}: wanted a header with Rec#, Amps and Volts, found none")
    separator = "\t" if "\t" in lines[at] else ","
    table = read_text_table([line.rstrip(separator) for line in lines], name, at, separator, cut=False)
    facts = _facts(lines[:at])
    time = _seconds(table, "time")
    refuse_backwards(time, name, table.first_line)
    conventions = [
        Convention("current", "without a sign, the state C or D says which way", "positive charges"),
        Convention("charge, energy", "from 0 in each step, without a sign", "counters of the run in each direction"),
    ]
    state = table.texts(_name(table, "state"))
    verb = _verbs(state, table)
    segment = changes(table.counts(_name(table, "step")), verb, table.counts(_name(table, "cycle")))
    current = np.abs(table.numbers(_name(table, "current"))) * np.where(verb == VERBS.index("discharge"), -1.0, 1.0)
    charging = verb == VERBS.index("charge")
    charge = split_by_sign(table.numbers(_name(table, "charge")), charging, segment)
    energy = split_by_sign(table.numbers(_name(table, "energy")), charging, segment)
    notes = () if text.endswith("\n") else ("the last line has no end: the file may have been cut within it",)
    return [
        VendorTest(
            facts.get("Filename", file.stem), time, table.numbers(_name(table, "voltage")), current, segment,
            table.counts(_name(table, "step")), one_based(table.counts(_name(table, "cycle")), conventions), verb,
            *charge, *energy, step_time=_seconds(table, "step_time"), began=_began(table, time), facts=facts,
            conventions=tuple(conventions), notes=notes,
        )
    ]  # fmt: skip


def _name(table: TextTable, key: str) -> str:
    found = next((name for name in NAMES[key] if table.has(name)), None)
    if found is None:
        raise VendorFileError(
            f"{table.name}: wanted a column {' or '.join(NAMES[key])}, found {', '.join(table.header)}"
        )
    return found


def _facts(lines: list[str]) -> dict[str, str]:
    """Return what stands above the table, `Name: text` after each other."""
    cells = [cell.strip() for line in lines for cell in line.split("\t")]
    return {
        name.rstrip(":").strip(): text
        for name, text in pairwise(cells)
        if name.endswith(":") and text and not text.endswith(":")
    }


def _seconds(table: TextTable, key: str) -> Floats:
    """Return a column of times in s: `1d 02:03:04.5`, `02:03:04`, or a number of seconds."""
    name = _name(table, key)
    cells = table.texts(name)
    if not cells or is_number(cells[0]):
        return table.numbers(name)
    seconds = np.empty(len(cells))
    for row, cell in enumerate(cells):
        match = _SPAN.match(cell)
        if match is None:
            line = table.first_line + row
            raise VendorFileError(f"{table.name}, line {line}: wanted a time such as 0d 00:00:05.1, found {cell!r}")
        days, hours, minutes, rest = match.groups()
        seconds[row] = int(days or 0) * 86400 + int(hours) * 3600 + int(minutes) * 60 + float(rest)
    return seconds


def _verbs(state: tuple[str, ...], table: TextTable) -> Counts:
    known = {word: VERBS.index(STATES.get(word, "other")) for word in set(state)}
    strange = sorted(word for word in known if word not in STATES)
    if strange:
        line = table.first_line + state.index(strange[0])
        raise VendorFileError(
            f"{table.name}, line {line}: wanted a state out of {', '.join(STATES)}, found {strange[0]!r}: "
            "which way its current flows is not known"
        )
    return np.array([known[word] for word in state], dtype=np.int64)


def _began(table: TextTable, time: Floats) -> float | None:
    """Return when time 0 was, by the stamp of the first row: the tester's own clock, taken as UTC."""
    stamp = next((name for name in NAMES["stamp"] if table.has(name)), None)
    if stamp is None or not len(table):
        return None
    first = table.texts(stamp)[0]
    for pattern in _TIMES:
        try:
            return datetime.strptime(first, pattern).replace(tzinfo=UTC).timestamp() - float(time[0])
        except ValueError:
            continue
    return None
