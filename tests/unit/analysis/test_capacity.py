import numpy as np
import pytest

from labctl.analysis.capacity import analyse_capacity
from labctl.analysis.retention import analyse_retention
from labctl.plan.step import CellFigures
from labctl.sample import Batch


def cycles(*discharged: float, kind: str = "true") -> list[dict[str, object]]:
    return [
        {
            "cycle_count": k,
            "kind": kind,
            "discharging_capacity_ah": q,
            "charging_capacity_ah": 1.25 * q,
            "coulombic_efficiency": 0.8,
        }
        for k, q in enumerate(discharged, 1)
    ]


def test_one_run_gives_both_published_capacities_of_a_thin_film(record, value):
    """315.2 mAh/g and 37.8 uAh/cm2 of one film mean a loading of 0.12 mg/cm2."""
    cell = CellFigures("film", "half_anode", area=1e-4, active_mass=0.12e-6, retention="charge", film_thickness=300e-9)
    found = analyse_capacity(record([], [{"charging_capacity_ah": 37.8e-6}], cell), {})
    by_unit = {figure.unit: figure.value for figure in found.figures if figure.name == "first charge capacity"}
    assert by_unit["mAh/g"] == pytest.approx(315.2, rel=1e-3)
    assert by_unit["uAh/cm2"] == pytest.approx(37.8)
    assert by_unit["uAh/cm2/um"] == pytest.approx(126.0)


def test_retention_names_its_reference(record, value):
    run = record([], cycles(1.0, 1.1, 0.9))
    assert value(analyse_retention(run, {}), "retention of cycle 1") == pytest.approx(90)
    assert value(analyse_retention(run, {"of": "max"}), "retention of max") == pytest.approx(100 * 0.9 / 1.1)
    assert value(analyse_retention(run, {"of": "cycle 2"}), "retention of cycle 2") == pytest.approx(100 * 0.9 / 1.1)
    assert "cycle 7" in analyse_retention(run, {"of": "7"}).flags[0]


def test_a_reference_that_passed_less_than_the_others_is_named_with_another(record):
    found = analyse_retention(record([], cycles(1.0, 1.22, 1.2)), {})
    (flag,) = found.flags
    assert flag.startswith("the reference, cycle 1, passed less than others, which came to 122.0 % of it in cycle 2")
    assert "{retention: {of: max}} or {retention: {of: 2}}" in flag
    assert analyse_retention(record([], cycles(1.0, 1.22, 1.2)), {"of": "max"}).flags == ()
    assert analyse_retention(record([], cycles(1.0, 1.04)), {}).flags == ()


@pytest.mark.parametrize(
    ("given", "end", "said"),
    [(1.03, "to", True), (1.005, "to", False), (1.03, "for", False)],
)
def test_a_cycle_that_gives_more_than_it_took_is_named_unless_that_was_set(record, given, end, said):
    steps = [
        {"step_type": verb, "cycle_count": 2, "end_reason": end, column: charge}
        for verb, column, charge in (
            ("charge", "charging_capacity_ah", 1.0),
            ("discharge", "discharging_capacity_ah", given),
        )
    ]
    rows = [{"cycle_count": 2, "charging_capacity_ah": 1.0, "discharging_capacity_ah": given}]
    flags = analyse_capacity(record(steps, rows), {}).flags
    assert said == any(flag.startswith("cycle 2 is above 101 % coulombic efficiency") for flag in flags)


def test_formation_is_never_the_reference(record, value):
    run = record(
        [], [*cycles(2.0, kind="formation"), {"cycle_count": 2, "discharging_capacity_ah": 1.0, "kind": "true"}]
    )
    assert value(analyse_retention(run, {}), "retention of cycle 2") == 100


def test_one_bad_cycle_is_not_the_end_of_life(record):
    one_bad = analyse_retention(record([], cycles(1.0, 0.5, 1.0, 1.0, 1.0)), {})
    worn = analyse_retention(record([], cycles(1.0, 0.95, 0.79, 0.81, 0.78, 0.77)), {})
    assert [figure.name for figure in one_bad.figures] == ["retention of cycle 1"]
    assert [(figure.name, figure.value) for figure in worn.figures[1:]] == [("cycle life", 3.0)]


def test_a_run_without_cycles_has_nothing_to_tell(record):
    assert analyse_capacity(record([], []), {}).figures == ()
    assert analyse_retention(record([], []), {}).flags


def test_a_cycle_that_still_runs_is_left_out(record, value):
    run = record([], [*cycles(1.0, 0.9), {"cycle_count": 3, "discharging_capacity_ah": float("nan")}])
    assert value(analyse_retention(run, {}), "retention of cycle 1") == pytest.approx(90)
    last = [figure for figure in analyse_capacity(run, {}).figures if figure.name == "last discharge capacity"]
    assert {figure.cycle for figure in last} == {2}


def test_a_cycle_that_only_gave_has_no_efficiency(record, value):
    first = {
        "cycle_count": 1,
        "discharging_capacity_ah": 1.0,
        "charging_capacity_ah": 1e-6,
        "coulombic_efficiency": 1e6,
    }
    found = analyse_capacity(record([], [first, *cycles(1.0, 1.0)[1:]]), {})
    assert value(found, "first coulombic efficiency") == pytest.approx(80)
    (flag,) = found.flags
    assert flag.startswith("no coulombic efficiency of cycle 1: more than 2 times the charge went out than in")


def test_a_run_without_cycles_says_so(record):
    assert "cycle: true" in analyse_capacity(record([], []), {}).flags[0]


def test_tells_the_voltage_gap_and_the_energy_efficiency_of_the_last_cycle(record, value):
    cycle = {"cycle_count": 1, "charging_capacity_ah": 1.0, "discharging_capacity_ah": 0.9,
             "charging_energy_wh": 3.9, "discharging_energy_wh": 3.33}  # fmt: skip
    found = analyse_capacity(record([], [cycle]), {})
    assert value(found, "voltage gap") == pytest.approx(3.9 - 3.7)
    assert value(found, "energy efficiency") == pytest.approx(100 * 3.33 / 3.9)


def test_the_table_has_energies_and_mean_voltages_of_every_cycle(record):
    """Discharges of one cell at two powers: the energy that each gives."""
    rows = [
        {"cycle_count": n, "charging_capacity_ah": 1e-3, "discharging_capacity_ah": out,
         "charging_energy_wh": 3.9e-3, "discharging_energy_wh": energy}
        for n, out, energy in ((1, 1e-3, 3.7e-3), (2, 0.8e-3, 2.8e-3))
    ]  # fmt: skip
    table = analyse_capacity(record([], rows), {}).table
    assert table["charge energy / mWh"] == pytest.approx((3.9, 3.9))
    assert table["discharge energy / mWh"] == pytest.approx((3.7, 2.8))
    assert table["energy efficiency / %"] == pytest.approx((100 * 3.7 / 3.9, 100 * 2.8 / 3.9))
    assert table["mean charge voltage / V"] == pytest.approx((3.9, 3.9))
    assert table["mean discharge voltage / V"] == pytest.approx((3.7, 3.5))
    assert table["voltage gap / V"] == pytest.approx((0.2, 0.4))
    nothing = analyse_capacity(record([], cycles(1.0, 0.9)), {}).table
    assert not any("energy" in name or "voltage" in name for name in nothing), "nothing counted any energy"


def test_charge_that_nobody_saw_is_told_of_its_cycle(record):
    run = record([{"step_type": "discharge", "cycle_count": 1, "discharging_capacity_ah": 1e-3}], cycles(1e-3))
    run.steps["blind_charge_high_ah"] = np.array([2e-4])
    flags = analyse_capacity(run, {}).flags
    assert "cycle 1: up to 0.2000 mAh more may have passed while nobody was reading" in flags


def test_energies_that_nobody_counted_are_said(record):
    rows = Batch(np.zeros(1), np.full(1, 3.7), np.zeros(1), np.zeros(1), np.zeros(1))
    run = record([], cycles(1e-3), samples=rows)
    run.cycles["last_record"] = np.array([0])
    assert any(flag.startswith("energies are sums over the stored rows") for flag in analyse_capacity(run, {}).flags)


def test_a_first_cycle_that_passed_next_to_nothing_is_no_reference(record, value):
    """A cell that is assembled discharged and cycled discharge first: its first discharge is of rounding noise."""
    found = analyse_retention(record([], cycles(1e-6, 1.0, 0.95, 0.9)), {})
    assert value(found, "retention of cycle 2") == pytest.approx(90)
    assert found.table["cycle"] == (2, 3, 4)
    assert "cycle 1 is left out: next to nothing passed, which is no reference" in found.flags


def test_an_efficiency_that_was_set_is_no_measurement(record):
    """Both half-cycles end by a set charge: their ratio says nothing about the cell. With a voltage at one end it does."""

    def flags(last):
        steps = [
            {"step_type": verb, "cycle_count": 1, "end_reason": end, column: 1.0}
            for verb, end, column in (("charge", "capacity", "charging_capacity_ah"), ("discharge", last, "discharging_capacity_ah"))
        ]  # fmt: skip
        return analyse_capacity(record(steps, cycles(1.0)), {}).flags

    assert any("what was set" in flag for flag in flags("capacity"))
    assert any("what was set" in flag for flag in flags("for"))
    assert not any("what was set" in flag for flag in flags("to"))


def test_a_first_cycle_that_begins_by_taking_out_says_why_it_has_no_efficiency(record, value):
    steps = [
        {"step_type": verb, "cycle_count": cycle, "end_reason": "to", column: 1.0, "begin_test_time_second": 2.0 * cycle}
        for cycle in (1, 2)
        for verb, column in (("discharge", "discharging_capacity_ah"), ("charge", "charging_capacity_ah"))
    ]  # fmt: skip
    rows = [
        row | {"begin_test_time_second": 2.0 * k, "end_test_time_second": 2.0 * k + 2}
        for k, row in enumerate(cycles(1.0, 1.0), 1)
    ]
    found = analyse_capacity(record(steps, rows), {})
    assert any(flag.startswith("cycle 1 is left out of the efficiencies") for flag in found.flags)


@pytest.mark.parametrize("given", [0.0, 7e-4, 0.05])
def test_a_cell_assembled_discharged_and_discharged_first_has_no_efficiency_in_its_first_cycle(record, value, given):
    """Its first discharge passes next to nothing: the order of the steps says how the cycle begins, not what passed."""
    steps = [
        {"step_type": verb, "cycle_count": cycle, "end_reason": "to", "begin_test_time_second": 2.0 * cycle, column: charge}
        for cycle, out in ((1, given), (2, 0.86))
        for verb, column, charge in (("discharge", "discharging_capacity_ah", out), ("charge", "charging_capacity_ah", 1.0))
    ]  # fmt: skip
    rows = [
        {"cycle_count": k, "charging_capacity_ah": 1.0, "discharging_capacity_ah": out,
         "begin_test_time_second": 2.0 * k, "end_test_time_second": 2.0 * k + 2}
        for k, out in ((1, given), (2, 0.86))
    ]  # fmt: skip
    found = analyse_capacity(record(steps, rows), {})
    assert value(found, "first coulombic efficiency") == pytest.approx(86)
    assert value(found, "median coulombic efficiency") == pytest.approx(86)
    assert np.isnan(found.table["coulombic efficiency / %"][0])
