"""Records of a Neware test as rows and ends of steps, and which of them are news to whoever listens again."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from labctl.driver import Ended, Potentiostatic, Program, ProgramStep, Reading
from labctl.errors import WireError
from labctl.sample import Batch, Floats

APART = 1e-6  # s by which the first record of a step is told later than the last one of the step before
NEWS = 0.5 * APART  # s; more than rounding makes of a time, less than lies between two records


@dataclass(slots=True)
class Draining:
    """What has been read of a running test: the last record, and what lies before its step (s, Ah).

    Attributes:
        program: What runs.
        test: Its id on the cycler.
        after: Program time of the last row that the listener has, s; what lies before it is no news.
        position: Index of the program step in which the listener stands.
        found: What has been read and not been given yet.
    """

    program: Program
    test: str = "0"
    after: float = -1.0
    position: int = 0
    found: list[Reading] = field(default_factory=list)
    last: int = 0
    step: int = 0
    cycle: int = 0
    in_step: float = 0.0
    before: float = 0.0
    charge: float = 0.0
    charging: float = 0.0
    discharging: float = 0.0
    voltage: float = 0.0
    current: float = 0.0
    done: bool = False

    def take(self, reading: Reading) -> None:
        """Keep a reading, without what the listener has already."""
        match reading:
            case Batch():
                begin = int(np.searchsorted(reading.time, self.after + NEWS, side="right"))
                if begin < len(reading):
                    self.found.append(reading.rows(begin))
            case Ended(step, time):
                if time > self.after + NEWS or (time > self.after - NEWS and step == self.position):
                    self.found.append(reading)
            case _:
                self.found.append(reading)


def take_records(block: Sequence[ET.Element], draining: Draining) -> None:
    """Take a block of records: batches, one a step, with the ends of steps between them.

    Raises:
        WireError: They are not the next records of the program; nothing is taken then.
    """
    numbers, step, cycle = (column(block, name).astype(int) for name in ("seqid", "stepid", "cycleid"))
    if not np.array_equal(numbers, np.arange(draining.last + 1, draining.last + 1 + len(block))):
        raise WireError(f"wanted records from {draining.last + 1} on without a gap, found {numbers.tolist()[:5]}...")
    if step.min() < 1 or step.max() > len(draining.program.steps):
        raise WireError(f"wanted steps 1 to {len(draining.program.steps)}, found {step.min()} to {step.max()}")
    values = {name: column(block, name) for name in ("testtime", "volt", "curr", "cap")}
    since = values["testtime"] * 1e-3
    begin = 0
    for at in range(len(block) + 1):
        last = at == len(block)
        if not last and (step[at], cycle[at]) == (draining.step, draining.cycle) and since[at] >= draining.in_step:
            draining.in_step = float(since[at])
            continue
        if at > begin:
            part = slice(begin, at)
            draining.take(batch(since[part], values["volt"][part], values["curr"][part], values["cap"][part], draining))
        if last:
            break
        if draining.step:
            draining.take(ended(draining))
            draining.before += draining.in_step
            draining.charge = 0.0
        draining.step, draining.cycle, draining.in_step, begin = int(step[at]), int(cycle[at]), float(since[at]), at
    draining.last = int(numbers[-1])


def batch(since: Floats, voltage: Floats, current: Floats, charge: Floats, draining: Draining) -> Batch:
    """Return records of one step, their time and counters since the program began."""
    passed = np.diff(charge, prepend=draining.charge)
    positive = np.where(current >= 0, passed, 0.0)
    charging = np.cumsum(np.concatenate(([draining.charging], positive)))[1:]
    discharging = np.cumsum(np.concatenate(([draining.discharging], passed - positive)))[1:]
    draining.charge, draining.charging, draining.discharging = (
        float(charge[-1]),
        float(charging[-1]),
        float(discharging[-1]),
    )
    draining.voltage, draining.current = float(voltage[-1]), float(current[-1])
    time = draining.before + (np.maximum(since, APART) if draining.before else since)  # so that a time names one record
    return Batch(time, voltage, current, charging, discharging, step=draining.step - 1)


def ended(draining: Draining) -> Ended:
    """Return the end of the step that was running, with the threshold that its last record lies nearest to."""
    time = draining.before + draining.in_step
    step = draining.program.steps[draining.step - 1] if draining.step else None
    if not isinstance(step, ProgramStep) or not step.ends:
        return Ended(max(0, draining.step - 1), time, None)
    holding = isinstance(step.mode, Potentiostatic)
    measured = {
        "time": draining.in_step,
        "voltage": draining.voltage,
        "current": abs(draining.current),
        "charge": draining.charge * 3600.0,
        "power": abs(draining.voltage * draining.current),
    }
    asked = [end for end in step.ends if not (holding and end.quantity == "voltage")]
    if not asked:
        return Ended(draining.step - 1, time, None)
    nearest = min(asked, key=lambda end: abs(measured[end.quantity] - end.value) / (abs(end.value) or 1.0))
    return Ended(draining.step - 1, time, nearest.number)


def column(block: Sequence[ET.Element], name: str) -> Floats:
    """Return an attribute of all records as floats.

    Raises:
        WireError: One of them is not a finite number.
    """
    try:
        found = np.array([float(row.get(name, "nan")) for row in block])
    except ValueError as error:
        raise WireError(f"wanted numbers in {name}, found {error}") from error
    if not np.isfinite(found).all() or (np.abs(found) > 1e15).any():
        raise WireError(f"wanted finite numbers in {name}, found {[row.get(name) for row in block][:5]}")
    return found
