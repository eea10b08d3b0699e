"""What stands where a number with a unit was wanted: powers, fractions, ranges, comments, placeholders, thousands."""

import math
import re
import unicodedata
from typing import Final

from labctl.finding import clip
from labctl.quantity.dimension import Kind
from labctl.quantity.joined_slips import Reads, Slip, joined_slip
from labctl.quantity.units import article, number

THOUSANDS: Final = re.compile(r"([-+]?\d{1,3})([.,])(\d{3})(?!\d)\s*(.*)", re.DOTALL)
_POWER: Final = re.compile(
    r"(?:([-+]?\d+(?:\.\d+)?)\s*(?:[x×*]|\s)\s*)?10(\^|\*\*)?\(?([-+]?\d{1,2})\)?\s*([A-Za-z%].*)?"
)
_RANGE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(?:-|\.\.\.?|to|bis|\.\.)\s*(\d+(?:\.\d+)?)\s*([A-Za-z%].*)")
_DISK: Final = re.compile(
    r"(?:pi|\u03c0|3\.14\d*)\s*(/\s*4)?\s*[*\u00b7\u00d7x]?\s*\(?\s*(\d+(?:\.\d+)?)\s*(mm|cm)?\s*\)?\s*(?:\^|\*\*)?\s*(?:2|\u00b2)\s*((?:mm|cm)(?:2|\u00b2)?)?"
)
_COMMENT: Final = re.compile(r"(.*?\S)\s*(//|/\*|;|#|%|--|!)\s*(\S.*)?", re.DOTALL)
_MONTHS: Final = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DATE: Final = re.compile(
    rf"(?:\d{{1,2}}[- .](?:{_MONTHS})|(?:{_MONTHS})[- .]\d{{1,2}})(?:[- .]\d{{2,4}})?", re.IGNORECASE
)
_PLACEHOLDERS: Final = frozenset(
    {"?", "??", "???", "...", "..", "…", "-", "--", "x", "xx", "xxx", "tbd", "tba", "todo", "n/a", "na", "n.a.", "any"}
)
_EXTREMES: Final = {
    **dict.fromkeys(("max", "maximum", "full", "top", "highest", "upper", "charged", "voll"), "greatest"),
    **dict.fromkeys(("min", "minimum", "empty", "bottom", "lowest", "lower", "discharged", "leer"), "least"),
}
_AMBIENT: Final = frozenset({"rt", "room", "room temperature", "ambient", "raumtemperatur", "室温", "常温", "r.t."})
_LONG: Final = re.compile(
    r"(?:until|till|bis)\b.*|over ?night|über nacht|(?:as )?long(?: enough)?|a (?:day|week|night)", re.IGNORECASE
)
_ENDLESS: Final = re.compile(
    r"[-+]?\.?(?:inf|infinity|infinite|nan|∞)|none|null|~|unlimited|endless|forever", re.IGNORECASE
)

_ENDLESS_HINTS: Final[dict[str, str]] = {
    "count": "write a large count; stop_if: retention < 80 % ends the block before it is reached",
    **dict.fromkeys(("voltage", "potential", "temperature"), "a side without a limit is left out: {max: 4.3 V}"),
}


def thousands(text: str, kind: Kind = "any") -> str:
    """Return the question to ask of `1,539 uA`, or "" where a comma or point cannot stand for thousands."""
    match = THOUSANDS.fullmatch(text)
    if match is None or match[1].lstrip("+-") == "0":
        return ""
    unit, whole = f" {match[4]}" if match[4] else "", f"{match[1]}{match[3]}"
    decimals = match[3].rstrip("0")
    if kind == "count" and decimals:
        return f"a count is a whole number: write {whole}"
    parted = f"{match[1]}.{decimals}" if decimals else match[1]
    return f"{parted} or {whole}? write {parted}{unit} or {whole}{unit}"


def number_slip(plain: str, kind: Kind, reads: Reads) -> Slip:
    """Return what a text is instead of a number with a unit, and how to write what it means; None where no rule fits."""
    rules = (
        _count,
        _placeholder,
        _fraction,
        _power,
        _charge_level,
        _bound,
        _about,
        _disk,
        _product,
        _across,
        _percent,
        _comment,
        _behind,
        _range,
        joined_slip,
    )
    for rule in rules:
        slip = rule(plain, kind, reads)
        if slip is not None:
            return slip
    return None


_COUNTED: Final = {
    "once": 1,
    "twice": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "ten": 10,
    "twenty": 20,
    "hundred": 100,
}


def _count(plain: str, kind: Kind, reads: Reads) -> Slip:
    del reads
    if kind == "count" and (until := re.match(r"(?:until|while)\s+(\S.*)", plain)):
        return "unit.number", "", f"write a large count, and below it stop_if: {clip(until[1])}"
    words = re.fullmatch(
        r"(\d+)\s*(?:x|×|times|cycles|points|passes|mal|-mal|次|回|fois|veces|zyklen)?(?:\s*(?:/|per)\s*dec(?:ade)?)?",
        plain,
        re.IGNORECASE,
    )
    named = re.sub(r"\s*(?:times|cycles|passes|mal)$", "", plain.lower())
    value = words[1] if words else _COUNTED.get(named)
    if not value or kind not in {"count", "any"} or (kind == "any" and not words):
        return None
    return "value.count", "", f"a count is a bare number: write {value}"


def _placeholder(plain: str, kind: Kind, reads: Reads) -> Slip:
    del reads
    word = plain.lower()
    if word in _PLACEHOLDERS:
        return "unit.number", "", f"put {article(kind)} there, or leave the key out"
    if kind == "temperature" and word in _AMBIENT:
        return "unit.number", "", "write the temperature that is meant, such as 25 degC, or leave the step out"
    if kind == "duration" and _LONG.fullmatch(plain):
        return (
            "unit.number",
            "",
            "write the longest time that it may take, such as 12 h; what else ends it is to: or until:",
        )
    if word in _EXTREMES:
        return "unit.number", "", f"write the {_EXTREMES[word]} value itself; the limits of file and cell hold anyway"
    if _ENDLESS.fullmatch(plain):
        return "unit.number", "", _ENDLESS_HINTS.get(kind, "leave the key out where there is no value")
    if _DATE.fullmatch(plain):
        return "unit.number", f"{clip(plain)!r}, a date", "a spreadsheet made a date of what was typed: write the value"
    return None


def _fraction(plain: str, kind: Kind, reads: Reads) -> Slip:
    del kind
    sign = re.fullmatch(r"(\d+)?\s*([¼½¾⅐-⅞])\s*(.*)", plain)
    over = re.fullmatch(r"(\d+)\s*/\s*(\d+)\s*([A-Za-z%].*)", plain)
    if sign is not None:
        value, unit = float(sign[1] or 0) + unicodedata.numeric(sign[2]), sign[3]
    elif over is not None and int(over[2]):
        value, unit = int(over[1]) / int(over[2]), over[3]
    else:
        return None
    right = f"{value:.4g}C" if unit == "C" else f"{value:.4g} {unit}".rstrip()
    return ("unit.number", "", f"write {right}") if reads(right) else None


def _power(plain: str, kind: Kind, reads: Reads) -> Slip:
    match = _POWER.fullmatch(plain)
    if match is None or kind == "duration" or not (match[2] or match[3][0] in "+-"):
        return None
    right = f"{match[1] or '1'}e{int(match[3])} {match[4] or ''}".rstrip()
    return ("unit.number", "", f"powers of ten are written {right}") if reads(right) else None


_ABOUT: Final = re.compile(r"(?:~|≈|≃|±|\+/?-|about|approx\.?|ca\.?|circa|etwa)\s*(\d.*|C\s*/.*)", re.IGNORECASE)
_PARTED: Final = re.compile(r"(\d+\.?)\s+(\.?\d+)\s*([A-Za-z%].*)")
_TOLERANCE: Final = re.compile(r"(\d[\d.]*)\s*(?:±|\+/-|\+-)\s*\d[\d.]*\s*%?\s*(\S.*)")
_WITHIN: Final = re.compile(r"(\d.*\S)\s*(?:±|\+/-|\+-)\s*\d.*")
_PRODUCT: Final = re.compile(r"(\d[\d.]*)\s*([A-Za-z%].*?)?(?:\s*[*×]\s*|\s+x\s+)(\d[\d.]*)\s*(%)?\s*([A-Za-z].*)?")
_REMARK: Final = re.compile(r"(.*\S)\s*(\([^()]*\))")


_OF_THE_UNIT: Final = re.compile(r"\b(?:pp|p-p|peak|per|vs|cm|/)", re.IGNORECASE)  # in a remark: it changes the value
_DIRECT: Final = re.compile(r"(\d[\d.]*\s*[um]?[VA])\s*(?:DC|dc)")
_BOUND: Final = re.compile(
    r"(?:[<>\u2264\u2265]=?|max\.?|min\.?|maximum|minimum|up to|bis|at most|at least)\s*(\d.*|C\s*/.*)", re.IGNORECASE
)
_OF_CHARGE: Final = re.compile(r"(?:(?:SOC|DOD)\s*[=:]?\s*)?(\d[\d.]*)\s*%\s*(?:of\s+)?(?:SOC|DOD)?", re.IGNORECASE)


def _charge_level(plain: str, kind: Kind, reads: Reads) -> Slip:
    """Find a state of charge in the place of a charge, which is counted from the begin of its step."""
    match = _OF_CHARGE.fullmatch(plain) if kind == "capacity" and not reads(plain) else None
    if match is None:
        return None
    by_level = "by the state of charge it is until: charged (or discharged) since a mark"
    return (
        "unit.number",
        "",
        f"{match[1]} % is counted from the begin of the step: write {match[1]} % if so much is passed; {by_level}",
    )


def _bound(plain: str, kind: Kind, reads: Reads) -> Slip:
    """Find a value with a sign or word of a bound in front of it, with DC behind it, or with a space before its exponent."""
    del kind
    for match in (_BOUND.fullmatch(plain), _DIRECT.fullmatch(plain)):
        if match is not None and reads(match[1]):
            return "unit.number", "", f"one value is wanted here: write {match[1]}"
    joined = re.sub(r"(?<=\d)\s+(?=[eE][-+]?\d)|(?<=\d[eE])\s+(?=[-+]?\d)", "", plain)
    if joined != plain and reads(joined):
        return "unit.number", "", f"no spaces inside a number: write {joined}"
    return None


def _about(plain: str, kind: Kind, reads: Reads) -> Slip:
    del kind
    match = _ABOUT.fullmatch(plain)
    right = match[1] if match is not None else ""
    if (
        (parted := _PARTED.fullmatch(plain)) is not None
        and "." in parted[1] + parted[2]
        and reads(joined := f"{parted[1]}{parted[2]} {parted[3]}")
    ):
        return "unit.number", "", f"no spaces inside a number: write {joined}"
    if (wide := _TOLERANCE.fullmatch(plain)) is not None:
        right = f"{wide[1]} {wide[2]}"
    elif (wide := _WITHIN.fullmatch(plain)) is not None:
        right = wide[1]
    if (remark := _REMARK.fullmatch(plain)) is not None and reads(
        whole := f"{remark[1]} {remark[2][1:-1].strip().lower()}"
    ):
        return "unit.number", "", f"no brackets: write {whole}"
    if remark is not None and reads(remark[1]) and not _OF_THE_UNIT.search(remark[2]):
        return "unit.number", "", f"leave {clip(remark[2])} out: write {remark[1]}"
    return ("unit.number", "", f"one value is wanted here: write {right}") if right and reads(right) else None


def _disk(plain: str, kind: Kind, _reads: Reads) -> Slip:
    """Give the area of a disk that was written as its formula, `pi*(0.6 cm)^2` or `pi/4*1.2^2 cm2`."""
    match = _DISK.fullmatch(plain.strip()) if kind == "area" else None
    if match is None:
        return None
    size, unit = float(match[2]), match[3] or (match[4] or "").rstrip("2²")
    if unit not in {"mm", "cm"}:
        return None
    area = math.pi * size**2 / (4.0 if match[1] else 1.0)
    across = size if match[1] else 2.0 * size
    return "unit.number", "", f"write {float(f'{area:.4g}'):g} {unit}2, or diameter: {across:g} {unit} in place of area"


def _product(plain: str, kind: Kind, reads: Reads) -> Slip:
    """Find a product of two numbers, one with a unit: `10 mg * 0.9`."""
    del kind
    match = _PRODUCT.fullmatch(plain)
    first, second = (number(match[1]), number(match[3])) if match else (None, None)
    if match is None or first is None or second is None:
        return None
    value = first * second / (100.0 if match[4] else 1.0)
    right = f"{value:.6g} {match[2] or match[5] or ''}".strip()
    return ("unit.number", "", f"one number is wanted: write {right}") if reads(right) else None


_ACROSS: Final = re.compile(
    r"(?:[ØøΦφ∅⌀]|d(?:ia(?:m(?:eter)?)?)?\.?\s*=?)?\s*(\d[\d.]*\s*[cm]?m)"
    r"\s*(?:[ØøΦφ∅⌀]|in diameter|dia(?:m(?:eter)?)?\.?|disk|disc)?",
    re.IGNORECASE,
)


_SIDES: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([cmu]?m)?\s*(?:[x×*·]|by)\s*(\d+(?:\.\d+)?)\s*([cmu]?m)2?")


def _across(plain: str, kind: Kind, reads: Reads) -> Slip:
    """Find a diameter with its word, where an area was wanted."""
    sides = _SIDES.fullmatch(plain) if kind == "area" else None
    if (
        sides is not None
        and reads(right := f"{float(sides[1]) * float(sides[3]):.6g} {sides[4]}2")
        and sides[2] in {None, sides[4]}
    ):
        return "unit.number", "", f"one number is wanted: write {right}"
    match = _ACROSS.fullmatch(plain) if kind == "area" else None
    if match is None or match[1] == plain:
        return None
    return "unit.kind", f"{clip(plain)!r}, which is a length", f"write diameter: {match[1]} in place of area"


def _percent(plain: str, kind: Kind, reads: Reads) -> Slip:
    """Find a factor that is written as a percentage, and a C-rate as one."""
    if kind == "current" and (rate := re.fullmatch(r"(\d+(?:\.\d*)?)\s*%\s*(?:of\s+)?C", plain)):
        return "unit.rate", "", f"write {float(rate[1]) / 100.0:g}C"
    match = re.fullmatch(r"(\d[\d.]*)\s*%", plain)
    value = number(match[1]) if match else None
    right = "" if value is None else f"{value / 100.0:g}"
    return ("unit.number", "", f"a factor has no unit: write {right}") if right and reads(right) else None


def _comment(plain: str, kind: Kind, reads: Reads) -> Slip:
    del kind
    match = _COMMENT.fullmatch(plain)
    if match is None or not reads(match[1]):
        return None
    remark = (match[3] or "").removesuffix("*/").strip()
    where = f"; {clip(remark, 30)!r} goes to the end of the line, behind a # after a space" if remark else ""
    return "yaml.comment", "", f"write {match[1]}{where}"


_BEHIND: Final = re.compile(
    r"(.*\S)\s*(,)|(.*\S)\s+(for|over|and|or|until|at)|(C\s*/\s*\d[\d.]*)\s+([mu]?A(?:/cm2|/g)?)", re.DOTALL
)


def _behind(plain: str, kind: Kind, reads: Reads) -> Slip:
    """Find a value with a comma behind it, or with a word behind which nothing follows."""
    del kind
    match = _BEHIND.fullmatch(plain)
    value = (match[1] or match[3] or match[5]) if match else ""
    what = ("the comma" if match[2] else match[4] or match[6]) if match else ""
    return ("unit.number", "", f"leave {what} out: write {value}") if match and reads(value) else None


def _range(plain: str, kind: Kind, reads: Reads) -> Slip:
    del kind
    match = _RANGE.fullmatch(plain)
    if match is None:
        return None
    low, high = f"{match[1]} {match[3]}", f"{match[2]} {match[3]}"
    return ("unit.number", "", f"one value is wanted here: {low} or {high}?") if reads(low) and reads(high) else None
