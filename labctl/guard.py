"""Who switches off if the daemon dies: a process of its own that holds the read end of a pipe.

    python -m labctl.guard FOLDER DAEMON [SECONDS]

Each line on its input is a JSON object: `{"ward": NAME, "number": N, "driver": D, "options": {...}, "channels": [...]}` says
which channels of an instrument may be energised, `{"beat": N}` is a sign of life, `{"done": 1}` ends it. It answers each with
its number. At end of file it opens those instruments afresh and leaves their channels at open circuit; where beats stop coming
it first ends the daemon, so that an instrument that serves one connection is free.

It outlives every signal that can be outlived, and tries until every channel is confirmed off or a new daemon has taken the
instruments over. It holds `guard.lock` meanwhile, and a new daemon waits for it before it opens an instrument. What it did
stands in `guard.jsonl` (`labctl.run.guard_record`).
"""

import asyncio
import contextlib
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from labctl.clock import this_machine
from labctl.driver import Instrument
from labctl.errors import StoreBusy
from labctl.run.guard_process import GUARD_LOCK, MISSED
from labctl.run.guard_record import DIED, GUARD_RELIEF, STOOD_STILL, RecordWriter
from labctl.run.process_handle import ProcessHandle
from labctl.store.location import Lock

PAUSE: Final = (0.01, 1.0)  # s between two tries to reach an instrument: at first, at most
AT_FIRST: Final = (
    1.0  # s for which the pause is not lengthened: a meter with one connection frees it a moment after a death
)
LOOK: Final = 0.05  # s between two looks at the daemon's process
VERB_WITHIN: Final = 5.0  # s for one verb of a driver
SAY_AGAIN: Final = 60.0  # s between two complaints about the same instrument
LAST_WORDS: Final = 2.0  # s that the last lines of the record may take to be written
MOST_ASIDE: Final = 1000  # things that wait for a disk or a reader; more are dropped
GONE: Final = object()
MORTAL: Final = (
    "SIGKILL",
    "SIGSTOP",
    "SIGSEGV",
    "SIGBUS",
    "SIGILL",
    "SIGFPE",
    "SIGABRT",
    "SIGTRAP",
    "SIGSYS",
    "SIGCHLD",
)
"""Signals that cannot be ignored, that say that the guard itself is broken, or that Python needs."""


def main(folder: str, daemon: str = "0", missed: str = str(MISSED)) -> int:
    """Watch over the daemon that started this process; return 0 once nothing is on that it was told of.

    Args:
        folder: The data folder.
        daemon: Number of the process.
        missed: Seconds without a beat after which it counts as standing still.
    """
    outlive_signals()
    aside = Aside()
    asyncio.run(Guard(Path(folder), ProcessHandle(int(daemon)), aside, float(missed)).run())
    aside.close()
    return 0


def outlive_signals() -> None:
    """Ignore what ends a daemon: it is sent to every process of a service or a terminal at once."""
    for number in signal.valid_signals():
        if getattr(number, "name", "") not in MORTAL:
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_IGN)


class Aside:
    """Does in a thread, in order, what may wait for a disk or a reader: neither may hold up an output that goes off."""

    def __init__(self) -> None:
        """Start the thread; it does not keep the process alive."""
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="aside", daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], None]) -> None:
        """Let something be done."""
        if self._work.qsize() < MOST_ASIDE:
            self._work.put(work)

    def say(self, words: str) -> None:
        """Say something on standard error."""
        self.do(lambda: _say(f"labctl guard: {words}\n"))

    def close(self) -> None:
        """Let what waits be done, if that takes no time."""
        self._work.put(None)
        self._thread.join(LAST_WORDS)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()


def _say(words: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        os.write(2, words.encode(errors="replace"))


class Guard:
    """Hears the daemon, and switches off when it hears it no more."""

    def __init__(self, folder: Path, daemon: ProcessHandle, aside: Aside, missed: float) -> None:
        """Take the data folder, the daemon's process, who writes, and for how many s a daemon may stand still."""
        self._missed = missed
        self._folder = folder
        self._daemon = daemon
        self._aside = aside
        self._record = RecordWriter(folder, this_machine(), aside.do)
        self._lock: Lock | None = None
        self._wards: dict[str, _Ward] = {}
        self._loading: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Watch until the daemon says that all is done, or has gone; then switch off."""
        messages: asyncio.Queue[Any] = asyncio.Queue()
        threading.Thread(target=_listen, args=(asyncio.get_running_loop(), messages), daemon=True).start()
        with contextlib.suppress(OSError, AttributeError):  # Windows cannot before Python 3.12
            os.set_blocking(sys.stdout.fileno(), False)  # a daemon that stands reads nothing
        self._record.begin()
        _answer({"up": os.getpid()})
        why = await self._watch(messages)
        if why:
            await self._act(why)
        for task in self._loading:
            task.cancel()
        await asyncio.gather(*self._loading, return_exceptions=True)
        if self._lock is not None:
            self._lock.release()

    async def _watch(self, messages: "asyncio.Queue[Any]") -> str:
        """Hear the daemon; return why to act, "" if all is done.

        The end of its pipe says that it died, or its process does, whose pipes a disk may keep open for seconds.
        Beats are missed by the guard's own waking: where both were stopped, as with the whole machine, the daemon gets the
        chance to go on and to see for itself how long it was away.
        """
        missed = 0
        while True:
            self._take_lock()
            try:
                async with asyncio.timeout(LOOK):
                    message = await messages.get()
            except TimeoutError:
                missed += 1
                if self._daemon.is_dead():
                    return DIED
                if missed * LOOK >= self._missed and any(ward.channels for ward in self._wards.values()):
                    return STOOD_STILL
                continue
            missed = 0
            if message is GONE:
                return DIED
            if "done" in message:
                return ""
            if "beat" in message:
                _answer(message)
            elif "ward" in message:
                task = asyncio.create_task(self._ward(message))
                self._loading.add(task)
                task.add_done_callback(self._loading.discard)

    def _take_lock(self) -> None:
        """Take the guard's lock, as soon as an older guard that is still at work lets it go."""
        if self._lock is None:
            with contextlib.suppress(StoreBusy):
                self._lock = Lock(self._folder / GUARD_LOCK, "the guard")

    async def _ward(self, message: Mapping[str, Any]) -> None:
        """Watch over an instrument as a message says, and answer once it could be acted on."""
        name = str(message["ward"])
        ward = self._wards.get(name)
        if ward is None:
            ward = self._wards[name] = _Ward(message, self._record)
        ward.watch(message)
        try:
            await ward.loaded()
        except Exception as error:  # noqa: BLE001 - unanswered, it keeps the daemon from energising anything there
            self._aside.say(f"{name}: {error}")
        else:
            _answer({"ward": name, "number": message.get("number")})

    async def _act(self, why: str) -> None:
        """Free the instruments of a daemon that stands still, and switch off what may be on."""
        if why == STOOD_STILL:
            self._aside.say(f"{why} for {self._missed:g} s: it is ended, and the outputs are switched off")
            self._daemon.end()
        for ward in self._wards.values():
            ward.note_earlier(why)
        await asyncio.gather(
            *(self._switch_off(ward, why) for ward in self._wards.values()),
        )

    async def _switch_off(self, ward: "_Ward", why: str) -> None:
        """Try until every channel of an instrument is off, or a new daemon has taken it over."""
        pause, most = PAUSE
        failed, since, begun = 0, 0.0, asyncio.get_running_loop().time()
        while ward.channels and not self._relieved():
            names = ", ".join(ward.channels)
            problem = await ward.try_off(why)
            if not problem:
                self._aside.say(f"{why}; {ward.name} channels {names} are off")
                return
            if not failed:
                self._record.trying(ward.name, ward.channels, why)
            if not failed or since >= SAY_AGAIN:
                self._aside.say(f"{ward.name} channels {names} may still be on, trying again: {problem}")
                since = 0.0
            failed += 1
            await asyncio.sleep(pause)
            since += pause
            if asyncio.get_running_loop().time() - begun >= AT_FIRST:
                pause = min(2.0 * pause, most)

    def _relieved(self) -> bool:
        """Tell whether a new daemon has taken the instruments over."""
        try:
            return (self._folder / GUARD_RELIEF).read_text(encoding="ascii").strip() == str(os.getpid())
        except (OSError, ValueError):
            return False


def _answer(message: Mapping[str, Any]) -> None:
    with contextlib.suppress(OSError):  # the daemon is gone already: the end of file says so next
        os.write(sys.stdout.fileno(), json.dumps(message).encode() + b"\n")


def _listen(loop: asyncio.AbstractEventLoop, messages: "asyncio.Queue[Any]") -> None:
    # unbuffered: a thread that waits inside a buffer's lock when the process ends makes Python abort
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as pipe:
        for line in pipe:
            with contextlib.suppress(ValueError):
                loop.call_soon_threadsafe(messages.put_nowait, json.loads(line))
    with contextlib.suppress(RuntimeError):  # the loop has ended: it was told that all is done
        loop.call_soon_threadsafe(messages.put_nowait, GONE)


class _Ward:
    """One instrument, made ahead, so that nothing but its own wire stands between a death and the safe state."""

    def __init__(self, message: Mapping[str, Any], record: RecordWriter) -> None:
        self.name = str(message["ward"])
        self._record = record
        self.channels: list[str] = []
        self._message = message
        self._off: list[str] = []  # channels that the daemon has switched off itself
        self._driver: Any = None
        self._instrument: Instrument | None = None
        self._making = asyncio.Lock()

    def watch(self, message: Mapping[str, Any]) -> None:
        """Take other channels of the same instrument."""
        self.channels = [str(channel) for channel in message["channels"]]
        self._off = [str(channel) for channel in message.get("off", ()) if channel not in self.channels]
        self._message = message

    async def loaded(self) -> Instrument:
        """Return the driver, once it has loaded what it needs: its close comes after that, and closes nothing."""
        async with self._making:
            if self._instrument is None:
                if self._driver is None:  # once: to look through what is installed takes as long as to switch off
                    self._driver = await asyncio.to_thread(self._factory)
                self._instrument = self._driver(**self._message["options"])
                await self._instrument.close()
            return self._instrument

    def _factory(self) -> Any:
        for entry in entry_points(group="labctl.drivers", name=self._message["driver"]):
            return entry.load()
        raise LookupError(f"no driver {self._message['driver']!r} is installed")

    def note_earlier(self, why: str) -> None:
        """Write down the channels that the daemon had switched off itself: nothing is energised before we are told."""
        moment = self._record.moment()
        for channel in self._off:
            self._record.off((self.name, channel), why, moment, by_guard=False)

    async def try_off(self, why: str) -> str:
        """Open the instrument afresh and switch off; return what went wrong, "" if every channel is confirmed off."""
        problems: list[str] = []
        try:
            instrument = await self.loaded()
            async with asyncio.timeout(VERB_WITHIN):
                await instrument.open()
            for channel in list(self.channels):
                try:
                    async with asyncio.timeout(VERB_WITHIN):
                        await instrument.output_off(channel)
                except Exception as error:  # noqa: BLE001 - the other channels come before it is tried again
                    problems.append(f"channel {channel}: {_words(error)}")
                else:
                    self.channels.remove(channel)
                    self._record.off((self.name, channel), why, self._record.moment(), by_guard=True)
        except Exception as error:  # noqa: BLE001 - whatever a driver raises, the next try comes
            problems.append(_words(error))
        with contextlib.suppress(Exception):
            async with asyncio.timeout(VERB_WITHIN):
                if self._instrument is not None:
                    await self._instrument.close()
        if problems:
            self._instrument = None  # made anew: nobody knows what a driver that failed still holds
        return "; ".join(problems)


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
