"""The static map of an insertion cell with the poles of a frozen diffusivity."""

from collections.abc import Sequence

from labctl_simulators.cell.chemistry.frozen_diffusion import Body, Frozen
from labctl_simulators.cell.chemistry.insertion_physics import InsertionPhysics
from labctl_simulators.cell.physics import Array, Memory


class FrozenPhysics(InsertionPhysics):
    """Hold an insertion cell at frozen conditions and a frozen diffusivity.

    Args:
        base: the physics at the conditions.
        bodies: the electrodes whose diffusivity depends on the stoichiometry.
        frozen: their poles.
    """

    def __init__(self, base: InsertionPhysics, bodies: Sequence[Body], frozen: Frozen) -> None:
        self.__dict__.update({key: one for key, one in base.__dict__.items() if key not in ("_driven", "_drive")})
        old = base.memory
        rate, drive = old.rate.copy(), old.drive.copy()
        for body, one in zip(bodies, frozen.turns, strict=True):
            rate[body.part] = one.rate
            drive[body.part] = one.share * old.integrator[body.row]
        self.memory = Memory(rate, drive, old.row, old.integrator, old.feed)
        self.bodies, self.frozen = bodies, frozen

    def change(self, current: float) -> float:
        """Return for how long the frozen diffusivity serves, s; see `Physics.change`."""
        del current
        return self.frozen.span

    def turned(self, memory: Array, *, back: bool = False) -> Array:
        """Return the poles of a state's memory, or back; see `Physics.turned`."""
        out = memory.copy()
        for body, one in zip(self.bodies, self.frozen.turns, strict=True):
            out[body.part] = (one.back if back else one.into) @ memory[body.part]
        return out
