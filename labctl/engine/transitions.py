"""From one step to the next: a step is closed with what it gave, cycles end and begin, the next step is opened."""

from dataclasses import replace

from labctl.engine.cycle import (
    DRIVEN,
    OWN_ENDS,
    SWEEPS,
    before_of,
    entry_of,
    figures_of,
    half_cycle,
    paired,
    same_current,
    takes_over,
)
from labctl.engine.cycle_parts import Cycle
from labctl.engine.left_out import say_left_out
from labctl.engine.short import beside, carried_on
from labctl.engine.state_builder import StateBuilder
from labctl.engine.state_parts import Bad, Blind, Boundary, Ending, OpenStep, SumsAtBegin, passed_since, time_of
from labctl.plan.program import text_at

NO_CURRENT = "no current"  # at which cycles are whose counted half-cycle was not one of constant current
MOST_WAYS = 32  # step ends of a cycle that are looked at for how it begins
OPEN_CIRCUITS = frozenset({"rest", "prompt", "temperature"})
CONDITIONS = ("bend_angle_degree", "bend_radius_meter", "chamber_temperature_celsius", "applied_pressure_pa")


def open_step(builder: StateBuilder, *, probe: bool = False) -> None:
    """Open the step of the line that comes next, at the time of the last input, in the attempt that was confirmed."""
    builder.steps += 1
    entry, spent = _entry(builder, probe=probe)
    builder.suspended = builder.step
    name = (
        "" if probe or "name" not in builder.plan_line.options else text_at(builder.plan_line, "name", builder.passes)
    )
    builder.step = OpenStep(
        builder.steps, builder.line, builder.numbers["cycle_count"], entry, spent, builder.time, probe, name=name
    )
    builder.short = carried_on(builder.short)
    if builder.plan.edition > 1:
        builder.short = beside(builder.short, builder.externals)
    _renewed(builder)
    _say_attempt(builder)
    line = builder.step_line
    builder.say(
        "step_began",
        step_count=builder.steps,
        step_id=line.id,
        step_type="rest" if probe else line.verb,
        step_name=builder.step.name or ("open circuit" if probe else line.name),
        **builder.numbers,
        begin_test_time_second=builder.time,
    )


def _entry(builder: StateBuilder, *, probe: bool) -> tuple[SumsAtBegin, float]:
    """Return the sums where a step begins, and seconds of it that may lie behind: it may have been done unseen already."""
    entry, blind = entry_of(builder.last, builder.time, builder.blind), builder.blind
    if probe or not blind.next_second:
        return entry, 0.0
    builder.blind = Blind(blind.low_ah, blind.high_ah)
    return replace(entry, blind_high_ah=blind.high_ah - blind.next_ah), blind.next_second


def go_on_with_step(builder: StateBuilder) -> None:
    """Take up the open step in a new attempt, at the time of the last input."""
    builder.step = replace(builder.opened, resumed=builder.time)
    _renewed(builder)
    _say_attempt(builder)


def stand_still(builder: StateBuilder, time: float) -> None:
    """Stop the step time of the open step at a run time: it is not being done until an attempt goes on with it."""
    if builder.step is not None and builder.step.resumed is not None:
        stopped = max(time, builder.step.resumed)
        builder.step = replace(builder.step, spent=time_of(builder.step, stopped), resumed=None)


def _renewed(builder: StateBuilder) -> None:
    builder.windows, builder.window_since, builder.dwell, builder.bad = (), builder.time, None, Bad()
    builder.dwells = ()
    builder.renew()


def _say_attempt(builder: StateBuilder) -> None:
    step, line = builder.opened, builder.step_line
    more: dict[str, object] = {}
    if builder.plan.edition > 1:
        more = {"cycles_completed": builder.cycle.completed, **_energies(builder)}
    outside = builder.plan.edition > 1 and not step.cycle
    cycle = None if outside else builder.cycle.entry or entry_of(builder.last, builder.time, builder.blind)
    builder.say(
        "attempt",
        attempt_id=builder.attempt,
        step_count=step.count,
        cycle_count=step.cycle,
        step_id=step.line,
        step_type="rest" if step.probe else line.verb,
        begun_test_time_second=builder.time,
        step_time_second=step.spent,
        charging_capacity_ah=builder.last.charging_ah,
        discharging_capacity_ah=builder.last.discharging_ah,
        step_begin_charging_ah=step.entry.charging_ah,
        step_begin_discharging_ah=step.entry.discharging_ah,
        cycle_begin_charging_ah=cycle and cycle.charging_ah,
        cycle_begin_discharging_ah=cycle and cycle.discharging_ah,
        **more,
    )


def _energies(builder: StateBuilder) -> dict[str, object]:
    """Return the energies of an attempt: the run's, and those at which its step and its cycle began, Wh."""
    step, cycle = builder.opened, builder.cycle.entry if builder.opened.cycle else None
    return {
        "charging_energy_wh": builder.last.charging_wh,
        "discharging_energy_wh": builder.last.discharging_wh,
        "step_begin_charging_wh": step.entry.charging_wh,
        "step_begin_discharging_wh": step.entry.discharging_wh,
        "cycle_begin_charging_wh": cycle and cycle.charging_wh,
        "cycle_begin_discharging_wh": cycle and cycle.discharging_wh,
    }


def close_step(builder: StateBuilder, ending: Ending, time: float) -> None:
    """Record how the open step ended; it went on until `time`, unless its step time stood still already."""
    step, line, last = builder.opened, builder.step_line, builder.last
    entry = step.entry
    late, overshoot = _beyond(builder, ending, time)
    builder.say(
        "step_ended",
        step_count=step.count,
        step_id=step.line,
        step_type="rest" if step.probe else line.verb,
        step_name=step.name or ("open circuit" if step.probe else line.name),
        cycle_count=step.cycle,
        begin_test_time_second=entry.time,
        end_test_time_second=time,
        step_time_second=time_of(step, time),
        end_reason=ending.reason,
        end_text=ending.text,
        charging_capacity_ah=last.charging_ah - entry.charging_ah,
        discharging_capacity_ah=last.discharging_ah - entry.discharging_ah,
        charging_energy_wh=last.charging_wh - entry.charging_wh,
        discharging_energy_wh=last.discharging_wh - entry.discharging_wh,
        first_voltage_volt=step.first_voltage,
        last_voltage_volt=last.voltage if step.first_voltage is not None else None,
        last_current_ampere=last.current if step.first_voltage is not None else None,
        late_second=late,
        overshoot=overshoot,
        first_record=entry.first_record,
        last_record=last.record,
        **{name: builder.externals.get(name) for name in CONDITIONS},
        **_unseen(builder, entry),
        **_whole(builder, ending),
    )
    if builder.plan.edition > 1 and not step.probe:
        say_left_out(builder, line, entry, time_of(step, time))
    builder.closed = ending
    builder.step, builder.suspended = builder.suspended, None
    builder.renew()


def _unseen(builder: StateBuilder, entry: SumsAtBegin) -> dict[str, float]:
    """Return how much more than the counters have may have passed in a step, Ah; nothing where nothing was unseen."""
    low, high = builder.blind.low_ah - entry.blind_low_ah, builder.blind.high_ah - entry.blind_high_ah
    return {"blind_charge_low_ah": low, "blind_charge_high_ah": high} if low or high else {}


def _whole(builder: StateBuilder, ending: Ending) -> dict[str, object]:
    """Return whether the step that ends is complete: it reached an end of its own; and keep what its cycle must know of it."""
    if builder.plan.edition == 1:
        return {}
    cycle, step = builder.cycle, builder.opened
    if step.cycle and step.cycle == cycle.count and not step.probe and cycle.entry is not None:
        ways = cycle.ways
        if len(ways) < MOST_WAYS:
            entry, last = cycle.entry, builder.last
            ways = (*ways, last.charging_ah - entry.charging_ah - (last.discharging_ah - entry.discharging_ah))
        takes_first = cycle.takes_first or any(builder.block(frame).takes_first for frame in builder.frames)
        builder.cycle = replace(cycle, ways=ways, largest=largest_half_cycle(builder), takes_first=takes_first)
    return {"complete": ending.reason in OWN_ENDS, "cycles_completed": cycle.completed}


def largest_half_cycle(builder: StateBuilder) -> tuple[float, float | None]:
    """Return charge and current of the largest half-cycle that counts of the cycle that runs, the open step included."""
    step, line, largest = builder.step, builder.step_line if builder.step is not None else None, builder.cycle.largest
    if step is None or line is None or step.probe or step.cycle != builder.cycle.count or line.verb not in DRIVEN:
        return largest
    return max(
        largest,
        half_cycle(builder.plan.cell, step.entry, builder.last, builder.step_time(builder.time)),
        key=lambda one: one[0],
    )


def note_open_circuit(builder: StateBuilder) -> None:
    """Keep the last voltage of a rest, as the cell's and as the `ocv` of what follows; that of a look only as the cell's.

    Not that of a prompt: whoever answers it may have touched the cell since.
    """
    step, line = builder.opened, builder.step_line
    if step.first_voltage is None:
        return
    if step.probe or line.verb == "rest":
        builder.rest_voltage = builder.last.voltage
    if not step.probe and line.verb in (OPEN_CIRCUITS if builder.plan.edition > 1 else {"rest"}):
        builder.ocv = builder.last.voltage


def _beyond(builder: StateBuilder, ending: Ending, time: float) -> tuple[float, float | None]:
    """Return how late the end was acted on, s, and how far the last row lies beyond it, in the unit of the quantity."""
    late = max(time - (ending.time if ending.crossed is None else ending.crossed), 0.0)
    last = builder.last
    if ending.value is None or last.voltage is None or last.current is None:
        return late, None
    now = {
        "voltage": last.voltage,
        "current": abs(last.current),
        "power": abs(last.voltage * last.current),
        "temperature": last.temperature,
        "time": builder.step_time(time),
        "capacity": passed_since(builder.opened.entry, last, builder.blind),
    }.get(ending.quantity)
    if now is None:
        return late, None
    return late, (now - ending.value) if ending.above else (ending.value - now)


def pass_boundaries(builder: StateBuilder, boundaries: tuple[Boundary, ...]) -> None:
    """Let cycles end and begin, at the time of the last input."""
    for which, kind, count in boundaries:
        if which != "begin":
            end_cycle(builder, whole=which == "end")
        else:
            resumed = builder.plan.edition > 1 and builder.plan.carried.start and not builder.steps
            flaw = "resumed" if resumed else ""  # the earlier run had begun it, or left the cell in the middle of one
            entry, cycle = entry_of(builder.last, builder.time, builder.blind), builder.cycle
            builder.cycle = Cycle(count, kind, entry, cycle.completed, flaw, before=cycle.before)
            more = {} if builder.plan.edition == 1 else {"cycles_completed": cycle.completed}
            builder.say("cycle_began", cycle_count=count, kind=kind, begin_test_time_second=builder.time, **more)


def end_cycle(builder: StateBuilder, *, whole: bool = True, why: tuple[str, str] = ("", "")) -> None:
    """Record what a cycle gave; one that was cut short has neither efficiency nor retention.

    Args:
        builder: At the end of the cycle.
        whole: Its pass came to its end.
        why: Reason and text of an end that no step closed just now explains.
    """
    cycle, last = builder.cycle, builder.last
    if cycle.entry is None or not cycle.kind:
        return
    entry = cycle.entry
    whole = whole and not cycle.flaw
    first = builder.plan.edition == 1
    figures = (
        figures_of(builder.plan.cell, cycle.kind, cycle.count, entry, last)
        if first
        else paired(builder.plan.cell, cycle, last)
    )
    ended = builder.closed
    reason, text = (ended.reason, ended.text) if ended else why
    if cycle.flaw:
        reason, text = cycle.flaw, ""
    before = None if first or not whole else before_of(cycle, last)
    completed = cycle.count if whole and not first else cycle.completed
    builder.say(
        "cycle_ended",
        cycle_count=cycle.count,
        kind=cycle.kind,
        begin_test_time_second=entry.time,
        end_test_time_second=builder.time,
        charging_capacity_ah=last.charging_ah - entry.charging_ah,
        discharging_capacity_ah=last.discharging_ah - entry.discharging_ah,
        charging_energy_wh=last.charging_wh - entry.charging_wh,
        discharging_energy_wh=last.discharging_wh - entry.discharging_wh,
        coulombic_efficiency=figures.efficiency if whole else None,
        retention=_retention(builder, cycle.kind, figures.counted) if whole else None,
        first_record=entry.first_record,
        last_record=last.record,
        **(
            {}
            if first
            else {
                "complete": whole,
                "end_reason": "done" if whole else reason,
                "end_text": "" if whole else text,
                "efficiency_cycle": figures.against if whole else None,
                "cycles_completed": completed,
            }
        ),
    )
    builder.cycle = Cycle(cycle.count, "", None, completed, before=before)


def _retention(builder: StateBuilder, kind: str, counted: float | None) -> float | None:
    """Return the retention that a cycle is listed with: of the first of its kind in the run that is not formation.

    From the second edition on that is the first at its own current, or the first that passed more than next to nothing.
    """
    if counted is None or kind in {"formation", SWEEPS}:
        return None
    if builder.plan.edition > 1:
        return _retention_alike(builder, kind, counted)
    if kind not in builder.references:
        builder.references = {**builder.references, kind: counted}
    reference = builder.references[kind]
    return counted / reference if reference else None


def _retention_alike(builder: StateBuilder, kind: str, counted: float) -> float | None:
    """Return the retention of a cycle against the first of its kind at its own current, and keep that."""
    current = builder.cycle.largest[1]
    name = next(
        (name for name in builder.references if _is_of(name, kind, current)),
        f"{kind} at {NO_CURRENT if current is None else repr(current)}",
    )
    reference = builder.references.get(name)
    if reference is None or takes_over(reference, counted):
        reference = counted
        builder.references = {**builder.references, name: counted}
    return counted / reference if reference else None


def _is_of(name: str, kind: str, current: float | None) -> bool:
    """Tell whether a reference is that of a kind of cycles at a current."""
    head, at, text = name.partition(" at ")
    return head == kind and bool(at) and same_current(None if text == NO_CURRENT else float(text), current)
