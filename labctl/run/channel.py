"""A channel of the station: its parts by role, and the run on it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from labctl.driver import Bounds
from labctl.engine.cycle import numbers_of
from labctl.engine.state_parts import Unblock
from labctl.plan.index import index
from labctl.plan.step import Plan
from labctl.plan.time_left import TimeLeft
from labctl.run.request import Flat
from labctl.run.session import RunSession
from labctl.run.unblock import command_for
from labctl.station.settings import Part
from labctl.store.entry import Queued


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What people want to know of a run.

    Attributes:
        run_id: In the journal.
        uuid: Its identity across databases.
        protocol: Name.
        cell: Name.
        began: UTC label of run time 0, s.
        time_left: What is likely to be left from any step on; None where nobody knows.
    """

    run_id: int
    uuid: str
    protocol: str
    cell: str
    began: float
    time_left: TimeLeft | None = None


UUID_BEGIN = 8  # characters of a uuid by which a run may be named


def local_time(unix: float) -> str:
    """Return a moment as the clock on this machine's wall shows it, with its offset from UTC."""
    return dt.datetime.fromtimestamp(unix).astimezone().isoformat(sep=" ", timespec="minutes")


@dataclass(slots=True)
class Channel:
    """A channel and the run on it.

    Attributes:
        name: In the station file.
        parts: By role: `cell`, `stage`, `chamber`, ...
        bounds: The channel's own limits.
        session: Of the run, which folds it; None while idle.
        info: Of the run, or of the last one.
        origin: Clock time of run time 0.
        starting: A start is under way.
        unknown: Why nobody knows what the channel does, "" if somebody does.
        foreign: What the instrument runs there that this station did not start, in words; "" if nothing.
        last: How the last run ended, in words.
        ended_as: The state in which the last run left the channel.
        start_stopped_by: Who stopped a start that is under way.
        queue: Runs that wait for their turn.
        queue_trouble: Why the first of them could not begin when its turn had come, "" while nothing kept it.
        ended_reason: Why the last run ended, one of the engine's closed list.
        ended_commit: The commit with its end, or an earlier one after its last row.
        stranded: Number of a run that stands in the journal as active and cannot be taken up, None if there is none.
        claimed: The plan for which shared parts are held, while a run is about to begin with it or to take it.
    """

    name: str
    parts: Mapping[str, Part]
    bounds: Bounds = field(default_factory=Bounds)
    session: RunSession | None = None
    info: RunInfo | None = None
    origin: float = 0.0
    starting: bool = False
    unknown: str = ""
    foreign: str = ""
    last: str = ""
    ended_as: str = "idle"
    start_stopped_by: str = ""
    stranded: int | None = None
    queue: tuple[Queued, ...] = ()
    _left: tuple[TimeLeft, int, float, float, float] | None = field(default=None, compare=False, repr=False)
    queue_trouble: str = ""
    ended_reason: str = "done"
    ended_commit: int = 0
    claimed: Plan | None = None

    @property
    def begun(self) -> RunSession | None:
        """The run on the channel once it has begun: one that was just attached may wait for the instrument first."""
        return self.session if self.session is not None and self.session.has_begun else None

    def is_run(self, name: str) -> bool:
        """Tell whether a name is that of the run that is on the channel, or was last: its number, its uuid, or the uuid's begin."""
        if self.info is None:
            return False
        begins = len(name) >= UUID_BEGIN and self.info.uuid.startswith(name)
        return begins or name == str(self.info.run_id)

    def is_running(self, name: str) -> bool:
        """Tell whether the run of a name is on the channel now."""
        return self.session is not None and self.is_run(name)

    def holds(self, queued: Queued) -> bool:
        """Tell whether a run that waits needs a person: one that ended after it was queued did not end as done."""
        return self.ended_reason != "done" and self.ended_commit > queued.after

    @property
    def queue_held(self) -> bool:
        """Tell whether something waits that needs a person."""
        return any(self.holds(queued) for queued in self.queue)

    @property
    def next_words(self) -> str:
        """Say what runs next, what begins at a time, and what keeps them, "" if nothing waits."""
        if not self.queue:
            return ""
        timed = sorted((each.begin, self._named(each)) for each in self.queue if each.begin is not None)
        others = [self._named(each) for each in self.queue if each.begin is None]
        words = [f"next: {others[0]}"] if others else []
        words += [f"{name} at {local_time(begin)}" for begin, name in timed[:1]]
        more = len(self.queue) - len(words)
        text = ", ".join(words) + (f" and {more} more" if more else "")
        if self.queue_held and self.session is None:
            return f"{text}, held since the last run ended as {self.ended_reason}"
        return f"{text}; it cannot begin: {self.queue_trouble}" if self.queue_trouble else text

    def waiting(self) -> list[Flat]:
        """Return the runs that wait, in their order: place, run, protocol, cell, by, begin (UTC, s; None for its turn), held."""
        return [
            {
                "place": at + 1,
                "run": each.new.uuid,
                "protocol": each.new.protocol,
                "cell": each.new.cell,
                "by": each.new.by,
                "begin_unix_time_second": each.begin,
                "held": self.holds(each),
            }
            for at, each in enumerate(self.queue)
        ]

    @staticmethod
    def _named(queued: Queued) -> str:
        return f"{queued.new.protocol} on {queued.new.cell} ({queued.new.uuid[:8]})"

    @property
    def at(self) -> str:
        """The channel of the instrument at the cell."""
        return self.parts["cell"].at

    @property
    def why_unknown(self) -> str:
        """Why this station does not know what the channel does, or is not the one who decides it; "" if it is."""
        return self.unknown or (self.foreign if self.session is None else "")

    @property
    def activity(self) -> str:
        """The channel's state, one of the closed list."""
        if self.why_unknown:
            return "unknown"
        if self.starting or self.session is not self.begun:
            return "preparing"
        return self.ended_as if self.session is None else self.session.state.activity

    def next_command(self) -> str:
        """Return the command that gives a channel without a run something to do: what failed goes on where it stopped."""
        return self._unblock_ended() or f"labctl start FILE --channel {self.name} --cell CELL"

    def _unblock_ended(self) -> str:
        if self.queue_held:
            return command_for(Unblock.RESUME, self.name)
        again = self.info is not None and self.ended_as in {"failed", "tripped"} and not self.unknown
        return f"labctl resume {self.info.uuid[:8]} --from 0" if again and self.info is not None else ""

    @property
    def mark(self) -> tuple[object, ...]:
        """What changes whenever something of `look` does that is not of its last row: to compare costs less than to look."""
        session, info = self.begun, self.info
        folds, per_cent = (0, 0) if session is None else (session.folds, 0)
        if session is not None and (known := self._progress(session, session.time)) is not None:
            per_cent = int(100.0 * known[0])
        return (
            self.session, folds, per_cent, info, self.starting, self.unknown, self.foreign, self.last, self.ended_as,
            self.stranded, self.queue, self.queue_trouble, self.ended_reason, self.ended_commit,
        )  # fmt: skip

    def look(self) -> dict[str, str | float | int | bool | None]:
        """Return what the channel does as a flat object."""
        session, info = self.begun, self.info
        shown: dict[str, str | float | int | bool | None] = {
            "channel": self.name,
            "activity": self.activity,
            "why": self.why_unknown or (self.last if session is None else session.state.why),
            "unblock": self._unblock(),
            "run": info.uuid if info else "",
            "run_id": info.run_id if info else None,
            "protocol": info.protocol if info else "",
            "cell": info.cell if info else "",
            "instrument": self.parts["cell"].instrument,
            "queue": len(self.queue),
            "next": self.next_words,
        }
        return shown if session is None else {**shown, **self._running(session)}

    def _unblock(self) -> str:
        if self.stranded is not None:
            return f"labctl stop {self.name}"
        if self.foreign and self.session is None and not self.unknown:
            return f"labctl adopt {self.name}"
        if self.session is not self.begun:
            return ""
        return self._unblock_ended() if self.session is None else command_for(self.session.state.unblock, self.name)

    def _running(self, session: RunSession) -> Flat:
        state, info = session.state, self.info
        last, step = state.last, state.step
        line = index(session.plan).lines.get(step.line) if step else None
        known = self._progress(session, last.time)
        return {
            "step_id": step.line if step else None,
            "step_count": step.count if step else None,
            "step_type": line.verb if line else "",
            "step_name": (step.name or line.name) if step and line else "",
            **numbers_of(session.plan.edition, state.cycle),
            "test_time_second": last.time,
            "step_time_second": state.step_time(last.time),
            "voltage_volt": last.voltage,
            "current_ampere": last.current,
            "surface_temperature_celsius": last.temperature,
            "charging_capacity_ah": last.charging_ah,
            "discharging_capacity_ah": last.discharging_ah,
            "charging_energy_wh": last.charging_wh,
            "discharging_energy_wh": last.discharging_wh,
            "record_index": last.record,
            "began_unix_time_second": info.began if info else None,
            "progress": known and known[0],
            "remaining_second": known and known[1],
        }

    def _progress(self, session: RunSession, time: float) -> tuple[float, float] | None:
        """Return the share of a run that is done at its run time, and the seconds that are left of it; None where nobody knows.

        What is left as a step begins is worked out once a fold: within a step nothing but its time changes that. Of a plan
        that has just been edited it is known as soon as the new one is estimated.
        """
        time_left = None if self.info is None else self.info.time_left
        if time_left is None or time_left.plan is not session.plan or not session.has_begun:
            return None
        if self._left is None or self._left[0] is not time_left or self._left[1] != session.folds:
            state = session.state
            line = state.step.line if state.step else state.line
            begins, own = time_left.before(line, state.passes), time_left.of(line) if state.step else 0.0
            self._left = time_left, session.folds, begins, own, state.last.time - state.step_time(state.last.time)
        _, _, begins, own, since = self._left
        left = max(begins - min(max(time - since, 0.0), own), 0.0)
        return time / ((time + left) or 1.0), left
