"""A bending stage of Zaber by its ASCII protocol through pyserial: homing, limits, moves that are done when the stage stands still.

Facts: Zaber's ASCII Protocol Manual. Every reply says whether the axis is busy and carries one warning flag; each question has a
number that its reply repeats, so that a late one is told. A move replaces the one before, so `there and back` is sent move by move
as the stage comes to stand. Speed and limits are those that the stage keeps. Never run on hardware by us.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from labctl.driver import (
    Bend,
    Ended,
    Identity,
    Reading,
    Readings,
    Status,
)
from labctl.driver.option_range import Between, Count, Positive
from labctl.errors import InstrumentError, SettingRefused, WireError
from labctl_drivers.bending import REACHED, BendingStage, BendTables
from labctl_drivers.serial_line import open_line

REPLY = re.compile(
    r"@(?P<device>\d{2}) (?P<axis>\d) (?:(?P<number>\d{1,3}) )?(?P<verdict>OK|RJ) (?P<state>BUSY|IDLE) "
    r"(?P<flag>\S\S) (?P<data>[ -9;-~]*)"
)
CHECKSUM = re.compile(r"(?P<words>.*):(?P<sum>[0-9A-F]{2})")
UNREFERENCED = frozenset({"WR", "WH"})  # it does not know where it is: only homing helps
LOST = UNREFERENCED | {"WL", "WM", "WS"}  # beside faults, F and a letter: it is not where it was sent, or not for sure
NUMBERS = 100  # of questions, before they begin again
MOST_LINES = 50  # alerts and replies of before that may come ahead of the one that was asked for


@dataclass(frozen=True, slots=True)
class ZaberReply:
    """What a stage answered: the number of the question, whether it obeyed and is busy, its flag, and the data."""

    place: tuple[int, int]
    number: int | None
    obeyed: bool
    busy: bool
    flag: str
    data: str


class Zaber(BendingStage):
    """One axis that bends a cell.

    Args:
        port: Serial port: `/dev/ttyUSB0`, or what else pyserial's `serial_for_url` takes.
        microstep: Millimetres of one microstep, from the data sheet of the stage.
        angle: Position in mm for each of some angles in degrees: `{0: 0, 90: 12.5}`; between them it is interpolated.
        radius: Position in mm for each of some bending radii in millimetres: `{50: 0, 10: 12.5}`.
        device: Address of the stage in its chain.
        axis: Number of the axis.
        serial: Serial number that must answer, or None for any.
        baud: Of the line.
        timeout: Seconds to wait for a reply.
    """

    def __init__(  # noqa: PLR0913 - keys of a station file
        self,
        port: str,
        microstep: Positive,
        angle: Mapping[str, float] | None = None,
        radius: Mapping[str, float] | None = None,
        *,
        device: Annotated[int, Between(1, 99)] = 1,
        axis: Annotated[int, Between(1, 9)] = 1,
        serial: str | None = None,
        baud: Count = 115200,
        timeout: Positive = 2.0,
    ) -> None:
        super().__init__(port, BendTables(angle, radius), baud, timeout)
        self.microstep = microstep
        self.device = device
        self.axis = axis
        self.serial = serial
        self._number = 0
        self._homing = False
        self._moves: list[float] = []  # mm, to be sent when the stage stands
        self._waits: tuple[float, int] | None = None  # a bend that begins when the stage stands: mm, and how often

    async def status(self, channel: str) -> Status:
        """Return whether it moves, or has moves to come."""
        del channel
        reply = await self._in_thread(lambda: self._ask("get pos"))
        if reply.busy or self._waits is not None or self._target is not None:
            text = "homing" if self._homing else "moving"
            return Status("running" if self._attempt is not None else "unknown", self._attempt, text=text)
        return Status("idle", text=f"flag {reply.flag}")

    async def read(self, channels: Sequence[str]) -> Readings:
        """Return the end of a bend once the stage stands at the end of its last move.

        Raises:
            InstrumentError: It stands elsewhere, as after a hand on its knob or a stall, or has lost its position.
        """
        ended = await self._in_thread(self._moved)
        readings: list[Reading] = [ended] if ended is not None else []
        return Readings(by_channel=dict.fromkeys(channels, readings))

    async def output_off(self, channel: str) -> None:
        """Stop the stage where it is; safe to repeat."""
        del channel
        self._forget()
        await self._in_thread(lambda: self._ask("stop"))
        self._attempt = None

    # --- in the line's own thread ----------------------------------------------------------------------------------

    def connect(self) -> Identity:
        """Connect, compare the serial number, read the limits; a stage that does not know where it is begins to home."""
        self.disconnect()
        self._line = open_line(self.port, self.baud, self.timeout, "a Zaber stage")
        number = self._ask("get system.serial", axis=0).data
        if self.serial is not None and number != self.serial:
            raise WireError(f"{self.port}: wanted serial number {self.serial}, found {number}")
        version = self._ask("get version", axis=0).data
        low, high = (self._millimetres(self._ask(f"get limit.{side}").data) for side in ("min", "max"))
        self._travel = (low, high)
        reply = self._ask("get pos")
        self._homing = reply.flag in UNREFERENCED
        if self._homing and not reply.busy:
            self._ask("home")
        return Identity("Zaber", "stage", number, version)

    def disconnect(self) -> None:
        """Let go of the line; a move that is under way goes on to its end, and none follows it."""
        self._forget()
        self._attempt = None
        super().disconnect()

    def bend(self, bend: Bend) -> float:
        """Begin the moves of a bend, each sent as the stage stands at the end of the one before; see `BendingStage.bend`."""
        target = self.tables.position(bend, self._travel)
        reply = self._ask("get pos")
        self._trusted(reply)
        self._forget()
        self._waits = (target, bend.times)
        if not reply.busy:
            self._begin(self._millimetres(reply.data))
        return target

    def _begin(self, flat: float) -> None:
        """Send the first move of the bend that waits, from where the stage stands."""
        assert self._waits is not None
        (target, times), self._waits = self._waits, None
        self._moves = [target, flat] * (times - 1) + [target]
        self._next()

    def _next(self) -> None:
        """Send the next move."""
        self._target = self._moves.pop(0)
        self._ask(f"move abs {round(self._target / self.microstep)}")

    def _moved(self) -> Ended | None:
        reply = self._ask("get pos")
        self._trusted(reply)
        if reply.busy:
            return None
        self._homing = False
        position = self._millimetres(reply.data)
        if self._target is not None and abs(position - self._target) >= max(REACHED, self.microstep):
            where = f"wanted the stage at {self._target:g} mm, found it standing at {position:g} mm (flag {reply.flag})"
            self._forget()
            raise InstrumentError(f"{self.port}: {where}: somebody stopped or moved it", safe=True)
        if self._waits is not None:
            self._begin(position)
        elif self._moves:
            self._next()
        elif self._target is not None:
            self._target = None
            return Ended(0, 0.0, None, f"standing at {position:g} mm")
        return None

    def _forget(self) -> None:
        """Send no move that is still to come, and wait for the end of none."""
        self._moves.clear()
        self._waits = self._target = None

    def _trusted(self, reply: ZaberReply) -> None:
        """Believe a position, or not.

        Raises:
            InstrumentError: It has a fault, or no reference and is not homing.
        """
        if self._homing and reply.busy:
            return
        if reply.flag.startswith("F") or reply.flag in LOST:
            self._forget()
            raise InstrumentError(
                f"{self.port}: the stage says {reply.flag}: home it, its position is not known", safe=True
            )

    def _millimetres(self, data: str) -> float:
        return microsteps(data) * self.microstep

    def _ask(self, words: str, axis: int | None = None) -> ZaberReply:
        """Send a command and return its own reply, whatever comes before that.

        Raises:
            SettingRefused: The stage rejected it.
        """
        self._number = (self._number + 1) % NUMBERS
        place = (self.device, self.axis if axis is None else axis)
        self._send(f"/{place[0]} {place[1]} {self._number} {words}\n".encode("ascii"))
        for _ in range(MOST_LINES):
            reply = reply_of(self._receive())
            if reply is None or (reply.place, reply.number) != (place, self._number):
                continue
            if not reply.obeyed:
                raise SettingRefused(f"{self.port}: {words} was rejected: {reply.data}", safe=True)
            return reply
        raise WireError(f"{self.port}: wanted the reply to {words}, found {MOST_LINES} other lines")


def reply_of(line: str) -> ZaberReply | None:
    """Read a reply, None for what a stage says besides: alerts and information.

    Raises:
        WireError: It is none of them, or its checksum is wrong.
    """
    if line[:1] in {"!", "#"} or not line:
        return None
    if checked := CHECKSUM.fullmatch(line):
        line = checked["words"]
        if checksum(line[1:]) != int(checked["sum"], 16):
            raise WireError(f"wanted a reply with a checksum that is right, found {line[:60]!r}")
    if (found := REPLY.fullmatch(line)) is None:
        raise WireError(f"wanted a reply of a stage, found {line[:60]!r}")
    number = None if found["number"] is None else int(found["number"])
    place = (int(found["device"]), int(found["axis"]))
    return ZaberReply(place, number, found["verdict"] == "OK", found["state"] == "BUSY", found["flag"], found["data"])


def checksum(words: str) -> int:
    """Return the two's complement of the sum of bytes, as a byte."""
    return -sum(words.encode("ascii", "replace")) & 0xFF


def microsteps(data: str) -> int:
    """Read a position.

    Raises:
        WireError: It is none.
    """
    if re.fullmatch(r"-?[0-9]{1,12}", data) is None:
        raise WireError(f"wanted a position in microsteps, found {data[:40]!r}")
    return int(data)
