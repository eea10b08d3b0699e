"""Who switches off if the daemon dies: a process of its own that holds the read end of a pipe.

    python -m labctl.guard FOLDER

Each line on its input is a JSON object: `{"ward": NAME, "driver": D, "options": {...}, "channels": [...]}` says which
channels of an instrument may be energised, `{"beat": 1}` is a sign of life, `{"done": 1}` ends it. At end of file, or when
beats stop coming, it opens those instruments afresh and leaves their channels at open circuit. It holds `guard.lock`
meanwhile, and a new daemon waits for it before it opens an instrument. To each ward it answers one line once it could act.
"""

import asyncio
import contextlib
import json
import os
import sys
import threading
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from labctl.driver import Instrument
from labctl.errors import StoreBusy
from labctl.run.guardian import BEAT, GUARD_LOCK, MISSED
from labctl.store.place import Lock

TRIES = 5  # to reach an instrument whose only connection may still be held by the dead daemon
PAUSE = 0.2  # s between them
GONE = object()


def main(folder: str) -> int:
    """Watch over the daemon that started this process; return how many instruments could not be switched off."""
    lock = None
    with contextlib.suppress(StoreBusy):  # an older guard is still at work: it and this one may both switch off
        lock = Lock(Path(folder) / GUARD_LOCK, "the guard")
    failed = asyncio.run(_guard())
    if lock is not None:
        lock.release()
    return failed


async def _guard() -> int:
    said: asyncio.Queue[Any] = asyncio.Queue()
    threading.Thread(target=_listen, args=(asyncio.get_running_loop(), said), daemon=True).start()
    wards: dict[str, _Ward] = {}
    while True:
        try:
            async with asyncio.timeout(BEAT * MISSED):
                message = await said.get()
        except TimeoutError:
            message = GONE  # the daemon is there but stuck
        if message is GONE:
            break
        if "done" in message:
            return 0
        if "ward" in message:
            name = message["ward"]
            try:
                wards[name] = wards[name].again(message) if name in wards else await _Ward(message).ready()
            except Exception as error:  # noqa: BLE001 - unanswered, it keeps the daemon from energising anything there
                sys.stderr.write(f"labctl guard: {name}: {error}\n")
                continue
            with contextlib.suppress(OSError):  # the daemon is gone already: the end of file says so next
                os.write(sys.stdout.fileno(), b"watching\n")
    done = await asyncio.gather(*(ward.switch_off() for ward in wards.values() if ward.channels))
    return done.count(False)


def _listen(loop: asyncio.AbstractEventLoop, said: "asyncio.Queue[Any]") -> None:
    # unbuffered: a thread that waits inside a buffer's lock when the process ends makes Python abort
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as pipe:
        for line in pipe:
            with contextlib.suppress(ValueError):
                loop.call_soon_threadsafe(said.put_nowait, json.loads(line))
    with contextlib.suppress(RuntimeError):  # the loop has ended: it was told that all is done
        loop.call_soon_threadsafe(said.put_nowait, GONE)


class _Ward:
    """One instrument, made ahead, so that nothing but its own wire stands between a death and the safe state."""

    def __init__(self, message: Mapping[str, Any]) -> None:
        self.name = str(message["ward"])
        self._message = message
        self._instrument = self._made()
        self.again(message)

    async def ready(self) -> "_Ward":
        """Wait until the driver has loaded what it needs: its close comes after that, and closes nothing."""
        await self._instrument.close()
        return self

    def again(self, message: Mapping[str, Any]) -> "_Ward":
        """Take other channels of the same instrument."""
        self.channels = [str(channel) for channel in message["channels"]]
        return self

    def _made(self) -> Instrument:
        for entry in entry_points(group="labctl.drivers", name=self._message["driver"]):
            made: Instrument = entry.load()(**self._message["options"])
            return made
        raise LookupError(f"no driver {self._message['driver']!r} is installed")

    async def switch_off(self) -> bool:
        """Switch the channels off, trying again while the instrument does not answer."""
        for _ in range(TRIES):
            try:
                await self._instrument.open()
                for channel in self.channels:
                    await self._instrument.output_off(channel)
                await self._instrument.close()
            except Exception as error:  # noqa: BLE001 - whatever a driver raises, the next try comes
                sys.stderr.write(f"labctl guard: {self.name}: {error}\n")
                await asyncio.sleep(PAUSE)
                self._instrument = self._made()
            else:
                names = ", ".join(self.channels)
                sys.stderr.write(f"labctl guard: the daemon is gone; {self.name} channels {names} are off\n")
                return True
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
