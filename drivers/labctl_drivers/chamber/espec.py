"""ESPEC chambers (P-300, SCP-220) by text: over TCP, port 10001, or a serial line.

Facts: ChamberConnectLibrary (MIT). Lines end with CR LF; a write is answered by `OK:` and its echo, or by `NA:` and the reason.
Never run on hardware by us.
"""

from typing import Any

from labctl.driver import Identity
from labctl.driver.option_range import Count, Number, Positive
from labctl.errors import SettingRefused, WireError
from labctl_drivers.chamber.climate import ClimateChamber
from labctl_drivers.serial_line import close_line, open_line, receive, send


class Espec(ClimateChamber):
    """One chamber.

    Args:
        port: `socket://10.0.0.7:10001`, a serial port, or what else pyserial's `serial_for_url` takes.
        baud: Of a serial line.
        address: On an RS-485 line, which puts it before every command; None on others.
        timeout: Seconds to wait for a reply.
    """

    def __init__(
        self, port: str, *, baud: Count = 9600, address: Number | None = None, timeout: Positive = 3.0
    ) -> None:
        super().__init__(port, timeout)
        self.port, self.baud, self.address = port, baud, address
        self._line: Any = None

    def connect(self) -> Identity:
        """Connect, and ask for its type and program."""
        self.disconnect()
        self._line = open_line(self.port, self.baud, self.timeout, "an ESPEC chamber", fresh=True)
        return Identity("ESPEC", self._ask("TYPE?"), firmware=self._ask("ROM?"))

    def disconnect(self) -> None:
        """Let go of the line."""
        if self._line is not None:
            close_line(self._line)
            self._line = None

    def measured(self) -> float:
        """Return the temperature of the air, degC."""
        return self._temperatures()[0]

    def set(self, celsius: float) -> float:
        """Set the temperature within the chamber's own limits, and let it control at constant conditions.

        Raises:
            SettingRefused: It lies beyond them, or the chamber says no.
        """
        _, _, high, low = self._temperatures()
        if not low <= celsius <= high:
            raise SettingRefused(
                f"{self.port}: wanted {celsius:.1f} degC, the chamber's limits are {low:g} to {high:g} degC", safe=True
            )
        self._write(f"TEMP, S{celsius:.1f}")
        self._write("MODE,CONSTANT")
        if (mode := self._ask("MODE?")) != "CONSTANT":
            raise SettingRefused(f"{self.port}: wanted it at constant conditions, found {mode}", safe=True)
        return self._temperatures()[1]

    def _temperatures(self) -> tuple[float, float, float, float]:
        """Return the air, the set-point and the limits, high and low, degC."""
        answer = self._ask("TEMP?")
        try:
            air, wanted, high, low = (float(word) for word in answer.split(","))
        except ValueError as error:
            raise WireError(f"{self.port}: wanted four temperatures, found {answer[:60]!r}") from error
        return air, wanted, high, low

    def _write(self, text: str) -> None:
        answer = self._ask(text)
        if not answer.startswith("OK:"):
            raise SettingRefused(f"{self.port}: {text} was answered by {answer[:60]}", safe=True)

    def _ask(self, text: str) -> str:
        prefix = "" if self.address is None else f"{self.address},"
        send(self._line, self.port, f"{prefix}{text}\r\n".encode("ascii"))
        answer = receive(self._line, self.port)
        if answer.startswith("NA:"):
            raise SettingRefused(f"{self.port}: {text} was answered by {answer}", safe=True)
        return answer
