"""Tests that an instrument runs and this station did not start: whose they are, how they are shown, and what becomes of them.

What is ours goes on, or goes off. What is somebody else's is shown, refuses starts, and is never stopped: not at the start of a
daemon, not when a line answers again, not by a second daemon, not by a run of ours that fails. Only a person takes it over
(`adopt`: a run without a plan, whose rows are read), stops it then, or lets it go (`release`).
"""

import logging
import uuid
from collections.abc import Collection
from typing import Final

from labctl.driver import RecordRule, Status
from labctl.errors import InstrumentError, OrderRefused
from labctl.plan.codec import digest, plan_to_json
from labctl.plan.step import Block, CellFigures, Line, Plan
from labctl.run.channel import Channel, RunInfo
from labctl.run.connection.ownership import is_ours_to_stop, is_program_of
from labctl.run.connection.polled_executor import PolledExecutor
from labctl.run.connection.polled_run import PolledRun
from labctl.run.session import RunSession
from labctl.store.entry import NewRun

LOG = logging.getLogger("labctl.run")
RECORD: Final = (RecordRule(every=10.0, voltage=5e-3),)


def nothing_foreign(channel: Channel, verb: str) -> OrderRefused:
    """Return the refusal of `adopt` or `release` on a channel whose instrument runs nothing of somebody else's."""
    return OrderRefused(
        f"channel {channel.name} is {channel.activity}: its instrument runs nothing that this station did not start, "
        f"so there is nothing to {verb}"
    )


def watching(text: str) -> Plan:
    """Return the plan of a run that only reads what somebody else's test does: one line, without limits and without an end."""
    line = Line(1, "foreign", "Foreign", record=RECORD, name=text)
    return Plan("somebody else's test", Block(0, (line,)), CellFigures("", ""), ocv=None)


def is_ours(executor: PolledExecutor, at: str, status: Status) -> bool:
    """Tell whether what a channel does is this station's doing."""
    if executor.autonomous:
        return at in executor.on or is_ours_to_stop(executor.journal, status)
    return executor.claimed(at)


async def settle_stray(executor: PolledExecutor, channel: Channel) -> Status:
    """Look at a channel without a run: what is ours goes off, what is somebody else's is shown; return what it does."""
    status = await executor.status(channel.at)
    if status.activity == "idle":
        channel.foreign = ""
        await executor.unclaim(channel.at)
    elif is_ours(executor, channel.at, status):
        LOG.error(
            "channel %s was %s and no run explains it: switched off", channel.name, status.text or status.activity
        )
        await executor.off(channel.at)
        channel.foreign = ""
    else:
        show(executor, channel, status)
    return status


async def is_anothers(executor: PolledExecutor, run: PolledRun, status: Status, *, switched_off: bool) -> bool:
    """Tell whether what an output does now is somebody else's, though a run of ours stands on its channel.

    Ours was off for sure: this station let its claim go as it ended, or its guard switched it off since the run's last reading.
    What is on now was switched on by somebody else, unless it is the run's own program.

    Args:
        executor: Of the instrument.
        run: On the channel.
        status: What the channel does.
        switched_off: A guard has written that it was off after the last reading.
    """
    if executor.autonomous or status.activity == "idle":
        return False
    known = bool(run.session.serial)  # of before, and without a number, nobody knows whether a claim was kept
    off = switched_off or (known and not executor.claimed(run.at) and not executor.claims_lost)
    return off and not is_program_of(executor.journal, run, status)


async def refuse_beside_another(executor: PolledExecutor, channel: Channel) -> None:
    """Refuse to energise a channel that somebody else uses; once it is idle it is the run's again.

    Raises:
        OrderRefused: It is still on.
    """
    status = await executor.status(channel.at)
    if status.activity != "idle":
        raise OrderRefused(f"channel {channel.name}: {channel.foreign}; it goes on when that has ended")
    channel.foreign = ""


async def settle_unserved(executor: PolledExecutor, served: Collection[str]) -> None:
    """Switch off what this station left on at channels of an instrument that it has no more; nobody else would look there."""
    for at in sorted(executor.claims() - set(served)):
        try:
            status = await executor.status(at)
            if status.activity != "idle":
                LOG.error(
                    "%s of instrument %s is no channel of the station any more: switched off", at, executor.given.name
                )
                await executor.off(at)
            await executor.unclaim(at)
        except InstrumentError as error:
            LOG.error("%s of instrument %s may be on: %s", at, executor.given.name, error)  # noqa: TRY400 - it says it all


def show(executor: PolledExecutor, channel: Channel, status: Status) -> None:
    """Note that somebody else's test runs on a channel."""
    words = f"somebody else's test runs on it: {executor.given.name} says {status.text or status.activity!r}"
    if channel.foreign != words:
        LOG.warning("channel %s: %s", channel.name, words)
    channel.foreign = words


async def begin_reading(executor: PolledExecutor, channel: Channel, by: str) -> RunSession:
    """Store the run of a test that a person takes over, and put it on its channel; whoever calls begins it.

    Raises:
        OrderRefused: Nothing of somebody else's runs there.
    """
    if channel.session is not None or channel.starting:
        raise OrderRefused(
            f"channel {channel.name} is {channel.activity}: it has a run; labctl stop {channel.name} ends it"
        )
    status = await settle_stray(executor, channel)
    if not channel.foreign:
        raise nothing_foreign(channel, "adopt")
    plan = watching(status.text)
    new = NewRun(
        plan=plan_to_json(plan),
        plan_hash=digest(plan),
        began_unix_time=executor.label(),
        channel=channel.name,
        protocol=plan.name,
        by=by,
        options={"adopted": status.text, "instrument": executor.given.name},
        uuid=str(uuid.uuid4()),
    )
    run_id = await executor.create(new)
    session = RunSession(run_id, plan)
    channel.session, channel.info = session, RunInfo(run_id, new.uuid, new.protocol, new.cell, new.began_unix_time)
    channel.foreign = ""
    return session
