"""Tables of currents, powers, voltages and temperatures on a simulated cell: what they do, and what they say they left out."""

import datetime as dt
import json

import pytest

from tests.system.test_protocol_cases import FULL, HEAD, simulate

__all__ = ["simulate"]  # the fixture

TWO_AMPERES = "time / s,current / A\n0,0.5\n60,-0.5\n120,2\n180,0\n"
BEFORE = "  - rest: 10 min\n  - charge: {current: C/2, to: 4.05 V, for: 20 h}\n"


def left_out(ask):
    return [
        json.loads(data) for (data,) in ask("select data from events where kind = 'left_out' order by test_time_second")
    ]


def test_missing_profile_held_at_voltage(simulate):
    """A charge pulse of 2 A that would go beyond 4.1 V is held there and goes on; what it did not pass is told."""
    ended, ask = simulate(
        BEFORE + "  - profile: {file: d.csv, positive: charge, clip: [3.1 V, 4.1 V]}\n", head="labctl: 1\nrecord: {every: 1 s}\n",
        d_csv=TWO_AMPERES,
    )  # fmt: skip
    assert ended.reason == "done"
    ((seconds, reason, charge, discharge),) = ask(
        "select step_time_second, end_reason, charging_capacity_ah, discharging_capacity_ah from steps where step_count = 3"
    )
    assert (seconds, reason) == (180.0, "own")
    assert ask("select max(voltage_volt) from v_samples where step_count = 3")[0][0] == pytest.approx(4.1, abs=1e-4)
    ((low, high),) = ask("select min(current_ampere), max(current_ampere) from v_samples where step_count = 3")
    assert low == pytest.approx(-0.5)
    assert 0.5 < high <= 2.0
    (event,) = left_out(ask)
    assert event["why"] == "held between 3.1 V and 4.1 V"
    asked = (0.5 * 60 - 0.5 * 60 + 2 * 60) / 3600
    assert event["charge_ah"] == pytest.approx(asked - (charge - discharge), rel=1e-9)
    assert event["charge_ah"] > 0.01


def test_a_clip_that_is_never_reached_says_nothing(simulate):
    _, ask = simulate(
        BEFORE + "  - profile: {file: d.csv, positive: charge, clip: [2.6 V, 4.4 V]}\n", d_csv=TWO_AMPERES
    )
    assert left_out(ask) == []


def test_a_power_beyond_the_edge_is_held_too(simulate):
    table = "time / s,power / W\n0,8\n60,-1\n120,0\n"
    ended, ask = simulate(BEFORE + "  - profile: {file: d.csv, positive: charge, clip: [3 V, 4.1 V]}\n", d_csv=table)
    assert ended.reason == "done"
    assert ask("select max(voltage_volt) from v_samples where step_count = 3")[0][0] == pytest.approx(4.1, abs=1e-4)
    (event,) = left_out(ask)
    ((charged, discharged),) = ask("select charging_energy_wh, discharging_energy_wh from steps where step_count = 3")
    assert event["energy_wh"] == pytest.approx((8 * 60 - 60) / 3600 - (charged - discharged), rel=1e-6)


def test_one_direction_alone_says_what_it_left_out(simulate):
    _, ask = simulate(BEFORE + "  - profile: {file: d.csv, positive: charge, only: discharge}\n", d_csv=TWO_AMPERES)
    ((charge, discharge),) = ask("select charging_capacity_ah, discharging_capacity_ah from steps where step_count = 3")
    assert (charge, discharge) == (0.0, pytest.approx(0.5 / 60))
    (event,) = left_out(ask)
    assert event["why"] == "only discharge"
    assert event["charge_ah"] == pytest.approx((0.5 + 2) / 60)


def test_missing_voltage_and_temperature_profiles(simulate):
    """A table of voltages is held row by row within its current; one of temperatures leads the chamber by its times."""
    ended, ask = simulate(
        BEFORE + "  - profile: {file: v.csv, current: 100 mA}\n  - profile: {file: t.csv}\n",
        v_csv="time / s,voltage / V\n0,3.9\n600,4.0\n1200,0\n", t_csv="time / s,temperature / degC\n0,25\n600,35\n1800,0\n",
    )  # fmt: skip
    assert ended.reason == "done"
    table, *chamber = ask(
        "select step_type, step_time_second, chamber_temperature_celsius, last_voltage_volt from steps where step_count > 2"
    )
    assert table[:2] == ("profile", 1200.0)
    ((least, most),) = ask("select min(current_ampere), max(current_ampere) from v_samples where step_count = 3")
    assert -0.1 <= least < 0.0 < most <= 0.1
    assert [step[:3] for step in chamber] == [
        ("temperature", 600.0, 25.0),
        ("temperature", pytest.approx(1200.0), 35.0),
    ]


def test_a_temperature_beside_a_step_is_reached_before_it(simulate):
    steps = "  - rest: 1 min\n  - charge: {current: C/5, for: 10 min}\n    temperature: {to: 35 degC, soak: 5 min}\n  - rest: 1 min\n    temperature: 25 degC\n"
    ended, ask = simulate(steps)
    assert ended.reason == "done"
    assert ask("select step_type, chamber_temperature_celsius from steps order by step_count") == [
        ("rest", None), ("temperature", 35.0), ("charge", 35.0), ("temperature", 25.0), ("rest", 25.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("until", "passes"), [("time > 250 s", 5), ("capacity > 9 mAh", 6), ("voltage < 3.93 V", None)]
)
def test_until_of_a_repeated_profile_is_that_of_the_whole(simulate, until, passes):
    """A table of 60 s, repeated: `until` counts time and charge over all passes, and ends them all."""
    steps = (
        BEFORE
        + f"  - repeat: 100\n    steps:\n      - profile: {{file: d.csv, positive: discharge, until: {until}}}\n  - rest: 1 min\n"
    )
    _, ask = simulate(steps, head="labctl: 1\nrecord: {every: 1 s}\n", d_csv="time / s,current / A\n0,0.1\n60,0\n")
    reasons = [
        reason for (reason,) in ask("select end_reason from steps where step_type = 'profile' order by step_count")
    ]
    assert set(reasons[:-1]) == {"own"}
    assert reasons[-1] == "until"
    assert len(reasons) < 100
    if passes:
        assert len(reasons) == passes
    assert ask("select step_type from steps order by step_count desc limit 1") == [("rest",)]


def test_a_profile_beside_other_steps_ends_for_itself(simulate):
    steps = BEFORE + (
        "  - repeat: 3\n    steps:\n      - profile: {file: d.csv, positive: discharge, until: time > 20 s}\n      - rest: 10 s\n"
    )
    _, ask = simulate(steps, d_csv="time / s,current / A\n0,0.1\n60,0\n")
    assert ask("select end_reason from steps where step_type = 'profile'") == [("until",)] * 3


def test_missing_start_at_time_a_wait_ends_at_its_date(simulate):
    """Whatever came before it: run time is counted from the label of the run's begin."""
    date = dt.datetime.now(dt.UTC).replace(second=0, microsecond=0) + dt.timedelta(days=2)
    steps = f"  - rest: 10 min\n  - wait: {{until: {date:%Y-%m-%d %H:%M} UTC}}\n  - rest: 1 min\n"
    ended, ask = simulate(steps, head=HEAD)
    assert ended.reason == "done"
    ((began,),) = ask("select began_unix_time_second from runs")
    ((end, kind),) = ask("select end_test_time_second, step_type from steps where step_count = 2")
    assert kind == "rest"
    assert began + end == pytest.approx(date.timestamp(), abs=1e-3)


def test_a_drawn_seed_is_stored_with_the_plan(simulate):
    steps = "  - rest: 1 min\n  - each: {j: {pick: [0.1 A, 0.2 A, 0.3 A], times: 9}}\n    steps: [{charge: {current: $j, for: 10 s}}]\n"
    _, ask = simulate(steps, cell=FULL)
    plan = json.loads(ask("select plan from plans")[0][0])
    (block,) = [child for child in plan["root"]["children"] if child.get("seeds")]
    assert set(block["seeds"]) == {"j"}
    assert len(block["variables"]["j"]) == 9
