"""What one reading of an instrument becomes: rows to be folded, or an input that is folded at once."""

from labctl.driver import Ended, Fault, Points, Reading
from labctl.engine.input import InstrumentFault, SpectrumPart, StepEnded
from labctl.engine.meter import Meter
from labctl.run.course import Course
from labctl.run.keeper import Keeper
from labctl.sample import Batch


def take_reading(keeper: Keeper, meter: Meter, reading: Reading) -> list[Batch]:
    """Return metered rows of a reading; anything else is folded into the course."""
    course = keeper.course
    match reading:
        case Batch() if keeper.capabilities.records:
            return [course.metered(reading)]
        case Batch():
            meter.rows(keeper.at, shifted(reading, course.begun))
            return [meter.take(keeper.at)]
        case _:
            take_said(course, reading)
            return []


def take_said(course: Course, reading: Reading) -> None:
    """Fold what is no row."""
    match reading:
        case Ended(step, time, end, why):
            course.take(StepEnded(course.state.held.attempt, step, course.begun + time, end, why))
        case Points() as points:
            course.take(SpectrumPart(course.state.attempt, on_run_time(points, course.begun)))
        case Fault(why, safe):
            course.take(InstrumentFault(why, safe))
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
