"""Which instants of a simulated step are written: `every` from the step's begin, `dV` and `dI` since the row before.

The cell knows its voltage at any instant, so rows lie where a rule asks for one: at multiples of `every`, and between them
where voltage or current has moved by one more `dV` or `dI`, found by interpolation in a grid and then evaluated exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from labctl.driver import RecordRule

Floats: TypeAlias = NDArray[np.float64]

GRID = 64  # instants at which a piece is looked at, at least, where a rule watches voltage or current
RAIL = 10.0  # V: what the output can reach, and what is seen of a voltage beyond
SOONEST = 1e-3  # s between rows that dV and dI ask for
MUCH = 0.02  # of a dV or dI: by how much more a row may have moved
HALVINGS = 8
SELDOM = 3600.0  # s between rows that no rule asks for
HAIR = 1e-9  # relative: two instants closer than this are one
BRIEF = 60.0  # s between rows that are seen, with all that lies between them, in one look
FEW = 8  # rows of such a look at most


_EVEN = np.linspace(0.0, 1.0, GRID)[1:-1]
_BETWEEN = np.unique(np.concatenate([0.5 ** np.arange(10, 5, -1), (np.arange(16) / 16.0) ** 2]))
"""Looks between the rows of a brief piece, as shares of its time: even in the root of time, as diffusion goes, and a few early."""
_EARLY = np.geomspace(1e-5, 1.0, GRID)[:-1]  # of the way to the first row after a change of set-point


class SolvedColumns(Protocol):
    """Rows of a solved piece of the cell's life: V, A, K, C since its begin."""

    @property
    def voltage(self) -> Floats: ...  # noqa: D102
    @property
    def current(self) -> Floats: ...  # noqa: D102
    @property
    def temperature(self) -> Floats: ...  # noqa: D102
    @property
    def charging(self) -> Floats: ...  # noqa: D102
    @property
    def discharging(self) -> Floats: ...  # noqa: D102


class Solved(Protocol):
    """A piece of the cell's life under one drive, solved."""

    @property
    def end(self) -> float:
        """Seconds from its begin to its end."""

    def rows(self, times: Floats) -> SolvedColumns:
        """Return the columns at these seconds since its begin."""


@dataclass(frozen=True, slots=True)
class LastWritten:
    """The row written last: step time in s, V, A."""

    time: float
    voltage: float
    current: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows to write, as columns; `time` is step time. `complete`: they reach the end of the piece.

    Charge and, once counted, energy (`put_in`, `taken_out`, J) are since the begin of the piece. `between` are the same rows of a
    brief piece with looks between them (time since its begin, V, C, C, and whether a row is written there, a column each), where
    they were seen at once.
    """

    time: Floats
    voltage: Floats
    current: Floats
    temperature: Floats
    charging: Floats
    discharging: Floats
    complete: bool
    put_in: Floats | None = None
    taken_out: Floats | None = None
    between: Floats | None = None

    def __len__(self) -> int:
        return len(self.time)

    def counted_from(self, charging: float, discharging: float) -> "Stretch":
        """Return these rows with counters that never fall, nor below those of the row before (C); they may by rounding."""
        columns = ((self.charging, charging), (self.discharging, discharging))
        counters = [np.maximum.accumulate(np.maximum(column, least)) for column, least in columns]
        return replace(self, charging=counters[0], discharging=counters[1])


def stretch(piece: Solved, offset: float, last: LastWritten | None, rules: Sequence[RecordRule], most: int) -> Stretch:
    """Return about `most` rows to write after `last` of a piece that began at step time `offset`.

    Args:
        piece: What the cell does.
        offset: Step time at which the piece began, s.
        last: The row written last, which may lie in the piece before; None at the very begin of a step, which is written.
        rules: By step time, in order.
        most: Rows asked for; `dV` and `dI` may add to them.
    """
    end = offset + piece.end
    begin = offset if last is None else min(end, max(offset, last.time))
    rule, origin, until = active(rules, begin)
    horizon = min(until, end)
    due = multiples(rule.every, origin, begin, horizon, most)
    reach = horizon if len(due) < most else float(due[-1])
    complete = reach >= end
    if complete:
        due = np.append(due[due < end - HAIR * max(1.0, end)], end)
    elif not len(due):  # nothing comes by itself: be seen now and then
        reach = min(reach, begin + max(SELDOM, begin))
        due = np.array([reach])
    if rule.voltage is None and rule.current is None:
        written = np.append(begin, due) if last is None and end > begin else due
        if len(written) < FEW and 0.0 < reach - begin <= BRIEF:
            return _brief(piece, offset, begin, written, complete)
        return _rows(piece, offset, written, complete)
    return _watched(piece, offset, last, rule, _LookWindow(begin, due, reach, complete))


def active(rules: Sequence[RecordRule], time: float) -> tuple[RecordRule, float, float]:
    """Return the rule in force just after step time `time`, and from when until when it holds."""
    origin = 0.0
    for rule in rules:
        if rule.until is None or time < rule.until - HAIR * max(1.0, rule.until):
            return rule, origin, float("inf") if rule.until is None else rule.until
        origin = rule.until
    return RecordRule(), origin, float("inf")


def multiples(every: float | None, origin: float, begin: float, horizon: float, most: int) -> Floats:
    """Return the multiples of `every` from `origin` after `begin` up to `horizon`, `most` at most."""
    if every is None:
        return np.empty(0)
    first = int((begin - origin) / every + HAIR * max(1.0, begin / every)) + 1
    room = (horizon - origin) / every
    count = most if room >= first + most else int(room + HAIR * max(1.0, room)) - first + 1
    return np.asarray(origin + np.arange(first, first + max(0, count)) * every, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _LookWindow:
    """What is looked at: from where to where, the instants written anyhow, and whether the piece ends there."""

    begin: float
    due: Floats
    reach: float
    complete: bool


def _watched(piece: Solved, offset: float, last: LastWritten | None, rule: RecordRule, window: _LookWindow) -> Stretch:
    """Return the rows that are due anyhow and those that dV and dI ask for between them."""
    grid = _grid(window, fresh=window.begin == offset)
    seen = piece.rows(_inside(piece, grid - offset))
    written = np.zeros(len(grid), dtype=bool)
    written[np.searchsorted(grid, window.due)] = True
    written[0] |= last is None or _jumped(seen, last, rule)
    moved = np.append(0.0, np.cumsum(_moves(seen, rule)))
    extra = _crossings(grid, moved, written)
    chosen = Stretch(
        grid[written], seen.voltage[written], seen.current[written], seen.temperature[written],
        seen.charging[written], seen.discharging[written], window.complete,
    )  # fmt: skip
    if not len(extra):
        return chosen
    return _kept(piece, offset, rule, _merged(chosen, _rows(piece, offset, extra, window.complete)))


def _kept(piece: Solved, offset: float, rule: RecordRule, chosen: Stretch) -> Stretch:
    """Return the rows with more between them where the voltage or current, bent in the grid, moved farther than the rule asks."""
    for _ in range(HALVINGS):
        far = (_moves(chosen, rule) > 1.0 + MUCH) & (np.diff(chosen.time) > 2.0 * SOONEST)
        if not far.any():
            break
        halves = (chosen.time[1:][far] + chosen.time[:-1][far]) * 0.5
        chosen = _merged(chosen, _rows(piece, offset, halves, chosen.complete))
    return chosen


def _grid(window: _LookWindow, *, fresh: bool) -> Floats:
    """Return the instants to look at: begin, those due, logarithmic ones after a change, and enough between long ones."""
    begin, span = window.begin, window.reach - window.begin
    if span <= 0.0:
        return np.array([begin])
    stops = window.due if len(window.due) and window.due[-1] >= window.reach else np.append(window.due, window.reach)
    between = [np.array([begin]), stops]
    few = len(stops) < GRID
    if few:
        between.append(begin + span * _EVEN)
    if fresh:
        between.append(begin + min(float(stops[0]) - begin, span / GRID if few else span) * _EARLY)
    return np.sort(np.concatenate(between))


def _moves(seen: "SolvedColumns | Stretch", rule: RecordRule) -> Floats:
    """Return how far the cell moved between neighbours of the grid, in units of the rule's dV or dI."""
    moved: Floats = np.zeros(len(seen.voltage) - 1)
    if rule.voltage is not None:
        moved = np.abs(np.diff(np.clip(seen.voltage, -RAIL, RAIL))) / rule.voltage
    if rule.current is not None:
        moved = np.maximum(moved, np.abs(np.diff(seen.current)) / rule.current)
    return moved


def _jumped(seen: SolvedColumns, last: LastWritten, rule: RecordRule) -> bool:
    """Tell whether the first instant lies a dV or dI away from the row written last, in the piece before."""
    voltage = rule.voltage is not None and abs(seen.voltage[0] - last.voltage) > rule.voltage * (1 + HAIR)
    current = rule.current is not None and abs(seen.current[0] - last.current) > rule.current * (1 + HAIR)
    return bool(voltage or current)


def _crossings(grid: Floats, moved: Floats, written: NDArray[np.bool_]) -> Floats:
    """Return when the cell has moved by one more unit since the row before: between rows that are written anyhow."""
    edge = written.copy()
    edge[0] = edge[-1] = True
    at = moved[edge]
    counts = np.ceil(np.diff(at) * (1 - HAIR)).astype(np.int64) - 1
    if not len(counts) or counts.max() <= 0:
        return np.empty(0)
    counts = np.maximum(counts, 0)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    levels = np.repeat(at[:-1], counts) + (np.arange(counts.sum()) - first + 1)
    times = np.interp(levels, moved, grid)
    return np.asarray(times[np.diff(np.floor(times / SOONEST), prepend=-1.0) > 0.0])


def _inside(piece: Solved, times: Floats) -> Floats:
    return np.minimum(np.maximum(times, 0.0), piece.end)


def _rows(piece: Solved, offset: float, times: Floats, complete: bool) -> Stretch:
    seen = piece.rows(_inside(piece, times - offset))
    return Stretch(
        times, seen.voltage, seen.current, seen.temperature, seen.charging, seen.discharging, complete
    )  # fmt: skip


def _brief(piece: Solved, offset: float, begin: float, written: Floats, complete: bool) -> Stretch:
    """Return rows with the looks between them that their energy wants, all asked of the cell at once."""
    times = np.concatenate((begin + (written[-1] - begin) * _BETWEEN, written))
    order = times.argsort(kind="stable")
    row = order >= len(_BETWEEN)
    inside = _inside(piece, times[order] - offset)
    seen = piece.rows(inside)
    voltage = np.minimum(np.maximum(seen.voltage, -RAIL), RAIL)
    return Stretch(
        written, seen.voltage[row], seen.current[row], seen.temperature[row], seen.charging[row], seen.discharging[row],
        complete, between=np.array((inside, voltage, seen.charging, seen.discharging, row)),
    )  # fmt: skip


def _merged(one: Stretch, other: Stretch) -> Stretch:
    order = np.argsort(np.concatenate([one.time, other.time]), kind="stable")
    names = ("time", "voltage", "current", "temperature", "charging", "discharging")
    columns = {name: np.concatenate([getattr(one, name), getattr(other, name)])[order] for name in names}
    return Stretch(**columns, complete=one.complete)
