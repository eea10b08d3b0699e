import json
import math

import numpy as np
import pytest

from labctl_simulators.cell import AtOpenCircuit, CellState, Current, Load, Power, Stop, Voltage, VoltageSweep
from labctl_simulators.models import load_model

NOMINAL = 0.680616


@pytest.fixture(scope="module")
def cell():
    return load_model("marquis2019")


def test_a_stop_met_just_after_the_switch_ends_at_once(cell):
    segment = cell.segment(cell.initial(soc=0.5), Current(-5 * NOMINAL), 100.0, (Stop("voltage", False, 3.7, 7),))
    assert (segment.end, segment.stop) == (0.0, 7)
    assert segment.rows([0.0]).voltage[0] < 3.7


@pytest.mark.parametrize(
    ("stop", "end"),
    [
        (Stop("time", True, 12.5, 1), 12.5),
        (Stop("charge", True, 3.0, 1), 3.0 / NOMINAL),
        (Stop("current", True, NOMINAL, 1), 0.0),
        (Stop("power", True, 0.1, 1), 0.0),
        (Stop("current", False, NOMINAL / 2, None), None),
    ],
)
def test_stops_on_every_quantity_at_constant_current(cell, stop, end):
    segment = cell.segment(cell.initial(soc=0.5), Current(NOMINAL), 60.0, (stop,))
    assert segment.end == pytest.approx(60.0 if end is None else end, rel=1e-12)
    assert segment.stop == (None if end is None else 1)


def test_the_first_of_several_stops_wins(cell):
    stops = (Stop("voltage", False, 3.105, 1), Stop("time", True, 100.0, 2), Stop("charge", True, 40.0, 3))
    assert cell.segment(cell.initial(), Current(-NOMINAL), math.inf, stops).stop == 3


def test_a_voltage_crossing_is_located_to_rounding(cell):
    segment = cell.segment(cell.initial(), Current(-NOMINAL), math.inf, (Stop("voltage", False, 3.4, 1),))
    assert segment.rows([segment.end]).voltage[0] == pytest.approx(3.4, abs=1e-12)
    assert np.all(segment.rows(np.linspace(0.0, segment.end, 2000)[:-1]).voltage > 3.4)


def test_a_power_stop_is_located(cell):
    segment = cell.segment(cell.initial(), Current(-NOMINAL), math.inf, (Stop("power", False, 2.4, 1),))
    rows = segment.rows([segment.end])
    assert abs(rows.voltage[0] * rows.current[0]) == pytest.approx(2.4, abs=1e-11)


def test_a_touch_between_scan_points_is_seen():
    # nucleation: the voltage of a metal cell dips and recovers within a small part of the segment
    cell = load_model("na-bare")
    state = cell.segment(cell.initial(seed=3), Current(5e-4), 3600.0).state(3600.0)
    free = cell.segment(state, Current(-5e-4), 7200.0)
    times = np.linspace(0.0, 7200.0, 400_001)
    voltage = free.rows(times).voltage
    deepest = int(voltage.argmin())
    level = voltage[deepest] + 1e-5
    segment = cell.segment(state, Current(-5e-4), 7200.0, (Stop("voltage", False, float(level), 4),))
    assert segment.stop == 4
    assert segment.end <= times[deepest]


def test_a_cell_driven_past_empty_collapses_in_words(cell):
    segment = cell.segment(cell.initial(), Current(-NOMINAL), math.inf)
    assert segment.stop is None
    assert "surface" in segment.collapse
    assert np.all(np.isfinite(segment.rows(np.linspace(0.0, segment.end, 500)).voltage))


def test_every_limit_is_met_before_the_collapse(cell):
    for limit in (3.0, 2.0, 0.0, -5.0):
        stop = Stop("voltage", False, limit, 1)
        segment = cell.segment(cell.initial(), Current(-NOMINAL), math.inf, (stop,))
        assert (segment.stop, segment.collapse) == (1, None)


def test_a_current_beyond_diffusion_collapses(cell):
    segment = cell.segment(cell.initial(soc=0.5), Current(-2000 * NOMINAL), 10.0)
    assert segment.collapse is not None
    assert 0.0 <= segment.end < 10.0


@pytest.mark.parametrize("drive", [Power(-1e4), Power(-200.0), Voltage(60.0), VoltageSweep(3.8, 60.0, 1.0), Load(1e-6)])
def test_what_cannot_be_reached_ends_without_nan(cell, drive):
    segment = cell.segment(cell.initial(soc=0.5), drive, 5.0)
    rows = segment.rows(np.linspace(0.0, segment.end, 50))
    assert np.all(np.isfinite(rows.voltage))
    assert np.all(np.isfinite(rows.current))
    assert segment.end == 5.0 or segment.collapse


def test_power_is_held_until_the_voltage_collapses(cell):
    segment = cell.segment(cell.initial(soc=0.3), Power(-2.0), math.inf)
    rows = segment.rows(np.linspace(0.0, segment.end, 300))
    assert np.allclose(rows.voltage * rows.current, -2.0, rtol=1e-10)
    assert segment.collapse


def test_a_load_follows_its_resistance(cell):
    segment = cell.segment(cell.initial(), Load(5.0), math.inf, (Stop("voltage", False, 3.2, 1),))
    rows = segment.rows(np.linspace(0.0, segment.end, 300))
    assert np.allclose(rows.voltage, -5.0 * rows.current, rtol=1e-12)
    assert rows.voltage[-1] == pytest.approx(3.2, abs=1e-9)


def test_a_current_limit_precedes_the_hold(cell):
    segment = cell.segment(
        cell.initial(soc=0.3), Voltage(4.1, most=NOMINAL), math.inf, (Stop("current", False, NOMINAL / 20, 9),)
    )
    rows = segment.rows(np.linspace(0.0, segment.end, 1000))
    assert segment.stop == 9
    assert rows.current.max() == pytest.approx(NOMINAL)
    assert rows.voltage.max() == pytest.approx(4.1)
    assert np.all(np.diff(rows.current) <= 1e-9)
    assert np.trapezoid(rows.current, rows.time) == pytest.approx(rows.charging[-1], rel=1e-3)


def test_a_sweep_ends_at_its_end_and_splits_its_charge(cell):
    state = cell.initial(soc=0.5)
    up = cell.segment(state, VoltageSweep(cell.voltage(state), 4.0, 1e-3), math.inf)
    assert up.rows([up.end]).voltage[0] == pytest.approx(4.0)
    down = cell.segment(up.state(up.end), VoltageSweep(4.0, 3.5, 1e-3), math.inf)
    rows = down.rows(np.linspace(0.0, down.end, 4000))
    assert rows.charging[-1] > 0.0
    assert rows.discharging[-1] > 0.0
    flow = np.maximum(-rows.current, 0.0)
    assert np.trapezoid(flow, rows.time) == pytest.approx(rows.discharging[-1], rel=1e-4)


@pytest.mark.parametrize(
    "drive", [Voltage(3.85), VoltageSweep(3.75, 3.9, 2e-4), Load(8.0), Power(-1.5), Voltage(4.0, most=0.5)]
)
def test_a_held_drive_may_be_cut_and_stored(cell, drive):
    state = cell.initial(soc=0.5)
    whole = cell.segment(state, drive, 700.0)
    first = cell.segment(state, drive, 260.0).state(260.0)
    stored = CellState.from_json(json.loads(json.dumps(first.to_json())))
    going = drive
    if isinstance(drive, VoltageSweep):
        going = VoltageSweep(drive.start + 260.0 * drive.rate, drive.end, drive.rate)
    rest = cell.segment(stored, going, 440.0)
    times = np.array([270.0, 400.0, 699.0])
    wanted, found = whole.rows(times), rest.rows(times - 260.0)
    assert np.abs(wanted.current - found.current).max() < 1e-12
    assert np.abs(wanted.voltage - found.voltage).max() < 1e-12
    before = whole.rows([260.0])
    assert np.abs(wanted.charging - before.charging - found.charging).max() < 1e-10
    last, other = whole.state(700.0), rest.state(440.0)
    assert np.abs(last.memory - other.memory).max() < 1e-12
    assert np.abs(last.level - other.level).max() < 1e-12


def test_a_finished_sweep_starts_anew(cell):
    state = cell.initial(soc=0.5)
    start = cell.voltage(state)
    for _ in range(3):
        for end in (start + 0.05, start):
            segment = cell.segment(state, VoltageSweep(cell.voltage(state), end, 1e-2), math.inf)
            state = segment.state(segment.end)
    assert segment.end > 0.0


def test_states_survive_json(cell):
    segment = cell.segment(cell.initial(soc=0.4, seed=5), Current(0.3), 500.0)
    state = segment.state(123.4)
    again = CellState.from_json(json.loads(json.dumps(state.to_json())))
    assert again == state
    assert hash(again) == hash(state)
    assert (
        cell.segment(again, AtOpenCircuit(), 10.0).rows([5.0]).voltage
        == cell.segment(state, AtOpenCircuit(), 10.0).rows([5.0]).voltage
    )


def test_a_state_of_another_version_is_refused(cell):
    with pytest.raises(ValueError, match="version"):
        CellState.from_json({"labctl_cell_state": 99})
    value = cell.initial().to_json()
    del value["level"]
    with pytest.raises(ValueError, match="level"):
        CellState.from_json(value)


@pytest.mark.parametrize(
    ("drive", "duration", "stops"),
    [
        (Current(math.nan), 1.0, ()),
        (Voltage(math.inf), 1.0, ()),
        (Load(0.0), 1.0, ()),
        (VoltageSweep(3.0, 4.0, 0.0), 1.0, ()),
        (Voltage(4.0, most=0.0), 1.0, ()),
        (AtOpenCircuit(), math.inf, ()),
        (AtOpenCircuit(), -1.0, ()),
        (AtOpenCircuit(), math.nan, ()),
        (Current(1.0), 1.0, (Stop("voltage", True, math.nan),)),
    ],
)
def test_what_has_no_meaning_is_refused(cell, drive, duration, stops):
    with pytest.raises(ValueError, match="wanted"):
        cell.segment(cell.initial(), drive, duration, stops)


def test_rows_outside_the_segment_are_refused(cell):
    segment = cell.segment(cell.initial(), AtOpenCircuit(), 10.0)
    with pytest.raises(ValueError, match="times"):
        segment.rows([11.0])
    with pytest.raises(ValueError, match="time"):
        segment.state(-1.0)


def test_warmth_speeds_up_and_cold_slows_down(cell):
    state = cell.initial(soc=0.8)
    fall = [
        state_voltage - cell.segment(state.at(temperature=t), Current(-NOMINAL), 600.0).rows([600.0]).voltage[0]
        for t in (273.15, 298.15, 323.15)
        for state_voltage in [cell.voltage(state.at(temperature=t))]
    ]
    assert fall[0] > fall[1] > fall[2]


def test_a_temperature_outside_the_parameters_is_refused(cell):
    with pytest.raises(ValueError, match="temperature"):
        cell.segment(cell.initial().at(temperature=100.0), AtOpenCircuit(), 1.0)
    with pytest.raises(ValueError, match="0 K"):
        cell.initial().at(temperature=-3.0)


def test_a_bend_beyond_the_limit_is_refused():
    cell = load_model("voc1-atfb")
    with pytest.raises(ValueError, match="angle"):
        cell.segment(cell.initial().at(angle=400.0), AtOpenCircuit(), 1.0)
    with pytest.raises(ValueError, match="radius"):
        cell.initial().at(radius=0.0)


def test_a_thousand_cycles_conserve_charge(cell):
    state, passed, gross = cell.initial(soc=0.5), 0.0, 0.0
    for k in range(2000):
        segment = cell.segment(state, Current(NOMINAL * (0.7 if k % 2 else -0.7001)), 97.3)
        rows = segment.rows([segment.end])
        passed += float(rows.charging[0] - rows.discharging[0])
        gross += float(rows.charging[0] + rows.discharging[0])
        state = segment.state(segment.end)
    host = cell.chemistry.parameters.positive
    level = -(state.level[0] - cell.initial(soc=0.5).level[0]) * host.capacity
    assert abs(state.charge - passed) < 1e-12 * gross
    assert abs(level - passed) < 1e-12 * gross
    assert state.throughput == pytest.approx(gross, rel=1e-12)


def test_a_trial_beyond_full_is_no_exception():
    """A hold whose kept inverse leads outside the tables falls back to marching."""
    cell = load_model("chen2020")
    state = cell.initial(soc=0.9)
    for _ in range(3):
        charge = cell.segment(state, Current(5.0), 36000.0, [Stop("voltage", above=True, value=4.2)])
        hold = cell.segment(
            charge.state(charge.end), Voltage(4.2, 5.0), 36000.0, [Stop("current", above=False, value=0.25)]
        )
        assert hold.collapse is None
        down = cell.segment(hold.state(hold.end), Current(-15.0), 36000.0, [Stop("voltage", above=False, value=2.5)])
        state = down.state(down.end)


def test_a_hold_that_was_solved_before_keeps_its_current_limit():
    """The starting values that a cycled cell carries say how the hold went then, not what it may draw now."""
    cell, nominal = load_model("marquis2019"), 0.680616
    full = cell.segment(cell.initial(soc=0.5), Current(nominal), np.inf, [Stop("voltage", True, 4.1)])
    charged = full.state(full.end)
    free = cell.segment(charged, Voltage(4.1), 600.0)
    again = charged.warmed(free.state(600.0).warm)
    for state in (charged, again):
        limited = cell.segment(state, Voltage(4.1, most=0.5 * nominal), 600.0)
        assert np.abs(limited.rows(np.linspace(0.0, 600.0, 61)).current).max() <= 0.5 * nominal * (1.0 + 1e-12)


@pytest.mark.parametrize("name", ["pvhlp-blocking", "phl-blocking", "phlt-blocking"])
def test_a_hold_gives_at_most_its_current_until_its_voltage_is_there_and_keeps_it(name):
    cell = load_model(name)
    drive = Voltage(0.5, 1e-3)
    whole = cell.segment(cell.initial(), drive, 60.0, [Stop("voltage", True, 0.6, 1)])
    times = np.geomspace(1e-6, 60.0, 200)
    rows = whole.rows(times)
    assert (whole.stop, whole.collapse, whole.end) == (None, None, 60.0)
    assert rows.current.max() <= 1e-3 * (1 + 1e-9)
    assert rows.voltage.max() <= 0.5 + 1e-9
    assert rows.voltage[-1] == pytest.approx(0.5, abs=1e-9)
    middle = 0.5 * float(times[(rows.voltage < 0.45).nonzero()[0][-1]])
    rest = cell.segment(whole.state(middle), drive, 60.0 - middle, [])
    later = times[times > middle]
    assert rest.rows(later - middle).voltage == pytest.approx(rows.voltage[times > middle], abs=1e-6)


def test_a_limit_that_leaves_less_than_what_leaks_is_kept_in_the_direction_that_is_asked_for():
    """What leaks at 0.2 V is five times the limit: from above the cell discharges to 0.2 V, then it sinks as far as the limit keeps it."""
    cell = load_model("phl-blocking")
    charged = cell.segment(cell.initial(), Voltage(0.5, most=1e-6), 3600.0).state(3600.0)
    held = cell.segment(charged, Voltage(0.2, most=1e-8), 2e5)
    times = np.geomspace(1.0, 2e5, 200)
    rows = held.rows(times)
    assert (held.collapse, held.end) == (None, 2e5)
    assert np.abs(rows.current).max() <= 1e-8 * (1.0 + 1e-5)
    assert rows.current[0] == pytest.approx(-1e-8)
    assert rows.current[-1] == pytest.approx(1e-8)
    leak = cell.physics(charged).leak
    assert rows.voltage[-1] == pytest.approx(1e-8 / leak, rel=0.02)
