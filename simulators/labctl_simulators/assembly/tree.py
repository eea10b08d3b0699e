"""Reading SI numbers from the tree of a parameter set."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from labctl_simulators.cell.chemistry.arrhenius import Arrhenius
from labctl_simulators.cell.chemistry.bend import BendResponse
from labctl_simulators.parameters import ParameterError, Tree


class Size(NamedTuple):
    """Say how large a user's own cell is against the parameter set's; None takes the set's own number.

    Attributes:
        area: of the electrode, m2; everything extensive is scaled to it.
        mass: of the active material, kg, which then scales the capacity and the exchange currents at the given area (a
            loading of its own); nothing in a set that has no loading.
        film: thickness of the electrode's film, m: capacity goes with it, the time of diffusion with its square.
        layer: thickness of the electrolyte between the electrodes, m: its resistance goes with it.
        electrolyte: whether the modes of a liquid electrolyte are built where its numbers are given.
        heat: whether the cell heats itself where its thermal numbers are given.
        layers: whether double layers act in the rows of steps, too.
    """

    area: float | None = None
    mass: float | None = None
    film: float | None = None
    layer: float | None = None
    electrolyte: bool = True
    heat: bool = True
    layers: bool = False


OWN: Final = Size()
LOWEST: Final = 253.15
"""K; the lowest temperature for which a set is taken to be valid where it does not say."""
HIGHEST: Final = 333.15
"""K; the highest."""


class MisfitError(ParameterError):
    """A size is given that a parameter set has no number for, so that it could not act.

    Attributes:
        key: of the cell file: `film_thickness`, `electrolyte_thickness`.
    """

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def refuse_sizes(numbers: "Numbers", given: Mapping[str, float | None], why: str) -> None:
    """Refuse sizes that cannot act.

    Raises:
        MisfitError: one of them is given.
    """
    for key, value in given.items():
        if value is not None:
            raise MisfitError(key, f"{numbers.path}: wanted no {key}, found {value:g} m: {why}")


class Numbers(NamedTuple):
    """Look numbers up, with messages that say where.

    Attributes:
        values: a branch of a parameter set.
        path: where that branch is.
        read: gathers the paths of the numbers and words that were read, if anybody asks.
    """

    values: Tree
    path: str
    read: set[str] | None = None

    def has(self, key: str) -> bool:
        """Return whether there is such a key."""
        return key in self.values

    def at(self, key: str) -> "Numbers":
        """Return the branch under `key`.

        Raises:
            ParameterError: there is none.
        """
        branch = self.values.get(key)
        if branch is None or isinstance(branch, str | float | tuple):
            raise ParameterError(f"{self.path}: wanted numbers under {key}, found {branch!r}")
        return Numbers(branch, f"{self.path}.{key}", self.read)

    def number(self, key: str, default: float | None = None) -> float:
        """Return one number.

        Raises:
            ParameterError: there is none and no default.
        """
        value = self._take(key, default)
        if not isinstance(value, float | int):
            raise ParameterError(f"{self.path}: wanted one number for {key}, found {value!r}")
        return float(value)

    def above(self, key: str, default: float | None = None) -> float:
        """Return one number that must lie above 0.

        Raises:
            ParameterError: there is none, or it does not.
        """
        value = self.number(key, default)
        if not value > 0.0:
            raise ParameterError(f"{self.path}.{key}: wanted a number above 0, found {value:g}")
        return value

    def share(self, key: str, default: float | None = None) -> float:
        """Return one number that must lie above 0 and not above 1.

        Raises:
            ParameterError: there is none, or it does not.
        """
        value = self.above(key, default)
        if value > 1.0:
            raise ParameterError(f"{self.path}.{key}: wanted a number in 0..1, found {value:g}")
        return value

    def optional(self, key: str) -> float | None:
        """Return one number, or None where there is none."""
        return self.number(key) if key in self.values else None

    def row(self, key: str) -> tuple[float, ...]:
        """Return a row of numbers; none: empty."""
        values = self._take(key, ())
        if not isinstance(values, tuple):
            raise ParameterError(f"{self.path}: wanted a row of numbers for {key}, found {values!r}")
        return values

    def word(self, key: str, default: str = "") -> str:
        """Return a word."""
        return str(self._take(key, default))

    def thermal(self, key: str, temperature: float) -> Arrhenius:
        """Return a thermally activated number: `key` and `key_activation`, or rows `key` and `key_temperatures`."""
        value = self._take(key, None)
        if isinstance(value, tuple):
            return Arrhenius(value, self.row(f"{key}_temperatures"))
        return Arrhenius((self.number(key),), (temperature,), self.number(f"{key}_activation", 0.0))

    def _take(self, key: str, default: object) -> object:
        """Return what stands under `key`, and remember that it was read."""
        if self.read is not None:
            self.read.add(f"{self.path}.{key}")
        return self.values.get(key, default)


def bend(numbers: Numbers, area: float) -> BendResponse:
    """Return the answer to bending of a cell of `area` m2; its contact resistance is given in ohm m2."""
    if not numbers.has("bend"):
        return BendResponse(most=0.0)
    given = numbers.at("bend")
    return BendResponse(
        most=given.number("most"),
        radius=given.number("radius"),
        least=given.number("least"),
        series=given.number("series"),
        contact=given.number("contact") / area,
        area=given.number("area"),
    )
