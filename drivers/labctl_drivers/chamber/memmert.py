"""Memmert ovens and incubators by AtmoWEB: `GET /atmoweb?TempSet=40`, answered by JSON, or by what is nearly JSON.

Facts: public clients that cite the maker's REST document. Remote writing must be allowed at the oven (`RC` has `w`), and the oven
be in manual mode. Never run on hardware by us.
"""

import http.client
import json
import re

from labctl.driver import Identity
from labctl.driver.option_range import Port, Positive
from labctl.errors import SettingRefused, Unreachable, WireError
from labctl_drivers.chamber.climate import ClimateChamber

LARGEST = 65536  # bytes of an answer


class Memmert(ClimateChamber):
    """One oven.

    Args:
        host: Its address.
        port: Of its web server.
        timeout: Seconds to wait for a reply.
    """

    def __init__(self, host: str, *, port: Port = 80, timeout: Positive = 5.0) -> None:
        super().__init__(host, timeout)
        self.host, self.port = host, int(port)
        self._opened = False

    def connect(self) -> Identity:
        """Ask who it is."""
        self._opened = True
        facts = self._ask("SN=&SWRev=&DevType=")
        return Identity(
            "Memmert", str(facts.get("DevType", "?")), str(facts.get("SN", "")), str(facts.get("SWRev", ""))
        )

    def disconnect(self) -> None:
        """Forget it; every question is a connection of its own."""
        self._opened = False

    def measured(self) -> float:
        """Return the temperature of the air, degC."""
        return number(self._ask("Temp1Read="), "Temp1Read", self.host)

    def set(self, celsius: float) -> float:
        """Set the temperature within the oven's range.

        Raises:
            SettingRefused: It lies beyond it, remote writing is not allowed, or a program or timer runs at the oven.
        """
        facts = self._ask("RC=&CurOp=&TempSet_Range=")
        if "w" not in str(facts.get("RC", "")):
            raise SettingRefused(
                f"{self.host}: wanted remote writing allowed at the oven, found RC {facts.get('RC')!r}", safe=True
            )
        if facts.get("CurOp") not in {"Manual", "Idle"}:
            raise SettingRefused(f"{self.host}: wanted the oven in manual mode, found {facts.get('CurOp')}", safe=True)
        limits = facts.get("TempSet_Range")
        if isinstance(limits, dict):
            low, high = (number(limits, key, self.host) for key in ("min", "max"))
            if not low <= celsius <= high:
                raise SettingRefused(
                    f"{self.host}: wanted {celsius:.1f} degC, the oven goes from {low:g} to {high:g} degC", safe=True
                )
        self._ask(f"TempSet={celsius:.1f}")
        return number(self._ask("TempSet="), "TempSet", self.host)

    def _ask(self, query: str) -> dict[str, object]:
        if not self._opened:
            raise Unreachable(f"{self.host}: not open")
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        try:
            connection.request("GET", f"/atmoweb?{query}")
            answer = connection.getresponse()
            text = answer.read(LARGEST).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self.host}: wanted an answer of the oven, found {error!r}") from error
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise WireError(f"{self.host}: wanted an answer to {query}, found HTTP {answer.status}")
        return read_answer(text, self.host)


def read_answer(text: str, host: str) -> dict[str, object]:
    """Read an answer; some firmware leaves the braces out and a comma behind the last value.

    Raises:
        WireError: It is nothing like JSON.
    """
    inner = text.strip()
    whole = inner if inner.startswith("{") else f"{{{inner}}}"
    try:
        facts = json.loads(re.sub(r",\s*}", "}", whole))
    except ValueError as error:
        raise WireError(f"{host}: wanted JSON of the oven, found {text[:60]!r}") from error
    if not isinstance(facts, dict):
        raise WireError(f"{host}: wanted names and values of the oven, found {text[:60]!r}")
    return facts


def number(facts: "dict[str, object]", name: str, host: str) -> float:
    """Return a value as a number.

    Raises:
        WireError: It is none: `N/A` is what is not fitted.
    """
    try:
        return float(str(facts.get(name)))
    except ValueError as error:
        raise WireError(f"{host}: wanted a number for {name}, found {facts.get(name)!r}") from error
