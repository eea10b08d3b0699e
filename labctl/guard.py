"""Who switches off if the daemon dies: a process of its own that holds the read end of a pipe.

    python -m labctl.guard FOLDER

Each line on its input is a JSON object: `{"ward": NAME, "driver": D, "options": {...}, "channels": [...]}` says which
channels of an instrument may be energised, `{"beat": 1}` is a sign of life, `{"done": 1}` ends it. At end of file, or when
beats stop coming, it opens those instruments afresh and leaves their channels at open circuit. It holds `guard.lock`
meanwhile, and a new daemon waits for it before it opens an instrument.
"""

import asyncio
import contextlib
import json
import queue
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
    said: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(said,), daemon=True).start()
    wards: dict[str, Mapping[str, Any]] = {}
    while True:
        try:
            message = said.get(timeout=BEAT * MISSED)
        except queue.Empty:
            message = GONE  # the daemon is there but stuck
        if message is GONE:
            break
        if "done" in message:
            return 0
        if "ward" in message:
            wards[message["ward"]] = message
            _class_of(message["driver"])  # imported now, so that no import stands between a death and the safe state
    failed = asyncio.run(_switch_off([ward for ward in wards.values() if ward["channels"]]))
    if lock is not None:
        lock.release()
    return failed


def _listen(said: "queue.SimpleQueue[Any]") -> None:
    for line in sys.stdin.buffer:
        with contextlib.suppress(ValueError):
            said.put(json.loads(line))
    said.put(GONE)


def _class_of(driver: str) -> Any:
    for entry in entry_points(group="labctl.drivers", name=driver):
        return entry.load()
    raise LookupError(f"no driver {driver!r} is installed")


async def _switch_off(wards: list[Mapping[str, Any]]) -> int:
    done = await asyncio.gather(*(_one(ward) for ward in wards))
    return done.count(False)


async def _one(ward: Mapping[str, Any]) -> bool:
    """Switch the channels of one instrument off, trying again while it does not answer."""
    for _ in range(TRIES):
        try:
            instrument: Instrument = _class_of(ward["driver"])(**ward["options"])
            await instrument.open()
            for channel in ward["channels"]:
                await instrument.output_off(channel)
            await instrument.close()
        except Exception as error:  # noqa: BLE001 - whatever a driver raises, the next try comes
            sys.stderr.write(f"labctl guard: {ward['ward']}: {error}\n")
            await asyncio.sleep(PAUSE)
        else:
            names = ", ".join(ward["channels"])
            sys.stderr.write(f"labctl guard: the daemon is gone; {ward['ward']} channels {names} are off\n")
            return True
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
