"""What no row may show: values outside the limits, charge beyond the step's, a current that cannot be what was set.

Every limit is an inside-test, so that what is not a number is not inside. These find the first row that fails.
"""

from typing import Final

import numpy as np

from labctl.engine.condition import Truth, View
from labctl.engine.memory import passed_since
from labctl.engine.prepared import Envelope, Prepared
from labctl.engine.short import begin_of
from labctl.engine.work import Work
from labctl.sample import Floats

ROUNDING: Final = 1e-9  # of a charge: ends that instruments locate lie on the limit within it
OFF_WITHIN: Final = 2.0  # s in which an output that was told to go off must have gone
MARGIN: Final = 10.0  # accuracies of current
SIZE: Final = 1.1  # of the set-point
LEAK: Final = 100.0  # accuracies of current at open circuit
LEAK_SHARE: Final = 0.01  # of the current limit


def first_breach(work: Work, prepared: Prepared, view: View) -> tuple[int, str]:
    """Return the first row outside the envelope and what it shows; the number of rows if there is none."""
    envelope, count = prepared.envelope, len(view.time)
    outside = work.step.outside if work.step is not None else 0
    found = [
        (_first_voltage(envelope, view, outside), "voltage"),
        (_first_beyond(view.current, envelope.current), "current"),
        (_first_temperature(envelope, view), "temperature"),
        (_first_charge(work, envelope, view), "capacity"),
    ]
    at, name = min(found, key=lambda each: each[0])
    if at >= count:
        return count, ""
    return at, _text(name, envelope, view, at)


def _first_beyond(column: Floats, within: tuple[float, float]) -> int:
    low, high = within
    if low == -np.inf and high == np.inf:
        return len(column)
    if column.min() >= low and column.max() <= high:
        return len(column)
    beyond = ~((column >= low) & (column <= high))
    return int(beyond.argmax())


def _first_temperature(envelope: Envelope, view: View) -> int:
    if envelope.temperature is None:
        return len(view.time)
    return 0 if view.temperature is None else _first_beyond(view.temperature, envelope.temperature)


def _first_voltage(envelope: Envelope, view: View, outside: int | None) -> int:
    """Find the first voltage outside, unless the cell was outside when the step began and is being driven back in."""
    first = _first_beyond(view.voltage, envelope.voltage)
    if first == len(view.voltage) or outside == 0:
        return first
    low, high = envelope.voltage
    accuracy = envelope.accuracy[1]
    allowed = np.zeros(len(view.voltage), bool)
    if outside in {None, 1}:
        allowed |= np.logical_and.accumulate(view.voltage > high) & (view.current <= accuracy)
    if outside in {None, -1}:
        allowed |= np.logical_and.accumulate(view.voltage < low) & (view.current >= -accuracy)
    breach = ~((view.voltage >= low) & (view.voltage <= high)) & ~allowed
    return int(breach.argmax()) if breach.any() else len(breach)


def side_after(outside: int | None, envelope: Envelope, voltage: Floats) -> int:
    """Return on which side of the voltages a step has been at every row since it began."""
    if outside == 0:
        return 0
    low, high = envelope.voltage
    if outside in {None, 1} and bool((voltage > high).all()):
        return 1
    return -1 if outside in {None, -1} and bool((voltage < low).all()) else 0


def _first_charge(work: Work, envelope: Envelope, view: View) -> int:
    """Find the first row before which more charge had passed than the step may: one row may lie beyond."""
    step, count = work.step, len(view.time)
    if step is None or envelope.charge == np.inf:
        return count
    limit = envelope.charge * (1.0 + ROUNDING)
    if work.leaving is not None and work.leaving.ending is not None:
        limit *= 2.0  # its end was seen and acted on: what still flows until the confirmation has a bound of its own
    entry = step.entry
    most = max(
        float(view.charging_ah.max()) - entry.charging_ah, float(view.discharging_ah.max()) - entry.discharging_ah
    )
    if most * 3600.0 <= limit:  # counters never fall: neither direction alone has passed as much
        return count
    net = (view.charging_ah - entry.charging_ah) - (view.discharging_ah - entry.discharging_ah)
    earlier = np.empty(count)
    earlier[0] = passed_since(step.entry, work.last)
    earlier[1:] = np.abs(net[:-1]) * 3600.0
    return _first_beyond(earlier, (-1.0, limit))


def _text(name: str, envelope: Envelope, view: View, at: int) -> str:
    match name:
        case "voltage":
            return f"voltage {view.voltage[at]:.6g} V outside {_range(envelope.voltage, 'V')}"
        case "current":
            return f"current {view.current[at]:.6g} A outside {_range(envelope.current, 'A')}"
        case "temperature":
            if view.temperature is None or envelope.temperature is None:
                return "a temperature limit, and no temperature is measured"
            return f"temperature {view.temperature[at]:.6g} degC outside {_range(envelope.temperature, 'degC')}"
    return f"more charge than the {envelope.charge:.6g} C that one step may pass"


def _range(within: tuple[float, float], unit: str) -> str:
    return f"the limits {within[0]:.6g} {unit} to {within[1]:.6g} {unit}, accuracy included"


def wrong_flags(work: Work, prepared: Prepared, view: View) -> Truth | None:
    """Return where the current cannot be what was set: of the other sign, too large, or any at open circuit."""
    accuracy = prepared.envelope.accuracy[1]
    wanted = prepared.set_current
    if work.phase == "running" and wanted is not None:
        along = view.current if wanted > 0.0 else -view.current
        size = abs(wanted)
        margin = MARGIN * accuracy
        return ~((along >= -margin - (SIZE - 1.0) * size) & (along <= SIZE * size + margin))
    open_circuit = work.phase == "running" and prepared.line.mode in {"Rest", "Bend", "Chamber"}
    if open_circuit or work.phase in {"asking", "paused"}:
        return np.abs(view.current) > leak_of(prepared)
    return None


def leak_of(prepared: Prepared) -> float:
    """Return the current that is none, A."""
    low, high = prepared.envelope.current
    most = max(abs(low), abs(high))
    return LEAK * prepared.envelope.accuracy[1] + (LEAK_SHARE * most if np.isfinite(most) else 0.0)


def first_wrong(work: Work, prepared: Prepared, view: View) -> tuple[int, str, float | None]:
    """Return the second row running whose current cannot be what was set, what it shows, and since when it is so.

    An output that was switched off has `OFF_WITHIN` seconds.
    """
    flags = wrong_flags(work, prepared, view)
    count = len(view.time)
    if flags is None or not flags.any():
        return count, "", None
    hold = 0.0 if work.phase == "running" else OFF_WITHIN
    carry = work.bad.wrong_since
    begins = begin_of(flags, view.time, carry)
    again = np.empty(count, bool)
    again[0] = carry is not None
    again[1:] = flags[:-1]
    long = flags & again & (view.time - begins >= hold)
    since = float(begins[-1]) if flags[-1] else None
    if not long.any():
        return count, "", since
    at = int(long.argmax())
    wanted = prepared.set_current if work.phase == "running" and prepared.set_current is not None else 0.0
    return at, f"current {view.current[at]:.6g} A where {wanted:.6g} A was set", since
