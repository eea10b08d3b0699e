"""What must hold before a line may energise a cell: limits that are said and can be measured, an end that is sure to come.

Every set-point and cut-off is held against the envelope here, in every pass; each wrong one is found, at its own place.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, cast

from labctl.driver import OPEN, Bounds, Capabilities
from labctl.finding import Mark
from labctl.plan.beyond_hints import (
    COLDEST,
    HOTTEST,
    ZERO_LIMIT,
    amplitude_of,
    another_unit,
    at_open_circuit,
    inside,
    on_the_other_scale,
    turned_rate,
    widened,
    without_point,
)
from labctl.plan.context import CompileContext
from labctl.plan.envelope import Envelope, extremes, pair_of
from labctl.plan.number import values
from labctl.plan.program import NOMINAL, combinations, ends_of_measure, mode_for, numbers, settle
from labctl.plan.range_ends import cut_off_stands, where_it_stands
from labctl.plan.step import ByPass, End, Line, Relative, Term, VersusOcv
from labctl.plan.step_context import Origins, StepContext, ValueOrigin
from labctl.quantity.prefix_slip import a_thousandth
from labctl.quantity.units import display

WRITTEN: Final = frozenset({"current", "voltage", "most", "start", "end", "temperature"})  # settings limited as written
OWN_END: Final = frozenset({"Sweep", "Profile", "Spectrum"})
OTHER_INSTRUMENTS: Final = frozenset({"Bend", "Chamber"})
WORDS: Final[Mapping[str, str]] = {
    "Galvanostatic": "constant current",
    "Potentiostatic": "constant voltage",
    "ConstantPower": "constant power",
    "ConstantLoad": "a load",
    "Sweep": "a voltage sweep",
    "Profile": "a profile",
    "Spectrum": "impedance",
}
SIDES: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("charge", "strip"), ("highest voltage",)),
    **dict.fromkeys(("discharge", "plate"), ("lowest voltage",)),
}
"""Sides of the voltage limits towards which a verb drives; any other drives towards both."""
END_HINTS: Final[Mapping[str, str]] = {
    "hold": "add for: 1 h or until: current < C/50",
    **dict.fromkeys(
        ("charge", "discharge", "strip", "plate"),
        "add to:, capacity:, for: or until: with a value of yours, such as for: 12 h",
    ),
}


def check_line(draft: CompileContext, place: StepContext, line: Line, origins: Origins, mark: Mark) -> None:
    """Refuse a line that energises without limits or without an end, and every value beyond the envelope."""
    if line.energises:
        draft.energised = True
        _limited(draft, place, line, mark)
        _ended(draft, place, line, mark)
    _hot_or_cold(draft, place, line, origins, mark)
    _can_be_done(draft, line, mark)
    _passes_too_much(draft, place, line, origins, mark)
    _swings_too_far(draft, place, line, origins, mark)
    check_settings(draft, place, line, origins, mark)
    check_ends(draft, place, line.ends, origins, mark)


def _limited(draft: CompileContext, place: StepContext, line: Line, mark: Mark) -> None:
    if not draft.known:
        return  # the cell's own limits may do
    missing = [side for side in SIDES.get(line.verb, ("lowest voltage", "highest voltage")) if side not in place.said]
    if missing:
        which = (
            "a voltage limit"
            if len(missing) > 1 or not {"lowest voltage", "highest voltage"} & place.said
            else f"a {missing[0]}"
        )
        draft.say_once(
            "safety.voltage",
            f"wanted {which} in the file or the cell for {line.verb}, found none",
            mark,
            "add limits with what your cell stands, for example limits: {voltage: [2.5 V, 4.3 V]}",
        )
    biased = line.mode == "Spectrum" and line.settings.get("bias") not in {None, 0.0}
    voltages = line.mode == "Profile" and line.settings.get("quantity") == "voltage"
    holds = (line.mode == "Potentiostatic" or voltages) and line.settings.get("most") is None
    if not place.said >= {"lowest current", "highest current"} and (biased or holds or line.mode == "Sweep"):
        also = f", or current: in the {line.verb}" if holds and line.verb in {"hold", "profile"} else ""
        draft.say(
            "safety.current",
            f"wanted a current limit in the file or the cell for {line.verb}{also}, found none",
            mark,
            "add limits with what your cell stands, for example limits: {current: [-1 mA, 1 mA]}"
            + (f", or current: to the {line.verb}" if also else ""),
        )


def _ended(draft: CompileContext, place: StepContext, line: Line, mark: Mark) -> None:
    """Refuse a step without an end, or with none that is sure to come."""
    if line.mode in OWN_END or place.sure:
        return
    if not line.ends:
        draft.say("safety.end", f"wanted an end of {line.verb}, found none", mark, _end_hint(place, line.verb))
    elif draft.known and place.envelope.bounds.charge is None and not sure(line.ends):
        draft.say(
            "safety.end",
            f"wanted an end of {line.verb} that is sure to come, found none",
            mark,
            "add for: 12 h or capacity:, or a capacity limit, or the nominal capacity of the cell, twice which is the limit",
        )


def _end_hint(place: StepContext, verb: str) -> str:
    """Return how a step is ended: a drive by the limit that it comes to, where one is said."""
    low, high = place.envelope.bounds.voltage or (-math.inf, math.inf)
    limit = {"charge": high, "strip": high, "discharge": low, "plate": low}.get(verb, math.inf)
    if abs(limit) >= OPEN:
        return END_HINTS.get(verb, "add for: 1 h")
    within = "the limit, or a voltage inside it"
    return f"add to: {display(limit, 'voltage')}, {within}; or capacity:, for: or until:"


def sure(ends: Iterable[End]) -> bool:
    """Tell whether one of these ends is sure to come: an alternative of nothing but time and capacity above a value."""
    return any(
        all(
            term.quantity in {"time", "capacity"} and not term.slope and term.comparison in {">", ">="}
            for term in terms
        )
        for end in ends
        for terms in end.condition.any_of
    )


def _passes_too_much(draft: CompileContext, place: StepContext, line: Line, origins: Origins, mark: Mark) -> None:
    """Refuse a constant current whose only ends are times that let it pass more than one step may."""
    terms = [terms for end in line.ends for terms in end.condition.any_of]
    if line.mode != "Galvanostatic" or place.envelope.bounds.charge is None or not terms:
        return
    if any(len(one) != 1 or one[0].quantity != "time" or one[0].comparison in {"<", "<="} for one in terms):
        return
    times = [one[0].value for one in terms if not isinstance(one[0].value, VersusOcv)]
    current = line.settings["current"]
    inner = [number.value if isinstance(number, Relative) else number for number in (*times, current)]
    tables = [number for number in inner if isinstance(number, ByPass)]
    for passes in with_measure(line, combinations(tables)):
        seconds = min(float(settle(time, passes, None)) for time in times)  # type: ignore[arg-type]
        passed = abs(float(settle(current, passes, None))) * seconds  # type: ignore[arg-type]
        why = place.envelope.beyond_charge(passed)
        if why:
            hint = "shorten for, add a voltage end, or widen limits: {capacity: ...}"
            origin = origins.get("current", ValueOrigin(mark))
            draft.say_beyond("limit.charge", f"{why} passed by {line.verb} in its time", origin, hint)
            return


def _hot_or_cold(draft: CompileContext, place: StepContext, line: Line, origins: Origins, mark: Mark) -> None:
    """Refuse a temperature that hardly any cell stands, unless limits of temperature say that it is meant."""
    temperature = line.settings.get("temperature")
    if (
        line.mode != "Chamber"
        or place.envelope.bounds.temperature is not None
        or not isinstance(temperature, float | ByPass)
    ):
        return
    for value in values(temperature):
        if value < COLDEST or value > HOTTEST:  # NaN is neither
            origin = origins.get("temperature", ValueOrigin(mark))
            shown, low, high = (display(one, "temperature") for one in (value, COLDEST, HOTTEST))
            why = f"wanted a temperature from {low} to {high}, or limits that allow another, found {shown}"
            draft.say_beyond("safety.temperature", why, origin, on_the_other_scale(value))
            return


def _swings_too_far(draft: CompileContext, place: StepContext, line: Line, origins: Origins, mark: Mark) -> None:
    """Refuse an amplitude about the open circuit for which the voltage limits have no room wherever that lies."""
    low, high = place.envelope.bounds.voltage or (-math.inf, math.inf)
    amplitude = line.settings.get("amplitude")
    if line.mode != "Spectrum" or not line.settings["potentiostatic"] or not isinstance(amplitude, float | ByPass):
        return
    most = max(map(abs, values(amplitude)), default=0.0)
    if line.settings.get("bias") is None and 2.0 * most > high - low:
        room = display((high - low) / 2.0, "voltage")
        why = f"wanted an amplitude of at most {room}, half of what the voltage limits leave, found {display(most, 'voltage')}"
        draft.say_beyond("limit.set_point", why, origins.get("amplitude", ValueOrigin(mark)), "5 mV to 20 mV are usual")


def _can_be_done(draft: CompileContext, line: Line, mark: Mark) -> None:
    known = draft.capabilities
    if known is None or line.mode in known.modes or line.mode in OTHER_INSTRUMENTS or line.mode == "Rest":
        return
    has = ", ".join(sorted(WORDS[mode] for mode in known.modes if mode in WORDS)) or "rest only"
    draft.say(
        "channel.mode",
        f"wanted an instrument that does {WORDS[line.mode]} for {line.verb}, found one that does {has}",
        mark,
    )


# --- values against the envelope --------------------------------------------------------------------------------------


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
                fits = inside(envelope, name)
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
