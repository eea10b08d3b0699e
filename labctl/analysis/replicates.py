"""Replicates: the same figure of several runs, as number, mean, standard deviation and confidence interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labctl.analysis.digits import INTERVAL
from labctl.analysis.interval import student
from labctl.analysis.run_record import Analysis
from labctl.sample import Floats


@dataclass(frozen=True, slots=True)
class Replicated:
    """A figure of merit over replicates.

    Attributes:
        name: `capacity: first discharge capacity`.
        unit: Its unit.
        count: Number n of runs that have it.
        mean: Of them.
        deviation: Sample standard deviation (n - 1); NaN of one.
        interval: Half the 95 % confidence interval of the mean, by Student's t; NaN of one.
    """

    name: str
    unit: str
    count: int
    mean: float
    deviation: float
    interval: float


def replicated(runs: Sequence[Sequence[Analysis]]) -> list[Replicated]:
    """Return the statistics of every figure that at least one run has, in the order of the first run that has it.

    What a single run says of its own interval is left out: the spread of the replicates stands in its place.

    Args:
        runs: The analyses of each run.
    """
    values: dict[tuple[str, str], list[float]] = {}
    for analyses in runs:
        seen = set()
        for analysis in analyses:
            for each in analysis.figures:
                key = (f"{analysis.name}: {each.name}", each.unit)
                if key not in seen and np.isfinite(each.value) and not each.name.endswith(INTERVAL):
                    seen.add(key)
                    values.setdefault(key, []).append(each.value)
    return [statistics(name, unit, np.array(column)) for (name, unit), column in values.items()]


def statistics(name: str, unit: str, values: Floats) -> Replicated:
    """Return number, mean, sample standard deviation and half the 95 % confidence interval of the mean of some values.

    Source: Student, Biometrika 6 (1908) 1.
    """
    count = len(values)
    deviation = float(np.std(values, ddof=1)) if count > 1 else float("nan")
    return Replicated(name, unit, count, float(np.mean(values)), deviation, student(count - 1) * deviation / count**0.5)


def by_cycle(columns: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats, Floats, Floats]:
    """Return cycles, mean, standard deviation (n - 1) and n of a quantity of several runs, over the cycles that any of them has.

    Args:
        columns: Cycle numbers and values of each run.
    """
    every = np.unique(np.concatenate([cycles for cycles, _ in columns])) if columns else np.empty(0)
    table = np.full((len(columns), len(every)), np.nan)
    for row, (cycles, values) in zip(table, columns, strict=True):
        row[np.searchsorted(every, cycles)] = values
    there = np.isfinite(table)
    count = there.sum(axis=0)
    mean = np.where(count > 0, np.nansum(table, axis=0) / np.maximum(count, 1), np.nan)
    squares = np.nansum(np.where(there, table - mean, 0.0) ** 2, axis=0)
    deviation = np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)
    return every, mean, deviation, count.astype(float)
