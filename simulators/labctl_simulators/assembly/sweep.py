"""Many cells that differ in some of their numbers, as one batch: sweeps of parameters."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl_simulators.assembly.build import build_cell
from labctl_simulators.assembly.tree import OWN, Numbers, Size
from labctl_simulators.cell.chemistry.electrode import Electrode
from labctl_simulators.cell.chemistry.insertion import Insertion
from labctl_simulators.cell.model import CellModel
from labctl_simulators.cell.physics import Chemistry
from labctl_simulators.parameters import ParameterError, ParameterSet

POWERS: Final[Mapping[str, tuple[int, int, int]]] = {
    "diffusivity": (-1, 0, 0),
    "particle_radius": (2, 0, -1),
    "rate_constant": (0, 0, 1),
    "thickness": (0, 1, 1),
    "active_fraction": (0, 1, 1),
    "diffusion_time": (1, 0, 0),
    "exchange": (0, 0, 1),
    "capacity": (0, 1, 0),
    "specific_capacity": (0, 1, 0),
}
"""With which power of a number an electrode's time of diffusion, capacity and exchange current go."""
SALT: Final = frozenset({"thickness", "active_fraction"})
"""Numbers on which the modes of an electrolyte depend, too."""


def sweep(
    found: ParameterSet, numbers: Mapping[str, ArrayLike], size: Size = OWN, base: CellModel | None = None
) -> CellModel:
    """Return a cell that stands for N cells, of which these numbers differ; only its `batch` serves.

    Each cell begins at the stoichiometries of the set.

    Args:
        found: the parameter set.
        numbers: SI values, shape (N,), by their path: `negative.diffusivity` for instance, and `series.resistance`.
        size: of the cells.
        base: the cell of the set at that size, where it is built already.

    Raises:
        ParameterError: a number cannot be swept, or not all have one length.

    >>> from labctl_simulators import parameters
    >>> many = sweep(parameters.read("marquis2019"), {"negative.diffusivity": [2e-14, 4e-14, 8e-14]}, Size(electrolyte=False))
    >>> many.batch([many.initial()] * 3).step(-0.68, 600.0).round(4).tolist()
    [3.6782, 3.6908, 3.6967]
    """
    chemistry = _swept((base or build_cell(found, size)).chemistry, found)
    columns = {path: np.asarray(values, dtype=np.float64) for path, values in numbers.items()}
    counts = {column.shape for column in columns.values()}
    if len(counts) != 1 or len(next(iter(counts))) != 1:
        raise ParameterError(f"{found.name}: wanted one value for each cell and number, found shapes {sorted(counts)}")
    parameters = chemistry.parameters
    if parameters.ageing is not None:
        raise ParameterError(f"{found.name}: wanted cells that do not age, found a set with ageing")
    ones = np.ones(next(iter(counts)))
    sides: dict[str, Any] = {"positive": _wide(parameters.positive, ones), "negative": parameters.negative}
    if isinstance(parameters.negative, Electrode):
        sides["negative"] = _wide(parameters.negative, ones)
    more: dict[str, Any] = {}
    known = Numbers(found.values, found.name)
    for path, values in columns.items():
        branch, _, key = path.rpartition(".")
        if path == "series.resistance":
            more["resistance"] = parameters.resistance * _ratio(known, branch, key, values)
            continue
        name = "positive" if branch == "working" else branch
        host = sides.get(name)
        if key not in POWERS or not isinstance(host, Electrode):
            raise ParameterError(
                f"{found.name}.{path}: wanted one of an electrode's {', '.join(POWERS)}, found {key!r}"
            )
        if key in SALT and parameters.electrolyte is not None:
            raise ParameterError(
                f"{found.name}.{path}: wanted a number that its electrolyte does not depend on, found {key}"
            )
        sides[name] = _scaled(host, key, _ratio(known, branch, key, values))
    return CellModel(Insertion(replace(parameters, **sides, **more)))


def _swept(chemistry: Chemistry, found: ParameterSet) -> Insertion:
    """Return the chemistry of the set whose numbers are swept.

    Raises:
        ParameterError: it cannot be swept.
    """
    if not isinstance(chemistry, Insertion):
        raise ParameterError(f"{found.name}: wanted an insertion cell to be swept, found a {found.model} model")
    if chemistry.freezer is not None:
        raise ParameterError(
            f"{found.name}: wanted constant diffusivities in a sweep, found one that depends on the composition"
        )
    return chemistry


def _ratio(numbers: Numbers, branch: str, key: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values over the set's own."""
    if not (np.isfinite(values).all() and values.min() > 0.0):
        raise ParameterError(f"{numbers.path}.{branch}.{key}: wanted numbers above 0, found {values.min():g}")
    return np.asarray(values / numbers.at(branch).above(key), dtype=np.float64)


def _wide(host: Electrode, ones: NDArray[np.float64]) -> Electrode:
    """Return an electrode of N cells that are all the same."""
    return replace(host, time=host.time * ones, capacity=host.capacity * ones, exchange=host.exchange * ones)  # type: ignore[arg-type]


def _scaled(host: Electrode, key: str, ratio: NDArray[np.float64]) -> Electrode:
    time, capacity, exchange = POWERS[key]
    return replace(
        host,
        time=host.time * ratio**time,  # type: ignore[arg-type]
        capacity=host.capacity * ratio**capacity,  # type: ignore[arg-type]
        exchange=host.exchange * ratio**exchange,  # type: ignore[arg-type]
    )
