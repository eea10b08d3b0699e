"""What is not measured is not controlled: its output is switched off, or the time without readings stands as a gap in its run."""

from labctl.engine.input import Gap, SafeHold
from labctl.engine.sums import held_until
from labctl.engine.unseen import at_open_circuit
from labctl.run.connection.polled_executor import PolledExecutor
from labctl.run.connection.polled_run import PolledRun
from labctl.run.session import RunSession


async def switched_off(executor: PolledExecutor, run: PolledRun, why: str) -> None:
    """Switch a channel off that is watched over by nobody, and let its run ask."""
    executor.meter.hold_last(run.at)
    await executor.take_all(run)
    await executor.off(run.at)
    if run.session.finish is None:
        last = run.session.state.last
        executor.meter.resume(run.at, last.counters)  # as above
        executor.rest(run)
        now = max(last.time, run.run_time(executor.now()))
        run.session.take(Gap(last.time, now, why, on_until=now, ask=True))
    await executor.settle(run)


async def hold_unmeasured(executor: PolledExecutor, run: PolledRun, why: str) -> None:
    """Switch off a cell that is not measured, and let its run ask; the last current is counted until then.

    Raises:
        InstrumentError: The instrument does not confirm that it is off.
    """
    session = run.session
    await executor.off(run.at)
    executor.meter.hold_last(run.at)
    executor.fold_waiting(run)
    session.commands.clear()
    if session.finish is None:
        last = session.state.last
        now = max(last.time, run.run_time(executor.now()))
        counters = counters_if_held(session, now)
        executor.meter.resume(run.at, held_until(last, now, *counters).counters)
        executor.rest(run)
        session.take(Gap(last.time, now, why, attempt_goes_on=True, on_until=now,
                        charging_ah=counters[0], discharging_ah=counters[1]))  # fmt: skip
        session.take(SafeHold("unmeasured", why))
    await executor.settle(run)


def take_unread(executor: PolledExecutor, run: PolledRun, why: str) -> None:
    """Count the last current until now, and say how far that may be wrong: nobody has read for long, and the step is left now."""
    executor.meter.hold_last(run.at)
    executor.fold_waiting(run)
    session = run.session
    if session.finish is not None or session.state.phase not in {"running", "leaving"}:
        return
    last = session.state.last
    now = max(last.time, run.run_time(executor.now()))
    counters = counters_if_held(session, now)
    executor.meter.resume(run.at, held_until(last, now, *counters).counters)
    executor.meter.begin(run.at, now, run.record, session.state.step_time(now))
    session.take(Gap(last.time, now, why, attempt_goes_on=True, on_until=now,
                     charging_ah=counters[0], discharging_ah=counters[1]))  # fmt: skip


def counters_if_held(session: RunSession, time: float) -> tuple[float, float]:
    """Return both counters at a run time if the last current held until then, Ah.

    At open circuit none did, whatever the last row shows: it may be one of the step before.
    """
    state, last = session.state, session.state.last
    current = 0.0 if at_open_circuit(session.plan, state) else last.current or 0.0
    passed = current * max(time - last.time, 0.0) / 3600.0
    return last.charging_ah + max(passed, 0.0), last.discharging_ah + max(-passed, 0.0)
