"""What the columns of EC-Lab mean, of its text (`.mpt`) and binary files (`.mpr`) alike.

Signs are ours: an oxidation of the working electrode has a positive current. Impedance has its imaginary part turned round
(`-Im(Z)`). `(Q-Qo)` is the net charge since the begin; half cycles and loops count from 0.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from labctl.exchange.vendor_test import (
    VERBS,
    Convention,
    Counts,
    RecordedSpectrum,
    VendorFileError,
    VendorTest,
    changes,
    one_based,
    refuse_backwards,
    steps_without_names,
)
from labctl.sample import Floats

VOLTAGE: Final = ("Ewe/V", "<Ewe>/V", "|Ewe|/V")
CURRENT: Final = ("I/mA", "<I>/mA")
GALVANOSTATIC, POTENTIOSTATIC, RELAXING = 1, 2, 3  # column `mode`
Columns = Mapping[str, Floats]


def recording_of(columns: Columns, title: str, name: str, technique: str, began: float | None) -> VendorTest:
    """Return the test that the columns of one file hold: rows, and points of spectra apart.

    Args:
        columns: By EC-Lab's names.
        title: Of the test.
        name: Of the file, for messages.
        technique: EC-Lab's name of it, "" where it is not known.
        began: UTC of time 0, s.

    Raises:
        VendorFileError: There is no time or no voltage, or the time goes back.
    """
    if "time/s" not in columns:
        raise VendorFileError(f"{name}: wanted a column time/s, found {', '.join(columns)}")
    frequency = columns.get("freq/Hz", np.zeros(len(columns["time/s"])))
    rows = ~(frequency > 0.0)
    conventions = [
        Convention("current", "mA, an oxidation is positive", "A, positive charges where the cathode is working")
    ]
    table = {key: column[rows] for key, column in columns.items()}
    time = columns["time/s"]
    refuse_backwards(time, name)
    voltage = _first(table, VOLTAGE, name)
    current = _current(table)
    cycle = _cycles(table, len(voltage), conventions)
    segment, step, verb = _steps(table, current, cycle, technique)
    charge = _charge(table, conventions)
    spectra = _spectra(columns, rows, cycle, name)
    if spectra:
        conventions.append(Convention("impedance", "-Im(Z)", "Im(Z), negative where it is capacitive"))
    auxiliary = {"counter_electrode_volt": table["Ece/V"]} if np.any(table.get("Ece/V", np.zeros(1))) else {}
    return VendorTest(
        title, time[rows], voltage, current, segment, step, cycle, verb, *charge,
        temperature=table.get("Temperature/°C"), auxiliary=auxiliary, spectra=spectra, began=began,
        facts={"technique": technique}, conventions=tuple(conventions),
    )  # fmt: skip


def _first(columns: Columns, names: tuple[str, ...], name: str) -> Floats:
    found = next((each for each in names if each in columns), None)
    if found is None:
        raise VendorFileError(f"{name}: wanted a column {' or '.join(names)}, found {', '.join(columns)}")
    return columns[found]


def _current(columns: Columns) -> Floats:
    """Return the current in A; a technique at open circuit has none."""
    found = next((each for each in CURRENT if each in columns), None)
    return columns[found] * 1e-3 if found else np.zeros(len(columns["time/s"]))


def _charge(columns: Columns, conventions: list[Convention]) -> tuple[Floats | None, Floats | None]:
    net = next((columns[key] * factor for key, factor in _CHARGES if key in columns), None)
    if net is None or not np.isfinite(net).all():
        return None, None
    conventions.append(Convention("charge", "net, (Q-Qo)", "a counter in each direction, from its changes"))
    rise = np.diff(net, prepend=0.0)
    return np.cumsum(np.maximum(rise, 0.0)), np.cumsum(np.maximum(-rise, 0.0))


_CHARGES: Final = (("(Q-Qo)/mA.h", 1e-3), ("(Q-Qo)/C", 1.0 / 3600.0))


def _cycles(columns: Columns, count: int, conventions: list[Convention]) -> Counts:
    for key in ("z cycle", "cycle number"):
        if key in columns and np.ptp(columns[key]) > 0:
            return one_based(columns[key].astype(np.int64), conventions)
    if "half cycle" in columns and len(columns["half cycle"]):
        conventions.append(Convention("cycle", "half cycles from 0", "two of them are a cycle, from 1"))
        return columns["half cycle"].astype(np.int64) // 2 + 1
    return np.ones(count, dtype=np.int64)


def _steps(columns: Columns, current: Floats, cycle: Counts, technique: str) -> tuple[Counts, Counts, Counts]:
    """Return where steps begin, their numbers (`Ns`) and what they are."""
    alone, by_current = steps_without_names(current, cycle)
    step = columns["Ns"].astype(np.int64) if "Ns" in columns else np.zeros(len(current), np.int64)
    verb = by_current
    if "mode" in columns:
        mode = columns["mode"].astype(np.int64)
        held = "cv" if "Cyclic" in technique else "lsv" if "Linear" in technique else "hold"
        verb = np.where(mode == RELAXING, VERBS.index("rest"), by_current)
        verb = np.where(mode == POTENTIOSTATIC, VERBS.index(held), verb)
    half = columns.get("half cycle", alone)
    if "Ns" in columns:
        return changes(step, half, verb, cycle), step, verb
    return changes(half, verb, cycle), step, verb


def _spectra(columns: Columns, rows: np.ndarray, cycle: Counts, name: str) -> tuple[RecordedSpectrum, ...]:
    """Return the spectra: points that follow each other, a new one where the frequency goes back to its begin."""
    places = np.flatnonzero(~rows)
    if not len(places):
        return ()
    frequency = columns["freq/Hz"][places]
    falling = frequency[: min(len(frequency), 2)]
    down = len(falling) < 2 or falling[1] < falling[0]
    jump = np.diff(frequency) > 0.0 if down else np.diff(frequency) < 0.0
    far = np.abs(np.log(np.maximum(frequency[1:], 1e-12) / frequency[:-1])) > 1.0
    cuts = np.flatnonzero((np.diff(places) > 1) | (jump & far)) + 1
    before = np.cumsum(rows) - 1
    return tuple(_spectrum(columns, part, int(before[part[0]]), cycle, name) for part in np.split(places, cuts))


def _spectrum(columns: Columns, part: Counts, after: int, cycle: Counts, name: str) -> RecordedSpectrum:
    def column(key: str) -> Floats:
        return columns[key][part]

    if "Re(Z)/Ohm" in columns and "-Im(Z)/Ohm" in columns:
        real, imaginary = column("Re(Z)/Ohm"), -column("-Im(Z)/Ohm")
    elif "|Z|/Ohm" in columns and "Phase(Z)/deg" in columns:
        phase = np.deg2rad(column("Phase(Z)/deg"))
        real, imaginary = column("|Z|/Ohm") * np.cos(phase), column("|Z|/Ohm") * np.sin(phase)
    else:
        raise VendorFileError(f"{name}: wanted Re(Z) and -Im(Z), or |Z| and Phase(Z), found {', '.join(columns)}")
    current = _current({key: values[part] for key, values in columns.items()})
    where = int(cycle[after]) if 0 <= after < len(cycle) else 0
    return RecordedSpectrum(
        after,
        where,
        column("time/s"),
        column("freq/Hz"),
        real,
        imaginary,
        _first(columns, VOLTAGE, name)[part],
        current,
    )
