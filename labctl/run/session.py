"""One run between the instrument and the journal: folds what happens, in order, keeps what is to be stored and what is to be done.

It waits for nothing and knows no clock: who drives it (a simulation as fast as it goes, or a connection that ticks) reads the
instrument, carries the commands out, and hands the entries to the journal.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter

import orjson

from labctl.driver import Capabilities
from labctl.engine.edit import edited_plan
from labctl.engine.fast_path import quiet_count
from labctl.engine.fold import begin, fold
from labctl.engine.input import Apply, Began, Command, Finish, Input, Off, Order, Verb
from labctl.engine.meter import mapped
from labctl.engine.order import orders_now
from labctl.engine.state import Outcome, State, state_to_json
from labctl.engine.state_builder import with_last
from labctl.engine.state_parts import Counters
from labctl.plan.step import Line, Plan
from labctl.run.quiet_ahead import QuietAhead, QuietColumns
from labctl.run.resume_point import ResumePoint, with_moment
from labctl.sample import Batch
from labctl.store.assemble import obeyed
from labctl.store.entry import Entry

Save = Callable[["RunSession"], bytes | None]


def nothing(session: "RunSession") -> bytes | None:
    """Save no resume point."""
    del session
    return None


class RunSession:
    """One run between the instrument and the journal.

    Attributes:
        run_id: In the journal.
        plan: What it does.
        state: Where it is.
        program_step: Of the running program, of which the last row is.
        row_step: The step of the rows that were folded last, None before any.
        commands: To be carried out, in order.
        finish: How it ended, once it has.
        begun: Run time at which the running program began, s.
        base: The run's counters at that time.
        save: Returns the resume point that is stored with the state.
        serial: Of the instrument at which the run is, "" where it has none.
    """

    def __init__(self, run_id: int, plan: Plan, state: State | None = None, save: Save = nothing) -> None:
        """Take up a run where `state` is; None for one that has not begun."""
        self.run_id = run_id
        self.plan = plan
        self._state = state
        self._next_record = 0 if state is None else state.last.record + 1
        self.commands: deque[Command] = deque()
        self.finish: Finish | None = None
        self.program_step = 0
        self.row_step: int | None = None
        self.begun = 0.0
        self.base = Counters()
        self.save = save
        self.serial = ""
        self.changed = False  # something other than rows waits to be stored
        self.rows = 0  # that wait to be stored
        self.folds = 0  # so far: while they are as many, nothing but the last row has changed
        self._waiting: list[Entry] = []
        self._ahead: QuietAhead | None = None
        self._marked: tuple[object, object, bytes] | None = None
        self._frozen: tuple[object, bytes, bytes] | None = None
        self._stood: Position = (0, (), ()) if state is None else _position(state)

    @property
    def has_begun(self) -> bool:
        """Tell whether there is a state: a run that was just attached to its channel may wait for the instrument first."""
        return self._state is not None

    @property
    def state(self) -> State:
        """Where the run is."""
        self._catch_up()
        assert self._state is not None
        return self._state

    @property
    def time(self) -> float:
        """Run time of the last row, s; asked for alone it costs no state."""
        return self.state.last.time if self._ahead is None or not self._ahead.taken else self._ahead.time

    @property
    def next_record(self) -> int:
        """`record_index` of the next row."""
        self._catch_up()
        return self._next_record

    def begin(self, capabilities: Capabilities, roles: tuple[str, ...]) -> None:
        """Begin the plan."""
        self._keep(None, None, begin(self.plan, capabilities, roles), 0)

    # --- rows of which none matters ---

    def expect(self, batch: Batch, columns: QuietColumns, place: int, skip: Callable[[int], None]) -> int:
        """Put metered rows that a source has ready, and that change nothing but the sums, in a place; return how many those are.

        They are taken from there as their time comes, without a fold; `skip` tells the source at last how many were. The
        state follows when somebody asks for it. Nothing of the run may wait to be stored: a quiet row follows a stored state.
        """
        count = quiet_count(self.plan, self.state, batch) if self.is_settled else 0
        if count:
            quiet = batch if count == len(batch) else batch.rows(0, count)
            columns.put(place, Entry(self.run_id, quiet, self._next_record, self.state.attempt), quiet)
            self.go_on_quietly(QuietAhead(columns, place, skip))
        return count

    @property
    def is_settled(self) -> bool:
        """Tell whether all that was folded is stored or on its way, and nothing is to be done."""
        return not (self._waiting or self.commands or self.finish)

    def go_on_quietly(self, ahead: QuietAhead) -> None:
        """Let rows be taken without a fold, those of a place from now on, until something is folded."""
        self._ahead = ahead

    def leave_quiet(self) -> None:
        """Fold from here on: the state and the source stand after the last row that was taken."""
        self._catch_up()
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.leave()

    def _catch_up(self) -> None:
        ahead = self._ahead
        if ahead is not None and ahead.known != ahead.taken and self._state is not None:
            self._state = with_last(self._state, ahead.last())
            self._next_record = self._state.last.record + 1

    # --- rows and whatever else is folded ---

    def take(self, given: Input) -> None:
        """Fold anything but rows."""
        self.leave_quiet()
        outcome = fold(self.plan, self.state, given)
        self._keep(given, None, outcome, self.state.attempt)
        if isinstance(given, Began):
            self.rebase()
        elif isinstance(given, Order) and given.verb == "edit" and obeyed(outcome.events):
            self.plan = edited_plan(given)

    def rebase(self) -> None:
        """Let the source's time and counters count from the last row: a program began there."""
        self.begun, self.base, self.program_step = self.state.last.time, self.state.last.counters, 0

    def take_rows(self, batch: Batch) -> int:
        """Fold metered rows up to the first that calls for a command, and return how many were taken."""
        self.leave_quiet()
        attempt = self.state.attempt
        outcome = fold(self.plan, self.state, batch)
        taken = outcome.taken
        if taken:
            self.program_step = self.row_step = batch.step
        self._keep(None, batch if taken == len(batch) else batch.rows(0, taken), outcome, attempt)
        return taken

    def metered(self, batch: Batch) -> Batch:
        """Return rows of a source that counts by itself on run time and the run's counters."""
        return mapped(batch, self.begun, self.base)

    def hand_over(self) -> list[Entry]:
        """Return what waits to be stored, the checkpoint with the last of it; all of it belongs into one commit."""
        waiting = self._waiting
        if not waiting:
            return waiting
        last = waiting[-1]
        waiting[-1] = Entry(
            last.run_id, last.batch, last.first_record, last.attempt_id, last.input, last.events,
            self._checkpoint(), self.save(self),
        )  # fmt: skip
        self._waiting, self.rows, self.changed = [], 0, False
        return waiting

    def _checkpoint(self) -> bytes:
        """Return the state as JSON; where only the last row moved, only the last row is written anew."""
        state, others = self.state, _OTHERS(self.state)
        last = b'"last":' + orjson.dumps(state.last)
        if self._frozen is None or self._frozen[0] != others:
            text = state_to_json(state)
            head, middle, tail = text.partition(last)
            self._frozen = (others, head, tail) if middle else None
            return text
        return self._frozen[1] + last + self._frozen[2]

    @property
    def only_reads(self) -> bool:
        """Tell whether the run only reads what somebody else's test does."""
        first = self.plan.root.children[0] if self.plan.root.children else None
        return isinstance(first, Line) and first.mode == "Foreign"

    @property
    def obeys(self) -> frozenset[Verb]:
        """The orders that the run obeys as it stands."""
        allowed = orders_now(self.state)
        return allowed & {"stop", "note"} if self.only_reads else allowed

    @property
    def risky(self) -> bool:
        """Tell whether the next command energises: what led to it must be durable first."""
        return bool(self.commands) and isinstance(self.commands[0], Apply) and self.commands[0].energises

    def replace_commands(self) -> None:
        """Drop what a later output-off has made void: a set-point that was to be given before it."""
        offs = [at for at, command in enumerate(self.commands) if isinstance(command, Off)]
        if offs:
            before = [command for command in list(self.commands)[: offs[-1]] if not isinstance(command, Apply)]
            self.commands = deque([*before, *list(self.commands)[offs[-1] :]])

    def mark(
        self,
        source: bytes | None = None,
        *,
        boot: str = "",
        monotonic: float = 0.0,
        unix: float = 0.0,
        time: float | None = None,
    ) -> bytes:
        """Return the resume point as of now, JSON; what stands still between rows is written once.

        Args:
            source: State of a source that can be set back, as of the last row.
            boot: Which boot of the machine this is.
            monotonic: Machine seconds since boot, now.
            unix: UTC, now.
            time: Run time now, s; None where run time stands still between rows.
        """
        state, key = self.state, (self.begun, self.base, boot, self.serial)
        if self._marked is None or self._marked[0] is not state.frames or self._marked[1] != key:
            if state.line:
                self._stood = _position(state)
            self._marked = (state.frames, key, self._bookmark(boot).head())
        return with_moment(self._marked[2], state.last.time if time is None else time, (monotonic, unix), source)

    def _bookmark(self, boot: str) -> ResumePoint:
        line, passes, references = self._stood
        return ResumePoint(
            self.begun, self.base.charging_ah, self.base.discharging_ah, boot, line, passes, references,
            charging_wh=self.base.charging_wh, discharging_wh=self.base.discharging_wh, serial=self.serial,
        )  # fmt: skip

    def go_back_to(self, mark: ResumePoint) -> None:
        """Take up the program that ran at a resume point."""
        self.begun, self.base, self.serial = mark.begun, mark.counters, mark.serial
        if mark.line:
            self._stood = (mark.line, mark.passes, mark.references)

    def _keep(self, given: Input | None, batch: Batch | None, outcome: Outcome, attempt: int) -> None:
        if not outcome.state.line and self._state is not None and self._state.line:
            self._stood = _position(self._state)
        self._state = outcome.state
        self.folds += 1
        rows = 0 if batch is None else len(batch)
        if rows or given is not None or outcome.events:
            self._waiting.append(
                Entry(self.run_id, batch if rows else None, self._next_record, attempt, given, outcome.events)
            )
        self._next_record += rows
        self.rows += rows
        self.changed |= given is not None or bool(outcome.events)
        for command in outcome.commands:
            if isinstance(command, Finish):
                self.finish = command
            else:
                self.commands.append(command)


_OTHERS = attrgetter(*(item.name for item in fields(State) if item.name not in {"last", "_cache"}))
Position = tuple[int, tuple[tuple[int, int], ...], tuple[tuple[str, float], ...]]


def _position(state: State) -> Position:
    """Return the line at which a run stands, the passes around it, and its retention references."""
    tally = state.frames[0].tally if state.frames else None
    known = {"first": tally.first, "max": tally.most} if tally else {}
    references = {**state.references, **{name: value for name, value in known.items() if value is not None}}
    return state.line, tuple(sorted(state.passes.items())), tuple(sorted(references.items()))
