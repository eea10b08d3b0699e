"""Outages of an instrument that lives on its own clock: how long, whether it went on meanwhile, and what may have flowed."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from labctl.clock import Clock, Machine, one_moment
from labctl.engine.input import Gap, InstrumentFault
from labctl.engine.sums import held_until
from labctl.run.connection.foreign import is_anothers, show
from labctl.run.connection.ownership import is_program_of
from labctl.run.connection.polled_executor import PolledExecutor
from labctl.run.connection.polled_run import PolledRun
from labctl.run.connection.unmeasured import counters_if_held
from labctl.run.guard_process import GuardProcess
from labctl.run.guard_record import STOOD_STILL
from labctl.run.resume_point import ResumePoint, outage
from labctl.run.session import RunSession

LOG = logging.getLogger("labctl.run")
BEYOND = 1.0  # s longer than any window that the run has: for an outage whose length nobody knows


@dataclass(frozen=True, slots=True)
class Outage:
    """Nobody was reading from `begin` to `end`, run time in s.

    Attributes:
        begin: Run time of the last reading.
        end: Run time at which the daemon was there again.
        why: In words.
        off_at: Run time at which the output was known to be off, as a guard wrote it down; None where none did.
        ask: A person must say how to go on.
    """

    begin: float
    end: float
    why: str
    off_at: float | None = None
    ask: bool = False


def outage_since(
    mark: ResumePoint, session: RunSession, clock: Clock, machine: Machine, guard: GuardProcess, place: tuple[str, str]
) -> tuple[Outage, float]:
    """Return the outage since a resume point, and the clock time of run time 0, which does not move.

    Run time goes on from where the resume point saw it at a second of the machine; rows may stand ahead of it, as an instrument's
    own clock may: they say where the outage begins, and nothing of the run's clock.

    Args:
        mark: Stored with the last commit.
        session: The run.
        clock: Of the station.
        machine: Of this machine.
        guard: Knows what earlier guards wrote down.
        place: Instrument and channel.
    """
    begin = max(mark.time, session.state.last.time)
    moment, monotonic = one_moment(clock.now, machine)
    length, how = outage(mark, machine.boot, monotonic, machine.unix(), clock.speed)
    why = f"the daemon was away ({how})"
    now = mark.time + length
    if length == float("inf"):
        now = begin + session.plan.interruption.continue_within + BEYOND
    end = max(begin, now)
    silence = Outage(begin, end, f"{why}; {mark.cut}" if mark.cut else why, ask=bool(mark.cut))
    entry = guard.switched_off(place, mark.boot, mark.monotonic, mark.unix)
    if entry is not None:
        same_boot = bool(mark.boot) and entry.boot == mark.boot
        seconds = entry.monotonic - mark.monotonic if same_boot else entry.unix - mark.unix
        off_at = min(max(mark.time + seconds * clock.speed, begin), end)
        stood = entry.why == STOOD_STILL
        words = f"{why}; its guard ended it, since it stood still" if stood else why
        silence = replace(
            silence, why=f"{words}; {mark.cut}" if mark.cut else words, off_at=off_at, ask=stood or silence.ask
        )
    return silence, moment - now


async def resume_after_gap(executor: PolledExecutor, run: PolledRun, outage: Outage) -> None:
    """Tell the engine of an outage, once it is known whether the instrument kept running its program."""
    session = run.session
    executor.meter.hold_last(run.at)
    await executor.take_all(run)  # measured before it
    state = session.state
    if session.finish is not None:  # it ended as the line was lost: all that is left is to see that it is off
        await executor.off(run.at)
        await executor.settle(run)
        return
    if run.only_reads:
        await read_on(executor, run, outage)
        return
    if await executor.attach(run):
        executor.turned(run.at, on=True)
        executor.runs(run)
        now = state.last.time  # its records have no gap
        gap = Gap(now, now, outage.why, attempt_goes_on=True, on_until=now, ask=outage.ask)
    else:
        gap = await _read_back(executor, run, outage)
    session.commands.clear()  # of before: the state says what there is to do, as after a crash
    session.take(gap)
    await executor.settle(run)


async def read_on(executor: PolledExecutor, run: PolledRun, outage: Outage) -> None:
    """Go on reading somebody else's test after an outage; where it has gone, so has its run. Nothing is switched off."""
    session = run.session
    session.commands.clear()
    if executor.autonomous:
        there = await executor.attach(run)
    else:
        there = (await executor.status(run.at)).activity != "idle"
    if there:
        executor.runs(run)
        now = session.state.last.time  # the records of what runs by itself have no gap
        recorded = Gap(now, now, outage.why, attempt_goes_on=True, on_until=now)
        session.take(recorded if executor.autonomous else _held_on(executor, run, outage))
    else:
        session.take(
            InstrumentFault("the test that was read has gone: it was ended, or another one was started", safe=True)
        )
    await executor.settle(run)


async def probe_silent_program(executor: PolledExecutor, run: PolledRun) -> None:
    """Ask after a program of which nothing is heard; if it has gone, that is an outage since the last row."""
    status, state = await executor.status(run.at), run.session.state
    if is_program_of(executor.journal, run, status):
        return
    name, says = executor.given.name, status.text or status.activity
    LOG.error("channel %s: the program has gone, %s says %s", run.channel.name, name, says)
    begin = state.last.time
    end = max(begin, run.run_time(executor.now()))
    await resume_after_gap(executor, run, Outage(begin, end, f"instrument {name} dropped the program"))


async def read_back_all(executor: PolledExecutor, channels: Sequence[str], seconds: float) -> None:
    """Take it as an outage that nobody read for so many seconds of the machine.

    What was read just now says nothing of the time between.
    """
    name = executor.given.name
    LOG.error("instrument %s was not read for %.1f s: every channel is read back", name, seconds)
    for at in channels:
        run = executor.running.get(at)
        if run is not None:
            begin = run.session.state.last.time
            end = max(begin, run.run_time(executor.now()))
            outage = Outage(begin, end, f"nobody read instrument {name} for {seconds:.1f} s")
            await executor.guarded(run, resume_after_gap(executor, run, outage))


async def _read_back(executor: PolledExecutor, run: PolledRun, outage: Outage) -> Gap:
    """Return the gap once it is known whether a channel still holds the set-point of its run; it is switched off otherwise.

    Where it does, it is metered on, and the last current is counted until now; how far that may be wrong is in the interval.
    """
    state = run.session.state
    status = await executor.status(run.at)
    if state.phase == "running" and is_program_of(executor.journal, run, status) and state.step and not outage.ask:
        executor.turned(run.at, on=True)
        executor.runs(run)
        return _held_on(executor, run, outage)
    if await is_anothers(executor, run, status, switched_off=outage.off_at is not None):
        show(executor, run.channel, status)
        outage = replace(outage, why=f"{outage.why}; {run.channel.foreign}", ask=True)
    await executor.off(run.at)
    executor.meter.resume(run.at, state.last.counters)  # what may have flowed since the last row is in the interval
    executor.rest(run)
    now = max(outage.end, run.run_time(executor.now()))
    return Gap(outage.begin, now, outage.why, on_until=now if outage.off_at is None else outage.off_at, ask=outage.ask)


def _held_on(executor: PolledExecutor, run: PolledRun, outage: Outage) -> Gap:
    """Meter an output on that is on as before, and return the gap in which its last current is counted."""
    state = run.session.state
    now = max(outage.end, run.run_time(executor.now()))
    charging, discharging = counters_if_held(run.session, now)
    executor.meter.resume(run.at, held_until(state.last, now, charging, discharging).counters)
    executor.meter.begin(run.at, now, run.record, state.step_time(now))
    return Gap(outage.begin, now, outage.why, attempt_goes_on=True, on_until=now,
               charging_ah=charging, discharging_ah=discharging)  # fmt: skip
