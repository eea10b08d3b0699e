"""Loops over values as other languages write them, and as they are written here."""

import re
from dataclasses import replace
from typing import Final

from labctl.finding import Mark, clip
from labctl.quantity.units import NUMBER, number, reads
from labctl.text.nodes import BROKEN, Entries, Items, Node, Scalar
from labctl.text.parted_values import parted_values

_COUNTED: Final = re.compile(r"[A-Za-z_]\w*\s+in\s+range\(\s*(?:[01]\s*,\s*)?(\d+)\s*\)")
_LOOP: Final = re.compile(r"([A-Za-z_]\w*)\s+in\s+(\[.*\]|\$\w+)")

_RANGE: Final = re.compile(
    r"(?:from\s+|von\s+)?(\S.*?)\s*(?:\.\.\.?|\u2026|\bto\b|\bbis\b)\s*(\S.*?)"
    r"(?:\s*,?\s*(?:\bby|(?:\bin )?\bsteps? of|\bstep|\bevery|\bin Schritten von)\s+(\S.*))?"
)


def loop_by_for(entries: Entries) -> tuple[Entries, tuple[str, Mark, str] | None]:
    """Return a block as if its `for: j in [1, 2]` were an `each`, with message, place and hint; the block itself without one."""
    for at, (key, value) in enumerate(entries.entries):
        if key.text == "for" and isinstance(value, Entries) and all(_many(inner) for _, inner in value.entries):
            pairs = (*entries.entries[:at], (replace(key, text="each"), value), *entries.entries[at + 1 :])
            return replace(entries, entries=pairs), (
                "wanted a duration, found a loop over values",
                key.mark,
                "write each in place of for",
            )
        counted = _COUNTED.fullmatch(value.text) if key.text == "for" and isinstance(value, Scalar) else None
        if counted is not None and isinstance(value, Scalar):
            number: tuple[Scalar, Node] = (replace(key, text="repeat"), replace(value, text=counted[1]))
            pairs = (*entries.entries[:at], number, *entries.entries[at + 1 :])
            message = f"wanted a duration, found {clip(counted[0])!r}"
            return replace(entries, entries=pairs), (
                message,
                value.mark,
                f"write repeat: {counted[1]} in place of for:",
            )
        loop = _LOOP.fullmatch(value.text) if key.text == "for" and isinstance(value, Scalar) else None
        if loop is not None:
            variable: tuple[Scalar, Node] = (replace(key, text=loop[1]), Scalar(BROKEN, value.mark))
            each: tuple[Scalar, Node] = (replace(key, text="each"), Entries((variable,), value.mark))
            pairs = (*entries.entries[:at], each, *entries.entries[at + 1 :])
            hint = f"write each: {{{loop[1]}: {clip(loop[2], 100)}}} in place of for:"
            message = f"wanted a duration, found {clip(loop[0])!r}"
            return replace(entries, entries=pairs), (message, value.mark, hint)
    return entries, None


def _many(node: Node) -> bool:
    return isinstance(node, Items) or (
        isinstance(node, Entries) and any(key.text in {"from", "pick"} for key, _ in node.entries)
    )


def unnamed(node: Node | None, example: str) -> str:
    """Return how the values of a loop that stand there alone are named."""
    if not isinstance(node, Items):
        return f"for example each: {example}"
    texts = [item.text if isinstance(item, Scalar) else "..." for item in node.items]
    return f"name them: each: {{x: [{clip(', '.join(texts), 60)}]}}, and $x in the steps"


def as_range(node: Node, example: str) -> str:
    """Return how a range that is written as one text, `1 mA..3 mA`, is written as keys."""
    text = node.text if isinstance(node, Scalar) else ""
    if spaced := _spaced(text):
        return spaced
    if parts := parted_values(text):
        return f"write [{', '.join(parts)}]"
    ends = _RANGE.fullmatch(text.strip())
    if ends is None:
        return example
    unit = re.search(r"[^\d\s.][^\s]*$", ends[2])
    begin, end, by = (
        f"{part} {unit[0]}" if unit and part and number(part) is not None else part for part in ends.groups()
    )
    if not (reads(begin, "any") and reads(end, "any")) or (by and not reads(by, "any")):
        return example
    return f"write {{from: {begin}, to: {end}, by: {by or '...'}}}"


def _spaced(text: str) -> str:
    """Return `0.1:0.1:1 A`, `range(0.1 A, 1 A, 0.1 A)` and `linspace(0.1 A, 1 A, 10)` as the ranges that they are, or ""."""
    if colons := re.fullmatch(r"([-\d.]+)\s*:\s*([-\d.]+)\s*:\s*([-\d.]+)\s*(\D.*)?", text.strip()):
        unit = f" {colons[4].strip()}" if colons[4] else ""
        return f"write {{from: {colons[1]}{unit}, to: {colons[3]}{unit}, by: {colons[2]}{unit}}}"
    called = re.fullmatch(
        r"(?:np\.|numpy\.)?(\w+)\(\s*([^,]+?)\s*,\s*([^,]+?)\s*,\s*([^,]+?)\s*\)\s*(\D.*)?", text.strip()
    )
    if called is None:
        return ""
    unit = f" {called[5].strip()}" if called[5] else ""
    first, last, third = (f"{part}{unit}" for part in called.group(2, 3, 4))
    if called[1] in {"range", "arange"}:
        return f"write {{from: {first}, to: {last}, by: {third}}}"
    begin, end = (re.fullmatch(rf"({NUMBER})(?:\s*(\D.*))?", part) for part in (first, last))
    counted = called[4].isascii() and called[4].isdigit()
    if called[1] != "linspace" or begin is None or end is None or begin[2] != end[2] or not counted:
        return ""
    step = (float(end[1]) - float(begin[1])) / max(int(called[4]) - 1, 1)
    return f"write {{from: {first}, to: {last}, by: {step:.6g}{f' {begin[2]}' if begin[2] else ''}}}"


def without_brackets(entries: Entries) -> tuple[str, str]:
    """Return message and hint of `each: {j: $first, $last, $by}`, whose names stand in braces like keys; "" of others."""
    (key, first), *rest = entries.entries
    alone = [name.text for name, value in rest if isinstance(value, Scalar) and value.missing]
    texts = [first.text if isinstance(first, Scalar) else "", *alone]
    called = ", ".join(texts)
    if alone and (spaced := _spaced(called)):
        return f"wanted a list or a range for {clip(key.text)}, found {clip(called)!r}", f"{spaced} behind {key.text}:"
    if not alone or len(alone) != len(rest) or not all(text[:1] == "$" or reads(text, "any") for text in texts):
        return "", ""
    hint = f"write {key.text}: [{clip(', '.join(texts), 60)}]"
    if len(texts) == 3 and texts[2].strip("$") in {"by", "step"}:
        hint = f"write {key.text}: {{from: {texts[0]}, to: {texts[1]}, by: {texts[2]}}}"
    return f"wanted a list or a range for {clip(key.text)}, found its values without brackets", hint
