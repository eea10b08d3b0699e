"""The dry run: a protocol on a simulated cell, as fast as it goes, every row durable in a journal."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from labctl.collector import seldom_collected
from labctl.driver import SIMULATED_CELL, Bounds, Stepped
from labctl.engine.input import Order
from labctl.errors import OrderRefused, StationError
from labctl.plan.codec import digest, plan_to_json
from labctl.plan.compile import compile_plan
from labctl.plan.step import Plan
from labctl.protocol.cell import Cell
from labctl.run.connection.stepped import SteppedExecutor, SteppedRun
from labctl.run.drivers import make
from labctl.run.files import Files, read_files
from labctl.run.outside import outside
from labctl.run.session import RunSession
from labctl.run.stand_in import nothing_to_simulate, refuse_misfits
from labctl.store.entry import NewRun, Source
from labctl.store.journal import Journal

CHANNEL = "1"  # of the simulated instrument; no channel of a station
ROLES = ("cell", "stage", "chamber")
COMMIT = 4000  # rows


@dataclass(frozen=True, slots=True)
class DryRunRequest:
    """A dry run: files, parameters, seed, driver and its options."""

    protocol: str | Source
    cell: str | Source
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
class DryRunResult:
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
        began: When it was made, s of Unix time: run time 0.
    """

    def __init__(self, wanted: DryRunRequest) -> None:
        """Read, check and compile.

        Raises:
            FileError: With every finding.
            InstrumentError: There is no such model.
        """
        self.wanted = wanted
        self.files: Files = read_files(wanted.protocol, wanted.cell)
        source = make("simulate", wanted.driver, wanted.options)
        if not isinstance(source, Stepped):
            raise StationError(f"simulate: wanted a driver of simulated cells, found {wanted.driver}")
        self.source: Stepped = source
        if not self.files.cell.model and "model" not in wanted.options:
            raise nothing_to_simulate(self.files.cell)
        refuse_misfits(self.files.cell)
        self.source.insert(CHANNEL, cell_options(self.files.cell), wanted.seed)
        self.capabilities = self.source.capabilities(CHANNEL)
        self.began = time.time()
        self.plan: Plan = compile_plan(
            self.files.protocol, self.files.cell, self.capabilities, Bounds(), wanted.values, outside(self.began)
        )
        self.warnings = refuse_misfits(self.files.cell, self.plan)

    def run(
        self,
        journal: Journal,
        progress: Callable[[Progress], None] = lambda _: None,
        interrupted: Callable[[], str] = lambda: "",
    ) -> DryRunResult:
        """Run to the end and commit every row; a run that asks a person, or is interrupted, ends there as stopped.

        Args:
            journal: Takes the run.
            progress: Told how far it is, now and then.
            interrupted: Says who or what wants it ended, "" where nobody does.

        Raises:
            StoreError: The journal cannot be written; what was committed stays.
        """
        with seldom_collected():
            return self._run(journal, progress, interrupted)

    def _run(
        self, journal: Journal, progress: Callable[[Progress], None], interrupted: Callable[[], str]
    ) -> DryRunResult:
        session = RunSession(journal.create_run(self._new_run()), self.plan)
        run = SteppedRun(session, SteppedExecutor(self.source), CHANNEL)
        session.begin(self.capabilities, ROLES)
        run.obey()
        try:
            while session.finish is None:
                if by := interrupted():
                    self._stop(run, by)
                else:
                    self._forward(run)
                if session.rows >= COMMIT:
                    journal.commit(session.hand_over())
                    progress(_progress(session))
        finally:
            if entries := session.hand_over():
                journal.commit(entries)
            progress(_progress(session))
        state = session.state
        return DryRunResult(
            session.run_id,
            session.finish.reason,
            session.finish.why,
            session.next_record,
            state.last.time,
            state.cycle.count,
        )

    def _forward(self, run: SteppedRun) -> None:
        """Read once; answer prompts as a person would, and end where the run asks what nobody here can answer."""
        state = run.session.state
        if state.phase == "asking":
            self._stop(run, "labctl simulate, where nobody answers")
        elif state.activity == "waiting":
            run.session.take(Order("confirm", "", "labctl simulate", "simulated"))
            run.obey()
        elif not run.forward() and run.session.finish is None and run.session.state is state:
            raise OrderRefused(
                f"the simulated cell has nothing more to say, and the run is {state.activity}: {state.why}"
            )

    @staticmethod
    def _stop(run: SteppedRun, by: str) -> None:
        run.session.take(Order("stop", "", by, ""))
        run.obey()

    def _new_run(self) -> NewRun:
        cell, wanted = self.files.cell, self.wanted
        return NewRun(
            plan=plan_to_json(self.plan),
            plan_hash=digest(self.plan),
            began_unix_time=self.began,
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
                **cell_options(cell),
            },
        )


def cell_options(cell: Cell) -> dict[str, object]:
    """Return what a simulated source must know of a cell: its model, and what the file states of its size, SI."""
    return {key: value for key in SIMULATED_CELL if (value := getattr(cell, key)) is not None}


def _progress(session: RunSession) -> Progress:
    state = session.state
    step = "" if not state.line else str(state.line)
    return Progress(session.run_id, state.last.time, session.next_record, state.cycle.count, step)
