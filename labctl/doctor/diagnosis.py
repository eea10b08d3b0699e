"""One thing that was looked at, and what came of it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

State: TypeAlias = Literal["well", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found of one thing.

    Attributes:
        subject: What was looked at, one of `SUBJECTS`.
        state: `well`, `note` for what somebody should know, `wrong` for what does not work or will not for long.
        text: What was found.
        mend: The command that mends it, "" where there is nothing to mend or no one command does.
    """

    subject: str
    state: State
    text: str
    mend: str = ""


SUBJECTS = (
    "station", "data folder", "disk", "clock", "journal", "drivers", "ports", "broker", "postgresql", "daemon", "guard",
    "unit",
)  # fmt: skip
