"""The meter: measured rows in, charge and energy counted, the rows out that are due, outside the watch, or first of a program.

Columns over the channels of one connection: a tick is a few numpy expressions, whatever the number of channels. Between two
measured rows charge is trapezoidal, split by sign where the current changes it; across a change of set-point the old current
holds until the confirmation, and the new one's first row holds back to it. Energy is that charge at the mean of the two voltages
(at the old voltage across a change of set-point), so it hangs on the rows that were measured and not on those that are stored.
Terms are added one by one, so the counters are the same bits whether rows come in ticks or in batches.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from labctl.driver import RecordRule
from labctl.engine.condition import Truth
from labctl.engine.record_rule import Rule, first_rule, next_due
from labctl.engine.row_quality import BELIEVABLE
from labctl.engine.state_parts import Counters
from labctl.engine.watch import FAR, NOTHING, Box
from labctl.errors import InternalError
from labctl.sample import Batch, Flags, Floats, Quality, Snapshot

Places: TypeAlias = Any  # an index array, or a slice of all
Columns: TypeAlias = tuple[Floats, ...]  # time, voltage, current, temperature
SECONDS_PER_HOUR: Final = 3600.0
_COUNTED: Final = ("charging", "discharging", "charging_wh", "discharging_wh")
_COLUMNS: Final = ("time", "voltage", "current", *_COUNTED, "temperature")
_MEASURED: Final = ("time", "voltage", "current", "temperature")
_BOX: Final = ("voltage", "current", "charging", "discharging", "temperature")


def charge(earlier: Floats, later: Floats, seconds: Floats) -> tuple[Floats, Floats]:
    """Return the charge between rows in each direction, Ah: the area under the straight line between two currents.

    Args:
        earlier: Current of the row before, A.
        later: Current of the row, A.
        seconds: Between them, s.
    """
    size = np.abs(earlier) + np.abs(later)
    up = np.maximum(earlier, 0.0) + np.maximum(later, 0.0)
    down = size - up
    share = np.divide(up, size, out=np.zeros_like(size), where=size > 0.0)
    hours = seconds * (0.5 / SECONDS_PER_HOUR)
    # of one sign: share is exactly 1 or 0; of two: each triangle's base is its share of the time
    return up * share * hours, down * (1.0 - share) * hours


class Meter:
    """The channels of one connection, column by column."""

    def __init__(self, channels: Sequence[str], thermometers: Collection[str] = ()) -> None:
        """Make the columns.

        Args:
            channels: Names, in the order of a whole snapshot.
            thermometers: Those whose temperature is measured.
        """
        self.channels = tuple(channels)
        count = len(self.channels)
        self._at = {name: place for place, name in enumerate(self.channels)}
        self._places: dict[tuple[str, ...], NDArray[np.intp]] = {}
        self._all = np.arange(count)
        self._cold = np.full(count, np.nan)
        self._warm = np.array([name in thermometers for name in self.channels], bool)
        self._any_warm = bool(self._warm.any())
        self._any_temperature = False  # limits or ends of temperature where nothing measures it
        self._active = np.zeros(count, bool)
        self._fresh = np.ones(count, bool)  # no good row since the program began
        self._last = {name: np.zeros(count) for name in _COLUMNS}
        self._kept = {name: np.zeros(count) for name in ("time", "voltage", "current")}
        self._begun = np.zeros(count)
        self._rules: list[tuple[RecordRule, ...]] = [()] * count
        self._every, self._next = np.full(count, np.inf), np.full(count, np.inf)
        self._change = {name: np.full(count, np.inf) for name in ("voltage", "current")}
        self._rule_ends = np.full(count, np.inf)
        self._low = {name: np.full(count, FAR) for name in _BOX}
        self._high = {name: np.full(count, -FAR) for name in _BOX}
        self._deadline = np.full(count, -FAR)
        self._fill = np.zeros(count, np.intp)
        self._rows = {name: np.empty((count, 16)) for name in _COLUMNS}
        self._quality = np.zeros((count, 16), np.uint8)
        self._auxiliary: list[dict[str, float]] = [{} for _ in range(count)]

    # --- set-up -------------------------------------------------------------------------------------------------------

    def begin(self, channel: str, time: float, record: Sequence[RecordRule], step_time: float = 0.0) -> Counters:
        """Take note that a program took effect; its first row is due.

        Args:
            channel: Whose.
            time: Run time of the confirmation, s. The current of the last row held until then.
            record: Rules of its step; their times count from `time`.
            step_time: Seconds of the step that lie behind, if the rules count from its begin.

        Returns:
            The run's counters at that time, for `Began`.
        """
        at = self._place(channel)
        if self._active[at]:
            time = max(time, float(self._last["time"][at]))
        if self._active[at] and not self._fresh[at]:
            current = self._last["current"][at : at + 1]
            up, down = charge(current, current, np.array([max(time - self._last["time"][at], 0.0)]))
            for name, passed in (("charging", up[0]), ("discharging", down[0])):
                self._last[name][at] += passed
                self._last[f"{name}_wh"][at] += passed * self._last["voltage"][at]
        self._last["time"][at] = time
        self._active[at], self._fresh[at] = True, True
        self._begun[at] = time - step_time
        self._rules[at] = tuple(record)
        self._set_rule(at, first_rule(self._rules[at], step_time), time)
        return self.counters(channel)

    def resume(self, channel: str, counters: Counters) -> None:
        """Take up a channel whose run has these counters; rows flow once a program has begun."""
        at = self._place(channel)
        for name, value in zip(_COUNTED, counters, strict=True):
            self._last[name][at] = value
        self._active[at], self._fresh[at], self._fill[at] = False, True, 0
        self._auxiliary[at] = {}

    def waits_for_first_row(self, channel: str) -> bool:
        """Tell whether no good row has come since the channel's program took effect."""
        at = self._place(channel)
        return bool(self._active[at] and self._fresh[at])

    def stop(self, channel: str) -> None:
        """Forget a channel's run; rows on it are nobody's."""
        at = self._place(channel)
        self._active[at], self._fill[at] = False, 0
        self.watch(channel, NOTHING)

    def watch(self, channel: str, box: Box) -> None:
        """Keep rows strictly inside a box back until they are taken; others are outside."""
        at = self._place(channel)
        ranges = (box.voltage, box.current, box.charging_ah, box.discharging_ah, box.temperature)
        for name, (low, high) in zip(_BOX, ranges, strict=True):
            self._low[name][at], self._high[name][at] = low, high
        self._deadline[at] = box.deadline
        self._any_temperature |= not self._warm[at] and box.temperature != (-FAR, FAR)

    def auxiliary(self, channel: str, name: str, value: float) -> None:
        """Set what another part of the channel reads; it enters the rows taken from now on as a column."""
        self._auxiliary[self._place(channel)][name] = value

    def counters(self, channel: str) -> Counters:
        """Return the run's counters."""
        at = self._place(channel)
        return Counters(*(float(self._last[name][at]) for name in _COUNTED))

    def not_before(self, channels: tuple[str, ...], run_times: Floats) -> Floats:
        """Return run times of rows, none earlier than what is known of its channel: by the length of a slow reply they may be.

        The time that an instrument counts begins, for the run, with the confirmation; that of a row at rest with the question.
        """
        at, _ = self._places_of(channels)
        return np.maximum(run_times, self._last["time"][at])

    # --- a tick -------------------------------------------------------------------------------------------------------

    def step(self, snapshot: Snapshot, run_times: Floats, marks: Flags | None = None) -> tuple[Truth, Truth]:
        """Meter one row of each channel of a snapshot.

        Args:
            snapshot: Of some or all of the channels.
            run_times: Run time of each row, s, in the order of the snapshot.
            marks: A `Quality` for each row, as its driver marked it; None where it marked none.

        Returns:
            Which of `channels` have a row that is due, and which one that lies outside the watch; both wait for `take`.
        """
        at, order = self._places_of(snapshot.channels)
        warm = snapshot.temperature_celsius
        celsius = self._cold[: len(order)] if warm is None else warm + 0.0
        columns = (run_times, snapshot.voltage + 0.0, snapshot.current + 0.0, celsius)  # no negative zero: as stored
        last = self._last
        good = self._good(at, columns)
        if marks is not None:
            good &= marks != Quality.BAD
        if not good.all():
            self._hold_before(order[~good])
        self._count(at, good, columns)
        outside = self._outside(at, good, columns)
        due = self._due(at, order, good, columns)
        for name, column in zip(_MEASURED, columns, strict=True):
            kept = last[name][at]
            np.copyto(kept, column, where=good)
            if order is at:
                last[name][at] = kept  # an index array made a copy
        self._keep(order, due | outside, good, columns, marks)
        if order is not at:
            return due, outside
        everywhere = np.zeros((2, len(self.channels)), bool)
        everywhere[0, at], everywhere[1, at] = due, outside
        return everywhere[0], everywhere[1]

    def _good(self, at: Places, columns: Columns) -> Truth:
        time, voltage, current, celsius = columns
        good: Truth = np.abs(voltage) < BELIEVABLE
        good &= np.abs(current) < BELIEVABLE
        good &= np.abs(time) < BELIEVABLE
        if self._any_warm:
            good &= ~self._warm[at] | (np.abs(celsius) < BELIEVABLE)
        return np.logical_and(good, self._active[at])

    def _count(self, at: Places, good: Truth, columns: Columns) -> None:
        last, (time, voltage, current, _), fresh = self._last, columns, self._fresh[at]
        now = np.where(good, current, 0.0)
        earlier = np.where(fresh, now, last["current"][at])
        seconds = np.where(good, np.maximum(time - last["time"][at], 0.0), 0.0)
        up, down = charge(earlier, now, seconds)
        volts = np.where(good, voltage, 0.0)
        mean = (volts + np.where(fresh, volts, last["voltage"][at])) * 0.5
        last["charging"][at] += up
        last["discharging"][at] += down
        last["charging_wh"][at] += up * mean
        last["discharging_wh"][at] += down * mean

    def _outside(self, at: Places, good: Truth, columns: Columns) -> Truth:
        low, high, last, (time, voltage, current, celsius) = self._low, self._high, self._last, columns
        inside = good & (time < self._deadline[at])
        inside &= (voltage > low["voltage"][at]) & (voltage < high["voltage"][at])
        inside &= (current > low["current"][at]) & (current < high["current"][at])
        inside &= last["charging"][at] < high["charging"][at]
        inside &= last["discharging"][at] < high["discharging"][at]
        if self._any_warm or self._any_temperature:
            known = self._warm[at] & (celsius > low["temperature"][at]) & (celsius < high["temperature"][at])
            free = ~self._warm[at] & (low["temperature"][at] <= -FAR) & (high["temperature"][at] >= FAR)
            inside &= known | free
        outside: Truth = self._active[at] & ~inside
        return outside

    def _due(self, at: Places, order: Places, good: Truth, columns: Columns) -> Truth:
        time, voltage, current, _ = columns
        over = good & (time - self._begun[at] >= self._rule_ends[at])
        if over.any():
            for place in np.flatnonzero(over):
                self._change_rule(int(order[place]), float(time[place]))
        due: Truth = self._fresh[at] | (time >= self._next[at])
        due |= np.abs(voltage - self._kept["voltage"][at]) >= self._change["voltage"][at]
        due |= np.abs(current - self._kept["current"][at]) >= self._change["current"][at]
        due &= good
        self._fresh[at] &= ~good
        return due

    # --- batches ------------------------------------------------------------------------------------------------------

    def rows(self, channel: str, batch: Batch) -> None:
        """Meter rows of one channel that an instrument measured by itself and did not count; `batch.time` is run time.

        As if they had come in ticks: what is due or outside the watch waits for `take`.
        """
        for place in range(len(batch)):
            one = slice(place, place + 1)
            warm = batch.temperature_celsius
            snapshot = Snapshot(
                (channel,), batch.voltage[one], batch.current[one], None, None if warm is None else warm[one]
            )
            self.step(snapshot, batch.time[one], None if batch.quality is None else batch.quality[one])

    def hold_last(self, channel: str) -> None:
        """Let the last good row be taken even if it was not due: it is the last before a command."""
        at = self._place(channel)
        if self._fresh[at] or self._kept["time"][at] == self._last["time"][at]:
            return
        one = np.array([at])
        values = tuple(self._last[name][one] for name in _MEASURED)
        self._keep(one, np.array([True]), np.array([True]), values)

    def _hold_before(self, places: NDArray[np.intp]) -> None:
        """Let the last good rows out before bad ones: what was counted is folded, and times and counters never fall."""
        for at in places[self._active[places]].tolist():
            self.hold_last(self.channels[at])

    def waiting(self) -> Truth:
        """Return which channels have rows that wait to be taken."""
        return self._fill > 0

    def take(self, channel: str) -> Batch:
        """Return the rows that wait, metered, and forget them; perhaps none."""
        at = self._place(channel)
        count = int(self._fill[at])
        self._fill[at] = 0
        column = {name: self._rows[name][at, :count].copy() for name in _COLUMNS}
        quality: Flags = self._quality[at, :count].copy()
        return Batch(
            time=column["time"],
            voltage=column["voltage"],
            current=column["current"],
            charging_ah=column["charging"],
            discharging_ah=column["discharging"],
            charging_wh=column["charging_wh"],
            discharging_wh=column["discharging_wh"],
            temperature_celsius=column["temperature"] if self._warm[at] else None,
            quality=quality if quality.any() else None,
            auxiliary={name: np.full(count, value) for name, value in self._auxiliary[at].items()},
        )

    # --- inside -------------------------------------------------------------------------------------------------------

    def _place(self, channel: str) -> int:
        place = self._at.get(channel)
        if place is None:
            raise InternalError(f"wanted a channel of this connection, found {channel}")
        return place

    def _places_of(self, channels: tuple[str, ...]) -> tuple[Places, Places]:
        """Return where channels are, and the same as numbers; all of them in order are a slice, which copies nothing."""
        if channels is self.channels or channels == self.channels:
            return slice(None), self._all
        known = self._places.get(channels)
        if known is None:
            known = self._places[channels] = np.array([self._place(name) for name in channels], np.intp)
        return known, known

    def _keep(self, at: Places, wanted: Truth, good: Truth, values: Columns, marks: Flags | None = None) -> None:
        """Put rows where they wait; a good one is what changes are measured from."""
        chosen = np.flatnonzero(wanted)
        if not len(chosen):
            return
        places = at[chosen]
        if int(self._fill[places].max()) >= self._quality.shape[1]:
            self._widen()
        fill = self._fill[places]
        for name, column in zip(_MEASURED, values, strict=True):
            self._rows[name][places, fill] = column[chosen]
        for name in _COUNTED:
            self._rows[name][places, fill] = self._last[name][places]
        self._quality[places, fill] = np.where(
            good[chosen], Quality.GOOD if marks is None else marks[chosen], Quality.BAD
        )
        self._fill[places] += 1
        sound = chosen[good[chosen]]
        self._kept["time"][at[sound]] = values[0][sound]
        self._kept["voltage"][at[sound]] = values[1][sound]
        self._kept["current"][at[sound]] = values[2][sound]
        self._next[at[sound]] = next_due(self._begun[at[sound]], self._every[at[sound]], values[0][sound])

    def _widen(self) -> None:
        for name in _COLUMNS:
            self._rows[name] = np.concatenate((self._rows[name], np.empty_like(self._rows[name])), axis=1)
        self._quality = np.concatenate((self._quality, np.zeros_like(self._quality)), axis=1)

    def _set_rule(self, at: int, rule: Rule, time: float) -> None:
        self._every[at], self._rule_ends[at] = rule.every, rule.until
        self._change["voltage"][at], self._change["current"][at] = rule.voltage, rule.current
        self._next[at] = next_due(self._begun[at : at + 1], self._every[at : at + 1], np.array([time]))[0]

    def _change_rule(self, at: int, time: float) -> None:
        """Go to the next record rule; its first row is due at once."""
        self._set_rule(at, first_rule(self._rules[at], time - float(self._begun[at])), time)
        self._next[at] = time


def mapped(batch: Batch, begun: float, counters: Counters) -> Batch:
    """Return rows of an instrument that records and counts by itself on run time and the run's counters.

    Args:
        batch: Its rows; time, charge and energy from the begin of the program.
        begun: Run time at which the program began, s.
        counters: Of the run then; where it knows no energies, or the rows have none, the rows that are returned have none.

    Raises:
        InternalError: The rows carry no counters.
    """
    if batch.charging_ah is None or batch.discharging_ah is None:
        raise InternalError("wanted rows of an instrument that counts by itself, found rows without counters")
    energies = (batch.charging_wh, counters.charging_wh), (batch.discharging_wh, counters.discharging_wh)
    up, down = (None if rows is None or before is None else rows + before for rows, before in energies)
    return Batch(
        time=batch.time + begun,
        voltage=batch.voltage + 0.0,  # a negative zero is stored as zero, and what is folded is what is stored
        current=batch.current + 0.0,
        charging_ah=batch.charging_ah + counters.charging_ah,
        discharging_ah=batch.discharging_ah + counters.discharging_ah,
        temperature_celsius=None if batch.temperature_celsius is None else batch.temperature_celsius + 0.0,
        quality=batch.quality,
        auxiliary=batch.auxiliary,
        step=batch.step,
        charging_wh=up,
        discharging_wh=down,
    )
