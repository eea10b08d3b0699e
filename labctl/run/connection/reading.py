"""What one reading of an instrument becomes: rows to be folded, or an input that is folded at once."""

import numpy as np

from labctl.driver import Changed, Ended, Fault, Points, Reading, Readings
from labctl.engine.input import InstrumentFault, SafeHold, SpectrumPart, StepEnded
from labctl.engine.meter import Meter
from labctl.engine.watch import FAR
from labctl.errors import WireError
from labctl.run.connection.polled_run import PolledRun
from labctl.run.session import RunSession
from labctl.sample import Batch


def take_reading(run: PolledRun, meter: Meter, reading: Reading) -> list[Batch]:
    """Return metered rows of a reading; anything else is folded into the session."""
    session = run.session
    match reading:
        case Batch() if run.capabilities.records:
            return [session.metered(reading)]
        case Batch():
            meter.rows(run.at, shifted(reading, session.begun))
            return [meter.take(run.at)]
        case _:
            take_said(session, reading)
            return []


def take_said(session: RunSession, reading: Reading) -> None:
    """Fold what is no row."""
    match reading:
        case Ended(step, time, end, why):
            session.take(StepEnded(session.state.held.attempt, step, session.begun + time, end, why))
        case Points() as points:
            session.take(SpectrumPart(session.state.attempt, on_run_time(points, session.begun)))
        case Fault(why, safe):
            session.take(InstrumentFault(why, safe))
        case Changed(why):
            session.take(SafeHold("contradicted", why))
        case _:
            raise AssertionError(reading)


def on_run_time(points: Points, begun: float) -> Points:
    """Return points with the times of the run."""
    return Points(
        points.time + begun,
        points.frequency,
        points.real,
        points.imaginary,
        points.voltage,
        points.current,
        points.step,
    )


def shifted(batch: Batch, begun: float) -> Batch:
    """Return rows with the times of the run."""
    return Batch(
        batch.time + begun, batch.voltage, batch.current, None, None,
        batch.temperature_celsius, batch.quality, batch.step, batch.auxiliary,
    )  # fmt: skip


def measured(readings: Readings, channel: str) -> bool:
    """Tell whether a read holds a good reading of a channel: finite voltage and current, or a part of a spectrum."""
    snapshot = readings.snapshot
    if snapshot is not None and channel in snapshot.channels:
        place = snapshot.channels.index(channel)
        if abs(snapshot.voltage[place]) < FAR and abs(snapshot.current[place]) < FAR:
            return True
    return any(
        isinstance(each, Points | Ended)
        or (isinstance(each, Batch) and bool(np.any((np.abs(each.voltage) < FAR) & (np.abs(each.current) < FAR))))
        for each in readings.of(channel)
    )


def fresh(readings: Readings, stamps: dict[str, float], name: str) -> Readings:
    """Return what was read without the readings whose number or clock stands; `stamps` are the last ones, kept up to date.

    Raises:
        WireError: All of them stand: the line says again what it has said, and must be opened anew.
    """
    snapshot = readings.snapshot
    if snapshot is None or snapshot.stamp is None or not len(snapshot.channels):
        return readings
    moved = np.array(
        [stamps.get(at) != stamp for at, stamp in zip(snapshot.channels, snapshot.stamp.tolist(), strict=True)]
    )
    stamps.update(zip(snapshot.channels, snapshot.stamp.tolist(), strict=True))
    if moved.all():
        return readings
    if not moved.any():
        raise WireError(
            f"{name}: wanted a new reading, found the one before: its clock stands at {snapshot.stamp[0]:.6g}"
        )
    return Readings(snapshot.of(np.flatnonzero(moved)), readings.by_channel, readings.recorded)
