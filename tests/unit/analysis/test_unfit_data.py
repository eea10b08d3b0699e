"""Analyses of data that cannot carry them: no figure with nothing said, and what to do about it."""

from dataclasses import replace

import numpy as np
import pytest

from labctl.analysis.catalogue import ANALYSES
from labctl.analysis.run_record import Analysis
from labctl.sample import Batch
from tests.unit.analysis.conftest import FULL, build
from tests.unit.analysis.test_capacitance import made
from tests.unit.analysis.test_spectra import CELL, SYMMETRIC, record_of, rows, spectrum

BARE = replace(FULL, area=None, active_mass=None)
PULSE = {"step_type": "discharge", "first_record": 0, "last_record": 9, "step_time_second": 9.0}
NOTHING = Batch(*(np.zeros(10) for _ in range(5)))


def flags_of(name, record, options=()):
    try:
        found = ANALYSES[name](record, dict(options))
    except ValueError as error:  # as `labctl.report.run_data.analyse` takes it
        found = Analysis(name, flags=(str(error),))
    return found, found.flags


@pytest.mark.parametrize("name", ANALYSES)
@pytest.mark.parametrize("cell", [FULL, BARE], ids=["full", "bare"])
@pytest.mark.parametrize("steps", [[], [{}], [PULSE]], ids=["nothing", "a rest without rows", "a discharge of nothing"])
def test_a_run_of_nothing_gives_no_figure_and_says_why(name, cell, steps):
    found, flags = flags_of(name, build(steps, [], cell, NOTHING))
    assert not [each for each in found.figures if np.isfinite(each.value) and each.value != 0.0]
    assert flags
    assert all(len(flag) > 15 for flag in flags)


def test_a_value_that_the_cell_lacks_is_named_with_both_ways_to_give_it():
    _, (flag,) = flags_of("window", build([], [], BARE))
    assert flag == (
        "a current density needs the area of the cell: give `area` in the cell file, and to a run that has begun by "
        "`labctl cell correct RUN --area VALUE`"
    )
    _, (flag,) = flags_of("conductivity", build([], [], FULL))
    assert "give `electrolyte_thickness` in the cell file before the run" in flag


def cycled(*capacities, kind="true", seconds=(3600.0,)):
    cycles = [
        {
            "cycle_count": at, "kind": kind, "discharging_capacity_ah": value,
            "begin_test_time_second": 0.0, "end_test_time_second": seconds[(at - 1) % len(seconds)],
        }
        for at, value in enumerate(capacities, 1)
    ]  # fmt: skip
    steps = [
        {
            "step_type": "discharge",
            "cycle_count": at,
            "discharging_capacity_ah": value,
            "step_time_second": 3.6e6 * value,
        }
        for at, value in enumerate(capacities, 1)
    ]
    return build([] if kind == "cv" else steps, cycles, FULL)


def test_one_cycle_and_one_current_compare_nothing_and_say_so():
    _, (flag,) = flags_of("retention", cycled(1e-3))
    assert flag == "one cycle alone is its own reference: retention needs two or more"
    _, (flag,) = flags_of("rate", cycled(1e-3, 1e-3, 1e-3))
    assert flag == "all cycles are at one current: a rate test has several"
    assert flags_of("retention", cycled(1e-3, 0.9e-3))[1] == ()


def test_cycles_of_a_cv_at_two_scan_rates_are_no_retention():
    _, (flag,) = flags_of("retention", cycled(1e-3, 0.8e-3, kind="cv", seconds=(3600.0, 1800.0)))
    assert flag.startswith("cycles of a cv at several scan rates")
    assert flags_of("retention", cycled(1e-3, 0.8e-3, kind="cv"))[1] == ()


def test_cycles_without_a_bend_are_no_bending_series():
    found, (flag,) = flags_of("bending", cycled(1e-3, 1e-3))
    assert found.figures == ()
    assert flag.startswith("a bending series needs states: bend:")


def test_a_current_that_went_on_as_before_shows_no_series_resistance(record):
    found, _ = flags_of("capacitance", made(record, currents=(0.01, -0.01, -0.01)))
    assert np.isnan(found.table["series resistance / ohm"][2])
    assert np.isfinite(found.table["series resistance / ohm"][1])


def test_a_half_cycle_without_a_plateau_has_no_peak_and_says_so():
    time = np.arange(0.0, 3600.0, 10.0)
    found, (flag,) = flags_of(
        "differential", record_of(CELL, steps=[("charge", rows(time, 3.0 + time / 7200.0, np.full(len(time), 1e-3)))])
    )
    assert flag.startswith("no peak")
    assert np.isnan(found.table["peak / V"]).all()


def test_a_spectrum_that_begins_too_low_has_an_intercept_that_is_a_bound():
    text, values = "R0-p(R1,C1)", (5.0, 100.0, 1e-6)
    whole = spectrum(1, text, values)
    half = replace(whole, frequency=whole.frequency[30:], impedance=whole.impedance[30:])
    assert not any("upper bound" in flag for flag in flags_of("impedance", record_of(SYMMETRIC, [whole]))[1])
    assert any(
        "spectrum 1 ends before the real axis" in flag
        for flag in flags_of("impedance", record_of(SYMMETRIC, [half]))[1]
    )


def test_a_number_of_an_electrolyte_asks_for_the_cell_that_it_is_measured_in():
    time = np.arange(0.0, 36000.0, 10.0)
    hold = ("hold", rows(time, np.full(len(time), 0.5), np.full(len(time), 1e-9)))
    assert flags_of("electronic", record_of(CELL, steps=[hold]))[1] == ()
    other = replace(CELL, kind="full")
    assert (
        "what flows through electrodes that do not block"
        in flags_of("electronic", record_of(other, steps=[hold]))[1][0]
    )
