"""Held against stored curves of PyBaMM's single-particle model, 300 shells, tolerances 1e-8 (benchmarks/reference)."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labctl_simulators.cell import Cell, Current, Rest, Stop, Voltage
from labctl_simulators.cell.electrolyte import Electrolyte, Layer
from labctl_simulators.cell.insertion import Insertion
from labctl_simulators.models import load_model

CURVES = np.load(Path(__file__).parents[3] / "benchmarks" / "reference" / "curves.npz")
NOMINAL = {"marquis2019": 0.680616, "chen2020": 5.0}
LOW = {"marquis2019": 3.105, "chen2020": 2.5}


def discharge(cell, name, rate):
    stop = Stop("voltage", False, LOW[name])
    return cell.segment(cell.initial(), Current(-NOMINAL[name] * rate), np.inf, (stop,))


def error(segment, key):
    times, voltage = CURVES[f"{key}_time"], CURVES[f"{key}_voltage"]
    inside = (times > 0.0) & (times <= segment.end)
    return segment.rows(times[inside]).voltage - voltage[inside]


@pytest.mark.parametrize(
    ("name", "rate"),
    [("marquis2019", rate) for rate in (0.1, 0.5, 1.0, 2.0, 3.0)] + [("chen2020", r) for r in (0.1, 0.5, 1.0, 2.0)],
)
def test_constant_current_within_a_tenth_of_a_millivolt(name, rate):
    segment = discharge(load_model(name), name, rate)
    key = f"{name}_spm_{rate}"
    assert np.abs(error(segment, key)).max() < 1e-4
    assert abs(segment.end - CURVES[f"{key}_end"]) < 0.05


def test_pulses_within_a_tenth_of_a_millivolt():
    cell = load_model("marquis2019")
    state, begin = cell.initial(), 0.0
    times, voltage = CURVES["marquis2019_gitt_time"], CURVES["marquis2019_gitt_voltage"]
    worst = 0.0
    for _ in range(25):
        for drive, duration in ((Current(-NOMINAL["marquis2019"] / 10), 600.0), (Rest(), 3600.0)):
            segment = cell.segment(state, drive, duration)
            inside = (times > begin) & (times < begin + duration)
            worst = max(worst, np.abs(segment.rows(times[inside] - begin).voltage - voltage[inside]).max())
            state, begin = segment.state(duration), begin + duration
    assert worst < 1e-4


def test_a_cycle_with_a_held_voltage():
    cell, state = load_model("marquis2019"), load_model("marquis2019").initial()
    nominal = NOMINAL["marquis2019"]
    drives = (
        (Current(-nominal), Stop("voltage", False, 3.105)),
        (Current(nominal), Stop("voltage", True, 4.1)),
        (Voltage(4.1), Stop("current", False, nominal / 20)),
    )
    for index, (drive, stop) in enumerate(drives):
        segment = cell.segment(state, drive, np.inf, (stop,))
        times = CURVES[f"marquis2019_cycle_{index}_time"]
        assert segment.end == pytest.approx(times[-1], abs=0.05 if index < 2 else 1e-3 * times[-1])
        inside = (times > 0.0) & (times < segment.end)
        rows = segment.rows(times[inside])
        assert np.abs(rows.voltage - CURVES[f"marquis2019_cycle_{index}_voltage"][inside]).max() < 1e-4
        assert np.abs(rows.current - CURVES[f"marquis2019_cycle_{index}_current"][inside]).max() < 2e-3 * nominal
        state = segment.state(segment.end)


def with_salt():
    parameters = load_model("marquis2019").chemistry.parameters
    electrolyte = Electrolyte(
        positive=Layer(100e-6, 0.3, conductivity=10.0 * 0.5**1.5),
        separator=Layer(25e-6, 1.0),
        negative=Layer(100e-6, 0.3, conductivity=100.0 * 0.6**1.5),
        area=0.207 * 0.137,
        concentration=1000.0,
        diffusivity=5.34e-10 * np.exp(-0.65),
        conductivity=0.0911 + 1.9101 - 1.052 + 0.1554,
        transference=0.4,
    )
    return Cell(Insertion(replace(parameters, electrolyte=electrolyte)))


@pytest.mark.parametrize(("rate", "rms"), [(0.1, 1e-4), (1.0, 0.5e-3), (2.0, 1.5e-3), (3.0, 2.5e-3)])
def test_electrolyte_modes_follow_the_model_with_electrolyte(rate, rms):
    found = error(discharge(with_salt(), "marquis2019", rate), f"marquis2019_spme_{rate}")
    assert np.sqrt(np.mean(found**2)) < rms
