"""From one step to the next: a step is closed with what it gave, cycles end and begin, the next step is opened."""

from dataclasses import replace

from labctl.engine.cycle import entry_of, figures_of
from labctl.engine.memory import Bad, Boundary, Cycle, Ending, Step, passed_since, time_of
from labctl.engine.short import carried_on
from labctl.engine.work import Work
from labctl.plan.program import text_at

CONDITIONS = ("bend_angle_degree", "bend_radius_meter", "chamber_temperature_celsius", "applied_pressure_pa")


def open_step(work: Work, *, probe: bool = False) -> None:
    """Begin the line that comes next, at the time of the last input, in the attempt that is confirmed."""
    work.steps += 1
    entry = entry_of(work.last, work.time)
    work.suspended = work.step
    name = "" if probe or "name" not in work.plan_line.options else text_at(work.plan_line, "name", work.passes)
    work.step = Step(work.steps, work.line, work.cycle.count, entry, 0.0, work.time, probe, name=name)
    work.short = carried_on(work.short)
    _renewed(work)
    _say_attempt(work)
    line = work.step_line
    work.say(
        "step_began",
        step_count=work.steps,
        step_id=line.id,
        step_type="rest" if probe else line.verb,
        step_name=work.step.name or ("open circuit" if probe else line.name),
        cycle_count=work.cycle.count,
        begin_test_time_second=work.time,
    )


def go_on_with_step(work: Work) -> None:
    """Take up the open step in a new attempt, at the time of the last input."""
    work.step = replace(work.opened, resumed=work.time)
    _renewed(work)
    _say_attempt(work)


def stand_still(work: Work, time: float) -> None:
    """Stop the step time of the open step at a run time: it is not being done until an attempt goes on with it."""
    if work.step is not None and work.step.resumed is not None:
        stopped = max(time, work.step.resumed)
        work.step = replace(work.step, spent=time_of(work.step, stopped), resumed=None)


def _renewed(work: Work) -> None:
    work.windows, work.window_since, work.dwell, work.bad = (), work.time, None, Bad()
    work.renew()


def _say_attempt(work: Work) -> None:
    step, line = work.opened, work.step_line
    cycle = work.cycle.entry or entry_of(work.last, work.time)
    work.say(
        "attempt",
        attempt_id=work.attempt,
        step_count=step.count,
        cycle_count=step.cycle,
        step_id=step.line,
        step_type="rest" if step.probe else line.verb,
        begun_test_time_second=work.time,
        step_time_second=step.spent,
        charging_capacity_ah=work.last.charging_ah,
        discharging_capacity_ah=work.last.discharging_ah,
        step_begin_charging_ah=step.entry.charging_ah,
        step_begin_discharging_ah=step.entry.discharging_ah,
        cycle_begin_charging_ah=cycle.charging_ah,
        cycle_begin_discharging_ah=cycle.discharging_ah,
    )


def close_step(work: Work, ending: Ending, time: float) -> None:
    """Write down how the open step ended; until `time` it went on, unless it stood still already."""
    step, line, last = work.opened, work.step_line, work.last
    entry = step.entry
    late, overshoot = _beyond(work, ending, time)
    work.say(
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
        **{name: work.externals.get(name) for name in CONDITIONS},
    )
    work.step, work.suspended = work.suspended, None
    work.renew()


def note_open_circuit(work: Work) -> None:
    """Keep the last voltage of a rest, as the cell's and as the `ocv` of what follows; that of a look only as the cell's.

    Not that of a prompt: whoever answers it may have touched the cell since.
    """
    step, line = work.opened, work.step_line
    if step.first_voltage is None:
        return
    if step.probe or line.verb == "rest":
        work.rest_voltage = work.last.voltage
    if line.verb == "rest" and not step.probe:
        work.ocv = work.last.voltage


def _beyond(work: Work, ending: Ending, time: float) -> tuple[float, float | None]:
    """Return how late the end was acted on, s, and how far the last row lies beyond it, in the unit of the quantity."""
    late = max(time - (ending.time if ending.crossed is None else ending.crossed), 0.0)
    last = work.last
    if ending.value is None or last.voltage is None or last.current is None:
        return late, None
    now = {
        "voltage": last.voltage,
        "current": abs(last.current),
        "power": abs(last.voltage * last.current),
        "temperature": last.temperature,
        "time": work.step_time(time),
        "capacity": passed_since(work.opened.entry, last),
    }.get(ending.quantity)
    if now is None:
        return late, None
    return late, (now - ending.value) if ending.above else (ending.value - now)


def pass_boundaries(work: Work, boundaries: tuple[Boundary, ...]) -> None:
    """Let cycles end and begin, at the time of the last input."""
    for which, kind, count in boundaries:
        if which != "begin":
            end_cycle(work, whole=which == "end")
        else:
            work.cycle = Cycle(count, kind, entry_of(work.last, work.time))
            work.say("cycle_began", cycle_count=count, kind=kind, begin_test_time_second=work.time)


def end_cycle(work: Work, *, whole: bool = True) -> None:
    """Write down what the cycle gave; one that was cut short has neither efficiency nor retention."""
    cycle, last = work.cycle, work.last
    if cycle.entry is None or not cycle.kind:
        return
    entry = cycle.entry
    figures = figures_of(work.plan.cell, cycle.kind, cycle.count, entry, last)
    work.say(
        "cycle_ended",
        cycle_count=cycle.count,
        kind=cycle.kind,
        begin_test_time_second=entry.time,
        end_test_time_second=work.time,
        charging_capacity_ah=last.charging_ah - entry.charging_ah,
        discharging_capacity_ah=last.discharging_ah - entry.discharging_ah,
        charging_energy_wh=last.charging_wh - entry.charging_wh,
        discharging_energy_wh=last.discharging_wh - entry.discharging_wh,
        coulombic_efficiency=figures.efficiency if whole else None,
        retention=_retention(work, cycle.kind, figures.counted) if whole else None,
        first_record=entry.first_record,
        last_record=last.record,
    )
    work.cycle = Cycle(cycle.count, "", None)


def _retention(work: Work, kind: str, counted: float | None) -> float | None:
    """Return the retention that a cycle is listed with: of the first of its kind in the run that is not formation."""
    if counted is None or kind == "formation":
        return None
    if kind not in work.references:
        work.references = {**work.references, kind: counted}
    reference = work.references[kind]
    return counted / reference if reference else None
