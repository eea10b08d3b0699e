"""Keys that stand on another level than the one they belong to, or in another file, or are misspelled."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from labctl.finding import Mark, clip
from labctl.protocol.file_words import FILE_WORDS
from labctl.protocol.keys import (
    FILE,
    INTERRUPTION,
    LIMITS,
    NOMINAL,
    RECORD,
    REFERENCE,
    REQUIRES,
    SIDES,
    STATE,
    VERBS,
)
from labctl.text.fields import near
from labctl.text.nodes import Entries, Items, Node, Scalar


def below_verb(entries: Entries, verb: Scalar) -> tuple[Entries, tuple[str, Mark, str]] | None:
    """Return a step as if the keys that stand beside its empty verb stood below it, with message, place and hint; or None."""
    value = next(value for key, value in entries.entries if key is verb)
    if not isinstance(value, Scalar) or not value.missing or entries.flow:
        return None
    own = set(VERBS[verb.text].keys) - {"name", "record", "temperature"}
    moved: list[tuple[Scalar, Node]] = [(key, item) for key, item in entries.entries if key.text in own]
    if not moved:
        return None
    first = moved[0][0]
    rest = tuple((key, item) for key, item in entries.entries if key.text not in own and key is not verb)
    inner = Entries(tuple(moved), first.mark)
    names = [key.text for key, _ in moved]
    shown = ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0]
    message = (
        f"wanted {shown} below {verb.text}, one level deeper, found {'them' if len(names) > 1 else 'it'} beside it"
    )
    hint = f"put two more spaces in front of {shown}"
    return replace(entries, entries=((verb, inner), *rest)), (message, first.mark, hint)


def below_steps(entries: Entries) -> tuple[Entries, tuple[str, Mark, str]] | None:
    """Return a block as if the verbs that stand beside its empty `steps` were its steps, with message, place and hint; or None.

    A loop without `steps` and with several verbs beside it is one, too.
    """
    steps = next((value for key, value in entries.entries if key.text == "steps"), None)
    verbs = [(key, value) for key, value in entries.entries if key.text in VERBS]
    loop = next((key for key, _ in entries.entries if key.text in {"repeat", "each"}), None)
    if steps is None and loop is not None and len(verbs) > 1 and not entries.flow:
        steps = Scalar("", loop.mark)
        entries = replace(entries, entries=(*entries.entries, (Scalar("steps", loop.mark), steps)))
        mended = below_steps(entries)
        assert mended is not None
        whole, (message, mark, _) = mended
        hint = f"write steps: below {loop.text}, and below that - {verbs[0][0].text}: ..., two spaces deeper"
        return whole, (message, mark, hint)
    if not isinstance(steps, Scalar) or not steps.missing or not verbs or entries.flow:
        return None
    items = Items(tuple(Entries((pair,), pair[0].mark) for pair in verbs), verbs[0][0].mark)
    pairs = tuple(
        (key, items if key.text == "steps" else value) for key, value in entries.entries if key.text not in VERBS
    )
    names = " and ".join(key.text for key, _ in verbs)
    message = f"wanted {names} below steps:, each with its -, found them beside it"
    return replace(entries, entries=pairs), (
        message,
        verbs[0][0].mark,
        f"write - {verbs[0][0].text}: ..., two spaces deeper",
    )


Slips: TypeAlias = list[tuple[str, Mark, str]]
"""Message, place and hint of each."""

_OF_BLOCKS: Final = re.compile(r"\b(?:short|retention|coulombic_efficiency|charge_capacity|discharge_capacity|cycle)\b")
"""What a condition asks of cycles or of a whole block, and no step has."""
_INNER: Final[Mapping[str, Collection[str]]] = {
    "requires": REQUIRES,
    "limits": {*LIMITS, *SIDES},
    "record": RECORD,
    "on_interruption": INTERRUPTION,
    "nominal": NOMINAL,
    "state": STATE,
    "reference": REFERENCE,
}
"""The keys below each key of a file that has some; those below any other are its author's."""


def to_the_margin(entries: Entries, own: Collection[str], what: str) -> tuple[Entries, Slips]:
    """Return the keys of a file with those that stand indented below another one put beside it, and what is said of each.

    Args:
        entries: Of the file.
        own: Its keys.
        what: The file, named: `the file`.
    """
    there = {key.text for key, _ in entries.entries}
    pairs: list[tuple[Scalar, Node]] = []
    slips: Slips = []
    for key, value in entries.entries:
        astray = list(_astray(key, value, own))
        moved = [pair for pair in astray if pair[0].text not in there]
        kept = value
        if isinstance(value, Entries):
            kept = replace(value, entries=tuple(pair for pair in value.entries if pair not in astray))
        slips += [_twice(entries, key, inner) for inner, _ in astray if inner.text in there]
        there |= {inner.text for inner, _ in moved}
        pairs += [(key, kept), *moved]
        for inner, item in moved:
            behind = ", with all that is below it," if not isinstance(item, Scalar) and not item.flow else ""
            slips.append(
                (
                    f"wanted {inner.text} at the left margin, found it below {key.text}",
                    inner.mark,
                    f"{inner.text} is a key of {what}: move it{behind} to the left margin",
                )
            )
    return replace(entries, entries=tuple(pairs)), slips


def _twice(entries: Entries, key: Scalar, inner: Scalar) -> tuple[str, Mark, str]:
    """Return message, place and hint of a key of the file that stands below another one, and at the left margin, too."""
    first = next((each.mark.line for each, _ in entries.entries if each.text == inner.text), 0)
    message = f"wanted {inner.text} once, at the left margin, found it below {key.text}, too"
    where = f"it is in line {first} already" if first else "it stands twice"
    return message, inner.mark, f"{where}: put together what belongs together, and leave this one out"


def _astray(key: Scalar, value: Node, own: Collection[str]) -> Iterator[tuple[Scalar, Node]]:
    """Give the keys of a file that stand indented below another one, which has none of that name."""
    if key.text not in own or not isinstance(value, Entries) or value.flow:
        return
    for inner, item in value.entries:
        steps = isinstance(item, Items) and any(isinstance(each, Entries) for each in item.items)
        free = key.text not in _INNER and not isinstance(item, Entries) and not steps
        if inner.text in own and inner.text not in _INNER.get(key.text, ()) and not free:
            yield inner, item


def ends_of_step(entries: Entries) -> dict[str, str]:
    """Return the hint at each condition of a block that stands in a step or beside its verb: the `until` that it is there."""
    verb = next((key.text for key, _ in entries.entries if key.text in VERBS), "")
    inside = f"in the braces of {verb}" if verb else "in its place"
    behind = "belongs to a block, beside steps:"
    takes = not verb or "until" in VERBS[verb].keys
    return {
        key.text: f"{key.text} belongs to a block: write - {key.text}: {clip(value.text, 80)}, below it steps: with this step in it"
        if _OF_BLOCKS.search(value.text)
        else f"a step ends by until: write until: {clip(value.text, 80)} {inside}; {key.text} {behind}"
        for key, value in entries.entries
        if key.text in {"stop_if", "abort_if"} and isinstance(value, Scalar) and not value.missing and takes
    }


def meant_key(text: str) -> str:
    """Return the key of a protocol file that a word means, itself where it is one."""
    if text in FILE:
        return text
    hint = FILE_WORDS.get(text.lower()) or near(text, FILE)
    match = re.match(r"(?:did you mean|write) (\w+)[?:]", hint)
    return match[1] if match else text


def other_file(entries: Entries) -> str | None:
    """Return what a file without a version and steps is by its keys: a cell or a station; None of a protocol."""
    keys = {key.text for key, _ in entries.entries}
    if "kind" in keys and "steps" not in keys and "name" in keys:
        return "cell"
    if any(meant_key(key) in {"labctl", "steps"} for key in keys):
        return None
    if "kind" in keys:
        return "cell"
    return "station" if keys & {"instruments", "channels"} else None
