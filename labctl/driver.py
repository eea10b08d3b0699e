"""What an instrument offers: the only contract that a driver imports, with the ground floor.

An instrument is one connection with one or many channels. It runs *programs*: the longest run of plan steps that it can
hold by itself, with their ends, limits and record rules. A source meter holds one step, a potentiostat or a simulated cell
one step with its ends, a cycler a whole block. What a program cannot hold, the daemon watches at its poll rate.

Values are SI, positive current charges the cell; a driver converts at its wire and nowhere else. A driver has no clock, no
retry policy and no log: verbs state what should hold and confirm it by reading back, and every verb may be repeated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:  # who only plans needs no numpy: `labctl check` answers in half the time without it
    from labctl.sample import Batch, Floats, Snapshot

# --- what a step asks of the cell -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rest:
    """Open circuit in the high-impedance state."""


@dataclass(frozen=True, slots=True)
class Galvanostatic:
    """Constant current: amperes, positive charges."""

    current: float


@dataclass(frozen=True, slots=True)
class Potentiostatic:
    """Constant voltage: volts; `most` is the magnitude of current in amperes that it may draw, None for the limits'."""

    voltage: float
    most: float | None = None


@dataclass(frozen=True, slots=True)
class ConstantPower:
    """Constant power: watts, positive charges."""

    power: float


@dataclass(frozen=True, slots=True)
class ConstantLoad:
    """A load: ohms, discharging."""

    resistance: float


@dataclass(frozen=True, slots=True)
class Sweep:
    """A linear voltage sweep from `start` to `end` (volts) at `rate` (V/s, positive); it ends at `end`."""

    start: float
    end: float
    rate: float


@dataclass(frozen=True, slots=True)
class Profile:
    """A table of set-points, each held until the next one's time; the last row only ends it.

    Attributes:
        times: Seconds from the step's begin, increasing.
        values: Amperes or watts, positive charges.
        quantity: Which of the two.
    """

    times: tuple[float, ...]
    values: tuple[float, ...]
    quantity: Literal["current", "power"] = "current"


@dataclass(frozen=True, slots=True)
class Spectrum:
    """An impedance spectrum.

    Attributes:
        frequencies: Hertz, in the order to be measured.
        amplitude: Peak amplitude: volts if potentiostatic, else amperes.
        potentiostatic: Which of the two is controlled.
        bias: Direct voltage (potentiostatic; None is the open circuit) or direct current.
    """

    frequencies: tuple[float, ...]
    amplitude: float
    potentiostatic: bool = True
    bias: float | None = None


@dataclass(frozen=True, slots=True)
class Bend:
    """A bending stage: angle in radians and radius in metres to reach, `times` there and back before."""

    angle: float | None = None
    radius: float | None = None
    times: int = 1


@dataclass(frozen=True, slots=True)
class Chamber:
    """A temperature chamber: kelvin to reach and keep within `within` kelvin for `soak` seconds."""

    temperature: float
    within: float = 1.0
    soak: float = 0.0


Mode: TypeAlias = (
    Rest | Galvanostatic | Potentiostatic | ConstantPower | ConstantLoad | Sweep | Profile | Spectrum | Bend | Chamber
)

# --- a program --------------------------------------------------------------------------------------------------------

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
class Program:
    """What one channel is to do until the daemon says more.

    Attributes:
        attempt: Identity of the application; an instrument that runs by itself stores it and gives it back in `status`.
        steps: Steps in order, with loops where the instrument holds them.
        label: Free text for the instrument's own display or barcode.
    """

    attempt: int
    steps: tuple[ProgramStep | Loop, ...]
    label: str = ""


# --- what an instrument says ------------------------------------------------------------------------------------------


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
        rewindable: `save` and `restore` exist: rows beyond a command are undone rather than counted.
        records: It applies the record rules and counts charge by itself; its rows pass the meter as they are.
        modes: Names of the modes it can run, as in this file.
        ends: Quantities whose thresholds it locates by itself.
        limits: Bounds that it holds by itself and reads back: of voltage, current, temperature, charge.
        measures: Of voltage, current, temperature.
        most_steps: Steps of the longest program.
        loops: It holds loops inside a program.
        voltage: What it can source and measure, (low, high) in V.
        current: The same in A.
        voltage_accuracy: V; a breach of a limit lies beyond it by more than this.
        current_accuracy: A.
        poll_at_most: Seconds between two reads that it can bear, at least.
        lease: Seconds after which it goes safe by itself when nobody speaks to it, or None.
        verified: Somebody ran this driver on hardware.
    """

    energises: bool = True
    rewindable: bool = False
    records: bool = False
    modes: frozenset[str] = frozenset({"Rest", "Galvanostatic"})
    ends: frozenset[str] = frozenset()
    limits: frozenset[str] = frozenset()
    measures: frozenset[str] = frozenset({"voltage", "current"})
    most_steps: int = 1
    loops: bool = False
    voltage: tuple[float, float] = (-10.0, 10.0)
    current: tuple[float, float] = (-1.0, 1.0)
    voltage_accuracy: float = 1e-3
    current_accuracy: float = 1e-6
    poll_at_most: float = 0.1
    lease: float | None = None
    verified: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """What a channel is doing, for adoption after a restart: idle, running a known program, or something else."""

    activity: Literal["idle", "running", "unknown"]
    attempt: int | None = None
    step: int | None = None
    last_record: int | None = None
    text: str = ""


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


Reading: TypeAlias = "Batch | Points | Ended | Fault"


@dataclass(frozen=True, slots=True)
class Readings:
    """All that one read of a connection found: one snapshot over its simple channels, and the rest by channel in order."""

    snapshot: "Snapshot | None" = None
    by_channel: Mapping[str, Sequence[Reading]] = field(default_factory=dict)


@runtime_checkable
class Instrument(Protocol):
    """One connection, one or many channels.

    A class named by an entry point of the group `labctl.drivers` is called with the keys of its entry in the station file
    as keyword arguments. Every verb raises `labctl.errors.InstrumentError` and nothing else.
    """

    async def open(self) -> Identity:
        """Connect, resynchronise and say who answers; touches no output."""

    async def close(self) -> None:
        """Disconnect; touches no output."""

    def capabilities(self, channel: str) -> Capabilities:
        """Return what a channel can do by itself; known once open."""

    async def status(self, channel: str) -> Status:
        """Return what a channel is doing."""

    async def apply(self, channel: str, program: Program) -> ReadBack:
        """Make the channel run a program instead of whatever it did, limits first, and return what was read back."""

    async def read(self, channels: Sequence[str]) -> Readings:
        """Return all that is new on these channels since the last read, each channel's readings in order."""

    async def output_off(self, channel: str) -> None:
        """Leave the channel at open circuit; needs no prior state."""


@runtime_checkable
class Rewindable(Instrument, Protocol):
    """A simulated cell in the daemon: its state belongs to the run's checkpoint."""

    def save(self, channel: str) -> bytes:
        """Return the state after the last row that was read, as JSON."""

    def restore(self, channel: str, state: bytes) -> None:
        """Go back to a saved state, within the running program or with none."""

    def rewind(self, channel: str, time: float) -> None:
        """Go back to the row at this time (s since the program began), one of those read last."""


@runtime_checkable
class Autonomous(Instrument, Protocol):
    """An instrument that goes on with its program when nobody listens, and keeps what it records."""

    async def attach(self, channel: str, attempt: int, after: float, step: int) -> bool:
        """Take up the program that the channel runs, or has run, for an attempt; False if it did something else since.

        Args:
            channel: Of this instrument.
            attempt: For which the program was applied.
            after: Program time of the last row that is stored, s: only later rows are given.
            step: Index of the program step in which the engine stands: the end of an earlier one is not given again.
        """
