"""A plan in words, for the command line and pages: one row for each line and block, in absolute quantities."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from labctl.driver import Bounds, RecordRule
from labctl.plan.number import values
from labctl.plan.step import Block, ByPass, Condition, End, Line, Number, Setting, Term, TextByPass, VersusOcv
from labctl.units import display

KINDS: Final = {
    "current": "current",
    "power": "power",
    "resistance": "resistance",
    "voltage": "voltage",
    "temperature": "temperature",
    "time": "duration",
    "capacity": "capacity",
    "charge_capacity": "capacity",
    "discharge_capacity": "capacity",
    "coulombic_efficiency": "fraction",
    "retention": "fraction",
    "cycle": "count",
}
SLOPES: Final = {"voltage": "dV/dt", "current": "dI/dt"}
FEW: Final = 4  # values that are all shown
SYMBOLS: Final = {">=": "≥", "<=": "≤", ">": ">", "<": "<"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a line (`line` is its id) or the head of a block (`line` is 0).

    Attributes:
        depth: Blocks around it, the whole file not counted.
        line: The line's id, 0 for a block.
        word: The verb, or what repeats the block.
        setting: Set-points in SI with prefixes.
        ends: What ends it.
        name: As the protocol names it.
        where: `file:line`.
    """

    depth: int
    line: int
    word: str
    setting: str
    ends: str
    name: str
    where: str


def rows(block: Block, depth: int = 0) -> Iterator[Row]:
    """Give the rows of what is in a block, in the order of the text."""
    for child in block.children:
        if isinstance(child, Line):
            setting = " ".join(filter(None, (set_point(child), options(child))))
            yield Row(depth, child.id, child.verb, setting, ends(child.ends), child.name, child.where)
        else:
            yield Row(depth, 0, head(child), variables(child), ends(child.ends), child.name, "")
            yield from rows(child, depth + 1)


def head(block: Block) -> str:
    """Return what kind of block this is and how often it is done."""
    kind = {"true": "cycle", "formation": "formation cycle", "check": "check cycle"}.get(block.cycle or "", "")
    condition = f"if {_condition(block.condition)}" if block.condition else ""
    times = f"{block.passes} ×" if block.passes != 1 else ""
    fused = "one step" if block.fused and not kind else ""
    plural = "s" if kind and block.passes != 1 else ""
    return " ".join(filter(None, (times, kind + plural, condition, fused))) or "once"


def variables(block: Block) -> str:
    """Return the loop variables with their first and last values."""
    return ", ".join(f"{name} = {series(texts)}" for name, texts in block.variables.items() if texts)


def series(texts: Iterable[str]) -> str:
    """Return the texts of the passes: all of a few, else the first two and the last."""
    found = [text for text, _ in itertools.groupby(texts)]
    return ", ".join(found) if len(found) <= FEW else f"{found[0]}, {found[1]} … {found[-1]}"


def set_point(line: Line) -> str:
    """Return what a line sets, in absolute quantities; a range where it differs between passes."""
    settings = line.settings
    match line.mode:
        case "Galvanostatic" | "ConstantPower" | "ConstantLoad":
            name = {"Galvanostatic": "current", "ConstantPower": "power", "ConstantLoad": "resistance"}[line.mode]
            return shown(settings[name], name)
        case "Potentiostatic":
            most = settings.get("most")
            return shown(settings["voltage"], "voltage") + (
                "" if most is None else f", at most {shown(most, 'current')}"
            )
        case "Sweep":
            start, end = (shown(settings[name], "voltage") for name in ("start", "end"))
            return f"{start} → {end} at {shown(settings['rate'], 'scan rate')}"
        case "Profile":
            return _profile(settings["times"], settings["values"], str(settings.get("quantity", "current")))
        case "Spectrum":
            return _spectrum(line)
        case "Bend" | "Chamber":
            return elsewhere(line.settings)
    return ""


def _profile(times: Setting, table: Setting, quantity: str) -> str:
    if not isinstance(times, tuple) or not isinstance(table, tuple):
        return ""
    low, high = display(min(table), quantity), display(max(table), quantity)
    return f"{len(times)} rows over {display(times[-1] - times[0], 'duration')}, {low} … {high}"


def _spectrum(line: Line) -> str:
    frequencies, potentiostatic = line.settings["frequencies"], bool(line.settings["potentiostatic"])
    kind, bias = ("voltage" if potentiostatic else "current"), line.settings.get("bias")
    at = "" if bias in {None, 0.0} else f" at {shown(bias, kind)}"
    if not isinstance(frequencies, tuple) or not frequencies:
        return ""
    first, last = (display(one, "frequency") for one in (frequencies[0], frequencies[-1]))
    return f"{first} → {last}, {len(frequencies)} points, {shown(line.settings['amplitude'], kind)}{at}"


def elsewhere(settings: Mapping[str, Setting]) -> str:
    """Return what a stage or chamber is set to."""
    kinds = {
        "angle": "angle",
        "radius": "length",
        "temperature": "temperature",
        "within": "temperature step",
        "soak": "duration",
    }
    found = [f"{name} {shown(settings[name], kind)}" for name, kind in kinds.items() if settings.get(name) is not None]
    times = settings.get("times", 1)
    return ", ".join([*found, f"{times} times"] if times != 1 else found)


def options(line: Line) -> str:
    """Return what a line asks of people: the text of a prompt or mark."""
    text = line.options.get("say", line.options.get("text", ""))
    if isinstance(text, TextByPass):
        return " | ".join(dict.fromkeys(text.values))
    return text if isinstance(text, str) else ""


def shown(value: Setting, kind: str) -> str:
    """Return a number as people read it; the range of one that differs between passes."""
    if isinstance(value, VersusOcv):
        return "ocv" if value.offset == 0.0 else f"{shown(value.offset, kind)} vs ocv"
    if isinstance(value, ByPass):
        return series(display(one, kind) for one in values(value)) or "nothing"
    return display(value, kind) if isinstance(value, int | float) else str(value)


def ends(given: tuple[End, ...]) -> str:
    """Return what ends a line or block, in the order in which it is asked."""
    return "; ".join(_end(end) for end in given)


def _end(end: End) -> str:
    prefix = {"stop_if": "stop if ", "abort_if": "abort if "}.get(end.kind, "")
    return prefix + _condition(end.condition)


def _condition(condition: Condition) -> str:
    return " or ".join(" and ".join(term_shown(term) for term in terms) for terms in condition.any_of)


def term_shown(term: Term) -> str:
    """Return a comparison in absolute quantities."""
    name = SLOPES[term.quantity] if term.slope else term.quantity
    name = f"|{name}|" if term.absolute else name
    if term.quantity in {"short", "short.soft"}:
        return term.quantity
    if term.reference is not None:
        name += f" of {'max' if term.reference == 'max' else f'cycle {term.reference}'}"
    text = f"{name} {SYMBOLS[term.comparison]} {_compared(term)}"
    return f"{text} over {display(term.over, 'duration')}" if term.slope else text


def _compared(term: Term) -> str:
    kind = KINDS.get(term.quantity, "count")
    if term.slope:
        return f"{_per_hour(term.value, kind)}/h"
    return shown(term.value, kind)


def _per_hour(value: "Number | VersusOcv", kind: str) -> str:
    number = value.offset if isinstance(value, VersusOcv) else value
    found = [3600.0 * one for one in values(number)]
    return " … ".join(dict.fromkeys(display(one, kind) for one in (found[:1] + found[-1:]))) or "nothing"


def limits(bounds: Bounds) -> tuple[tuple[str, str], ...]:
    """Return (quantity, range) of an envelope, for those that it limits."""
    pairs = {"voltage": bounds.voltage, "current": bounds.current, "temperature": bounds.temperature}
    found = [
        (name, " … ".join(display(side, name) for side in pair)) for name, pair in pairs.items() if pair is not None
    ]
    if bounds.charge is not None:
        found.append(("capacity of a step", f"at most {display(bounds.charge, 'capacity')}"))
    return tuple(found)


def record(rules: tuple[RecordRule, ...]) -> str:
    """Return when rows are written, in words."""
    return ", then ".join(_rule(rule) for rule in rules)


def _rule(rule: RecordRule) -> str:
    parts = [
        f"every {display(rule.every, 'duration')}" if rule.every is not None else "",
        f"{display(rule.voltage, 'voltage')} apart" if rule.voltage is not None else "",
        f"{display(rule.current, 'current')} apart" if rule.current is not None else "",
    ]
    until = "" if rule.until is None or math.isinf(rule.until) else f" until {display(rule.until, 'duration')}"
    return " or ".join(filter(None, parts)) + until
