import asyncio
import threading

import pytest

from labctl.run.aside import aside


async def test_what_work_gives_and_raises_arrives():
    assert await aside(lambda: 3, "three", 30.0) == 3
    with pytest.raises(ZeroDivisionError):
        await aside(lambda: 1 // 0, "wrong", 30.0)


async def test_work_that_does_not_end_keeps_nobody_waiting():
    go = threading.Event()
    with pytest.raises(TimeoutError):
        await aside(go.wait, "hangs", 0.01)
    (thread,) = (each for each in threading.enumerate() if each.name == "hangs")
    assert thread.daemon
    go.set()
    await asyncio.to_thread(thread.join, 30.0)
