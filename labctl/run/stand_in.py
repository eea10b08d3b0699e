"""The model that stands in for a cell: its parameter file from the disk, and whether it fits the cell."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Final

from labctl.driver import SIMULATED_CELL, Examines, ParameterOrigin
from labctl.errors import CellError, StationError
from labctl.finding import Finding, Mark, with_lines
from labctl.plan.index import walk
from labctl.plan.number import as_filed, values
from labctl.plan.step import ByPass, Plan, Relative
from labctl.protocol.cell import Cell
from labctl.run.drivers import load

LARGEST: Final = 4 * 1024 * 1024  # bytes of a parameter file
SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})


def with_model(cell: Cell, *, files: bool = True) -> Cell:
    """Return a cell with the text of its parameter file, where its `model` names one: a path from the cell file's folder.

    Args:
        cell: As it was read.
        files: It may name one: a text that a face handed over may not, or whoever writes it would read this machine.

    Raises:
        CellError: There is no such file, it cannot be read, or none may be named.
    """
    path = Path(cell.model)
    if path.suffix not in SUFFIXES:
        return cell
    if not files:
        hint = "start it at the machine, or from the command line, where the file lies beside the cell's"
        raise CellError(
            _at(cell, "wanted the name of a model: a text that is handed over names no file of this machine", hint)
        )
    place = path if path.is_absolute() else Path(cell.file).parent / path
    try:
        if place.stat().st_size > LARGEST:
            raise CellError(_at(cell, f"wanted a parameter file of at most {LARGEST >> 20} MB, found a larger one"))
        text = place.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no UTF-8"
        hint = "a path is taken from the folder of the cell file"
        raise CellError(
            _at(cell, f"wanted the parameter file {place}, found none that can be read: {why}", hint)
        ) from error
    return replace(cell, model_text=text)


def model_findings(
    cell: Cell, temperatures: Sequence[float] = (), currents: Sequence[float] = ()
) -> tuple[Finding, ...]:
    """Return what is wrong with the model of a cell, each at its key in the cell file; none where it names no model.

    Args:
        cell: With the text of its parameter file.
        temperatures: To which a protocol brings it, K.
        currents: That it sets, A.
    """
    examiner = _examiner()
    if not cell.model or examiner is None:
        return ()
    known = {key: getattr(cell, key) for key in (*SIMULATED_CELL, "kind", "nominal", "reference")}
    wrong = [
        Finding(
            "cell.model",
            misfit.message,
            cell.marks.get(misfit.key) or Mark(cell.file, 1, 1),
            misfit.hint,
            severity="warning" if misfit.warning else "error",
        )
        for misfit in examiner.examine(known, temperatures, currents)
    ]
    return with_lines(wrong, {cell.file: cell.text})


def model_capacity(cell: Cell) -> float | None:
    """Return what the model of a cell holds at its size, C; None where it has none that holds charge."""
    examiner = _examiner()
    known = {key: getattr(cell, key) for key in SIMULATED_CELL}
    return None if not cell.model or examiner is None else examiner.capacity(known)


def parameter_findings(text: str, file: str) -> tuple[Finding, ...]:
    """Return what is wrong with a parameter file of a user's own."""
    examiner = _examiner()
    if examiner is None:
        return ()
    wrong = [
        Finding(
            "cell.parameters",
            misfit.message,
            Mark(file, misfit.line, 1),
            misfit.hint,
            severity="warning" if misfit.warning else "error",
        )
        for misfit in examiner.examine_parameters(text, file)
    ]
    return with_lines(wrong, {file: text})


def refuse_misfits(cell: Cell, plan: Plan | None = None) -> tuple[Finding, ...]:
    """Return the warnings on a model, under a plan where there is one.

    Raises:
        CellError: The model does not fit the cell, or is not valid where the plan leads it.
    """
    findings = model_findings(cell) if plan is None else _under(cell, plan)
    if any(finding.severity == "error" for finding in findings):
        raise CellError(findings)
    return findings


def nothing_to_simulate(cell: Cell) -> CellError:
    """Return the refusal of a cell that is to be simulated and whose file names no model."""
    file = cell.file.rpartition("/")[2] or "the cell file"
    message = f"wanted the model by which the cell is simulated, found none in {file}"
    return CellError(_at(cell, message, "add model: NAME; labctl models lists them"))


def plan_misfits(cell: Cell, plan: Plan) -> tuple[Finding, ...]:
    """Return what is wrong with a model under a plan, as warnings: a plan may be for the cell itself."""
    return tuple(replace(finding, severity="warning") for finding in _under(cell, plan))


def _under(cell: Cell, plan: Plan) -> tuple[Finding, ...]:
    return model_findings(cell, tuple(temperatures(plan)), tuple(currents(plan)))


def temperatures(plan: Plan) -> Iterator[float]:
    """Give the temperatures to which a plan brings its cell, K, in every pass."""
    for _, line in walk(plan.root):
        wanted = line.settings.get("temperature") if line.mode == "Chamber" else None
        if isinstance(wanted, ByPass):
            yield from wanted.values
        elif isinstance(wanted, float | int) and not isinstance(wanted, bool):
            yield float(wanted)


def currents(plan: Plan) -> Iterator[float]:
    """Give the constant currents of a plan, A, in every pass."""
    for _, line in walk(plan.root):
        wanted = line.settings.get("current") if line.mode == "Galvanostatic" else None
        if isinstance(wanted, float | ByPass | Relative):
            yield from values(as_filed(wanted))


def largest_current(options: Mapping[str, object]) -> float:
    """Return the largest current for which the model of a simulated run is valid, A; infinity where it does not say.

    Args:
        options: Of the run, as they are stored with it.
    """
    examiner = _examiner() if options.get("model") else None
    return inf if examiner is None else examiner.largest_current(options)


def origins(model: str) -> Sequence[ParameterOrigin]:
    """Return where each number of a shipped model comes from; none without such a model, or the driver of simulated cells."""
    examiner = _examiner()
    return () if examiner is None else examiner.origins(model)


def parameters_schema() -> Mapping[str, object]:
    """Return the JSON Schema of a parameter file.

    Raises:
        StationError: The driver of simulated cells is not installed.
    """
    return _installed().parameters_schema()


def parameters_template() -> str:
    """Return the text of a commented parameter file to start from.

    Raises:
        StationError: The driver of simulated cells is not installed.
    """
    return _installed().parameters_template()


def _installed() -> Examines:
    examiner = _examiner()
    if examiner is None:
        raise StationError("wanted the driver of simulated cells, found that it is not installed")
    return examiner


def _examiner() -> Examines | None:
    """Return the driver of simulated cells, or None where it is not installed."""
    try:
        driver = load("check", "simulated")
    except StationError:
        return None
    return driver if isinstance(driver, Examines) else None


def _at(cell: Cell, message: str, hint: str = "") -> Finding:
    mark = cell.marks.get("model") or Mark(cell.file, 1, 1)
    return with_lines([Finding("cell.model", message, mark, hint)], {cell.file: cell.text})[0]
