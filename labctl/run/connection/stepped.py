"""Runs on cells to which time is given: commands act at the instant of the row that called for them."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from labctl.driver import Stepped
from labctl.engine.input import Apply, Began
from labctl.errors import InternalError
from labctl.run.connection.executor import Executor, Recorder
from labctl.run.connection.reading import take_said
from labctl.run.quiet_ahead import QuietColumns
from labctl.run.session import RunSession
from labctl.sample import Batch

ROWS = 4096  # of one read
WORTH = 20  # quiet rows ahead for which looking ahead is worth its while
SELDOM = 10  # turns until the next look, where there were fewer
T = TypeVar("T")


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing to its end, with a loop or without.

    Raises:
        InternalError: It waits for something.
    """
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise InternalError("wanted a verb of cells in the daemon, which takes no time, found one that waits")


class SteppedExecutor(Executor["SteppedRun"]):
    """Carries commands out on cells to which time is given: nothing is waited for, and nothing energises."""

    def __init__(
        self, source: Stepped, recorder: Recorder | None = None, left: "Callable[[SteppedRun], None] | None" = None
    ) -> None:
        """Take the cells, who stores, and who is told when a run has ended."""
        super().__init__(recorder)
        self.source = source
        self._left = left

    async def give(self, run: "SteppedRun", apply: Apply) -> Began:
        """Begin a program at the last row."""
        read_back = self.source.begin(run.channel, apply.program)
        return Began(apply.attempt, run.session.state.last.time, read_back.values)

    async def switch_off(self, run: "SteppedRun") -> None:
        """Leave the cell at open circuit."""
        self.source.off(run.channel)

    async def may_give(self, run: "SteppedRun", apply: Apply) -> bool:
        """Give it: the cell's state and what led to it are one commit."""
        del run, apply
        return True

    def rest(self, run: "SteppedRun") -> None:
        """Note nothing: the cell counts by itself."""

    def move(self, run: "SteppedRun", apply: Apply) -> None:
        """Begin the program of a stage or a chamber, which is the simulated channel's own; its cell rests meanwhile."""
        self.source.begin(run.channel, apply.program)
        run.session.rebase()

    def watch(self, run: "SteppedRun") -> None:
        """Watch nothing: every row is folded."""

    async def leave(self, run: "SteppedRun") -> None:
        """Tell that a run has ended."""
        if self._left is not None:
            self._left(run)

    def lost(self, error: Exception) -> None:
        """Refuse: cells in the daemon cannot be lost."""
        raise InternalError(f"wanted cells in the daemon, found a line that broke: {error}")


class SteppedRun:
    """A run on a channel of such cells.

    Attributes:
        session: What folds it.
        channel: Of the cells.
        name: Of the channel, for people.
        settled: The last read gave all that there is up to its time.
    """

    def __init__(self, session: RunSession, executor: SteppedExecutor, channel: str, name: str = "") -> None:
        """Join them."""
        self.session = session
        self.channel = channel
        self.name = name or channel
        self.settled = False
        self._unquiet = 0  # turns for which it is not worth while to look ahead
        self._executor = executor
        session.save = self.save

    def save(self, session: RunSession) -> bytes:
        """Return the resume point as of the last row."""
        return session.mark(self._executor.source.save(self.channel))

    def obey(self) -> None:
        """Carry every command out."""
        if self.session.commands:
            at_once(self._executor.settle(self))

    def look_ahead(self, columns: QuietColumns, place: int) -> None:
        """Put rows that are worked out already, and matter to nobody, in a place, to be taken as they are when their time comes."""
        if self._unquiet:
            self._unquiet -= 1
            return
        session, source = self.session, self._executor.source
        batch = source.ahead(self.channel)
        if batch is None:
            return
        count = session.expect(session.metered(batch), columns, place, partial(source.skip, self.channel))
        self._unquiet = 0 if count >= WORTH else SELDOM

    def forward(self, until: float = float("inf"), most: int = ROWS) -> int:
        """Read once up to run time `until`, fold and obey; return the number of readings, 0 when there is nothing more.

        `settled` tells whether that was all that there is up to then.
        """
        session, source = self.session, self._executor.source
        session.leave_quiet()
        readings = source.advance(self.channel, until - session.begun, most)
        self.settled = len(readings) <= 1
        for reading in readings:
            match reading:
                case Batch():
                    taken = session.take_rows(session.metered(reading))
                    if session.commands or session.finish or taken < len(reading):
                        if taken:
                            source.rewind(self.channel, float(reading.time[taken - 1]))
                        break
                    self.settled &= len(reading) < most
                case said:
                    self.settled = False
                    take_said(session, said)
            if session.commands or session.finish:
                break
        self.settled &= not session.commands
        self.obey()
        return len(readings)
