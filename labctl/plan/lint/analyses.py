"""What each analysis that a file asks for needs of its steps, held against the plan before a week is spent on it.

Which verbs an analysis works on at all is told of the text (`labctl.protocol.analysis_needs`); here are the numbers: cycles, times,
rates, voltages, their order.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from labctl.finding import Finding
from labctl.plan.index import blocks
from labctl.plan.lint.analyses_held import (
    leaking,
    polarised,
    polarised_whole,
    reservoir,
    scan_rates,
    stepped,
    temperatures,
    through_zero,
    window,
)
from labctl.plan.lint.counts import most_cycles
from labctl.plan.lint.ends import DRIVEN, both_ways
from labctl.plan.lint.plan_steps import CYCLES, PlanSteps, Told, lasts
from labctl.plan.number import known
from labctl.plan.step import Block, Line, Plan
from labctl.protocol.model import AnalysisRequest
from labctl.quantity.units import display

PULSE: Final = 60.0  # s, `longest` of dcir where it is not said
LARGE: Final = 0.2  # of the capacity, a pulse between whose two rests the potential has no slope any more
RESTED: Final = 0.5  # of a pulse of a titration, a rest behind it in which the cell comes near to equilibrium
PULSES: Final = 20  # passes of a loop of pulses, beside cycles that are counted
STORED: Final = 3600.0  # s of a rest between charge and discharge that counts as storage
PAUSE: Final = 5.0  # s of an interruption, to the end of the line that is laid through it
DIFFUSING: Final = frozenset({"gitt", "pitt", "interruption"})
AREAL: Final = frozenset({"ccd", "life", "exchange_current", "window", "limiting_current"})


def lacking_steps(plan: Plan, requests: Iterable[AnalysisRequest]) -> Iterator[Finding]:
    """Warn of each analysis of which the steps of a plan leave nothing, or less than it is asked for."""
    steps = PlanSteps(plan)
    for request in requests:
        of_steps = _RULES.get(request.name, _nothing)(steps, request.options)
        for message, hint in filter(None, (of_steps, _without_size(plan, request))):
            yield Finding("analyse.steps", message, request.mark, hint, severity="warning")


def _nothing(_steps: PlanSteps, _options: Mapping[str, str]) -> Told | None:
    return None


def _without_size(plan: Plan, request: AnalysisRequest) -> Told | None:
    """Tell of a size of the cell without which an analysis has no figure."""
    if not plan.cell.name:
        return None
    if request.name in DIFFUSING and "length" not in request.options and plan.cell.film_thickness is None:
        return (
            f"wanted a length of diffusion for {request.name}, found no film_thickness in {plan.cell.name} and no option",
            f"write {{{request.name}: {{length: 2 um}}}}: of particles a third of their radius; without it D is not told",
        )
    asked = {"area": plan.cell.area} if request.name in AREAL | {"conductivity", "electronic"} else {}
    if request.name in {"conductivity", "electronic"}:
        asked["electrolyte_thickness"] = plan.cell.electrolyte_thickness
    missing = [name for name, value in asked.items() if value is None]
    if not missing:
        return None
    example = {"area": "area: 1 cm2", "electrolyte_thickness": "electrolyte_thickness: 20 um"}[missing[0]]
    return (
        f"wanted the cell's {' and '.join(missing)} for the analysis {request.name}, found none in {plan.cell.name}",
        f"add {example} to the cell file: without it there is no figure",
    )


# --- cycles -----------------------------------------------------------------------------------------------------------


def _cycles(steps: PlanSteps, _options: Mapping[str, str]) -> Told | None:
    """Tell of figures of cycles where no block counts any."""
    if not any(line.verb in DRIVEN for _, line in steps.lines):
        return None  # that is told of the text
    if any(block.cycle == "cv" for block in blocks(steps.plan.root)):
        return None
    loops = [
        block
        for block in blocks(steps.plan.root)
        if block.passes > 1 and both_ways(block) and not _counted(steps, block)
    ]
    loop = max(loops, key=lambda block: block.passes, default=None)
    counted = sum(block.passes for block in steps.cycles)
    if counted and (loop is None or loop.passes <= max(counted, PULSES)):
        return None
    found = (
        "found no block with cycle" if not counted else f"found a loop of {loop.passes if loop else 0} that counts none"
    )
    where = f"repeat: {loop.passes}" if loop is not None else "the steps: of a block around a charge and a discharge"
    passes = dict.fromkeys(str(one.passes) for one in loops if loop is not None and one.passes != loop.passes)
    others = f", and beside repeat: {', '.join(passes)}" if passes else ""
    return f"wanted cycles that are counted, {found}", f"write cycle: true beside {where}{others}"


def _counted(steps: PlanSteps, block: Block) -> bool:
    """Tell whether a loop lies in a cycle, or has cycles in it."""
    inside = any(one.cycle in CYCLES for one in blocks(block))
    return inside or any(block in path and any(one.cycle in CYCLES for one in path) for path, _ in steps.lines)


def _several_cycles(steps: PlanSteps, options: Mapping[str, str]) -> Told | None:
    """Tell of a retention without cycles, of one cycle, and of formation alone."""
    if told := _cycles(steps, options):
        return told
    named = options.get("of", "")
    if named.isdigit() and int(named) > most_cycles(steps.plan.root) > 0:
        return (
            f"wanted a cycle that the run comes to, found of: {named} of {most_cycles(steps.plan.root)} at most",
            "write first, max or the number of a cycle of the run",
        )
    kinds = {block.cycle for block in steps.cycles}
    if kinds == {"formation"}:
        return (
            "wanted cycles that are held against each other, found formation alone, which is no reference",
            "write cycle: true",
        )
    if kinds and most_cycles(steps.plan.root) == 1:
        loop = next((one for block in steps.cycles for one in blocks(block) if one.passes > 1 and both_ways(one)), None)
        hint = (
            f"write cycle: true beside repeat: {loop.passes} in its place" if loop is not None else "repeat: the cycle"
        )
        return "wanted several cycles that are held against each other, found one", hint
    return None


def _several_currents(steps: PlanSteps, options: Mapping[str, str]) -> Told | None:
    """Tell of a rate test at one current."""
    if told := _cycles(steps, options):
        return told
    currents = {f"{abs(one):.3g}" for _, line in steps.counted for one in known(line.settings.get("current"))}
    if len(currents) == 1:
        return (
            "wanted cycles at several currents for a rate test, found all at one",
            "go through them with each: {r: [0.1C, 0.5C, 1C]} and current: $r",
        )
    return None


def _bent(steps: PlanSteps, options: Mapping[str, str]) -> Told | None:
    """Tell of bending without cycles, and of one state of the cell alone."""
    if told := _cycles(steps, options):
        return told
    bends = [line for _, line in steps.lines if line.mode == "Bend"]
    states = {
        (f"{angle:.4g}", f"{radius:.4g}")
        for line in bends
        for angle in known(line.settings.get("angle")) or (0.0,)
        for radius in known(line.settings.get("radius")) or (math.inf,)
    }
    if bends and len(states) == 1:
        return (
            "wanted several states that are held against each other, found one",
            "go through them with each: {angle: [0 deg, 90 deg, 180 deg]}, and - bend: {angle: $angle} first in the loop",
        )
    return None


def _several_densities(steps: PlanSteps, options: Mapping[str, str]) -> Told | None:
    """Tell of a critical current without cycles, and of one current alone; of one that falls `ladders` tells."""
    if told := _cycles(steps, options):
        return told
    by_line = [[abs(one) for one in known(line.settings.get("current"))] for _, line in steps.counted]
    if len({f"{one:.3g}" for currents in by_line for one in currents}) == 1:
        return (
            "wanted a current that rises from pass to pass until the cell fails, found one alone",
            "raise it by each: {j: {from: 0.1 mA/cm2, to: 2 mA/cm2, by: 0.1 mA/cm2}}; life tells how long a cell lasts at one",
        )
    return _unended(steps)


def _until_failure(steps: PlanSteps, options: Mapping[str, str]) -> Told | None:
    """Tell of a life without cycles, and of one that goes on when the cell has failed."""
    return _cycles(steps, options) or _unended(steps)


def _unended(steps: PlanSteps) -> Told | None:
    """Tell of strips and platings that nothing ends where the cell shorts or polarises."""
    ends = [
        end.kind for path, line in steps.counted for end in (*line.ends, *(end for block in path for end in block.ends))
    ]
    if steps.plan.cell.kind != "symmetric" or not ends or {"to", "until", "stop_if", "abort_if"} & set(ends):
        return None
    return (
        "wanted an end where the cell fails, found times and capacities alone: they pass through a short as through a cell",
        "write stop_if: short or abs(voltage) > 2 V beside cycle: true",
    )


def _capacitance(steps: PlanSteps, _options: Mapping[str, str]) -> Told | None:
    """Tell of a capacitance of a battery, whose curves are not straight."""
    if steps.plan.cell.name and steps.plan.cell.kind == "full":
        return (
            "wanted a capacitor for capacitance, found a cell of kind full, whose voltage is no straight line",
            "did you mean capacity?",
        )
    return None


def _stored(steps: PlanSteps, options: Mapping[str, str]) -> Told | None:
    """Tell of a self-discharge without a rest of the charged cell before the discharge of a cycle."""
    if told := _cycles(steps, options):
        return told
    rested, stored = 0.0, 0.0
    for path, line in steps.lines:
        if line.verb == "rest":
            rested = max(rested, max(lasts(line), default=math.inf))
        elif line.energises:
            stored = max(stored, rested if line.verb == "discharge" and _in_cycle(path) else 0.0)
            rested = 0.0
    if stored < STORED:
        return (
            "wanted a rest of 1 h or more before the discharge of a cycle, found none",
            "the cycle that stores the charged cell has - rest: 7 d before its discharge, another one before it has none",
        )
    if most_cycles(steps.plan.root) == 1:
        return (
            "wanted a cycle without storage before the one with it, found one cycle",
            "a cycle without the rest tells what the cell has before",
        )
    return None


def _in_cycle(path: tuple[Block, ...]) -> bool:
    return any(block.cycle in CYCLES for block in path)


# --- pulses -----------------------------------------------------------------------------------------------------------


def _pulses(steps: PlanSteps, options: Mapping[str, str]) -> Told | None:
    """Tell of pulses that are longer than what counts as one, and of times behind their end."""
    longest = float(options.get("longest", PULSE))
    times = [time for line in steps.of(*DRIVEN) for time in lasts(line) if 0.0 < time < math.inf]
    pulses = [time for time in times if time <= longest * (1.0 + 1e-9)]
    if not times:
        return None
    if not pulses:
        shown, least = display(longest, "duration"), display(min(times), "duration")
        return (
            f"wanted pulses of at most {shown} for dcir, found none shorter than {least}",
            f"shorten them, or write {{dcir: {{longest: {least}}}}}",
        )
    if (unrested := _unrested(steps, longest)) is not None:
        return (
            f"wanted a rest right before each pulse of dcir, found {unrested.verb} at {unrested.where} behind another step",
            "add - rest: 1 h before it",
        )
    asked = [float(delay) for delay in options["at"].split(",")] if options.get("at") else []
    beyond = [delay for delay in asked if delay > max(pulses) * (1.0 + 1e-9)]
    if beyond:
        shown, late = display(max(pulses), "duration"), display(beyond[0], "duration")
        return (
            f"wanted times in the pulses, of {shown} at most, found {late}: there is no voltage",
            f"write times up to {shown}",
        )
    return None


def _unrested(steps: PlanSteps, longest: float) -> Line | None:
    """Return the first pulse that comes straight behind another step that energises."""
    lines = [line for _, line in steps.lines if line.verb not in {"mark", "nominal"}]
    for before, line in itertools.pairwise(lines):
        pulse = line.verb in DRIVEN and 0.0 < min(lasts(line), default=math.inf) <= longest
        if pulse and before.energises and before.mode != "Spectrum":
            return line
    return None


def _titration(steps: PlanSteps, _options: Mapping[str, str]) -> Told | None:
    """Tell of a titration whose rests are far shorter than its pulses."""
    for block in blocks(steps.plan.root):
        lines = [child for child in block.children if isinstance(child, Line)]
        pulses = [time for line in lines if line.verb in DRIVEN for time in lasts(line)]
        rests = [time for line in lines if line.verb == "rest" for time in lasts(line)]
        nominal, currents = (
            steps.plan.cell.nominal or math.inf,
            [abs(one) for line in lines for one in known(line.settings.get("current"))],
        )
        if block.passes < 2 or len(pulses) != 1:
            continue
        drive = next(line for line in lines if line.verb in DRIVEN)
        if len(block.children) == 1 and pulses[0] < math.inf and not both_ways(block):
            return (
                f"wanted a rest behind each pulse of gitt, found the next {drive.verb} straight behind it",
                f"add - rest: {display(4.0 * pulses[0], 'duration')} behind it, in the loop",
            )
        if currents and LARGE * nominal < pulses[0] * max(currents) < math.inf:
            share, rate = 100.0 * pulses[0] * max(currents) / nominal, max(currents) * 3600.0 / nominal
            each = f"{display(pulses[0], 'duration')} at {rate:.3g}C, {share:.3g} %"
            return (
                f"wanted pulses of a small part of the capacity, found {each}",
                f"is C/{rate:.3g} meant?" if rate >= 2.0 else "shorten for: of the pulse, or lower its current",
            )
        if not rests or not max(rests) < RESTED * pulses[0] < math.inf:
            continue
        pulse, rest = display(pulses[0], "duration"), display(max(rests), "duration")
        return (
            f"wanted rests in which the cell comes to equilibrium between its pulses of {pulse}, found {rest}",
            f"rest longer than the pulse, such as rest: {display(4.0 * pulses[0], 'duration')}",
        )
    return None


def _interruptions(steps: PlanSteps, _options: Mapping[str, str]) -> Told | None:
    """Tell of pauses that end before the line through them does."""
    rests = [max(lasts(line), default=math.inf) for line in steps.of("rest")]
    if rests and max(rests) < PAUSE:
        shown = display(max(rests), "duration")
        return f"wanted pauses of 5 s and more for interruption, found {shown} at most", "rest for 10 s"
    return None


_RULES: Final[Mapping[str, Callable[[PlanSteps, Mapping[str, str]], Told | None]]] = {
    "capacity": _cycles,
    "life": _until_failure,
    "retention": _several_cycles,
    "capacitance": _capacitance,
    "rate": _several_currents,
    "ccd": _several_densities,
    "self_discharge": _stored,
    "dcir": _pulses,
    "gitt": _titration,
    "interruption": _interruptions,
    "transference": polarised,
    "b_value": scan_rates,
    "activation": temperatures,
    "exchange_current": through_zero,
    "window": window,
    "leakage": leaking,
    "pitt": stepped,
    "bending": _bent,
    "electronic": polarised_whole,
    "reservoir": reservoir,
}
