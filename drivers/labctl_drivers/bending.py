"""What bending stages share: tables from angles or radii to positions, measured on the stage, and what a stage can do."""

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from labctl.driver import Bend, Capabilities
from labctl.errors import OptionRefused, SettingRefused

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


def stage_capabilities() -> Capabilities:
    """Return that a stage bends, and nothing else."""
    return Capabilities(
        energises=False,
        modes=frozenset({"Bend", "Rest"}),
        measures=frozenset(),
        voltage=(0.0, 0.0),
        current=(0.0, 0.0),
        poll_at_most=POLL,
    )


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
