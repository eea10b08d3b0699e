"""The supervisor: what the faces (command line, HTTP, MQTT) ask of a station's channels and of the runs on them."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, MutableMapping, Sequence
from functools import partial
from pathlib import Path

from labctl.clock import Clock
from labctl.engine.input import Order
from labctl.errors import OrderRefused, UsageError
from labctl.run.alarms import Alarms
from labctl.run.analysis_order import ask_for_analyses
from labctl.run.aside import aside
from labctl.run.channel import Channel
from labctl.run.connection import Connection
from labctl.run.correction import Corrector
from labctl.run.edit import Editor
from labctl.run.orderbook import OrderBook, Reply
from labctl.run.orders import Orders
from labctl.run.queue import Queue
from labctl.run.queue_orders import QueueOrders
from labctl.run.recovery import Reconciler
from labctl.run.refusals import refusals_of
from labctl.run.request import (
    CorrectRequest,
    EditReply,
    EditRequest,
    Flat,
    OrderReply,
    QueueRequest,
    StartReply,
    StartRequest,
)
from labctl.run.roster import Roster
from labctl.run.sink import Sink
from labctl.run.starter import FILES_WITHIN, Starter
from labctl.run.texts import Texts
from labctl.run.why import why_of
from labctl.store.attachments import keep
from labctl.store.entry import StoredRun
from labctl.store.reader import Reader


class Supervisor:
    """Every channel of the station and the run on it. One event loop; no method blocks it.

    Every refusal is a `labctl.errors.LabctlError` whose message is meant for a person: `OrderRefused` (busy channel, nothing
    to resume), `FileError` (all findings of a file), `UsageError` (unknown channel or verb), `StoreError`.

    Attributes:
        book: The orders by their ids.
        alarms: What is wrong with the station as a whole.
        texts: What was handed over to be started by its digest.
        reload: Takes the station file anew; whoever put the daemon together says how.
    """

    def __init__(
        self,
        channels: Mapping[str, Channel],
        connections: Mapping[str, Connection],
        sink: Sink,
        reader: Callable[[], Reader],
        clock: Clock,
        alarms: Alarms | None = None,
    ) -> None:
        """Take the station as `daemon` made it; `reader` opens a reader of the journal, for one thread."""
        self.alarms = alarms or Alarms()
        self.reload: Callable[[], Awaitable[str]] = _no_file
        self._roster = Roster(channels, connections, sink, reader, clock)
        self._clock = clock
        self.book = OrderBook(sink)
        self._queue = Queue(self._roster)
        self.texts = Texts()
        self._starter = Starter(self._roster, self.book, self._queue, self.texts)
        self._queue_orders = QueueOrders(self._roster, self.book, self._starter, self._queue)
        self._orders = Orders(self._roster, self.book, self._starter, self._queue)
        self._corrector = Corrector(self._roster, self.book)
        self._editor = Editor(self._roster, self._starter, self._orders, self.texts)

    async def start(self, request: StartRequest) -> StartReply:
        """Load, check, compile and store a plan, and start it; see `Starter.start`."""
        return await self._starter.start(request)

    async def order(
        self,
        verb: str,
        target: str,
        order_id: str = "",
        by: str = "",
        text: str = "",
        run: str = "",
        step_seen: int | None = None,
    ) -> OrderReply:
        """Give an order to the run on a channel and answer once it is committed; see `Orders.give`."""
        return await self._orders.give(Order(verb, order_id, by, text, step_seen), target, run)  # type: ignore[arg-type]

    async def attach(self, path: str) -> str:
        """Keep a file beside the journal and return how a remark names it; off the loop, since it may lie on a share.

        Raises:
            UsageError: It cannot be read or kept.
        """
        folder = self._roster.sink.journal.place.folder
        try:
            return await aside(partial(keep, folder, Path(path)), f"file {path}", FILES_WITHIN)
        except TimeoutError:
            raise UsageError(f"{path}: wanted it read within {FILES_WITHIN:g} s, found no end") from None

    async def queue(self, request: QueueRequest) -> Reply:
        """Add a run to those that wait for a channel, move one, or take it out; see `QueueOrders.give`."""
        return await self._queue_orders.give(request)

    async def edit(self, request: EditRequest) -> EditReply:
        """Show how an edited protocol would change a run, or let the run take it; see `Editor.edit`."""
        return await self._editor.edit(request)

    async def correct(self, request: CorrectRequest) -> Reply:
        """Correct what is known of the cell of a run; see `Corrector.correct`."""
        return await self._corrector.correct(request)

    async def analyse(self, target: str, names: Sequence[str] = (), by: str = "") -> StoredRun:
        """Have a stored run analysed; see `ask_for_analyses`."""
        return await ask_for_analyses(self._roster, target, names, by)

    def waiting(self, channel: str) -> list[Flat]:
        """Return the runs that wait for a channel, in their order; keys as `Channel.waiting`."""
        return self._roster.channel(channel).waiting()

    def able_to(self, verb: str, reason: str = "") -> list[str]:
        """Return the channels on which an order to all has something to act on: a run that obeys it, a start under way."""
        channels = self._roster.channels
        return [name for name, channel in channels.items() if self._orders.has_to_act(channel, verb, reason)]

    def refusals(self, channel: str) -> Mapping[str, str]:
        """Return for each order to a run why the channel would refuse it now, "" where it would obey."""
        meant = self._roster.channel(channel)
        return refusals_of(meant, starting=self._starter.is_under_way(meant))

    async def foreign(self, verb: str, channel: str, order_id: str = "", by: str = "") -> OrderReply:
        """Take over or let go what an instrument runs and this station did not start; see `Orders.foreign`."""
        return await self._orders.foreign(verb, channel, order_id, by)

    def add(self, channels: Mapping[str, Channel], connections: Mapping[str, Connection]) -> None:
        """Take further channels with their connections; `adopt` must follow."""
        self._roster.add(channels, connections)

    async def adopt(self, only: Collection[str] | None = None) -> list[str]:
        """Reconcile every channel, or `only` some, with the journal, once the connections are open; see `Reconciler.adopt`."""
        words = await Reconciler(self._roster).adopt(only)
        await self._queue.load(only)
        return words

    async def keep_turns(self) -> None:
        """Begin the runs that wait when their turn has come, until cancelled; see `Queue`."""
        await self._queue.watch(self._starter.begin_queued)

    def ended(self, channel: Channel) -> None:
        """Free a channel whose run has ended; connections call it."""
        session, channel.session = channel.session, None
        if session is None:
            return
        state = session.state
        channel.ended_as = state.activity if state.phase == "ended" else "failed"
        finish = session.finish
        channel.last = finish.why or finish.reason if finish else "failed"
        channel.ended_reason = finish.reason if finish else "failed"
        channel.ended_commit = self._roster.sink.journal.commit_id + 1
        self._queue.wake()

    # --- what people ask ---

    def status(self) -> list[Flat]:
        """Return what `looks` gives, of all channels at once."""
        return list(self.looks())

    def looks(self) -> Iterator[Flat]:
        """Yield one flat object a channel, made as it is asked for: a thousand take longer than a tick should wait.

        Keys: channel, activity, why, run, protocol, cell, step_id, step_count, step_type,
        step_name, cycle_count, test_time_second, step_time_second, voltage_volt, current_ampere,
        charging_capacity_ah, discharging_capacity_ah, charging_energy_wh, discharging_energy_wh,
        cycles_completed, record_index, progress (0..1), remaining_second, unblock, clock.
        """
        clock = "fast" if self._clock.fast else self._clock.speed
        for channel in list(self._roster.channels.values()):
            yield {**channel.look(), "clock": clock}

    def changes(self, known: MutableMapping[str, object]) -> Iterator[Flat | None]:
        """Yield what `looks` does of each channel of which more than the last row has changed, and None of the others.

        Args:
            known: The `Channel.mark` of each channel as it was seen last; brought up to date.
        """
        clock = "fast" if self._clock.fast else self._clock.speed
        for name, channel in self._roster.channels.items():
            mark = channel.mark
            if known.get(name) == mark:
                yield None
            else:
                known[name] = mark
                yield {**channel.look(), "clock": clock}

    def why(self, channel: str) -> tuple[str, str]:
        """Return what a channel waits for, with what is wrong with the station, and the command that unblocks it; see `why_of`."""
        return why_of(self._roster.channel(channel), self.alarms)

    def channels(self) -> Mapping[str, str]:
        """Return the name of the instrument of every channel."""
        return {name: channel.parts["cell"].instrument for name, channel in self._roster.channels.items()}

    def close(self) -> None:
        """Let the journal's reader go; safe to repeat."""
        self._roster.close()


async def _no_file() -> str:
    raise OrderRefused("wanted a station file to read again, found none")
