"""The connection of simulated cells in the daemon: they are told the time, paced by the clock or as fast as it goes.

With many channels each hands over its quiet rows once a second in its own of ten slots, so that a tick reads a tenth of them.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping

from labctl.clock import Clock
from labctl.driver import Capabilities
from labctl.engine.input import InstrumentFault, Order
from labctl.errors import LabctlError
from labctl.run.bookmark import Bookmark
from labctl.run.course import Course
from labctl.run.seat import Seat
from labctl.run.sink import Sink
from labctl.run.source import Rider, Told
from labctl.store.entry import Entry

LOG = logging.getLogger("labctl.run")
TICK = 0.1  # s of the machine between two looks
SLOTS = 10
CROWD = 100  # running channels above which slots are used
CATCH_UP = 64  # reads of one channel in one tick


class Bench:
    """One told source and the seats at it."""

    def __init__(self, name: str, source: Told, clock: Clock, sink: Sink, ended: Callable[[Seat], None]) -> None:
        """Join them; `ended` is called when the run of a seat has ended."""
        self.name = name
        self.source = source
        self.clock = clock
        self.sink = sink
        self.lateness: deque[float] = deque(maxlen=100_000)  # of ticks, s of the clock
        self._ended = ended
        self._riders: dict[str, Rider] = {}
        self._seats: list[Seat] = []
        self._said: list[Entry] = []  # of this turn, to be handed over at its end
        self._wake = asyncio.Event()

    # --- runs come and go ---

    async def open(self) -> None:
        """Say that it is there."""
        await self.source.open()

    async def close(self) -> None:
        """Leave the cells as they are: their states lie in the checkpoints of their runs."""
        await self.source.close()

    def capabilities(self, seat: Seat) -> Capabilities:
        """Return what a channel can do by itself."""
        return self.source.capabilities(seat.at)

    async def ready(self, seat: Seat) -> None:
        """Be ready: cells in the daemon always are."""

    async def prepare(self, seat: Seat, cell: Mapping[str, object], seed: int, source: bytes | None) -> None:
        """Put the cell of a run in, as it was left."""
        self.source.insert(seat.at, cell, seed)
        if source is not None:
            self.source.restore(seat.at, source)

    async def look(self, seat: Seat) -> None:
        """Nothing is there that could be on."""

    async def begin(self, seat: Seat, course: Course, roles: tuple[str, ...]) -> None:
        """Begin a run that has not begun, and let it go on from then."""
        rider = Rider(course, self.source, seat.at)
        self._riders[seat.name] = rider
        course.begin(self.source.capabilities(seat.at), roles)
        self._act(seat, rider, rider.obey)
        self._hand_over()
        self._seat(seat, course)

    async def adopt(self, seat: Seat, course: Course, found: Bookmark) -> None:
        """Let a run go on that stands in the journal; its cell has been set back to the same row, and its time stood still."""
        del found
        self._riders[seat.name] = Rider(course, self.source, seat.at)
        text = f"the daemon came back; run and simulated cell went on from row {course.next_record - 1}"
        course.take(Order("note", "", "labctl", text))
        self.sink.hand_over(course.hand_over())
        self._seat(seat, course)

    def _seat(self, seat: Seat, course: Course) -> None:
        seat.origin = self.clock.now() - course.state.last.time
        if course.finish is None:
            self._seats.append(seat)
        self._wake.set()

    async def order(self, seat: Seat, order: Order) -> None:
        """Let an order take effect at the row that is due now."""
        rider = self._riders[seat.name]
        if not self.clock.fast:
            self._forward(seat, rider, self.clock.now())
        if seat.course is not None:
            self._act(seat, rider, lambda: self._obey(rider, order))
        self._hand_over()
        self._wake.set()

    @staticmethod
    def _obey(rider: Rider, order: Order) -> None:
        rider.course.take(order)
        rider.obey()

    # --- time goes on ---

    async def run(self) -> None:
        """Serve the seats until cancelled."""
        while True:
            if self.clock.fast:
                await self._as_fast_as_it_goes()
            else:
                await self._paced()

    async def _as_fast_as_it_goes(self) -> None:
        self._wake.clear()
        moved = False
        for seat in list(self._seats):
            rider = self._riders[seat.name]
            if seat.course is rider.course and _goes_by_itself(rider.course):
                moved |= self._act(seat, rider, rider.forward) > 0
                self._hand_over()
                await self.sink.room()
                await asyncio.sleep(0)  # let the others have their turn
        if not moved:
            await self._wake.wait()

    async def _paced(self) -> None:
        period = TICK * self.clock.speed
        due, tick = self.clock.now(), 0
        while True:
            await self.clock.until(due)
            now = self.clock.now()
            self.lateness.append(now - due)
            for seat in self._turn(tick):
                self._forward(seat, self._riders[seat.name], now)
            self._hand_over()
            self.sink.hurry()
            await self.sink.room()
            tick += 1
            due = max(due + period, self.clock.now() - period)

    def _turn(self, tick: int) -> list[Seat]:
        """Return whose turn it is: neighbours, since their rows and checkpoints lie on the same pages of the journal."""
        count, slot = len(self._seats), tick % SLOTS
        return list(self._seats) if count <= CROWD else self._seats[slot * count // SLOTS : (slot + 1) * count // SLOTS]

    def _forward(self, seat: Seat, rider: Rider, now: float) -> None:
        until = now - seat.origin
        for _ in range(CATCH_UP):
            if (
                not self._act(seat, rider, lambda: rider.forward(until))
                or rider.settled
                or seat.course is not rider.course
            ):
                return

    def _act(self, seat: Seat, rider: Rider, act: Callable[[], int | None]) -> int:
        """Do something to one run; whatever it raises ends that run alone, safely."""
        course = rider.course
        try:
            moved = act() or 0
        except Exception as error:
            LOG.exception("channel %s failed", seat.name)
            self._fail(seat, rider, error)
            return 0
        self._said += course.hand_over()
        if course.finish is not None:
            self._leave(seat)
        return moved

    def _hand_over(self) -> None:
        """Give the journal what was said, all of it at once: its lock and its thread are asked once a tick, not once a channel."""
        said, self._said = self._said, []
        if said:
            self.sink.hand_over(said)

    def _fail(self, seat: Seat, rider: Rider, error: Exception) -> None:
        course = rider.course
        why = str(error) if isinstance(error, LabctlError) else f"{type(error).__name__}: {error}"
        self.source.off(seat.at)
        course.commands.clear()
        try:
            course.take(InstrumentFault(why, safe=True))
            course.commands.clear()
            self._said += course.hand_over()
        except Exception:
            LOG.exception("channel %s: the engine cannot take its fault", seat.name)
            self._hand_over()
            self.sink.fail(course.run_id, course.next_record - 1, course.state.last.time, why)
        self._leave(seat)

    def _leave(self, seat: Seat) -> None:
        if seat in self._seats:
            self._seats.remove(seat)
        self._riders.pop(seat.name, None)
        self._ended(seat)


def _goes_by_itself(course: Course) -> bool:
    """Tell whether virtual time can go on: it stands still while a run waits for a person."""
    return course.state.phase in {"running", "leaving"} and course.state.activity != "waiting"
