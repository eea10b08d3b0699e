"""The impedance of a simulated cell about a state, in closed form from the numbers of the time domain."""

import numpy as np
from numpy.typing import NDArray

from labctl_simulators.cell.drive import check_step
from labctl_simulators.cell.physics import Physics
from labctl_simulators.cell.state import CellState


def impedance_about(
    physics: Physics, state: CellState, frequencies: NDArray[np.float64], current: float
) -> NDArray[np.complex128]:
    """Return the impedance in ohm about a state under a bias.

    Args:
        physics: of the cell in that state.
        state: where the cell is.
        frequencies: Hz, shape (F,), each above 0.
        current: of the bias, A, at the terminals; flowing already.

    Raises:
        ValueError: a frequency is not above 0 Hz, or the bias is more than the cell can carry.
    """
    if frequencies.size and not (
        frequencies.flat[frequencies.argmin()] > 0.0 and frequencies.flat[frequencies.argmax()] < np.inf
    ):
        raise ValueError("wanted finite frequencies above 0 Hz, found others")
    inner = _inner_current(physics, state, current) if physics.leak else current
    z = surface_values(physics, state, inner)
    if current != 0.0:
        _refuse_uncarried(physics, z, current)
    return physics.impedance(z, inner, frequencies)


def surface_values(physics: Physics, state: CellState, current: float) -> NDArray[np.float64]:
    """Return the surface values of a state, shape (rows,), just after a current (A) has been switched on."""
    check_step(current, 0.0)
    values = state.level + state.memory @ physics.memory.own + physics.memory.feed * physics.gain * current
    return np.asarray(values, dtype=np.float64)


def _inner_current(physics: Physics, state: CellState, current: float) -> float:
    """Return what of a current (A) at the terminals does not flow through a short beside the cell, A.

    Raises:
        ValueError: nothing meets it.
    """
    from labctl_simulators.cell.stepper import solve  # noqa: PLC0415 - only a cell with a short needs it

    leak = float(physics.leak)

    def residual(inner: float) -> float:
        z = surface_values(physics, state, inner).tolist()
        return physics.voltage_scalar(z, inner, 0.0, 0.0) + (inner - current) / leak

    inner = solve(residual, current)
    if inner is None:
        raise ValueError(f"wanted a bias that the cell can carry, found {current} A")
    return inner


def _refuse_uncarried(physics: Physics, z: NDArray[np.float64], current: float) -> None:
    """Refuse a bias that drives a surface out of its range.

    Raises:
        ValueError: in words.
    """
    for value, low, high, words in zip(z, physics.low, physics.high, physics.words, strict=True):
        if not low < value < high:
            raise ValueError(f"wanted a bias that the cell can carry, found {current} A: {words[bool(value >= high)]}")
