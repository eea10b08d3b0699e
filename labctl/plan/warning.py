"""What in a plan is likely to be a mistake, though none of it is an error."""

import itertools
import math
from collections.abc import Iterator
from typing import Final

from labctl.document import Finding, Mark
from labctl.driver import Profile
from labctl.plan.index import blocks, walk
from labctl.plan.limit import Envelope
from labctl.plan.number import values
from labctl.plan.safety import cut_off_beyond
from labctl.plan.step import Block, ByPass, End, Line, Plan, Term, VersusOcv
from labctl.units import display

PULSE: Final = 0.2  # of the nominal capacity: what a time passes below this is meant to be that short
RAISING: Final = frozenset({"charge", "strip"})
LOWERING: Final = frozenset({"discharge", "plate"})


def warnings(plan: Plan) -> tuple[Finding, ...]:
    """Return the warnings of a plan in the order of its lines, each once."""
    found = [*_times(plan), *_neighbours(plan.root), *_profiles(plan), *_never(plan)]
    unique = {(finding.mark, finding.code, finding.message): finding for finding in found}
    return tuple(sorted(unique.values(), key=lambda finding: (finding.mark.file, finding.mark.line)))


def mark_of(line: Line) -> Mark:
    """Return the place that a line came from."""
    file, _, number = line.where.rpartition(":")
    return Mark(file, int(number) if number.isdigit() else 1, 1)


def _warning(code: str, message: str, line: Line, hint: str = "") -> Finding:
    return Finding(code, message, mark_of(line), hint, severity="warning")


# --- a `for` that comes before the voltage end ------------------------------------------------------------------------


def _times(plan: Plan) -> Iterator[Finding]:
    nominal = plan.cell.nominal
    if not nominal:
        return
    for path, line in walk(plan.root):
        if line.mode != "Galvanostatic" or not any(end.kind == "to" for end in line.ends):
            continue
        ends = (*line.ends, *path[-1].ends) if path[-1].fused else line.ends
        passed = _passed_by(line, ends)
        if passed is not None and PULSE * nominal <= passed < nominal:
            yield _warning(
                "plan.time_first",
                f"`for` will come before the voltage end: it lets {line.verb} pass {display(passed, 'capacity')} "
                f"of the nominal {display(nominal, 'capacity')}",
                line,
                "lengthen for, or leave the voltage end out",
            )


def _passed_by(line: Line, ends: tuple[End, ...]) -> float | None:
    """Return the least charge in C that the longest allowed time passes, over all passes."""
    current = line.settings["current"]
    times = [term.value for end in ends if end.kind == "for" for terms in end.condition.any_of for term in terms]
    if not times or isinstance(current, VersusOcv | str):
        return None
    currents = [abs(value) for value in values(current)]  # type: ignore[arg-type]
    seconds = [value for time in times if not isinstance(time, VersusOcv) for value in values(time)]
    return min(currents) * min(seconds) if currents and seconds else None


# --- a charge that ends below the discharge beside it -----------------------------------------------------------------


def _neighbours(block: Block) -> Iterator[Finding]:
    drives = list(_drives(block))
    pairs = list(itertools.pairwise(drives))
    if block.passes > 1 and len(drives) > 1:
        pairs.append((drives[-1], drives[0]))
    for first, second in pairs:
        up, down = (first, second) if first.verb in RAISING else (second, first)
        if up.verb not in RAISING or down.verb not in LOWERING:
            continue
        high, low = _target(up), _target(down)
        if high is not None and low is not None and high <= low:
            yield _warning(
                "plan.crossed",
                f"{up.verb} ends at {display(high, 'voltage')}, which is not above the {display(low, 'voltage')} at which "
                f"the {down.verb} beside it ends",
                up,
                "are the two voltages swapped?",
            )
    for child in block.children:
        if isinstance(child, Block):
            yield from _neighbours(child)


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
            found = values(value)
            return (max(found) if line.verb in RAISING else min(found)) if found else None
    return None


# --- a profile that drifts --------------------------------------------------------------------------------------------


def _profiles(plan: Plan) -> Iterator[Finding]:
    nominal = plan.cell.nominal
    if not nominal:
        return
    for path, line in walk(plan.root):
        if line.mode != "Profile" or line.settings.get("quantity") != "current":
            continue
        net = _net(line) * _passes_alone(path, line)
        if abs(net) > nominal:
            direction = "charging" if net > 0 else "discharging"
            yield _warning(
                "plan.profile_net",
                f"the profile's net charge of {display(abs(net), 'capacity')} ({direction}, all passes) does not fit the "
                f"nominal {display(nominal, 'capacity')}",
                line,
                "scale it, or charge the cell between passes",
            )


def _net(line: Line) -> float:
    """Return the net charge of one pass, C; of a scale that differs between passes the greatest."""
    mode = Profile(**{name: line.settings[name] for name in ("times", "values")})  # type: ignore[arg-type]
    scale = line.settings.get("scale", 1.0)
    factor = max(map(abs, scale.values), default=0.0) if isinstance(scale, ByPass) else 1.0
    pairs = zip(itertools.pairwise(mode.times), mode.values, strict=False)
    return factor * math.fsum(value * (later - earlier) for (earlier, later), value in pairs)


def _passes_alone(path: tuple[Block, ...], line: Line) -> int:
    """Return how often a line is done with nothing else that energises in between."""
    times = 1
    for block in reversed(path):
        if any(other.energises and other is not line for _, other in walk(block)):
            break
        times *= block.passes
    return times


# --- a watch that never comes -----------------------------------------------------------------------------------------


def _never(plan: Plan) -> Iterator[Finding]:
    """Give every `stop_if` and `abort_if` that a limit forestalls."""
    for block in blocks(plan.root):
        line = next((line for _, line in walk(block) if line.energises), None)
        if line is None:
            continue
        for end in block.ends:
            if end.kind in {"stop_if", "abort_if"}:
                yield from (_forestalled(end, term, line) for term in _beyond(end, line))


def _beyond(end: End, line: Line) -> Iterator[Term]:
    for terms in end.condition.any_of:
        for term in terms:
            if term.quantity != "capacity" and cut_off_beyond(Envelope(line.bounds), term):
                yield term


def _forestalled(end: End, term: Term, line: Line) -> Finding:
    return _warning(
        "plan.forestalled",
        f"{end.kind} of {term.quantity} lies beyond the limits, which trip the run first: {end.condition.text}",
        line,
        f"tighten {end.kind}, or widen limits",
    )
