"""Folding a stored run again: the same rows and inputs through the same plan must give the same state and events, to the bit."""

from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from labctl.engine.decide import begin, fold
from labctl.engine.input import Event, Outcome
from labctl.engine.state import State, state_from_json, state_to_json
from labctl.errors import StoreDamaged
from labctl.plan.codec import plan_from_json
from labctl.plan.step import Plan
from labctl.sample import Batch
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
        UsageError: There is no such run.
        StoreDamaged: Its plan or its checkpoint is missing.
    """
    reader.run(run_id)
    plan = plan_from_json(reader.plan(run_id))
    checkpoint = reader.checkpoint(run_id)
    if checkpoint is None:
        return Replayed(run_id, 0, 0, 0, difference="nothing of it was stored: no checkpoint")
    stored = state_from_json(checkpoint.state)
    again = _Again(plan, stored)
    rows = 0
    inputs = 0
    for piece in _in_order(reader, run_id):
        if isinstance(piece, Batch):
            again.rows(piece)
            rows += len(piece)
        else:
            again.take(fold(plan, again.state, piece.input))
            inputs += 1
    difference = _events_differ(again.events, [found.event for found in reader.events(run_id)])
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


def _events_differ(found: list[Event], stored: list[Event]) -> str:
    for place, (one, other) in enumerate(zip(found, stored, strict=False), 1):
        if _plain(one) != _plain(other):
            return f"event {place}: wanted {_shown(other)}, found {_shown(one)}"
    ended_outside = len(stored) == len(found) + 1 and stored[-1].kind == "run_ended"  # failed beyond the engine
    if len(found) != len(stored) and not ended_outside:
        return f"wanted {len(stored)} events, found {len(found)}"
    return ""


def _plain(event: Event) -> bytes:
    return orjson.dumps([event.kind, event.record_index, event.time, event.data], option=orjson.OPT_SORT_KEYS)


def _shown(event: Event) -> str:
    return f"{event.kind} after row {event.record_index} at {event.time!r} s {orjson.dumps(event.data).decode()}"


def _first_difference(found: State, stored: State) -> str:
    one, other = (orjson.loads(state_to_json(state)) for state in (found, stored))
    for name, value in other.items():
        if one.get(name) != value:
            return f"{name}: wanted {value!r}, found {one.get(name)!r}"
    return "the same values in another order"
