"""The supervisor: which run is on which channel; starts, orders, adoption at start, and what the faces ask."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import orjson

from labctl.clock import Clock
from labctl.engine.input import Order
from labctl.engine.order import orders_now
from labctl.engine.state import state_from_json
from labctl.errors import LabctlError, OrderRefused, UsageError
from labctl.plan.codec import plan_from_json
from labctl.plan.estimate import estimate
from labctl.run.bookmark import Bookmark
from labctl.run.connection import Connection
from labctl.run.course import Course
from labctl.run.draft import Draft, draft_from, draft_of
from labctl.run.drivers import near
from labctl.run.request import ORDER_VERBS, Flat, OrderReply, StartReply, StartRequest, is_order
from labctl.run.seat import Card, Seat
from labctl.run.sink import Sink
from labctl.store.entry import Run
from labctl.store.reader import Reader

LOG = logging.getLogger("labctl.run")
SAFE = frozenset({"stop", "pause"})  # verbs that never wait for a disk
REMEMBERED = 10_000  # answers kept in memory; the journal keeps a day's

Reply = StartReply | OrderReply


class Supervisor:
    """Every channel of the station and the run on it. One event loop; no method blocks it.

    Every refusal is a `labctl.errors.LabctlError` whose message is meant for a person: `OrderRefused` (busy channel, nothing
    to resume), `FileError` (all findings of a file), `UsageError` (unknown channel or verb), `StoreError`.
    """

    def __init__(
        self,
        seats: Mapping[str, Seat],
        connections: Mapping[str, Connection],
        sink: Sink,
        reader: Callable[[], Reader],
        clock: Clock,
    ) -> None:
        """Take the station as `daemon.py` made it; `reader` opens a reader of the journal, for one thread."""
        self._seats = dict(seats)
        self._connections = dict(connections)
        self._sink = sink
        self._reader = reader
        self._clock = clock
        self._desk = ThreadPoolExecutor(1, "supervisor")
        self._open: Reader | None = None
        self._answers: OrderedDict[str, asyncio.Future[Reply]] = OrderedDict()

    # --- starts ---

    async def start(self, request: StartRequest) -> StartReply:
        """Load, check, compile and store a plan, and start it; nothing moves before the run is committed."""
        reply = await self._once(request.id, "start", asdict(request), lambda: self._start(request))
        assert isinstance(reply, StartReply)
        return reply

    async def _start(self, request: StartRequest) -> StartReply:
        run = await self._ask(lambda reader: reader.find(request.resume)) if request.resume else None
        seat = self._seat(request.channel or (run.channel if run else None) or "")
        self._refuse_if_taken(seat)
        seat.starting = True
        try:
            return await self._begin(seat, request, run)
        finally:
            seat.starting = False

    async def _begin(self, seat: Seat, request: StartRequest, run: Run | None) -> StartReply:
        connection = self._connection(seat)
        await connection.ready(seat)
        label = self._clock.label()
        if run is None:
            capabilities = connection.capabilities(seat)
            draft = await self._ask(lambda reader: draft_of(request, seat, capabilities, reader, label))
        else:
            draft = await self._ask(lambda reader: draft_from(request, seat, run, reader, label))
        await connection.prepare(seat, draft.cell, draft.seed, draft.source)
        await self._sink.flush()  # the end of the run before, which frees the channel
        run_id = await self._sink.call(self._sink.journal.create_run, draft.new)
        course = Course(run_id, draft.plan)
        stored = await self._ask(lambda reader: reader.run(run_id))
        self._sit(seat, course, stored, draft.estimate.duration[0])
        await connection.begin(seat, course, roles(seat))
        return _reply(draft, stored, seat)

    def _sit(self, seat: Seat, course: Course, run: Run, duration: float) -> None:
        seat.course = course
        seat.card = Card(run.run_id, run.uuid, run.protocol, run.cell, run.began_unix_time, duration or None)

    def ended(self, seat: Seat) -> None:
        """Free a channel whose run has ended; connections call it."""
        course, seat.course = seat.course, None
        if course is None:
            return
        state = course.state
        seat.ended_as = state.activity if state.phase == "ended" else "failed"
        finish = course.finish
        seat.last = finish.why or finish.reason if finish else "failed"

    # --- adoption ---

    async def adopt(self) -> list[str]:
        """Reconcile every channel with the journal, once the connections are open; return what was done, in words.

        A run that stands in the journal goes on; a channel that no run explains is switched off.
        """
        runs = {run.channel: run for run in await self._ask(lambda reader: reader.runs(active=True))}
        if self._sink.journal.moved:
            return [f"the journal came from another machine: its {len(runs)} active runs are not touched here"]
        said = [f"run {run.run_id} is on channel {name}, which the station does not have" for name, run in runs.items()
                if name not in self._seats]  # fmt: skip
        done = await asyncio.gather(*(self._adopt_one(seat, runs.get(name)) for name, seat in self._seats.items()))
        return said + [words for words in done if words]

    async def _adopt_one(self, seat: Seat, run: Run | None) -> str:
        connection = self._connection(seat)
        try:
            if run is None:
                await connection.look(seat)
                return ""
            return await self._take_up(seat, run, connection)
        except LabctlError as error:
            LOG.error("channel %s: %s", seat.name, error)  # noqa: TRY400 - the message says it all
            seat.unknown = str(error)
            return f"channel {seat.name}: {error}"

    async def _take_up(self, seat: Seat, run: Run, connection: Connection) -> str:
        plan = plan_from_json(await self._ask(lambda reader: reader.plan(run.run_id)))
        checkpoint = await self._ask(lambda reader: reader.checkpoint(run.run_id))
        known = {key: run.options[key] for key in ("model", "area", "active_mass") if key in run.options}
        seed = run.options.get("seed", 0)
        mark = Bookmark.from_json(checkpoint.source if checkpoint else None)
        await connection.prepare(seat, known, seed if isinstance(seed, int) else 0, mark.source)
        state = state_from_json(checkpoint.state) if checkpoint else None
        course = Course(run.run_id, plan, state)
        course.go_back_to(mark)
        self._sit(seat, course, run, estimate(plan).duration[0])
        if state is None:
            return await self._begin_late(seat, course, connection)
        await connection.adopt(seat, course, mark)
        return f"channel {seat.name}: run {run.run_id} goes on after row {state.last.record}"

    async def _begin_late(self, seat: Seat, course: Course, connection: Connection) -> str:
        """Begin a run that was stored and had not begun when the daemon ended; where that cannot be, it has failed."""
        try:
            await connection.begin(seat, course, roles(seat))
        except LabctlError as error:
            seat.course = None
            await self._sink.call(self._sink.journal.finish_run, course.run_id, "failed", f"it never began: {error}")
            return f"channel {seat.name}: run {course.run_id} had not begun and cannot: {error}"
        return f"channel {seat.name}: run {course.run_id} begins, it had not before"

    # --- orders ---

    async def order(self, verb: str, target: str, order_id: str = "", by: str = "", text: str = "") -> OrderReply:
        """Give an order to the run on a channel; `target` is a channel or the id of an active run.

        `stop` and `pause` switch the output off first and are recorded after; the others are committed before they act.
        The same `order_id` within 24 h is answered as the first time without acting again.
        """
        request = {"verb": verb, "target": target, "by": by, "text": text}
        reply = await self._once(order_id, verb, request, lambda: self._order(verb, target, order_id, (by, text)))
        assert isinstance(reply, OrderReply)
        return reply

    async def _order(self, verb: str, target: str, order_id: str, said: tuple[str, str]) -> OrderReply:
        if not is_order(verb):
            raise UsageError(
                f"wanted an order, found {verb!r}{near(verb, list(ORDER_VERBS))}; there are {', '.join(ORDER_VERBS)}"
            )
        seat = self._seat(target)
        course, card = seat.course, seat.card
        if course is None or card is None:
            raise OrderRefused(f"channel {seat.name} is {seat.activity}: there is no run to {verb}")
        allowed = orders_now(course.state)
        if verb not in allowed:
            state = course.state
            raise OrderRefused(
                f"channel {seat.name} is {state.activity}{f' ({state.why})' if state.why else ''} and cannot {verb} now; "
                f"it obeys {', '.join(sorted(allowed))}"
            )
        by, text = said
        await self._connection(seat).order(seat, Order(verb, order_id, by, text))
        return OrderReply(
            verb, seat.name, card.uuid, seat.activity, seat.last if seat.course is None else course.state.why
        )

    # --- the same order twice ---

    async def _once(
        self, order_id: str, verb: str, request: Mapping[str, Any], act: Callable[[], Awaitable[Reply]]
    ) -> Reply:
        """Act, or answer as the first time."""
        if not order_id:
            return await act()
        if order_id in self._answers:
            return await asyncio.shield(self._answers[order_id])
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._answers[order_id] = answer
        while len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        try:
            reply = await self._stored_or(order_id, verb, request, act)
        except BaseException as error:
            del self._answers[order_id]  # what was refused may be asked again
            answer.set_exception(error if isinstance(error, Exception) else OrderRefused("the daemon is stopping"))
            answer.exception()  # somebody may be waiting for it or nobody
            raise
        answer.set_result(reply)
        return reply

    async def _stored_or(
        self, order_id: str, verb: str, request: Mapping[str, Any], act: Callable[[], Awaitable[Reply]]
    ) -> Reply:
        journal = self._sink.journal
        if verb not in SAFE:
            known = await self._sink.call(journal.order, order_id)
            if known is not None and known[1] is not None:
                found = orjson.loads(known[1])
                return _started(found) if verb == "start" else OrderReply(**found)
        reply = await act()
        text = orjson.dumps(asdict(reply)).decode()
        storing = self._sink.call(journal.put_order, order_id, orjson.dumps(request).decode(), text)
        if verb in SAFE:
            task = asyncio.ensure_future(storing)
            task.add_done_callback(lambda done: done.exception())
        else:
            await storing
        return reply

    # --- what people ask ---

    def status(self) -> list[Flat]:
        """Return what `looks` gives, of all channels at once."""
        return list(self.looks())

    def looks(self) -> Iterator[Flat]:
        """Yield one flat object a channel, made as it is asked for: a thousand take longer than a tick should wait.

        Keys: channel, activity, why, run, protocol, cell, step_id, step_count, step_type,
        step_name, cycle_count, test_time_second, step_time_second, voltage_volt, current_ampere,
        charging_capacity_ah, discharging_capacity_ah, record_index, progress (0..1), remaining_second, unblock, clock.
        """
        clock = "fast" if self._clock.fast else self._clock.speed
        for seat in self._seats.values():
            yield {**seat.look(), "clock": clock}

    def why(self, channel: str) -> tuple[str, str]:
        """Return what a channel waits for, in one sentence, and the command that unblocks it ("" if nothing does)."""
        seat = self._seat(channel)
        look = seat.look()
        if seat.unknown:
            return f"channel {seat.name} is unknown: {seat.unknown}", ""
        if seat.course is None:
            ended = f", the last run ended: {seat.last}" if seat.last else ""
            return (
                f"channel {seat.name} is {seat.activity}{ended}",
                f"labctl start FILE --channel {seat.name} --cell CELL",
            )
        doing = f"step {look['step_id']} ({look['step_type']})" if look.get("step_id") else "its first step"
        why = f": {look['why']}" if look["why"] else f": {doing} runs to its end"
        return f"channel {seat.name} is {seat.activity}{why}", str(look["unblock"] or "")

    def channels(self) -> Mapping[str, str]:
        """Return the name of the instrument of every channel."""
        return {name: seat.parts["cell"].instrument for name, seat in self._seats.items()}

    # --- inside ---

    def _seat(self, target: str) -> Seat:
        if target in self._seats:
            return self._seats[target]
        for seat in self._seats.values():
            if seat.card is not None and target in {seat.card.uuid, str(seat.card.run_id)}:
                return seat
        raise UsageError(
            f"wanted a channel or an active run, found {target!r}{near(target, list(self._seats))}; "
            f"channels are {', '.join(self._seats) or 'none'}"
        )

    def _refuse_if_taken(self, seat: Seat) -> None:
        if seat.unknown:
            raise OrderRefused(f"channel {seat.name} is unknown: {seat.unknown}")
        if seat.starting:
            raise OrderRefused(f"channel {seat.name} is about to start a run")
        if seat.course is not None and seat.card is not None:
            raise OrderRefused(
                f"channel {seat.name} is taken by run {seat.card.run_id} ({seat.card.protocol}); "
                f"`labctl stop {seat.name}` ends it"
            )

    def _connection(self, seat: Seat) -> Connection:
        return self._connections[seat.parts["cell"].instrument]

    async def _ask(self, question: Callable[[Reader], Any]) -> Any:
        """Ask the journal, in a thread that has a reader of its own."""

        def asked() -> Any:
            if self._open is None:
                self._open = self._reader()
            return question(self._open)

        return await asyncio.get_running_loop().run_in_executor(self._desk, asked)

    def close(self) -> None:
        """Let the journal's reader go; safe to repeat."""
        self._desk.shutdown()
        if self._open is not None:
            self._open.close()
            self._open = None


def roles(seat: Seat) -> tuple[str, ...]:
    """Return the roles that a channel has parts for, the cell first."""
    return ("cell", *(role for role in seat.parts if role != "cell"))


def _started(found: Mapping[str, Any]) -> StartReply:
    return StartReply(**{**found, "warnings": tuple(found["warnings"])})


def _reply(draft: Draft, run: Run, seat: Seat) -> StartReply:
    warnings = tuple(finding.message for finding in draft.estimate.warnings)
    return StartReply(run.uuid, seat.name, run.protocol, draft.estimate.duration[0], warnings)
