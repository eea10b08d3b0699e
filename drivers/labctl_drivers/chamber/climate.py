"""What chambers have in common: a set-point is given and read back; its soak ends when the air has kept it for long enough."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from labctl.driver import (
    Capabilities,
    Chamber,
    Ended,
    Identity,
    Program,
    ProgramStep,
    ReadBack,
    Reading,
    Readings,
    Rest,
    Status,
)
from labctl.errors import SettingRefused
from labctl.sample import ZERO_CELSIUS

T = TypeVar("T")
STEP = 0.051  # K: set-points have one decimal


class ClimateChamber:
    """A chamber with one temperature. A maker's class has the four verbs of its wire."""

    def __init__(self, name: str, timeout: float) -> None:
        self.name, self.timeout = name, float(timeout)
        self._attempt: int | None = None
        self._wanted: Chamber | None = None
        self._since: float | None = None  # when the air came within its bounds
        self._now: Callable[[], float] = time.monotonic
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"chamber {name}")

    # --- a maker's own ---

    def connect(self) -> Identity:
        """Connect and say who answers; sets nothing."""
        raise NotImplementedError

    def disconnect(self) -> None:
        """Let go of the line."""

    def measured(self) -> float:
        """Return the temperature of the air, degC."""
        raise NotImplementedError

    def set(self, celsius: float) -> float:
        """Go to a temperature, and return the set-point that is read back, degC.

        Raises:
            SettingRefused: The chamber does not take it.
        """
        raise NotImplementedError

    # --- the contract ---

    async def open(self) -> Identity:
        """Connect and say who answers; sets nothing."""
        return await self._in_thread(self.connect)

    async def close(self) -> None:
        """Disconnect; the chamber keeps its set-point."""
        await self._in_thread(self.disconnect)

    def count_by(self, clock: Callable[[], float]) -> None:
        """Count a soak by the station's clock, s: the chamber tells no time."""
        self._now = clock

    def capabilities(self, channel: str) -> Capabilities:
        """Return that it keeps a temperature, and nothing else."""
        del channel
        return Capabilities(
            energises=False,
            modes=frozenset({"Chamber", "Rest"}),
            measures=frozenset({"temperature"}),
            voltage=(0.0, 0.0),
            current=(0.0, 0.0),
            poll_at_most=2.0,
        )

    async def status(self, channel: str) -> Status:
        """Return whether a temperature is waited for."""
        del channel
        celsius = await self._in_thread(self.measured)
        running = self._attempt is not None
        return Status("running" if running else "idle", self._attempt, text=f"{celsius:.1f} degC")

    async def apply(self, channel: str, program: Program) -> ReadBack:
        """Go to a temperature; `read` tells when it has been kept for as long as is asked."""
        del channel
        match program.steps:
            case (ProgramStep(mode=Chamber() as wanted),):
                celsius = wanted.temperature - ZERO_CELSIUS
                back = await self._in_thread(lambda: self.set(celsius))
                if abs(back - celsius) > STEP:
                    raise SettingRefused(
                        f"{self.name}: wanted {celsius:.1f} degC, found {back:.1f} degC set", safe=True
                    )
                self._attempt, self._wanted, self._since = program.attempt, wanted, None
                return ReadBack({"chamber_temperature_celsius": back})
            case (ProgramStep(mode=Rest()),):
                self._attempt, self._wanted = program.attempt, None
                return ReadBack()
        raise SettingRefused(f"{self.name}: a chamber keeps one temperature at a time", safe=True)

    async def read(self, channels: Sequence[str]) -> Readings:
        """Return the end of the soak, once the air has been within its bounds for as long as is asked."""
        celsius = await self._in_thread(self.measured)
        now, wanted = self._now(), self._wanted
        readings: list[Reading] = []
        if wanted is not None:
            inside = abs(celsius + ZERO_CELSIUS - wanted.temperature) <= wanted.within
            self._since = (now if self._since is None else self._since) if inside else None
            if self._since is not None and now - self._since >= wanted.soak:
                self._wanted = self._attempt = None
                readings.append(Ended(0, 0.0, None, f"at {celsius:.1f} degC for {now - self._since:.0f} s"))
        return Readings(by_channel=dict.fromkeys(channels, readings))

    async def output_off(self, channel: str) -> None:
        """Wait for nothing more; the chamber keeps its temperature, since other cells may be in it."""
        del channel
        await self._in_thread(self.measured)
        self._attempt = self._wanted = None

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
