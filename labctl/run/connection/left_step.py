"""Orders to leave a step of what an instrument runs by itself: which step is meant, and what becomes of one that came too late.

Such an instrument goes on to its next step without a word, and its records come late. So it is switched off first, and what it
recorded until then is folded: an order finds the run where it truly was.
"""

from labctl.engine.input import Gap, Order
from labctl.engine.order import is_of_now
from labctl.errors import OrderRefused
from labctl.run.connection.polled_executor import PolledExecutor
from labctl.run.connection.polled_run import PolledRun

SAFE_FIRST = frozenset({"stop", "pause"})


def step_of(run: PolledRun) -> int | None:
    """Return the `step_count` of the step that is being done, None while none is."""
    state = run.session.state
    return state.step.count if state.phase == "running" and state.step is not None else None


def leaves_step(run: PolledRun, order: Order) -> bool:
    """Tell whether an order ends what the instrument does now: a stop, a pause, or a skip of the step that is being done."""
    step = step_of(run)
    return order.verb in SAFE_FIRST or (order.verb == "skip" and step is not None and is_of_now(order, step))


async def refuse_late_skip(executor: PolledExecutor, run: PolledRun, meant: int | None) -> None:
    """Refuse a skip of a step that had ended by itself as the instrument was switched off; what it had gone on to goes on.

    Raises:
        OrderRefused: It had.
    """
    step = step_of(run)
    if step == meant:
        return
    run.leaves = False
    await executor.guarded(run, _go_on(executor, run))
    now = "it is being left" if step is None else f"step {step} has begun, and goes on"
    raise OrderRefused(
        f"channel {run.channel.name}: step {meant} of the run, which was to be skipped, had ended by itself; {now}: "
        "nothing was skipped"
    )


async def _go_on(executor: PolledExecutor, run: PolledRun) -> None:
    """Go on with the step at which an instrument was switched off, after an outage of which its records say all."""
    session, state = run.session, run.session.state
    if state.phase == "running" and session.finish is None:
        now = max(state.last.time, run.run_time(executor.now()))
        whole = not executor.autonomous or await executor.verb(executor.autonomous.drained(run.at))
        why = "the instrument was switched off for a skip of the step before"
        executor.rest(run)
        session.take(Gap(state.last.time, now, why, on_until=state.last.time if whole else now))
    await executor.settle(run)
