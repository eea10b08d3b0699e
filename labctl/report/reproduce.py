"""A paper's measurements on simulated cells, beside what it published: run, analyse, compare."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from labctl.errors import LabctlError, UsageError
from labctl.inputs import library
from labctl.plan.estimate import estimate
from labctl.report.published import Published, fitted_to, read_published, simulated
from labctl.report.run_data import analyse, default_analyses, plan_of, record_of
from labctl.report.worker_pool import WorkerPool, carried_out
from labctl.run.simulate import DryRunRequest, Simulation
from labctl.run.stand_in import origins
from labctl.sample import SECONDS_PER_HOUR
from labctl.store.journal import Journal
from labctl.store.reader import Reader

BESIDE: Final = 20_000.0  # rows that take as long as plan, journal and analyses of a short run


@dataclass(frozen=True, slots=True)
class Experiment:
    """One protocol on one cell, and the numbers that it gives again."""

    paper: str
    protocol: str
    cell: str
    numbers: tuple[Published, ...]


@dataclass(frozen=True, slots=True)
class Reproduced:
    """A published number beside the simulated one.

    Attributes:
        published: The number of the paper.
        value: The simulated one; NaN where there is none.
        allowed: How far off it may be, in its unit.
        why: Why there is none, or why it is known to be off; "" where neither.
        fitted: What of the model was fitted to the published number, or quotes it, or what it follows from; "" where the
            simulated number is a prediction.
        hours: Simulated time of the run that gave it, h.
    """

    published: Published
    value: float
    allowed: float
    why: str = ""
    fitted: str = ""
    hours: float = 0.0

    @property
    def met(self) -> bool:
        """Tell whether the simulated number is as near as it should be."""
        return bool(abs(self.value - self.published.value) <= self.allowed)


def papers() -> dict[str, Path]:
    """Return the folders of the papers in the library, by name."""
    return {path.parent.name: path.parent for path in sorted((library() / "papers").glob("*/published.csv"))}


def experiments(paper: str, rows: Sequence[str] = ()) -> list[Experiment]:
    """Return what is to be run for a paper, or for `all`; only some of the rows where they are named.

    Raises:
        UsageError: There is no such paper, or row.
    """
    known = papers()
    if paper != "all" and paper not in known:
        raise UsageError(f"wanted a paper out of {', '.join(known)}, or all; found {paper!r}")
    numbers = [each for name, folder in known.items() if paper in {"all", name} for each in read_published(folder)]
    missing = set(rows) - {each.row for each in numbers}
    if missing:
        raise UsageError(
            f"wanted rows out of {', '.join(dict.fromkeys(e.row for e in numbers))}, found {', '.join(sorted(missing))}"
        )
    grouped: dict[tuple[str, str, str], list[Published]] = {}
    for each in numbers:
        if not rows or each.row in rows:
            grouped.setdefault((each.paper, each.protocol, each.cell), []).append(each)
    return [Experiment(*key, tuple(group)) for key, group in grouped.items()]


def files_of(experiment: Experiment) -> tuple[str, str]:
    """Return the paths of an experiment's protocol and cell file."""
    folder = papers()[experiment.paper]
    return str(folder / f"{experiment.protocol}.yaml"), str(library() / "cells" / f"{experiment.cell}.yaml")


def size(experiment: Experiment) -> float:
    """Return how many rows an experiment will have, as its plan is estimated, and what else it costs in rows."""
    try:
        return BESIDE + estimate(Simulation(DryRunRequest(*files_of(experiment))).plan).rows
    except LabctlError:  # running it says so
        return BESIDE


def run(experiment: Experiment) -> list[Reproduced]:
    """Run one experiment on its simulated cell, in a temporary journal, and compare."""
    try:
        with TemporaryDirectory(prefix="labctl-reproduce-") as place:
            where = Path(place) / "journal.db"
            with Journal.open(where) as journal:
                done = Simulation(DryRunRequest(*files_of(experiment), by="labctl reproduce")).run(journal)
            with Reader(where) as reader:
                stored = reader.run(done.run_id)
                record = record_of(reader, stored)
                analyses = analyse(record, default_analyses(plan_of(reader, stored)))
    except LabctlError as error:
        return [Reproduced(each, float("nan"), 0.0, str(error), basis(each)) for each in experiment.numbers]
    why = "" if done.reason == "done" else f"{done.reason}: {done.why}"
    numbers = [_compared(each, experiment, simulated(each, analyses), why) for each in experiment.numbers]
    return [replace(each, hours=stored.test_time / SECONDS_PER_HOUR) for each in numbers]


def _compared(published: Published, experiment: Experiment, value: float, why: str) -> Reproduced:
    alike = [each for each in experiment.numbers if each.row == published.row and each.unit == published.unit]
    allowed = published.allowed(max(abs(each.value) for each in alike))
    off = not abs(value - published.value) <= allowed  # true of NaN too
    nothing = "" if np.isfinite(value) else why or "the analyses of this run have no such number"
    reason = (published.why or nothing) if off else ""
    return Reproduced(published, value, allowed, reason, basis(published))


def basis(published: Published) -> str:
    """Return in words what of the cell's model was fitted to a number, "" where a simulation predicts it."""
    fitted = fitted_to(published, origins(published.cell))
    return f"{', '.join(fitted)} of {published.cell}" if fitted else published.basis


def run_all(
    wanted: Sequence[Experiment],
    pool: WorkerPool,
    done: Callable[[Experiment, int, float], None] = lambda _one, _count, _share: None,
) -> Iterator[Reproduced]:
    """Run experiments in a pool, the longest first, and give the numbers in the order of the papers.

    Args:
        wanted: The experiments.
        pool: Who runs them.
        done: Is told an experiment that is done, how many are, and which share of the whole work that is.

    Raises:
        LabctlError: An experiment's worker died each time.
    """
    sizes = [size(each) for each in wanted]
    first = sorted(range(len(wanted)), key=lambda number: -sizes[number])  # one at the end would leave the others idle
    results: dict[int, list[Reproduced]] = {}
    for number, reproduced in carried_out(pool, run, {each: wanted[each] for each in first}, "experiment"):
        results[number] = reproduced
        done(wanted[number], len(results), sum(sizes[each] for each in results) / sum(sizes))
    for number in range(len(wanted)):
        yield from results[number]


def as_rows(compared: Sequence[Reproduced]) -> list[dict[str, object]]:
    """Return comparisons as flat objects, for programs."""
    return [
        {
            "paper": each.published.paper,
            "row": each.published.row,
            "protocol": each.published.protocol,
            "cell": each.published.cell,
            "figure": each.published.figure,
            "unit": each.published.unit,
            "published": each.published.value,
            "simulated": each.value if np.isfinite(each.value) else None,
            "deviation_percent": deviation(each) if np.isfinite(each.value) else None,
            "within": each.published.within,
            "met": each.met,
            "predicted": not each.fitted,
            "fitted": each.fitted,
            "why": each.why,
        }
        for each in compared
    ]


def deviation(compared: Reproduced) -> float:
    """Return how far a simulated number is off, %."""
    return 100.0 * (compared.value - compared.published.value) / abs(compared.published.value)


def hours(compared: Sequence[Reproduced]) -> float:
    """Return the simulated time of the runs behind some numbers, h; numbers of one run count once."""
    runs = {(each.published.paper, each.published.protocol, each.published.cell): each.hours for each in compared}
    return sum(runs.values())


def errors(compared: Sequence[Reproduced]) -> str:
    """Return how far off some numbers are together: how many are met, the median and the largest deviation."""
    if not compared:
        return "none"
    met = sum(each.met for each in compared)
    off = [abs(deviation(each)) for each in compared if np.isfinite(each.value)]
    sizes = f"; deviation {np.median(off):.1f} % in the median, {max(off):.0f} % at most" if off else ""
    missing = len(compared) - len(off)
    return f"{met} of {len(compared)} met{sizes}" + (f"; {missing} without a simulated number" if missing else "")


def judgement(compared: Sequence[Reproduced]) -> tuple[str, str]:
    """Return the errors of the numbers that models were fitted to, and of those that they predict, apart."""
    fitted, predicted = ([each for each in compared if bool(each.fitted) is kind] for kind in (True, False))
    return f"fitted: {errors(fitted)}", f"predicted: {errors(predicted)}"
