"""Runs that are suspended for reasons outside: each reason is lifted by itself, and with the last of them the run goes on.

The reasons stand in the sentence that says why a run is paused, which is part of its state: they outlive the daemon. A person's
pause is no reason: what a person paused, a person lets go on.
"""

from typing import Final

SUSPENDED: Final = "suspended: "
BETWEEN: Final = "; "


def reasons(why: str) -> tuple[str, ...]:
    """Return the reasons for which a run is suspended, from the sentence that says why it is paused."""
    _, found, after = why.partition(SUSPENDED)
    return tuple(after.split(BETWEEN)) if found else ()


def person(why: str) -> str:
    """Return what a person's pause says in that sentence, "" where no person paused."""
    return why.partition(SUSPENDED)[0].removesuffix(BETWEEN)


def joined(before: str, causes: tuple[str, ...]) -> str:
    """Return the sentence of a person's pause, "" for none, and of reasons."""
    said = SUSPENDED + BETWEEN.join(causes) if causes else ""
    return BETWEEN.join(filter(None, (before, said)))
