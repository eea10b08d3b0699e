"""PalmSens' `.pssession` (PSTrace, MultiTrace): JSON in UTF-16, a measurement after the other, each with its arrays.

PalmSens publishes no schema. Names and units here are those of files that its own programs wrote; capitals differ between their
versions. An oxidation of the working electrode has a positive current. The imaginary part of an impedance is turned round.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from labctl.exchange.vendor_test import (
    VERBS,
    Convention,
    Counts,
    RecordedSpectrum,
    VendorFileError,
    VendorTest,
    refuse_backwards,
    steps_without_names,
)
from labctl.sample import Floats

HEAD: Final = "{".encode("utf-16-le")
KIND: Final = "PalmSens.DataFiles.SessionFile"
TIME, POTENTIAL, CURRENT, FREQUENCY, REAL, IMAGINARY, MEASURED = 0, 1, 2, 5, 7, 8, 30
UNITS: Final = {
    TIME: ("Time", 1.0), POTENTIAL: ("Volt", 1.0), CURRENT: ("MicroAmpere", 1e-6), FREQUENCY: ("Hertz", 1.0),
    REAL: ("ZRe", 1.0), IMAGINARY: ("ZIm", 1.0), MEASURED: ("Volt", 1.0),
}  # fmt: skip
"""Kinds of arrays that are taken over: their unit, and its factor to SI."""
TECHNIQUES: Final = {"cv": "cv", "lsv": "lsv", "ad": "hold", "pot": "", "ocp": "rest", "eis": "eis"}
"""By PalmSens' name what a step is; that of a chronopotentiometry is told by its current."""
TICKS: Final = 1e7  # a second, since the first day of the year 1
UNIX: Final = 62_135_596_800.0  # s from then to 1970


@dataclass(frozen=True, slots=True)
class Measured:
    """An array of a measurement: its kind, the channel that its description names, and its values in SI."""

    kind: int
    channel: str
    values: Floats


def is_pssession(head: bytes) -> bool:
    """Tell whether a file is a `.pssession`."""
    text = head[:512].decode("utf-16-le", "ignore")
    return head.lstrip(b"\xff\xfe").startswith(HEAD) and KIND in text


def read(file: Path) -> list[VendorTest]:
    """Read each measurement as a test.

    Raises:
        VendorFileError: The file is damaged or cut short, or holds a technique, unit or form that is not known.
    """
    name = file.name
    text = file.read_bytes().decode("utf-16", "replace")
    try:
        session, end = json.JSONDecoder().raw_decode(text)
    except ValueError as error:
        raise VendorFileError(f"{name}: wanted a whole session, found {error}: it was cut off or is damaged") from error
    if text[end:].strip("\ufeff\0 \r\n"):
        raise VendorFileError(f"{name}: wanted the end of the session at character {end}, found more: it is damaged")
    measurements = _of(session, "measurements", name)
    if not isinstance(measurements, list) or not measurements:
        raise VendorFileError(f"{name}: wanted measurements, found none")
    techniques = [_technique(each, name) for each in measurements]
    left_out = tuple(
        f"measurement {number} is left out: of {technique} a file has the difference of two currents, none of the cell"
        for number, technique in enumerate(techniques, 1)
        if technique not in TECHNIQUES
    )
    if len(left_out) == len(measurements):
        known = ", ".join(TECHNIQUES)
        raise VendorFileError(
            f"{name}: wanted a technique out of {known}, found {', '.join(techniques)}; {left_out[0]}"
        )
    return [
        _recording(each, technique, left_out, f"{name}, measurement {number}")
        for number, (each, technique) in enumerate(zip(measurements, techniques, strict=True), 1)
        if technique in TECHNIQUES
    ]


def _technique(measurement: Any, name: str) -> str:
    found = re.search(r"^METHOD_ID=(\w+)", str(_of(measurement, "method", name)), re.MULTILINE)
    return found.group(1).lower() if found else "none"


def _recording(measurement: Any, technique: str, left_out: tuple[str, ...], name: str) -> VendorTest:
    title = str(_of(measurement, "title", name))
    arrays = _arrays(_of(_of(measurement, "dataset", name), "values", name), name)
    channels = sorted({each.channel for each in arrays if each.channel})
    if len(channels) > 1:
        raise VendorFileError(f"{name} ({title}): wanted one channel, found {len(channels)}: save each by itself")
    conventions = (
        Convention("current", "uA, an oxidation is positive", "A, positive charges where the cathode is working"),
        Convention("impedance", "ZIm, positive where it is capacitive", "Im(Z), negative there")
        if technique == "eis"
        else Convention("charge", "of each scan by itself, in uC", "summed over the rows"),
    )
    ticks = _get(measurement, "utctimestamp")
    began = ticks / TICKS - UNIX if isinstance(ticks, int) else None
    facts = {"technique": technique, "device": str(_get(measurement, "deviceserial") or "")}
    if technique == "eis":
        row, count = np.empty(0), np.empty(0, np.int64)
        spectra = _spectra(arrays, name)
        return VendorTest(
            title, row, row, row, count, count, count, count, spectra=spectra, began=began, facts=facts,
            conventions=conventions, notes=left_out,
        )  # fmt: skip
    time, voltage, current, scan, notes = _rows(arrays, name)
    refuse_backwards(time, name)
    verb = np.full(len(time), VERBS.index(TECHNIQUES[technique] or "other"), np.int64)
    segment, cycle = scan, scan if technique == "cv" else np.zeros(len(time), np.int64)
    if not TECHNIQUES[technique]:
        segment, verb = steps_without_names(current, cycle)
    return VendorTest(
        title, time, voltage, current, segment, segment, cycle, verb, began=began, facts=facts, conventions=conventions,
        notes=(*left_out, *notes),
    )  # fmt: skip


def _arrays(listed: Any, name: str) -> list[Measured]:
    """Return the arrays of those kinds that are taken over, in SI.

    Raises:
        VendorFileError: One is in another unit, or holds what is no number.
    """
    arrays = []
    for each in listed:
        kind, words = _get(each, "arraytype"), str(_get(each, "description") or "")
        if kind not in UNITS:
            continue
        wanted, factor = UNITS[kind]
        unit = str(_get(_of(each, "unit", name), "type")).rpartition(".")[2]
        if unit != wanted:
            raise VendorFileError(f"{name}: wanted {words} in {wanted}, found {unit}")
        try:
            values = np.array([float(_get(value, "v")) for value in _of(each, "datavalues", name)]) * factor
        except (TypeError, ValueError) as error:
            raise VendorFileError(f"{name}: wanted numbers for {words}, found other: {error}") from error
        channel = re.search(r"channel\s*(\d+)", words)
        arrays.append(Measured(kind, channel.group(1) if channel else "", values))
    return arrays


def _rows(arrays: list[Measured], name: str) -> tuple[Floats, Floats, Floats, Counts, tuple[str, ...]]:
    """Return time, voltage, current, the scan of each row, and what a person should know."""
    times = [each.values for each in arrays if each.kind == TIME]
    voltages = [each.values for each in arrays if each.kind == MEASURED] or [
        each.values for each in arrays if each.kind == POTENTIAL
    ]
    currents = [each.values for each in arrays if each.kind == CURRENT] or [np.zeros(len(each)) for each in voltages]
    sizes = [[len(each) for each in column] for column in (voltages, currents)]
    if not times or not voltages or sizes[0] != sizes[1] or len(times[0]) not in {sizes[0][0], sum(sizes[0])}:
        found = f"{len(times)} of time, {sizes[0]} rows of potential and {sizes[1]} of current"
        raise VendorFileError(f"{name}: wanted as many rows of time, potential and current, found {found}")
    time, notes = times[0], list[str]()
    missing = sum(sizes[0]) - len(time)
    if missing:
        every = float(np.median(np.diff(time))) if len(time) > 1 else 0.0
        time = np.concatenate((time, time[-1] + every * np.arange(1, missing + 1)))
        notes.append(f"the time of the first scan alone is stored: rows after it are taken to go on every {every:g} s")
    scan = np.repeat(np.arange(1, len(voltages) + 1), sizes[0])
    return time, np.concatenate(voltages), np.concatenate(currents), scan, tuple(notes)


def _spectra(arrays: list[Measured], name: str) -> tuple[RecordedSpectrum, ...]:
    """Return the spectra: a new one begins where the frequency goes back towards its first."""
    columns = {each.kind: each.values for each in arrays}
    if len([each for each in arrays if each.kind == FREQUENCY]) > 1:
        raise VendorFileError(f"{name}: wanted one channel, found several: save each by itself")
    wanted = (TIME, FREQUENCY, REAL, IMAGINARY, POTENTIAL, CURRENT)
    sizes = {len(columns.get(kind, ())) for kind in wanted}
    if len(sizes) != 1 or not sizes.pop():
        raise VendorFileError(
            f"{name}: wanted as many points of time, frequency, impedance, potential and current, found others"
        )
    frequency = columns[FREQUENCY]
    step = np.diff(frequency)
    cuts = np.flatnonzero(step * (step[0] if len(step) else 0.0) < 0.0) + 1
    parts = [np.split(columns[kind], cuts) for kind in wanted]
    return tuple(
        RecordedSpectrum(-1, 0, np.maximum.accumulate(time), each, real, -imaginary, voltage, current)
        for time, each, real, imaginary, voltage, current in zip(*parts, strict=True)
    )


def _get(node: Any, key: str) -> Any:
    """Return the value of a key whatever its capitals, None where it is not there."""
    if not isinstance(node, Mapping):
        return None
    return next((value for name, value in node.items() if name.lower() == key), None)


def _of(node: Any, key: str, name: str) -> Any:
    value = _get(node, key)
    if value is None:
        raise VendorFileError(f"{name}: wanted {key}, found none: it is damaged, or of a version that is not known")
    return value
