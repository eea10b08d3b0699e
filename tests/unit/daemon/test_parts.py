import asyncio

from labctl.daemon.parts import ended


async def test_a_task_that_takes_a_cancellation_for_the_end_of_its_wait_is_ended_all_the_same():
    waits, swallowed = asyncio.Event(), asyncio.Event()

    async def deaf():
        while True:
            try:
                waits.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if swallowed.is_set():
                    raise
                swallowed.set()

    task = asyncio.create_task(deaf())
    await waits.wait()
    await ended(task, again=0.01)
    assert swallowed.is_set()
    assert task.cancelled()


async def test_what_has_ended_is_left_alone_and_what_failed_is_no_error_here():
    async def fails():
        raise ValueError("a defect")

    task = asyncio.create_task(fails())
    await asyncio.wait({task})
    await ended(task)
    assert isinstance(task.exception(), ValueError)
    await ended()
