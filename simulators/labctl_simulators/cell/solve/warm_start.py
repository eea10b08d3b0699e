"""What later solves of a cell can start from: when a voltage was met, and the currents of a hold on its mesh."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from labctl_simulators.cell.physics import Array

_HOLDS: Final = 3
"""Most voltages whose holds are kept."""
_ORDER: Final = 2
"""Most differences that are kept of a hold; the next ones are those of a table of potentials whose slope has kinks."""
_CUTOFFS: Final = 32
"""Most cut-offs that are kept."""


@dataclass(slots=True, eq=False, repr=False)
class KnownSolution:
    """Hold a solution to start from.

    Attributes:
        voltage: V that was held.
        lengths: of the elements, s.
        values: memory current at the nodes, A, shape (N + 1,), neighbours sharing theirs.
        inverse: of Newton's matrix near it, shape (N + 1, N + 1); None: not made yet.
        changes: differences of the values from those before, of these from those before, and so on, A.
    """

    voltage: float
    lengths: tuple[float, ...]
    values: Array
    inverse: Array | None = None
    changes: tuple[Array, ...] = ()

    def followed(self, values: Array, inverse: Array | None) -> "KnownSolution":
        """Return the entry of the solution that came next."""
        changes = [values - self.values]
        for change in self.changes[: _ORDER - 1]:
            changes.append(changes[-1] - change)
        return KnownSolution(self.voltage, self.lengths, values, inverse, tuple(changes))

    @property
    def next(self) -> Array:
        """Return the values if the next solution follows the course of the last ones (Newton's extrapolation)."""
        moved = self.values.copy()
        for change in self.changes:
            moved += change
        return moved


class Cutoff(NamedTuple):
    """Hold when a voltage was met at a constant current.

    Attributes:
        time: s since the current began.
        slope: of the voltage then, V/s, up to its sign.
        drift: by how much the time differed from the one before, s.
        quickening: by how much the drift differed from the one before, s.
    """

    time: float
    slope: float
    drift: float = 0.0
    quickening: float = 0.0

    def followed(self, time: float, slope: float) -> "Cutoff":
        """Return the cut-off that came next."""
        drift = time - self.time
        return Cutoff(time, slope, drift, drift - self.drift if self.drift else 0.0)

    @property
    def next(self) -> float:
        """Return the time if the next cut-off follows the course of the last ones, s."""
        return self.time + self.drift + self.quickening


class Warm(NamedTuple):
    """Hold what was found, to start from when the like comes again.

    Attributes:
        holds: of the last voltages that were held.
        cutoffs: by current (A) and voltage (V).
    """

    holds: tuple[KnownSolution, ...] = ()
    cutoffs: Mapping[tuple[float, float], Cutoff] = MappingProxyType({})

    def held(self, entry: KnownSolution) -> "Warm":
        """Return this with a further hold."""
        others = [other for other in self.holds if other.voltage != entry.voltage]
        return Warm((entry, *others[: _HOLDS - 1]), self.cutoffs)

    def cut(self, current: float, voltage: float, time: float, slope: float) -> "Warm":
        """Return this with a further cut-off."""
        key = (current, voltage)
        before = self.cutoffs.get(key)
        kept = self.cutoffs if before is not None or len(self.cutoffs) < _CUTOFFS else {}
        return Warm(self.holds, {**kept, key: before.followed(time, slope) if before else Cutoff(time, slope)})


COLD: Final = Warm()
