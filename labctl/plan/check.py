"""Every error of a protocol: those of its text, and those that the compiler finds, on a cell or on one that is not known."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from labctl.finding import Finding, Mark, with_lines
from labctl.plan.compile import Compiled, compiled_for
from labctl.plan.contents import texts_of
from labctl.plan.estimate import estimate
from labctl.plan.outside import Outside
from labctl.plan.scope import file_name
from labctl.plan.step import Plan
from labctl.protocol.cell import Cell
from labctl.protocol.load import Loaded, bounded
from labctl.protocol.model import Protocol

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

    The text of a protocol is compiled once for both, as somebody waits for them who writes it. On a cell the warnings of times
    are among what is found that only the estimate knows.

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
    if cell is not None and compiled.plan is not None:
        more = (*more, *_likely(compiled.plan, loaded.protocol))
    return tuple(sorted(bounded([*loaded.findings, *more]), key=lambda finding: finding.mark)), compiled


def _likely(plan: Plan, protocol: Protocol) -> Iterable[Finding]:
    """Return the warnings of times that only the estimate knows, each with its file as it was named and its line."""
    texts = dict(texts_of(protocol))
    files = {file_name(name): name for name in texts}
    found = estimate(plan, ()).warnings
    marks = (_on_its_line(replace(one.mark, file=files.get(one.mark.file, one.mark.file)), texts) for one in found)
    return with_lines([replace(one, mark=mark) for one, mark in zip(found, marks, strict=True)], texts)


def _on_its_line(mark: Mark, texts: Mapping[str, str]) -> Mark:
    """Return a place of which the line alone is known at the first word of that line."""
    lines = texts.get(mark.file, "").splitlines()
    text = lines[mark.line - 1] if mark.column == 1 and 0 < mark.line <= len(lines) else ""
    return replace(mark, column=len(text) - len(text.lstrip(" -")) + 1) if text.strip(" -") else mark


def _own_faults(found: Iterable[Finding], read: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return what was found without what only follows from an error in the same line of the text."""
    wrong = {(each.mark.file, each.mark.line) for each in read if each.severity == "error"}
    return tuple(
        each for each in found if each.code not in CONSEQUENCES or (each.mark.file, each.mark.line) not in wrong
    )
