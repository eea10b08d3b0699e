"""Loops whose passes are too few or too many for the voltage they go to, and watches that their steps meet always or never."""

import math
from collections.abc import Iterator, Mapping
from typing import Final

from labctl.finding import Finding, Mark
from labctl.plan.envelope import OVERSHOOT
from labctl.plan.index import blocks, walk
from labctl.plan.lint.ends import DRIVEN, LOWERING, RAISING, end_values, mark_of, opposite, warning
from labctl.plan.lint.hardly_meant import settles
from labctl.plan.lint.one_way import to_one_end
from labctl.plan.number import as_filed, values
from labctl.plan.step import Block, ByPass, Line, Plan, Relative, Setting, Term, VersusOcv
from labctl.plan.step_context import Spot
from labctl.quantity.units import article, display

Places = Mapping[Spot, Mark]

ABOVE: Final = frozenset({">", ">="})
TOO_FEW: Final = 0.5  # of the nominal capacity, that all passes of a loop together pass before a voltage stops it
MORE: Final = 1.2  # times the nominal capacity, in one direction by shares of it
LITTLE: Final = 0.05  # of the nominal capacity: pulses that pass less are there for a resistance
TITRATED: Final = 10  # passes of a titration at least
TOO_MANY: Final = 2.0  # times the nominal capacity, in one direction to a voltage
SHORT_OF: Final = 0.02  # of a capacity: rounding of a time
OVERPOTENTIAL: Final = {"asymmetric": 0.02, "symmetric": 1e-3}  # V that a strip or plate has from its begin on
WATCHES: Final = frozenset({"stop_if", "abort_if"})
ROOM: Final = (298.15,)  # K: about the temperature of a cell that nothing has warmed or cooled


def vain_passes(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of loops that are over before their voltage comes or long after it, and of watches that decide nothing."""
    for block in blocks(plan.root):
        if not block.fused:
            yield from _watched(block, places)
            yield from _number_of_passes(plan, block, places)
            yield from _shares(plan, block, places)
            yield from _currents(block, places)
    for _, line in walk(plan.root):
        yield from before_its_charge(plan, line, places)
        yield from _at_its_begin(plan, line, places)
    yield from _temperatures(plan, places)


def _alone(block: Block, kinds: frozenset[str]) -> Iterator[tuple[str, str, Term, tuple[int, int, int]]]:
    """Give kind, text and place of each comparison that ends a block by itself."""
    for number, end in enumerate(block.ends):
        for at, terms in enumerate(end.condition.any_of):
            if end.kind in kinds and len(terms) == 1:
                yield end.kind, end.condition.text, terms[0], (number, at, 0)


def _mark(block: Block, key: tuple[int, int, int], places: Places) -> Mark:
    line = next((line for _, line in walk(block)), None)
    default = mark_of(line, places) if line else Mark("", 1, 1)
    return places.get(("block", block.id, key), default)


def _numbers(value: Setting) -> tuple[float, ...]:
    return values(value) if isinstance(value, float | ByPass | Relative) else ()


# --- voltages ---------------------------------------------------------------------------------------------------------


def _watched(block: Block, places: Places) -> Iterator[Finding]:
    """Give a watch on the voltage that every row of its block meets, or none."""
    reach = _reach(block)
    if reach is None:
        return
    direction, farthest, line = reach
    up = direction in RAISING
    for kind, text, term, key in _alone(block, WATCHES):
        numbers = _numbers(term.value) if not isinstance(term.value, VersusOcv) else ()
        if term.quantity != "voltage" or term.slope or term.absolute or not numbers:
            continue
        outwards = (term.comparison in ABOVE) == up
        beyond = min(numbers) - farthest if up else farthest - max(numbers)
        shown = f"{line.verb} ends at {display(farthest, 'voltage')}"
        sign = ">" if up else "<"
        if outwards and kind == "stop_if" and block.passes > 1 and beyond >= OVERSHOOT * (1.0 - 1e-9):
            yield warning(
                "end.never",
                f"wanted {article(kind)} that the steps of its block come to, found {text}, while {shown}: it never comes",
                _mark(block, key, places),
                f"write stop_if: voltage {sign}= {display(farthest, 'voltage')}",
            )
        if not outwards and kind == "stop_if" and beyond < 0.0 and block.passes >= TITRATED:
            other = opposite(line.verb)
            yield warning(
                "end.never",
                f"wanted a stop_if to which {line.verb} leads, found {text}, which it leads away from: true at once or never",
                _mark(block, key, places),
                f"is {other} meant in the loop? else write stop_if: voltage {sign}= {display(farthest, 'voltage')}",
            )
        if not outwards and beyond >= 0.0:
            yield warning(
                "end.at_once",
                f"wanted {article(kind)} that is not true from the begin, found {text}, while {shown}: any row meets it",
                _mark(block, key, places),
                f"write voltage {sign}= {display(farthest, 'voltage')}",
            )


def _reach(block: Block) -> tuple[str, float, Line] | None:
    """Return verb, farthest voltage and line of a block that drives in one direction, each time to a voltage that is known."""
    moving = [line for _, line in walk(block) if line.energises and line.mode != "Spectrum"]
    drives = [line for line in moving if line.verb in DRIVEN]
    held = {line.id for path, line in walk(block) if path[-1].fused}
    if not drives or any(line.verb not in DRIVEN and line.id not in held for line in moving):
        return None
    verbs = {line.verb in RAISING for line in drives}
    targets = [(value, line) for line in drives for value in _numbers(_end_voltage(line))]
    if len(verbs) != 1 or len({line.id for _, line in targets}) != len(drives):
        return None
    up = True in verbs
    farthest, line = (max if up else min)(targets, key=lambda pair: pair[0])
    return line.verb, farthest, line


def _end_voltage(line: Line) -> Setting:
    """Return the voltage of `to`, whatever else may end a line before."""
    return next((end.condition.any_of[0][0].value for end in line.ends if end.kind == "to"), None)


# --- charge -----------------------------------------------------------------------------------------------------------


def _number_of_passes(plan: Plan, block: Block, places: Places) -> Iterator[Finding]:
    """Give a loop in one direction whose passes together pass far less than what it waits for, or far more."""
    nominal, each, mark = plan.cell.nominal, _net_of_pass(block), places.get(("block", block.id, "repeat"))
    if mark is None and any(settles(line) for _, line in walk(block)):  # a titration is one of the whole capacity
        mark = places.get(("block", block.id, ""))
    if (
        not nominal or block.passes < 2 or not each or mark is None
    ):  # another parameter counts looks, and fits some cell
        return
    up, whole = each > 0.0, abs(each) * block.passes
    needed = math.ceil(nominal / abs(each))
    told = f"{display(whole, 'capacity')} of the nominal {display(nominal, 'capacity')} together"
    stops = list(_alone(block, frozenset({"stop_if"})))
    for _, text, term, _ in stops:
        outwards = term.quantity == "voltage" and not term.slope and (term.comparison in ABOVE) == up
        if outwards and whole < TOO_FEW * nominal:
            yield warning(
                "plan.passes",
                f"wanted passes enough to come to {text}, found {block.passes}, which pass {told}: it hardly comes",
                mark,
                f"about {needed} passes take the whole capacity: repeat: {math.ceil(1.2 * needed)} leaves stop_if to end the loop",
            )
            return
    line, target = _only_drive(block)
    if not stops and line is not None and isinstance(target, float) and _are_pulses(block, line, whole / nominal):
        shown, sign = display(target, "voltage"), ">=" if up else "<="
        yield warning(
            "plan.passes",
            f"wanted passes enough for {line.verb} to come to {shown}, found {block.passes}, which pass {told}: it hardly comes",
            mark,
            f"about {needed} passes take the whole capacity: write repeat: {math.ceil(1.2 * needed)}, and stop_if: voltage "
            f"{sign} {shown}",
        )
        return
    if (
        stops
        or any(to_one_end(plan, block, places))
        or line is None
        or whole <= TOO_MANY * nominal
        or not isinstance(target, float)
    ):
        return
    sign = ">=" if up else "<="
    yield warning(
        "plan.passes",
        f"wanted a loop that ends where {line.verb} comes to its voltage, found {block.passes} passes, which would pass {told}: "
        f"after about {needed} each ends as it begins",
        mark,
        f"add to the loop stop_if: voltage {sign} {display(target, 'voltage')}",
    )


def _shares(plan: Plan, block: Block, places: Places) -> Iterator[Finding]:
    """Give a loop over shares of the capacity, in one direction, that are most likely meant as states of charge."""
    drives = [line for _, line in walk(block) if line.verb in DRIVEN]
    asked = end_values(drives[0], "capacity") if len(drives) == 1 and block.variables else []
    nominal, passes = plan.cell.nominal or math.inf, list(dict.fromkeys(asked))
    rises = passes == sorted(passes) or passes == sorted(passes, reverse=True)
    if (
        len(passes) < block.passes
        or not rises
        or not max(passes, default=math.inf) <= nominal
        or not sum(passes) > MORE * nominal
    ):
        return
    line, counted = drives[0], "discharged" if drives[0].verb in LOWERING else "charged"
    yield warning(
        "plan.passes",
        f"wanted passes that the cell has room for, found capacity of {display(passes[0], 'capacity')} to "
        f"{display(passes[-1], 'capacity')}, which is counted from the begin of each {line.verb}: "
        f"{display(sum(passes), 'capacity')} of the nominal {display(nominal, 'capacity')} together",
        mark_of(line, places),
        f"write the same amount in each pass, or for states of charge - mark: begin before the loop, and in it until: "
        f"{counted} since begin >= with the variable",
    )


def _are_pulses(block: Block, line: Line, share: float) -> bool:
    """Tell whether a loop titrates and comes to a small share of the capacity: pulses by time alone, each with a rest behind."""
    by_time = {end.kind for end in line.ends} == {"to", "for"}
    rests = any(other.verb == "rest" for _, other in walk(block))
    return by_time and rests and block.passes >= TITRATED and LITTLE <= share < TOO_FEW


def _only_drive(block: Block) -> tuple[Line | None, Setting]:
    """Return the only drive of a block, and its voltage; nothing where a watch or another end than time or voltage ends it."""
    lines = [line for _, line in walk(block) if line.verb in DRIVEN]
    if len(lines) != 1 or not {end.kind for end in lines[0].ends} <= {"to", "for", "capacity"}:
        return None, None
    return lines[0], _end_voltage(lines[0])


def _net_of_pass(block: Block) -> float:
    """Return the charge in C of one pass, charging positive, of a block that drives by time or charge in one direction; else 0."""
    total = 0.0
    for path, line in walk(block):
        if not line.energises or line.mode == "Spectrum":
            continue
        times = math.prod(one.passes for one in path[1:])
        most = _most_of(line)
        around = path[1:]
        if most is None or any(one.fused or one.condition is not None or one.ends for one in around):
            return 0.0
        sign = -1.0 if line.verb in LOWERING else 1.0
        if total and (total > 0.0) != (sign > 0.0):
            return 0.0
        total += sign * most * times
    return total


def _most_of(line: Line) -> float | None:
    """Return the most that a constant current passes until time or charge end it, C; None of any other line."""
    if line.mode != "Galvanostatic" or line.verb not in DRIVEN:
        return None
    currents = [abs(one) for one in _numbers(_filed(line.settings.get("current")))]
    passed: list[float] = []
    for end in line.ends:
        numbers = _numbers(_filed(end.condition.any_of[0][0].value))
        if end.kind == "for" and numbers and currents:
            passed.append(max(currents) * max(numbers))
        elif end.kind == "capacity" and numbers:
            passed.append(max(numbers))
        elif end.kind not in {"to", "for", "capacity"}:
            return None
    return min(passed, default=None)


def _filed(value: Setting) -> Setting:
    return as_filed(value) if isinstance(value, Relative) else value


# --- currents, and the ends of one step ---


def _currents(block: Block, places: Places) -> Iterator[Finding]:
    """Give a watch on the current that a step inside holds on the other side of, or that a rest inside meets."""
    lines = [line for _, line in walk(block)]
    held = [
        abs(one) for line in lines if line.mode == "Galvanostatic" for one in _numbers(line.settings.get("current"))
    ]
    rests = any(line.verb == "rest" for line in lines)
    for kind, text, term, key in _alone(block, WATCHES):
        numbers = _numbers(term.value) if not isinstance(term.value, VersusOcv) else ()
        if term.quantity != "current" or term.slope or term.dwell or not numbers or not held:
            continue
        above = term.comparison in ABOVE
        if not above and not rests and max(numbers) <= min(held):
            continue
        if above and min(numbers) >= max(held):
            continue
        what = (
            f"a step inside holds {display(max(held), 'current')}"
            if above
            else "a rest inside has none"
            if rests
            else "steps hold less"
        )
        hint = f"write current > {display(1.2 * max(held), 'current')}" if above else "put it into the until of a hold"
        message = f"wanted {article(kind)} that is not true from the begin, found {text}, while {what}"
        yield warning("end.at_once", message, _mark(block, key, places), hint)


def before_its_charge(plan: Plan, line: Line, places: Places) -> Iterator[Finding]:
    """Give a `for` that is over before the capacity has passed for which the step is there."""
    currents = [abs(one) for one in _numbers(_filed(line.settings.get("current")))]
    if line.mode != "Galvanostatic" or line.verb not in DRIVEN or not currents:
        return
    by_kind = {end.kind: _numbers(_filed(end.condition.any_of[0][0].value)) for end in line.ends}
    asked, times = by_kind.get("capacity", ()), by_kind.get("for", ())
    if "to" in by_kind and min(asked, default=math.inf) > (plan.cell.nominal or 0.0):
        return  # the voltage comes first
    if asked and times and max(times) * max(currents) >= min(asked) * (1.0 - SHORT_OF) > max(times) * min(currents):
        if len({*asked}) == len({*times}) == 1:
            least, reached = display(min(currents), "current"), display(max(times) * min(currents), "capacity")
            yield warning(
                "plan.time_first",
                f"`for` will come before the capacity in the passes of small current: at {least} it lets {line.verb} pass "
                f"{reached} of {display(min(asked), 'capacity')}",
                mark_of(line, places),
                f"lengthen for to more than {display(min(asked) / min(currents), 'duration')}, or leave it out",
            )
    elif asked and times and max(times) * max(currents) < min(asked) * (1.0 - SHORT_OF):
        passed, wanted = display(max(times) * max(currents), "capacity"), display(min(asked), "capacity")
        yield warning(
            "plan.time_first",
            f"`for` will come before the capacity: it lets {line.verb} pass {passed} of {wanted}",
            mark_of(line, places),
            f"lengthen for to more than {display(min(asked) / max(currents), 'duration')}, or leave it out",
        )


def _at_its_begin(plan: Plan, line: Line, places: Places) -> Iterator[Finding]:
    """Give a voltage of a strip or plate that its overpotential alone meets."""
    least = OVERPOTENTIAL.get(plan.cell.kind, 0.0)
    if line.mode != "Galvanostatic" or line.verb not in {"strip", "plate"}:
        return
    for number, end in enumerate(line.ends):
        target = _numbers(end.condition.any_of[0][0].value) if end.kind == "to" else ()
        reached = [one if line.verb == "strip" else -one for one in target]
        if least and reached and max(reached) < least and (line.verb == "strip" or plan.cell.kind == "symmetric"):
            shown = display(target[0], "voltage")
            yield warning(
                "end.at_once",
                f"wanted a voltage that {line.verb} comes to at its end, found {shown}: its overpotential meets it at once",
                mark_of(line, places, number),
                f"is {display(1000.0 * target[0], 'voltage')} meant?"
                if abs(target[0]) <= least
                else "is its sign meant?",
            )


# --- temperatures -----------------------------------------------------------------------------------------------------


def _temperatures(plan: Plan, places: Places) -> Iterator[Finding]:
    """Give an end by temperature that the chamber meets as it was set before, or inside the block; without one, a room."""
    begun: dict[int, tuple[float, ...]] = {}
    now: tuple[float, ...] = ()
    for path, line in walk(plan.root):
        for block in path:
            begun.setdefault(block.id, now)
        now = _chamber(line) or now
        yield from _of_line(line, now or (ROOM if line.verb in DRIVEN else ()), places)
    for block in blocks(plan.root):
        inside = (one for _, line in walk(block) for one in _chamber(line))
        temperatures = (*begun.get(block.id, ()), *inside)
        for kind, text, term, key in _alone(block, WATCHES):
            if _meets(term, temperatures or ROOM):
                yield _set(text, temperatures or ROOM, _mark(block, key, places), kind)


def _chamber(line: Line) -> tuple[float, ...]:
    """Return the temperatures to which a line brings the chamber, K; none of another line."""
    return _numbers(line.settings.get("temperature")) if line.mode == "Chamber" else ()


def _of_line(line: Line, now: tuple[float, ...], places: Places) -> Iterator[Finding]:
    for number, end in enumerate(line.ends if now else ()):
        for at, terms in enumerate(end.condition.any_of):
            if len(terms) == 1 and _meets(terms[0], now):
                yield _set(end.condition.text, now, mark_of(line, places, (number, at, 0)), end.kind)


def _meets(term: Term, temperatures: tuple[float, ...]) -> bool:
    numbers = () if isinstance(term.value, VersusOcv) else _numbers(term.value)
    if term.quantity != "temperature" or term.slope or not numbers:
        return False
    above = term.comparison in ABOVE
    return min(numbers) <= max(temperatures) if above else max(numbers) >= min(temperatures)


def _set(text: str, temperatures: tuple[float, ...], mark: Mark, kind: str) -> Finding:
    above = ">" in text
    shown = display(max(temperatures) if above else min(temperatures), "temperature")
    if temperatures is ROOM:
        message = f"wanted {article(kind)} that a cell in a room does not meet, found {text}: true at once at {shown}"
        meant = (
            "a temperature that only a hot cell has, such as temperature > 60 degC" if above else text.replace("<", ">")
        )
        return warning("end.at_once", message, mark, f"write {meant}")
    message = f"wanted {article(kind)} that the chamber does not meet, found {text}, while it is brought to {shown}: true there"
    return warning("end.at_once", message, mark, f"write a temperature {'above' if above else 'below'} {shown}")
