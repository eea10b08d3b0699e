"""Build cells from parameter sets: the shipped ones by name, and those of a user's own file."""

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple

from labctl_simulators import parameters
from labctl_simulators.assembly.tree import OWN, Numbers, Size
from labctl_simulators.cell.model import CellModel
from labctl_simulators.cell.physics import Chemistry
from labctl_simulators.parameters import ParameterError, ParameterSet

_BUILDERS = ("insertion", "symmetric", "blocking")
"""Modules of `assembly`, each with its `build`; imported as the first such cell is built."""


class ModelInfo(NamedTuple):
    """Say what one model is.

    Attributes:
        name: under which it is loaded.
        model: `insertion`, `symmetric` or `blocking`.
        kind: as in a cell file.
        about: what it stands for.
        area: m2, of the cell as it is loaded without scaling.
        window: lowest and highest voltage, V.
        capacity: nominal, C; None where there is none.
        quoted: how many of its numbers are quoted.
        fitted: how many are fitted to reported figures, or derived from quoted ones.
        assumed: how many are assumed.
        sources: citations.
    """

    name: str
    model: str
    kind: str
    about: str
    area: float
    window: tuple[float, float]
    capacity: float | None
    quoted: int
    fitted: int
    assumed: int
    sources: tuple[str, ...]


def load_model(name: str, size: Size = OWN, text: str = "", **sizes: Any) -> CellModel:
    """Build the cell of a parameter set, scaled to a user's own.

    Args:
        name: of the parameter set, as `list_models` gives them, or of the file of a user's own.
        size: of the user's cell.
        text: of that file; "" where it is a shipped one.
        **sizes: single ones of its numbers by name.

    Raises:
        ParameterError: there is no such model, or a scale is not a positive number, or one of its numbers is missing.

    >>> load_model("voc1-atfb", area=2e-4).name
    'voc1-atfb'
    """
    size = size._replace(**sizes)
    for what, scale in zip(("area", "mass", "film thickness", "electrolyte thickness"), size, strict=False):
        if scale is not None and not 0.0 < scale < float("inf"):
            raise ParameterError(f"wanted {what} above 0 for model {name}, found {scale}")
    return _load(name, size, text)


@lru_cache(maxsize=64)
def _load(name: str, size: Size, text: str) -> CellModel:
    """Build and keep a cell; it is immutable, so it may be shared."""
    if not text:
        return build_cell(parameters.read(name), size)
    from labctl_simulators.parameters import own  # noqa: PLC0415 - few cells are of a file of their own

    return own.whole(text, name, lambda found: build_whole(found, size))


def build_whole(parameters: ParameterSet, size: Size = OWN, read: set[str] | None = None) -> CellModel:
    """Build the cell of a set that nobody has tried yet: also what shipped sets leave until it is first asked for.

    Raises:
        ParameterError: as `build_cell`.
    """
    cell = build_cell(parameters, size, read)
    for host in getattr(cell.chemistry, "hosts", ()):
        if host.entropy is not None:
            host.entropy()
    return cell


def build_cell(parameters: ParameterSet, size: Size = OWN, read: set[str] | None = None) -> CellModel:
    """Build the cell of a parameter set that was read; `read` gathers the paths of what it is built from.

    Raises:
        ParameterError: a number is missing, or is none that a cell can have.
    """
    name = parameters.name
    if not parameters.electrolyte:
        size = size._replace(electrolyte=False)
    if parameters.double_layers:
        size = size._replace(layers=True)
    if parameters.model not in _BUILDERS:
        raise ParameterError(f"{name}: wanted model {', '.join(_BUILDERS)}, found {parameters.model!r}")
    module = import_module(f"labctl_simulators.assembly.{parameters.model}")
    build: Callable[[ParameterSet, Size, set[str] | None], Chemistry] = module.build
    try:
        return CellModel(build(parameters, size, read))
    except ParameterError:
        raise
    except ValueError as error:
        raise ParameterError(f"{name}: {error}") from error


def list_models() -> list[ModelInfo]:
    """Return what models there are, in alphabetical order."""
    return [_info(parameters.read(name)) for name in parameters.names()]


def _info(parameters: ParameterSet) -> ModelInfo:
    numbers = Numbers(parameters.values, parameters.name)
    statuses = [origin.status for origin in parameters.origins]
    return ModelInfo(
        name=parameters.name,
        model=parameters.model,
        kind=parameters.kind,
        about=" ".join(parameters.about.split()),
        area=numbers.number("area"),
        window=(numbers.number("lower_voltage"), numbers.number("upper_voltage")),
        capacity=numbers.optional("nominal_capacity"),
        quoted=statuses.count("quoted"),
        fitted=statuses.count("fitted") + statuses.count("derived"),
        assumed=statuses.count("assumed"),
        sources=tuple(" ".join(text.split()) for text in parameters.sources.values()),
    )
