"""Cells that begin worn, and cells that age on the shelf."""

import numpy as np
import pytest

from labctl_simulators import parameters
from labctl_simulators.assembly.review import Wanted, review_cell
from labctl_simulators.cell import AtOpenCircuit, Current, Stop
from labctl_simulators.models import build_cell, load_model

MONTH = 30 * 86400.0


def capacity(cell, state, current=-2e-5):
    """Return what a discharge passes, C, and the state after it."""
    full = cell.segment(state, Current(-current), np.inf, [Stop("voltage", True, 3.8)])
    down = cell.segment(full.state(full.end), Current(current), np.inf, [Stop("voltage", False, 2.15)])
    return float(down.rows([down.end]).discharging[0]), down.state(down.end)


def test_a_cell_may_begin_after_cycles():
    cell = load_model("voc1-atfb")
    curve = cell.chemistry.parameters.ageing.curves[0]
    cycles = 0.9 * curve.cycles[-1]
    fresh, worn = cell.initial(), cell.initial(cycles=cycles)
    health = np.interp(cycles, curve.cycles, curve.health)
    named = dict(zip(cell.chemistry.slow_names, worn.slow, strict=True))
    assert named["cycles"] == cycles
    assert named["health"] == pytest.approx(health)
    assert capacity(cell, worn)[0] < capacity(cell, fresh)[0]


def test_a_set_without_ageing_has_no_cell_after_cycles():
    with pytest.raises(ValueError, match="curves of its ageing"):
        load_model("marquis2019").initial(cycles=200)
    (remark,) = review_cell(Wanted("marquis2019", begin=(None, None, 200.0)))
    assert remark.key == "state"
    assert not review_cell(Wanted("voc1-atfb", begin=(0.5, None, 200.0)))


def shelved(**more):
    found = parameters.read("voc1-atfb")
    ageing = {**found.values["ageing"], "calendar": {"loss": 0.04, "after": 4.0 * MONTH, **more}}
    return build_cell(found._replace(values={**found.values, "ageing": ageing}))


def test_on_the_shelf_the_capacity_falls_with_the_root_of_time():
    cell = shelved()
    left = []
    for months in (0.0, 1.0, 4.0):
        state = cell.initial(soc=0.5)
        if months:
            state = cell.segment(state, AtOpenCircuit(), months * MONTH).state(months * MONTH)
        state = cell.segment(state, Current(1e-5), 1.0).state(1.0)
        left.append(cell.chemistry.parameters.ageing.effects(state.slow[:9], 298.15).positive)
    assert 1.0 - np.array(left) == pytest.approx([0.0, 0.02, 0.04], abs=1e-4)


def test_the_cold_keeps_it():
    cell = shelved(activation=5e4)
    state = cell.initial(soc=0.5).at(temperature=278.15)
    state = cell.segment(state, AtOpenCircuit(), 4.0 * MONTH).state(4.0 * MONTH)
    state = cell.segment(state, Current(1e-5), 1.0).state(1.0)
    lost = 1.0 - cell.chemistry.parameters.ageing.effects(state.slow[:9], 278.15).positive
    assert lost == pytest.approx(0.04 * np.exp(-5e4 / 8.314462618 * (1 / 278.15 - 1 / 298.15)), rel=1e-3)
