"""A line of a plan, with the numbers of the pass it is in, as a step of the program that an instrument is given.

How far a program reaches is decided in `labctl.plan.program_reach`.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from labctl.driver import (
    Bend,
    Bounds,
    Chamber,
    ConstantLoad,
    ConstantPower,
    Foreign,
    Galvanostatic,
    Mode,
    Potentiostatic,
    Profile,
    ProgramStep,
    RecordRule,
    Rest,
    Spectrum,
    Sweep,
    Threshold,
)
from labctl.errors import InternalError
from labctl.plan.holding import WATCHED
from labctl.plan.step import ByPass, End, Line, Relative, Setting, Term, TextByPass, VersusOcv

Passes: TypeAlias = Mapping[int, int] | Iterable[tuple[int, int]]
"""Pass, from 0, of each block around a line, by the block's id."""

MODES: Final[Mapping[str, type]] = {
    mode.__name__: mode
    for mode in (
        Rest, Galvanostatic, Potentiostatic, ConstantPower, ConstantLoad, Sweep, Profile, Spectrum, Bend, Chamber, Foreign,
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spent:
    """What earlier attempts at the same step have used up: seconds of step time, coulombs of its charge, as magnitudes."""

    time: float = 0.0
    charge: float = 0.0


def step_for(line: Line, passes: Passes, ocv: float | None, spent: Spent | None = None) -> ProgramStep:
    """Return one line as a program step with the numbers of its pass, SI."""
    passes, spent = dict(passes), spent or Spent()
    return ProgramStep(
        line=line.id,
        mode=_shortened(mode_for(line, passes, ocv), spent.time),
        ends=tuple(
            threshold
            for number, end in enumerate(line.ends)
            for threshold in thresholds(end, number, passes, ocv, spent)
        ),
        record=record_after(line.record, spent.time),
        bounds=_bounds_after(line.bounds, spent.charge),
    )


def mode_for(line: Line, passes: Mapping[int, int], ocv: float | None) -> Mode:
    """Return what a line asks of the cell in a pass, SI."""
    settings = {name: settle(value, passes, ocv) for name, value in line.settings.items()}
    scale = settings.pop("scale", 1.0)
    if line.mode == "Profile":
        factor = scale if isinstance(scale, float) else 1.0
        settings["values"] = tuple(limited(factor, settings["values"], str(line.options.get("only", ""))))  # type: ignore[arg-type]
    mode: Mode = MODES[line.mode](**settings)
    return mode


def limited(factor: float, values: Sequence[float], only: str = "") -> Sequence[float]:
    """Return the set-points of a profile times a factor; with `only` one direction, the other is zero."""
    if factor != 1.0:
        values = [factor * value for value in values]
    match only:
        case "charge":
            return [max(value, 0.0) for value in values]
        case "discharge":
            return [min(value, 0.0) for value in values]
    return values


def settle(value: Setting, passes: Mapping[int, int], ocv: float | None) -> Setting:
    """Return a setting with its pass and the open circuit put in.

    Raises:
        InternalError: No pass is given of a block it depends on, or no open circuit where it needs one.
    """
    match value:
        case ByPass() | TextByPass():
            return at_pass(value, passes)
        case Relative(inner):
            return float(settle(inner, passes, ocv)) * passes.get(NOMINAL, 1)  # type: ignore[arg-type]
        case VersusOcv():
            if ocv is None:
                raise InternalError("wanted the voltage of a rest before a voltage vs ocv, found none")
            return ocv + float(settle(value.offset, passes, ocv))  # type: ignore[arg-type]
    return value


def text_at(line: Line, option: str, passes: Mapping[int, int]) -> str:
    """Return a text of a line at its pass: the `name` of its step, what a prompt shall `say`, the `text` of a mark."""
    text = line.options.get(option, line.name)
    return str(text if isinstance(text, Mapping) else settle(text, passes, None))


def at_pass(value: ByPass | TextByPass, passes: Mapping[int, int]) -> float | str:
    """Return the number or text of a pass: a row-major table over the blocks."""
    at = 0
    for block, size in zip(value.blocks, value.shape, strict=True):
        number = passes.get(block)
        if number is None or not 0 <= number < size:
            raise InternalError(f"wanted a pass of block {block} below {size}, found {number}")
        at = at * size + number
    return value.values[at]


def thresholds(
    end: End, number: int, passes: Mapping[int, int], ocv: float | None, spent: Spent
) -> tuple[Threshold, ...]:
    """Return what an instrument can hold of an end: every alternative that is one comparison of one measured quantity."""
    held_ends: list[Threshold] = []
    for terms in end.condition.any_of:
        if len(terms) == 1:
            held_ends += _of_term(terms[0], number, passes, ocv, spent)
    return tuple(held_ends)


def _of_term(term: Term, number: int, passes: Mapping[int, int], ocv: float | None, spent: Spent) -> list[Threshold]:
    watched = WATCHED.get(term.quantity)
    if watched is None or term.slope or term.dwell:
        return []
    above, value = term.comparison in {">", ">="}, float(settle(term.value, passes, ocv))  # type: ignore[arg-type]
    match watched:
        case "time":
            value = max(value - spent.time, 0.0)
        case "charge":
            value = max(value - spent.charge, 0.0)
        case "voltage" if term.absolute:
            # beyond a magnitude is two thresholds; within one is a window, which a threshold is not
            return [Threshold(watched, side > 0, side * value, number) for side in (1, -1)] if above else []
    return [Threshold(watched, above, value, number)]


def record_after(rules: tuple[RecordRule, ...], spent: float) -> tuple[RecordRule, ...]:
    """Return the record rules that still apply when a step goes on `spent` seconds old."""
    if not spent:
        return rules
    left: list[RecordRule] = []
    for rule in rules:
        if rule.until is None:
            left.append(rule)
        elif rule.until > spent:
            left.append(RecordRule(rule.every, rule.voltage, rule.current, rule.until - spent))
    return tuple(left)


def _bounds_after(bounds: Bounds, spent: float) -> Bounds:
    if bounds.charge is None or not spent:
        return bounds
    return Bounds(bounds.voltage, bounds.current, bounds.temperature, max(bounds.charge - spent, 0.0))


def _shortened(mode: Mode, spent: float) -> Mode:
    """Return what is left of a sweep or profile after `spent` seconds."""
    match mode:
        case Sweep(start, end, rate) if spent:
            gone = min(spent * rate, abs(end - start))
            return Sweep(start + gone if end > start else start - gone, end, rate)
        case Profile() if spent:
            return _rest_of(mode, spent)
    return mode


def _rest_of(mode: Profile, spent: float) -> Profile:
    """Return a profile from `spent` seconds on: the row then held comes first, the last row stays."""
    times, values = mode.times, mode.values
    last = len(times) - 1
    begun = max((at for at, time in enumerate(times) if time <= spent), default=0)
    begun = min(begun, last - 1) if last else 0
    rest = tuple(max(time - spent, 0.0) for time in times[begun + 1 :])
    return replace(mode, times=(0.0, *rest), values=values[begun:])


# --- numbers that differ between passes ---------------------------------------------------------------------------------


def numbers(line: Line) -> tuple[ByPass, ...]:
    """Return every number of a line that differs between passes."""
    return tuple(number for value in _values(line) for number in [_inner(value)] if isinstance(number, ByPass))


def _inner(value: object) -> object:
    value = value.offset if isinstance(value, VersusOcv) else value
    return value.value if isinstance(value, Relative) else value


def is_fixed(line: Line) -> bool:
    """Tell whether every number of a line is the same in every pass, whatever was measured before."""
    return not any(isinstance(value, ByPass | TextByPass | Relative | VersusOcv) for value in _values(line))


def ends_of_measure(line: Line) -> tuple[float, ...]:
    """Return the parts of the cell file's nominal capacity at which the settings of a line are held against limits."""
    return next((value.within for value in line.settings.values() if isinstance(value, Relative)), (1.0,))


NOMINAL: Final = -1
"""Stands among the passes of blocks for the measured nominal capacity over that of the cell file."""


def combinations(tables: Iterable[ByPass]) -> Iterator[dict[int, int]]:
    """Give every combination of the passes on which some numbers depend."""
    sizes = {block: size for table in tables for block, size in zip(table.blocks, table.shape, strict=True)}
    for passes in itertools.product(*(range(size) for size in sizes.values())):
        yield dict(zip(sizes, passes, strict=True))


def versus_ocv_in(end: End) -> bool:
    """Tell whether an end compares a voltage with the open circuit."""
    return any(isinstance(term.value, VersusOcv) for terms in end.condition.any_of for term in terms)


def versus_ocv(line: Line) -> bool:
    """Tell whether some voltage of a line is against the open circuit."""
    return any(isinstance(value, VersusOcv) for value in _values(line))


def _values(line: Line) -> tuple[object, ...]:
    compared = (term.value for end in line.ends for terms in end.condition.any_of for term in terms)
    return (*line.settings.values(), *compared)
