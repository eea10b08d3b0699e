"""What a file says as a whole: its limits inside those around it, what it requires of the cell, its record rule."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from labctl.driver import OPEN, Bounds, Capabilities
from labctl.finding import Finding, Mark
from labctl.plan.beyond_envelope import check_envelope
from labctl.plan.context import CompileContext
from labctl.plan.envelope import Envelope
from labctl.plan.kinds import ANY
from labctl.plan.lint.at_rest import never_rests
from labctl.plan.relative import or_correct
from labctl.plan.scope import file_name, mark_of
from labctl.plan.step_context import StepContext
from labctl.protocol import model
from labctl.quantity.dimension import Kind
from labctl.quantity.prefix_slip import a_thousandth
from labctl.quantity.units import display


def of_file(
    draft: CompileContext, place: StepContext, protocol: model.Protocol, use: Mark | None = None
) -> StepContext:
    """Return the place with a file's limits and record rule, its requirements on the kind of cell checked."""
    mark, meant = protocol.limits.mark or use or Mark(protocol.file, 1, 1), ""
    place = _required(draft, place, protocol, use)
    bounds = _bounds(draft, place, protocol.limits)
    envelope = place.envelope.within(bounds, f"limits of {file_name(protocol.file)}")
    if draft.capabilities is not None:
        envelope = _measured(envelope, draft.capabilities)
    slip = _of_no_cell(protocol.limits, bounds)
    if slip is not None and "voltage" in envelope.empty():
        mark, meant = slip.mark, slip.hint
    else:
        draft.findings += [] if slip is None else [slip]
    if check_envelope(draft, envelope, mark, meant):
        envelope = place.envelope  # no step is at fault
    if draft.capabilities is not None:
        envelope = _driven(envelope, draft.capabilities)
    place = replace(place, envelope=envelope, said=place.said | limited_sides(bounds))
    return draft.recorded(place, protocol.record)


HIGHEST_OF_A_CELL: Final = 100.0  # V: beyond it a range is a slip of its prefix


def _of_no_cell(limits: model.Limits, bounds: Bounds) -> Finding | None:
    """Return the warning of voltage limits that no cell has."""
    for given, value in zip(limits.voltage or (), bounds.voltage or (), strict=False):
        if given is not None and HIGHEST_OF_A_CELL < abs(value) < OPEN:
            message = f"wanted a voltage that a cell may have, found a limit of {given.text}"
            hint = a_thousandth(given.text, value, lambda other: abs(other) <= HIGHEST_OF_A_CELL / 10.0)
            return Finding("limit.unusual", message, mark_of(given), hint, severity="warning")
    return None


def _required(draft: CompileContext, place: StepContext, protocol: model.Protocol, use: Mark | None) -> StepContext:
    """Return the place with the kinds of cell that a file leaves; where it leaves none, that is said once and for all."""
    requires = protocol.requires
    if not requires.kinds:
        return place
    left = place.kinds & frozenset(requires.kinds)
    if left:
        return replace(place, kinds=left)
    wanted, kinds = " or ".join(requires.kinds), " or ".join(sorted(place.kinds))
    which = f"the cell {draft.cell.name} of kind {kinds}" if draft.known else f"one of kind {kinds}"
    where = use or requires.mark or Mark(protocol.file, 1, 1)
    name = "" if use is None else f", which {file_name(protocol.file)} requires"
    hint = "use a protocol that is made for this kind of cell"
    if draft.known and not use:
        hint += f"; if these steps are, write requires: {{cell: {kinds}}}" + or_correct(draft.cell.stated("kind"))
    draft.say("cell.kind", f"wanted a {wanted} cell{name}, found {which}", where, hint)
    return replace(place, kinds=ANY)


def _measured(envelope: Envelope, capabilities: Capabilities) -> Envelope:
    """Return an envelope whose open sides of the voltage are those of the channel: no limit, but all that can be held."""
    low, high = envelope.bounds.voltage or (0.0, 0.0)
    if max(abs(low), abs(high)) < OPEN:
        return envelope
    sides = (
        max(low, capabilities.voltage[0]) if low <= -OPEN else low,
        capabilities.voltage[1] if high >= OPEN else high,
    )
    return envelope.within(Bounds(voltage=sides), "what the channel can measure")


def _driven(envelope: Envelope, capabilities: Capabilities) -> Envelope:
    """Return an envelope without currents that the channel cannot drive, so that it can be pushed into the instrument."""
    if envelope.bounds.current is None:
        return envelope
    return envelope.within(Bounds(current=capabilities.current), "what the channel can do")


def _bounds(draft: CompileContext, place: StepContext, limits: model.Limits) -> Bounds:
    charge = None if limits.capacity is None else draft.fixed(place, limits.capacity, "capacity")
    return Bounds(
        _range(draft, place, limits.voltage, "voltage limits"),
        _range(draft, place, limits.current, "current limits"),
        _range(draft, place, limits.temperature, "temperature limits"),
        None if charge is None or math.isnan(charge) else charge,
    )


RANGES: Final[Mapping[str, Kind]] = {
    "voltage limits": "potential",
    "current limits": "current",
    "temperature limits": "temperature",
    "range of ocv": "potential",
}


def _range(draft: CompileContext, place: StepContext, pair: model.Pair | None, name: str) -> tuple[float, float] | None:
    """Return a range in SI, None where it is not said or not known; refuse one that is against the open circuit or upside down."""
    if pair is None:
        return None
    low, high = (
        side if given is None else _side(draft, place, given, name)
        for given, side in zip(pair, (-OPEN, OPEN), strict=True)
    )
    if low > high and pair[0] is not None and pair[1] is not None:
        message = f"wanted the lower value first in the {name}, found {pair[0].text} before {pair[1].text}"
        draft.say("limit.order", message, mark_of(pair[0]), f"write [{pair[1].text}, {pair[0].text}]")
        return None
    return None if math.isnan(low) or math.isnan(high) else (low, high)


def _side(draft: CompileContext, place: StepContext, given: model.Given, name: str) -> float:
    for quantity in draft.caught(lambda: place.scope.quantities(given)[1], ()):
        if quantity.versus == "ocv":
            message = f"wanted a fixed voltage in the {name}, found {quantity.text}"
            draft.say("limit.ocv", message, mark_of(given), "for example 4.2 V")
            return math.nan
    return draft.fixed(place, given, RANGES[name])


def limited_sides(bounds: Bounds) -> frozenset[str]:
    """Name the sides that limits have: lowest voltage, highest voltage, lowest current, highest current."""
    pairs = {"voltage": bounds.voltage, "current": bounds.current}
    sides = (
        (f"{side} {name}", value)
        for name, pair in pairs.items()
        for side, value in zip(("lowest", "highest"), pair or (), strict=False)
    )
    return frozenset(name for name, value in sides if abs(value) < OPEN)


def required_open_circuit(
    draft: CompileContext, place: StepContext, protocol: model.Protocol
) -> tuple[float, float] | None:
    """Return the range in which a file requires the open circuit, V; None where it does not."""
    required = _range(draft, place, protocol.requires.ocv, "range of ocv")
    slip = None if required is None else _of_another_prefix(protocol.requires.ocv, required, draft.cell.limits.voltage)
    slip = slip or _where_none_rests(protocol.requires.ocv, required, draft)
    draft.findings += [] if slip is None else [slip]
    return required


def _where_none_rests(
    pair: model.Pair | None, required: tuple[float, float] | None, draft: CompileContext
) -> Finding | None:
    """Return the warning of a range in which no cell of this kind rests: the run would not begin."""
    given = next((side for side in pair or () if side is not None), None)
    why = never_rests(draft.cell.kind, *required) if required is not None and draft.known else ""
    refused = any(finding.code == "cell.kind" for finding in draft.findings)
    if given is None or required is None or not why or refused:
        return None
    shown = " to ".join("open" if abs(side) >= OPEN else display(side, "voltage") for side in required)
    hint = "write ocv: [-50 mV, 50 mV]" if required[0] > 0.0 else "write ocv: [2 V, 3.6 V] or so"
    message = f"wanted an open circuit at which the cell may rest, found {shown}: {why}, and the run does not begin"
    return Finding(
        "limit.unusual", message, mark_of(given), f"{hint}, or is the kind of the cell another?", severity="warning"
    )


def _of_another_prefix(
    pair: model.Pair | None, required: tuple[float, float], limits: tuple[float, float] | None
) -> Finding | None:
    """Return the warning of a range that lies outside the voltage limits of the cell, and a thousandfold or thousandth inside."""
    given = next((side for side in pair or () if side is not None), None)
    known = [side for side in required if abs(side) < OPEN]
    if limits is None or given is None or max(map(abs, limits)) >= OPEN:
        return None
    if required[0] <= limits[1] and required[1] >= limits[0]:
        return None
    for by in (1000.0, 0.001):
        meant = [by * side for side in known]
        if all(limits[0] <= side <= limits[1] for side in meant):
            window, shown = (" to ".join(display(one, "voltage") for one in sides) for sides in (limits, known))
            message = f"wanted an open circuit inside the voltage limits of the cell, {window}, found {shown}"
            hint = f"is {' to '.join(display(one, 'voltage') for one in meant)} meant?"
            return Finding("limit.unusual", message, mark_of(given), hint, severity="warning")
    return None


def tighter_range(first: tuple[float, float] | None, second: tuple[float, float] | None) -> tuple[float, float] | None:
    """Return what two ranges have in common; one of them where the other is None."""
    if first is None or second is None:
        return first or second
    return max(first[0], second[0]), min(first[1], second[1])
