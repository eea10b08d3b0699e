"""Maccor cyclers through MacNet, in direct mode. Facts: MacNet help as quoted by public clients. Never run on hardware by us.

A puppet with a dead man's switch: the daemon is the control loop, and MacTest32 suspends a channel that gets no set-point for
`MacNetDirectModeWD` seconds, so set-points are repeated while they hold. Procedures, which run by themselves, are files in
MacTest32's own folder: one that runs is somebody else's and is never stopped.

Direct mode limits current, voltage and power at once. A charge is a current up to the voltage limit, a hold is a voltage up to a
current; either flows in one direction only, charge or discharge. A rest within a run is zero amperes, so that no relay opens
between a pulse and the rest after it; before the first set-point, and after a run, the channel is at open circuit.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
from labctl.errors import OptionRefused, SettingRefused, WireError
from labctl.sample import Snapshot
from labctl_drivers.maccor.client import GENERAL, OUTPUT, RESET, SAFETY, START, STATUS, VERSIONS, MacNet, number_of
from labctl_drivers.maccor.direct import output, safety, second_of, signed_current
from labctl_drivers.maccor.ours import Note, Notes
from labctl_drivers.one_way import OneWay, Reach, number_of_channel, numbers_of, only_step

SAME = 1e-3  # of a safety limit read back
RESOLUTION = 2e-4  # of the smallest range
STARTS, TRIES, AGAIN = 50, 10, 0.1  # looks at a channel that is starting, tries of a set-point, s between them
AVAILABLE, ACTIVE, SUSPENDED, COMPLETED, PROBLEM = 0, 2, 3, 4, 5
UNDERWAY = frozenset({ACTIVE, 8, 12, 14})
OVER = frozenset({SUSPENDED, COMPLETED, PROBLEM})  # a test that must be reset before the next one
STATES = {0: "available", 1: "selected", 2: "active", 3: "suspended", 4: "completed", 5: "problem", 6: "not available",
          7: "reset", 8: "start", 9: "power failed", 10: "no controller", 11: "shut down", 12: "starting", 13: "blocked",
          14: "waiting", 15: "impedance", 16: "under maintenance"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Driven:
    """A channel that is in direct mode by our doing.

    Attributes:
        attempt: For which its set-point was given.
        drive: The set-point, None while it is being given.
        sent: The test's own time when it was given, s.
    """

    attempt: int
    drive: OneWay | None
    sent: float = 0.0


class Maccor:
    """Channels of one MacTest32.

    Args:
        host: Name or address of the PC that runs MacTest32, with MacNet switched on.
        channels: Our channel names to the numbers on the tester's front, from 1: `{c1: 1, c2: 2}`.
        folder: Where it is noted which tests are ours.
        port: 57570, of MacNet's JSON messages.
        ranges: Full scales of the tester's current ranges 1 to 4, A; it may have fewer.
        most_voltage: V that its channels can give.
        watchdog: The seconds of MacNetDirectModeWD in MacTest32's System.ini; set-points are repeated three times as often.
        poll: Seconds between two reads.
        timeout: Seconds for a reply.
    """

    def __init__(  # noqa: PLR0913 - the keys of a station file's entry
        self,
        *,
        host: str,
        channels: Mapping[str, int],
        folder: str,
        port: Port = 57570,
        ranges: Sequence[float] = (150e-6, 5e-3, 0.15, 5.0),
        most_voltage: Positive = 5.0,
        watchdog: Positive = 30.0,
        poll: Positive = 1.0,
        timeout: Positive = 2.0,
    ) -> None:
        self.numbers = numbers_of(channels)
        full = tuple(sorted(float(each) for each in ranges))
        if not 1 <= len(full) <= 4 or full[0] <= 0:
            raise OptionRefused(("ranges",), f"wanted one to four full scales in A, found {list(ranges)}")
        self.ranges, self.reach = full, Reach(full[-1], float(most_voltage))
        self.watchdog, self.poll, self.timeout = float(watchdog), float(poll), float(timeout)
        self._net = MacNet(host, int(port))
        self._notes = Notes(folder, f"{host}-{port}")
        self._driven: dict[str, Driven] = {}
        self._reads = 0

    # --- the contract ---------------------------------------------------------------------------------------------

    async def open(self) -> Identity:
        """Connect, and see that the tester has every configured channel."""
        await self._net.connect(self.timeout)
        try:
            return await self._identify()
        except BaseException:
            self._net.disconnect()
            raise

    async def _identify(self) -> Identity:
        versions, general = await self._ask(VERSIONS), await self._ask(GENERAL)
        count = int(number_of(general, "TestChannels"))
        for channel, number in self.numbers.items():
            if number > count:
                message = f"{channel}: wanted Maccor channel {number}, found a tester with {count}"
                raise SettingRefused(message, safe=True)
        version = ".".join(str(versions.get(f"MacTest32EXEversion{part}", "?")) for part in ("Major", "Minor", "Build"))
        return Identity("Maccor", "MacNet", str(general.get("SystemID", "")), version)

    async def close(self) -> None:
        """Disconnect; a set-point holds until the tester's watchdog suspends the channel."""
        self._net.disconnect()

    def channels(self) -> Sequence[str]:
        """Return our names of its channels."""
        return tuple(self.numbers)

    def capabilities(self, channel: str) -> Capabilities:
        """Return what direct mode can do: one set-point inside limits, no ends."""
        del channel
        return self.reach.capabilities(RESOLUTION * self.ranges[0], self.poll)

    async def status(self, channel: str) -> Status:
        """Return what the channel is doing; for which attempt is known in the life of this daemon only."""
        found = await self._look(channel)
        stat = state_of(found)
        text = STATES.get(stat, f"state {stat}")
        if stat not in UNDERWAY:
            return Status("idle", text=text)
        driven = self._driven.get(channel)
        if driven is None or not self._explained(channel, found):
            return Status("unknown", text=text)
        return Status("running", driven.attempt, 0, text=text)

    async def apply(self, channel: str, program: Program) -> ReadBack:
        """Hold the set-point of a program's only step, safety limits first, and return what the tester then reads.

        Raises:
            SettingRefused: It cannot be said in direct mode, or a test that is not ours is on the channel.
        """
        step = only_step(channel, program)
        found = await self._look(channel)
        driven = self._driven.get(channel)
        drive = self.reach.toward(step, number_of(found, "Voltage"), None if driven is None else driven.drive)
        await self._make_way(channel, found)
        if channel in self._driven or not isinstance(step.mode, Rest):
            await self._protect(channel, safety(step.bounds, drive, self.reach))
            if channel not in self._driven:
                await self._begin(channel)
            self._driven[channel] = Driven(program.attempt, None)  # from here on something may flow
            await self._send(channel, drive)
            found = await self._look(channel)
            if state_of(found) != ACTIVE:
                raise WireError(f"{channel}: wanted it active, found {STATES.get(state_of(found), state_of(found))}")
            self._driven[channel] = Driven(program.attempt, drive, number_of(found, "TestTime"))
            await self._note(channel, found)
        return ReadBack({"voltage": number_of(found, "Voltage"), "current": signed_current(found)})

    async def read(self, channels: Sequence[str]) -> Readings:
        """Return voltage and current now, and repeat what the tester's watchdog waits for."""
        said: dict[str, Sequence[Reading]] = {}
        rows = np.full((len(channels), 3), np.nan)
        for row, channel in zip(rows, channels, strict=True):
            found = await self._look(channel)
            row[:] = number_of(found, "Voltage"), signed_current(found), self._stamp(channel, found)
            if channel in self._driven and (words := await self._looked_after(channel, found)):
                said[channel] = (words,)
        voltage, current, stamp = rows.T.copy()
        return Readings(Snapshot(tuple(channels), voltage, current, stamp=stamp), said)

    async def output_off(self, channel: str) -> None:
        """End the direct mode of a channel, which opens it; a test that is not ours is left alone.

        Raises:
            SettingRefused: A test runs that is not ours: nothing of ours does.
        """
        found = await self._look(channel)
        if state_of(found) in {*UNDERWAY, SUSPENDED}:
            if self._explained(channel, found):
                await self._reset(channel)
            elif state_of(found) in UNDERWAY:
                raise SettingRefused(
                    f"{channel}: wanted a test of ours, found another, which is not stopped", safe=True
                )
        self._driven.pop(channel, None)
        await asyncio.to_thread(self._notes.drop, self._number(channel))

    # --- whose test it is -----------------------------------------------------------------------------------------

    def _explained(self, channel: str, found: Mapping[str, Any]) -> bool:
        """Tell whether the test of a channel is the one that was noted as ours.

        One that runs began when ours did; a suspended one stands where the watchdog left ours.
        """
        note = self._notes.read(self._number(channel))
        if note is None:
            return False
        time = number_of(found, "TestTime")
        if state_of(found) == SUSPENDED:
            return note.continues(time, self.watchdog)
        return note.began(second_of(found) - time)

    async def _note(self, channel: str, found: Mapping[str, Any]) -> None:
        time = number_of(found, "TestTime")
        note = Note(second_of(found) - time, time)
        await asyncio.to_thread(self._notes.write, self._number(channel), note)

    async def _make_way(self, channel: str, found: Mapping[str, Any]) -> None:
        """End what is ours on a channel, unless it can take the next set-point, and reset what has come to its end.

        Raises:
            SettingRefused: What is there is not ours, or the channel cannot be used.
        """
        stat = state_of(found)
        if stat == ACTIVE and channel in self._driven and self._explained(channel, found):
            return
        self._driven.pop(channel, None)
        if stat == COMPLETED or (stat in {*UNDERWAY, *OVER} and self._explained(channel, found)):
            await self._reset(channel)
        elif stat != AVAILABLE:
            state = STATES.get(stat, stat)
            words = (
                f"{channel}: wanted it available, found {state}: a test that is not ours is neither stopped nor reset"
            )
            raise SettingRefused(words, safe=True)

    async def _reset(self, channel: str) -> None:
        await self._order(RESET, channel)
        if (stat := state_of(await self._look(channel))) in UNDERWAY:
            raise WireError(f"{channel}: wanted it reset, found {STATES[stat]}")

    # --- orders -----------------------------------------------------------------------------------------------------

    async def _protect(self, channel: str, wanted: Mapping[str, float]) -> None:
        """Set the tester's own safety limits about ours and read them back.

        Raises:
            SettingRefused: It holds others.
        """
        found = await self._ask(SAFETY, channel, **wanted)
        for name, value in wanted.items():
            if not abs(number_of(found, name) - value) <= SAME * max(abs(value), 1.0):
                raise SettingRefused(f"{channel}: wanted {name} {value:g}, found {found.get(name)}", safe=False)

    async def _begin(self, channel: str) -> None:
        """Start direct mode with nothing flowing, wait until it is active, and note that it is ours.

        Raises:
            SettingRefused: It does not begin.
        """
        wanted = self._wire(self.reach.rest())
        await self._order(START, channel, TestName="Random", DataTime=0.0, DataV=0.0, DataI=0.0, **wanted)
        for _ in range(STARTS):
            found = await self._look(channel)
            if state_of(found) == ACTIVE:
                await self._note(channel, found)
                return
            if state_of(found) in OVER:
                break
            await asyncio.sleep(AGAIN)
        state = STATES.get(state_of(found), state_of(found))
        raise SettingRefused(f"{channel}: wanted direct mode to begin, found {state}", safe=False)

    async def _send(self, channel: str, drive: OneWay) -> None:
        """Give a set-point, again where direct mode is not ready yet.

        Raises:
            SettingRefused: It is not taken.
        """
        for left in reversed(range(TRIES)):
            try:
                await self._order(OUTPUT, channel, **self._wire(drive))
            except SettingRefused:
                if not left or state_of(await self._look(channel)) != ACTIVE:
                    raise
                await asyncio.sleep(AGAIN)
            else:
                return

    def _wire(self, drive: OneWay) -> dict[str, float | str]:
        return output(drive, self.ranges, self.reach.voltage)

    async def _looked_after(self, channel: str, found: Mapping[str, Any]) -> "Reading | None":
        """Repeat a set-point in time for the watchdog; return what became of a channel that is not active any more."""
        stat, driven = state_of(found), self._driven[channel]
        if stat == ACTIVE and self._explained(channel, found):
            time = number_of(found, "TestTime")
            if driven.drive and not 0.0 <= time - driven.sent < self.watchdog / 3:
                await self._send(channel, driven.drive)
                self._driven[channel] = replace(driven, sent=time)
                await self._note(channel, found)
            return None
        del self._driven[channel]
        if stat in UNDERWAY:
            return Fault("somebody started another test on the channel", safe=True)
        words = f"the tester says {STATES.get(stat, stat)}, reason {found.get('RF2')}"
        return Fault(words, safe=True) if stat == PROBLEM else Changed(words)

    # --- questions --------------------------------------------------------------------------------------------------

    async def _look(self, channel: str) -> Mapping[str, Any]:
        return await self._ask(STATUS, channel)

    async def _ask(self, function: tuple[int, int], channel: str = "", **values: object) -> Mapping[str, Any]:
        number = None if not channel else self._number(channel) - 1
        return await self._net.ask(function, number, self.timeout, **values)

    async def _order(self, function: tuple[int, int], channel: str, **values: object) -> None:
        """Give an order.

        Raises:
            SettingRefused: It was not obeyed.
        """
        found = (await self._ask(function, channel, **values)).get("Result")
        if found not in {"OK", 0}:
            raise SettingRefused(f"{channel}: {function}: wanted OK, found {str(found)[:60]!r}", safe=False)

    def _number(self, channel: str) -> int:
        return number_of_channel(self.numbers, channel)

    def _stamp(self, channel: str, found: Mapping[str, Any]) -> float:
        """Return what tells a reading from the one before: both clocks; at open circuit the test's stands, and nothing needs to."""
        self._reads += 1
        if channel not in self._driven:
            return float(self._reads)
        return second_of(found) + 1e-6 * number_of(found, "TestTime")


def state_of(found: Mapping[str, Any]) -> int:
    """Return the state of a channel, `Stat`."""
    return int(number_of(found, "Stat"))
