"""What the verbs of a step mean, before any cell is known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from labctl.finding import Finding, Mark
from labctl.protocol.value import (
    Given,
    Pair,
    Text,
    WrittenCondition,
)
from labctl.quantity.units import Quantity

Direction: TypeAlias = Literal["charge", "discharge", "strip", "plate"]


@dataclass(frozen=True, slots=True)
class RestStep:
    """Open circuit."""

    for_: Given | None = None
    until: WrittenCondition | None = None


@dataclass(frozen=True, slots=True)
class Drive:
    """`charge`, `discharge`, `strip`, `plate`: constant current, power or load, and what ends it.

    Attributes:
        direction: The verb.
        control: What is held constant.
        setting: Its magnitude.
        for_: Longest time of the whole step, the held part included.
        until: Further ends.
        capacity: Charge after which the step ends.
        energy: Energy after which it ends.
        to: Voltage after which it ends, or is held where a `hold_` end is given.
        hold_until: End of the held part.
        hold_for: Longest time of the held part.
    """

    direction: Direction
    control: Literal["current", "power", "resistance"]
    setting: Given
    for_: Given | None = None
    until: WrittenCondition | None = None
    capacity: Given | None = None
    to: Given | None = None
    hold_until: WrittenCondition | None = None
    hold_for: Given | None = None
    energy: Given | None = None

    @property
    def raises(self) -> bool:
        """Tell whether this raises the voltage (positive current): charge and strip do."""
        return self.direction in {"charge", "strip"}

    @property
    def holds(self) -> bool:
        """Tell whether the voltage `to` is held after it was reached."""
        return self.hold_until is not None or self.hold_for is not None


@dataclass(frozen=True, slots=True)
class HoldStep:
    """Constant voltage; `current` is the most it may draw, a magnitude."""

    voltage: Given
    current: Given | None = None
    for_: Given | None = None
    until: WrittenCondition | None = None


@dataclass(frozen=True, slots=True)
class LinearSweep:
    """`lsv`: from one voltage to another."""

    from_: Given
    to: Given
    rate: Given
    until: WrittenCondition | None = None


@dataclass(frozen=True, slots=True)
class CyclicVoltammetry:
    """`cv`: `from_` -> `to` -> `back` is one cycle, the next ones go `back` -> `to` -> `back`; None is `from_`, one cycle."""

    from_: Given
    to: Given
    rate: Given
    back: Given | None = None
    cycles: Given | None = None
    until: WrittenCondition | None = None


@dataclass(frozen=True, slots=True)
class ProfileTable:
    """A profile's file, read: seconds, and values that times `unit` are currents or powers.

    `unit` is a Quantity of value 1 in SI of the header's dimension, to be resolved against the cell as `quantity`. Voltages and
    temperatures are in SI already.
    """

    times: tuple[float, ...]
    values: tuple[float, ...]
    quantity: Literal["current", "power", "voltage", "temperature"]
    unit: Quantity
    text: str = ""


Tables: TypeAlias = Callable[[str, Mark], tuple[ProfileTable | None, tuple[Finding, ...]]]
"""Reads a profile's file by its name and where it is named; None where it cannot be read, with findings."""


@dataclass(frozen=True, slots=True)
class ProfileStep:
    """A table of set-points beside the protocol.

    Attributes:
        file: Its name; one with references is read when a plan is made.
        positive: What a positive current or power does to the cell; "" where voltages or temperatures need no saying.
        table: None where it could not be read, with a finding, or is not read yet.
        only: Sets the other direction to zero.
        scale: Factor on every value.
        for_: Longest time.
        until: Further ends: of the whole profile, however often it is repeated around.
        clip: Voltages at which it is held instead of going on beyond.
        current: The most that voltages may draw, a magnitude.
        find: Reads a file that is named with references.
        peak: What its largest current or power, up or down, is made by a factor.
    """

    file: Text
    positive: Literal["", "charge", "discharge"]
    table: ProfileTable | None
    only: Literal["", "charge", "discharge"] = ""
    scale: Given | None = None
    for_: Given | None = None
    until: WrittenCondition | None = None
    clip: Pair | None = None
    current: Given | None = None
    find: Tables | None = field(default=None, compare=False, repr=False)
    peak: Given | None = None


@dataclass(frozen=True, slots=True)
class Impedance:
    """`eis`: `amplitude` is the peak; volts potentiostatic, amperes galvanostatic; `at` the bias, None for ocv or 0 A."""

    from_: Given
    to: Given
    amplitude: Given
    per_decade: Given | None = None  # 10
    at: Given | None = None


@dataclass(frozen=True, slots=True)
class BendStep:
    """The bending stage, or a person."""

    angle: Given | None = None
    radius: Given | None = None
    times: Given | None = None
    confirm: bool = False


@dataclass(frozen=True, slots=True)
class Temperature:
    """The chamber: within `within` of `to` during `soak`; asks when not there after `for_`."""

    to: Given
    within: Given | None = None
    soak: Given | None = None
    for_: Given | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """Open circuit until a person answers; asks after `for_`. `state` is what the person has set, by name."""

    say: Text
    for_: Given | None = None
    state: Mapping[str, "Given | Text"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wait:
    """`wait`: open circuit until a date and time, `2026-12-01 08:00`; `mark` is where that is written."""

    until: Text
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class MarkEvent:
    """`mark`: an event, and trigger output where the instrument has one."""

    text: Text


@dataclass(frozen=True, slots=True)
class Nominal:
    """What was measured becomes the measure: 1C and 100 % mean the result of a completed cycle from here on."""

    from_: Text
    within: Pair
