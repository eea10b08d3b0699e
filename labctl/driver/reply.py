"""What an instrument says: who it is, what it can do, what it does, and what it has measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from labctl.driver.program import Owner

if TYPE_CHECKING:  # who only plans needs no numpy: `labctl check` answers in half the time without it
    from labctl.sample import Batch, ChannelRows, Floats, Snapshot


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answered: an instrument is its serial number, never its port."""

    make: str
    model: str
    serial: str = ""
    firmware: str = ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a channel can do by itself.

    Attributes:
        energises: A set-point moves real charge, so an intent is committed before it. False only for a simulated cell
            whose state lies in the run's checkpoint.
        records: It applies the record rules and counts charge by itself; its rows pass the meter as they are.
        modes: Names of the modes it can run, as in this file.
        ends: Quantities whose thresholds it locates by itself.
        holds: By the name of a mode, which of them it locates in that mode: `time` on either side, `time>` above or `voltage<`
            below a value alone, `voltage~` on the side towards which the step drives. A mode that is not named locates all.
        limits: Bounds that it holds by itself and reads back: of voltage, current, temperature, charge.
        measures: Of voltage, current, temperature.
        most_steps: Steps of the longest program.
        loops: It holds loops inside a program.
        spans: It runs a current and the hold of its cut-off as one step, under ends that count over both.
        clips: It holds the voltage at an edge within a profile, and goes on with the profile.
        compliance: It holds a held voltage back at its current; without it the limits of current end the run.
        bounded: What it runs by itself stays within every budget and limit of the plan; False only of runs that began before
            programs were cut so.
        voltage: What it can source and measure, (low, high) in V.
        current: The same in A.
        voltage_accuracy: V; a breach of a limit lies beyond it by more than this.
        current_accuracy: A.
        poll_at_most: Seconds between two reads that it can bear, at least.
        row_at_most: Seconds between two rows that it can record by itself, at least; 0 where it gives a row a read.
    """

    energises: bool = True
    records: bool = False
    modes: frozenset[str] = frozenset({"Rest", "Galvanostatic"})
    ends: frozenset[str] = frozenset()
    holds: Mapping[str, frozenset[str]] = field(default_factory=dict)
    limits: frozenset[str] = frozenset()
    measures: frozenset[str] = frozenset({"voltage", "current"})
    most_steps: int = 1
    loops: bool = False
    spans: bool = False
    clips: bool = False
    compliance: bool = True
    bounded: bool = True
    voltage: tuple[float, float] = (-10.0, 10.0)
    current: tuple[float, float] = (-1.0, 1.0)
    voltage_accuracy: float = 1e-3
    current_accuracy: float = 1e-6
    poll_at_most: float = 0.1
    row_at_most: float = 0.0


@dataclass(frozen=True, slots=True)
class Status:
    """What a channel is doing, for adoption after a restart: idle, running a known program, or something else.

    `owner` is who gave the program that it runs, as far as the instrument can tell; None where it cannot, or nobody of ours.
    """

    activity: Literal["idle", "running", "unknown"]
    attempt: int | None = None
    step: int | None = None
    last_record: int | None = None
    text: str = ""
    owner: Owner | None = None


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What holds after `apply`, as the instrument reports it: free names, SI values."""

    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Points:
    """Part of a spectrum, as columns: hertz, ohms (imaginary part signed), and the direct values while measuring."""

    time: "Floats"
    frequency: "Floats"
    real: "Floats"
    imaginary: "Floats"
    voltage: "Floats"
    current: "Floats"
    step: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """The instrument ended a step of the program by itself.

    Attributes:
        step: Index in the program.
        time: Seconds since the program began.
        end: Number of the threshold that was met, or None if the step came to its own end (sweep, profile, spectrum).
        why: The instrument's own words.
    """

    step: int
    time: float
    end: int | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something is wrong with the channel; `safe` says whether its output is known to be off."""

    why: str
    safe: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """The channel is not as it was set, as its settings read back: somebody changed it at the instrument's panel."""

    why: str


Reading: TypeAlias = "Batch | Points | Ended | Fault | Changed"


@dataclass(frozen=True, slots=True)
class Readings:
    """All that one read of a connection found.

    Attributes:
        snapshot: One row of each of its simple channels.
        by_channel: What else was found, in order.
        recorded: Rows of channels that record by themselves, each before what else was found of its channel.
    """

    snapshot: "Snapshot | None" = None
    by_channel: Mapping[str, Sequence[Reading]] = field(default_factory=dict)
    recorded: "ChannelRows | None" = None

    def of(self, channel: str) -> Sequence[Reading]:
        """Return what was found of a channel in order, but for its row in the snapshot."""
        others = self.by_channel.get(channel, ())
        if self.recorded is None or (place := self.recorded.place_of(channel)) is None:
            return others
        return (self.recorded.of(place), *others)
