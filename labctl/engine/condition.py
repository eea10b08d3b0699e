"""Conditions with the numbers of their pass put in, asked of rows as columns.

A condition is a disjunction of conjunctions of tests; each test gives one flag a row. A comparison with what was not measured,
or with a slope that is not known yet, is false.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from labctl.plan.program import settle
from labctl.plan.step import Condition, Term
from labctl.sample import ZERO_CELSIUS, Floats

Truth: TypeAlias = NDArray[np.bool_]

COMPARE: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip
PLAIN: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip
ROWS: Final = frozenset({"voltage", "current", "temperature", "power", "time", "capacity"})  # measured row by row
SHORTS: Final = frozenset({"short", "short.soft"})


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison with its number: `value` in the unit of the column (degC of a temperature).

    Attributes:
        term: Where it comes from.
        value: What is compared with.
        window: Index of the window of its slope, -1 for none.
        previous: True only where the row before met it too: the instrument locates this end, the engine only sees to it
            that it does.
    """

    __test__ = False  # not a test case of pytest's

    term: Term
    value: float
    window: int = -1
    previous: bool = False

    @property
    def above(self) -> bool:
        """Tell whether it is met by going up."""
        return self.term.comparison in {">", ">="}


Alternatives: TypeAlias = tuple[tuple[Test, ...], ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose time and capacity is meant: the step's own, or a block's with `behind` seconds of finished steps."""

    behind: float
    charging_ah: float
    discharging_ah: float


@dataclass(frozen=True, slots=True)
class View:
    """Good rows as what conditions ask for.

    Attributes:
        step_time: Step time of each row, s.
        before: The row before the first, of the same step; None at its first.
        slopes: Of each window, a value a row, NaN where it is not known.
        shorts: By name, a flag a row.
    """

    time: Floats
    step_time: Floats
    voltage: Floats
    current: Floats
    charging_ah: Floats
    discharging_ah: Floats
    temperature: Floats | None
    before: "View | None" = None
    slopes: tuple[Floats, ...] = ()
    shorts: Mapping[str, Truth] = field(default_factory=dict)

    def column(self, quantity: str, scope: Scope) -> Floats | None:
        """Return a measured quantity: V, A and W signed, degC, s, C."""
        match quantity:
            case "voltage":
                return self.voltage
            case "current":
                return self.current
            case "time":
                return self.step_time + scope.behind if scope.behind else self.step_time
            case "capacity":
                return (
                    np.abs((self.charging_ah - scope.charging_ah) - (self.discharging_ah - scope.discharging_ah))
                    * 3600.0
                )
            case "power":
                return self.voltage * self.current
        return self.temperature


def resolved(
    condition: Condition, passes: Mapping[int, int], ocv: float | None, window_of: Callable[[Term], int] | None = None
) -> Alternatives:
    """Return a condition with the numbers of a pass and the open circuit put in.

    Raises:
        InternalError: A voltage is against an open circuit that nobody measured.
    """
    return tuple(
        tuple(
            Test(
                term,
                float(settle(term.value, passes, ocv))  # type: ignore[arg-type]
                - (ZERO_CELSIUS if term.quantity == "temperature" and not term.slope else 0.0),
                window_of(term) if term.slope and window_of is not None else -1,
            )
            for term in terms
        )
        for terms in condition.any_of
    )


def measured(test: Test, view: View, scope: Scope) -> Floats | None:
    """Return what a test compares, row by row; None where it is not measured."""
    term = test.term
    if term.slope:
        values: Floats | None = view.slopes[test.window] if test.window >= 0 else None
    else:
        values = view.column(term.quantity, scope)
    if values is None:
        return None
    magnitude = term.absolute or (not term.slope and term.quantity in {"current", "power"})
    return np.abs(values) if magnitude else values


def truth(test: Test, view: View, scope: Scope) -> Truth | bool:
    """Return a flag a row, or one for all; of measured quantities and shorts."""
    if test.term.quantity in SHORTS:
        return view.shorts.get(test.term.quantity, False)
    values = measured(test, view, scope)
    if values is None:
        return False
    flags: Truth = COMPARE[test.term.comparison](values, test.value)
    if not test.previous:
        return flags
    earlier = np.zeros_like(flags)
    earlier[1:] = flags[:-1]
    if view.before is not None:
        past = truth_at(test, view.before, scope)
        earlier[0] = past
    return flags & earlier


def truth_at(test: Test, view: View, scope: Scope) -> bool:
    """Return whether the only row of a view meets a test, apart from the row before it."""
    values = measured(test, view, scope)
    return values is not None and bool(COMPARE[test.term.comparison](values, test.value)[0])
