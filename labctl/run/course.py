"""The course of one run: folds what happens, in order, and keeps what is to be stored and what is to be done.

It waits for nothing and knows no clock: who drives it (a simulation as fast as it goes, or a connection that ticks) reads the
instrument, carries the commands out, and hands the entries to the journal.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter

import orjson

from labctl.driver import Capabilities
from labctl.engine.decide import begin, fold
from labctl.engine.input import Apply, Began, Command, Finish, Input, Off, Outcome
from labctl.engine.meter import mapped
from labctl.engine.state import State, state_to_json
from labctl.plan.step import Plan
from labctl.run.bookmark import Bookmark, with_moment
from labctl.sample import Batch
from labctl.store.entry import Entry

Save = Callable[["Course"], bytes | None]


def nothing(course: "Course") -> bytes | None:
    """Save no bookmark."""
    del course
    return None


class Course:
    """One run between the instrument and the journal.

    Attributes:
        run_id: In the journal.
        plan: What it does.
        state: Where it is.
        next_record: `record_index` of the next row.
        commands: To be carried out, in order.
        finish: How it ended, once it has.
        begun: Run time at which the running program began, s.
        base: The run's counters at that time: charging, discharging, Ah.
        save: Returns the bookmark that is stored with the state.
    """

    def __init__(self, run_id: int, plan: Plan, state: State | None = None, save: Save = nothing) -> None:
        """Take up a run where `state` is; None for one that has not begun."""
        self.run_id = run_id
        self.plan = plan
        self._state = state
        self.next_record = 0 if state is None else state.last.record + 1
        self.commands: deque[Command] = deque()
        self.finish: Finish | None = None
        self.begun = 0.0
        self.base = (0.0, 0.0)
        self.save = save
        self.changed = False  # something other than rows waits to be stored
        self.rows = 0  # that wait to be stored
        self._waiting: list[Entry] = []
        self._marked: tuple[object, object, bytes] | None = None
        self._frozen: tuple[object, bytes, bytes] | None = None
        self._stood: Position = (0, (), ()) if state is None else _position(state)

    @property
    def state(self) -> State:
        """Where the run is."""
        assert self._state is not None
        return self._state

    def begin(self, capabilities: Capabilities, roles: tuple[str, ...]) -> None:
        """Begin the plan."""
        self._keep(None, None, begin(self.plan, capabilities, roles), 0)

    def take(self, given: Input) -> None:
        """Fold anything but rows."""
        self._keep(given, None, fold(self.plan, self.state, given), self.state.attempt)
        if isinstance(given, Began):
            self.rebase()

    def rebase(self) -> None:
        """Let the source's time and counters count from the last row: a program began there."""
        last = self.state.last
        self.begun, self.base = last.time, (last.charging_ah, last.discharging_ah)

    def take_rows(self, batch: Batch) -> int:
        """Fold metered rows up to the first that calls for a command, and return how many were taken."""
        attempt = self.state.attempt
        outcome = fold(self.plan, self.state, batch)
        taken = outcome.taken
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
            head, found, tail = text.partition(last)
            self._frozen = (others, head, tail) if found else None
            return text
        return self._frozen[1] + last + self._frozen[2]

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

    def mark(self, source: bytes | None = None, *, boot: str = "", monotonic: float = 0.0, unix: float = 0.0) -> bytes:
        """Return the bookmark as of the last row, JSON; what stands still between rows is written once."""
        state, key = self.state, (self.begun, self.base, boot)
        if self._marked is None or self._marked[0] is not state.frames or self._marked[1] != key:
            if state.line:
                self._stood = _position(state)
            self._marked = (state.frames, key, self._bookmark(boot).head())
        return with_moment(self._marked[2], state.last.time, (monotonic, unix), source)

    def _bookmark(self, boot: str) -> Bookmark:
        line, passes, references = self._stood
        return Bookmark(self.begun, *self.base, boot, line, passes, references)

    def go_back_to(self, mark: Bookmark) -> None:
        """Take up the program that ran at a bookmark."""
        self.begun, self.base = mark.begun, (mark.charging, mark.discharging)
        if mark.line:
            self._stood = (mark.line, mark.passes, mark.references)

    def _keep(self, given: Input | None, batch: Batch | None, outcome: Outcome, attempt: int) -> None:
        if not outcome.state.line and self._state is not None and self._state.line:
            self._stood = _position(self._state)
        self._state = outcome.state
        rows = 0 if batch is None else len(batch)
        if rows or given is not None or outcome.events:
            self._waiting.append(
                Entry(self.run_id, batch if rows else None, self.next_record, attempt, given, outcome.events)
            )
        self.next_record += rows
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
