"""What is wrong with a parameter file, or with a set that stands in for a cell of a cell file; for `labctl check`."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from labctl_simulators import parameters
from labctl_simulators.assembly.build import build_whole, load_model
from labctl_simulators.assembly.tree import MisfitError, Size
from labctl_simulators.cell.chemistry.blocking import Blocking
from labctl_simulators.cell.chemistry.insertion import Insertion
from labctl_simulators.cell.chemistry.ocp import OpenCircuit
from labctl_simulators.cell.model import CellModel
from labctl_simulators.parameters import ParameterError, ParameterSet
from labctl_simulators.parameters.own import composed, foreign, misread, read_text, whole

FAR: Final = 1.5
"""A model's capacity differs from the nominal one of a cell file if it is more than this many times it, or one over it."""
BEYOND: Final = 1.05
"""A current is beyond the range of a set if it is more than this many times its largest: published sizes are rounded."""
RISE: Final = 2e-3
"""V; an open-circuit potential may rise by so much within the window: published fits do."""
METALS: Final = frozenset({"Li", "Na", "K"})
"""Metals that voltages are against; of another reference nobody knows where it lies."""
_WORDS: Final = frozenset({"reference", "nominal_capacity"})
"""Numbers and words that describe a set and that no builder reads."""


class Remark(NamedTuple):
    """Say what is wrong.

    Attributes:
        message: one sentence: what was wanted, what was found.
        key: of the cell file; "" in a parameter file.
        hint: what to do, or "".
        line: of a parameter file, from 1.
        warning: it refuses nothing.
    """

    message: str
    key: str = ""
    hint: str = ""
    line: int = 1
    warning: bool = False


class Wanted(NamedTuple):
    """Hold what a cell file says of the cell that a model stands in for; None where it says nothing.

    Attributes:
        model: name of the set, or of its file.
        text: of that file.
        size: of the cell.
        kind: `full`, `half_cathode`, ...
        nominal: charge, C.
        temperatures: to which a protocol brings it, K.
        currents: that a protocol sets, A.
        begin: state of charge at which it begins, the voltage at which it rests then, V, and the cycles before that.
        reference: what its voltages are against, Li for instance.
    """

    model: str
    text: str = ""
    size: Size = Size()
    kind: str = ""
    nominal: float | None = None
    temperatures: Sequence[float] = ()
    currents: Sequence[float] = ()
    begin: tuple[float | None, float | None, float | None] = (None, None, None)
    reference: str = ""


def review_cell(wanted: Wanted) -> list[Remark]:
    """Return what does not fit between a model and the cell that it stands in for."""
    try:
        cell = load_model(wanted.model, wanted.size, wanted.text)
    except MisfitError as error:
        return [Remark(str(error), error.key, f"leave {error.key} out of the cell file, or take another model")]
    except ParameterError as error:
        if wanted.text or wanted.model in parameters.names():
            return [Remark(str(error), "model", "labctl models lists them")]
        return [_unknown(wanted, str(error))]
    looks = (_kind, _reference, _capacity, _temperature, _current, _begin)
    return [remark for look in looks for remark in look(cell, wanted)]


def _unknown(wanted: Wanted, error: str) -> Remark:
    """Say that there is no such model, with the likely ones of the cell's kind."""
    of_kind = [name for name in parameters.names() if wanted.kind in {"", parameters.read(name).kind}]
    near = [name for name in parameters.near(wanted.model) if name in of_kind]
    if near:
        return Remark(f"wanted a model, found {wanted.model!r}", "model", f"did you mean {' or '.join(near)}?")
    if wanted.kind and of_kind:
        hint = f"of kind {wanted.kind} there are {', '.join(of_kind)}"
        return Remark(f"wanted a model, found {wanted.model!r}", "model", hint)
    return Remark(error, "model", "labctl models lists them")


def _kind(cell: CellModel, wanted: Wanted) -> Iterator[Remark]:
    if wanted.kind and cell.chemistry.kind != wanted.kind:
        known = [name for name in parameters.names() if parameters.read(name).kind == wanted.kind]
        yield Remark(
            f"wanted a model of kind {wanted.kind}, found {cell.name}, which is of kind {cell.chemistry.kind}",
            "model",
            f"of kind {wanted.kind} there are {', '.join(known)}" if known else "labctl models lists them",
        )


def _reference(cell: CellModel, wanted: Wanted) -> Iterator[Remark]:
    """Tell of a cell whose voltages are against another metal than those of its model."""
    values = (read_text(wanted.text, wanted.model) if wanted.text else parameters.read(wanted.model)).values
    metal = str(values.get("reference", ""))
    if cell.chemistry.kind != "full" and {metal, wanted.reference} <= METALS and metal != wanted.reference:
        yield Remark(
            f"wanted a model whose voltages are against {wanted.reference}, found {cell.name}, whose are against {metal}",
            "reference",
            f"write reference: {metal}, or take a model of a cell with {wanted.reference}",
            warning=True,
        )


def _capacity(cell: CellModel, wanted: Wanted) -> Iterator[Remark]:
    chemistry = cell.chemistry
    if wanted.nominal is None or chemistry.kind != (wanted.kind or chemistry.kind):
        return
    charge = held_by(cell)
    if charge is None:
        return
    if not wanted.nominal / FAR < charge < wanted.nominal * FAR:
        yield Remark(
            f"wanted a model of about the nominal capacity, {_charge(wanted.nominal)}, found {cell.name} at the size of "
            f"this cell, which holds {_charge(charge)} within its window",
            "model",
            "C rates and ends by capacity will not mean on the model what they mean on the cell",
            warning=True,
        )


def held_by(cell: CellModel) -> float | None:
    """Return the charge that a cell holds within its window, C; None of one that holds none."""
    chemistry = cell.chemistry
    if isinstance(chemistry, Blocking) and chemistry.parameters.window is not None:
        low, high = chemistry.parameters.window
        return chemistry.parameters.contact * chemistry.parameters.area * (high - low)
    if not isinstance(chemistry, Insertion):
        return None
    host = chemistry.parameters.positive
    return float(abs(host.high - host.low) * host.capacity)


def _charge(coulomb: float) -> str:
    """Return a charge in Ah, mAh or uAh, whichever reads best."""
    hours = coulomb / 3600.0
    unit, factor = next(((unit, by) for unit, by in (("Ah", 1.0), ("mAh", 1e3)) if hours * by >= 0.1), ("uAh", 1e6))
    return f"{hours * factor:.4g} {unit}"


def _temperature(cell: CellModel, wanted: Wanted) -> Iterator[Remark]:
    low, high = (getattr(cell.chemistry.parameters, name) for name in ("lowest", "highest"))  # type: ignore[attr-defined]
    beyond = [kelvin for kelvin in wanted.temperatures if not low <= kelvin <= high]
    if beyond:
        yield Remark(
            f"wanted a protocol within {low - 273.15:.4g} to {high - 273.15:.4g} degC, for which {cell.name} is valid, "
            f"found {beyond[0] - 273.15:.4g} degC",
            "model",
            "take a model that covers it, or another temperature",
        )


def largest_current(cell: CellModel) -> float:
    """Return the largest current for which a cell's parameter set is valid, A; infinity where it does not say."""
    return float(cell.chemistry.parameters.highest_current)  # type: ignore[attr-defined]


def _current(cell: CellModel, wanted: Wanted) -> Iterator[Remark]:
    most, asked = largest_current(cell), max(map(abs, wanted.currents), default=0.0)
    if asked > BEYOND * most:
        nominal = wanted.nominal  # what 1C is in the protocol; what the model holds is another number
        rate = f" ({most * 3600.0 / nominal:.3g}C)" if nominal else ""
        yield Remark(
            f"wanted currents of at most {1e3 * most:.4g} mA{rate}, for which {cell.name} is valid, found "
            f"{1e3 * asked:.4g} mA",
            "model",
            "what the model gives there is compared with nothing; the results say so",
            warning=True,
        )


def _begin(cell: CellModel, wanted: Wanted) -> Iterator[Remark]:
    """Say where a model cannot begin in the state that the cell file wants."""
    soc, voltage, cycles = wanted.begin
    if (soc, voltage, cycles) == (None, None, None):
        return
    if not isinstance(cell.chemistry, Insertion) and cell.chemistry.kind != "capacitor":
        yield Remark(
            f"wanted a cell without a state to begin in, found one for {cell.name}, which has no state of charge",
            "state",
            "leave state out of the cell file",
        )
        return
    try:
        cell.initial(soc if voltage is None else cell.charge_at(voltage), cycles=cycles or 0.0)
    except ValueError as error:
        yield Remark(str(error), "state")


def review_file(text: str, file: str) -> list[Remark]:
    """Return what is wrong with a parameter file: its numbers, their units and sources, and numbers that nothing reads."""
    read: set[str] = set()
    try:
        parameter_set = read_text(text, file)
        cell = whole(text, file, lambda one: build_whole(one._replace(electrolyte=True), Size(), read))
    except ParameterError as error:
        return _refused(error, text, file)
    if text.lstrip()[:1] == "{":
        omitted = foreign(text)[1]()
        return [*(Remark(f"not taken: {words}", warning=True) for words in omitted), *_potentials(cell, {})]
    lines = composed(text, file)[1]
    return [*_unread(parameter_set, read, lines), *_potentials(cell, lines)]


def _refused(error: ParameterError, text: str, file: str) -> list[Remark]:
    """Return why a file is refused: every key and unit that its model does not have, or else what was found first."""
    try:
        several = [] if text.lstrip()[:1] in {"{", "["} else misread(text, file)
    except ParameterError:  # it is no such file, which is what was found first
        several = []
    if len(several) < 2:
        return [Remark(error.words, line=error.line)]
    return [Remark(words, line=line) for line, words in several]


def _unread(found: ParameterSet, read: set[str], lines: dict[str, int]) -> Iterator[Remark]:
    """Give the numbers that stand in the file and that nothing reads."""
    for origin in found.origins:
        key = origin.path.removeprefix(f"{found.name}.")
        place = f"values.{key}"
        stands = place in lines
        if origin.path not in read and stands and key not in _WORDS:
            yield Remark(
                f"wanted numbers that act, found {key}, which nothing in this file's model reads",
                hint="docs/reference/cells.md lists them",
                line=lines[place],
            )


def _potentials(cell: CellModel, lines: dict[str, int]) -> Iterator[Remark]:
    """Give the open-circuit potentials that rise with the stoichiometry within the window."""
    if not isinstance(cell.chemistry, Insertion):
        return
    names = ("positive", "negative") if len(cell.chemistry.hosts) == 2 else ("working",)
    for name, host in zip(names, cell.chemistry.hosts, strict=True):
        at = np.linspace(min(host.low, host.high), max(host.low, host.high), 400)
        values = _values(host.potential, at)
        rise = float((values - np.minimum.accumulate(values)).max())
        if rise > RISE:
            yield Remark(
                f"wanted an open-circuit potential of the {name} electrode that falls with the stoichiometry, found one "
                f"that rises by {1e3 * rise:.3g} mV within the window",
                hint="a cell has no stable state where its potential rises; look at its table or formula",
                line=lines.get(f"values.{name}.ocp", 1),
                warning=True,
            )


def _values(potential: OpenCircuit, at: np.ndarray) -> np.ndarray:
    return np.asarray(potential(at))
