"""The daemon's side of the guard: a child process that switches outputs off when the daemon dies or stands still.

The child holds the read end of a pipe. It is told which channels may be energised and hears a beat, which it answers; at end of
file, or when no beat comes for two seconds, it opens those instruments afresh and switches them off (`labctl.guard`). One that
leaves beats unanswered for a second stands still itself, and is replaced.
"""

import asyncio
import contextlib
import json
import logging
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from labctl.clock import monotonic
from labctl.errors import SettingRefused
from labctl.run.guard_record import GuardEntry, first_off, read_entries

LOG = logging.getLogger("labctl.run")
GUARD_LOCK: Final = "guard.lock"  # in the data folder, held by the guard until the outputs that it watches over are off
BEAT: Final = 0.25  # s between two signs of life
MISSED: Final = 2.0  # s without a beat after which the daemon counts as standing still
STANDS: Final = 1.0  # s of unanswered beats after which the guard does
STANDS_SURELY: Final = 5.0  # s after which it does on a machine that is too busy to wake the daemon in time
ON_TIME: Final = 0.1  # s that a beat may come late and still count
READY_WITHIN: Final = 10.0  # s for the guard to come up
STOP_WITHIN: Final = 1.0  # s for the guard to end when it is told to
PRIORITY: Final = -10  # of Unix: less comes first

LEFT_BEHIND: Final[list["subprocess.Popen[bytes]"]] = []  # guards that go on after our end: nobody waits for them

GuardState = Literal["watching", "died", "stood still"]


@dataclass(frozen=True, slots=True)
class GuardedInstrument:
    """An instrument as the guard must open it: driver, options, channels that may be energised, and those that are off."""

    driver: str
    options: Mapping[str, object] = field(default_factory=dict)
    channels: Sequence[str] = ()
    off: Sequence[str] = ()


@dataclass(slots=True)
class _Child:
    """One guard process: what was said to it and what it answered.

    Attributes:
        words: Lines that a thread writes to it: a full pipe blocks that thread, never the loop.
        up: It has said its first word.
        begun: Machine seconds at which it was started.
        beats: Number of the last beat.
        answered: Number of the last beat that was answered.
        standing: Seconds of beats that came on time and were not answered.
        last_beat: Machine seconds of the last beat.
        pending: Number of what it was told last of each instrument and has not taken note of.
    """

    process: "subprocess.Popen[bytes]"
    begun: float
    words: "queue.SimpleQueue[bytes | None]" = field(default_factory=queue.SimpleQueue)
    up: bool = False
    beats: int = 0
    answered: int = 0
    standing: float = 0.0
    last_beat: float = 0.0
    pending: dict[str, int] = field(default_factory=dict)

    def say(self, message: Mapping[str, object]) -> None:
        """Let a line be written."""
        self.words.put(json.dumps(message).encode() + b"\n")

    def beat(self, now: float) -> bool:
        """Send a beat; tell whether the guard answers them.

        One that was late itself says nothing of the guard: both may have been stopped, or the machine is busy.
        """
        on_time, self.last_beat = now - self.last_beat <= BEAT + ON_TIME, now
        if not self.up:
            return now - self.begun <= READY_WITHIN
        unanswered = self.beats - self.answered
        if not unanswered:
            self.standing = 0.0
        elif on_time:
            self.standing += BEAT
        self.beats += 1
        self.say({"beat": self.beats})
        return self.standing < STANDS and unanswered * BEAT < STANDS_SURELY


class GuardProcess:
    """Keeps the guard process alive and informed; does nothing while no instrument energises."""

    def __init__(self, folder: Path) -> None:
        """Take the data folder, in which the guard keeps its lock and its record."""
        self._folder = folder
        self._child: _Child | None = None
        self._watched: dict[str, GuardedInstrument] = {}
        self._number = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._earlier: list[GuardEntry] = []

    def start(self) -> None:
        """Start the process, once an instrument may be energised."""
        if self._child is not None:
            if self._child.process.poll() is None:
                return
            _let_go(self._child)
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "labctl.guard", str(self._folder), str(os.getpid()), str(MISSED)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a terminal's interrupt is for the daemon alone
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        come_first(process.pid)  # at once: a busy machine lets it come up no later than it must
        child = self._child = _Child(process, monotonic())
        loop = asyncio.get_running_loop()
        threading.Thread(target=_write, args=(child,), name="to the guard", daemon=True).start()
        threading.Thread(target=self._listen, args=(child, loop), name="guard", daemon=True).start()
        for name, instrument in self._watched.items():
            self._tell(name, instrument)

    def watch(self, name: str, instrument: GuardedInstrument) -> None:
        """Say which channels of an instrument may be energised from now on; `ready` waits until the guard has it."""
        if self._watched.get(name) == instrument or (
            name not in self._watched and not (instrument.channels or instrument.off)
        ):
            return
        self._watched[name] = instrument
        if self._child is None or self._child.process.poll() is not None:
            self.start()
        else:
            self._tell(name, instrument)

    async def ready(self, within: float = READY_WITHIN) -> None:
        """Wait until the guard watches over all that it was told.

        Raises:
            SettingRefused: It does not say so in time, s: nothing may be energised without it.
        """
        if self._child is None:
            return
        if self._child.process.poll() is not None:
            self.start()
        if not self._child.pending:
            return
        noted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(noted)
        try:
            async with asyncio.timeout(within):
                await noted
        except TimeoutError as error:
            raise SettingRefused(
                "the guard process does not answer, and nothing is energised without it", safe=True
            ) from error

    def beat(self) -> GuardState:
        """Give a sign of life; say what became of the guard, which is started again where it died or stands still."""
        child = self._child
        if child is None:
            return "watching"
        if child.process.poll() is not None:
            LOG.error("the guard process ended with code %s and is started again", child.process.returncode)
            self.start()
            return "died"
        if child.beat(monotonic()):
            return "watching"
        LOG.error("the guard process stands still; it is ended and started again")
        child.process.kill()
        child.process.wait()
        self.start()
        return "stood still"

    def read_record(self) -> None:
        """Read what earlier guards wrote down, once none of them is at work any more."""
        self._earlier = read_entries(self._folder)

    def switched_off(self, place: tuple[str, str], boot: str, monotonic: float, unix: float) -> GuardEntry | None:
        """Return what an earlier guard wrote down of a channel (instrument, channel) that was off after a moment."""
        return first_off(self._earlier, place, boot, monotonic, unix)

    def stop(self, *, all_off: bool = True) -> None:
        """Let the guard go without touching anything: the outputs are off, or meant to stay on.

        Args:
            all_off: Else it is left to itself as by a death of the daemon, and tries until they are.
        """
        child, self._child = self._child, None
        if child is None:
            return
        if all_off:
            child.say({"done": 1})
        child.words.put(None)
        if not all_off:
            LEFT_BEHIND.append(child.process)
            return
        try:
            child.process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()

    @property
    def pid(self) -> int | None:
        """The process, if it runs."""
        return None if self._child is None else self._child.process.pid

    def _tell(self, name: str, instrument: GuardedInstrument) -> None:
        if self._child is None:
            return
        self._number += 1
        self._child.pending[name] = self._number
        self._child.say({
            "ward": name,
            "number": self._number,
            "driver": instrument.driver,
            "options": dict(instrument.options),
            "channels": list(instrument.channels),
            "off": list(instrument.off),
        })  # fmt: skip

    def _listen(self, child: _Child, loop: asyncio.AbstractEventLoop) -> None:
        """Hear what the guard answers; in a thread, since a pipe cannot be awaited everywhere."""
        if child.process.stdout is None:
            return
        with child.process.stdout as pipe, contextlib.suppress(RuntimeError, ValueError):  # the loop has ended
            for line in pipe:
                loop.call_soon_threadsafe(self._answered, child, line)

    def _answered(self, child: _Child, line: bytes) -> None:
        try:
            message: dict[str, Any] = json.loads(line)
        except ValueError:
            return
        if "up" in message:
            child.up = True
        elif "beat" in message:
            child.answered = max(child.answered, int(message["beat"]))
        elif "ward" in message:
            name = str(message["ward"])
            if child.pending.get(name, 0) <= int(message["number"]):
                child.pending.pop(name, None)
        if child is self._child and not child.pending:
            waiting, self._waiting = self._waiting, []
            for noted in waiting:
                if not noted.done():
                    noted.set_result(None)


def come_first(pid: int) -> None:
    """Let a process be scheduled before others, where the system lets us: a busy machine is no reason to switch off late.

    Linux may share the processor out among sessions first (sched(7), autogroups), and the guard is one of its own.
    """
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, pid, PRIORITY)
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(PRIORITY), encoding="ascii")


def _write(child: _Child) -> None:
    """Write what is to be said until there is no more, or nobody to hear it."""
    pipe = child.process.stdin
    if pipe is None:
        return
    with contextlib.suppress(OSError, ValueError):
        while (words := child.words.get()) is not None:
            pipe.write(words)
            pipe.flush()
    with contextlib.suppress(OSError, ValueError):
        pipe.close()


def _let_go(child: _Child) -> None:
    """End the thread that wrote to a process that has gone, which closes our end of its pipe."""
    child.words.put(None)
