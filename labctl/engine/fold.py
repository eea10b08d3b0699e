"""The engine's two verbs: `begin` a plan, and `fold` what happened into the state of its run."""

from collections.abc import Iterable
from dataclasses import astuple, replace

from labctl.driver import Capabilities
from labctl.engine.condition import SHORTS
from labctl.engine.ending import ask_blocks, step_ended, trip
from labctl.engine.external import begun
from labctl.engine.fast_path import take_quiet
from labctl.engine.input import (
    Began,
    Gap,
    Input,
    InstrumentFault,
    Order,
    Result,
    SafeHold,
    SpectrumPart,
    StepEnded,
    SwitchedOff,
)
from labctl.engine.interruption import take_gap
from labctl.engine.next_step import begin_run
from labctl.engine.order import orders_now, stop, take_order
from labctl.engine.rows import take_rows
from labctl.engine.safe_hold import take_safe_hold
from labctl.engine.spectrum import begin_spectrum, take_points
from labctl.engine.state import Outcome, State, capabilities_to_json
from labctl.engine.state_builder import StateBuilder, builder_of
from labctl.engine.state_parts import LastRow, SumsAtBegin
from labctl.engine.sums import held_until
from labctl.engine.transitions import close_step, go_on_with_step, open_step, pass_boundaries
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
    last = LastRow(
        charging_ah=carried.charging_ah,
        discharging_ah=carried.discharging_ah,
        charging_wh=carried.charging_wh,
        discharging_wh=carried.discharging_wh,
    )
    state = State("leaving", activity="idle", last=last, channel=capabilities_to_json(capabilities), roles=tuple(roles))
    builder = builder_of(plan, state)
    builder.cycle = replace(builder.cycle, count=carried.cycle, completed=carried.completed)
    builder.references = dict(carried.references)
    builder.nominal = carried.nominal
    builder.marks = {name: SumsAtBegin(0.0, *counters, 0.0, 0.0, 0) for name, counters in carried.marks.items()}
    builder.ocv_due = "required" if plan.ocv is not None else ""
    begin_run(builder)
    return builder.outcome()


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
    builder = builder_of(plan, state)
    taken = _take(builder, happened, state)
    return builder.outcome(taken)


def _take(builder: StateBuilder, happened: Input, state: State) -> int:  # noqa: C901 - a match whose arms are single calls
    match happened:
        case Batch():
            return take_rows(builder, happened)
        case Began():
            _began(builder, happened)
        case StepEnded():
            step_ended(builder, happened)
        case SpectrumPart():
            return _points(builder, happened)
        case Gap():
            take_gap(builder, happened)
        case Order():
            take_order(builder, happened, orders_now(state))
        case Result():
            _result(builder, happened)
        case InstrumentFault():
            _fault(builder, happened)
        case SafeHold():
            take_safe_hold(builder, happened)
        case SwitchedOff():
            builder.last = held_until(builder.last, *astuple(happened))
    return 0


def _began(builder: StateBuilder, began: Began) -> None:
    """Let the command that is out take effect: the old step is closed, the next one opened."""
    leaving = builder.leaving
    if builder.phase != "leaving" or leaving is None or began.attempt != builder.applied:
        return  # of a command that has been replaced, or the confirmation of a stage
    seen = builder.last.row_time or 0.0
    builder.last = held_until(
        builder.last, began.time, began.charging_ah, began.discharging_ah, began.charging_wh, began.discharging_wh
    )
    builder.leaving = None
    if (
        leaving.ending is not None and builder.step is not None
    ):  # what runs by itself was off from its end, or its last row, on
        close_step(builder, leaving.ending, max(leaving.ending.time, seen) if builder.acts_alone else builder.time)
    pass_boundaries(builder, leaving.boundaries)
    builder.attempt = began.attempt
    builder.move("running")
    if leaving.goes_on and not leaving.probe:
        go_on_with_step(builder)
    else:
        open_step(builder, probe=leaving.probe)
    if not leaving.probe:
        if builder.step_line.mode == "Spectrum":
            begin_spectrum(builder)
        begun(builder)


def _points(builder: StateBuilder, part: SpectrumPart) -> int:
    if part.attempt != builder.attempt or not builder.spectra.running:
        return len(part.points.time)
    taken, breach = take_points(builder, part.points)
    if breach:
        trip(builder, breach, "limit")
    return taken


def _result(builder: StateBuilder, result: Result) -> None:
    """Keep a result that was found outside, and ask the blocks around whether it ends them."""
    if result.name in SHORTS:
        verdict = builder.time if result.value > 0.0 else None
        hard = result.name == "short"
        builder.short = replace(builder.short, hard=verdict) if hard else replace(builder.short, soft=verdict)
    else:
        builder.results = {**builder.results, result.name: result.value}
    more = {} if builder.plan.edition == 1 else {"cycles_completed": builder.cycle.completed}
    builder.say("result", name=result.name, value=result.value, unit="", cycle_count=result.cycle, **more)
    if builder.phase == "running" and builder.step is not None and not builder.step.probe:
        ask_blocks(builder)


def _fault(builder: StateBuilder, fault: InstrumentFault) -> None:
    builder.say("fault", why=fault.why, safe=fault.safe)
    if builder.phase != "ended":
        stop(builder, "failed", fault.why)
