"""How long a plan will take, what it will pass and how many rows it will leave: rules of thumb where only a cell knows.

Exact are times, capacities, sweeps and profiles. What a cell decides is guessed, and said to be: a step that ends at a voltage
passes the nominal capacity, or what has passed in the other direction since one ended at a voltage there; a block that a voltage
stops passes the nominal capacity; charge since a mark is counted on the way, from what
the steps before are likely to have passed; a hold after a charge decays exponentially with a tenth of the nominal capacity in
its tail, one that moves the voltage with the same part of it as of the voltage window; a spectrum takes three periods of each
frequency. `longest` is what the ends that are sure to come allow.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from labctl.driver import (
    OPEN,
    Bend,
    Chamber,
    ConstantLoad,
    ConstantPower,
    Galvanostatic,
    Mode,
    Potentiostatic,
    Profile,
    Spectrum,
    Sweep,
)
from labctl.finding import Finding
from labctl.plan.amount import INFINITE, ROUNDING, SIGNS, UNKNOWN_LEVEL, Amount, Passed, alone, charge_tables
from labctl.plan.charge_level import ChargeLevel
from labctl.plan.estimated_rows import rows_of
from labctl.plan.holding import SINCE
from labctl.plan.index import walk
from labctl.plan.lint.curve_rows import rows_of_curves
from labctl.plan.lint.ends import HAIR, mark_of, warning
from labctl.plan.lint.likely_times import cut_short, too_long
from labctl.plan.lint.rare_rows import rare_rows_likely
from labctl.plan.lint.since_marks import vain_marks
from labctl.plan.lint.warning import net_charge, warnings
from labctl.plan.number import as_filed
from labctl.plan.program import at_pass, combinations, limited, mode_for, numbers
from labctl.plan.shares import share_of_passes
from labctl.plan.step import Block, ByPass, End, Line, Plan, VersusOcv
from labctl.plan.time_left import TimeLeft, share_left
from labctl.quantity.units import display

HALF: Final = 0.5  # of the passes around it in which a block must be done for what follows it to begin where it ends
TAIL: Final = 0.1  # of the nominal capacity passes in the held part of CC-CV
HOUR: Final = 3600.0  # s, in which 1C passes the nominal capacity
PERIODS: Final = 3.0  # of each frequency of a spectrum
LEAST_POINT: Final = 0.3  # s of a point of a spectrum
BENDING: Final = 10.0  # s of one bend
HEATING: Final = 1800.0  # s until a chamber is there


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan takes.

    Attributes:
        duration: Likely and longest, s; the longest is infinite where a person may be waited for without end. Of a plan that goes
            on with an earlier run it is what is left, as are charge and rows.
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

    def time_left(self, plan: Plan) -> TimeLeft | None:
        """Return what is left of the plan from any of its steps on; None of one that takes no time."""
        return TimeLeft(plan, self.duration[0], self.lines) if self.duration[0] else None

    def finish(self, now: float) -> tuple[float, float]:
        """Return likely and longest end as Unix time for a begin at `now`."""
        return now + self.duration[0], now + self.duration[1]


def estimate(plan: Plan, warned: Iterable[Finding] | None = None) -> Estimate:
    """Return what a plan takes, with its warnings; `warned` are those of its compilation, where they are known already."""
    lines: dict[int, tuple[Amount, float]] = {}
    bare = ChargeLevel(below_top=0.0) if plan.cell.kind == "asymmetric" else UNKNOWN_LEVEL
    passed = Passed(bare)
    total = _of_block(plan, (), plan.root, lines, passed)
    left = _left(plan, lines)
    return Estimate(
        duration=(left * total.likely, left * total.longest if total.longest < math.inf else math.inf),
        charge=left * total.charge,
        rows=round(left * total.rows),
        warnings=(
            *(warnings(plan) if warned is None else warned),
            *_late(plan, lines),
            *cut_short(plan, lines),
            *too_long(plan, lines, total.likely),
            *rare_rows_likely(plan, lines),
            *rows_of_curves(plan, lines),
            *vain_marks(plan, passed.ahead),
        ),
        lines={line: (amount, round(often)) for line, (amount, often) in lines.items()},
    )


def _left(plan: Plan, lines: "Mapping[int, tuple[Amount, float]]") -> float:
    """Return which share of its likely time a plan still takes that goes on with an earlier run."""
    begin, passes = plan.carried.start, dict(plan.carried.passes)
    takes = {line: amount.likely * often for line, (amount, often) in lines.items()}
    left = sum(share_left(plan, begin, passes, line) * seconds for line, seconds in takes.items())
    whole = sum(takes.values())
    return left / whole if begin and whole else 1.0


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
            pass_takes = sum(lines[one.id][0].likely for _, one in walk(path[-1]))
            takes = display(pass_takes, "duration")
            found = f"wanted passes that take less than every: {display(every, 'duration')}, found {takes}: each begins late"
            hint = f"write more than every: {takes}, or leave it out: it counts from the begin of a pass, and a rest makes a pause"
            yield warning("plan.late", found, mark_of(line), hint)


def _of_block(
    plan: Plan, around: tuple[Block, ...], block: Block, lines: dict[int, tuple[Amount, float]], passed: Passed
) -> Amount:
    """Return what one doing of a block takes, all its passes.

    Args:
        plan: Whose block it is.
        around: The blocks around it, the innermost last.
        block: To be estimated.
        lines: Takes what each line takes.
        passed: What has passed when it is likely to begin first; takes what it passes.
    """
    path, begun = (*around, block), passed.total
    passed.enter(path)
    at_first, voltage = passed.level, passed.voltage
    first, inner = _of_children(plan, path, passed)
    one, later, once = first, inner, passed.level
    if block.passes > 1 and passed.level != at_first:  # the passes after the first begin where the one before has ended
        passed.total, passed.voltage = begun, voltage
        passed.enter(path)
        one, later = _of_children(plan, path, passed)
    budgets = [_average(time) for end in block.ends if (time := _time_of(end)) is not None]
    passes = _likely_passes(plan, block, begun, one, passed)
    passed.drift(once, one.net, passes - 2, plan.cell.nominal)
    total = first.times(min(passes, 1), 1) + one.times(max(passes - 1, 0), block.passes - 1)
    if budgets and one.likely:
        passes = min(passes, max(math.floor(min(budgets) / one.likely + ROUNDING), 1))
    for line, (amount, often) in inner.items():
        average = (amount + later[line][0].times(passes - 1)).times(1.0 / passes) if passes > 1 else amount
        lines[line] = (average, passes * often)
    last = block.children[-1] if block.children else None
    if passes and isinstance(last, Line) and "every" in last.options:  # nothing follows the last pass for which to wait
        wait, often = lines[last.id]
        lines[last.id] = (wait, often - 1)
        total += wait.times(-1.0)
    total = total.within(min(budgets)) if budgets else total
    passed.total = begun + total
    return total


def _of_children(plan: Plan, path: tuple[Block, ...], passed: Passed) -> tuple[Amount, dict[int, tuple[Amount, float]]]:
    """Return what one pass of the last block of a path takes, and what each of its lines does and how often."""
    one, begun = Amount(), passed.total
    lines: dict[int, tuple[Amount, float]] = {}
    for child in path[-1].children:
        if isinstance(child, Block):
            asked: dict[int, tuple[Amount, float]] = {}
            level = passed.level
            amount = _of_block(plan, path, child, asked, passed)
            share = share_of_passes(child, path)
            amount = amount if share == 1.0 else amount.times(share)
            passed.level = (
                level if share < HALF else passed.level
            )  # what is seldom done is not what the next step finds
            lines |= {line: (each, often * share) for line, (each, often) in asked.items()}
        else:
            amount = _of_line(plan, child, path, passed)
            amount = _paced(child, amount, one, passed) if child.paced else amount
            lines[child.id] = (amount, 1)
        one += amount
        passed.total = begun + one
    return one, lines


def _paced(line: Line, whole: Amount, before: Amount, passed: Passed) -> Amount:
    """Return what a rest until the next pass takes after what the pass took before, or one until a date."""
    if "until" in line.options:
        return whole.within(max(whole.likely - passed.total.likely, 0.0))
    every = _average(as_filed(line.options["every"]))  # type: ignore[arg-type]
    return whole.within(max(every - before.likely, 0.0))


def _likely_passes(plan: Plan, block: Block, begun: Amount, one: Amount, passed: Passed) -> int:
    """Return how many passes are likely before a charge stops a block, or a voltage by when the nominal capacity has passed."""
    nominal = plan.cell.nominal
    stops = alone(end for end in block.ends if end.kind in {"stop_if", "until", "capacity"})
    passes = [passed.passes_until(block, term, begun, one) for term in stops if term.quantity in {"capacity", *SINCE}]
    if nominal and one.net and any(term.quantity == "voltage" and not term.slope for term in stops):
        passes.append(math.ceil(nominal / abs(one.net) - ROUNDING))
    return int(min(block.passes, *passes)) if passes else block.passes


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


def _of_line(plan: Plan, line: Line, path: tuple[Block, ...], passed: Passed) -> Amount:
    """Return what a line takes on the average of its passes."""
    if line.verb == "mark":
        passed.mark(str(line.options.get("text", "")), path)
    each = list(combinations((*numbers(line), *charge_tables(path[-1]))))
    room = passed.room(line, path[-1], plan.cell.nominal)
    passed.look_ahead(line, each[0] if each else {}, room)
    amounts = [
        _of_pass(plan, line, passes, _Begin(passed.left(line, passes, path), passed.stepped(line, passes, path), room))
        for passes in each
    ]
    total = sum(amounts, Amount())
    average = total.times(1.0 / len(amounts)) if amounts else Amount()
    passed.lead(line, average, path[-1], plan.cell.nominal)
    return average


@dataclass(frozen=True, slots=True)
class _Begin:
    """What a line finds: charge that ends by charge leave it, C, by how much it moves the voltage, V, charge to its voltage, C."""

    left: float
    stepped: float
    room: float


def _of_pass(plan: Plan, line: Line, passes: Mapping[int, int], begin: _Begin) -> Amount:
    """Return what a line takes in a pass that begins so."""
    match line.verb:
        case "mark" | "nominal":
            return Amount()
        case "prompt":
            waits = line.options.get("for")
            return Amount(longest=float(waits) if isinstance(waits, float) else INFINITE)
    voltage = _middle(line)
    mode = mode_for(line, passes, voltage)
    ends = _EstimatedEnds(line, passes, begin)
    likely, longest, charge = _drawn(plan, line, mode, ends)
    likely, longest = min(likely, ends.time, longest), min(longest, ends.time)
    if likely == INFINITE:
        likely = 0.0
    passed = charge(likely)
    net = _net(line, mode, abs(voltage)) if isinstance(mode, Profile) else SIGNS.get(line.verb, 0.0) * passed
    return Amount(likely, longest, passed, rows_of(plan, line, mode, likely, passed), net)


def _middle(line: Line) -> float:
    low, high = line.bounds.voltage or (0.0, 0.0)
    return (low + high) / 2


class _EstimatedEnds:
    """What the ends of a line allow in a pass: time in s and charge in C that are sure, and C that are likely."""

    def __init__(self, line: Line, passes: Mapping[int, int], begin: _Begin) -> None:
        self.time = self.charge = INFINITE
        self.left, self.stepped, self.room = begin.left, begin.stepped, begin.room
        self.current: float | None = None
        for term in alone(line.ends):
            value = as_filed(term.value.offset if isinstance(term.value, VersusOcv) else term.value)
            number = float(at_pass(value, passes)) if isinstance(value, ByPass) else value
            above = term.comparison in {">", ">="}
            match term.quantity:
                case "time" if above:
                    self.time = min(self.time, number)
                case "capacity" if above:
                    self.charge = min(self.charge, number)
                case "current" if not above and not term.slope:
                    self.current = number


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
            return _driven(line, abs(current), ends)
        case ConstantPower(power):
            middle = abs(_middle(line))
            return _driven(line, abs(power) / middle if middle else 0.0, ends)
        case ConstantLoad(resistance):
            return _driven(line, abs(_middle(line)) / resistance if resistance else 0.0, ends)
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


def _driven(line: Line, current: float, ends: _EstimatedEnds) -> tuple[float, float, _Passing]:
    if not current:
        return INFINITE, INFINITE, _Passing()
    most = min(ends.charge, INFINITE if line.bounds.charge is None else line.bounds.charge)
    likely = min(most, ends.left, ends.room)
    return likely / current, most / current, _Passing(current)


def _held(plan: Plan, line: Line, most: float | None, ends: _EstimatedEnds) -> tuple[float, float, _Passing]:
    """Return a hold: its current decays exponentially, and what passes in it is a share of the nominal capacity.

    A hold where the drive before it ended begins with `most` and has a tenth in its tail. One that moves the voltage passes that
    part of the capacity that the move is of the voltage window, and takes it no faster than a cell does after 1C.
    """
    nominal, limit, last = plan.cell.nominal, line.bounds.charge, ends.current
    longest = limit / last if limit is not None and last else INFINITE
    if not nominal or not most:
        return INFINITE, longest, _Passing()
    share = _share_of_window(line, ends.stepped)
    passed = (share or TAIL) * nominal
    decay = max(passed / most, TAIL * HOUR if share else 0.0)
    likely = decay * max(math.log(passed / decay / last), 0.0) if last else INFINITE
    if ends.left < passed:
        likely, passed = min(likely, -decay * math.log1p(-ends.left / passed)), ends.left
    return likely, longest, _Passing(most, passed)


def _share_of_window(line: Line, stepped: float) -> float:
    """Return which part of the voltage window a hold moves the cell by, 0 where it does not move it."""
    low, high = line.bounds.voltage or (0.0, 0.0)
    return min(stepped / (high - low), 1.0) if stepped > HAIR and 0.0 < high - low < OPEN else 0.0


def _moved(mode: Profile, voltage: float) -> float:
    """Return the charge that a profile moves, C, whatever its direction."""
    spans = (later - earlier for earlier, later in itertools.pairwise(mode.times))
    moved = math.fsum(abs(value) * span for value, span in zip(mode.values, spans, strict=False))
    if mode.quantity == "voltage":
        return 0.0
    return moved if mode.quantity == "current" else moved / voltage if voltage else 0.0


def _net(line: Line, mode: Profile, voltage: float) -> float:
    """Return the net charge of a profile, C: of powers at a voltage in the middle, of voltages none that is known."""
    if mode.quantity != "power":
        return net_charge(line)
    values = limited(1.0, mode.values, str(line.options.get("only", "")))
    spans = (later - earlier for earlier, later in itertools.pairwise(mode.times))
    return math.fsum(value * span for value, span in zip(values, spans, strict=False)) / voltage if voltage else 0.0
