"""Every protocol of the library on a matching simulated cell, to its end, and what its analyses find there."""

import re
from pathlib import Path

import numpy as np
import pytest

from labctl.analysis.digits import with_intervals
from labctl.inputs import library
from labctl.report.page import page
from labctl.report.plots.choose import figures_of
from labctl.report.run_data import analyse, default_analyses, plan_of, record_of
from labctl.run.simulate import DryRunRequest, Simulation
from labctl.store.journal import Journal
from labctl.store.reader import Reader

CASES = {
    "activation": ("phlt-symmetric", {}),
    "ccd-time-constant": ("phlt-symmetric", {}),
    "ccd-capacity-constant": ("phl-symmetric", {}),
    "gitt": ("n-lvo-tfb", {"low": "0.05 V", "high": "1.9 V"}),
    "rate-test": ("phlt-ncm811", {}),
    "bending-cycling": ("voc1-atfb", {}),
    "cccv-cycling": ("marquis2019", {"cycles": "20"}),
    "dcir": ("chen2020", {"high": "4.1 V", "low": "2.8 V"}),
    "stripping-life": ("na-bare", {"current": "0.5 mA/cm2", "areal": "1 mAh/cm2"}),
    "galvanostatic-cycling": ("voc1", {"cycles": "3"}),
    "galvanostatic-cycling-charge-first": ("phlt-lfp", {"cycles": "3"}),
    "eis": ("phlt-symmetric", {}),
    "eis-against-temperature": ("phlt-blocking", {}),
    "eis-against-state": ("msi-c", {"low": "0.01 V"}),
    "eis-in-cycling": ("phlt-symmetric", {"spectra": "2", "cycles": "2"}),
    "transference": ("phlt-symmetric", {}),
    "electronic-conductivity": ("phlt-blocking", {}),
    "stability-window": ("phlt-blocking", {"to": "1 V"}),
    "cyclic-voltammetry": ("voc1", {"low": "2.15 V", "high": "3.8 V", "cycles": "1"}),
    "exchange-current": ("na-bare", {}),
    "limiting-current": ("phlt-symmetric", {}),
    "current-step": ("na-vn", {"cycles": "2"}),
    "nucleation": ("na-bare", {}),
    "go-to-potential": ("voc1", {"to": "2.5 V"}),
    "ocv-watch": ("phlt-ncm811", {}),
    "operando": ("voc1", {}),
    "self-discharge": ("phlt-ncm811", {}),
    "leakage": ("phlt-ncm811", {}),
    "capacitance": ("bcap0350", {}),
    "pitt": ("phlt-ncm811", {"by": "100 mV"}),
    "current-interruption": ("phlt-ncm811", {"between": "30 min"}),
}

DOUBTS = {
    "ccd-time-constant": ["failure by short"],
    "ccd-capacity-constant": ["failure by short", "beyond what the cell's model is valid for"],
    "activation": ["nothing but formation", "no failure"],
    "gitt": ["bent against sqrt t", "rest still drifted", "pulses are left out", "is left out", "is left out"],
    "rate-test": ["several currents"],
    "bending-cycling": ["cycled discharge first", "left out of the efficiencies"],
    "galvanostatic-cycling": ["cycled discharge first", "left out of the efficiencies"],
    "cccv-cycling": ["no coulombic efficiency of cycle 1"],
    "stripping-life": ["failure by short"],
    "eis-against-temperature": ["does not reach the real axis"],
    "eis-in-cycling": ["no failure"],
    "stability-window": ["do not end above"],
    "cyclic-voltammetry": [
        "no peak",
        "several peaks",
        "rising: the largest peak moves",
        "falling: the largest peak moves",
        "falling: a peak at 2 of 3",
    ],
    "exchange-current": ["in no mean", "sweep 1 is left out"],
    "limiting-current": ["no plateau", "beyond what the cell's model is valid for"],
    "current-step": ["no failure"],
    "operando": ["counted as far as it went", "counted as far as it went"],
    "leakage": ["still falls"],
    "capacitance": ["not of one current"],
    "pitt": ["no length"],
    "current-interruption": ["no length", "not known to 25 %"],
}
"""What is said of the figures of each protocol's run: nothing where it is not named."""
PRINTED = re.compile(r"-?\d+(\.\d+)?(e[+-]\d+)?")


def assert_printable(protocol, analyses):
    """Check that there is what a paper would print: named figures with a unit and the digits that they carry, and the doubts."""
    for analysis in analyses:
        assert analysis.figures, analysis.name
        values = with_intervals([(each.name, each.value, each.unit) for each in analysis.figures])
        for each, value in zip(analysis.figures, values, strict=True):
            assert each.unit or each.name.startswith(("transference number", "b-value"))
            assert np.isnan(each.value) or (PRINTED.fullmatch(value) and sum(map(str.isdigit, value)) <= 11), (
                each,
                value,
            )
    said = [flag for analysis in analyses for flag in analysis.flags]
    assert len(said) == len(DOUBTS.get(protocol, [])), said
    assert all(words in flag for words, flag in zip(DOUBTS.get(protocol, []), said, strict=True)), said


FILM = 300e-7**2 / (5.166 * 3600)  # cm2/s: the parameter set's own diffusion time is 5.166 h over 300 nm


@pytest.fixture
def ran(tmp_path: Path):
    """Run a protocol of the library and return its stored run, its record and its figures by name."""

    def run(protocol: str, **values: str):
        cell, usual = CASES[protocol]
        wanted = DryRunRequest(
            str(library() / f"{protocol}.yaml"), str(library() / "cells" / f"{cell}.yaml"), {**usual, **values}
        )
        where = tmp_path / "journal.db"
        with Journal.open(where) as journal:
            done = Simulation(wanted).run(journal)
        assert (done.reason, done.why) == ("done", done.why)
        with Reader(where) as reader:
            stored = reader.run(done.run_id)
            record = record_of(reader, stored)
            analyses = analyse(record, default_analyses(plan_of(reader, stored)))
            written = page(stored, analyses, figures_of(record, analyses))
        assert "<svg" in written
        assert_printable(protocol, analyses)
        return stored, record, {found.name: found.value for item in analyses for found in item.figures}

    return run


def test_every_protocol_of_the_library_has_a_case():
    assert {path.stem for path in library().glob("*.yaml")} == set(CASES)


def test_activation_does_five_cycles_that_are_never_a_reference(ran):
    _, record, _ = ran("activation")
    assert record.cycles["kind"].tolist() == ["formation"] * 5


def test_a_time_constant_staircase_finds_the_short(ran):
    stored, _, found = ran("ccd-time-constant")
    assert found["failing current density"] == pytest.approx(found["last survived current density"] + 0.05)
    assert stored.test_time / 3600 == pytest.approx(found["time to failure"] + 1 / 60, abs=0.1)


def test_a_capacity_constant_staircase_passes_the_same_charge_every_time(ran):
    _, record, found = ran("ccd-capacity-constant")
    whole = record.steps["end_reason"] == "capacity"
    passed = record.steps["charging_capacity_ah"][whole] + record.steps["discharging_capacity_ah"][whole]
    assert passed / 1.539 * 1e3 == pytest.approx(0.2, rel=1e-6)
    assert found["failing current density"] == pytest.approx(found["last survived current density"] + 0.1)


def test_a_titration_gives_the_diffusion_coefficient_of_the_film(ran):
    _, _, found = ran("gitt")
    assert found["pulses"] > 50
    assert found["median diffusion coefficient"] == pytest.approx(FILM, rel=0.1)


def test_a_rate_test_loses_capacity_with_the_rate_and_gets_it_back(ran):
    _, record, found = ran("rate-test")
    assert len(record.cycles["cycle_count"]) == 35
    assert found["capacity at the lowest rate"] == pytest.approx(231.0, rel=0.05)
    assert found["capacity at the highest rate"] == pytest.approx(90.1, abs=0.05 * 231)
    assert found["recovery"] > 95


def test_bending_hardly_changes_the_capacity(ran):
    _, record, found = ran("bending-cycling")
    assert sorted({*record.steps["bend_angle_degree"][record.steps["cycle_count"] > 0].tolist()}) == pytest.approx(
        [0, 45, 90, 135, 180]
    )
    assert abs(found["largest change of capacity"]) < 2
    assert found["first discharge capacity"] == pytest.approx(65.0, rel=0.02)  # uAh/cm2/um, the last of its units


def test_cycles_of_constant_current_and_voltage_are_complete(ran):
    _, record, found = ran("cccv-cycling")
    assert len(record.cycles["cycle_count"]) == 22
    holds = record.steps["step_type"] == "hold"
    assert (record.steps["end_reason"][holds] == "until").all()
    assert found["median coulombic efficiency"] == pytest.approx(100, abs=0.5)


def test_bare_sodium_lives_as_long_as_reported(ran):
    """132 h at 0.5 mA/cm2 and 1 mAh/cm2."""
    _, _, found = ran("stripping-life")
    assert found["time"] == pytest.approx(132, rel=0.05)


def test_pulses_of_both_directions_have_the_resistance_of_the_cell(ran):
    _, record, found = ran("dcir")
    assert found["pulses"] >= 16
    longer = [found[f"median resistance at {name}"] for name in ("first row", "1 s", "10 s")]
    assert longer == sorted(longer)
    assert longer[0] > 0
    rests = [at for at, verb in enumerate(record.steps["step_type"]) if verb == "rest"]
    assert len(rests) >= 25


def test_spectra_against_temperature_give_the_published_conductivity(ran):
    _, _, found = ran("eis-against-temperature")
    assert found["conductivity, first"] == pytest.approx(1.29e-3, rel=0.02)  # S/cm at 25 degC, as published
    assert found["activation energy of ln s, 95 % interval +-"] < 0.01


def test_a_voltage_on_a_blocking_cell_gives_the_published_electronic_conductivity(ran):
    _, _, found = ran("electronic-conductivity")
    assert found["electronic conductivity"] == pytest.approx(2.48e-9, rel=0.01)  # S/cm, as published


def test_a_first_plating_shows_the_published_nucleation_overpotential(ran):
    _, _, found = ran("nucleation")
    assert found["nucleation overpotential"] == pytest.approx(68.0, abs=2.0)  # mV, as published


def test_sweeps_through_the_open_circuit_give_the_published_exchange_current(ran):
    _, _, found = ran("exchange-current")
    # the resistance of the electrolyte is in a micropolarisation: a lower bound
    assert found["exchange current density, micropolarisation"] <= 0.07
    assert found["exchange current density, Tafel"] == pytest.approx(0.068, rel=0.3)  # mA/cm2, as published


def test_a_hold_between_two_spectra_gives_a_transference_number(ran):
    _, _, found = ran("transference")
    assert 0.0 < found["transference number"] < 1.0
    assert found["steady current"] < found["initial current"]


def test_a_capacitor_has_the_capacitance_resistance_and_leakage_of_its_datasheet(ran):
    _, _, found = ran("capacitance")
    assert found["capacitance of the last discharge"] == pytest.approx(350.0, rel=1e-3)
    assert found["equivalent series resistance"] == pytest.approx(3.2e-3, rel=5e-3)
    assert found["leakage current"] == pytest.approx(300.0, rel=1e-3)  # uA
    assert found["intercept, first"] == pytest.approx(3.2e-3, rel=1e-3)


def test_spectra_of_cycling_keep_their_place_between_the_cycles(ran):
    _, record, _ = ran("eis-in-cycling")
    assert [each.number for each in record.spectra()] == [1, 2, 3]


@pytest.mark.parametrize(
    "protocol",
    ["galvanostatic-cycling", "galvanostatic-cycling-charge-first", "eis", "eis-against-state", "stability-window", "cyclic-voltammetry", "limiting-current", "current-step",
     "go-to-potential", "ocv-watch", "operando", "self-discharge", "leakage", "pitt", "current-interruption"],
)  # fmt: skip
def test_a_protocol_of_the_library_comes_to_its_end(ran, protocol):
    stored, _, _ = ran(protocol)
    assert stored.rows > 30
