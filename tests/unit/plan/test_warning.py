import pytest

from labctl.plan.warning import warnings

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
        ("charge: {current: C/2, to: 4.2 V, hold_until: current < C/20, for: 1 h}", True),
    ],
)
def test_a_time_that_comes_before_the_voltage_end(plan, step, warned):
    assert codes(plan(f"- {step}")) == ([("plan.time_first", 3)] if warned else [])


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
    assert [code for code, _ in codes(plan(steps, files=DRIFT))] == (["plan.profile_net"] if warned else [])


def test_a_watch_that_the_limits_forestall(plan):
    steps = "- repeat: 2\n  abort_if: voltage > 5 V\n  stop_if: abs(voltage) > 4 V\n  steps:\n  - charge: {current: 1 mA, for: 1 h}"
    (found,) = warnings(plan(steps))
    assert (found.code, found.severity) == ("plan.forestalled", "warning")
    assert "abort_if of voltage" in found.message
