"""What no cell can do is refused in words or ends in words, on every path; nothing says what is no number."""

import numpy as np
import pytest

from labctl_simulators.cell import AtOpenCircuit, Current, Load, Power, Stop, Voltage, VoltageSweep
from labctl_simulators.cell.batch import Mode
from labctl_simulators.models import load_model

NAMES = ("marquis2019", "voc1-atfb", "phlt-symmetric", "li-cu", "phl-blocking")
NAN, INF = float("nan"), float("inf")
NO_NUMBERS = (NAN, INF, -INF, 1e300, -1e300)


@pytest.fixture(params=NAMES)
def cell(request):
    return load_model(request.param)


@pytest.mark.parametrize("number", NO_NUMBERS)
@pytest.mark.parametrize("kind", [Current, Voltage, Power, Load])
def test_a_drive_that_is_no_number_is_refused(cell, kind, number):
    with pytest.raises(ValueError, match=r"^wanted (finite numbers|a load)"):
        cell.segment(cell.initial(), kind(number), 10.0)


@pytest.mark.parametrize(
    "drive",
    [
        *(Current(sign * size) for sign in (1, -1) for size in (1e-300, 1.0, 1e3, 1e9, 1e15)),
        *(Voltage(volts) for volts in (0.0, -5.0, 100.0, -1e6, 1e15)),
        *(Power(sign * size) for sign in (1, -1) for size in (1e-9, 1e3, 1e9, 1e15)),
        *(Load(ohms) for ohms in (1e-15, 1e-3, 1e15)),
        *(VoltageSweep(0.0, end, rate) for end in (100.0, -100.0) for rate in (1.0, 1e9)),
        VoltageSweep(50.0, 60.0, 1.0),
    ],
)
def test_a_drive_beyond_the_cell_ends_in_words(cell, drive):
    segment = cell.segment(cell.initial(), drive, 3600.0)
    rows, state = segment.rows(np.linspace(0.0, segment.end, 7)), segment.state(segment.end)
    for values in (rows.voltage, rows.current, rows.charging, rows.discharging, state.memory, state.level):
        assert np.isfinite(values).all()
    early = (
        segment.end
        < (3600.0 if not isinstance(drive, VoltageSweep) else abs(drive.end - drive.start) / drive.rate) * 0.999
    )
    assert segment.collapse or not early


@pytest.mark.parametrize("duration", [NAN, -1.0])
def test_a_duration_that_is_none_is_refused(cell, duration):
    with pytest.raises(ValueError, match=r"^wanted a duration"):
        cell.segment(cell.initial(), Current(1e-6), duration)


@pytest.mark.parametrize("duration", [0.0, 1e-300, 1e-12, 1e12])
@pytest.mark.parametrize("drive", [Current(1e-6), Current(-1e-6), AtOpenCircuit(), Load(1e6)])
def test_a_duration_of_any_size_is_finite(cell, drive, duration):
    segment = cell.segment(cell.initial(), drive, duration, [Stop("time", True, 1e9, 1)])
    assert np.isfinite(segment.rows([0.0, segment.end]).voltage).all()
    assert segment.end == pytest.approx(min(duration, 1e9), rel=1e-12) or segment.collapse


@pytest.mark.parametrize("change", [{"temperature": NAN}, {"temperature": 0.0}, {"angle": NAN}, {"radius": NAN}])
def test_conditions_that_are_no_numbers_are_refused(cell, change):
    with pytest.raises(ValueError, match=r"^wanted"):
        cell.initial().at(**change)


@pytest.mark.parametrize("change", [{"temperature": 25.0}, {"temperature": 1000.0}, {"angle": 1e6}])
def test_conditions_outside_the_parameters_are_refused_on_every_path(cell, change):
    state = cell.initial().at(**change)
    paths = (
        lambda: cell.segment(state, Current(1e-6), 1.0),
        lambda: cell.stepper(state),
        lambda: cell.batch([state, cell.initial()]),
        lambda: cell.impedance(state, [1.0]),
    )
    for path in paths:
        with pytest.raises(ValueError, match=r"^wanted a (temperature|bend)"):
            path()


@pytest.mark.parametrize("number", NO_NUMBERS)
def test_a_live_cell_refuses_what_is_no_number(cell, number):
    stepper, batch = cell.stepper(cell.initial()), cell.batch([cell.initial()] * 2)
    with pytest.raises(ValueError, match=r"^wanted a finite number"):
        stepper.step(number, 1.0)
    with pytest.raises(ValueError, match=r"^wanted a finite number"):
        stepper.hold(number, 1.0)
    for mode in Mode:
        with pytest.raises(ValueError, match=r"^wanted a finite number"):
            batch.step([0.0, number], 1.0, mode)
    with pytest.raises(ValueError, match=r"^wanted a finite number"):
        cell.voltage(cell.initial(), number)
    with pytest.raises(ValueError, match=r"^wanted a finite number"):
        cell.impedance(cell.initial(), [1.0], number)


@pytest.mark.parametrize("dt", [NAN, INF, -1.0])
def test_a_live_cell_refuses_a_step_that_is_none(cell, dt):
    for live in (cell.stepper(cell.initial()), cell.batch([cell.initial()])):
        with pytest.raises(ValueError, match=r"^wanted a step"):
            live.step(0.0, dt)


@pytest.mark.parametrize("dt", [0.0, 1e-300, 1.0, 1e9])
@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("value", [1e9, -1e9, 1e-320, 0.0])
def test_a_batch_stays_finite_under_any_control(cell, mode, value, dt):
    batch = cell.batch([cell.initial()] * 2)
    for _ in range(2):
        assert np.isfinite(batch.step(value, dt, mode)).all()
        assert np.isfinite(batch.current).all()
        assert np.isfinite(batch.step(0.0, 1.0)).all()
    assert all(np.isfinite(state.memory).all() for state in batch.states())


@pytest.mark.parametrize("current", [1e9, -1e9])
def test_a_stepper_beyond_the_cell_keeps_its_state_and_goes_on(current):
    cell = load_model("phlt-symmetric")
    stepper = cell.stepper(cell.initial())
    before = stepper.state
    stepper.step(current, 1.0)
    assert stepper.collapse is not None
    assert stepper.state.charge == before.charge
    assert np.isfinite(stepper.step(1e-6, 1.0))
    assert stepper.collapse is None


@pytest.mark.parametrize("currents", [[], [NAN], [INF], [1e300], [1e9]])
def test_a_profile_that_no_cell_follows_is_refused(currents):
    cell = load_model("marquis2019")
    with pytest.raises(ValueError, match=r"^wanted"):
        cell.profile(cell.initial(), currents, 1.0)


def test_a_bias_that_no_cell_carries_is_refused():
    cell = load_model("marquis2019")
    with pytest.raises(ValueError, match=r"bias that the cell can carry, found .*electrode"):
        cell.impedance(cell.initial(), [1.0], 1e9)
    with pytest.raises(ValueError, match=r"finite frequencies above 0 Hz"):
        cell.impedance(cell.initial(), [INF])
