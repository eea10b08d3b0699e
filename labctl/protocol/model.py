"""A protocol as values: what the text of a file means, before any cell is known.

Quantities are SI (`labctl.units.Quantity`) with the text and the place they were written at. Where the text has `$name`
or `$(expression)` the field holds a `Computed`, and `labctl.protocol.expression.settle` gives its Quantity in an
environment of parameters and loop variables. Relative quantities (C/10, mA/cm2, %) become amperes, coulombs and so on in
`labctl.protocol.cell.Cell.resolve`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from labctl.document import Mark
from labctl.protocol.value import (
    Comparison,
    Computed,
    Condition,
    Expression,
    Flag,
    Given,
    Interruption,
    Limits,
    Measured,
    Number,
    Operation,
    Pair,
    Record,
    RecordRule,
    Reference,
    Requires,
    Resulting,
    Sign,
    Slope,
    Template,
    Term,
    Text,
    Value,
)
from labctl.units import Quantity

__all__ = [
    "Analysis",
    "Bend",
    "Block",
    "Comparison",
    "Computed",
    "Condition",
    "CycleKind",
    "CyclicVoltammetry",
    "Direction",
    "Drive",
    "Expression",
    "Flag",
    "Given",
    "Hold",
    "Impedance",
    "Interruption",
    "Item",
    "Limits",
    "LinearSweep",
    "MarkEvent",
    "Measured",
    "Number",
    "Operation",
    "Pair",
    "Parameter",
    "Profile",
    "Prompt",
    "Protocol",
    "Range",
    "Record",
    "RecordRule",
    "Reference",
    "Requires",
    "Rest",
    "Resulting",
    "Sign",
    "Slope",
    "Step",
    "Table",
    "Temperature",
    "Template",
    "Term",
    "Text",
    "Use",
    "Value",
    "Variable",
    "Verb",
]

# --- verbs ------------------------------------------------------------------------------------------------------------

Direction: TypeAlias = Literal["charge", "discharge", "strip", "plate"]


@dataclass(frozen=True, slots=True)
class Rest:
    """Open circuit."""

    for_: Given | None = None
    until: Condition | None = None


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
        to: Voltage after which it ends, or is held where a `hold_` end is given.
        hold_until: End of the held part.
        hold_for: Longest time of the held part.
    """

    direction: Direction
    control: Literal["current", "power", "resistance"]
    setting: Given
    for_: Given | None = None
    until: Condition | None = None
    capacity: Given | None = None
    to: Given | None = None
    hold_until: Condition | None = None
    hold_for: Given | None = None

    @property
    def raises(self) -> bool:
        """Tell whether this raises the voltage (positive current): charge and strip do."""
        return self.direction in {"charge", "strip"}

    @property
    def holds(self) -> bool:
        """Tell whether the voltage `to` is held after it was reached."""
        return self.hold_until is not None or self.hold_for is not None


@dataclass(frozen=True, slots=True)
class Hold:
    """Constant voltage; `current` is the most it may draw, a magnitude."""

    voltage: Given
    current: Given | None = None
    for_: Given | None = None
    until: Condition | None = None


@dataclass(frozen=True, slots=True)
class LinearSweep:
    """`lsv`: from one voltage to another."""

    from_: Given
    to: Given
    rate: Given
    until: Condition | None = None


@dataclass(frozen=True, slots=True)
class CyclicVoltammetry:
    """`cv`: `from_` -> `to` -> `back` is one cycle, the next ones go `back` -> `to` -> `back`; None is `from_`, one cycle."""

    from_: Given
    to: Given
    rate: Given
    back: Given | None = None
    cycles: Given | None = None
    until: Condition | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A profile's file, read: seconds, and values that times `unit` are currents or powers.

    `unit` is a Quantity of value 1 in SI of the header's dimension, to be resolved against the cell as `quantity`.
    """

    times: tuple[float, ...]
    values: tuple[float, ...]
    quantity: Literal["current", "power"]
    unit: Quantity
    text: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """A table of currents or powers beside the protocol; `positive` says what a positive value does to the cell."""

    file: Text
    positive: Literal["charge", "discharge"]
    table: Table | None  # None where it could not be read, with a finding
    scale: Given | None = None
    for_: Given | None = None
    until: Condition | None = None


@dataclass(frozen=True, slots=True)
class Impedance:
    """`eis`: `amplitude` is the peak; volts potentiostatic, amperes galvanostatic; `at` the bias, None for ocv or 0 A."""

    from_: Given
    to: Given
    amplitude: Given
    per_decade: Given | None = None  # 10
    at: Given | None = None


@dataclass(frozen=True, slots=True)
class Bend:
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
class MarkEvent:
    """`mark`: an event, and trigger output where the instrument has one."""

    text: Text


Verb: TypeAlias = (
    Rest
    | Drive
    | Hold
    | LinearSweep
    | CyclicVoltammetry
    | Profile
    | Impedance
    | Bend
    | Temperature
    | Prompt
    | MarkEvent
)

# --- steps and blocks -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """One verb with its name and record rule (None: the nearest around it)."""

    verb: Verb
    word: str  # as in the file: rest, charge, ..., mark
    mark: Mark
    name: Text = ""
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """`{from, to, by | factor}`; ends are included within rounding."""

    from_: Given
    to: Given
    mark: Mark
    by: Given | None = None
    factor: Given | None = None


@dataclass(frozen=True, slots=True)
class Variable:
    """A loop variable of an `each`: a range, a list, or a reference to a list."""

    name: str
    values: "Range | tuple[Given | Text, ...] | Reference"
    mark: Mark


CycleKind: TypeAlias = Literal["true", "formation", "check"]


@dataclass(frozen=True, slots=True)
class Block:
    """Steps done together: once, `repeat` times in all, for `each` value, or `if_` a condition holds on arrival."""

    children: tuple["Item", ...]
    mark: Mark
    name: Text = ""
    repeat: Given | None = None
    each: tuple[Variable, ...] = ()
    if_: Condition | None = None
    cycle: CycleKind | None = None
    stop_if: Condition | None = None
    abort_if: Condition | None = None
    for_: Given | None = None
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """Another file's steps inserted here, with its own parameters given by `with_` from this file's environment."""

    file: str
    protocol: "Protocol"
    mark: Mark
    name: Text = ""
    with_: Mapping[str, "Given | Text | tuple[Given | Text, ...] | Reference"] = field(default_factory=dict)
    marks: Mapping[str, Mark] = field(default_factory=dict)  # of the names in `with_`


Item: TypeAlias = Step | Block | Use


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: its default, or None where a value is required."""

    name: str
    default: Value | None
    mark: Mark


@dataclass(frozen=True, slots=True)
class Analysis:
    """An analysis of the run, with its options as texts."""

    name: str
    options: Mapping[str, str]
    mark: Mark


@dataclass(frozen=True, slots=True)
class Protocol:
    """A whole file.

    Attributes:
        file: Name it was loaded by.
        text: The text itself, stored with every plan made from it.
        children: Steps, blocks and uses in order.
    """

    file: str
    text: str
    children: tuple[Item, ...]
    name: str = ""
    about: str = ""
    source: str = ""
    parameters: tuple[Parameter, ...] = ()
    requires: Requires = field(default_factory=Requires)
    record: Record | None = None
    limits: Limits = field(default_factory=Limits)
    interruption: Interruption | None = None
    analyses: tuple[Analysis, ...] = ()
