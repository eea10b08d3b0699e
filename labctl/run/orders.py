"""Orders to runs: which run is meant, whether it can obey, and what it came to."""

from collections.abc import Awaitable, Callable

import orjson

from labctl.engine.input import Order
from labctl.engine.order import is_allowed, is_of_now
from labctl.engine.suspension import BETWEEN, reasons
from labctl.errors import OrderRefused, StoreError, UsageError
from labctl.inputs import near
from labctl.run.channel import Channel
from labctl.run.orderbook import OrderBook, OrderKey, Reply
from labctl.run.queue import Queue
from labctl.run.request import ORDER_VERBS, OrderReply, OrderVerb, is_order
from labctl.run.roster import Roster
from labctl.run.session import RunSession
from labctl.run.starter import Starter
from labctl.store.assemble import request_of
from labctl.store.entry import OrderRecord, Queued, StoredRun

SAFE_FIRST = frozenset({"stop", "pause"})  # verbs that act before they are recorded


class Orders:
    """Gives orders to the runs on the channels of a station."""

    def __init__(self, roster: Roster, book: OrderBook, starter: Starter, queue: Queue) -> None:
        """Join them."""
        self._queue = queue
        self._roster = roster
        self._sink = roster.sink
        self._book = book
        self._starter = starter

    async def give(self, order: Order, target: str, run: str = "") -> OrderReply:
        """Give an order to the run on a channel and answer once it is committed.

        `stop` and `pause` switch the output off first and are recorded after. Whatever their id was used for, they act as long
        as what they ask for does not hold. Every other order is obeyed once under its id.

        Args:
            order: What is asked, its verb one of `ORDER_VERBS`; its id makes a repetition harmless on this channel.
            target: A channel, or the id of a run.
            run: The run that is meant; on another one nothing is done.

        Raises:
            OrderRefused: There is no such run, it cannot obey now, or the id was used for something else.
            StoreError: It took effect and could not be recorded yet; the same id may be asked again.
        """
        verb = order.verb
        if not is_order(verb):
            raise UsageError(
                f"wanted an order, found {verb!r}{near(verb, list(ORDER_VERBS))}; there are {', '.join(ORDER_VERBS)}"
            )
        channel, run = await self._meant(target, run)
        key = OrderKey(channel.name, verb, order.id)
        recall = None if verb in SAFE_FIRST and self._can(channel, run, verb) else self._ordered_before(channel, run)
        reply = await self._book.once(key, request_of(order), lambda: self._order(channel, run, key, order), recall)
        assert isinstance(reply, OrderReply)
        return reply

    async def _meant(self, target: str, run: str) -> tuple[Channel, str]:
        """Return the channel that is meant, and the run where one is named: one that has ended, too."""
        if target in self._roster.channels:
            return self._roster.channels[target], run
        if any(channel.is_run(target) for channel in self._roster.channels.values()):
            return self._roster.channel(target), target
        if (waiting := self._queue.find(target)) is not None:
            return waiting[0], waiting[1].new.uuid
        try:
            stored: StoredRun = await self._roster.ask(lambda reader: reader.find(target))
        except UsageError:
            return self._roster.channel(target), run  # which says what there is
        return self._roster.channel(stored.channel or ""), stored.uuid

    async def _order(self, channel: Channel, run: str, key: OrderKey, order: Order) -> OrderReply:
        reply = await (
            self._stopped(channel, run, key, order) if order.verb == "stop" else self._resumed(channel, run, key, order)
        )
        if reply is not None:
            return reply
        session, info = channel.begun, channel.info
        if info is not None and self._book.is_unrecorded(key):
            await self._recorded(channel, key, order)
            return await self._reply_of(channel, order.verb, str(info.run_id))
        if session is None or info is None:
            raise OrderRefused(f"channel {channel.name} is {channel.activity}: there is no run to {order.verb}")
        refuse_unless(channel, session, run, order.verb, order.text)
        obeyed = await self._recorded(channel, key, order)
        if obeyed is None and order.verb == "stop" and session.finish is not None:
            await self._record(key, order, session.run_id)  # it ended of something else, as a lost instrument's
        elif not obeyed:
            refuse_unless(channel, session, info.uuid, order.verb, order.text)
            _refuse_unless_seen(channel, session, order)
            raise OrderRefused(f"run {info.uuid} ended before it could {order.verb}")
        state = session.state
        return OrderReply(
            order.verb,
            channel.name,
            info.uuid,
            channel.activity,
            channel.last if channel.session is None else state.why,
        )

    async def _recorded(self, channel: Channel, key: OrderKey, order: Order) -> bool | None:
        """Give an order to the run on a channel, unless it was given under its id, and tell whether the commit holds it as obeyed.

        Raises:
            StoreError: It took effect and could not be recorded yet.
        """
        try:
            return await self._book.recorded(key, order, lambda: self._roster.connection(channel).order(channel, order))
        except StoreError as error:
            raise StoreError(
                f"channel {channel.name} obeyed {order.verb} and is {channel.activity}, which is not recorded yet: {error}",
                retry=True,
            ) from error

    async def _record(self, key: OrderKey, order: Order, run_id: int) -> None:
        if key.id:
            record = OrderRecord(key.channel, key.verb, key.id, request_of(order), None, run_id)
            await self._sink.call(self._sink.journal.ordered.put, record)

    async def _stopped(self, channel: Channel, run: str, key: OrderKey, order: Order) -> OrderReply | None:
        """Obey a stop that is not meant for the run on the channel; None where it is."""
        meant = not run or channel.is_running(run)
        if meant and channel.begun is None and self._starter.is_under_way(channel):
            return await self._stop_start(channel, key, order)
        if run and (waiting := self._queue.find(run)) is not None:
            return await self._take_out(waiting, key, order)
        if run and not channel.is_running(run):
            return await self._reply_of(channel, order.verb, run)  # what it asks for holds
        return await self._stop_stranded(channel, key, order) if channel.stranded is not None else None

    async def _resumed(self, channel: Channel, run: str, key: OrderKey, order: Order) -> OrderReply | None:
        """Obey a resume of what waits on a channel without a run; None for anything else."""
        if order.verb == "resume" and not run and channel.session is None and channel.queue_held:
            return await self._release(channel, key, order)
        return None

    async def _take_out(self, waiting: tuple[Channel, Queued], key: OrderKey, order: Order) -> OrderReply:
        """Stop a run that waits for its turn: it never begins."""
        channel, queued = waiting
        words = f"taken out of the queue by {order.by or 'a person'}"
        reply = OrderReply(order.verb, channel.name, queued.new.uuid, channel.activity, words)
        await self._queue.remove(channel, queued, _told(key, order, reply))
        self._book.reached("committed")
        return reply

    async def _release(self, channel: Channel, key: OrderKey, order: Order) -> OrderReply:
        """Let the runs go on that wait behind one that did not end as done."""
        reply = OrderReply(order.verb, channel.name, channel.queue[0].new.uuid, channel.activity, "the queue goes on")
        await self._queue.release(channel, _told(key, order, reply))
        self._book.reached("committed")
        return reply

    async def _stop_stranded(self, channel: Channel, key: OrderKey, order: Order) -> OrderReply:
        """End a run that cannot be taken up, and free its channel; what it may have left on is switched off first."""
        run_id, why = channel.stranded, f"stopped by {order.by or 'a person'}: {channel.unknown}"
        assert run_id is not None
        await self._roster.connection(channel).look(channel)
        await self._sink.call(self._sink.journal.finish_run, run_id, "stopped", why)
        await self._record(key, order, run_id)
        uuid = await self._roster.ask(lambda reader: reader.uuid_of(run_id))
        channel.stranded, channel.unknown, channel.last, channel.ended_as = None, "", why, "done"
        return OrderReply("stop", channel.name, uuid, channel.activity, why)

    async def _stop_start(self, channel: Channel, key: OrderKey, order: Order) -> OrderReply:
        """Let a start that is under way end before anything is energised; where it was quicker, stop its run."""
        await self._starter.stopped(channel, order.by)
        if channel.begun is not None:
            return await self._order(channel, "", key, order)
        reply = OrderReply("stop", channel.name, "", channel.activity, "the start that was under way was stopped")
        if (record := _told(key, order, reply)) is not None:
            await self._sink.call(self._sink.journal.ordered.put, record)
        return reply

    def _can(self, channel: Channel, run: str, verb: OrderVerb) -> bool:
        """Tell whether there is something that a stop or a pause has to act on: a run that obeys it, or a start under way."""
        if self._starter.is_under_way(channel) and verb == "stop" and (not run or channel.is_running(run)):
            return True
        if channel.stranded is not None and verb == "stop":
            return True
        session = channel.begun
        return session is not None and (not run or channel.is_running(run)) and verb in session.obeys

    def has_to_act(self, channel: Channel, verb: str, reason: str = "") -> bool:
        """Tell whether there is something on a channel that a stop, a pause, or the end of a reason has to act on."""
        if not reason:
            return is_order(verb) and self._can(channel, "", verb)
        session = channel.begun
        if session is None or not is_order(verb):
            return False
        return is_allowed(Order(verb, "", "", reason), session.state.phase, session.state.why, session.obeys)

    def _ordered_before(self, channel: Channel, run: str) -> Callable[[OrderRecord], Awaitable[Reply]]:
        """Return what answers an order that took effect earlier, as then; after a restart with what its run does now."""

        async def recalled(record: OrderRecord) -> Reply:
            known = self._book.answer_to(OrderKey(record.channel, record.verb, record.order_id))
            if known is not None:
                reply = known
            elif record.reply is not None:
                return OrderReply.from_stored(record.reply)
            else:
                reply = await self._reply_of(channel, record.verb, str(record.run_id))
            if channel.session is not None and not channel.is_running(reply.run) and not (run and run == reply.run):
                raise OrderRefused(
                    f"id {record.order_id!r} was used for {record.verb} on run {reply.run}, which has ended: "
                    f"give the order to the run that is on channel {channel.name} now an id of its own"
                )
            return reply

        return recalled

    async def _reply_of(self, channel: Channel, verb: str, run: str) -> OrderReply:
        """Return what an order to a run led to, as that run stands now."""
        session = channel.begun
        if session is not None and channel.info is not None and channel.is_running(run):
            return OrderReply(verb, channel.name, channel.info.uuid, channel.activity, session.state.why)
        stored: StoredRun = await self._roster.ask(lambda reader: reader.find(run))
        return OrderReply(verb, channel.name, stored.uuid, stored.activity, stored.end_why or stored.why)

    async def foreign(self, verb: str, target: str, order_id: str = "", by: str = "") -> OrderReply:
        """Take over (`adopt`) or let go (`release`) what the instrument of a channel runs and this station did not start.

        What that means is the connection's to say; nothing of somebody else's is ever stopped by it.

        Raises:
            OrderRefused: Nothing foreign runs there.
        """
        channel = self._roster.channel(target)
        order, key = orjson.dumps({"by": by}).decode(), OrderKey(channel.name, verb, order_id)
        reply = await self._book.once(key, order, lambda: self._foreign(channel, key, by), self._told_before)
        assert isinstance(reply, OrderReply)
        return reply

    async def _foreign(self, channel: Channel, key: OrderKey, by: str) -> OrderReply:
        connection = self._roster.connection(channel)
        words = await (connection.take_over(channel, by) if key.verb == "adopt" else connection.let_go(channel, by))
        self._book.reached("acted")
        info = channel.info if channel.session is not None else None
        reply = OrderReply(key.verb, channel.name, info.uuid if info else "", channel.activity, words)
        if key.id:
            request = orjson.dumps({"by": by}).decode()
            record = OrderRecord(channel.name, key.verb, key.id, request, reply.stored(), info.run_id if info else None)
            await self._sink.call(self._sink.journal.ordered.put, record)
        await self._book.flushed()
        self._book.reached("committed")
        return reply

    async def _told_before(self, record: OrderRecord) -> OrderReply:
        return OrderReply.from_stored(record.reply or "{}")


def refuse_unless(channel: Channel, session: RunSession, run: str, verb: str, text: str = "") -> None:
    """Refuse an order that is not meant for this run, or that it cannot obey now."""
    if run and not channel.is_running(run):
        other = "no run" if channel.session is None or channel.info is None else f"run {channel.info.uuid}"
        raise OrderRefused(f"channel {channel.name} has {other}, not {run}: nothing was done")
    state = session.state
    allowed = session.obeys
    if verb == "resume" and text and state.phase == "paused":
        _refuse_unless_suspended(channel, state.why, text)
    if not is_order(verb) or not is_allowed(Order(verb, "", "", text), state.phase, state.why, allowed):
        raise OrderRefused(
            f"channel {channel.name} is {state.activity}{f' ({state.why})' if state.why else ''} and cannot {verb} now; "
            f"it obeys {', '.join(sorted(allowed))}"
        )


def _refuse_unless_suspended(channel: Channel, why: str, reason: str) -> None:
    """Refuse to lift a reason that is none of those for which a paused run is suspended."""
    held = reasons(why)
    if reason in held:
        return
    if not held:
        raise OrderRefused(
            f"channel {channel.name} is paused ({why}) for no reason by name, found --reason {reason!r}: "
            "resume without a reason lets it go on"
        )
    raise OrderRefused(
        f"wanted a reason for which channel {channel.name} is suspended ({BETWEEN.join(held)}), "
        f"found {reason!r}{near(reason, held)}"
    )


def _refuse_unless_seen(channel: Channel, session: RunSession, order: Order) -> None:
    """Refuse an order that was given while looking at a step which has ended since."""
    step = session.state.step
    if is_of_now(order, step.count if step is not None else None):
        return
    now = f"does step {step.count} of the run" if step is not None else f"is {channel.activity}"
    raise OrderRefused(
        f"the step that you saw (number {order.step_seen} of the run) has ended, channel {channel.name} now {now}: "
        f"nothing was done; look again before you {order.verb}"
    )


def _told(key: OrderKey, order: Order, reply: OrderReply) -> OrderRecord | None:
    """Return the record of an order that no run holds, with its answer; None without an id."""
    return OrderRecord(key.channel, key.verb, key.id, request_of(order), reply.stored()) if key.id else None
