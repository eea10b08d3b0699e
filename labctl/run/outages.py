"""Outages of an instrument that lives on its own clock: how long, and whether it went on meanwhile."""

import logging

from labctl.clock import Clock, Machine
from labctl.engine.input import Gap
from labctl.run.bookmark import Bookmark, outage
from labctl.run.course import Course
from labctl.run.hands import Hands
from labctl.run.keeper import Keeper

LOG = logging.getLogger("labctl.run")
Between = tuple[float, float, str]
BEYOND = 1.0  # s longer than any window that the run has: for an outage whose length nobody knows


def gap_of(found: Bookmark, course: Course, clock: Clock, machine: Machine) -> tuple[Between, float]:
    """Return begin, end and reason of the outage since a bookmark in run time, and the clock time of run time 0."""
    begin = max(found.time, course.state.last.time)
    length, how = outage(found, machine.boot, machine.monotonic(), machine.unix(), clock.speed)
    why = f"the daemon was away ({how})"
    if length == float("inf"):
        length = course.plan.interruption.continue_within + BEYOND
    end = begin + length
    return (begin, end, why), clock.now() - end


async def came_back(hands: Hands, keeper: Keeper, gap: Between) -> None:
    """Tell the engine of an outage, once it is known whether the instrument kept running its program."""
    begin, end, why = gap
    course = keeper.course
    hands.meter.hold_last(keeper.at)
    await hands.take_waiting(keeper)  # measured before it
    state = course.state
    if course.finish is not None:  # it ended as the line was lost: all that is left is to see that it is off
        await hands.off(keeper.at)
        await hands.settle(keeper)
        return
    if await hands.attach(keeper):
        hands.turned(keeper.at, on=True)
        hands.runs(keeper)
        end = begin = state.last.time  # its records have no gap
        goes_on = True
    else:
        goes_on = await _goes_on(hands, keeper, begin)
    course.commands.clear()  # of before: the state says what there is to do, as after a crash
    course.take(Gap(begin, end, why, attempt_goes_on=goes_on))
    await hands.settle(keeper)


async def asked_after(hands: Hands, keeper: Keeper) -> None:
    """Ask after a program of which nothing is heard; if it has gone, that is an outage since the last row."""
    found, state = await hands.status(keeper.at), keeper.course.state
    if (found.activity, found.attempt) == ("running", state.held.attempt):
        return
    name, says = hands.given.name, found.text or found.activity
    LOG.error("channel %s: the program has gone, %s says %s", keeper.seat.name, name, says)
    begin = state.last.time
    end = max(begin, keeper.run_time(hands.now()))
    await came_back(hands, keeper, (begin, end, f"instrument {name} dropped the program"))


async def _goes_on(hands: Hands, keeper: Keeper, begin: float) -> bool:
    """Tell whether a channel still holds the set-point of its run, and meter it on; switch it off otherwise."""
    state = keeper.course.state
    status = await hands.status(keeper.at)
    if (
        state.phase == "running"
        and status.activity == "running"
        and status.attempt == state.held.attempt
        and state.step
    ):
        hands.meter.begin(keeper.at, begin, keeper.record, state.step_time(begin))
        hands.turned(keeper.at, on=True)
        hands.runs(keeper)
        return True
    await hands.off(keeper.at)
    hands.rest(keeper)
    return False
