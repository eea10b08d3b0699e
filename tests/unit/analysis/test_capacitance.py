import numpy as np
import pytest

from labctl.analysis.capacitance import analyse_capacitance
from labctl.plan.step import CellFigures
from labctl.sample import Batch

FARAD, OHM, AMPERE, ROWS = 0.15, 2.0, 0.01, 41
CELL = CellFigures("test", "capacitor", area=1e-4, active_mass=2e-6)


def made(record, bend=0.0, currents=(AMPERE, -AMPERE, AMPERE, -AMPERE), cut=()):
    """Return a capacitor with a resistance in series, cycled between 0 and 2.7 V at its plates; `bend` curves it, V."""
    steps, columns, begin, plates = [{"first_record": 0, "last_record": 0}], [(0.0, 0.0, 0.0)], 0.0, 0.0
    for number, current in enumerate(currents, 2):
        span = FARAD * 2.7 / abs(current)
        for at in np.linspace(0.0, 1.0, ROWS)[1:]:
            inner = plates + current * span * at / FARAD + bend * np.sin(np.pi * at)
            columns.append((begin + span * at, inner + OHM * current, current))
        steps.append({
            "step_count": number, "step_type": "charge" if current > 0 else "discharge", "begin_test_time_second": begin,
            "first_record": len(columns) - ROWS + 1, "last_record": len(columns) - 1, "complete": float(number not in cut),
        })  # fmt: skip
        begin, plates = begin + span, plates + current * span / FARAD
    time, voltage, current = np.array(columns).T
    nothing = np.zeros_like(time)
    return record(steps, [], CELL, Batch(time, voltage, current, nothing, nothing))


def test_a_capacitor_with_a_resistance_is_recovered(record, value):
    found = analyse_capacitance(made(record), {})
    assert found.table["capacitance / F"] == pytest.approx([FARAD] * 4)
    assert found.table["series resistance / ohm"] == pytest.approx([OHM] * 4)
    assert {
        each.unit: each.value for each in found.figures if each.name == "capacitance of the last discharge"
    } == pytest.approx({"F": FARAD, "F/g": FARAD / 2e-3, "mF/cm2": 150.0})
    assert value(found, "of that of the first discharge") == pytest.approx(100.0)
    assert found.flags == ()


def test_a_curve_that_is_not_straight_is_flagged(record):
    (flag,) = analyse_capacitance(made(record, bend=0.6), {}).flags
    assert flag.startswith("voltage over time is not straight (R2 below 0.99) in step 2, 3, 4, 5")


def test_discharges_of_two_currents_are_not_compared_and_a_cut_one_is_left_out(record):
    found = analyse_capacitance(made(record, currents=(AMPERE, -AMPERE, AMPERE, -2 * AMPERE, AMPERE), cut=(6,)), {})
    assert not [each for each in found.figures if each.name.startswith("of that")]
    assert found.flags[0] == "first and last discharge are not of one current: what is retained is not told"
    assert found.flags[1].startswith("step 6 is left out")


def test_a_run_at_no_constant_current_has_none(record):
    with pytest.raises(ValueError, match="a capacitance needs a charge or discharge at constant current"):
        analyse_capacitance(made(record, currents=()), {})
