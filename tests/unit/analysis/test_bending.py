import pytest

from labctl.analysis.bending import analyse_bending


def test_tells_the_capacity_of_every_state_in_order(record, value):
    angles = (0.0, 0.0, 90.0, 90.0, 0.0)
    capacities = (1.0, 1.0, 0.9, 0.96, 1.02)
    steps = [{"step_type": "charge", "cycle_count": k, "bend_angle_degree": angle} for k, angle in enumerate(angles, 1)]
    cycles = [{"cycle_count": k, "discharging_capacity_ah": charge * 1e-3} for k, charge in enumerate(capacities, 1)]
    found = analyse_bending(record(steps, cycles), {})
    assert found.table["angle / deg"] == (0.0, 90.0, 0.0)
    assert found.table["change / %"] == pytest.approx([0.0, -7.0, 2.0])
    assert value(found, "largest change of capacity") == pytest.approx(-7.0)
