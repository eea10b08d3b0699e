"""A program: the longest run of plan steps that an instrument can hold by itself, with ends, limits and record rules."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from labctl.driver.modes import Mode

Watched: TypeAlias = Literal["time", "voltage", "current", "charge", "power"]


@dataclass(frozen=True, slots=True)
class Threshold:
    """An end that an instrument can hold: the step ends when `quantity` lies beyond `value`.

    `time` is the step's own in s, `charge` the magnitude passed in the step in C, `voltage` signed in V, `current` and
    `power` magnitudes in A and W. `number` is the index of the end in the plan's line, by which `Ended` names it.
    """

    quantity: Watched
    above: bool
    value: float
    number: int


@dataclass(frozen=True, slots=True)
class RecordRule:
    """A row is written when `every` seconds have passed or voltage (V) or current (A) moved by as much; None asks nothing.

    `until` is the step time in seconds up to which the rule holds; the next rule of the list follows.
    """

    every: float | None = None
    voltage: float | None = None
    current: float | None = None
    until: float | None = None


OPEN = 1e6
"""A side of a limit that nobody has set, in V, A or K with its sign: as far as any number of a battery laboratory."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """A safety envelope: (low, high) in V, A, K, and the most charge in C that any one step may pass; None is unbounded."""

    voltage: tuple[float, float] | None = None
    current: tuple[float, float] | None = None
    temperature: tuple[float, float] | None = None
    charge: float | None = None


@dataclass(frozen=True, slots=True)
class ProgramStep:
    """One step of a program: `line` is the plan's line (BDF `step_id`)."""

    line: int
    mode: Mode
    ends: tuple[Threshold, ...] = ()
    record: tuple[RecordRule, ...] = ()
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True, slots=True)
class Loop:
    """Go back to the step at index `to` until its block has been done `passes` times in all."""

    to: int
    passes: int


@dataclass(frozen=True, slots=True)
class Span:
    """Ends that count over several steps together, from the begin of the first to the end of the last.

    Attributes:
        first: Index of the first step.
        last: Index of the last one; what follows it is next when one of the ends is met.
        ends: Their `time` and `charge` are those of the steps together.
    """

    first: int
    last: int
    ends: tuple[Threshold, ...]


OWNER_DIGITS = 8  # of a uuid that an instrument keeps at least


@dataclass(frozen=True, slots=True)
class Owner:
    """Who gave a program: uuids of the journal and of the run; an instrument may give back only their begins."""

    journal: str
    run: str = ""

    def within(self, journal: str, run: str = "") -> bool:
        """Tell whether it names this journal, and this run if one is given, by uuids that may have been cut short."""
        return _begins(journal, self.journal) and (not run or _begins(run, self.run))


def _begins(whole: str, begin: str) -> bool:
    text = begin.replace("-", "")
    return len(text) >= OWNER_DIGITS and whole.replace("-", "").startswith(text)


@dataclass(frozen=True, slots=True)
class Program:
    """What one channel is to do until the daemon says more.

    Attributes:
        attempt: Identity of the application; an instrument that runs by itself stores it and gives it back in `status`.
        steps: Steps in order, with loops where the instrument holds them.
        label: Free text for the instrument's own display or barcode.
        spans: Ends over several steps, where the instrument holds such (`Capabilities.spans`).
        owner: Who gives it; an instrument that runs by itself stores it and gives it back in `status`.
    """

    attempt: int
    steps: tuple[ProgramStep | Loop, ...]
    label: str = ""
    spans: tuple[Span, ...] = ()
    owner: Owner | None = None
