"""Starts: a plan is made, stored with the order that asked for it, and begun."""

import asyncio
import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from labctl.errors import FileError, InstrumentError, LabctlError, OrderRefused, UsageError
from labctl.run.ability import Ability
from labctl.run.aside import aside
from labctl.run.channel import Channel, local_time
from labctl.run.draft import PreparedRun, at_rest, draft_from, draft_of, draft_of_queued
from labctl.run.files import Files, read_files
from labctl.run.orderbook import OrderBook, OrderKey
from labctl.run.queue import Queue
from labctl.run.request import StartReply, StartRequest
from labctl.run.reservation import conflicts, reserved
from labctl.run.roster import Roster, roles
from labctl.run.session import RunSession
from labctl.run.texts import Texts
from labctl.store.entry import NewRun, OrderRecord, Queued, StoredRun

LOG = logging.getLogger("labctl.run")
FILES_WITHIN = 20.0  # s for the files of a start to be read and checked
READING = 8  # starts that may do so at a time


class Starter:
    """Starts runs on the channels of a station."""

    def __init__(self, roster: Roster, book: OrderBook, queue: Queue, texts: Texts) -> None:
        """Join them; `texts` are those that may be started by their digest."""
        self._texts = texts
        self._queue = queue
        self._roster = roster
        self._sink = roster.sink
        self._book = book
        self._under_way: dict[str, set[asyncio.Future[None]]] = {}
        self._reading = 0

    async def start(self, request: StartRequest) -> StartReply:
        """Load, check, compile and store a plan, and start it; nothing moves before the run is committed with its order."""
        run = await self._roster.ask(lambda reader: reader.find(request.resume)) if request.resume else None
        channel = self._roster.channel(request.channel or (run.channel if run else None) or "")
        key = OrderKey(channel.name, "resume" if request.resume else "start", request.id)
        if request.check:
            return await self._checked(channel, request)
        act = self._enqueue if request.waits else self._start
        with self._noted(channel):
            reply = await self._book.once(
                key, request.content(), lambda: act(channel, key, request, run), self._started_before
            )
        assert isinstance(reply, StartReply)
        return reply

    async def _checked(self, channel: Channel, request: StartRequest) -> StartReply:
        """Check a start as far as it can be before it begins; nothing is stored, and no output is touched."""
        if request.resume:
            raise UsageError("order resume: wanted it to begin, found check; labctl check FILE checks a file")
        if not request.waits:
            _refuse_if_taken(channel)
        connection = self._roster.connection(channel)
        ability = Ability(connection.capabilities(channel), connection.translate(channel))
        files = await self.files(request)
        label = self._roster.clock.label()
        draft = await self._roster.ask(lambda reader: draft_of(request, files, channel, ability, reader, label))
        if request.waits:
            return replace(_reply(self._told(channel, draft), draft.new, channel), run="")
        with reserved(self._roster.channels, channel, draft.plan) as notes:
            return replace(_reply(_noted(draft, notes), draft.new, channel), run="")

    @contextmanager
    def _noted(self, channel: Channel) -> Iterator[None]:
        """Let a stop know that a start is under way, from the moment at which it was asked for."""
        starts = self._under_way.setdefault(channel.name, set())
        if not starts:
            channel.start_stopped_by = ""
        ended = asyncio.get_running_loop().create_future()
        starts.add(ended)
        try:
            yield
        finally:
            starts.discard(ended)
            ended.set_result(None)

    async def _start(self, channel: Channel, key: OrderKey, request: StartRequest, run: StoredRun | None) -> StartReply:
        _refuse_if_taken(channel)
        channel.starting = True
        try:
            return await self._begin(channel, key, request, run)
        finally:
            channel.starting = False

    async def _begin(self, channel: Channel, key: OrderKey, request: StartRequest, run: StoredRun | None) -> StartReply:
        connection = self._roster.connection(channel)
        await connection.ready(channel)
        label = self._roster.clock.label()
        if run is None:
            ability = Ability(connection.capabilities(channel), connection.translate(channel))
            files = await self.files(request)
            draft = await self._roster.ask(lambda reader: draft_of(request, files, channel, ability, reader, label))
        else:
            draft = await self._roster.ask(lambda reader: draft_from(request, channel, run, reader, label))
        self._book.reached("drafted")
        with reserved(self._roster.channels, channel, draft.plan) as notes:
            draft = _noted(draft, notes)
            new = replace(draft.new, uuid=str(uuid.uuid4()))
            if key.id:
                reply = _reply(draft, new, channel)
                new = replace(new, order=OrderRecord(channel.name, key.verb, key.id, request.content(), reply.stored()))
            draft = await self._store_and_begin(channel, draft, new)
        return _reply(draft, new, channel)

    async def _store_and_begin(self, channel: Channel, draft: PreparedRun, new: NewRun) -> PreparedRun:
        """Put the cell in, store the run, and begin it; return the draft as it was begun."""
        connection = self._roster.connection(channel)
        try:
            await connection.prepare(channel, draft.cell, draft.seed, draft.source)
        except InstrumentError as error:
            if draft.source.state is None or new.resumed_from is not None:
                raise
            draft = at_rest(draft, str(error))
            await connection.prepare(channel, draft.cell, draft.seed, draft.source)
        await self._sink.flush()  # the end of the run before, which frees the channel
        _refuse_if_stopped(channel)
        run_id = await self._sink.call(self._sink.journal.create_run, new)
        self._book.reached("created")
        await self._begin_created(channel, RunSession(run_id, draft.plan), new, draft)
        self._book.reached("begun")
        return draft

    # --- runs that wait ---

    async def _enqueue(
        self, channel: Channel, key: OrderKey, request: StartRequest, run: StoredRun | None
    ) -> StartReply:
        """Check a start whole, and store it for when its turn comes."""
        if run is not None:
            raise UsageError("order resume: wanted it to begin at once, found a time or a turn to wait for")
        if channel.unknown:
            raise OrderRefused(f"channel {channel.name} is unknown: {channel.unknown}")
        label = self._roster.clock.label()
        if request.at is not None and request.at <= label:
            raise UsageError(
                f"order start: at: wanted a time to come, found {local_time(request.at)}; the station's clock shows "
                f"{local_time(label)}"
            )
        connection = self._roster.connection(channel)
        ability = Ability(connection.capabilities(channel), connection.translate(channel))
        files = await self.files(request)
        draft = await self._roster.ask(lambda reader: draft_of(request, files, channel, ability, reader, label))
        self._book.reached("drafted")
        new = replace(draft.new, uuid=str(uuid.uuid4()))
        waits = _waits(channel, request)
        reply = replace(_reply(self._told(channel, draft), new, channel), waits=waits)
        if key.id:
            new = replace(new, order=OrderRecord(channel.name, key.verb, key.id, request.content(), reply.stored()))
        _refuse_if_stopped(channel)
        after = await self._sink.flush()  # the end of the run before, if it has ended
        await self._queue.add(channel, Queued(channel.name, new, request.at, label, after), request.place)
        self._book.reached("created")
        return reply

    async def begin_queued(self, channel: Channel, queued: Queued) -> None:
        """Begin a run whose turn has come.

        Raises:
            LabctlError: It cannot begin now; it waits on, unless it was stored as a run that failed.
        """
        with self._noted(channel):
            _refuse_if_taken(channel)
            channel.starting = True
            try:
                await self._roster.connection(channel).ready(channel)
                label = self._roster.clock.label()
                draft = await self._roster.ask(lambda reader: draft_of_queued(queued.new, channel, reader, label))
                with reserved(self._roster.channels, channel, draft.plan):
                    await self._store_and_begin(channel, draft, draft.new)
            finally:
                channel.starting = False

    def _told(self, channel: Channel, draft: PreparedRun) -> PreparedRun:
        """Return the draft of a run that waits, with who holds now what it will need: it begins when they have let it go."""
        return _noted(draft, tuple(conflicts(self._roster.channels, channel, draft.plan)))

    async def files(self, request: StartRequest) -> Files:
        """Read the files of a start, off the loop: they may lie on a share that has died.

        Raises:
            FileError: With every finding, or that they could not be read in time.
        """
        if self._reading >= READING:
            raise OrderRefused(
                f"wanted at most {READING} starts that read their files, found more; try again", retry=True
            )
        self._reading += 1
        try:
            protocol, cell = (self._texts.find(name) or name for name in (request.protocol, request.cell))
            work = partial(read_files, protocol, cell, request.mass)
            return await aside(work, f"files of {request.channel}", FILES_WITHIN)
        except TimeoutError:
            raise FileError(
                f"{request.protocol}, {request.cell}: wanted them read and checked within {FILES_WITHIN:g} s, "
                "found no end; do they lie on a share that does not answer?"
            ) from None
        finally:
            self._reading -= 1

    async def _begin_created(self, channel: Channel, session: RunSession, new: NewRun, draft: PreparedRun) -> None:
        """Begin a run that is stored; one that cannot begin has failed, and its order may be given again."""
        try:
            stored = await self._roster.ask(lambda reader: reader.run(session.run_id))
            _refuse_if_stopped(channel)
            self._roster.attach(channel, session, stored, draft.estimate)
            await self._roster.connection(channel).begin(channel, session, roles(channel))
        except Exception as error:
            await self._never_began(channel, session, new, error)
            raise

    async def _never_began(self, channel: Channel, session: RunSession, new: NewRun, error: Exception) -> None:
        """End a run that was stored and cannot begin; its order may be given again, and what waits behind it is held."""
        reason, words = "stopped" if channel.start_stopped_by else "failed", f"it never began: {error}"
        channel.session = None
        channel.last, channel.ended_as, channel.ended_reason = (
            words,
            "done" if reason == "stopped" else "failed",
            reason,
        )
        try:
            await self._sink.call(self._sink.journal.finish_run, session.run_id, reason, words)
            if new.order is not None:
                await self._sink.call(self._sink.journal.ordered.drop, new.order)
        except LabctlError as trouble:
            LOG.error("run %s never began, which is not recorded: %s", session.run_id, trouble)  # noqa: TRY400 - it says all
        channel.ended_commit = self._sink.journal.commit_id

    async def _started_before(self, record: OrderRecord) -> StartReply:
        return StartReply.from_stored(record.reply or "{}")

    def is_under_way(self, channel: Channel) -> bool:
        """Tell whether a start on a channel was asked for and has not been answered."""
        return bool(self._under_way.get(channel.name))

    async def stopped(self, channel: Channel, by: str) -> None:
        """Let a start that is under way end before anything is energised, and wait until it has ended either way."""
        channel.start_stopped_by = by or "a person"
        await asyncio.wait(set(self._under_way[channel.name]))


def _noted(draft: PreparedRun, notes: tuple[str, ...]) -> PreparedRun:
    return replace(draft, notes=(*draft.notes, *notes))


def _reply(draft: PreparedRun, new: NewRun, channel: Channel) -> StartReply:
    warnings = (*(finding.message for finding in draft.estimate.warnings), *draft.notes)
    return StartReply(new.uuid, channel.name, new.protocol, draft.estimate.duration[0], warnings)


def _waits(channel: Channel, request: StartRequest) -> str:
    """Say for what a start waits."""
    if request.at is not None:
        return f"begins at {local_time(request.at)}, or as soon as the channel is free then"
    ahead = channel.queue if request.place is None else channel.queue[: request.place - 1]
    before = sum(each.begin is None for each in ahead) + (channel.session is not None)
    return f"begins after {before} before it" if before else "begins as soon as the channel is free"


def _refuse_if_stopped(channel: Channel) -> None:
    if channel.start_stopped_by:
        raise OrderRefused(
            f"channel {channel.name}: the start was stopped by {channel.start_stopped_by} before it began"
        )


def _refuse_if_taken(channel: Channel) -> None:
    if channel.unknown:
        raise OrderRefused(f"channel {channel.name} is unknown: {channel.unknown}")
    if channel.foreign and channel.session is None:
        raise OrderRefused(
            f"channel {channel.name}: {channel.foreign}; `labctl adopt {channel.name}` shows its rows and stops nothing"
        )
    if channel.starting:
        raise OrderRefused(f"channel {channel.name} is about to start a run")
    if channel.session is not None and channel.info is not None:
        raise OrderRefused(
            f"channel {channel.name} is taken by run {channel.info.run_id} ({channel.info.protocol}); "
            f"`labctl stop {channel.name}` ends it"
        )
