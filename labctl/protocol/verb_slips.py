"""What stands where a verb was wanted, and how the step that it means is written."""

from collections.abc import Sequence

from labctl.finding import clip
from labctl.protocol.foreign_keys import renamed, rested
from labctl.protocol.keys import BLOCK, VERBS
from labctl.protocol.words import CV_VOLTAGE, REPEATED, TIME_OF_DAY, TYPE_KEYS, VERB_WORDS
from labctl.quantity.units import reads
from labctl.text.fields import near
from labctl.text.nodes import Entries, Node, Scalar
from labctl.text.own_value import with_own


def instead_of(key: Scalar, value: Node, others: Sequence[tuple[Scalar, Node]]) -> str:
    """Return the hint at a step whose first key is no verb; `others` stand beside it."""
    word = key.text
    plain = _plain(word)
    if word.startswith("-") and word[1:] in VERBS:
        return f"put a space after the hyphen: - {word[1:]}"
    if plain == "cv" and isinstance(value, Entries) and any(inner.text == "voltage" for inner, _ in value.entries):
        return CV_VOLTAGE
    if word.lower() in VERBS:
        return f"write {word.lower()}"
    if times := REPEATED.match(word):
        return f"write a block: repeat: {times[1]} with steps: below it"
    if plain in {"goto", "go_to", "set", "ramp"} and isinstance(value, Scalar) and reads(value.text, "voltage"):
        reached = f"{{current: ..., to: {value.text}, hold_for: ...}}"
        return f"write charge or discharge: {reached}, or hold: {{voltage: {value.text}, current: ..., for: ...}}"
    hint = VERB_WORDS.get(plain, "")
    if plain in TYPE_KEYS and isinstance(value, Scalar) and (meant := _of_type(value.text)):
        hint, value = meant, Entries(tuple(others), value.mark) if others else value
    value = renamed(value, hint)
    hint = rested(hint, value)
    hint = hint if isinstance(value, Scalar) and TIME_OF_DAY.fullmatch(value.text) else with_own(hint, value)
    return hint or _block_hint(word, value) or near(word, (*VERBS, *BLOCK, "use")) or "verbs are " + ", ".join(VERBS)


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
