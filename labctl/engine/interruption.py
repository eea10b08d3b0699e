"""Outages: nobody was reading, and perhaps nothing was done."""

from dataclasses import replace

from labctl.engine.approach import ask
from labctl.engine.input import Gap
from labctl.engine.memory import Bad
from labctl.engine.order import again, check_again, hold_safe, stop
from labctl.engine.work import Work


def take_gap(work: Work, gap: Gap) -> None:
    """Go on after an outage as `on_interruption` says; where the instrument went on by itself, so does the step.

    The step's time stands still from the outage's begin, its budget is what is left, and windows are cleared.
    """
    begin = max(gap.begin, work.time)
    if gap.attempt_goes_on or work.phase not in {"running", "leaving"}:
        work.last = work.last.at(gap.end)
        _say(work, gap)
        _forget(work)
        return
    if work.step is not None and (work.leaving is None or work.leaving.ending is None):
        line = work.step_line
        work.last = work.last.at(begin)
        hold_safe(work)
        if line.mode == "Spectrum" and work.step is not None:
            work.step = replace(work.step, spent=0.0)  # a spectrum starts again
    else:
        hold_safe(work)
    work.last = work.last.at(gap.end)
    _say(work, gap)
    _forget(work)
    check_again(work)
    policy = work.plan.interruption
    if gap.end - gap.begin <= policy.continue_within:
        again(work)
    elif policy.otherwise == "ask":
        ask(work, "interruption", f"an outage of {gap.end - gap.begin:.0f} s: {gap.why}")
    else:
        stop(work, "aborted", f"an outage of {gap.end - gap.begin:.0f} s: {gap.why}")


def _say(work: Work, gap: Gap) -> None:
    work.say("gap", begin=gap.begin, end=gap.end, why=gap.why, attempt_goes_on=gap.attempt_goes_on)


def _forget(work: Work) -> None:
    """Forget what spans the outage: no slope and no waiting time does."""
    work.windows, work.window_since, work.dwell, work.bad = (), work.time, None, Bad()
    work.short = replace(work.short, soft_since=None, hard_since=None)
    work.renew()
