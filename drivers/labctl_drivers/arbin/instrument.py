"""Arbin cyclers through CTI, by a schedule that takes its set-point from variables. Never run on hardware by us.

CTI starts and stops schedules of MITS Pro and sets their variables, nothing else: what a channel does is in a schedule that a
person has typed into MITS Pro once (the page on Arbin has it). It is a puppet with a dead man's switch: one set-point (current up
to a voltage, or power), given in MV_UD1 to 4, and MV_UD5, the time until which it goes on unless it is moved on.

A test that another name than ours has is somebody else's: it is never stopped, and nothing is assigned to its channel.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from labctl.driver import (
    Capabilities,
    Changed,
    Fault,
    Identity,
    Program,
    ReadBack,
    Reading,
    Readings,
    Rest,
    Status,
)
from labctl.driver.option_range import Port, Positive
from labctl.errors import SettingRefused, WireError
from labctl.sample import Snapshot
from labctl_drivers.arbin import packet
from labctl_drivers.arbin.client import Cti
from labctl_drivers.arbin.packet import ChannelInfo
from labctl_drivers.one_way import OneWay, Reach, number_of_channel, numbers_of, only_step
from labctl_drivers.owner_mark import OwnerMark

LOOKS, AGAIN = 50, 0.1  # looks at a channel that is to follow, s between them
CHARGE, DISCHARGE, REST, UNSAFE, ERROR, FULL = 2, 3, 4, 8, 14, 29
IDLE = frozenset({0, 15, 20})
RESOLUTION = 2e-4  # of full scale
BROKEN = frozenset({UNSAFE, ERROR, FULL})
STATES = {0: "idle", 1: "transition", 2: "charge", 3: "discharge", 4: "rest", 5: "wait", 6: "external charge",
          7: "calibration", 8: "unsafe", 9: "pulse", 10: "resistance", 11: "impedance", 14: "error", 15: "finished",
          18: "pause", 19: "empty", 20: "idle", 21: "start", 22: "running", 24: "resume", 25: "pausing", 26: "stopping",
          29: "memory unsafe"}  # fmt: skip
MODE, CURRENT, VOLTAGE, POWER, UNTIL = 1, 2, 3, 4, 5  # numbers of the variables
REST_MODE, CURRENT_MODE, POWER_MODE = 0.0, 1.0, 2.0


@dataclass(frozen=True, slots=True)
class Held:
    """A channel on which our schedule runs in this life of the daemon.

    Attributes:
        test: Its name.
        attempt: For which its set-point was given.
        drive: The set-point, None while it is being given.
        sent: Test time at which the schedule was last moved on, s.
    """

    test: str
    attempt: int
    drive: OneWay | None = None
    sent: float = 0.0


class Arbin:
    """Channels of one MITS Pro.

    Args:
        host: Name or address of the PC that runs MITS Pro, with CTI switched on.
        channels: Our channel names to the numbers of MITS Pro's monitor, from 1: `{c1: 1, c2: 2}`.
        user: Login name of CTI.
        password: Its password.
        port: 9031 unless MITS Pro says otherwise.
        schedule: Name of the schedule that the page on Arbin has, as it is saved in MITS Pro.
        most_current: A that its channels can give.
        most_voltage: V that they can give.
        watchdog: Seconds of test time after which a channel that nobody moved on ends by itself.
        poll: Seconds between two reads.
        timeout: Seconds for a reply.
    """

    def __init__(  # noqa: PLR0913 - the keys of a station file's entry
        self,
        *,
        host: str,
        channels: Mapping[str, int],
        user: str,
        password: str,
        port: Port = 9031,
        schedule: str = "labctl.sdx",
        most_current: Positive = 5.0,
        most_voltage: Positive = 5.0,
        watchdog: Positive = 30.0,
        poll: Positive = 1.0,
        timeout: Positive = 3.0,
    ) -> None:
        self.numbers = numbers_of(channels)
        self.reach = Reach(float(most_current), float(most_voltage))
        self.schedule, self.watchdog = schedule, float(watchdog)
        self.poll, self.timeout = float(poll), float(timeout)
        self._login = (user, password)
        self._cti = Cti(host, int(port))
        self._held: dict[str, Held] = {}
        self._reads = 0

    # --- the contract ---------------------------------------------------------------------------------------------

    async def open(self) -> Identity:
        """Connect, log in, and see that there is every configured channel."""
        serial, count = await self._cti.connect(*self._login, self.timeout)
        for channel, number in self.numbers.items():
            if number > count:
                self._cti.disconnect()
                message = f"{channel}: wanted Arbin channel {number}, found a cycler with {count}"
                raise SettingRefused(message, safe=True)
        return Identity("Arbin", "MITS Pro", serial)

    async def close(self) -> None:
        """Disconnect; a set-point holds until the schedule's time runs out."""
        self._cti.disconnect()

    def channels(self) -> Sequence[str]:
        """Return our names of its channels."""
        return tuple(self.numbers)

    def capabilities(self, channel: str) -> Capabilities:
        """Return what the schedule can do: one set-point inside limits, no ends."""
        del channel
        return self.reach.capabilities(RESOLUTION * self.reach.current, self.poll)

    async def status(self, channel: str) -> Status:
        """Return what the channel is doing; the name of its test says for whom."""
        found = await self._look(channel)
        state = STATES.get(found.status, f"status {found.status}")
        if found.status in IDLE | BROKEN:
            return Status("idle", text=state)
        mark, held = OwnerMark.of(found.test), self._held.get(channel)
        text = f"{state}: {found.test}" if found.test else state
        if mark is None or held is None or held.test != found.test:
            return Status("unknown", text=text, owner=None if mark is None else mark.owner)
        return Status("running", held.attempt, 0, text=text, owner=mark.owner)

    async def apply(self, channel: str, program: Program) -> ReadBack:
        """Hold the set-point of a program's only step, and see that the channel does what was set.

        Raises:
            SettingRefused: The schedule cannot say it, or a test that is not ours is on the channel.
        """
        step = only_step(channel, program)
        found = await self._look(channel)
        held = self._held.get(channel)
        drive = self.reach.toward(step, found.voltage, None if held is None else held.drive)
        held = await self._make_way(channel, found, program)
        if held is None and isinstance(step.mode, Rest):
            return ReadBack({"voltage": found.voltage})
        if held is None:
            held = await self._begin(channel, program)
        self._held[channel] = replace(held, attempt=program.attempt, drive=None)  # from here on something may flow
        await self._give(channel, drive, held.drive)
        found = await self._follows(channel, drive)
        self._held[channel] = Held(held.test, program.attempt, drive, found.time)
        await self._set(channel, UNTIL, found.time + self.watchdog)
        return ReadBack({"voltage": found.voltage, "current": signed_current(found)})

    async def read(self, channels: Sequence[str]) -> Readings:
        """Return voltage and current now, and move on the time until which the schedules go on."""
        said: dict[str, Sequence[Reading]] = {}
        rows = np.full((len(channels), 3), np.nan)
        for row, channel in zip(rows, channels, strict=True):
            found = await self._look(channel)
            self._reads += 1
            stamp = found.time if channel in self._held else float(self._reads)
            row[:] = found.voltage, signed_current(found), stamp
            if channel in self._held and (words := await self._looked_after(channel, found)):
                said[channel] = (words,)
        voltage, current, stamp_column = rows.T.copy()
        return Readings(Snapshot(tuple(channels), voltage, current, stamp=stamp_column), said)

    async def output_off(self, channel: str) -> None:
        """Stop our schedule on a channel; a test that is not ours is left alone.

        Raises:
            SettingRefused: A test runs that is not ours: nothing of ours does.
        """
        found = await self._look(channel)
        if found.status not in IDLE | BROKEN:
            if OwnerMark.of(found.test) is None:
                words = f"{channel}: wanted a test of ours, found {found.test!r}, which is not stopped"
                raise SettingRefused(words, safe=True)
            await self._stop(channel)
        self._held.pop(channel, None)

    # --- whose test it is -----------------------------------------------------------------------------------------

    async def _make_way(self, channel: str, found: ChannelInfo, program: Program) -> Held | None:
        """Return the schedule that can take the next set-point, None where none runs; one of ours that cannot is stopped.

        Raises:
            SettingRefused: Somebody else's test runs, or the channel is not safe.
        """
        held = self._held.get(channel)
        if held is not None and held.test == found.test and found.status not in IDLE | BROKEN:
            return held
        self._held.pop(channel, None)
        if found.status in IDLE:
            return None
        state = STATES.get(found.status, found.status)
        mark = OwnerMark.of(found.test)
        known = mark is not None and (
            program.owner is None or (mark.owner is not None and mark.owner.within(program.owner.journal))
        )
        if found.status in BROKEN or not known:
            raise SettingRefused(
                f"{channel}: wanted it idle, found {state}: {found.test!r}: a test that is not ours is not stopped",
                safe=True,
            )
        await self._stop(channel)
        return None

    async def _stop(self, channel: str) -> None:
        """Stop our schedule, and see that the channel is idle; the set-point goes first, in case that stopping is refused."""
        with suppress(SettingRefused):
            await self._set(channel, MODE, REST_MODE)
        number = self._number(channel)
        await self._cti.order(packet.STOP, packet.stop(number), number, self.timeout)
        for _ in range(LOOKS):
            found = await self._look(channel)
            if found.status in IDLE | BROKEN:
                return
            await asyncio.sleep(AGAIN)
        raise WireError(f"{channel}: wanted it stopped, found {STATES.get(found.status, found.status)}")

    # --- set-points -------------------------------------------------------------------------------------------------

    async def _begin(self, channel: str, program: Program) -> Held:
        """Assign our schedule with nothing flowing, start it, and see that it is ours and rests."""
        number, test = self._number(channel), OwnerMark(program.attempt, program.owner).text()
        first = (REST_MODE, 0.0, 0.0, 0.0, self.watchdog)
        await self._cti.order(packet.ASSIGN, packet.assign(number, self.schedule, first, test), number, self.timeout)
        await self._cti.order(packet.START, packet.start(number, test), number, self.timeout)
        self._held[channel] = Held(test, program.attempt)
        found = await self._follows(channel, self.reach.rest())
        if found.test != test:
            del self._held[channel]
            raise SettingRefused(
                f"{channel}: wanted the test {test!r} that was started, found {found.test!r}", safe=True
            )
        return Held(test, program.attempt, self.reach.rest(), found.time)

    async def _give(self, channel: str, drive: OneWay, last: OneWay | None) -> None:
        """Set the variables of a set-point; the channel rests meanwhile, unless only current or power changes."""
        sign = 1.0 if drive.charge else -1.0
        mode = REST_MODE if not drive.current else CURRENT_MODE if drive.power is None else POWER_MODE
        kept = last is not None and last.current > 0.0 and mode == CURRENT_MODE and last.power is None
        if not (kept and last is not None and (last.charge, last.voltage) == (drive.charge, drive.voltage)):
            await self._set(channel, MODE, REST_MODE)
        if mode != REST_MODE:
            await self._set(channel, VOLTAGE, drive.voltage)
            await self._set(channel, POWER, sign * (drive.power or 0.0))
            await self._set(channel, CURRENT, sign * drive.current)
        await self._set(channel, MODE, mode)

    async def _follows(self, channel: str, drive: OneWay) -> ChannelInfo:
        """Return what the channel does once it does what was set.

        Raises:
            SettingRefused: It does something else.
        """
        wanted = REST if not drive.current else CHARGE if drive.charge else DISCHARGE
        for _ in range(LOOKS):
            found = await self._look(channel)
            if found.status == wanted:
                return found
            if found.status in IDLE | BROKEN:
                break
            await asyncio.sleep(AGAIN)
        state = STATES.get(found.status, found.status)
        raise SettingRefused(f"{channel}: wanted it to {STATES[wanted]}, found {state} {found.why}", safe=False)

    async def _looked_after(self, channel: str, found: ChannelInfo) -> "Reading | None":
        """Move on the time of a schedule; return what became of one that is not ours or not running any more."""
        held = self._held[channel]
        running = found.status not in IDLE | BROKEN
        if running and found.test == held.test and not found.lost:
            if not 0.0 <= found.time - held.sent < self.watchdog / 3:
                await self._set(channel, UNTIL, found.time + self.watchdog)
                self._held[channel] = replace(held, sent=found.time)
            return None
        if found.lost:
            return Changed("MITS Pro has lost the channel")
        del self._held[channel]
        if running:
            return Fault(f"somebody started another test on the channel: {found.test}", safe=True)
        words = f"the channel says {STATES.get(found.status, found.status)}: {found.why}"
        return Fault(words, safe=True) if found.status in BROKEN else Changed(words)

    # --- questions --------------------------------------------------------------------------------------------------

    async def _look(self, channel: str) -> ChannelInfo:
        return await self._cti.info(self._number(channel), self.timeout)

    async def _set(self, channel: str, variable: int, value: float) -> None:
        number = self._number(channel)
        await self._cti.order(packet.SET, packet.set_variable(number, variable, value), number, self.timeout)

    def _number(self, channel: str) -> int:
        return number_of_channel(self.numbers, channel) - 1


def signed_current(found: ChannelInfo) -> float:
    """Return a current in A, positive where it charges: the status tells the direction, whatever sign the packet has."""
    match found.status:
        case 2:
            return abs(found.current)
        case 3:
            return -abs(found.current)
    return found.current
