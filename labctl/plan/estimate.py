"""How long a plan will take, what it will pass and how many rows it will leave: rules of thumb where only a cell knows.

Exact are times, capacities, sweeps and profiles. What a cell decides is guessed, and said to be: a step that ends at a voltage
passes the nominal capacity, and so does a block that a voltage stops; a hold after a charge decays exponentially with a
tenth of the nominal capacity in its tail; a spectrum takes three periods of each frequency. `longest` is what the ends that
are sure to come allow.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from labctl.driver import (
    Bend,
    Chamber,
    ConstantLoad,
    ConstantPower,
    Galvanostatic,
    Mode,
    Potentiostatic,
    Profile,
    RecordRule,
    Spectrum,
    Sweep,
)
from labctl.finding import Finding
from labctl.plan.holding import SINCE
from labctl.plan.index import walk
from labctl.plan.number import as_filed
from labctl.plan.program import at_pass, combinations, mode_for, numbers
from labctl.plan.step import Block, ByPass, End, Line, Plan, Term, VersusOcv
from labctl.plan.vain_ends import mark_of, warning
from labctl.plan.warning import net_charge, warnings
from labctl.quantity.units import display

TAIL: Final = 0.1  # of the nominal capacity passes in the held part of CC-CV
PERIODS: Final = 3.0  # of each frequency of a spectrum
LEAST_POINT: Final = 0.3  # s of a point of a spectrum
BENDING: Final = 10.0  # s of one bend
HEATING: Final = 1800.0  # s until a chamber is there
INFINITE: Final = math.inf
ROUNDING: Final = 1e-9
SIGNS: Final = {"charge": 1.0, "strip": 1.0, "discharge": -1.0, "plate": -1.0}


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


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan takes.

    Attributes:
        duration: Likely and longest, s; the longest is infinite where a person may be waited for without end.
        charge: C, both directions together.
        rows: Of samples.
        warnings: What is likely to be a mistake, none of it an error.
        lines: Each line's average, and how often it is likely to be done, by id.
    """

    duration: tuple[float, float]
    charge: float
    rows: int
    warnings: tuple[Finding, ...]
    lines: Mapping[int, tuple[Amount, int]] = field(default_factory=dict)

    def finish(self, now: float) -> tuple[float, float]:
        """Return likely and longest end as Unix time for a begin at `now`."""
        return now + self.duration[0], now + self.duration[1]


def estimate(plan: Plan) -> Estimate:
    """Return what a plan takes, with its warnings."""
    lines: dict[int, tuple[Amount, float]] = {}
    total = _of_block(plan, (), plan.root, lines, 0.0)
    return Estimate(
        duration=(total.likely, total.longest),
        charge=total.charge,
        rows=round(total.rows),
        warnings=(*warnings(plan), *_late(plan, lines)),
        lines={line: (amount, round(often)) for line, (amount, often) in lines.items()},
    )


def _late(plan: Plan, lines: "Mapping[int, tuple[Amount, float]]") -> Iterator[Finding]:
    """Warn of a block whose passes are likely to take longer than the time from the begin of one to that of the next."""
    for path, line in walk(plan.root):
        every = path[-1].every
        if (
            "every" in line.options
            and path[-1].passes > 1
            and isinstance(every, float)
            and not lines[line.id][0].likely
        ):
            found = (
                f"wanted passes that take less than {display(every, 'duration')}, found longer ones: each begins late"
            )
            yield warning("plan.late", found, mark_of(line), "every is from the begin of a pass to that of the next")


def _of_block(
    plan: Plan, around: tuple[Block, ...], block: Block, lines: dict[int, tuple[Amount, float]], since: float
) -> Amount:
    """Return what one doing of a block takes, all its passes.

    Args:
        plan: Whose block it is.
        around: The blocks around it, the innermost last.
        block: To be estimated.
        lines: Takes what each line takes.
        since: When it is likely to begin first, s of run time.
    """
    total = Amount()
    inner: dict[int, tuple[Amount, float]] = {}
    path = (*around, block)
    for child in block.children:
        if isinstance(child, Block):
            asked: dict[int, tuple[Amount, float]] = {}
            one = _of_block(plan, path, child, asked, since + total.likely)
            share = share_of_passes(child, path)
            total += one if share == 1.0 else one.times(share)
            inner |= {line: (amount, often * share) for line, (amount, often) in asked.items()}
        else:
            amount = _paced(plan, child, total, since) if child.paced else _of_line(plan, child)
            inner[child.id] = (amount, 1)
            total += amount
    passes = _likely_passes(plan, block, total)
    lines |= {line: (amount, passes * often) for line, (amount, often) in inner.items()}
    total = total.times(passes, block.passes)
    budgets = [_average(time) for end in block.ends if (time := _time_of(end)) is not None]
    return total.within(min(budgets)) if budgets else total


def _paced(plan: Plan, line: Line, before: Amount, since: float) -> Amount:
    """Return what a rest until the next pass takes after what the pass took before, or one until a date."""
    one = _of_line(plan, line)
    if "until" in line.options:
        return one.within(max(one.likely - since - before.likely, 0.0))
    every = _average(as_filed(line.options["every"]))  # type: ignore[arg-type]
    return one.within(max(every - before.likely, 0.0))


def _likely_passes(plan: Plan, block: Block, one: Amount) -> int:
    """Return how many passes are likely: a block that a voltage stops has passed the nominal capacity by then."""
    nominal = plan.cell.nominal
    ends = [end for end in block.ends if end.kind in {"stop_if", "until"}]
    stops = any(term.quantity in {"voltage", *SINCE} and not term.slope for term in _alone(ends))
    if not (stops and nominal and one.net):
        return block.passes
    return min(block.passes, math.ceil(nominal / abs(one.net) - ROUNDING))


def share_of_passes(block: Block, path: tuple[Block, ...]) -> float:
    """Return in what share of the passes around it a block is done, where the number of completed cycles decides that.

    Args:
        block: With `if: every 10 cycles` or `cycle in [5, 10]`; 1 of any other condition.
        path: The blocks around it, the innermost last.
    """
    condition = block.condition
    if condition is None or any(len(terms) != 1 for terms in condition.any_of):
        return 1.0
    terms = [terms[0] for terms in condition.any_of]
    if any(term.quantity != "every" and not (term.quantity == "cycle" and term.members) for term in terms):
        return 1.0
    at = max((number for number, one in enumerate(path) if one.passes > 1), default=0)
    repeated, inner = path[at], (*path[at + 1 :], block)
    in_a_pass = 1 if repeated.cycle is not None else cycles_in(repeated.children)
    before = 0
    for around, child in zip(path[at:], inner, strict=True):
        before += cycles_in(around.children[: around.children.index(child)])
    counts = [in_a_pass * number + before for number in range(repeated.passes)]
    return sum(any(_is_due(term, count) for term in terms) for count in counts) / max(repeated.passes, 1)


def cycles_in(children: Iterable[Block | Line]) -> int:
    """Return how many cycles, checks not counted, are done in lines and blocks that nothing is asked of."""
    done = 0
    for child in children:
        if isinstance(child, Block) and child.condition is None:
            one = 0 if child.cycle == "check" else 1 if child.cycle is not None else cycles_in(child.children)
            done += child.passes * one
    return done


def _is_due(term: Term, count: int) -> bool:
    if term.members:
        return count in term.members
    return count > 0 and count % max(round(float(term.value)), 1) == 0  # type: ignore[arg-type]


def _time_of(end: End) -> "float | ByPass | None":
    """Return the time after which an end is sure to have come, if it names one alone."""
    for terms in end.condition.any_of:
        if len(terms) == 1 and terms[0].quantity == "time" and not isinstance(terms[0].value, VersusOcv):
            return as_filed(terms[0].value)
    return None


def _average(number: float | ByPass) -> float:
    if not isinstance(number, ByPass):
        return number
    return math.fsum(number.values) / len(number.values) if number.values else 0.0


def _of_line(plan: Plan, line: Line) -> Amount:
    """Return what a line takes on the average of its passes."""
    amounts = [_of_pass(plan, line, passes) for passes in combinations(numbers(line))]
    total = sum(amounts, Amount())
    return total.times(1.0 / len(amounts)) if amounts else Amount()


def _of_pass(plan: Plan, line: Line, passes: Mapping[int, int]) -> Amount:
    """Return what a line takes in a pass."""
    match line.verb:
        case "mark" | "nominal":
            return Amount()
        case "prompt":
            waits = line.options.get("for")
            return Amount(longest=float(waits) if isinstance(waits, float) else INFINITE)
    voltage = _middle(line)
    mode = mode_for(line, passes, voltage)
    ends = _EstimatedEnds(line, passes)
    likely, longest, charge = _drawn(plan, line, mode, ends)
    likely, longest = min(likely, ends.time, longest), min(longest, ends.time)
    if likely == INFINITE:
        likely = 0.0
    passed = charge(likely)
    net = net_charge(line) if isinstance(mode, Profile) else SIGNS.get(line.verb, 0.0) * passed
    return Amount(likely, longest, passed, _rows(plan, line, mode, likely, passed), net)


def _middle(line: Line) -> float:
    low, high = line.bounds.voltage or (0.0, 0.0)
    return (low + high) / 2


class _EstimatedEnds:
    """What the ends of a line allow in a pass: time in s and charge in C that are sure, and whether a voltage may end it."""

    def __init__(self, line: Line, passes: Mapping[int, int]) -> None:
        self.time = self.charge = INFINITE
        self.current: float | None = None
        self.voltage = False
        for term in _alone(line.ends):
            value = as_filed(term.value.offset if isinstance(term.value, VersusOcv) else term.value)
            number = float(at_pass(value, passes)) if isinstance(value, ByPass) else value
            above = term.comparison in {">", ">="}
            match term.quantity:
                case "time" if above:
                    self.time = min(self.time, number)
                case "capacity" if above:
                    self.charge = min(self.charge, number)
                case "voltage" if not term.slope:
                    self.voltage = True
                case "current" if not above and not term.slope:
                    self.current = number


def _alone(ends: Iterable[End]) -> list[Term]:
    return [terms[0] for end in ends for terms in end.condition.any_of if len(terms) == 1]


class _Passing:
    """Charge that passes in a time."""

    def __init__(self, current: float = 0.0, most: float = INFINITE) -> None:
        self.current, self.most = current, most

    def __call__(self, seconds: float) -> float:
        return min(self.current * seconds, self.most) if seconds else 0.0


def _drawn(plan: Plan, line: Line, mode: Mode, ends: _EstimatedEnds) -> tuple[float, float, _Passing]:
    """Return likely and longest time that a mode takes by itself, s, and what passes."""
    match mode:
        case Galvanostatic(current):
            return _driven(plan, line, abs(current), ends)
        case ConstantPower(power):
            middle = abs(_middle(line))
            return _driven(plan, line, abs(power) / middle if middle else 0.0, ends)
        case ConstantLoad(resistance):
            return _driven(plan, line, abs(_middle(line)) / resistance if resistance else 0.0, ends)
        case Potentiostatic(_, most):
            return _held(plan, line, most, ends)
        case Sweep(start, end, rate):
            time = abs(end - start) / rate if rate else INFINITE
            return time, time, _Passing((plan.cell.nominal or 0.0) / time if time else 0.0)
        case Profile():
            time = mode.times[-1] - mode.times[0]
            return time, time, _Passing(_moved(mode, abs(_middle(line))) / time if time else 0.0)
    time = _by_itself(mode)
    waits = line.options.get("for")
    longest = float(waits) if isinstance(waits, float) else time
    return min(time, longest), longest, _Passing()


def _by_itself(mode: Mode) -> float:
    match mode:
        case Spectrum(frequencies):
            return math.fsum(max(PERIODS / frequency, LEAST_POINT) for frequency in frequencies)
        case Bend(times=times):
            return BENDING * times
        case Chamber(soak=soak):
            return HEATING + soak
    return INFINITE


def _driven(plan: Plan, line: Line, current: float, ends: _EstimatedEnds) -> tuple[float, float, _Passing]:
    if not current:
        return INFINITE, INFINITE, _Passing()
    most = min(ends.charge, INFINITE if line.bounds.charge is None else line.bounds.charge)
    nominal = plan.cell.nominal
    likely = min(most, nominal) if ends.voltage and nominal else most
    return likely / current, most / current, _Passing(current)


def _held(plan: Plan, line: Line, most: float | None, ends: _EstimatedEnds) -> tuple[float, float, _Passing]:
    """Return a hold: its current decays exponentially from `most` with a tenth of the nominal capacity in its tail."""
    nominal, limit, last = plan.cell.nominal, line.bounds.charge, ends.current
    longest = limit / last if limit is not None and last else INFINITE
    if not nominal or not most:
        return INFINITE, longest, _Passing()
    decay = TAIL * nominal / most
    likely = decay * max(math.log(most / last), 0.0) if last else INFINITE
    passed = TAIL * nominal
    return likely, longest, _Passing(most, passed)


def _moved(mode: Profile, voltage: float) -> float:
    """Return the charge that a profile moves, C, whatever its direction."""
    spans = (later - earlier for earlier, later in itertools.pairwise(mode.times))
    moved = math.fsum(abs(value) * span for value, span in zip(mode.values, spans, strict=False))
    if mode.quantity == "voltage":
        return 0.0
    return moved if mode.quantity == "current" else moved / voltage if voltage else 0.0


# --- rows -------------------------------------------------------------------------------------------------------------


def _rows(plan: Plan, line: Line, mode: Mode, seconds: float, charge: float) -> float:
    """Return how many rows a step leaves: by time, by the voltage that it is likely to cross, and its first and last."""
    if isinstance(mode, Spectrum):
        return float(len(mode.frequencies))
    if isinstance(mode, Sweep):
        crossed = abs(mode.end - mode.start)
    else:
        low, high = line.bounds.voltage or (0.0, 0.0)
        nominal = plan.cell.nominal
        crossed = (high - low) * min(1.0, charge / nominal) if nominal else 0.0
    return 2.0 + _by_rules(line.record, seconds, crossed)


def _by_rules(rules: Iterable[RecordRule], seconds: float, crossed: float) -> float:
    rows, at = 0.0, 0.0
    for rule in rules:
        end = seconds if rule.until is None else min(rule.until, seconds)
        span = max(end - at, 0.0)
        rows += span / rule.every if rule.every else 0.0
        rows += crossed * span / seconds / rule.voltage if rule.voltage and seconds else 0.0
        at = end
    return rows
