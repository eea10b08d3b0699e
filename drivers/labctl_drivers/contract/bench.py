"""What the suite must know of a driver and its emulator."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from labctl.driver import Bounds, Instrument, Stepped


class Bench(Protocol):
    """One driver connected to its emulator.

    Attributes:
        driver: The driver, not yet open.
        channel: The channel to use.
        bounds: An envelope inside which the emulated cell is at home, V and A.
        current: A current that the cell can bear, A.
    """

    driver: Instrument
    channel: str
    bounds: Bounds
    current: float

    async def start(self) -> None:
        """Start the emulator."""

    async def stop(self) -> None:
        """Stop it."""

    async def let_pass(self, seconds: float) -> None:
        """Let the emulator's time go on, and the line deliver what it has to say."""

    def truth(self) -> tuple[float, float]:
        """Return the voltage and current of the cell behind the emulator, V and A, whatever the wire says."""

    def fault(self, text: str) -> None:
        """Switch a fault on (`silence=1`, `pieces`, `merge`, `garbage=1`, `cut=1`, `hang`, `late=1`), or all off with "".

        Let the driver wait briefly for replies while a fault is on, and long while none is: a busy machine is no fault.
        """


@runtime_checkable
class Unpluggable(Bench, Protocol):
    """A bench whose line can be pulled."""

    async def unplug(self) -> None:
        """Pull the line out, and leave it so."""


@runtime_checkable
class Restartable(Bench, Protocol):
    """A bench whose instrument can restart as after a dip of its supply."""

    async def restart(self) -> None:
        """Let the instrument forget what it was doing; the line is what it then is."""


@runtime_checkable
class SteppedBench(Bench, Protocol):
    """A bench of cells to which time is given; its driver is a `SteppedInstrument`."""

    def make_stepped(self) -> Stepped:
        """Return the instrument anew, with a fresh cell on the channel."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a driver is excused from, with the reason; the suite prints it.

    Attributes:
        excused: Test name to reason.
        faults: Faults of the line that its transport can have.
    """

    excused: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[str, ...] = ("pieces", "merge", "silence=1", "garbage=1", "cut=1", "hang", "late=1")
