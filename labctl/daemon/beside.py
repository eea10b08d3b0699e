"""Processes that serve beside the daemon: the pages and the alarms. Their death is an alarm and never the daemon's."""

import asyncio
import contextlib
import logging
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from labctl.run.alarms import Alarms

LOG = logging.getLogger("labctl.daemon")
FIRST = 1.0  # s after which one that ended is started again
SLOWEST = 60.0  # s, after many ends
STEADY = 60.0  # s for which one must have run to begin with the first wait again
END_WITHIN = 1.0  # s that one has to end by itself


class ProcessBeside:
    """One process of ours, started again whenever it ends; it ends with its standard input, so it never outlives us."""

    def __init__(self, name: str, words: Sequence[str], folder: Path, alarms: Alarms) -> None:
        """Take what to run; what it says goes to `NAME.log` in the folder."""
        self._name = name
        self._words = [sys.executable, "-m", "labctl", *words, "--attached"]
        self._log = folder / f"{name}.log"
        self._alarms = alarms
        self._process: subprocess.Popen[bytes] | None = None

    async def keep(self) -> None:
        """Run it until cancelled."""
        wait = FIRST
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            code = await self._once()
            wait = FIRST if loop.time() - begun > STEADY else min(SLOWEST, 2 * wait)
            words = f"{self._name}: ended with code {code}, started again in {wait:g} s; {self._log} says why"
            self._alarms.rise(f"process-{self._name}", "warning", words)
            await asyncio.sleep(wait)

    async def _once(self) -> int:
        try:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(self._words, stdin=subprocess.PIPE, stdout=log, stderr=log)  # noqa: S603, ASYNC220 - as the broker's
        except OSError as error:
            LOG.error("%s cannot be started: %s", self._name, error)  # noqa: TRY400 - it says all
            return -1
        steady = asyncio.get_running_loop().call_later(STEADY, self._alarms.end, f"process-{self._name}")
        try:
            return await asyncio.to_thread(self._process.wait)
        finally:
            steady.cancel()

    def end(self) -> None:
        """Let it end: its input is closed; one that hangs is killed."""
        if self._process is None or self._process.stdin is None:
            return
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(END_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
