import numpy as np
import pytest

from labctl.analysis.symmetric import analyse_ccd, analyse_life, analyse_nucleation, proof
from labctl.plan.step import CellFigures
from labctl.sample import Batch

LITHIUM = CellFigures("Li‖Li", "symmetric", area=2e-4)


def staircase(record, last_half=0.5):
    """0.1, 0.2, 0.3 mA/cm2 for 1 h and 1 h on 2 cm2; the last stripping is cut by a short after `last_half` hours."""
    steps = [{"step_type": "plate", "cycle_count": 1, "charging_capacity_ah": 1e-4, "step_time_second": 3600.0}]
    begin = 3600.0
    for cycle, areal in enumerate((0.1, 0.2, 0.3), 2):
        for verb, column in (("strip", "charging_capacity_ah"), ("plate", "discharging_capacity_ah")):
            hours = last_half if areal == 0.3 else 1.0
            end = "stop_if" if areal == 0.3 else "for"
            steps.append({"step_type": verb, "cycle_count": cycle, column: areal * 2e-3 * hours, "step_time_second": 3600 * hours,
                          "begin_test_time_second": begin, "end_test_time_second": begin + 3600 * hours,
                          "end_reason": end, "end_text": "short or abs(voltage) > 2 V" if end == "stop_if" else ""})  # fmt: skip
            begin += 3600 * hours
            if end == "stop_if":
                break
    kinds = [{"cycle_count": 1, "kind": "formation"}] + [{"cycle_count": k} for k in (2, 3, 4)]
    return record(steps, kinds, LITHIUM, results=(("short", 1.0, 4),))


def test_tells_survived_failing_and_cumulative(record, value):
    found = analyse_ccd(staircase(record), {})
    assert value(found, "last survived current density") == pytest.approx(0.2)
    assert value(found, "failing current density") == pytest.approx(0.3)
    assert value(found, "cumulative capacity at failure") == pytest.approx(2 * 0.1 + 2 * 0.2 + 0.15)
    assert found.flags[0].startswith("failure by short")


def test_without_a_failure_says_so(record):
    run = staircase(record)
    run.steps["end_reason"][:] = "for"
    assert "no failure" in analyse_ccd(run, {}).flags[0]


@pytest.mark.parametrize(
    ("volts", "areal", "said"),
    [(5e-4, 0.3, "0.5 mV at 0.3 mA/cm2, which is 1.7 ohm cm2"), (5e-3, 0.3, ""), (1e-3, 0.02, ""), (0.0, 0.3, "0 mV")],
)
def test_a_cell_that_its_first_half_cycle_hardly_polarises_may_be_shorted_from_the_start(record, volts, areal, said):
    time = np.arange(6) * 1440.0
    samples = Batch(time, np.repeat([-volts, volts], 3), np.repeat([-6e-4, 6e-4], 3))
    steps = [
        {"step_type": verb, "cycle_count": 1, column: areal * 2e-3, "step_time_second": 3600.0,
         "begin_test_time_second": begin, "end_test_time_second": begin + 3600.0, "first_record": first, "last_record": first + 2}
        for verb, column, begin, first in (("plate", "discharging_capacity_ah", 0.0, 0), ("strip", "charging_capacity_ah", 3600.0, 3))
    ]  # fmt: skip
    for analyse in (analyse_ccd, analyse_life):
        flags = analyse(record(steps, [{"cycle_count": 1}], LITHIUM, samples), {}).flags
        told = [flag for flag in flags if flag.startswith("the cell may be shorted from the start")]
        assert len(told) == bool(said)
        assert said in "".join(told)


def test_an_areal_current_needs_the_area(record):
    with pytest.raises(ValueError, match="area"):
        analyse_ccd(record([{"step_type": "strip"}], [], CellFigures("bare", "symmetric")), {})


def test_life_tells_polarisation_as_half_the_difference(record, value):
    time = np.array([0.0, 1800.0, 3600.0, 3600.0, 5400.0, 7200.0])
    samples = Batch(time, np.array([0.05, 0.052, 0.06, -0.05, -0.054, -0.06]), np.array([1, 1, 1, -1, -1, -1.0]))
    steps = [
        {"step_type": verb, "cycle_count": 1, column: 1e-4, "step_time_second": 3600.0, "begin_test_time_second": begin,
         "end_test_time_second": begin + 3600.0, "first_record": first, "last_record": first + 2}
        for verb, column, begin, first in (("strip", "charging_capacity_ah", 0.0, 0), ("plate", "discharging_capacity_ah", 3600.0, 3))
    ]  # fmt: skip
    found = analyse_life(record(steps, [{"cycle_count": 1}], LITHIUM, samples), {})
    assert value(found, "polarisation, last") == pytest.approx(53.0)
    assert value(found, "time") == pytest.approx(2.0)


def test_nucleation_is_tip_minus_plateau(record, value):
    time = np.linspace(0, 100, 101)
    samples = Batch(time, -(0.032 + 0.036 * np.exp(-time / 5)), np.full(101, -1e-4))
    found = analyse_nucleation(
        record([{"step_type": "plate", "first_record": 0, "last_record": 100}], [], LITHIUM, samples), {}
    )
    assert value(found, "nucleation overpotential") == pytest.approx(36.0, abs=0.1)
    assert value(found, "nucleation tip") == pytest.approx(68.0)


def test_nucleation_on_a_bare_collector_is_counted_from_zero(record, value):
    time = np.linspace(0, 100, 101)
    voltage = np.where(time < 3, 2.0 - time / 2, -(0.032 + 0.036 * np.exp(-(time - 3) / 5)))
    steps = [
        {"step_type": "strip", "first_record": 0, "last_record": 1},
        {"step_type": "plate", "first_record": 0, "last_record": 100},
    ]
    collector = CellFigures("Li‖Cu", "asymmetric", area=2e-4)
    found = analyse_nucleation(record(steps, [], collector, Batch(time, voltage, np.full(101, -1e-4))), {})
    assert value(found, "nucleation tip") == pytest.approx(68.0)
    assert value(found, "nucleation overpotential") == pytest.approx(36.0, abs=0.1)
    assert found.flags == ()


def test_plating_without_a_tip_says_so(record, value):
    time = np.linspace(0, 100, 101)
    steps = [{"step_type": "strip", "first_record": 0, "last_record": 100}]
    samples = Batch(time, 0.03 + 1e-4 * time, np.full(101, 1e-4))
    found = analyse_nucleation(record(steps, [], LITHIUM, samples), {})
    assert [figure.name for figure in found.figures] == ["nucleation tip", "plating plateau"]
    assert np.isnan(found.table["overpotential / mV"][0])
    assert "no tip" in found.flags[0]


@pytest.mark.parametrize(("volts", "said"), [(2e-4, "; confirmed: at rest"), (0.02, "; not confirmed: at rest")])
def test_a_short_is_confirmed_by_the_rest_after_it(record, volts, said):
    time = np.array([0.0, 1.0, 60.0])
    steps = [
        {"step_type": "strip", "cycle_count": 1, "charging_capacity_ah": 1e-4, "step_time_second": 1800.0, "complete": 0.0,
         "end_reason": "stop_if", "end_text": "short"},
        {"step_type": "rest", "first_record": 0, "last_record": 2},
    ]  # fmt: skip
    samples = Batch(time, np.full(3, volts), np.zeros(3))
    cycle = {"cycle_count": 1, "complete": 0.0}
    found = analyse_ccd(record(steps, [cycle], LITHIUM, samples, results=(("short", 1.0, 1),)), {})
    assert said in found.flags[0]
    alone = analyse_ccd(record(steps[:1], [cycle], LITHIUM, samples, results=(("short", 1.0, 1),)), {})
    assert alone.flags[0].endswith("not confirmed: no rest follows")


@pytest.mark.parametrize(
    ("reason", "text", "shorted", "kind"),
    [
        ("for", "", False, "survived"),
        ("capacity", "", False, "survived"),
        ("until", "voltage > 3 V", False, "voltage"),
        ("until", "time > 1 h", False, "survived"),
        ("stop_if", "short or abs(voltage) > 2 V", True, "short"),
        ("stop_if", "short or abs(voltage) > 2 V", False, "voltage"),
        ("stop_if", "cycle >= 3", False, "cut"),
        ("limit", "voltage 5.1 V outside the limits -5 V to 5 V, accuracy included", False, "voltage"),
        ("limit", "more charge than the 1.66 C that one step may pass", False, "cut"),
        ("limit", "temperature 61 degC outside the limits", False, "cut"),
        ("block", "for 8 h", False, "cut"),
        ("stop", "stopped by me", False, "cut"),
        ("skip", "skipped by me", False, "cut"),
        ("fault", "3 rows running that cannot be believed", False, "cut"),
    ],
)
def test_why_a_half_cycle_ended_decides_what_it_proves(reason, text, shorted, kind):
    assert proof(reason, text, shorted=shorted) == kind


@pytest.mark.parametrize(
    ("text", "volts", "kind"),
    [
        ("voltage > 3 V or time > 1 h", 0.05, "survived"),
        ("voltage > 3 V or time > 1 h", 3.01, "voltage"),
        ("abs(voltage) > 2000 mV or capacity > 1 mAh", -2.004, "voltage"),
        ("voltage < -3 V or time > 1 h", -0.05, "survived"),
        ("voltage > 3 V", 0.05, "voltage"),  # nothing else can have ended it
    ],
)
def test_an_end_with_alternatives_is_judged_by_the_last_voltage(text, volts, kind):
    assert proof("until", text, volts, shorted=False) == kind


@pytest.mark.parametrize(("reason", "text"), [("to", "to 1 V"), ("until", "voltage > 1 V")])
def test_a_strip_of_a_bare_collector_is_survived_where_its_voltage_ends_it(record, reason, text):
    """The strip of Li‖Cu is meant to reach its voltage; a plating that does has failed."""
    copper = CellFigures("Li‖Cu", "asymmetric", area=1e-4)

    def ended(plating):
        ends = [("plate", "discharging_capacity_ah", plating), ("strip", "charging_capacity_ah", (reason, text))]
        steps = [
            {"step_type": verb, "cycle_count": 1, column: 5e-4, "step_time_second": 3600.0, "begin_test_time_second": begin,
             "end_test_time_second": begin + 3600.0, "end_reason": why, "end_text": words, "last_voltage_volt": 1.0}
            for begin, (verb, column, (why, words)) in zip((0.0, 3600.0), ends, strict=True)
        ]  # fmt: skip
        return analyse_ccd(record(steps, [{"cycle_count": 1}], copper), {})

    assert ended(("capacity", "")).table["proves"] == ("survived", "survived")
    assert ended(("to", "to -0.5 V")).table["proves"] == ("voltage", "survived")


def test_the_nucleation_of_each_plating_is_told(record, value):
    time = np.linspace(0, 302, 303)
    inside = time % 101
    tips = np.repeat([0.036, 0.0, 0.012], 101)
    samples = Batch(time, -(0.032 + tips * np.exp(-inside / 5)), np.full(303, -1e-4))
    steps = [
        {"step_type": "plate", "cycle_count": at + 1, "first_record": 101 * at, "last_record": 101 * at + 100}
        for at in range(3)
    ]
    found = analyse_nucleation(record(steps, [], LITHIUM, samples), {})
    assert found.table["cycle"] == (1, 2, 3)
    assert value(found, "nucleation overpotential") == pytest.approx(36.0, abs=0.1)
    assert found.table["overpotential / mV"] == pytest.approx((36.0, np.nan, 12.0), abs=0.1, nan_ok=True)
    assert "first of 3 platings; 2 of 3" in found.flags[0]
