"""Blocks that were taken apart: their `steps:` as an item of its own, or a loop behind the steps that it repeats."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from labctl.finding import Mark
from labctl.protocol.keys import BLOCK, VERBS
from labctl.text.nodes import Entries, Node, Scalar

BLOCK_ONLY: Final = frozenset({"steps", "repeat", "each", "if", "cycle", "stop_if", "abort_if"})
_LOOPS: Final = ("repeat", "each")
Slip: TypeAlias = tuple[str, str, Mark, str]
"""Code, message, place, hint."""


def together(items: Sequence[Node]) -> tuple[list[Node], list[Slip]]:
    """Return the items of a list of steps with each block whole, and what was wrong with those that were not."""
    whole: list[Node] = []
    slips: list[Slip] = []
    cut: tuple[int, list[str]] | None = None  # number of the step that dashes cut, and its keys behind them
    for at, item in enumerate(items):
        before = whole[-1] if whole else None
        if (
            isinstance(before, Entries)
            and isinstance(item, Entries)
            and _is_name(before)
            and (_is_step(item) or _is_block(item))
        ):
            first = item.entries[0][0]
            message = f"wanted name: beside {first.text}, found it as an item of its own"
            hint = f"write two spaces in place of the - before {first.text}: it belongs to the name of line {before.mark.line}"
            slips.append(("yaml.indent", message, item.mark, hint))
            whole[-1] = replace(before, entries=(*before.entries, *item.entries))
            continue
        if isinstance(before, Entries) and isinstance(item, Entries) and _parts_of_one(before, item):
            whole[-1], slip = _one_block(before, item)
            slips.append(slip)
            continue
        if _is_head(before) and isinstance(before, Entries) and isinstance(item, Entries) and _is_body(item):
            first, steps = before.entries[0][0], item.entries[0][0]
            message = f"wanted steps: below {first.text}, found it as an item of its own"
            hint = f"write two spaces in place of the - before steps: it belongs to the block of line {first.mark.line}"
            slips.append(("yaml.indent", message, steps.mark, hint))
            whole[-1] = replace(before, entries=(*before.entries, *item.entries))
            slips = [slip for slip in slips if slip[0] != "key.missing" or slip[2] != before.mark]
            continue
        if (
            isinstance(before, Entries)
            and isinstance(item, Entries)
            and (joined := _cut_step(before, item)) is not None
        ):
            whole[-1], verb = joined
            names = [key.text for key, _ in item.entries]
            last = slips[-1] if slips and slips[-1][0] == "yaml.indent" else None
            if last is not None and cut is not None and cut[0] == len(whole) - 1:
                names, (_, _, mark, _) = [*cut[1], *names], slips.pop()
            else:
                mark = item.mark
            cut = (len(whole) - 1, names)
            slips.append(_cut_off(names, verb, mark, _where(before, verb)))
            continue
        whole.append(item)
        if isinstance(item, Entries) and _is_head(item):
            slips.append(("key.missing", *_headless(items, at, item)))
    return whole, slips


def _cut_step(step: Entries, item: Entries) -> tuple[Entries, Scalar] | None:
    """Return a step with the keys of an item that no step begins with but its verb has, and that verb; else None."""
    verb = next(((key, value) for key, value in step.entries if key.text in VERBS), None)
    keys = {key.text for key, _ in item.entries}
    if verb is None or not keys or not keys <= set(VERBS[verb[0].text].keys) or keys & (set(VERBS) | {"use"}):
        return None
    inner = verb[1]
    if isinstance(inner, Entries) and keys & {key.text for key, _ in inner.entries}:
        return None
    if isinstance(inner, Entries):
        value = replace(inner, entries=(*inner.entries, *item.entries))
    elif isinstance(inner, Scalar) and inner.missing:
        value = replace(item, mark=inner.mark)
    elif isinstance(inner, Scalar) and (short := VERBS[verb[0].text].short) and short not in keys:
        own = (replace(verb[0], text=short, mark=inner.mark), inner)
        value = replace(item, entries=(own, *item.entries), mark=inner.mark, flow=True)
    else:
        return None
    pairs = tuple((key, value if key is verb[0] else old) for key, old in step.entries)
    return replace(step, entries=pairs), verb[0]


def _where(step: Entries, verb: Scalar) -> str:
    """Return where the keys of a step stand, or are to stand."""
    value = next(value for key, value in step.entries if key is verb)
    if isinstance(value, Entries) and value.flow:
        return "into its braces"
    if isinstance(value, Scalar) and not value.missing:
        return f"beside it in braces, {verb.text}: {{{VERBS[verb.text].short}: {value.text}, ...}}"
    return f"two spaces deeper than {verb.text}, without the -"


def _cut_off(names: Sequence[str], verb: Scalar, mark: Mark, where: str) -> Slip:
    """Return the finding at keys that a - parts from the step above them."""
    listed = ", ".join(names[:-1]) + (" and " if names[1:] else "") + names[-1]
    message = f"wanted {listed} in the step above, found a - in front"
    belong = "belongs" if len(names) == 1 else "belong"
    what = "it" if len(names) == 1 else "them"
    hint = f"{listed} {belong} to {verb.text} of line {verb.mark.line}: write {what} {where}"
    return "yaml.indent", message, mark, hint


def is_head(item: Entries) -> bool:
    """Tell whether an item has keys of a block, each of them known, and no steps."""
    keys = {key.text for key, _ in item.entries}
    if any(
        key.text in _LOOPS and isinstance(value, Entries) and not value.flow and _has_steps(value)
        for key, value in item.entries
    ):
        return False
    return bool(keys & BLOCK_ONLY) and "steps" not in keys and keys <= set(BLOCK)


def _has_steps(value: Entries) -> bool:
    return any(key.text == "steps" for key, _ in value.entries)


def _is_head(item: Node | None) -> bool:
    return isinstance(item, Entries) and is_head(item)


def _parts_of_one(before: Entries, item: Entries) -> bool:
    """Tell whether two items without steps are keys of one block, of which only the first begins with a -."""
    keys, more = ({key.text for key, _ in one.entries} for one in (before, item))
    return is_head(before) and is_head(item) and not keys & more and not {"repeat", "each", "if"} & more


def _one_block(before: Entries, item: Entries) -> tuple[Entries, Slip]:
    """Return two parts of a block as one, and what is said of the second."""
    first, key = before.entries[0][0], item.entries[0][0]
    message = f"wanted {key.text}: beside {first.text}, found it as an item of its own"
    hint = f"write two spaces in place of the - before {key.text}: it belongs to the block of line {first.mark.line}"
    whole = replace(before, entries=(*before.entries, *item.entries))
    return whole, ("yaml.indent", message, item.mark, hint)


def _is_body(item: Entries) -> bool:
    keys = {key.text for key, _ in item.entries}
    return "steps" in keys and keys <= set(BLOCK) and not keys & set(_LOOPS)


def _headless(items: Sequence[Node], at: int, item: Entries) -> tuple[str, Mark, str]:
    """Return message, place and hint of a block without steps; which steps it is for follows from where it stands."""
    key, value = next(pair for pair in item.entries if pair[0].text in BLOCK_ONLY)
    message = f"wanted steps in the block with {key.text}, found none"
    whole = items[at - 1] if at else None
    if at == len(items) - 1 and isinstance(whole, Entries) and _is_body(whole):
        shown = f"{key.text}: {value.text}" if isinstance(value, Scalar) else f"{key.text}:"
        hint = f"write {shown} into the block of line {whole.mark.line}, above its steps:, and leave this item out"
        return message, item.mark, hint
    if isinstance(value, Entries) and (count := _count_of(value)):
        hint = f"write repeat: {count}, cycle: true below it, and below that steps: with the steps that it is for"
        return message, item.mark, hint
    steps = [each for each in items if isinstance(each, Entries) and each is not item and _is_step(each)]
    if not steps:
        return message, item.mark, "put the steps below steps:, each with its -"
    shown = f"{key.text}: {value.text}" if isinstance(value, Scalar) else f"{key.text}:"
    before = [each for each in steps if each.mark < item.mark]
    if at == len(items) - 1 and before:
        first, last = before[0].mark.line, before[-1].mark.line
        which = f"line {first}" if first == last else f"lines {first} to {last}"
        hint = f"a loop stands before what it repeats: - {shown} and steps: in front of {which}, the steps four spaces deeper"
        return message, item.mark, hint
    hint = f"write steps: below {key.text}, as far to the right, and the steps that it is for below that, four spaces deeper"
    return message, item.mark, hint


def _is_name(item: Entries) -> bool:
    return [key.text for key, _ in item.entries] == ["name"]


def _is_block(item: Entries) -> bool:
    return any(key.text in BLOCK_ONLY for key, _ in item.entries)


def _count_of(value: Entries) -> str:
    """Return the number of passes that stands below a key of a block, or ""."""
    counts = (
        item.text
        for key, item in value.entries
        if key.text in {"times", "count", "n", "end"} and isinstance(item, Scalar)
    )
    return next((text for text in counts if text.isdigit()), "")


def _is_step(item: Entries) -> bool:
    return any(key.text in VERBS or key.text == "use" for key, _ in item.entries)


def beside_block(lines: Sequence[str], node: Node) -> tuple[str, str] | None:
    """Return message and hint at the steps of a block that stand as far to the right as its own -, below an empty `steps:`."""
    if not isinstance(node, Scalar) or not node.missing:
        return None
    at = node.mark.line - 1
    key = re.match(r"( *(?:- +)*)steps:\s*(?:#.*)?$", lines[at]) if at < len(lines) else None
    below = [number for number in range(at + 1, len(lines)) if lines[number].strip()]
    item = re.match(r"( *)- ", lines[below[0]]) if below else None
    if key is None or item is None or len(item[1]) >= len(key[1]):
        return None
    end = next((number for number in below if _level(lines[number]) < len(item[1])), len(lines))
    last = max(number for number in below if number < end)
    more = len(key[1]) + 2 - len(item[1])
    shown = f"line {below[0] + 1}" if last == below[0] else f"lines {below[0] + 1} to {last + 1}"
    message = "wanted the steps of the block below its steps:, deeper than its own -, found them beside it"
    return message, f"put {more} more spaces in front of {shown}, as far as they belong to the block"


def _level(text: str) -> int:
    return len(text) - len(text.lstrip())
