"""Build the tables of a run by hand, for the analyses."""

import numpy as np
import pytest

from labctl.analysis.run_record import RunRecord
from labctl.plan.step import CellFigures
from labctl.sample import Batch

STEP = {
    "step_count": 0, "step_type": "rest", "cycle_count": 0, "complete": 1.0, "begin_test_time_second": 0.0, "end_test_time_second": 0.0,
    "step_time_second": 0.0, "end_reason": "for", "end_text": "", "charging_capacity_ah": 0.0, "discharging_capacity_ah": 0.0,
    "first_voltage_volt": np.nan, "last_voltage_volt": np.nan, "bend_angle_degree": np.nan, "bend_radius_meter": np.nan,
    "first_record": 0, "last_record": -1,
}  # fmt: skip
CYCLE = {
    "cycle_count": 1, "kind": "true", "charging_capacity_ah": 0.0, "discharging_capacity_ah": 0.0,
    "charging_energy_wh": 0.0, "discharging_energy_wh": 0.0, "coulombic_efficiency": np.nan, "retention": np.nan,
    "begin_test_time_second": 0.0, "end_test_time_second": 1.0, "complete": 1.0, "end_reason": "", "end_text": "",
}  # fmt: skip
FULL = CellFigures(
    "test", "full", area=1e-4, active_mass=1e-6, nominal=3.6, retention="discharge", efficiency="discharge/charge"
)


def table(rows: list[dict[str, object]], defaults: dict[str, object]) -> dict[str, np.ndarray]:
    """Return columns from rows that say only what differs."""
    return {name: np.array([row.get(name, value) for row in rows]) for name, value in defaults.items()}


def build(
    steps: list[dict[str, object]],
    cycles: list[dict[str, object]],
    cell: CellFigures = FULL,
    samples: Batch | None = None,
    results: tuple[tuple[str, float, int], ...] = (),
) -> RunRecord:
    """Return a record over hand-made tables."""

    def rows(first: int, last: int) -> Batch:
        assert samples is not None
        return samples.rows(first, last + 1)

    return RunRecord(cell, table(steps, STEP), table(cycles, CYCLE), rows, results)


def figure(analysis: object, name: str) -> float:
    """Return the figure of that name."""
    return next(found.value for found in analysis.figures if found.name == name)  # type: ignore[attr-defined]


@pytest.fixture(name="record")
def record_fixture():
    return build


@pytest.fixture(name="value")
def value_fixture():
    return figure
