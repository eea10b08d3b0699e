"""Stages and chambers: another part of a channel does its program while the cell rests, and the engine is told when it is done."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from labctl.clock import Clock
from labctl.driver import Fault, Program, Reading
from labctl.engine.input import Apply, StepEnded
from labctl.errors import InstrumentError, Unreachable
from labctl.run.keeper import Keeper

if TYPE_CHECKING:
    from labctl.run.line import Line

TICK = 0.1  # s of the machine between two looks at a part that moves


class Mover:
    """Gives programs to the other parts of a line's channels.

    Attributes:
        others: Lines of the station by name.
    """

    def __init__(self, line: "Line", clock: Clock) -> None:
        """Work for a line."""
        self.others: Mapping[str, Line] = {}
        self._line = line
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    def move(self, keeper: Keeper, apply: Apply) -> None:
        """Let a part do its program, in a task of its own."""
        task = asyncio.create_task(self._moved(keeper, apply), name=f"{keeper.seat.name} {apply.role}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """Wait for nothing any more."""
        for task in list(self._tasks):
            task.cancel()

    async def _moved(self, keeper: Keeper, apply: Apply) -> None:
        hands = self._line.hands
        try:
            why = await self._done(keeper, apply)
        except InstrumentError as error:
            async with self._line.lock:
                await hands.guarded(keeper, self._failed(keeper, str(error)))
            return
        async with self._line.lock:
            time = keeper.run_time(self._clock.now())
            await hands.guarded(keeper, hands.fold(keeper, StepEnded(apply.attempt, 0, time, None, why)))

    async def _failed(self, keeper: Keeper, why: str) -> None:
        await self._line.hands.refused(keeper, why, safe=False)
        await self._line.hands.settle(keeper)

    async def _done(self, keeper: Keeper, apply: Apply) -> str:
        part = keeper.seat.parts[apply.role]
        other = self.others.get(part.instrument)
        if other is None:
            raise Unreachable(
                f"the {apply.role} of channel {keeper.seat.name} is no instrument that is polled", safe=True
            )
        return await other.mover.do(part.at, apply.program)

    async def do(self, at: str, program: Program) -> str:
        """Run a program of this line's own instrument to its end and return the instrument's words.

        Raises:
            InstrumentError: It failed, or does not answer.
        """
        hands = self._line.hands
        async with self._line.lock:
            await hands.verb(hands.instrument.apply(at, program))
        while True:
            await self._clock.until(self._clock.now() + TICK * self._clock.speed)
            async with self._line.lock:
                readings = await hands.verb(hands.instrument.read([at]))
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
