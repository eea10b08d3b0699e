"""The simulated cell beside the stored reference curves: PyBaMM with 300 shells and tolerances of 1e-8."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from labctl_simulators.cell import AtOpenCircuit, CellModel, CellState, Current, Stop, Voltage
from labctl_simulators.cell.drive import Drive
from labctl_simulators.models import load_model

NOMINAL = {"marquis2019": 0.680616, "chen2020": 5.0}
LOW = {"marquis2019": 3.105, "chen2020": 2.5}
RATES = {"marquis2019": (0.1, 0.5, 1.0, 2.0, 3.0), "chen2020": (0.1, 0.5, 1.0, 2.0)}
UPPER = {"marquis2019": 4.1, "chen2020": 4.2}
WARM = {"marquis2019": (1.0, 3.0), "chen2020": (0.5, 1.0)}
"""Rates at which sets are compared with the lumped thermal model."""
SALT_RATES = {"marquis2019": (0.1, 1.0, 2.0, 3.0), "chen2020": (0.1, 0.5, 1.0, 2.0)}


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """Hold a course of ours beside its reference, where both are defined.

    Attributes:
        times: s since the course began.
        voltage: ours, V.
        reference: V.
        end: s; where ours ended.
        reference_end: s; where the reference ended.
        current: ours, A.
        warmest: largest difference of the temperature, K.
    """

    times: np.ndarray
    voltage: np.ndarray
    reference: np.ndarray
    end: float
    reference_end: float
    current: np.ndarray
    warmest: float = 0.0

    @property
    def error(self) -> np.ndarray:
        """Return ours - reference, V."""
        return self.voltage - self.reference

    @property
    def largest(self) -> float:
        """Return the largest magnitude of the error, V."""
        return float(np.abs(self.error).max())

    @property
    def rms(self) -> float:
        """Return the root mean square of the error, V."""
        return float(np.sqrt(np.mean(self.error**2)))


@lru_cache(maxsize=1)
def curves() -> dict[str, np.ndarray]:
    """Return the stored arrays by name."""
    with np.load(Path(__file__).with_name("curves.npz")) as stored:
        return dict(stored)


def discharge(cell: CellModel, name: str, rate: float, kind: str = "spm") -> Compared:
    """Return a discharge at `rate` C; the first instant, in which the current is switched on, is left out."""
    key, stored = f"{name}_{kind}_{rate}", curves()
    stop = Stop("voltage", False, LOW[name])
    segment = cell.segment(cell.initial(), Current(-NOMINAL[name] * rate), np.inf, (stop,))
    times, reference = stored[f"{key}_time"], stored[f"{key}_voltage"]
    inside = (times > 0.0) & (times <= segment.end)
    rows = segment.rows(times[inside])
    end = float(stored[f"{key}_end"])
    return Compared(rows.time, rows.voltage, reference[inside], segment.end, end, rows.current)


def cycle(cell: CellModel) -> Iterator[Compared]:
    """Yield the parts of a cycle of marquis2019: discharge, charge, held voltage."""
    nominal, state = NOMINAL["marquis2019"], cell.initial()
    drives = (
        (Current(-nominal), Stop("voltage", False, LOW["marquis2019"])),
        (Current(nominal), Stop("voltage", True, 4.1)),
        (Voltage(4.1), Stop("current", False, nominal / 20)),
    )
    for index, (drive, stop) in enumerate(drives):
        segment = cell.segment(state, drive, np.inf, (stop,))
        times = curves()[f"marquis2019_cycle_{index}_time"]
        inside = (times > 0.0) & (times < segment.end)
        reference = curves()[f"marquis2019_cycle_{index}_voltage"][inside]
        rows = segment.rows(times[inside])
        yield Compared(rows.time, rows.voltage, reference, segment.end, float(times[-1]), rows.current)
        state = segment.state(segment.end)


def pulses(cell: CellModel) -> Compared:
    """Return 25 pulses of C/10 and 10 min on marquis2019, each with 1 h of rest."""
    times, reference = curves()["marquis2019_gitt_time"], curves()["marquis2019_gitt_voltage"]
    voltage, current = np.full(len(times), np.nan), np.full(len(times), np.nan)
    state, begin = cell.initial(), 0.0
    for _ in range(25):
        for drive, duration in ((Current(-NOMINAL["marquis2019"] / 10), 600.0), (AtOpenCircuit(), 3600.0)):
            segment = cell.segment(state, drive, duration)
            inside = (times > begin) & (times < begin + duration)
            rows = segment.rows(times[inside] - begin)
            voltage[inside], current[inside] = rows.voltage, rows.current
            state, begin = segment.state(duration), begin + duration
    return Compared(times, voltage, reference, begin, begin, current)


def plain(name: str) -> CellModel:
    """Return the single-particle model of a set, without the modes of its electrolyte."""
    return load_model(name, electrolyte=False)


def cold(cell: CellModel, key: str) -> Compared:
    """Return a discharge of marquis2019 at C/2 and 263.15 K; `key` is `cold` or, with electrolyte, `coldsalt`."""
    stored, name = curves(), f"marquis2019_{key}_0.5"
    stop = Stop("voltage", False, LOW["marquis2019"])
    state = cell.initial().at(temperature=263.15)
    segment = cell.segment(state, Current(-0.5 * NOMINAL["marquis2019"]), np.inf, (stop,))
    times = stored[f"{name}_time"]
    inside = (times > 0.0) & (times <= segment.end)
    rows = segment.rows(times[inside])
    reference = stored[f"{name}_voltage"][inside]
    return Compared(rows.time, rows.voltage, reference, segment.end, float(stored[f"{name}_end"]), rows.current)


def sine(cell: CellModel, state: CellState, frequency: float, samples: int = 200, periods: int = 12) -> complex:
    """Return the impedance in ohm that a small sine in the time domain gives, double layers included."""
    live = cell.layered(state)
    wave = np.exp(-2j * np.pi * np.arange(1, samples + 1) / samples)
    current = -1e-4 * np.tile(wave.imag, periods)
    voltage = np.array([live.ramp(float(value), 1.0 / (frequency * samples)) for value in current])
    end = voltage[-samples - 1]
    drift = end + (voltage[-1] - end) * np.arange(1, samples + 1) / samples
    return complex((voltage[-samples:] - drift) @ wave / (current[-samples:] @ wave))


def warm_discharge(name: str, rate: float) -> Compared:
    """Return a discharge at `rate` C of a set that heats itself, without the rest after it."""
    low = Stop("voltage", False, LOW[name])
    return next(_warm(name, f"{name}_warm_{rate}", [(Current(-NOMINAL[name] * rate), np.inf, (low,))]))


def warm_steps(name: str) -> Iterator[Compared]:
    """Yield the steps of half a discharge, a charge, a held voltage and a rest at 1C of a set that heats itself."""
    size, high = NOMINAL[name], UPPER[name]
    yield from _warm(name, f"{name}_warm_cycle", [
        (Current(-size), 1800.0, ()),
        (Current(size), np.inf, (Stop("voltage", True, high),)),
        (Voltage(high), np.inf, (Stop("current", False, size / 20),)),
        (AtOpenCircuit(), 1800.0, ()),
    ])  # fmt: skip


def _warm(name: str, key: str, programme: list[tuple[Drive, float, tuple[Stop, ...]]]) -> Iterator[Compared]:
    cell, stored = load_model(f"{name}-heat"), curves()
    state, begin = cell.initial(), 0.0
    for (drive, duration, stops), end in zip(programme, stored[f"{key}_ends"].tolist(), strict=False):
        segment = cell.segment(state, drive, duration, stops)
        times = stored[f"{key}_time"]
        inside = (times > begin) & (times < end) & (times - begin < segment.end)
        rows = segment.rows(times[inside] - begin)
        warmest = float(np.abs(rows.temperature - stored[f"{key}_temperature"][inside]).max())
        reference = stored[f"{key}_voltage"][inside]
        yield Compared(rows.time, rows.voltage, reference, segment.end, end - begin, rows.current, warmest)
        state, begin = segment.state(segment.end), end
