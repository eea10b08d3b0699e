"""What every row of a step must show of its set-point, where the daemon is the control loop.

An instrument that ends its steps by itself moves on before the daemon hears of it, so its rows are checked against its own
step numbers. An instrument that only holds what it was last told is checked here: a level, range or limit that was changed at
its front panel, and an output that was switched off there, are rows that contradict the set-point.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from labctl.engine.row_limits import RowLimits
from labctl.engine.state import State
from labctl.engine.state_builder import StateBuilder
from labctl.plan.program import settle
from labctl.plan.step import Line, Plan
from labctl.sample import Floats

SHARE: Final = 0.02  # of a set current by which a measured one may differ
SHARE_OF_PRODUCT: Final = 0.05  # of a set power or resistance: two measured values are in it
ACCURACIES: Final = 10.0  # of current or voltage, besides
EDGE: Final = 5.0  # accuracies of voltage: so near a limit the instrument's compliance may hold the current back
FULL: Final = 0.98  # of the current that a held voltage may draw: from there the instrument limits it
FAR: Final = 1e12

Kind: TypeAlias = Literal["current", "voltage", "power", "resistance"]
KINDS: Final[dict[str, Kind]] = {
    "Galvanostatic": "current", "Potentiostatic": "voltage", "ConstantPower": "power", "ConstantLoad": "resistance",
}  # fmt: skip
UNITS: Final[dict[Kind, str]] = {"current": "A", "voltage": "V", "power": "W", "resistance": "ohm"}


@dataclass(frozen=True, slots=True)
class SetPoint:
    """What an instrument holds: `value` of `kind`, SI; `most` is the current in A that a held voltage may draw."""

    kind: Kind
    value: float
    most: float = float("inf")

    @property
    def text(self) -> str:
        """Return it for a person."""
        return f"{self.value:.6g} {UNITS[self.kind]}"


def set_point_of(plan: Plan, state: State | StateBuilder, line: Line) -> SetPoint | None:
    """Return what the rows of a running line must show, None where they are not checked so.

    Not checked: an instrument that locates ends by itself, modes without one set-point, and plans of the first edition.
    """
    if plan.edition < 2 or line.mode not in KINDS or state.capabilities.ends:
        return None
    kind = KINDS[line.mode]
    value = settle(line.settings[kind], state.passes, state.ocv)
    if not isinstance(value, float | int) or not value:
        return None
    given = line.settings.get("most")
    most = None if given is None else settle(given, state.passes, state.ocv)
    if not isinstance(most, float | int):
        most = max((abs(limit) for limit in line.bounds.current or ()), default=float("inf"))
    return SetPoint(kind, float(value), float(most))


def contradicts(wanted: SetPoint, voltage: Floats, current: Floats, envelope: RowLimits) -> NDArray[np.bool_]:
    """Return which rows cannot be what was set.

    Args:
        wanted: The set-point.
        voltage: V, a value a row.
        current: A, a value a row; positive charges.
        envelope: Limits and accuracies of the step.
    """
    volts, amperes = envelope.accuracy
    if wanted.kind == "voltage":
        away = np.abs(voltage - wanted.value) > ACCURACIES * volts
        return away & (np.abs(current) < FULL * wanted.most - ACCURACIES * amperes)
    expected, share = _expected(wanted, voltage)
    wrong = ~(np.abs(current - expected) <= share * np.abs(expected) + ACCURACIES * amperes)
    low, high = envelope.voltage
    held_back = (voltage >= high - EDGE * volts) | (voltage <= low + EDGE * volts)
    backward = current * expected < 0.0  # no compliance turns a current round
    large = np.abs(current) > (1.0 + share) * np.abs(expected) + ACCURACIES * amperes
    return wrong & (~held_back | large | (backward & (np.abs(current) > ACCURACIES * amperes)))


def _expected(wanted: SetPoint, voltage: Floats) -> tuple[Floats, float]:
    match wanted.kind:
        case "power":
            return np.divide(wanted.value, voltage, out=np.zeros_like(voltage), where=voltage != 0.0), SHARE_OF_PRODUCT
        case "resistance":
            return -voltage / wanted.value, SHARE_OF_PRODUCT
    return np.full_like(voltage, wanted.value), SHARE


def held_range(wanted: SetPoint, envelope: RowLimits) -> tuple[Literal["voltage", "current"], float, float]:
    """Return a quantity and an open range of it inside which no row contradicts a set-point; none where it takes two."""
    volts, amperes = envelope.accuracy
    match wanted.kind:
        case "current":
            width = SHARE * abs(wanted.value) + ACCURACIES * amperes
            return "current", wanted.value - width, wanted.value + width
        case "voltage":
            return "voltage", wanted.value - ACCURACIES * volts, wanted.value + ACCURACIES * volts
    return "voltage", FAR, -FAR
