"""The values of a range: `{from: 0.1 mA/cm2, to: 2 mA/cm2, by: 0.1 mA/cm2}`."""

import math
import re
from collections.abc import Iterator
from typing import Final

from labctl.errors import ProtocolError
from labctl.finding import Finding
from labctl.protocol.expression import Environment, settle
from labctl.protocol.model import Range
from labctl.quantity.dimension import KELVIN
from labctl.quantity.prefix_slip import towards
from labctl.quantity.units import Quantity, like

MOST_PASSES: Final = 20_000
ROUNDING: Final = 1e-9


def ranged(span: Range, environment: Environment) -> Iterator[Quantity]:
    """Give the values of a range from its first to its last.

    Raises:
        ProtocolError: Its ends have different units, it never arrives, or it is too long.
    """
    first, last = settle(span.from_, environment), settle(span.to, environment)
    if first.dimension != last.dimension or first.versus != last.versus:
        message = f"wanted the same unit at both ends of a range, found {first.text} and {last.text}"
        raise ProtocolError(Finding("range.units", message, span.mark, _one_unit(first, last)))
    if span.factor is not None and first.offset:
        message = f"wanted by in a range of temperatures in degC, found factor from {first.text}"
        hint = "degC has no true zero to multiply: write by: 5 K"
        raise ProtocolError(Finding("range.units", message, span.mark, hint))
    for value in _numbers(span, first, last, environment):
        mark = last.mark if value == last.value_si else first.mark
        yield Quantity(value, first.dimension, like(value, first), mark, first.versus, first.offset)


def _one_unit(
    one: Quantity, other: Quantity, else_: str = "mA and mA/cm2 cannot be counted from one to the other"
) -> str:
    """Return what to write where two values of a range have different units."""
    for warm, second in ((one, other), (other, one)):
        if warm.dimension == KELVIN and (match := re.fullmatch(r"\s*([-+.\d]+)\s*C\s*", second.text)):
            return f"{second.text} is a rate or a charge: write {match[1]} degC"
    unit = re.sub(r"^\s*[-+.\d]+(?:e[-+]?\d+)?\s*", "", one.text)
    if unit and re.fullmatch(r"[-+.\d]+", other.text.strip()):
        return f"write {other.text.strip()} {'K' if one.dimension == KELVIN else unit}"
    return else_


def _numbers(span: Range, first: Quantity, last: Quantity, environment: Environment) -> list[float]:
    """Return SI values from `first` to `last`; ends are included within rounding."""
    begin, end = first.value_si, last.value_si
    if math.isclose(begin, end, rel_tol=ROUNDING):
        return [begin]
    step, steps = _steps(span, first, last, environment)
    if not steps > 0 or not math.isfinite(steps):
        hint = "factor: above 1 upwards, below 1 downwards, and both ends of one sign"
        if span.factor is not None and begin * end > 0 and (factor := settle(span.factor, environment).value_si) > 0:
            hint = f"factor: is above 1 upwards and below 1 downwards: write factor: {1.0 / factor:.4g}"
            hint = "factor: 1 changes nothing: write more than 1 upwards, less downwards" if factor == 1 else hint
        if span.by:
            hint = towards(first, last, settle(span.by, environment), step)
        message = f"wanted a range that arrives at {last.text}, found one that never does"
        raise ProtocolError(Finding("range.never", message, span.mark, hint))
    if steps >= MOST_PASSES:
        raise ProtocolError(
            Finding("range.long", f"wanted at most {MOST_PASSES} values in a range, found {steps:.0f}", span.mark)
        )
    count = math.floor(steps + max(1.0, steps) * ROUNDING)
    numbers = [begin * step**at if span.by is None else begin + step * at for at in range(count + 1)]
    if math.isclose(count, steps, rel_tol=ROUNDING):
        numbers[-1] = end
    return numbers


def _steps(span: Range, first: Quantity, last: Quantity, environment: Environment) -> tuple[float, float]:
    """Return the step (or factor) and how many of them lie between the ends, which may be negative or infinite."""
    begin, end = first.value_si, last.value_si
    if span.by is not None:
        by = settle(span.by, environment)
        if by.dimension != first.dimension:
            message = f"wanted by in the unit of {first.text}, found {by.text}"
            hint = _one_unit(first, by, "all three of from, to, by are alike")
            raise ProtocolError(Finding("range.units", message, by.mark or span.mark, hint))
        step = by.in_kind("temperature step") if first.dimension == KELVIN else by.value_si
        return step, (end - begin) / step if step else -1.0
    factor = settle(span.factor, environment).value_si if span.factor is not None else 1.0
    if factor <= 0 or factor == 1 or begin == 0 or end / begin <= 0:
        return factor, -1.0
    return factor, math.log(end / begin) / math.log(factor)
