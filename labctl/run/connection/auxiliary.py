"""Stages and chambers: another part of a channel does its program while the cell rests, and the engine is told when it is done."""

import asyncio
from collections.abc import Mapping

from labctl.clock import Clock
from labctl.driver import Fault, Program, Reading
from labctl.engine.input import Apply, StepEnded
from labctl.errors import InstrumentError, Unreachable
from labctl.run.connection.polled_executor import PolledExecutor
from labctl.run.connection.polled_run import PolledRun

TICK = 0.1  # s of the machine between two looks at a part that moves


class Auxiliaries:
    """Gives programs to the other parts of a connection's channels.

    Attributes:
        others: Those of the station's instruments that are polled, by the instrument's name.
    """

    def __init__(self, executor: PolledExecutor, lock: asyncio.Lock, clock: Clock) -> None:
        """Work for the runs of an executor; `lock` is held by whoever speaks to its instrument."""
        self.others: Mapping[str, Auxiliaries] = {}
        self._executor = executor
        self._lock = lock
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    def move(self, run: PolledRun, apply: Apply) -> None:
        """Let a part do its program, in a task of its own."""
        task = asyncio.create_task(self._moved(run, apply), name=f"{run.channel.name} {apply.role}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """Wait for nothing any more."""
        for task in list(self._tasks):
            task.cancel()

    async def _moved(self, run: PolledRun, apply: Apply) -> None:
        executor = self._executor
        try:
            why = await self._done(run, apply)
        except InstrumentError as error:
            async with self._lock:
                await executor.guarded(run, self._failed(run, str(error)))
            return
        async with self._lock:
            time = run.run_time(self._clock.now())
            await executor.guarded(run, executor.fold(run, StepEnded(apply.attempt, 0, time, None, why)))

    async def _failed(self, run: PolledRun, why: str) -> None:
        await self._executor.refused(run, why, safe=False)
        await self._executor.settle(run)

    async def _done(self, run: PolledRun, apply: Apply) -> str:
        part = run.channel.parts[apply.role]
        other = self.others.get(part.instrument)
        if other is None:
            raise Unreachable(
                f"the {apply.role} of channel {run.channel.name} is no instrument that is polled", safe=True
            )
        return await other.do(part.at, apply.program)

    async def do(self, at: str, program: Program) -> str:
        """Run a program of this connection's own instrument to its end and return the instrument's words.

        Raises:
            InstrumentError: It failed, or does not answer.
        """
        executor = self._executor
        async with self._lock:
            await executor.verb(executor.instrument.apply(at, program))
        while True:
            await self._clock.until(self._clock.now() + TICK * self._clock.speed)
            async with self._lock:
                readings = await executor.verb(executor.instrument.read([at]))
            for reading in readings.by_channel.get(at, ()):
                if (words := ended(reading)) is not None:
                    return words


def ended(reading: Reading) -> str | None:
    """Return how a program ended, None for a reading that does not say so.

    Raises:
        InstrumentError: It failed.
    """
    if isinstance(reading, Fault):
        raise InstrumentError(reading.why, safe=reading.safe)
    return str(why) if (why := getattr(reading, "why", None)) is not None else None
