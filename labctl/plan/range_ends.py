"""Where a loop's or parameter's value stands that lies beyond limits, and how far its range may go instead."""

import math
import re
from typing import Final

from labctl.errors import FileError, ProtocolError
from labctl.plan.context import CompileContext
from labctl.plan.envelope import Envelope, Ranged, pair_of
from labctl.plan.number import values
from labctl.plan.scope import FIRST_PASS, NO_BLOCKS, Scope, mark_of
from labctl.plan.step import Term, VersusOcv
from labctl.plan.step_context import StepContext, ValueOrigin
from labctl.plan.written_at import SAME, written_at
from labctl.protocol.expression import settle
from labctl.protocol.model import Range
from labctl.quantity.units import NUMBER, Quantity

_VALUE: Final = re.compile(rf"({NUMBER})(\s*)(\D.*)")
_DIGITS: Final = 3


def where_it_stands(
    draft: CompileContext,
    place: StepContext,
    origin: ValueOrigin,
    envelope: Envelope,
    name: Ranged,
    value: float,
    why: str,
) -> tuple[str, ValueOrigin, str]:
    """Return what is wrong, where and a hint, for a value that a name stands for: at its own line, once for all its uses.

    The hint is "" but for a range, of which its farther end is told instead of the first value beyond the limits.
    """
    text = origin.text.removeprefix("$")
    if text == origin.text or not text.isidentifier():
        return why, origin, ""
    around, written = _range(place.scope, text)
    if around is not None and written is not None and written.mark.file == origin.mark.file:
        told = _end_of_range(draft, around, written, envelope, name, value)
        return told or (why, origin, "")
    told_at = written_at(draft, place, origin, name, value)
    return why + told_at, _source(draft, place.scope, origin, name, value) if " of line " in told_at else origin, ""


def cut_off_stands(
    draft: CompileContext, place: StepContext, origin: ValueOrigin, term: Term, why: str
) -> tuple[str, ValueOrigin, str]:
    """Return the same for a cut-off at a voltage."""
    numbers = () if isinstance(term.value, VersusOcv) or term.quantity != "voltage" else values(term.value)
    value = next((one for one in numbers if place.envelope.beyond("voltage", one)), None)
    if value is None or term.slope:
        return why, origin, ""
    return where_it_stands(draft, place, origin, place.envelope, "voltage", value, why)


def _source(draft: CompileContext, scope: Scope, origin: ValueOrigin, name: Ranged, value: float) -> ValueOrigin:
    """Return the place in the same file of that value of a name that comes to a value in SI."""
    text = origin.text.removeprefix("$")
    for at in scope.combinations(scope.ordered(scope.depends.get(text, NO_BLOCKS))):
        one = scope.environment(at).get(text)
        if isinstance(one, Quantity) and one.mark is not None and one.mark.file == origin.mark.file:
            size = abs(draft.absolute(one, "current" if name == "current" else "potential"))
            if abs(size - abs(value)) <= SAME * abs(value):
                return ValueOrigin(one.mark, one.text)
    return origin


def _range(scope: Scope, name: str) -> tuple[Scope | None, Range | None]:
    """Return the scope around the `each` by which a name goes through a range, and that; nothing for any other name."""
    while scope.parent is not None:
        for variable in scope.each[1].each if scope.each else ():
            if variable.name == name:
                return (scope.parent, variable.values) if isinstance(variable.values, Range) else (None, None)
        if scope.use is not None:
            return None, None
        scope = scope.parent
    return None, None


def _end_of_range(
    draft: CompileContext, around: Scope, written: Range, envelope: Envelope, name: Ranged, value: float
) -> tuple[str, ValueOrigin, str] | None:
    try:
        ends = {
            key: settle(one, around.environment(FIRST_PASS))
            for key, one in (("from", written.from_), ("to", written.to))
        }
        sizes = {key: abs(draft.absolute(one, name)) for key, one in ends.items()}
    except (FileError, ProtocolError):
        return None
    key = "to" if sizes["to"] >= sizes["from"] else "from"
    other, given = sizes["from" if key == "to" else "to"], written.to if key == "to" else written.from_
    end, size, text = math.copysign(sizes[key], value), sizes[key], ends[key].text
    why, match, pair = (
        envelope.beyond(name, end, text),
        _VALUE.fullmatch(text),
        pair_of(envelope.bounds, name),
    )
    if not why or match is None or pair is None or not size:
        return None
    limit = abs(pair[1] if value > 0.0 else pair[0])
    most = f"{key}: {_floor(float(match[1]) * limit / size):g}{match[2]}{match[3]}"
    tenths = [part for part in (10.0, 100.0, 1000.0) if other < size / part <= limit]
    meant = f"{key}: {float(match[1]) / tenths[0]:g}{match[2]}{match[3]} if that is meant, else " if tenths else ""
    why = why.replace(", found ", f", found {key}: ", 1)
    return why, ValueOrigin(mark_of(given, written.mark), text), f"write {meant}{most} or less"


def _floor(value: float) -> float:
    """Return a value with three digits that is not above it."""
    power = 10.0 ** (_DIGITS - 1 - math.floor(math.log10(abs(value)))) if value else 1.0
    return math.floor(abs(value) * power * (1.0 + 1e-12)) / power
