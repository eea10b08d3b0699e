"""A protocol as most programs know one: steps in absolute quantities and loops around them, nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

StepKind: TypeAlias = Literal["rest", "current", "voltage", "power", "load", "sweep", "spectrum"]
EndQuantity: TypeAlias = Literal["time", "voltage", "current", "charge"]
DIGITS: Final = 7  # of a number that is compared: files of other programs hold decimals


@dataclass(frozen=True, slots=True)
class MethodEnd:
    """What ends a step: a quantity above or below a value, s, V, A or C; current and charge are magnitudes.

    Attributes:
        relative: The value is a rate, of a current.
    """

    quantity: EndQuantity
    above: bool
    value: float
    relative: bool = False


@dataclass(frozen=True, slots=True)
class MethodRecord:
    """When a row is written: every so many s, V or A, None where that asks for none."""

    every: float | None = None
    voltage: float | None = None
    current: float | None = None


@dataclass(frozen=True, slots=True)
class MethodStep:
    """One step.

    Attributes:
        kind: What is imposed.
        value: A (positive charges), V, W (positive charges), ohm; the last voltage of a sweep; the bias of a spectrum.
        ends: The first that is true ends it.
        record: When rows are written.
        start: First voltage of a sweep, V; first frequency of a spectrum, Hz.
        rate: Of a sweep, V/s.
        stop: Last frequency of a spectrum, Hz.
        per_decade: Points of a spectrum.
        amplitude: Peak, V or A.
        galvanostatic: The spectrum is one of current.
        versus: Of its voltages `value` and `start`, which are against the last open circuit.
        most: Magnitude of the current that a voltage may draw, A.
        relative: The value is a rate, of a current: multiples of 1C, whatever that is.
        where: Line of the text that it came from.
    """

    kind: StepKind
    value: float = 0.0
    ends: tuple[MethodEnd, ...] = ()
    record: MethodRecord = MethodRecord()
    start: float = 0.0
    rate: float = 0.0
    stop: float = 0.0
    per_decade: int = 0
    amplitude: float = 0.0
    galvanostatic: bool = False
    versus: frozenset[str] = frozenset()
    most: float | None = None
    relative: bool = False
    where: str = ""

    def end(self, quantity: EndQuantity) -> MethodEnd | None:
        """Return its end by a quantity that comes first, None where it has none."""
        ends = [each for each in self.ends if each.quantity == quantity]
        return min(ends, key=lambda each: each.value if each.above else -each.value, default=None)


@dataclass(frozen=True, slots=True)
class MethodLoop:
    """Steps and loops done `passes` times; with `cycle` each pass is a cycle."""

    passes: int
    items: "tuple[MethodStep | MethodLoop, ...]"
    cycle: bool = False


MethodItem: TypeAlias = MethodStep | MethodLoop


@dataclass(frozen=True, slots=True)
class Method:
    """A whole protocol.

    Attributes:
        name: Of the protocol.
        items: Steps and loops in order.
        voltage: Limits, V, None for a side that is open.
        current: Limits, A.
        capacity: Nominal capacity, C; None where it is not known.
    """

    name: str
    items: tuple[MethodItem, ...]
    voltage: tuple[float | None, float | None] = (None, None)
    current: tuple[float | None, float | None] = (None, None)
    capacity: float | None = None


def steps_in(items: tuple[MethodItem, ...]) -> Iterator[MethodStep]:
    """Give every step of items once, in the order of the text."""
    for item in items:
        if isinstance(item, MethodStep):
            yield item
        else:
            yield from steps_in(item.items)


def essence(items: tuple[MethodItem, ...]) -> tuple[object, ...]:
    """Return what is the same of two protocols that do the same: no places, no records, numbers to seven digits."""
    return tuple(
        (item.passes, item.cycle, essence(item.items)) if isinstance(item, MethodLoop) else _of_step(item)
        for item in items
    )


def _of_step(step: MethodStep) -> tuple[object, ...]:
    ends = sorted((end.quantity, end.above, _rounded(end.value), end.relative) for end in step.ends)
    numbers = (step.value, step.start, step.rate, step.stop, step.amplitude, step.most or 0.0)
    return (
        step.kind,
        *map(_rounded, numbers),
        step.per_decade,
        step.galvanostatic,
        step.relative,
        tuple(sorted(step.versus)),
        *ends,
    )


def _rounded(value: float) -> str:
    return f"{value:.{DIGITS}g}"
