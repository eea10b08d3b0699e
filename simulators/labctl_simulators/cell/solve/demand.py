"""What a drive demands at the terminals, as a residual in V, and how voltage and current hang together under it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from labctl_simulators.cell.drive import AtOpenCircuit, Current, Drive, Load, Power, Voltage, VoltageSweep


@dataclass(slots=True, eq=False, repr=False)
class Demand:
    """Hold a drive other than a plain current, for the solver.

    Attributes:
        drive: the drive.
        leak: conductance between the terminals, S; the memory current is I - leak V.
        scale: A, a typical current; it makes a residual of power one of voltage.
    """

    drive: Drive
    leak: float
    scale: float = 1.0

    def residual(self, voltage: Any, memory_current: Any, time: Any) -> Any:
        """Return how far (V, u) at `time` s is from what is demanded, V; increases with u for all but power."""
        match self.drive:
            case Voltage(voltage=wanted):
                return voltage - wanted
            case VoltageSweep() as sweep:
                return voltage - swept(sweep, time)
            case Power(power=power):
                return (voltage * (memory_current + self.leak * voltage) - power) / self.scale
            case Load(resistance=resistance):
                return voltage + resistance * (memory_current + self.leak * voltage)
            case Current(current=current):
                return voltage + (memory_current - current) / self.leak
            case AtOpenCircuit():
                return voltage + memory_current / self.leak

    def partial(self, voltage: Any, memory_current: Any) -> tuple[Any, Any]:
        """Return the residual's derivatives by V and by u (ohm)."""
        match self.drive:
            case Voltage() | VoltageSweep():
                return 1.0, 0.0
            case Power():
                return (memory_current + 2.0 * self.leak * voltage) / self.scale, voltage / self.scale
            case Load(resistance=resistance):
                return 1.0 + resistance * self.leak, resistance
            case Current() | AtOpenCircuit():
                return 1.0, 1.0 / self.leak

    def current(self, memory_current: Any, time: Any) -> Any:
        """Return the current at the terminals in A, given the memory current and that the demand is met."""
        if self.leak == 0.0:
            return memory_current
        match self.drive:
            case Voltage(voltage=wanted):
                return memory_current + self.leak * wanted
            case VoltageSweep() as sweep:
                return memory_current + self.leak * swept(sweep, time)
            case Power(power=power):
                root = np.sqrt(np.maximum(memory_current**2 + 4.0 * self.leak * power, 0.0))
                return memory_current + 0.5 * (root - memory_current)
            case Load(resistance=resistance):
                return memory_current / (1.0 + resistance * self.leak)
            case Current(current=current):
                return current + 0.0 * memory_current
            case AtOpenCircuit():
                return 0.0 * memory_current

    def voltage(self, current: Any, memory_current: Any, time: Any) -> Any:
        """Return the voltage in V, given both currents and that the demand is met."""
        match self.drive:
            case Voltage(voltage=wanted):
                return wanted + 0.0 * current
            case VoltageSweep() as sweep:
                return swept(sweep, time) + 0.0 * current
            case Power(power=power):
                return power / current
            case Load(resistance=resistance):
                return -resistance * current
            case Current() | AtOpenCircuit():
                return (current - memory_current) / self.leak


def swept(sweep: VoltageSweep, time: Any) -> Any:
    """Return the voltage of a sweep at `time` s."""
    return sweep.start + np.copysign(sweep.rate, sweep.end - sweep.start) * time


def sweep_time(sweep: VoltageSweep) -> float:
    """Return how many s a sweep takes."""
    return abs(sweep.end - sweep.start) / sweep.rate
