"""Programs as JSON values, for the state of a simulated cell in its run's checkpoint."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from labctl import driver
from labctl.driver import Bounds, Program, ProgramStep, RecordRule, Threshold


def program_to_json(program: Program) -> dict[str, Any]:
    """Return a program of one step as JSON values."""
    step = program.steps[0]
    if not isinstance(step, ProgramStep):
        raise TypeError("a simulated cell holds programs of one step, found a loop")
    return {
        "attempt": program.attempt,
        "label": program.label,
        "line": step.line,
        "mode": [type(step.mode).__name__, {item.name: getattr(step.mode, item.name) for item in fields(step.mode)}],
        "ends": [[end.quantity, end.above, end.value, end.number] for end in step.ends],
        "record": [[rule.every, rule.voltage, rule.current, rule.until] for rule in step.record],
        "bounds": [step.bounds.voltage, step.bounds.current, step.bounds.temperature, step.bounds.charge],
    }


def program_from_json(value: Mapping[str, Any]) -> Program:
    """Read a program back from `program_to_json`."""
    name, arguments = value["mode"]
    pair = [None if item is None else (float(item[0]), float(item[1])) for item in value["bounds"][:3]]
    step = ProgramStep(
        line=int(value["line"]),
        mode=getattr(driver, name)(**{key: _frozen(item) for key, item in arguments.items()}),
        ends=tuple(Threshold(*end) for end in value["ends"]),
        record=tuple(RecordRule(*rule) for rule in value["record"]),
        bounds=Bounds(pair[0], pair[1], pair[2], value["bounds"][3]),
    )
    return Program(int(value["attempt"]), (step,), str(value["label"]))


def _frozen(item: Any) -> Any:
    return tuple(item) if isinstance(item, list) else item
