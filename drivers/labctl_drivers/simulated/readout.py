"""What the simulated instrument makes of the cell's truth: counters in Ah, noise, resolution, one batch of rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from labctl.driver import Points, Reading
from labctl.sample import SECONDS_PER_HOUR, ZERO_CELSIUS, Batch, Floats
from labctl_drivers.simulated import noise
from labctl_drivers.simulated.interval import Instant
from labctl_drivers.simulated.written_rows import RAIL, Stretch
from labctl_simulators.cell import CellModel, Segment


@dataclass(frozen=True, slots=True)
class BatchOrigin:
    """Where a batch stands: number of its first row, for the noise; C and J passed before; `clipped` at the rail."""

    row: int
    charging: float
    discharging: float
    clipped: bool = False
    put_in: float = 0.0
    taken_out: float = 0.0


@dataclass(frozen=True, slots=True)
class Readout:
    """What the simulated instrument adds: rms noise and resolution in V and A, seed, accuracy in V, a thermometer or none."""

    voltage_noise: float = 1e-5
    current_noise: float = 0.0
    voltage_resolution: float = 1e-6
    current_resolution: float = 0.0
    voltage_accuracy: float = 1e-3
    thermometer: bool = True
    seed: int = 0

    def batch(self, buffer: Stretch, view: BatchOrigin) -> Batch:
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
            charging_wh=None if buffer.put_in is None else (view.put_in + buffer.put_in) / SECONDS_PER_HOUR,
            discharging_wh=None if buffer.taken_out is None else (view.taken_out + buffer.taken_out) / SECONDS_PER_HOUR,
        )


def joined(given: Sequence[Reading]) -> list[Reading]:
    """Return the readings with neighbouring batches made one."""
    if len(given) < 2:
        return list(given)
    whole: list[Reading] = []
    for kind, readings in groupby(given, key=type):
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
        charging_wh=None if batches[0].charging_wh is None else column("charging_wh"),
        discharging_wh=None if batches[0].discharging_wh is None else column("discharging_wh"),
    )  # fmt: skip


def spectrum_points(
    cell: CellModel, solved: Segment | Instant, frequency: Floats, times: Floats, offset: float
) -> Points:
    """Return points of a spectrum, each about the cell as it is then, under the current that flows then.

    Args:
        cell: The cell.
        solved: What it does meanwhile, from step time `offset` on.
        frequency: Hz, one a point.
        times: Step times of the points, s.
        offset: Step time at which the solved piece began, s.
    """
    inside = np.minimum(times - offset, solved.end)
    rows = solved.rows(inside)
    impedance = np.concatenate(
        [
            cell.impedance(solved.state(time), frequency[place : place + 1], current)
            for place, (time, current) in enumerate(zip(inside.tolist(), rows.current.tolist(), strict=True))
        ]
    )
    return Points(times, frequency, impedance.real.copy(), impedance.imag.copy(), rows.voltage, rows.current)
