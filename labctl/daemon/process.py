"""The daemon as a process: signals, greeting, exit code."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from labctl import __version__
from labctl.clock import Clock
from labctl.daemon.core import STOP_WITHIN, running
from labctl.daemon.notify import notify
from labctl.daemon.parts import Parts
from labctl.publish.broker import EmbeddedBroker
from labctl.station.settings import Station

SWITCH = 1e-3  # s after which the writer's thread lets the loop have the interpreter: a tick should not wait longer
COLLECT = (
    50_000  # objects made and not let go after which cycles are looked for: a commit makes some thousand and keeps none
)
LOG = logging.getLogger("labctl.daemon")


def serve(
    station: Station,
    folder: Path,
    clock: Clock | None = None,
    say: Callable[[str], None] = print,
    embedded: EmbeddedBroker | None = None,
    *,
    copied: bool = False,
    attached: bool = False,
) -> int:
    """Run the daemon until SIGTERM or SIGINT; a second signal hurries. Return the exit code.

    Args:
        station: What there is.
        folder: The data folder.
        clock: In place of the station's.
        say: Takes what is said to who started it.
        embedded: The station's broker where its process was begun already, to come up while the daemon is imported.
        copied: The folder is a copy: what runs in it is another daemon's.
        attached: End with the standard input, too: whoever holds its other end must not be outlived.
    """
    prepare_interpreter()
    deadline = Deadline(STOP_WITHIN)
    try:
        return asyncio.run(
            _serve(running(station, folder, clock, embedded, copied=copied), say, deadline, attached=attached)
        )
    finally:
        if embedded is not None:
            embedded.abandon()


def prepare_interpreter() -> None:
    """Let threads give way soon, and look for cycles seldom, and not among what was imported."""
    sys.setswitchinterval(SWITCH)
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT)


class Deadline:
    """The end of the process, whatever hangs: a driver's thread, a loop that never waits, a disk that does not answer.

    A killed daemon is what everything here is made for: the guard switches off, and the journal holds what was committed.
    """

    def __init__(self, within: float) -> None:
        """End the process `within` s after `begin`."""
        self._within = within
        self._timer: threading.Timer | None = None
        self.code = 1

    def begin(self) -> None:
        """Begin to count; called from a signal's handler, on a thread of its own so that no loop has to turn."""
        if self._timer is None:
            self._timer = threading.Timer(self._within, self._end)
            self._timer.daemon = True
            self._timer.start()

    def _end(self) -> None:
        if self.code:
            busy = ", ".join(
                thread.name for thread in threading.enumerate() if thread is not threading.current_thread()
            )
            sys.stderr.write(f"the daemon did not end within {self._within:g} s and is ended; busy: {busy}\n")
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(self.code)


async def _serve(
    daemon: AbstractAsyncContextManager[Parts], say: Callable[[str], None], deadline: Deadline, *, attached: bool
) -> int:
    stop = asyncio.Event()
    _on_signals(stop, deadline)
    if attached:
        _on_end_of_input(stop)
    async with daemon as parts:
        for words in parts.said:
            say(words)
        say(_greeting(parts))
        notify("READY=1")
        if not await _until(stop, parts):
            return 1
        notify("STOPPING=1")
        say("stopping: outputs go off, and everything is committed")
    deadline.code = 0  # what may hang from here on holds nothing
    if not parts.may_be_on:  # what may is said, and is the guard's
        say("stopped: outputs safe")
    return 0


async def _until(stop: asyncio.Event, parts: Parts) -> bool:
    """Wait for the end, and tell whether somebody asked for it."""
    assert parts.failed is not None
    parts.failed.add_done_callback(lambda _: stop.set())
    await stop.wait()
    return not parts.failed.done()


def _on_signals(stop: asyncio.Event, deadline: Deadline) -> None:
    """Let SIGTERM and SIGINT end the daemon, a second one in a hurry; the deadline begins even where the loop does not turn."""
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()

    def received() -> None:
        if stop.is_set() and main is not None:
            main.cancel()
        stop.set()

    def on_signal(number: int, frame: object) -> None:
        del number, frame
        deadline.begin()
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(received)

    for name in ("SIGTERM", "SIGINT"):
        signal.signal(getattr(signal, name), on_signal)


def _on_end_of_input(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def listen() -> None:
        while os.read(0, 4096):
            pass
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=listen, name="parent", daemon=True).start()


def _greeting(parts: Parts) -> str:
    broker = "" if parts.broker is None else f", MQTT at {parts.broker.host}:{parts.broker.port}"
    count = f"{len(parts.channels)} channel{'' if len(parts.channels) == 1 else 's'}"
    idle = next((name for name, channel in parts.channels.items() if channel.session is None), "CHANNEL")
    return "\n".join([
        f"labctl {__version__} serves {count} of {parts.station.name}; data in {parts.folder}{broker}",
        f"next: export LABCTL_DATA={parts.folder.absolute()}; labctl start FILE --channel {idle} --cell CELL",
    ])  # fmt: skip
