"""What the simulated instrument makes of the cell's truth: counters in Ah, noise, resolution, one batch of rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from labctl.driver import Reading
from labctl.sample import SECONDS_PER_HOUR, ZERO_CELSIUS, Batch, Floats
from labctl_drivers.simulated import noise
from labctl_drivers.simulated.record import RAIL, Stretch


@dataclass(frozen=True, slots=True)
class View:
    """Where a batch stands: number of its first row, for the noise; C passed before; `clipped` at the rail."""

    row: int
    charging: float
    discharging: float
    clipped: bool = False


@dataclass(frozen=True, slots=True)
class Instrument:
    """What the simulated instrument adds: rms noise and resolution in V and A, seed, accuracy in V, a thermometer or none."""

    voltage_noise: float = 1e-5
    current_noise: float = 0.0
    voltage_resolution: float = 1e-6
    current_resolution: float = 0.0
    voltage_accuracy: float = 1e-3
    thermometer: bool = True
    seed: int = 0

    def batch(self, buffer: Stretch, view: View) -> Batch:
        """Return rows as they are measured."""
        voltage, current, count = buffer.voltage, buffer.current, len(buffer)
        if view.clipped:
            voltage = np.clip(voltage, -RAIL, RAIL)
        if self.voltage_noise > 0.0:
            voltage = voltage + self.voltage_noise * noise.normal(self.seed, 0, view.row, count)
        if self.current_noise > 0.0:
            shaken = self.current_noise * noise.normal(self.seed, 1, view.row, count)
            current = np.where(current == 0.0, 0.0, current + shaken)
        return Batch(
            time=buffer.time,
            voltage=noise.quantised(voltage, self.voltage_resolution),
            current=noise.quantised(current, self.current_resolution),
            charging_ah=(view.charging + buffer.charging) / SECONDS_PER_HOUR,
            discharging_ah=(view.discharging + buffer.discharging) / SECONDS_PER_HOUR,
            temperature_celsius=buffer.temperature - ZERO_CELSIUS if self.thermometer else None,
        )


def joined(found: Sequence[Reading]) -> list[Reading]:
    """Return the readings with neighbouring batches made one."""
    if len(found) < 2:
        return list(found)
    whole: list[Reading] = []
    for kind, readings in groupby(found, key=type):
        if kind is Batch:
            batches = [reading for reading in readings if isinstance(reading, Batch)]
            whole.append(batches[0] if len(batches) == 1 else _one(batches))
        else:
            whole.extend(readings)
    return whole


def _one(batches: Sequence[Batch]) -> Batch:
    def column(name: str) -> Floats:
        return np.concatenate([getattr(batch, name) for batch in batches])

    return replace(
        batches[0],
        time=column("time"), voltage=column("voltage"), current=column("current"),
        charging_ah=column("charging_ah"), discharging_ah=column("discharging_ah"),
        temperature_celsius=None if batches[0].temperature_celsius is None else column("temperature_celsius"),
    )  # fmt: skip
