"""Cycling a simulated cell by segments, as a cycler would."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from labctl_simulators.cell import CellModel, CellState, Current, Stop
from labctl_simulators.models import load_model
from labctl_simulators.parameters import read

FOREVER = 1e9


@dataclass(frozen=True)
class Cycle:
    """Charges in C, mean voltages in V."""

    charge: float
    discharge: float
    charge_voltage: float
    discharge_voltage: float


def cycle(
    cell: CellModel, state: CellState, current: float, count: int, first: int = -1
) -> tuple[list[Cycle], CellState]:
    """Return `count` cycles at `current` A between the voltages of the parameter set; `first` is the direction."""
    numbers = read(cell.name).values
    window = {-1: float(numbers["lower_voltage"]), 1: float(numbers["upper_voltage"])}  # type: ignore[arg-type]
    cycles = []
    for _ in range(count):
        half = {}
        for direction in (first, -first):
            stop = Stop("voltage", direction > 0, window[direction], 1)
            segment = cell.segment(state, Current(direction * current), FOREVER, (stop,))
            assert segment.stop == 1 or segment.collapse
            mean = float("nan")
            if len(cycles) < 2:  # the others are wanted for their charges only
                mean = float(np.mean(segment.rows(np.linspace(0.0, segment.end, 201)).voltage))
            half[direction] = (segment.end * current, mean)
            state = segment.state(segment.end)
        cycles.append(Cycle(half[1][0], half[-1][0], half[1][1], half[-1][1]))
    return cycles, state


@pytest.fixture
def fresh() -> Callable[[str], tuple[CellModel, CellState]]:
    def make(name: str) -> tuple[CellModel, CellState]:
        cell = load_model(name)
        return cell, cell.initial(seed=1)

    return make


@pytest.fixture
def cycled() -> Callable[..., tuple[list[Cycle], CellState]]:
    return cycle
