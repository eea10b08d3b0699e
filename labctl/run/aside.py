"""Work that may block for ever, as a read from a share that has died: done in a thread that nobody has to wait for."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def aside(work: Callable[[], T], name: str, within: float) -> T:
    """Do blocking work in a thread of its own and return what it gives.

    The thread is given up when time has run out or the caller is cancelled: it ends with its call or with the process, and
    keeps neither the loop nor the end of the daemon waiting, as a thread of a pool would.

    Args:
        work: What to do; what it raises is raised here.
        name: Of the thread.
        within: s that it may take.

    Raises:
        TimeoutError: It took longer.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def done(value: T | None, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(value)  # type: ignore[arg-type]

    def run() -> None:
        try:
            outcome: tuple[T | None, BaseException | None] = work(), None
        except BaseException as error:  # noqa: BLE001 - it is raised where it was asked for
            outcome = None, error
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to hear it
            loop.call_soon_threadsafe(done, *outcome)

    threading.Thread(target=run, name=name, daemon=True).start()
    async with asyncio.timeout(within):
        return await outcome
