"""The three paths over one parameter set agree, and a segment agrees with its pieces."""

import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl_simulators.cell import AtOpenCircuit, CellState, Current, Load, Power, Stop, Voltage, VoltageSweep
from labctl_simulators.cell.batch import Mode
from labctl_simulators.models import load_model

NAMES = ("marquis2019", "chen2020", "voc1-atfb", "phlt-lfp", "double layers", "phl-symmetric", "phl-blocking")
CURRENT = {
    "marquis2019": 0.68, "chen2020": 5.0, "voc1-atfb": 2e-5, "phlt-lfp": 2e-4, "double layers": 0.68,
    "phl-symmetric": 1e-4, "phl-blocking": 1e-7,
}  # fmt: skip
LAYERED = """\
labctl_model: 1
name: layered
like: marquis2019
double_layers: on
about: marquis2019 with its double layers in every row, and leads.
sources: {}
values: {series: {resistance: {value: 0.5, unit: ohm cm2, why: leads}}}
"""
TIGHT = 1e-12
rates = st.floats(-1.5, 1.5).filter(lambda rate: abs(rate) > 1e-3)
programmes = st.lists(st.tuples(rates | st.just(0.0), st.floats(0.01, 300.0)), min_size=1, max_size=5)


def model(name):
    return load_model("layered.yaml", text=LAYERED) if name == "double layers" else load_model(name)


def fresh(name, seed=0):
    cell = model(name)
    return cell, cell.initial(soc=0.5, seed=seed) if cell.chemistry.kind not in (
        "symmetric",
        "blocking",
    ) else cell.initial(seed=seed)


def scaled(a, b):
    return np.abs(np.asarray(a) - np.asarray(b)).max() / max(1.0, np.abs(np.asarray(a)).max())


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    rate=rates,
    duration=st.floats(1.0, 2000.0),
    cuts=st.lists(st.floats(0.0, 1.0), max_size=4),
)
def test_a_segment_may_be_cut_anywhere(name, rate, duration, cuts):
    cell, state = fresh(name)
    drive = Current(rate * CURRENT[name])
    whole = cell.segment(state, drive, duration)
    begin = 0.0
    for cut in sorted(cuts):
        time = cut * whole.end
        piece = cell.segment(state, drive, max(time - begin, 0.0))
        state = CellState.from_json(json.loads(json.dumps(piece.state(piece.end).to_json())))
        begin += piece.end
    last = cell.segment(state, drive, max(whole.end - begin, 0.0))
    first, second = whole.state(whole.end), last.state(last.end)
    assert scaled(first.memory, second.memory) < TIGHT
    assert scaled(first.level, second.level) < TIGHT
    assert abs(first.charge - second.charge) <= TIGHT * max(first.throughput, 1e-9)
    if whole.collapse is None:
        assert scaled(whole.rows([whole.end]).voltage, last.rows([last.end]).voltage) < TIGHT


@settings(max_examples=15, deadline=None)
@given(
    name=st.sampled_from(NAMES[:5]),
    rates=st.lists(st.floats(0.2, 1.5), min_size=1, max_size=3),
    window=st.floats(0.02, 0.12),
    rest=st.floats(0.0, 600.0),
)
def test_what_a_cycled_cell_remembers_of_its_solves_changes_nothing(name, rates, window, rest):
    """Cycles between two voltages with holds: each segment from what was found before, and once more from nothing.

    A hold from nothing chooses its own mesh, so that the two agree within what a mesh is allowed (5e-6 V).
    """
    cell, state = fresh(name)
    middle = cell.voltage(state)
    for rate in rates * 3:
        size = rate * CURRENT[name]
        for drive, stop in (
            (Current(size), Stop("voltage", True, middle + window)),
            (Voltage(middle + window), Stop("current", False, 0.1 * size)),
            (Current(-size), Stop("voltage", False, middle - window)),
        ):
            warm, cold = (cell.segment(begin, drive, 5e4, [stop]) for begin in (state, state.warmed(None)))
            assert (warm.stop, warm.collapse) == (cold.stop, cold.collapse)
            times = np.linspace(0.0, min(warm.end, cold.end), 50)
            if isinstance(drive, Voltage):
                assert np.abs(warm.rows(times).current - cold.rows(times).current).max() < 5e-3 * size
            else:
                assert warm.end == pytest.approx(cold.end, rel=1e-7, abs=1e-7)
                if warm.stop is not None and warm.end > 0.0:
                    assert abs(warm.rows([warm.end]).voltage[0] - stop.value) < TIGHT
            state = warm.state(warm.end)
        state = cell.segment(state, AtOpenCircuit(), rest).state(rest)


@settings(max_examples=20, deadline=None)
@given(name=st.sampled_from(NAMES[:6]), programme=programmes)
def test_segment_stepper_and_batch_agree(name, programme):
    cell, state = fresh(name)
    live, many = cell.stepper(state), cell.batch([state, state])
    for rate, dt in programme:
        current = rate * CURRENT[name]
        segment = cell.segment(state, Current(current) if current else AtOpenCircuit(), dt)
        if segment.collapse:
            return
        voltage = segment.rows([dt]).voltage[0]
        stepped, batched = live.step(current, dt), many.step(current, dt)
        assert abs(stepped - voltage) < TIGHT * max(1.0, abs(voltage))
        assert np.abs(batched - voltage).max() < TIGHT * max(1.0, abs(voltage))
        state = segment.state(dt)
    for other in (live.state, *many.states()):
        assert scaled(state.memory, other.memory) < TIGHT
        assert scaled(state.level, other.level) < TIGHT
        assert other.charge == pytest.approx(state.charge, rel=1e-12, abs=1e-12 * max(state.throughput, 1e-12))


@settings(max_examples=20, deadline=None)
@given(name=st.sampled_from(NAMES[:5]), shift=st.floats(-0.05, 0.05), dt=st.floats(0.1, 60.0))
def test_a_held_voltage_agrees_between_stepper_batch_and_segment(name, shift, dt):
    cell, state = fresh(name)
    target = cell.voltage(state) + shift
    live, many = cell.stepper(state), cell.batch([state])
    current = live.hold(target, dt)
    many.step(target, dt, Mode.VOLTAGE)
    if live.collapse or many.collapsed[0]:
        return
    solved = 4e-13 / max(
        abs(shift), 4e-13
    )  # both end within 2e-13 V of the target: near rest that is all they can share
    assert abs(many.current[0] - current) <= (1e-9 + solved) * abs(current) + 1e-15
    assert cell.segment(state, Current(current), dt).rows([dt]).voltage[0] == pytest.approx(target, abs=1e-12)


@settings(max_examples=10, deadline=None)
@given(
    name=st.sampled_from(NAMES[:5]),
    kind=st.sampled_from(("hold", "power", "load", "sweep")),
    size=st.floats(0.02, 1.0),
    duration=st.floats(1.0, 3000.0),
    cut=st.floats(0.05, 0.95),
)
def test_a_controlled_segment_may_be_cut_anywhere(name, kind, size, duration, cut):
    cell, state = fresh(name)
    rest = cell.voltage(state)
    drive = {
        "hold": Voltage(rest + 0.1 * (size - 0.5)),
        "power": Power(-size * CURRENT[name] * rest),
        "load": Load(rest / (size * CURRENT[name])),
        "sweep": VoltageSweep(rest, rest + 0.2 * (size - 0.5), 1e-3 * size),
    }[kind]
    whole = cell.segment(state, drive, duration)
    time = cut * whole.end
    middle = CellState.from_json(json.loads(json.dumps(whole.state(time).to_json())))
    going = (
        VoltageSweep(drive.start + np.copysign(drive.rate, drive.end - drive.start) * time, drive.end, drive.rate)
        if kind == "sweep"
        else drive
    )
    rest_of_it = cell.segment(middle, going, whole.end - time)
    wanted, found = whole.state(whole.end), rest_of_it.state(rest_of_it.end)
    assert rest_of_it.end == pytest.approx(whole.end - time, rel=1e-9, abs=1e-9)
    assert scaled(wanted.memory, found.memory) < 10 * TIGHT
    assert scaled(wanted.level, found.level) < 10 * TIGHT


numbers = st.floats(-1e3, 1e3, allow_subnormal=False)


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from((*NAMES[:5], NAMES[6])),
    soc=st.floats(0.0, 1.0),
    kind=st.sampled_from(("current", "hold", "power", "load", "sweep")),
    size=numbers,
    warmth=st.floats(0.0, 1.0),
)
def test_nothing_drives_a_cell_to_nan(name, soc, kind, size, warmth):
    cell = model(name)
    valid = cell.chemistry.parameters
    state = (cell.initial(soc=soc) if cell.chemistry.kind not in ("symmetric", "blocking") else cell.initial()).at(
        temperature=valid.lowest + warmth * (valid.highest - valid.lowest)
    )
    start = cell.voltage(state)
    drive = {
        "current": Current(size * CURRENT[name]),
        "hold": Voltage(start + size / 100.0),
        "power": Power(size * CURRENT[name]),
        "load": Load(abs(size) / CURRENT[name] + 1e-6),
        "sweep": VoltageSweep(start, start + size / 100.0, 0.01),
    }[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        segment = cell.segment(
            state, drive, 500.0, (Stop("voltage", True, start + 20.0, 1), Stop("voltage", False, start - 20.0, 2))
        )
        rows = segment.rows(np.linspace(0.0, segment.end, 40))
    for column in (rows.voltage, rows.current, rows.charging, rows.discharging):
        assert np.all(np.isfinite(column))
    last = segment.state(segment.end)
    assert np.all(np.isfinite(last.memory))
    assert np.all(np.isfinite(last.level))


@settings(max_examples=15, deadline=None)
@given(
    modes=st.lists(st.tuples(st.sampled_from(list(Mode)), st.floats(-20.0, 20.0)), min_size=4, max_size=4),
    dt=st.floats(0.01, 500.0),
)
def test_a_batch_never_holds_nan(modes, dt):
    cell = load_model("marquis2019")
    many = cell.batch([cell.initial(soc=soc) for soc in (0.05, 0.3, 0.6, 0.95)])
    value = [abs(value) + 0.1 if mode is Mode.LOAD else value for mode, value in modes]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(6):
            voltage = many.step(value, dt, [mode for mode, _ in modes])
            assert np.all(np.isfinite(voltage))
            assert np.all(np.isfinite(many.current))
