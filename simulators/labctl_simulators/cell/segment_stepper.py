"""One live cell of which every step is a segment: for cells whose memory depends on their own state."""

from labctl_simulators.cell.drive import AtOpenCircuit, Current, Drive, Voltage, check_step
from labctl_simulators.cell.physics import Chemistry
from labctl_simulators.cell.solve.impose import impose
from labctl_simulators.cell.state import CellState


class SegmentStepper:
    """Advance one cell step by step as segments do, to their error; a few milliseconds a step.

    Attributes:
        voltage: V at the end of the last step, its current still flowing.
        current: A at the end of the last step, at the terminals.
        time: s since the stepper began.
        state: the cell's state now.
        collapse: why the last step could not be taken, in words; None where it could.
    """

    def __init__(self, chemistry: Chemistry, state: CellState) -> None:
        self._chemistry, self.state = chemistry, state
        self.time, self.current = 0.0, 0.0
        self.collapse: str | None = None
        self.voltage = float(impose(chemistry, state, AtOpenCircuit(), 0.0, ()).rows([0.0]).voltage[0])

    @property
    def kelvin(self) -> float:
        """Return the temperature of the cell now, K."""
        return self.state.kelvin

    def step(self, current: float, dt: float) -> float:
        """Let `current` (A) flow for `dt` s; return the voltage in V at the end.

        A cell driven out of its range keeps its last state, and `collapse` says why.

        Raises:
            ValueError: a number that is not finite, or beyond every cell; a step that goes back in time.
        """
        check_step(current, dt)
        self._impose(Current(float(current)) if current else AtOpenCircuit(), dt)
        return self.voltage

    def hold(self, voltage: float, dt: float, most: float | None = None) -> float:
        """Hold `voltage` (V) for `dt` s; return the current at the end in A.

        Args:
            voltage: V.
            dt: s.
            most: largest magnitude of the current, A.

        Raises:
            ValueError: a number that is not finite, or beyond every cell; a step that goes back in time.
        """
        check_step(voltage, dt)
        self._impose(Voltage(float(voltage), most), dt)
        return self.current

    def ramp(self, current: float, dt: float) -> float:
        """Refuse a ramp: the diffusivity is frozen for pieces at one current.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            f"wanted steps of a constant current or a held voltage, found a ramp to {current} A within {dt} s: a "
            "diffusivity that depends on the composition is followed in those alone"
        )

    def _impose(self, drive: Drive, dt: float) -> None:
        segment = impose(self._chemistry, self.state, drive, dt, ())
        self.collapse = segment.collapse
        if self.collapse is not None:
            return
        rows, self.state = segment.rows([segment.end]), segment.state(segment.end)
        self.voltage, self.current, self.time = float(rows.voltage[0]), float(rows.current[0]), self.time + dt
