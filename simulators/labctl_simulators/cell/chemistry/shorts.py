"""How metal grows through an electrolyte, and what is left of the voltage then.

Wear runs from 0 (fresh) to 1 (something touches). It grows with the hours under current, as lives reported at current
densities say, and fast above a critical current density. What then happens is one of three: a *hard* short is a small
resistance for good; a *soft* one opens and closes at random and turns hard after more wear; a *recovering* one burns
away after some charge, and comes again sooner each time until it stays.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, Literal

import numpy as np

from labctl_simulators.cell.chance import normal, uniform
from labctl_simulators.cell.chemistry.arrhenius import Arrhenius

SLOW_NAMES: Final = ("wear", "episodes", "burnt", "clock")
_LIFE, _CRITICAL, _FLICKER, _DEPTH, _BURN = range(1, 6)  # streams of randomness
_LOGARITHM: Final = 600.0  # of the longest life that is told from never: exp(600) is still a number
_AHEAD: Final = 64  # slots of a flicker that are looked at in one go
Kind = Literal["hard", "soft", "recovering"]


@dataclass(frozen=True, slots=True)
class Shorts:
    """Hold when and how one kind of cell shorts.

    Attributes:
        kind: what touching metal does, see above.
        currents: current densities at which lives are known, A/m2, ascending.
        lives: s under current until wear reaches 1, one for each of `currents`; between and beyond them a power law
            (beyond a single one the charge passed counts).
        critical: critical current density in A/m2 as a function of temperature.
        margin: s that a cell survives at twice the critical current density; wear above it is (j/critical - 1)/margin.
        spread: standard deviation of the logarithm of life and critical current density from cell to cell.
        resistance: of a hard short, ohm m2.
        left: share of the voltage that is left while a soft or recovering short is closed.
        closed: share of the time that a soft short is closed.
        flicker: s for which a soft short stays as it is.
        harden: wear beyond 1 at which a soft short turns hard.
        burn: mean charge density that burns a recovering short away, C/m2.
        heal: wear that is undone when it has burnt away.
        recoveries: after how many of them it stays and is hard.
    """

    kind: Kind = "hard"
    currents: tuple[float, ...] = ()
    lives: tuple[float, ...] = ()
    critical: Arrhenius = field(default_factory=lambda: Arrhenius((1e9,)))
    margin: float = 60.0
    spread: float = 0.0
    resistance: float = 1e-4
    left: float = 0.5
    closed: float = 0.5
    flicker: float = 17.3
    harden: float = 0.1
    burn: float = 1800.0
    heal: float = 0.1
    recoveries: int = 3

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: a number outside its physical range.
        """
        if len(self.currents) != len(self.lives) or any(b <= a for a, b in pairwise(self.currents)):
            raise ValueError("wanted one life for each current density, and these ascending")
        if (
            min((*self.currents, *self.lives, self.margin, self.resistance, self.flicker, self.burn), default=0.0)
            <= 0.0
        ):
            raise ValueError("wanted current densities, lives, margin, resistance, flicker and burn above 0")
        if not (0.0 <= self.left <= 1.0 and 0.0 <= self.closed <= 1.0 and 0.0 < self.heal <= 1.0):
            raise ValueError("wanted shares of a short within 0..1")
        if self.spread < 0.0 or self.harden < 0.0 or self.recoveries < 0:
            raise ValueError("wanted spread, harden and recoveries of at least 0")

    def speed(self, density: float, temperature: float, seed: int) -> float:
        """Return the growth of wear in 1/s at a current density (A/m2, a magnitude)."""
        if density <= 0.0:
            return 0.0
        speed = 1.0 / self._life(density) if self.currents else 0.0
        critical = self.critical(temperature)
        if self.spread:
            longer, stronger = _individual(seed)
            speed *= math.exp(-self.spread * longer)
            critical *= math.exp(self.spread * stronger)
        return float(speed + max(0.0, density / critical - 1.0) / self.margin)

    def speeds(self, density: Any, temperature: Any, seeds: Sequence[int]) -> Any:
        """Return `speed` for an array of cells, shape (N,)."""
        longer, stronger = np.array([_individual(seed) for seed in seeds]).T
        speed = np.zeros(len(seeds))
        if len(self.currents) == 1:
            speed = density / (self.lives[0] * self.currents[0])
        elif self.currents:
            lives, currents = np.log(self.lives), np.log(self.currents)
            power = np.minimum(np.diff(lives) / np.diff(currents), 0.0)
            flow = np.log(np.maximum(density, 1e-300))
            place = np.clip(np.searchsorted(currents, flow, side="right") - 1, 0, len(power) - 1)
            speed = np.exp(-(lives[place] + power[place] * (flow - currents[place])))
        speed = np.where(density > 0.0, speed, 0.0) * np.exp(-self.spread * longer)
        critical = self.critical(temperature) * np.exp(self.spread * stronger)
        return speed + np.maximum(0.0, density / critical - 1.0) / self.margin

    def _life(self, density: float) -> float:
        if len(self.currents) == 1:
            return self.lives[0] * self.currents[0] / density
        index = min(max(sum(known <= density for known in self.currents), 1), len(self.currents) - 1)
        low, high = self.currents[index - 1], self.currents[index]
        power = math.log(self.lives[index] / self.lives[index - 1]) / math.log(high / low)
        rise = min(math.log(density / low) * min(power, 0.0), _LOGARITHM)
        return float(self.lives[index - 1] * math.exp(rise))

    def hard(self, wear: float, episodes: float) -> bool:
        """Return whether a cell of that wear is shorted for good."""
        return bool(self.hards(wear, episodes))

    def hards(self, wear: Any, episodes: Any) -> Any:
        """Return `hard`; broadcasts."""
        match self.kind:
            case "hard":
                return wear >= 1.0
            case "soft":
                return wear >= 1.0 + self.harden
            case _:
                return (wear >= 1.0) & (episodes >= self.recoveries)

    def until(self, now: tuple[float, ...], density: float, speed: float, seed: int) -> float:
        """Return after how many s at constant current something touches, burns away or turns hard.

        Args:
            now: the slow states.
            density: magnitude of the current density, A/m2.
            speed: growth of wear at it, 1/s, see `speed`.
            seed: of everything random.
        """
        wear, episodes, burnt, clock = now
        if self.hard(wear, episodes) or density <= 0.0:
            return math.inf
        if wear >= 1.0 and self.kind == "recovering":
            return max(self._fuse(episodes, seed) - burnt, 0.0) / density
        if wear >= 1.0:
            return min((1.0 + self.harden - wear) / speed if speed > 0.0 else math.inf, self._next(clock, seed))
        return (1.0 - wear) / speed if speed > 0.0 else math.inf

    def _shut(self, slot: int, seed: int) -> bool:
        """Return whether a soft short is closed in a slot of its clock."""
        return uniform(seed, _FLICKER, slot) < self.closed

    def _slot(self, clock: float) -> int:
        return int(clock / self.flicker + 1e-9)  # at the edge of a slot the next one has begun, however time was added

    def _next(self, clock: float, seed: int) -> float:
        """Return after how many s under current a soft short opens or closes (or may do so)."""
        first = self._slot(clock)
        shut, slot = self._shut(first, seed), first + 1
        while self._shut(slot, seed) == shut and slot < first + _AHEAD:
            slot += 1
        return slot * self.flicker - clock

    def _fuse(self, episodes: float, seed: int) -> float:
        """Return the charge density that burns the present short away, C/m2."""
        return -self.burn * math.log(uniform(seed, _BURN, int(episodes)))

    def later(self, now: tuple[float, ...], time: float, density: float, speed: float, seed: int) -> tuple[float, ...]:
        """Return wear, episodes, burnt and clock `time` s later, at most up to the change that `until` foretells."""
        wear, episodes, burnt, clock = now
        if time <= 0.0 or density <= 0.0 or self.hard(wear, episodes):
            return now
        if wear >= 1.0 and self.kind == "recovering":
            burnt += density * time
            # told by the charge: the time that is left may pass less charge than the rounding of what has burnt
            if burnt >= self._fuse(episodes, seed) * (1.0 - 1e-13):
                return (1.0 - self.heal * uniform(seed, _DEPTH, int(episodes)), episodes + 1.0, 0.0, clock + time)
            return (wear, episodes, burnt, clock + time)
        target = 1.0 if wear < 1.0 else 1.0 + self.harden
        grown = wear + speed * time
        return (target if grown >= target * (1.0 - 1e-13) else grown, episodes, burnt, clock + time)

    def share(self, now: tuple[float, ...], seed: int) -> float:
        """Return what a soft or recovering short leaves of the voltage until the next change; 1 without one."""
        wear, _, _, clock = now
        if wear < 1.0:
            return 1.0
        return self.left if self.kind == "recovering" or self._shut(self._slot(clock), seed) else 1.0


@lru_cache(maxsize=4096)
def _individual(seed: int) -> tuple[float, float]:
    """Return by how many standard deviations one cell's life and critical current density differ from the usual."""
    return normal(seed, _LIFE, 0), normal(seed, _CRITICAL, 0)
