"""A plan in words, for the command line and pages: one row for each line and block, in absolute quantities."""

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from labctl.driver import OPEN, Bounds, RecordRule
from labctl.plan.index import walk
from labctl.plan.number import scaled, values
from labctl.plan.program import limited
from labctl.plan.step import (
    Block,
    ByPass,
    Condition,
    End,
    Line,
    Number,
    Plan,
    Relative,
    Setting,
    Term,
    TextByPass,
    VersusOcv,
)
from labctl.quantity.units import display

KINDS: Final = {
    "current": "current",
    "power": "power",
    "resistance": "resistance",
    "voltage": "voltage",
    "temperature": "temperature",
    "time": "duration",
    "capacity": "capacity",
    "energy": "energy",
    "charged": "capacity",
    "discharged": "capacity",
    "net": "capacity",
    "charge_capacity": "capacity",
    "discharge_capacity": "capacity",
    "coulombic_efficiency": "fraction",
    "retention": "fraction",
    "cycle": "count",
}
SLOPES: Final = {"voltage": "dV/dt", "current": "dI/dt", "temperature": "dT/dt"}
NOTHING: Final[Mapping[str, tuple[str, ...]]] = {}
FEW: Final = 4  # values of a set-point that are all shown
SOME: Final = 8  # and of a variable
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


def rows(block: Block, depth: int = 0, around: Mapping[str, tuple[str, ...]] = NOTHING) -> Iterator[Row]:
    """Give the rows of what is in a block, in the order of the text; `around` it are the variables of the loops that it is in."""
    for child in block.children:
        if isinstance(child, Line):
            setting = " ".join(filter(None, (set_point(child), options(child))))
            what = (
                "the next pass begins"
                if "every" in child.options
                else str(child.options.get("moment") or ends(child.ends))
            )
            yield Row(depth, child.id, child.verb, setting, what, child.name, child.where)
        else:
            known = {**around, **child.variables}
            yield Row(depth, 0, head(child), variables(child), ends(child.ends), named(child, known), "")
            yield from rows(child, depth + 1, known)


def named(block: Block, known: Mapping[str, tuple[str, ...]]) -> str:
    """Return the name of a block, with the values of the variables to which it refers: of its own loop and of those around it."""

    def values(match: re.Match[str]) -> str:
        texts = known.get(match[1])
        return series(texts) if texts else match[0]

    return re.sub(r"\$\(?\s*(\w+)\s*\)?", values, block.name)


def head(block: Block) -> str:
    """Return what kind of block this is and how often it is done."""
    kind = {"true": "cycle", "cv": "cycle", "formation": "formation cycle", "check": "check cycle"}.get(
        block.cycle or "", ""
    )
    condition = f"if {_condition(block.condition)}" if block.condition else ""
    times = f"{block.passes} ×" if block.passes != 1 else ""
    times += f" every {shown(block.every, 'duration')}" if block.every is not None else ""
    fused = "one step" if block.fused and not kind else ""
    plural = "s" if kind and block.passes != 1 else ""
    return " ".join(filter(None, (times, kind + plural, condition, fused))) or "once"


def variables(block: Block) -> str:
    """Return the loop variables with their first and last values."""
    return ", ".join(f"{name} = {runs(texts)}{_seed(block, name)}" for name, texts in block.variables.items() if texts)


def _seed(block: Block, name: str) -> str:
    return f" (drawn with seed {block.seeds[name]})" if name in block.seeds else ""


def drawn(block: Block) -> Iterator[str]:
    """Give a sentence for each draw of a block and those in it whose seed the file does not say."""
    for name, seed in block.seeds.items():
        yield f"{name} is drawn with the seed {seed}: write seed: {seed} to draw the same again"
    for child in block.children:
        if isinstance(child, Block):
            yield from drawn(child)


def runs(texts: Iterable[str]) -> str:
    """Return the values of a variable pass by pass, `3 × C/10, C/5`; of many the first two and the last."""
    grouped = [(text, len(list(same))) for text, same in itertools.groupby(texts)]
    shown = [text if count == 1 else f"{count} × {text}" for text, count in grouped]
    return ", ".join(shown) if len(shown) <= SOME else f"{shown[0]}, {shown[1]} … {shown[-1]}"


def series(texts: Iterable[str]) -> str:
    """Return the texts of the passes: all of a few, else the first two and the last."""
    distinct = [text for text, _ in itertools.groupby(texts)]
    return ", ".join(distinct) if len(distinct) <= FEW else f"{distinct[0]}, {distinct[1]} … {distinct[-1]}"


def _range(numbers: tuple[float, ...], kind: str) -> str:
    """Return the numbers of the passes as `series` does; of many that neither rise nor fall throughout, the lowest and highest."""
    texts = [text for text, _ in itertools.groupby(display(one, kind) for one in numbers)]
    if len(texts) <= FEW or {numbers[0], numbers[-1]} == {min(numbers), max(numbers)}:
        return series(texts)
    return f"{display(min(numbers), kind)} … {display(max(numbers), kind)}"


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
            return _profile(line)
        case "Spectrum":
            return _spectrum(line)
        case "Bend" | "Chamber":
            return elsewhere(line.settings)
    return ""


def _profile(line: Line) -> str:
    times, table, clip = (line.settings.get(name) for name in ("times", "values", "clip"))
    if not isinstance(times, tuple) or not isinstance(table, tuple):
        return ""
    quantity = str(line.settings.get("quantity", "current"))
    values = limited(1.0, table, str(line.options.get("only", "")))
    moments = values[:-1] or values  # the last row only ends it
    low, high = display(min(moments), quantity), display(max(moments), quantity)
    text = f"{len(times)} rows over {display(times[-1] - times[0], 'duration')}, {low} … {high}"
    if line.settings.get("most") is not None:
        text += f", at most {shown(line.settings['most'], 'current')}"
    if isinstance(clip, tuple):
        edges = ("open" if abs(edge) >= OPEN else display(edge, "voltage") for edge in clip)
        text += f", held between {' and '.join(edges)}"
    return text


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
    known = {name: value for name, value in settings.items() if value is not None and value != OPEN}
    targets = [f"{name} {shown(known[name], kind)}" for name, kind in kinds.items() if name in known]
    times = settings.get("times", 1)
    return ", ".join([*targets, f"{times} times"] if times != 1 else targets)


def options(line: Line) -> str:
    """Return what a line asks of people: the text of a prompt or mark."""
    if "only" in line.options:
        return f"only {line.options['only']}"
    if line.verb == "nominal":
        low, high = (float(line.options.get(name, 1.0)) for name in ("low", "high"))  # type: ignore[arg-type]
        return f"1C and 100 % become the {line.options.get('quantity', '')} measured, within {low:.0%} to {high:.0%}"
    text = line.options.get("say", line.options.get("text", ""))
    if isinstance(text, TextByPass):
        return " | ".join(dict.fromkeys(text.values))
    return text if isinstance(text, str) else ""


def shown(value: Setting, kind: str) -> str:
    """Return a number as people read it; the range of one that differs between passes."""
    if isinstance(value, VersusOcv):
        return "ocv" if value.offset == 0.0 else f"{shown(value.offset, kind)} vs ocv"
    if isinstance(value, Relative):
        low, high = (scaled(value.value, part) for part in value.within)
        return f"{shown(low, kind)} to {shown(high, kind)}"
    if isinstance(value, ByPass):
        return _range(values(value), kind) or "nothing"
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
    if term.slope and term.figure:
        changed = f"change of {term.quantity} over {display(term.over, 'duration')}"
        return f"{changed} {SYMBOLS[term.comparison]} {_compared(term)}"
    name = SLOPES[term.quantity] if term.slope else term.quantity
    name = f"|{name}|" if term.absolute else name
    if term.quantity in {"short", "short.soft"}:
        return term.quantity
    if term.quantity == "every":
        return f"every {_compared(term)} cycles"
    if term.members:
        return f"{name} in [{', '.join(map(str, term.members))}]"
    if term.reference is not None:
        name += f" of {'max' if term.reference == 'max' else f'cycle {term.reference}'}"
    name += f" since {term.since.partition(' ')[0]}" if term.since else ""
    name += f" of {term.kind}" if term.kind in {"check", "block"} else ""
    name = f"{term.figure} of {name} over {term.among} cycles" if term.figure else name
    text = f"{name} {SYMBOLS[term.comparison]} {_compared(term)}"
    text += f" for {display(term.dwell, 'duration')}" if term.dwell else ""
    text += f" for {term.cycles} cycles running" if term.cycles > 1 else ""
    return f"{text} over {display(term.over, 'duration')}" if term.slope else text


def _compared(term: Term) -> str:
    kind = "temperature step" if term.slope and term.quantity == "temperature" else KINDS.get(term.quantity, "count")
    kind = "fraction" if term.figure in {"spread", "share"} else kind
    if term.slope and not term.figure:
        return f"{_per_hour(term.value, kind)}/h"
    return shown(term.value, kind)


def _per_hour(value: "Number | VersusOcv", kind: str) -> str:
    number = value.offset if isinstance(value, VersusOcv) else value
    rates = [3600.0 * one for one in values(number)]
    return " … ".join(dict.fromkeys(display(one, kind) for one in (rates[:1] + rates[-1:]))) or "nothing"


def potentials(plan: Plan) -> tuple[float, ...]:
    """Return the voltages that a plan sets, ends at and is limited to, V, each once and rising."""
    voltages: set[float] = set()
    for _, line in walk(plan.root):
        numbers = [line.settings.get(name) for name in ("voltage", "start", "end")]
        numbers += [
            term.value
            for end in line.ends
            for terms in end.condition.any_of
            for term in terms
            if term.quantity == "voltage" and not term.slope and not term.absolute
        ]
        for number in numbers:
            voltages |= set(values(number)) if isinstance(number, float | ByPass) else set()
        voltages |= {side for side in line.bounds.voltage or () if abs(side) < OPEN}
    return tuple(sorted(voltages))


def limits(bounds: Bounds) -> tuple[tuple[str, str], ...]:
    """Return (quantity, range) of an envelope, for those that it limits."""
    pairs = {"voltage": bounds.voltage, "current": bounds.current, "temperature": bounds.temperature}
    ranges = [
        (name, " … ".join("open" if abs(side) >= OPEN else display(side, name) for side in pair))
        for name, pair in pairs.items()
        if pair is not None
    ]
    if bounds.charge is not None:
        ranges.append(("capacity of a step", f"at most {display(bounds.charge, 'capacity')}"))
    return tuple(ranges)


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
