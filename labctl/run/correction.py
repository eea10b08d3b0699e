"""A cell that was weighed or measured again: its corrected values are an event of the run, and results are made anew with them.

What the run did stays as it was: the plan's currents, and with them its rates, are those of the values with which it began.
"""

from labctl.engine.input import Event
from labctl.errors import OrderRefused, UsageError
from labctl.protocol.cell_correction import CORRECTABLE, with_value
from labctl.protocol.cellfile import load_cell
from labctl.run.orderbook import OrderBook, OrderKey, Reply
from labctl.run.request import CorrectRequest, OrderReply
from labctl.run.roster import Roster
from labctl.store.entry import Entry, OrderRecord, StoredRun
from labctl.store.queries import CELL_TEXT


class Corrector:
    """Corrects what is known of the cells of stored runs."""

    def __init__(self, roster: Roster, book: OrderBook) -> None:
        """Join them."""
        self._roster = roster
        self._book = book

    async def correct(self, request: CorrectRequest) -> Reply:
        """Store corrected values of a run's cell and answer once they are committed.

        Raises:
            UsageError: No value is given, or there is no such run.
            CellError: A value is none for its key.
            OrderRefused: The run keeps no text of its cell.
        """
        if not request.values or request.values.keys() - set(CORRECTABLE):
            raise UsageError(f"order correct: wanted {' or '.join(CORRECTABLE)}, found none")
        run = await self._roster.stored_run(request.target)
        key = OrderKey(run.channel or "", "correct", request.id)
        return await self._book.once(
            key, request.content(), lambda: self._correct(key, run, request), self._told_before
        )

    async def _correct(self, key: OrderKey, run: StoredRun, request: CorrectRequest) -> OrderReply:
        rows = await self._roster.ask(lambda reader: reader.query(CELL_TEXT, run=run.run_id))
        if not rows:
            raise OrderRefused(f"run {run.run_id} keeps no text of its cell: it cannot be corrected")
        text = str(rows[0][0])
        before = load_cell(text, "cell.yaml")
        for name, value in request.values.items():
            text = with_value(text, "cell.yaml", name, value)
        after = load_cell(text, "cell.yaml")
        values = {name: getattr(after, name) for name in request.values}
        was = {name: getattr(before, name) for name in request.values}
        data = {"values": values, "was": was, "texts": dict(request.values), "by": request.by, "id": request.id}
        event = Event("cell_corrected", run.rows - 1, run.test_time, data)
        self._roster.sink.offer(Entry(run.run_id, events=(event,)))
        await self._roster.sink.flush()
        words = ", ".join(f"{name} {value}" for name, value in request.values.items())
        reply = OrderReply(
            "correct", run.channel or "", run.uuid, run.activity, f"{words}; rates stay as they were run"
        )
        if key.id:
            record = OrderRecord(key.channel, key.verb, key.id, request.content(), reply.stored(), run.run_id)
            await self._roster.sink.call(self._roster.sink.journal.ordered.put, record)
        return reply

    async def _told_before(self, record: OrderRecord) -> OrderReply:
        return OrderReply.from_stored(record.reply or "{}")
