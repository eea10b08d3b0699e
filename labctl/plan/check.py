"""Every error of a protocol: those of its text, and those that the compiler finds, on a cell or on one that is not known."""

from collections.abc import Iterable, Mapping
from typing import Final

from labctl.finding import Finding
from labctl.plan.compile import Compiled, compiled_for
from labctl.plan.outside import Outside
from labctl.protocol.cell import Cell
from labctl.protocol.load import Loaded, bounded

CONSEQUENCES: Final = frozenset({"limit.charge", "params.required"})
"""What is found of a step that lacks the end which could not be read, and of a parameter whose value could not be."""
NOTHING: Mapping[str, str] = {}


def check(
    loaded: Loaded, cell: Cell | None = None, values: Mapping[str, str] = NOTHING, outside: Outside | None = None
) -> tuple[Finding, ...]:
    """Return everything that is wrong with a protocol, warnings too, in the order of its lines.

    With a cell it finds no error exactly where `labctl.plan.compile.compile_plan` gives a plan. Without one it finds what
    no cell is needed for; parameters that are required may then be missing.

    Args:
        loaded: As `labctl.protocol.load.read` returns it.
        cell: On which it is to run.
        values: Parameters by name, as texts.
        outside: Seed and time; without it no date is over.
    """
    return check_and_compile(loaded, cell, values, outside)[0]


def check_and_compile(
    loaded: Loaded, cell: Cell | None = None, values: Mapping[str, str] = NOTHING, outside: Outside | None = None
) -> tuple[tuple[Finding, ...], Compiled | None]:
    """Return everything that is wrong with a protocol as `check` does, and what it came to: None where it could not be read.

    The text of a protocol is compiled once for both, as somebody waits for them who writes it.

    Args:
        loaded: As `labctl.protocol.load.read` returns it.
        cell: On which it is to run.
        values: Parameters by name, as texts.
        outside: Seed and time; without it no date is over.
    """
    if loaded.protocol is None:
        return loaded.findings, None
    compiled = compiled_for(loaded.protocol, cell, values, outside=outside, whole=not loaded.errors)
    more = _own_faults(compiled.findings, loaded.findings)
    if cell is not None and not (loaded.errors or compiled.plan):
        more = more or compiled.unknown
    return tuple(sorted(bounded([*loaded.findings, *more]), key=lambda finding: finding.mark)), compiled


def _own_faults(found: Iterable[Finding], read: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return what was found without what only follows from an error in the same line of the text."""
    wrong = {(each.mark.file, each.mark.line) for each in read if each.severity == "error"}
    return tuple(
        each for each in found if each.code not in CONSEQUENCES or (each.mark.file, each.mark.line) not in wrong
    )
