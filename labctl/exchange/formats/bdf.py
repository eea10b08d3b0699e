"""Battery Data Format, as CSV or Parquet: machine names (`voltage_volt`) or preferred labels (`Voltage / V`).

Source: github.com/battery-data-alliance/battery-data-format; the sign of its current is ours, positive charges the cell. Files
are in use whose discharge has a positive current: where the words of the steps or the counters say so, it is turned round.
"""

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from labctl.exchange.table import as_floats, columns_of_parquet, decoded, read_text_table
from labctl.exchange.vendor_test import (
    VERBS,
    Convention,
    Counts,
    VendorFileError,
    VendorTest,
    accumulated,
    changes,
    one_based,
    refuse_backwards,
    split_by_sign,
    steps_without_names,
)
from labctl.sample import Floats

UNITS: Final = {
    "1": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0, "ms": 1e-3, "V": 1.0, "mV": 1e-3, "A": 1.0, "mA": 1e-3, "uA": 1e-6,
    "µA": 1e-6, "Ah": 1.0, "mAh": 1e-3, "Wh": 1.0, "mWh": 1e-3, "degC": 1.0, "°C": 1.0, "C": 1.0,
}  # fmt: skip
NAMES: Final = {
    "test time": "time", "unix time": "unix", "voltage": "voltage", "current": "current", "cycle count": "cycle",
    "step count": "count", "step index": "step", "step id": "step", "step type": "kind", "step time": "step_time",
    "charging capacity": "charge", "charge capacity": "charge", "discharging capacity": "discharge",
    "discharge capacity": "discharge", "charging energy": "charge_wh", "discharging energy": "discharge_wh",
    "charge energy": "charge_wh", "discharge energy": "discharge_wh", "surface temperature": "temperature",
    "surface temperature t1": "temperature", "temperature t1": "temperature", "step net capacity": "net_step",
    "step capacity": "step_charge", "labctl cycles completed": "completed",
    "ambient temperature": "aux:ambient_temperature_celsius",
}  # fmt: skip
MACHINE_UNITS: Final = ("second", "volt", "ampere", "ah", "wh", "celsius")
WORDS: Final = {
    "rest": "rest", "ocv": "rest", "charge": "charge", "discharge": "discharge", "hold": "hold", "strip": "charge",
    "plate": "discharge", "cv": "cv", "lsv": "lsv", "profile": "profile", "eis": "eis", "pause": "rest",
}  # fmt: skip


def is_bdf(head: bytes) -> bool:
    """Tell whether a text begins with the header of the format."""
    line = head.split(b"\n", 1)[0].decode("utf-8-sig", errors="replace").lower()
    return all(word in line for word in ("voltage", "current")) and ("test_time" in line or "test time" in line)


def read_csv(file: Path) -> list[VendorTest]:
    """Read a CSV file; tests that follow each other in it are several.

    Raises:
        VendorFileError: It lacks a column that is needed, a row is damaged, or its time goes back.
    """
    name, text = file.name, decoded(file.read_bytes(), file.name)
    lines = text.splitlines()
    table = read_text_table(lines, name, 0, ",", cut=not text.endswith("\n"))
    columns: dict[str, Any] = {}
    for header in table.header:
        key, factor = named(header)
        if key == "kind":
            columns[key] = np.array(table.texts(header), dtype=object)
        elif key:
            columns[key] = table.numbers(header, factor)
    notes = ("the last line has no end: the file may have been cut within it",) if table.cut else ()
    return _tests(columns, name, table.first_line, notes)


def read_parquet(file: Path) -> list[VendorTest]:
    """Read a Parquet file, as `read_csv`."""
    columns: dict[str, Any] = {}
    for header, values in columns_of_parquet(file).items():
        key, factor = named(header)
        if key == "kind":
            columns[key] = np.asarray(values, dtype=object)
        elif key:
            columns[key] = as_floats(values) * factor
    return _tests(columns, file.name, 1, ())


def named(header: str) -> tuple[str, float]:
    """Return what a header means here and the factor to labctl's unit; "" for what is not taken over.

    Raises:
        VendorFileError: Its unit is not known.
    """
    label, slash, unit = (part.strip() for part in header.partition("/"))
    words = label.lower().replace("_", " ").split()
    if not slash and words and words[-1] in MACHINE_UNITS:
        words = words[:-1]
    key = NAMES.get(" ".join(words), "")
    if not slash or not key or key == "kind":
        return key, 1.0
    if unit not in UNITS:
        raise VendorFileError(f"column {header!r}: wanted a unit out of {', '.join(UNITS)}, found {unit!r}")
    return key, UNITS[unit]


def _tests(columns: Mapping[str, Any], name: str, first_line: int, notes: tuple[str, ...]) -> list[VendorTest]:
    for key in ("time", "voltage", "current"):
        if key not in columns:
            raise VendorFileError(
                f"{name}: wanted a column of {key}, found {', '.join(columns) or 'none that is known'}"
            )
    time = columns["time"]
    begins = [0, *(np.flatnonzero((np.diff(time) < 0.0) & (time[1:] <= 0.01 * time[:-1])) + 1).tolist(), len(time)]
    tests = []
    for number, (first, end) in enumerate(pairwise(begins), 1):
        part = {key: values[first:end] for key, values in columns.items()}
        title = re.sub(r"\.(bdf\.)?(csv|parquet)$", "", name) + (f" test {number}" if len(begins) > 2 else "")
        tests.append(_recording(part, title, f"{name}", first_line + first, notes))
    return tests


def _recording(columns: Mapping[str, Any], title: str, name: str, line: int, notes: tuple[str, ...]) -> VendorTest:
    time: Floats = columns["time"]
    refuse_backwards(time, name, line)
    conventions: list[Convention] = []
    told = list(notes)
    current = _signed(columns, conventions)
    cycle = _whole(columns.get("cycle"), len(time))
    if "completed" not in columns:  # in labctl's own exports 0 is what lies outside of any cycle
        cycle = one_based(cycle, conventions)
    segment, verb = _steps(columns, current, cycle, told)
    charge, discharge = _capacities(columns, current, segment)
    unix = columns.get("unix")
    if unix is not None and np.isfinite(unix).all() and len(unix):
        back = np.flatnonzero(np.diff(unix) < 0.0)
        if len(back):
            told.append(f"the file's clock goes back at line {line + int(back[0]) + 1}; its test time is used")
    return VendorTest(
        title, time, columns["voltage"], current, segment,
        _whole(columns["step"], len(time)) if "step" in columns else segment, cycle, verb, charge, discharge,
        _counter(columns, "charge_wh"), _counter(columns, "discharge_wh"), columns.get("temperature"),
        columns.get("step_time"), {key[4:]: values for key, values in columns.items() if key.startswith("aux:")},
        began=float(unix[0] - time[0]) if unix is not None and len(unix) and np.isfinite(unix[0]) else None,
        conventions=tuple(conventions), notes=tuple(told),
    )  # fmt: skip


def _whole(values: Floats | None, count: int) -> Counts:
    if values is None:
        return np.zeros(count, np.int64)
    return np.nan_to_num(values).astype(np.int64)


def _counter(columns: Mapping[str, Any], key: str) -> Floats | None:
    values = columns.get(key)
    return None if values is None or not np.isfinite(values).all() else accumulated(values)


def _capacities(columns: Mapping[str, Any], current: Floats, segment: Counts) -> tuple[Floats | None, Floats | None]:
    charge, discharge = _counter(columns, "charge"), _counter(columns, "discharge")
    net = columns.get("net_step", columns.get("step_charge"))
    if (charge is None or discharge is None) and net is not None and np.isfinite(net).all():
        return split_by_sign(net, current > 0.0, segment)
    return (charge, discharge) if charge is not None and discharge is not None else (None, None)


def _verbs(columns: Mapping[str, Any]) -> Counts:
    words, places = np.unique(np.array([str(word or "").lower() for word in columns["kind"]]), return_inverse=True)
    table = np.array([VERBS.index(_verb(word)) for word in words.tolist()] or [0], dtype=np.int64)
    return table[places] if len(places) else np.empty(0, np.int64)


def _verb(word: str) -> str:
    if word in WORDS:
        return WORDS[word]
    if "dchg" in word or "discharge" in word:
        return "discharge"
    if "chg" in word or "charge" in word:
        return "charge"
    return "rest" if "rest" in word or "pause" in word else "other"


def _steps(columns: Mapping[str, Any], current: Floats, cycle: Counts, notes: list[str]) -> tuple[Counts, Counts]:
    """Return where steps begin and what they are."""
    numbered = [_whole(columns[key], len(cycle)) for key in ("count", "step") if key in columns][:1]
    if "kind" in columns:
        verb = _verbs(columns)
        return changes(*numbered, verb, cycle), verb
    alone, verb = steps_without_names(current, cycle)
    if not numbered:
        notes.append("the file knows no steps: one lasts while the current keeps its sign")
        return alone, verb
    segment = changes(*numbered, cycle)
    return segment, _verb_by_segment(segment, verb)


def _verb_by_segment(segment: Counts, verb: Counts) -> Counts:
    """Return for each row the verb that most rows of its step have."""
    table = np.zeros((int(segment.max(initial=0)) + 1, len(VERBS)), dtype=np.int64)
    np.add.at(table, (segment, verb), 1)
    most: Counts = table.argmax(axis=1)
    return most[segment]


def _signed(columns: Mapping[str, Any], conventions: list[Convention]) -> Floats:
    """Return the current with our sign, by what else the file says of its direction."""
    current: Floats = columns["current"]
    agree, against = 0, 0
    if "kind" in columns:
        verb = _verbs(columns)
        charging, discharging = verb == VERBS.index("charge"), verb == VERBS.index("discharge")
        agree = int(np.sum(charging & (current > 0.0)) + np.sum(discharging & (current < 0.0)))
        against = int(np.sum(charging & (current < 0.0)) + np.sum(discharging & (current > 0.0)))
    if against <= agree:
        conventions.append(Convention("current", "positive charges", "the same"))
        return current
    if not agree:
        conventions.append(
            Convention("current", "positive discharges, as its steps say", "positive charges: turned round")
        )
        return -current
    verb = _verbs(columns)
    conventions.append(Convention("current", "without a sign", "positive charges: by the kind of each step"))
    return np.where(verb == VERBS.index("discharge"), -np.abs(current), np.abs(current))
