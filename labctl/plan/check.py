"""Every error of a protocol: those of its text, and those that the compiler finds, on a cell or on one that is not known."""

from collections.abc import Mapping

from labctl.finding import Finding
from labctl.plan.compile import compiled_for
from labctl.plan.outside import Outside
from labctl.protocol.cell import Cell
from labctl.protocol.load import Loaded, bounded

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
    if loaded.protocol is None:
        return loaded.findings
    compiled = compiled_for(loaded.protocol, cell, values, outside=outside)
    more = compiled.findings
    if cell is not None and not (loaded.errors or compiled.plan):
        more = more or compiled.unknown
    return tuple(sorted(bounded([*loaded.findings, *more]), key=lambda finding: finding.mark))
