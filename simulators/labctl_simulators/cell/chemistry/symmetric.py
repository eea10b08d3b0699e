"""Cells with metal on both sides, and metal against a bare collector.

Rows: relative excess of salt at the working electrode (that at the other one is its negative); current density that
crosses the surface films; current density of the charge transfer; charge density since the current turned; metal on
the collector (asymmetric cells only).

The double layers and the films' capacitances are linear filters of the current density in front of the resistances
they belong to: exactly R ‖ C for small signals, and a definition of the model for large ones. The voltage is

    V = R u + r_film j_film + 2RT/F (asinh(j / 2 j0 sqrt(1 + s)) + asinh(j / 2 j0 sqrt(1 - s)))
        + 2RT/F (1 - t+) ln((1 + s) / (1 - s)) + nucleation + bare collector

after J. Newman, K. E. Thomas-Alyea, Electrochemical Systems, 3rd ed., Wiley 2004, ch. 8 and 11 (kinetics, concentration
cell with transference); growth of the film L^2 = L0^2 + 2 k t as in E. Peled, J. Electrochem. Soc. 126 (1979) 2047.
Positive current strips the working electrode. What a short leaves of the voltage is in `shorts`.
"""

import numpy as np

from labctl_simulators.cell.chemistry.metal_cell import MetalCell
from labctl_simulators.cell.chemistry.symmetric_batch import SymmetricBatch
from labctl_simulators.cell.chemistry.symmetric_physics import SymmetricPhysics
from labctl_simulators.cell.physics import Conditions


class Symmetric(MetalCell):
    """Make the physics of a metal cell."""

    def prepare(self, conditions: Conditions) -> SymmetricPhysics:
        """Return the physics at frozen conditions; see `Chemistry.prepare`."""
        if isinstance(conditions.slow[0], np.ndarray):
            return SymmetricBatch(self, conditions)
        return SymmetricPhysics(self, conditions)
