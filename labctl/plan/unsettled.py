"""Spectra of a cell that has not settled: its chamber has the new temperature and it has not, or its rest was of seconds."""

import math
from collections.abc import Iterator, Mapping
from typing import Final

from labctl.finding import Finding, Mark
from labctl.plan.index import walk
from labctl.plan.number import known
from labctl.plan.step import Line, Plan
from labctl.plan.step_context import Spot
from labctl.plan.vain_ends import DRIVEN, mark_of, warning
from labctl.quantity.units import display

Places = Mapping[Spot, Mark]

ROOM: Final = 298.15  # K: where a plan begins
WARMED: Final = 5.0  # K: by less a spectrum hardly changes
SOAKED: Final = 300.0  # s that a cell takes at least to come to the temperature of the air around it
RELAXED: Final = 30.0  # s: within less the voltage of a cell that was driven moves by more than an amplitude
RELAXING: Final = frozenset({"full", "half_cathode", "half_anode"})


def unsettled(plan: Plan, places: Places) -> Iterator[Finding]:
    """Warn of a spectrum straight behind a new temperature, or behind a rest of seconds after a charge or discharge."""
    now, waited = ROOM, math.inf
    driven, rested = "", math.inf
    for path, line in walk(plan.root):
        if line.mode == "Chamber":
            temperatures = known(line.settings.get("temperature"))
            new = any(abs(one - now) >= WARMED for one in temperatures)
            soaked = min(known(line.settings.get("soak")), default=0.0)
            waited, rested = (soaked if new else waited + soaked), math.inf
            now = temperatures[-1] if temperatures else now
        elif line.mode == "Spectrum":
            if waited < SOAKED:
                yield _not_warm(line, waited, places)
            unbiased = line.settings.get("potentiostatic") and line.settings.get("bias") is None
            if driven and 0.0 < rested < RELAXED and unbiased and plan.cell.kind in RELAXING:
                yield _not_relaxed(line, driven, rested, places)
            waited = math.inf
        elif line.verb == "rest":
            lasts = _lasts(line)
            waited, rested = waited + lasts, rested + lasts
        elif line.energises:
            tail = path[-1].fused and line.verb == "hold"  # of a charge, or of a discharge
            driven = line.verb if line.verb in DRIVEN else driven if tail else ""
            rested, waited = 0.0, math.inf
        elif line.verb == "prompt":
            waited = rested = math.inf


def _lasts(line: Line) -> float:
    """Return how long a rest lasts, s; without end where something else than time ends it."""
    if line.paced or {end.kind for end in line.ends} != {"for"}:
        return math.inf
    return max((number for end in line.ends for number in known(end.condition.any_of[0][0].value)), default=math.inf)


def _not_warm(line: Line, waited: float, places: Places) -> Finding:
    found = f"{display(waited, 'duration')} behind it" if waited else "none"
    message = (
        f"wanted a cell at the temperature of its chamber for {line.verb}, which needs a soak, found {found}: the air is "
        "there first"
    )
    return warning(
        "plan.soak", message, mark_of(line, places), "write temperature: {to: ..., soak: 1 h}, or a rest behind it"
    )


def _not_relaxed(line: Line, driven: str, rested: float, places: Places) -> Finding:
    message = (
        f"wanted a rest between {driven} and {line.verb} in which the voltage comes to rest, found one of "
        f"{display(rested, 'duration')}: it still moves by more than the amplitude"
    )
    return warning("ocv.old", message, mark_of(line, places), "write rest: 1 h, or a time of yours")
