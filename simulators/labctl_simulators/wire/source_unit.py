"""One output of an emulated source meter, whatever language it is told in: function, levels, limits, ranges, off state.

Traps that are kept: an off state other than high impedance puts 0 V across the cell; a level beyond its range is refused; changing
what is sourced switches the output off.
"""

from typing import ClassVar, Self

from labctl_simulators.cell import AtOpenCircuit, Current, Voltage
from labctl_simulators.wire.terminal import Terminal

OVER_RANGE = 1.05
RANGES = {
    "CURR": (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 3.0, 7.0, 10.0),
    "VOLT": (0.2, 2.0, 20.0, 200.0, 1000.0),
}


class SourceUnit:
    """The state that all families share."""

    highest_voltage: ClassVar[float] = 210.0
    highest_current: ClassVar[float] = 1.05
    too_much: ClassVar[tuple[int, str]] = (-222, "Parameter data out of range")

    def __init__(self, terminal: Terminal) -> None:
        """Power up: output off, sourcing volts, everything at zero."""
        self.terminal = terminal
        self.now = 0.0
        self.level: dict[str, float] = {}
        self.limit: dict[str, float] = {}
        self.ranges: dict[str, float] = {}
        self.reset()

    def reset(self) -> None:
        """Return to the defaults of *RST."""
        self.function = "VOLT"
        self.level.update(VOLT=0.0, CURR=0.0)
        self.limit.update(VOLT=1.05e-4, CURR=21.0)  # sourcing volts: amperes; sourcing amperes: volts
        self.ranges.update(VOLT=20.0, CURR=1e-4)
        self.automatic = {"VOLT": True, "CURR": True}
        self.output = False
        self.off_state = "NORM"
        self.four_wire = False
        self.impose()

    def error(self, number: int, text: str) -> None:
        """Queue an error, in the queue of the meter."""
        raise NotImplementedError

    def impose(self) -> None:
        """Put what the settings say across the cell."""
        if not self.output:
            zero = self.off_state in {"NORM", "ZERO"}
            self.terminal.drive(Voltage(0.0, self.highest_current) if zero else AtOpenCircuit(), self.now)
        elif self.function == "CURR":
            most = abs(self.limit["CURR"])
            self.terminal.drive(Current(self.level["CURR"]), self.now, (-most, most))
        else:
            self.terminal.drive(Voltage(self.level["VOLT"], abs(self.limit["VOLT"])), self.now)

    def switch(self, on: bool) -> None:
        """Switch the output."""
        if on != self.output:
            self.output = on
            self.impose()

    def set_level(self, function: str, value: str | float) -> None:
        """Set a source level; beyond the range it is error -221, beyond the instrument `too_much`, and nothing changes."""
        value = float(value)
        highest = self.highest_current if function == "CURR" else self.highest_voltage
        if abs(value) > highest:
            self.error(*self.too_much)
            return
        if self.automatic[function]:
            self.fit_range(function, abs(value))
        elif abs(value) > OVER_RANGE * self.ranges[function]:
            self.error(-221, "Settings conflict")
            return
        self.level[function] = value
        if self.output and self.function == function:
            self.impose()

    def set_limit(self, sourcing: str, value: str | float) -> None:
        """Set the limit that holds while sourcing volts (in A) or amperes (in V)."""
        value = abs(float(value))
        highest = self.highest_voltage if sourcing == "CURR" else self.highest_current
        if value > highest:
            self.error(*self.too_much)
            return
        self.limit[sourcing] = value
        if self.output and self.function == sourcing:
            self.impose()

    def set_range(self, function: str, value: str | float) -> None:
        """Set a source range, which ends choosing it by the level."""
        value = abs(float(value))
        if value > (self.highest_current if function == "CURR" else self.highest_voltage):
            self.error(*self.too_much)
            return
        self.automatic[function] = False
        self.fit_range(function, value)

    def fit_range(self, function: str, wanted: float) -> None:
        """Choose the smallest range that holds a level."""
        fitting = [full for full in RANGES[function] if wanted <= OVER_RANGE * full]
        self.ranges[function] = fitting[0] if fitting else RANGES[function][-1]

    def set_function(self, text: str) -> None:
        """Change between sourcing volts and amperes; the output goes off when it changes."""
        wanted = text.strip().strip("\"'").upper()[:4]
        if wanted not in {"VOLT", "CURR"}:
            raise ValueError(text)
        if wanted != self.function:
            self.function = wanted
            self.switch(on=False)

    def set_off_state(self, text: str) -> None:
        """Choose what the output is when it is off."""
        wanted = text.strip().upper()
        short = {"HIMPEDANCE": "HIMP", "NORMAL": "NORM", "ZERO": "ZERO", "GUARD": "GUAR"}.get(wanted, wanted)
        if short not in {"HIMP", "NORM", "ZERO", "GUAR"}:
            raise ValueError(text)
        self.off_state = short
        if not self.output:
            self.impose()

    def at_high_impedance(self) -> Self:
        """Be off at high impedance, as a driver leaves it, and return itself: a cell may be connected, and keeps its charge."""
        self.set_off_state("HIMP")
        return self

    def measured(self) -> tuple[float, float, bool]:
        """Return voltage, current, and whether the limit is holding."""
        voltage, current, _ = self.terminal.read(self.now)
        holding = self.terminal.limited or (
            self.function == "VOLT" and self.output and abs(current) >= 0.999999 * self.limit["VOLT"]
        )
        return voltage, current, holding
