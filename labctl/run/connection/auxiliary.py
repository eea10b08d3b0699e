"""Stages and chambers: another part of a channel does its program while the cell rests, and the engine is told when it is done."""

import asyncio
from collections.abc import Callable, Mapping

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
        self._turn = asyncio.Lock()  # a part does one program at a time, and its end belongs to whoever gave it
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
        if why is None:
            return
        async with self._lock:
            time = run.run_time(self._clock.now())
            await executor.guarded(run, executor.fold(run, StepEnded(apply.attempt, 0, time, None, why)))

    async def _failed(self, run: PolledRun, why: str) -> None:
        await self._executor.refused(run, why, safe=False)
        await self._executor.settle(run)

    async def _done(self, run: PolledRun, apply: Apply) -> str | None:
        part = run.channel.parts[apply.role]
        other = self.others.get(part.instrument)
        if other is None:
            raise Unreachable(
                f"the {apply.role} of channel {run.channel.name} is no instrument that is polled", safe=True
            )
        return await other.do(part.at, apply.program, lambda: waits_for(run, apply.attempt))

    async def do(self, at: str, program: Program, wanted: Callable[[], bool]) -> str | None:
        """Run a program of this connection's own instrument to its end and return the instrument's words.

        Programs of several runs that share the part follow each other, each from its begin. None is returned once the program is
        not wanted any more, as that of a run that was stopped.

        Raises:
            InstrumentError: It failed, or does not answer.
        """
        async with self._turn:
            return await self._do(at, program, wanted)

    async def _do(self, at: str, program: Program, wanted: Callable[[], bool]) -> str | None:
        if not wanted():
            return None
        executor = self._executor
        async with self._lock:
            await executor.verb(executor.instrument.apply(at, program))
        while True:
            await self._clock.until(self._clock.now() + TICK * self._clock.speed)
            if not wanted():
                return None
            async with self._lock:
                readings = await executor.verb(executor.instrument.read([at]))
            for reading in readings.of(at):
                if (words := ended(reading)) is not None:
                    return words


def waits_for(run: PolledRun, attempt: int) -> bool:
    """Tell whether a run still is in the attempt for which a part was given a program."""
    return run.session.finish is None and run.session.state.attempt == attempt


def ended(reading: Reading) -> str | None:
    """Return how a program ended, None for a reading that does not say so.

    Raises:
        InstrumentError: It failed.
    """
    if isinstance(reading, Fault):
        raise InstrumentError(reading.why, safe=reading.safe)
    return str(why) if (why := getattr(reading, "why", None)) is not None else None
