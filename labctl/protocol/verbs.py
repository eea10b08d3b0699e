"""The verbs of a step: from keys to values."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from labctl.finding import Mark
from labctl.protocol.fields import NO_KEYS, Fields
from labctl.protocol.hold_slips import held_voltage
from labctl.protocol.keys import DRIVES, VERBS, Key, Verb
from labctl.protocol.misplaced_keys import ends_of_step
from labctl.protocol.model import Computed, Given, Reference, Text, Uses, WrittenCondition
from labctl.protocol.model import Verb as VerbValue
from labctl.protocol.sentences import brace_of
from labctl.protocol.step_model import (
    BendStep,
    CyclicVoltammetry,
    Drive,
    HoldStep,
    Impedance,
    LinearSweep,
    MarkEvent,
    Nominal,
    ProfileStep,
    ProfileTable,
    Prompt,
    RestStep,
    Temperature,
    Wait,
)
from labctl.protocol.step_model import Tables as LaterTables
from labctl.protocol.words import (
    BEND_WORDS,
    CHAMBER_WORDS,
    CV_VOLTAGE,
    CYCLIC_WORDS,
    HOLD_WORDS,
    PROFILE_WORDS,
    SIGN_WORDS,
    STEP_KEY_WORDS,
    SWEEP_WORDS,
    TIME_OF_DAY,
    WAIT_WORDS,
)
from labctl.quantity.dimension import Kind
from labctl.quantity.units import reads
from labctl.text.nodes import BROKEN, Entries, Items, Node, Scalar

Values = dict[str, Any]
Tables = Callable[[str, Mark], ProfileTable | None]
"""Reads a profile's file: its name and where it is named; None where it could not be read, with a finding."""


def unread(mark: Mark, key: Key | None = None) -> Computed:
    """Return what stands for a quantity that was reported already: present, but of no value."""
    return Computed(key.kind if key else "any", Reference(BROKEN, mark), BROKEN, mark)


def is_unread(given: object) -> bool:
    """Tell whether a value stands for one that was reported already."""
    return isinstance(given, Computed) and given.text == BROKEN


class VerbFields(Fields):
    """Reads what stands behind a verb."""

    later_tables: LaterTables
    later_uses: Uses

    def verb(self, word: str, node: Node, tables: Tables) -> VerbValue | None:
        """Return the verb's value; None where its form is wrong altogether."""
        verb = VERBS[word]
        if isinstance(node, Scalar) and node.text == BROKEN:
            return _BUILD[word](self._guessed(word, verb, node.mark))
        nodes = self._nodes(word, verb, node)
        if nodes is None:
            return None
        self.driven = word if word in DRIVES else ""
        self.beside = {name: key for name, key in verb.keys.items() if name not in nodes}
        values = {name: self._value(child, verb.keys[name]) for name, child in nodes.items()}
        self.driven, self.beside = "", NO_KEYS
        if isinstance(node, Entries) and len(nodes) < len(node.entries):  # what is missing may be what was misspelled
            values = self._guessed(word, verb, node.mark) | values
        for name, key in verb.keys.items():
            if key.required and name not in values:
                self.report(
                    "key.missing", f"wanted {name} in {word}, found none", node.mark, f"for example {verb.example}"
                )
                values[name] = self._unread(key, node.mark)
        if word in DRIVES:
            self._one_control(word, values, node)
        if word == "wait" and "until" in nodes:
            values["mark"] = nodes["until"].mark
        if word == "profile":
            values["table"] = self._table(values, nodes, tables)
            values["find"] = self.later_tables
            self._of_table(values, node)
        self._mismatches(word, values, node)
        return _BUILD[word](values)

    def _guessed(self, word: str, verb: Verb, mark: Mark) -> Values:
        """Return what stands for the keys of a step that could not be read: nothing more is said about them."""
        names = {name for name, key in verb.keys.items() if key.required or name == "for"}
        values = {name: self._unread(verb.keys[name], mark) for name in names}
        if word in DRIVES:
            values |= {"control": "current", "setting": unread(mark, verb.keys["current"]), "direction": word}
        return values

    def _nodes(self, word: str, verb: Verb, node: Node) -> dict[str, Node] | None:
        if isinstance(node, Scalar) and verb.short:
            if node.missing:
                self.wanted(f"{word} with a value", node, self._empty_hint(node, verb))
                return None
            return {verb.short: node}
        if word == "mark":
            only = node.items[0] if isinstance(node, Items) and len(node.items) == 1 else None
            text = only.text if isinstance(only, Scalar) else "beam on"
            self.wanted("a text", node, f"{'write' if only else 'for example'} mark: {text}")
            return None
        hint = "" if isinstance(node, Entries) else self._brace_hint(node, word, verb)
        entries = self.entries(node, f"keys in braces after {word}", hint)
        if entries is None:
            return None
        words = {**STEP_KEY_WORDS, **ends_of_step(entries)}
        if word in {"eis", "lsv", "cv"}:
            words.update(SWEEP_WORDS)
        words.update(
            {
                "profile": PROFILE_WORDS,
                "temperature": CHAMBER_WORDS,
                "wait": WAIT_WORDS,
                "eis": {"voltage": "did you mean at?"},
                "cv": CYCLIC_WORDS,
                "hold": HOLD_WORDS,
                "bend": BEND_WORDS,
            }.get(word, {})
        )
        if word == "cv":
            pair = any(key.text == "voltage" and not isinstance(value, Scalar) for key, value in entries.entries)
            words["voltage"] = "write from: and to:, each with its value" if pair else CV_VOLTAGE
        elif word not in {"hold", "profile", "eis", *DRIVES}:
            words.pop("voltage", None)
        elif word != "discharge":
            words["resistance"] = "a load only discharges: write discharge: {resistance: 100 Ohm}"
        return self.keys(entries, [name for name in verb.keys if name != "text"], word, words)

    @staticmethod
    def _brace_hint(node: Node, word: str, verb: Verb) -> str:
        """Return how a value that stands alone behind a verb is written: `hold: 4.2 V` as `hold: {voltage: 4.2 V, ...}`."""
        text = node.text.strip() if isinstance(node, Scalar) else ""
        if isinstance(node, Items) and (several := _several(word, node)):
            return several
        if text.startswith("{") and text.endswith("}"):
            return f"leave the quotes out: write {word}: {text}"
        if word == "nominal" and reads(text, "capacity"):
            return f"the cell file says that, nominal: {{capacity: {text}}}; here a measured one becomes it: {verb.example}"
        if word == "wait" and reads(text, "duration"):
            return f"write rest: {text}; wait is for a date: wait: {{until: 2026-12-01 08:00}}"
        if word == "wait" and TIME_OF_DAY.fullmatch(text):
            return f"a time has its date: write wait: {{until: 2026-12-01 {text}}}"
        if word == "wait" and text:
            return f"write wait: {{until: {text}}}"
        if step := brace_of(word, text):
            return f"write {step}"
        fits = (name for name, key in verb.keys.items() if key.form == "quantity" and key.kind != "count")
        name = next((name for name in fits if reads(text, verb.keys[name].kind)), "file" if word == "profile" else "")
        if not text or not name:
            return f"for example {verb.example}"
        first = f"{word}: {{{name}: "  # the example shows what else is usual beside its first key
        rest = verb.example.removeprefix(first).partition(", ")[2] if verb.example.startswith(first) else ""
        return f"write {first}{text}, ...}}, for example with {rest[:-1]}" if rest else f"write {first}{text}}}"

    def _empty_hint(self, node: Scalar, verb: Verb) -> str:
        comment = self.comment_after(node)
        if re.match(r"#(?:REF|DIV/0|N/A|NAME|VALUE|NUM|NULL)", comment):
            return f"{comment} is the error of a spreadsheet: write the value"
        return f"a # after a space begins a comment: quote {comment!r}" if comment else f"for example {verb.example}"

    @staticmethod
    def _unread(key: Key, mark: Mark) -> Any:
        match key.form:
            case "quantity":
                return unread(mark, key)
            case "condition":
                return WrittenCondition("", (), mark)
            case "flag":
                return False
            case "choice":
                return key.choices[0]
            case "state":
                return {}
            case "pair":
                return (unread(mark, key), unread(mark, key))
            case _:
                return ""

    def _value(self, node: Node, key: Key) -> Any:
        match key.form:
            case "quantity":
                value: Any = self.by_key(node, key)
            case "condition":
                value = self.condition(node)
            case "flag":
                value = self.flag(node)
            case "choice":
                value = self.choice(node, key.choices, SIGN_WORDS)
            case "state":
                value = self._state(node)
            case "pair":
                value = self.positions(node, key, "the range")
            case _:
                value = self.template(node)
        return self._unread(key, node.mark) if value is None else value

    def _state(self, node: Node) -> Mapping[str, Given | Text]:
        entries = self.entries(node, "names and values in braces", "for example state: {pressure: 5 MPa}")
        if entries is None:
            return {}
        state = {key.text: self.loose(value, key.text) for key, value in entries.entries if key.text != BROKEN}
        return {name: value for name, value in state.items() if value is not None}

    def _one_control(self, word: str, values: Values, node: Node) -> None:
        controls = [name for name in ("current", "power", "resistance") if name in values]
        if not controls and "setting" in values:
            return
        wanted = "current, power or resistance" if word == "discharge" else "current or power"
        if len(controls) != 1:
            what = " and ".join(controls) or "none"
            message = f"wanted one of {wanted} in {word}, found {what}"
            self.report(
                "step.control", message, node.mark, _one_of(controls, node) or f"for example {VERBS[word].example}"
            )
        control = controls[0] if controls else "current"
        values.setdefault(control, unread(node.mark, VERBS[word].keys[control]))
        values.update(control=control, setting=values[control], direction=word)

    def _mismatches(self, word: str, values: Values, node: Node) -> None:
        misspelled = isinstance(node, Entries) and any(key.text in _ENDS_BY_VOLTAGE for key, _ in node.entries)
        if (
            word in DRIVES
            and "to" not in values
            and not misspelled
            and (named := [name for name in ("hold_until", "hold_for") if name in values])
        ):
            self.report(
                "step.hold",
                f"wanted the voltage to hold with {named[0]}, found no to",
                node.mark,
                held_voltage(values.get("until")),
            )
        if word == "prompt" and "say" not in values:
            values["say"] = ""
        if word == "bend" and not values.keys() & {"angle", "radius"}:
            self.report(
                "key.missing",
                "wanted angle or radius in bend, found none",
                node.mark,
                "for example bend: {angle: 90 deg}",
            )

    def _table(self, values: Values, nodes: Mapping[str, Node], tables: Tables) -> ProfileTable | None:
        file = values.get("file")
        if not isinstance(file, str) or not file or "file" not in nodes:
            return None
        return tables(file, nodes["file"].mark)

    def _of_table(self, values: Values, node: Node) -> None:
        """Report what a table's kind wants beside it and is missing, or stands there without an effect."""
        table: ProfileTable | None = values["table"]
        if table is None:
            values.setdefault("positive", "")
            return
        for code, message, hint in beside_table(table, values):
            self.report(code, message, node.mark, hint)
        values.setdefault("positive", "charge" if table.quantity in SIGNED else "")


def _one_of(controls: Sequence[str], node: Node) -> str:
    """Return what to leave out where a step has two controls, "" where it has none."""
    given = {key.text: value for key, value in node.entries} if isinstance(node, Entries) else {}
    texts = [f"{name}: {value.text}" for name in controls if isinstance(value := given.get(name), Scalar)]
    return f"leave out one: {' or '.join(texts)}" if len(texts) > 1 else ""


def _several(word: str, node: Items) -> str:
    """Return how values in a list behind a verb are steps, one each."""
    texts = [item.text for item in node.items if isinstance(item, Scalar)]
    if not texts or len(texts) != len(node.items):
        return ""
    if len(texts) == 1:
        return f"write {word}: {texts[0]}"
    keys = [next((key for key, kind in LISTED if reads(text, kind)), "") for text in texts]
    if word in DRIVES and all(keys) and len(set(keys)) == len(keys):
        return f"write {word}: {{{', '.join(f'{key}: {text}' for key, text in zip(keys, texts, strict=True))}}}"
    return "a step each: " + ", ".join(f"- {word}: {text}" for text in texts[:5])


LISTED: Final[tuple[tuple[str, Kind], ...]] = (
    ("current", "current"), ("to", "voltage"), ("for", "duration"), ("capacity", "capacity"),
)  # fmt: skip # keys that the units of values in a list tell
SIGNED: Final = ("current", "power")
_ENDS_BY_VOLTAGE: Final = frozenset(key for key, hint in STEP_KEY_WORDS.items() if hint == "write to: 4.2 V")


def beside_table(table: ProfileTable, values: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """Give code, message and hint of what is missing beside a table of this kind, or has no effect there."""
    if table.quantity in SIGNED:
        if not values.get("positive"):
            yield (
                "key.missing",
                "wanted positive in profile, found none",
                "say what a positive value does to the cell: positive: charge, or positive: discharge",
            )
        if values.get("current") is not None:
            yield (
                "profile.beside",
                f"wanted current with a table of voltages, found one of {table.quantity}",
                "leave it out",
            )
        if values.get("peak") is not None and values.get("scale") is not None:
            yield "profile.beside", "wanted one of scale and peak, found both", "peak alone says the factor"
        return
    named = [name for name in ("positive", "only", "scale", "peak", "clip") if values.get(name)]
    named += ["current"] if table.quantity == "temperature" and values.get("current") is not None else []
    for name in named:
        message = f"wanted no {name} with a table of {table.quantity}s, found one"
        yield "profile.beside", message, f"leave {name} out: it is for currents and powers"


def _drive(values: Values) -> Drive:
    names = ("direction", "control", "setting", "until", "capacity", "energy", "to", "hold_until", "hold_for")
    return Drive(**{name: values[name] for name in names if name in values}, for_=values.get("for"))


_RENAMED: Final = {"from": "from_", "for": "for_"}


def _plain(make: Callable[..., VerbValue]) -> Callable[[Values], VerbValue]:
    return lambda values: make(**{_RENAMED.get(name, name): value for name, value in values.items()})


_BUILD: Final[Mapping[str, Callable[[Values], VerbValue]]] = {
    "rest": _plain(RestStep),
    "wait": _plain(Wait),
    **dict.fromkeys(DRIVES, _drive),
    "hold": _plain(HoldStep),
    "lsv": _plain(LinearSweep),
    "cv": _plain(CyclicVoltammetry),
    "profile": lambda values: _plain(ProfileStep)({"table": None, "positive": "", **values}),
    "eis": _plain(Impedance),
    "bend": _plain(BendStep),
    "temperature": _plain(Temperature),
    "prompt": _plain(Prompt),
    "nominal": _plain(Nominal),
    "mark": _plain(MarkEvent),
}
