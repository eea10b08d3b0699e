"""What a state remembers of blocks and cycles: their passes, numbers and figures, and what retention is measured against."""

from dataclasses import dataclass
from typing import NamedTuple

from labctl.engine.state_parts import SumsAtBegin


class CycleCounts(NamedTuple):
    """Numbers of cycles: of the last one that was begun, and of the last that was completed."""

    begun: int
    completed: int


@dataclass(frozen=True, slots=True)
class Figures:
    """A finished cycle: capacities in C, efficiency a fraction, `counted` the capacity that retention counts, in C.

    From the second edition on, `against` is the number of the cycle whose charge is the denominator of the efficiency, and
    `current` that of its counted half-cycle in A, None where it was not constant; `unseen` is the charge in C that may have
    passed in it while nobody was reading.
    """

    cycle: int
    kind: str
    charge: float
    discharge: float
    efficiency: float | None = None
    counted: float | None = None
    against: int | None = None
    current: float | None = None
    unseen: float = 0.0


@dataclass(frozen=True, slots=True)
class Alike:
    """What retention is measured against at one current: the current in A (None: not constant), and capacities in C.

    Attributes:
        current: Of the counted half-cycle.
        first: Of the first cycle; a later one that passed more than a hundred times as much takes its place.
        most: Of the best.
    """

    current: float | None
    first: float
    most: float


@dataclass(frozen=True, slots=True)
class Tally:
    """Results of the cycles of one block: the last ones, and what retention is measured against (C).

    Attributes:
        count: Cycles completed in it (from the second edition on, as what follows).
        checks: The same of its `check` cycles, which are none of the others.
        alike: What retention is measured against, for each current.
    """

    last: tuple[Figures, ...] = ()
    first: float | None = None
    most: float | None = None
    count: int = 0
    checks: "Tally | None" = None
    alike: tuple[Alike, ...] = ()


@dataclass(frozen=True, slots=True)
class Before:
    """The cycle that ended complete just now: number, what it charged and discharged, Ah, and both counters at its end, Ah."""

    number: int
    charge: float
    discharge: float
    charging_ah: float
    discharging_ah: float


@dataclass(frozen=True, slots=True)
class Cycle:
    """The cycle that is counted.

    Attributes:
        count: Number of the last cycle begun.
        kind: "" outside any.
        entry: Where it began; None outside any.
        completed: Number of the last cycle that was completed, 0 before the first (from the second edition on, as what follows).
        flaw: Why the one that runs cannot become complete, "" if it can.
        ways: Net charge since its begin at the end of its first steps, Ah: they tell in which direction it goes first.
        before: The cycle before it, if that was complete.
        largest: Charge of its largest half-cycle that counts, Ah, and the current of that in A, None where it was not constant.
        takes_first: It begins by taking out, whatever its charges say (`Block.takes_first`).
    """

    count: int = 0
    kind: str = ""
    entry: SumsAtBegin | None = None
    completed: int = 0
    flaw: str = ""
    ways: tuple[float, ...] = ()
    before: Before | None = None
    largest: tuple[float, float | None] = (0.0, None)
    takes_first: bool = False

    @property
    def counted(self) -> CycleCounts:
        """Return the numbers that conditions ask for."""
        return CycleCounts(self.count, self.completed)


@dataclass(frozen=True, slots=True)
class Frame:
    """A block that is being done.

    Attributes:
        block: Its id.
        number: Pass, from 0.
        child: Index of the child being done, -1 before the first.
        time: Step time of the steps finished in it, all passes, s.
        entry: Where it began.
        energised: Energised steps ended in this pass.
        met: How many of them had their end met at the first row.
        tally: Where the block asks for results.
        began: Run time at which this pass began, where that decides when the next one does; else 0.
    """

    block: int
    number: int
    child: int
    time: float
    entry: SumsAtBegin
    energised: int = 0
    met: int = 0
    tally: Tally | None = None
    began: float = 0.0

    def at(self, child: int) -> "Frame":
        """Return the block at another child."""
        counts = self.energised, self.met
        return Frame(self.block, self.number, child, self.time, self.entry, *counts, self.tally, self.began)

    def again(self, began: float) -> "Frame":
        """Return the block before its next pass, which begins at a run time, if that matters."""
        return Frame(self.block, self.number + 1, -1, self.time, self.entry, tally=self.tally, began=began)

    def after(self, seconds: float, energised: int, met: int) -> "Frame":
        """Return the block after a step of so much step time in it, and how many of it were energised and met at once."""
        counts = self.energised + energised, self.met + met
        return Frame(
            self.block, self.number, self.child, self.time + seconds, self.entry, *counts, self.tally, self.began
        )

    def counting(self, tally: Tally | None) -> "Frame":
        """Return the block with other results."""
        counts = self.energised, self.met
        return Frame(self.block, self.number, self.child, self.time, self.entry, *counts, tally, self.began)
