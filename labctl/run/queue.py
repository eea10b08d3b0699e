"""Runs that were accepted and wait for their turn on a channel: for a time, for the run before them, or for a person.

A run that waits is stored whole, as it was checked: neither an edit of its files nor a restart changes what will run. It begins by
itself when its time has come and the channel is free. Where the run before it did not end as done (it was stopped, tripped, aborted
or failed) after it was queued, somebody has to look first: the queue is held until `resume` is given to the channel.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from functools import partial

from labctl.errors import LabctlError, OrderRefused, PartHeld
from labctl.run.channel import UUID_BEGIN, Channel
from labctl.run.roster import Roster
from labctl.store.entry import OrderRecord, Queued
from labctl.store.reader import Reader

LOG = logging.getLogger("labctl.run")
MOST = 100  # runs that may wait for one channel
LOOK = 1.0  # s of the machine between two looks at the time while something waits
AGAIN = 10.0  # s of the machine before a run that could not begin is tried again

Begin = Callable[[Channel, Queued], Awaitable[object]]


class Queue:
    """What waits for the channels of a station. One event loop."""

    def __init__(self, roster: Roster) -> None:
        """Keep what waits at its channel, where `status` finds it."""
        self._roster = roster
        self._ordered = roster.sink.journal.ordered
        self._news = asyncio.Event()
        self._not_before: dict[str, float] = {}

    async def load(self, only: Collection[str] | None = None) -> None:
        """Take up what waited when the daemon ended, of all channels or `only` some."""
        waiting: tuple[Queued, ...] = await self._roster.sink.call(self._ordered.queue)
        for name, channel in self._roster.channels.items():
            if only is not None and name not in only:
                continue
            channel.queue = tuple(each for each in waiting if each.channel == name)
            if channel.queue and channel.session is None and channel.info is not None:
                question = partial(Reader.last_commit_of, run_id=channel.info.run_id)
                channel.ended_commit = await self._roster.ask(question)
        self.wake()

    def wake(self) -> None:
        """Look at once: a channel has become free, or something waits that did not."""
        self._news.set()

    async def add(self, channel: Channel, queued: Queued, place: int | None = None) -> None:
        """Store a run, last of its channel, or at a place among those that wait, 1 for the next.

        Raises:
            OrderRefused: Too many wait already.
        """
        if len(channel.queue) >= MOST:
            raise OrderRefused(
                f"channel {channel.name}: wanted at most {MOST} runs that wait, found {len(channel.queue)}"
            )
        waiting = _placed(channel.queue, queued, place)
        await self._roster.sink.call(self._ordered.enqueue, queued, [each.new.uuid for each in waiting])
        channel.queue = _placed(channel.queue, queued, place)
        self.wake()

    async def move(self, channel: Channel, queued: Queued, place: int, order: OrderRecord | None) -> None:
        """Let a run that waits stand at a place, 1 for the next, with the order that says so."""
        waiting = _placed(channel.queue, queued, place)
        await self._roster.sink.call(self._ordered.arrange, [each.new.uuid for each in waiting], order)
        if queued in channel.queue:  # it has not begun meanwhile
            channel.queue = _placed(channel.queue, queued, place)

    def find(self, name: str) -> tuple[Channel, Queued] | None:
        """Return the run that waits and has a uuid, or the begin of one, with its channel; None if there is none."""
        if len(name) < UUID_BEGIN:
            return None
        for channel in self._roster.channels.values():
            for queued in channel.queue:
                if queued.new.uuid.startswith(name):
                    return channel, queued
        return None

    async def remove(self, channel: Channel, queued: Queued, order: OrderRecord | None) -> None:
        """Take a run out that shall not begin, with the order that says so."""
        await self._roster.sink.call(self._ordered.dequeue, queued.new.uuid, order)
        channel.queue = tuple(each for each in channel.queue if each is not queued)

    async def release(self, channel: Channel, order: OrderRecord | None) -> None:
        """Let what is held on a channel go on, with the order that says so."""
        after = await self._roster.sink.flush()
        await self._roster.sink.call(self._ordered.release, channel.name, after, order)
        channel.queue = tuple(replace(each, after=after) for each in channel.queue)
        self.wake()

    async def watch(self, begin: Begin) -> None:
        """Begin what is due, until cancelled; the time is that of the station's clock."""
        while True:
            self._news.clear()
            for channel in self._roster.channels.values():
                if (queued := self._due(channel)) is not None:
                    await self._begin(channel, queued, begin)
            waits = any(channel.queue for channel in self._roster.channels.values())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK if waits else None):
                    await self._news.wait()

    def _due(self, channel: Channel) -> Queued | None:
        """Return the run whose turn it is: one whose time has come first, then those without a time in their order."""
        if not channel.queue or channel.session is not None or channel.starting or channel.unknown:
            return None
        now = asyncio.get_running_loop().time()
        if now < self._not_before.get(channel.name, now):
            return None
        free = [each for each in channel.queue if not channel.holds(each)]
        label = self._roster.clock.label()
        timed = [each for each in free if each.begin is not None and each.begin <= label]
        return (
            min(timed, key=lambda each: each.begin or 0.0)
            if timed
            else next((e for e in free if e.begin is None), None)
        )

    async def _begin(self, channel: Channel, queued: Queued, begin: Begin) -> None:
        try:
            await begin(channel, queued)
        except LabctlError as error:
            again = LOOK if isinstance(error, PartHeld) else AGAIN
            self._not_before[channel.name] = asyncio.get_running_loop().time() + again
            if channel.queue_trouble != str(error):
                LOG.warning("channel %s: the next run cannot begin: %s", channel.name, error)
            channel.queue_trouble = str(error)
            if channel.start_stopped_by:
                channel.ended_reason, channel.ended_commit = "stopped", self._roster.sink.journal.commit_id + 1
        else:
            channel.queue_trouble = ""
        waiting: tuple[Queued, ...] = await self._roster.sink.call(self._ordered.queue)
        channel.queue = tuple(each for each in waiting if each.channel == channel.name)


def _placed(waiting: tuple[Queued, ...], queued: Queued, place: int | None) -> tuple[Queued, ...]:
    """Return a queue with a run at a place, 1 for the first; at its end where none is named."""
    others = [each for each in waiting if each is not queued]
    at = len(others) if place is None else min(place - 1, len(others))
    return (*others[:at], queued, *others[at:])
