"""Rows that an instrument records by itself and that change nothing but the sums of their runs: taken without a fold, as columns.

A poll brings rows of a thousand channels, and on nearly all of them nothing happens. What must hold for that stands in one row of
a matrix for each run, from its last fold on; all rows are compared with it at once. The checkpoint of such a run stays the one of
its last fold, and every row stands for the state after it; now and then a run is folded all the same, so that none is too old.
"""

from collections.abc import Collection, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labctl.engine.fast_path import quiet_box
from labctl.engine.state_parts import LastRow
from labctl.run.connection.polled_run import PolledRun
from labctl.run.quiet_ahead import QuietAhead
from labctl.sample import ChannelRows, Floats, Quality
from labctl.store import matrix
from labctl.store.entry import QuietRows

OLDEST: Final = 600.0  # s of the machine that the checkpoint of a run may be old
SPREAD: Final = 16  # moments before that at which the runs of a connection are folded, some at each
FIELDS: Final = (
    "run", "record", "attempt", "step", "begun", "after", "before", "charging", "discharging", "charging_wh", "discharging_wh",
    "least_voltage", "most_voltage", "least_current", "most_current", "most_charging", "most_discharging", "until",
)  # fmt: skip
_AT: Final = {name: place for place, name in enumerate(FIELDS)}
Places = NDArray[np.intp]


class QuietRecords:
    """What is known of the runs at one connection from their last folds on: a row of a matrix for each.

    Attributes:
        taken: By place, how many rows were taken since.
    """

    def __init__(self) -> None:
        """Know none."""
        self._known = np.empty((0, len(FIELDS)))
        self._last = np.empty((0, matrix.WIDTH))
        self._open = np.zeros(0, bool)
        self.taken = np.zeros(0, np.intp)
        self._place_of: dict[str, int] = {}

    def enter(self, run: PolledRun, machine: float) -> None:
        """Let the rows to come of a run be taken without a fold, if its state allows it; nothing of it waits to be stored.

        Args:
            run: Just folded and handed over.
            machine: Seconds of the machine now.
        """
        session = run.session
        if not session.is_settled or session.row_step is None:
            return
        box = quiet_box(session.plan, session.state, session.row_step)
        base = (
            session.base.charging_ah,
            session.base.discharging_ah,
            session.base.charging_wh,
            session.base.discharging_wh,
        )
        if box is None or None in base:
            return
        place, state = self._place(run.at), session.state
        until = machine + OLDEST * (1.0 - place % SPREAD / (2 * SPREAD))
        self._known[place] = (
            session.run_id, session.next_record, state.attempt, session.row_step, session.begun, state.last.time, box.deadline,
            *base, *box.voltage, *box.current, box.charging_ah[1], box.discharging_ah[1], until,
        )  # fmt: skip
        self._open[place], self.taken[place] = True, 0
        session.go_on_quietly(QuietAhead(self, place, _nothing))

    def take(self, rows: ChannelRows, machine: float) -> tuple[QuietRows | None, Collection[str]]:
        """Take the rows of all channels on which nothing happens.

        Args:
            rows: As they were recorded.
            machine: Seconds of the machine now.

        Returns:
            The rows as they are stored, None of no channel; and the channels whose rows were taken.
        """
        places = np.array([self._place_of.get(at, -1) for at in rows.channels], np.intp)
        counts = np.diff(rows.ends, prepend=0)
        mine = places >= 0
        if not self._open[places[mine]].any():
            return None, ()
        known = dict(zip(FIELDS, self._known[places].T, strict=True))
        mine &= self._open[places] & (rows.steps == known["step"]) & (machine < known["until"])
        spread = {name: np.repeat(column, counts) for name, column in known.items()}
        values = _stored(rows, spread, counts)
        mine &= np.logical_and.reduceat(_are_quiet(values, spread), rows.ends - counts)
        if not mine.any():
            return None, ()
        lasts = rows.ends[mine] - 1
        self._take(places[mine], counts[mine], values[lasts])
        return _in_order(values, mine, counts, known), {
            at for at, is_mine in zip(rows.channels, mine.tolist(), strict=True) if is_mine
        }

    def leave(self, at: str) -> None:
        """Take no more rows of a channel without a fold: its run has ended."""
        if at in self._place_of:
            self.clear(self._place_of[at])

    # --- what is told of them afterwards ------------------------------------------------------------------------------

    def last(self, place: int) -> LastRow:
        """Return what a state knows of the row of a place that was taken last."""
        return matrix.last_of(self._last[place])

    def time(self, place: int) -> float:
        """Return the run time of the row of a place that was taken last, s."""
        return float(self._last[place, matrix.TIME])

    def clear(self, place: int) -> None:
        """Take no more rows of a place without a fold."""
        self._open[place], self.taken[place] = False, 0

    # --- inside -------------------------------------------------------------------------------------------------------

    def _place(self, at: str) -> int:
        place = self._place_of.setdefault(at, len(self._place_of))
        if place >= len(self.taken):
            more = max(4, len(self.taken))
            for name in ("_known", "_last", "_open", "taken"):
                column = getattr(self, name)
                setattr(self, name, np.concatenate((column, np.zeros((more, *column.shape[1:]), column.dtype))))
        return place

    def _take(self, places: Places, counts: Places, lasts: Floats) -> None:
        self.taken[places] += counts
        self._last[places] = lasts
        self._known[places, _AT["record"]] += counts
        self._known[places, _AT["after"]] = lasts[:, matrix.TIME]


def _nothing(taken: int) -> None:
    """Tell the source nothing: it has given its rows for good."""
    del taken


def _stored(rows: ChannelRows, known: Mapping[str, Floats], counts: Places) -> Floats:
    """Return rows as they are stored, as `engine.meter.mapped` and `store.matrix` make them."""
    values = np.empty((len(rows.time), matrix.WIDTH))
    values[:, matrix.RUN], values[:, matrix.ATTEMPT] = known["run"], known["attempt"]
    values[:, matrix.RECORD] = known["record"] + (np.arange(len(rows.time)) - np.repeat(rows.ends - counts, counts))
    values[:, matrix.TIME] = rows.time + known["begun"]
    values[:, matrix.VOLTAGE], values[:, matrix.CURRENT] = rows.voltage, rows.current
    values[:, matrix.CHARGING] = rows.charging_ah + known["charging"]
    values[:, matrix.DISCHARGING] = rows.discharging_ah + known["discharging"]
    values[:, matrix.TEMPERATURE], values[:, matrix.QUALITY] = np.nan, Quality.GOOD
    values[:, matrix.CHARGING_WH] = rows.charging_wh + known["charging_wh"]
    values[:, matrix.DISCHARGING_WH] = rows.discharging_wh + known["discharging_wh"]
    values += 0.0  # a negative zero is stored as zero
    return values


def _are_quiet(values: Floats, known: Mapping[str, Floats]) -> NDArray[np.bool_]:
    """Tell of rows whether they lie strictly inside the box of their run, as `engine.fast_path.inside` would."""
    time, voltage, current = values[:, matrix.TIME], values[:, matrix.VOLTAGE], values[:, matrix.CURRENT]
    charging, discharging = values[:, matrix.CHARGING], values[:, matrix.DISCHARGING]
    quiet: NDArray[np.bool_] = (time < known["before"]) & (time >= known["after"])
    quiet &= (known["least_voltage"] < voltage) & (voltage < known["most_voltage"])
    quiet &= (known["least_current"] < current) & (current < known["most_current"])
    quiet &= (charging < known["most_charging"]) & (discharging < known["most_discharging"])
    quiet &= np.isfinite(charging + discharging + values[:, matrix.CHARGING_WH] + values[:, matrix.DISCHARGING_WH])
    return quiet


def _in_order(values: Floats, mine: NDArray[np.bool_], counts: Places, known: Mapping[str, Floats]) -> QuietRows:
    """Return the rows of some channels in the order of the numbers of their runs."""
    runs, firsts, steps = (known[name][mine].astype(int) for name in ("run", "record", "step"))
    if not mine.all():
        values, counts = values[np.repeat(mine, counts)], counts[mine]
    order = np.argsort(runs)
    if (np.diff(order) != 1).any():
        begins, runs, firsts, steps = (np.cumsum(counts) - counts)[order], runs[order], firsts[order], steps[order]
        counts = counts[order]
        ends = np.cumsum(counts)
        values = values[np.arange(ends[-1]) + np.repeat(begins - (ends - counts), counts)]
    return QuietRows(values, runs.tolist(), firsts.tolist(), np.cumsum(counts).tolist(), steps.tolist())
