"""A stage of Zaber on its ASCII protocol: one axis that moves at its speed, homing, limits, warning flags.

Facts: Zaber's ASCII Protocol Manual, and its public client. Kept: a reply comes at once and says BUSY, the move goes on; a move
replaces the one before; only who is addressed answers, with the number of the question where it had one; after a power-up the flag
is WR until the stage was homed. Whether a stage without a reference would reject a move is not known here: this one moves.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from labctl_simulators.wire.program import Kind, parser, run

KIND = Kind("zaber", serial=True, cell=False)
COMMAND = re.compile(r"/\s*(?:(\d+)(?:\s+(\d+)(?:\s+(\d+))?)?)?\s*(.*)")
SPEED_UNIT = 1.6384  # of a speed on the wire, for one microstep a second
VERSION = "7.36"
FLAG_ORDER = ("FS", "WR", "NC", "NI")  # the first that holds is told
WHOLE_DEVICE = ("get system.", "get version", "get deviceid")
INTEGER = re.compile(r"-?\d+")


@dataclass(slots=True)
class ZaberStage:
    """One device with one axis.

    Attributes:
        address: In its chain.
        serial: Its number.
        position: Where it is, microsteps; before homing nobody knows from where they are counted.
        settings: What it keeps.
        flags: Warnings that hold.
        moves: That were carried out to their end.
    """

    address: int = 1
    serial: str = "12345"
    position: float = 0.0
    settings: dict[str, int] = field(
        default_factory=lambda: {"maxspeed": 153600, "limit.min": 0, "limit.max": 201574, "resolution": 64}
    )
    flags: set[str] = field(default_factory=lambda: {"WR"})
    now: float = 0.0
    moves: int = 0
    _target: float | None = None
    _speed: float = 0.0  # microsteps a second, signed
    _homes: bool = False
    _line: bytes = b""

    def greeting(self) -> bytes:
        """Say nothing when the port is opened; the stage knows nothing of it."""
        self._line = b""
        return b""

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Take bytes at a time and return the replies."""
        self.advance(now)
        *lines, self._line = (self._line + data).replace(b"\r", b"\n").split(b"\n")
        return [reply for line in lines if line.strip() and (reply := self.execute(line.decode("ascii", "replace")))]

    def advance(self, now: float) -> None:
        """Let the axis move until `now`."""
        passed, self.now = now - self.now, max(self.now, now)
        if not self._speed:
            return
        end = self.position + self._speed * max(passed, 0.0)
        goal = self._target
        if goal is None:  # at a speed, until a limit
            goal = self.settings["limit.max" if self._speed > 0 else "limit.min"]
        if (end - goal) * math.copysign(1.0, self._speed) < 0:
            self.position = end
            return
        self.arrive(float(goal))

    def arrive(self, goal: float) -> None:
        """Stand where it was sent; at home it knows where that is."""
        self.position, self._speed, self._target = goal, 0.0, None
        self.moves += 1
        if self._homes:
            self._homes = False
            self.flags.discard("WR")

    def execute(self, line: str) -> bytes:
        """Act on a line; nothing is said to one that is for another device."""
        found = COMMAND.fullmatch(line.strip())
        if found is None:
            return b""
        device, axis, number, words = found[1], int(found[2] or 0), found[3], found[4].strip()
        if int(device or 0) not in {0, self.address}:
            return b""
        if axis > 1:
            return self.reply(axis, number, "RJ", "BADAXIS")
        if axis and words.startswith(WHOLE_DEVICE):
            return self.reply(axis, number, "RJ", "DEVICEONLY")
        try:
            return self.reply(axis, number, "OK", self.command(words))
        except ValueError as error:
            return self.reply(axis, number, "RJ", str(error))

    def reply(self, axis: int, number: str | None, verdict: str, data: str) -> bytes:
        """Return a reply with what holds now."""
        state = "BUSY" if self._speed else "IDLE"
        flag = next((each for each in FLAG_ORDER if each in self.flags), "--")
        asked = f"{int(number):02d} " if number is not None else ""
        return f"@{self.address:02d} {axis} {asked}{verdict} {state} {flag} {data}\r\n".encode()

    def command(self, words: str) -> str:
        """Obey and return the data of the reply.

        Raises:
            ValueError: It is rejected, with the reason.
        """
        match words.split():
            case []:
                return "0"
            case ["warnings"]:
                return " ".join((f"{len(self.flags):02d}", *sorted(self.flags)))
            case ["get", name]:
                return self.setting(name)
            case ["set", name, value] if name in self.settings:
                self.settings[name] = self.integer(value)
            case parts:
                self.motion(parts)
        return "0"

    def motion(self, parts: list[str]) -> None:
        """Move, stop, or forget.

        Raises:
            ValueError: It is rejected, with the reason.
        """
        match parts:
            case ["home"]:
                self._homes = True
                self.go(0.0)
            case ["move", ("abs" | "rel") as kind, value]:
                self.go(self.within(self.integer(value) + (round(self.position) if kind == "rel" else 0)))
            case ["move", "vel", value]:
                self.interrupt()
                self._speed = self.integer(value) / SPEED_UNIT
            case ["stop" | "estop"]:
                self.interrupt()
            case ["warnings", "clear"]:
                self.flags &= {"WR"}
            case ["system", "reset"]:
                self.restart()
            case _:
                raise ValueError("BADCOMMAND")

    def setting(self, name: str) -> str:
        """Return what is asked for; BADCOMMAND where there is no such setting."""
        own = {"pos": str(round(self.position)), "version": VERSION, "system.serial": self.serial, "deviceid": "50081"}
        if name in own:
            return own[name]
        if name in self.settings:
            return str(self.settings[name])
        raise ValueError("BADCOMMAND")

    @staticmethod
    def integer(text: str) -> int:
        """Read a number of a command."""
        if INTEGER.fullmatch(text) is None:
            raise ValueError("BADDATA")
        return int(text)

    def within(self, target: int) -> float:
        """Return a target inside the limits."""
        if not self.settings["limit.min"] <= target <= self.settings["limit.max"]:
            raise ValueError("BADDATA")
        return float(target)

    def go(self, target: float) -> None:
        """Move there instead of wherever it went; who is there already stays."""
        if self._speed and not self._homes:
            self.flags.add("NI")
        self._target = target
        way = target - self.position
        self._speed = math.copysign(self.settings["maxspeed"] / SPEED_UNIT, way)
        if not way:
            self.arrive(target)

    def interrupt(self) -> None:
        """Stop where it is."""
        if self._speed:
            self.flags.add("NI")
        self._speed, self._target, self._homes = 0.0, None, False

    def turn(self, position: float) -> None:
        """Be moved by a hand on the knob."""
        self.interrupt()
        self.position = position
        self.flags.add("NC")

    def stall(self) -> None:
        """Meet something that does not give way."""
        self.interrupt()
        self.flags.add("FS")

    def restart(self) -> None:
        """Lose the reference, as after a dip of the supply."""
        self.interrupt()
        self.flags = {"WR"}


def main(argv: Sequence[str]) -> int:
    """Serve until a signal ends the process."""
    return run(KIND, parser(KIND), argv, lambda _: ZaberStage())
