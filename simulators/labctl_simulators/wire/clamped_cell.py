"""What a cycler's channel that either charges or discharges does to its cell: a current or a power up to a voltage, held there."""

import math

from labctl_simulators.cell import AtOpenCircuit, Current, Power, Voltage
from labctl_simulators.wire.terminal import Terminal

LOOK = 1.0  # s between two looks at the voltage under a power
NEAR = 5e-3  # V within which a voltage is held


class ClampedCell:
    """A cell on such a channel. Times are those of the emulator's clock, s."""

    def __init__(self, terminal: Terminal) -> None:
        """Leave it at open circuit."""
        self.terminal = terminal
        self.now = 0.0
        self._voltage = math.inf
        self._charge = True
        self._looks = False  # at the voltage, since a power runs

    def rest(self, now: float) -> None:
        """Go to open circuit."""
        self._looks = False
        self.terminal.drive(AtOpenCircuit(), now)

    def give(self, current: float, voltage: float, now: float) -> None:
        """Give a signed current up to a voltage, or hold that at once where the cell is there; nothing flows backwards."""
        self._looks = False
        beyond = (self.terminal.read(now)[0] - voltage) * math.copysign(1.0, current)
        if current == 0.0 or beyond > NEAR:
            self.terminal.drive(Current(0.0), now)
        elif beyond >= 0.0:
            self.terminal.drive(Voltage(voltage, abs(current)), now)
        else:
            self.terminal.drive(Current(current), now, (-math.inf, voltage) if current > 0 else (voltage, math.inf))

    def give_power(self, power: float, voltage: float, now: float) -> None:
        """Give a signed power up to a voltage."""
        self._looks, self._voltage, self._charge = True, voltage, power > 0
        self.terminal.drive(Power(power), now)

    def advance(self, now: float) -> None:
        """Let the cell live until `now`."""
        while self._looks and now - self.now > LOOK:
            self._live(self.now + LOOK)
        self._live(now)

    def read(self, now: float) -> tuple[float, float]:
        """Return V and A at `now`."""
        voltage, current, _ = self.terminal.read(now)
        return voltage, current

    def _live(self, now: float) -> None:
        self.now = max(now, self.now)
        self.terminal.advance(self.now)
        if self._looks:
            voltage, current, _ = self.terminal.read(self.now)
            if voltage >= self._voltage if self._charge else voltage <= self._voltage:
                self._looks = False
                self.terminal.drive(Voltage(self._voltage, abs(current)), self.now)
