"""What steps take, added up in the order in which they are done, and what charge their ends from a named point leave them."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from labctl.plan.charge_level import ChargeLevel
from labctl.plan.holding import SINCE
from labctl.plan.index import walk
from labctl.plan.number import as_filed
from labctl.plan.program import at_pass
from labctl.plan.step import Block, ByPass, End, Line, Term, VersusOcv

INFINITE: Final = math.inf
UNKNOWN_LEVEL: Final = ChargeLevel()
ROUNDING: Final = 1e-9
SIGNS: Final = {"charge": 1.0, "strip": 1.0, "discharge": -1.0, "plate": -1.0}


@dataclass(frozen=True, slots=True)
class CountAhead:
    """What is likely to lie before an end by charge since a point, as its step begins first.

    Attributes:
        term: The comparison.
        counted: The charge in C that is counted there.
        left: The charge in C to the end, negative where the count is beyond it.
        room: The charge in C until the step comes to its voltage, infinite without one.
    """

    term: Term
    counted: float
    left: float
    room: float


@dataclass(frozen=True, slots=True)
class Amount:
    """What something takes: likely and longest time in s, charge in C whatever its direction and net, rows."""

    likely: float = 0.0
    longest: float = 0.0
    charge: float = 0.0
    rows: float = 0.0
    net: float = 0.0

    def __add__(self, other: "Amount") -> "Amount":
        """Return both one after the other."""
        return Amount(
            self.likely + other.likely,
            self.longest + other.longest,
            self.charge + other.charge,
            self.rows + other.rows,
            self.net + other.net,
        )

    def times(self, number: float, longest: float | None = None) -> "Amount":
        """Return it done a number of times, at most `longest` times; never is nothing, even of what has no end."""
        most = number if longest is None else longest
        return Amount(
            self.likely * number,
            self.longest * most if most else 0.0,
            self.charge * number,
            self.rows * number,
            self.net * number,
        )

    def within(self, seconds: float) -> "Amount":
        """Return what of it is done in a budget of time."""
        share = min(1.0, seconds / self.likely) if self.likely else 1.0
        return replace(self.times(share), likely=min(self.likely, seconds), longest=min(self.longest, seconds))

    def counted(self, quantity: str) -> float:
        """Return its charge in C as `charged`, `discharged` or `net` count it; else whatever its direction."""
        match quantity:
            case "charged":
                return (self.charge + self.net) / 2.0
            case "discharged":
                return (self.charge - self.net) / 2.0
            case "net":
                return self.net
        return self.charge


def alone(ends: Iterable[End]) -> list[Term]:
    """Return the comparisons that end something by themselves."""
    return [terms[0] for end in ends for terms in end.condition.any_of if len(terms) == 1]


def _of_whole_step(block: Block) -> list[Term]:
    """Return the ends by charge of a block that is one step of several lines."""
    return [term for term in alone(block.ends) if term.quantity in {"capacity", *SINCE}] if block.fused else []


def charge_tables(block: Block) -> tuple[ByPass, ...]:
    """Return the charges that differ between passes at which a block ends that is one step of several lines."""
    filed = (as_filed(term.value) for term in _of_whole_step(block) if not isinstance(term.value, VersusOcv))
    return tuple(value for value in filed if isinstance(value, ByPass))


@dataclass(frozen=True, slots=True)
class _CountBegin:
    """What was passed when a point came since which charge is counted, and the blocks in each of whose passes it comes anew."""

    passed: Amount
    blocks: frozenset[int]


class Passed:
    """What is likely to have passed on the way through a plan, the voltage there, and the points since which charge is counted."""

    def __init__(self, level: ChargeLevel = UNKNOWN_LEVEL) -> None:
        """Stand at the begin of a plan, with a cell of which so much is known."""
        self.total = Amount()
        self.voltage: float | None = None
        self.level = level
        self.ahead: dict[int, CountAhead] = {}
        self._points: dict[str, _CountBegin] = {}

    def enter(self, path: tuple[Block, ...]) -> None:
        """Come to a block, the last of a path."""
        block = path[-1]
        around = frozenset(one.id for one in path[:-1])
        self._points[f"block {block.id}"] = _CountBegin(self.total, around)
        if block.cycle is not None:
            self._points["cycle"] = _CountBegin(self.total, around | {block.id})

    def mark(self, name: str, path: tuple[Block, ...]) -> None:
        """Come to a mark inside the blocks of a path."""
        self._points[name] = _CountBegin(self.total, frozenset(block.id for block in path))

    def lead(self, line: Line, one: Amount, around: Block, nominal: float | None) -> None:
        """Come to the voltage to which a line leads that has taken `one`; to none that is known where charge or time ended it."""
        room = self.room(line, around, nominal)
        target = _voltage_after(line, room < INFINITE and one.charge >= room * (1.0 - ROUNDING))
        self._to_level(line, one, around, nominal)
        if line.energises and line.mode != "Spectrum":
            self.voltage = target

    def _to_level(self, line: Line, one: Amount, around: Block, nominal: float | None) -> None:
        """Come to where between its ends the cell stands after a line: nowhere that is known behind a sweep or a hold elsewhere."""
        sign = _sign(line, around)
        if not line.energises or line.mode == "Spectrum":
            return
        if line.mode == "Profile":
            self.level = self.level.moved(one.net, nominal)
        elif line.mode == "Potentiostatic" and sign:
            self.level = self.level.moved(sign * one.charge, nominal)
        elif line.mode in {"Sweep", "Potentiostatic"}:
            self.level = UNKNOWN_LEVEL
        elif sign and ends_by_voltage(line) and one.charge >= self.level.room(sign, nominal) * (1.0 - ROUNDING):
            self.level = self.level.ended(sign, nominal)
        else:
            self.level = self.level.moved(one.net, nominal)

    def drift(self, before: ChargeLevel, net: float, times: int, nominal: float | None) -> None:
        """Come to where a cell stands after more passes that go on as the last has gone from `before`, with a `net` charge each."""
        if times > 0 and net and self.level.differs(before, net):
            self.level = self.level.moved(times * net, nominal)

    def room(self, line: Line, around: Block, nominal: float | None) -> float:
        """Return what is likely to pass until a line comes to its voltage, C; infinite for one without such an end."""
        sign = _sign(line, around)
        return self.level.room(sign, nominal) if sign and ends_by_voltage(line) else INFINITE

    def stepped(self, line: Line, passes: Mapping[int, int], path: tuple[Block, ...]) -> float:
        """Return by how much a hold moves the voltage of the cell in a pass, V; 0 where that is not known."""
        voltage = line.settings.get("voltage")
        before = self.voltage
        if isinstance(voltage, ByPass):
            at = place(voltage, passes)
            moving = [one for _, one in walk(path[-1]) if one.energises and one.mode != "Spectrum"]
            before = voltage.values[at - 1] if at and len(moving) == 1 else before
            voltage = voltage.values[at]
        return abs(voltage - before) if isinstance(voltage, float) and before is not None else 0.0

    def left(self, line: Line, passes: Mapping[int, int], path: tuple[Block, ...]) -> float:
        """Return the charge in C that the ends by charge from a named point leave to a line in a pass; infinite without one."""
        sign = _sign(line, path[-1])
        own = [term for term in alone(line.ends) if term.quantity in SINCE]
        ends = (*own, *_of_whole_step(path[-1])) if sign else ()
        left = [self._left(term, f"block {path[-1].id}", sign, passes) for term in ends]
        return min(left, default=INFINITE)

    def look_ahead(self, line: Line, passes: Mapping[int, int], room: float) -> None:
        """Keep what lies before an end by charge since a point as its step begins first, where the step drives to it."""
        term = next((term for term in alone(line.ends) if term.quantity in SINCE), None)
        point = self._points.get(term.since) if term is not None else None
        if term is None or point is None or line.id in self.ahead or isinstance(term.value, VersusOcv):
            return
        direction = 1.0 if term.comparison in {">", ">="} else -1.0
        if _rate(term, SIGNS.get(line.verb, 0.0)) * direction <= 0.0:
            return
        value = as_filed(term.value)
        value = float(at_pass(value, passes)) if isinstance(value, ByPass) else value
        counted = self.total.counted(term.quantity) - point.passed.counted(term.quantity)
        self.ahead[line.id] = CountAhead(term, counted, (value - counted) * direction, room)

    def _left(self, term: Term, block: str, sign: float, passes: Mapping[int, int]) -> float:
        point = self._points.get(block if term.quantity == "capacity" else term.since)
        if point is None or isinstance(term.value, VersusOcv):
            return INFINITE
        value = as_filed(term.value)
        begin = self.total.counted(term.quantity) - point.passed.counted(term.quantity)
        if isinstance(value, ByPass):
            before = self._end_before(value, term, point, passes)
            begin = begin if before is None else before
            value = float(at_pass(value, passes))
        return _gap(term, value - begin, _rate(term, sign))

    def _end_before(self, value: ByPass, term: Term, point: _CountBegin, passes: Mapping[int, int]) -> float | None:
        """Return where a step begins whose end was another in the pass before: there and what came since; None of the first."""
        looped = [size for block, size in zip(value.blocks, value.shape, strict=True) if block not in point.blocks]
        at = place(value, passes)
        if at % math.prod(looped) == 0:
            return None
        begun = self._points[f"block {value.blocks[-1]}"].passed
        return value.values[at - 1] + self.total.counted(term.quantity) - begun.counted(term.quantity)

    def passes_until(self, block: Block, term: Term, begun: Amount, one: Amount) -> float:
        """Return after how many passes of a block, each of which takes `one`, charge since its begin or a point outside ends it."""
        value = INFINITE if isinstance(term.value, VersusOcv) else as_filed(term.value)
        if isinstance(value, ByPass):
            return INFINITE
        if term.quantity == "capacity":  # of a block: what passed in net, whatever its direction
            above = term.comparison in {">", ">="}
            return max(math.ceil(value / abs(one.net) - ROUNDING), 1) if one.net and above else INFINITE
        point, each = self._points.get(term.since), one.counted(term.quantity)
        if point is None or block.id in point.blocks or value == INFINITE or not each:
            return INFINITE
        ahead = value - (begun.counted(term.quantity) - point.passed.counted(term.quantity))
        gap = _gap(term, ahead, each)
        return max(math.ceil(gap / abs(each) - ROUNDING), 1) if gap < INFINITE else INFINITE


def ends_by_voltage(line: Line) -> bool:
    """Tell whether a voltage alone ends a line."""
    return any(term.quantity == "voltage" and not term.slope for term in alone(line.ends))


def place(value: ByPass, passes: Mapping[int, int]) -> int:
    """Return where the number of a pass stands in its table."""
    at = 0
    for block, size in zip(value.blocks, value.shape, strict=True):
        at = at * size + passes[block]
    return at


def _voltage_after(line: Line, full: bool) -> float | None:
    """Return the voltage in V at which a line ends in its last pass where that is known; of a drive, after the `full` capacity."""
    ends = [term.value for term in alone(line.ends) if term.quantity == "voltage" and not term.slope]
    driven = ends[0] if ends and full else None
    value = {"Potentiostatic": line.settings.get("voltage"), "Sweep": line.settings.get("end")}.get(line.mode, driven)
    value = value.values[-1] if isinstance(value, ByPass) and value.values else value
    return value if isinstance(value, float) else None


def _sign(line: Line, around: Block) -> float:
    """Return the direction of a line; of the hold that ends a charge or discharge, that of its drive."""
    verbs: Iterator[str] = (
        (child.verb for child in around.children if isinstance(child, Line)) if around.fused else iter(())
    )
    return SIGNS.get(line.verb) or SIGNS.get(next(verbs, ""), 0.0)


def _rate(term: Term, sign: float) -> float:
    """Return how a compared charge changes with what a step passes."""
    match term.quantity:
        case "net":
            return sign
        case "discharged":
            return max(-sign, 0.0)
        case "charged":
            return max(sign, 0.0)
    return 1.0


def _gap(term: Term, ahead: float, rate: float) -> float:
    """Return the charge in C to an end that lies `ahead` of where a step begins: none if it is behind, infinite the other way."""
    direction = 1.0 if term.comparison in {">", ">="} else -1.0
    if ahead * direction <= 0.0:
        return 0.0
    return abs(ahead) if rate * direction > 0.0 else INFINITE
