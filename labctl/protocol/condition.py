"""Conditions: `time > 2 h and abs(dI/dt) < 1 uA/h over 10 min or voltage > 4.2 V`, quantity first, no brackets."""

import re
from collections.abc import Mapping
from typing import Final, Literal

from labctl.document import clip
from labctl.errors import Misread
from labctl.protocol.expression import Places, closing, parse_given
from labctl.protocol.model import Comparison, Condition, Given, Sign, Term
from labctl.reading import near
from labctl.units import Kind

KINDS: Final[Mapping[str, Kind]] = {
    "voltage": "potential",
    "current": "current",
    "temperature": "temperature",
    "power": "power",
    "time": "duration",
    "capacity": "capacity",
    "dV/dt": "voltage slope",
    "dI/dt": "current slope",
    "charge_capacity": "capacity",
    "discharge_capacity": "capacity",
    "coulombic_efficiency": "fraction",
    "retention": "fraction",
    "cycle": "count",
}
"""What may be compared, and with what kind of value."""

FLAGS: Final = ("short", "short.soft")
SLOPES: Final = frozenset({"dV/dt", "dI/dt"})
MAGNITUDES: Final = frozenset(
    {"current", "power", "capacity", "time", "charge_capacity", "discharge_capacity", "cycle"}
)
MOST_LENGTH: Final = 1000
MOST_TERMS: Final = 40

WORDS: Final[Mapping[str, str]] = {
    "v": "voltage",
    "e": "voltage",
    "u": "voltage",
    "ewe": "voltage",
    "ecell": "voltage",
    "potential": "voltage",
    "ocv": "voltage",
    "i": "current",
    "j": "current",
    "<i>": "current",
    "t": "time for the step's time, temperature for the cell's",
    "duration": "time",
    "q": "capacity",
    "charge": "capacity, or charge_capacity of a cycle",
    "discharge": "discharge_capacity",
    "ce": "coulombic_efficiency",
    "efficiency": "coulombic_efficiency",
    "capacity_retention": "retention",
    "soh": "retention",
    "soc": "capacity, in %",
    "cycles": "cycle",
    "cycle_count": "cycle",
    "temp": "temperature",
    "p": "power",
    "shorted": "short",
    "de/dt": "dV/dt",
    "du/dt": "dV/dt",
    "di/dt": "dI/dt",
    "dv/dt": "dV/dt",
    "dq/dv": "a slope in time: dV/dt or dI/dt",
}
_COMPARISONS: Final[Mapping[str, Comparison]] = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "≤": "<=", "≥": ">="}
_WORD: Final = re.compile(r"\b(and|or)\b|\$\(|(&&|\|\||\bAND\b|\bOR\b|\bnot\b)")
_SPLIT: Final = re.compile(r"<=|>=|=<|=>|==|!=|<|>|=|≤|≥")
_NAMED: Final = re.compile(r"(abs\s*\(\s*)?([A-Za-z_<>][\w./<>]*)\s*(?:of\s+(max|first|cycle\s+\d+)\s*)?(\))?")


def parse_condition(text: str, places: Places) -> Condition:
    """Return the condition that a text states.

    Raises:
        Misread: It states none; with the place of the first thing that is wrong.
    """
    if len(text) > MOST_LENGTH:
        raise Misread("condition.long", f"wanted at most {MOST_LENGTH} characters, found {len(text)}")
    if not text.strip():
        raise Misread("condition.empty", "wanted a condition, found nothing", "for example voltage > 4.2 V")
    alternatives: list[list[Term]] = [[]]
    for word, begin, end in _parts(text):
        if word == "or":
            alternatives.append([])
        alternatives[-1].append(_term(text, begin, end, places))
    if sum(map(len, alternatives)) > MOST_TERMS:
        raise Misread("condition.long", f"wanted at most {MOST_TERMS} comparisons, found more")
    return Condition(text.strip(), tuple(map(tuple, alternatives)), places(0))


def _parts(text: str) -> list[tuple[str, int, int]]:
    """Return (word before it, begin, end) of every term; words inside `$( )` do not count."""
    parts: list[tuple[str, int, int]] = []
    word, begin, at = "", 0, 0
    while (match := _WORD.search(text, at)) is not None:
        at = match.end()
        if match[2]:
            wanted = {"&&": "and", "AND": "and", "||": "or", "OR": "or"}.get(match[2], "the opposite comparison")
            raise Misread("condition.word", f"wanted `and` or `or`, found {match[2]}", f"write {wanted}", match.start())
        if match[0] == "$(":
            at = closing(text, at) + 1
            continue
        parts.append((word, begin, match.start()))
        word, begin = match[1], at
    return [*parts, (word, begin, len(text))]


def _term(text: str, begin: int, end: int, places: Places) -> Term:
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
    quantity, absolute, of = _named(part[: split.start()].rstrip(), offset)
    comparison = _comparison(split[0], part, offset + split.start())
    place = offset + split.end() + len(part) - split.end() - len(part[split.end() :].lstrip())
    value, over = _over(part[split.end() :].strip())
    _refuse_for(value, quantity, place)
    if over is not None and quantity not in SLOPES:
        raise Misread(
            "condition.over",
            f"wanted over only with a slope, found it with {quantity}",
            "slopes are dV/dt and dI/dt",
            place,
        )
    return Term(
        quantity,
        comparison,
        _given(value, KINDS[quantity], place, places, _sign(quantity, absolute=absolute)),
        mark,
        absolute,
        None if over is None else _given(over[0], "duration", place + over[1], places, "positive"),
        of,
    )


def _given(text: str, kind: Kind, place: int, places: Places, sign: Sign) -> Given:
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
        raise Misread(error.code, str(error), error.hint, place + error.offset) from None


def _sign(quantity: str, *, absolute: bool) -> Sign:
    return "not negative" if absolute or quantity in MAGNITUDES else "any"


def _comparison(found: str, part: str, place: int) -> Comparison:
    if found in _COMPARISONS:
        return _COMPARISONS[found]
    hint = {"=<": "write <=", "=>": "write >=", "!=": "write < or >"}.get(
        found, "a measured value meets no equality: write >= or <="
    )
    raise Misread("condition.comparison", f"wanted <, <=, > or >=, found {found} in {clip(part)!r}", hint, place)


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
    hint = (
        f"write {match[1]} over {match[2]}"
        if quantity in SLOPES
        else "a condition holds at once; only slopes have a window"
    )
    raise Misread("condition.over", f"wanted a value, found {clip(value)!r}", hint, place + match.end(1))


def _named(text: str, offset: int) -> tuple[str, bool, Literal["max"] | int | None]:
    """Return (quantity, magnitude taken, reference) of the left side of a comparison."""
    match = _NAMED.fullmatch(text)
    if match is None or bool(match[1]) != bool(match[4]):
        raise _unnamed(text, offset)
    name = match[2]
    if name in FLAGS:
        raise Misread("condition.flag", f"wanted {name} alone, found it in a comparison", f"write {name}", offset)
    if name not in KINDS:
        hint = WORDS.get(name.lower(), "")
        hint = f"write {hint}" if hint else near(name, (*KINDS, *FLAGS)) or "known are " + ", ".join((*KINDS, *FLAGS))
        raise Misread(
            "condition.quantity", f"wanted a quantity to compare, found {clip(name)!r}", hint, offset + match.start(2)
        )
    if match[3] and name != "retention":
        raise Misread("condition.of", f"wanted `of` only after retention, found it after {name}", "", offset)
    return name, bool(match[1]), _reference(match[3])


def _reference(text: str | None) -> Literal["max"] | int | None:
    if text is None or text == "first":
        return None
    return "max" if text == "max" else int(text.split()[1])


def _unnamed(text: str, offset: int) -> Misread:
    message = f"wanted a quantity such as voltage, found {clip(text)!r}"
    if text.startswith("|"):
        return Misread("condition.bars", message, f"write abs({text.strip('| ')})", offset)
    if "(" in text or ")" in text:
        hint = "there are no brackets but those of abs( ); `and` binds before `or`"
        return Misread("condition.brackets", message, hint, offset)
    if re.match(r"[-+.\d$]", text):
        return Misread("condition.order", message, "the quantity stands first: voltage > 3 V and voltage < 4 V", offset)
    return Misread("condition.quantity", message, "one quantity, a comparison, a value: voltage > 4.2 V", offset)


def _flag(part: str, offset: int, places: Places) -> Term:
    if part in FLAGS:
        return Term(part, ">", None, places(offset))
    bare = part.strip("()")
    if bare in KINDS:
        raise Misread(
            "condition.comparison", f"wanted a comparison after {bare}, found none", f"for example {bare} > ...", offset
        )
    hint = "write short" if part.startswith("short") else near(part, (*FLAGS, *KINDS)) or "for example voltage > 4.2 V"
    word, _, rest = part.partition(" ")
    if word in KINDS:
        value = re.search(r"[-+$.\d].*", rest)
        hint = f"write {word} > {clip(value[0])}, or <" if value else f"for example {word} > ..."
    if part.startswith("("):
        hint = "there are no brackets but those of abs( ); `and` binds before `or`"
    raise Misread("condition.comparison", f"wanted a comparison, found {clip(part)!r}", hint, offset)
