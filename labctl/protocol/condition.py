"""Conditions: `time > 2 h and abs(dI/dt) < 1 uA/h over 10 min or voltage > 4.2 V`, quantity first, no brackets."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final, Literal

from labctl.errors import Misread
from labctl.finding import clip
from labctl.protocol.condition_slips import (
    NO_BRACKETS,
    OTHERS,
    as_magnitude,
    as_share,
    asked_of_cycles,
    compared,
    meant,
    of_a_page,
    of_sign,
    of_word,
    other_quantity,
    unnamed,
)
from labctl.protocol.expression import Places, closing, parse_given
from labctl.protocol.model import Comparison, Given, Sign, WrittenCondition, WrittenTerm
from labctl.protocol.quantity_words import QUANTITY_WORDS, change_hint
from labctl.quantity.dimension import Kind
from labctl.quantity.units import Quantity
from labctl.text.fields import near

KINDS: Final[Mapping[str, Kind]] = {
    "voltage": "potential",
    "current": "current",
    "temperature": "temperature",
    "power": "power",
    "time": "duration",
    "capacity": "capacity",
    "dV/dt": "voltage slope",
    "dI/dt": "current slope",
    "dT/dt": "temperature slope",
    "energy": "energy",
    "charge_capacity": "capacity",
    "discharge_capacity": "capacity",
    "coulombic_efficiency": "fraction",
    "retention": "fraction",
    "cycle": "count",
    "every": "count",
    "charged": "capacity",
    "discharged": "capacity",
    "net": "capacity",
}
"""What may be compared, and with what kind of value."""

FLAGS: Final = ("short", "short.soft")
SLOPES: Final = frozenset({"dV/dt", "dI/dt", "dT/dt"})
CHANGES: Final[Mapping[str, tuple[str, Kind]]] = {
    "voltage": ("dV/dt", "potential"),
    "current": ("dI/dt", "current"),
    "temperature": ("dT/dt", "temperature step"),
}
"""What may have changed within a time: of which slope that is, and with what kind of value it is compared."""
DWELLING: Final = frozenset({"voltage", "current", "temperature", "power"})
MAGNITUDES: Final = frozenset(
    {
        "current",
        "power",
        "capacity",
        "time",
        "charge_capacity",
        "discharge_capacity",
        "cycle",
        "charged",
        "discharged",
        "energy",
    }
)
MOST_LENGTH: Final = 1000
MOST_TERMS: Final = 40

_COMPARISONS: Final[Mapping[str, Comparison]] = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "≤": "<=", "≥": ">="}
_WORD: Final = re.compile(r"\b(and|or)\b|\$\(|(&&?|\|\||\bAND\b|\bOR\b|\bnot\b)")
_SPLIT: Final = re.compile(r"<=|>=|=<|=>|==|!=|<|>|=|≤|≥")
RESULTS: Final = ("charge_capacity", "discharge_capacity", "coulombic_efficiency", "retention")
_OF: Final = r"max|first|cycle\s+\d+|check|cycles|block"
_NAMED: Final = re.compile(rf"(abs\s*\(\s*)?([A-Za-z_<>][\w./<>]*)((?:\s+of\s+(?:{_OF}))*)\s*(\))?")
SINCE: Final = ("charged", "discharged", "net")
_SINCE: Final = re.compile(rf"({'|'.join(SINCE)})\s+since\s+(\S.*)")
_MARK: Final = re.compile(r"[A-Za-z_][\w-]*")
_FIGURE: Final = re.compile(r"(spread|change)\s+of\s+(.+?)\s+over\s+(\S+)(?:\s+cycles?)?")
_CHANGE: Final = re.compile(r"(abs\s*\(\s*)?change\s+of\s+(voltage|current|temperature)\s+over\s+([\d$.].*?)\s*(\))?")
_RUNNING: Final = re.compile(r"(.*\S)\s+for\s+(\S+)\s+cycles?")
_LASTING: Final = re.compile(r"(.*\S)\s+for\s+(\d.*)")
_EVERY: Final = re.compile(r"every\s+(\S+?)(?:st|nd|rd|th)?\s+cycles?")
_MEMBERS: Final = re.compile(r"cycle\s+in\s*\[([^\]]*)\]")


def parse_condition(text: str, places: Places) -> WrittenCondition:
    """Return the condition that a text states.

    Raises:
        Misread: It states none; with the place of the first thing that is wrong.
    """
    if (slip := of_a_page(text)) is not None:
        raise slip
    try:
        return _parsed(text, places)
    except Misread as error:
        if not (right := meant(text, error, lambda joined: _stands(joined, places))):
            raise
        raise Misread(error.code, str(error), f"write {clip(right, 80)}", error.offset) from None


def _stands(text: str, places: Places) -> bool:
    with suppress(Misread):
        return bool(_parsed(text, places).any_of)
    return False


def _parsed(text: str, places: Places) -> WrittenCondition:
    if len(text) > MOST_LENGTH:
        raise Misread("condition.long", f"wanted at most {MOST_LENGTH} characters, found {len(text)}")
    if not text.strip():
        raise Misread("condition.empty", "wanted a condition, found nothing", "for example voltage > 4.2 V")
    alternatives: list[list[WrittenTerm]] = [[]]
    for word, begin, end in _parts(text):
        if word == "or":
            alternatives.append([])
        alternatives[-1].append(_term(text, begin, end, places))
    if sum(map(len, alternatives)) > MOST_TERMS:
        raise Misread("condition.long", f"wanted at most {MOST_TERMS} comparisons, found more")
    return WrittenCondition(text.strip(), tuple(map(tuple, alternatives)), places(0))


def _parts(text: str) -> list[tuple[str, int, int]]:
    """Return (word before it, begin, end) of every term; words inside `$( )` do not count."""
    parts: list[tuple[str, int, int]] = []
    word, begin, at = "", 0, 0
    while (match := _WORD.search(text, at)) is not None:
        at = match.end()
        if match[2]:
            raise of_word(match[2], match.start())
        if match[0] == "$(":
            at = closing(text, at) + 1
            continue
        parts.append((word, begin, match.start()))
        word, begin = match[1], at
    return [*parts, (word, begin, len(text))]


def _term(text: str, begin: int, end: int, places: Places) -> WrittenTerm:
    part = text[begin:end]
    offset = begin + len(part) - len(part.lstrip())
    part = part.strip()
    if not part:
        raise Misread(
            "condition.empty", "wanted a comparison between and, or, found none", "for example voltage > 4.2 V", begin
        )
    mark = places(offset)
    split = _SPLIT.search(part)
    if split is None:
        return _flag(part, offset, places)
    if not split.start():
        hint = (
            f"write voltage {clip(part)}" if part.endswith("V") else f"write the quantity first: current {clip(part)}"
        )
        raise Misread("condition.order", f"wanted the quantity first, found {clip(part)!r}", hint, offset)
    left = _left(part[: split.start()].rstrip(), offset, places)
    comparison = _comparison(split[0], part, offset + split.start())
    place = offset + split.end() + len(part) - split.end() - len(part[split.end() :].lstrip())
    value, running = _running(part[split.end() :].strip(), left.quantity, place, places)
    value, dwell = _dwell(value, left.quantity, place, places)
    value, over = _over(value)
    _refuse_for(value, left.quantity, place)
    if over is not None and left.quantity not in SLOPES:
        hint = "slopes are dV/dt, dI/dt and dT/dt; of cycles write spread of discharge_capacity over 3 < 3 %"
        raise Misread("condition.over", f"wanted over only with a slope, found it with {left.quantity}", hint, place)
    if left.figure == "change" and left.quantity in SLOPES:
        return _changed(replace(left, comparison=comparison, mark=mark), value, place, places)
    sign = "any" if left.figure == "change" else _sign(left.quantity, absolute=left.absolute)
    return replace(
        left,
        comparison=comparison,
        value=_given(value, kind_of(left), place, places, sign, _instead(left, comparison, value)),
        mark=mark,
        over=None if over is None else _given(over[0], "duration", place + over[1], places, "positive"),
        cycles=running,
        dwell=dwell,
    )


def _instead(left: WrittenTerm, comparison: Comparison, value: str) -> str:
    """Return what a comparison with a value that is none of its kind is likely to mean, or ""."""
    if left.quantity in MAGNITUDES and (turned := as_magnitude(left.quantity, comparison, value)):
        return turned
    others = {} if left.is_result or left.is_slope else {name: KINDS[name] for name in OTHERS}
    if left.quantity in RESULTS:
        others = {name: KINDS[name] for name in ("discharge_capacity", "voltage", "temperature", "current")}
    return change_hint(left.quantity, value) or other_quantity(value, comparison, kind_of(left), others)


def _changed(term: WrittenTerm, value: str, place: int, places: Places) -> WrittenTerm:
    """Return `change of current over 30 min` with its value: a quantity, or a percentage of what flows now."""
    figure: Literal["change", "share"] = "share" if value.endswith("%") else "change"
    term = replace(term, figure=figure)
    return replace(
        term, value=_given(value, kind_of(term), place, places, "not negative", as_share(value, term.quantity))
    )


def kind_of(term: WrittenTerm) -> Kind:
    """Return with what kind of value a comparison compares."""
    if term.figure in {"spread", "share"}:
        return "fraction"
    if term.figure == "change" and term.quantity in SLOPES:
        return next(kind for slope, kind in CHANGES.values() if slope == term.quantity)
    return KINDS[term.quantity]


def _dwell(text: str, quantity: str, place: int, places: Places) -> tuple[str, Given | None]:
    """Return a value and, of `3 V for 10 s`, how long it must have been met."""
    match = _LASTING.fullmatch(text)
    if match is None or quantity not in DWELLING:
        return text, None
    return match[1], _given(match[2], "duration", place + match.start(2), places, "positive")


def _given(text: str, kind: Kind, place: int, places: Places, sign: Sign, instead: str = "") -> Given:
    if kind == "duration" and re.match(r"\d{4}-\d{1,2}-\d{1,2}", text):
        message = f"wanted a duration, found the date {clip(text)!r}"
        raise Misread("condition.value", message, f"write a step of its own: - wait: {{until: {clip(text)}}}", place)
    if re.match(r"[A-Za-z]", text) and kind != "current" and text != "ocv" and "$" not in text:
        raise Misread(
            "condition.value",
            f"wanted a value, found {clip(text)!r}",
            "the quantity stands first: voltage > 4.2 V; a parameter is $name",
            place,
        )
    try:
        return parse_given(text, kind, lambda offset: places(place + offset), sign)
    except Misread as error:
        raise Misread(error.code, str(error), instead or error.hint, place + error.offset) from None


def _sign(quantity: str, *, absolute: bool) -> Sign:
    return "not negative" if absolute or quantity in MAGNITUDES else "any"


def _comparison(word: str, part: str, place: int) -> Comparison:
    if word in _COMPARISONS:
        return _COMPARISONS[word]
    message = f"wanted <, <=, > or >=, found {word} in {clip(part)!r}"
    raise Misread("condition.comparison", message, of_sign(word, part), place)


def _over(text: str) -> tuple[str, tuple[str, int] | None]:
    """Return the value and (text, offset) of its window, if one is stated."""
    match = re.search(r"\s+over\s+", text)
    if match is None:
        return text, None
    return text[: match.start()], (text[match.end() :], match.end())


def _refuse_for(value: str, quantity: str, place: int) -> None:
    """Refuse `dV/dt < 1 mV/h for 10 min`: the window of a slope is `over`, and nothing else has one."""
    match = re.fullmatch(r"(.*\S)\s+(?:for|during|within|in)\s+(\d.*)", value)
    if match is None:
        return
    if quantity in SLOPES:
        hint = f"write {match[1]} over {match[2]}"
    elif quantity in RESULTS and (count := re.fullmatch(r"(\d+)(?:\s*(?:times|x))?", match[2])):
        hint = f"write {match[1]} for {count[1]} cycles"
    else:
        hint = (
            "a time behind a value goes with voltage, current, temperature and power; slopes have a window: over 10 min"
        )
    raise Misread("condition.over", f"wanted a value, found {clip(value)!r}", hint, place + match.end(1))


def _running(text: str, quantity: str, place: int, places: Places) -> tuple[str, Given | None]:
    """Return a value and, of `80 % for 3 cycles`, in how many cycles running it must be met."""
    match = _RUNNING.fullmatch(text)
    if match is None:
        return text, None
    if quantity not in RESULTS:
        message = f"wanted `for {match[2]} cycles` after a result of cycles, found it after {quantity}"
        raise Misread("condition.over", message, "results are " + ", ".join(RESULTS), place + match.end(1))
    return match[1], _given(match[2], "count", place + match.start(2), places, "positive")


def _left(text: str, offset: int, places: Places) -> WrittenTerm:
    """Return the left side of a comparison as a term without the rest."""
    if match := _SINCE.fullmatch(text):
        if _MARK.fullmatch(match[2]) is None:
            message = f"wanted the name of a mark, cycle or block after since, found {clip(match[2])!r}"
            raise Misread(
                "condition.since", message, "a mark that is asked for is one word: mark: full", offset + match.start(2)
            )
        return WrittenTerm(match[1], ">", None, places(offset), since=match[2])
    if match := _CHANGE.fullmatch(text):
        over = _given(match[3], "duration", offset + match.start(3), places, "positive")
        slope, _ = CHANGES[match[2]]
        return WrittenTerm(slope, ">", None, places(offset), absolute=True, figure="change", over=over)
    match = _FIGURE.fullmatch(text)
    if match is None:
        return _named(text, offset, places)
    left = _named(match[2], offset + match.start(2), places)
    if left.quantity not in RESULTS or left.absolute:
        message = f"wanted a result of cycles after {match[1]} of, found {clip(match[2])!r}"
        hint = change_hint(f"change of {match[2]}", "") or "results are " + ", ".join(RESULTS)
        raise Misread("condition.of", message, hint, offset + match.start(2))
    among = _given(match[3], "count", offset + match.start(3), places, "positive")
    if isinstance(among, Quantity) and among.value_si < 2:
        message = f"wanted at least 2 cycles for a {match[1]}, found {match[3]}"
        raise Misread("condition.over", message, f"write {match[1]} of {match[2]} over 3", offset + match.start(3))
    return replace(left, figure=match[1], among=among)  # type: ignore[arg-type]


def _named(text: str, offset: int, places: Places) -> WrittenTerm:
    """Return the quantity of a comparison, whether its magnitude is taken, and of which cycles it is."""
    match = _NAMED.fullmatch(text)
    if match is None or bool(match[1]) != bool(match[4]):
        raise unnamed(text, offset)
    name = match[2]
    if name in FLAGS:
        raise Misread("condition.flag", f"wanted {name} alone, found it in a comparison", f"write {name}", offset)
    if name in SINCE:
        hint = f"write {name} since cycle, {name} since block, or {name} since full after - mark: full"
        raise Misread("condition.since", f"wanted since what after {name}, found nothing", hint, offset)
    if name not in KINDS or name == "every":
        hint = QUANTITY_WORDS.get(name.lower(), "")
        known = (*(each for each in KINDS if each != "every"), *FLAGS)
        hint = f"write {hint}" if hint else near(name, known) or "known are " + ", ".join(known)
        raise Misread(
            "condition.quantity", f"wanted a quantity to compare, found {clip(name)!r}", hint, offset + match.start(2)
        )
    term = WrittenTerm(name, ">", None, places(offset), bool(match[1]))
    for of in re.findall(_OF, match[3]):
        term = _of(term, of, offset)
    return term


def _of(term: WrittenTerm, of: str, offset: int) -> WrittenTerm:
    """Return a term with one of its `of`."""
    name = term.quantity
    if of in {"check", "cycles"} and name in RESULTS and not term.which:
        return replace(term, which=of)  # type: ignore[arg-type]
    if of == "block" and name == "cycle" and not term.which:
        return replace(term, which="block")
    if of not in {"check", "cycles", "block"} and name == "retention" and term.of is None:
        return replace(term, of=None if of == "first" else "max" if of == "max" else int(of.split()[1]))
    wanted = {
        "check": "a result of cycles", "cycles": "a result of cycles", "block": "cycle",
    }.get(of, "retention")  # fmt: skip
    raise Misread("condition.of", f"wanted `of {of}` once and after {wanted}, found it after {name}", "", offset)


def _flag(part: str, offset: int, places: Places) -> WrittenTerm:
    if part in FLAGS:
        return WrittenTerm(part, ">", None, places(offset))
    counted = _of_cycles(part, offset, places)
    if counted is not None:
        return counted
    bare = part.strip("()")
    if bare in KINDS and bare != "every":
        raise Misread(
            "condition.comparison", f"wanted a comparison after {bare}, found none", f"for example {bare} > ...", offset
        )
    if re.fullmatch(r"(?:voltage (?:is )?)?(?:relaxed|rested|stable|steady(?: state)?|equilibri\w+|constant)", part):
        hint = "write change of voltage over 1 h < 1 mV"
        raise Misread("condition.comparison", f"wanted a comparison, found {clip(part)!r}", hint, offset)
    hint = "write short" if part.startswith("short") else near(part, (*FLAGS, *KINDS)) or "for example voltage > 4.2 V"
    word, _, rest = part.partition(" ")
    if word in KINDS:
        value = re.search(r"[-+$.\d].*", rest)
        hint = f"write {word} > {clip(value[0])}, or <" if value else f"for example {word} > ..."
    if part.startswith("("):
        hint = NO_BRACKETS
    if re.match(r"\d{4}-\d{1,2}-\d{1,2}", part):
        hint = f"a date is waited for by a step of its own: - wait: {{until: {clip(part)}}}"
    elif right := asked_of_cycles(part) or compared(part):
        hint = f"write {right}"
    raise Misread("condition.comparison", f"wanted a comparison, found {clip(part)!r}", hint, offset)


def _of_cycles(part: str, offset: int, places: Places) -> WrittenTerm | None:
    """Return `every 10 cycles` or `cycle in [5, 10]`, None of anything else."""
    if match := _EVERY.fullmatch(part):
        value = _given(match[1], "count", offset + match.start(1), places, "positive")
        return WrittenTerm("every", ">=", value, places(offset))
    if match := _MEMBERS.fullmatch(part):
        texts = list(re.finditer(r"[^,\s][^,]*", match[1]))
        numbers = tuple(
            _given(text[0].strip(), "count", offset + match.start(1) + text.start(), places, "positive")
            for text in texts
        )
        if not numbers:
            raise Misread("condition.value", "wanted numbers of cycles in [ ], found none", "cycle in [5, 10]", offset)
        return WrittenTerm("cycle", "in", None, places(offset), members=numbers)
    return None
