"""What a driver is: the verbs of an instrument, of cells in the daemon, and what some instruments can do besides."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from labctl.driver.program import Owner, Program
from labctl.driver.reply import Capabilities, Identity, ReadBack, Reading, Readings, Status

if TYPE_CHECKING:
    from labctl.sample import Batch


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
class Stepped(Protocol):
    """Cells that live in the daemon: time is given to them, and no verb takes any.

    The state of a cell belongs to the checkpoint of its run, and a cell goes back to the row that called for a command. Times
    are those of the running program, s.
    """

    async def open(self) -> Identity:
        """Say who answers."""

    async def close(self) -> None:
        """Let go of what was opened; cells stay as they are."""

    def capabilities(self, channel: str) -> Capabilities:
        """Return what a channel can do by itself."""

    def insert(self, channel: str, cell: Mapping[str, object], seed: int = 0) -> None:
        """Put the cell of a run on a channel: what of SIMULATED_CELL its file states.

        Raises:
            InstrumentError: There is no such cell.
        """

    def begin(self, channel: str, program: Program) -> ReadBack:
        """Run a program from where the cell is, now: from the last row that was read, or to which it was set back.

        Raises:
            InstrumentError: It cannot; the cell is left as it is.
        """

    def advance(self, channel: str, until: float, most: int = ...) -> Sequence[Reading]:
        """Return what there is up to `until` s after the program began, about `most` rows; nothing where that is all."""

    def ahead(self, channel: str) -> "Batch | None":
        """Return rows that are worked out and that `advance` would give next, whatever is asked: nothing else lies between them.

        None, or fewer than there are, is always right. They count as read when `skip` says so.
        """

    def skip(self, channel: str, count: int) -> None:
        """Stand after so many of the rows that `ahead` gave last, as if `advance` had given them."""

    def off(self, channel: str) -> None:
        """Leave the cell at open circuit; the program's time runs on."""

    def rewind(self, channel: str, time: float) -> None:
        """Go back to the row at this time, one of those read last."""

    def save(self, channel: str) -> bytes:
        """Return the state after the last row that was read, the program included, as JSON."""

    def restore(self, channel: str, state: bytes) -> None:
        """Go back to a saved state, within its program or with none.

        Raises:
            InstrumentError: It was saved by another version.
        """


@runtime_checkable
class Autonomous(Instrument, Protocol):
    """An instrument that goes on with its program when nobody listens, keeps what it records, and knows whose program it is.

    `apply` refuses to replace a program whose owner is of another journal, or not known. A program of the one mode `Foreign` is
    what runs already: nothing is begun or ended, and rows are given from then on.
    """

    timeout: float  # s that one reply may take

    async def drained(self, channel: str) -> bool:
        """Tell whether every record of the program that the channel ran last has been given; True of one that runs none."""

    async def attach(self, channel: str, attempt: int, after: float, step: int, owner: Owner | None = None) -> bool:
        """Take up the program that the channel runs, or has run, for an attempt; False if it did something else since.

        Args:
            channel: Of this instrument.
            attempt: For which the program was applied.
            after: Program time of the last row that is stored, s: only later rows are given.
            step: Index of the program step in which the engine stands: the end of an earlier one is not given again.
            owner: Who gave it; None takes anybody's.
        """


@runtime_checkable
class Translating(Instrument, Protocol):
    """An instrument that can tell beforehand whether it could run a program."""

    def translate(self, channel: str, program: Program) -> object:
        """Return what a program becomes on the wire; touches nothing, and needs no connection.

        Raises:
            InstrumentError: It cannot be said to the instrument; the message names the line.
        """


@runtime_checkable
class Placed(Instrument, Protocol):
    """An instrument that knows its channels before it is opened."""

    def channels(self) -> Sequence[str]:
        """Return what `at:` of a station file may be."""


@runtime_checkable
class Timed(Instrument, Protocol):
    """An instrument that tells no time, whose driver counts seconds itself."""

    def count_by(self, clock: Callable[[], float]) -> None:
        """Count by the station's clock from now on: seconds of any origin, never falling."""
