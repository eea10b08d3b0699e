"""A protocol as values: what the text of a file means, before any cell is known.

Quantities are SI (`labctl.quantity.units.Quantity`) with the text and the place they were written at. Where the text has `$name`
or `$(expression)` the field holds a `Computed`, and `labctl.protocol.expression.settle` gives its Quantity in an
environment of parameters and loop variables. Relative quantities (C/10, mA/cm2, %) become amperes, coulombs and so on in
`labctl.protocol.cell.Cell.resolve`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from labctl.finding import Finding, Mark
from labctl.protocol.step_model import (
    BendStep,
    CyclicVoltammetry,
    Direction,
    Drive,
    HoldStep,
    Impedance,
    LinearSweep,
    MarkEvent,
    Nominal,
    ProfileStep,
    ProfileTable,
    Prompt,
    RestStep,
    Temperature,
    Wait,
)
from labctl.protocol.value import (
    Comparison,
    Computed,
    Expression,
    Flag,
    Given,
    Limits,
    Measured,
    Number,
    Operation,
    Pair,
    Record,
    Reference,
    Requires,
    Resulting,
    Sign,
    Slope,
    Template,
    Text,
    Value,
    WrittenCondition,
    WrittenInterruption,
    WrittenRecordRule,
    WrittenTerm,
    WrittenText,
)

__all__ = [
    "AnalysisRequest",
    "BendStep",
    "Choice",
    "Comparison",
    "Computed",
    "CycleKind",
    "CyclicVoltammetry",
    "Direction",
    "Drive",
    "Expression",
    "Flag",
    "Given",
    "HoldStep",
    "Impedance",
    "Item",
    "Limits",
    "LinearSweep",
    "MarkEvent",
    "Measured",
    "Nominal",
    "Number",
    "Operation",
    "Pair",
    "Parameter",
    "Pick",
    "ProfileStep",
    "ProfileTable",
    "Prompt",
    "Protocol",
    "Range",
    "Record",
    "Reference",
    "Requires",
    "RestStep",
    "Resulting",
    "Sign",
    "Slope",
    "Step",
    "Temperature",
    "Template",
    "Text",
    "Use",
    "Value",
    "Variable",
    "Verb",
    "Wait",
    "WrittenBlock",
    "WrittenCondition",
    "WrittenInterruption",
    "WrittenRecordRule",
    "WrittenTerm",
    "WrittenText",
]

# --- verbs ------------------------------------------------------------------------------------------------------------


Verb: TypeAlias = (
    RestStep
    | Wait
    | Drive
    | HoldStep
    | LinearSweep
    | CyclicVoltammetry
    | ProfileStep
    | Impedance
    | BendStep
    | Temperature
    | Prompt
    | Nominal
    | MarkEvent
)

# --- steps and blocks -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """One verb with its name and record rule (None: the nearest around it).

    `temperature` is that to which the chamber is brought before it.
    """

    verb: Verb
    word: str  # as in the file: rest, charge, ..., mark
    mark: Mark
    name: Text = ""
    record: Record | None = None
    temperature: Temperature | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """`{from, to, by | factor}`; ends are included within rounding."""

    from_: Given
    to: Given
    mark: Mark
    by: Given | None = None
    factor: Given | None = None


@dataclass(frozen=True, slots=True)
class Pick:
    """`{pick: [list], times, seed}`: so many values drawn from a list, the same ones for the same seed."""

    items: "tuple[Given | Text, ...] | Reference"
    times: Given
    mark: Mark
    seed: Given | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """`$mode = ocv`: decided when a plan is made, by the value of a parameter or loop variable."""

    name: Reference
    value: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Variable:
    """A loop variable of an `each`: a range, a list, or a reference to a list."""

    name: str
    values: "Range | Pick | tuple[Given | Text, ...] | Reference"
    mark: Mark


CycleKind: TypeAlias = Literal["true", "formation", "check"]


@dataclass(frozen=True, slots=True)
class WrittenBlock:
    """Steps done together: once, `repeat` times in all, for `each` value, or `if_` a condition holds on arrival."""

    children: tuple["Item", ...]
    mark: Mark
    name: Text = ""
    repeat: Given | None = None
    each: tuple[Variable, ...] = ()
    if_: WrittenCondition | None = None
    cycle: CycleKind | None = None
    stop_if: WrittenCondition | None = None
    abort_if: WrittenCondition | None = None
    for_: Given | None = None
    record: Record | None = None
    every: Given | None = None
    choice: Choice | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """Another file's steps inserted here, with its own parameters given by `with_` from this file's environment.

    A name with references is looked up when a plan is made, by `find`; until then `protocol` is an empty one.
    """

    file: Text
    protocol: "Protocol"
    mark: Mark
    name: Text = ""
    with_: Mapping[str, "Given | Text | tuple[Given | Text, ...] | Reference"] = field(default_factory=dict)
    marks: Mapping[str, Mark] = field(default_factory=dict)  # of the names in `with_`
    find: "Uses | None" = field(default=None, compare=False, repr=False)


Uses: TypeAlias = "Callable[[str, Mark], tuple[Protocol | None, tuple[Finding, ...]]]"
"""Loads a protocol by its name and where it is named; None where it cannot be loaded, with findings."""


Item: TypeAlias = Step | WrittenBlock | Use


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: its default, or None where a value is required."""

    name: str
    default: Value | None
    mark: Mark


@dataclass(frozen=True, slots=True)
class AnalysisRequest:
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
    interruption: WrittenInterruption | None = None
    analyses: tuple[AnalysisRequest, ...] = ()
