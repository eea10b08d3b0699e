"""The shipped models by name: parameter files built into cells, and the command that lists them.

Four ways to use a cell, all of the same numbers. A segment is one drive held for a while, exact at any time:

>>> from labctl_simulators.cell import Current, Stop, Voltage
>>> cell = load_model("voc1-atfb")
>>> state = cell.initial(seed=1)
>>> segment = cell.segment(state, Current(-5e-6), 86400.0, [Stop("voltage", False, 2.15, number=1)])
>>> segment.stop, round(segment.end / 3600.0, 2)
(1, 3.9)
>>> rows = segment.rows([0.0, 3600.0, segment.end])
>>> round(float(rows.voltage[-1]), 6), round(float(rows.discharging[-1]) / 3.6e-3, 1)
(2.15, 19.5)

Setting it back is taking an earlier state; a state is a JSON value:

>>> halfway = segment.state(0.5 * segment.end)
>>> type(halfway).from_json(halfway.to_json()).charge == halfway.charge
True

A stepper is one live cell in plain floats, a batch many:

>>> stepper = cell.stepper(halfway)
>>> 2.0 < stepper.step(-5e-6, 1.0) < 3.0
True
>>> batch = cell.batch([cell.initial(soc=0.2), cell.initial(soc=0.8)])
>>> lower, upper = batch.step(0.0, 1.0)
>>> bool(lower < upper)
True

And the impedance about a state, in ohm, here at 100 kHz and 1 Hz:

>>> high, low = cell.impedance(halfway, [1e5, 1.0])
>>> bool(0.0 < high.real < low.real)
True
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from typing import NamedTuple

from labctl_simulators import parameters
from labctl_simulators.assembly.tree import Numbers
from labctl_simulators.cell.chemistry import Chemistry
from labctl_simulators.cell.model import Cell
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


def load_model(name: str, area: float | None = None, mass: float | None = None) -> Cell:
    """Build the cell of a parameter set, scaled to a user's own.

    Args:
        name: of the parameter set, as `list_models` gives them.
        area: of the electrode in m2; everything extensive is scaled to it. None: the parameter set's own.
        mass: of the active material in kg, which then scales the capacity and the exchange currents at the given area
            (a loading of its own). None: the parameter set's loading.

    Raises:
        ParameterError: there is no such model, or a scale is not a positive number, or one of its numbers is missing.

    >>> load_model("voc1-atfb", area=2e-4).name
    'voc1-atfb'
    """
    for what, scale in (("area", area), ("mass", mass)):
        if scale is not None and not 0.0 < scale < float("inf"):
            raise ParameterError(f"wanted {what} above 0 for model {name}, found {scale}")
    return _load(name, area, mass)


@lru_cache(maxsize=64)
def _load(name: str, area: float | None, mass: float | None) -> Cell:
    """Build and keep a cell; it is immutable, so it may be shared."""
    found = parameters.read(name)
    if found.model not in _BUILDERS:
        raise ParameterError(f"{name}: wanted model {', '.join(_BUILDERS)}, found {found.model!r}")
    module = import_module(f"labctl_simulators.assembly.{found.model}")
    build: Callable[[ParameterSet, float | None, float | None], Chemistry] = module.build
    try:
        return Cell(build(found, area, mass))
    except ParameterError:
        raise
    except ValueError as error:
        raise ParameterError(f"{name}: {error}") from error


def list_models() -> list[ModelInfo]:
    """Return what models there are, in alphabetical order."""
    return [_info(parameters.read(name)) for name in parameters.names()]


def _info(found: ParameterSet) -> ModelInfo:
    numbers = Numbers(found.values, found.name)
    statuses = [origin.status for origin in found.origins]
    return ModelInfo(
        name=found.name,
        model=found.model,
        kind=found.kind,
        about=" ".join(found.about.split()),
        area=numbers.number("area"),
        window=(numbers.number("lower_voltage"), numbers.number("upper_voltage")),
        capacity=numbers.optional("nominal_capacity"),
        quoted=statuses.count("quoted"),
        fitted=statuses.count("fitted") + statuses.count("derived"),
        assumed=statuses.count("assumed"),
        sources=tuple(" ".join(text.split()) for text in found.sources.values()),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """List the models: the body of `labctl models`.

    Args:
        argv: words after the verb; `--json` for a program, names to see their numbers and sources.

    Returns:
        0, or 1 where a name is not that of a model.
    """
    from labctl_simulators.assembly import listing  # noqa: PLC0415 - rich is wanted by this command only

    return listing.main(argv)
