"""Spectra: points as they come, complete at the end of their step; their direct values are watched like rows."""

import numpy as np

from labctl.driver import Points
from labctl.engine.condition import RowView
from labctl.engine.envelope import first_breach
from labctl.engine.state_builder import StateBuilder
from labctl.engine.state_parts import Spectra
from labctl.engine.step_rules import prepared_of


def begin_spectrum(builder: StateBuilder) -> None:
    """Begin the next spectrum."""
    builder.spectra = Spectra(builder.spectra.count + 1, 0, running=True)
    builder.say("spectrum_began", spectrum=builder.spectra.count, step_count=builder.opened.count, **builder.numbers)


def end_spectrum(builder: StateBuilder, *, whole: bool) -> None:
    """End the spectrum that runs, if one does."""
    if not builder.spectra.running:
        return
    spectra = builder.spectra
    builder.spectra = Spectra(spectra.count, spectra.points)
    builder.say(
        "spectrum_ended",
        spectrum=spectra.count,
        step_count=builder.steps,
        **builder.numbers,
        points=spectra.points,
        complete=whole,
    )


def take_points(builder: StateBuilder, points: Points) -> tuple[int, str]:
    """Count points up to the first whose direct values breach a limit; return how many, and the breach or ""."""
    good = np.isfinite(points.voltage) & np.isfinite(points.current) & np.isfinite(points.time)
    if builder.step is None or not good.any():
        _count(builder, len(points.time))
        return len(points.time), ""
    places = np.flatnonzero(good)
    time = points.time[places]
    flat = np.full(len(places), builder.last.charging_ah), np.full(len(places), builder.last.discharging_ah)
    celsius = None if builder.last.temperature is None else np.full(len(places), builder.last.temperature)
    view = RowView(time, time, points.voltage[places], points.current[places], *flat, celsius)
    at, why, _ = first_breach(builder, prepared_of(builder.plan, builder), view)
    taken = len(points.time) if at >= len(places) else int(places[at]) + 1
    _count(builder, taken)
    return taken, why


def _count(builder: StateBuilder, points: int) -> None:
    spectra = builder.spectra
    builder.spectra = Spectra(spectra.count, spectra.points + points, spectra.running)
