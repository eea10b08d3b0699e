"""What the supervisor asks of a connection, however the time of its instrument goes."""

from collections.abc import Mapping
from typing import Protocol

from labctl.driver import Capabilities
from labctl.engine.input import Order
from labctl.plan.runnable import Translate
from labctl.run.channel import Channel
from labctl.run.resume_point import ResumePoint, Saved
from labctl.run.session import RunSession


class Connection(Protocol):
    """One instrument of the station and the channels at it."""

    name: str

    async def open(self) -> None:
        """Reach the instrument and check who answers.

        Raises:
            InstrumentError: It does not answer.
        """

    async def run(self) -> None:
        """Serve the channels until cancelled."""

    async def close(self) -> None:
        """Leave every channel as the end of the daemon should, and disconnect."""

    def capabilities(self, channel: Channel) -> Capabilities:
        """Return what a channel can do by itself."""

    def translate(self, channel: Channel) -> Translate | None:
        """Return how the instrument of a channel would be told a program, None where it does not say beforehand."""

    async def ready(self, channel: Channel) -> None:
        """See that a run could begin, before it is made.

        Raises:
            InstrumentError: The instrument does not answer.
        """

    async def prepare(self, channel: Channel, cell: Mapping[str, object], seed: int, source: Saved) -> None:
        """Make ready for a run: a simulated cell is put in, or set back to `source`."""

    async def begin(self, channel: Channel, session: RunSession, roles: tuple[str, ...]) -> None:
        """Begin a run that has not begun."""

    async def adopt(self, channel: Channel, session: RunSession, point: ResumePoint) -> None:
        """Go on with a run that stands in the journal."""

    async def look(self, channel: Channel) -> None:
        """Make sure that a channel without a run is off."""

    async def order(self, channel: Channel, order: Order) -> None:
        """Let an order take effect: stop and pause act first, whatever else is committed before it acts."""

    async def take_over(self, channel: Channel, by: str) -> str:
        """Make what the instrument runs on a channel, and this station did not start, a run of this station; say what it is.

        Raises:
            OrderRefused: Nothing foreign runs there.
        """

    async def let_go(self, channel: Channel, by: str) -> str:
        """Forget what the instrument runs on a channel, stop nothing, and say what was let go.

        Raises:
            OrderRefused: There is nothing to let go.
        """
