"""A Memmert oven's AtmoWEB: HTTP GET with names and values, answered by JSON, or without braces as some firmware does.

Facts: public clients that cite the maker's REST document.
"""

import json
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit

from labctl_simulators.wire.climate import Air
from labctl_simulators.wire.program import Kind, parser, run

KIND = Kind("memmert", port=8080, cell=False)
LARGEST = 8192  # bytes of a request


class EmulatedMemmert:
    """One oven; `bare` answers without braces and with a comma at the end."""

    def __init__(self, *, bare: bool = False) -> None:
        """Be in manual mode at room temperature, with remote writing allowed."""
        self.air, self.bare = Air(wanted=23.0), bare
        self.rights, self.operation = "rwa", "Manual"
        self._pending = b""

    def greeting(self) -> bytes:
        """Say nothing."""
        self._pending = b""
        return b""

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Answer every whole request."""
        *requests, self._pending = (self._pending + data).split(b"\r\n\r\n")
        if len(self._pending) > LARGEST:
            self._pending = b""
        return [self._respond(request, now) for request in requests]

    def _respond(self, request: bytes, now: float) -> bytes:
        words = request.split(b"\r\n")[0].decode("ascii", "replace").split()
        if len(words) != 3 or not words[1].startswith("/atmoweb?"):
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        facts = {
            name: self._value(name, value, now)
            for name, value in parse_qsl(urlsplit(words[1]).query, keep_blank_values=True)
        }
        text = json.dumps(facts)
        body = (text[1:-1] + "," if self.bare else text).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        return head.encode() + body

    def _value(self, name: str, value: str, now: float) -> object:
        air = self.air.advance(now)
        if name == "TempSet":
            if value and "w" in self.rights:
                self.air.go(min(max(float(value), 20.0), 300.0), now)
            return self.air.wanted
        known = {
            "Temp1Read": round(air, 1), "Temp2Read": "N/A", "HumRead": "N/A", "RC": self.rights, "CurOp": self.operation,
            "TempSet_Range": {"min": 20.0, "max": 300.0}, "SN": "B123.4567", "SWRev": "V3.30", "DevType": "UF55plus",
        }  # fmt: skip
        return known.get(name, "N/A")


def main(argv: Sequence[str]) -> int:
    """Serve until a signal ends the process."""
    words = parser(KIND)
    words.add_argument("--bare", action="store_true", help="answer without braces, as some firmware does")
    return run(KIND, words, argv, lambda given: EmulatedMemmert(bare=given.bare))
