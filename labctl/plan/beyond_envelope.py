"""Set-points, cut-offs and limits against the envelope and what the channel can do: each wrong one is found, at its own place."""

import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, cast

from labctl.driver import Bounds, Capabilities
from labctl.finding import Mark
from labctl.plan.beyond_hints import (
    ZERO_LIMIT,
    amplitude_of,
    another_unit,
    at_open_circuit,
    inside,
    turned_rate,
    widened,
    without_point,
)
from labctl.plan.context import CompileContext
from labctl.plan.envelope import Envelope, extremes, pair_of
from labctl.plan.number import values
from labctl.plan.program import NOMINAL, combinations, ends_of_measure, mode_for, numbers
from labctl.plan.range_ends import cut_off_stands, where_it_stands
from labctl.plan.step import End, Line, Relative, Term, VersusOcv
from labctl.plan.step_context import Origins, StepContext, ValueOrigin
from labctl.quantity.prefix_slip import a_thousandth
from labctl.quantity.units import display

LIKELY: Final = (0.1, 1.5)  # of the nominal capacity, what one step is meant to pass
MOST_RATE: Final = 20.0  # of 1C: a current of more has most likely another unit
WRITTEN: Final = frozenset({"current", "voltage", "most", "start", "end", "temperature"})  # settings limited as written


def check_settings(draft: CompileContext, place: StepContext, line: Line, origins: Origins, mark: Mark) -> None:
    """Refuse every set-point beyond the envelope or beyond what the channel can do, once for each setting."""
    envelopes = (("limit.set_point", place.envelope), ("channel.range", channel_range(draft.capabilities)))
    # the limits first: what they refuse need not be refused again
    refused: dict[str, tuple[str, str, str, ValueOrigin]] = {}
    for (code, envelope), passes in itertools.product(envelopes, with_measure(line, combinations(numbers(line)))):
        mode = mode_for(line, passes, math.nan)
        for setting, name, value in extremes(mode, envelope.bounds):
            origin = origins.get(setting, ValueOrigin(mark))
            text = origin.text if setting in WRITTEN else ""
            why = envelope.beyond(name, value, text)
            if why:
                room = amplitude_of(line) if setting == "bias" and name == "voltage" else 0.0
                fits = _usual(draft, name, inside(envelope, name))
                scaled = origin.text if line.mode == "ConstantPower" else text  # the current goes along with a power
                meant = (
                    a_thousandth(scaled, value, fits)
                    or without_point(text, value, fits)
                    or turned_rate(text, value, fits)
                )
                less = "raise the resistance" if line.mode == "ConstantLoad" else "lower the current"
                meant = meant or at_open_circuit(setting, value) or widened(envelope, name, value, room, less)
                why, stands, farther = where_it_stands(draft, place, origin, envelope, name, value, why)
                refused.setdefault(setting, (code, why, farther or meant, stands))
    if "bias" in refused:
        refused.pop("amplitude", None)  # what lies about a bias beyond a limit does so too
    for setting, (code, why, meant, stands) in refused.items():
        no_current = meant.startswith(ZERO_LIMIT)
        hint = (
            meant
            if no_current
            else _profile_hint(line, setting) or meant + _reckoned(draft, meant, origins.get(setting, stands))
        )
        if isinstance(number := line.settings.get(setting), Relative) and not no_current:
            hint = _narrower(line, setting, number.within, [envelope for _, envelope in envelopes])
        draft.say_beyond(code, f"{why} in {line.verb}", stands, hint)


def _usual(draft: CompileContext, name: str, fits: Callable[[float], bool]) -> Callable[[float], bool]:
    """Return what tells whether a value lies in an envelope, and of a current whether a cell of that capacity is given as much."""
    most = MOST_RATE * (draft.cell.nominal or math.inf) / 3600.0
    return (lambda value: fits(value) and abs(value) <= most) if name == "current" else fits


def _reckoned(draft: CompileContext, hint: str, origin: ValueOrigin) -> str:
    """Return the question whether the lines of the cell file are right by which a current beyond a limit was reckoned, or ""."""
    if not hint.startswith(("lower the current", "is ")):
        return ""
    stated = draft.cell.stated(*draft.rests_on.get(origin.mark, ()))
    return f"{' It' if hint.endswith('?') else '; it'} is reckoned by {stated}: is that right?" if stated else ""


def _narrower(line: Line, setting: str, within: tuple[float, float], envelopes: Iterable[Envelope]) -> str:
    """Return to which `within` a measured nominal capacity must be narrowed, so that a setting stays inside the envelopes."""
    checked = tuple(envelopes)

    def fits(part: float) -> bool:
        modes = (
            mode_for(line, cast("dict[int, int]", passes | {NOMINAL: part}), math.nan)
            for passes in combinations(numbers(line))
        )
        return not any(
            name == setting and envelope.beyond(quantity, value)
            for mode in modes
            for envelope in checked
            for name, quantity, value in extremes(mode, envelope.bounds)
        )

    measured = "the nominal capacity is measured in the run"
    if not fits(1.0):
        return f"{measured}; this lies beyond with the cell file's own already"
    low, high = (_farthest(fits, end) for end in within)
    return f"{measured}: narrow its range to within: [{low} %, {high} %]"


def _farthest(fits: Callable[[float], bool], end: float) -> int:
    """Return the whole percentage towards an end of a range up to which everything fits, from 100 % on."""
    percents = range(100, round(100 * end) + (1 if end >= 1.0 else -1), 1 if end >= 1.0 else -1)
    return max((percent for percent in percents if fits(percent / 100.0)), key=lambda percent: abs(percent - 100))


def _profile_hint(line: Line, setting: str) -> str:
    """Return what brings a profile back inside the limits."""
    if line.mode != "Profile" or setting != "values":
        return ""
    return "correct the table" if line.settings.get("quantity") == "voltage" else "lower scale:"


def with_measure(line: Line, combined: Iterable[dict[int, int]]) -> Iterator[dict[int, int]]:
    """Give combinations of passes with both ends of what a measured nominal capacity may be."""
    for passes in combined:
        for part in ends_of_measure(line):
            yield cast("dict[int, int]", passes | {NOMINAL: part})


def channel_range(capabilities: Capabilities | None) -> Envelope:
    """Return what the channel can source and measure, as an envelope."""
    if capabilities is None:
        return Envelope()
    return Envelope().within(Bounds(capabilities.voltage, capabilities.current), "what the channel can do")


def check_ends(draft: CompileContext, place: StepContext, ends: Iterable[End], origins: Origins, mark: Mark) -> None:
    """Refuse every cut-off that the envelope makes impossible, or that the channel cannot see."""
    reach = channel_range(draft.capabilities)
    for number, end in enumerate(ends):
        for at, terms in enumerate(end.condition.any_of):
            for which, term in enumerate(terms):
                origin = origins.get((number, at, which)) or origins.get(number, ValueOrigin(mark))
                why = cut_off_beyond(place.envelope, term, origin.text)
                if why:
                    why, origin, hint = cut_off_stands(draft, place, origin, term, why)
                    hint = hint or _relative(draft, term, origin.text)
                    hint = hint or _smaller_end(place.envelope, term, origin.text)
                    hint = hint or "a cut-off may lie on a limit, not beyond it"
                    draft.say_beyond("limit.cut_off", why, origin, hint)
                elif why := cut_off_beyond(reach, term, origin.text):
                    draft.say_beyond("channel.range", why, origin)


def cut_off_beyond(envelope: Envelope, term: Term, written: str = "") -> str:
    """Return why a comparison can never decide anything inside an envelope, or "" if it can."""
    if term.slope or isinstance(term.value, VersusOcv):
        return ""
    for value in values(term.value):
        why = _beyond(envelope, term, value, written)
        if why:
            return why
    return ""


def _relative(draft: CompileContext, term: Term, written: str) -> str:
    """Return the question whether C/20 was meant for 20C, or mAh/g or mAh/cm2 for mAh, or ""."""
    if (
        term.quantity == "current"
        and (times := re.fullmatch(r"\s*([\d.]+)\s*C\s*", written))
        and term.comparison in {"<", "<="}
    ):
        return f"is C/{times[1]} meant?"
    match = re.fullmatch(r"\s*([\d.]+)\s*([uµm]?Ah)\s*", written)
    nominal, prefix = draft.cell.nominal, {"Ah": 1.0, "mAh": 1e-3}.get(match[2] if match else "", 1e-6)
    if match is None or not nominal or term.quantity != "capacity":
        return ""
    charge = float(match[1]) * prefix * 3600.0
    for unit, size in (("g", 1e3 * (draft.cell.active_mass or 0.0)), ("cm2", 1e4 * (draft.cell.area or 0.0))):
        if LIKELY[0] * nominal <= charge * size <= LIKELY[1] * nominal:
            return f"is {match[1]} {match[2]}/{unit} meant?"
    return ""


def _smaller_end(envelope: Envelope, term: Term, written: str) -> str:
    """Return the question whether a cut-off beyond an envelope has a prefix too large, or ""."""
    numbers = () if isinstance(term.value, VersusOcv) else values(term.value)
    beyond = next((one for one in numbers if _beyond(envelope, term, one, "")), None)
    return "" if beyond is None else another_unit(written, beyond, lambda one: not _beyond(envelope, term, one, ""))


def _beyond(envelope: Envelope, term: Term, value: float, written: str) -> str:
    match term.quantity:
        case "voltage" if term.absolute:
            return envelope.beyond("voltage", _farther(pair_of(envelope.bounds, "voltage"), value), written)
        case "voltage":
            return envelope.beyond("voltage", value, written)
        case "temperature":
            return envelope.beyond("temperature", value, written)
        case "current":
            return envelope.beyond("current", _farther(pair_of(envelope.bounds, "current"), value), written)
        case "capacity":
            return envelope.beyond_charge(value, written)
    return ""


def _farther(pair: tuple[float, float] | None, value: float) -> float:
    """Return a magnitude with the sign of that end of a range which lies farther from zero."""
    low, high = pair or (0.0, 0.0)
    return value if abs(high) >= abs(low) else -value


def check_envelope(draft: CompileContext, envelope: Envelope, mark: Mark, slip: str = "") -> bool:
    """Refuse limits that leave nothing between them, and limits that the channel cannot measure; return whether nothing is left.

    Args:
        draft: Takes what is wrong.
        envelope: The limits.
        mark: Where they stand.
        slip: What is likely to be meant in place of a voltage limit that no cell has.
    """
    empty = tuple(envelope.empty())
    for name in empty:
        low, high = pair_of(envelope.bounds, name) or (0.0, 0.0)
        who = f"{envelope.owners.get(name + '.low')} and {envelope.owners.get(name + '.high')}"
        draft.say(
            "limit.empty",
            f"wanted a {name} that {who} both allow, found at least {display(low, name)} and at most {display(high, name)}",
            mark,
            slip if name == "voltage" else "",
        )
    capabilities = draft.capabilities
    if empty or capabilities is None:
        return bool(empty)
    for limited in ("voltage", "current", "temperature"):
        if pair_of(envelope.bounds, limited) is not None:
            draft.measured(limited, mark, f"the limit of {limited}")
    low, high = envelope.bounds.voltage or capabilities.voltage
    if low < capabilities.voltage[0] or high > capabilities.voltage[1]:
        reach = " to ".join(display(value, "voltage") for value in capabilities.voltage)
        range_text = " to ".join(display(value, "voltage") for value in (low, high))
        draft.say(
            "channel.range",
            f"wanted voltage limits that the channel can measure ({reach}), found {range_text}",
            mark,
            "tighten limits, or give the channel limits in the station file",
        )
    return False
