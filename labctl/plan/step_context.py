"""What holds where a step stands, and where the values of a plan were written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from labctl.driver import RecordRule
from labctl.finding import Mark
from labctl.plan.envelope import Envelope
from labctl.plan.scope import Scope
from labctl.protocol.cell import CELL_KINDS


@dataclass(frozen=True, slots=True)
class StepContext:
    """What holds where a step stands.

    Attributes:
        scope: Names in force.
        envelope: Limits in force.
        said: Quantities that file or cell limits; those of the channel do not count.
        record: Record rules in force.
        cycle: A cycle block is around.
        cycles: Kinds of cycles that the block whose conditions these are has: "check", and "cycles" for all others.
        sure: A line here ends for sure, with the fused block around it.
        kinds: Kinds of which the cell may be here.
        block: Id of the block whose conditions these are, or in which a step stands.
        marks: Names of marks in the block whose conditions these are.
        once: A condition here is asked once, of the last completed cycle alone.
        use: Where the outermost file was inserted that a cycle block stands around, None outside one.
    """

    scope: Scope = field(default_factory=Scope)
    envelope: Envelope = field(default_factory=Envelope)
    said: frozenset[str] = frozenset()
    record: tuple[RecordRule, ...] = ()
    cycle: bool = False
    cycles: frozenset[str] = frozenset()
    sure: bool = False
    kinds: frozenset[str] = frozenset(CELL_KINDS)
    block: int = 0
    marks: frozenset[str] = frozenset()
    once: bool = False
    use: Mark | None = None


@dataclass(frozen=True, slots=True)
class ValueOrigin:
    """Where a value of a plan was written, and as what."""

    mark: Mark
    text: str = ""


Origins: TypeAlias = Mapping[str | int | tuple[int, int, int], ValueOrigin]
"""Of a line or block: by the name of a setting, the number of an end, or (end, alternative, term) of a comparison."""

Spot: TypeAlias = tuple[Literal["line", "block"], int, str | int | tuple[int, int, int]]
"""What in a plan stands somewhere in a file: a line or block by its id, with "" or the key of its `Origins`."""
