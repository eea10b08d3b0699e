"""The fold of measured rows: counted, compared with the limits, asked for ends, up to the first that calls for a command."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from labctl.engine.condition import CountingScope, RowView, Truth, truth
from labctl.engine.ending import diverge, end_by, trip
from labctl.engine.envelope import first_against, first_breach, first_voltage, first_wrong, side_after
from labctl.engine.external import AMBIENT, first_timeout, reached, soaked, time_out
from labctl.engine.fast_path import strayed
from labctl.engine.input import SafeHold
from labctl.engine.interruption import take_unmeasured
from labctl.engine.row_ends import ending_at, first_end, row_before
from labctl.engine.row_quality import BELIEVABLE, good_flags
from labctl.engine.safe_hold import take_safe_hold
from labctl.engine.short import begin_of, shorts_after
from labctl.engine.slope import slopes
from labctl.engine.state_builder import StateBuilder
from labctl.engine.state_parts import Bad, Ending, Over, Short
from labctl.engine.step_rules import Check, Prepared, prepared_of
from labctl.engine.sums import counters, energies, summed
from labctl.plan.holding import OWN
from labctl.sample import Batch, Flags, Floats, Quality

MOST_BAD: Final = 3  # bad rows in a row
LONGEST_BAD: Final = 2.0  # s of bad rows
_GOOD, _BAD, _STALE = 0, 1, 2  # kinds of rows
_NOWHERE: Final = CountingScope(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class SeenInRows:
    """What rows show besides themselves: windows and shorts after them, and where a short was found first."""

    view: RowView
    windows: tuple[tuple[Floats, object], ...]
    short: Short
    found: int | None
    names: tuple[str, ...]
    dwells: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The first row that calls for a command, or the number of rows; what for, in words, and which end."""

    at: int
    what: str = ""
    text: str = ""
    check: Check | None = None
    wrong_since: float | None = None
    over: Over | None = None


def take_rows(builder: StateBuilder, batch: Batch) -> int:
    """Fold rows until one calls for a command; return how many were taken."""
    if len(batch) and strayed(builder, batch):
        builder.last = replace(builder.last, record=builder.last.record + 1)
        diverge(builder, f"rows of step {batch.step} of the program where step {builder.held.at} was running")
        return 1
    kinds = _kinds(builder, batch)
    taken = 0
    while taken < len(batch) and not builder.commands:
        if kinds is None:
            taken += _take_good(builder, batch.rows(taken))
        elif kinds[taken] == _BAD:
            _take_bad(builder, batch.rows(taken, taken + 1))
            taken += 1
        else:
            run = kinds[taken:] == kinds[taken]
            stop = taken + (len(run) if run.all() else int((~run).argmax()))
            take = _take_good if kinds[taken] == _GOOD else _take_stale
            taken += take(builder, batch.rows(taken, stop))
    return taken


def _kinds(builder: StateBuilder, batch: Batch) -> Flags | None:
    """Return what each row is, or None if all are good and of the running attempt."""
    good = good_flags(batch)
    step = builder.step
    stale = None
    if step is not None and step.resumed is not None and builder.phase == "running":
        stale = batch.time < step.resumed
    if good is None and (stale is None or not stale.any()):
        return None
    kinds: Flags = np.full(len(batch), _GOOD, np.uint8)
    if stale is not None:
        kinds[stale] = _STALE
    if good is not None:
        kinds[~good] = _BAD
    return kinds


def _take_stale(builder: StateBuilder, rows: Batch) -> int:
    """Store rows that were measured before the confirmation and came after it: its counters have them, they end nothing.

    Each is held against the limits by itself: none is a row of the open step, so none says where the step began.
    """
    prepared = prepared_of(builder.plan, builder)
    for place in range(len(rows)):
        row = rows.rows(place, place + 1)
        columns = (row.time, _step_times(builder, row.time), row.voltage, row.current, *counters(row))
        at, why, _ = first_breach(builder, prepared, RowView(*columns, row.temperature_celsius))
        builder.last = replace(builder.last, record=builder.last.record + 1)
        if at == 0:
            trip(builder, why, "limit")
            return place + 1
    return len(rows)


def _take_bad(builder: StateBuilder, row: Batch) -> None:
    """Store a bad row: it counts nothing and ends nothing, but the third in a row, or 2 s of them, is a cell that is not measured.

    Then it is switched off and asks, as where no reading comes at all; by the first edition its run trips.
    """
    time = float(row.time[0]) if abs(row.time[0]) < BELIEVABLE else builder.time
    builder.last = replace(builder.last, record=builder.last.record + 1, time=max(time, builder.time))
    since = builder.time if builder.bad.since is None else builder.bad.since
    builder.bad = Bad(builder.bad.rows + 1, since, builder.bad.wrong_since)
    if builder.bad.rows == 1:
        builder.say("quality", quality=int(Quality.BAD), why="a row that cannot be believed")
    if builder.phase == "ended" or not (builder.bad.rows >= MOST_BAD or builder.time - since >= LONGEST_BAD):
        return
    why = f"{builder.bad.rows} rows running that cannot be believed"
    if builder.plan.edition == 1:
        trip(builder, why, "fault")
    elif builder.phase not in {"asking", "paused"}:  # whose output is off already
        if not builder.capabilities.records:
            take_unmeasured(builder, why)
        take_safe_hold(builder, SafeHold("unmeasured", why))


def _take_good(builder: StateBuilder, rows: Batch) -> int:
    """Take good rows up to the first that calls for a command; return how many."""
    if builder.phase == "ended":
        builder.last = summed(builder.last, rows)
        return len(rows)
    prepared = prepared_of(builder.plan, builder)
    seen_here = _see(builder, prepared, rows)
    if seen_here.found is not None and seen_here.found + 1 < len(rows):
        return _take_good(builder, rows.rows(0, seen_here.found + 1))
    against = None if builder.opened_reversed else first_against(prepared, seen_here.view)
    if against is not None and against + 1 < len(rows):
        return _take_good(builder, rows.rows(0, against + 1))
    verdict = _judge(builder, prepared, seen_here.view, rows.auxiliary.get(AMBIENT))
    taken = min(verdict.at + 1, len(rows))
    if taken < len(rows):
        rows = rows.rows(0, taken)
        seen_here = _see(builder, prepared, rows)
    wrong_since = verdict.wrong_since if verdict.at >= taken else first_wrong(builder, prepared, seen_here.view)[2]
    first = taken == 1 and builder.step is not None and builder.step.first_voltage is None
    ending = None if verdict.check is None else ending_at(builder, verdict.check, seen_here.view)
    over = verdict.over if verdict.at >= taken else first_voltage(builder, prepared, seen_here.view)[1]
    _advance(builder, prepared, rows, seen_here)
    builder.over = over
    if builder.bad.rows or builder.bad.wrong_since != wrong_since:
        builder.bad = Bad(0, None, wrong_since)
    _say_shorts(builder, seen_here)
    if against is not None:
        _say_reversed(builder)
    _act(builder, verdict, ending, first=first)
    return taken


def _judge(builder: StateBuilder, prepared: Prepared, view: RowView, ambient: Floats | None) -> Verdict:
    """Return the first row that calls for a command, and what for: on equal rows the limits come first, budgets last."""
    count = len(view.time)
    breach, shown, over = first_breach(builder, prepared, view)
    wrong, current, since = first_wrong(builder, prepared, view)
    ended, check = first_end(builder, prepared, view, min(breach, wrong, count))
    other, what = first_other(builder, view, ambient)
    at = min(ended, breach, wrong, other)
    if at >= count:
        return Verdict(count, wrong_since=since, over=over)
    if at == breach:
        return Verdict(at, "limit", shown)
    if at == wrong:
        contradicted = builder.phase == "running" and prepared.set_point is not None
        return Verdict(at, "contradicted" if contradicted else "fault", current)
    return Verdict(at, "end", "", check) if at == ended and check is not None else Verdict(at, what)


def _act(builder: StateBuilder, verdict: Verdict, ending: Ending | None, *, first: bool) -> None:
    check = verdict.check
    match verdict.what:
        case "limit" | "fault":
            trip(builder, verdict.text, verdict.what)
        case "contradicted":
            take_safe_hold(builder, SafeHold("contradicted", verdict.text))
        case "end" if check is not None and ending is not None:
            end_by(builder, (check.depth, check.end), ending, met=first)
        case "probe":
            end_by(builder, (OWN, None), Ending("own", "the open circuit was seen", builder.time), met=False)
        case "there":
            reached(builder, builder.step_line)
            end_by(builder, (OWN, None), Ending("own", "the temperature was held", builder.time), met=False)
        case "late":
            time_out(builder)


def first_other(builder: StateBuilder, view: RowView, ambient: Floats | None) -> tuple[int, str]:
    """Return the first row at which a look at the open circuit is done, a chamber is there, or a wait is too long."""
    step, count = builder.step, len(view.time)
    if step is None or builder.phase != "running":
        return count, ""
    if step.probe:
        overdue = "time" in builder.capabilities.ends and step.first_voltage is None  # the instrument ends it by itself
        return (1 if overdue else 0), "probe"
    there, _ = soaked(builder, view, ambient)
    late = first_timeout(builder, view)
    return (there, "there") if there <= late else (late, "late")


def _see(builder: StateBuilder, prepared: Prepared, rows: Batch) -> SeenInRows:
    """Return good rows as conditions ask for them."""
    charging, discharging = counters(rows)
    step_time = _step_times(builder, rows.time)
    columns = (rows.time, step_time, rows.voltage, rows.current, charging, discharging, rows.temperature_celsius)
    if builder.phase != "running":
        return SeenInRows(RowView(*columns), (), builder.short, None, ())
    before = row_before(builder) if prepared.looks_back else None
    windows = builder.windows or prepared.windows
    energy = energies(builder.last, rows) if prepared.counts_energy else None
    view = RowView(*columns, before, energy=energy)
    dwelt, dwells = _dwelt(builder, prepared, view)
    if not windows and not prepared.sees_shorts:
        return SeenInRows(replace(view, dwelt=dwelt) if dwelt else view, (), builder.short, None, (), dwells)
    drawn = tuple(slopes(window, view, builder.window_since) for window in windows)
    short, first_short, names = _shorts(builder, prepared, view)
    flags = {}
    if first_short is not None:
        since = np.arange(len(rows)) >= first_short
        flags = dict.fromkeys(names, since) | ({"short.soft": since} if "short" in names else {})
    view = RowView(*columns, before, tuple(line for line, _ in drawn), flags, energy, dwelt)
    return SeenInRows(view, drawn, short, first_short, names, dwells)


def _dwelt(
    builder: StateBuilder, prepared: Prepared, view: RowView
) -> tuple[tuple[Truth, ...], tuple[float | None, ...]]:
    """Return which rows end a time for which a comparison was true, and since when each has been after the last row."""
    flags, since = [], []
    for number, test in enumerate(prepared.dwells):
        now = truth(test, view, _NOWHERE)
        met = np.full(len(view.time), bool(now)) if isinstance(now, bool) else now
        carry = builder.dwells[number] if builder.dwells else None
        begins = begin_of(met, view.time, carry)
        flags.append(met & (view.time - begins >= test.term.dwell))
        since.append(float(begins[-1]) if met[-1] else None)
    return tuple(flags), tuple(since)


def _step_times(builder: StateBuilder, time: Floats) -> Floats:
    step = builder.step
    if step is None or step.resumed is None:
        return np.full(len(time), 0.0 if step is None else step.spent)
    return step.spent + (time - step.resumed)


def _shorts(builder: StateBuilder, prepared: Prepared, view: RowView) -> tuple[Short, int | None, tuple[str, ...]]:
    """Return what is known of shorts after these rows, and where which was found first in this step."""
    if not prepared.sees_shorts or prepared.set_current is None or builder.step is None:
        return builder.short, None, ()
    celsius = view.temperature if builder.plan.edition > 1 else None
    short, soft, hard = shorts_after(
        builder.short, view.time, view.step_time, view.voltage, prepared.set_current, celsius
    )
    begun = builder.step.entry.time
    if builder.short.soft is not None and builder.short.soft > begun:
        soft = None
    if builder.short.hard is not None and builder.short.hard > begun:
        hard = None
    places = [place for place in (soft, hard) if place is not None]
    if not places:
        return short, None, ()
    first = min(places)
    names = tuple(name for name, place in (("short.soft", soft), ("short", hard)) if place == first)
    return short, first, names


def _say_shorts(builder: StateBuilder, seen_here: SeenInRows) -> None:
    if seen_here.found is None or seen_here.found >= len(seen_here.view.time):
        return
    time = builder.time
    for name in seen_here.names:
        builder.short = replace(builder.short, soft=time) if name == "short.soft" else replace(builder.short, hard=time)
        builder.say("result", name=name, value=1.0, unit="", **builder.numbers)


def _say_reversed(builder: StateBuilder) -> None:
    """Say, once for a step, that the current of a held part runs against the verb."""
    step = builder.opened
    builder.step = replace(step, reversed=True)
    builder.say("reversed", step_count=step.count, step_id=step.line, current_ampere=builder.last.current)


def _advance(builder: StateBuilder, prepared: Prepared, rows: Batch, seen_here: SeenInRows) -> None:
    """Count good rows, at least one, and keep what outlasts them."""
    step = builder.step
    if step is not None and builder.phase in {"running", "leaving"}:
        side = side_after(step.outside, prepared.envelope, rows.voltage)
        if step.first_voltage is None and builder.phase == "running":
            builder.step = step.seen(float(rows.voltage[0]), side)
        elif side != step.outside:
            builder.step = replace(step, outside=side)
    if step is not None and builder.comes_late:  # the step was still being done then
        late = max(float(rows.time[-1]) - builder.last.time, 0.0)
        builder.step = replace(step, spent=step.spent + late)
    if rows.auxiliary:
        builder.dwell = soaked(builder, seen_here.view, rows.auxiliary.get(AMBIENT))[1]
    builder.last = summed(builder.last, rows)
    builder.windows = tuple(window for _, window in seen_here.windows)  # type: ignore[misc]
    builder.dwells = seen_here.dwells
    builder.short = seen_here.short
