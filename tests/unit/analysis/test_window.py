"""The stability window against a Tafel current, whose threshold has an exact voltage."""

import numpy as np
import pytest

from labctl.analysis.window import analyse_window
from labctl.plan.step import CellFigures
from labctl.sample import Batch

AREA, EXCHANGE, SLOPE, FOOT = 2e-4, 1e-9, 0.06, 4.0  # m2, A, V per e-fold, V


def sweep(record, until, options=None, kind=AREA):
    voltage = np.linspace(3.0, until, 2001)
    current = EXCHANGE * np.exp((voltage - FOOT) / SLOPE)
    samples = Batch(np.arange(2001.0), voltage, current)
    steps = [{"step_type": "lsv", "first_record": 0, "last_record": 2000}]
    return analyse_window(record(steps, [], CellFigures("a", "asymmetric", area=kind), samples), options or {})


@pytest.mark.parametrize("threshold", [0.001, 0.01, 0.1])  # mA/cm2
def test_tells_the_voltage_of_the_threshold(record, threshold):
    found = sweep(record, 5.0, {"threshold": str(threshold)})
    exact = FOOT + SLOPE * np.log(threshold * 1e-3 * AREA * 1e4 / EXCHANGE)
    assert found.figures[0].value == pytest.approx(exact, abs=1e-3)
    assert f"{threshold:g} mA/cm2" in found.figures[0].name


def test_a_sweep_that_ends_below_has_no_window(record):
    found = sweep(record, 4.1)
    (figure,) = found.figures
    assert (figure.name, figure.value) == ("voltage reached below 0.01 mA/cm2, sweep 1", pytest.approx(4.1))
    assert found.flags == ("1 of 1 sweeps do not end above 0.01 mA/cm2",)


def test_an_area_is_needed(record):
    with pytest.raises(ValueError, match="area"):
        sweep(record, 5.0, kind=None)
