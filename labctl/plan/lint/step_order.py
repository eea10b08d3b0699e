"""What a step finds that comes after others: an open circuit of long ago, a cell that is elsewhere, the way already gone."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from labctl.finding import Finding, Mark
from labctl.plan.index import blocks, walk
from labctl.plan.lint.ends import DRIVEN, LOWERING, RAISING, is_pulse, mark_of, target_of, warning
from labctl.plan.number import known, values
from labctl.plan.step import Block, ByPass, Line, Plan, Setting, Term, VersusOcv
from labctl.plan.step_context import Spot
from labctl.quantity.units import display

Places = Mapping[Spot, Mark]

NEAR: Final = 0.05  # V between two voltages of which one is as good as the other for what begins there
BACK: Final = 0.1  # V by which a second charge ends below the first: more than what a smaller current needs less
AT_REST_NEAR_ZERO: Final = frozenset({"symmetric", "blocking", "capacitor"})
DEEP: Final = 3  # loops in one another that are gone through twice
ANYWHERE: Final = (-math.inf, math.inf)  # V: where a cell may rest of which nothing is said
SHORT: Final = 1800.0  # s of a pulse: there are many of them to one voltage
UNEQUAL: Final = 0.02  # of the greater: by which stripped and plated may differ
TURNED: Final = str.maketrans("<>", "><")
AGAINST_OCV: Final = ("voltage", "start", "end", "bias")
PASSES_CHARGE: Final = frozenset({"Galvanostatic", "ConstantPower", "ConstantLoad", "Profile"})


@dataclass(slots=True)
class _Way:
    """What is known of the cell on the way through a plan.

    Attributes:
        at: The voltage to which it was brought last, None where nobody can say.
        moved: The line that moved it since its open circuit was measured last, None if none did.
        drive: The charge or discharge that it comes from, if nothing drove it otherwise since.
        begun: Something has energised.
        since: Of each mark, whether what drives first after it raises the voltage; None where nothing has yet.
        nominal: Capacity of the cell, C; infinite where nobody says.
    """

    at: Setting = None
    moved: Line | None = None
    drive: Line | None = None
    begun: bool = False
    since: dict[str, bool | None] = field(default_factory=dict)
    nominal: float = math.inf


def step_order(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of steps that begin elsewhere than what comes before them leaves the cell."""
    way = _Way(at=0.0 if plan.cell.kind in AT_REST_NEAR_ZERO else None, nominal=plan.cell.nominal or math.inf)
    yield from _strip_of_nothing(plan, places)
    for unit in _units(plan.root):
        lines = [unit] if isinstance(unit, Line) else [line for _, line in walk(unit)]
        if not lines:
            continue
        if plan.cell.kind not in AT_REST_NEAR_ZERO:
            yield from _old_open_circuit(way, lines, places)
        yield from _set_at_once(way, lines[0], places, plan.ocv or ANYWHERE)
        yield from _way_back(way, lines[0], places)
        yield from _there_already(way, lines[0], places)
        yield from _rest_beyond(way, lines[0], places)
        yield from _net_of_other_sign(way, lines[0], places)
        _go(way, lines)


def _strip_of_nothing(plan: Plan, places: Places) -> Iterator[Finding]:
    """Give a strip that comes before anything was plated on the collector of an asymmetric cell."""
    moving = [line for _, line in walk(plan.root) if line.energises and line.mode != "Spectrum"]
    if plan.cell.kind != "asymmetric" or not moving or moving[0].verb != "strip":
        return
    if any(line.verb == "plate" for line in moving[1:]):
        yield warning(
            "end.at_once",
            "wanted a plate before the first strip, as an asymmetric cell begins with a bare collector, found none: "
            "there is nothing to strip yet",
            mark_of(moving[0], places),
            "put plate before strip, so that each pass strips what it has plated",
        )


def _units(block: Block, depth: int = 0) -> Iterator[Line | Block]:
    """Give what is one verb each in the order in which it is done, what is in a loop twice."""
    for _ in range(min(block.passes, 2 if depth < DEEP else 1)):
        for child in block.children:
            if isinstance(child, Line) or child.fused:
                yield child
            else:
                yield from _units(child, depth + (block.passes > 1))


def _go(way: _Way, lines: list[Line]) -> None:
    """Go on behind a verb."""
    first, last = lines[0], lines[-1]
    if first.verb == "mark":
        way.since[str(first.options.get("text", ""))] = None
        return
    if not first.energises:
        way.moved = None if first.verb != "nominal" and first.mode != "Bend" else way.moved
        return
    if first.mode == "Spectrum":
        return
    way.begun = True
    if first.verb in DRIVEN:
        way.since = {name: first.verb in RAISING if up is None else up for name, up in way.since.items()}
    guarded = first is last and is_pulse(first, way.nominal)  # its voltage is where it must not go, not where it ends
    way.at = last.settings.get("end") if last.mode == "Sweep" else last.settings.get("voltage", target_of(first))
    way.at = None if guarded else way.at
    moves = first.mode in PASSES_CHARGE or not isinstance(way.at, VersusOcv)
    way.moved = first if moves else way.moved
    way.drive = first if first.verb in DRIVEN and not guarded else None


# --- one verb after what came before ----------------------------------------------------------------------------------


def _old_open_circuit(way: _Way, lines: list[Line], places: Places) -> Iterator[Finding]:
    """Give a voltage against the open circuit of before the last charge or discharge."""
    if way.moved is None:
        return
    for line in lines:
        key = next((key for key in AGAINST_OCV if isinstance(line.settings.get(key), VersusOcv)), "")
        unbiased = line.settings.get("potentiostatic") and line.settings.get("bias") is None
        if unbiased and way.moved.mode != "Potentiostatic":  # what was held long is near what it was held at
            yield warning(
                "ocv.old",
                f"wanted a rest between {way.moved.verb} and {line.verb} at open circuit, found none: it is measured while the "
                "voltage still moves",
                mark_of(line, places),
                "add - rest: 1 h before it, or at: 3.8 V, a voltage of yours, behind a hold there",
            )
            return
        if key:
            yield warning(
                "ocv.old",
                f"wanted a rest between {way.moved.verb} and the voltage vs ocv of {line.verb}, found none: "
                f"ocv is still that of before the {way.moved.verb}",
                mark_of(line, places, key),
                "add - rest: 1 h before it, or write the voltage itself",
            )
            return


def _there_already(way: _Way, line: Line, places: Places) -> Iterator[Finding]:
    """Give a charge or discharge to the open circuit from which it begins."""
    target = target_of(line)
    if way.moved is not None or line.verb not in DRIVEN or not isinstance(target, VersusOcv):
        return
    offsets = values(target.offset)
    if all(offset <= 0.0 if line.verb in RAISING else offset >= 0.0 for offset in offsets):
        message = (
            f"wanted a voltage to which {line.verb} leads, found the open circuit from which it begins: true at once"
        )
        side = "20 mV vs ocv" if line.verb in RAISING else "-20 mV vs ocv"
        yield warning("end.at_once", message, mark_of(line, places), f"write the voltage itself, or for example {side}")


def _set_at_once(way: _Way, line: Line, places: Places, rests: tuple[float, float]) -> Iterator[Finding]:
    """Give a sweep or spectrum that begins at a voltage of its own while the cell is elsewhere."""
    key = "start" if line.mode == "Sweep" else "bias"
    begin = line.settings.get(key)
    biased = line.mode == "Spectrum" and bool(line.settings.get("potentiostatic"))
    if not (line.mode == "Sweep" or biased) or not isinstance(begin, float | ByPass) or _alike(begin, way.at):
        return
    numbers = values(begin)
    if not way.begun and all(abs(one - bound) <= NEAR for one in numbers for bound in rests):
        return
    shown = display(numbers[0], "voltage") if numbers else "nothing"
    there = "elsewhere" if not isinstance(way.at, float) else f"at {display(way.at, 'voltage')}"
    there = there if way.begun or isinstance(way.at, float) else "at an open circuit that nobody knows yet"
    other = "begin from: ocv" if key == "start" else "leave at out"
    yield warning(
        "plan.jump",
        f"wanted the cell at {shown}, where {line.verb} begins, found it {there}: it is set there at once, and a current "
        "beyond the limits trips the run",
        mark_of(line, places, key),
        f"bring it there first, - hold: {{voltage: {shown}, for: 30 min}}, or {other} after a rest",
    )


def _alike(first: Setting, second: Setting) -> bool:
    if first == second:
        return True
    if not isinstance(first, float | ByPass) or not isinstance(second, float | ByPass):
        return False
    return all(abs(one - other) <= NEAR for one in values(first) for other in values(second))


def _way_back(way: _Way, line: Line, places: Places) -> Iterator[Finding]:
    """Give a charge that ends well below where the charge before it ended, with nothing but rests between, and the like."""
    before, up = way.drive, line.verb in RAISING
    if before is None or before is line or line.verb not in DRIVEN or up != (before.verb in RAISING):
        return
    ended, wanted = target_of(before), target_of(line)
    if not isinstance(ended, float | ByPass) or not isinstance(wanted, float | ByPass):
        return
    first, second = values(ended), values(wanted)
    short = (min(first) - max(second) if up else min(second) - max(first)) if first and second else 0.0
    if short > BACK:
        yield warning(
            "end.at_once",
            f"wanted {line.verb} to end {'above' if up else 'below'} {display(first[0], 'voltage')}, where the {before.verb} "
            f"before it ended, found {display(second[0], 'voltage')}: true at once",
            mark_of(line, places),
            f"is {_other(line.verb)} meant?",
        )


def _rest_beyond(way: _Way, line: Line, places: Places) -> Iterator[Finding]:
    """Give a rest until a voltage beyond the one at which the charge or discharge before it ended: it relaxes the other way."""
    ended = target_of(way.drive) if way.drive is not None and line.verb == "rest" else None
    if way.drive is None or not isinstance(ended, float):
        return
    up = way.drive.verb in RAISING
    for number, end in enumerate(line.ends):
        for at, terms in enumerate(end.condition.any_of):
            term = terms[0]
            if len(terms) != 1 or term.quantity != "voltage" or term.slope or term.absolute:
                continue
            asked = () if isinstance(term.value, VersusOcv) else values(term.value)
            if not asked or (min(asked) < ended if up else max(asked) > ended):
                continue
            never = (term.comparison in {">", ">="}) == up
            shown = display(asked[0], "voltage")
            message = (
                f"wanted a voltage to which the cell relaxes behind the {way.drive.verb} to {display(ended, 'voltage')}, found "
                f"{term.comparison} {shown}, which {'it leads away from' if never else 'is true at once'}"
            )
            inside = f"a voltage {'below' if up else 'above'} {display(ended, 'voltage')}"
            hint = f"write voltage {'<' if up else '>'} with {inside}, or until: change of voltage over 1 h < 1 mV"
            yield warning(
                "end.never" if never else "end.at_once", message, mark_of(line, places, (number, at, 0)), hint
            )


def _other(verb: str) -> str:
    return {"charge": "discharge", "discharge": "charge", "strip": "plate", "plate": "strip"}[verb]


def _net_of_other_sign(way: _Way, line: Line, places: Places) -> Iterator[Finding]:
    """Give an end by net charge that is met by the zero with which the count begins, or from which the step leads away."""
    if line.verb not in DRIVEN:
        return
    up = line.verb in RAISING
    for number, end in enumerate(line.ends):
        for at, terms in enumerate(end.condition.any_of):
            term = terms[0]
            if len(terms) != 1 or term.quantity != "net":
                continue
            begun = way.since.get(term.since, up) in {None, up} and term.since in way.since
            above = term.comparison in {">", ">="}
            verb = "rises" if up else "falls"
            other = "charged" if up else "discharged"
            grown = end.condition.text.replace("net since", f"{other} since")
            sign = f"net is charged less discharged: write {grown if above else grown.translate(TURNED)}"
            mark = mark_of(line, places, (number, at, 0))
            wanted = f"wanted a net charge that {line.verb} comes to, found {end.condition.text}: it "
            if begun and _met_by_zero(term):
                hint = sign if above == up else f"write {end.condition.text.translate(TURNED)}"
                yield warning("end.at_once", f"{wanted}begins at 0 and {verb}, so that is true at once", mark, hint)
            elif above != up:
                why = "from 0 on, so that it never comes" if begun else "in it, so that is true at once or never"
                hint = sign if begun else f"write {end.condition.text.translate(TURNED)}"
                yield warning("end.never", f"{wanted}{verb} {why}", mark, hint)


def _met_by_zero(term: Term) -> bool:
    if isinstance(term.value, VersusOcv):
        return False
    numbers = values(term.value)
    if term.comparison in {">", ">="}:
        return max(numbers, default=0.0) < 0.0
    return min(numbers, default=0.0) > 0.0


# --- blocks -----------------------------------------------------------------------------------------------------------


def one_way(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of loops that drive in one direction to one voltage, of the same step twice, and of plating that is not stripped."""
    for block in blocks(plan.root):
        yield from _twins(block, places)
        if block.passes > 1 and not block.fused:
            yield from to_one_end(plan, block, places)
            yield from _unbalanced(block, places)


def _twins(block: Block, places: Places) -> Iterator[Finding]:
    for first, second in itertools.pairwise(block.children):
        if not (isinstance(first, Line) and isinstance(second, Line)) or first.verb not in DRIVEN:
            continue
        same = (first.verb, first.settings, first.record, first.name) == (
            second.verb, second.settings, second.record, second.name,
        )  # fmt: skip
        if same and [end.condition.any_of for end in first.ends] == [end.condition.any_of for end in second.ends]:
            yield warning(
                "plan.twice",
                f"wanted two steps that differ, found the same {first.verb} twice with nothing between",
                mark_of(second, places),
                f"is the second meant to {_other(first.verb)}?",
            )


def to_one_end(plan: Plan, block: Block, places: Places) -> Iterator[Finding]:
    """Give a loop whose passes after the first find every drive already at its end."""
    inside = [line for _, line in walk(block)]
    drives = [line for line in inside if line.energises and line.mode != "Spectrum"]
    firsts = [line for line in drives if line.verb in DRIVEN]
    holds = [line for line in drives if line.verb not in DRIVEN]
    fused = {line.id for path, line in walk(block) if path[-1].fused and line.mode == "Potentiostatic"}
    rests = any(not line.energises and line.verb not in {"mark", "nominal"} for line in inside)
    if not firsts or any(line.id not in fused for line in holds) or (rests and block.cycle is None):
        return
    if len({line.verb for line in firsts}) > 1 or not all(isinstance(target_of(line), float) for line in firsts):
        return
    if any(end.kind in {"capacity", "energy", "until"} for one in blocks(block) if one.fused for end in one.ends):
        return
    if any(_short(line, block) for line in firsts) or _back_and_forth(firsts):
        return
    verb = firsts[0].verb
    behind = any(other.verb == _other(verb) and other.id > firsts[-1].id for _, other in walk(plan.root))
    hint = f"is the {_other(verb)} behind the loop meant to stand in it, as far to the right as the {verb}?"
    yield warning(
        "plan.one_way",
        f"wanted a {_other(verb)} in the loop of {block.passes} passes, found nothing but {verb} to one voltage: "
        "from the second pass on it does nothing",
        mark_of(firsts[0], places),
        hint if behind else f"is a {_other(verb)} missing in the loop?",
    )


def _back_and_forth(drives: Sequence[Line]) -> bool:
    """Tell whether a drive is to end where those before it have been already: its verb is wrong, which is told there."""
    targets = [target for line in drives if isinstance(target := target_of(line), float)]
    return targets != sorted(targets, reverse=drives[0].verb in LOWERING)


def _short(line: Line, block: Block) -> bool:
    """Tell whether a drive is a pulse, which its time ends."""
    around = [one for one in blocks(block) if one.fused and any(inner is line for _, inner in walk(one))]
    ends = [*line.ends, *(end for one in around for end in one.ends)]
    times = [end.condition.any_of[0][0].value for end in ends if end.kind == "for"]
    return any(isinstance(time, float | ByPass) and min(values(time), default=0.0) <= SHORT for time in times)


def _unbalanced(block: Block, places: Places) -> Iterator[Finding]:
    """Give a loop that plates more than it strips, or the other way round, in each pass."""
    drives = [(path, line) for path, line in walk(block) if line.energises and line.mode != "Spectrum"]
    if not drives or any(path[-1] is not block for path, _ in drives):
        return
    passed = [_charge_of(line) for _, line in drives]
    if any(one is None for one in passed) or len({line.verb for _, line in drives}) != 2:
        return
    lines = [line for _, line in drives]
    up, down = (
        sum(one for one, line in zip(passed, lines, strict=True) if one and line.verb == verb)
        for verb in ("strip", "plate")
    )
    if abs(up - down) > UNEQUAL * max(up, down):
        where = {line.verb: mark_of(line, places).line for line in lines}
        yield warning(
            "plan.unbalanced",
            f"wanted as much stripped as plated in each pass, found {display(up, 'capacity')} stripped in line {where['strip']} "
            f"and {display(down, 'capacity')} plated in line {where['plate']}",
            mark_of(lines[0], places),
            _off(lines, up, down),
        )


def _off(lines: Sequence[Line], up: float, down: float) -> str:
    """Return the question that is asked of a loop whose strip and plate pass different charges: what of them differs."""
    if abs(math.log10(up / down)) > 2.0 if up and down else False:
        return "are both in the same unit?"
    less, more = ("plate", "strip") if up > down else ("strip", "plate")
    times = max(up, down) / min(up, down) if up and down else math.inf
    by_charge = all(any(end.kind == "capacity" for end in line.ends) for line in lines)
    currents = {abs(value) for line in lines if isinstance(value := line.settings.get("current"), float)}
    differs = "both capacities" if by_charge else "both currents" if len(currents) > 1 else "both times"
    return f"{more} passes {times:.3g} times what {less} does: are {differs} meant?"


def _charge_of(line: Line) -> float | None:
    """Return the mean charge in C that a strip or plate passes which nothing but capacity and time ends; None of any other."""
    currents = [abs(one) for one in known(line.settings.get("current"))]
    if line.verb not in {"strip", "plate"} or line.mode != "Galvanostatic" or not currents:
        return None
    current = math.fsum(currents) / len(currents)
    passed = []
    for end in line.ends:
        value = end.condition.any_of[0][0].value
        if end.kind not in {"capacity", "for"} or not isinstance(value, float):
            return None
        passed.append(value if end.kind == "capacity" else current * value)
    return min(passed, default=None)
