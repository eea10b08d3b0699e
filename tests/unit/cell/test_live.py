import numpy as np
import pytest

from labctl_simulators.cell import AtOpenCircuit, Current, Voltage
from labctl_simulators.cell.batch import Mode
from labctl_simulators.models import load_model

NOMINAL = 0.680616


@pytest.fixture(scope="module")
def cell():
    return load_model("marquis2019")


def test_a_live_cell_that_is_driven_past_empty_says_so_and_stays(cell):
    live = cell.stepper(cell.initial(soc=0.02))
    for _ in range(4000):
        live.step(-NOMINAL, 10.0)
        if live.collapse:
            break
    assert "surface" in live.collapse
    assert np.isfinite(live.voltage)
    live.collapse = None
    assert live.step(NOMINAL, 100.0) > 1.0
    assert live.collapse is None


def test_a_live_hold_respects_its_limit(cell):
    live = cell.stepper(cell.initial(soc=0.3))
    assert live.hold(4.1, 1.0, most=0.2) == pytest.approx(0.2)
    assert live.hold(live.voltage, 1.0) == pytest.approx(0.2, rel=0.2)


def test_short_live_holds_approach_the_continuous_one(cell):
    state = cell.initial(soc=0.5)
    target = cell.voltage(state) + 0.02
    exact = cell.segment(state, Voltage(target), 100.0).rows([100.0])
    errors = []
    for dt in (10.0, 1.0, 0.1):
        live = cell.stepper(state)
        for _ in range(round(100.0 / dt)):
            live.hold(target, dt)
        errors.append(abs(live.state.charge / exact.charging[0] - 1.0))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 2e-3


def test_a_ramp_is_exact(cell):
    state = cell.initial(soc=0.5)
    live, steps = cell.stepper(state), cell.stepper(state)
    live.ramp(0.5, 100.0)
    for k in range(20000):
        steps.step((k + 0.5) / 20000 * 0.5, 100.0 / 20000)
    assert live.state.charge == pytest.approx(25.0)
    assert np.abs(live.state.memory - steps.state.memory).max() < 1e-7


def test_a_batch_controls_each_cell_in_its_own_way(cell):
    many = cell.batch([cell.initial(soc=soc) for soc in (0.2, 0.4, 0.6, 0.8)])
    voltage = many.step([0.3, 3.9, -1.0, 5.0], 2.0, [Mode.CURRENT, Mode.VOLTAGE, Mode.POWER, Mode.LOAD])
    assert many.current[0] == pytest.approx(0.3)
    assert voltage[1] == pytest.approx(3.9, abs=1e-12)
    assert voltage[2] * many.current[2] == pytest.approx(-1.0, abs=1e-11)
    assert voltage[3] == pytest.approx(-5.0 * many.current[3], abs=1e-11)
    assert not many.collapsed.any()


def test_a_batch_limits_currents(cell):
    many = cell.batch([cell.initial(soc=0.2)] * 2)
    many.step(4.1, 1.0, Mode.VOLTAGE, most=[0.1, 0.2])
    assert np.allclose(many.current, [0.1, 0.2], rtol=1e-12)


def test_one_collapsed_cell_disturbs_no_other(cell):
    many = cell.batch([cell.initial(soc=0.01), cell.initial(soc=0.9)])
    for _ in range(100):
        many.step(-NOMINAL, 10.0)
    alone = cell.segment(cell.initial(soc=0.9), Current(-NOMINAL), 1000.0).rows([1000.0])
    assert many.collapsed.tolist() == [True, False]
    assert many.voltage[1] == pytest.approx(alone.voltage[0], abs=1e-12)
    assert many.current[0] == 0.0


def test_cells_of_a_batch_have_their_own_temperatures(cell):
    states = [cell.initial(soc=0.5).at(temperature=t) for t in (280.0, 298.15, 320.0)]
    many = cell.batch(states)
    for _ in range(10):
        many.step(-NOMINAL, 5.0)
    for state, voltage in zip(states, many.voltage, strict=True):
        alone = cell.segment(state, Current(-NOMINAL), 50.0).rows([50.0]).voltage[0]
        assert voltage == pytest.approx(alone, abs=1e-12)


def test_a_batch_gives_back_states(cell):
    many = cell.batch([cell.initial(soc=0.5, seed=3)])
    many.step(0.2, 10.0)
    state = many.states()[0]
    assert state.seed == 3
    assert state.age == 10.0
    assert cell.segment(state, AtOpenCircuit(), 1.0).end == 1.0


def test_no_cells_are_no_batch(cell):
    with pytest.raises(ValueError, match="at least one"):
        cell.batch([])


def test_a_profile_agrees_with_the_stepper(cell):
    state = cell.initial(soc=0.5)
    currents = 0.5 * np.sin(np.arange(1000) * 0.37)
    live = cell.stepper(state)
    wanted = [live.step(float(current), 1.0) for current in currents]
    rows, last = cell.profile(state, currents, 1.0)
    assert np.abs(rows.voltage - wanted).max() < 1e-12
    assert np.abs(last.memory - live.state.memory).max() < 1e-12
    assert rows.charging[-1] - rows.discharging[-1] == pytest.approx(live.state.charge, abs=1e-10)


def test_a_profile_beyond_the_cell_is_refused(cell):
    with pytest.raises(ValueError, match="surface"):
        cell.profile(cell.initial(soc=0.1), np.full(5000, -NOMINAL), 1.0)


def test_a_cell_of_a_batch_that_cannot_follow_keeps_its_state_and_the_others_go_on():
    """With steps so long that most poles are over within one, and of several lengths."""
    cell = load_model("marquis2019")
    begins = [cell.initial(soc=soc) for soc in (0.02, 0.5, 0.9)]
    many, lives = cell.batch(begins), [cell.stepper(state) for state in begins[1:]]
    kept = None
    for dt in (30.0, 30.0, 0.5, 100.0, 30.0, 30.0, 1e3, 0.01, 30.0):
        before = many.states()[0] if kept is None else kept
        voltages = many.step(-0.68, dt)
        found = [live.step(-0.68, dt) for live in lives]
        assert voltages[1:].tolist() == pytest.approx(found, abs=1e-12)
        if many.collapsed[0]:
            kept = many.states()[0]
            assert kept.memory == pytest.approx(before.memory, abs=1e-15)
            assert kept.level.tolist() == before.level.tolist()
        assert not many.collapsed[1:].any()
    assert kept is not None
    for state, live in zip(many.states()[1:], lives, strict=True):
        assert state.memory == pytest.approx(live.state.memory, abs=1e-13)
        assert state.level == pytest.approx(live.state.level, abs=1e-13)


def test_a_batch_does_not_look_at_the_currents_it_was_given_again():
    cell = load_model("marquis2019")
    many, other = (cell.batch([cell.initial(soc=0.5)] * 2) for _ in range(2))
    currents = np.array([0.3, -0.3])
    many.step(currents, 30.0)
    other.step(currents.copy(), 30.0)
    currents[:] = 7.0
    assert [state.to_json() for state in many.states()] == [state.to_json() for state in other.states()]
