"""What a face (command line, HTTP, MQTT) asks of the supervisor and what it gets back: flat values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal, TypeAlias, TypeGuard

Flat: TypeAlias = Mapping[str, str | float | int | bool | None]
OrderVerb: TypeAlias = Literal["pause", "resume", "skip", "stop", "confirm", "note"]
ORDER_VERBS: tuple[OrderVerb, ...] = ("pause", "resume", "skip", "stop", "confirm", "note")


def is_order(verb: str) -> TypeGuard[OrderVerb]:
    """Tell whether a word is a verb of an order."""
    return verb in ORDER_VERBS


@dataclass(frozen=True, slots=True)
class StartRequest:
    """Start a protocol on a channel, or go on with an earlier run as a new one.

    Attributes:
        protocol: Path of the protocol file on the daemon's machine; "" with `resume`.
        cell: Path of the cell file; "" with `resume` for the cell of that run.
        channel: Name in the station file; "" with `resume` for the channel of that run.
        by: Who asks.
        id: Makes a repetition harmless: the same id within 24 h gets the same answer.
        values: Parameters of the protocol, as texts with units.
        resume: Id of the run to go on from.
        step: Line of its plan to go on from; 0 for where it stopped.
    """

    protocol: str = ""
    cell: str = ""
    channel: str = ""
    by: str = ""
    id: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    resume: str = ""
    step: int = 0


@dataclass(frozen=True, slots=True)
class StartReply:
    """A run that was started: its id (a uuid), its channel, warnings of the plan, and what it will take."""

    run: str
    channel: str
    name: str = ""
    duration_second: float | None = None
    warnings: tuple[str, ...] = ()

    def flat(self) -> Flat:
        """Return it as a flat JSON object; the warnings are one text, a line each."""
        return {**asdict(self), "warnings": "\n".join(self.warnings)}


@dataclass(frozen=True, slots=True)
class OrderReply:
    """An order that was obeyed: for which run on which channel, and what that led to (a channel state of the closed list)."""

    verb: str
    channel: str
    run: str
    activity: str
    text: str = ""

    def flat(self) -> Flat:
        """Return it as a flat JSON object."""
        return asdict(self)
