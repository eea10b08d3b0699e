"""Orders are obeyed once: what is under way, what was answered, and what the journal has committed under an id.

An order is answered after the commit that holds it. Its id is stored in the transaction of its effect, so that after a crash at
any moment the journal tells whether it took effect: a repetition is answered where it did, and obeyed where it did not.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from typing import NamedTuple, TypeVar

from labctl.engine.input import Order
from labctl.errors import OrderRefused, StoreError
from labctl.run.request import OrderReply, StartReply
from labctl.run.sink import Sink
from labctl.store.assemble import obeyed
from labctl.store.committed import Committed
from labctl.store.entry import OrderRecord

REMEMBERED = 10_000  # answers kept in memory, word for word; the journal knows which orders took effect
RECORDED_WITHIN = 5.0  # s that an order waits for the disk before its sender is told that it is not recorded yet

T = TypeVar("T")
Reply = StartReply | OrderReply
Recall = Callable[[OrderRecord], Awaitable[Reply]]


class OrderKey(NamedTuple):
    """What an id belongs to: a channel and a verb."""

    channel: str
    verb: str
    id: str


class OrderBook:
    """The orders of a daemon by their ids. One event loop.

    Attributes:
        reached: Told the name of every step of an order, for tests that cut there.
    """

    def __init__(self, sink: Sink) -> None:
        """Follow the commits of a journal."""
        self._sink = sink
        self.reached: Callable[[str], None] = lambda _step: None
        self._under_way: dict[OrderKey, tuple[str, asyncio.Future[Reply]]] = {}
        self._answers: OrderedDict[OrderKey, tuple[str, Reply]] = OrderedDict()
        self._expected: dict[int, Order] = {}
        self._outcomes: dict[int, bool] = {}
        self._unrecorded: dict[OrderKey, Order] = {}
        sink.on_commit(self._committed)

    # --- the same order twice ---

    async def once(
        self, key: OrderKey, request: str, act: Callable[[], Awaitable[Reply]], recall: Recall | None
    ) -> Reply:
        """Act, or answer as before.

        Args:
            key: Channel, verb and id; without an id every order is a new one.
            request: What is asked, to be compared with what the id was used for.
            act: Obeys the order.
            recall: Answers an order that took effect earlier; None where it is obeyed whatever its id was used for.

        Raises:
            OrderRefused: The id was used for something else on this channel.
        """
        if not key.id:
            return await act()
        if key in self._under_way:
            other, answer = self._under_way[key]
            if recall is not None:
                _compare(key, other, request)
            return await asyncio.shield(answer)
        answer = asyncio.get_running_loop().create_future()
        self._under_way[key] = request, answer
        try:
            reply = await self._known_or_done(key, request, act, recall)
        except BaseException as error:
            answer.set_exception(error if isinstance(error, Exception) else OrderRefused("the daemon is stopping"))
            answer.exception()  # somebody may be waiting for it or nobody
            raise
        else:
            answer.set_result(reply)
            self._remember(key, request, reply)
            return reply
        finally:
            del self._under_way[key]

    async def _known_or_done(
        self, key: OrderKey, request: str, act: Callable[[], Awaitable[Reply]], recall: Recall | None
    ) -> Reply:
        if recall is None:
            return await act()
        if key in self._answers:
            _compare(key, self._answers[key][0], request)
        ordered = self._sink.journal.ordered
        records = await in_time(self._sink.call(ordered.orders, key.channel, key.id))
        self.reached("known")
        own = next((record for record in records if record.verb == key.verb), None)
        if own is not None:
            _compare(key, own.request, request)
            return await recall(own)
        if records:
            raise OrderRefused(
                f"id {key.id!r} was used for {' and '.join(record.verb for record in records)} on channel {key.channel}: "
                f"give {key.verb} an id of its own"
            )
        return await act()

    def answer_to(self, key: OrderKey) -> Reply | None:
        """Return the answer that was given under an id, word for word; None where this daemon gave none."""
        return self._answers[key][1] if key in self._answers else None

    def _remember(self, key: OrderKey, request: str, reply: Reply) -> None:
        self._answers[key] = request, reply
        self._answers.move_to_end(key)
        while len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)

    # --- committed ---

    async def recorded(self, key: OrderKey, order: Order, give: Callable[[], Awaitable[None]]) -> bool | None:
        """Give an order to a run and wait until it is committed; tell whether it took effect, None where no run took it.

        An order that was given and could not be recorded yet is not given again under its id: the disk is asked again.

        Raises:
            StoreError: It could not be recorded in time; what was given waits for the disk.
        """
        waiting = self._unrecorded.get(key) if key.id else None
        if waiting is None:
            waiting = order
            self._expected[id(order)] = order
            try:
                await give()
            except BaseException:
                self._forget(key, order)
                raise
            if key.id:
                self._unrecorded[key] = order
        self.reached("acted")
        await self.flushed()
        self.reached("committed")
        outcome = self._outcomes.get(id(waiting))
        self._forget(key, waiting)
        return outcome

    def is_unrecorded(self, key: OrderKey) -> bool:
        """Tell whether an order was given under an id, and its sender was told that it is not recorded yet."""
        return bool(key.id) and key in self._unrecorded

    async def flushed(self) -> None:
        """Wait until everything that was handed over is durable.

        Raises:
            StoreError: It could not be written in time.
        """
        await in_time(self._sink.flush())

    def _forget(self, key: OrderKey, order: Order) -> None:
        self._expected.pop(id(order), None)
        self._outcomes.pop(id(order), None)
        self._unrecorded.pop(key, None)

    def _committed(self, done: Committed) -> None:
        if not self._expected:
            return
        for entry in done.entries:
            if isinstance(entry.input, Order) and id(entry.input) in self._expected:
                self._outcomes[id(entry.input)] = obeyed(entry.events)


async def in_time(work: Coroutine[object, object, T]) -> T:
    """Wait for the disk, but not for ever.

    Raises:
        StoreError: It did not answer.
    """
    try:
        async with asyncio.timeout(RECORDED_WITHIN):
            return await work
    except TimeoutError as error:
        raise StoreError(f"the disk has not answered for {RECORDED_WITHIN:g} s", retry=True) from error


def _compare(key: OrderKey, before: str, request: str) -> None:
    if before != request:
        raise OrderRefused(
            f"id {key.id!r} was used for another {key.verb} on channel {key.channel}: {before}; give this one an id of its own"
        )
