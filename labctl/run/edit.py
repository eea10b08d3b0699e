"""What a run still has to do, changed while it runs: an edited protocol, shown as a difference, then taken as a new plan."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import orjson

from labctl.engine.edit import why_not
from labctl.engine.input import Order
from labctl.errors import OrderRefused, ProtocolError
from labctl.plan.codec import plan_to_json
from labctl.plan.compile import compile_plans
from labctl.plan.difference import difference
from labctl.plan.estimate import estimate
from labctl.plan.runnable import runnable
from labctl.plan.step import Plan
from labctl.run.ability import Ability
from labctl.run.channel import Channel
from labctl.run.files import Files
from labctl.run.orders import Orders
from labctl.run.outside import outside
from labctl.run.request import EditReply, EditRequest, StartRequest
from labctl.run.reservation import reserved
from labctl.run.roster import Roster
from labctl.run.session import RunSession
from labctl.run.starter import Starter
from labctl.run.texts import Texts
from labctl.store.entry import StoredRun
from labctl.store.queries import CELL_TEXT

UNCHANGED = "the file says what the run does already: nothing would change"


class Editor:
    """Changes what runs on the channels of a station still have to do."""

    def __init__(self, roster: Roster, starter: Starter, orders: Orders, texts: Texts) -> None:
        """Join them."""
        self._roster = roster
        self._starter = starter
        self._orders = orders
        self._texts = texts
        self._one_at_a_time = asyncio.Lock()

    async def edit(self, request: EditRequest) -> EditReply:
        """Show what an edited protocol would change of a run, and let the run take it where that is asked.

        Raises:
            OrderRefused: There is no such run, or it is at or behind what differs.
            FileError: With every finding of the protocol on the run's cell and channel.
        """
        async with self._one_at_a_time:
            channel = self._roster.channel(request.target)
            if channel.begun is None or channel.info is None:
                raise OrderRefused(f"channel {channel.name} is {channel.activity}: there is no run to edit")
            session, info = channel.begun, channel.info
            stored: StoredRun = await self._roster.ask(lambda reader: reader.run(session.run_id))
            files, new = await self._compiled(channel, session, stored, request)
            shown = difference(session.plan, new)
            if not request.apply:
                self._refuse(channel, session, new, shown)
                with reserved(self._roster.channels, channel, new):
                    pass
                return EditReply(channel.name, info.uuid, channel.activity, "\n".join(shown), applied=False)
            order = Order("edit", request.id, request.by, _content(new, files, request.values), request.step_seen)
            if not await self._was_given(channel, request.id):
                self._refuse(channel, session, new, shown)
            with reserved(self._roster.channels, channel, new):
                await self._orders.give(order, channel.name, info.uuid)
            if channel.session is session:
                channel.info = replace(info, time_left=estimate(session.plan).time_left(session.plan))
            return EditReply(channel.name, info.uuid, channel.activity, "\n".join(shown), applied=True)

    async def _compiled(
        self, channel: Channel, session: RunSession, run: StoredRun, request: EditRequest
    ) -> tuple[Files, Plan]:
        """Return the plan of an edited protocol on the cell of a run, as it would be had it begun with it."""
        rows = await self._roster.ask(lambda reader: reader.query(CELL_TEXT, run=run.run_id))
        if not rows:
            raise OrderRefused(f"run {run.run_id} keeps no text of its cell: it cannot be edited")
        known = run.options.get("values")
        values = {**(known if isinstance(known, Mapping) else {}), **request.values}
        cell = self._texts.put("cell.yaml", str(rows[0][0]))
        files = await self._starter.files(StartRequest(request.protocol, cell, channel.name, values=values))
        connection = self._roster.connection(channel)
        ability = Ability(connection.capabilities(channel), connection.translate(channel))
        label = run.began_unix_time
        plan, *draws = compile_plans(
            files.protocol, files.cell, ability.capabilities, channel.bounds, values, outside(label)
        )
        findings = runnable(plan, ability.capabilities, ability.translate, draws=draws)
        if any(finding.severity == "error" for finding in findings):
            raise ProtocolError(findings)
        return files, replace(plan, carried=session.plan.carried)

    @staticmethod
    def _refuse(channel: Channel, session: RunSession, new: Plan, shown: tuple[str, ...]) -> None:
        why = why_not(session.plan, new, session.state) if shown else UNCHANGED
        if why:
            raise OrderRefused(f"channel {channel.name}: the run cannot take this plan: {why}")

    async def _was_given(self, channel: Channel, order_id: str) -> bool:
        if not order_id:
            return False
        records = await self._roster.sink.call(self._roster.sink.journal.ordered.orders, channel.name, order_id)
        return any(record.verb == "edit" for record in records)


def _content(plan: Plan, files: Files, values: Mapping[str, str]) -> str:
    """Return what an order to edit brings: the plan whole, and the texts that it was made from."""
    texts = [[source.name, source.text] for source in files.texts]
    tree = {"plan": orjson.loads(plan_to_json(plan)), "texts": texts, "values": dict(values)}
    return orjson.dumps(tree, option=orjson.OPT_SORT_KEYS).decode()
