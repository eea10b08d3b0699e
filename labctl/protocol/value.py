"""Values as written: quantities, references and arithmetic, texts with references, conditions, rules."""

from dataclasses import dataclass
from typing import Final, Literal, Self, TypeAlias

from labctl.finding import Mark
from labctl.quantity.dimension import Kind
from labctl.quantity.units import Quantity


@dataclass(frozen=True, slots=True)
class Reference:
    """A parameter or loop variable."""

    name: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Number:
    """A bare number; only inside `$( )` and where counts stand."""

    value: float


@dataclass(frozen=True, slots=True)
class Operation:
    """`+ - * /` of two operands, `neg` or `abs` of one."""

    operator: Literal["+", "-", "*", "/", "neg", "abs"]
    operands: tuple["Expression", ...]
    mark: Mark


Sign: TypeAlias = Literal["any", "not negative", "positive"]

Expression: TypeAlias = Reference | Number | Operation


@dataclass(frozen=True, slots=True)
class Computed:
    """A value that depends on parameters or loop variables, to be read as a quantity of `kind` with a `sign`."""

    kind: Kind
    expression: Expression
    text: str
    mark: Mark
    sign: "Sign" = "any"


@dataclass(frozen=True, slots=True)
class Template:
    """A text in which `$name` and `$(expression)` stand for values; `parts` are texts and expressions in order."""

    parts: tuple["str | Expression", ...]
    text: str
    mark: Mark


Given: TypeAlias = Quantity | Computed
"""A quantity as written: known, or computed from parameters."""

Text: TypeAlias = str | Template


class WrittenText(str):
    """A text that a parameter or loop variable has, with where it was written; otherwise a text like any other."""

    __slots__ = ("mark",)
    mark: Mark

    def __new__(cls, text: str, mark: Mark) -> Self:
        """Return the text with its place."""
        written = super().__new__(cls, text)
        written.mark = mark
        return written


Value: TypeAlias = Quantity | str | tuple["Value", ...]
"""What a parameter or loop variable can be: a quantity, a count or number (dimensionless), a text, a list."""

# --- conditions -------------------------------------------------------------------------------------------------------

Comparison: TypeAlias = Literal["<", "<=", ">", ">=", "in"]

Measured: TypeAlias = Literal["voltage", "current", "temperature", "power", "time", "capacity"]
MEASURED: Final = frozenset({
    "voltage", "current", "temperature", "power", "time", "capacity", "energy", "dV/dt", "dI/dt", "dT/dt",
    "charged", "discharged", "net",
})  # fmt: skip
"""What a row decides."""
Slope: TypeAlias = Literal["dV/dt", "dI/dt", "dT/dt"]
Resulting: TypeAlias = Literal[
    "charge_capacity", "discharge_capacity", "coulombic_efficiency", "retention", "cycle", "every"
]
Flag: TypeAlias = Literal["short", "short.soft"]


@dataclass(frozen=True, slots=True)
class WrittenTerm:
    """One comparison, or a flag.

    Attributes:
        quantity: One of `Measured`, `Slope`, `Resulting` or `Flag`.
        comparison: How it is compared; `>` for a flag.
        value: What with; None for a flag.
        absolute: `abs( )` around the quantity.
        over: Window of a slope; None is the default of 1 min.
        of: Reference of a retention: None for the first cycle that is not formation, "max", or a cycle's number.
        mark: Where the term begins.
        which: Which cycles a result is of: "check", "cycles" (all others), "block" of a number; "" where it is not said.
        cycles: Number of cycles running that must meet it, None where it is not said.
        since: Of `charged`, `discharged` and `net`: the name of a mark, "cycle" or "block".
        dwell: How long it must have been true, row by row (`voltage < 3 V for 10 s`).
        figure: "spread" or "change" of a result over the last `among` cycles; of a slope, "change" is what it amounts to within
            its window, and "share" that as a share of what is measured now.
        members: Numbers of cycles of which the last completed one must be one (`cycle in [5, 10]`).
    """

    quantity: str
    comparison: Comparison
    value: Given | None
    mark: Mark
    absolute: bool = False
    over: Given | None = None
    of: Literal["max"] | int | None = None
    which: Literal["", "check", "cycles", "block"] = ""
    cycles: Given | None = None
    figure: Literal["", "spread", "change", "share"] = ""
    among: Given | None = None
    members: tuple[Given, ...] = ()
    since: str = ""
    dwell: Given | None = None

    @property
    def is_slope(self) -> bool:
        """Tell whether this compares a slope in time."""
        return self.quantity in {"dV/dt", "dI/dt", "dT/dt"}

    @property
    def is_result(self) -> bool:
        """Tell whether this asks for a result of cycles or a short, not for a row."""
        return self.quantity not in MEASURED


@dataclass(frozen=True, slots=True)
class WrittenCondition:
    """A disjunction of conjunctions of terms, with the text it was written as."""

    text: str
    any_of: tuple[tuple[WrittenTerm, ...], ...]
    mark: Mark


# --- rules ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WrittenRecordRule:
    """When a row is written; `for_` is how long in the step this rule holds, then the next of the list does."""

    mark: Mark
    every: Given | None = None
    voltage: Given | None = None  # dV
    current: Given | None = None  # dI
    for_: Given | None = None


Record: TypeAlias = tuple[WrittenRecordRule, ...]
Pair: TypeAlias = tuple[Given | None, Given | None]
"""Lowest and highest; a side that is None stays open."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The envelope: pairs are (low, high), a side may be open; `capacity` is the most any one step may pass. None is not said."""

    voltage: Pair | None = None
    current: Pair | None = None
    temperature: Pair | None = None
    capacity: Given | None = None
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Requires:
    """What the cell must be: kinds (empty: any) and the open-circuit range (None: the voltage limits)."""

    kinds: tuple[str, ...] = ()
    ocv: Pair | None = None
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class WrittenInterruption:
    """Outages shorter than `continue_within` go on inside the same step; longer ones ask or stop. None: the default."""

    continue_within: Given | None = None
    otherwise: Literal["ask", "stop"] = "ask"
    mark: Mark | None = None
