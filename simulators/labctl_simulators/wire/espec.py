"""An ESPEC chamber (P-300, SCP-220) on TCP: lines that end with CR LF, writes answered by `OK:` or `NA:`.

Facts: ChamberConnectLibrary (MIT).
"""

import re
from collections.abc import Sequence

from labctl_simulators.wire.climate import Air
from labctl_simulators.wire.program import Kind, parser, run

KIND = Kind("espec", port=10001, cell=False)
LONGEST = 1024  # bytes of a line


class EmulatedEspec:
    """One chamber."""

    def __init__(self, low: float = -40.0, high: float = 150.0) -> None:
        """Stand by at room temperature; the alarm limits are in degC."""
        self.air, self.low, self.high = Air(), low, high
        self.set_point, self.mode = 23.0, "STANDBY"
        self._pending = b""

    def greeting(self) -> bytes:
        """Say nothing."""
        self._pending = b""
        return b""

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Answer every whole line."""
        *lines, self._pending = (self._pending + data).split(b"\n")
        if len(self._pending) > LONGEST:
            self._pending = b""
        return [self._answer(line.decode("ascii", "replace").strip(), now).encode() + b"\r\n" for line in lines]

    def _answer(self, text: str, now: float) -> str:
        air = self.air.advance(now)
        answers = {
            "TYPE?": "T,T,SCP220,150.0",
            "ROM?": "SCP2.11",
            "MODE?": self.mode,
            "TEMP?": f"{air:.1f},{self.set_point:.1f},{self.high:.1f},{self.low:.1f}",
            "MON?": f"{air:.1f},,{self.mode},0",
            "ALARM?": "0",
        }
        if text in answers:
            return answers[text]
        if match := re.fullmatch(r"TEMP, S(-?\d+(?:\.\d)?)", text):
            if not self.low <= float(match[1]) <= self.high:
                return "NA:DATA OUT OF RANGE"
            self.set_point = float(match[1])
            self._control(now)
            return f"OK:{text}"
        if match := re.fullmatch(r"MODE,(CONSTANT|STANDBY|OFF)", text):
            self.mode = match[1]
            self._control(now)
            return f"OK:{text}"
        return "NA:CMD ERR"

    def _control(self, now: float) -> None:
        self.air.go(self.set_point if self.mode == "CONSTANT" else None, now)


def main(argv: Sequence[str]) -> int:
    """Serve until a signal ends the process."""
    return run(KIND, parser(KIND), argv, lambda _: EmulatedEspec())
