"""Keys as other programs name them: what they and their values are here."""

import re
from dataclasses import replace
from typing import Final

from labctl.protocol.words import NO_JUMPS, STEP_KEY_WORDS, SWEEP_WORDS
from labctl.quantity.parse import nearly_read
from labctl.quantity.units import reads
from labctl.text.nodes import Entries, Node, Scalar
from labctl.text.own_value import as_rate
from labctl.text.unit_in_key import with_unit

_TARGET: Final = re.compile(
    r"(?:did you mean|write|add) (from|to|for|current|voltage|capacity|amplitude|per_decade|rate|at|back|cycles)[?:]"
)

_OF_A_HOLD: Final = {
    **dict.fromkeys(("ei", "e1", "e", "u", "v", "potential"), "did you mean voltage?"),
    **dict.fromkeys(("ti", "t1", "tr", "t", "time"), "did you mean for?"),
    **dict.fromkeys(("imax", "i_max", "max_current"), "did you mean current?"),
}
_CUT_OFFS: Final = ("write hold_until", "did you mean to (", "did you mean voltage, or to")


_OF_A_SPECTRUM: Final = {
    "ef": "did you mean to?",
    **dict.fromkeys(("e", "ewe", "edc", "e_dc", "dc", "bias", "voltage", "potential"), "did you mean at?"),
}
_OF_A_DRIVE: Final = {
    **dict.fromkeys(("ts", "ti", "t1", "t"), "did you mean for?"),
    **dict.fromkeys(("el", "em", "ef"), "did you mean to?"),
}
_COUNTS: Final = frozenset(
    {"nc", "nr", "nt", "n_cycles", "cycles", "loops", "times", "count", "n", "number", "repeat", "repeats"}
)


def looped(hint: str, value: Node) -> tuple[str, Node]:
    """Return the hint at a loop, or at a technique that is one, with its count in it, and the other keys.

    `tR` of a galvanostatic technique is the rest behind each of its steps, which is a step of its own here.
    """
    if isinstance(value, Scalar) and value.text.isdigit():
        return re.sub(r"repeat: \d+", f"repeat: {value.text}", hint), value
    if not isinstance(value, Entries) or "repeat" not in hint:
        return hint, value
    count = next(
        (item.text for key, item in value.entries if key.text.lower() in _COUNTS and isinstance(item, Scalar)), ""
    )
    if count.isdigit():
        if hint == NO_JUMPS:
            hint = f"there are no jumps: write repeat: {count} on the block around the steps that come again"
        hint = re.sub(r"repeat: \d+", f"repeat: {count}", hint) if "repeat: " in hint else f"{hint}: {count}"
    gap = next((item.text for key, item in value.entries if key.text.lower() == "tr" and isinstance(item, Scalar)), "")
    hint = f"{hint}, with - rest: {gap} behind it" if gap else hint
    low = next((item.text for key, item in value.entries if key.text.lower() == "el" and isinstance(item, Scalar)), "")
    hint = f"{hint}, and a discharge to: {low}" if low else hint
    left = tuple(pair for pair in value.entries if pair[0].text.lower() not in {*_COUNTS, "tr", "el"})
    return hint, replace(value, entries=left)


def rested(hint: str, value: Node) -> str:
    """Return a hint at a rest with the author's duration in it, where there is one."""
    given = {key.text: item for key, item in value.entries} if isinstance(value, Entries) else {"for": value}
    time = given.get("for")
    time = None if time is None else in_our_unit(time)
    return (
        hint.replace("rest: 2 h", f"rest: {time.text}")
        if isinstance(time, Scalar) and reads(time.text, "duration")
        else hint
    )


def in_our_unit(value: Node) -> Node:
    """Return a duration in the unit that its foreign or misspelt one means, `10 min` for `10 Minuten`; else what it was."""
    if not isinstance(value, Scalar) or reads(value.text, "duration"):
        return value
    meant = nearly_read(value.text, "duration").removeprefix("write ")
    return replace(value, text=meant) if reads(meant, "duration") else value


def renamed(value: Node, hint: str) -> Node:
    """Return the keys of a mapping by the names that they have in the example of a hint, as far as they are known."""
    if not isinstance(value, Entries) or not hint:
        return value
    shown = set(re.findall(r"(\w+): ", hint.partition("{")[2]))
    words = {**STEP_KEY_WORDS, **SWEEP_WORDS} if "eis:" in hint or "cv:" in hint else STEP_KEY_WORDS
    words = {**words, **_OF_A_SPECTRUM} if "eis:" in hint else words
    words = {**words, **(_OF_A_HOLD if "hold: {" in hint else _OF_A_DRIVE if "constant" in hint else {})}
    taken = {key.text for key, _ in value.entries}
    pairs: list[tuple[Scalar, Node]] = []
    for pair in value.entries:
        key, item = with_unit(*pair)
        plain = re.sub(r"[ -]", "_", key.text.strip().lower())
        key = replace(key, text=plain) if plain in words or plain in shown else key
        if key.text in {"rate", "c_rate", "crate"} and "rate" not in shown and isinstance(item, Scalar):
            key, item = replace(key, text="current"), replace(item, text=as_rate(item.text))
        if key.text not in shown and (match := _TARGET.match(words.get(key.text.lower(), ""))):
            key = replace(key, text=match[1])
        if key.text == "voltage" and "voltage" not in shown:
            key = replace(key, text="to")
        if words.get(key.text.lower(), "").startswith(_CUT_OFFS) and isinstance(item, Scalar):
            key, item = _cut_off(key, item)
        if key.text == "hold_until" and isinstance(item, Scalar) and reads(item.text, "current"):
            item = replace(item, text=f"current < {item.text}")
        if key.text == "hold_until" and "hold: {" in hint:
            key = replace(key, text="until")
        pairs.append((key, item) if key.text not in taken else pair)
        taken.add(key.text)
    return replace(value, entries=tuple(pairs))


def _cut_off(key: Scalar, value: Scalar) -> tuple[Scalar, Scalar]:
    """Return a cut-off as the end that its value makes it."""
    if reads(value.text, "voltage"):
        return replace(key, text="to"), value
    if reads(value.text, "current"):
        return replace(key, text="hold_until"), value
    return key, value
