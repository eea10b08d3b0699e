"""What was ordered and what waits: orders by their ids, and runs that were accepted and have not begun."""

import base64
import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict

import orjson

from labctl.errors import StoreDamaged
from labctl.store import insert_rows, schema
from labctl.store.entry import NewRun, OrderRecord, Queued, Source

LOG = logging.getLogger("labctl.store")
ORDERS_KEPT = 24 * 3600.0  # s for which an order is known by its id at least; for its run's life in any case


class Ordered:
    """Orders and queue of one journal. Every method may be called from any thread.

    Each change is a commit of its own in the chain, which the head follows: an order that was answered and is missing afterwards
    is noticed as rows are.
    """

    def __init__(
        self,
        commit: Callable[[Callable[[sqlite3.Cursor], None]], None],
        reading: Callable[[], AbstractContextManager[sqlite3.Cursor]],
        now: Callable[[], float],
    ) -> None:
        """Work in a journal: `commit` makes a change durable, `reading` gives a cursor, `now` the UTC label of commits, s."""
        self._commit = commit
        self._reading = reading
        self._now = now

    # --- orders ---

    def orders(self, channel: str, order_id: str) -> tuple[OrderRecord, ...]:
        """Return the orders that took effect on a channel under an id, one a verb.

        An id is known for a day, and for the life of its run.
        """
        with self._reading() as cursor:
            rows = cursor.execute(
                "SELECT channel, verb, order_id, request, reply, run_id FROM orders WHERE channel = ? AND order_id = ? "
                "AND (unix_time_second >= ? OR run_id IN (SELECT run_id FROM runs WHERE ended_unix_time_second IS NULL) "
                "OR EXISTS (SELECT 1 FROM queue WHERE queue.channel = orders.channel))",
                (channel, order_id, self._now() - ORDERS_KEPT),
            ).fetchall()
        return tuple(OrderRecord(*row) for row in rows)

    def put(self, order: OrderRecord) -> None:
        """Store an order that took effect outside a run's own commits."""
        self._commit(lambda cursor: put_order(cursor, order, self._now()))

    def drop(self, order: OrderRecord) -> None:
        """Forget an order that did not take effect after all: it may be given again under its id."""

        def change(cursor: sqlite3.Cursor) -> None:
            cursor.execute(
                "DELETE FROM orders WHERE channel = ? AND order_id = ? AND verb = ?",
                (order.channel, order.order_id, order.verb),
            )

        self._commit(change)

    # --- queue ---

    def queue(self) -> tuple[Queued, ...]:
        """Return the runs that wait for their turn, of all channels, each channel's in their order.

        One that does not read back is left out, and said: it keeps nobody else from being served.
        """
        with self._reading() as cursor:
            rows = cursor.execute(
                "SELECT channel, data, begin_unix_time_second, queued_unix_time_second, after_commit_id FROM queue "
                "ORDER BY channel, position"
            ).fetchall()
        waiting = []
        for channel, data, *rest in rows:
            try:
                waiting.append(Queued(channel, new_run_from_json(data), *rest))
            except StoreDamaged as error:
                LOG.error("channel %s: %s", channel, error)  # noqa: TRY400 - the message says it all
        return tuple(waiting)

    def waits(self) -> bool:
        """Tell whether a run waits for its turn, whether it reads back or not."""
        with self._reading() as cursor:
            return cursor.execute("SELECT 1 FROM queue LIMIT 1").fetchone() is not None

    def enqueue(self, queued: Queued, waiting: Sequence[str] = ()) -> None:
        """Store a run that waits for its turn, with the order that put it there.

        Args:
            queued: The run.
            waiting: Uuids of all that wait for its channel, in their order; it is the last one where it is not among them.
        """
        now, new = self._now(), queued.new

        def change(cursor: sqlite3.Cursor) -> None:
            (last,) = cursor.execute(
                "SELECT COALESCE(max(position), 0) FROM queue WHERE channel = ?", (queued.channel,)
            ).fetchone()
            who = (new.uuid, queued.channel, last + 1)
            row = (*who, queued.begin, queued.accepted, new.by, queued.after, new_run_to_json(new))
            insert_rows.insert_all(cursor, schema.queue, [row])
            if waiting and waiting[-1] != new.uuid:
                _arrange(cursor, waiting)
            if new.order is not None:
                put_order(cursor, new.order, now)

        self._commit(change)

    def arrange(self, waiting: Sequence[str], order: OrderRecord | None = None) -> None:
        """Let the runs that wait for a channel stand in the order of their uuids, with the order that says so."""

        def change(cursor: sqlite3.Cursor) -> None:
            _arrange(cursor, waiting)
            if order is not None:
                put_order(cursor, order, self._now())

        self._commit(change)

    def dequeue(self, uuid: str, order: OrderRecord | None = None) -> None:
        """Take a run out of the queue that shall not begin, with the order that took it out."""

        def change(cursor: sqlite3.Cursor) -> None:
            forget_queued(cursor, uuid)
            if order is not None:
                put_order(cursor, order, self._now())

        self._commit(change)

    def release(self, channel: str, after: int, order: OrderRecord | None = None) -> None:
        """Let all that waits on a channel wait anew from a commit on, with the order that lets it go on."""

        def change(cursor: sqlite3.Cursor) -> None:
            cursor.execute("UPDATE queue SET after_commit_id = ? WHERE channel = ?", (after, channel))
            if order is not None:
                put_order(cursor, order, self._now())

        self._commit(change)


def _arrange(cursor: sqlite3.Cursor, waiting: Sequence[str]) -> None:
    cursor.executemany(
        "UPDATE queue SET position = ? WHERE uuid = ?", [(at + 1, uuid) for at, uuid in enumerate(waiting)]
    )


def put_order(cursor: sqlite3.Cursor, order: OrderRecord, now: float) -> None:
    """Store an order within a transaction; those that nobody will repeat any more are forgotten."""
    cursor.execute(insert_rows.FORGET_ORDERS, (now - ORDERS_KEPT,))
    row = (order.channel, order.order_id, order.verb, order.run_id, now, order.request, order.reply)
    cursor.execute(insert_rows.ORDER, row)


def forget_queued(cursor: sqlite3.Cursor, uuid: str) -> None:
    """Take a run out of the queue within a transaction: it begins in it, or never."""
    cursor.execute("DELETE FROM queue WHERE uuid = ?", (uuid,))


def new_run_to_json(new: NewRun) -> str:
    """Return a run that has not begun as JSON."""
    fields = {**asdict(new), "plan": base64.b64encode(new.plan).decode()}
    return orjson.dumps(fields).decode()


def new_run_from_json(text: str) -> NewRun:
    """Return what `new_run_to_json` wrote.

    Raises:
        StoreDamaged: It is something else.
    """
    try:
        fields = orjson.loads(text)
        cell, order = fields["cell_file"], fields["order"]
        fields |= {
            "plan": base64.b64decode(fields["plan"], validate=True),
            "protocols": tuple(Source(**each) for each in fields["protocols"]),
            "cell_file": None if cell is None else Source(**cell),
            "order": None if order is None else OrderRecord(**order),
        }
        return NewRun(**fields)
    except (ValueError, TypeError, KeyError) as error:
        raise StoreDamaged(
            f"wanted a run that waits for its turn, found one that does not read back: {error}"
        ) from error
