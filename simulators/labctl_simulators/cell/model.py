"""A cell: parameters compiled once, and the paths and the impedance over them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl_simulators.cell.chemistry import Chemistry, Physics
from labctl_simulators.cell.drive import Drive, Stop, check_step
from labctl_simulators.cell.imposed import impose
from labctl_simulators.cell.segment import Rows, Segment
from labctl_simulators.cell.state import State, read_only

if TYPE_CHECKING:
    from labctl_simulators.cell.batch import Batch
    from labctl_simulators.cell.layered import Layered
    from labctl_simulators.cell.stepper import Stepper

# The paths that not every user of a cell walks are imported as they are first asked for: start-up is a promise.
# ruff: noqa: PLC0415


class Cell(NamedTuple):
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

    def physics(self, state: State) -> Physics:
        """Return the physics at the conditions of `state`.

        Raises:
            ValueError: a condition outside the range of the parameters.
        """
        return self.chemistry.physics_of(state)

    def segment(self, state: State, drive: Drive, duration: float, stops: Sequence[Stop] = ()) -> Segment:
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
        (3622.76, 0)
        >>> down.rows([0.0, 1800.0]).voltage.round(3).tolist()
        [3.78, 3.631]
        """
        return impose(self.chemistry, state, drive, duration, stops)

    def stepper(self, state: State) -> "Stepper":
        """Return one live cell that goes on from `state` step by step.

        >>> from labctl_simulators.models import load_model
        >>> cell = load_model("marquis2019")
        >>> live = cell.stepper(cell.initial(soc=0.5))
        >>> [round(live.step(0.5, 1.0), 4) for _ in range(3)]
        [3.8062, 3.8063, 3.8064]
        """
        from labctl_simulators.cell.stepper import Stepper

        return Stepper(self.chemistry, state)

    def layered(self, state: State) -> "Layered":
        """Return one live insertion cell with its double layers.

        Raises:
            ValueError: the cell is no insertion cell (others have their double layers in the linear memory of every
                path), or has electrolyte modes.
        """
        from labctl_simulators.cell.insertion import Insertion
        from labctl_simulators.cell.layered import Layered

        if not isinstance(self.chemistry, Insertion):
            raise ValueError(f"wanted an insertion cell for separate double layers, found {self.name}")  # noqa: TRY004
        return Layered(self.chemistry, state)

    def batch(self, states: Sequence[State]) -> "Batch":
        """Return many live cells of this kind, each under its own control.

        >>> from labctl_simulators.models import load_model
        >>> cell = load_model("marquis2019")
        >>> many = cell.batch([cell.initial(soc=soc) for soc in (0.2, 0.5, 0.8)])
        >>> many.step([0.5, 0.0, -0.5], dt=1.0).round(3).tolist()
        [3.765, 3.745, 3.791]

        Raises:
            ValueError: there is no state.
        """
        from labctl_simulators.cell.batch import Batch

        return Batch(self.chemistry, states)

    def profile(self, state: State, currents: ArrayLike, dt: float) -> tuple[Rows, State]:
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
        [3.807, 3.683, 3.745]
        """
        from labctl_simulators.cell.profile import profile

        return profile(self.chemistry, state, np.asarray(currents, dtype=np.float64), dt)

    def impedance(self, state: State, frequencies: ArrayLike, current: float = 0.0) -> NDArray[np.complex128]:
        """Return the impedance in ohm about `state` in closed form, from the numbers of the time domain.

        Args:
            state: where the cell is.
            frequencies: Hz, shape (F,), each above 0.
            current: of the bias, A; flowing already.

        Raises:
            ValueError: a frequency is not above 0 Hz, or the bias is more than the cell can carry.
        """
        frequencies = np.asarray(frequencies, dtype=np.float64)
        if not ((frequencies > 0.0) & (frequencies < np.inf)).all():
            raise ValueError("wanted finite frequencies above 0 Hz, found others")
        physics = self.physics(state)
        z = _surface(physics, state, current)
        if current != 0.0:
            _carried(physics, z, current)
        return physics.impedance(z, current, frequencies)

    def voltage(self, state: State, current: float = 0.0) -> float:
        """Return the voltage in V just after `current` (A) has been switched on.

        Raises:
            ValueError: the current is no number, or beyond every cell.
        """
        physics = self.physics(state)
        return physics.voltage_scalar(_surface(physics, state, current).tolist(), current, 0.0, 0.0)


def _surface(physics: Physics, state: State, current: float) -> NDArray[np.float64]:
    """Return the surface values just after a current has been switched on."""
    check_step(current, 0.0)
    found = state.level + state.memory @ physics.memory.own + physics.memory.feed * physics.gain * current
    return np.asarray(found, dtype=np.float64)


def _carried(physics: Physics, z: NDArray[np.float64], current: float) -> None:
    """Refuse a bias that drives a surface out of its range.

    Raises:
        ValueError: in words.
    """
    for value, low, high, words in zip(z, physics.low, physics.high, physics.words, strict=True):
        if not low < value < high:
            raise ValueError(f"wanted a bias that the cell can carry, found {current} A: {words[bool(value >= high)]}")
