"""A cell: parameters compiled once, and the paths and the impedance over them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl_simulators.cell.drive import Drive, Stop
from labctl_simulators.cell.impedance import impedance_about, surface_values
from labctl_simulators.cell.physics import Chemistry, Physics
from labctl_simulators.cell.solve.impose import impose
from labctl_simulators.cell.solve.segment import Rows, Segment
from labctl_simulators.cell.state import CellState, read_only

if TYPE_CHECKING:
    from labctl_simulators.cell.batch import CellBatch
    from labctl_simulators.cell.chemistry.double_layer import Layered
    from labctl_simulators.cell.segment_stepper import SegmentStepper
    from labctl_simulators.cell.stepper import Stepper

# The paths that not every user of a cell walks are imported as they are first asked for: start-up is a promise.
# ruff: noqa: PLC0415


class CellModel(NamedTuple):
    """Be one kind of cell with its parameters; immutable and cheap to share.

    Attributes:
        chemistry: what the cell is made of.
    """

    chemistry: Chemistry

    @property
    def name(self) -> str:
        """Return the name of the parameter set."""
        return self.chemistry.name

    def initial(self, soc: float | None = None, seed: int = 0, cycles: float = 0.0) -> CellState:
        """Return a fresh cell at rest, at the temperature of its parameters.

        Args:
            soc: state of charge 0..1; None is the parameter set's own initial state.
            seed: of everything random in the cell.
            cycles: that it has gone through already, at the lowest rate at which its ageing is given.

        Raises:
            ValueError: `soc` lies outside 0..1, or no ageing is given for a cell after cycles.
        """
        level, slow = self.chemistry.start(soc, seed)
        if cycles:
            slow = self.chemistry.cycled(slow, cycles)
        return CellState(
            memory=read_only(np.zeros(self.chemistry.poles)),
            level=read_only(level),
            slow=slow,
            temperature=self.chemistry.temperature,
            seed=seed,
            warmth=None if self.chemistry.heat is None else 0.0,
        )

    def taken_over(self, state: CellState) -> CellState:
        """Return a stored state as one of this cell; one that was stored without electrolyte goes on with its salt at rest.

        Raises:
            ValueError: it was stored of a cell that is built otherwise.
        """
        chemistry, rows = self.chemistry, len(self.initial().level)
        state = state._replace(slow=chemistry.completed(state.slow))
        lack = chemistry.poles - len(state.memory), rows - len(state.level)
        if (state.warmth is None) != (chemistry.heat is None):  # stored before it heated itself, or while it did
            state = state._replace(warmth=None if chemistry.heat is None else 0.0, hold=None, warm=None)
        if lack == (0, 0):
            return state
        if lack[1] != 2 or lack[0] <= 0 or getattr(getattr(chemistry, "parameters", None), "electrolyte", None) is None:
            raise ValueError(
                f"wanted a state of {self.name} with {chemistry.poles} poles and {rows} surfaces, found one with "
                f"{len(state.memory)} and {len(state.level)}: it was stored of another cell"
            )
        memory, level = (
            np.append(old, np.zeros(more)) for old, more in zip((state.memory, state.level), lack, strict=True)
        )
        return state._replace(memory=read_only(memory), level=read_only(level), hold=None, warm=None)

    def charge_at(self, voltage: float) -> float:
        """Return the state of charge, 0..1, at which a fresh cell rests at `voltage` V.

        Raises:
            ValueError: there is none within the window.

        >>> from labctl_simulators.models import load_model
        >>> round(load_model("marquis2019").charge_at(3.8), 3)
        0.703
        """
        low, high = 0.0, 1.0
        ends = self.voltage(self.initial(soc=low)), self.voltage(self.initial(soc=high))
        least, most = min(ends), max(ends)
        if not least - 1e-9 <= voltage <= most + 1e-9:
            raise ValueError(
                f"wanted a voltage at which the cell can rest, {least:.4g} to {most:.4g} V, found {voltage:g} V"
            )
        rising = ends[1] > ends[0]
        for _ in range(60):
            middle = 0.5 * (low + high)
            below = (self.voltage(self.initial(soc=middle)) < voltage) == rising
            low, high = (middle, high) if below else (low, middle)
        return 0.5 * (low + high)

    def physics(self, state: CellState) -> Physics:
        """Return the physics at the conditions of `state`.

        Raises:
            ValueError: a condition outside the range of the parameters.
        """
        return self.chemistry.physics_of(state)

    def segment(self, state: CellState, drive: Drive, duration: float, stops: Sequence[Stop] = ()) -> Segment:
        """Impose `drive` for at most `duration` s, ended by the first stop that is met.

        Args:
            state: where the cell is.
            drive: what is imposed.
            duration: s; may be infinite where something else must end the segment (a sweep, a stop, exhaustion).
            stops: the first one met ends the segment, at t = 0 already if it is met just after the drive began.

        Returns:
            The segment: its end, and rows and states at any time in it.

        Raises:
            ValueError: a number that is not finite or has no physical meaning, or nothing that can end the segment.

        >>> from labctl_simulators.cell import Current, Stop
        >>> from labctl_simulators.models import load_model
        >>> cell = load_model("marquis2019")
        >>> down = cell.segment(cell.initial(), Current(-0.680616), float("inf"), [Stop("voltage", False, 3.105)])
        >>> round(down.end, 2), down.stop
        (3617.96, 0)
        >>> down.rows([0.0, 1800.0]).voltage.round(3).tolist()
        [3.77, 3.612]
        """
        return impose(self.chemistry, state, drive, duration, stops)

    def stepper(self, state: CellState) -> "Stepper | SegmentStepper":
        """Return one live cell that goes on from `state` step by step; a segment a step where its memory depends on it.

        >>> from labctl_simulators.models import load_model
        >>> cell = load_model("marquis2019")
        >>> live = cell.stepper(cell.initial(soc=0.5))
        >>> [round(live.step(0.5, 1.0), 4) for _ in range(3)]
        [3.8134, 3.8137, 3.8139]
        """
        if self.chemistry.freezer is not None:
            from labctl_simulators.cell.segment_stepper import SegmentStepper

            return SegmentStepper(self.chemistry, state)
        from labctl_simulators.cell.stepper import Stepper

        return Stepper(self.chemistry, state)

    def layered(self, state: CellState) -> "Layered":
        """Return one live insertion cell with its double layers.

        Raises:
            ValueError: the cell is no insertion cell (others have their double layers in the linear memory of every
                path), or has electrolyte modes, or a diffusivity that depends on the composition.
        """
        from labctl_simulators.cell.chemistry.double_layer import Layered
        from labctl_simulators.cell.chemistry.insertion import Insertion

        if not isinstance(self.chemistry, Insertion):
            raise ValueError(f"wanted an insertion cell for separate double layers, found {self.name}")  # noqa: TRY004
        _of_segments_alone(self.chemistry)
        return Layered(self.chemistry, state)

    def batch(self, states: Sequence[CellState]) -> "CellBatch":
        """Return many live cells of this kind, each under its own control.

        >>> from labctl_simulators.models import load_model
        >>> cell = load_model("marquis2019")
        >>> many = cell.batch([cell.initial(soc=soc) for soc in (0.2, 0.5, 0.8)])
        >>> many.step([0.5, 0.0, -0.5], dt=1.0).round(3).tolist()
        [3.772, 3.745, 3.783]

        Raises:
            ValueError: there is no state, or its diffusivity depends on the composition.
        """
        from labctl_simulators.cell.batch import CellBatch

        _of_segments_alone(self.chemistry)
        return CellBatch(self.chemistry, states)

    def profile(self, state: CellState, currents: ArrayLike, dt: float) -> tuple[Rows, CellState]:
        """Let a profile of currents flow, each for `dt` s; for long arbitrary profiles without events.

        What happens only as the current turns (ageing) is left out: a profile is one stretch of time.

        Args:
            state: where the cell is.
            currents: A, shape (T,).
            dt: s.

        Returns:
            Rows at the end of each step, and the last state.

        Raises:
            ValueError: the cell is driven out of its range (at which step), leaks, or has slow states that depend on
                the course of the current; its stepper serves then.

        >>> from labctl_simulators.models import load_model
        >>> cell = load_model("marquis2019")
        >>> rows, state = cell.profile(cell.initial(soc=0.5), [0.5, -0.5, 0.0], 10.0)
        >>> rows.voltage.round(3).tolist()
        [3.815, 3.676, 3.745]
        """
        from labctl_simulators.cell.profile import profile, stepped

        chemistry, currents = self.chemistry, np.asarray(currents, dtype=np.float64)
        if chemistry.freezer is not None or state.warmth is not None:
            return stepped(chemistry, self.stepper(state), currents, dt)
        return profile(chemistry, state, currents, dt)

    def impedance(self, state: CellState, frequencies: ArrayLike, current: float = 0.0) -> NDArray[np.complex128]:
        """Return the impedance in ohm about `state` in closed form, from the numbers of the time domain.

        Args:
            state: where the cell is.
            frequencies: Hz, shape (F,), each above 0.
            current: of the bias, A, at the terminals; flowing already.

        Raises:
            ValueError: a frequency is not above 0 Hz, or the bias is more than the cell can carry.
        """
        frequencies = np.asarray(frequencies, dtype=np.float64)
        return impedance_about(self.physics(state), state, frequencies, current)

    def voltage(self, state: CellState, current: float = 0.0) -> float:
        """Return the voltage in V just after `current` (A) has been switched on.

        Raises:
            ValueError: the current is no number, or beyond every cell.
        """
        physics = self.physics(state)
        return physics.voltage_scalar(surface_values(physics, state, current).tolist(), current, 0.0, 0.0)


def _of_segments_alone(chemistry: Chemistry) -> None:
    """Refuse a cell that only segments can follow.

    Raises:
        ValueError: it is one.
    """
    if chemistry.freezer is not None:
        raise ValueError(
            f"wanted constant diffusivities for a batch or separate double layers, found {chemistry.name}, in which one "
            "depends on the composition: each cell then has poles of its own at each moment; segments, a stepper and a "
            "profile follow it"
        )
