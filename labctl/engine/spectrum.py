"""Spectra: points as they come, complete at the end of their step; their direct values are watched like rows."""

import numpy as np

from labctl.driver import Points
from labctl.engine.condition import View
from labctl.engine.envelope import first_breach
from labctl.engine.memory import Spectra
from labctl.engine.prepared import prepared_of
from labctl.engine.work import Work


def begin_spectrum(work: Work) -> None:
    """Begin the next spectrum."""
    work.spectra = Spectra(work.spectra.count + 1, 0, running=True)
    work.say("spectrum_began", spectrum=work.spectra.count, step_count=work.opened.count, cycle_count=work.cycle.count)


def end_spectrum(work: Work, *, whole: bool) -> None:
    """End the spectrum that runs, if one does."""
    if not work.spectra.running:
        return
    spectra = work.spectra
    work.spectra = Spectra(spectra.count, spectra.points)
    work.say(
        "spectrum_ended",
        spectrum=spectra.count,
        step_count=work.steps,
        cycle_count=work.cycle.count,
        points=spectra.points,
        complete=whole,
    )


def take_points(work: Work, points: Points) -> tuple[int, str]:
    """Count points up to the first whose direct values breach a limit; return how many, and the breach or ""."""
    good = np.isfinite(points.voltage) & np.isfinite(points.current) & np.isfinite(points.time)
    if work.step is None or not good.any():
        _count(work, len(points.time))
        return len(points.time), ""
    places = np.flatnonzero(good)
    time = points.time[places]
    flat = np.full(len(places), work.last.charging_ah), np.full(len(places), work.last.discharging_ah)
    celsius = None if work.last.temperature is None else np.full(len(places), work.last.temperature)
    view = View(time, time, points.voltage[places], points.current[places], *flat, celsius)
    at, why = first_breach(work, prepared_of(work.plan, work), view)
    taken = len(points.time) if at >= len(places) else int(places[at]) + 1
    _count(work, taken)
    return taken, why


def _count(work: Work, points: int) -> None:
    spectra = work.spectra
    work.spectra = Spectra(spectra.count, spectra.points + points, spectra.running)
