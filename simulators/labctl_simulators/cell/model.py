"""A cell: parameters compiled once, and the three paths and the impedance over them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl_simulators.cell.chemistry import Chemistry, Conditions
from labctl_simulators.cell.drive import Drive, Stop
from labctl_simulators.cell.state import State, read_only


@dataclass(frozen=True, slots=True)
class Cell:
    """Be one kind of cell with its parameters; immutable and cheap to share.

    Attributes:
        chemistry: what the cell is made of.
    """

    chemistry: Chemistry

    @property
    def name(self) -> str:
        """Return the name of the parameter set."""
        return self.chemistry.name

    def initial(self, soc: float | None = None, seed: int = 0) -> State:
        """Return a fresh cell at rest, at the temperature of its parameters.

        Args:
            soc: state of charge 0..1; None is the parameter set's own initial state.
            seed: of everything random in the cell.

        Raises:
            ValueError: `soc` lies outside 0..1.
        """
        level, slow = self.chemistry.start(soc, seed)
        return State(
            memory=read_only(np.zeros(self.chemistry.poles)),
            level=read_only(level),
            slow=slow,
            temperature=self.chemistry.temperature,
            seed=seed,
        )
