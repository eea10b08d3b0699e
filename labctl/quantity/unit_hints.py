"""Why a text is not the quantity that was wanted, and what to write instead."""

import re
from collections.abc import Callable
from typing import Final

from labctl.errors import Misread
from labctl.finding import clip
from labctl.lookalike import lookalike, nearest
from labctl.quantity.any_kind import of_any_kind
from labctl.quantity.dimension import (
    DURATION,
    KELVIN,
    NONE,
    TABLES,
    Dimension,
    Kind,
    name_of,
)
from labctl.quantity.foreign_units import example, foreign_unit, units_here
from labctl.quantity.joined_slips import Slip
from labctl.quantity.kind_slips import in_place_of
from labctl.quantity.mistyped import mistyped
from labctl.quantity.number_hints import number_slip, thousands
from labctl.quantity.printed import lettered, typeset
from labctl.quantity.rate_slips import rate_and_more, rate_slip
from labctl.quantity.units import MOST_DIGITS, NUMBER, article, measure_unit, number, reads

_WORDS: Final = {
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "m": "min",
    "mins": "min",
    "minute": "min",
    "minutes": "min",
    "hr": "h",
    "hrs": "h",
    "hour": "h",
    "hours": "h",
    "H": "h",
    "M": "min",
    "day": "d",
    "days": "d",
    "D": "d",
    **dict.fromkeys(("sekunde", "sekunden", "sek", "seconde", "secondes", "segundo", "segundos", "秒", "秒钟"), "s"),
    **dict.fromkeys(("minuten", "minutos", "minuto", "minuti", "分", "分钟", "分鐘", "分間"), "min"),
    **dict.fromkeys(("stunde", "stunden", "std", "heure", "heures", "hora", "horas", "ora", "ore"), "h"),
    **dict.fromkeys(("小时", "小時", "时", "時間", "時"), "h"),
    **dict.fromkeys(
        ("tag", "tage", "jour", "jours", "día", "días", "dia", "dias", "giorno", "giorni", "天", "日"), "d"
    ),
}
_PLAIN_WORDS: Final = {
    **dict.fromkeys(("volt", "volts", "伏", "伏特", "ボルト"), "V"),
    **dict.fromkeys(("毫伏",), "mV"),
    **dict.fromkeys(("安", "安培", "アンペア"), "A"),
    **dict.fromkeys(("毫安",), "mA"),
    **dict.fromkeys(("微安",), "uA"),
    **dict.fromkeys(("毫安时", "毫安時", "mah/stunde"), "mAh"),
    **dict.fromkeys(("ohm", "ohms", "欧", "欧姆"), "Ohm"),
    **dict.fromkeys(("prozent", "pourcent", "procent"), "%"),
    **dict.fromkeys(("amp", "amps", "ampere", "amperes"), "A"),
    **dict.fromkeys(("watt", "watts"), "W"),
    **dict.fromkeys(("percent", "pct", "\uff05"), "%"),
    **dict.fromkeys(("degree", "degrees"), "deg"),
    **dict.fromkeys(("miliamp", "miliamps", "miliampere", "mamp", "mamps"), "mA"),
    **dict.fromkeys(("milliamp", "milliamps", "milliampere", "milliamperes"), "mA"),
    **dict.fromkeys(("microamp", "microamps", "microampere", "microamperes"), "uA"),
    **dict.fromkeys(("millivolt", "millivolts"), "mV"),
    **dict.fromkeys(("milligram", "milligrams", "mgram", "mgrams", "mgr"), "mg"),
    **dict.fromkeys(("gram", "grams"), "g"),
}
_OF_MEASURED: Final = re.compile(r"\bof (charge_capacity|discharge_capacity)\b")
_CLOCK: Final = re.compile(r"(\d+):(\d{1,2})(?::(\d{1,2}))?(?:\s*h(?:ours?|rs?)?)?")
_COMMA: Final = re.compile(r"([-+]?\d+),(\d+)(.*)")
_MICRO: Final = re.compile(r"(?:mc|mic|micro)[- ]?([A-Z].*)")
_WORD_NUMBER: Final = re.compile(rf"({NUMBER})\s*(.*)", re.DOTALL)


def explain(text: str, plain: str, kind: Kind) -> Misread:
    """Return the finding for a text that `labctl.quantity.units` could not read as `kind`; `plain` is its normal spelling."""
    if match := _OF_MEASURED.search(plain):
        hint = (
            f"make it the measure first: - nominal: {{from: {match[1]}, within: [80 %, 120 %]}}; % and C are then of it"
        )
        return Misread("unit.unknown", f"wanted {article(kind)}, found {clip(text)!r}", hint)
    slips = (mistyped, lambda text, reads: lettered(text, kind, reads), typeset)
    if right := next((hint for slip in slips if (hint := slip(text.strip(), lambda meant: reads(meant, kind)))), ""):
        return Misread("unit.number", f"wanted {article(kind)}, found {clip(text)!r}", right)
    for rule in _RULES:
        slip = rule(plain, kind)
        if slip is not None:
            code, what, hint = slip
            return Misread(code, f"wanted {article(kind)}, found {what or repr(clip(text))}", hint)
    return Misread("unit.unknown", f"wanted {article(kind)}, found {clip(text)!r}", example(kind))


HERTZ: Final = NONE / DURATION


def _empty(plain: str, kind: Kind) -> Slip:
    if (quoted := re.fullmatch("[“”„«»‘’‚「『《](.*)[“”„«»‘’‚」』》]", plain)) is not None:
        return "unit.number", "", f"those are no plain quotes: write {quoted[1]}"
    return ("unit.empty", "nothing", example(kind)) if not plain else None


def _lookalike(plain: str, kind: Kind) -> Slip:
    letters = lookalike(plain)
    if letters is None:
        return None
    hint = f"write {letters.plain}" if reads(letters.plain, kind) else example(kind)
    return "yaml.lookalike", f"{clip(plain)!r} with {letters.words}", f"{hint}: it only looks like a plain one"


def _comma(plain: str, kind: Kind) -> Slip:
    if (grouped := re.fullmatch(r"([-+]?\d{1,3}(?:\.\d{3})+),(\d+)(.*)", plain)) is not None:
        right = f"{grouped[1].replace('.', '')}.{grouped[2]}{grouped[3]}"
        return "yaml.comma", f"a comma in {clip(plain)!r}", f"write {right}"
    match = _COMMA.fullmatch(plain)
    if match is None:
        return None
    if question := thousands(plain, kind):
        return "yaml.comma", f"a comma in {clip(plain)!r}", question
    return "yaml.comma", f"a comma in {clip(plain)!r}", f"write {match[1]}.{match[2]}{match[3][:20]}"


def _clock(plain: str, kind: Kind) -> Slip:
    match = _CLOCK.fullmatch(plain) if kind in {"duration", "any"} else None
    if match is None:
        return None
    parts = zip(match.groups(), ("h", "min", "s"), strict=True)
    hint = " ".join(f"{int(part)} {unit}" for part, unit in parts if part and int(part)) or "0 s"
    return "unit.clock", "", f"write {hint}"


def _relative(plain: str, kind: Kind) -> Slip:
    if kind in {"potential", "bias"} and plain.lower() in {"ocv", "ocp", "eoc", "voc"}:
        return "unit.versus", "", "write ocv"
    if (match := re.fullmatch(r"ocv\s*([+-])\s*(\d.*)", plain)) and kind in {"potential", "bias", "any"}:
        return "unit.versus", "", f"write {match[1].strip('+')}{match[2]} vs ocv"
    if kind == "bias" and re.fullmatch(r"[\d.]+\s*%(?:\s*(?:of\s+)?(?:SOC|DOD|soc|dod))?", plain):
        return (
            "unit.kind",
            "",
            "a bias is a voltage: bring the cell there first, by a step with capacity: 50 %, and leave at out",
        )
    if not re.search(r"\bvs\b|^ocv$", plain):
        return None
    if kind in {"voltage", "potential", "bias", "amplitude"}:
        against = re.fullmatch(rf"({NUMBER}\s*[a-zA-Z]+)\s*\(?\s*vs\.?\s+([A-Za-z]\S*?)\)?", plain)
        label = "ocv" if against and against[2].lower() in {"ocp", "eoc", "voc"} else against[2] if against else ""
        hint = (
            (f"write {against[1]} vs {label}" if against else "for example 20 mV vs ocv, 3.8 V vs Li")
            if kind in {"potential", "bias"}
            else f"a plain voltage: {TABLES[kind].example}"
        )
        return "unit.versus", "", hint
    return "unit.kind", f"{clip(plain)!r}, which is a voltage", example(kind)


def _rate(plain: str, kind: Kind) -> Slip:
    if (slip := rate_slip(plain, kind)) is not None:
        return slip
    celsius = re.fullmatch(rf"({NUMBER})\s*(?:deg|o|grad)\s*C", plain)
    if celsius is not None and kind in {"temperature", "temperature step"}:
        return "unit.unknown", "", f"write {celsius[1]} degC"
    match = re.fullmatch(rf"({NUMBER})?\s*(m?C)(\s*/.*)?", plain)
    if match is None:
        return None
    if match[2] == "mC" and kind in {"current", "any"}:
        value = float(match[1] or 1)
        hint = f"C is a rate and takes no prefix: write {value:g} mA for a current, {value / 1000:g}C for a rate"
        return "unit.rate", f"{clip(plain)!r}, which is a millicoulomb", hint
    if kind in {"temperature", "temperature step"}:
        return "unit.celsius", f"{clip(plain)!r}, which is a C-rate", f"write {match[1] or 1} degC"
    if kind == "capacity":
        return "unit.coulomb", f"{clip(plain)!r}, which is a C-rate", "charges are in Ah, mAh, uAh: 1 C is 0.2778 mAh"
    return None


def _bare(plain: str, kind: Kind) -> Slip:
    value = number(plain)
    if value is None:
        return None
    if kind == "count":
        return "value.count", "", thousands(plain, kind) or "a count is a whole number"
    if kind == "fraction" and 0 < value <= 2:  # 0.8 is more likely a share than a percentage
        return "unit.bare", f"{clip(plain)!r} without a unit", f"{value * 100:g} % or {plain} %?"
    if kind == "capacity" and 0 < value <= 1:
        return "unit.bare", f"{clip(plain)!r} without a unit", f"{value * 100:g} %, {plain} mAh or {plain} mAh/cm2?"
    units = _likely_first(plain, abs(value), kind)[:3]
    base = _BASE.get(kind, "") if abs(value) < 1.0 else ""  # of programs that reckon in SI
    proposed = [f"{plain} {unit}" for unit in dict.fromkeys((*units, base)) if unit]
    hint = ", ".join(proposed[:-1]) + f" or {proposed[-1]}?" if len(proposed) > 1 else f"write {proposed[0]}"
    return "unit.bare", f"{clip(plain)!r} without a unit", hint


_BASE: Final = {
    "current": "A",
    "capacity": "Ah",
    "power": "W",
    "energy": "Wh",
    "length": "m",
    "area": "m2",
    "mass": "kg",
}
_LARGE: Final = {
    "voltage": (10.0, "mV"),
    "potential": (10.0, "mV"),
    "temperature": (150.0, "K"),
    "duration": (1e4, "s"),
}
"""Beyond which a bare number is rather one of this unit."""


def _likely_first(plain: str, value: float, kind: Kind) -> tuple[str, ...]:
    """Return the units of a kind, the likely one first: `5e-4` is one of programs that reckon in SI, 4200 V are millivolts."""
    units = tuple(TABLES[kind].units)
    first = _BASE.get(kind, "") if re.search(r"[eE]-|0\.000", plain) else ""
    if kind in _LARGE and value > _LARGE[kind][0]:
        first = _LARGE[kind][1]
    return (first, *(unit for unit in units if unit != first)) if first else units


def _long(plain: str, kind: Kind) -> Slip:
    digits = re.match(r"[-+]?[\d.]+", plain)
    if digits is None or len(digits[0]) <= MOST_DIGITS:
        return None
    return "unit.number", f"a number of {len(digits[0])} digits", example(kind)


def _not_number(plain: str, kind: Kind) -> Slip:
    match = _WORD_NUMBER.fullmatch(plain)
    if match is not None and number(match[1]) is None:
        return "unit.number", f"{clip(plain)!r}, which is not finite", example(kind)
    if spaced := re.fullmatch(r"(\d{1,3}(?: \d{3})+(?:\.\d+)?)\s*([^\d\s].*)", plain):
        return "unit.number", "", f"no spaces inside a number: write {spaced[1].replace(' ', '')} {spaced[2]}"
    if match is not None and (rest := re.match(r"(\.[\d.]+|[eE](?=\s|$)|_\d+|/\d+)", match[2])):
        return (
            "unit.number",
            "",
            f"{clip(match[1] + rest[1])!r} is no number; write digits, a point, and an exponent as in 1e-3",
        )
    if match is None and re.match(r"[-+]\s+\d", plain):
        return "unit.number", "", "no space after the sign"
    return None


def _duration(plain: str, kind: Kind) -> Slip:
    if (parts := _parts(plain, kind)) is not None:
        return parts
    match = _WORD_NUMBER.fullmatch(plain) if kind in {"duration", "any"} else None
    unit = match[2].rstrip(".") if match else ""
    unit = unit if unit in _WORDS else unit.lower()
    if match is None or unit not in _WORDS or (kind == "any" and unit == "m"):
        return _iso(plain, kind)
    shown = f"{clip(plain)!r}, which is a length" if unit == "m" else ""
    return "unit.kind" if unit == "m" else "unit.unknown", shown, f"write {match[1]} {_WORDS[unit]}"


def _parts(plain: str, kind: Kind) -> Slip:
    """Read `1 h, 30 minutes`, `1 h 30` and `2 weeks` as what they mean."""
    if kind not in {"duration", "any"}:
        return None
    if week := re.fullmatch(r"(\d+)\s*w(?:ee)?ks?", plain):
        return "unit.unknown", "", f"write {7 * int(week[1])} d"
    words = "|".join(sorted((word for word in _WORDS if word not in {"H", "D"}), key=len, reverse=True))
    part = rf"(\d+(?:\.\d+)?)\s*({words}|ms|min|[smhd])"
    if re.fullmatch(rf"{part}(?:\s*(?:,|and|&)?\s*{part})+", plain):
        text = " ".join(f"{number} {_WORDS.get(unit, unit)}" for number, unit in re.findall(part, plain))
        return "unit.unknown", "", f"write {text}"
    if half := re.fullmatch(rf"(\d+)\s*(d|h|min|{words})\s*(\d+)", plain):
        first = _WORDS.get(half[2], half[2])
        unit = {"d": "h", "h": "min", "min": "s"}.get(first, "")
        return ("unit.unknown", "", f"write {half[1]} {first} {half[3]} {unit}") if unit else None
    return None


def _iso(plain: str, kind: Kind) -> Slip:
    match = re.fullmatch(r"PT?(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?", plain) if kind == "duration" else None
    if match is None or not any(match.groups()):
        return None
    parts = zip(match.groups(), ("h", "min", "s"), strict=True)
    return "unit.clock", "", "write " + " ".join(f"{part} {unit}" for part, unit in parts if part)


def _other_kind(plain: str, kind: Kind) -> Slip:
    match = _WORD_NUMBER.fullmatch(plain)
    unit = match[2].strip() if match else ""
    dimension: Dimension | None = KELVIN if unit == "degC" else None
    if unit and dimension is None:
        known = measure_unit(unit)
        dimension = known[0] if known else None
    if dimension is None:
        return None
    hint = units_here(kind)
    value = match[1] if match else ""
    if advice := in_place_of(plain, value, unit, dimension, kind):
        hint = advice
    elif name_of(dimension).startswith("quantity") and (nearest := _nearest(unit, TABLES[kind].units)):
        hint = f"did you mean {f'{value} {nearest}'.strip()}?"
    return "unit.kind", f"{clip(plain)!r}, which is {article(name_of(dimension))}", hint


def _number(plain: str, kind: Kind) -> Slip:
    return number_slip(plain, kind, lambda text: reads(text, kind))


def _any_kind(plain: str, kind: Kind) -> Slip:
    """Propose a unit where none is wanted before others: in params, and in the lists of each."""
    match = _WORD_NUMBER.fullmatch(plain) if kind == "any" else None
    if match is None or not match[2].strip():
        return None
    hint = of_any_kind(match[1], match[2].strip(), {**_PLAIN_WORDS, **_WORDS}, lambda wanted: _near(plain, wanted))
    return "unit.unknown", "", hint


def _near(plain: str, kind: Kind) -> Slip:
    """Propose the nearest unit: another case, another spelling."""
    match = _WORD_NUMBER.fullmatch(plain)
    unit = match[2].strip() if match else ""
    if match is None or not unit:
        return None
    if kind in {"frequency", "pressure", "resistance"} and unit in {"k", "M", "m", "G", "u"}:
        return "unit.unknown", "", f"write {match[1]} {unit}{ {'frequency': 'Hz', 'pressure': 'Pa'}.get(kind, 'Ohm') }"
    right = _PLAIN_WORDS.get(unit.lower(), "")
    if right in TABLES[kind].units:
        return "unit.unknown", "", f"write {match[1]} {right}"
    if kind in {"potential", "bias"} and (
        bare := re.fullmatch(r"(m?V)\s*\(?([A-Z][a-z]?\+?(?:/[A-Z][a-z]?\+?)?)\)?", unit)
    ):
        return "unit.versus", "", f"write {match[1]} {bare[1]} vs {bare[2]}"
    if kind in {"temperature", "temperature step"} and (scale := _ON_SCALE.get(unit.lower().replace(" ", ""))):
        value = float(match[1])
        celsius = value / 1.8 if kind == "temperature step" else (value - 32.0) / 1.8
        return "unit.unknown", "", f"write {celsius:.4g} degC" if scale == "F" else f"write {match[1]} {scale}"
    if unit.endswith((" pp", " p-p", "pp")) and kind == "amplitude":
        return (
            "unit.unknown",
            "",
            f"half of peak to peak is the peak: write {float(match[1]) / 2:g} {re.sub(r' *p-?p$', '', unit)}",
        )
    if unit.endswith("s") and reads(f"{match[1]} {unit[:-1]}", kind):
        return "unit.unknown", "", f"write {match[1]} {unit[:-1]}"
    nearest = _nearest(unit, TABLES[kind].units)
    if micro := _MICRO.fullmatch(unit):  # as on a prescription; m alone would be a thousand times more
        nearest = f"u{micro[1]}" if measure_unit(f"u{micro[1]}") else nearest
    hint = f"did you mean {match[1]} {nearest}?" if nearest else units_here(kind)
    return "unit.unknown", "", hint if TABLES[kind].units else "a bare number, without a unit"


_SQUARE: Final = re.compile(r"(.*/)?(?:(?:sq|square)\.?\s*|q(?=[cm]m))([cm]?m)\b")
_ON_SCALE: Final = {
    **dict.fromkeys(
        ("c", "deg", "celsius", "degcelsius", "degree", "degrees", "grad", "gradc", "度", "摄氏度", "℃"), "degC"
    ),
    **dict.fromkeys(("degk", "kelvin", "degkelvin"), "K"),
    **dict.fromkeys(("f", "degf", "fahrenheit", "degfahrenheit"), "F"),
}


def _nearest(unit: str, units: tuple[str, ...]) -> str:
    squeezed = re.sub(r"[\s^*.()]|\{|\}", "", _SQUARE.sub(r"\1\g<2>2", unit))
    squeezed = re.sub(r"(?<=[A-Za-z])-(\d)", r"/\1", squeezed)
    for known in units:
        if squeezed == known or squeezed.replace("/cm-2", "/cm2") == known:
            return known
    lowered = {known.lower(): known for known in reversed(units)}
    lowered |= {known.lower(): known for known in units if known[:1] == squeezed[:1]}  # mhz is mHz, a capital M is mega
    if squeezed.lower() in lowered:
        return lowered[squeezed.lower()]
    close = nearest(squeezed.lower(), lowered)
    return lowered[close] if close else ""


_RULES: Final[tuple[Callable[[str, Kind], Slip], ...]] = (
    _empty,
    _long,
    _lookalike,
    _comma,
    _clock,
    _relative,
    _rate,
    _bare,
    _duration,
    _number,
    _not_number,
    foreign_unit,
    _other_kind,
    _any_kind,
    _near,
    rate_and_more,
)
