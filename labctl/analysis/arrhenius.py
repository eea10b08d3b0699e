"""Activation energies: a straight line over 1/T, in a form that is named, with its confidence interval."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from labctl.analysis.interval import line
from labctl.sample import Floats

BOLTZMANN: Final = 8.617333262e-5  # eV/K, CODATA 2018
EV_TO_KJ: Final = 96.48533212  # kJ/mol for each eV
Form: TypeAlias = Literal["ln s", "ln sT", "ln T/R", "ln 1/R"]


@dataclass(frozen=True, slots=True)
class Activation:
    """An activation energy.

    Attributes:
        form: What was drawn over 1/T.
        energy: eV.
        spread: Half the 95 % confidence interval, eV; NaN with two points.
        prefactor: Value of what was drawn (before the logarithm) at 1/T = 0.
    """

    form: Form
    energy: float
    spread: float
    prefactor: float


def arrhenius(temperature: Floats, values: Floats, form: Form) -> Activation:
    """Return the activation energy of values (conductivity, or resistance for the forms with R) at temperatures in K.

    The line is an ordinary least-squares line of the named logarithm over 1/T; its slope is -E/k.

    Raises:
        ValueError: Fewer than two temperatures, or a value that is not positive.
    """
    temperature, values = np.asarray(temperature, dtype=float), np.asarray(values, dtype=float)
    if len(np.unique(temperature)) < 2 or np.any(values <= 0):
        raise ValueError(
            f"an activation energy needs positive values at two temperatures or more, found {len(values)} values"
        )
    drawn = {"ln s": values, "ln sT": values * temperature, "ln T/R": temperature / values, "ln 1/R": 1.0 / values}[
        form
    ]
    drawn_line = line(1.0 / temperature, np.log(drawn))
    return Activation(
        form, -drawn_line.slope * BOLTZMANN, drawn_line.spread * BOLTZMANN, float(np.exp(drawn_line.intercept))
    )
