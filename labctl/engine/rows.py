"""Rows through the engine: counted, held against the envelope, asked for ends, up to the first that calls for a command."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from labctl.engine.condition import SHORTS, Test, Truth, View, measured, truth
from labctl.engine.ending import diverge, end_by, trip
from labctl.engine.envelope import first_breach, first_wrong, side_after
from labctl.engine.memory import Bad, Ending, Short
from labctl.engine.prepared import Check, Prepared, prepared_of
from labctl.engine.prompting import AMBIENT, first_timeout, reached, soaked, time_out
from labctl.engine.quiet import strayed
from labctl.engine.recipe import OWN
from labctl.engine.results import is_result, result_truth, short_truth, view_of_last
from labctl.engine.short import seen
from labctl.engine.sums import counters, summed
from labctl.engine.window import slopes
from labctl.engine.work import Work
from labctl.sample import Batch, Flags, Floats, Quality

ABSURD: Final = 1e12  # of any column: nothing in a battery laboratory is as large
MOST_BAD: Final = 3  # bad rows in a row
LONGEST_BAD: Final = 2.0  # s of bad rows
_GOOD, _BAD, _STALE = 0, 1, 2  # kinds of rows
_NEVER: Final[Truth] = np.zeros(1, bool)


@dataclass(frozen=True, slots=True)
class Seen:
    """What rows show besides themselves: windows and shorts after them, and where a short was found first."""

    view: View
    windows: tuple[tuple[Floats, object], ...]
    short: Short
    found: int | None
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The first row that calls for a command, or the number of rows; what for, in words, and which end."""

    at: int
    what: str = ""
    text: str = ""
    check: Check | None = None
    wrong_since: float | None = None


def take_rows(work: Work, batch: Batch) -> int:
    """Fold rows until one calls for a command; return how many were taken."""
    if len(batch) and strayed(work, batch):
        work.last = replace(work.last, record=work.last.record + 1)
        diverge(work, f"rows of step {batch.step} of the program where step {work.held.at} was running")
        return 1
    kinds = _kinds(work, batch)
    taken = 0
    while taken < len(batch) and not work.commands:
        if kinds is None:
            taken += _take_good(work, batch.rows(taken))
        elif kinds[taken] == _BAD:
            _take_bad(work, batch.rows(taken, taken + 1))
            taken += 1
        else:
            run = kinds[taken:] == kinds[taken]
            stop = taken + (len(run) if run.all() else int((~run).argmax()))
            take = _take_good if kinds[taken] == _GOOD else _take_stale
            taken += take(work, batch.rows(taken, stop))
    return taken


def _kinds(work: Work, batch: Batch) -> Flags | None:
    """Return what each row is, or None if all are good and of the running attempt."""
    good = _good_flags(batch)
    step = work.step
    stale = None
    if step is not None and step.resumed is not None and work.phase == "running":
        stale = batch.time < step.resumed
    if good is None and (stale is None or not stale.any()):
        return None
    kinds: Flags = np.full(len(batch), _GOOD, np.uint8)
    if stale is not None:
        kinds[stale] = _STALE
    if good is not None:
        kinds[~good] = _BAD
    return kinds


def _take_stale(work: Work, rows: Batch) -> int:
    """Store rows that were measured before the confirmation and came after it: its counters have them, they end nothing.

    Each is held against the limits by itself: none is a row of the open step, so none says where the step began.
    """
    prepared = prepared_of(work.plan, work)
    for place in range(len(rows)):
        row = rows.rows(place, place + 1)
        columns = (row.time, _step_times(work, row.time), row.voltage, row.current, *counters(row))
        at, why = first_breach(work, prepared, View(*columns, row.temperature_celsius))
        work.last = replace(work.last, record=work.last.record + 1)
        if at == 0:
            trip(work, why, "limit")
            return place + 1
    return len(rows)


def is_good(batch: Batch) -> Truth:
    """Return a flag a row: finite, not absurd, and not marked bad."""
    charging, discharging = counters(batch)
    good: Truth = np.abs(batch.voltage) < ABSURD
    for column in (batch.time, batch.current, charging, discharging, batch.temperature_celsius):
        if column is not None:
            good &= np.abs(column) < ABSURD
    if batch.quality is not None:
        good &= batch.quality != Quality.BAD
    return good


def _good_flags(batch: Batch) -> Truth | None:
    """Return a flag a row, or None if all are good; a sum of squares tells that at once, as nothing cancels in it."""
    warm = batch.temperature_celsius
    columns = (batch.time, batch.voltage, batch.current, *counters(batch), *(() if warm is None else (warm,)))
    with np.errstate(over="ignore", invalid="ignore"):
        believable = all(float(column.dot(column)) < ABSURD * ABSURD for column in columns)
    if believable and (batch.quality is None or not batch.quality.any()):
        return None
    good = is_good(batch)
    return None if good.all() else good


def _take_bad(work: Work, row: Batch) -> None:
    """Store a bad row: it counts nothing and ends nothing, but the third in a row, or 2 s of them, is a trip."""
    time = float(row.time[0]) if abs(row.time[0]) < ABSURD else work.time
    work.last = replace(work.last, record=work.last.record + 1, time=max(time, work.time))
    since = work.time if work.bad.since is None else work.bad.since
    work.bad = Bad(work.bad.rows + 1, since, work.bad.wrong_since)
    if work.bad.rows == 1:
        work.say("quality", quality=int(Quality.BAD), why="a row that cannot be believed")
    if work.phase != "ended" and (work.bad.rows >= MOST_BAD or work.time - since >= LONGEST_BAD):
        trip(work, f"{work.bad.rows} rows running that cannot be believed", "fault")


def _take_good(work: Work, rows: Batch) -> int:
    """Take good rows up to the first that calls for a command; return how many."""
    if work.phase == "ended":
        work.last = summed(work.last, rows)
        return len(rows)
    prepared = prepared_of(work.plan, work)
    seen_here = _see(work, prepared, rows)
    if seen_here.found is not None and seen_here.found + 1 < len(rows):
        return _take_good(work, rows.rows(0, seen_here.found + 1))
    verdict = _judge(work, prepared, seen_here.view, rows.auxiliary.get(AMBIENT))
    taken = min(verdict.at + 1, len(rows))
    if taken < len(rows):
        rows = rows.rows(0, taken)
        seen_here = _see(work, prepared, rows)
    wrong_since = verdict.wrong_since if verdict.at >= taken else first_wrong(work, prepared, seen_here.view)[2]
    first = taken == 1 and work.step is not None and work.step.first_voltage is None
    ending = None if verdict.check is None else _ending(work, verdict.check, seen_here.view)
    _advance(work, prepared, rows, seen_here)
    if work.bad.rows or work.bad.wrong_since != wrong_since:
        work.bad = Bad(0, None, wrong_since)
    _say_shorts(work, seen_here)
    _act(work, verdict, ending, first=first)
    return taken


def _judge(work: Work, prepared: Prepared, view: View, ambient: Floats | None) -> Verdict:
    """Return the first row that calls for a command, and what for: on equal rows the limits come first, budgets last."""
    count = len(view.time)
    breach, shown = first_breach(work, prepared, view)
    wrong, current, since = first_wrong(work, prepared, view)
    ended, check = _first_end(work, prepared, view, min(breach, wrong, count))
    other, what = first_other(work, view, ambient)
    at = min(ended, breach, wrong, other)
    if at >= count:
        return Verdict(count, wrong_since=since)
    if at == breach:
        return Verdict(at, "limit", shown)
    if at == wrong:
        return Verdict(at, "fault", current)
    return Verdict(at, "end", "", check) if at == ended and check is not None else Verdict(at, what)


def _act(work: Work, verdict: Verdict, ending: Ending | None, *, first: bool) -> None:
    check = verdict.check
    match verdict.what:
        case "limit" | "fault":
            trip(work, verdict.text, verdict.what)
        case "end" if check is not None and ending is not None:
            end_by(work, (check.depth, check.end), ending, met=first)
        case "probe":
            end_by(work, (OWN, None), Ending("own", "the open circuit was seen", work.time), met=False)
        case "there":
            reached(work, work.step_line)
            end_by(work, (OWN, None), Ending("own", "the temperature was held", work.time), met=False)
        case "late":
            time_out(work)


def first_other(work: Work, view: View, ambient: Floats | None) -> tuple[int, str]:
    """Return the first row at which a look at the open circuit is done, a chamber is there, or a wait is too long."""
    step, count = work.step, len(view.time)
    if step is None or work.phase != "running":
        return count, ""
    if step.probe:
        overdue = "time" in work.capabilities.ends and step.first_voltage is None  # the instrument ends it by itself
        return (1 if overdue else 0), "probe"
    there, _ = soaked(work, view, ambient)
    late = first_timeout(work, view)
    return (there, "there") if there <= late else (late, "late")


def _see(work: Work, prepared: Prepared, rows: Batch) -> Seen:
    """Return good rows as conditions ask for them."""
    charging, discharging = counters(rows)
    step_time = _step_times(work, rows.time)
    columns = (rows.time, step_time, rows.voltage, rows.current, charging, discharging, rows.temperature_celsius)
    if work.phase != "running":
        return Seen(View(*columns), (), work.short, None, ())
    before = _row_before(work) if prepared.looks_back else None
    windows = work.windows or prepared.windows
    view = View(*columns, before)
    if not windows and not prepared.sees_shorts:
        return Seen(view, (), work.short, None, ())
    drawn = tuple(slopes(window, view, work.window_since) for window in windows)
    short, found, names = _shorts(work, prepared, view)
    flags = {}
    if found is not None:
        since = np.arange(len(rows)) >= found
        flags = dict.fromkeys(names, since) | ({"short.soft": since} if "short" in names else {})
    view = View(*columns, before, tuple(line for line, _ in drawn), flags)
    return Seen(view, drawn, short, found, names)


def _row_before(work: Work) -> View | None:
    """Return the last good row of the open step as rows, or None before one."""
    return view_of_last(work, work.last) if work.step is not None and work.step.first_voltage is not None else None


def _step_times(work: Work, time: Floats) -> Floats:
    step = work.step
    if step is None or step.resumed is None:
        return np.full(len(time), 0.0 if step is None else step.spent)
    return step.spent + (time - step.resumed)


def _shorts(work: Work, prepared: Prepared, view: View) -> tuple[Short, int | None, tuple[str, ...]]:
    """Return what is known of shorts after these rows, and where which was found first in this step."""
    if not prepared.sees_shorts or prepared.set_current is None or work.step is None:
        return work.short, None, ()
    short, soft, hard = seen(work.short, view.time, view.step_time, view.voltage, prepared.set_current)
    begun = work.step.entry.time
    if work.short.soft is not None and work.short.soft > begun:
        soft = None
    if work.short.hard is not None and work.short.hard > begun:
        hard = None
    places = [place for place in (soft, hard) if place is not None]
    if not places:
        return short, None, ()
    found = min(places)
    names = tuple(name for name, place in (("short.soft", soft), ("short", hard)) if place == found)
    return short, found, names


def _say_shorts(work: Work, seen_here: Seen) -> None:
    if seen_here.found is None or seen_here.found >= len(seen_here.view.time):
        return
    time = work.time
    for name in seen_here.names:
        work.short = replace(work.short, soft=time) if name == "short.soft" else replace(work.short, hard=time)
        work.say("result", name=name, value=1.0, unit="", cycle_count=work.cycle.count)


def _first_end(work: Work, prepared: Prepared, view: View, limit: int) -> tuple[int, Check | None]:
    """Return the first row before `limit` at which an end is met, and the first of those in their order."""
    best, which = limit, None
    for check in prepared.checks:
        flags = _met(work, check, view)
        place = int(flags.argmax())
        if not flags[place]:
            continue
        if place < best:
            best, which = place, check
    return best, which


def _met(work: Work, check: Check, view: View) -> Truth:
    """Return a flag a row."""
    found: Truth | None = None
    for tests in check.alternatives:
        flags = _all(work, check, tests, view)
        if flags is False:
            continue
        known = np.ones(len(view.time), bool) if flags is True else flags
        found = known if found is None else found | known
    return _NEVER if found is None else found


def _all(work: Work, check: Check, tests: tuple[Test, ...], view: View) -> Truth | bool:
    flags: Truth | bool = True
    for test in tests:
        one = _truth(work, check, test, view)
        if one is False:
            return False
        if one is not True:
            flags = one if flags is True else flags & one
    return flags


def _truth(work: Work, check: Check, test: Test, view: View) -> Truth | bool:
    if is_result(test):
        return result_truth(test, work, check.depth, work.cycle.count)
    if test.term.quantity in SHORTS and short_truth(work, test.term.quantity, check.depth):
        return True
    return truth(test, view, check.scope)


def _ending(work: Work, check: Check, view: View) -> Ending:
    """Return how the last row of a view ends the step, and when its end was crossed, if one comparison tells."""
    time = float(view.time[-1])
    end = check.end
    reason: str = end.kind
    if check.depth != OWN and end.kind not in {"stop_if", "abort_if"}:
        reason = end.kind if work.block(work.frames[check.depth]).fused else "block"
    ending = Ending(reason, end.condition.text, time)
    single = len(check.alternatives) == 1 and len(check.alternatives[0]) == 1
    test = check.alternatives[0][0]
    if not single or is_result(test) or test.term.quantity in SHORTS or test.term.slope:
        return ending
    now = measured(test, view, check.scope)
    if now is None:
        return ending
    crossed = _crossed(work, test, view, check)
    own = check.depth == OWN or test.term.quantity not in {"time", "capacity"}
    value = test.value if own and not test.previous else None
    return replace(ending, quantity=test.term.quantity, above=test.above, value=value, crossed=crossed)


def _crossed(work: Work, test: Test, view: View, check: Check) -> float | None:
    """Return when the value was crossed on the line between the last two rows, run time in s."""
    earlier = view if len(view.time) > 1 else _row_before(work)
    if earlier is None:
        return None
    place = -2 if earlier is view else -1
    column, after = measured(test, earlier, check.scope), measured(test, view, check.scope)
    if column is None or after is None:
        return None
    now, before = float(after[-1]), float(column[place])
    begin, end = float(earlier.time[place]), float(view.time[-1])
    if now == before:
        return end
    part = (test.value - before) / (now - before)
    return begin + min(max(part, 0.0), 1.0) * (end - begin)


def _advance(work: Work, prepared: Prepared, rows: Batch, seen_here: Seen) -> None:
    """Count good rows, at least one, and keep what outlasts them."""
    step = work.step
    if step is not None and work.phase in {"running", "leaving"}:
        side = side_after(step.outside, prepared.envelope, rows.voltage)
        if step.first_voltage is None and work.phase == "running":
            work.step = step.seen(float(rows.voltage[0]), side)
        elif side != step.outside:
            work.step = replace(step, outside=side)
    if rows.auxiliary:
        work.dwell = soaked(work, seen_here.view, rows.auxiliary.get(AMBIENT))[1]
    work.last = summed(work.last, rows)
    work.windows = tuple(window for _, window in seen_here.windows)  # type: ignore[misc]
    work.short = seen_here.short
