"""Steps, blocks and uses: from list items to values."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias, cast

from labctl.document import BROKEN, Entries, Items, Mark, Node, Scalar, clip
from labctl.protocol.keys import BLOCK, RANGE, USE, VERBS
from labctl.protocol.model import (
    Block,
    Drive,
    Given,
    Hold,
    Item,
    Protocol,
    Range,
    Reference,
    Rest,
    Step,
    Text,
    Use,
    Variable,
)
from labctl.protocol.verbs import Tables, VerbFields, unread
from labctl.protocol.words import BESIDE_WORDS, BLOCK_WORDS, VERB_WORDS
from labctl.reading import near

Includes: TypeAlias = Callable[[str, Mark], Protocol | None]
"""Loads a protocol by the name that `use` gives; None where it could not, with a finding."""

STEPS_HINT: Final = "a list: begin each step with - , for example - rest: 2 h"
_BLOCK_ONLY: Final = frozenset({"steps", "repeat", "each", "if", "cycle", "stop_if", "abort_if"})
_BY_FORM: Final = ("repeat", "each", "if")


class StepFields(VerbFields):
    """Reads lists of steps."""

    tables: Tables
    includes: Includes

    def steps(self, node: Node | None) -> tuple[Item, ...]:
        """Return the items of a `steps`."""
        if node is None:
            return ()
        items = self.items(node, "a list of steps", STEPS_HINT)
        if not items and isinstance(node, Items):
            self.report(
                "steps.empty", "wanted at least one step, found an empty list", node.mark, "for example - rest: 2 h"
            )
        found = [self.item(item) for item in items]
        return tuple(item for item in found if item is not None)

    def item(self, node: Node) -> Item | None:
        """Return a step, a block or a use."""
        if isinstance(node, Scalar):
            self._bare(node)
            return None
        entries = self.entries(node, "a step", "one verb with its value: - rest: 2 h")
        if entries is None:
            return None
        keys = {key.text for key, _ in entries.entries}
        if "use" in keys:
            return self._use(entries)
        verbs = [key for key, _ in entries.entries if key.text in VERBS]
        if not verbs and keys & _BLOCK_ONLY:
            return self._block(entries)
        return self._step(entries, verbs)

    # --- steps ---

    def _bare(self, node: Scalar) -> None:
        """Say what to do with a step that is a text: `rest`, `rest:2 h`, a sentence."""
        text = node.text
        if text == BROKEN:
            return
        word = re.split(r"[\s:]", text.strip(), maxsplit=1)[0].lower()
        hint = self._stuck_hint(node)
        if not hint and word in VERBS:
            hint = f"for example - {VERBS[word].example}"
        elif not hint:
            hint = VERB_WORDS.get(word) or "one verb with its value: - rest: 2 h"
        if node.missing:
            hint = "remove the - or write a step: - rest: 2 h"
        self.report("step.form", f"wanted a verb with a value, found {clip(text)!r}", node.mark, hint)

    def _step(self, entries: Entries, verbs: list[Scalar]) -> Step | None:
        known = ("name", "record", *(verb.text for verb in verbs))
        if not verbs:
            self._no_verb(entries)
            return None
        if len(verbs) > 1:
            words = " and ".join(verb.text for verb in verbs)
            self.report(
                "step.verbs",
                f"wanted one verb in a step, found {words}",
                verbs[1].mark,
                "begin each step with its own -",
            )
        values = self.keys(entries, known, "a step", BESIDE_WORDS)
        verb = self.verb(verbs[0].text, values[verbs[0].text], self.tables)
        if len(values) < len(entries.entries) and isinstance(verb, Rest | Drive | Hold) and verb.for_ is None:
            verb = replace(verb, for_=unread(entries.mark))  # what stands beside the verb may be its end
        name: Text = self.template(values["name"]) if "name" in values else ""
        record = self.record(values.get("record"))
        return Step(verb, verbs[0].text, entries.mark, name, record) if verb is not None else None

    def _no_verb(self, entries: Entries) -> None:
        if self.full:
            return
        others = [(key, value) for key, value in entries.entries if key.text not in {"name", "record", BROKEN}]
        if not others:
            if not any(key.text == BROKEN for key, _ in entries.entries):
                self.report(
                    "step.verb", "wanted a verb, found none in this step", entries.mark, "verbs are " + ", ".join(VERBS)
                )
            return
        key, value = others[0]
        word = key.text
        if (match := re.fullmatch(r"([A-Za-z_]\w*):(\S.*)", word)) and isinstance(value, Scalar) and value.missing:
            self.report(
                "yaml.colon",
                f"wanted a space after {match[1] + ':'!r}, found {clip(word)!r}",
                key.mark,
                f"write {match[1]}: {clip(match[2])}",
            )
            return
        plain = word.lower().replace("-", "_").replace(" ", "_")
        hint = VERB_WORDS.get(plain) or near(word, (*VERBS, *BLOCK, "use")) or "verbs are " + ", ".join(VERBS)
        if word.startswith("-") and word[1:] in VERBS:
            hint = f"put a space after the hyphen: - {word[1:]}"
        elif word.lower() in VERBS:
            hint = f"write {word.lower()}"
        self.report("step.verb", f"wanted a verb, found {clip(word)!r}", key.mark, hint)

    # --- blocks ---

    def _block(self, entries: Entries) -> Block:
        values = self.keys(entries, BLOCK, "a block", BLOCK_WORDS)
        if "steps" not in values and not any(key.text == BROKEN for key, _ in entries.entries):
            first = next(key.text for key, _ in entries.entries if key.text in _BLOCK_ONLY)
            self.report(
                "key.missing",
                f"wanted steps in the block with {first}, found none",
                entries.mark,
                "put the steps below steps:, each with its -",
            )
        chosen = [name for name in _BY_FORM if name in values]
        if len(chosen) > 1:
            self.report(
                "block.form",
                f"wanted at most one of repeat, each, if in a block, found {' and '.join(chosen)}",
                entries.mark,
                "put one block inside the other",
            )
        return Block(
            self.steps(values.get("steps")),
            entries.mark,
            self.template(values["name"]) if "name" in values else "",
            self._given_key(values, "repeat"),
            self._each(values.get("each")),
            **{
                f"{name}{'_' if name == 'if' else ''}": self.condition(values.get(name))
                for name in ("if", "stop_if", "abort_if")
            },
            cycle=cast("Any", self.choice(values.get("cycle"), BLOCK["cycle"].choices, CYCLE_WORDS)),
            for_=self._given_key(values, "for"),
            record=self.record(values.get("record")),
        )

    def _given_key(self, values: Mapping[str, Node], name: str) -> Given | None:
        node = values.get(name)
        if node is None:
            return None
        found = self.by_key(node, BLOCK[name])
        return unread(node.mark, BLOCK[name]) if found is None else found

    def _each(self, node: Node | None) -> tuple[Variable, ...]:
        entries = self.entries(node, "names and values after each", f"for example each: {BLOCK['each'].example}")
        if entries is None:
            return ()
        if not entries.entries:
            self.report(
                "form",
                "wanted a name and its values after each, found none",
                entries.mark,
                f"for example each: {BLOCK['each'].example}",
            )
        found: list[Variable] = []
        for key, value in entries.entries:
            if key.text == BROKEN or not self.named(key, {}):
                continue
            values = self._range(value) if isinstance(value, Entries) else self.loose_list(value, key.text)
            found.append(Variable(key.text, values if values is not None else Reference(BROKEN, key.mark), key.mark))
        return tuple(found)

    def _range(self, node: Entries) -> Range | None:
        values = self.keys(node, RANGE, "a range", RANGE_WORDS)
        for name in ("from", "to"):
            if name not in values and len(values) < len(node.entries):
                return None  # what is missing may be what was misspelled
            if name not in values:
                self.report(
                    "key.missing",
                    f"wanted {name} in a range, found none",
                    node.mark,
                    "for example {from: 0.1 mA/cm2, to: 1 mA/cm2, by: 0.1 mA/cm2}",
                )
                return None
        if len(values.keys() & {"by", "factor"}) != 1:
            found = "both" if "by" in values else "neither"
            self.report(
                "range.step",
                f"wanted by or factor in a range, found {found}",
                node.mark,
                "by: is added, factor: is multiplied",
            )
            return None
        read = {name: self.by_key(value, RANGE[name]) for name, value in values.items()}
        if any(value is None for value in read.values()):
            return None
        return Range(
            cast("Given", read["from"]), cast("Given", read["to"]), node.mark, read.get("by"), read.get("factor")
        )

    # --- uses ---

    def _use(self, entries: Entries) -> Use | None:
        values = self.keys(entries, USE, "a use", USE_WORDS)
        name = self.scalar(values.get("use"), "the name of a protocol", "for example use: activation")
        if name is None:
            return None
        protocol = self.includes(name.text, name.mark)
        inner = values.get("with")
        given = self._with(inner)
        if protocol is None:
            return None
        title: Text = self.template(values["name"]) if "name" in values else ""
        marks = {key.text: key.mark for key, _ in inner.entries} if isinstance(inner, Entries) else {}
        return Use(name.text, protocol, entries.mark, title, given, marks)

    def _with(self, node: Node | None) -> "dict[str, Given | Text | tuple[Given | Text, ...] | Reference]":
        entries = self.entries(node, "names and values after with", "for example with: {rate: C/20}")
        found: dict[str, Given | Text | tuple[Given | Text, ...] | Reference] = {}
        for key, value in entries.entries if entries else ():
            if key.text == BROKEN:
                continue
            read = self.loose_list(value, key.text) if isinstance(value, Items) else self.loose(value, key.text)
            found[key.text] = unread(key.mark) if read is None else read
        return found


CYCLE_WORDS: Final = {"yes": "write true", "on": "write true", "false": "leave cycle out", "rpt": "did you mean check?"}
RANGE_WORDS: Final = {
    "start": "did you mean from?",
    "stop": "did you mean to?",
    "end": "did you mean to?",
    "step": "did you mean by?",
    "ratio": "did you mean factor?",
    "count": "write by: or factor:",
}
USE_WORDS: Final = {
    "params": "did you mean with?",
    "args": "did you mean with?",
    "inputs": "did you mean with?",
    "steps": "a use has no steps of its own: put both into a block",
    **dict.fromkeys(
        ("repeat", "each", "if", "cycle", "stop_if", "abort_if", "for"), "put the use into a block with steps:"
    ),
    "record": "the inserted file has its own record",
}
