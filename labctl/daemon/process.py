"""The daemon as a process: signals, greeting, exit code."""

import asyncio
import contextlib
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
from labctl.daemon.core import running
from labctl.daemon.parts import Parts
from labctl.publish.broker import EmbeddedBroker
from labctl.settings import Station

SWITCH = 1e-3  # s after which the writer's thread lets the loop have the interpreter: a tick should not wait longer
LOG = logging.getLogger("labctl.daemon")


def serve(
    station: Station,
    folder: Path,
    clock: Clock | None = None,
    say: Callable[[str], None] = print,
    embedded: EmbeddedBroker | None = None,
    *,
    attached: bool = False,
) -> int:
    """Run the daemon until SIGTERM or SIGINT; a second signal hurries. Return the exit code.

    Args:
        station: What there is.
        folder: The data folder.
        clock: In place of the station's.
        say: Takes what is said to who started it.
        embedded: The station's broker where its process was begun already, to come up while the daemon is imported.
        attached: End with the standard input, too: whoever holds its other end must not be outlived.
    """
    sys.setswitchinterval(SWITCH)
    try:
        return asyncio.run(_serve(running(station, folder, clock, embedded), say, attached=attached))
    finally:
        if embedded is not None:
            embedded.abandon()


async def _serve(daemon: AbstractAsyncContextManager[Parts], say: Callable[[str], None], *, attached: bool) -> int:
    stop = asyncio.Event()
    _on_signals(stop)
    if attached:
        _on_end_of_input(stop)
    async with daemon as parts:
        for words in parts.said:
            say(words)
        say(_greeting(parts))
        if not await _until(stop, parts):
            return 1
        say("stopping: outputs safe, everything committed")
    return 0


async def _until(stop: asyncio.Event, parts: Parts) -> bool:
    """Wait for the end, and tell whether somebody asked for it."""
    assert parts.failed is not None
    parts.failed.add_done_callback(lambda _: stop.set())
    await stop.wait()
    return not parts.failed.done()


def _on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()

    def received() -> None:
        if stop.is_set() and main is not None:
            main.cancel()
        stop.set()

    for name in ("SIGTERM", "SIGINT"):
        if sys.platform == "win32":
            signal.signal(getattr(signal, name), lambda *_: loop.call_soon_threadsafe(received))
        else:
            loop.add_signal_handler(getattr(signal, name), received)


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
    idle = next((name for name, seat in parts.seats.items() if seat.course is None), "CHANNEL")
    return "\n".join([
        f"labctl {__version__} serves {len(parts.seats)} channels of {parts.station.name}; data in {parts.folder}{broker}",
        f"next: export LABCTL_DATA={parts.folder.absolute()}; labctl start FILE --channel {idle} --cell CELL",
    ])  # fmt: skip
