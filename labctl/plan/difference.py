"""What differs between two plans, in words: a line each, as `labctl plan` has them, with + and - before."""

import difflib
from collections.abc import Iterator
from dataclasses import fields, replace

from labctl.plan.description import rows
from labctl.plan.index import index
from labctl.plan.step import Line, Plan

ELSE = ("interruption", "analyses", "ocv", "name")  # of a plan, beside its steps


def difference(old: Plan, new: Plan) -> tuple[str, ...]:
    """Return what differs between two plans; nothing where only places of the text do."""
    one, two = _texts(old), _texts(new)
    changed = [
        line.rstrip("\n")
        for line in difflib.unified_diff(one, two, n=1, lineterm="")
        if not line.startswith(("---", "+++", "@@"))
    ]
    if all(line.startswith(" ") for line in changed):
        changed = []
    return (*changed, *_hidden(old, new), *_beside(old, new))


def _texts(plan: Plan) -> list[str]:
    return [
        "  ".join(
            filter(
                None, (f"{'  ' * row.depth}{row.line or ''} {row.word}".strip("\n"), row.setting, row.ends, row.name)
            )
        )
        for row in rows(plan.root)
    ]


def _hidden(old: Plan, new: Plan) -> Iterator[str]:
    """Name what differs of a line and is not in its words, as the rules of its record."""
    before, after = index(old).lines, index(new).lines
    for number in before.keys() & after.keys():
        one, two = (replace(line, where="") for line in (before[number], after[number]))
        if one != two and _alike(one, two):
            names = [each.name for each in fields(Line) if getattr(one, each.name) != getattr(two, each.name)]
            yield f"~ {number} {one.verb}: other {' and '.join(names)}"


def _alike(one: Line, two: Line) -> bool:
    return (one.verb, one.settings, one.ends, one.name, one.options) == (
        two.verb,
        two.settings,
        two.ends,
        two.name,
        two.options,
    )


def _beside(old: Plan, new: Plan) -> Iterator[str]:
    for name in ELSE:
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield f"~ {name}: {before} becomes {after}"
