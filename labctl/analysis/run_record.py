"""What an analysis is given, a finished or running test as columns, and what it gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from labctl.plan.step import CellFigures
from labctl.protocol.cell_correction import CORRECTABLE
from labctl.sample import Batch

Column: TypeAlias = NDArray[Any]
Integers: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]
Table: TypeAlias = Mapping[str, Column]


@dataclass(frozen=True, slots=True)
class SpectrumRecord:
    """An impedance spectrum of a run.

    Attributes:
        number: As in `spectra`.
        step: `step_count` of the step that measured it.
        cycle: In which it was measured, or after which, where it stands between two; 0 before the first.
        time: Run time at which it began, s.
        frequency: Hz, as measured.
        impedance: Ohm, imaginary part signed.
        voltage: Mean direct voltage meanwhile, V.
        temperature: Of the chamber, degC; NaN where none was set.
    """

    number: int
    step: int
    cycle: int
    time: float
    frequency: NDArray[np.float64]
    impedance: NDArray[np.complex128]
    voltage: float = float("nan")
    temperature: float = float("nan")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as its tables, by column name of the store (`docs/reference/sql.md`).

    Attributes:
        cell: Figures of the cell, SI.
        steps: Columns of `steps`, in order; a missing number is NaN.
        cycles: Columns of `cycles`, in order.
        rows: Gives the samples between two record indices, both included.
        results: (name, value, cycle) found while the run went on.
        earlier: `cycle_count`, `capacity_ah` and `current_ampere` of the complete cycles, formation left out, of the runs that
            this one goes on from; a current of infinity is one that is not known.
        spectra: Gives the complete impedance spectra, in order.
        largest_current: For which the model of a simulated cell is valid, A.
        corrected: What of the cell was corrected after the run had begun, a sentence each: it stands with every figure.
    """

    cell: CellFigures
    steps: Table
    cycles: Table
    rows: Callable[[int, int], Batch]
    results: tuple[tuple[str, float, int], ...] = ()
    earlier: Table = field(default_factory=dict)
    spectra: Callable[[], tuple[SpectrumRecord, ...]] = tuple
    largest_current: float = float("inf")
    corrected: tuple[str, ...] = ()

    def step_rows(self, position: int) -> Batch:
        """Return the samples of the step at a position in `steps`."""
        return self.rows(int(self.steps["first_record"][position]), int(self.steps["last_record"][position]))


def lacking(what: str, name: str) -> str:
    """Say which value of the cell a figure needs, and how to give it: before the run, and to one that has ended.

    Args:
        what: The figure with its article.
        name: The key of the cell file.
    """
    words = f"{what} needs the {name} of the cell: give `{name}` in the cell file"
    if name in CORRECTABLE:
        return f"{words}, and to a run that has begun by `labctl cell correct RUN --{name.replace('_', '-')} VALUE`"
    return f"{words} before the run; `impedance` tells resistances without it"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of merit: a value with its unit, and the cycle it is of, if of one."""

    name: str
    value: float
    unit: str
    cycle: int | None = None


@dataclass(frozen=True, slots=True)
class Analysis:
    """What an analysis found.

    Attributes:
        name: As in the protocol's `analyse`.
        figures: The headline numbers.
        table: Columns of one length, with their unit behind a slash (`capacity / uAh/cm2`).
        flags: Sentences that say where a figure should not be believed, and why.
    """

    name: str
    figures: tuple[Figure, ...] = ()
    table: Mapping[str, tuple[float | int | str, ...]] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
