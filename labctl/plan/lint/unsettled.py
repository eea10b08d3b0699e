"""Spectra and pulses of a cell that has not settled: at another temperature than its chamber, or rested or held for seconds."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from labctl.finding import Finding, Mark
from labctl.plan.index import blocks, walk
from labctl.plan.lint.ends import DRIVEN, end_values, mark_of, warning
from labctl.plan.number import known
from labctl.plan.step import Line, Plan
from labctl.plan.step_context import Spot
from labctl.quantity.units import display

Places = Mapping[Spot, Mark]

ROOM: Final = 298.15  # K: where a plan begins
WARMED: Final = 5.0  # K: by less a spectrum hardly changes
PULSE: Final = 60.0  # s: what takes longer warms or cools on its way
SOAKED: Final = 300.0  # s that a cell takes at least to come to the temperature of the air around it
RELAXED: Final = 30.0  # s: within less the voltage of a cell that was driven moves by more than an amplitude
RELAXING: Final = frozenset({"full", "half_cathode", "half_anode"})


@dataclass(slots=True)
class _Settling:
    """How long a cell had for what was changed last: s since its chamber came to a new temperature, of its rest, of its hold."""

    temperature: float = ROOM
    soaked: float = math.inf
    rested: float = math.inf
    held: float = math.inf
    driven: str = ""

    def go(self, line: Line, tail: bool) -> None:
        """Go on behind a line, which is the `tail` of a charge or of a discharge where it holds its last voltage."""
        if line.mode == "Chamber":
            temperatures = known(line.settings.get("temperature"))
            new = any(abs(one - self.temperature) >= WARMED for one in temperatures)
            soak = min(known(line.settings.get("soak")), default=0.0)
            self.soaked, self.rested = (soak if new else self.soaked + soak), math.inf
            self.temperature = temperatures[-1] if temperatures else self.temperature
        elif line.energises:
            self.soaked = math.inf
            if line.mode != "Spectrum":
                self.driven = line.verb if line.verb in DRIVEN else self.driven if tail else ""
                self.rested = 0.0
                self.held = _lasts(line) if line.mode == "Potentiostatic" and not tail else math.inf
        elif line.verb in {"rest", "prompt"}:
            lasts = _lasts(line) if line.verb == "rest" else math.inf
            self.soaked, self.rested = self.soaked + lasts, self.rested + lasts


def unsettled(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of a spectrum or pulse straight behind a new temperature, and of a spectrum behind a rest or hold of seconds."""
    cell = _Settling()
    for path, line in walk(plan.root):
        spectrum = line.mode == "Spectrum"
        if cell.soaked < SOAKED and (spectrum or (line.mode == "Galvanostatic" and _lasts(line) <= PULSE)):
            yield _not_warm(line, cell.soaked, places)
        if spectrum and line.settings.get("potentiostatic") and plan.cell.kind in RELAXING:
            unbiased = line.settings.get("bias") is None
            if unbiased and cell.driven and 0.0 < cell.rested < RELAXED:
                yield _not_relaxed(line, cell.driven, cell.rested, places)
            if not unbiased and cell.held < RELAXED:
                yield _not_held(line, cell.held, places)
        cell.go(line, tail=path[-1].fused and line.verb == "hold")


def set_for_nothing(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of a loop over temperatures or bends that sets each as its pass ends, so that nothing is done at the last one."""
    for block in blocks(plan.root):
        last = block.children[-1] if block.passes > 1 and not block.fused else None
        key = {"Chamber": "temperature", "Bend": "angle"}.get(last.mode, "") if isinstance(last, Line) else ""
        values = list(dict.fromkeys(known(last.settings.get(key)))) if isinstance(last, Line) and key else []
        if not isinstance(last, Line) or len(values) < 2:
            continue
        shown = display(values[-1], "temperature" if key == "temperature" else "angle")
        first = next((line for _, line in walk(block) if line is not last and line.verb not in {"mark", "rest"}), None)
        if first is None:
            found = f"nothing else in it: what comes behind the loop is done at {shown} alone"
            hint = "put what is to be done there into the loop, behind it"
        else:
            found = f"none behind it: the {first.verb} of each pass comes before it, nothing is done at {shown}"
            hint = f"put it before {first.verb}, first in the loop"
        message = f"wanted something that is done at each {key} of the loop, found {found}"
        yield warning("plan.passes", message, mark_of(last, places), hint)


def _lasts(line: Line) -> float:
    """Return how long a line lasts at most, s; without end where something else than time and a voltage ends it."""
    if line.paced or not {end.kind for end in line.ends} <= {"for", "to"}:
        return math.inf
    return max(end_values(line, "for"), default=math.inf)


def _not_warm(line: Line, soaked: float, places: Places) -> Finding:
    found = f"{display(soaked, 'duration')} behind it" if soaked else "none"
    message = (
        f"wanted a cell at the temperature of its chamber for {line.verb}, which needs a soak, found {found}: the air is "
        "there first"
    )
    hint = "write temperature: {to: ..., soak: 1 h}, or a rest behind it"
    return warning("plan.soak", message, mark_of(line, places), hint)


def _not_held(line: Line, held: float, places: Places) -> Finding:
    message = (
        f"wanted a hold before {line.verb} in which the current settles, found one of {display(held, 'duration')}: the cell "
        "is not at that voltage yet"
    )
    return warning("ocv.old", message, mark_of(line, places), "write for: 30 min in the hold, or until: current < C/50")


def _not_relaxed(line: Line, driven: str, rested: float, places: Places) -> Finding:
    message = (
        f"wanted a rest between {driven} and {line.verb} in which the voltage comes to rest, found one of "
        f"{display(rested, 'duration')}: it still moves by more than the amplitude"
    )
    return warning("ocv.old", message, mark_of(line, places), "write rest: 1 h, or a time of yours")
