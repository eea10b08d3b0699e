"""The parameters of cells with metal electrodes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from labctl_simulators.cell.chemistry.arrhenius import Arrhenius
from labctl_simulators.cell.chemistry.bend import BendResponse
from labctl_simulators.cell.chemistry.kinetics import FARADAY, GAS
from labctl_simulators.cell.chemistry.shorts import Shorts
from labctl_simulators.cell.physics import Memory

RECOVERY: Final = 1.0 / 16.0
"""Charge within which the barrier of the electrode that is stripped comes back, in units of that in which it fades."""
FIRST_ON_BOTH: Final = 2.0
"""Turns of the current until metal has been plated on either electrode; those are its first nucleations."""


@dataclass(frozen=True, slots=True)
class Salt:
    """Hold the electrolyte between the electrodes.

    Attributes:
        thickness: m.
        conductivity: S/m.
        transference: of the cation, 0..1.
        concentration: mol/m3.
        diffusivity: of the salt in m2/s; None takes that of an ideal dilute solution,
            2 t+ (1 - t+) conductivity RT / F^2 c, with which Bruce and Vincent's method finds t+.
    """

    thickness: float
    conductivity: Arrhenius
    transference: float = 0.5
    concentration: float = 1000.0
    diffusivity: Arrhenius | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        positive("an electrolyte's thickness", self.thickness)
        positive("an electrolyte's concentration", self.concentration)
        if not 0.0 < self.transference < 1.0:
            raise ValueError(f"wanted a transference number inside 0..1, found {self.transference}")

    def spread(self, temperature: float) -> float:
        """Return the diffusivity of the salt in m2/s."""
        if self.diffusivity is not None:
            return float(self.diffusivity(temperature))
        ideal = 2.0 * self.transference * (1.0 - self.transference) * GAS * temperature / FARADAY**2
        return float(ideal * self.conductivity(temperature) / self.concentration)


@dataclass(frozen=True, slots=True)
class Film:
    """Hold the surface films of both electrodes together.

    Attributes:
        resistance: ohm m2 of a fresh cell.
        capacitance: F/m2.
        growth: 1/s; the resistance grows as sqrt(1 + 2 growth t).
        hours: s since the beginning at which `factors` are known, ascending from 0; empty: 1 throughout.
        factors: further factor on the resistance, linear between `hours`, constant after them.
    """

    resistance: Arrhenius
    capacitance: float = 0.1
    growth: Arrhenius | None = None
    hours: tuple[float, ...] = ()
    factors: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Check the ranges."""
        positive("a film's capacitance", self.capacitance)
        if len(self.hours) != len(self.factors) or any(factor <= 0.0 for factor in self.factors):
            raise ValueError("wanted one factor above 0 for each time of a film's table")


@dataclass(frozen=True, slots=True)
class Nucleation:
    """Hold the spike of overpotential at the begin of plating; its clock is the charge that has passed since.

    Each electrode has a barrier of its own: it fades while metal is plated there, and comes back while it is stripped.

    Attributes:
        height: V at the begin of the first plating on each electrode.
        charge: C/m2 in which it falls to 1/e.
        again: share of `height` at later ones.
        density: A/m2 at which half of the height is reached; it begins with the square of the current.
    """

    height: float = 0.0
    charge: float = 36.0
    again: float = 1.0
    density: float = 0.1

    def __post_init__(self) -> None:
        """Check the ranges."""
        positive("a nucleation charge", self.charge)
        positive("a nucleation current density", self.density)
        if not (self.height >= 0.0 and self.again >= 0.0):
            raise ValueError(f"wanted a nucleation height of at least 0 V, found {self.height} V times {self.again}")

    def begun(self, turns: Any) -> Any:
        """Return the height with which a plating begins after so many turns of the current, V."""
        return self.height * np.where(turns <= FIRST_ON_BOTH, 1.0, self.again)

    def barriers(self, before: tuple[Any, ...], turns: Any, passed: Any) -> tuple[Any, Any]:
        """Return the barriers of the electrode that is plated and of the other one, V.

        Args:
            before: the same as the current turned, V.
            turns: of the current until now.
            passed: charge since the last of them, C/m2.
        """
        since, fresh = np.abs(passed) * (-1.0 / self.charge), self.begun(turns + 1.0)
        return before[0] * np.exp(since), fresh + (before[1] - fresh) * np.exp(since / RECOVERY)


@dataclass(frozen=True, slots=True)
class Collector:
    """Hold a bare collector as the working electrode.

    Attributes:
        bare: V against the metal while nothing is plated.
        charge: C/m2 of plated metal at which 1/e of that is left.
        efficiency: share of the plated metal that can be stripped.
    """

    bare: float = 1.0
    charge: float = 20.0
    efficiency: float = 0.99

    def __post_init__(self) -> None:
        """Check the ranges."""
        positive("a collector's bare voltage", self.bare)
        positive("a collector's charge", self.charge)
        if not 0.0 < self.efficiency <= 1.0:
            raise ValueError(f"wanted a plating efficiency above 0 up to 1, found {self.efficiency}")


@dataclass(frozen=True, slots=True)
class MetalParameters:
    """Hold a metal cell.

    Attributes:
        name: of the parameter set.
        area: m2.
        salt: the electrolyte.
        exchange: exchange current density of each electrode, A/m2.
        double_layer: of each electrode, F/m2.
        film: surface films.
        nucleation: spike at the begin of plating.
        shorts: when and how it shorts.
        collector: makes the cell an asymmetric one.
        bend: answer to bending.
        contact: ohm, of leads and contacts.
        temperature: of a fresh cell, K.
        lowest: smallest temperature that the numbers cover, K.
        highest: largest, K.
        highest_current: largest that they cover, A.
    """

    name: str
    area: float
    salt: Salt
    exchange: Arrhenius
    film: Film
    double_layer: float = 0.1
    nucleation: Nucleation = field(default_factory=Nucleation)
    shorts: Shorts = field(default_factory=Shorts)
    collector: Collector | None = None
    bend: BendResponse = field(default_factory=BendResponse)
    contact: float = 0.0
    temperature: float = 298.15
    lowest: float = 230.0
    highest: float = 400.0
    highest_current: float = math.inf

    def __post_init__(self) -> None:
        """Check the ranges."""
        positive("a cell's area", self.area)
        positive("a double layer", self.double_layer)


def positive(what: str, value: float) -> None:
    """Refuse what is not above 0.

    Raises:
        ValueError: `value` is not a positive, finite number.
    """
    if not 0.0 < value < math.inf:
        raise ValueError(f"wanted {what} above 0, found {value}")


def side_by_side(memories: Sequence[Memory]) -> Memory:
    """Return one memory for a batch of cells at different temperatures."""
    first = memories[0]
    columns = [np.stack([getattr(one, name) for one in memories], axis=-1) for name in ("rate", "drive", "feed")]
    return Memory(columns[0], columns[1], first.row, first.integrator, columns[2])
