"""What a profile was asked for and did not do: one direction set to zero by `only`, or held at the edges of `clip`."""

import itertools
import math
from collections.abc import Sequence
from typing import Final

from labctl.driver import OPEN, Profile
from labctl.engine.state_builder import StateBuilder
from labctl.engine.state_parts import SumsAtBegin
from labctl.plan.program import limited, mode_for
from labctl.plan.step import Line

WORTH: Final = 1e-3  # of what was asked: less is how the counters and the table are rounded


def say_left_out(builder: StateBuilder, line: Line, entry: SumsAtBegin, seconds: float) -> None:
    """Say what a profile left out that ends after some seconds: a charge in Ah of currents, an energy in Wh of powers."""
    only, clip = str(line.options.get("only", "")), line.settings.get("clip")
    if line.mode != "Profile" or not (only or clip):
        return
    mode = mode_for(line, builder.passes, builder.ocv)
    assert isinstance(mode, Profile)
    if mode.quantity == "voltage":
        return
    name = "charge_ah" if mode.quantity == "current" else "energy_wh"
    done = {"step_count": builder.steps, "step_id": line.id}
    if only:
        factor = _scale(line, mode)
        table: Sequence[float] = line.settings["values"]  # type: ignore[assignment]
        removed = _sum(
            mode.times, [full - kept for full, kept in zip(limited(factor, table), mode.values, strict=True)], seconds
        )
        if removed:
            builder.say("left_out", why=f"only {only}", **done, **{name: removed / 3600.0})
    if clip:
        asked, gross = _sum(mode.times, mode.values, seconds), _sum(mode.times, list(map(abs, mode.values)), seconds)
        last = builder.last
        passed = (
            (last.charging_ah - entry.charging_ah) - (last.discharging_ah - entry.discharging_ah)
            if name == "charge_ah"
            else (last.charging_wh - entry.charging_wh) - (last.discharging_wh - entry.discharging_wh)
        )
        missing = asked / 3600.0 - passed
        if abs(missing) > WORTH * gross / 3600.0:
            builder.say("left_out", why=held_within(*(mode.clip or (0.0, 0.0))), **done, **{name: missing})


def held_within(low: float, high: float) -> str:
    """Return within which voltages a profile was held, V, without a side that is open."""
    if low <= -OPEN:
        return f"held below {high:g} V"
    return f"held above {low:g} V" if high >= OPEN else f"held between {low:g} V and {high:g} V"


def _scale(line: Line, mode: Profile) -> float:
    """Return the factor that the settings of a line were multiplied with."""
    table: Sequence[float] = line.settings["values"]  # type: ignore[assignment]
    pairs = zip(table, mode.values, strict=True)
    return next((kept / full for full, kept in pairs if full and kept), 1.0)


def _sum(times: Sequence[float], values: Sequence[float], seconds: float) -> float:
    """Return the integral of a table over its first seconds."""
    spans = zip(values, itertools.pairwise(times), strict=False)
    return math.fsum(value * (min(end, seconds) - begin) for value, (begin, end) in spans if begin < seconds)
