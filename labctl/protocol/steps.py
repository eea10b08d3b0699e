"""Steps, blocks and uses: from list items to values."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias, cast

from labctl.finding import Mark, clip
from labctl.protocol.block_slips import BLOCK_ONLY, beside_block, together
from labctl.protocol.file_words import OF_THE_FILE
from labctl.protocol.keys import BLOCK, PICK, RANGE, USE, VERBS
from labctl.protocol.loop_slips import loop_by_for, unnamed, without_brackets
from labctl.protocol.misplaced_keys import below_steps, below_verb, ends_of_step
from labctl.protocol.model import (
    Choice,
    Given,
    Item,
    Pick,
    Protocol,
    Range,
    Reference,
    Step,
    Text,
    Use,
    Variable,
    WrittenBlock,
)
from labctl.protocol.sentences import brace_of, step_of, steps_of
from labctl.protocol.step_model import Drive, HoldStep, RestStep, Temperature
from labctl.protocol.verb_slips import in_our_words, instead_of
from labctl.protocol.verbs import Tables, VerbFields, unread
from labctl.protocol.words import (
    BESIDE_WORDS,
    BLOCK_WORDS,
    CYCLE_WORDS,
    RANGE_WORDS,
    USE_WORDS,
    VERB_WORDS,
)
from labctl.protocol.wrapped_loops import unwrapped
from labctl.quantity.units import reads
from labctl.text.bare_pairs import as_pairs
from labctl.text.nodes import BROKEN, Entries, Items, Node, Scalar

Includes: TypeAlias = Callable[[str, Mark], Protocol | None]
"""Loads a protocol by the name that `use` gives; None where it could not, with a finding."""

STEPS_HINT: Final = "a list: begin each step with - , for example - rest: 2 h"
_CHOICE: Final = re.compile(r"\s*\$([A-Za-z_]\w*)\s*(?:==?|is)\s*(\S.*?)\s*")
_BY_FORM: Final = ("repeat", "each", "if")


class StepFields(VerbFields):
    """Reads lists of steps."""

    tables: Tables
    includes: Includes

    def steps(self, node: Node | None) -> tuple[Item, ...]:
        """Return the items of a `steps`."""
        if node is None:
            return ()
        if (beside := beside_block(self.document.lines, node)) is not None:
            self.report("yaml.indent", beside[0], node.mark, beside[1])
            return ()
        hint = STEPS_HINT
        stuck = node.entries[0][0].text.partition("-")[2] if isinstance(node, Entries) and node.entries else ""
        if stuck in VERBS:
            hint = f"begin each step with - and a space: - {stuck}: ..."
        items = self.items(node, "a list of steps", hint)
        if not items and isinstance(node, Items):
            self.report(
                "steps.empty", "wanted at least one step, found an empty list", node.mark, "for example - rest: 2 h"
            )
        whole, slips = together(items)
        for slip in slips:
            self.report(*slip)
        items_read = [self.item(item) for item in whole]
        return tuple(item for item in items_read if item is not None)

    def item(self, node: Node) -> Item | None:
        """Return a step, a block or a use."""
        if isinstance(node, Scalar):
            self._bare(node)
            return None
        entries = self.entries(node, "a step", steps_of(node) or "one verb with its value: - rest: 2 h")
        if entries is None:
            return None
        if (mended := below_steps(entries)) is not None:
            entries, slip = mended
            self.report("yaml.indent", *slip)
        if (wrapped := unwrapped(entries)) is not None:
            entries, slip = wrapped
            self.report("block.form", *slip)
        entries, meant = in_our_words(entries)
        for key, right in meant:
            message = f"wanted a verb, found {clip(key.text)!r}"
            self.report("step.verb", message, key.mark, right)
        keys = {key.text for key, _ in entries.entries}
        if "use" in keys:
            return self._use(entries)
        verbs = [key for key, _ in entries.entries if key.text in VERBS]
        if [verb.text for verb in verbs] == ["temperature"] and "steps" in keys:
            message = "wanted temperature beside a step, found it beside a block"
            hint = "put it in front of the block, a step of its own, or first below steps: - temperature: 45 degC"
            self.report("block.form", message, verbs[0].mark, hint)
            entries = replace(entries, entries=tuple(pair for pair in entries.entries if pair[0] is not verbs[0]))
            verbs = []
        if not verbs and keys & BLOCK_ONLY:
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
        value = text.strip().partition(" ")[2].strip()
        short = VERBS[word].keys.get(VERBS[word].short) if word in VERBS else None
        if not hint and short is not None and short.form == "quantity" and reads(value, short.kind):
            hint = f"write {word}: {clip(value)}"
        elif not hint and word in VERBS:
            hint = f"for example - {VERBS[word].example}"
        elif not hint:
            pybamm = (
                "pybamm." in text
                and "a PyBaMM experiment saved as .py: labctl import FILE --protocol OUT.yaml makes a protocol of it"
            )
            hint = VERB_WORDS.get(word) or pybamm or "one verb with its value: - rest: 2 h"
        call = re.fullmatch(r"(\w+)\s*(?:\((.*)\)|[,;]\s*(.*))", text)
        if call is not None and call[1] in VERBS:
            inner = as_pairs(call[2] or call[3] or "") or (call[2] or call[3] or "").strip()
            hint = f"write {call[1]}: {clip(inner)}"
        if step := step_of(text) or brace_of(word, value):
            hint = f"write {step}"
        if node.missing:
            hint = "remove the - or write a step: - rest: 2 h"
        self.report("step.form", f"wanted a verb with a value, found {clip(text)!r}", node.mark, hint)

    def _step(self, entries: Entries, verbs: list[Scalar]) -> Step | None:
        known = ("name", "record", *(verb.text for verb in verbs))
        if not verbs:
            self._no_verb(entries)
            return None
        beside = next((verb for verb in verbs if verb.text == "temperature"), None) if len(verbs) == 2 else None
        if beside is not None and not {"bend", "mark", "nominal", "wait"} & {verb.text for verb in verbs}:
            verbs = [verb for verb in verbs if verb is not beside]
        if len(verbs) > 1:
            words = " and ".join(verb.text for verb in verbs)
            self.report(
                "step.verbs",
                f"wanted one verb in a step, found {words}",
                verbs[1].mark,
                "begin each step with its own -",
            )
        known = (*known, "temperature") if beside is not None else known
        if (shifted := below_verb(entries, verbs[0])) is not None:
            entries, slip = shifted
            self.report("yaml.indent", *slip)
        values = self.keys(entries, known, "a step", {**OF_THE_FILE, **BESIDE_WORDS, **ends_of_step(entries)})
        self.left_behind(entries)
        verb = self.verb(verbs[0].text, values[verbs[0].text], self.tables)
        if len(values) < len(entries.entries) and isinstance(verb, RestStep | Drive | HoldStep) and verb.for_ is None:
            verb = replace(verb, for_=unread(entries.mark))  # what stands beside the verb may be its end
        name: Text = self.template(values["name"]) if "name" in values else ""
        record = self.record(values.get("record"))
        around = self.verb("temperature", values["temperature"], self.tables) if beside is not None else None
        chamber = around if isinstance(around, Temperature) else None
        return Step(verb, verbs[0].text, entries.mark, name, record, chamber) if verb is not None else None

    def _no_verb(self, entries: Entries) -> None:
        if self.full:
            return
        others = [(key, value) for key, value in entries.entries if key.text not in {"name", "record", BROKEN}]
        if not others:
            if not any(key.text == BROKEN for key, _ in entries.entries):
                alone = [key.text for key, _ in entries.entries] == ["record"]
                hint = "record: stands below the verb of its step, in its block, or at the top of the file, without a -"
                self.report(
                    "step.verb",
                    "wanted a verb, found none in this step",
                    entries.mark,
                    hint if alone else "verbs are " + ", ".join(VERBS),
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
        self.report("step.verb", f"wanted a verb, found {clip(word)!r}", key.mark, instead_of(key, value, others[1:]))

    # --- blocks ---

    def _block(self, entries: Entries) -> WrittenBlock:
        key, value = entries.entries[0]
        named = key.text not in BLOCK_WORDS and isinstance(value, Scalar) and value.missing
        words = {**BLOCK_WORDS, key.text: f"write name: {clip(key.text)}"} if named else BLOCK_WORDS
        entries, loop = loop_by_for(entries)
        if loop is not None:
            self.report("form", *loop)
        values = self.keys(entries, BLOCK, "a block", {**OF_THE_FILE, **words})
        self.name_all(values.get("each"))
        self.names_lost = self.names_lost or len(values) < len(entries.entries)
        chosen = [name for name in _BY_FORM if name in values]
        if len(chosen) > 1:
            self.report(
                "block.form",
                f"wanted at most one of repeat, each, if in a block, found {' and '.join(chosen)}",
                entries.mark,
                "put one block inside the other",
            )
        if "every" in values and not values.keys() & {"repeat", "each"}:
            message = "wanted repeat or each with every, found none"
            self.report(
                "block.every", message, values["every"].mark, "every is from the begin of a pass to that of the next"
            )
        choice = self._choice(values.get("if"))
        return WrittenBlock(
            self.steps(values.get("steps")),
            entries.mark,
            self.template(values["name"]) if "name" in values else "",
            self._given_key(values, "repeat"),
            self._each(values.get("each")),
            **{
                f"{name}{'_' if name == 'if' else ''}": self.condition(
                    None if name == "if" and choice else values.get(name)
                )
                for name in ("if", "stop_if", "abort_if")
            },
            choice=choice,
            cycle=self._cycle(values),
            for_=self._given_key(values, "for"),
            every=self._given_key(values, "every"),
            record=self.record(values.get("record")),
        )

    def _cycle(self, values: Mapping[str, Node]) -> Any:
        """Return what a block's passes are counted as; keys there were reported with its steps."""
        node = values.get("cycle")
        return None if isinstance(node, Entries) else self.choice(node, BLOCK["cycle"].choices, _cycle_words(values))

    def _given_key(self, values: Mapping[str, Node], name: str) -> Given | None:
        node = values.get(name)
        if node is None:
            return None
        value = self.by_key(node, BLOCK[name])
        return unread(node.mark, BLOCK[name]) if value is None else value

    def _each(self, node: Node | None) -> tuple[Variable, ...]:
        entries = self.entries(node, "names and values after each", unnamed(node, BLOCK["each"].example))
        if entries is None:
            self.names_lost = self.names_lost or node is not None
            return ()
        if not entries.entries:
            self.report(
                "form",
                "wanted a name and its values after each, found none",
                entries.mark,
                f"for example each: {BLOCK['each'].example}",
            )
        elif (slip := without_brackets(entries))[0]:
            key, value = entries.entries[0]
            self.report("each.list", slip[0], value.mark, slip[1])
            return (Variable(key.text, Reference(BROKEN, key.mark), key.mark),)
        variables: list[Variable] = []
        for key, value in entries.entries:
            if key.text == BROKEN or not self.named(key, {}):
                continue
            if isinstance(value, Entries) and any(inner.text == "pick" for inner, _ in value.entries):
                values: Any = self._pick(value, key.text)
            else:
                values = self._range(value) if isinstance(value, Entries) else self.loose_list(value, key.text)
            variables.append(
                Variable(key.text, values if values is not None else Reference(BROKEN, key.mark), key.mark)
            )
        return tuple(variables)

    def _pick(self, node: Entries, name: str) -> Pick | None:
        values = self.keys(node, PICK, "a draw", {"from": "did you mean pick?", "count": "did you mean times?"})
        items = self.loose_list(values["pick"], name)
        if "times" not in values:
            self.report(
                "key.missing",
                "wanted times in a draw, found none",
                node.mark,
                "for example {pick: [1 A, 2 A], times: 100}",
            )
            return None
        times = self.by_key(values["times"], PICK["times"])
        seed = self.by_key(values["seed"], PICK["seed"]) if "seed" in values else None
        return None if items is None or times is None else Pick(items, times, node.mark, seed)

    def _choice(self, node: Node | None) -> Choice | None:
        """Return `$mode = ocv` of an `if`, None of any other condition."""
        match = _CHOICE.fullmatch(node.text) if isinstance(node, Scalar) else None
        if match is None or not isinstance(node, Scalar):
            return None
        return Choice(Reference(match[1], node.at(match.start(1) - 1)), match[2].strip("\"'"), node.mark)

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
        if not values.keys() & {"by", "factor"} and len(values) < len(node.entries):
            return None
        if len(values.keys() & {"by", "factor"}) != 1:
            which = "both" if "by" in values else "neither"
            self.report(
                "range.step",
                f"wanted by or factor in a range, found {which}",
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
        values = self.keys(entries, USE, "a use", _beside_use(entries))
        name = self.scalar(values.get("use"), "the name of a protocol", "for example use: activation")
        if name is None:
            return None
        file = self.template(name) if "$" in name.text else name.text
        protocol = self.includes(file, name.mark) if isinstance(file, str) else Protocol("", "", ())
        inner = values.get("with")
        given = self._with(inner)
        if protocol is None:
            return None
        title: Text = self.template(values["name"]) if "name" in values else ""
        marks = {key.text: key.mark for key, _ in inner.entries} if isinstance(inner, Entries) else {}
        return Use(file, protocol, entries.mark, title, given, marks, self.later_uses)

    def _with(self, node: Node | None) -> "dict[str, Given | Text | tuple[Given | Text, ...] | Reference]":
        entries = self.entries(node, "names and values after with", "for example with: {rate: C/20}")
        givens: dict[str, Given | Text | tuple[Given | Text, ...] | Reference] = {}
        for key, value in entries.entries if entries else ():
            if key.text == BROKEN:
                continue
            read = self.loose_list(value, key.text) if isinstance(value, Items) else self.loose(value, key.text)
            givens[key.text] = unread(key.mark) if read is None else read
        return givens


def _beside_use(entries: Entries) -> Mapping[str, str]:
    """Return hints at the keys of a use; a value that stands beside it is a parameter of the file."""
    own = {
        key.text: f"a value of its parameter goes into with: {{{key.text}: {clip(value.text)}}}"
        for key, value in entries.entries
        if isinstance(value, Scalar) and key.text not in USE
    }
    return {**own, **USE_WORDS}


def _cycle_words(values: Mapping[str, Node]) -> Mapping[str, str]:
    """Return hints at the `cycle` of a block; a count there is its `repeat`, where it has none yet."""
    node = values.get("cycle")
    if isinstance(node, Scalar) and node.text.isdigit():
        counted = "write true" if "repeat" in values else f"write repeat: {node.text}, and cycle: true beside it"
        return {**CYCLE_WORDS, node.text: counted}
    return CYCLE_WORDS
