"""What a face (command line, HTTP, MQTT) asks of the supervisor and what it gets back: flat values."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Literal, Self, TypeAlias, TypeGuard

import orjson

from labctl.errors import StoreDamaged

Flat: TypeAlias = Mapping[str, str | float | int | bool | None]
OrderVerb: TypeAlias = Literal["pause", "resume", "skip", "stop", "confirm", "note", "edit"]
ORDER_VERBS: tuple[OrderVerb, ...] = ("pause", "resume", "skip", "stop", "confirm", "note", "edit")
ForeignVerb: TypeAlias = Literal["adopt", "release"]
FOREIGN_VERBS: tuple[ForeignVerb, ...] = ("adopt", "release")


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
        id: Makes a repetition harmless: the same id on this channel gets the same answer, for a day and for the run's life.
        values: Parameters of the protocol, as texts with units.
        resume: Id of the run to go on from.
        step: Line of its plan to go on from; 0 for where it stopped.
        at: UTC before which it shall not begin, s; None for at once.
        next: It shall begin when the channel is free.
        place: Among those that wait, 1 for the next; None for the last.
        mass: Active mass of this very cell, such as `12.3 mg`, in place of the cell file's; "" for that.
        check: It shall only be checked: nothing is stored, nothing begins.
    """

    protocol: str = ""
    cell: str = ""
    channel: str = ""
    by: str = ""
    id: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    resume: str = ""
    step: int = 0
    at: float | None = None
    next: bool = False
    place: int | None = None
    mass: str = ""
    check: bool = False

    @property
    def waits(self) -> bool:
        """Tell whether it shall not begin at once."""
        return self.next or self.at is not None

    def content(self) -> str:
        """Return what is asked as JSON, without the id: for the comparison with a repetition."""
        asked = {key: value for key, value in asdict(self).items() if key != "id"}
        for key, usual in (("place", None), ("mass", ""), ("check", False)):
            if asked[key] == usual:  # as it was written before there was such a key
                del asked[key]
        return orjson.dumps(asked, option=orjson.OPT_SORT_KEYS).decode()


@dataclass(frozen=True, slots=True)
class QueueRequest:
    """Show what waits for a channel, add to it, move in it, or take out of it.

    Attributes:
        channel: Name in the station file.
        protocol: Path of a protocol to add; "" for none.
        cell: Path of its cell file.
        values: Its parameters, as texts with units.
        run: Id of one that waits, to be moved or taken out.
        place: Where it shall stand, 1 for the next; None for where it is, and the end for a new one.
        remove: It shall be taken out.
        by: Who asks.
        id: Makes a repetition harmless.
    """

    channel: str
    protocol: str = ""
    cell: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    run: str = ""
    place: int | None = None
    remove: bool = False
    by: str = ""
    id: str = ""

    def content(self) -> str:
        """Return what is asked as JSON, without the id: for the comparison with a repetition."""
        return orjson.dumps({k: v for k, v in asdict(self).items() if k != "id"}, option=orjson.OPT_SORT_KEYS).decode()


@dataclass(frozen=True, slots=True)
class EditRequest:
    """Show how an edited protocol would change what a run still has to do, or let it.

    Attributes:
        target: A channel, or the id of a run.
        protocol: Path of the edited protocol on the daemon's machine.
        values: Parameters of it that differ from those with which the run began, as texts with units.
        apply: The run shall take it; else it is only shown.
        by: Who asks.
        id: Makes a repetition harmless.
        step_seen: Only while the run does this step, by its `step_count`.
    """

    target: str
    protocol: str
    values: Mapping[str, str] = field(default_factory=dict)
    apply: bool = False
    by: str = ""
    id: str = ""
    step_seen: int | None = None


@dataclass(frozen=True, slots=True)
class EditReply:
    """How a plan changes: for which run, in words a line each, and whether the run took it."""

    channel: str
    run: str
    activity: str
    difference: str
    applied: bool

    def flat(self) -> Flat:
        """Return it as a flat JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class CorrectRequest:
    """Correct what is known of the cell of a run, which may have ended.

    Attributes:
        target: A run by its number or uuid, or a channel for the run on it, or its last.
        values: As a person writes them, by key of the cell file: `{"active_mass": "12.3 mg"}`.
        by: Who asks.
        id: Makes a repetition harmless.
    """

    target: str
    values: Mapping[str, str]
    by: str = ""
    id: str = ""

    def content(self) -> str:
        """Return what is asked as JSON, without the id: for the comparison with a repetition."""
        return orjson.dumps({"values": dict(self.values), "by": self.by}, option=orjson.OPT_SORT_KEYS).decode()


@contextmanager
def _reads_back() -> Iterator[None]:
    """Raise `StoreDamaged` for an answer that does not read back."""
    try:
        yield
    except (ValueError, TypeError, KeyError) as error:
        raise StoreDamaged(f"wanted the answer to an order, found one that does not read back: {error}") from error


@dataclass(frozen=True, slots=True)
class StartReply:
    """A run that was started or queued: its id (a uuid), its channel, what it will take, its plan's warnings, what it waits for."""

    run: str
    channel: str
    name: str = ""
    duration_second: float | None = None
    warnings: tuple[str, ...] = ()
    waits: str = ""

    def flat(self) -> Flat:
        """Return it as a flat JSON object; the warnings are one text, a line each."""
        return {**asdict(self), "warnings": "\n".join(self.warnings)}

    def stored(self) -> str:
        """Return it as the journal keeps it."""
        return orjson.dumps(self).decode()

    @classmethod
    def from_stored(cls, text: str) -> Self:
        """Return what `stored` wrote; `StoreDamaged` where it is something else."""
        with _reads_back():
            fields = orjson.loads(text)
            return cls(**{**fields, "warnings": tuple(fields["warnings"])})


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

    def stored(self) -> str:
        """Return it as the journal keeps it."""
        return orjson.dumps(self).decode()

    @classmethod
    def from_stored(cls, text: str) -> Self:
        """Return what `stored` wrote; `StoreDamaged` where it is something else."""
        with _reads_back():
            return cls(**orjson.loads(text))
