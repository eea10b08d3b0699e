"""Recovery at start: every channel is reconciled with the journal, once the connections are open."""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import replace
from functools import lru_cache

from labctl.driver import SIMULATED_CELL
from labctl.engine.state import State, state_from_json
from labctl.errors import LabctlError, StoreDamaged, StoreError
from labctl.plan.codec import plan_from_json
from labctl.plan.estimate import Estimate, estimate
from labctl.plan.step import Plan
from labctl.run.channel import Channel, RunInfo
from labctl.run.connection import Connection
from labctl.run.resume_point import ResumePoint
from labctl.run.roster import Roster, roles
from labctl.run.session import RunSession
from labctl.store.entry import Checkpoint, StoredRun
from labctl.store.reader import Reader
from labctl.store.resume_check import check_resumable

PLANS = 64  # that are known at once
LOG = logging.getLogger("labctl.run")


class Reconciler:
    """Takes up the runs that stand in the journal."""

    def __init__(self, roster: Roster) -> None:
        """Work on the channels of a station."""
        self._roster = roster
        self._sink = roster.sink

    async def adopt(self, only: Collection[str] | None = None) -> list[str]:
        """Reconcile every channel, or `only` some, with the journal, once the connections are open; return what was done, in words.

        A run that stands in the journal goes on; a channel that no run explains is switched off.
        """
        runs = {run.channel: run for run in await self._roster.ask(lambda reader: reader.runs(active=True))}
        names = self._roster.channels.keys() if only is None else set(only)
        await self._remember_last(names)
        lost = await self._roster.ask(lambda reader: reader.losses())
        for run in (run for loss in lost[-1:] for run in loss.runs if run.channel not in runs):
            if run.channel in self._roster.channels:
                self._roster.channels[run.channel].last = f"run {run.uuid} ({run.protocol}) was lost: {lost[-1].text}"
        sentences = [f"run {run.run_id} is on channel {name}, which the station does not have" for name, run in runs.items()
                if name not in self._roster.channels]  # fmt: skip
        chosen = {name: channel for name, channel in self._roster.channels.items() if name in names}
        done = await asyncio.gather(*(self._adopt_one(channel, runs.get(name)) for name, channel in chosen.items()))
        return sentences + [words for words in done if words]

    async def _remember_last(self, names: Collection[str]) -> None:
        """Let every channel stand as its last run left it: what failed or tripped stays so, and alarmed, until a run follows."""
        last: dict[str, StoredRun] = await self._roster.ask(lambda reader: reader.last_runs())
        for name, run in last.items():
            if name in names and name in self._roster.channels and not run.active:
                channel = self._roster.channels[name]
                channel.info = RunInfo(run.run_id, run.uuid, run.protocol, run.cell, run.began_unix_time)
                channel.ended_as, channel.last = run.activity, run.end_why or run.end_reason or ""
                channel.ended_reason = run.end_reason or "done"

    async def _adopt_one(self, channel: Channel, run: StoredRun | None) -> str:
        connection = self._roster.connection(channel)
        try:
            if run is None:
                await connection.look(channel)
                return ""
            self._refuse_stranded(run)
            return await self._take_up(channel, run, connection)
        except LabctlError as error:
            LOG.error("channel %s: %s", channel.name, error)  # noqa: TRY400 - the message says it all
            words = str(error)
        except Exception as error:
            LOG.exception("channel %s: run %s cannot be taken up", channel.name, run and run.run_id)
            words = f"what is stored of it does not read back: {type(error).__name__}: {error}"
        if run is None:
            channel.unknown = words
            return f"channel {channel.name}: {words}"
        return await self._strand(channel, run, connection, words)

    def _refuse_stranded(self, run: StoredRun) -> None:
        """Refuse to take up a run that nobody can go on with here.

        Raises:
            StoreError: It is another machine's.
            StoreDamaged: What is stored of it is not readable.
        """
        if run.damage:
            raise StoreDamaged(run.damage)
        if self._sink.journal.moved:
            raise StoreError(
                "the journal came from another machine, where it may still run: it is not touched until the daemon is started again"
            )

    async def _strand(self, channel: Channel, run: StoredRun, connection: Connection, words: str) -> str:
        """Leave a run as it is that cannot be taken up, and let the other channels be served: what it left on goes off."""
        channel.session, channel.stranded = None, run.run_id
        channel.unknown = f"run {run.run_id} cannot go on: {words}"
        if not self._sink.journal.moved:
            try:
                await connection.look(channel)
            except LabctlError as error:
                channel.unknown += f"; {error}"
        return f"channel {channel.name}: {channel.unknown}"

    async def _take_up(self, channel: Channel, run: StoredRun, connection: Connection) -> str:
        text, checkpoint = await self._roster.ask(lambda reader: _resumable(reader, run))
        plan, estimated = _planned(text)
        known = {key: run.options[key] for key in SIMULATED_CELL if key in run.options}
        seed = run.options.get("seed", 0)
        mark = ResumePoint.of(checkpoint)
        cut = run.run_id in self._sink.journal.cut
        if cut and checkpoint is None:
            raise StoreError(f"it had not begun, and may have since: {self._sink.journal.cut_why}")
        mark = replace(mark, cut=self._sink.journal.cut_why if cut else "")
        await connection.prepare(channel, known, seed if isinstance(seed, int) else 0, mark.saved)
        state = state_from_json(checkpoint.state) if checkpoint else None
        _refuse_torn(run, state)
        session = RunSession(run.run_id, plan, state)
        session.go_back_to(mark)
        self._roster.attach(channel, session, run, estimated)
        if state is None:
            return await self._begin_late(channel, session, connection)
        await connection.adopt(channel, session, mark)
        return f"channel {channel.name}: run {run.run_id} goes on after row {state.last.record}"

    async def _begin_late(self, channel: Channel, session: RunSession, connection: Connection) -> str:
        """Begin a run that was stored and had not begun when the daemon ended; where that cannot be, it has failed."""
        try:
            await connection.begin(channel, session, roles(channel))
        except LabctlError as error:
            channel.session = None
            await self._sink.call(self._sink.journal.finish_run, session.run_id, "failed", f"it never began: {error}")
            return f"channel {channel.name}: run {session.run_id} had not begun and cannot: {error}"
        return f"channel {channel.name}: run {session.run_id} begins, it had not before"


def _resumable(reader: Reader, run: StoredRun) -> tuple[bytes, Checkpoint | None]:
    """Return the plan and the checkpoint of a run, once it is known that they are what was written."""
    check_resumable(reader, run)
    return reader.plan(run.run_id), reader.checkpoint(run.run_id)


@lru_cache(maxsize=PLANS)
def _planned(text: bytes) -> tuple[Plan, Estimate]:
    """Return a stored plan, and what it is expected to take; many channels do the same."""
    plan = plan_from_json(text)
    return plan, estimate(plan)


def _refuse_torn(run: StoredRun, state: State | None) -> None:
    """Refuse a state that is not the one after the last row of its run: what follows could not be stored after it.

    Raises:
        StoreDamaged: It is another, or of a run that has ended.
    """
    stands = -1 if state is None else state.last.record
    if stands != run.rows - 1:
        raise StoreDamaged(f"wanted its state after row {run.rows - 1}, found one after row {stands}")
    if state is not None and state.phase == "ended":
        raise StoreDamaged("wanted the state of a run that goes on, found one that has ended")
