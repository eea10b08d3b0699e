"""What is imposed on a cell (drives) and what may end it (stops)."""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

LARGEST: Final = 1e15
"""SI; a number beyond it is a mistake, and its square might be no number at all."""

Quantity = Literal["time", "voltage", "current", "charge", "power"]


@dataclass(frozen=True, slots=True)
class Current:
    """Hold a constant current.

    Attributes:
        current: A, positive charges the cell.
    """

    current: float


@dataclass(frozen=True, slots=True)
class Voltage:
    """Hold a constant voltage.

    Attributes:
        voltage: V.
        most: largest magnitude of the current in A; None is no limit. While the cell would draw more, the source gives
            exactly this current.
    """

    voltage: float
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Power:
    """Hold a constant power.

    Attributes:
        power: W at the terminals, positive charges the cell.
    """

    power: float


@dataclass(frozen=True, slots=True)
class Load:
    """Discharge the cell into a resistor.

    Attributes:
        resistance: ohm, > 0.
    """

    resistance: float


@dataclass(frozen=True, slots=True)
class Rest:
    """Leave the cell at open circuit."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Move the voltage linearly; the segment ends when `end` is reached.

    Attributes:
        start: V at the segment's begin.
        end: V.
        rate: V/s, a magnitude; the direction is from `start` to `end`.
    """

    start: float
    end: float
    rate: float


Drive = Current | Voltage | Power | Load | Rest | Sweep

REST: Final = Rest()


def check_step(value: float, dt: float) -> None:
    """Refuse a step of a live cell that has no physical meaning.

    Args:
        value: what is controlled, SI.
        dt: s.

    Raises:
        ValueError: one of them is no number, or beyond every cell, or the step goes back in time.
    """
    if not -LARGEST <= value <= LARGEST:
        raise ValueError(f"wanted a finite number up to {LARGEST:g} to be controlled, found {value}")
    if not 0.0 <= dt <= LARGEST:
        raise ValueError(f"wanted a step of 0..{LARGEST:g} s, found {dt} s")


class Stop(NamedTuple):
    """Say when a segment ends before its duration.

    Attributes:
        quantity: "voltage" is signed; "current", "power" and "charge" are magnitudes; "time" and "charge" count from
            the segment's begin.
        above: True ends where the quantity is above (or at) `value`, False where it is below (or at) it.
        value: SI: s, V, A, C, W.
        number: the caller's own mark, given back in `Segment.stop`.
    """

    quantity: Quantity
    above: bool
    value: float
    number: int = 0
