"""A bending stage with GRBL 1.1h: one axis that moves at its feed rate, homing, soft limits, alarms.

Facts: gnea/grbl documentation, pages `Grbl v1.1 Interface` and `Grbl v1.1 Commands`. `ok` means planned, not moved; real-time
bytes (`?`, `!`, `~`, 0x18) are taken anywhere and not answered by `ok`; after an alarm only `$X` and `$H` work.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from labctl_simulators.wire.program import Kind, parser, run

KIND = Kind("grbl", serial=True, cell=False)
GREETING = b"\r\nGrbl 1.1h ['$' for help]\r\n"
WORD = re.compile(r"([A-Z])\s*([-+]?\d*\.?\d+)")
LINE_LENGTH = 80
SETTINGS = {
    10: 1.0,
    20: 1.0,
    21: 0.0,
    22: 1.0,
    23: 0.0,
    24: 25.0,
    25: 500.0,
    27: 1.0,
    110: 3000.0,
    120: 200.0,
    130: 100.0,
}


@dataclass(slots=True)
class Move:
    """A planned straight move: from and to in mm, from when in s and for how long; the machine position after it."""

    start: float
    end: float
    begin: float
    duration: float

    def at(self, now: float) -> float:
        """Return the position at a time."""
        part = min(1.0, max(0.0, (now - self.begin) / self.duration)) if self.duration > 0 else 1.0
        return self.start + part * (self.end - self.start)


@dataclass(slots=True)
class Stage:
    """The machine: what GRBL knows and where its axis truly is.

    Attributes:
        position: mm, machine coordinates; homing sets 0 at the switch and pulls off by `$27`.
        bends: Moves that were carried out to their end, the stage's own count.
    """

    settings: dict[int, float] = field(default_factory=lambda: dict(SETTINGS))
    position: float = 0.0
    alarm: bool = True
    homed: bool = False
    absolute: bool = True
    feed: float = 0.0
    rapid: bool = False
    held: bool = False
    now: float = 0.0
    bends: int = 0
    moves: list[Move] = field(default_factory=list)
    _line: bytes = b""
    _planned: float = 0.0

    def greeting(self) -> bytes:
        """Say what an Arduino says when opening the port has reset it; the position is lost with homing enabled."""
        self.restart()
        return GREETING + (b"[MSG:'$H'|'$X' to unlock]\r\n" if self.alarm else b"")

    def restart(self) -> None:
        """Lose all plans, and the reference where homing is asked for."""
        self.moves.clear()
        self.alarm = bool(self.settings[22])
        self.homed, self.held, self.absolute, self._line = False, False, True, b""

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Take bytes at a time and return the replies, one for each line and each status request."""
        self.advance(now)
        replies = []
        for byte in data:
            letter = bytes((byte,))
            if letter in {b"?", b"!", b"~", b"\x18", b"\x85"}:
                replies += self.real_time(letter)
            elif letter in {b"\n", b"\r"}:
                if self._line.strip():
                    replies.append(self.execute(self._line.decode("ascii", "replace").strip().upper()))
                self._line = b""
            else:
                self._line += letter
        return replies

    def advance(self, now: float) -> None:
        """Let the axis move until `now`."""
        if self.held:  # a hold shifts everything that is still to come
            for move in self.moves:
                move.begin += now - self.now
        self.now = now
        while self.moves and now >= self.moves[0].begin + self.moves[0].duration:
            self.position = self.moves.pop(0).end
            self.bends += 1
        if self.moves:
            self.position = self.moves[0].at(now)

    def real_time(self, letter: bytes) -> list[bytes]:
        """Act on a real-time byte."""
        if letter == b"?":
            return [self.report()]
        if letter == b"!":
            self.held = bool(self.moves)
        elif letter == b"~":
            self.held = False
        elif letter == b"\x18":
            moving = bool(self.moves)
            self.restart()
            lost = b"ALARM:3\r\n" if moving else b""  # aborted in motion: the position is lost
            return [lost + GREETING + (b"[MSG:'$H'|'$X' to unlock]\r\n" if self.alarm else b"")]
        return []

    def report(self) -> bytes:
        """Return a status report."""
        state = "Alarm" if self.alarm else "Hold:0" if self.held else "Run" if self.moves else "Idle"
        return f"<{state}|MPos:{self.position:.3f},0.000,0.000|FS:{self.feed if self.moves else 0:.0f},0>\r\n".encode()

    def execute(self, line: str) -> bytes:
        """Act on a line."""
        if len(line) > LINE_LENGTH:
            return b"error:14\r\n"
        if line.startswith("$"):
            return self.system(line)
        if self.alarm:
            return b"error:9\r\n"
        return self.code(line)

    def system(self, line: str) -> bytes:
        """Act on a `$` command."""
        if line == "$X":
            self.alarm = False
            return b"[MSG:Caution: Unlocked]\r\nok\r\n"
        if line == "$H":
            return self.home()
        if line == "$I":
            return b"[VER:1.1h.20190830:]\r\n[OPT:V,15,128]\r\nok\r\n"
        if line == "$$":
            return "".join(f"${number}={value:g}\r\n" for number, value in self.settings.items()).encode() + b"ok\r\n"
        if (match := re.fullmatch(r"\$(\d+)=([-+]?\d*\.?\d+)", line)) and int(match[1]) in self.settings:
            self.settings[int(match[1])] = float(match[2])
            return b"ok\r\n"
        return b"error:3\r\n"

    def home(self) -> bytes:
        """Seek the switch; the emulator answers when it is there, as GRBL does."""
        if not self.settings[22]:
            return b"error:5\r\n"
        self.moves.clear()
        self.alarm, self.homed, self.held = False, True, False
        self.position = -self.settings[27]
        return b"ok\r\n"

    def code(self, line: str) -> bytes:
        """Act on a block of G-code."""
        words = WORD.findall(line)
        if "".join(letter + number for letter, number in words) != re.sub(r"\s", "", line):
            return b"error:1\r\n"
        target = None
        for letter, text in words:
            value = float(text)
            if letter == "G" and value in {0, 1}:
                self.rapid = value == 0
            elif letter == "G" and value in {90, 91}:
                self.absolute = value == 90
            elif letter == "F":
                self.feed = value
            elif letter in "XA":
                target = value
            elif not ((letter == "G" and value in {4, 21, 53, 54, 94}) or letter in "PMS"):
                return b"error:20\r\n"
        return self.plan(target) if target is not None else b"ok\r\n"

    def plan(self, target: float) -> bytes:
        """Plan a move of the axis."""
        start = self.moves[-1].end if self.moves else self.position
        end = target if self.absolute else start + target
        if self.settings[20] and self.homed and not -self.settings[130] <= end <= 0:
            self.alarm = True
            self.moves.clear()
            return b"ALARM:2\r\n"  # soft limit: no ok follows
        if not self.rapid and self.feed <= 0:
            return b"error:22\r\n"
        speed = (self.settings[110] if self.rapid else min(self.feed, self.settings[110])) / 60
        begin = max(self.now, self.moves[-1].begin + self.moves[-1].duration) if self.moves else self.now
        self.moves.append(Move(start, end, begin, abs(end - start) / speed))
        return b"ok\r\n"


def main(argv: Sequence[str]) -> int:
    """Serve until a signal ends the process."""
    return run(KIND, parser(KIND), argv, lambda _: Stage())
