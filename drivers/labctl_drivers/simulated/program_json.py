"""Programs and pieces as JSON values, for the state of a simulated cell in its run's checkpoint."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from labctl import driver
from labctl.driver import Bounds, Program, ProgramStep, RecordRule, Threshold
from labctl_drivers.simulated.interval import Piece
from labctl_drivers.simulated.written_rows import LastWritten
from labctl_simulators.cell import CellState


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


def piece_to_json(piece: Piece) -> dict[str, Any]:
    """Return where a piece of the cell's life begins, and the cell there, as JSON values."""
    names = ("index", "offset", "charging", "discharging", "row", "fenced", "put_in", "taken_out", "clipped")
    last = None if piece.last is None else [piece.last.time, piece.last.voltage, piece.last.current]
    return {"cell": piece.state.to_json(), "last": last, **{name: getattr(piece, name) for name in names}}


def piece_from_json(value: Mapping[str, Any], state: CellState) -> Piece:
    """Read a piece back from `piece_to_json`; one that was saved before energy was counted begins at none."""
    last = None if value["last"] is None else LastWritten(*value["last"])
    places = value["index"], value["offset"], state, value["charging"], value["discharging"]
    energies = value.get("put_in", 0.0), value.get("taken_out", 0.0)
    return Piece(*places, value["row"], last, value["fenced"], *energies, bool(value.get("clipped")))


def _frozen(item: Any) -> Any:
    return tuple(item) if isinstance(item, list) else item
