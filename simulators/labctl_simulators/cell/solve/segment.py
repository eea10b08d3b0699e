"""What comes of holding one drive for a while: its end, its rows at any times, and the state at any time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from labctl_simulators.cell.drive import Drive
from labctl_simulators.cell.physics import Array
from labctl_simulators.cell.solve.constant_piece import Constant
from labctl_simulators.cell.state import CellState

if TYPE_CHECKING:
    from labctl_simulators.cell.solve.held_piece import HeldPiece


class Rows(NamedTuple):
    """Hold columns at the times asked for.

    Attributes:
        time: s since the segment's begin.
        voltage: V.
        current: A, positive charges.
        temperature: K.
        charging: C that has charged the cell since the segment's begin.
        discharging: C that has discharged it since then.
    """

    time: Array
    voltage: Array
    current: Array
    temperature: Array
    charging: Array
    discharging: Array


@dataclass(slots=True, eq=False, repr=False)
class PlacedPiece:
    """Hold a piece and where it lies in its segment.

    Attributes:
        begin: s since the segment's begin.
        piece: the piece; its own time starts `skipped` s before `begin`.
        slow: slow states at the piece's own begin.
        charging: C charged in the segment before it.
        discharging: C discharged in the segment before it.
        skipped: s of the piece that belong to segments before.
    """

    begin: float
    piece: "Constant | HeldPiece"
    slow: tuple[float, ...]
    charging: float = 0.0
    discharging: float = 0.0
    skipped: float = 0.0


class Segment(NamedTuple):
    """Hold one drive imposed for a while.

    Attributes:
        origin: the state at its begin (after a turn of the current).
        drive: what was imposed.
        end: s from the begin at which it ended.
        stop: `number` of the stop that was met; None: the duration, or the sweep's end, was reached.
        collapse: why the drive could not go on, in words; the segment ends there.
        parts: its pieces, in order.
    """

    origin: CellState
    drive: Drive
    end: float
    stop: int | None
    collapse: str | None
    parts: tuple[PlacedPiece, ...]

    def rows(self, times: ArrayLike) -> Rows:
        """Return the columns at `times`, s since the begin, ascending, within 0..end.

        Raises:
            ValueError: a time outside 0..end, or times that descend.
        """
        times = np.asarray(times, dtype=np.float64)
        if len(times) and not (times[0] >= 0.0 and times[-1] <= self.end * (1.0 + 1e-12)):
            raise ValueError(f"wanted times in 0..{self.end} s, found {times[0]}..{times[-1]} s")
        if len(self.parts) == 1 and not self.parts[0].skipped:
            return self._rows(times, self.parts[0].piece.read(times))
        if np.any(np.diff(times) < 0.0):
            raise ValueError("wanted ascending times, found some that descend")
        return self._rows(times, self._gathered(times))

    def _rows(self, times: Array, columns: Sequence[Array]) -> Rows:
        voltage, current, charging, discharging = columns
        if self.origin.warmth is not None:
            return Rows(times, voltage, current, self._temperatures(times), charging, discharging)
        temperature = np.empty(len(times))
        temperature.fill(self.origin.temperature)
        return Rows(times, voltage, current, temperature, charging, discharging)

    def _temperatures(self, times: Array) -> Array:
        """Return the temperature of a cell that heats itself, K."""
        if len(self.parts) == 1 and not self.parts[0].skipped:
            return self.parts[0].piece.physics.temperatures(times)
        begins = np.array([part.begin for part in self.parts[1:]])
        cuts = [0, *np.searchsorted(times, begins, side="right").tolist(), len(times)]
        return np.concatenate(
            [
                part.piece.physics.temperatures(times[first:last] - part.begin + part.skipped)
                for part, first, last in zip(self.parts, cuts[:-1], cuts[1:], strict=True)
            ]
        )

    def _gathered(self, times: Array) -> list[Array]:
        """Return the columns of a segment with several pieces; a time at a joint belongs to the piece before it."""
        begins = np.array([part.begin for part in self.parts[1:]])
        cuts = [0, *np.searchsorted(times, begins, side="right").tolist(), len(times)]
        columns: list[list[Array]] = [[], [], [], []]
        for part, first, last in zip(self.parts, cuts[:-1], cuts[1:], strict=True):
            if first == last:
                continue
            voltage, current, charging, discharging = part.piece.read(times[first:last] - part.begin + part.skipped)
            up, down = part.piece.passed(part.skipped) if part.skipped else (0.0, 0.0)
            charging, discharging = charging - up + part.charging, discharging - down + part.discharging
            for column, values in zip(columns, (voltage, current, charging, discharging), strict=True):
                column.append(values)
        return [np.concatenate(column) if column else np.zeros(0) for column in columns]

    def state(self, time: float) -> CellState:
        """Return the state `time` s after the begin.

        Raises:
            ValueError: the time lies outside 0..end.
        """
        if not 0.0 <= time <= self.end * (1.0 + 1e-12):
            raise ValueError(f"wanted a time in 0..{self.end} s, found {time} s")
        part = self.parts[0]
        for later in self.parts[1:]:
            if later.begin > time:
                break
            part = later
        return state_in(self.origin, part, float(time))


def state_in(origin: CellState, part: PlacedPiece, time: float) -> CellState:
    """Return the state `time` s after the begin of the segment that began in `origin`, a time within `part`."""
    piece, own = part.piece, time - part.begin + part.skipped
    memory, level, charge, throughput = piece.at(own)
    memory = piece.physics.turned(memory, back=True)
    before = piece.at(part.skipped)[2:] if part.skipped else (0.0, 0.0)
    slow = tuple(map(float, piece.physics.slow(part.slow, own, charge, throughput))) if part.slow else ()
    net = part.charging - part.discharging + charge - before[0]
    gross = part.charging + part.discharging + throughput - before[1]
    memory.flags.writeable = level.flags.writeable = False
    heated = origin.warmth is not None
    hold = piece.hold(own)
    warmth = piece.physics.temperature(own) - origin.temperature if heated else None
    return CellState(
        memory, level, slow, origin.charge + net, origin.throughput + gross, origin.age + time,
        piece.direction(own) or origin.direction,
        origin.temperature, origin.angle, origin.radius, origin.seed, hold, piece.warm, warmth,
    )  # fmt: skip
