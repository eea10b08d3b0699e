"""A cell that heats itself: against PyBaMM's SPMe with a lumped thermal model, cut anywhere, and in every path."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.reference.comparison import WARM, warm_discharge, warm_steps
from labctl_simulators import parameters
from labctl_simulators.assembly.build import build_cell
from labctl_simulators.cell import AtOpenCircuit, CellState, Current, Load, Power, Stop, Voltage, VoltageSweep
from labctl_simulators.models import load_model

NAMES = ("marquis2019-heat", "chen2020-heat")
SIZE = {"marquis2019-heat": 0.68, "chen2020-heat": 5.0}


@pytest.mark.parametrize(("name", "rate"), [(name, rate) for name, rates in WARM.items() for rate in rates])
def test_a_discharge_and_a_rest_follow_the_lumped_model(name, rate):
    compared = warm_discharge(name, rate)
    assert compared.rms < (1e-3 if rate <= 1.0 else 4e-3)
    assert compared.warmest < 0.1


@pytest.mark.parametrize("name", WARM)
def test_a_charge_with_a_held_voltage_follows_the_lumped_model(name):
    for step in warm_steps(name):
        assert step.rms < 1e-3
        assert step.warmest < 0.1
        assert step.end == pytest.approx(step.reference_end, rel=3e-3)


def drives(name, cell, state):
    size, rest = SIZE[name], cell.voltage(state)
    return {
        "current": Current(-2.0 * size),
        "rest": AtOpenCircuit(),
        "hold": Voltage(rest + 0.08),
        "limited": Voltage(rest + 0.1, size),
        "power": Power(-size * rest),
        "load": Load(rest / size),
        "sweep": VoltageSweep(rest, rest + 0.1, 1e-3),
    }


@settings(max_examples=12, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    kind=st.sampled_from(("current", "rest", "hold", "limited", "power", "load", "sweep")),
    duration=st.floats(1.0, 1200.0),
    cut=st.floats(0.02, 0.98),
    warmth=st.floats(-9.0, 15.0),
)
def test_a_warm_segment_may_be_cut_anywhere(name, kind, duration, cut, warmth):
    cell = load_model(name)
    state = cell.initial(soc=0.5)._replace(warmth=warmth)
    drive = drives(name, cell, state)[kind]
    whole = cell.segment(state, drive, duration)
    time = cut * whole.end
    middle = CellState.from_json(json.loads(json.dumps(whole.state(time).to_json())))
    going = VoltageSweep(drive.start + drive.rate * time, drive.end, drive.rate) if kind == "sweep" else drive
    rest = cell.segment(middle, going, whole.end - time)
    wanted, reached = whole.state(whole.end), rest.state(rest.end)
    # where the current is solved for, the heat is that of a first solution, which is kept to what its mesh is allowed
    tight = 1e-11 if kind in {"current", "rest"} else 1e-6
    assert rest.end == pytest.approx(whole.end - time, rel=1e-9, abs=1e-9)
    assert reached.kelvin == pytest.approx(wanted.kelvin, abs=10.0 * tight)
    assert np.abs(wanted.memory - reached.memory).max() < tight
    assert np.abs(wanted.level - reached.level).max() < tight


@settings(max_examples=6, deadline=None)
@given(name=st.sampled_from(NAMES), rate=st.floats(-1.5, 1.5).filter(lambda rate: abs(rate) > 0.05))
def test_the_heat_of_a_segment_warms_the_cell_or_its_surroundings(name, rate):
    """The first law: what is not stored in the potentials has warmed the cell or left it."""
    cell = load_model(name)
    state, heat = cell.initial(soc=0.5), cell.chemistry.heat
    segment = cell.segment(state, Current(rate * SIZE[name]), 1500.0)
    times = np.linspace(0.0, segment.end, 1001)
    rows, power = segment.rows(times), []
    for time in times:
        here = segment.state(time)
        physics = cell.physics(here)
        z = here.level + here.memory @ physics.memory.own + physics.memory.feed * physics.gain * rate * SIZE[name]
        power.append(physics.heating_of(z.tolist(), rate * SIZE[name]))
    warmth = rows.temperature - state.temperature
    produced, lost = np.trapezoid(power, times), heat.transfer * np.trapezoid(warmth, times)
    assert heat.capacity * warmth[-1] + lost == pytest.approx(produced, rel=0.01, abs=0.02 * abs(rate) * SIZE[name])


@pytest.mark.parametrize("name", NAMES)
def test_live_cells_warm_as_a_segment_does(name):
    cell = load_model(name)
    state = cell.initial()
    rows = cell.segment(state, Current(-SIZE[name]), 2400.0).rows(np.arange(1.0, 241.0) * 10.0)
    live, many = cell.stepper(state), cell.batch([state, state])
    voltages = [(live.step(-SIZE[name], 10.0), *many.step(-SIZE[name], 10.0)) for _ in range(240)]
    assert np.abs(np.array(voltages) - rows.voltage[:, None]).max() < 1e-3
    for other in (live.state, *many.states()):
        assert other.kelvin == pytest.approx(rows.temperature[-1], abs=0.05)


def test_the_surroundings_act_through_the_cell():
    cell = load_model("chen2020-heat")
    state = cell.initial(soc=0.5).at(temperature=308.15)
    assert state.kelvin == pytest.approx(298.15)
    rows = cell.segment(state, AtOpenCircuit(), 3600.0).rows([0.0, 600.0, 3600.0])
    heat = cell.chemistry.heat
    wanted = 308.15 - 10.0 * np.exp(-np.array([0.0, 600.0, 3600.0]) * heat.transfer / heat.capacity)
    assert np.abs(rows.temperature - wanted).max() < 1e-9


def test_a_cell_that_gets_too_warm_ends_in_words():
    cell = load_model("chen2020-heat")
    segment = cell.segment(cell.initial().at(temperature=322.0), Current(-10.0), 3600.0, [Stop("voltage", False, 2.5)])
    assert "60 degC" in segment.collapse
    assert segment.state(segment.end).kelvin == pytest.approx(333.15, abs=1e-3)
    cooling = cell.segment(segment.state(segment.end), AtOpenCircuit(), 600.0)
    assert cooling.collapse is None
    assert cooling.state(600.0).kelvin < 333.0


def test_a_state_that_was_stored_before_the_cell_heated_itself_goes_on_as_warm_as_its_surroundings():
    stored = load_model("chen2020").initial(soc=0.4).at(temperature=305.0)
    warm, plain = load_model("chen2020-heat"), load_model("chen2020")
    assert "warmth" not in stored.to_json()
    assert warm.taken_over(stored).kelvin == 305.0
    assert plain.taken_over(warm.taken_over(stored)) == stored


def test_without_numbers_nothing_warms():
    cell = load_model("chen2020")
    segment = cell.segment(cell.initial(), Current(-5.0), 1800.0)
    assert set(segment.rows([0.0, 900.0, 1800.0]).temperature) == {298.15}
    assert segment.state(1800.0).warmth is None


def test_a_profile_warms_a_cell_as_a_segment_does():
    cell = load_model("chen2020-heat")
    segment = cell.segment(cell.initial(), Current(-5.0), 1200.0)
    rows, state = cell.profile(cell.initial(), np.full(120, -5.0), 10.0)
    whole = segment.rows(rows.time)
    assert np.abs(rows.temperature - whole.temperature).max() < 0.02
    assert np.abs(rows.voltage - whole.voltage).max() < 1e-3
    assert state.kelvin == rows.temperature[-1] > cell.initial().kelvin + 1.0
    assert state.charge == pytest.approx(-6000.0)


def test_a_ramp_warms_a_cell_as_the_steps_that_follow_it_do():
    cell = load_model("chen2020-heat")
    ramped, stepped = cell.stepper(cell.initial()), cell.stepper(cell.initial())
    for at in range(1, 61):
        ramped.ramp(-at / 6.0, 20.0)
        for part in range(20):
            stepped.step(-(at - 1 + (part + 0.5) / 20.0) / 6.0, 1.0)
    assert ramped.kelvin == pytest.approx(stepped.kelvin, abs=0.05)
    assert ramped.kelvin > cell.initial().kelvin + 1.0


# --- a warm cell that discharges itself --------------------------------------------------------------------------


def leaky():
    found = parameters.read("chen2020-heat")
    return build_cell(found._replace(values={**found.values, "self_discharge": {"resistance": 2.0}}))


def test_a_cell_that_discharges_itself_at_rest_becomes_as_warm_as_its_charge_is_worth():
    """What it gives up of its open-circuit voltage at rest, all of it becomes heat: U I + I T dU/dT of what leaks."""
    cell = leaky()
    state, heat, leak = cell.initial(soc=0.5), cell.chemistry.heat, cell.chemistry.parameters.leak
    times = np.linspace(0.0, 7200.0, 721)
    segment = cell.segment(state, AtOpenCircuit(), 7200.0)
    rows, made = segment.rows(times), []
    for time, voltage in zip(times, rows.voltage, strict=True):
        here, physics = segment.state(time), cell.physics(segment.state(time))
        z = (here.level + here.memory @ physics.memory.own)[:, None]
        potential, slope = (float(part[0]) for part in physics.open_circuit(z))
        potential += (here.kelvin - physics.ends[0]) * slope
        made.append(leak * voltage * (potential - here.kelvin * slope))
    warmth = rows.temperature - state.temperature
    assert not rows.current.any()
    kept = heat.capacity * warmth[-1] + heat.transfer * np.trapezoid(warmth, times)
    assert warmth[-1] > 10.0
    assert kept == pytest.approx(np.trapezoid(made, times), rel=0.003)


@pytest.mark.parametrize("current", [0.0, -2.0, 2.0])
def test_a_live_warm_cell_that_discharges_itself_is_as_warm_as_its_segment(current):
    cell = leaky()
    state = cell.initial(soc=0.5)
    drive = Current(current) if current else AtOpenCircuit()
    rows = cell.segment(state, drive, 1200.0).rows([1200.0])
    live, many = cell.stepper(state), cell.batch([state])
    for _ in range(120):
        last = live.step(current, 10.0), many.step(current, 10.0)[0]
    assert last == pytest.approx([rows.voltage[0]] * 2, abs=1.5e-3)
    assert [live.kelvin, many.states()[0].kelvin] == pytest.approx([rows.temperature[0]] * 2, abs=0.02)


@pytest.mark.parametrize("kind", ["current", "rest", "hold", "limited", "power"])
def test_a_warm_segment_of_a_cell_that_discharges_itself_may_be_cut(kind):
    cell = leaky()
    state = cell.initial(soc=0.5)
    drive = drives("chen2020-heat", cell, state)[kind]
    whole = cell.segment(
        state, drive, 1200.0
    )  # as the power runs the cell empty, later, rounding grows beyond all bounds
    middle = CellState.from_json(json.loads(json.dumps(whole.state(0.37 * whole.end).to_json())))
    rest = cell.segment(middle, drive, 0.63 * whole.end)
    wanted, reached = whole.state(whole.end), rest.state(rest.end)
    assert reached.kelvin == pytest.approx(wanted.kelvin, abs=1e-6)
    assert np.abs(wanted.level - reached.level).max() < 1e-9
    assert wanted.charge == pytest.approx(reached.charge, rel=1e-9, abs=1e-9)
