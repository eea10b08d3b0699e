"""Electrodes of insertion cells and the linear elements in series with them."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, sqrt
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from labctl_simulators.cell.chemistry.kinetics import FARADAY
from labctl_simulators.cell.chemistry.ocp import OpenCircuit

EDGE: Final = 1e-9
"""Stoichiometry at which a surface counts as empty or full (1 - EDGE)."""


@dataclass(slots=True, eq=False, repr=False)
class Electrode:
    """Hold one insertion electrode in numbers of the whole cell.

    Attributes:
        shape: `sphere` (particles) or `film` (planar, blocked at its back).
        capacity: charge between stoichiometry 0 and 1, C.
        time: diffusion time R²/D or L²/D at the reference temperature, s.
        exchange: exchange current at half filling, A; i0 = 2 exchange sqrt(x (1 - x)).
        potential: open-circuit potential against the reference metal.
        low: stoichiometry at state of charge 0.
        high: stoichiometry at state of charge 1.
        start: stoichiometry of a fresh cell; None takes `high`.
        time_activation: J/mol, of the diffusivity.
        exchange_activation: J/mol, of the exchange current.
        entropy: makes dU/dT by stoichiometry, V/K, when another temperature first asks for it; None is 0.
        double_layer: capacitance of the whole interface, F; 0 is none.
        speed: diffusivity by stoichiometry, against that which `time` is of; None is the same at all of them.
    """

    shape: Literal["sphere", "film"]
    capacity: float
    time: float
    exchange: float
    potential: OpenCircuit
    low: float
    high: float
    start: float | None = None
    time_activation: float = 0.0
    exchange_activation: float = 0.0
    entropy: Callable[[], OpenCircuit] | None = None
    double_layer: float = 0.0
    speed: Callable[[Any], Any] | None = None

    def __post_init__(self) -> None:
        for name in ("capacity", "time", "exchange"):
            _positive(f"an electrode's {name}", getattr(self, name))
        for name in ("low", "high"):
            if not EDGE < getattr(self, name) < 1.0 - EDGE:
                raise ValueError(f"wanted a stoichiometry inside 0..1 for {name}, found {getattr(self, name)}")


@dataclass(slots=True, eq=False, repr=False)
class Metal:
    """Hold a metal counter electrode.

    Attributes:
        exchange: exchange current of the whole electrode, A.
        exchange_activation: J/mol.
        double_layer: F; 0 is none.
    """

    exchange: float
    exchange_activation: float = 0.0
    double_layer: float = 0.0

    def __post_init__(self) -> None:
        _positive("a metal's exchange current", self.exchange)


@dataclass(slots=True, eq=False, repr=False)
class Arc:
    """Hold a resistance in parallel with a constant phase element, Z = R / (1 + R Q (i w)^alpha).

    Attributes:
        resistance: ohm.
        capacity: Q, F s^(alpha - 1).
        alpha: exponent, 0.5..1.
        activation: J/mol, of 1/R; R Q is taken to scale with R.
    """

    resistance: float
    capacity: float
    alpha: float = 1.0
    activation: float = 0.0

    def __post_init__(self) -> None:
        _positive("an arc's resistance", self.resistance)
        _positive("an arc's capacity", self.capacity)


class PorousElectrode(NamedTuple):
    """Hold the numbers of a porous electrode of spherical particles as papers print them.

    Attributes:
        area: of the electrode, m2.
        thickness: m.
        active_fraction: volume fraction of active material.
        radius: of the particles, m.
        largest: concentration at stoichiometry 1, mol/m3.
        diffusivity: m2/s; a number.
        rate_constant: m of i0 = m sqrt(c_e) sqrt(c_s) sqrt(c_max - c_s), A/m2 (m3/mol)^1.5.
        salt: concentration of the electrolyte, mol/m3.
        potential: open-circuit potential.
        low: stoichiometry at state of charge 0.
        high: at state of charge 1.
        start: of a fresh cell.
        diffusivity_activation: J/mol.
        rate_activation: J/mol.
        double_layer: F/m2 of particle surface.
        entropy: makes dU/dT by stoichiometry, V/K.
        speed: diffusivity by stoichiometry, against `diffusivity`; None is constant.
    """

    area: float
    thickness: float
    active_fraction: float
    radius: float
    largest: float
    diffusivity: float
    rate_constant: float
    salt: float
    potential: OpenCircuit
    low: float
    high: float
    start: float | None = None
    diffusivity_activation: float = 0.0
    rate_activation: float = 0.0
    double_layer: float = 0.0
    entropy: Callable[[], OpenCircuit] | None = None
    speed: Callable[[Any], Any] | None = None

    def electrode(self) -> Electrode:
        """Return the electrode in numbers of the whole cell.

        Raises:
            ValueError: a number outside its physical range, or a diffusivity that is not one number.
        """
        constant_diffusivity(self.diffusivity)
        surface = 3.0 * self.active_fraction / self.radius * self.thickness * self.area
        return Electrode(
            shape="sphere",
            capacity=FARADAY * self.largest * self.active_fraction * self.thickness * self.area,
            time=self.radius**2 / self.diffusivity,
            exchange=surface * self.rate_constant * sqrt(self.salt) * self.largest * 0.5,
            potential=self.potential,
            low=self.low,
            high=self.high,
            start=self.start,
            time_activation=self.diffusivity_activation,
            exchange_activation=self.rate_activation,
            double_layer=self.double_layer * surface,
            entropy=self.entropy,
            speed=self.speed,
        )


def constant_diffusivity(diffusivity: object) -> float:
    """Return the diffusivity, m2/s.

    Raises:
        ValueError: it is not one positive number; a table or function of the concentration is never averaged silently.
    """
    if isinstance(diffusivity, bool) or not isinstance(diffusivity, int | float):
        raise ValueError(  # noqa: TRY004  # the file's number is wrong, not our caller's type
            "wanted one number for the diffusivity in m2/s, found a function or table of the concentration: give the "
            "value at one composition, and what it is at the others against that as `speed`"
        )
    _positive("a diffusivity", diffusivity)
    return float(diffusivity)


def _positive(name: str, value: Any) -> None:
    if isinstance(value, np.ndarray):  # of many cells at once
        value = float(value.min()) if np.isfinite(value).all() else inf
    if not 0.0 < value < inf:
        raise ValueError(f"wanted {name} above 0, found {value}")
