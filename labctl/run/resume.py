"""A new run that goes on from an earlier one: what it carries, and where in the plan it begins."""

from labctl.engine.state import State
from labctl.errors import OrderRefused
from labctl.plan.index import index
from labctl.plan.resume import resumed
from labctl.plan.step import Carried, Plan
from labctl.run.resume_point import ResumePoint


def carried(plan: Plan, state: State, mark: ResumePoint, step: int) -> Plan:
    """Return the plan of a run that goes on from another at a line; 0 is where that one stood.

    Cycle count, charge and retention references go along; blocks around the line begin with the pass in which they stood.

    Raises:
        OrderRefused: The plan has no such line, or the run stood nowhere.
    """
    paths = index(plan).paths
    line = step or state.line or mark.line
    if line not in paths:
        where = f"step {step}" if step else "a run that had not begun its first step"
        raise OrderRefused(f"wanted a step of the plan from 1 to {len(paths)}, found {where}")
    passes = dict(mark.passes) | state.passes
    around = {block.id: block.passes for block in paths[line]}
    return resumed(
        plan,
        Carried(
            cycle=state.cycle.count,
            charging_ah=state.last.charging_ah,
            discharging_ah=state.last.discharging_ah,
            charging_wh=state.last.charging_wh,
            discharging_wh=state.last.discharging_wh,
            completed=state.cycle.completed,
            references=dict(state.references) | dict(mark.references),
            marks={name: (entry.charging_ah, entry.discharging_ah) for name, entry in state.marks.items()},
            nominal=state.nominal,
            start=line,
            passes=tuple(sorted((block, number) for block, number in passes.items() if number < around.get(block, 0))),
        ),
    )
