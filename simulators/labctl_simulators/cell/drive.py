"""What is imposed on a cell (drives) and what may end it (stops)."""

from typing import Any, Final, Literal, NamedTuple

LARGEST: Final = 1e15
"""SI; a number beyond it is a mistake, and its square might be no number at all."""

Quantity = Literal["time", "voltage", "current", "charge", "power"]


class Imposed:
    """Compare drives by what they impose; a drive is never changed once it is made.

    Written out rather than generated: making the classes is a part of every start-up.
    """

    __slots__: tuple[str, ...] = ()

    def numbers(self) -> tuple[float | None, ...]:
        """Return what is imposed, in the order of its arguments."""
        return tuple([getattr(self, name) for name in self.__slots__])

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.numbers() == other.numbers()

    def __hash__(self) -> int:
        return hash((type(self).__name__, *self.numbers()))

    def __repr__(self) -> str:
        words = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}({words})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.numbers()


class Current(Imposed):
    """Hold a constant current.

    Attributes:
        current: A, positive charges the cell.
    """

    __slots__ = ("current",)

    def __init__(self, current: float) -> None:
        self.current = current


class Voltage(Imposed):
    """Hold a constant voltage.

    Attributes:
        voltage: V.
        most: largest magnitude of the current in A; None is no limit. While the cell would draw more, the source gives
            exactly this current.
    """

    __slots__ = ("voltage", "most")  # noqa: RUF023 - the order of the arguments

    def __init__(self, voltage: float, most: float | None = None) -> None:
        self.voltage, self.most = voltage, most


class Power(Imposed):
    """Hold a constant power.

    Attributes:
        power: W at the terminals, positive charges the cell.
    """

    __slots__ = ("power",)

    def __init__(self, power: float) -> None:
        self.power = power


class Load(Imposed):
    """Discharge the cell into a resistor.

    Attributes:
        resistance: ohm, > 0.
    """

    __slots__ = ("resistance",)

    def __init__(self, resistance: float) -> None:
        self.resistance = resistance


class AtOpenCircuit(Imposed):
    """Leave the cell at open circuit."""

    __slots__ = ()


class VoltageSweep(Imposed):
    """Move the voltage linearly; the segment ends when `end` is reached.

    Attributes:
        start: V at the segment's begin.
        end: V.
        rate: V/s, a magnitude; the direction is from `start` to `end`.
    """

    __slots__ = ("start", "end", "rate")  # noqa: RUF023 - the order of the arguments

    def __init__(self, start: float, end: float, rate: float) -> None:
        self.start, self.end, self.rate = start, end, rate


Drive = Current | Voltage | Power | Load | AtOpenCircuit | VoltageSweep

REST: Final = AtOpenCircuit()


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
