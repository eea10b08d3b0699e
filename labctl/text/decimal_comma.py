"""Decimal commas in braces and brackets, where YAML takes them for the end of a value: `{rate: 0,05C}`, `[0,1C, 0,2C]`."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from labctl.finding import Mark, clip
from labctl.quantity.number_hints import thousands
from labctl.text.nodes import BROKEN, Node, Scalar

Report: TypeAlias = Callable[[str, str, Mark, str], None]
"""Notes a finding: code, message, place, hint."""

_WHOLE: Final = re.compile(r"(?:.*[\s<>=\u2264\u2265(*/+~-]|)(\d+|\d{1,3}(?:\.\d{3})+)", re.DOTALL)
_DECIMALS: Final = re.compile(r"(\d+)(.*)", re.DOTALL)
_WITH_UNIT: Final = re.compile(r"\d+\s*[^\W\d_%]|\d+\s*[%\u00b0\u00b5\u03bc\u03a9]")


def joined_entries(nodes: Sequence[Node], text: str, report: Report) -> list[Node]:
    """Return keys and values in turn, with each number that a decimal comma cut in two as one, and that reported."""
    joined: list[Node] = []
    for key, value in zip(nodes[::2], nodes[1::2], strict=True):
        before = joined[-1] if joined else None
        name = joined[-2] if joined else None
        if (
            isinstance(before, Scalar)
            and isinstance(name, Scalar)
            and isinstance(key, Scalar)
            and isinstance(value, Scalar)
            and value.missing
            and (whole := _cut(before, key, text)) is not None
        ):
            question = "" if "." in whole[1] else thousands(f"{whole[1]},{key.text}")
            right = f"{before.text[: whole.start(1)]}{whole[1].replace('.', '')}.{key.text}"
            message = f"wanted a decimal point, found a comma in {clip(f'{whole[1]},{key.text}')!r}"
            report(
                "yaml.comma", message, before.at(whole.start(1)), question or f"write {name.text}: {clip(right, 60)}"
            )
            joined[-1] = _one(before, key, BROKEN if question else right)
        else:
            joined += [key, value]
    return joined


def joined_items(nodes: Sequence[Node], text: str, report: Report) -> list[Node]:
    """Return the items of a list, with each number that a decimal comma cut in two as one, and that reported.

    Bare numbers that stand alone are never joined: `[5,10,50]` are three counts.
    """
    joined: list[Node] = []
    commas: list[tuple[Scalar, str]] = []
    for node in nodes:
        before = joined[-1] if joined else None
        whole = _cut(before, node, text) if isinstance(before, Scalar) and isinstance(node, Scalar) else None
        if (
            whole is not None
            and isinstance(before, Scalar)
            and isinstance(node, Scalar)
            and _WITH_UNIT.match(node.text)
        ):
            commas.append((before, f"{before.text},{node.text}"))
            joined[-1] = _one(before, node, f"{before.text}.{node.text}")
        else:
            joined.append(node)
    texts = [node.text if isinstance(node, Scalar) else "" for node in joined]
    if not commas or any(re.fullmatch(r"[-+]?\d+", each) for each in texts):
        return list(nodes)
    shown = clip(", ".join(cut for _, cut in commas))
    hint = f"write [{clip(', '.join(texts), 100)}]"
    if len(joined) == 1:
        number, rest = commas[0][1].split(",")
        unit = match[2].strip() if (match := _DECIMALS.fullmatch(rest)) else ""
        hint += f"; of two values each has its unit: [{number} {unit}, {rest}]"
        joined = [replace(commas[0][0], text=BROKEN)]
    report("yaml.comma", f"wanted decimal points, found commas in {shown!r}", commas[0][0].mark, hint)
    return joined


def _cut(before: Scalar, after: Scalar, text: str) -> re.Match[str] | None:
    """Return the whole number at the end of a text that a comma without a space parts from the digits behind it."""
    whole = _WHOLE.fullmatch(before.text)
    beside = text[before.span[1] : after.span[0]] == ","
    return whole if beside and not (before.style or after.style) and _DECIMALS.fullmatch(after.text) else None


def _one(before: Scalar, after: Scalar, text: str) -> Scalar:
    return replace(before, text=text, span=(before.span[0], after.span[1]), folded=before.folded or after.folded)
