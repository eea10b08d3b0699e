"""The dry run: a protocol on a simulated cell, as fast as it goes, every row durable in a journal."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from labctl.driver import Bounds
from labctl.engine.input import Order
from labctl.errors import OrderRefused, StationError
from labctl.plan.codec import digest, plan_to_json
from labctl.plan.compile import compile_plan
from labctl.plan.step import Plan
from labctl.protocol.cell import Cell
from labctl.run.course import Course
from labctl.run.drivers import make
from labctl.run.files import Files, read_files
from labctl.run.source import Rider, Told
from labctl.store.entry import NewRun
from labctl.store.journal import Journal

CHANNEL = "1"  # of the simulated instrument; no channel of a station
ROLES = ("cell", "stage", "chamber")
COMMIT = 4000  # rows


@dataclass(frozen=True, slots=True)
class Wanted:
    """A dry run: files, parameters, seed, driver and its options."""

    protocol: str
    cell: str
    values: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    driver: str = "simulated"
    options: Mapping[str, object] = field(default_factory=dict)
    by: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a dry run is: run time and rows so far, the step, cycles."""

    run_id: int
    test_time: float
    rows: int
    cycle: int
    step: str


@dataclass(frozen=True, slots=True)
class Simulated:
    """A dry run that ended."""

    run_id: int
    reason: str
    why: str
    rows: int
    test_time: float
    cycles: int


class Simulation:
    """A dry run in the making: files checked, plan compiled, nothing stored yet.

    Attributes:
        plan: What will be done.
        warnings: Findings that refuse nothing.
    """

    def __init__(self, wanted: Wanted) -> None:
        """Read, check and compile.

        Raises:
            FileError: With every finding.
            InstrumentError: There is no such model.
        """
        self.wanted = wanted
        self.files: Files = read_files(wanted.protocol, wanted.cell)
        source = make("simulate", wanted.driver, wanted.options)
        if not isinstance(source, Told):
            raise StationError(f"simulate: wanted a driver of simulated cells, found {wanted.driver}")
        self.source: Told = source
        self.source.insert(CHANNEL, card(self.files.cell), wanted.seed)
        self.capabilities = self.source.capabilities(CHANNEL)
        self.plan: Plan = compile_plan(self.files.protocol, self.files.cell, self.capabilities, Bounds(), wanted.values)

    def run(self, journal: Journal, progress: Callable[[Progress], None] = lambda _: None) -> Simulated:
        """Run to the end and commit every row; a run that asks a person ends where it asks.

        Raises:
            StoreError: The journal cannot be written; what was committed stays.
        """
        course = Course(journal.create_run(self._new_run()), self.plan)
        rider = Rider(course, self.source, CHANNEL)
        course.begin(self.capabilities, ROLES)
        rider.obey()
        try:
            while course.finish is None:
                self._forward(rider)
                if course.rows >= COMMIT:
                    journal.commit(course.hand_over())
                    progress(_progress(course))
        finally:
            if entries := course.hand_over():
                journal.commit(entries)
            progress(_progress(course))
        state = course.state
        return Simulated(
            course.run_id,
            course.finish.reason,
            course.finish.why,
            course.next_record,
            state.last.time,
            state.cycle.count,
        )

    def _forward(self, rider: Rider) -> None:
        """Read once; answer prompts as a person would, and end where the run asks what nobody here can answer."""
        state = rider.course.state
        if state.phase == "asking":
            rider.course.take(Order("stop", "", "labctl simulate", ""))
            rider.obey()
        elif state.activity == "waiting":
            rider.course.take(Order("confirm", "", "labctl simulate", "simulated"))
            rider.obey()
        elif not rider.forward() and rider.course.finish is None and rider.course.state is state:
            raise OrderRefused(
                f"the simulated cell has nothing more to say, and the run is {state.activity}: {state.why}"
            )

    def _new_run(self) -> NewRun:
        cell, wanted = self.files.cell, self.wanted
        return NewRun(
            plan=plan_to_json(self.plan),
            plan_hash=digest(self.plan),
            began_unix_time=time.time(),
            protocol=self.plan.name,
            cell=cell.name,
            protocols=self.files.texts,
            cell_file=self.files.cell_text,
            by=wanted.by,
            options={
                "seed": wanted.seed,
                "driver": wanted.driver,
                "clock": "fast",
                "values": dict(wanted.values),
                **card(cell),
            },
        )


def card(cell: Cell) -> dict[str, object]:
    """Return what a simulated source must know of a cell: model, and where the file states them area (m2) and mass (kg)."""
    found = {"model": cell.model, "area": cell.area, "active_mass": cell.active_mass}
    return {key: value for key, value in found.items() if value is not None}


def _progress(course: Course) -> Progress:
    state = course.state
    step = "" if not state.line else str(state.line)
    return Progress(course.run_id, state.last.time, course.next_record, state.cycle.count, step)
