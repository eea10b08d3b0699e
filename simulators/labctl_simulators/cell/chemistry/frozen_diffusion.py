"""Insertion electrodes whose diffusivity depends on the stoichiometry: for how long it may be taken as frozen, and at what.

A piece of a segment takes the diffusivity of the profile that it has in its middle. It is as long as that keeps the
error small: the profile at its end must not differ by more than ALLOWED (stoichiometry, anywhere in the body) from the one
that the diffusivity of its begin leads to. The first is good to the square of the length, the second only to the length
itself, so that the difference bounds what the freezing costs.
"""

from collections.abc import Callable, Sequence
from math import inf
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from labctl_simulators.cell.chemistry.profile_modes import PoleTurn, modes, turn
from labctl_simulators.cell.physics import Array

ALLOWED: Final = 1e-3
"""Largest difference between a profile of the frozen diffusivity and that of the begin's, stoichiometry."""
TRIES: Final = 24
OPENING: Final = 0.1
"""First length that is tried, in units of the slowest pole's."""
LEVELLED: Final = 60.0
"""In the same units: a profile is level by then."""
PACE: Final = 0.02
"""Most by which the first length that is tried moves the mean."""
NARROW: Final = 0.25
"""A length is long enough where the difference is at least this share of what is allowed."""


class Body(NamedTuple):
    """Hold one electrode.

    Attributes:
        row: of its stoichiometry.
        part: of the memory, its modes.
        shape: sphere or film.
        time: of diffusion at the temperature, s.
        speed: diffusivity by stoichiometry, against that which `time` is of.
    """

    row: int
    part: slice
    shape: Literal["sphere", "film"]
    time: float
    speed: Callable[[Any], Any]

    def turned(self, kept: Array, level: float) -> PoleTurn:
        """Return the poles with the diffusivity of a profile, given by its modes and its mean."""
        profile = np.minimum(np.maximum(level + modes(self.shape).profile @ kept, 0.0), 1.0)
        return turn(self.shape, self.speed(profile), self.time)

    def apart(self, one: Array, other: Array) -> float:
        """Return how far two profiles of one mean are apart at most, stoichiometry."""
        off = one - other
        return max(float(np.abs(modes(self.shape).profile @ off).max()), abs(float(off.sum())))


class Frozen(NamedTuple):
    """Hold the poles of each body, and for how many s they serve."""

    turns: tuple[PoleTurn, ...]
    span: float


def at_once(bodies: Sequence[Body], memory: Array, level: Array) -> Frozen:
    """Return the poles with the diffusivity of the profiles as they are."""
    return Frozen(tuple(body.turned(memory[body.part], float(level[body.row])) for body in bodies), inf)


def frozen(bodies: Sequence[Body], memory: Array, level: Array, paces: Array) -> Frozen:
    """Return the poles with the diffusivity of the middle of a piece that is as long as the error allows.

    Args:
        bodies: the electrodes.
        memory: of the state in which the piece begins.
        level: of the same.
        paces: rate of each row's mean while it lasts, 1/s.
    """
    begin = at_once(bodies, memory, level).turns
    slowest = min(float(one.rate[0]) for one in begin)
    pace = max(abs(float(paces[body.row])) for body in bodies)
    length = min(OPENING / slowest, PACE / pace if pace else inf)
    best: Frozen | None = None
    for _ in range(TRIES):
        found, error = tried(bodies, begin, (memory, level, paces), length)
        if error > ALLOWED and best is not None:
            break
        if error <= ALLOWED:
            best = found
            if length * slowest > LEVELLED:
                return found._replace(span=length if pace else inf)
            if error > NARROW * ALLOWED:
                break
        length *= min(max((0.6 * ALLOWED / max(error, 1e-30)) ** 0.6, 0.05), 8.0)
    return best or found


def tried(
    bodies: Sequence[Body], begin: Sequence[PoleTurn], state: tuple[Array, Array, Array], length: float
) -> tuple[Frozen, float]:
    """Return the poles of the middle of a piece of `length` s, and what the freezing costs, stoichiometry.

    Args:
        bodies: the electrodes.
        begin: the poles with the diffusivity of its begin.
        state: memory and level in which it begins, and the rate of each row's mean, 1/s.
        length: s.
    """
    memory, level, paces = state
    half = 0.5 * length
    turns = tuple(
        body.turned(
            first.later(memory[body.part], float(paces[body.row]), half),
            float(level[body.row]) + float(paces[body.row]) * half,
        )
        for body, first in zip(bodies, begin, strict=True)
    )
    return Frozen(turns, length), apart(bodies, (begin, turns), (memory, paces), length)


def apart(
    bodies: Sequence[Body],
    ways: tuple[Sequence[PoleTurn], Sequence[PoleTurn]],
    state: tuple[Array, Array],
    length: float,
) -> float:
    """Return how far the profiles to which two frozen diffusivities lead are apart after `length` s, stoichiometry.

    Args:
        bodies: the electrodes.
        ways: the poles of each, twice.
        state: memory from which both go on, and the rate of each row's mean, 1/s.
        length: s.
    """
    memory, paces = state
    return max(
        body.apart(*(one.later(memory[body.part], float(paces[body.row]), length) for one in pair))
        for body, pair in zip(bodies, zip(*ways, strict=True), strict=True)
    )
