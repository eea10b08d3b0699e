"""A diffusivity that depends on the composition: right against PyBaMM, and the same however a segment is cut."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labctl_simulators.assembly.review import review_file
from labctl_simulators.assembly.sweep import sweep
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
from labctl_simulators.cell.chemistry.insertion import Insertion
from labctl_simulators.cell.chemistry.profile_modes import PLACES, modes, turn
from labctl_simulators.cell.physics import Heat
from labctl_simulators.models import load_model
from labctl_simulators.parameters import ParameterError
from labctl_simulators.parameters.own import read_text

TEXT = (Path(__file__).parents[1] / "models/files/ecker2015.yaml").read_text(encoding="utf-8")
CURRENT = 0.15625
# PyBaMM 26.10's SPM on its Ecker2015 at 298.15 K, 300 shells, tolerances 1e-8, at 13 even times from 0 to 3600 s over the rate
PYBAMM = {
    0.2: [
        4.145695, 4.059479, 3.981097, 3.894362, 3.839602, 3.801958, 3.781459, 3.767371, 3.733248, 3.680474, 3.580653,
        3.489099, 3.279386,
    ],
    1.0: [
        4.116935, 4.004309, 3.924836, 3.864792, 3.811415, 3.765344, 3.728685, 3.710104, 3.687857, 3.631832, 3.539593,
        3.445759, 3.207447,
    ],
    2.0: [
        4.084614, 3.962596, 3.893917, 3.828788, 3.756723, 3.707419, 3.680442, 3.659123, 3.629071, 3.573395, 3.48512,
        3.383838, 3.119668,
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def cell():
    return load_model("ecker2015.yaml", text=TEXT)


@pytest.fixture(scope="module")
def half(cell):
    state = cell.initial().at(temperature=298.15)
    return cell.segment(state, Current(-CURRENT), 1500.0).state(1500.0)


@pytest.mark.parametrize("rate", PYBAMM)
def test_a_discharge_is_that_of_pybamm(cell, rate):
    assert review_file(TEXT, "ecker2015.yaml") == []
    span = 3600.0 / rate
    segment = cell.segment(cell.initial().at(temperature=298.15), Current(-rate * CURRENT), span)
    error = segment.rows(np.linspace(0.0, span, 13)).voltage - PYBAMM[rate]
    assert np.sqrt(np.mean(error**2)) < 1e-3
    assert np.abs(error).max() < 3e-3


def test_a_cycle_with_a_held_voltage(cell):
    """PyBaMM: 3692.0 s down to 3 V, 3.11792 V after half an hour, 3244.6 s up to 4.1 V, 721.15 s held to C/20, 4.09770 V."""
    state, ends = cell.initial().at(temperature=298.15), []
    for drive, duration, stops in (
        (Current(-CURRENT), np.inf, [Stop("voltage", False, 3.0)]),
        (AtOpenCircuit(), 1800.0, []),
        (Current(CURRENT), np.inf, [Stop("voltage", True, 4.1)]),
        (Voltage(4.1), np.inf, [Stop("current", False, CURRENT / 20)]),
        (AtOpenCircuit(), 1800.0, []),
    ):
        segment = cell.segment(state, drive, duration, stops)
        state = segment.state(segment.end)
        ends.append((segment.end, cell.voltage(state)))
    assert ends[0][0] == pytest.approx(3692.0, abs=2.0)
    assert ends[1][1] == pytest.approx(3.117915, abs=4e-3)  # steep there: 1 s of the discharge before
    assert ends[2][0] == pytest.approx(3244.6, abs=2.0)
    assert ends[3][0] == pytest.approx(721.15, rel=1e-3)
    assert ends[4][1] == pytest.approx(4.097697, abs=1e-4)


@pytest.mark.parametrize(
    "drive",
    [Current(-CURRENT), AtOpenCircuit(), Power(-0.5), Load(25.0), Voltage(3.9, 0.1), Voltage(3.65)],
    ids=lambda drive: type(drive).__name__,
)
def test_a_cut_changes_nothing_and_charge_is_kept(cell, half, drive):
    duration, cut = 200.0, 73.0
    whole = cell.segment(half, drive, duration)
    first = cell.segment(half, drive, cut)
    stored = CellState.from_json(json.loads(json.dumps(first.state(cut).to_json())))
    rest = cell.segment(stored, drive, duration - cut)
    one, other = whole.state(duration), rest.state(rest.end)
    assert one.memory == pytest.approx(other.memory, abs=1e-11)
    assert one.level == pytest.approx(other.level, abs=1e-12)
    for row, (host, sign) in enumerate(zip(cell.chemistry.hosts, (-1.0, 1.0), strict=True)):
        moved = sign * (one.level[row] - half.level[row]) * host.capacity
        assert moved == pytest.approx(one.charge - half.charge, abs=1e-12 * host.capacity)


def test_a_sweep_goes_on_where_it_was_cut(cell, half):
    begin = cell.voltage(half)
    whole = cell.segment(half, VoltageSweep(begin, begin - 0.1, 1e-3), 100.0)
    first = cell.segment(half, VoltageSweep(begin, begin - 0.1, 1e-3), 33.0)
    rest = cell.segment(first.state(33.0), VoltageSweep(begin - 0.033, begin - 0.1, 1e-3), 100.0)
    assert rest.state(rest.end).level == pytest.approx(whole.state(whole.end).level, abs=1e-9)


def test_a_profile_stays_within_what_a_host_can_hold_or_the_segment_ends(cell, half):
    for current, words in ((-10.0 * CURRENT, "empty"), (10.0 * CURRENT, "full")):
        segment = cell.segment(half, Current(current), 1e4)
        assert segment.collapse.startswith("the surface of the")
        assert segment.collapse.endswith(words)


@pytest.mark.parametrize("shape", ["sphere", "film"])
def test_a_constant_curve_is_the_constant(cell, half, shape):
    """With a curve that says the same everywhere, the modes are the poles of the table of that shape."""
    plain = cell.chemistry.parameters
    hosts = [replace(host, shape=shape, speed=None) for host in cell.chemistry.hosts]
    same = [replace(host, speed=np.ones_like) for host in hosts]
    known, modal = (CellModel(Insertion(replace(plain, positive=pair[0], negative=pair[1]))) for pair in (hosts, same))
    times = np.linspace(1.0, 1200.0, 40)
    seen = [
        one.segment(one.initial(soc=0.8), Current(-0.5 * CURRENT), 1200.0).rows(times).voltage for one in (known, modal)
    ]
    assert seen[0] == pytest.approx(seen[1], abs=5e-5)


def test_poles_of_a_frozen_profile_are_passive_and_keep_the_mean():
    known = modes("sphere")
    one = turn("sphere", np.geomspace(1e-3, 1.0, PLACES), 100.0)
    assert one.rate.min() > 0.0
    assert one.share.min() > 0.0
    assert one.back @ one.into == pytest.approx(np.eye(len(one.rate)), abs=1e-9)
    nodes, weights = np.polynomial.legendre.leggauss(PLACES)
    volume = 1.5 * weights * (0.5 * (nodes + 1.0)) ** 2
    assert volume @ known.profile == pytest.approx(np.zeros(len(one.rate)), abs=1e-12)


def test_the_impedance_at_rest_is_that_of_the_diffusivity_there(cell):
    state = cell.initial(soc=0.5)
    hosts = [
        replace(host, time=host.time / float(host.speed(x)), speed=None)
        for host, x in zip(cell.chemistry.hosts, state.level, strict=True)
    ]
    plain = CellModel(Insertion(replace(cell.chemistry.parameters, positive=hosts[0], negative=hosts[1])))
    frequencies = np.geomspace(1e-4, 1e3, 8)
    assert cell.impedance(state, frequencies) == pytest.approx(plain.impedance(plain.initial(soc=0.5), frequencies))


def test_a_live_cell_and_a_profile_are_its_segments(cell, half):
    """Their error is that of segments, which is compared with PyBaMM above: a step is one, and goes on where the last ended."""
    currents = [-CURRENT] * 3 + [0.0, 0.5 * CURRENT]
    live, state = cell.stepper(half), half
    rows, last = cell.profile(half, currents, 60.0)
    for at, current in enumerate(currents):
        segment = cell.segment(state, Current(current) if current else AtOpenCircuit(), 60.0)
        state = segment.state(60.0)
        voltage = segment.rows([60.0]).voltage[0]
        assert (live.step(current, 60.0), rows.voltage[at]) == (voltage, voltage)
    assert live.state == last == state
    target = live.voltage + 0.01
    held = cell.segment(state, Voltage(target, CURRENT), 5.0).rows([5.0]).current[0]
    assert live.hold(target, 5.0, most=CURRENT) == held
    with pytest.raises(ValueError, match=r"found a ramp to 0\.1 A within 1 s: a diffusivity that depends"):
        live.ramp(0.1, 1)
    live.step(-1e3 * CURRENT, 1e4)
    assert "empty" in live.collapse
    with pytest.raises(ValueError, match="empty at step 0"):
        cell.profile(half, [-1e3 * CURRENT], 1e4)


def test_what_cannot_follow_it_refuses_it(cell):
    state = cell.initial()
    for path in (cell.layered, lambda one: cell.batch([one])):
        with pytest.raises(ValueError, match="found ecker2015, in which one depends on the composition"):
            path(state)
    with pytest.raises(ValueError, match="wanted constant diffusivities in a cell that heats itself"):
        replace(cell.chemistry.parameters, heat=Heat(10.0, 0.1))
    host = replace(cell.chemistry.parameters.positive, double_layer=1.0)
    with pytest.raises(ValueError, match="wanted constant diffusivities beside double_layers: on"):
        replace(cell.chemistry.parameters, layers=True, resistance=0.1, positive=host)
    with pytest.raises(ParameterError, match="ecker2015: wanted constant diffusivities in a sweep"):
        sweep(read_text(TEXT, "e.yaml"), {"negative.thickness": [7e-5, 8e-5]})


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("8.2e-15)", "8.2e-15 - 2e-14)", "wanted a diffusivity above 0 at every stoichiometry, found"),
        ("8.2e-15)", "8.2e-15", "wanted a formula in x"),
        (
            "    diffusivity_activation: {value: 30.3",
            "    diffusivity: {value: 1e-14, unit: m2/s, source: E}\n    diffusivity_activation: {value: 30.3",
            "negative.diffusivity: wanted one number or diffusivity_curve, found both",
        ),
        (
            'expression: {value: "1.006256*(8.4e-13*exp(-11.3*x) + 8.2e-15)", unit: m2/s, source: E}',
            "stoichiometry: {value: [0, 0.9, 0.5], unit: '1', source: E}\n      points: {value: [1, 2, 3], unit: m2/s, source: E}",
            "wanted ascending stoichiometries with as many points",
        ),
    ],
)
def test_a_curve_that_is_none_is_refused_with_its_line(before, after, words):
    assert before in TEXT
    (remark,) = review_file(TEXT.replace(before, after), "e.yaml")
    assert not remark.warning
    assert words in remark.message
    assert remark.line > 40
