"""What must hold before a line may energise a cell: limits that are said and can be measured, an end that is sure to come."""

import math
from collections.abc import Iterable, Mapping
from typing import Final

from labctl.driver import OPEN
from labctl.finding import Mark
from labctl.plan.beyond_envelope import check_ends, check_settings, with_measure
from labctl.plan.beyond_hints import (
    COLDEST,
    HOTTEST,
    on_the_other_scale,
)
from labctl.plan.context import CompileContext
from labctl.plan.number import values
from labctl.plan.program import combinations, settle
from labctl.plan.step import ByPass, End, Line, Relative, VersusOcv
from labctl.plan.step_context import Origins, StepContext, ValueOrigin
from labctl.quantity.units import display

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
