"""What a driver of simulated cells takes of a cell file, and what it can say of its models beforehand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

SIMULATED_CELL: Final = (
    "model", "area", "active_mass", "film_thickness", "electrolyte_thickness", "model_text", "soc", "rest_voltage",
    "cycles",
)  # fmt: skip
"""What of a cell file a simulated cell is built from: the name of its parameters, sizes in SI (m2, kg, m), the text of the
parameter file where `model` names one, and the state in which it begins: 0 to 1, or the voltage at which it rests, and
the cycles that it has gone through."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """What is wrong with the model of a simulated cell, or between it and the cell that it stands in for.

    Attributes:
        message: One sentence: what was wanted, what was found.
        key: Of the cell file that it is about; "" in a parameter file.
        hint: What to do, or "".
        line: Of a parameter file, from 1.
        warning: It refuses nothing.
    """

    message: str
    key: str = "model"
    hint: str = ""
    line: int = 1
    warning: bool = False


@dataclass(frozen=True, slots=True)
class ParameterOrigin:
    """Where one number of a model of a simulated cell comes from.

    Attributes:
        path: Of the number in its parameter file, `working.exchange`.
        status: `quoted`, `fitted`, `derived` or `assumed`.
        source: Row of the paper that it is quoted from, or was fitted to; "" where it is assumed.
        words: What it was fitted to or derived from, as the file says it.
        given: The number or numbers as the file gives them.
    """

    path: str
    status: str
    source: str
    words: str
    given: str


@runtime_checkable
class Examines(Protocol):
    """A driver of simulated cells that can say beforehand what is wrong with their models."""

    @staticmethod
    def examine(
        cell: Mapping[str, object], temperatures: Sequence[float] = (), currents: Sequence[float] = ()
    ) -> Sequence[Misfit]:
        """Return what does not fit: `cell` holds SIMULATED_CELL, `kind`, `nominal` (C) and `reference` as its file states them.

        `temperatures` are those to which a protocol brings the cell, K, and `currents` those that it sets, A.
        """

    @staticmethod
    def capacity(cell: Mapping[str, object]) -> float | None:
        """Return what the model of a cell holds at that cell's size within its window, C; None where it holds none."""

    @staticmethod
    def largest_current(cell: Mapping[str, object]) -> float:
        """Return the largest current for which the model of a cell is valid, A; infinity where it does not say."""

    @staticmethod
    def examine_parameters(text: str, file: str) -> Sequence[Misfit]:
        """Return what is wrong with a parameter file."""

    @staticmethod
    def origins(model: str) -> Sequence[ParameterOrigin]:
        """Return where each number of a shipped model comes from; none where there is no such model."""

    @staticmethod
    def parameters_schema() -> Mapping[str, object]:
        """Return the JSON Schema of a parameter file."""

    @staticmethod
    def parameters_template() -> str:
        """Return the text of a commented parameter file to start from."""
