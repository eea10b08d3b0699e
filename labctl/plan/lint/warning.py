"""What in a plan is likely to be a mistake, though none of it is an error."""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Final, cast

from labctl.finding import Finding, Mark
from labctl.plan.holding import SINCE
from labctl.plan.index import blocks, walk
from labctl.plan.lint.amounts import vain_amounts
from labctl.plan.lint.at_rest import NOT_PLATED, not_at_rest
from labctl.plan.lint.counts import vain_counts
from labctl.plan.lint.cycle_numbers import vain_cycle_numbers
from labctl.plan.lint.demands import demands
from labctl.plan.lint.drift import drift
from labctl.plan.lint.ends import LOWERING, RAISING, mark_of, vain_ends, warning
from labctl.plan.lint.hardly_meant import hardly_meant
from labctl.plan.lint.harsh import harsh
from labctl.plan.lint.holds_cut import holds_cut
from labctl.plan.lint.ladders import ladders
from labctl.plan.lint.named_pass import slowest_pass
from labctl.plan.lint.one_way import one_way
from labctl.plan.lint.passes import SHORT_OF, before_its_charge, vain_passes
from labctl.plan.lint.pulse_rows import pulse_rows
from labctl.plan.lint.rare_rows import rare_rows_of_sweeps
from labctl.plan.lint.since_marks import marks_anew
from labctl.plan.lint.step_order import step_order
from labctl.plan.lint.unsettled import set_for_nothing, unsettled
from labctl.plan.lint.unusual import unusual
from labctl.plan.lint.usual_ranges import unusual_ranges
from labctl.plan.lint.watches import vain_watches
from labctl.plan.number import as_filed, values
from labctl.plan.program import limited
from labctl.plan.step import Block, ByPass, End, Line, Plan, Relative, VersusOcv
from labctl.plan.step_context import Spot
from labctl.quantity.units import display

DRAWN: Final = frozenset({"Galvanostatic", "ConstantPower"})
PULSE: Final = 0.2  # of the nominal capacity: what a time passes below this is meant to be that short


SLOW: Final = 0.02  # of the nominal capacity: a whole charge or discharge that passes less has most likely another unit


SLANT: Final = 0.1  # of all that a profile moves: what is more than so far one-sided is so by intention or by mistake


NOWHERE: Final[Mapping[Spot, Mark]] = {}


def warnings(plan: Plan, places: Mapping[Spot, Mark] = NOWHERE) -> tuple[Finding, ...]:
    """Return the warnings of a plan in the order of its lines, each once.

    Args:
        plan: Compiled.
        places: Where its parts were written; else each warning stands at the line of the file that the plan keeps.
    """
    rules = (
        *(_times, _neighbours_of, _profiles, _profile_signs, vain_ends),
        *(
            step_order,
            one_way,
            vain_watches,
            unusual,
            vain_counts,
            vain_cycle_numbers,
            vain_passes,
            unusual_ranges,
            vain_amounts,
            marks_anew,
            hardly_meant,
            demands,
            holds_cut,
            pulse_rows,
            not_at_rest,
            drift,
            rare_rows_of_sweeps,
            unsettled,
            set_for_nothing,
            ladders,
            harsh,
        ),
    )
    findings = [finding for rule in rules for finding in rule(plan, places)]
    unique = {(finding.mark, finding.code, finding.message): finding for finding in findings}
    return tuple(sorted(unique.values(), key=lambda finding: finding.mark))


# --- a `for` that comes before the voltage end ------------------------------------------------------------------------


def _times(plan: Plan, places: Mapping[Spot, Mark]) -> Iterator[Finding]:
    nominal = plan.cell.nominal
    if not nominal:
        return
    stages, halves = _stages(plan), _halves(plan)
    for path, line in walk(plan.root):
        if line.mode not in DRAWN or line.id in stages or not any(end.kind == "to" for end in line.ends):
            continue
        ends = (*line.ends, *path[-1].ends) if path[-1].fused else line.ends
        passed = _passed_by(line, ends)
        if passed is not None and passed >= (1.0 - SHORT_OF) * _put_before(
            path[-1] if not path[-1].fused else path[-2], line
        ):
            continue  # it takes back what the charge beside it was given by its capacity
        least = 0.0 if path[-1].fused or line.id in halves else PULSE * nominal
        if any(before_its_charge(plan, line, places)):
            continue  # what is asked for is that charge
        if passed is not None and least <= passed < nominal and not _charge_ends(path, line, passed):
            yield warning(
                "plan.time_first",
                f"`for` will come before the voltage end{slowest_pass(path, line, ends)}: it lets {line.verb} pass "
                f"{display(passed, 'capacity')} of the nominal {display(nominal, 'capacity')}",
                mark_of(line, places),
                _faster(line, passed, nominal) or "lengthen for, if the voltage is to be reached",
            )


def _put_before(block: Block, line: Line) -> float:
    """Return the capacity that ends the drive of the other direction beside a line in its block, C; infinite without one."""
    others = [one for one in _drives(block) if (one.verb in RAISING) != (line.verb in RAISING)]
    if len(others) != 1:
        return math.inf
    amounts = [end.condition.any_of[0][0].value for end in others[0].ends if end.kind == "capacity"]
    return max((number for amount in amounts for number in values(amount)), default=math.inf)  # type: ignore[arg-type]


def _lowest_voltage(line: Line) -> float:
    """Return the lowest voltage at which a power may be drawn, so that it passes the most: 0 where nobody knows."""
    ended, limits = _target(line), line.bounds.voltage
    low = limits[0] if limits else 0.0
    return max(low, ended) if line.verb in LOWERING and ended is not None else low


def _faster(line: Line, passed: float, nominal: float) -> str:
    """Return the question whether another unit was meant, where a step passes next to nothing of the nominal capacity."""
    current = line.settings.get("current")
    if not isinstance(current, float) or passed > SLOW * nominal:
        return ""
    shown = display(abs(current), "current")
    number = shown.partition(" ")[0]
    meant = (
        f"is {number}C or {display(1000.0 * abs(current), 'current')} meant" if len(number) < 4 else "is its unit meant"
    )
    return f"{shown} is C/{nominal / 3600.0 / abs(current):.0f}: {meant}? else lengthen for"


def _charge_ends(path: tuple[Block, ...], line: Line, passed: float) -> bool:
    """Tell whether charge may end a line first: counted from a named point, or as energy; or as a capacity below `passed`, C."""
    ends = itertools.chain(line.ends, *(block.ends for block in path))
    asked = (terms for end in ends if end.kind in {"until", "capacity", "energy"} for terms in end.condition.any_of)
    for term in (terms[0] for terms in asked if len(terms) == 1):
        if term.quantity in {"energy", *SINCE}:
            return True
        known = term.quantity == "capacity" and not isinstance(term.value, VersusOcv)
        if known and max(values(term.value), default=math.inf) <= passed:  # type: ignore[arg-type]
            return True
    return False


def _stages(plan: Plan) -> frozenset[int]:
    """Return the lines that are one of several stages of a charge or discharge: each passes a part of the capacity."""
    pairs = list(itertools.pairwise(line for _, line in walk(plan.root) if line.verb in RAISING | LOWERING))
    return frozenset(line.id for pair in pairs if pair[0].verb == pair[1].verb for line in pair)


def _halves(plan: Plan) -> frozenset[int]:
    """Return the lines that are the only charge, or the only discharge, of a cycle: no pulses."""
    found = set()
    for block in blocks(plan.root):
        if block.cycle in {"true", "formation", "check"}:
            inside = [(path, line) for path, line in walk(block) if line.verb in RAISING | LOWERING]
            for verbs in (RAISING, LOWERING):
                mine = [line.id for path, line in inside if line.verb in verbs]
                looped = any(one.passes > 1 for path, _ in inside for one in path[1:])
                found |= set(mine) if len(mine) == 1 and not looped else set()
    return frozenset(found)


def _passed_by(line: Line, ends: tuple[End, ...]) -> float | None:
    """Return the least charge in C that the longest allowed time passes, over all passes."""
    current = line.settings.get("current", line.settings.get("power"))
    times = [term.value for end in ends if end.kind == "for" for terms in end.condition.any_of for term in terms]
    if not times or isinstance(current, VersusOcv | str):
        return None
    filed = as_filed(current)  # type: ignore[arg-type]
    voltage = _lowest_voltage(line) if line.mode == "ConstantPower" else 1.0
    if voltage <= 0.0:
        return None
    currents = [
        abs(value) / voltage for value in values(filed)
    ]  # of a measured capacity: it goes along with what it is held against
    seconds = [value for time in times if not isinstance(time, VersusOcv) for value in values(time)]
    return min(currents) * min(seconds) if currents and seconds else None


# --- a charge that ends below the discharge beside it -----------------------------------------------------------------


def _neighbours_of(plan: Plan, places: Mapping[Spot, Mark]) -> Iterator[Finding]:
    return _neighbours(plan.root, places, plan.cell.kind)


def _neighbours(block: Block, places: Mapping[Spot, Mark], kind: str) -> Iterator[Finding]:
    drives = list(_drives(block))
    pairs = list(itertools.pairwise(drives))
    if block.passes > 1 and len(drives) > 2:  # of two it is the same pair
        pairs.append((drives[-1], drives[0]))
    for first, second in pairs:
        up, down = (first, second) if first.verb in RAISING else (second, first)
        if up.verb not in RAISING or down.verb not in LOWERING:
            continue
        high, low = _target(up), _target(down)
        if high is not None and low is not None and high <= low:
            if kind == "asymmetric" and down.verb == "plate" and low >= NOT_PLATED:
                continue  # it is told at the plate
            yield warning(
                "plan.crossed",
                f"wanted {up.verb} to end above {display(low, 'voltage')}, where the {down.verb} beside it ends, "
                f"found {display(high, 'voltage')}",
                mark_of(up if high < low else second, places),
                "are the two voltages swapped?" if high < low else f"is {display(low, 'voltage')} meant in both?",
            )
    for child in block.children:
        if isinstance(child, Block):
            yield from _neighbours(child, places, kind)


def _drives(block: Block) -> Iterator[Line]:
    """Give the charging and discharging lines of a block itself, of a fused one the first."""
    for child in block.children:
        line = child.children[0] if isinstance(child, Block) and child.fused and child.children else child
        if isinstance(line, Line) and line.verb in RAISING | LOWERING:
            yield line


def _target(line: Line) -> float | None:
    """Return the voltage that a line goes to: the nearest to itself over all passes."""
    for end in line.ends:
        if end.kind == "to":
            value = end.condition.any_of[0][0].value
            if isinstance(value, VersusOcv):
                return None
            numbers = values(value)
            return (max(numbers) if line.verb in RAISING else min(numbers)) if numbers else None
    return None


# --- what the channel cannot resolve ----------------------------------------------------------------------------------


def too_small(plan: Plan, resolution: float, places: Mapping[Spot, Mark] = NOWHERE) -> Iterator[Finding]:
    """Warn of currents, set or ended at, that are smaller than what a channel tells apart, A."""
    for _, line in walk(plan.root):
        asked: list[tuple[str | tuple[int, int, int], object]] = [
            (key, line.settings.get(key)) for key in ("current", "most")
        ]
        asked += [
            ((number, at, which), term.value)
            for number, end in enumerate(line.ends)
            for at, terms in enumerate(end.condition.any_of)
            for which, term in enumerate(terms)
            if term.quantity == "current" and not term.slope
        ]
        for key, value in asked:
            if not isinstance(value, float | ByPass | Relative):
                continue
            least = min(map(abs, values(value)), default=math.inf)
            if 0.0 < least < resolution:
                message = (
                    f"wanted a current above the {display(resolution, 'current')} that the channel tells apart, "
                    f"found {display(least, 'current')}"
                )
                yield warning(
                    "channel.resolution", message, mark_of(line, places, key), "use a channel with a smaller range"
                )


# --- a profile that drifts --------------------------------------------------------------------------------------------


def _profiles(plan: Plan, places: Mapping[Spot, Mark]) -> Iterator[Finding]:
    nominal = plan.cell.nominal
    if not nominal:
        return
    for path, line in walk(plan.root):
        if line.mode != "Profile" or line.settings.get("quantity") != "current" or ended_by_the_cell(path, line):
            continue
        net = net_charge(line) * _passes_alone(path, line)
        if abs(net) > nominal:
            direction = "charging" if net > 0 else "discharging"
            yield warning(
                "plan.profile_net",
                f"the profile's net charge of {display(abs(net), 'capacity')} ({direction}, all passes) does not fit the "
                f"nominal {display(nominal, 'capacity')}",
                mark_of(line, places),
                "scale it, or charge the cell between passes",
            )


def _profile_signs(plan: Plan, places: Mapping[Spot, Mark]) -> Iterator[Finding]:
    """Warn of profiles of currents or powers whose net direction is likely to be the other one."""
    before = ""
    for _, line in walk(plan.root):
        if line.mode == "Profile" and line.settings.get("quantity") in {"current", "power"} and not line.options:
            moved = _moved(line)
            net, both = math.fsum(moved), min(moved, default=0.0) < 0.0 < max(moved, default=0.0)
            slanted = abs(net) > SLANT * math.fsum(map(abs, moved))
            if slanted and (
                (both and net > 0.0) or (before in RAISING and net > 0.0) or (before in LOWERING and net < 0.0)
            ):
                word, other = ("charge", "discharge") if net > 0.0 else ("discharge", "charge")
                after = f" after a {before} to its voltage" if before else ""
                yield warning(
                    "plan.profile_sign",
                    f"wanted a profile that {other}s the cell{after}, found one whose sum {word}s it",
                    mark_of(line, places),
                    f"does a positive value of the table {other} the cell? then write positive: {other}",
                )
        if line.energises:
            part = {end.kind for end in line.ends} & {"capacity", "energy", "until"}  # it may end before its voltage
            before = line.verb if _target(line) is not None and not part else ""


def _moved(line: Line) -> list[float]:
    """Return what each row of a profile moves, C or J."""
    times, table = (cast("tuple[float, ...]", line.settings[name]) for name in ("times", "values"))
    return [
        value * (later - earlier) for (earlier, later), value in zip(itertools.pairwise(times), table, strict=False)
    ]


def ended_by_the_cell(path: tuple[Block, ...], line: Line) -> bool:
    """Tell whether a voltage or a charge ends a line or a block around it."""
    ends = itertools.chain(line.ends, *(block.ends for block in path))
    asked = {term.quantity for end in ends for terms in end.condition.any_of if len(terms) == 1 for term in terms}
    return bool(asked & {"voltage", "capacity", "energy", *SINCE})


def net_charge(line: Line) -> float:
    """Return the net charge of one pass of a profile, C: 0 of powers and voltages, the greatest of scales that differ."""
    if line.settings.get("quantity", "current") != "current":
        return 0.0
    times, table = (cast("tuple[float, ...]", line.settings[name]) for name in ("times", "values"))
    values_kept = limited(1.0, table, str(line.options.get("only", "")))
    scale = line.settings.get("scale", 1.0)
    factor = max(map(abs, values(scale)), default=0.0) if isinstance(scale, ByPass | Relative) else 1.0
    pairs = zip(itertools.pairwise(times), values_kept, strict=False)
    return factor * math.fsum(value * (later - earlier) for (earlier, later), value in pairs)


def _passes_alone(path: tuple[Block, ...], line: Line) -> int:
    """Return how often a line is done with nothing else that energises in between."""
    times = 1
    for block in reversed(path):
        if any(other.energises and other is not line for _, other in walk(block)):
            break
        times *= block.passes
    return times
