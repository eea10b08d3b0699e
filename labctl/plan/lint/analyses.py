"""What each analysis that a file asks for needs of its steps, held against the plan before a week is spent on it.

Which verbs an analysis works on at all is told of the text (`labctl.protocol.analysis_needs`); here are the numbers: cycles, times,
rates, voltages, their order.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

from labctl.finding import Finding
from labctl.plan.index import blocks, walk
from labctl.plan.lint.counts import most_cycles
from labctl.plan.lint.ends import DRIVEN, LOWERING, RAISING
from labctl.plan.number import as_filed, values
from labctl.plan.step import Block, ByPass, Line, Plan, Relative, VersusOcv
from labctl.protocol.model import AnalysisRequest
from labctl.quantity.units import display

Told: TypeAlias = tuple[str, str]
"""What was wanted and what was found, and the hint."""

PULSE: Final = 60.0  # s, `longest` of dcir where it is not said
DELAYS: Final = (1.0, 10.0, 30.0)  # s, `at` of dcir where it is not said
RESTED: Final = 0.5  # of a pulse of a titration, a rest behind it in which the cell comes near to equilibrium
STORED: Final = 3600.0  # s of a rest between charge and discharge that counts as storage
SETTLED: Final = 20 * 3600.0  # s of a hold, before its current is leakage alone
PAUSE: Final = 5.0  # s of an interruption, to the end of the line that is laid through it
POLARISED: Final = 0.03  # V across an electrolyte: with more its salt is no longer nearly even
RATES: Final = 3  # scan rates, or temperatures, that a slope is laid through
CYCLES: Final = frozenset({"true", "check", "formation"})
AREAL: Final = frozenset({"ccd", "life", "exchange_current", "window", "limiting_current"})


@dataclass(frozen=True)
class _Steps:
    """The steps of a plan as its analyses will see them."""

    plan: Plan

    @cached_property
    def lines(self) -> tuple[tuple[tuple[Block, ...], Line], ...]:
        return tuple(walk(self.plan.root))

    @cached_property
    def cycles(self) -> tuple[Block, ...]:
        return tuple(block for block in blocks(self.plan.root) if block.cycle in CYCLES)

    @cached_property
    def counted(self) -> tuple[tuple[tuple[Block, ...], Line], ...]:
        """Return the charges and discharges, strips and platings in cycles that are no formation."""
        return tuple(
            (path, line)
            for path, line in self.lines
            if line.verb in DRIVEN and any(block.cycle in CYCLES - {"formation"} for block in path)
        )

    def of(self, *verbs: str) -> tuple[Line, ...]:
        """Return the lines of some verbs."""
        return tuple(line for _, line in self.lines if line.verb in verbs)


def lacking_steps(plan: Plan, requests: Iterable[AnalysisRequest]) -> Iterator[Finding]:
    """Warn of each analysis of which the steps of a plan leave nothing, or less than it is asked for."""
    steps = _Steps(plan)
    for request in requests:
        told = _without_size(plan, request) or _RULES.get(request.name, _nothing)(steps, request.options)
        if told:
            message, hint = told
            yield Finding("analyse.steps", message.replace("{}", request.name), request.mark, hint, severity="warning")


def numbers(value: object) -> tuple[float, ...]:
    """Return a setting in all passes, none of what is not known before a run."""
    return values(as_filed(value)) if isinstance(value, float | int | ByPass | Relative) else ()


def lasts(line: Line) -> tuple[float, ...]:
    """Return how long a line lasts at most in its passes, s, by its time or by its capacity at constant current."""
    by_kind = {end.kind: numbers(end.condition.any_of[0][0].value) for end in line.ends}
    times, currents = by_kind.get("for", ()), [abs(one) for one in numbers(line.settings.get("current")) if one]
    charged = [charge / max(currents) for charge in by_kind.get("capacity", ()) if currents]
    return (min(max(times, default=math.inf), max(charged, default=math.inf)),) if times or charged else ()


def _nothing(_steps: _Steps, _options: Mapping[str, str]) -> Told | None:
    return None


def _without_size(plan: Plan, request: AnalysisRequest) -> Told | None:
    """Tell of a size of the cell without which an analysis has no figure."""
    if not plan.cell.name:
        return None
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


def _cycles(steps: _Steps, _options: Mapping[str, str]) -> Told | None:
    """Tell of figures of cycles where no block counts any."""
    if not any(line.verb in DRIVEN for _, line in steps.lines):
        return None  # that is told of the text
    if steps.cycles or any(block.cycle == "cv" for block in blocks(steps.plan.root)):
        return None
    loop = next((block for block in blocks(steps.plan.root) if block.passes > 1 and _both_ways(block)), None)
    where = f"repeat: {loop.passes}" if loop is not None else "the steps: of a block around a charge and a discharge"
    return "wanted cycles for {}, found no block with cycle", f"write cycle: true beside {where}"


def _both_ways(block: Block) -> bool:
    verbs = {line.verb for _, line in walk(block)}
    return bool(verbs & RAISING) and bool(verbs & LOWERING)


def _several_cycles(steps: _Steps, options: Mapping[str, str]) -> Told | None:
    """Tell of a retention without cycles, of one cycle, and of formation alone."""
    if told := _cycles(steps, options):
        return told
    kinds = {block.cycle for block in steps.cycles}
    if kinds == {"formation"}:
        return (
            "wanted cycles that are held against each other, found formation alone, which is no reference",
            "write cycle: true",
        )
    if kinds and most_cycles(steps.plan.root) == 1:
        loop = next(
            (one for block in steps.cycles for one in blocks(block) if one.passes > 1 and _both_ways(one)), None
        )
        hint = (
            f"write cycle: true beside repeat: {loop.passes} in its place" if loop is not None else "repeat: the cycle"
        )
        return "wanted several cycles that are held against each other, found one", hint
    return None


def _several_currents(steps: _Steps, options: Mapping[str, str]) -> Told | None:
    """Tell of a rate test at one current."""
    if told := _cycles(steps, options):
        return told
    currents = {f"{abs(one):.3g}" for _, line in steps.counted for one in numbers(line.settings.get("current"))}
    if len(currents) == 1:
        return (
            "wanted cycles at several currents for a rate test, found all at one",
            "go through them with each: {r: [0.1C, 0.5C, 1C]} and current: $r",
        )
    return None


def _rising(steps: _Steps, options: Mapping[str, str]) -> Told | None:
    """Tell of a critical current without cycles, of one current, and of currents that fall from pass to pass."""
    if told := _cycles(steps, options):
        return told
    by_line = [[abs(one) for one in numbers(line.settings.get("current"))] for _, line in steps.counted]
    first = next((currents for currents in by_line if len(currents) > 1), None)
    if first is not None and first[-1] < first[0] and sorted(first, reverse=True) == first:
        return (
            "wanted a current that rises from pass to pass until the cell fails, found one that falls",
            "begin with the smallest: the first pass has the greatest",
        )
    if len({f"{one:.3g}" for currents in by_line for one in currents}) == 1:
        return (
            "wanted a current that rises from pass to pass until the cell fails, found one alone",
            "raise it by each: {j: {from: 0.1 mA/cm2, to: 2 mA/cm2, by: 0.1 mA/cm2}}; life tells how long a cell lasts at one",
        )
    return None


def _stored(steps: _Steps, options: Mapping[str, str]) -> Told | None:
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


def _pulses(steps: _Steps, options: Mapping[str, str]) -> Told | None:
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
    asked = [float(delay) for delay in options["at"].split(",")] if options.get("at") else []
    beyond = [delay for delay in asked if delay > max(pulses) * (1.0 + 1e-9)]
    if beyond:
        shown, late = display(max(pulses), "duration"), display(beyond[0], "duration")
        return (
            f"wanted times in the pulses, of {shown} at most, found {late}: there is no voltage",
            f"write times up to {shown}",
        )
    return None


def _titration(steps: _Steps, _options: Mapping[str, str]) -> Told | None:
    """Tell of a titration whose rests are far shorter than its pulses."""
    for block in blocks(steps.plan.root):
        lines = [child for child in block.children if isinstance(child, Line)]
        pulses = [time for line in lines if line.verb in DRIVEN for time in lasts(line)]
        rests = [time for line in lines if line.verb == "rest" for time in lasts(line)]
        if block.passes < 2 or len(pulses) != 1 or not rests or not max(rests) < RESTED * pulses[0] < math.inf:
            continue
        pulse, rest = display(pulses[0], "duration"), display(max(rests), "duration")
        return (
            f"wanted rests in which the cell comes to equilibrium between its pulses of {pulse}, found {rest}",
            f"rest longer than the pulse, such as rest: {display(4.0 * pulses[0], 'duration')}",
        )
    return None


def _interruptions(steps: _Steps, _options: Mapping[str, str]) -> Told | None:
    """Tell of pauses that end before the line through them does."""
    rests = [max(lasts(line), default=math.inf) for line in steps.of("rest")]
    if rests and max(rests) < PAUSE:
        shown = display(max(rests), "duration")
        return f"wanted pauses of 5 s and more for interruption, found {shown} at most", "rest for 10 s"
    return None


# --- held voltages and sweeps -----------------------------------------------------------------------------------------


def _polarised(steps: _Steps, _options: Mapping[str, str]) -> Told | None:
    """Tell of a transference number without a spectrum before and after the hold, and of a voltage that is too large."""
    verbs = [line.verb for _, line in steps.lines]
    holds = [at for at, verb in enumerate(verbs) if verb == "hold"]
    if holds and not any("eis" in verbs[:at] and "eis" in verbs[at:] for at in holds):
        side = "after" if "eis" in verbs[: holds[0]] else "before"
        return f"wanted a spectrum before and after the hold, found none {side} it", f"add an eis {side} the hold"
    for line in steps.of("hold"):
        held = line.settings.get("voltage")
        most = max(map(abs, numbers(held.offset if isinstance(held, VersusOcv) else held)), default=0.0)
        if most > POLARISED and (isinstance(held, VersusOcv) or steps.plan.cell.kind == "symmetric"):
            shown = display(most, "voltage")
            return f"wanted a hold of at most 30 mV, found {shown}: the salt is then far from even", "10 mV is usual"
    return None


def _scan_rates(steps: _Steps, _options: Mapping[str, str]) -> Told | None:
    """Tell of a b-value from fewer than three scan rates."""
    rates = {f"{one:.3g}" for line in steps.of("cv") for one in numbers(line.settings.get("rate"))}
    if 0 < len(rates) < RATES:
        return (
            f"wanted three scan rates and more for a slope, found {'one' if len(rates) == 1 else 'two'}",
            "go through them with each: {v: [0.1 mV/s, 0.2 mV/s, 0.5 mV/s, 1 mV/s]} and rate: $v",
        )
    return None


def _temperatures(steps: _Steps, _options: Mapping[str, str]) -> Told | None:
    """Tell of an activation energy from fewer than three temperatures."""
    chambers = [line for _, line in steps.lines if line.mode == "Chamber"]
    set_by_hand = any("temperature" in (line.options.get("state") or {}) for line in steps.of("prompt"))  # type: ignore[operator]
    found = {f"{one:.2f}" for line in chambers for one in numbers(line.settings.get("temperature"))}
    if len(found) < RATES and not set_by_hand:
        count = {0: "no temperature set", 1: "one"}.get(len(found), "two")
        return (
            f"wanted spectra at three temperatures and more for a slope, found {count}",
            "write each: {t: {from: 25 degC, to: 75 degC, by: 10 degC}}, and before each - temperature: {to: $t, soak: 1 h}",
        )
    return None


def _through_zero(steps: _Steps, _options: Mapping[str, str]) -> Told | None:
    """Tell of sweeps on one side of the open circuit, of which no exchange current can be told."""
    sides = []
    for line in steps.of("lsv"):
        ends = (line.settings.get("start"), line.settings.get("end"))
        offsets = [numbers(one.offset) if isinstance(one, VersusOcv) else () for one in ends]
        if not all(offsets):
            return None
        sides.append(min(map(min, offsets)) < 0.0 < max(map(max, offsets)))
    if sides and not any(sides):
        return (
            "wanted a sweep through the open circuit, found one on a single side of it",
            "write from: -100 mV vs ocv, to: 100 mV vs ocv",
        )
    return None


def _window(steps: _Steps, _options: Mapping[str, str]) -> Told | None:
    """Tell of a stability window between two electrodes of one metal."""
    if steps.plan.cell.name and steps.plan.cell.kind == "symmetric":
        return (
            "wanted an inert electrode for a stability window, found a symmetric cell, whose metal is stripped and plated",
            "sweep an asymmetric or blocking cell: the electrolyte against steel or carbon",
        )
    return None


def _leaking(steps: _Steps, _options: Mapping[str, str]) -> Told | None:
    """Tell of holds that end before their current is leakage."""
    held = [max(lasts(line), default=math.inf) for line in steps.of("hold")]
    if held and max(held) < SETTLED:
        shown = display(max(held), "duration")
        return (
            f"wanted a hold of 20 h and more for leakage, found {shown} at most: the cell still charges then",
            "lengthen for: of the hold",
        )
    return None


def _reservoir(steps: _Steps, _options: Mapping[str, str]) -> Told | None:
    """Tell of a reservoir of which more is cycled than it holds, or of which nothing strips the rest."""
    driven = [(path, line) for path, line in steps.lines if line.verb in {"strip", "plate"}]
    loop = next((at for at, (path, _) in enumerate(driven) if path[-1].passes > 1), None)
    if not loop:
        return None
    plated = next((line for _, line in reversed(driven[:loop]) if line.verb == "plate"), None)
    cycled = next((line for path, line in driven[loop:] if line.verb == "strip" and path[-1].passes > 1), None)
    amounts = [max(charge_of(line), default=0.0) for line in (plated, cycled) if line is not None]
    if len(amounts) == 2 and amounts[1] > amounts[0] > 0.0:
        whole, part = (display(amount, "capacity") for amount in amounts)
        return (
            f"wanted a part of the reservoir in each cycle, found {part} of {whole}",
            "are the two swapped? the reservoir is plated first, a part of it is cycled",
        )
    path, last = driven[-1]
    if path[-1].passes > 1 or last.verb != "strip" or not any(end.kind in {"to", "until"} for end in last.ends):
        return (
            "wanted a strip behind the cycles that its voltage ends, found none: what is left is not known",
            "add - strip: {current: 0.5 mA/cm2, to: 1 V, for: 20 h} behind them",
        )
    return None


def charge_of(line: Line) -> tuple[float, ...]:
    """Return what a line passes by its capacity, or by its time at constant current, C."""
    by_kind = {end.kind: numbers(end.condition.any_of[0][0].value) for end in line.ends}
    currents = [abs(one) for one in numbers(line.settings.get("current"))]
    timed = [max(by_kind["for"]) * max(currents)] if currents and by_kind.get("for") else []
    return (min(by_kind["capacity"]),) if by_kind.get("capacity") else tuple(timed)


_RULES: Final[Mapping[str, Callable[[_Steps, Mapping[str, str]], Told | None]]] = {
    **dict.fromkeys(("capacity", "bending"), _cycles),
    "retention": _several_cycles,
    "rate": _several_currents,
    "ccd": _rising,
    "self_discharge": _stored,
    "dcir": _pulses,
    "gitt": _titration,
    "interruption": _interruptions,
    "transference": _polarised,
    "b_value": _scan_rates,
    "activation": _temperatures,
    "exchange_current": _through_zero,
    "window": _window,
    "leakage": _leaking,
    "reservoir": _reservoir,
}
