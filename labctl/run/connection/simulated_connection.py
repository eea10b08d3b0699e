"""The connection of simulated cells in the daemon: they are told the time, paced by the clock or as fast as it goes.

With many channels each hands over its quiet rows once a second: one half of them at one tick, the other half at the next. A tick
and its commit find the processor's caches filled by others, so that few of them with many rows each cost less a row than many. With
thousands of channels each does so less often: every page of the journal that rows of a run go to is written with each commit, and
one that takes two rows of it at a time costs the disk half.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from labctl.clock import Clock
from labctl.driver import Capabilities, Stepped
from labctl.engine.input import Order
from labctl.errors import InternalError
from labctl.plan.runnable import Translate
from labctl.run.channel import Channel
from labctl.run.connection.foreign import nothing_foreign
from labctl.run.connection.stepped import SteppedExecutor, SteppedRun, at_once
from labctl.run.quiet_ahead import Places, QuietColumns
from labctl.run.resume_point import ResumePoint, Saved
from labctl.run.session import RunSession
from labctl.run.sink import Sink
from labctl.sample import Batch
from labctl.store.entry import Item

LOG = logging.getLogger("labctl.run")
TICK = 0.1  # s of the machine between two looks
CROWD = 100  # running channels above which each is looked at in one of several slots
CROWD_TICK = 0.5  # s of the machine between two of them
SLOTS = 2  # at least
SLOT_CHANNELS = 2500  # at most
CATCH_UP = 64  # reads of one channel in one tick


class SimulatedConnection:
    """Cells to which time is given, and the runs at them."""

    def __init__(self, name: str, source: Stepped, clock: Clock, sink: Sink, ended: Callable[[Channel], None]) -> None:
        """Join them; `ended` is called when the run of a channel has ended."""
        self.name = name
        self.source = source
        self.clock = clock
        self.sink = sink
        self.lateness: deque[float] = deque(maxlen=100_000)  # of ticks, s of the clock
        self._ended = ended
        self._runs: dict[str, SteppedRun] = {}
        self._channels: list[Channel] = []
        self._quiet = QuietColumns()
        self._place_of: dict[str, int] = {}
        self._turns: list[tuple[Places, list[Channel]]] = []  # slot by slot, as long as no channel comes or goes
        self._channel_of: dict[str, Channel] = {}
        self._recorder = _Turn(sink)
        self._executor = SteppedExecutor(source, self._recorder, self._leave)
        self._wake = asyncio.Event()

    # --- runs come and go ---

    async def open(self) -> None:
        """Say that it is there."""
        await self.source.open()

    async def close(self) -> None:
        """Leave the cells as they are: their states lie in the checkpoints of their runs."""
        await self.source.close()

    def capabilities(self, channel: Channel) -> Capabilities:
        """Return what a channel can do by itself."""
        return self.source.capabilities(channel.at)

    def translate(self, channel: Channel) -> Translate | None:
        """Return nothing: a simulated cell does every mode that it has."""
        del channel
        return None

    async def ready(self, channel: Channel) -> None:
        """Be ready: cells in the daemon always are."""

    async def prepare(self, channel: Channel, cell: Mapping[str, object], seed: int, source: Saved) -> None:
        """Put the cell of a run in, as it was left: where it was saved, and then after the rows that it gave since."""
        self.source.insert(channel.at, cell, seed)
        if source.state is None:
            return
        self.source.restore(channel.at, source.state)
        left = source.behind
        while left > 0:
            rows = self.source.advance(channel.at, math.inf, left)
            count = sum(len(each) for each in rows if isinstance(each, Batch))
            if not 0 < count <= left:
                raise InternalError(f"wanted {left} rows again of the cell on {channel.name}, found {count}")
            left -= count

    async def look(self, channel: Channel) -> None:
        """Nothing is there that could be on."""

    async def begin(self, channel: Channel, session: RunSession, roles: tuple[str, ...]) -> None:
        """Begin a run that has not begun, and let it go on from then."""
        run = self._take(channel, session)
        session.begin(self.source.capabilities(channel.at), roles)
        self._act(run, run.obey)
        self._recorder.end()
        self._serve(channel, session)

    async def adopt(self, channel: Channel, session: RunSession, point: ResumePoint) -> None:
        """Let a run go on that stands in the journal; its cell has been set back to the same row, and its time stood still."""
        self._take(channel, session)
        text = f"the daemon came back; run and simulated cell went on from row {session.next_record - 1}"
        text += f"; {point.cut}" if point.cut else ""
        session.take(Order("note", "", "labctl", text))
        self.sink.hand_over(session.hand_over())
        self._serve(channel, session)

    def _take(self, channel: Channel, session: RunSession) -> SteppedRun:
        run = SteppedRun(session, self._executor, channel.at, channel.name)
        self._runs[channel.name], self._channel_of[channel.name] = run, channel
        return run

    def _serve(self, channel: Channel, session: RunSession) -> None:
        channel.origin = self.clock.now() - session.state.last.time
        if session.finish is None:
            self._channels.append(channel)
            place = self._place_of[channel.name] = self._quiet.enter()
            self._quiet.origin[place] = channel.origin
            self._turns = []
        self._wake.set()

    async def order(self, channel: Channel, order: Order) -> None:
        """Let an order take effect at the row that is due now."""
        run = self._runs[channel.name]
        if not self.clock.fast:
            self._forward(channel, run, self.clock.now())
        if channel.session is not None:
            self._act(run, lambda: self._obey(run, order))
        self._recorder.end()
        self._wake.set()

    @staticmethod
    def _obey(run: SteppedRun, order: Order) -> None:
        run.session.take(order)
        run.obey()

    async def take_over(self, channel: Channel, by: str) -> str:
        """Refuse: nothing foreign runs here."""
        del by
        raise nothing_foreign(channel, "adopt")

    async def let_go(self, channel: Channel, by: str) -> str:
        """Refuse: nothing foreign runs here."""
        del by
        raise nothing_foreign(channel, "release")

    # --- time goes on ---

    async def run(self) -> None:
        """Serve the channels until cancelled."""
        while True:
            if self.clock.fast:
                await self._as_fast_as_it_goes()
            else:
                await self._paced()

    async def _as_fast_as_it_goes(self) -> None:
        self._wake.clear()
        moved = False
        for channel in list(self._channels):
            run = self._runs[channel.name]
            if channel.session is run.session and _goes_by_itself(run.session):
                moved |= self._act(run, run.forward) > 0
                self._recorder.end()
                await self.sink.room()
                await asyncio.sleep(0)  # let the others have their turn
        if not moved:
            await self._wake.wait()

    async def _paced(self) -> None:
        due, tick = self.clock.now(), 0
        while True:
            await self.clock.until(due)
            now = self.clock.now()
            self.lateness.append(now - due)
            for channel in self._pass_quiet(self._turn(tick), now):
                self._forward(channel, self._runs[channel.name], now)
            self._recorder.end()
            self.sink.hurry()
            await self.sink.room()
            tick += 1
            period = (CROWD_TICK if slots_of(len(self._channels)) > 1 else TICK) * self.clock.speed
            due = max(due + period, self.clock.now() - period)

    def _turn(self, tick: int) -> tuple[Places, list[Channel]]:
        """Return whose turn it is: neighbours, since their rows and checkpoints lie on the same pages of the journal."""
        if not self._turns:
            count = len(self._channels)
            slots = slots_of(count)
            for slot in range(slots):
                channels = self._channels[slot * count // slots : (slot + 1) * count // slots]
                channels.sort(key=lambda channel: self._runs[channel.name].session.run_id)
                places = np.array([self._place_of[channel.name] for channel in channels], np.intp)
                self._turns.append((places, channels))
        return self._turns[tick % len(self._turns)]

    def _pass_quiet(self, turn: tuple[Places, list[Channel]], now: float) -> list[Channel]:
        """Hand over the rows of all channels on which nothing can happen until now, as columns; return the other channels."""
        places, channels = turn
        rows, matters = self._quiet.take(places, now)
        if rows is not None:
            self._recorder.hand_over([rows])
        return [channels[other] for other in np.flatnonzero(matters)]

    def _forward(self, channel: Channel, run: SteppedRun, now: float) -> None:
        until = now - channel.origin
        for _ in range(CATCH_UP):
            moved = self._act(run, lambda: run.forward(until))
            if channel.session is not run.session:
                return
            if not moved or run.settled:
                break
        self._act(run, lambda: run.look_ahead(self._quiet, self._place_of[channel.name]))

    def _act(self, run: SteppedRun, act: Callable[[], int | None]) -> int:
        """Do something to one run; whatever it raises ends that run alone, safely."""
        try:
            run.session.leave_quiet()
            moved = act() or 0
        except Exception as error:  # noqa: BLE001 - whatever goes wrong fails this channel
            at_once(self._executor.fail(run, error))
            return 0
        self._executor.hand_over(run)
        if run.session.finish is not None:
            self._leave(run)
        return moved

    def _leave(self, run: SteppedRun) -> None:
        if self._runs.get(run.name) is not run:
            return
        del self._runs[run.name]
        channel = self._channel_of[run.name]
        if channel in self._channels:
            self._channels.remove(channel)
            self._quiet.leave(self._place_of.pop(channel.name))
            self._turns = []
        self._ended(channel)


def slots_of(channels: int) -> int:
    """Return in how many turns so many channels are looked at."""
    return max(SLOTS, math.ceil(channels / SLOT_CHANNELS)) if channels > CROWD else 1


class _Turn:
    """What the runs of one turn hand over, given to the journal in one piece: its lock is taken once a tick, not once a channel."""

    def __init__(self, sink: Sink) -> None:
        """Collect for a journal's writer."""
        self._sink = sink
        self._entries: list[Item] = []

    def hand_over(self, entries: Sequence[Item]) -> None:
        """Keep entries until the end of the turn."""
        self._entries += entries

    def fail(self, run_id: int, record: int, time: float, why: str) -> None:
        """End a run that the engine cannot end any more, after what it handed over."""
        self.end()
        self._sink.fail(run_id, record, time, why)

    def end(self) -> None:
        """Give the journal what was kept."""
        entries, self._entries = self._entries, []
        if entries:
            self._sink.hand_over(entries)


def _goes_by_itself(session: RunSession) -> bool:
    """Tell whether virtual time can go on: it stands still while a run waits for a person."""
    return session.state.phase in {"running", "leaving"} and session.state.activity != "waiting"
