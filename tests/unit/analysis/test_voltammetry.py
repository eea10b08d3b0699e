"""Sweeps with known peaks, kinetics and shares: what is put in comes out within the stated error."""

import re
from dataclasses import replace

import numpy as np
import pytest

from labctl.analysis.catalogue import ANALYSES
from labctl.analysis.exchange import FARADAY, GAS, ROOM
from labctl.plan.step import CellFigures
from labctl.report.plots.sweeps import tafel
from labctl.sample import Batch

METAL = CellFigures("test", "symmetric", area=1e-4)
PEAKS = ((2.6, 0.06, 1.0), (3.2, 0.08, 0.6))  # V, V, part of the largest


def peaks(voltage):
    return sum(part * np.exp(-(((voltage - at) / width) ** 2)) for at, width, part in PEAKS)


def sweep(low, high, rate, current, falling=None):
    """Return the rows of a rising sweep, and a falling one behind it where its current is given."""
    up = np.linspace(low, high, 1500)
    parts = [(up, current(up))] + ([(up[::-1], falling(up[::-1]))] if falling else [])
    voltage = np.concatenate([volts for volts, _ in parts])
    amps = np.concatenate([values for _, values in parts])
    time = np.concatenate([[0.0], np.cumsum(np.maximum(np.abs(np.diff(voltage)), 1e-9) / rate)])
    return Batch(time, voltage, amps)


def joined(sweeps, verb):
    """Return steps and samples of sweeps one behind the other."""
    steps, first, columns = [], 0, []
    for number, rows in enumerate(sweeps, 1):
        columns.append((rows.time, rows.voltage, rows.current))
        step = {"step_count": number, "step_type": verb, "cycle_count": number, "first_record": first}
        steps.append({**step, "last_record": first + len(rows) - 1})
        first += len(rows)
    return steps, Batch(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def test_every_peak_of_a_sweep_is_found_where_it_is(record, value):
    steps, samples = joined([sweep(2.0, 3.8, 1e-3, lambda v: 1e-3 * peaks(v), lambda v: -1e-3 * peaks(v + 0.05))], "cv")
    found = ANALYSES["voltammetry"](record(steps, [], samples=samples), {})
    rising = [at for at, way in zip(found.table["peak / V"], found.table["direction"], strict=True) if way == "rising"]
    assert rising == pytest.approx([2.6, 3.2], abs=2e-3)
    assert found.table["rank"] == (1, 2, 1, 2)
    assert found.table["current / mA/cm2"][0] == pytest.approx(1.0, rel=1e-3)
    assert value(found, "peak separation") == pytest.approx(50.0, abs=3.0)
    charge = 1e-3 * np.sqrt(np.pi) * 0.06 / 1e-3 / 3.6  # mAh of the Gaussian of the largest peak
    assert found.table["charge / mAh"][0] == pytest.approx(charge, rel=0.01)


def test_a_sweep_that_rises_to_its_end_has_no_peak_and_says_so(record):
    steps, samples = joined([sweep(2.0, 3.8, 1e-3, lambda v: 1e-3 * (v - 2.0))], "cv")
    found = ANALYSES["voltammetry"](record(steps, [], samples=samples), {})
    assert any("no peak" in flag for flag in found.flags)
    assert np.isnan(found.table["peak / V"][0])


@pytest.mark.parametrize("share", [0.0, 0.35, 0.8, 1.0])
def test_the_capacitive_share_is_the_one_that_was_put_in(record, value, share):
    rates = (2e-4, 5e-4, 1e-3, 2e-3)

    def at(rate):
        part = share * rate / rates[-1] + (1 - share) * np.sqrt(rate / rates[-1])
        return sweep(2.0, 3.8, rate, lambda v: 1e-3 * part * peaks(v))

    steps, samples = joined([at(rate) for rate in rates], "cv")
    found = ANALYSES["b_value"](record(steps, [], samples=samples), {})
    assert value(found, "capacitive share at the fastest rate") == pytest.approx(100 * share, abs=0.5)
    assert not any("scan rates" in flag for flag in found.flags)
    if share in {0.0, 1.0}:
        assert value(found, "b-value, rising") == pytest.approx(0.5 + share / 2, abs=1e-3)


def test_two_scan_rates_prove_nothing_and_one_is_refused(record):
    two, samples = joined([sweep(2.0, 3.8, rate, lambda v: 1e-3 * peaks(v)) for rate in (1e-3, 2e-3)], "cv")
    found = ANALYSES["b_value"](record(two, [], samples=samples), {})
    assert any("2 scan rates" in flag and "measure a third" in flag for flag in found.flags)
    one, samples = joined([sweep(2.0, 3.8, 1e-3, lambda v: 1e-3 * peaks(v))], "cv")
    with pytest.raises(ValueError, match="needs cv at two scan rates or more, found 1"):
        ANALYSES["b_value"](record(one, [], samples=samples), {})


def test_both_exchange_current_densities_are_that_of_the_kinetics(record, value):
    exchange = 0.215  # mA/cm2

    def kinetics(volts):
        half = 0.5 * FARADAY * volts / 2 / GAS / ROOM  # two interfaces share the voltage
        return exchange * 1e-3 * 2 * np.sinh(half)  # A on 1 cm2

    steps, samples = joined([sweep(-0.5, 0.5, 1e-4, kinetics)], "lsv")
    found = ANALYSES["exchange_current"](record(steps, [], cell=METAL, samples=samples), {})
    assert value(found, "exchange current density, micropolarisation") == pytest.approx(exchange, rel=0.02)
    assert value(found, "exchange current density, Tafel") == pytest.approx(exchange, rel=1e-3)
    assert not found.flags

    steps, samples = joined([sweep(lowest, 0.5, 1e-4, kinetics) for lowest in (0.01, -0.5)], "lsv")
    both = record(steps, [], cell=METAL, samples=samples)
    found = ANALYSES["exchange_current"](both, {})
    assert found.flags == (
        "sweep 1 is left out: its current does not change its sign, so its open circuit is not known",
    )
    drawn = tafel(both, found)
    assert drawn is not None
    labels = [line.get_label() for line in drawn.figure.axes[0].lines]
    assert labels == ["sweep 2", *(f"j₀ = 0.21500 mA cm⁻², {method}" for method in ("micropolarisation", "Tafel"))]


def test_a_plateau_is_the_limiting_current_and_without_one_there_is_a_bound(record, value):
    plateau, samples = joined([sweep(0.0, 0.5, 1e-4, lambda v: 2e-3 * np.tanh(v / 0.05))], "lsv")
    found = ANALYSES["limiting_current"](record(plateau, [], cell=METAL, samples=samples), {})
    assert value(found, "limiting current density") == pytest.approx(2.0, rel=0.01)
    assert not found.flags
    ohmic, samples = joined([sweep(0.0, 0.5, 1e-4, lambda v: 2e-3 * v)], "lsv")
    found = ANALYSES["limiting_current"](record(ohmic, [], cell=METAL, samples=samples), {})
    assert any("no plateau" in flag and "at least" in flag for flag in found.flags)


def test_dq_dv_has_its_peaks_where_the_plateaus_are(record):
    voltage = np.linspace(2.0, 3.8, 4000)
    charge = np.concatenate([[0.0], np.cumsum(0.5 * (peaks(voltage[1:]) + peaks(voltage[:-1])) * np.diff(voltage))])
    time = charge * 3600.0  # 1 A, so that a plateau takes long
    keep = np.concatenate([[True], np.diff(time) > 0])
    samples = Batch(time[keep], voltage[keep], np.ones(int(keep.sum())))
    step = {
        "step_count": 1,
        "step_type": "charge",
        "cycle_count": 1,
        "first_record": 0,
        "last_record": len(samples) - 1,
    }
    found = ANALYSES["differential"](record([step], [{}], samples=samples), {})
    assert found.table["peak / V"] == pytest.approx((2.6, 3.2, np.nan), abs=5e-3, nan_ok=True)
    assert found.table["dQ/dV / mAh/V"][0] == pytest.approx(1e3, rel=0.01)
    between = 1e3 * np.interp(2.9, voltage, charge)  # mAh: dV/dQ rises between two plateaus, where little passes
    assert found.table["step / mAh"][-1] == pytest.approx(between, rel=0.01)


@pytest.mark.parametrize(
    ("name", "cell", "message"),
    [
        ("exchange_current", replace(METAL, area=None), "give `area` in the cell file"),
        ("limiting_current", replace(METAL, area=None), "give `area` in the cell file"),
        ("limiting_current", METAL, "no lsv of at least eight rows: sweep slowly"),
        ("voltammetry", METAL, "no cv of at least eight rows: record it with dV"),
        ("differential", METAL, "record with dV: 5 mV or less"),
        ("impedance", METAL, "no complete spectrum of 6 frequencies or more: add eis"),
        ("conductivity", replace(METAL, electrolyte_thickness=None), "give `electrolyte_thickness` in the cell file"),
        ("transference", METAL, "add eis"),
        ("electronic", replace(METAL, electrolyte_thickness=5e-5), "needs a hold, for example hold"),
    ],
)
def test_what_data_cannot_carry_says_what_is_missing_and_what_to_do(record, name, cell, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ANALYSES[name](record([{"step_count": 1}], [], cell=cell), {})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "gitt",
            "no pulse between two rests: a titration is charge: {current: C/20, for: 10 min} and rest: 2 h, many times",
        ),
        ("window", "no lsv"),
        ("capacity", "a block with `cycle: true` makes each of its passes one"),
    ],
)
def test_an_analysis_without_anything_to_analyse_flags_what_would_give_it(record, name, words):
    found = ANALYSES[name](record([{"step_count": 1}], [], cell=METAL), {})
    assert not found.figures
    assert any(words in flag for flag in found.flags), found.flags
