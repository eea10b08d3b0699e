"""A bending stage on GRBL 1.1 through pyserial: homing, soft limits, and moves that are done when the stage stands still.

Facts: gnea/grbl documentation. `ok` means planned, not moved, so the end of a move is the state `Idle` at the target; opening the
port may reset the controller, so the greeting is waited for; after an alarm only homing helps. Never run on hardware by us.
"""

import math
import re
from collections.abc import Mapping, Sequence

from labctl.driver import (
    Bend,
    Ended,
    Identity,
    Reading,
    Readings,
    Status,
)
from labctl.driver.option_range import Count, Positive
from labctl.errors import InstrumentError, SettingRefused, WireError
from labctl_drivers.bending import REACHED, BendingStage, BendTables
from labctl_drivers.serial_line import open_line

REPORT = re.compile(r"<(?P<state>[A-Za-z]+)(?::\d)?\|(?:MPos|WPos):(?P<position>[-+0-9.]+)")
MOST_LINES = 1000  # before an `ok`


class Grbl(BendingStage):
    """One axis that bends a cell.

    Args:
        port: Serial port: `/dev/ttyACM0`, or what else pyserial's `serial_for_url` takes.
        angle: Position in mm for each of some angles in degrees: `{0: 0, 90: 12.5}`; between them it is interpolated.
        radius: Position in mm for each of some bending radii in millimetres: `{50: 0, 10: 12.5}`.
        axis: Letter of the axis.
        feed: mm/min.
        baud: Of the line.
        timeout: Seconds to wait for a reply; homing may take ten times as long.
    """

    def __init__(
        self,
        port: str,
        angle: Mapping[str, float] | None = None,
        radius: Mapping[str, float] | None = None,
        *,
        axis: str = "X",
        feed: Positive = 600.0,
        baud: Count = 115200,
        timeout: Positive = 2.0,
    ) -> None:
        super().__init__(port, BendTables(angle, radius), baud, timeout)
        self.axis = axis
        self.feed = feed

    async def status(self, channel: str) -> Status:
        """Return whether it moves."""
        del channel
        state, _ = await self._in_thread(self._report)
        if state in {"Run", "Home", "Jog", "Hold"}:
            return Status("running" if self._attempt is not None else "unknown", self._attempt, text=state)
        return Status("idle", text=state)

    async def read(self, channels: Sequence[str]) -> Readings:
        """Return the end of the move once the stage stands still at its target."""
        state, position = await self._in_thread(self._report)
        if state == "Alarm":
            raise InstrumentError(f"{self.port}: the stage is in alarm: home it, its position is not known", safe=True)
        readings: list[Reading] = []
        if self._target is not None and state == "Idle" and abs(position - self._target) < REACHED:
            self._target = None
            readings.append(Ended(0, 0.0, None, f"standing at {position:g} mm"))
        return Readings(by_channel=dict.fromkeys(channels, readings))

    async def output_off(self, channel: str) -> None:
        """Hold the stage where it is; safe to repeat."""
        del channel
        await self._in_thread(lambda: self._send(b"!"))
        self._attempt = self._target = None

    async def home(self) -> None:
        """Seek the reference; needed once after every start of the controller."""
        await self._in_thread(self._home)

    # --- in the line's own thread ----------------------------------------------------------------------------------

    def connect(self) -> Identity:
        """Connect, wait for the greeting, read the soft limits; one that is in alarm seeks its reference."""
        self.disconnect()
        self._line = open_line(self.port, self.baud, self.timeout, "a GRBL stage")
        self._send(b"\r\n")
        version = next((line for line in self._command("$I") if line.startswith("[VER:")), None)
        if version is None:
            raise WireError(f"{self.port}: wanted [VER:1.1...] from a GRBL stage, found none")
        settings = dict(pair for line in self._command("$$") if (pair := setting(line)) is not None)
        if not settings.get(20) or not settings.get(22):
            raise SettingRefused(
                f"{self.port}: wanted soft limits ($20=1) and homing ($22=1) switched on, found them off", safe=True
            )
        self._travel = (-settings.get(130, math.inf), 0.0)
        if self._report()[0] == "Alarm":
            self._home()
        return Identity("GRBL", "stage", firmware=version.strip("[]").removeprefix("VER:"))

    def _home(self) -> None:
        self._line.timeout = 10 * self.timeout
        self._command("$H")
        self._line.timeout = self.timeout

    def bend(self, bend: Bend) -> float:
        """Plan the moves of a bend; see `BendingStage.bend`."""
        target = self.tables.position(bend, self._travel)
        _, flat = self._report()
        self._send(b"~")
        for _ in range(bend.times - 1):
            self._command(f"G90 G1 {self.axis}{target:.3f} F{self.feed:g}")
            self._command(f"G90 G1 {self.axis}{flat:.3f} F{self.feed:g}")
        self._command(f"G90 G1 {self.axis}{target:.3f} F{self.feed:g}")
        self._target = target
        return target

    def _report(self) -> tuple[str, float]:
        self._send(b"?")
        for _ in range(20):
            if report := REPORT.search(self._receive()):
                return report["state"], position(report["position"])
        raise WireError(f"{self.port}: wanted a status report, found none")

    def _command(self, text: str) -> list[str]:
        """Send a line and return what came before its `ok`.

        Raises:
            SettingRefused: The stage answered `error:` or an alarm.
        """
        self._send(text.encode() + b"\n")
        lines: list[str] = []
        while len(lines) < MOST_LINES:
            if (line := self._receive()) == "ok":
                return lines
            if line.startswith(("error:", "ALARM:")):
                raise SettingRefused(f"{self.port}: {text} was answered by {line}", safe=True)
            lines.append(line)
        raise WireError(f"{self.port}: wanted ok after {text}, found {MOST_LINES} other lines")


def setting(line: str) -> tuple[int, float] | None:
    """Read `$20=1`, or None."""
    match = re.match(r"\$([0-9]{1,4})=([-+0-9.]+)", line)
    return (int(match[1]), position(match[2])) if match else None


def position(text: str) -> float:
    """Read a number of a report.

    Raises:
        WireError: It is none.
    """
    try:
        return float(text)
    except ValueError as error:
        raise WireError(f"wanted a number of a stage, found {text[:40]!r}") from error
