"""One test as a file of another maker has it, as columns in labctl's units and signs, with what was mapped to come there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from labctl.errors import FileError
from labctl.sample import SECONDS_PER_HOUR, Floats

Counts: TypeAlias = NDArray[np.int64]

VERBS: Final = ("rest", "charge", "discharge", "hold", "cv", "lsv", "profile", "eis", "other")
"""What a step may be; `VendorTest.verb` holds places in this tuple."""


class VendorFileError(FileError):
    """A file of another maker is damaged, cut short, or says what cannot be taken over; nothing was imported."""


@dataclass(frozen=True, slots=True)
class Convention:
    """One thing that the file says in another way: what, as the file has it, and as it is stored."""

    what: str
    theirs: str
    ours: str


@dataclass(frozen=True, slots=True)
class RecordedSpectrum:
    """An impedance spectrum: the index of the last row before it (-1: before the first), and its points as columns.

    Attributes:
        after: Index of the last row before it.
        cycle: Number of the cycle, 0 for none.
        time: s.
        frequency: Hz.
        real: Ohm.
        imaginary: Ohm, signed: negative where it is capacitive.
        voltage: V.
        current: A.
    """

    after: int
    cycle: int
    time: Floats
    frequency: Floats
    real: Floats
    imaginary: Floats
    voltage: Floats
    current: Floats


@dataclass(frozen=True, slots=True)
class VendorTest:
    """One test. All columns have one length; a counter that nobody counted is None.

    Attributes:
        title: What the file calls the test.
        time: s since the test began, not decreasing.
        voltage: V.
        current: A, positive charges the cell.
        segment: Rises by one wherever a step begins, however often it is done.
        step: Number of the step in the maker's own program.
        cycle: 1 and up, 0 outside any.
        verb: Place in `VERBS`.
        charging_ah: Charge so far in the charging direction, never falling, of the whole test.
        discharging_ah: The same in the other direction.
        charging_wh: Energy likewise.
        discharging_wh: Energy likewise.
        temperature: Surface of the cell, degC.
        step_time: s since the step began, where the file has it.
        auxiliary: Further columns by name.
        spectra: Impedance spectra.
        began: UTC of time 0, s; None where the file does not say.
        ended: The file says that the test came to its end.
        facts: What else the file says: instrument, channel, operator, by name.
        conventions: What was mapped.
        notes: What a person should know: a clock that went back, rows that were left out.
        identity: What tells the test from every other one, however far its file has come; "" where the file has nothing such.
    """

    title: str
    time: Floats
    voltage: Floats
    current: Floats
    segment: Counts
    step: Counts
    cycle: Counts
    verb: Counts
    charging_ah: Floats | None = None
    discharging_ah: Floats | None = None
    charging_wh: Floats | None = None
    discharging_wh: Floats | None = None
    temperature: Floats | None = None
    step_time: Floats | None = None
    auxiliary: Mapping[str, Floats] = field(default_factory=dict)
    spectra: tuple[RecordedSpectrum, ...] = ()
    began: float | None = None
    ended: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)
    conventions: tuple[Convention, ...] = ()
    notes: tuple[str, ...] = ()
    identity: str = ""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.time)


def changes(*columns: NDArray[np.generic]) -> Counts:
    """Return a count that rises by one at each row where any of the columns differs from the row before; 1 at the first."""
    changed = np.zeros(len(columns[0]), dtype=np.bool_)
    changed[:1] = True
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    return np.cumsum(changed, dtype=np.int64)


def rises(counter: Floats, restart: Counts | None = None) -> Floats:
    """Return by how much each row is above the one before, where a counter begins again at 0 above that.

    Args:
        counter: Magnitude, of the maker's own zero.
        restart: Changes where the counter begins again; wherever it falls it is taken to have done so anyway.
    """
    rise = np.diff(counter, prepend=0.0)
    begun = rise < 0.0
    if restart is not None:
        begun[1:] |= restart[1:] != restart[:-1]
    np.copyto(rise, counter, where=begun)
    return np.maximum(rise, 0.0, out=rise)


def accumulated(counter: Floats, restart: Counts | None = None) -> Floats:
    """Return a counter as one that never falls; arguments as `rises` has them."""
    return np.cumsum(rises(counter, restart))


def split_by_sign(amount: Floats, positive: NDArray[np.bool_], restart: Counts) -> tuple[Floats, Floats]:
    """Return a counter of magnitudes that begins again with each step as two that never fall: charging and discharging.

    Args:
        amount: Magnitude passed in the step so far.
        positive: Rows that charge.
        restart: Changes where the counter begins again.
    """
    rise = rises(np.abs(amount), restart)
    return np.cumsum(np.where(positive, rise, 0.0)), np.cumsum(np.where(positive, 0.0, rise))


def integrated(time: Floats, current: Floats, voltage: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return charge (Ah) and energy (Wh) in both directions by the trapezoidal rule over the rows that there are."""
    if not len(time):
        return (np.empty(0),) * 4
    hours = np.diff(time, prepend=time[0]) / SECONDS_PER_HOUR

    def sums(values: Floats) -> Floats:
        before = np.concatenate((values[:1], values[:-1]))
        return np.cumsum(hours * (values + before) / 2.0)

    charge, discharge = np.maximum(current, 0.0), np.maximum(-current, 0.0)
    return sums(charge), sums(discharge), sums(charge * voltage), sums(discharge * voltage)


def refuse_backwards(time: Floats, name: str, first_line: int = 1) -> None:
    """Refuse a test time that goes back: another test follows in the same file, or a clock was set.

    Args:
        time: s.
        name: Of the file, for the message.
        first_line: Line or record of the first row, for people.

    Raises:
        VendorFileError: With the row at which it goes back.
    """
    if not np.isfinite(time).all():
        row = int(np.argmin(np.isfinite(time)))
        raise VendorFileError(f"{name}, row {row + first_line}: wanted a time, found none")
    back = np.flatnonzero(np.diff(time) < 0.0)
    if not len(back):
        return
    row = int(back[0]) + 1
    where = f"{name}, row {row + first_line}"
    if time[row] <= 0.01 * time[row - 1]:
        raise VendorFileError(
            f"{where}: wanted one test in a file, found that test time begins again after {time[row - 1]:g} s: "
            f"{len(back) + 1} tests follow each other; --test 1 to {len(back) + 1} takes one, --test all each as a run"
        )
    raise VendorFileError(
        f"{where}: wanted a time that does not go back, found {time[row]:g} s after {time[row - 1]:g} s: "
        "the clock of the instrument was set while it measured, or rows are out of order"
    )


def verbs_by_current(current: Floats, threshold: float = 0.0) -> Counts:
    """Return charge, discharge or rest for each row by its current alone, where the file does not say what a step was."""
    charging = np.where(current > threshold, VERBS.index("charge"), VERBS.index("rest"))
    return np.where(current < -threshold, VERBS.index("discharge"), charging).astype(np.int64)


def steps_without_names(recording_current: Floats, cycle: Counts) -> tuple[Counts, Counts]:
    """Return segment and verb of rows whose file knows no steps: a step lasts while the current keeps its sign.

    A current below a thousandth of the largest counts as none.
    """
    threshold = 1e-3 * float(np.max(np.abs(recording_current), initial=0.0))
    verb = verbs_by_current(recording_current, threshold)
    return changes(verb, cycle), verb


def one_based(cycle: Counts, conventions: list[Convention]) -> Counts:
    """Return cycle numbers that begin at 1, noting the shift; those that begin at 1 or above stay."""
    if len(cycle) and int(cycle.min()) == 0:
        conventions.append(Convention("cycle", "counted from 0", "counted from 1: one more"))
        return cycle + 1
    return cycle


def mapped(names: Sequence[str], verbs: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    """Return the place in `VERBS` of each of a maker's words for a step, `other` for one that is not known."""
    return tuple((name, VERBS.index(verbs.get(name, "other"))) for name in names)
