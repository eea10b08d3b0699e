"""Whether an instrument that is polled answers, and who it is; while it does not, nobody knows what its channels do."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence

from labctl.driver import Capabilities, Identity, Status
from labctl.engine.meter import Meter
from labctl.errors import InstrumentError, Unreachable
from labctl.run.channel import Channel
from labctl.run.connection.foreign import settle_stray
from labctl.run.connection.polled_executor import PolledExecutor

LOG = logging.getLogger("labctl.run")


class Link:
    """The link to one instrument.

    Attributes:
        name: Of the instrument in the station file.
        lost: Why it does not answer, "" while it does.
        wake: Set when its connection has something to do.
    """

    def __init__(self, executor: PolledExecutor, channels: Sequence[Channel]) -> None:
        """Have the cells' channels of an instrument that was not opened yet."""
        self.name = executor.given.name
        self.lost = "not opened yet"
        self.wake = asyncio.Event()
        self._executor = executor
        self._instrument = executor.instrument
        self._channels = channels
        self._identity: Identity | None = None
        self._wanted = ""
        self._gone = False  # it was said that it is lost
        self._since = 0.0  # UTC as it was lost, s; 0 where it has not answered yet
        self._warm: set[str] = set()
        executor.meter = Meter([channel.at for channel in channels])

    @property
    def trouble(self) -> str:
        """Return what is wrong with a line that is lost, since when, and that nobody has to do anything for another try."""
        since = time.strftime("since %Y-%m-%d %H:%M:%S UTC, ", time.gmtime(self._since)) if self._since else ""
        return f"instrument {self.name}: {self.lost}; {since}tried again until it answers"

    @property
    def known(self) -> bool:
        """Tell whether it has answered since the daemon began."""
        return self._identity is not None

    async def open(self) -> None:
        """Reach the instrument; it must be the one that it was."""
        try:
            identity = await self._executor.verb(self._instrument.open())
        except InstrumentError as error:
            self.lost = str(error)
            raise
        except Exception as error:  # a driver's defect costs its own channels, not the daemon
            LOG.exception("instrument %s: the driver failed", self.name)
            self.lost = f"the driver failed: {type(error).__name__}: {error}"
            raise InstrumentError(f"instrument {self.name}: {self.lost}") from error
        if self._identity is not None and (identity.serial, identity.model) != (
            self._identity.serial,
            self._identity.model,
        ):
            await self._refuse(_who(self._identity), identity)
        if self._executor.running and self._wanted not in {"", identity.serial}:
            await self._refuse(f"number {self._wanted}", identity)
        self._identity = identity
        self._executor.serial = identity.serial or self.name
        self._renew_meter()
        if not self._gone:
            self.found()

    @property
    def serial(self) -> str:
        """Return the number by which the instrument is known, "" where it has none."""
        return "" if self._identity is None else self._identity.serial

    async def expect(self, serial: str) -> bool:
        """Let nobody but the instrument of a run speak for it; tell whether another one stands there, which is left alone."""
        self._wanted = serial
        if self._identity is None or serial in {"", self._identity.serial}:
            return False
        identity, self._identity = self._identity, None
        try:
            await self._refuse(f"number {serial}", identity)
        except Unreachable as error:
            self.lose(error)
        return True

    async def _refuse(self, wanted: str, found: Identity) -> None:
        """Let go of an instrument that is another: whatever is said to it would be said to somebody else's."""
        with contextlib.suppress(InstrumentError):
            await self._executor.verb(self._instrument.close())
        raise Unreachable(f"{self.name}: wanted {wanted}, found {_who(found)}")

    def found(self) -> None:
        """Note that the instrument answers."""
        self.lost, self._gone = "", False
        for channel in self._channels:
            channel.unknown = ""

    def _renew_meter(self) -> None:
        """Make the meter anew where it becomes known who has a thermometer; the counters are those of the runs."""
        warm = {channel.at for channel in self._channels if "temperature" in self.capabilities(channel).measures}
        if warm == self._warm:
            return
        self._warm = warm
        self._executor.meter = Meter([channel.at for channel in self._channels], warm)
        for run in self._executor.running.values():
            self._executor.meter.resume(run.at, run.session.state.last.counters)

    def capabilities(self, channel: Channel) -> Capabilities:
        """Return what a channel can do by itself.

        Raises:
            Unreachable: The instrument has not answered yet.
        """
        if self._identity is None:
            raise Unreachable(f"instrument {self.name} does not answer: {self.lost}", safe=True)
        return self._instrument.capabilities(channel.at)

    async def status(self, at: str) -> Status:
        """Ask what a channel does; where nobody answers and nothing runs, open the line again and ask once more.

        Raises:
            InstrumentError: Nobody answers; the instrument is lost.
        """
        try:
            return await self._executor.status(at)
        except InstrumentError as error:
            try:
                if self._executor.running:
                    raise
                LOG.warning("instrument %s is opened again: %s", self.name, error)
                await self.open()
                return await self._executor.status(at)
            except InstrumentError as last:
                self.lose(last)
                raise

    async def look_at(self, channel: Channel) -> None:
        """Settle a channel without a run: what is ours goes off, what is somebody else's is shown; who does not answer is lost."""
        try:
            await settle_stray(self._executor, channel)
        except InstrumentError as error:
            self.lose(error)

    async def switch_off(self, at: str, *, theirs: bool = False) -> bool:
        """Switch a channel off, and tell whether the instrument confirms it."""
        try:
            await self._executor.off(at, theirs=theirs)
        except InstrumentError as error:
            self.lose(error)
            return False
        return True

    def lose(self, error: Exception) -> None:
        """Note that the instrument does not answer; nobody knows what its channels do."""
        if not self._gone:
            LOG.error("instrument %s is lost: %s", self.name, error)
            self._since = self._executor.label() if self.known else 0.0
        self._gone, self.lost = True, str(error)
        self.note_unknown()
        for run in self._executor.running.values():
            if run.lost_at is None:
                run.lost_at = run.session.state.last.time
        self.wake.set()

    def note_unknown(self) -> None:
        """Note of every channel that nobody knows what it does, but of one that waits with an output that was confirmed off."""
        for channel in self._channels:
            channel.unknown = "" if self._is_off(channel) else self.trouble

    def _is_off(self, channel: Channel) -> bool:
        """Tell whether a channel's run waits with an output that was confirmed off."""
        run = self._executor.running.get(channel.at)
        return (
            run is not None and channel.at not in self._executor.on and run.session.state.phase in {"asking", "paused"}
        )


def _who(identity: Identity) -> str:
    return f"{identity.make} {identity.model} {identity.serial}".strip()
