"""Hints that show a key with a value: the value is the author's where there is one, else it is called an example."""

import re
from typing import Final

from labctl.finding import clip
from labctl.quantity.dimension import Kind
from labctl.quantity.units import number, reads
from labctl.text.nodes import Entries, Items, Node, Scalar

_BRACES: Final = re.compile(r"\{[^{}]*\d[^{}]*\}")
_LIST: Final = re.compile(r"\[[^\[\]]*\d[^\[\]]*\]")
_ONE_KEY: Final = re.compile(r"\{(\w+): [^{},]*\d[^{},]*\}")
_PAIR: Final = re.compile(r"(\w+): ([^;,:{}`]*\d[^;,:{}`]*?)(?=$|;|,|`)")
_NUMBER: Final = re.compile(r"\$\w+|\$\(.*\)|[-+]?(?:C\s*/\s*)?\.?\d[^\s]*(?: \S+)*")
_TWO_ENDS: Final = re.compile(
    r"([-+]?\d\S*(?: [A-Za-z]\S*)?)\s*(?:-|\u2013|\.\.\.?|\u2026|~|->|\u2192|to|bis|a)\s*([-+]?\d\S*(?: \S+)*)"
)
FROM_AND_TO: Final = "write from: and to:, each with its value"
TO_OR_UNTIL: Final = "did you mean to (voltage) or until?"
_ENDS: Final[tuple[tuple[Kind, str], ...]] = (
    ("voltage", "to:"), ("current", "hold_until: current <"), ("capacity", "capacity:"), ("duration", "for:"),
)  # fmt: skip
_SHOWN_KINDS: Final[tuple[Kind, ...]] = ("current", "power", "voltage", "duration", "resistance", "frequency")
UNTIL_CURRENT: Final = "write until: current < C/20"
YOURS: Final = " with your values"


def with_own(hint: str, value: Node) -> str:
    """Return a hint with the author's value in the place of that of its example.

    A number that is not the author's never stands behind "write" alone: followed literally, it would be done to a cell.
    """
    if (held := _held(hint, value) or _from_and_to(hint, value)) is not None:
        return held
    if not re.search(r"\d", hint) or "did you mean" in hint:
        return hint
    if isinstance(value, Scalar) and _NUMBER.fullmatch(value.text):
        text = as_rate(value.text) if "C-rate" in hint else value.text
        if own := _with_scalar(hint, text) or _in_braces(hint, text):
            return own
    if isinstance(value, Items) and (listed := _LIST.search(hint)) is not None and len(value.items) == 2:
        texts = [item.text for item in value.items if isinstance(item, Scalar)]
        return f"{hint[: listed.start()]}[{clip(', '.join(texts))}]{hint[listed.end() :]}"
    braces = _BRACES.search(hint)
    if braces is None:
        return _as_example(hint) if _PAIR.search(hint) else hint
    if isinstance(value, Entries) and "[" not in braces[0]:
        return hint[: braces.start()] + _filled(braces[0], value) + hint[braces.end() :]
    return hint[: braces.end()] + YOURS + hint[braces.end() :]


def _from_and_to(hint: str, value: Node) -> str | None:
    """Return both ends that one value holds, `1 MHz - 0.1 Hz` or a list of two; None of other hints and values."""
    if not hint.startswith("write from:"):
        return None
    if isinstance(value, Scalar) and (ends := _TWO_ENDS.fullmatch(value.text)):
        first = ends[1] if re.search(r"[A-Za-z%]", ends[1]) else f"{ends[1]} {ends[2].lstrip('-+.0123456789 ')}"
        return f"write from: {first}, to: {ends[2]}"
    texts = [item.text for item in value.items if isinstance(item, Scalar)] if isinstance(value, Items) else []
    return f"write from: {texts[0]}, to: {texts[1]}" if len(texts) == 2 else None


def _held(hint: str, value: Node) -> str | None:
    """Return the end that a value is: of a cut-off by its kind, of a held voltage by its form; None of other hints."""
    text = value.text if isinstance(value, Scalar) else ""
    if hint == TO_OR_UNTIL and text:
        return next((f"write {key} {clip(text)}" for kind, key in _ENDS if reads(text, kind)), hint)
    if hint.startswith("write hold_until:") and re.match(r"(?:current|time)\s*[<>]", text):
        return f"write hold_until: {clip(text)}"
    if hint.startswith("write hold_until:") and reads(text, "current"):
        return f"write hold_until: current < {clip(text)}"
    if hint == UNTIL_CURRENT and reads(text, "current"):
        return f"write until: current < {clip(text)}"
    return f"write hold_for: {clip(text)}" if hint.startswith("write hold_until:") and reads(text, "duration") else None


def as_rate(text: str) -> str:
    """Return what a bare number is as a C-rate, `0.5` and `1/10` as 0.5C and C/10; any other text as it is."""
    if match := re.fullmatch(r"1\s*/\s*(\d[\d.]*)", text):
        return f"C/{match[1]}"
    return f"{text}C" if number(text) is not None else text


def _in_braces(hint: str, text: str) -> str:
    """Return a hint whose braces have a quantity at the first key of its kind and `...` at the others; "" where none is."""
    braces = _BRACES.search(hint)
    pairs = [pair.partition(": ") for pair in braces[0].strip("{}").split(", ")] if braces else []
    kinds = [kind for kind in _SHOWN_KINDS if reads(text, kind)]
    own = next((key for key, _, shown in pairs if any(reads(shown, kind) for kind in kinds)), "")
    if braces is None or not own:
        return ""
    inner = ", ".join(f"{key}: {clip(text) if key == own else '...'}" for key, _, _ in pairs)
    return f"{hint[: braces.start()]}{{{inner}}}{hint[braces.end() :]}"


def _filled(example: str, value: Entries) -> str:
    """Return the keys of an example with the author's values, `...` where there is none, and the author's other keys behind."""
    written = {key.text: item.text if isinstance(item, Scalar) else "..." for key, item in value.entries}
    keys = [pair.partition(": ")[0] for pair in example.strip("{}").split(", ")]
    if "to" in keys and "to" not in written and "voltage" in written:
        written["to"] = written.pop("voltage")
    pairs = [f"{key}: {written.pop(key, '...')}" for key in keys]
    return f"{{{clip(', '.join([*pairs, *(f'{key}: {text}' for key, text in written.items())]), 120)}}}"


def _with_scalar(hint: str, text: str) -> str:
    """Return a hint with a quantity in it, "" where it has no place for one."""
    own = clip(text)
    if (one := _ONE_KEY.search(hint)) is not None:
        return f"{hint[: one.start()]}{{{one[1]}: {own}}}{hint[one.end() :]}"
    pair = _PAIR.search(hint)
    unit_wanted = pair is not None and re.search(r"[A-Za-z%]", pair[2]) and not re.search(r"[A-Za-z%]", text)
    if pair is None or unit_wanted or "{" in hint:
        return ""
    return hint[: pair.start(2)] + own + hint[pair.end(2) :]


def _as_example(hint: str) -> str:
    return f"for example {hint.removeprefix('write ')}" if hint.startswith("write ") else hint
