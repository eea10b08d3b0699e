"""The verbs of a step: from keys to values."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from labctl.document import BROKEN, Entries, Mark, Node, Scalar
from labctl.protocol.fields import Fields
from labctl.protocol.keys import DRIVES, VERBS, Key, Verb
from labctl.protocol.model import (
    Bend,
    Computed,
    Condition,
    CyclicVoltammetry,
    Drive,
    Given,
    Hold,
    Impedance,
    LinearSweep,
    MarkEvent,
    Profile,
    Prompt,
    Reference,
    Rest,
    Table,
    Temperature,
    Template,
    Text,
)
from labctl.protocol.model import Verb as VerbValue
from labctl.protocol.words import CV_VOLTAGE, STEP_KEY_WORDS

Values = dict[str, Any]
Tables = Callable[[str, Mark], Table | None]
"""Reads a profile's file: its name and where it is named; None where it could not be read, with a finding."""


def unread(mark: Mark, key: Key | None = None) -> Computed:
    """Return what stands for a quantity that was reported already: present, but of no value."""
    return Computed(key.kind if key else "any", Reference(BROKEN, mark), BROKEN, mark)


def is_unread(given: object) -> bool:
    """Tell whether a value stands for one that was reported already."""
    return isinstance(given, Computed) and given.text == BROKEN


class VerbFields(Fields):
    """Reads what stands behind a verb."""

    def verb(self, word: str, node: Node, tables: Tables) -> VerbValue | None:
        """Return the verb's value; None where its form is wrong altogether."""
        verb = VERBS[word]
        if isinstance(node, Scalar) and node.text == BROKEN:
            return _BUILD[word](self._guessed(word, verb, node.mark))
        nodes = self._nodes(word, verb, node)
        if nodes is None:
            return None
        values = {name: self._value(child, verb.keys[name]) for name, child in nodes.items()}
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
        if word == "profile":
            values["table"] = self._table(values, nodes, tables)
        self._mismatches(word, values, node)
        return _BUILD[word](values)

    def _guessed(self, word: str, verb: Verb, mark: Mark) -> Values:
        """Return what stands for the keys of a step that could not be read: nothing more is said about them."""
        names = {name for name, key in verb.keys.items() if key.required or name == "for"}
        found = {name: self._unread(verb.keys[name], mark) for name in names}
        if word in DRIVES:
            found |= {"control": "current", "setting": unread(mark, verb.keys["current"]), "direction": word}
        return found

    def _nodes(self, word: str, verb: Verb, node: Node) -> dict[str, Node] | None:
        if isinstance(node, Scalar) and verb.short:
            if node.missing:
                self.wanted(f"{word} with a value", node, self._empty_hint(node, verb))
                return None
            return {verb.short: node}
        if word == "mark":
            self.wanted("a text", node, "for example mark: beam on")
            return None
        entries = self.entries(node, f"keys in braces after {word}", f"for example {verb.example}")
        if entries is None:
            return None
        words = dict(STEP_KEY_WORDS)
        if word == "cv":
            words["voltage"] = CV_VOLTAGE
        elif word != "hold" and word not in DRIVES:
            words.pop("voltage", None)
        elif word != "discharge":
            words["resistance"] = "a load only discharges: write discharge: {resistance: 100 Ohm}"
        return self.keys(entries, [name for name in verb.keys if name != "text"], word, words)

    def _empty_hint(self, node: Scalar, verb: Verb) -> str:
        comment = self.comment_after(node)
        return f"a # after a space begins a comment: quote {comment!r}" if comment else f"for example {verb.example}"

    @staticmethod
    def _unread(key: Key, mark: Mark) -> Any:
        match key.form:
            case "quantity":
                return unread(mark, key)
            case "condition":
                return Condition("", (), mark)
            case "flag":
                return False
            case "choice":
                return key.choices[0]
            case "state":
                return {}
            case _:
                return ""

    def _value(self, node: Node, key: Key) -> Any:
        match key.form:
            case "quantity":
                found: Any = self.by_key(node, key)
            case "condition":
                found = self.condition(node)
            case "flag":
                found = self.flag(node)
            case "choice":
                found = self.choice(node, key.choices)
            case "state":
                found = self._state(node)
            case _:
                found = self.template(node)
        return self._unread(key, node.mark) if found is None else found

    def _state(self, node: Node) -> Mapping[str, Given | Text]:
        entries = self.entries(node, "names and values in braces", "for example state: {pressure: 5 MPa}")
        if entries is None:
            return {}
        found = {key.text: self.loose(value, key.text) for key, value in entries.entries if key.text != BROKEN}
        return {name: value for name, value in found.items() if value is not None}

    def _one_control(self, word: str, values: Values, node: Node) -> None:
        found = [name for name in ("current", "power", "resistance") if name in values]
        if not found and "setting" in values:
            return
        wanted = "current, power or resistance" if word == "discharge" else "current or power"
        if len(found) != 1:
            what = " and ".join(found) or "none"
            message = f"wanted one of {wanted} in {word}, found {what}"
            self.report("step.control", message, node.mark, f"for example {VERBS[word].example}")
        control = found[0] if found else "current"
        values.setdefault(control, unread(node.mark, VERBS[word].keys[control]))
        values.update(control=control, setting=values[control], direction=word)

    def _mismatches(self, word: str, values: Values, node: Node) -> None:
        if (
            word in DRIVES
            and "to" not in values
            and (named := [name for name in ("hold_until", "hold_for") if name in values])
        ):
            self.report(
                "step.hold", f"wanted the voltage to hold with {named[0]}, found no to", node.mark, "add to: 4.2 V"
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

    def _table(self, values: Values, nodes: Mapping[str, Node], tables: Tables) -> Table | None:
        file = values.get("file")
        if isinstance(file, Template):
            message = f"wanted the name of a file, found {file.text!r}, which is computed"
            hint = "name the file itself; for several files write one block with if for each"
            self.report("profile.name", message, nodes["file"].mark, hint)
        if not isinstance(file, str) or not file or "file" not in nodes:
            return None
        return tables(file, nodes["file"].mark)


def _drive(values: Values) -> Drive:
    names = ("direction", "control", "setting", "until", "capacity", "to", "hold_until", "hold_for")
    return Drive(**{name: values[name] for name in names if name in values}, for_=values.get("for"))


_RENAMED: Final = {"from": "from_", "for": "for_"}


def _plain(make: Callable[..., VerbValue]) -> Callable[[Values], VerbValue]:
    return lambda values: make(**{_RENAMED.get(name, name): value for name, value in values.items()})


_BUILD: Final[Mapping[str, Callable[[Values], VerbValue]]] = {
    "rest": _plain(Rest),
    **dict.fromkeys(DRIVES, _drive),
    "hold": _plain(Hold),
    "lsv": _plain(LinearSweep),
    "cv": _plain(CyclicVoltammetry),
    "profile": lambda values: _plain(Profile)({"table": None, **values}),
    "eis": _plain(Impedance),
    "bend": _plain(Bend),
    "temperature": _plain(Temperature),
    "prompt": _plain(Prompt),
    "mark": _plain(MarkEvent),
}
