"""Bio-Logic potentiostats (VMP3 and VMP-300 families) through EClib, one entry an instrument.

Autonomous: the channel runs the techniques of a program, each with its time and its tests of voltage and current, and keeps
its rows, whether or not anybody listens. Beside each channel's program, its rows are written down before they are given: what is
read out of the channel's memory is gone from it, and a daemon that died in between would have lost it. Never run on hardware by
us.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TypeVar

from labctl.driver import (
    Capabilities,
    Fault,
    Galvanostatic,
    Identity,
    Owner,
    Program,
    ProgramStep,
    ReadBack,
    Readings,
    Status,
)
from labctl.driver.option_range import Between, Count, Positive
from labctl.errors import InstrumentError, SettingRefused, Unreachable, WireError
from labctl_drivers.biologic.library import (
    FIRMWARE,
    KERNEL,
    MODERN,
    NAMES,
    ChannelInfos,
    CurrentValues,
    EcLibrary,
)
from labctl_drivers.biologic.reader import TechniqueReader
from labctl_drivers.biologic.spool import Spool
from labctl_drivers.biologic.techniques import CURRENT_RANGES, MOST_TECHNIQUES, Technique, techniques_of
from labctl_drivers.sidecar import Sidecar

T = TypeVar("T")

STOPPED, RUNNING = 0, 1
BLOCKS: Final = 50  # answers of one channel in one read; what is left comes with the next
EARLY: Final = 1.0  # s by which the channel's own clock may lie before the last row that was read of it
HOLDS: Final = {  # what a channel locates in which mode
    "Rest": frozenset({"time>"}),
    "Galvanostatic": frozenset({"time>", "voltage", "charge>"}),
    "Potentiostatic": frozenset({"time>", "current<"}),
    "Sweep": frozenset[str](),
    "Spectrum": frozenset[str](),
}


class BioLogic:
    """One instrument, all its channels.

    Args:
        library: Path of the vendor's library, `EClib64.dll`, in the folder with its techniques.
        address: Of the instrument: `192.109.209.220`, or `USB0`.
        folder: Where programs and rows of what runs are written down.
        load_firmware: Load the library's firmware into a channel that has another: EC-Lab's is evicted, so it is asked for.
        most_current: A that the boards give.
        bandwidth: 1 (slow) to 7.
        poll: Seconds between two reads.
        timeout: Seconds for an answer.
        patience: Whole seconds that the library itself waits for the instrument.
    """

    def __init__(  # noqa: PLR0913 - the keys of a station file's entry
        self,
        library: str,
        address: str,
        folder: str,
        *,
        load_firmware: bool = False,
        most_current: Positive = 0.5,
        bandwidth: Annotated[int, Between(1, 7)] = 4,
        poll: Positive = 0.2,
        timeout: Positive = 10.0,
        patience: Count = 5,
    ) -> None:
        self.path, self.address, self.folder = library, address, Path(folder)
        self.load_firmware, self.bandwidth, self.patience = load_firmware, bandwidth, patience
        self.most_current, self.poll, self.timeout = float(most_current), float(poll), float(timeout)
        self._library: EcLibrary | None = None
        self._modern = True
        self._readers: dict[str, TechniqueReader] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"eclib {address}")

    # --- the contract ---------------------------------------------------------------------------------------------

    async def open(self) -> Identity:
        """Load the library, connect, and say which instrument answers; no channel is touched."""
        return await self._in_thread(self._open)

    async def close(self) -> None:
        """Disconnect; every channel goes on."""
        if self._library is not None:
            await self._in_thread(self._library.disconnect)

    def channels(self) -> Sequence[str]:
        """Return the sixteen places of a chassis, whichever hold a channel."""
        return tuple(map(str, range(1, 17)))

    def capabilities(self, channel: str) -> Capabilities:
        """Return what a channel does by itself: steps in a row, each with its time, voltage or current."""
        del channel
        return Capabilities(
            records=True,
            modes=frozenset(HOLDS),
            ends=frozenset({"time", "voltage", "current", "charge"}),
            holds=HOLDS,
            limits=frozenset({"voltage"}),
            voltage=(-10.0, 10.0),
            current=(-self.most_current, self.most_current),
            voltage_accuracy=1e-3,
            current_accuracy=1e-5 * self.most_current,
            poll_at_most=self.poll,
            row_at_most=1e-3,
            most_steps=MOST_TECHNIQUES,
        )

    def translate(self, channel: str, program: Program) -> tuple[Technique, ...]:
        """Return the techniques of a program.

        Raises:
            SettingRefused: EClib cannot do it, or it is beyond the instrument.
        """
        number_of(channel)
        for step in program.steps:
            if isinstance(step, ProgramStep):
                self._within(step)
        return techniques_of(program, self.bandwidth)

    async def status(self, channel: str) -> Status:
        """Return what a channel does; what was written down of it says for whom."""
        return await self._in_thread(lambda: self._status(channel))

    async def apply(self, channel: str, program: Program) -> ReadBack:
        """Stop what runs if it is ours, load the techniques and start them.

        Raises:
            SettingRefused: The instrument does not take it, or somebody else's technique runs.
        """
        techniques = self.translate(channel, program)
        return await self._in_thread(lambda: self._apply(channel, program, techniques))

    async def read(self, channels: Sequence[str]) -> Readings:
        """Return what is new of these channels."""
        mine = [channel for channel in channels if channel in self._readers]
        for channel in mine:
            if not self._readers[channel].done:
                await self._in_thread(lambda channel=channel: self._drain(channel))  # type: ignore[misc]
        given = {channel: tuple(self._readers[channel].found) for channel in mine}
        for channel in mine:
            self._readers[channel].found.clear()
        return Readings(by_channel=given)

    async def output_off(self, channel: str) -> None:
        """Stop a channel and see that it has stopped."""
        await self._in_thread(lambda: self._off(channel))

    async def attach(self, channel: str, attempt: int, after: float, step: int, owner: Owner | None = None) -> bool:
        """Take up the step that the channel runs, or has run, for an attempt; see `labctl.driver.Autonomous`."""
        wanted = Listener(attempt, after, step, owner)
        return await self._in_thread(lambda: self._attach(channel, wanted))

    async def drained(self, channel: str) -> bool:
        """Tell whether every row of the step that ran last has been given."""
        reader = self._readers.get(channel)
        return reader is None or (reader.done and not reader.found)

    # --- in the library's own thread ------------------------------------------------------------------------------

    def _open(self) -> Identity:
        if self._library is None:
            self._library = EcLibrary(self.path)
        infos = self._library.connect(self.address, self.patience)
        self._modern = infos.code in MODERN
        model = NAMES.get(infos.code, f"device {infos.code}")
        return Identity("Bio-Logic", model, self.address, str(infos.firmware))

    def _connected(self) -> EcLibrary:
        if self._library is None or not self._library.connected:
            raise Unreachable(f"{self.address}: not open")
        return self._library

    def _kernel(self, channel: str) -> ChannelInfos:
        """Return what a channel is, with the library's firmware in it.

        Raises:
            SettingRefused: It has another firmware, and loading was not asked for.
        """
        library, number = self._connected(), number_of(channel)
        infos = library.infos(number)
        if infos.firmware == KERNEL:
            return infos
        if not self.load_firmware:
            found = FIRMWARE.get(infos.firmware, str(infos.firmware))
            raise SettingRefused(
                f"channel {channel}: wanted the library's firmware, found {found}: close EC-Lab, and set "
                "`load_firmware: true` in the station file, which evicts it",
                safe=infos.state == STOPPED,
            )
        binary, xlx = ("kernel4.bin", "Vmp_iv_0395_aa.xlx") if self._modern else ("kernel.bin", "Vmp_ii_0437_a6.xlx")
        library.load_firmware(number, binary, xlx)
        return library.infos(number)

    def _status(self, channel: str) -> Status:
        library = self._connected()
        infos = library.infos(number_of(channel))
        if infos.firmware != KERNEL:
            found = FIRMWARE.get(infos.firmware, str(infos.firmware))
            activity = "idle" if infos.state == STOPPED else "unknown"
            return Status(activity, text=f"its firmware is {found}")  # type: ignore[arg-type]
        if infos.state == STOPPED:
            return Status("idle")
        kept = self._kept(channel, infos)
        if kept is None:
            return Status("unknown", text="a technique that was not started from here")
        return Status("running", kept.program.attempt, 0, None, kept.barcode, kept.program.owner)

    def _kept(self, channel: str, infos: ChannelInfos) -> Sidecar | None:
        """Return what was written down of the technique that a channel runs or ran last; None where it is another one.

        The library tells neither names nor parameters of what runs: board, number of techniques and the clock of the channel are
        compared, which is behind the last row only if something was started since.
        """
        aside = Sidecar.read(self._path(channel, ".json"))
        if aside is None or aside.test != mark_of(infos) or infos.techniques != len(aside.program.steps):
            return None
        if infos.state == STOPPED:
            return aside
        last = Spool(self._path(channel, ".rows")).last_time()
        elapsed = self._connected().values(number_of(channel)).elapsed
        return aside if elapsed >= last - EARLY else None

    def _apply(self, channel: str, program: Program, techniques: tuple[Technique, ...]) -> ReadBack:
        infos, number = self._kernel(channel), number_of(channel)
        status = self._status(channel)
        ours = status.owner is None or program.owner is None or status.owner.within(program.owner.journal)
        if status.activity != "idle" and not (status.activity == "running" and ours):
            raise SettingRefused(
                f"channel {channel}: wanted it idle, found {status.text}: it is not stopped", safe=True
            )
        self._off(channel)
        library = self._connected()
        while library.data(number)[0] is not None:
            pass  # rows of before, which nobody wants
        self._write(channel, program, mark_of(infos))
        suffix = "4.ecc" if self._modern else ".ecc"
        folder = Path(self.path)
        library.load_techniques(
            number, [(str(folder.with_name(each.name + suffix)), each.parameters) for each in techniques]
        )
        library.start(number)
        values = library.values(number)
        self._readers[channel] = TechniqueReader(program, techniques)
        return ReadBack({"running": float(values.state == RUNNING), "range": float(values.range)})

    def _write(self, channel: str, program: Program, mark: str) -> None:
        owner = program.owner
        name = f"labctl-{owner.journal[:8]}-{owner.run[:8]}-{program.attempt}" if owner else f"labctl-{program.attempt}"
        try:
            Spool(self._path(channel, ".rows")).begin()
            Sidecar(name, program, mark).write(self._path(channel, ".json"))
        except OSError as error:
            raise SettingRefused(
                f"{self.folder}: wanted to write down what channel {channel} runs, found {error}", safe=True
            ) from error

    def _drain(self, channel: str) -> None:
        library, reader, number = self._connected(), self._readers[channel], number_of(channel)
        spool = Spool(self._path(channel, ".rows"))
        for _ in range(BLOCKS):
            block, values = library.data(number)
            if block is None:
                self._look(reader, values)
                return
            spool.add(block)
            reader.take(block, modern=self._modern)

    def _look(self, reader: TechniqueReader, values: CurrentValues) -> None:
        """Look at a channel of which all rows are read."""
        if values.option_error:
            words = f"the board's options report {values.option_error} at {values.option_place}"
            reader.found.append(Fault(words, safe=values.state == STOPPED))
            reader.done = True
        elif values.state == STOPPED:
            reader.finish()

    def _off(self, channel: str) -> None:
        library, number = self._connected(), number_of(channel)
        if library.values(number).state == STOPPED:
            return
        if channel in self._readers:
            self._readers[channel].stopped = True
        library.stop(number)
        if (state := library.values(number).state) != STOPPED:
            raise WireError(f"channel {channel}: wanted it stopped, found state {state}")

    def _attach(self, channel: str, wanted: "Listener") -> bool:
        infos = self._connected().infos(number_of(channel))
        kept = self._kept(channel, infos) if infos.firmware == KERNEL else None
        if kept is None or kept.program.attempt != wanted.attempt:
            return False
        if wanted.owner is not None and kept.program.owner != wanted.owner:
            return False
        techniques = self.translate(channel, kept.program)
        reader = TechniqueReader(kept.program, techniques, wanted.after, wanted.step)
        for block in Spool(self._path(channel, ".rows")).blocks():
            reader.take(block, modern=self._modern)
        self._readers[channel] = reader
        return True

    # --- the rest ---------------------------------------------------------------------------------------------------

    def _within(self, step: ProgramStep) -> None:
        """Refuse a current beyond the boards."""
        most = min(self.most_current, CURRENT_RANGES[-1])
        if isinstance(step.mode, Galvanostatic) and abs(step.mode.current) > most:
            raise SettingRefused(
                f"line {step.line}: wanted {step.mode.current:g} A, the boards give {most:g} A", safe=True
            )

    def _path(self, channel: str, suffix: str) -> Path:
        place = re.sub(r"[^A-Za-z0-9_-]", "_", f"{self.address}-{channel}")
        return self.folder / f"biologic-{place}{suffix}"

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Run a call that blocks; one that does not come back is given up, and its thread with it."""
        try:
            async with asyncio.timeout(self.timeout):
                return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except TimeoutError as error:
            raise Unreachable(
                f"{self.address}: wanted an answer of EClib within {self.timeout:g} s, found none"
            ) from error


@dataclass(frozen=True, slots=True)
class Listener:
    """Who takes a program up again: attempt and owner, the last row that it has (s), and the step in which it stands."""

    attempt: int
    after: float
    step: int
    owner: Owner | None


def number_of(channel: str) -> int:
    """Return the library's number of a channel, from 0; the front panel counts from 1.

    Raises:
        InstrumentError: It is none.
    """
    if not channel.isdecimal() or not 1 <= int(channel) <= 16:
        raise InstrumentError(f"wanted a channel from 1 to 16 as on the front panel, found {channel!r}", safe=True)
    return int(channel) - 1


def mark_of(infos: ChannelInfos) -> str:
    """Return what tells one board from another."""
    return f"board {infos.serial} in channel {infos.channel + 1}"
