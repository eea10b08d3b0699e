"""What stands where a verb was wanted, and how the step that it means is written."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from labctl.finding import clip
from labctl.protocol.composed_verbs import composed
from labctl.protocol.foreign_keys import in_our_unit, looped, renamed, rested
from labctl.protocol.keys import BLOCK, FILE, VERBS
from labctl.protocol.words import CV_VOLTAGE, REPEATED, TIME_OF_DAY, TYPE_KEYS, VERB_WORDS
from labctl.quantity.units import reads
from labctl.text.fields import near
from labctl.text.nodes import Entries, Node, Scalar
from labctl.text.own_value import with_own
from labctl.text.translations import translated
from labctl.text.unit_in_key import with_unit

_COUNTED: Final = re.compile(
    r"(?:repeat|loop|cycle|do)\s*\(?\s*(\d+)\s*\)?$|for\b.*\brange\s*\((?:\s*\d+\s*,)?\s*(\d+)\s*\)|for\b.*<=?\s*(\d+)\b"
)  # loops of programs: `for i in range(3)`, `repeat(3)`
_STEP_KEYS: Final = frozenset({*VERBS, *BLOCK, "use"} - {"name", "record", "for", "every"})


def instead_of(key: Scalar, value: Node, others: Sequence[tuple[Scalar, Node]]) -> str:
    """Return the hint at a step whose first key is no verb; `others` stand beside it."""
    key, value = with_unit(key, value)
    word = key.text
    plain = _plain(word)
    if plain == "cycle" and isinstance(value, Entries):
        plain = "loops"
    if word.startswith("-") and word[1:] in VERBS:
        return f"put a space after the hyphen: - {word[1:]}"
    if plain == "cv" and isinstance(value, Entries) and any(inner.text == "voltage" for inner, _ in value.entries):
        return CV_VOLTAGE
    if plain.startswith("do_") and plain[3:].isdigit():
        plain, value = "do", Entries(((replace(key, text="times"), value),), key.mark)
    if plain == "cp" and _is_a_current(value):
        plain = "cc"
    if hint := _of_programs(word, value):
        return hint
    if plain in {"goto", "go_to", "set", "ramp"} and isinstance(value, Scalar) and reads(value.text, "voltage"):
        reached = f"{{current: ..., to: {value.text}, hold_for: ...}}"
        return f"write charge or discharge: {reached}, or hold: {{voltage: {value.text}, current: ..., for: ...}}"
    hint = VERB_WORDS.get(plain, "") or composed(plain)
    if plain in TYPE_KEYS and isinstance(value, Scalar) and (meant := _of_type(value.text)):
        hint, value = meant, Entries(tuple(others), value.mark) if others else value
    hint, value = looped(hint, value)
    value = renamed(value, hint)
    value = in_our_unit(value) if hint.startswith("write rest:") else value
    hint = rested(hint, value)
    hint = hint if isinstance(value, Scalar) and TIME_OF_DAY.fullmatch(value.text) else with_own(hint, value)
    hint = hint or _block_hint(word, value) or _of_the_file(word)
    return hint or near(word, (*VERBS, *BLOCK, "use")) or "verbs are " + ", ".join(VERBS)


def _of_programs(word: str, value: Node) -> str:
    """Return the hint at a loop or a file that is named as in a program, `for i in range(3)`, `$ref: other.yaml`; or ""."""
    if times := REPEATED.match(word) or _COUNTED.match(word):
        return f"write a block: repeat: {times[times.lastindex or 1]} with steps: below it"
    if word.lstrip("$!") in {"ref", "include", "import"} and isinstance(value, Scalar) and value.text:
        return f"write use: {clip(re.sub(r'.*/|[.]ya?ml$', '', value.text))}"
    return ""


def _of_the_file(word: str) -> str:
    belongs = word in FILE and word not in {"steps", *BLOCK}
    return f"{word} belongs to the file: put it beside steps:, without the -" if belongs else ""


def _is_a_current(value: Node) -> bool:
    """Tell whether keys give a current: CP is then chronopotentiometry, else constant power."""
    pairs = value.entries if isinstance(value, Entries) else ()
    return any(isinstance(item, Scalar) and reads(item.text, "current") for _, item in pairs)


def in_our_words(entries: Entries) -> tuple[Entries, list[tuple[Scalar, str]]]:
    """Return a step without a verb as if its capital or foreign words were ours, and each of those with its hint."""
    if any(key.text in _STEP_KEYS for key, _ in entries.entries):
        return entries, []
    slips: list[tuple[Scalar, str]] = []
    pairs: list[tuple[Scalar, Node]] = []
    for key, value in entries.entries:
        right = _ours(key.text, value)
        pairs.append((replace(key, text=right), value) if right else (key, value))
        slips += [(key, f"write {right}")] if right else []
    return replace(entries, entries=tuple(pairs)), slips


def _ours(word: str, value: Node) -> str:
    """Return the verb, or the key of a block, that a word is in capitals or in another language, or ""."""
    lowered = word.lower()
    with_voltage = isinstance(value, Entries) and any(key.text == "voltage" for key, _ in value.entries)
    counted = lowered == "cycle" and not isinstance(value, Scalar)
    if counted or (with_voltage and lowered == "cv") or _plain(word) in VERB_WORDS or word in _STEP_KEYS:
        return ""
    return lowered if lowered in _STEP_KEYS else translated(word, _STEP_KEYS)


def _plain(word: str) -> str:
    return word.lower().replace("-", "_").replace(" ", "_")


def _of_type(word: str) -> str:
    """Return the hint at a step whose verb stands as the value of a key, `step: CC_Chg`, or ""."""
    plain = _plain(word)
    return f"write {VERBS[plain].example}" if plain in VERBS else VERB_WORDS.get(plain, "")


def _block_hint(word: str, value: Node) -> str:
    """Return how a block is named, where its name stands as a key around it."""
    if isinstance(value, Entries) and any(key.text == "steps" for key, _ in value.entries):
        return f"write name: {clip(word)}, and the keys of the block below it, as far to the left as name"
    return ""
