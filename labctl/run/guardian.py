"""The daemon's side of the guard: a child process that switches outputs off when the daemon dies or hangs.

The child holds the read end of a pipe. It is told which channels may be energised and hears a beat; at end of file, or
after four missed beats, it opens those instruments afresh and switches them off (`labctl.guard`).
"""

import asyncio
import contextlib
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labctl.errors import SettingRefused

LOG = logging.getLogger("labctl.run")
GUARD_LOCK = "guard.lock"  # in the data folder, held by the guard until the outputs that it watches over are off
BEAT = 0.5  # s between two signs of life
MISSED = 4  # beats after which the daemon counts as stuck
READY_WITHIN = 10.0  # s for the guard to come up


@dataclass(frozen=True, slots=True)
class Ward:
    """An instrument as the guard must open it: driver, options, and the channels that may be energised."""

    driver: str
    options: Mapping[str, object] = field(default_factory=dict)
    channels: Sequence[str] = ()


class Guardian:
    """Keeps the guard process alive and informed; does nothing while no instrument energises."""

    def __init__(self, folder: Path) -> None:
        """Take the data folder, in which the guard keeps its lock."""
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._wards: dict[str, Ward] = {}
        self._said = 0
        self._heard = 0
        self._hears: list[asyncio.Future[None]] = []

    def start(self) -> None:
        """Start the process, once an instrument may be energised."""
        if self._process is not None:
            if self._process.poll() is None:
                return
            _let_go(self._process)
        self._said = self._heard = 0
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "labctl.guard", str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a terminal's interrupt is for the daemon alone
        )
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._listen, args=(self._process, loop), name="guard", daemon=True).start()
        for name, ward in self._wards.items():
            self._tell({"ward": name, **_spoken(ward)})

    def watch(self, name: str, ward: Ward) -> None:
        """Say which channels of an instrument may be energised from now on; `ready` waits until the guard has it."""
        if self._wards.get(name) == ward or (name not in self._wards and not ward.channels):
            return
        self._wards[name] = ward
        self.start()
        self._tell({"ward": name, **_spoken(ward)})

    async def ready(self) -> None:
        """Wait until the guard watches over all that it was told.

        Raises:
            SettingRefused: It does not say so in time: nothing may be energised without it.
        """
        if self._heard >= self._said:
            return
        heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._hears.append(heard)
        try:
            async with asyncio.timeout(READY_WITHIN):
                await heard
        except TimeoutError as error:
            raise SettingRefused(
                "the guard process does not answer, and nothing is energised without it", safe=True
            ) from error

    def beat(self) -> bool:
        """Give a sign of life; False if the guard had died and was started again."""
        if self._process is None:
            return True
        if self._process.poll() is None:
            self._tell({"beat": 1})
            return True
        LOG.error("the guard process ended with code %s and is started again", self._process.returncode)
        self.start()
        return False

    def stop(self) -> None:
        """Let the guard go without touching anything: the outputs are off, or meant to stay on."""
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return
        try:
            process.stdin.write(b'{"done": 1}\n')
            process.stdin.close()
            process.wait(BEAT * MISSED)
        except (OSError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()

    @property
    def pid(self) -> int | None:
        """The process, if it runs."""
        return None if self._process is None else self._process.pid

    def _tell(self, message: Mapping[str, object]) -> None:
        pipe = None if self._process is None else self._process.stdin
        if pipe is None:
            return
        self._said += "ward" in message
        try:
            pipe.write(json.dumps(message).encode() + b"\n")
            pipe.flush()
        except OSError as error:
            LOG.error("the guard process does not listen: %s", error)  # noqa: TRY400 - the next beat starts it again

    def _listen(self, process: "subprocess.Popen[bytes]", loop: asyncio.AbstractEventLoop) -> None:
        """Count what the guard acknowledges; in a thread, since a pipe cannot be awaited everywhere."""
        if process.stdout is None:
            return
        with process.stdout, contextlib.suppress(RuntimeError, ValueError):  # the loop has ended
            for _ in process.stdout:
                loop.call_soon_threadsafe(self._acknowledged, process)

    def _acknowledged(self, process: "subprocess.Popen[bytes]") -> None:
        if process is not self._process:
            return
        self._heard += 1
        if self._heard >= self._said:
            hears, self._hears = self._hears, []
            for heard in hears:
                if not heard.done():
                    heard.set_result(None)


def _let_go(process: "subprocess.Popen[bytes]") -> None:
    """Close our end of a dead process's pipe; what was not read of it is lost with it."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()


def _spoken(ward: Ward) -> dict[str, object]:
    return {"driver": ward.driver, "options": dict(ward.options), "channels": list(ward.channels)}
