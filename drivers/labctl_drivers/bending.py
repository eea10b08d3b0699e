"""What bending stages share: tables from angles or radii to positions, measured on the stage, and the verbs of an instrument."""

import asyncio
import math
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from labctl.driver import Bend, Capabilities, Identity, Program, ProgramStep, ReadBack, Rest
from labctl.errors import OptionRefused, SettingRefused
from labctl_drivers.serial_line import close_line, receive, send

T = TypeVar("T")

REACHED = 0.01  # mm
POLL = 0.2  # s: more than 5 status requests a second disturb the planner of a GRBL controller


class BendTables:
    """Positions in mm for each of some angles in degrees, and of some bending radii in mm; between them it is interpolated.

    Raises:
        OptionRefused: A key of a table is no number.
    """

    def __init__(self, angle: Mapping[str, float] | None, radius: Mapping[str, float] | None) -> None:
        self.angle = table(angle, "angle")
        self.radius = table(radius, "radius")

    def position(self, bend: Bend, travel: tuple[float, float]) -> float:
        """Return the position of an angle or radius, mm; `travel` is how far the stage goes, low and high.

        Raises:
            SettingRefused: It lies outside the table or the stage's travel.
        """
        points, value, unit = (
            (self.angle, math.degrees(bend.angle), "deg")
            if bend.angle is not None
            else (self.radius, 1e3 * (bend.radius or 0.0), "mm")
        )
        if not len(points) or not points[0, 0] - 1e-9 <= value <= points[-1, 0] + 1e-9:
            known = f"{points[0, 0]:g} to {points[-1, 0]:g} {unit}" if len(points) else "none"
            raise SettingRefused(
                f"wanted a bend to {value:g} {unit}, found positions for {known} in the station file", safe=True
            )
        position = float(np.interp(value, points[:, 0], points[:, 1]))
        if not travel[0] <= position <= travel[1]:
            raise SettingRefused(
                f"wanted {position:g} mm, the stage travels from {travel[0]:g} to {travel[1]:g} mm", safe=True
            )
        return position


class BendingStage:
    """One axis that bends a cell, on a line of pyserial. A maker's class has the verbs of its wire."""

    def __init__(self, port: str, tables: BendTables, baud: int, timeout: float) -> None:
        self.port, self.tables, self.baud, self.timeout = port, tables, baud, timeout
        self._line: Any = None
        self._attempt: int | None = None
        self._target: float | None = None  # mm, of the move that was sent last
        self._travel: tuple[float, float] = (-math.inf, math.inf)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"stage {port}")

    # --- a maker's own, in the line's thread ---

    def connect(self) -> Identity:
        """Connect, and learn how far it travels."""
        raise NotImplementedError

    def disconnect(self) -> None:
        """Let go of the line; a move that is under way goes on to its end."""
        if self._line is not None:
            close_line(self._line)
            self._line = None

    def bend(self, bend: Bend) -> float:
        """Begin the moves of a bend, and return the position to which they lead, mm.

        Raises:
            SettingRefused: It lies outside the table or the stage's travel.
        """
        raise NotImplementedError

    # --- the verbs of an instrument that all share ---

    async def open(self) -> Identity:
        """Connect, and learn how far it travels; a stage that does not know where it is seeks its reference."""
        return await self._in_thread(self.connect)

    async def close(self) -> None:
        """Disconnect; a move that is under way goes on to its end."""
        await self._in_thread(self.disconnect)

    def capabilities(self, channel: str) -> Capabilities:
        """Return that it bends, and nothing else."""
        del channel
        return Capabilities(
            energises=False,
            modes=frozenset({"Bend", "Rest"}),
            measures=frozenset(),
            voltage=(0.0, 0.0),
            current=(0.0, 0.0),
            poll_at_most=POLL,
        )

    async def apply(self, channel: str, program: Program) -> ReadBack:
        """Begin the moves of one bend; `read` tells when the stage stands at the end of the last."""
        del channel
        match program.steps:
            case (ProgramStep(mode=Bend() as bend),):
                target = await self._in_thread(lambda: self.bend(bend))
                self._attempt = program.attempt
                return ReadBack({"position": target})
            case (ProgramStep(mode=Rest()),):
                return ReadBack()
        raise SettingRefused("a bending stage holds one bend at a time", safe=True)

    def _send(self, data: bytes) -> None:
        send(self._line, self.port, data)

    def _receive(self) -> str:
        return receive(self._line, self.port)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def table(points: Mapping[str, float] | None, option: str) -> Any:
    """Return rows of (value, position in mm), rising; keys are numbers as text.

    Raises:
        OptionRefused: A key is no number.
    """
    for key in points or {}:
        if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", key) is None:
            message = f"wanted numbers as the keys of {option}, found {key!r}"
            raise OptionRefused((option, key), message, f"for example {option}: {{0: 0, 90: 12.5}}")
    rows = sorted((float(value), float(position)) for value, position in (points or {}).items())
    return np.array(rows, dtype=float).reshape(len(rows), 2)
