"""Insertion cells: single-particle full and half cells, planar thin-film cells, with optional electrolyte modes.

The single-particle model (D. Zhang, B. N. Popov, R. E. White, J. Electrochem. Soc. 147
(2000) 831): one representative particle (sphere) or one film for each insertion electrode, Butler-Volmer kinetics with
symmetry factor 1/2, an open-circuit potential of the surface stoichiometry, ohmic and arc resistances in series.

Rows: stoichiometry of the positive, then (full cells) of the negative; then, where present, volts over the arcs, then
the relative salt concentrations of the electrolyte.
"""

from labctl_simulators.cell.chemistry.insertion_cell import InsertionCell
from labctl_simulators.cell.chemistry.insertion_parameters import InsertionParameters
from labctl_simulators.cell.chemistry.insertion_physics import InsertionPhysics
from labctl_simulators.cell.drive import Current, Drive
from labctl_simulators.cell.physics import Conditions, Physics
from labctl_simulators.cell.state import CellState


class Insertion(InsertionCell):
    """Make the physics of an insertion cell."""

    def __init__(self, parameters: InsertionParameters) -> None:
        super().__init__(parameters)
        if any(host.speed is not None for host in self.hosts):
            self.freezer = self._frozen

    def _frozen(self, state: CellState, drive: Drive) -> Physics:
        """Return the physics of a piece that begins in a state; see `Chemistry.freezer`."""
        from labctl_simulators.cell.chemistry import freezing  # noqa: PLC0415 - few cells need it

        if isinstance(drive, Current):
            return freezing.flowing(self, state, drive.current)
        return freezing.holding(self, state, drive)

    def prepare(self, conditions: Conditions) -> "InsertionPhysics":
        """Return the physics at frozen conditions; see `Chemistry.prepare`."""
        if self.layer is None:
            return InsertionPhysics(self, conditions)
        from labctl_simulators.cell.chemistry.layered_physics import LayeredPhysics  # noqa: PLC0415 - few cells need it

        return LayeredPhysics(self, conditions)
