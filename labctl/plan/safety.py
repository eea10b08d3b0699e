"""What must hold before a line may energise a cell: limits that are said and can be measured, an end that is sure to come.

Every set-point and cut-off is held against the envelope here, in every pass; each wrong one is found, at its own place.
"""

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Final

from labctl.document import Mark
from labctl.driver import Bounds, Capabilities
from labctl.plan.draft import Draft, Place
from labctl.plan.limit import Envelope, extremes, pair_of
from labctl.plan.number import values
from labctl.plan.program import combinations, mode_for, numbers, settle
from labctl.plan.step import ByPass, End, Line, Term, VersusOcv
from labctl.protocol.model import Step
from labctl.units import display

DRIVEN: Final = frozenset({"charge", "discharge"})
STRIPPED: Final = frozenset({"strip", "plate"})
METAL: Final = frozenset({"symmetric", "asymmetric"})  # working electrodes that are stripped and plated
NOT_DRIVEN: Final = METAL | {"blocking"}
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
Marks = Mapping[str | int, Mark]


def hold_verb(draft: Draft, step: Step) -> None:
    """Refuse a verb that means nothing for this kind of cell."""
    kind, word = draft.cell.kind, step.word
    if word in DRIVEN and kind in NOT_DRIVEN:
        other = {"charge": "strip", "discharge": "plate"}[word]
        hint = f"write {other}" if kind in METAL else "a blocking cell takes hold, lsv, cv and eis"
        draft.say("cell.kind", f"wanted a cell that can be charged for {word}, found a {kind} one", step.mark, hint)
    if word in STRIPPED and kind not in METAL:
        other = {"strip": "charge", "plate": "discharge"}[word]
        hint = "a blocking cell takes hold, lsv, cv and eis" if kind == "blocking" else f"write {other}"
        draft.say("cell.kind", f"wanted a symmetric or asymmetric cell for {word}, found a {kind} one", step.mark, hint)


def hold_line(draft: Draft, place: Place, line: Line, marks: Marks, mark: Mark) -> None:
    """Refuse a line that energises without limits or without an end, and every value beyond the envelope."""
    if line.energises:
        draft.energised = True
        _limited(draft, place, line, mark)
        _ended(draft, place, line, mark)
    _can_be_done(draft, line, mark)
    _passes_too_much(draft, place, line, marks, mark)
    hold_settings(draft, place, line, marks, mark)
    hold_ends(draft, place, line.ends, marks, mark)


def _limited(draft: Draft, place: Place, line: Line, mark: Mark) -> None:
    if "voltage" not in place.said:
        draft.say_once(
            "safety.voltage",
            f"wanted a voltage limit in the file or the cell for {line.verb}, found none",
            mark,
            "add limits: {voltage: [2.5 V, 4.3 V]}",
        )
    biased = line.mode == "Spectrum" and line.settings.get("bias") not in {None, 0.0}
    holds = line.mode == "Potentiostatic" and line.settings.get("most") is None
    if "current" not in place.said and (biased or holds or line.mode == "Sweep"):
        also = ", or current: in the hold" if line.verb == "hold" else ""
        draft.say(
            "safety.current",
            f"wanted a current limit in the file or the cell for {line.verb}{also}, found none",
            mark,
            "add limits: {current: [-1 mA, 1 mA]}" + (", or current: 1 mA to the hold" if also else ""),
        )


def _ended(draft: Draft, place: Place, line: Line, mark: Mark) -> None:
    """Refuse a step without an end, or with none that is sure to come."""
    if line.mode in OWN_END or place.sure:
        return
    if not line.ends:
        draft.say("safety.end", f"wanted an end in {line.verb}, found none", mark, "add for, to, capacity or until")
    elif place.envelope.bounds.charge is None and not sure(line.ends):
        draft.say(
            "safety.end",
            f"wanted an end in {line.verb} that is sure to come, found none",
            mark,
            "add for or capacity, a capacity to limits, or the cell's nominal capacity",
        )


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


def _passes_too_much(draft: Draft, place: Place, line: Line, marks: Marks, mark: Mark) -> None:
    """Refuse a constant current whose only ends are times that let it pass more than one step may."""
    terms = [terms for end in line.ends for terms in end.condition.any_of]
    if line.mode != "Galvanostatic" or place.envelope.bounds.charge is None or not terms:
        return
    if any(len(one) != 1 or one[0].quantity != "time" or one[0].comparison in {"<", "<="} for one in terms):
        return
    times = [one[0].value for one in terms if not isinstance(one[0].value, VersusOcv)]
    current = line.settings["current"]
    tables = [number for number in (*times, current) if isinstance(number, ByPass)]
    for passes in combinations(tables):
        seconds = min(float(settle(time, passes, None)) for time in times)  # type: ignore[arg-type]
        passed = abs(float(settle(current, passes, None))) * seconds  # type: ignore[arg-type]
        why = place.envelope.beyond_charge(passed)
        if why:
            hint = "shorten for, add a voltage end, or widen limits: {capacity: ...}"
            draft.say("limit.charge", f"{why} passed by {line.verb} in its time", marks.get(0, mark), hint)
            return


def _can_be_done(draft: Draft, line: Line, mark: Mark) -> None:
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


def hold_settings(draft: Draft, place: Place, line: Line, marks: Marks, mark: Mark) -> None:
    """Refuse every set-point beyond the envelope or beyond what the channel can do, once for each setting."""
    found: dict[str, tuple[str, str]] = {}  # the limits first: what they refuse need not be refused again
    envelopes = (("limit.set_point", place.envelope), ("channel.range", channel_range(draft.capabilities)))
    for (code, envelope), passes in itertools.product(envelopes, combinations(numbers(line))):
        mode = mode_for(line, passes, math.nan)
        for setting, name, value in extremes(mode, envelope.bounds):
            why = envelope.beyond(name, value)
            if why:
                found.setdefault(setting, (code, why))
    for setting, (code, why) in found.items():
        draft.say(code, f"{why} in {line.verb}", marks.get(setting, mark))


def channel_range(capabilities: Capabilities | None) -> Envelope:
    """Return what the channel can source and measure, as an envelope."""
    if capabilities is None:
        return Envelope()
    return Envelope().within(Bounds(capabilities.voltage, capabilities.current), "what the channel can do")


def hold_ends(draft: Draft, place: Place, ends: Iterable[End], marks: Marks, mark: Mark) -> None:
    """Refuse every cut-off that the envelope makes impossible, or that the channel cannot see."""
    reach = channel_range(draft.capabilities)
    for number, end in enumerate(ends):
        for term in (term for terms in end.condition.any_of for term in terms):
            why = cut_off_beyond(place.envelope, term)
            if why:
                draft.say("limit.cut_off", why, marks.get(number, mark), "a cut-off may lie on a limit, not beyond it")
            elif why := cut_off_beyond(reach, term):
                draft.say("channel.range", why, marks.get(number, mark))


def cut_off_beyond(envelope: Envelope, term: Term) -> str:
    """Return why a comparison can never decide anything inside an envelope, or "" if it can."""
    if term.slope or isinstance(term.value, VersusOcv):
        return ""
    for value in values(term.value):
        why = _beyond(envelope, term, value)
        if why:
            return why
    return ""


def _beyond(envelope: Envelope, term: Term, value: float) -> str:
    match term.quantity:
        case "voltage" if term.absolute:
            return envelope.beyond("voltage", _farther(pair_of(envelope.bounds, "voltage"), value))
        case "voltage":
            return envelope.beyond("voltage", value)
        case "temperature":
            return envelope.beyond("temperature", value)
        case "current":
            return envelope.beyond("current", _farther(pair_of(envelope.bounds, "current"), value))
        case "capacity":
            return envelope.beyond_charge(value)
    return ""


def _farther(pair: tuple[float, float] | None, value: float) -> float:
    """Return a magnitude with the sign of that end of a range which lies farther from zero."""
    low, high = pair or (0.0, 0.0)
    return value if abs(high) >= abs(low) else -value


def hold_envelope(draft: Draft, envelope: Envelope, mark: Mark) -> None:
    """Refuse limits that leave nothing between them, and limits that the channel cannot measure."""
    for name in envelope.empty():
        low, high = pair_of(envelope.bounds, name) or (0.0, 0.0)
        who = f"{envelope.owners.get(name + '.low')} and {envelope.owners.get(name + '.high')}"
        draft.say(
            "limit.empty",
            f"wanted a {name} that {who} both allow, found at least {display(low, name)} and at most {display(high, name)}",
            mark,
        )
    capabilities = draft.capabilities
    if capabilities is None:
        return
    for limited in ("voltage", "current", "temperature"):
        if pair_of(envelope.bounds, limited) is not None:
            draft.measured(limited, mark, f"the limit of {limited}")
    low, high = envelope.bounds.voltage or capabilities.voltage
    if low < capabilities.voltage[0] or high > capabilities.voltage[1]:
        reach = " to ".join(display(value, "voltage") for value in capabilities.voltage)
        found = " to ".join(display(value, "voltage") for value in (low, high))
        draft.say(
            "channel.range",
            f"wanted voltage limits that the channel can measure ({reach}), found {found}",
            mark,
            "tighten limits, or give the channel limits in the station file",
        )
