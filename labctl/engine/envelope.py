"""What no row may show: values outside the limits, charge beyond the step's, a current that cannot be what was set.

Every limit is an inside-test, so that what is not a number is not inside. These find the first row that fails.
"""

from typing import Final

import numpy as np

from labctl.engine.condition import RowView, Truth
from labctl.engine.row_limits import RowLimits
from labctl.engine.set_point import contradicts
from labctl.engine.short import begin_of
from labctl.engine.state_builder import StateBuilder
from labctl.engine.state_parts import Over, passed_since, unseen_since
from labctl.engine.step_rules import Prepared
from labctl.sample import Floats

ROUNDING: Final = 1e-9  # of a charge: ends that instruments locate lie on the limit within it
OFF_WITHIN: Final = 2.0  # s in which an output that was told to go off must have gone
MARGIN: Final = 10.0  # accuracies of current
SIZE: Final = 1.1  # of the set-point
OVER_ROWS: Final = 3  # rows beyond a limit that an end was met with
OVER_WITHIN: Final = 2.0  # s, at least, in which the voltage must be back inside
LEAK: Final = 100.0  # accuracies of current at open circuit
LEAK_SHARE: Final = 0.01  # of the current limit


def first_breach(builder: StateBuilder, prepared: Prepared, view: RowView) -> tuple[int, str, Over | None]:
    """Return the first row outside the envelope and what it shows; the number of rows if there is none.

    With it goes the voltage that an end was met with beyond a limit, as it is after all rows.
    """
    envelope, count = prepared.envelope, len(view.time)
    breach, over = first_voltage(builder, prepared, view)
    breaches = [
        (breach, "voltage"),
        (_first_beyond(view.current, envelope.current), "current"),
        (_first_temperature(envelope, view), "temperature"),
        (_first_charge(builder, envelope, view), "capacity"),
    ]
    at, name = min(breaches, key=lambda each: each[0])
    if at >= count:
        return count, "", over
    return at, _text(name, envelope, view, at), over


def _first_beyond(column: Floats, within: tuple[float, float]) -> int:
    low, high = within
    if low == -np.inf and high == np.inf:
        return len(column)
    if column.min() >= low and column.max() <= high:
        return len(column)
    beyond = ~((column >= low) & (column <= high))
    return int(beyond.argmax())


def _first_temperature(envelope: RowLimits, view: RowView) -> int:
    if envelope.temperature is None:
        return len(view.time)
    return 0 if view.temperature is None else _first_beyond(view.temperature, envelope.temperature)


def first_voltage(builder: StateBuilder, prepared: Prepared, view: RowView) -> tuple[int, Over | None]:
    """Find the first voltage that is a breach, and what is beyond the limits after the rows if none of them is one.

    None is while a cell that was outside when the step began is being driven back in, or while the own end of a step is met
    beyond a limit on the same side: by less than the overshoot of the line, and back inside after 3 rows or 2 s.
    """
    envelope, count = prepared.envelope, len(view.time)
    first = _first_beyond(view.voltage, envelope.voltage)
    if first == count:
        return count, None
    outside = builder.step.outside if builder.step is not None else 0
    beyond = _not_driven_back(envelope, view, outside)
    if not any(prepared.line.overshoot) and builder.over is None:
        return (int(beyond.argmax()) if beyond.any() else count), None
    over, before = builder.over, -1
    for at in np.flatnonzero(beyond).tolist():
        side = 1 if view.voltage[at] > envelope.voltage[1] else -1
        over = over if at == before + 1 and over is not None and over.side == side else None
        over = _over_after(builder, prepared, view, (at, side), over)
        if over is None:
            return at, None
        before = at
    return count, over if before == count - 1 else None


def _over_after(
    builder: StateBuilder, prepared: Prepared, view: RowView, row: tuple[int, int], over: Over | None
) -> Over | None:
    """Return what is beyond the limits after a row on a side of them, None where that is a breach."""
    at, side = row
    time, voltage = float(view.time[at]), float(view.voltage[at])
    low, high = prepared.envelope.voltage
    distance = voltage - high if side > 0 else low - voltage
    most = prepared.line.overshoot[side > 0]
    if distance >= most or (over is None and not _is_met_beyond(builder, prepared, side)):
        return None
    over = Over(time, 1, side) if over is None else Over(over.since, over.rows + 1, side)
    return None if over.rows > OVER_ROWS and time - over.since > OVER_WITHIN else over


def _is_met_beyond(builder: StateBuilder, prepared: Prepared, side: int) -> bool:
    """Tell whether a row beyond a limit meets the own end of its step there, or follows one that did."""
    ending = None if builder.leaving is None else builder.leaving.ending
    if ending is None:
        return builder.phase == "running" and prepared.own_side == side
    return ending.reason in {"to", "until"} and ending.quantity == "voltage" and ending.above == (side > 0)


def _not_driven_back(envelope: RowLimits, view: RowView, outside: int | None) -> Truth:
    """Return which rows are outside, but those of a cell that was when the step began and is being driven back in."""
    low, high = envelope.voltage
    inside = (view.voltage >= low) & (view.voltage <= high)
    if outside == 0:
        return ~inside
    accuracy = envelope.accuracy[1]
    allowed = np.zeros(len(view.voltage), bool)
    if outside in {None, 1}:
        allowed |= np.logical_and.accumulate(view.voltage > high) & (view.current <= accuracy)
    if outside in {None, -1}:
        allowed |= np.logical_and.accumulate(view.voltage < low) & (view.current >= -accuracy)
    return ~inside & ~allowed


def side_after(outside: int | None, envelope: RowLimits, voltage: Floats) -> int:
    """Return on which side of the voltages a step has been at every row since it began."""
    if outside == 0:
        return 0
    low, high = envelope.voltage
    if outside in {None, 1} and bool((voltage > high).all()):
        return 1
    return -1 if outside in {None, -1} and bool((voltage < low).all()) else 0


def _first_charge(builder: StateBuilder, envelope: RowLimits, view: RowView) -> int:
    """Find the first row before which more charge had passed than the step may: one row may lie beyond."""
    step, count = builder.step, len(view.time)
    if step is None or envelope.charge == np.inf:
        return count
    limit = envelope.charge * (1.0 + ROUNDING)
    if builder.leaving is not None and builder.leaving.ending is not None:
        limit *= 2.0  # its end was seen and acted on: what still flows until the confirmation has a bound of its own
    entry, unseen = step.entry, unseen_since(step.entry, builder.blind)
    most = max(
        float(view.charging_ah.max()) - entry.charging_ah, float(view.discharging_ah.max()) - entry.discharging_ah
    )
    if most * 3600.0 + unseen <= limit:  # counters never fall: neither direction alone has passed as much
        return count
    net = (view.charging_ah - entry.charging_ah) - (view.discharging_ah - entry.discharging_ah)
    earlier = np.empty(count)
    earlier[0] = passed_since(step.entry, builder.last, builder.blind)
    earlier[1:] = np.abs(net[:-1]) * 3600.0 + unseen
    return _first_beyond(earlier, (-1.0, limit))


def _text(name: str, envelope: RowLimits, view: RowView, at: int) -> str:
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


def wrong_flags(builder: StateBuilder, prepared: Prepared, view: RowView) -> Truth | None:
    """Return where a row cannot be what was set: by its set-point, or a current that is wrong whatever was set.

    What an instrument that records by itself gives while nothing runs was recorded before.
    """
    if builder.phase == "running" and prepared.set_point is not None:
        return contradicts(prepared.set_point, view.voltage, view.current, prepared.envelope)
    accuracy = prepared.envelope.accuracy[1]
    wanted = prepared.set_current
    if builder.phase == "running" and wanted is not None:
        along = view.current if wanted > 0.0 else -view.current
        size = abs(wanted)
        margin = MARGIN * accuracy
        return ~((along >= -margin - (SIZE - 1.0) * size) & (along <= SIZE * size + margin))
    open_circuit = builder.phase == "running" and prepared.line.mode in {"Rest", "Bend", "Chamber"}
    if open_circuit or (builder.phase in {"asking", "paused"} and not builder.comes_late):
        return np.abs(view.current) > leak_of(prepared)
    return None


def leak_of(prepared: Prepared) -> float:
    """Return the largest current that still counts as open circuit, A."""
    low, high = prepared.envelope.current
    most = max(abs(low), abs(high))
    return LEAK * prepared.envelope.accuracy[1] + (LEAK_SHARE * most if np.isfinite(most) else 0.0)


def first_wrong(builder: StateBuilder, prepared: Prepared, view: RowView) -> tuple[int, str, float | None]:
    """Return the second row in a row that contradicts the set-point, what it shows, and since when.

    An output that was switched off, and a voltage that is to be held, have `OFF_WITHIN` seconds.
    """
    flags = wrong_flags(builder, prepared, view)
    count = len(view.time)
    if flags is None or not flags.any():
        return count, "", None
    settles = prepared.set_point is not None and prepared.set_point.kind == "voltage"
    hold = 0.0 if builder.phase == "running" and not settles else OFF_WITHIN
    carry = builder.bad.wrong_since
    begins = begin_of(flags, view.time, carry)
    again = np.empty(count, bool)
    again[0] = carry is not None
    again[1:] = flags[:-1]
    long = flags & again & (view.time - begins >= hold)
    since = float(begins[-1]) if flags[-1] else None
    if not long.any():
        return count, "", since
    at = int(long.argmax())
    if builder.phase == "running" and prepared.set_point is not None:
        measured = f"{view.voltage[at]:.6g} V and {view.current[at]:.6g} A"
        return at, f"measured {measured} where {prepared.set_point.text} was set", since
    wanted = prepared.set_current if builder.phase == "running" and prepared.set_current is not None else 0.0
    return at, f"current {view.current[at]:.6g} A where {wanted:.6g} A was set", since


def first_against(prepared: Prepared, view: RowView) -> int | None:
    """Return the first row whose current runs against the verb of a held part, None if none does."""
    if not prepared.against:
        return None
    against = view.current * prepared.against < -MARGIN * prepared.envelope.accuracy[1]
    return int(against.argmax()) if against.any() else None
