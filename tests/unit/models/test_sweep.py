"""Cells that differ in some numbers, as one batch: each does what the cell built of its own numbers does."""

import numpy as np
import pytest

from labctl_simulators import parameters
from labctl_simulators.assembly.build import build_cell
from labctl_simulators.assembly.sweep import sweep
from labctl_simulators.assembly.tree import Size
from labctl_simulators.cell import Current
from labctl_simulators.parameters import ParameterError

RISE = np.linspace(0.5, 2.0, 7)


def alone(found, numbers, cell, size):
    """Return the cell of one set of the sweep."""
    values = dict(found.values)
    for path, column in numbers.items():
        branch, _, key = path.rpartition(".")
        values[branch] = {**values[branch], key: float(column[cell])}
    return build_cell(found._replace(values=values), size)


@pytest.mark.parametrize(
    ("name", "paths", "current", "salt"),
    [
        ("marquis2019", ("negative.diffusivity", "positive.rate_constant", "positive.particle_radius"), -0.6, True),
        ("marquis2019", ("negative.thickness", "positive.active_fraction"), 0.3, False),
        ("chen2020", ("negative.rate_constant", "positive.diffusivity"), -4.0, True),
    ],
)
def test_each_cell_of_a_sweep_is_the_cell_of_its_numbers(name, paths, current, salt):
    found, size = parameters.read(name), Size(electrolyte=salt)
    numbers = {}
    for path in paths:
        branch, _, key = path.rpartition(".")
        spread = 0.95 + 0.05 * RISE if key in {"thickness", "active_fraction"} else RISE  # the window must be reached
        numbers[path] = spread * found.values[branch][key]
    made = sweep(found, numbers, size)
    many = made.batch([made.initial()] * len(RISE))
    for _ in range(30):
        many.step(current, 20.0)
    for cell in range(len(RISE)):
        one = alone(found, numbers, cell, size)
        segment = one.segment(one.initial(), Current(current), 600.0)
        assert many.voltage[cell] == pytest.approx(segment.rows([600.0]).voltage[0], abs=1e-12)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"negative.porosity": [0.3, 0.4]}, "diffusivity"),
        ({"negative.thickness": [1e-4, 2e-4]}, "electrolyte"),
        ({"negative.diffusivity": [1e-14, 0.0]}, "above 0"),
        ({"negative.diffusivity": [1e-14, 2e-14], "positive.diffusivity": [1e-14]}, "one value for each cell"),
    ],
)
def test_what_cannot_be_swept_is_refused_by_name(numbers, words):
    with pytest.raises(ParameterError, match=words):
        sweep(parameters.read("marquis2019"), numbers)
