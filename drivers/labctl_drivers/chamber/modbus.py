"""Chambers by Modbus, each by the map of its registers: Binder MK53 and MK56, or one that the station file gives.

Facts: the maps of basil (BSD-3). A serial line, `socket://` to a converter (RTU frames as they are), or Modbus TCP. Never run on
hardware by us.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from labctl.driver import Identity
from labctl.driver.option_range import Between, Count, NotNegative, Positive
from labctl.errors import OptionRefused, SettingRefused, Unreachable, WireError
from labctl_drivers.chamber import registers
from labctl_drivers.chamber.climate import ClimateChamber
from labctl_drivers.serial_line import close_line, open_line

Celsius: TypeAlias = Annotated[float, Between(-273.15, 1000.0)]


@dataclass(frozen=True, slots=True)
class RegisterMap:
    """Where a chamber keeps its temperatures, degC.

    Attributes:
        actual: Register of the air.
        wanted: Of the set-point, read back.
        set: Of the set-point that is written.
        mode: Register that chooses what leads the chamber, None where it has none.
        manual: What stands there for the set-point that is written.
        scale: Registers are whole numbers of so many kelvin; 0 is two registers with a number of 32 bits.
        low_first: The register with the lower bits comes first.
        function: 3 reads holding registers, 4 input registers.
    """

    actual: int
    wanted: int
    set: int
    mode: int | None = None
    manual: int = 0
    scale: float = 0.0
    low_first: bool = True
    function: int = 3

    @property
    def words(self) -> int:
        """Registers of one temperature."""
        return 1 if self.scale else 2

    def celsius(self, values: list[int]) -> float:
        """Return the temperature of registers."""
        if self.scale:
            return self.scale * (values[0] - (0x10000 if values[0] & 0x8000 else 0))
        low, high = values if self.low_first else reversed(values)
        return float(struct.unpack(">f", struct.pack(">HH", high, low))[0])

    def values(self, celsius: float) -> list[int]:
        """Return the registers of a temperature."""
        if self.scale:
            return [round(celsius / self.scale) & 0xFFFF]
        high, low = struct.unpack(">HH", struct.pack(">f", celsius))
        return [low, high] if self.low_first else [high, low]


MAPS: dict[str, RegisterMap] = {
    "binder-mk53": RegisterMap(actual=0x11A9, wanted=0x1077, set=0x1581, mode=0x1A22, manual=0x0800),
    "binder-mk56": RegisterMap(actual=0x1004, wanted=0x10B2, set=0x114C),
}
KEYS = ("actual", "wanted", "set", "mode", "manual", "function")


class Modbus(ClimateChamber):
    """One chamber.

    Args:
        port: A serial port, or `socket://10.0.0.7:8000` of a converter or a chamber on the network.
        map: `binder-mk53`, `binder-mk56`, or `own` with `registers`.
        registers: Of a chamber of your own: `{actual: 0, wanted: 2, set: 2}`, besides `mode`, `manual` and `function` (3 or 4).
        scale: Its registers are whole numbers of so many kelvin; 0 for numbers of 32 bits in two registers.
        low_first: Of two registers the one with the lower bits comes first.
        lowest: degC below which no set-point goes.
        highest: degC above which none goes.
        unit: Its number on the line.
        tcp: The frames are those of Modbus TCP, not RTU frames over a socket.
        baud: Of a serial line.
        timeout: Seconds to wait for a reply.
    """

    def __init__(  # noqa: PLR0913 - the keys of a station file's entry
        self,
        port: str,
        *,
        map: str,  # noqa: A002 - the word that its makers have for it
        registers: Mapping[str, int] | None = None,
        scale: NotNegative = 0.0,
        low_first: bool = True,
        lowest: Celsius = -40.0,
        highest: Celsius = 150.0,
        unit: Annotated[int, Between(1, 247)] = 1,
        tcp: bool = False,
        baud: Count = 9600,
        timeout: Positive = 3.0,
    ) -> None:
        super().__init__(port, timeout)
        self.port, self.baud, self.unit, self.tcp = port, int(baud), int(unit), tcp
        self.registers = _chosen(map, dict(registers or {}), float(scale), low_first=low_first)
        self.model, self.lowest, self.highest = map, float(lowest), float(highest)
        self._line: Any = None
        self._number = 0

    def connect(self) -> Identity:
        """Connect, and read the air's temperature: Modbus tells no name."""
        self.disconnect()
        self._line = open_line(self.port, self.baud, self.timeout, "a chamber", fresh=True)
        self.measured()
        return Identity(self.model.partition("-")[0].capitalize(), self.model)

    def disconnect(self) -> None:
        """Let go of the line."""
        if self._line is not None:
            close_line(self._line)
            self._line = None

    def measured(self) -> float:
        """Return the temperature of the air, degC."""
        return self._temperature(self.registers.actual)

    def set(self, celsius: float) -> float:
        """Write the set-point, let it lead the chamber, and return what is read back, degC.

        Raises:
            SettingRefused: It lies beyond the limits of the station file, or something else leads the chamber.
        """
        if not self.lowest <= celsius <= self.highest:
            raise SettingRefused(
                f"{self.port}: wanted {celsius:.1f} degC, the limits are {self.lowest:g} to {self.highest:g} degC",
                safe=True,
            )
        known = self.registers
        self._write(known.set, known.values(celsius))
        if known.mode is not None:
            self._write(known.mode, [known.manual])
            (mode,) = self._read(known.mode, 1)
            if mode != known.manual:
                raise SettingRefused(f"{self.port}: wanted mode {known.manual:#x}, found {mode:#x}", safe=True)
        return self._temperature(known.wanted)

    def _temperature(self, first: int) -> float:
        celsius = self.registers.celsius(self._read(first, self.registers.words))
        if not math.isfinite(celsius) or abs(celsius) > 1e3:
            raise WireError(f"{self.port}: wanted a temperature in register {first:#x}, found {celsius}")
        return celsius

    def _read(self, first: int, count: int) -> list[int]:
        function = self.registers.function
        return registers.values_of(self._ask(registers.reading(function, first, count)), function, count)

    def _write(self, first: int, values: list[int]) -> None:
        registers.confirm_written(self._ask(registers.writing(first, values)), first, len(values))

    def _ask(self, request: bytes) -> bytes:
        """Send a request and return its reply; a line that is out of step is closed."""
        if self._line is None:
            raise Unreachable(f"{self.port}: not open")
        self._number = (self._number + 1) & 0xFFFF
        try:
            if self.tcp:
                self._line.write(registers.tcp(self._number, self.unit, request))
                return self._take(registers.rest_of_tcp(self._take(7), self._number, self.unit))
            self._line.write(registers.rtu(self.unit, request))
            head = self._take(3)
            return registers.from_rtu(head + self._take(registers.rest_of_rtu(head)), self.unit)
        except WireError:
            self.disconnect()
            raise
        except OSError as error:
            self.disconnect()
            raise Unreachable(f"{self.port}: {error}") from error

    def _take(self, count: int) -> bytes:
        raw = bytes(self._line.read(count))
        if len(raw) != count:
            self.disconnect()
            raise Unreachable(f"{self.port}: wanted {count} bytes of a reply, found {len(raw)}")
        return raw


def _chosen(name: str, own: dict[str, int], scale: float, *, low_first: bool) -> RegisterMap:
    """Return the map of a name, or one of a station file.

    Raises:
        OptionRefused: There is none of that name, or a register lacks or is none.
    """
    if name != "own":
        if name not in MAPS:
            raise OptionRefused(
                ("map",), f"wanted a map that is known, found {name!r}", f"one of {', '.join(MAPS)}, own"
            )
        if own:
            raise OptionRefused(
                ("registers",), f"wanted registers with map: own, found them with {name}", "leave them out"
            )
        return MAPS[name]
    for key, value in own.items():
        if key not in KEYS:
            raise OptionRefused(("registers", key), f"wanted one of {', '.join(KEYS)}, found {key!r}")
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 0xFFFF:
            raise OptionRefused(("registers", key), f"wanted a number from 0 to 65535 for {key}, found {value!r}")
    if lacking := [key for key in ("actual", "wanted", "set") if key not in own]:
        raise OptionRefused(
            ("registers",), f"wanted the registers {', '.join(lacking)}, found none", "{actual: 0, wanted: 2, set: 2}"
        )
    return RegisterMap(**own, scale=scale, low_first=low_first)
