import numpy as np
import pytest

from labctl.analysis.bending import analyse_bending


def test_a_bend_after_a_cycle_keeps_its_number_and_does_not_take_it_along(record):
    steps = []
    for cycle, angle in enumerate((0.0, 0.0, 90.0, 90.0), 1):
        if cycle in {1, 3}:
            steps.append({"step_type": "bend", "cycle_count": cycle - 1, "bend_angle_degree": angle})
        steps += [
            {"step_type": word, "cycle_count": cycle, "bend_angle_degree": angle} for word in ("discharge", "charge")
        ]
    cycles = [
        {"cycle_count": k, "discharging_capacity_ah": charge} for k, charge in enumerate((1.0, 1.0, 0.8, np.nan), 1)
    ]
    found = analyse_bending(record(steps, cycles), {})
    assert found.table["cycles"] == (2, 1)
    assert found.table["change / %"] == pytest.approx([0.0, -20.0])


def test_tells_the_capacity_of_every_state_in_order(record, value):
    angles = (0.0, 0.0, 90.0, 90.0, 0.0)
    capacities = (1.0, 1.0, 0.9, 0.96, 1.02)
    steps = [{"step_type": "charge", "cycle_count": k, "bend_angle_degree": angle} for k, angle in enumerate(angles, 1)]
    cycles = [{"cycle_count": k, "discharging_capacity_ah": charge * 1e-3} for k, charge in enumerate(capacities, 1)]
    found = analyse_bending(record(steps, cycles), {})
    assert found.table["angle / deg"] == (0.0, 90.0, 0.0)
    assert found.table["change / %"] == pytest.approx([0.0, -7.0, 2.0])
    assert value(found, "largest change of capacity") == pytest.approx(-7.0)


def test_a_first_discharge_of_a_cell_that_was_assembled_discharged_is_in_no_mean(record):
    angles, capacities = (0.0, 0.0, 90.0, 90.0), (1e-6, 1.0, 0.9, 1e-6)
    steps = [{"step_type": "charge", "cycle_count": k, "bend_angle_degree": angle} for k, angle in enumerate(angles, 1)]
    cycles = [{"cycle_count": k, "discharging_capacity_ah": charge} for k, charge in enumerate(capacities, 1)]
    found = analyse_bending(record(steps, cycles), {})
    assert found.table["cycles"] == (1, 2)  # one that died when bent counts
    assert found.table["change / %"] == pytest.approx([0.0, -55.0], abs=0.01)
    assert "cycle 1 is left out: next to nothing passed" in found.flags[0]
