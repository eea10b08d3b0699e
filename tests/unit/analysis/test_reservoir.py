"""The efficiency by a reservoir, against charges that are put in by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.analysis.reservoir import analyse_reservoir
from labctl.plan.step import CellFigures
from tests.unit.analysis.conftest import build, figure

COPPER = CellFigures("Li‖Cu", "asymmetric", area=2e-4)
AH = 2e-3  # of 1 mAh/cm2 on 2 cm2


def run(charges, ends=None, cell=COPPER):
    """Return a run of platings (negative) and strips (positive) of mAh/cm2; the last strip ends by its voltage."""
    ends = {len(charges) - 1: "to"} | (ends or {})
    steps = [
        {"step_count": at + 2, "step_type": "strip" if charge > 0 else "plate",
         "charging_capacity_ah" if charge > 0 else "discharging_capacity_ah": abs(charge) * AH,
         "end_reason": ends.get(at, "capacity"), "complete": float(ends.get(at, "capacity") in {"to", "capacity", "until"}),
         "end_text": "voltage > 1 V" if ends.get(at) == "until" else "", "last_voltage_volt": 1.0}
        for at, charge in enumerate(charges)
    ]  # fmt: skip
    return analyse_reservoir(build([{"step_type": "rest", "step_count": 1}, *steps], [], cell), {})


def test_missing_reservoir_efficiency():
    """(n Q_C + Q_S) / (n Q_C + Q_T), with the conditioning of the copper left out: the example of the method's paper."""
    found = run([-5, 4.8, -5, *[1, -1] * 10, 4.7], {1: "to"})
    assert figure(found, "coulombic efficiency by reservoir") == pytest.approx(100 * (10 * 1 + 4.7) / (10 * 1 + 5))
    assert figure(found, "partial cycles") == 10
    assert figure(found, "reservoir") == pytest.approx(5.0)
    assert figure(found, "mean cycled charge") == pytest.approx(1.0)
    assert figure(found, "stripped at the end") == pytest.approx(4.7)
    assert not found.flags


@given(
    total=st.floats(1, 20),
    cycled=st.lists(st.floats(0.01, 1), min_size=1, max_size=30),
    efficiency=st.floats(0.9, 1),
    until=st.booleans(),
)
def test_a_cell_that_loses_a_part_of_every_plating_has_that_efficiency(total, cycled, efficiency, until):
    """Of each plating the part `efficiency` can be stripped: all that is stripped over all that is plated is that part."""
    charges = [-total]
    for part in cycled:
        charges += [part, -part]
    left = efficiency * (total + sum(cycled)) - sum(cycled)
    if left <= 0:
        return
    found = run([*charges, left], {len(charges): "until"} if until else {})
    assert figure(found, "coulombic efficiency by reservoir") == pytest.approx(100 * efficiency)


def test_a_reservoir_that_was_cut_is_left_out_and_named():
    found = run([-5, 1, -1, 4.7, -5, 1, -1, 2], {3: "to", 5: "skip"})
    assert figure(found, "stripped at the end") == pytest.approx(4.7)
    assert found.table["first step"] == (2,)
    assert found.flags == ("step 7 is left out: skipped",)


def test_a_reservoir_that_was_used_up_says_so():
    found = run([-3, 1, -1, 1, -1, 0.4])
    assert "used up" in found.flags[0]
    assert figure(found, "coulombic efficiency by reservoir") == pytest.approx(100 * 2.4 / 5)


@pytest.mark.parametrize("charges", [[-5, 4.8], [-1, 0.9, -1, 0.95], [1, -1]])
def test_cycles_without_partial_ones_are_no_reservoir(charges):
    found = run(charges, {at: "to" for at, charge in enumerate(charges) if charge > 0})
    assert not found.figures
    assert "no reservoir" in found.flags[0]


def test_a_symmetric_cell_has_none():
    assert "asymmetric" in run([-5, 1, -1, 4], cell=CellFigures("Li‖Li", "symmetric", area=1e-4)).flags[0]
