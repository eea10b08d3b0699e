"""Potentials of two branches, and cells that discharge themselves, in every path."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl_simulators import parameters
from labctl_simulators.cell import AtOpenCircuit, CellState, Current, Stop, Voltage, VoltageSweep
from labctl_simulators.cell.batch import Mode
from labctl_simulators.models import build_cell, load_model
from labctl_simulators.parameters import ParameterError

GAP, REACH = 0.25, 0.03
SIZE = 5e-4


def silicon(gap=GAP):
    found = parameters.read("msi-c")
    working = {**found.values["working"], "hysteresis": {"gap": gap, "reach": REACH}}
    return build_cell(found._replace(values={**found.values, "working": working}))


def leaky(resistance):
    found = parameters.read("phlt-lfp")
    return build_cell(found._replace(values={**found.values, "self_discharge": {"resistance": resistance}}))


def settled(cell, soc, way):
    """Return the rest voltage after 80 min in one direction, and the state of charge then."""
    state = cell.initial(soc=soc)
    state = cell.segment(state, Current(way * SIZE), 4800.0).state(4800.0)
    rest = cell.segment(state, AtOpenCircuit(), 7200.0)
    return rest.rows([7200.0]).voltage[0], float(rest.state(7200.0).level[0])


def test_the_branches_are_the_gap_apart():
    cell, mean = silicon(), silicon(gap=0.0)
    for way in (-1.0, 1.0):
        voltage, filled = settled(cell, 0.5, way)
        plain, other = settled(mean, 0.5, way)
        assert filled == pytest.approx(other, abs=1e-12)
        assert voltage - plain == pytest.approx(way * 0.5 * GAP, abs=1e-3)


def test_a_fresh_cell_is_on_neither_branch_and_a_turn_passes_with_the_charge():
    cell, mean = silicon(), silicon(gap=0.0)
    state, plain = cell.initial(soc=0.5), mean.initial(soc=0.5)
    assert cell.voltage(state) == pytest.approx(mean.voltage(plain), abs=1e-12)
    reach = REACH * cell.chemistry.parameters.positive.capacity
    time = reach / SIZE
    away = cell.segment(state, Current(SIZE), time).rows([time]).voltage[0]
    other = mean.segment(plain, Current(SIZE), time).rows([time]).voltage[0]
    assert away - other == pytest.approx(0.5 * GAP * (1.0 - np.exp(-1.0)), abs=1e-9)


def test_every_path_follows_it_and_a_cut_changes_nothing():
    cell = silicon()
    state = cell.initial(soc=0.5)
    live, many = cell.stepper(state), cell.batch([state, state])
    for current, duration in ((-SIZE, 400.0), (SIZE, 90.0), (0.0, 60.0), (SIZE, 30.0), (-SIZE, 15.0)):
        drive = Current(current) if current else AtOpenCircuit()
        voltage = cell.segment(state, drive, duration).rows([duration]).voltage[0]
        assert live.step(current, duration) == pytest.approx(voltage, abs=1e-12)
        assert many.step(current, duration) == pytest.approx([voltage] * 2, abs=1e-12)
        middle = cell.segment(state, drive, 0.4 * duration).state(0.4 * duration)
        middle = CellState.from_json(json.loads(json.dumps(middle.to_json())))
        state = cell.segment(middle, drive, 0.6 * duration).state(0.6 * duration)
        assert cell.voltage(state, current) == pytest.approx(voltage, abs=1e-12)


def test_a_held_voltage_is_met_on_the_way_between_the_branches():
    cell = silicon()
    state = cell.segment(cell.initial(soc=0.4), Current(-SIZE), 600.0).state(600.0)
    target = cell.voltage(state) + 0.1
    segment = cell.segment(state, Voltage(target), 1800.0, [Stop("current", False, 1e-5)])
    assert segment.collapse is None
    for time in (1.0, 60.0, segment.end):
        here = segment.state(time)
        assert cell.voltage(here, segment.rows([time]).current[0]) == pytest.approx(target, abs=1e-5)
    many = cell.batch([state])
    assert many.step(target, 10.0, Mode.VOLTAGE) == pytest.approx([target], abs=1e-9)


def test_one_electrode_has_it_not_both():
    found = parameters.read("chen2020")
    both = {
        side: {**found.values[side], "hysteresis": {"gap": 0.1, "reach": 0.05}} for side in ("positive", "negative")
    }
    with pytest.raises(ParameterError, match="one electrode"):
        build_cell(found._replace(values={**found.values, **both}))


def test_a_cell_that_discharges_itself_loses_at_rest_what_flows_beside_it():
    cell = leaky(500.0)
    state, area = cell.initial(soc=0.9), cell.chemistry.parameters.leak * 500.0
    assert area > 0.0
    rest = cell.segment(state, AtOpenCircuit(), 86400.0)
    rows = rest.rows(np.linspace(0.0, 86400.0, 2001))
    assert not rows.current.any()
    assert not rows.discharging.any()
    lost = np.trapezoid(rows.voltage, rows.time) / 500.0 * area
    filled = cell.chemistry.parameters.positive.capacity * (rest.state(86400.0).level[0] - state.level[0])
    assert filled == pytest.approx(lost, rel=1e-4)


def test_a_sweep_in_which_the_current_turns_passes_to_the_other_branch_as_a_live_cell_does():
    cell = load_model("msi-c")
    low = cell.segment(cell.initial(), VoltageSweep(2.2, 0.005, 2e-4), np.inf)
    state = low.state(low.end)
    up = cell.segment(state, VoltageSweep(0.005, 1.5, 2e-4), np.inf)
    rows = up.rows(np.linspace(0.0, up.end, 1496))
    live = cell.stepper(state)
    steps = [live.hold(0.005 + 1e-3 * (k + 1), 5.0) for k in range(1495)]
    assert np.abs(np.array(steps) - rows.current[1:]).max() < 0.01 * rows.current.max()
    assert live.state.slow == pytest.approx(up.state(up.end).slow, rel=0.01, abs=1e-3)
    assert up.state(up.end).slow[-1] == 1.0  # it was charged last
    assert up.state(up.end).slow[0] > 0.2  # and the half-cycle before has taken effect


@settings(max_examples=8, deadline=None)
@given(share=st.floats(0.01, 0.99))
def test_a_sweep_in_which_the_current_turns_may_be_cut_anywhere(share):
    cell = load_model("msi-c")
    low = cell.segment(cell.initial(), VoltageSweep(2.2, 0.005, 2e-4), np.inf)
    up = cell.segment(low.state(low.end), VoltageSweep(0.005, 1.5, 2e-4), np.inf)
    middle = CellState.from_json(json.loads(json.dumps(up.state(share * up.end).to_json())))
    rest = cell.segment(middle, VoltageSweep(0.005 + 2e-4 * share * up.end, 1.5, 2e-4), np.inf)
    wanted, reached = up.state(up.end), rest.state(rest.end)
    assert np.abs(wanted.level - reached.level).max() < 1e-9
    assert reached.slow == pytest.approx(wanted.slow, rel=1e-9, abs=1e-9)
    assert reached.charge == pytest.approx(wanted.charge, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", ["lfp-msi-c", "msi-c", "voc1"])
@pytest.mark.parametrize("kelvin", [253.15, 298.15])
@pytest.mark.parametrize("off", [0.0, 1e-15, 1e-12, 1e-9, -1e-9])
def test_a_voltage_held_at_rest_turns_nothing_and_comes_to_its_end(name, kelvin, off):
    cell = load_model(name)
    state = cell.initial(seed=0)
    state = state.at(temperature=max(kelvin, cell.chemistry.parameters.lowest))
    segment = cell.segment(state, Voltage(cell.voltage(state) + off), 3600.0)
    assert (segment.end, segment.collapse) == (3600.0, None)
    assert len(segment.parts) <= 3
