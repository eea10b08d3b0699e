"""What is asked of a channel's queue: a run added, moved, or taken out."""

from labctl.errors import OrderRefused, UsageError
from labctl.run.channel import Channel
from labctl.run.orderbook import OrderBook, OrderKey, Reply
from labctl.run.queue import Queue
from labctl.run.request import OrderReply, QueueRequest, StartRequest
from labctl.run.roster import Roster
from labctl.run.starter import Starter
from labctl.store.entry import OrderRecord, Queued


class QueueOrders:
    """Changes what waits for the channels of a station."""

    def __init__(self, roster: Roster, book: OrderBook, starter: Starter, queue: Queue) -> None:
        """Join them."""
        self._roster = roster
        self._book = book
        self._starter = starter
        self._queue = queue

    async def give(self, request: QueueRequest) -> Reply:
        """Do what is asked and answer once it is committed; where nothing is to be done, say how many wait.

        Raises:
            OrderRefused: That run does not wait there.
            UsageError: What is asked does not go together.
            FileError: With every finding of the files of a run to add.
        """
        channel = self._roster.channel(request.channel)
        _check(request)
        if request.protocol:
            return await self._starter.start(
                StartRequest(
                    protocol=request.protocol,
                    cell=request.cell,
                    channel=channel.name,
                    by=request.by,
                    id=request.id,
                    values=request.values,
                    next=True,
                    place=request.place,
                )
            )
        if not request.run:
            return OrderReply("queue", channel.name, "", channel.activity)
        key = OrderKey(channel.name, "queue", request.id)
        return await self._book.once(
            key, request.content(), lambda: self._change(channel, key, request), self._told_before
        )

    async def _change(self, channel: Channel, key: OrderKey, request: QueueRequest) -> OrderReply:
        queued = self._waiting(channel, request.run)
        who = request.by or "a person"
        words = (
            f"taken out of the queue by {who}"
            if request.remove
            else f"moved to place {request.place} of the queue by {who}"
        )
        reply = OrderReply("queue", channel.name, queued.new.uuid, channel.activity, words)
        record = None
        if key.id:
            record = OrderRecord(channel.name, key.verb, key.id, request.content(), reply.stored())
        if request.place is None:
            await self._queue.remove(channel, queued, record)
        else:
            await self._queue.move(channel, queued, request.place, record)
        self._book.reached("committed")
        return reply

    def _waiting(self, channel: Channel, run: str) -> Queued:
        place = self._queue.find(run)
        if place is not None and place[0] is channel:
            return place[1]
        waiting = ", ".join(each.new.uuid[:8] for each in channel.queue) or "nothing"
        raise OrderRefused(f"channel {channel.name}: wanted a run that waits, found {run!r}; what waits: {waiting}")

    async def _told_before(self, record: OrderRecord) -> OrderReply:
        return OrderReply.from_stored(record.reply or "{}")


def _check(request: QueueRequest) -> None:
    if request.protocol and (request.run or request.remove):
        raise UsageError("order queue: wanted a protocol to add, or a run that waits, found both")
    if request.protocol and not request.cell:
        raise UsageError("order queue: wanted cell beside protocol, found none")
    if not request.protocol and (request.cell or request.values):
        raise UsageError("order queue: wanted a protocol beside cell and values, found none")
    if request.run and request.remove == (request.place is not None):
        raise UsageError("order queue: wanted place or remove beside run, one of them")
    if not request.run and not request.protocol and (request.remove or request.place is not None):
        raise UsageError("order queue: wanted the run that is meant, found none")
