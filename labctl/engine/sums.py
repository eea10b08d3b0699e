"""The sums of a run after more rows: counters as in the last row, energies by the trapezoid of voltage over the counters.

Every sum is sequential, from the carry over the new terms, so that any cutting of the rows gives the same bits.
"""

from typing import Final, TypeAlias

import numpy as np

from labctl.engine.memory import Last
from labctl.errors import InternalError
from labctl.sample import Batch, Floats

FEW: Final = 24  # rows below which plain floats are quicker than columns
Lists: TypeAlias = tuple[list[float], list[float], list[float], list[float], list[float], list[float]]


def counters(rows: Batch) -> tuple[Floats, Floats]:
    """Return both counters of metered rows, Ah.

    Raises:
        InternalError: The rows were not metered.
    """
    if rows.charging_ah is None or rows.discharging_ah is None:
        raise InternalError("wanted metered rows with both counters, found rows without")
    return rows.charging_ah, rows.discharging_ah


def summed(last: Last, rows: Batch) -> Last:
    """Return the last row and the sums after good rows, at least one."""
    charging, discharging = counters(rows)
    count = len(rows.time)
    if count <= FEW:
        return few_summed(last, listed(rows))
    carried = np.empty(count + 1)
    carried[0] = rows.voltage[0] if last.voltage is None else last.voltage
    carried[1:] = rows.voltage
    mean = carried[1:] + carried[:-1]
    mean *= 0.5
    temperature = rows.temperature_celsius
    time = float(rows.time[-1])
    charged, discharged = float(charging[-1]), float(discharging[-1])
    return Last(
        last.record + count,
        max(last.time, time),
        time,
        float(rows.voltage[-1]),
        float(rows.current[-1]),
        None if temperature is None else float(temperature[-1]),
        charged,
        discharged,
        _energy(last.charging_wh, mean, last.charging_ah, charging, charged),
        _energy(last.discharging_wh, mean, last.discharging_ah, discharging, discharged),
    )


def listed(rows: Batch) -> Lists:
    """Return time, voltage, current, both counters and the temperature (or nothing) of rows as lists."""
    charging, discharging = counters(rows)
    warm = rows.temperature_celsius
    return (
        rows.time.tolist(),
        rows.voltage.tolist(),
        rows.current.tolist(),
        charging.tolist(),
        discharging.tolist(),
        [] if warm is None else warm.tolist(),
    )


def few_summed(last: Last, columns: Lists) -> Last:
    """Do what `summed` does, for so few rows that plain floats are quicker: the same operations in the same order."""
    times, voltages, currents, charging, discharging, warm = columns
    charged, discharged = last.charging_ah, last.discharging_ah
    charged_wh, discharged_wh = last.charging_wh, last.discharging_wh
    voltage = voltages[0] if last.voltage is None else last.voltage
    for now, plus, minus in zip(voltages, charging, discharging, strict=True):
        mean = (now + voltage) * 0.5
        charged_wh += (plus - charged) * mean
        discharged_wh += (minus - discharged) * mean
        voltage, charged, discharged = now, plus, minus
    time = times[-1]
    return Last(
        last.record + len(times),
        max(time, last.time),
        time,
        voltage,
        currents[-1],
        warm[-1] if warm else None,
        charged,
        discharged,
        charged_wh,
        discharged_wh,
    )


def _energy(carry: float, mean: Floats, before: float, counter: Floats, after: float) -> float:
    """Return an energy after these rows, Wh: sum of mean voltage times what the counter gained."""
    if after == before:  # counters never fall: nothing was gained in between
        return carry
    terms = np.empty(len(counter) + 1)
    terms[0] = carry
    np.subtract(counter[1:], counter[:-1], out=terms[2:])
    terms[1] = counter[0] - before
    terms[1:] *= mean
    return float(np.add.accumulate(terms)[-1])
