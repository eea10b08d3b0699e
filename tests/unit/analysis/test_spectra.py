"""Figures of spectra and sweeps: what went in comes out."""

import numpy as np
import pytest

from labctl.analysis.arrhenius import BOLTZMANN, arrhenius
from labctl.analysis.differential import analyse_differential, differential
from labctl.analysis.exchange import analyse_exchange_current
from labctl.analysis.impedance.model import impedance
from labctl.analysis.run_record import RunRecord, SpectrumRecord
from labctl.analysis.spectra import (
    analyse_activation,
    analyse_conductivity,
    analyse_electronic,
    analyse_impedance,
    analyse_transference,
    intercept,
)
from labctl.analysis.voltammetry import (
    analyse_b_value,
    analyse_limiting_current,
    analyse_voltammetry,
)
from labctl.plan.step import CellFigures
from labctl.protocol.circuit import parse_circuit
from labctl.sample import Batch

FREQUENCY = np.geomspace(7e6, 0.1, 60)
CELL = CellFigures("c", "blocking", area=1e-4, electrolyte_thickness=50e-6)
SYMMETRIC = CellFigures("s", "symmetric", area=1e-4)


def spectrum(number, text, values, temperature=np.nan, voltage=0.0, step=None):
    return SpectrumRecord(
        number,
        step or number,
        0,
        0.0,
        FREQUENCY,
        impedance(parse_circuit(text), np.array(values), FREQUENCY),
        voltage,
        temperature,
    )


def rows(time, voltage, current):
    zero = np.zeros(len(time))
    return Batch(np.asarray(time, float), np.asarray(voltage, float), np.asarray(current, float), zero, zero)


def record_of(cell, spectra=(), steps=()):
    """Steps are (verb, Batch)."""
    ends = np.cumsum([0, *(len(batch) for _, batch in steps)])
    columns = {
        "step_type": np.array([verb for verb, _ in steps], dtype=object),
        "step_count": np.arange(1, len(steps) + 1),
        "cycle_count": np.zeros(len(steps), int),
        "first_record": ends[:-1],
        "last_record": ends[1:] - 1,
        "complete": np.ones(len(steps)),
        "end_reason": np.array(["own"] * len(steps), dtype=object),
        "end_text": np.array([""] * len(steps), dtype=object),
    }
    batches = {(int(a), int(b) - 1): batch for a, b, (_, batch) in zip(ends[:-1], ends[1:], steps, strict=True)}
    return RunRecord(cell, columns, {}, lambda first, last: batches[first, last], spectra=lambda: tuple(spectra))


def figure(analysis, name):
    return next(each.value for each in analysis.figures if each.name == name)


def test_conductivity_and_its_activation_energy():
    temperatures = np.array([30.0, 40.0, 50.0, 60.0, 70.0])
    conductivity = 10.0 * np.exp(-0.25 / BOLTZMANN / (temperatures + 273.15))  # S/m
    resistances = CELL.electrolyte_thickness / (conductivity * CELL.area)
    spectra = [
        spectrum(n, "L1-R0-CPE1", (1e-7, r, 1e-6, 0.92), t)
        for n, (r, t) in enumerate(zip(resistances, temperatures, strict=True), 1)
    ]
    fitted = analyse_conductivity(record_of(CELL, spectra), {"circuit": "L1-R0-CPE1"})
    assert fitted.table["conductivity / S/cm"] == pytest.approx(conductivity / 100.0, rel=1e-4)
    assert figure(fitted, "activation energy of ln s") == pytest.approx(0.25, abs=1e-4)
    assert figure(fitted, "activation energy of ln sT") == pytest.approx(0.25 + BOLTZMANN * 323.0, abs=2e-3)
    by_intercept = analyse_conductivity(record_of(CELL, spectra), {})
    assert by_intercept.table["conductivity / S/cm"] == pytest.approx(conductivity / 100.0, rel=0.1)
    with pytest.raises(ValueError, match="electrolyte_thickness"):
        analyse_conductivity(record_of(SYMMETRIC, spectra), {})


def test_published_conductivities_give_their_activation_energy():
    # a solid polymer electrolyte at 30 to 70 degC; refitted from its table: 0.232 +- 0.016 eV of ln s, 0.260 +- 0.015 of ln sT
    temperature, conductivity = (
        np.array([303.15, 313.15, 323.15, 333.15, 343.15]),
        np.array([4.6e-4, 6.7e-4, 8.8e-4, 1.1e-3, 1.3e-3]),
    )
    assert arrhenius(temperature, conductivity, "ln s").energy == pytest.approx(0.232, abs=5e-4)
    assert arrhenius(temperature, conductivity, "ln sT").energy == pytest.approx(0.260, abs=5e-4)


def test_activation_of_an_interface():
    temperatures = np.array([25.0, 35.0, 45.0])
    resistances = (temperatures + 273.15) / np.exp(20.0 - 0.7 / BOLTZMANN / (temperatures + 273.15))
    spectra = [
        spectrum(n, "R0-p(R1,CPE1)", (5.0, r, 1e-5, 0.9), t)
        for n, (r, t) in enumerate(zip(resistances, temperatures, strict=True), 1)
    ]
    found = analyse_activation(record_of(SYMMETRIC, spectra), {})
    assert figure(found, "activation energy of ln T/R") == pytest.approx(0.7, abs=1e-3)
    with pytest.raises(ValueError, match="wanted a resistance out of R0, R1"):
        analyse_activation(record_of(SYMMETRIC, spectra), {"element": "R7"})
    with pytest.raises(ValueError, match="three temperatures"):
        analyse_activation(record_of(SYMMETRIC, spectra[:2]), {})


def test_transference_by_bruce_and_vincent():
    interface, bulk, applied, wanted = 100.0, 50.0, 0.02, 0.4
    # a cell that obeys the formula: the steady current that gives t = 0.4 with an unchanged interface
    first = applied / (interface + bulk)
    steady = wanted * first * applied / (applied - first * interface + wanted * first * interface)
    time = np.linspace(0.0, 36000.0, 3601)
    current = steady + (first - steady) * np.exp(-time / 1500.0)
    hold = rows(time, np.full(len(time), applied), current)
    spectra = [spectrum(n, "R0-p(R1,CPE1)", (bulk, interface, 1e-5, 0.9), step=s) for n, s in ((1, 1), (2, 3))]
    steps = [("eis", hold.rows(0, 1)), ("hold", hold), ("eis", hold.rows(0, 1))]
    found = analyse_transference(record_of(SYMMETRIC, spectra, steps), {})
    assert figure(found, "transference number") == pytest.approx(wanted, abs=2e-3)
    assert not found.flags
    with pytest.raises(ValueError, match="a hold at 10 to 20 mV"):
        analyse_transference(record_of(SYMMETRIC, spectra[:1], steps[:2]), {})


def test_electronic_conductivity():
    time = np.linspace(0.0, 3600.0, 361)
    held = rows(time, np.full(361, 0.5), 1e-9 + 5e-9 * np.exp(-time / 100.0))
    found = analyse_electronic(record_of(CELL, steps=[("hold", held)]), {})
    assert figure(found, "electronic conductivity") == pytest.approx(1e-9 * 50e-6 / (0.5 * 1e-4) / 100.0, rel=1e-6)


def test_the_table_of_spectra_says_what_is_wrong_with_them():
    good = spectrum(1, "L1-R0-p(R1,CPE1)", (1e-7, 10.0, 60.0, 1e-5, 0.9))
    drifted = SpectrumRecord(2, 2, 0, 0.0, FREQUENCY, good.impedance * (1 + 0.3 * np.linspace(0, 1, 60)), 0.0)
    found = analyse_impedance(record_of(SYMMETRIC, [good, drifted]), {"circuit": "L1-R0-p(R1,CPE1)"})
    assert found.table["R1 / ohm"][0] == pytest.approx(60.0, rel=1e-4)
    assert found.table["intercept / ohm"][0] == pytest.approx(10.0, rel=0.05)
    assert "ohm at 0.00026 s" in found.table["peaks of relaxation times"][0]  # (60 ohm x 1e-5)^(1/0.9)
    assert any(flag.startswith("spectrum 2 fails Kramers-Kronig") for flag in found.flags)
    assert not any(flag.startswith("spectrum 1") for flag in found.flags)
    with pytest.raises(ValueError, match="no complete spectrum"):
        analyse_impedance(record_of(SYMMETRIC, []), {})
    with pytest.raises(ValueError, match=r"did you mean CPE\?"):
        analyse_impedance(record_of(SYMMETRIC, [good]), {"circuit": "R0-Q1"})


def test_intercept_lies_between_two_points():
    assert intercept(np.array([3.0, 2.0, 1.0]), np.array([4 + 2j, 6 - 2j, 9 - 5j])) == pytest.approx(5.0)
    assert intercept(np.array([2.0, 1.0]), np.array([6 - 2j, 9 - 5j])) == pytest.approx(6.0)


# --- sweeps -----------------------------------------------------------------------------------------------------------------


def triangle(rate, low=2.0, high=4.0, dv=0.002):
    up = np.arange(low, high, dv)
    voltage = np.concatenate([up, up[::-1]])
    return np.arange(len(voltage)) * dv / rate, voltage, np.where(np.arange(len(voltage)) < len(up), 1.0, -1.0)


def swept(rate, exponent=0.5, split=0.06):
    time, voltage, sign = triangle(rate)
    peak = np.exp(-(((voltage - 3.0 - sign * split / 2) / 0.1) ** 2))
    return rows(time, voltage, sign * rate**exponent * peak)


def test_peaks_of_a_cv_and_their_separation():
    found = analyse_voltammetry(record_of(SYMMETRIC, steps=[("cv", swept(1e-3))]), {})
    assert figure(found, "peak separation") == pytest.approx(60.0, abs=4.0)
    assert figure(found, "peak potential, rising") == pytest.approx(3.03, abs=0.002)
    flat = rows(*triangle(1e-3)[:2], np.full(2000, 1e-3))
    assert any("no peak" in flag for flag in analyse_voltammetry(record_of(SYMMETRIC, steps=[("cv", flat)]), {}).flags)


@pytest.mark.parametrize(("exponent", "share"), [(0.5, 0.0), (1.0, 100.0)])
def test_b_value_and_capacitive_share(exponent, share):
    steps = [("cv", swept(rate, exponent)) for rate in (2e-4, 5e-4, 1e-3)]
    found = analyse_b_value(record_of(SYMMETRIC, steps=steps), {})
    assert figure(found, "b-value, rising") == pytest.approx(exponent, abs=1e-3)
    assert figure(found, "capacitive share at the fastest rate") == pytest.approx(share, abs=0.5)
    assert not found.flags
    assert any("fewer than three" in flag for flag in analyse_b_value(record_of(SYMMETRIC, steps=steps[:2]), {}).flags)
    with pytest.raises(ValueError, match="two scan rates or more, found 1"):
        analyse_b_value(record_of(SYMMETRIC, steps=steps[:1]), {})


def test_exchange_current_by_two_methods():
    over = np.linspace(-0.3, 0.3, 601)
    density = 0.2 * 2.0 * np.sinh(0.5 * over * 96485.33 / (8.314463 * 298.15))  # mA/cm2, Butler and Volmer's
    sweep = rows(np.arange(601) * 1.0, over, density * 1e-4 * 10.0)
    half = CellFigures("h", "half_cathode", area=1e-4)
    found = analyse_exchange_current(record_of(half, steps=[("lsv", sweep)]), {})
    assert figure(found, "exchange current density, micropolarisation") == pytest.approx(0.2, rel=0.02)
    assert figure(found, "exchange current density, Tafel") == pytest.approx(0.2, rel=1e-3)
    doubled = rows(sweep.time, 2.0 * over, sweep.current)
    found = analyse_exchange_current(record_of(SYMMETRIC, steps=[("lsv", doubled)]), {})
    assert figure(found, "exchange current density, Tafel") == pytest.approx(0.2, rel=1e-3)
    ohmic = rows(sweep.time, 2.0 * over + 300.0 * sweep.current, sweep.current)  # through an electrolyte of 300 ohm
    found = analyse_exchange_current(record_of(SYMMETRIC, steps=[("lsv", ohmic)]), {})
    assert found.table["resistance / ohm cm2"] == pytest.approx((300.0, 300.0), rel=1e-4)
    for method in ("micropolarisation", "Tafel"):
        assert figure(found, f"exchange current density, {method}") == pytest.approx(0.2, rel=0.01)
    nucleating = rows(sweep.time, ohmic.voltage + np.where(over > 0, 0.02 * np.exp(-over / 0.05), 0.0), sweep.current)
    found = analyse_exchange_current(record_of(SYMMETRIC, steps=[("lsv", nucleating)]), {})
    assert any("sweep 1, anodic" in flag and "in no mean" in flag for flag in found.flags)
    assert figure(found, "exchange current density, Tafel") == pytest.approx(0.2, rel=0.01)


def test_a_limiting_current_is_a_plateau_or_a_lower_bound():
    voltage = np.linspace(0.0, 0.5, 500)
    plateau = rows(np.arange(500) * 1.0, voltage, 1e-3 * np.tanh(voltage / 0.05))
    found = analyse_limiting_current(record_of(SYMMETRIC, steps=[("lsv", plateau)]), {})
    assert figure(found, "limiting current density") == pytest.approx(1.0, rel=0.02)
    assert not found.flags
    straight = rows(np.arange(500) * 1.0, voltage, 1e-3 * voltage)
    assert any(
        "no plateau" in flag
        for flag in analyse_limiting_current(record_of(SYMMETRIC, steps=[("lsv", straight)]), {}).flags
    )


def test_differential_capacity_has_its_area_and_its_peak():
    time = np.arange(0.0, 3600.0, 1.0)
    charge = time / 3600.0
    voltage = 3.7 + 0.3 * (charge - 0.5) + 0.05 * np.arctanh(1.9 * (charge - 0.5))
    batch = rows(time, voltage, np.full(len(time), 1e-3))
    grid, height, _ = differential(batch, 0.005)
    assert np.trapezoid(height, grid) == pytest.approx(1.0, rel=0.02)  # mAh
    found = analyse_differential(record_of(CELL, steps=[("charge", batch)]), {})
    assert found.table["peak / V"][0] == pytest.approx(3.7, abs=0.01)
    assert figure(found, "smoothing window") == 5.0


def test_a_sweep_or_half_cycle_that_was_cut_is_left_out_and_named():
    run = record_of(SYMMETRIC, steps=[("cv", swept(1e-3)), ("cv", swept(2e-3))])
    run.steps["complete"][1] = 0.0
    run.steps["end_reason"][1], run.steps["end_text"][1] = "stop", "stopped by me"
    analysis = analyse_voltammetry(run, {})
    assert max(analysis.table["rate / mV/s"]) == pytest.approx(1.0)
    assert "sweep of step 2 is left out: stopped (stopped by me)" in analysis.flags
    time = np.arange(0.0, 3600.0, 1.0)
    half = rows(time, 3.5 + time / 7200.0, np.full(len(time), 1e-3))
    run = record_of(CELL, steps=[("charge", half), ("charge", half)])
    run.steps["complete"][0] = 0.0
    run.steps["end_reason"][0] = "block"
    assert analyse_differential(run, {}).flags[1:] == ("half-cycle of step 1 is left out: cut by the end of a block",)


def test_a_hold_that_was_cut_is_no_steady_state():
    time = np.arange(0.0, 3600.0, 10.0)
    hold = rows(time, np.full(len(time), 0.5), np.full(len(time), 1e-8))
    cell = CellFigures("blocked", "blocking", area=1e-4, electrolyte_thickness=1e-3)
    run = record_of(cell, steps=[("hold", hold), ("hold", hold)])
    run.steps["complete"][1], run.steps["end_reason"][1] = 0.0, "limit"
    analysis = analyse_electronic(run, {})
    assert len(analysis.table["voltage / V"]) == 1
    assert analysis.flags == ("hold of step 2 is left out: tripped",)
