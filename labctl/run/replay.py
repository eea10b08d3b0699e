"""Folding a stored run again: the same rows and inputs through the same plan must give the same state and events, to the bit."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import orjson

from labctl.engine.edit import edited_plan
from labctl.engine.fold import begin, fold
from labctl.engine.input import AFTERWARDS, Event, Input, Order
from labctl.engine.state import Outcome, State, capabilities_to_json, state_from_json, state_to_json
from labctl.errors import StoreDamaged, UsageError
from labctl.plan.codec import plan_from_json
from labctl.plan.step import Plan
from labctl.sample import Batch
from labctl.store.assemble import obeyed
from labctl.store.entry import StoredInput
from labctl.store.reader import Reader


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay came to.

    Attributes:
        run_id: The run.
        rows: Rows folded.
        inputs: Inputs folded beside them.
        events: Events that came of it.
        difference: The first thing that is not as stored, in words; "" if all is.
    """

    run_id: int
    rows: int
    inputs: int
    events: int
    difference: str = ""

    @property
    def equal(self) -> bool:
        """Tell whether everything is as stored."""
        return not self.difference


def replay(reader: Reader, run_id: int) -> Replayed:
    """Fold a stored run again from its begin and compare events and state with what was stored.

    Raises:
        UsageError: There is no such run, or it was imported: no fold made it.
        StoreDamaged: Its plan or its checkpoint is missing.
    """
    if imported := reader.run(run_id).imported:
        raise UsageError(
            f"run {run_id} was imported from {imported}: there is nothing to fold again; `labctl verify {run_id}` checks it"
        )
    plan = plan_from_json(reader.plan(run_id, 1))
    checkpoint = reader.checkpoint(run_id)
    if checkpoint is None:
        return Replayed(run_id, 0, 0, 0, difference="nothing of it was stored: no checkpoint")
    stored = state_from_json(checkpoint.state)
    # A run of an older labctl stored fewer words on its channel: what they mean is compared, as today's has it.
    stored = replace(stored, channel=capabilities_to_json(stored.capabilities))
    again = _Again(plan, stored)
    rows = 0
    inputs = 0
    for piece in _in_order(reader, run_id):
        if isinstance(piece, Batch):
            again.rows(piece)
            rows += len(piece)
        else:
            again.input(piece.input)
            inputs += 1
    difference = _events_differ(again.events, _of_folds(reader, run_id))
    if not difference and state_to_json(again.state) != state_to_json(stored):
        difference = f"state: {_first_difference(again.state, stored)}"
    return Replayed(run_id, rows, inputs, len(again.events), difference)


class _Again:
    """The run folded so far."""

    def __init__(self, plan: Plan, stored: State) -> None:
        self.plan = plan
        self.events: list[Event] = []
        outcome = begin(plan, stored.capabilities, stored.roles)
        self.state = outcome.state
        self.take(outcome)

    def take(self, outcome: Outcome) -> None:
        self.state = outcome.state
        self.events.extend(outcome.events)

    def input(self, given: Input) -> None:
        outcome = fold(self.plan, self.state, given)
        self.take(outcome)
        if isinstance(given, Order) and given.verb == "edit" and obeyed(outcome.events):
            self.plan = edited_plan(given)

    def rows(self, batch: Batch) -> None:
        while len(batch):
            outcome = fold(self.plan, self.state, batch)
            self.take(outcome)
            if not outcome.taken:
                raise StoreDamaged(f"a stored row at {batch.time[0]:g} s was not taken again")
            batch = batch.rows(outcome.taken)


def _in_order(reader: Reader, run_id: int) -> Iterator[Batch | StoredInput]:
    """Give rows and inputs in the order in which they were folded: an input follows the row that it names."""
    inputs = iter(reader.inputs(run_id))
    following = next(inputs, None)
    for rows in reader.batches(run_id):
        first, batch = rows.first_record, rows.batch
        while following is not None and following.record_index < first + len(batch) - 1:
            count = max(0, following.record_index + 1 - first)
            if count:
                yield batch.rows(0, count)
            first, batch = first + count, batch.rows(count)
            yield following
            following = next(inputs, None)
        yield batch
    while following is not None:
        yield following
        following = next(inputs, None)


def _of_folds(reader: Reader, run_id: int) -> list[Event]:
    """Return the events of a run that folds gave, and not those of what was done with it afterwards."""
    return [stored.event for stored in reader.events(run_id) if stored.event.kind not in AFTERWARDS]


def _events_differ(events: list[Event], stored: list[Event]) -> str:
    for place, (one, other) in enumerate(zip(events, stored, strict=False), 1):
        if _plain(one) != _plain(other):
            return f"event {place}: wanted {_shown(other)}, found {_shown(one)}"
    ended_outside = len(stored) == len(events) + 1 and stored[-1].kind == "run_ended"  # failed beyond the engine
    if len(events) != len(stored) and not ended_outside:
        return f"wanted {len(stored)} events, found {len(events)}"
    return ""


def _plain(event: Event) -> bytes:
    return orjson.dumps([event.kind, event.record_index, event.time, event.data], option=orjson.OPT_SORT_KEYS)


def _shown(event: Event) -> str:
    return f"{event.kind} after row {event.record_index} at {event.time!r} s {orjson.dumps(event.data).decode()}"


def _first_difference(replayed: State, stored: State) -> str:
    one, other = (orjson.loads(state_to_json(state)) for state in (replayed, stored))
    for name, value in other.items():
        if one.get(name) != value:
            return f"{name}: wanted {value!r}, found {one.get(name)!r}"
    return "the same values in another order"
