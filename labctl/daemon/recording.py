"""Whether what happens can be recorded: the writer's troubles, room and place on the disk, and what energises when it cannot."""

import asyncio
import logging
import os
from pathlib import Path

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
PLACE_EVERY = 5.0  # s between two looks whether the data folder is where it was
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
        self._place = inode(parts.journal.place.file)
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
        looked = placed = float("-inf")
        while True:
            stalled = self._parts.sink.stalled
            if stalled > (LOCKED if isinstance(self._error, StoreBusy) else STALLED) and not self._held:
                await self._hold(stalled)
            elif not stalled and self._held:
                await self._go_on()
            if self._parts.machine.monotonic() - looked >= ROOM_EVERY:
                looked = self._parts.machine.monotonic()
                await self._look_at_room(looked)
            if self._parts.machine.monotonic() - placed >= PLACE_EVERY:
                placed = self._parts.machine.monotonic()
                await self._look_at_place()
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

    async def _look_at_place(self) -> None:
        """Tell that the data folder was moved or put aside: no order, and no page, finds the daemon any more."""
        folder, alarms = self._parts.folder.absolute(), self._parts.alarms
        if await asyncio.to_thread(inode, self._parts.journal.place.file) == self._place:
            alarms.end("folder", f"{folder} is where it was")
            return
        words = (
            f"the data folder {folder} was moved, or another was put in its place: process {os.getpid()} goes on and writes to the "
            "one that was moved, but no order reaches it; move it back, or end the process"
        )
        alarms.rise("folder", "error", words)

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


def inode(file: Path) -> tuple[int, int] | None:
    """Return what a file is to its system, whatever its name; None where it has gone."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
