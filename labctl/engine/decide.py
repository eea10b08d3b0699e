"""The engine's two verbs: `begin` a plan, and `fold` what happened into the state of its run."""

from collections.abc import Iterable
from dataclasses import replace

from labctl.driver import Capabilities
from labctl.engine.approach import begin_run
from labctl.engine.condition import SHORTS
from labctl.engine.ending import ask_blocks, step_ended, trip
from labctl.engine.input import Began, Gap, Input, InstrumentFault, Order, Outcome, Result, SpectrumPart, StepEnded
from labctl.engine.interruption import take_gap
from labctl.engine.memory import Last
from labctl.engine.order import orders_now, stop, take_order
from labctl.engine.passage import close_step, go_on_with_step, open_step, pass_boundaries
from labctl.engine.prompting import begun
from labctl.engine.quiet import take_quiet
from labctl.engine.rows import take_rows
from labctl.engine.spectrum import begin_spectrum, take_points
from labctl.engine.state import State, capabilities_to_json
from labctl.engine.work import Work, work_on
from labctl.plan.step import Plan
from labctl.sample import Batch


def begin(plan: Plan, capabilities: Capabilities, roles: Iterable[str] = ("cell",)) -> Outcome:
    """Begin a run.

    Args:
        plan: Compiled for the cell and channel.
        capabilities: Of the channel's instrument at the cell; they stay in the state.
        roles: Parts of the channel: `cell`, `stage`, `chamber`; what is not there a person does.

    Returns:
        The first state, its events and the first command.
    """
    carried = plan.carried
    last = Last(charging_ah=carried.charging_ah, discharging_ah=carried.discharging_ah)
    state = State("leaving", activity="idle", last=last, channel=capabilities_to_json(capabilities), roles=tuple(roles))
    work = work_on(plan, state)
    work.cycle = replace(work.cycle, count=carried.cycle)
    work.references = dict(carried.references)
    work.ocv_due = "required" if plan.ocv is not None else ""
    begin_run(work)
    return work.outcome()


def fold(plan: Plan, state: State, happened: Input) -> Outcome:
    """Fold one input into a state.

    Of a batch the rows up to and including the first that calls for a command are taken; the rest is the source's business:
    set back to that row where it can be, else offered again.

    Args:
        plan: Of the run.
        state: Before the input.
        happened: A batch of metered rows, or anything else of the closed union.

    Returns:
        State, number of rows (or points) taken, events, commands.

    Raises:
        InternalError: A batch was not metered, or the engine is wrong.
    """
    if isinstance(happened, Batch):
        quiet = take_quiet(plan, state, happened)
        if quiet is not None:
            return quiet
    work = work_on(plan, state)
    taken = _take(work, happened, state)
    return work.outcome(taken)


def _take(work: Work, happened: Input, state: State) -> int:
    match happened:
        case Batch():
            return take_rows(work, happened)
        case Began():
            _began(work, happened)
        case StepEnded():
            step_ended(work, happened)
        case SpectrumPart():
            return _points(work, happened)
        case Gap():
            take_gap(work, happened)
        case Order():
            take_order(work, happened, orders_now(state))
        case Result():
            _result(work, happened)
        case InstrumentFault():
            _fault(work, happened)
    return 0


def _began(work: Work, began: Began) -> None:
    """Let the command that is out take effect: the old step is closed, the next one opened."""
    leaving = work.leaving
    if work.phase != "leaving" or leaving is None or began.attempt != work.applied:
        return  # of a command that has been replaced, or the confirmation of a stage
    work.last = _at(work.last, began)
    work.leaving = None
    if leaving.ending is not None and work.step is not None:
        close_step(work, leaving.ending, work.time)
    pass_boundaries(work, leaving.boundaries)
    work.attempt = began.attempt
    work.move("running")
    if leaving.goes_on and not leaving.probe:
        go_on_with_step(work)
    else:
        open_step(work, probe=leaving.probe)
    if not leaving.probe:
        if work.step_line.mode == "Spectrum":
            begin_spectrum(work)
        begun(work)


def _at(last: Last, began: Began) -> Last:
    """Return the sums at a confirmation: the old current held until then."""
    charging = last.charging_ah if began.charging_ah is None else max(began.charging_ah, last.charging_ah)
    discharging = (
        last.discharging_ah if began.discharging_ah is None else max(began.discharging_ah, last.discharging_ah)
    )
    voltage = last.voltage or 0.0
    return Last(
        last.record,
        max(last.time, began.time),
        last.row_time,
        last.voltage,
        last.current,
        last.temperature,
        charging,
        discharging,
        last.charging_wh + voltage * (charging - last.charging_ah),
        last.discharging_wh + voltage * (discharging - last.discharging_ah),
    )


def _points(work: Work, part: SpectrumPart) -> int:
    if part.attempt != work.attempt or not work.spectra.running:
        return len(part.points.time)
    taken, breach = take_points(work, part.points)
    if breach:
        trip(work, breach, "limit")
    return taken


def _result(work: Work, result: Result) -> None:
    """Keep a result that was found outside, and ask the blocks around whether it ends them."""
    if result.name in SHORTS:
        found = work.time if result.value > 0.0 else None
        hard = result.name == "short"
        work.short = replace(work.short, hard=found) if hard else replace(work.short, soft=found)
    else:
        work.results = {**work.results, result.name: result.value}
    work.say("result", name=result.name, value=result.value, unit="", cycle_count=result.cycle)
    if work.phase == "running" and work.step is not None and not work.step.probe:
        ask_blocks(work)


def _fault(work: Work, fault: InstrumentFault) -> None:
    work.say("fault", why=fault.why, safe=fault.safe)
    if work.phase != "ended":
        stop(work, "failed", fault.why)
