"""What a step asks of the cell: the modes of a program's steps, in SI."""

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Rest:
    """Open circuit in the high-impedance state."""


@dataclass(frozen=True, slots=True)
class Galvanostatic:
    """Constant current: amperes, positive charges."""

    current: float


@dataclass(frozen=True, slots=True)
class Potentiostatic:
    """Constant voltage: volts; `most` is the magnitude of current in amperes that it may draw, None for the limits'."""

    voltage: float
    most: float | None = None


@dataclass(frozen=True, slots=True)
class ConstantPower:
    """Constant power: watts, positive charges."""

    power: float


@dataclass(frozen=True, slots=True)
class ConstantLoad:
    """A load: ohms, discharging."""

    resistance: float


@dataclass(frozen=True, slots=True)
class Sweep:
    """A linear voltage sweep from `start` to `end` (volts) at `rate` (V/s, positive); it ends at `end`."""

    start: float
    end: float
    rate: float


@dataclass(frozen=True, slots=True)
class Profile:
    """A table of set-points, each held until the next one's time; the last row only ends it.

    Attributes:
        times: Seconds from the step's begin, increasing.
        values: Amperes or watts, positive charges; or volts.
        quantity: Which of them.
        clip: Voltages, low and high, at which it is held instead of going on beyond; the set-point is then the most that it
            draws. None for none.
        most: Magnitude of the current in amperes that a table of volts may draw, None for the limits'.
    """

    times: tuple[float, ...]
    values: tuple[float, ...]
    quantity: Literal["current", "power", "voltage"] = "current"
    clip: tuple[float, float] | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Spectrum:
    """An impedance spectrum.

    Attributes:
        frequencies: Hertz, in the order to be measured.
        amplitude: Peak amplitude: volts if potentiostatic, else amperes.
        potentiostatic: Which of the two is controlled.
        bias: Direct voltage (potentiostatic; None is the open circuit) or direct current.
    """

    frequencies: tuple[float, ...]
    amplitude: float
    potentiostatic: bool = True
    bias: float | None = None


@dataclass(frozen=True, slots=True)
class Bend:
    """A bending stage: angle in radians and radius in metres to reach, `times` there and back before."""

    angle: float | None = None
    radius: float | None = None
    times: int = 1


@dataclass(frozen=True, slots=True)
class Chamber:
    """A temperature chamber: kelvin to reach and keep within `within` kelvin for `soak` seconds."""

    temperature: float
    within: float = 1.0
    soak: float = 0.0


@dataclass(frozen=True, slots=True)
class Foreign:
    """Whatever somebody else's program does: it is read, and neither begun nor ended."""


Mode: TypeAlias = (
    Rest
    | Galvanostatic
    | Potentiostatic
    | ConstantPower
    | ConstantLoad
    | Sweep
    | Profile
    | Spectrum
    | Bend
    | Chamber
    | Foreign
)
