"""Whether what happens can be recorded: the writer's troubles, the room on the disk, and what energises when it cannot."""

import asyncio
import logging

from labctl.daemon.parts import Parts
from labctl.errors import InternalError, LabctlError, StoreBusy, StoreFull
from labctl.run.connection.polled_connection import PolledConnection
from labctl.store.committed import Trouble
from labctl.store.disk_room import RoomWatch, free_room

LOG = logging.getLogger("labctl.daemon")
STALLED = 4.0  # s without a commit after which what energises is switched off
LOCKED = 8.0  # s: the same while another program holds the journal's file, besides the 2 s for which the first attempt waited
LOOK = 0.5  # s between two looks at the journal
ROOM_EVERY = 60.0  # s between two looks at the disk
FULL = "the disk is full"
AGAIN = "the journal can be written again"


class Recording:
    """Watches the journal of a running daemon."""

    def __init__(self, parts: Parts) -> None:
        """Listen to the writer from now on."""
        self._parts = parts
        self._error: LabctlError | None = None
        self._held: dict[str, float] = {}  # channel -> clock time at which its run was held
        self._room = RoomWatch()
        parts.sink.on_trouble(self._hear)

    def _hear(self, trouble: Trouble) -> None:
        self._error, alarms = trouble.error, self._parts.alarms
        if trouble.error is None:
            alarms.end("journal", AGAIN)
        else:
            ended = isinstance(trouble.error, InternalError)
            alarms.rise(
                "journal", "error", str(trouble.error) if ended else f"the journal cannot be written: {trouble.error}"
            )

    async def watch(self) -> None:
        """Switch off what energises when the journal cannot be written for too long; let it go on where its protocol allows."""
        clock = self._parts.clock
        looked = float("-inf")
        while True:
            stalled = self._parts.sink.stalled
            if stalled > (LOCKED if isinstance(self._error, StoreBusy) else STALLED) and not self._held:
                await self._hold(stalled)
            elif not stalled and self._held:
                await self._go_on()
            if self._parts.machine.monotonic() - looked >= ROOM_EVERY:
                looked = self._parts.machine.monotonic()
                await self._look_at_room(looked)
            await clock.until(clock.now() + LOOK * clock.speed)

    async def _hold(self, stalled: float) -> None:
        reason = FULL if isinstance(self._error, StoreFull) else "the journal cannot be written"
        LOG.error("%s for %.0f s: what energises is switched off", reason, stalled)
        lines = [each for each in self._parts.connections.values() if isinstance(each, PolledConnection)]
        await asyncio.gather(
            *(line.hold_safe(f"{reason}, so that what is measured cannot be recorded") for line in lines)
        )
        now = self._parts.clock.now()
        self._held = dict.fromkeys(self._unrecorded(), now) or {"": now}

    async def _go_on(self) -> None:
        """Let runs go on that were held for no longer than their protocols let any interruption last; the others ask."""
        clock, waiting, self._held = self._parts.clock, self._held, {}
        for name in self._unrecorded():
            session = self._parts.channels[name].session
            waited = clock.now() - waiting.get(name, float("-inf"))
            if session is not None and waited <= session.plan.interruption.continue_within:
                try:
                    await self._parts.supervisor.order("resume", name, by="labctl")
                    await self._parts.supervisor.order("note", name, by="labctl", text=AGAIN)
                except LabctlError as error:
                    LOG.error("channel %s does not go on: %s", name, error)  # noqa: TRY400 - the message says it all

    def _unrecorded(self) -> list[str]:
        """Return the channels whose run is held since it could not be recorded."""
        sessions = {name: channel.session for name, channel in self._parts.channels.items()}
        questions = {
            name: session.state.question
            for name, session in sessions.items()
            if session is not None and session.has_begun
        }
        return [name for name, question in questions.items() if question is not None and question.kind == "unrecorded"]

    async def _look_at_room(self, now: float) -> None:
        alarms = self._parts.alarms
        try:
            room = self._room.look(now, await asyncio.to_thread(free_room, self._parts.folder))
        except OSError as error:
            alarms.rise("disk", "warning", f"the room in {self._parts.folder} cannot be asked: {error.strerror}")
            return
        if room.short:
            alarms.rise("disk", "warning", f"the disk of {self._parts.folder} gets full: {room}")
        else:
            alarms.end("disk", f"the disk has room again: {room}")
