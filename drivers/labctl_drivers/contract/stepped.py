"""Cells to which time is given, as an instrument: what the suite proves of their verbs is what the daemon calls."""

from collections.abc import Callable, Sequence

from labctl.driver import Capabilities, Ended, Identity, Program, ReadBack, Reading, Readings, Status, Stepped


class SteppedInstrument:
    """Gives a `Stepped` its time by a clock, and reads it by the verbs of an instrument.

    Attributes:
        stepped: The cells.
        clock: Returns the time, s.
    """

    def __init__(self, stepped: Stepped, clock: Callable[[], float]) -> None:
        self.stepped = stepped
        self.clock = clock
        self.begun: dict[str, float] = {}
        self._runs: dict[str, int] = {}

    async def open(self) -> Identity:
        """Say who answers."""
        return await self.stepped.open()

    async def close(self) -> None:
        """Let go."""
        await self.stepped.close()

    def capabilities(self, channel: str) -> Capabilities:
        """Return what a channel can do."""
        return self.stepped.capabilities(channel)

    async def status(self, channel: str) -> Status:
        """Return for which attempt a program runs."""
        attempt = self._runs.get(channel)
        return Status("idle") if attempt is None else Status("running", attempt, 0)

    async def apply(self, channel: str, program: Program) -> ReadBack:
        """Begin a program now: the one before runs up to this moment."""
        if channel in self.begun:
            self._advance(channel)
        read_back = self.stepped.begin(channel, program)
        self.begun[channel], self._runs[channel] = self.clock(), program.attempt
        return read_back

    async def read(self, channels: Sequence[str]) -> Readings:
        """Return all that is new by the clock."""
        return Readings(by_channel={channel: self._advance(channel) for channel in channels})

    async def output_off(self, channel: str) -> None:
        """Leave the cell at open circuit from now on."""
        if channel in self.begun:
            self._advance(channel)
        self.stepped.off(channel)
        self._runs.pop(channel, None)

    def _advance(self, channel: str) -> Sequence[Reading]:
        if channel not in self.begun:
            return ()
        readings = self.stepped.advance(channel, self.clock() - self.begun[channel])
        if any(isinstance(reading, Ended) for reading in readings):
            self._runs.pop(channel, None)
        return readings
