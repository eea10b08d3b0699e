"""Reading SI numbers from the tree of a parameter set."""

from typing import NamedTuple

from labctl_simulators.cell.arrhenius import Arrhenius
from labctl_simulators.cell.bend import Bend
from labctl_simulators.parameters import ParameterError, Tree


class Numbers(NamedTuple):
    """Look numbers up, with messages that say where.

    Attributes:
        values: a branch of a parameter set.
        path: where that branch is.
    """

    values: Tree
    path: str

    def has(self, key: str) -> bool:
        """Return whether there is such a key."""
        return key in self.values

    def at(self, key: str) -> "Numbers":
        """Return the branch under `key`.

        Raises:
            ParameterError: there is none.
        """
        found = self.values.get(key)
        if found is None or isinstance(found, str | float | tuple):
            raise ParameterError(f"{self.path}: wanted numbers under {key}, found {found!r}")
        return Numbers(found, f"{self.path}.{key}")

    def number(self, key: str, default: float | None = None) -> float:
        """Return one number.

        Raises:
            ParameterError: there is none and no default.
        """
        found = self.values.get(key, default)
        if not isinstance(found, float | int):
            raise ParameterError(f"{self.path}: wanted one number for {key}, found {found!r}")
        return float(found)

    def optional(self, key: str) -> float | None:
        """Return one number, or None where there is none."""
        return self.number(key) if key in self.values else None

    def row(self, key: str) -> tuple[float, ...]:
        """Return a row of numbers; none: empty."""
        found = self.values.get(key, ())
        if not isinstance(found, tuple):
            raise ParameterError(f"{self.path}: wanted a row of numbers for {key}, found {found!r}")
        return found

    def word(self, key: str, default: str = "") -> str:
        """Return a word."""
        return str(self.values.get(key, default))

    def thermal(self, key: str, temperature: float) -> Arrhenius:
        """Return a thermally activated number: `key` and `key_activation`, or rows `key` and `key_temperatures`."""
        found = self.values.get(key)
        if isinstance(found, tuple):
            return Arrhenius(found, self.row(f"{key}_temperatures"))
        return Arrhenius((self.number(key),), (temperature,), self.number(f"{key}_activation", 0.0))


def bend(numbers: Numbers, area: float) -> Bend:
    """Return the answer to bending of a cell of `area` m2; its contact resistance is given in ohm m2."""
    if not numbers.has("bend"):
        return Bend(most=0.0)
    given = numbers.at("bend")
    return Bend(
        most=given.number("most"),
        radius=given.number("radius"),
        least=given.number("least"),
        series=given.number("series"),
        contact=given.number("contact") / area,
        area=given.number("area"),
    )
