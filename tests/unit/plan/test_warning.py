import re
from dataclasses import replace

import pytest

from labctl.driver import Bounds
from labctl.errors import FileError
from labctl.plan.check import check
from labctl.plan.estimate import estimate
from labctl.plan.lint.warning import warnings
from labctl.plan.outside import Outside
from labctl.protocol.cell import Cell
from labctl.protocol.load import read
from tests.unit.plan.conftest import FULL, SYMMETRIC

BARE = Cell("Li-Cu", "asymmetric", area=1e-4, limits=Bounds((-1.0, 2.5), (-0.01, 0.01)))
DRIFT = {"drive.csv": "time / h,current / mA\n0,1\n0.6,-0.2\n1,0\n"}


def codes(plan):
    return [(one.code, one.mark.line) for one in warnings(plan)]


@pytest.mark.parametrize(
    ("step", "warned"),
    [
        ("charge: {current: C/10, to: 4.2 V, for: 9 h}", True),
        ("charge: {current: C/10, to: 4.2 V, for: 12 h}", False),
        ("charge: {current: C/20, to: 4.2 V, for: 10 min}", False),
        ("charge: {current: C/10, for: 9 h}", False),
        ("charge: {current: C/10, capacity: 50 %, to: 4.2 V, for: 9 h}", False),
        ("charge: {current: C/10, capacity: 150 %, to: 4.2 V, for: 9 h}", True),
        ("charge: {current: C/10, until: net since block >= 50 %, to: 4.2 V, for: 9 h}", False),
        ("charge: {current: C/10, until: net since block >= 50 % and time > 1 h, to: 4.2 V, for: 9 h}", True),
        ("charge: {current: C/2, to: 4.2 V, hold_until: current < C/20, for: 5 min}", True),
        ("charge: {current: C/2, to: 4.2 V, hold_until: current < C/20, for: 1 h}", True),
    ],
)
def test_a_time_that_comes_before_the_voltage_end(plan, step, warned):
    assert codes(plan(f"- {step}")) == ([("plan.time_first", 3)] if warned else [])


def test_steps_of_a_charge_from_a_mark_end_before_their_times(plan):
    """A tenth of the capacity at C/3 takes 18 min, so that an hour is time enough."""
    step = "    - discharge: {current: C/3, until: net since full <= $q, to: 2.5 V, for: 1 h}"
    steps = f"- mark: full\n- each: {{q: {{from: -10 %, to: -100 %, by: -10 %}}}}\n  steps:\n    - rest: 1 h\n{step}"
    assert codes(plan(steps)) == []


@pytest.mark.parametrize(
    ("current", "written"),
    [("1C", "C/20"), ("C/10", "C/20"), ("C/20", "C/50"), ("C/50", "C/100"), ("C/100", "1 uA")],
)
def test_a_hold_that_ends_at_once_is_told_of_a_smaller_current_than_its_own(plan, current, written):
    step = f"- charge: {{current: {current}, to: 4.2 V, hold_until: current < {current}, for: 200 h}}"
    (found,) = warnings(plan(step))
    assert (found.code, found.hint) == ("end.at_once", f"write a smaller current, such as {written}")


@pytest.mark.parametrize(
    ("charge", "discharge", "warned"),
    [("4.2 V", "2.5 V", False), ("3 V", "3.5 V", True), ("3 V", "3 V", True)],
)
def test_a_charge_that_ends_below_the_discharge_beside_it(plan, charge, discharge, warned):
    steps = f"- discharge: {{current: 1 mA, to: {discharge}}}\n- rest: 1 min\n- charge: {{current: 1 mA, to: {charge}}}"
    assert codes(plan(steps)) == ([("plan.crossed", 5)] if warned else [])


def test_the_last_and_first_of_a_loop_are_beside_each_other(plan):
    steps = "- repeat: 2\n  steps:\n  - charge: {current: 1 mA, to: 3 V, hold_for: 1 h}\n  - discharge: {current: 1 mA, to: 3.5 V}"
    assert codes(plan(steps)) == [("plan.crossed", 5)]


@pytest.mark.parametrize(
    ("steps", "warned"),
    [
        ("- profile: {file: drive.csv, positive: charge}", False),
        ("- repeat: 3\n  steps:\n  - profile: {file: drive.csv, positive: charge}", True),
        (
            "- repeat: 3\n  steps:\n  - profile: {file: drive.csv, positive: charge}\n  - discharge: {current: 1 mA, to: 3 V}",
            False,
        ),
        ("- each: {k: [1, 3]}\n  steps:\n  - profile: {file: drive.csv, positive: discharge, scale: $k}", True),
    ],
)
def test_a_profile_that_drifts(plan, steps, warned):
    found = [code for code, _ in codes(plan(steps, files=DRIFT)) if code != "plan.profile_sign"]
    assert found == (["plan.profile_net"] if warned else [])


@pytest.mark.parametrize(
    ("rows", "positive", "before", "warned"),
    [
        ("0,1\n60,-0.2\n120,0", "charge", "", True),  # a drive cycle that is fed: mostly positive, some of it back
        ("0,1\n60,-0.2\n120,0", "discharge", "", False),
        ("0,1\n60,-0.98\n120,0", "charge", "", False),  # as much out as in, nearly
        ("0,1\n60,0", "charge", "", False),  # a charge by a table
        ("0,1\n60,0", "charge", "- charge: {current: 1 mA, to: 4 V, for: 1 h}\n- rest: 1 h\n", True),
        ("0,1\n60,0", "discharge", "- charge: {current: 1 mA, to: 4 V, for: 1 h}\n- rest: 1 h\n", False),
        ("0,1\n60,0", "discharge", "- discharge: {current: 1 mA, to: 3 V, for: 1 h}\n", True),
    ],
)
def test_a_profile_of_the_other_sign(plan, rows, positive, before, warned):
    files = {"d.csv": f"time / s,current / mA\n{rows}\n"}
    found = codes(plan(f"{before}- profile: {{file: d.csv, positive: {positive}}}", files=files))
    assert [code for code, _ in found] == (["plan.profile_sign"] if warned else [])


def test_a_watch_that_the_limits_forestall(plan):
    steps = "- repeat: 2\n  abort_if: voltage > 5 V\n  stop_if: abs(voltage) > 4 V\n  steps:\n  - charge: {current: 1 mA, for: 1 h}"
    (found,) = warnings(plan(steps))
    assert (found.code, found.severity) == ("plan.forestalled", "warning")
    assert "wanted an abort_if" in found.message


HALF_ANODE = "half_anode"


@pytest.mark.parametrize(
    ("step", "warned"),
    [
        ("charge: {current: C/2, to: 4.2 V, hold_until: current > C/20, for: 5 h}", "end.at_once"),
        ("charge: {current: C/20, to: 4.2 V, hold_until: current < C/10, for: 30 h}", "end.at_once"),
        ("charge: {current: C/2, to: 4.2 V, hold_until: current < C/20, for: 5 h}", None),
        ("charge: {current: C/10, until: capacity < 1 mAh, for: 15 h}", "end.at_once"),
        ("rest: {for: 1 h, until: time < 10 min}", "end.at_once"),
        ("charge: {current: C/10, until: voltage > 4.2 V and time > 1 h, for: 15 h}", "end.tied"),
        ("charge: {current: C/10, until: voltage > 4.2 V or time > 1 h, for: 15 h}", None),
        ("discharge: {current: C/10, until: voltage > 3 V and time > 1 h or voltage < 2.5 V, for: 15 h}", None),
        ("hold: {voltage: 4 V, until: current > 1 mA, for: 1 h}", "end.at_once"),
        ("hold: {voltage: 4 V, current: 1 mA, until: current < 0.1 mA, for: 1 h}", None),
    ],
)
def test_ends_that_are_true_at_once_or_wait_for_another(plan, step, warned):
    assert codes(plan(f"- {step}")) == ([(warned, 3)] if warned else [])


def test_a_cut_off_on_the_far_side_of_the_open_circuit(plan, full):
    head = "requires: {ocv: [3 V, 3.5 V]}\n"
    assert codes(plan("- charge: {current: 1 mA, to: 2.9 V, for: 1 h}", head=head)) == [("end.at_once", 4)]
    assert codes(plan("- discharge: {current: 1 mA, to: 3.6 V, for: 1 h}", head=head)) == [("end.at_once", 4)]
    assert codes(plan("- charge: {current: 1 mA, to: 4.2 V, for: 10 min}", head=head)) == []
    anode = replace(full, kind=HALF_ANODE, limits=Bounds((0.0, 2.0), (-0.01, 0.01)))
    assert codes(plan("- charge: {current: 1 mA, to: 5 mV, for: 10 min}", anode)) == [("end.at_once", 3)]
    fresh = "requires: {ocv: [0 V, 3.5 V]}\n"
    assert codes(plan("- discharge: {current: 1 mA, to: 5 mV, for: 10 min}", anode, head=fresh)) == []
    assert codes(plan("- discharge: {current: 1 mA, to: 5 mV, for: 10 min}", anode)) == [("plan.range", 3)]


def test_a_hold_on_the_near_side_of_the_charge_before_it(plan):
    steps = "- charge: {current: 1 mA, to: 4.2 V}\n- hold: {voltage: 4 V, for: 1 h}"
    assert codes(plan(steps)) == [("plan.crossed", 4)]
    assert codes(plan(steps.replace("voltage: 4 V", "voltage: 4.2 V"))) == []
    assert codes(plan(steps.replace("charge", "discharge").replace("4.2 V", "3 V"))) == [("plan.crossed", 4)]


def test_retention_where_no_cycle_passes_the_charge_that_counts(plan):
    steps = "- repeat: 9\n  cycle: true\n  stop_if: retention < 80 %\n  steps:\n  - charge: {current: 1 mA, for: 1 min}"
    assert codes(plan(steps)) == [("end.never", 7)]
    assert codes(plan(steps + "\n  - discharge: {current: 1 mA, for: 1 min}")) == []


REST, SWEEP = "- rest: 1 h\n", "- cv: {from: ocv, to: 4 V, rate: 1 mV/s}\n"
DRIVE = "- discharge: {current: C/10, to: 3 V, for: 15 h}\n"
SPECTRUM = "- eis: {from: 10 kHz, to: 0.1 Hz, amplitude: 10 mV, at: 3.8 V}\n"
HOLD = "- hold: {voltage: 3.8 V, for: 2 h}\n"


def looped(steps, head="repeat: 3"):
    return f"- {head}\n  steps:\n" + "".join(f"  {line}\n" for line in steps.splitlines())


@pytest.mark.parametrize(
    ("steps", "warned"),
    [
        (REST + DRIVE + SWEEP, ["ocv.old"]),
        (REST + DRIVE + REST + SWEEP, []),
        (REST + SWEEP + SWEEP, []),  # it leads back to ocv
        (REST + HOLD + "- hold: {voltage: 20 mV vs ocv, for: 1 h}", ["ocv.old"]),
        (REST + looped(SWEEP + DRIVE), ["ocv.old"]),  # in the second pass
        (REST + looped(DRIVE + REST + SWEEP), []),
        (REST + "- eis: {from: 10 kHz, to: 0.1 Hz, amplitude: 10 mV}\n" + SWEEP, []),
        (REST + DRIVE + SPECTRUM, ["plan.jump"]),
        (REST + DRIVE + HOLD + SPECTRUM, []),
        (REST + DRIVE + HOLD + REST + SPECTRUM, []),
        (REST + "- lsv: {from: 3 V, to: 4 V, rate: 1 mV/s}", ["plan.jump"]),  # nobody knows where it rests
        (REST + DRIVE + "- eis: {from: 1 kHz, to: 1 Hz, amplitude: 10 mV}", ["ocv.old"]),
        (DRIVE + "- rest: 10 min\n- eis: {from: 1 kHz, to: 1 Hz, amplitude: 10 mV}", []),
        (REST + DRIVE + "- lsv: {from: 3.5 V, to: 4 V, rate: 1 mV/s}", ["plan.jump"]),
        (REST + DRIVE + "- lsv: {from: 3 V, to: 4 V, rate: 1 mV/s}", []),
        (REST + looped("- hold: {voltage: $v, for: 1 h}\n- eis: {from: 1 kHz, to: 1 Hz, amplitude: 10 mV, at: $v}", "each: {v: [3 V, 4 V]}"), []),
        (looped("- charge: {current: 1 mA, to: 4 V, for: 3 h}"), ["plan.one_way"]),
        (looped("- charge: {current: 1 mA, to: 4 V, hold_until: current < C/20, for: 3 h}"), ["plan.one_way"]),
        (looped("- charge: {current: 1 mA, to: 4 V, for: 3 h}\n- rest: 1 d"), []),  # what a cell lost is given back
        (looped("- charge: {current: 1 mA, to: 4 V, for: 10 min}"), []),
        (looped("- charge: {current: 1 mA, to: 4 V, for: 3 h}\n" + DRIVE), []),
        ("- charge: {current: 1 mA, for: 10 min}\n- charge: {current: 1 mA, for: 10 min}", ["plan.twice"]),
        ("- charge: {current: 1 mA, for: 10 min}\n- rest: 1 min\n- charge: {current: 1 mA, for: 10 min}", []),
        ("- charge: {current: 1 mA, to: 4 V, for: 3 h}\n- rest: 1 h\n- charge: {current: 1 mA, to: 3 V, for: 3 h}", ["end.at_once"]),
        ("- charge: {current: 1 mA, to: 4 V, for: 3 h}\n- rest: 1 h\n- charge: {current: 0.1 mA, to: 4 V, for: 30 h}", []),
        ("- mark: full\n- discharge: {current: 1 mA, until: net since full <= 10 %, for: 3 h}", ["end.at_once"]),
        ("- mark: full\n- discharge: {current: 1 mA, until: net since full <= -10 %, for: 3 h}", []),
        ("- mark: full\n- discharge: {current: 1 mA, until: net since full >= -10 %, for: 3 h}", ["end.at_once"]),
        ("- mark: empty\n- charge: {current: 1 mA, until: net since empty < 10 %, for: 3 h}", ["end.at_once"]),
        ("- mark: empty\n- charge: {current: 1 mA, for: 1 h}\n- discharge: {current: 1 mA, until: net since empty <= 10 %, for: 3 h}", []),
    ],
)  # fmt: skip
def test_steps_that_begin_elsewhere_than_those_before_them_end(plan, steps, warned):
    cell = replace(FULL, limits=Bounds((2.0, 4.5), (-0.01, 0.01)))
    assert [code for code, _ in codes(plan(steps, cell))] == warned


CYCLES = "- name: life\n  repeat: 9\n  cycle: true\n  {}\n  steps:\n  - charge: {{current: 1 mA, to: 4 V, for: 2 h}}\n  - discharge: {{current: 1 mA, to: 2.8 V, for: 2 h}}"


@pytest.mark.parametrize(
    ("watch", "warned"),
    [
        ("stop_if: voltage <= 2.8 V", True),
        ("abort_if: voltage < 2.9 V", True),
        ("stop_if: voltage < 2.8 V", True),  # a row of the last one lies beyond
        ("stop_if: voltage > 4.04 V", True),
        ("stop_if: voltage < 2.74 V", False),
        ("stop_if: voltage > 3.9 V", True),
        ("stop_if: voltage < 2.9 V for 10 s", False),
        ("abort_if: voltage > 4.1 V", False),
    ],
)
def test_a_watch_that_the_ordinary_end_of_a_cycle_meets(plan, watch, warned):
    assert [code for code, _ in codes(plan(CYCLES.format(watch)))] == (["end.ordinary"] if warned else [])


@pytest.mark.parametrize(
    ("steps", "warned"),
    [
        ("- eis: {from: 10 kHz, to: 0.1 Hz, amplitude: 50 mV}", []),
        ("- eis: {from: 10 kHz, to: 0.1 Hz, amplitude: 60 mV}", ["eis.amplitude"]),
        ("- eis: {from: 1 mHz, to: 0.1 Hz, amplitude: 10 mV}", ["eis.range"]),
        ("- eis: {from: 1 Hz, to: 1 kHz, amplitude: 10 mV}", ["eis.range"]),
        ("- eis: {from: 100 kHz, to: 10 kHz, amplitude: 10 mV}", ["eis.range"]),
        ("- eis: {from: 100 kHz, to: 1 kHz, amplitude: 10 mV}", []),
        ("- eis: {from: 10 kHz, to: 0.1 MHz, amplitude: 10 mV}", ["eis.range"]),
        ("- eis: {from: 10 kHz, to: 0.1 mHz, amplitude: 10 mV}", ["eis.range"]),
        ("- eis: {from: 10 kHz, to: 1 mHz, amplitude: 10 mV}", []),
        ("- cv: {from: ocv, to: 4 V, back: 3 V, rate: 0.1 V/s, cycles: 3}", ["plan.rate"]),
        ("- rest: {for: 12 h, until: change of voltage over 24 h < 2 mV}", ["end.never"]),
        ("- rest: {for: 12 h, until: change of voltage over 12 h < 2 mV}", []),
        ("- eis: {from: 1 Hz, to: 1 mHz, amplitude: 10 mV}", []),
        ("- charge: {current: 21 mA, for: 1 s}", ["plan.rate"]),
        ("- charge: {current: 20C, for: 1 s}", []),
        ("- rest: {for: 4 h, until: dV/dt < 1 mV/h}", ["end.at_once"]),
        ("- rest: {for: 4 h, until: abs(dV/dt) < 1 mV/h}", []),
        ("- rest: {for: 4 h, until: abs(dV/dt) < 1 mV/s}", ["end.at_once"]),
        ("- rest: {for: 4 h, until: dV/dt > 1 mV/h}", []),
        ("- hold: {voltage: 4 V, until: dI/dt < 1 uA/h, for: 1 h}", ["end.at_once"]),
        ("- charge: {current: 1 mA, until: dV/dt < 1 mV/h, for: 1 h}", []),
    ],
)
def test_values_that_hardly_anybody_means(plan, steps, warned):
    cell = replace(FULL, limits=Bounds((2.0, 4.3), (-0.1, 0.1)))
    assert [code for code, _ in codes(plan(REST + steps, cell))] == warned


def test_what_only_a_limit_of_charge_ends(plan):
    step = "- charge: {{current: 1 mA, to: 4 V, {}}}"
    head = "limits: {capacity: 0.5 mAh}\n"
    assert codes(plan(step.format("for: 3 h"), head=head)) == [("plan.charge_first", 4)]
    assert codes(plan(step.format("capacity: 0.5 mAh, for: 3 h"), head=head)) == []
    assert codes(plan(step.format("for: 10 min"), head=head)) == []


def test_more_is_stripped_than_plated(plan):
    steps = looped("- plate: {current: 1 mA, capacity: 1 mAh}\n- strip: {current: 1 mA, for: 90 min}")
    assert [code for code, _ in codes(plan(steps, "symmetric"))] == ["plan.unbalanced"]
    assert codes(plan(steps.replace("90", "60"), "symmetric")) == []


@pytest.mark.parametrize(
    ("plated", "stripped", "hint"),
    [
        ("current: 1 mA, for: 1 h", "current: 0.1 mA, for: 1 h", "plate passes 10 times what strip does: are both currents meant?"),
        ("current: 1 mA, for: 1 h", "current: 1 mA, for: 3 h", "strip passes 3 times what plate does: are both times meant?"),
        ("current: 1 mA, capacity: 1 mAh", "current: 1 mA, capacity: 2 mAh", "strip passes 2 times what plate does: are both capacities meant?"),
        ("current: 1 mA, capacity: 1 mAh", "current: 1 mA, capacity: 1 uAh", "are both in the same unit?"),
    ],
)  # fmt: skip
def test_what_differs_between_strip_and_plate_is_named_with_its_lines(plan, plated, stripped, hint):
    steps = looped(f"- plate: {{{plated}}}\n- strip: {{{stripped}}}")
    (found,) = warnings(plan(steps, "symmetric"))
    assert found.hint == hint
    assert re.search(r" stripped in line \d+ and .* plated in line \d+$", found.message)


@pytest.mark.parametrize(
    ("end", "warned"),
    [
        ("to: 0.9 V", True),
        ("to: -0.2 V", False),
        ("to: 0.05 V", True),
        ("to: 0 V", True),
        ("to: -1 mV", False),
        ("for: 1 h", False),
    ],
)
def test_a_plate_that_ends_above_the_voltage_of_its_metal(plan, end, warned):
    cell = replace(SYMMETRIC, kind="asymmetric", limits=Bounds((-1.0, 2.0), (-0.1, 0.1)))
    steps = f"- plate: {{current: 1 mA, capacity: 1 mAh, {end}}}\n- strip: {{current: 1 mA, to: 0.9 V, for: 3 h}}"
    found = [one for one in warnings(plan(steps, cell)) if one.code in {"end.at_once", "plan.crossed"}]
    assert [one.code for one in found] == (["end.at_once"] if warned else [])
    assert not warned or found[0].mark.line == 3


def test_the_pass_that_a_time_cuts_is_named(plan):
    steps = "- each: {r: [0.1C, 0.5C, 1C]}\n  steps:\n    - charge: {current: $r, to: 4.2 V, for: 5 h}"
    (found,) = [one for one in warnings(plan(steps, FULL)) if one.code == "plan.time_first"]
    assert found.message.startswith("`for` will come before the voltage end in the pass with r = 0.1C: ")


@pytest.mark.parametrize(("rate", "warned"), [("C/20", True), ("C/2", False)])
def test_retention_of_a_formation_cycle_at_another_current(plan, rate, warned):
    pair = "  - charge: {{current: {0}, to: 4 V, for: 30 h}}\n  - discharge: {{current: {0}, to: 3 V, for: 30 h}}\n"
    steps = f"- repeat: 2\n  cycle: formation\n  steps:\n{pair.format(rate)}"
    steps += f"- repeat: 9\n  cycle: true\n  stop_if: retention of cycle 1 < 80 %\n  steps:\n{pair.format('C/2')}"
    assert [code for code, _ in codes(plan(steps))] == (["end.never"] if warned else [])


def test_an_amplitude_for_which_no_open_circuit_has_room(plan):
    with pytest.raises(FileError) as caught:
        plan(REST + "- eis: {from: 10 kHz, to: 0.1 Hz, amplitude: 10 V}")
    assert [finding.code for finding in caught.value.findings] == ["limit.set_point"]


def test_a_pass_that_takes_longer_than_from_begin_to_begin(plan):
    slow = "- repeat: 3\n  every: 1 h\n  steps:\n  - charge: {current: C/4, to: 4 V, for: 9 h}\n  - discharge: {current: C/4, to: 3 V, for: 9 h}"
    assert [one.code for one in estimate(plan(slow)).warnings] == ["plan.late"]
    assert not estimate(plan(slow.replace("every: 1 h", "every: 9 h"))).warnings


@pytest.mark.parametrize(
    ("steps", "head", "found"),
    [
        ("- temperature: 450 degC", "", [("safety.temperature", "error")]),
        ("- temperature: 60 K", "", [("safety.temperature", "error")]),
        ("- temperature: 450 degC", "limits: {temperature: [0 degC, 500 degC]}\n", []),
        ("- temperature: -40 degC", "", []),
        ("- hold: {voltage: 3 V vs Ag/AgCl, for: 1 h}", "", [("cell.reference", "warning")]),
        ("- each: {v: {from: 3.4 V, to: 3.5 V, by: 5 V}}\n  steps: [{hold: {voltage: $v, for: 1 h}}]", "", [("each.one", "warning")]),
        ("- each: {v: {from: 3.4 V, to: 3.4 V, by: 5 mV}}\n  steps: [{hold: {voltage: $v, for: 1 h}}]", "", []),
        ("- wait: {until: 2025-12-01 08:00 UTC}", "", [("wait.over", "warning")]),
        ("- wait: {until: 2035-12-01 08:00 UTC}", "", []),
    ],
)  # fmt: skip
def test_what_check_finds_on_a_cell(steps, head, found):
    loaded = read(f"labctl: 1\n{head}steps:\n{steps}\n".encode(), "test.yaml")
    told = check(loaded, replace(FULL, reference=""), outside=Outside(begins=1.8e9))
    assert [(one.code, one.severity) for one in told] == found


def test_a_time_at_a_measured_rate_is_that_of_the_rate(plan):
    """C/3 for 4 h passes the whole capacity, whatever of the cell file's it was measured to be."""
    steps = (
        "- rest: 1 min\n- cycle: check\n  steps:\n  - charge: {current: C/3, to: 4.2 V, for: 5 h}\n"
        "  - discharge: {current: C/3, to: 2.5 V, for: 5 h}\n- nominal: {from: discharge_capacity, within: [60 %, 140 %]}\n"
        "- charge: {current: C/3, to: 4.2 V, for: 4 h}"
    )
    assert codes(plan(steps)) == []


@pytest.mark.parametrize(
    ("current", "hint"),
    [
        ("1 uA", "1 uA is C/1000: is 1C or 1 mA meant? else lengthen for"),
        ("0.1 mA", "lengthen for, if the voltage is to be reached"),
    ],
)
def test_a_current_far_too_small_for_its_time_is_asked_for_its_unit(plan, current, hint):
    pair = (
        f"- charge: {{current: {current}, to: 4.2 V, for: 2 h}}\n- discharge: {{current: C/10, to: 3 V, for: 15 h}}\n"
    )
    assert [one.hint for one in warnings(plan(looped(pair, "repeat: 3\n  cycle: true")))] == [hint]


def test_a_time_that_is_much_too_short_for_the_only_charge_of_a_cycle(plan):
    pair = "- charge: {current: C/10, to: 4.2 V, for: 15 min}\n- discharge: {current: C/10, to: 3 V, for: 15 h}\n"
    assert codes(plan(looped(pair, "repeat: 3\n  cycle: true"))) == [("plan.time_first", 6)]
    assert codes(plan(looped(pair + "- charge: {current: 1C, to: 4.2 V, for: 10 s}", "repeat: 3\n  cycle: true"))) == []


def test_a_current_that_nothing_judges_is_told_once(plan):
    """Neither a limit of current in file or cell nor a nominal capacity: A for mA would be held back by the channel alone."""
    steps = "- charge: {current: 1 A, to: 4 V, for: 1 h}\n- discharge: {current: 1 A, to: 3 V, for: 1 h}"
    voltage = "limits: {voltage: [2 V, 4.2 V]}\n"
    assert codes(plan(steps, "bare", head=voltage)) == [("plan.unbounded", 4)]
    assert codes(plan(steps, "bare", head=voltage.replace("}", ", current: [-2 A, 2 A]}"))) == []
    assert codes(plan(steps, replace(FULL, limits=Bounds(voltage=(2.0, 4.3)), nominal=3600.0))) == []


def test_a_profile_after_a_discharge_by_capacity_may_discharge_on(plan):
    """A drive cycle from 90 % of the charge: the discharge before it ended by charge, its voltage is a safeguard."""
    steps = "- discharge: {current: C/3, capacity: 10 %, to: 2.8 V}\n- profile: {file: drive.csv, positive: discharge}"
    files = {"drive.csv": "time / s,power / mW\n0,1\n10,4\n20,-2\n30,0\n"}
    assert [code for code, _ in codes(plan(steps, files=files)) if code == "plan.profile_sign"] == []


def test_what_follows_from_an_end_that_could_not_be_read_is_not_told(plan):
    text = "labctl: 1\nsteps:\n- charge: {current: 1 mA, cutoff: 4.2 V, for: 5 h}\n"
    assert [each.code for each in check(read(text, "t.yaml"), FULL)] == ["key.unknown"]


HALVES = "- plate: {current: 1 mA, for: 1 h}\n- strip: {current: 1 mA, for: 1 h}\n"


@pytest.mark.parametrize(
    ("watch", "warned"),
    [
        ("stop_if: short or abs(voltage) > 1 V", []),
        ("stop_if: short or voltage > 1 V", ["plan.one_side"]),
        ("stop_if: voltage < -1 V", ["plan.one_side"]),
        ("stop_if: voltage > 1 V or voltage < -1 V", []),
        ("stop_if: voltage < 1 mV", ["end.at_once"]),
        ("stop_if: voltage < 1 V", ["end.at_once"]),
        ("stop_if: voltage > -1 V", ["end.at_once"]),
        ("stop_if: abs(voltage) < 1 mV", []),
        ("stop_if: short and abs(voltage) > 1 V", ["end.tied"]),
    ],
)
def test_a_watch_of_a_symmetric_cell_sees_both_signs_and_a_short_alone(plan, watch, warned):
    steps = f"- repeat: 9\n  cycle: true\n  {watch}\n  steps:\n" + "".join(
        f"  {line}\n" for line in HALVES.splitlines()
    )
    assert [code for code, _ in codes(plan(steps, "symmetric"))] == warned


@pytest.mark.parametrize(("low", "high", "warned"), [(-2.0, 2.0, 0), (0.0, 2.0, 1), (-2.0, 0.0, 1), (-0.5, 2.0, 0)])
def test_limits_of_a_symmetric_cell_leave_room_on_both_sides_of_zero(plan, low, high, warned):
    cell = replace(SYMMETRIC, limits=Bounds((low, high), (-0.01, 0.01)))
    assert [code for code, _ in codes(plan(HALVES, cell))] == ["plan.one_side"] * warned


@pytest.mark.parametrize(
    ("watch", "warned"),
    [
        ("retention < 80 %", []),
        ("retention > 80 %", ["end.at_once"]),
        ("retention > 120 %", []),
        ("retention > 80 % and cycle > 5", []),
        ("cycle >= 10", ["end.never"]),
        ("retention of cycle 20 < 80 %", ["end.never"]),
        ("discharge_capacity < 0.5 mAh", []),
        ("discharge_capacity < 2 uAh", ["end.never"]),
        ("discharge_capacity < 2 Ah", ["end.at_once"]),
        ("discharge_capacity > 2 Ah", ["end.never"]),
        ("discharge_capacity > 2 uAh", ["end.at_once"]),
        ("change of discharge_capacity over 3 < 2 uAh", []),
    ],
)
def test_a_watch_of_results_that_every_cycle_or_none_meets(plan, watch, warned):
    assert [code for code, _ in codes(plan(CYCLES.format(f"stop_if: {watch}")))] == warned


@pytest.mark.parametrize(
    ("held", "whole", "warned"), [("3 h", "3 h", True), ("3 h", "2 h", True), ("1 h", "12 h", False)]
)
def test_a_time_of_the_whole_that_cuts_the_hold(plan, held, whole, warned):
    step = f"- charge: {{current: 1C, to: 4.2 V, hold_for: {held}, for: {whole}}}"
    assert codes(plan(step)) == ([("plan.time_first", 3)] if warned else [])


@pytest.mark.parametrize(("power", "warned"), [("0.5 mW", True), ("4 mW", False)])
def test_a_power_too_small_for_its_time_is_told_as_a_current_is(plan, power, warned):
    steps = (
        "- repeat: 2\n  cycle: true\n  steps:\n  - charge: {current: 1C, to: 4 V, for: 2 h}\n"
        f"  - discharge: {{power: {power}, to: 2.8 V, for: 2 h}}"
    )
    assert [code for code, _ in codes(plan(steps))] == (["plan.time_first"] if warned else [])


@pytest.mark.parametrize(
    ("until", "warned"),
    [("voltage < 2.6 V", True), ("voltage < 2.5 V", True), ("voltage < 2.7 V", False), ("voltage > 4 V", True)],
)
@pytest.mark.parametrize("block", ["- repeat: 3\n  steps:\n  ", ""])
def test_an_end_of_a_profile_at_the_voltage_it_is_held_inside(plan, until, warned, block):
    step = f"{block}- profile: {{file: drive.csv, positive: charge, clip: [2.6 V, 4 V], until: {until}}}"
    assert ("end.never" in [code for code, _ in codes(plan(step, files=DRIFT))]) == warned


@pytest.mark.parametrize(
    ("first", "last", "step", "warned"),
    [
        ("0.1 mA/cm2", "2 mA/cm2", "0.1 mA/cm2", False),
        ("0.1 mA/m2", "2 mA/cm2", "0.1 mA/cm2", True),
        ("1 mA/cm2", "2 mA/cm2", "0.3 mA/cm2", True),
        ("10 mA/m2", "2 mA/cm2", "0.1 mA/cm2", True),
    ],
)
def test_a_range_that_goes_past_its_last_value_says_where_it_ends(first, last, step, warned):
    text = f"- each: {{j: {{from: {first}, to: {last}, by: {step}}}}}\n  steps:\n  - plate: {{current: $j, for: 1 min}}\n  - strip: {{current: $j, for: 1 min}}"
    read_text = f"labctl: 1\nsteps:\n{text}"
    found = [one.code for one in check(read(read_text.encode(), "test.yaml", {}.get), SYMMETRIC)]
    assert found == (["each.short"] if warned else [])


def test_an_analysis_that_the_kind_of_cell_has_not():
    text = f"labctl: 1\nsteps:\n{HALVES}analyse: [retention, life]\n"
    told = check(read(text.encode(), "test.yaml", {}.get), SYMMETRIC)
    (found,) = (one for one in told if one.code == "analyse.nothing")
    assert "retention" in found.message


@pytest.mark.parametrize(
    ("watch", "warned"),
    [
        ("abort_if: temperature < 55 degC", True),
        ("stop_if: temperature > 20 degC", True),
        ("abort_if: temperature > 55 degC", False),
        ("abort_if: temperature < 5 degC", False),
    ],
)
def test_a_watch_of_the_temperature_is_not_met_in_a_room(plan, watch, warned):
    steps = f"- repeat: 9\n  {watch}\n  steps:\n  - charge: {{current: C/5, to: 4.2 V, for: 6 h}}\n  - rest: 1 h\n"
    assert codes(plan(steps)) == ([("end.at_once", 6)] if warned else [])


def test_a_block_that_chooses_cycles_stands_in_their_loop(plan):
    cycles = (
        "- repeat: 100\n  cycle: true\n  steps:\n  - charge: {current: C/5, to: 4.2 V, for: 8 h}\n"
        "  - discharge: {current: C/5, to: 3 V, for: 8 h}\n"
    )
    for chosen in ("every 50 cycles", "cycle in [10, 50]"):
        chooses = f"- if: {chosen}\n  steps: [{{rest: 1 h}}]\n"
        assert codes(plan(cycles + chooses)) == [("end.never", 9)]
        inside = "".join(f"  {line}\n" for line in chooses.splitlines())
        assert codes(plan(cycles + inside)) == []
    assert codes(plan(cycles + "- if: cycle < 100\n  steps: [{rest: 1 h}]\n")) == []


@pytest.mark.parametrize(
    ("demand", "hint"),
    [
        ("power: 16 W, to: 3 V", "write power: 15 W or less, or end at 3.2 V"),
        ("power: 15 W, to: 3 V", ""),
        ("resistance: 0.8 Ohm, to: 3 V", "write resistance: 840 mOhm or more"),
        ("resistance: 0.84 Ohm, to: 3 V", ""),
    ],
)
def test_a_power_and_a_load_draw_no_more_than_the_limit_on_their_way(plan, demand, hint):
    cell = replace(FULL, limits=Bounds((2.5, 4.3), (-5.0, 5.0)), nominal=3.0 * 3600.0)
    steps = f"- charge: {{current: C/5, to: 4.2 V, for: 8 h}}\n- discharge: {{{demand}, for: 8 h}}"
    assert [(one.code, one.hint) for one in warnings(plan(steps, cell))] == (
        [("plan.forestalled", hint)] if hint else []
    )


@pytest.mark.parametrize(("minutes", "warned"), [(10, 1), (20, 1), (30, 0)])
def test_a_time_that_comes_before_the_charge_is_told_once(plan, minutes, warned):
    steps = f"- charge: {{current: 1C, capacity: 50 %, to: 4.2 V, for: {minutes} min}}"
    assert codes(plan(steps)) == [("plan.time_first", 3)] * warned


@pytest.mark.parametrize(("lasting", "warned"), [("30 min", True), ("10 min", False)])
def test_a_watch_lasts_no_longer_than_a_step_of_its_block(plan, lasting, warned):
    pieces = f"- repeat: 99\n  stop_if: voltage > 4.1 V for {lasting}\n  steps:\n  - charge: {{current: C/5, to: 4.2 V, for: 15 min}}\n"
    found = [code for code, _ in codes(plan(pieces)) if code == "end.never"]
    assert found == (["end.never"] if warned else [])


def test_a_charge_that_takes_back_a_capacity_needs_no_more_time_than_that(plan):
    limited = "- repeat: 9\n  cycle: true\n  steps:\n  - charge: {{current: C/3, capacity: 30 %, to: 4.2 V}}\n  - discharge: {{current: C/3, to: 3 V, for: {}}}"
    assert codes(plan(limited.format("2 h"))) == []
    assert [code for code, _ in codes(plan(limited.format("40 min")))] == ["plan.time_first"]


@pytest.mark.parametrize(
    "steps",
    [
        # the voltage of a pulse guards it, and is not where the cell is behind it
        (
            "- discharge: {current: C/3, to: 2.5 V, for: 5 h}\n- charge: {current: C/3, capacity: 50 %, to: 4.2 V}\n- rest: 1 h\n"
            "- discharge: {current: 2C, for: 18 s, to: 2.5 V}\n- discharge: {current: C/3, to: 2.8 V, for: 5 h}\n"
        ),
        # what is left behind nine parts of ten needs no more than its time
        (
            "- charge: {current: C/3, to: 4.2 V, hold_until: current < C/20, for: 8 h}\n- repeat: 9\n  steps:\n"
            "  - discharge: {current: 1C, capacity: 10 %, to: 2.5 V}\n  - rest: 1 h\n- discharge: {current: C/3, to: 2.5 V, for: 2 h}\n"
        ),
        # the limit of a discharge is that of its own direction
        "- charge: {current: C/3, to: 4.2 V, for: 8 h}\n- discharge: {power: 12 mW, to: 2.5 V, for: 2 h}\n",
    ],
)
def test_what_is_right_is_not_warned_of(plan, steps):
    cell = replace(FULL, limits=Bounds((2.5, 4.2), (-0.006, 0.002)))
    assert codes(plan(steps, cell)) == []


@pytest.mark.parametrize(
    ("steps", "cell", "code", "hint"),
    [
        ("- rest: 1 h\n- eis: {from: 10 kHz, to: 1 Hz, amplitude: 10 nA}", FULL, "eis.amplitude", "C/50 is usual: is 20 uA meant?"),
        ("- rest: 1 h\n- eis: {from: 10 kHz, to: 1 Hz, amplitude: 10 uA}", FULL, "", ""),
        (
            ("- cycle: true\n  steps:\n  - repeat: 5\n    steps:\n    - charge: {current: 1C, to: 4.2 V, for: 2 h}\n"
            "    - discharge: {current: 1C, to: 3 V, for: 2 h}"),
            FULL, "plan.twice", "write cycle: true beside repeat: 5 in its place",
        ),
        (
            "- repeat: 5\n  cycle: true\n  steps:\n  - plate: {current: 1 mA, capacity: 1 mAh}\n  - strip: {current: 1 mA, capacity: 1 mAh}",
            BARE, "plan.forestalled", "add to: 0.5 V, by which the efficiency is told",
        ),
        (
            "- repeat: 5\n  cycle: true\n  steps:\n  - plate: {current: 1 mA, capacity: 1 mAh}\n  - strip: {current: 1 mA, to: 0.5 V, for: 2 h}",
            BARE, "", "",
        ),
        (
            ("- each: {r: [C/2, 4C]}\n  record: {every: 10 min}\n  steps:\n  - charge: {current: $r, to: 4.2 V, for: 15 h}\n"
            "  - discharge: {current: $r, to: 3 V, for: 15 h}"),
            FULL, "plan.record", "below it write record: {every: 9 s}, or dV: 5 mV beside every",
        ),
    ],
)  # fmt: skip
def test_what_nobody_would_see_before_the_days_are_spent(steps, cell, code, hint):
    found = check(read(f"labctl: 1\nsteps:\n{steps}\n", "t.yaml"), cell)
    assert {(one.code, one.hint) for one in found} == ({(code, hint)} if code else set())


@pytest.mark.parametrize(
    ("capacity", "hint"), [("80 mAh", "is 80 % meant?"), ("600 mAh", None), ("20 mAh", "is the unit meant?")]
)
def test_a_capacity_of_a_dead_cell_is_asked_about(plan, capacity, hint):
    cell = replace(FULL, limits=Bounds((2.5, 4.2), (-1.0, 1.0)), nominal=680e-3 * 3600.0)
    steps = (
        f"- repeat: 9\n  cycle: true\n  stop_if: discharge_capacity < {capacity}\n  steps:\n  - charge: {{current: C/5, to: 4.2 V, for: 8 h}}\n"
        "  - discharge: {current: C/5, to: 3 V, for: 8 h}"
    )
    assert [one.hint for one in warnings(plan(steps, cell))] == ([hint] if hint else [])


def test_an_anode_is_lithiated_to_a_voltage_that_is_told_from_nothing(plan):
    anode = replace(FULL, kind="half_anode", limits=Bounds((0.0, 2.0), (-0.01, 0.01)))
    head = "requires: {ocv: [0 V, 3.5 V]}\n"
    for volts, codes_wanted in (("0.01 mV", ["plan.range"]), ("10 mV", [])):
        assert [
            code for code, _ in codes(plan(f"- discharge: {{current: 1 mA, to: {volts}, for: 10 h}}", anode, head=head))
        ] == codes_wanted


@pytest.mark.parametrize(
    ("steps", "cell", "hints"),
    [
        (
            "- charge: {current: C/2, to: 4.2 V, hold_until: current < C/20, for: 2 h}",
            FULL, ["lengthen for to 4 h, or end it by to: without a hold"],
        ),
        ("- charge: {current: C/2, to: 4.2 V, hold_until: current < C/20, for: 4 h}", FULL, []),
        (
            "- repeat: 9\n  cycle: true\n  steps:\n  - plate: {current: 0.5 uA, for: 1 h}\n  - strip: {current: 0.5 uA, for: 1 h}",
            SYMMETRIC, ["is 0.5 mA/cm2 meant?"] * 2,
        ),
        ("- rest: 30 d\n  record: {every: 0.1 s}", FULL, ["record: [{every: 10 ms, for: 10 s}, {every: 10 s}] is fine where it is fast and coarse behind it"]),
    ],
)  # fmt: skip
def test_what_is_too_short_too_small_or_too_much_is_told_with_what_is_meant(steps, cell, hints):
    assert [one.hint for one in check(read(f"labctl: 1\nsteps:\n{steps}\n", "t.yaml"), cell)] == hints


@pytest.mark.parametrize(("year", "told"), [(2027, []), (2062, ["is its year meant?"])])
def test_a_date_of_another_century_is_asked_about(plan, year, told):
    outside = Outside(begins=1_796_000_000.0)
    assert [one.hint for one in warnings(plan(f"- wait: {{until: {year}-12-05 08:00 UTC}}", outside=outside))] == told


@pytest.mark.parametrize(
    ("watch", "rest", "warned"),
    [
        ("abs(voltage) < 5 mV for 10 s", "  - rest: 5 min\n", ["end.at_once"]),
        ("abs(voltage) < 5 mV for 10 min", "  - rest: 5 min\n", []),
        ("abs(voltage) < 5 mV for 10 s", "", []),
        ("short", "  - rest: 5 min\n", []),
    ],
)
def test_a_threshold_of_a_short_is_not_met_by_a_rest(plan, watch, rest, warned):
    loop = f"- repeat: 9\n  stop_if: {watch}\n  steps:\n  - plate: {{current: 1 mA, for: 1 h}}\n{rest}  - strip: {{current: 1 mA, for: 1 h}}\n"
    assert [code for code, _ in codes(plan(loop, "symmetric"))] == warned


def test_a_staircase_is_as_balanced_as_its_times(plan):
    stairs = "- each: {{j: {{from: 0.1 mA, to: 1 mA, by: 0.1 mA}}}}\n  cycle: true\n  steps:\n  - plate: {{current: $j, for: 1 h}}\n  - strip: {{current: $j, for: {}}}\n"
    assert codes(plan(stairs.format("1 h"), "symmetric")) == []
    assert [code for code, _ in codes(plan(stairs.format("10 min"), "symmetric"))] == ["plan.unbalanced"]
