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
SINCE: Final = frozenset({"charged", "discharged", "net"})  # charge since a mark, a cycle's or a block's begin
ROWS: Final = frozenset(
    {"voltage", "current", "temperature", "power", "time", "capacity", "energy", *SINCE}
)  # measured row by row
SHORTS: Final = frozenset({"short", "short.soft"})


@dataclass(frozen=True, slots=True)
class Base:
    """Counters where charge is counted from, Ah, and the C that may have passed since while nobody was reading."""

    charging_ah: float
    discharging_ah: float
    unseen: float = 0.0


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison with its number: `value` in the unit of the column (degC of a temperature).

    Attributes:
        term: Where it comes from.
        value: What is compared with.
        window: Index of the window of its slope, -1 for none.
        dwell: Index of the time for which it has been true, -1 where one row is enough.
        base: Where charge is counted from; None where that has not been, and the test is false.
        previous: True only where the row before met it too: the instrument locates this end, the engine only sees to it
            that it does.
    """

    __test__ = False  # not a test case of pytest's

    term: Term
    value: float
    window: int = -1
    previous: bool = False
    base: Base | None = None
    dwell: int = -1

    @property
    def above(self) -> bool:
        """Tell whether it is met by going up."""
        return self.term.comparison in {">", ">="}


Alternatives: TypeAlias = tuple[tuple[Test, ...], ...]


@dataclass(frozen=True, slots=True)
class CountingScope:
    """Whose time and capacity is meant: the step's own, or a block's with `behind` seconds of finished steps."""

    behind: float
    charging_ah: float
    discharging_ah: float
    unseen: float = 0.0  # C that may have passed in it while nobody was reading
    charging_wh: float = 0.0
    discharging_wh: float = 0.0


@dataclass(frozen=True, slots=True)
class RowView:
    """Good rows as what conditions ask for.

    Attributes:
        step_time: Step time of each row, s.
        before: The row before the first, of the same step; None at its first.
        slopes: Of each window, a value a row, NaN where it is not known.
        shorts: By name, a flag a row.
        energy: Charging and discharging energy of the run, Wh; None where no condition asks for it.
        dwelt: Of each comparison that must last, a flag a row: it has.
    """

    time: Floats
    step_time: Floats
    voltage: Floats
    current: Floats
    charging_ah: Floats
    discharging_ah: Floats
    temperature: Floats | None
    before: "RowView | None" = None
    slopes: tuple[Floats, ...] = ()
    shorts: Mapping[str, Truth] = field(default_factory=dict)
    energy: tuple[Floats, Floats] | None = None
    dwelt: tuple[Truth, ...] = ()

    def column(self, quantity: str, scope: CountingScope) -> Floats | None:
        """Return a measured quantity: V, A and W signed, degC, s, C."""
        match quantity:
            case "voltage":
                return self.voltage
            case "current":
                return self.current
            case "time":
                return self.step_time + scope.behind if scope.behind else self.step_time
            case "capacity":
                net = (self.charging_ah - scope.charging_ah) - (self.discharging_ah - scope.discharging_ah)
                return np.abs(net) * 3600.0 + scope.unseen
            case "power":
                return self.voltage * self.current
            case "energy":
                if self.energy is None:
                    return None
                charging, discharging = self.energy
                return np.abs((charging - scope.charging_wh) - (discharging - scope.discharging_wh)) * 3600.0
        return self.temperature


def resolved(
    condition: Condition,
    passes: Mapping[int, int],
    ocv: float | None,
    window_of: Callable[[Term], int] | None = None,
    dwell_of: Callable[[Term], int] | None = None,
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
                dwell=dwell_of(term) if term.dwell and dwell_of is not None else -1,
            )
            for term in terms
        )
        for terms in condition.any_of
    )


def measured(test: Test, view: RowView, scope: CountingScope) -> Floats | None:
    """Return what a test compares, row by row; None where it is not measured."""
    term = test.term
    if term.quantity in SINCE:
        counted: Floats | None = since(test, view.charging_ah, view.discharging_ah)
        return counted
    if term.slope:
        values: Floats | None = _slope(test, view, scope)
    else:
        values = view.column(term.quantity, scope)
    if values is None:
        return None
    magnitude = term.absolute or (not term.slope and term.quantity in {"current", "power"})
    return np.abs(values) if magnitude else values


def _slope(test: Test, view: RowView, scope: CountingScope) -> Floats | None:
    """Return the slope at each row, per second; of a "change" times its window, of a "share" over the row's own value too."""
    term = test.term
    if test.window < 0:
        return None
    slope = view.slopes[test.window]
    if not term.figure:
        return slope
    if term.figure == "change":
        return slope * term.over
    own = view.column(term.quantity, scope)
    if own is None:
        return None
    magnitude = np.abs(own)
    return np.where(magnitude > 0.0, slope * term.over / np.where(magnitude > 0.0, magnitude, 1.0), np.nan)


def since(test: Test, charging_ah: Any, discharging_ah: Any) -> Any:
    """Return the charge since the base of a test, C, at counters; None without a base.

    What may have passed unseen counts towards the end: more charged and discharged, a net charge nearer to its value.
    """
    base = test.base
    if base is None:
        return None
    plus, minus = (charging_ah - base.charging_ah) * 3600.0, (discharging_ah - base.discharging_ah) * 3600.0
    match test.term.quantity:
        case "charged":
            return plus + base.unseen
        case "discharged":
            return minus + base.unseen
    return plus - minus + (base.unseen if test.above else -base.unseen)


def truth(test: Test, view: RowView, scope: CountingScope) -> Truth | bool:
    """Return a flag a row, or one for all; of measured quantities and shorts."""
    if test.term.quantity in SHORTS:
        return view.shorts.get(test.term.quantity, False)
    if test.dwell >= 0:
        return view.dwelt[test.dwell] if view.dwelt else False
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


def truth_at(test: Test, view: RowView, scope: CountingScope) -> bool:
    """Return whether the only row of a view meets a test, apart from the row before it."""
    values = measured(test, view, scope)
    return values is not None and bool(COMPARE[test.term.comparison](values, test.value)[0])
