"""Pieces of a cell whose diffusivity depends on the composition: frozen, each for as long as its error allows.

Where a piece ends depends on the state and the drive with which it begins alone, so that a cut changes nothing.
"""

from typing import Final

from labctl_simulators.cell.chemistry.frozen_diffusion import ALLOWED, apart, at_once, frozen, tried
from labctl_simulators.cell.chemistry.frozen_physics import FrozenPhysics
from labctl_simulators.cell.chemistry.insertion_cell import InsertionCell
from labctl_simulators.cell.chemistry.insertion_physics import InsertionPhysics
from labctl_simulators.cell.drive import Drive, VoltageSweep
from labctl_simulators.cell.physics import Array
from labctl_simulators.cell.solve.held_piece import HeldPiece
from labctl_simulators.cell.state import CellState

STRIDE: Final = 0.02
"""V; most of a sweep in one piece."""
SHORTER: Final = 0.4
TRIES: Final = 12
_KEPT: Final = 8


def flowing(chemistry: InsertionCell, state: CellState, current: float) -> FrozenPhysics:
    """Return the physics of a piece at constant current (A) that begins in a state; the last few are kept."""
    key = (
        state.memory.tobytes(),
        state.level.tobytes(),
        current,
        state.temperature,
        state.slow,
        state.angle,
        state.radius,
    )
    kept: dict[object, FrozenPhysics] = chemistry.kept.setdefault("flowing", {})
    known = kept.get(key)
    if known is None:
        if len(kept) >= _KEPT:
            kept.clear()
        base, bodies = _base(chemistry, state), chemistry.bodies(state.temperature)
        found = frozen(bodies, state.memory, state.level, _paces(base, current))
        known = kept[key] = FrozenPhysics(base, bodies, found)
    return known


def holding(chemistry: InsertionCell, state: CellState, drive: Drive) -> FrozenPhysics:
    """Return the physics of a piece in which the current is solved for.

    It is made for the current with which the piece begins. Then the current is solved for, and the piece made shorter until
    the diffusivity of its middle as it comes out leads nowhere else.
    """
    base, bodies = _base(chemistry, state), chemistry.bodies(state.temperature)
    begin = at_once(bodies, state.memory, state.level)
    first = HeldPiece(FrozenPhysics(base, bodies, begin), state, drive).first
    found = frozen(bodies, state.memory, state.level, _paces(base, first))
    length = min(found.span, STRIDE / drive.rate) if isinstance(drive, VoltageSweep) else found.span
    for _ in range(TRIES):
        physics = FrozenPhysics(base, bodies, found._replace(span=length))
        mean = _mean(physics, state, drive, length)
        if mean is None:
            break
        used, paces = found.turns, _paces(base, mean)
        found, error = tried(bodies, begin.turns, (state.memory, state.level, paces), length)
        if max(error, apart(bodies, (used, found.turns), (state.memory, paces), length)) <= ALLOWED:
            break
        length *= SHORTER
    return physics


def _mean(physics: InsertionPhysics, state: CellState, drive: Drive, length: float) -> float | None:
    """Return the mean current of a piece of `length` s, A; None where it cannot be held so long, or for ever."""
    if not length < float("inf"):
        return None
    piece = HeldPiece(physics, state, drive)
    while not piece.lengths or piece.begins[-1] + piece.lengths[-1] < length:
        if not piece.extend():
            return None
    up, down = piece.passed(length)
    return (up - down) / length


def _base(chemistry: InsertionCell, state: CellState) -> InsertionPhysics:
    """Return the physics at a state's conditions, its diffusivity that of the numbers."""
    physics = chemistry.physics_of(state)
    assert isinstance(physics, InsertionPhysics)
    return physics


def _paces(base: InsertionPhysics, current: float) -> Array:
    """Return the rate of each row's mean at a current (A), 1/s."""
    return base.memory.integrator * base.gain * current
