"""Asks workers: a few at a time, in folders that vanish, never longer than they may, gone with who asked for them."""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from labctl.errors import InternalError, OrderRefused, UsageError

AT_ONCE: Final = 2  # workers: each takes a core
WAITING: Final = 16  # who may wait for one; more are told to come again
WITHIN: Final = 300.0  # s that a worker has
NICE: Final = 10  # whoever measures and whoever looks go first
LONGEST: Final = 1 << 20  # bytes of a line

Word = dict[str, Any]


class Workers:
    """The workers of one page process."""

    def __init__(self) -> None:
        """Begin with none."""
        self._room = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def work(self, asked: Mapping[str, Any], output: str) -> AsyncIterator[AsyncIterator[Word]]:
        """Have something made: gives its words of progress, the last with `file`, which is there until the context ends.

        Raises:
            UsageError: It cannot be made; the message says why.
            OrderRefused: Too many wait.
        """
        if self._waiting >= WAITING:
            raise OrderRefused("too much is being made at this moment: try again in a minute", retry=True)
        self._waiting += 1
        try:
            async with self._room:
                with tempfile.TemporaryDirectory(prefix="labctl-", ignore_cleanup_errors=True) as folder:
                    async with _process() as process:
                        yield _words(process, {**asked, "folder": folder, "output": output})
        finally:
            self._waiting -= 1

    @contextlib.asynccontextmanager
    async def made(self, asked: Mapping[str, Any], output: str) -> AsyncIterator[Path]:
        """Have something made: gives the file, which is there until the context ends.

        Raises:
            UsageError: It cannot be made; the message says why.
            OrderRefused: Too many wait.
        """
        async with self.work(asked, output) as words:
            last: Word = {}
            async for word in words:
                last = word
            yield Path(last["file"])


@contextlib.asynccontextmanager
async def _process() -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "labctl.web.worker", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        limit=LONGEST,
    )  # fmt: skip
    limit = asyncio.get_running_loop().call_later(WITHIN, _kill, process)
    try:
        if os.name == "posix":
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        yield process
    finally:
        limit.cancel()
        _kill(process)
        await process.wait()


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()


async def _words(process: asyncio.subprocess.Process, asked: Mapping[str, Any]) -> AsyncIterator[Word]:
    assert process.stdin is not None
    assert process.stdout is not None
    begin = asyncio.get_running_loop().time()
    with contextlib.suppress(ConnectionError):  # it died: its silence says so below
        process.stdin.write(orjson.dumps(asked))
        await process.stdin.drain()
        process.stdin.close()
    async for line in process.stdout:
        word: Word = orjson.loads(line)
        if "error" in word:
            raise UsageError(str(word["error"]))
        yield word
        if "file" in word:
            return
    if asyncio.get_running_loop().time() - begin >= WITHIN:
        raise UsageError(f"it took longer than {WITHIN:g} s and was given up")
    raise InternalError(f"a worker ended without a word about {asked['what']}; the log of the pages says why")
