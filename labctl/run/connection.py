"""What the supervisor asks of a connection, however the time of its instrument goes."""

from collections.abc import Mapping
from typing import Protocol

from labctl.driver import Capabilities
from labctl.engine.input import Order
from labctl.run.bookmark import Bookmark
from labctl.run.course import Course
from labctl.run.seat import Seat


class Connection(Protocol):
    """One instrument of the station and the seats at it."""

    name: str

    async def open(self) -> None:
        """Reach the instrument and check who answers.

        Raises:
            InstrumentError: It does not answer.
        """

    async def run(self) -> None:
        """Serve the seats until cancelled."""

    async def close(self) -> None:
        """Leave every channel as the end of the daemon should, and disconnect."""

    def capabilities(self, seat: Seat) -> Capabilities:
        """Return what a channel can do by itself."""

    async def ready(self, seat: Seat) -> None:
        """See that a run could begin, before it is made.

        Raises:
            InstrumentError: The instrument does not answer.
        """

    async def prepare(self, seat: Seat, cell: Mapping[str, object], seed: int, source: bytes | None) -> None:
        """Make ready for a run: a simulated cell is put in, or set back to `source`."""

    async def begin(self, seat: Seat, course: Course, roles: tuple[str, ...]) -> None:
        """Begin a run that has not begun."""

    async def adopt(self, seat: Seat, course: Course, found: Bookmark) -> None:
        """Go on with a run that stands in the journal."""

    async def look(self, seat: Seat) -> None:
        """Make sure that a channel without a run is off."""

    async def order(self, seat: Seat, order: Order) -> None:
        """Let an order take effect: stop and pause act first, whatever else is committed before it acts."""
