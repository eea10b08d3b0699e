"""The sums of a run after more rows: counters as in the last row, of charge and, where they were counted, of energy.

Rows that nobody counted the energy of (of an instrument that counts its charge alone, and those stored before energy was
counted) are summed here, by the trapezoid of voltage over the counters of charge.

Every sum is sequential, from the carry over the new terms, so that any cutting of the rows gives the same bits.
"""

from typing import Final, TypeAlias

import numpy as np

from labctl.engine.state_parts import LastRow
from labctl.errors import InternalError
from labctl.sample import Batch, Floats

FEW: Final = 24  # rows below which plain floats are quicker than columns
Lists: TypeAlias = tuple[list[float], list[float], list[float], list[float], list[float], list[float], list[float]]


def counters(rows: Batch) -> tuple[Floats, Floats]:
    """Return both counters of metered rows, Ah.

    Raises:
        InternalError: The rows were not metered.
    """
    if rows.charging_ah is None or rows.discharging_ah is None:
        raise InternalError("wanted metered rows with both counters, found rows without")
    return rows.charging_ah, rows.discharging_ah


def summed(last: LastRow, rows: Batch) -> LastRow:
    """Return the last row and the sums after good rows, at least one."""
    charging, discharging = counters(rows)
    count = len(rows.time)
    if count <= FEW:
        return few_summed(last, listed(rows))
    temperature = rows.temperature_celsius
    time = float(rows.time[-1])
    charged, discharged = float(charging[-1]), float(discharging[-1])
    energies = rows.charging_wh, rows.discharging_wh
    if energies[0] is not None and energies[1] is not None:
        put_in, taken_out = float(energies[0][-1]), float(energies[1][-1])
    else:
        put_in, taken_out = _summed_energies(last, rows.voltage, charging, discharging)
    return LastRow(
        last.record + count,
        max(last.time, time),
        time,
        float(rows.voltage[-1]),
        float(rows.current[-1]),
        None if temperature is None else float(temperature[-1]),
        charged,
        discharged,
        put_in,
        taken_out,
    )


def energies(last: LastRow, rows: Batch) -> tuple[Floats, Floats]:
    """Return both energies of the run at each row, Wh: as they were counted, else summed here to the same bits."""
    if rows.charging_wh is not None and rows.discharging_wh is not None:
        return rows.charging_wh, rows.discharging_wh
    charging, discharging = counters(rows)
    carried = np.concatenate(([rows.voltage[0] if last.voltage is None else last.voltage], rows.voltage))
    mean = (carried[1:] + carried[:-1]) * 0.5
    gained = ((last.charging_wh, last.charging_ah, charging), (last.discharging_wh, last.discharging_ah, discharging))
    first, second = (
        np.add.accumulate(np.concatenate(([carry], np.diff(counter, prepend=before) * mean)))[1:]
        for carry, before, counter in gained
    )
    return first, second


def _summed_energies(last: LastRow, voltage: Floats, charging: Floats, discharging: Floats) -> tuple[float, float]:
    """Return both energies after rows that carry none, Wh."""
    carried = np.empty(len(voltage) + 1)
    carried[0] = voltage[0] if last.voltage is None else last.voltage
    carried[1:] = voltage
    mean = carried[1:] + carried[:-1]
    mean *= 0.5
    return (
        _energy(last.charging_wh, mean, last.charging_ah, charging, float(charging[-1])),
        _energy(last.discharging_wh, mean, last.discharging_ah, discharging, float(discharging[-1])),
    )


def held_until(
    last: LastRow,
    time: float,
    charging_ah: float | None,
    discharging_ah: float | None,
    charging_wh: float | None = None,
    discharging_wh: float | None = None,
) -> LastRow:
    """Return the sums at a moment that is no row: the old current held until then, at the last voltage.

    Args:
        last: Before.
        time: Run time, s; nothing goes back.
        charging_ah: The run's counter then, None for that of the last row.
        discharging_ah: The same in the other direction.
        charging_wh: Energy then, Wh, as the meter has it; None for the charge since the last row at its voltage.
        discharging_wh: The same in the other direction.
    """
    charging = last.charging_ah if charging_ah is None else max(charging_ah, last.charging_ah)
    discharging = last.discharging_ah if discharging_ah is None else max(discharging_ah, last.discharging_ah)
    voltage = last.voltage or 0.0
    return LastRow(
        last.record,
        max(last.time, time),
        last.row_time,
        last.voltage,
        last.current,
        last.temperature,
        charging,
        discharging,
        last.charging_wh + voltage * (charging - last.charging_ah) if charging_wh is None else charging_wh,
        last.discharging_wh + voltage * (discharging - last.discharging_ah)
        if discharging_wh is None
        else discharging_wh,
    )


def listed(rows: Batch) -> Lists:
    """Return time, voltage, current, both counters, temperature and both last energies (or nothing) of rows as lists."""
    charging, discharging = counters(rows)
    warm = rows.temperature_celsius
    return (
        rows.time.tolist(),
        rows.voltage.tolist(),
        rows.current.tolist(),
        charging.tolist(),
        discharging.tolist(),
        [] if warm is None else warm.tolist(),
        []
        if rows.charging_wh is None or rows.discharging_wh is None
        else [float(rows.charging_wh[-1]), float(rows.discharging_wh[-1])],
    )


def few_summed(last: LastRow, columns: Lists) -> LastRow:
    """Return the same as `summed`, for so few rows that plain floats are quicker: the same operations in the same order."""
    times, voltages, currents, charging, discharging, warm, energies = columns
    charged_wh, discharged_wh = energies or _few_energies(last, voltages, charging, discharging)
    time = times[-1]
    return LastRow(
        last.record + len(times),
        max(time, last.time),
        time,
        voltages[-1],
        currents[-1],
        warm[-1] if warm else None,
        charging[-1],
        discharging[-1],
        charged_wh,
        discharged_wh,
    )


def _few_energies(
    last: LastRow, voltages: list[float], charging: list[float], discharging: list[float]
) -> tuple[float, float]:
    """Return the same as `_summed_energies`, for few rows."""
    charged, discharged = last.charging_ah, last.discharging_ah
    charged_wh, discharged_wh = last.charging_wh, last.discharging_wh
    voltage = voltages[0] if last.voltage is None else last.voltage
    for now, plus, minus in zip(voltages, charging, discharging, strict=True):
        mean = (now + voltage) * 0.5
        charged_wh += (plus - charged) * mean
        discharged_wh += (minus - discharged) * mean
        voltage, charged, discharged = now, plus, minus
    return charged_wh, discharged_wh


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
