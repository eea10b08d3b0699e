"""What a channel can do to the end of a plan: every program is translated beforehand, and who watches what is known.

What the instrument locates is its to end, what it cannot is the daemon's, at its poll. So before the first output it is known that
every line can be said to the instrument, that what the daemon watches is seen in time, and which rows cannot come as fast as asked.
"""

import itertools
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from math import floor, inf, isinf, log10
from typing import Final

from labctl.driver import OPEN, Capabilities, Loop, Program, ProgramStep
from labctl.errors import InstrumentError, InternalError
from labctl.finding import Finding, Mark
from labctl.plan.holding import holdable, longest, watched_ends
from labctl.plan.index import index, walk
from labctl.plan.number import values
from labctl.plan.program import Spent, combinations, numbers
from labctl.plan.program_reach import ALONE, program_for
from labctl.plan.step import Block, ByPass, Line, Plan, Relative
from labctl.quantity.units import display

SHARE: Final = 0.01  # of the charge that one step may pass: what may flow until the daemon has seen an end
ROLES: Final = {"bend": "stage", "temperature": "chamber"}
ROOM: Final = 1.1  # how far a limit of current must lie beyond what flows as a hold begins that nothing holds back
MOST_PASSES: Final = 200  # combinations of numbers of a line that are translated, the first and the last of many
Translate = Callable[[Program], object]


@dataclass(frozen=True, slots=True)
class WatchedEnd:
    """An end that the daemon watches: of which line, in words, and after how many seconds at most it is seen."""

    line: int
    text: str
    late: float


def runnable(
    plan: Plan,
    capabilities: Capabilities,
    translate: Translate | None = None,
    roles: Collection[str] = tuple(ROLES.values()),
    draws: Collection[Plan] = (),
) -> tuple[Finding, ...]:
    """Return what keeps a channel from doing a plan to its end, as errors, and what it does otherwise, as warnings.

    Args:
        plan: The plan.
        capabilities: Of the channel.
        translate: Of its instrument: raises `InstrumentError` for a program that it could not run; None translates nothing.
        roles: Of the parts that the channel has beside the cell: a stage, a chamber.
        draws: Plans of the same protocol with other values drawn: what keeps the channel from any of them keeps it from all.
    """
    findings = [
        *_translated(plan, capabilities, translate),
        *_late(plan, capabilities),
        *_rows(plan, capabilities),
        *_without_compliance(plan, capabilities),
        *_by_hand(plan, roles),
    ]
    for drawn in draws:
        findings += [*_translated(drawn, capabilities, translate), *_late(drawn, capabilities)]
    return tuple(dict.fromkeys(findings))


# --- a stage and a chamber ------------------------------------------------------------------------------------------------


def _by_hand(plan: Plan, roles: Collection[str]) -> Iterator[Finding]:
    """Give what a person is asked to do since the channel has no part for it; a table of temperatures nobody can follow."""
    for _, line in walk(plan.root):
        role = ROLES.get(line.verb)
        if role is None or role in roles or line.options.get("confirm") is True:
            continue
        station = f"in the station file, the channel's {role}: {{instrument: NAME}}"
        if line.settings.get("within") == OPEN:
            message = "wanted a chamber for a table of temperatures, found a channel without one"
            yield Finding("channel.role", message, mark_of(line), f"add one {station}")
            continue
        message = f"wanted a {role} for {line.verb}, found a channel without one: a person is asked, and the run waits"
        hint = f"answer when it asks, or add one {station}"
        yield Finding("channel.role", message, mark_of(line), hint, severity="warning")


# --- every program can be said ----------------------------------------------------------------------------------------


def _translated(plan: Plan, capabilities: Capabilities, translate: Translate | None) -> Iterator[Finding]:
    if translate is None:
        return
    for path, line in walk(plan.root):
        if line.verb in ALONE or line.mode not in capabilities.modes:
            continue  # of another instrument, or refused as the plan was made
        refusals = (_refused(plan, line, each, capabilities, translate) for each in _passes(path, line))
        why = next(filter(None, refusals), "")
        if why:
            wrong, why = _place(plan, line, why)
            message = f"wanted a step that the instrument of the channel can do, found {wrong.verb}: {why}"
            yield Finding("channel.program", message, mark_of(wrong))


def _passes(path: tuple[Block, ...], line: Line) -> Iterator[dict[int, int]]:
    """Give passes of the blocks around a line with all the numbers that it can have."""
    tables = [*numbers(line)]
    tables += [
        term.value
        for block in path
        for end in block.ends
        for terms in end.condition.any_of
        for term in terms
        if isinstance(term.value, ByPass)
    ]
    first = {block.id: 0 for block in path}
    every = list(itertools.islice(combinations(tables), MOST_PASSES))
    yield from ({**first, **each} for each in every or [{}])


def _refused(
    plan: Plan, line: Line, passes: Mapping[int, int], capabilities: Capabilities, translate: Translate
) -> str:
    low, high = line.bounds.voltage or capabilities.voltage
    try:
        translate(program_for(plan, line.id, passes, (low + high) / 2, Spent(), capabilities))
    except InstrumentError as error:
        return str(error)
    except InternalError:
        return ""  # a number that only the run will know
    return ""


def _place(plan: Plan, line: Line, why: str) -> tuple[Line, str]:
    """Return the line of which an instrument speaks, that with which the program began if it names none, and its words."""
    named = re.match(r"line (\d+): (.*)", why, re.DOTALL)
    if named is None:
        return line, why
    return index(plan).lines.get(int(named[1]), line), named[2]


def mark_of(line: Line) -> Mark:
    """Return where a line was written."""
    file, _, number = line.where.rpartition(":")
    return Mark(file or "protocol", int(number) if number.isdigit() else 1, 1)


# --- what the daemon watches ------------------------------------------------------------------------------------------


def seen_by_daemon(plan: Plan, capabilities: Capabilities) -> tuple[WatchedEnd, ...]:
    """Return the ends that the instrument cannot locate itself, with how late the daemon sees them at most."""
    if not capabilities.ends:  # it locates nothing, and all is read at every tick
        return ()
    seen = []
    for path, line in walk(plan.root):
        if line.verb in ALONE:
            continue
        own = [end for end in line.ends if not holdable(end.condition, capabilities, line)]
        around = [end for block in path for end in watched_ends(block) if end.kind in {"stop_if", "abort_if"}]
        seen += [WatchedEnd(line.id, end.condition.text, _lateness(line, capabilities)) for end in own]
        seen += [
            WatchedEnd(line.id, end.condition.text, _lateness(line, capabilities))
            for end in around
            if line.energises and not holdable(end.condition, capabilities, line)
        ]
    return tuple(seen)


def _lateness(line: Line, capabilities: Capabilities) -> float:
    """Return the seconds after which what a row shows has been seen and acted on at most: a row and two polls.

    The points of a spectrum come as they are measured, by no record rule.
    """
    every = max((rule.every for rule in line.record if rule.every is not None), default=0.0)
    by_rule = capabilities.records and line.mode != "Spectrum"
    return 2.0 * capabilities.poll_at_most + (every if by_rule else 0.0)


def longest_alone(plan: Plan, capabilities: Capabilities) -> tuple[int, float] | None:
    """Return the line from which an instrument goes on by itself for longest with nobody listening, and for how long at most, s.

    None where it does nothing by itself: its output is then the guard's to switch off. Infinite where no time bounds a program;
    its other ends do, each located by the instrument.
    """
    if not (capabilities.energises and capabilities.records):
        return None
    low, high = capabilities.voltage
    alone: list[tuple[int, float]] = []
    for path, line in walk(plan.root):
        if not line.energises or line.verb in ALONE or line.mode not in capabilities.modes:
            continue
        passes = {block.id: 0 for block in path}
        try:
            program = program_for(plan, line.id, passes, (low + high) / 2, Spent(), capabilities)
        except InternalError:
            continue  # a number that only the run will know
        alone.append((line.id, _lasts(program)))
    return max(alone, key=lambda each: each[1], default=None)


def _lasts(program: Program) -> float:
    """Return the seconds that a program can last at most, its loops included."""
    if any(isinstance(step, ProgramStep) and isinf(longest(step)) for step in program.steps):
        return inf
    ends: list[float] = []  # of each step; of a loop with all its passes
    passed = 0.0
    for step in program.steps:
        if isinstance(step, Loop):
            begin = ends[step.to - 1] if step.to else 0.0
            passed += (step.passes - 1) * (passed - begin)
        else:
            passed += longest(step)
        ends.append(passed)
    return passed


def _late(plan: Plan, capabilities: Capabilities) -> Iterator[Finding]:
    """Refuse an end of an energised step that would be seen too late for what flows in it."""
    if not capabilities.energises:
        return
    for seen in seen_by_daemon(plan, capabilities):
        line = index(plan).lines[seen.line]
        most, current = line.bounds.charge, _largest(line)
        if not line.energises or most is None or current is None or current * seen.late <= SHARE * most:
            continue
        yield Finding(
            "channel.late",
            f"wanted an end that the instrument locates itself, or one that is seen before {SHARE:.0%} of what a step may pass "
            f"has flowed, found {seen.text!r} in {line.verb}: the daemon sees it within {display(seen.late, 'duration')}",
            mark_of(line),
            _sooner(line, SHARE * most / current, capabilities),
        )


def _sooner(line: Line, wanted: float, capabilities: Capabilities) -> str:
    """Return how an end of a line is seen within so many seconds."""
    by_rows = _lateness(line, capabilities) - 2.0 * capabilities.poll_at_most
    every = wanted - 2.0 * capabilities.poll_at_most
    if by_rows > 0.0 and every >= 1e-3:
        return f"write record: {{every: {display(_round_below(every), 'duration')}}} beside {line.verb}, or less"
    return (
        "give the step an end that the instrument has, such as for, to or capacity: labctl plan --channel shows which"
    )


def _round_below(seconds: float) -> float:
    """Return a number of one digit that is not more, s."""
    unit = 10.0 ** floor(log10(seconds))
    return floor(seconds / unit + 1e-9) * unit


def _largest(line: Line) -> float | None:
    """Return the largest current that a line can mean, A; None where nobody can say."""
    name = {"Galvanostatic": "current", "Potentiostatic": "most"}.get(line.mode, "")
    given = line.settings.get(name)
    if isinstance(given, float | ByPass | Relative):
        return max((abs(each) for each in values(given)), default=None)
    low, high = line.bounds.current or (0.0, 0.0)
    return max(abs(low), abs(high)) or None


def _without_compliance(plan: Plan, capabilities: Capabilities) -> Iterator[Finding]:
    """Warn of holds that nothing holds back: their first current is what the cell gives, and the limits of current end the run.

    One behind a charge whose own current reaches the limits has no room at all: it would trip as it begins, and is refused.
    """
    if capabilities.compliance:
        return
    above: Line | None = None
    for _, line in walk(plan.root):
        first, above = above, line
        if line.mode != "Potentiostatic":
            continue
        low, high = line.bounds.current or capabilities.current
        of_one_step = first is not None and first.mode == "Galvanostatic" and first.where == line.where
        before = (_largest(first) if first is not None and of_one_step else None) or 0.0
        full = before * ROOM > min(-low, high)
        room = f"at least {display(3.0 * before, 'current')}" if full else "several times the current before the hold"
        yield Finding(
            "channel.compliance",
            f"wanted a {line.verb} that is held back at its current, found an instrument without compliance: its first current "
            f"is what the cell gives, and one beyond {display(low, 'current')} to {display(high, 'current')} trips the run"
            + (f"; {display(before, 'current')} before it leave no room" if full else ""),
            mark_of(line),
            f"leave room in limits: {{current: ...}}, {room}, and begin it near its voltage",
            severity="error" if full else "warning",
        )


# --- rows -------------------------------------------------------------------------------------------------------------


def _rows(plan: Plan, capabilities: Capabilities) -> Iterator[Finding]:
    """Warn of rows that are asked for more often than the channel gives any."""
    least = capabilities.row_at_most or (0.0 if capabilities.records else capabilities.poll_at_most)
    for _, line in walk(plan.root):
        every = min((rule.every for rule in line.record if rule.every is not None), default=least)
        if line.verb in ALONE or every >= least * (1.0 - 1e-9) or line.mode == "Spectrum":
            continue
        yield Finding(
            "channel.record",
            f"wanted a row every {display(every, 'duration')} in {line.verb}, found a channel that gives one every "
            f"{display(least, 'duration')} at most",
            mark_of(line),
            severity="warning",
        )
