"""The limits inside which every row of a step must lie."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RowLimits:
    """Ranges in which every row must lie, V, A, degC, accuracy of the channel included, and C of net charge in the step.

    Outside the voltages is allowed only to a cell that was there when the step began and is driven back in.
    """

    voltage: tuple[float, float]
    current: tuple[float, float]
    temperature: tuple[float, float] | None
    charge: float
    accuracy: tuple[float, float]
