"""Random cells under random programmes: finite rows, an end in words, no charge lost, cuts that change nothing."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from labctl_simulators.cell import (
    AtOpenCircuit,
    CellModel,
    CellState,
    Current,
    Load,
    Power,
    Stop,
    Voltage,
    VoltageSweep,
)
from labctl_simulators.cell.chemistry import blocking as blocked
from labctl_simulators.cell.chemistry.arrhenius import Arrhenius
from labctl_simulators.cell.chemistry.metal_parameters import Collector, Film, MetalParameters, Nucleation, Salt
from labctl_simulators.cell.chemistry.shorts import Shorts
from labctl_simulators.cell.chemistry.symmetric import Symmetric
from labctl_simulators.models import load_model
from labctl_simulators.parameters import names, read

SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def scale(name: str) -> float:
    """Return a current in A that is usual for a model."""
    numbers = read(name).values
    capacity = numbers.get("nominal_capacity")
    return capacity / 3600.0 if isinstance(capacity, float) else 0.5e-3


def decades(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(math.log10(low), math.log10(high)).map(lambda power: 10.0**power)


drives = st.one_of(
    st.builds(lambda sign, size: ("current", sign * size), st.sampled_from([-1, 1]), decades(1e-3, 1e3)),
    st.builds(lambda volts: ("voltage", volts), st.floats(-1.0, 1.0)),
    st.builds(lambda sign, size: ("power", sign * size), st.sampled_from([-1, 1]), decades(1e-3, 10.0)),
    st.builds(lambda size: ("load", size), decades(0.3, 1e4)),
    st.just(("rest", 0.0)),
    st.builds(lambda volts: ("sweep", volts), st.floats(-1.0, 1.0)),
)
durations = decades(1e-3, 1e5)
steps = st.lists(st.tuples(drives, durations), min_size=1, max_size=5)


def drive_of(kind: str, value: float, unit: float, rest: float):
    match kind:
        case "current":
            return Current(value * unit)
        case "voltage":
            return Voltage(rest + value, most=100.0 * unit)
        case "power":
            return Power(value * unit)
        case "load":
            return Load(value * max(abs(rest), 0.1) / unit)
        case "sweep":
            return VoltageSweep(rest, rest + value + 1e-3, 1e-2)
        case _:
            return AtOpenCircuit()


def run(cell: CellModel, state: CellState, programme, unit: float) -> CellState:
    """Run a programme and check every row of it."""
    for (kind, value), duration in programme:
        stops = (Stop("voltage", True, 10.0, 1), Stop("voltage", False, -10.0, 2))
        segment = cell.segment(state, drive_of(kind, value, unit, cell.voltage(state)), duration, stops)
        assert 0.0 <= segment.end <= duration * (1.0 + 1e-12)
        if segment.end < duration * (1.0 - 1e-9) and kind != "sweep":
            assert segment.stop is not None or segment.collapse
        rows = segment.rows(np.linspace(0.0, segment.end, 50))
        for column in (rows.voltage, rows.current, rows.temperature, rows.charging, rows.discharging):
            assert np.all(np.isfinite(column))
        state = segment.state(segment.end)
        assert np.all(np.isfinite(state.memory))
        assert np.all(np.isfinite(state.level))
        assert all(map(math.isfinite, state.slow))
        assert CellState.from_json(state.to_json()) == state or state.memory.size
    return state


@SLOW
@given(name=st.sampled_from(names()), programme=steps, warmth=st.floats(0.0, 1.0), seed=st.integers(0, 2**32))
def test_no_programme_makes_a_shipped_model_say_what_is_no_number(name, programme, warmth, seed):
    cell = load_model(name)
    valid = cell.chemistry.parameters
    kelvin = valid.lowest + warmth * (valid.highest - valid.lowest)
    run(cell, cell.initial(seed=seed).at(temperature=kelvin), programme, scale(name))


@st.composite
def metals(draw: st.DrawFn) -> CellModel:
    kind = draw(st.sampled_from(["hard", "soft", "recovering"]))
    return CellModel(
        Symmetric(
            MetalParameters(
                name="random",
                area=draw(decades(1e-6, 1e-2)),
                salt=Salt(
                    thickness=draw(decades(1e-6, 1e-3)),
                    conductivity=Arrhenius((draw(decades(1e-4, 5.0)),), activation=draw(st.floats(0.0, 8e4))),
                    transference=draw(st.floats(0.05, 0.95)),
                    concentration=draw(st.floats(50.0, 4000.0)),
                ),
                exchange=Arrhenius((draw(decades(1e-2, 1e2)),), activation=draw(st.floats(0.0, 9e4))),
                film=Film(Arrhenius((draw(decades(1e-5, 0.1)),)), draw(decades(1e-3, 1.0)), Arrhenius((1e-7,))),
                nucleation=Nucleation(draw(st.floats(0.0, 0.2)), draw(decades(1.0, 1e3)), draw(st.floats(0.0, 1.0))),
                shorts=Shorts(
                    kind=kind,
                    currents=(1.0, 10.0),
                    lives=(draw(decades(1e3, 1e6)), draw(decades(1e3, 1e6))),
                    critical=Arrhenius((draw(decades(1.0, 100.0)),)),
                    spread=draw(st.floats(0.0, 0.3)),
                    flicker=draw(decades(30.0, 300.0)),
                    burn=draw(decades(10.0, 1e4)),
                ),
                collector=draw(st.one_of(st.none(), st.builds(Collector))),
            )
        )
    )


@SLOW
@given(cell=metals(), programme=steps, seed=st.integers(0, 1000))
def test_no_programme_makes_a_random_metal_cell_say_what_is_no_number(cell, programme, seed):
    run(cell, cell.initial(seed=seed), programme, 10.0 * cell.chemistry.parameters.area)


@SLOW
@given(
    cell=metals(),
    density=st.floats(-30.0, 30.0),
    duration=decades(1.0, 1e5),
    cuts=st.lists(st.floats(0.01, 0.99), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
)
def test_a_segment_of_a_metal_cell_is_its_pieces(cell, density, duration, cuts, seed):
    assume(abs(density) > 1e-3)
    drive, start = Current(density * cell.chemistry.parameters.area), cell.initial(seed=seed)
    whole = cell.segment(start, drive, duration)
    state, begin = start, 0.0
    for end in [*sorted(cut * whole.end for cut in cuts), whole.end]:
        piece = cell.segment(state, drive, end - begin)
        if piece.collapse:
            break
        if end == whole.end and whole.collapse:
            break
        # a row on the very edge of a change belongs to either side of it
        edges = [part.begin for part in whole.parts[1:]]
        times = np.linspace(0.0, piece.end, 23)
        clear = [all(abs(begin + t - edge) > 1e-6 * duration for edge in edges) for t in times]
        got, wanted = piece.rows(times).voltage, whole.rows(np.minimum(begin + times, whole.end)).voltage
        assert got[clear] == pytest.approx(wanted[clear], abs=1e-11, rel=1e-11)
        state, begin = piece.state(piece.end), end


@SLOW
@given(cell=metals(), density=st.floats(-5.0, 5.0), dt=decades(1e-3, 100.0), seed=st.integers(0, 1000))
def test_the_paths_agree_on_metal_cells(cell, density, dt, seed):
    shorts = replace(cell.chemistry.parameters.shorts, lives=(1e9, 1e9), critical=Arrhenius((1e6,)))
    cell = CellModel(Symmetric(replace(cell.chemistry.parameters, shorts=shorts)))
    current = density * cell.chemistry.parameters.area
    states = [cell.initial(seed=seed), cell.initial(seed=seed + 1).at(temperature=310.0)]
    segments = [cell.segment(state, Current(current), 8 * dt) for state in states]
    assume(not any(segment.collapse for segment in segments))
    steppers, batch = [cell.stepper(state) for state in states], cell.batch(states)
    for k in range(1, 9):
        stepped = [stepper.step(current, dt) for stepper in steppers]
        batched = batch.step(current, dt)
        exact = [float(segment.rows([min(k * dt, segment.end)]).voltage[0]) for segment in segments]
        assert stepped == pytest.approx(exact, rel=1e-11, abs=1e-12)
        assert batched.tolist() == pytest.approx(exact, rel=1e-11, abs=1e-12)
    for one, other in zip(batch.states(), (stepper.state for stepper in steppers), strict=True):
        assert one.slow == pytest.approx(other.slow, rel=1e-11)


@SLOW
@given(
    sigma=decades(1e-6, 10.0),
    alpha=st.floats(0.5, 1.0),
    contact=decades(1e-3, 10.0),
    electronic=st.one_of(st.none(), decades(1e-12, 1e-6)),
    arc=st.one_of(st.none(), st.tuples(decades(1e-5, 1.0), decades(1e-2, 1e5), st.floats(0.5, 1.0))),
    programme=steps,
)
def test_no_programme_makes_a_random_blocking_cell_say_what_is_no_number(
    sigma, alpha, contact, electronic, arc, programme
):
    cell = CellModel(
        blocked.Blocking(
            blocked.BlockingParameters(
                name="random",
                area=1e-4,
                thickness=5e-5,
                conductivity=Arrhenius((sigma,), activation=2e4),
                contact=contact,
                alpha=alpha,
                electronic=None if electronic is None else Arrhenius((electronic,)),
                boundary=None if arc is None else blocked.Boundary(Arrhenius((arc[0],)), arc[1], arc[2]),
            )
        )
    )
    run(cell, cell.initial(), programme, 1e-5)


@pytest.mark.parametrize("name", ["voc1-atfb", "phlt-symmetric", "marquis2019", "msi-c"])
def test_charge_is_conserved_over_a_thousand_cycles(name):
    cell, unit = load_model(name), scale(name)
    state, charges, passed = cell.initial(seed=1), [], []
    window = read(name).values
    for _ in range(1000):
        for direction, edge in ((-1, window["lower_voltage"]), (1, window["upper_voltage"])):
            stop = Stop("voltage", direction > 0, edge, 1)
            duration = 3600.0 if abs(edge) > 4.5 else 1e6
            segment = cell.segment(state, Current(direction * unit), duration, (stop,))
            rows = segment.rows([segment.end])
            charges.append(float(rows.charging[0] - rows.discharging[0]))
            passed.append(float(rows.charging[0] + rows.discharging[0]))
            state = segment.state(segment.end)
    throughput = math.fsum(passed)
    assert abs(state.charge - math.fsum(charges)) < 1e-12 * throughput
    assert state.throughput == pytest.approx(throughput, rel=1e-12)
