"""Nodes to the protocol's values: quantities that may be references, conditions, templates, record rules, limits."""

import re
from collections.abc import Mapping
from typing import Final

from labctl.errors import Misread
from labctl.finding import Mark, clip
from labctl.protocol.condition import parse_condition
from labctl.protocol.condition_slips import in_drive, one_condition
from labctl.protocol.expression import NAME, parse_given, parse_template
from labctl.protocol.keys import LIMITS, RECORD, SIDES, Key
from labctl.protocol.limit_words import limit_words
from labctl.protocol.loop_slips import as_range
from labctl.protocol.model import (
    Given,
    Limits,
    Pair,
    Record,
    Reference,
    Sign,
    Text,
    Value,
    WrittenCondition,
    WrittenRecordRule,
    WrittenText,
)
from labctl.protocol.own_pair import as_limits, own_pair, pair_of_keys
from labctl.protocol.record_order import in_order
from labctl.quantity.dimension import Kind, kind_of
from labctl.quantity.parse import parse
from labctl.quantity.units import article, reads
from labctl.text.fields import Reading
from labctl.text.nodes import Entries, Items, Node, Scalar

Loose = Given | Text
NO_KEYS: Final[Mapping[str, Key]] = {}
BY_KIND: Final = (
    "dV",
    "dI",
    "every",
    "for",
    "to",
    "voltage",
    "capacity",
    "current",
    "power",
    "energy",
    "rate",
    "angle",
    "radius",
)
CONDITION_LIST_HINT: Final = "one text: join the conditions with or"


class Fields(Reading):
    """Reads the values of a protocol file."""

    driven = ""  # the verb that is read, where it drives the voltage up or down
    beside: Mapping[str, Key] = NO_KEYS  # of the verb that is read

    def given(self, node: Node | None, kind: Kind, sign: Sign = "any") -> Given | None:
        """Return a quantity or the computation of one."""
        hint = ""
        if isinstance(node, Items):
            texts = [item.text for item in node.items if isinstance(item, Scalar)]
            hint = (
                f"one value; for one after the other, a block with each: {{x: [{clip(', '.join(texts))}]}} and $x here"
            )
            last = texts[-1] if texts else ""
            hint = f"a count is one number: write {last}" if kind == "count" and last.isdigit() else hint
        elif isinstance(node, Entries) and any(isinstance(value, Items | Entries) for _, value in node.entries):
            hint = "a loop over values is each: {x: [0.1C, 1C]}, and $x in its steps"
        elif isinstance(node, Entries) and len(node.entries) == 1 and node.entries[0][0].text in self.names:
            hint = f"write ${node.entries[0][0].text}"
        scalar = self.scalar(node, article(kind), hint)
        if scalar is None or self.full:
            return None
        try:
            return parse_given(scalar.text, kind, scalar.at, sign)
        except Misread as error:
            self.misread(self._of_another_key(error, scalar.text), scalar)
            return None

    def _of_another_key(self, error: Misread, text: str) -> Misread:
        """Return an error at a value of another kind with the key of the same step whose value it is."""
        if error.code.startswith("reference.") and (measured := re.search(r"(?:dis)?charge_capacity", text)):
            hint = f"make it the measure first: - nominal: {{from: {measured[0]}, within: [80 %, 120 %]}}; then C/3 is of it"
            return Misread(error.code, str(error), hint, error.offset)
        if error.code != "unit.kind" or not error.hint.startswith(("units here", "did you mean")) or "$" in text:
            return error
        fits = (name for name in BY_KIND if (key := self.beside.get(name)) and reads(text, key.kind))
        held = "hold_until: current <" if "hold_until" in self.beside and reads(text, "current") else ""
        name = next((f"{name}:" for name in fits), held)
        return Misread(error.code, str(error), f"write {name} {clip(text)}", error.offset) if name else error

    def by_key(self, node: Node | None, key: Key) -> Given | None:
        """Return the quantity that a key wants."""
        return self.given(node, key.kind, key.sign)

    def condition(self, node: Node | None) -> WrittenCondition | None:
        """Return a condition."""
        scalar = self.scalar(node, "a condition as one text", one_condition(node) or CONDITION_LIST_HINT)
        if scalar is None:
            return None
        try:
            return parse_condition(scalar.text, scalar.at)
        except Misread as error:
            self.misread(in_drive(error, scalar.text, self.driven), scalar)
            return None

    def template(self, node: Node | None, what: str = "a text") -> Text:
        """Return a text, with references where it has some."""
        scalar = self.scalar(node, what, 'quote a text that has brackets or braces: "..."')
        if scalar is None:
            return ""
        self.refuse_if_cut(scalar)
        if scalar.missing:
            self.misread(Misread("text.empty", f"wanted {what}, found nothing"), scalar)
        try:
            return parse_template(scalar.text, scalar.at, scalar.mark)
        except Misread as error:
            self.misread(error, scalar)
            return ""

    def positions(self, node: Node | None, key: Key, what: str) -> Pair | None:
        """Return the quantities of `[low, high]`."""
        if isinstance(node, Entries) and key.form == "pair" and (brackets := pair_of_keys(node)):
            self.wanted(f"{what} as [low, high]", node, brackets)
            return None
        if isinstance(node, Entries) and key.form == "pair":
            values = self.keys(node, SIDES, what, SIDE_WORDS)
            sides = [None if (item := values.get(side)) is None else self.by_key(item, key) for side in ("min", "max")]
            return (sides[0], sides[1]) if any(side is not None for side in sides) else None
        pair = self.pair(node, what, key.example, own_pair(node, key.kind))
        if pair is None:
            return None
        low, high = self.by_key(pair[0], key), self.by_key(pair[1], key)
        return (low, high) if low is not None and high is not None else None

    def limits(self, node: Node | None) -> Limits:
        """Return the envelope that a `limits` states."""
        hint = as_limits(node) or (
            "name what is limited: limits: {voltage: [2.5 V, 4.3 V]}" if isinstance(node, Items) else ""
        )
        entries = self.entries(node, "limits such as {voltage: [2.5 V, 4.3 V]}", hint)
        if entries is None:
            return Limits()
        values = self.keys(entries, LIMITS, "limits", limit_words(entries))
        pairs = {name: self.positions(values.get(name), LIMITS[name], f"the {name} limits") for name in PAIRS}
        most = values.get("capacity")
        if isinstance(most, Items) and most.items:
            last = most.items[-1].text if isinstance(most.items[-1], Scalar) else "..."
            self.wanted("the most that one step may pass", most, f"one value: write capacity: {last}")
            most = None
        capacity = self.by_key(most, LIMITS["capacity"])
        return Limits(**pairs, capacity=capacity, mark=entries.mark)

    # --- record rules ---

    def record(self, node: Node | None) -> Record | None:
        """Return the record rules of one mapping or a list of them."""
        if node is None:
            return None
        rules = node.items if isinstance(node, Items) else (node,)
        if ordered := in_order(rules):
            self.report("record.for", "wanted the rule without for last, found one behind it", node.mark, ordered)
        rules_read = [self._rule(rule, last=None if ordered else at == len(rules) - 1) for at, rule in enumerate(rules)]
        if not rules:
            self.report(
                "form", "wanted a record rule, found an empty list", node.mark, "for example {every: 10 s, dV: 5 mV}"
            )
        return tuple(rule for rule in rules_read if rule is not None)

    def _rule(self, node: Node, *, last: bool | None) -> WrittenRecordRule | None:
        """Return a record rule; of the last no time is wanted, of others one; None where their order was reported."""
        hint = "for example {every: 10 s, dV: 5 mV}"
        entries = self.entries(node, "a record rule in braces", _own_rule(node) or hint)
        if entries is None:
            return None
        values = self.keys(entries, RECORD, "record", RECORD_WORDS)
        if not values.keys() & {"every", "dV", "dI"} and len(values) == len(entries.entries):
            self.report("record.empty", "wanted every, dV or dI in a record rule, found none", entries.mark, hint)
        if last is False and "for" not in values:
            self.report(
                "record.for",
                "wanted for in every rule but the last, found none",
                entries.mark,
                "say how long it holds: {every: 0.1 s, for: 10 s}",
            )
        if last and "for" in values:
            self.report(
                "record.for",
                "wanted a last rule without for, found one that ends",
                values["for"].mark,
                "the last rule holds to the end of the step",
            )
        self.beside = {name: key for name, key in RECORD.items() if name not in values}
        read = {name: self.by_key(value, RECORD[name]) for name, value in values.items()}
        self.beside = NO_KEYS
        return WrittenRecordRule(entries.mark, read.get("every"), read.get("dV"), read.get("dI"), read.get("for"))

    # --- parameters ---

    def value(self, node: Node, name: str) -> Value | None:
        """Return a parameter's value: quantity, count, text or list of them; no references."""
        if isinstance(node, Items):
            items = [self.value(item, name) for item in node.items]
            return None if None in items else tuple(item for item in items if item is not None)
        loose = self.loose(node, name)
        if loose is None or isinstance(loose, str):
            return loose
        if "$" in loose.text:
            self.report(
                "params.reference",
                f"wanted the value of {name}, found a reference",
                node.mark,
                "a parameter has a value of its own",
            )
            return None
        return loose  # type: ignore[return-value]

    def loose(self, node: Node, name: str, kind: Kind = "any") -> "Loose | None":
        """Return what may be a quantity, a count or a text: a text unless it reads as a number with a unit.

        What has a count's word, `2 x`, is told as one of the kind that is likely to be meant.
        """
        inner = {key.text: value for key, value in node.entries} if isinstance(node, Entries) else {}
        plain = next((inner[word] for word in ("default", "value") if isinstance(inner.get(word), Scalar)), None)
        hint = f"write {name}: {clip(plain.text)}" if isinstance(plain, Scalar) else ""
        scalar = self.scalar(node, f"a quantity, a count or a text for {name}", hint)
        if scalar is None:
            return None
        if scalar.missing:
            self.misread(Misread("text.empty", f"wanted a value for {name}, found nothing"), scalar)
            return None
        if "$" in scalar.text:
            return self._loose_reference(scalar)
        try:
            return parse(scalar.text, "any", scalar.mark)
        except Misread as misread:
            error = misread if misread.code != "value.count" else _of_its_kind(scalar, kind, misread)
            if scalar.style or _PLAIN_TEXT.match(scalar.text):
                self.refuse_if_cut(scalar)
                return WrittenText(scalar.text, scalar.mark)
            hint = (
                _listed(scalar.text)
                or _spaced_list(scalar.text)
                or error.hint
                or f'quote it if it is a text: "{clip(scalar.text)}"'
            )
            self.misread(Misread(error.code, str(error), hint), scalar)
            return None

    def _loose_reference(self, scalar: Scalar) -> "Loose | None":
        try:
            return parse_given(scalar.text, "any", scalar.at)
        except Misread as error:
            if error.code != "reference.alone":
                self.misread(error, scalar)
                return None
        return self.template(scalar)

    def loose_list(self, node: Node, name: str) -> "tuple[Loose, ...] | Reference | None":
        """Return the items of a list, or the reference to one."""
        if isinstance(node, Scalar) and (match := re.fullmatch(rf"\s*\$({NAME})\s*", node.text)):
            return Reference(match[1], node.mark)
        example = as_range(node, "for example [0.1C, 1C] or {from: 1, to: 5, by: 1}")
        written = list(self.items(node, f"a list or a range for {name}", example))
        kind = _kind_of_most(written)
        items = [self.loose(item, name, kind) for item in written]
        return tuple(item for item in items if item is not None) if isinstance(node, Items) else None

    def named(self, key: Scalar, taken: Mapping[str, Mark]) -> bool:
        """Check the name of a parameter or loop variable; `taken` are those in force."""
        if re.fullmatch(NAME, key.text) is None or key.text in RESERVED:
            self.names_lost = True
            plain = re.sub(r"\W+", "_", key.text.strip()).strip("_")
            hint = "letters, digits and _, not beginning with a digit"
            if re.fullmatch(NAME, plain) and plain not in RESERVED:
                hint = f"write {plain} here and ${plain} where it is used: letters, digits and _ make a name"
            if reads(key.text, "any"):
                hint = "a list has brackets: rates: [0.1C, 0.2C]"
            hint = f"{key.text} is a word of the language" if key.text in RESERVED else hint
            self.report("name.form", f"wanted a name, found {clip(key.text)!r}", key.mark, hint)
            return False
        if key.text in taken:
            self.report(
                "name.taken",
                f"wanted a new name, found {key.text!r} again",
                key.mark,
                f"it is defined in line {taken[key.text].line}",
            )
            return False
        return True


def _of_its_kind(scalar: Scalar, kind: Kind, error: Misread) -> Misread:
    """Return what is wrong with a text where a kind is wanted; without one, what is known to be wrong."""
    try:
        parse(scalar.text, kind, scalar.mark)
    except Misread as told:
        return told
    return error


def _kind_of_most(items: list[Node]) -> Kind:
    """Return the kind of the quantities in a list, "any" where they are of several or there are none."""
    texts = [item.text for item in items if isinstance(item, Scalar) and reads(item.text, "any")]
    kinds = {kind_of(parse(text, "any").dimension) for text in texts}
    return kinds.pop() if len(kinds) == 1 else "any"


def _spaced_list(text: str) -> str:
    """Return quantities that spaces part as the list that they are."""
    parts = text.split()
    whole = len(parts) > 1 and all(reads(part, "any") and not reads(part, "number") for part in parts)
    return f"commas part the values of a list: write {', '.join(parts)}" if whole else ""


def _listed(text: str) -> str:
    """Return values that commas part as the list that they are."""
    parts = [part.strip() for part in text.split(",")]
    if re.fullmatch(r"[-+]?\d+,\d+\s*\D.*|[-+]?\d+,\d+", text) and len(parts) == 2:
        return ""  # a decimal comma
    return (
        f"a list has brackets: write [{', '.join(parts)}]"
        if len(parts) > 1 and all(reads(part, "any") for part in parts)
        else ""
    )


def _own_rule(node: Node) -> str:
    """Return the rule that a value alone stands for, or ""."""
    text = node.text if isinstance(node, Scalar) else ""
    if text.lower() in {"none", "no", "off", "false", "never", "null", "~", "default", "auto"}:
        return "leave record out: a row is then written every 10 s and every 5 mV"
    if (told := re.fullmatch(r"(?:every|each|alle|per)\s+(\d.*)", text)) and reads(told[1], "duration"):
        return f"write {{every: {told[1]}}}"
    if reads(text, "number"):
        return f"write {{every: {text} s}}, or with the unit that is meant"
    if reads(text, "frequency") and (hertz := parse(text, "frequency").value_si) > 0:
        return f"write {{every: {1.0 / hertz:.6g} s}}"
    return next((f"write {{{name}: {text}}}" for name, key in RECORD.items() if reads(text, key.kind)), "")


_DATE: Final = r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?"
_PLAIN_TEXT: Final = re.compile(rf"(?![-+\u2212]?\.?\d)|{_DATE}$|\d{{1,2}}\.\d{{1,2}}\.\d{{4}}$|\w+(?:[-_]\w+)+$")
"""What reads as a text where no quantity is asked: all that begins without a digit, dates, and marks such as 27-1-3."""
RESERVED: Final = frozenset({"abs", "and", "or", "over", "of", "ocv"})
PAIRS: Final = ("voltage", "current", "temperature")
SIDE_WORDS: Final = {
    **dict.fromkeys(("low", "lower", "lowest", "minimum", "from"), "did you mean min?"),
    **dict.fromkeys(("high", "upper", "highest", "maximum", "to"), "did you mean max?"),
}
RECORD_WORDS: Final = {
    "time": "did you mean every?",
    "interval": "did you mean every?",
    "dt": "did you mean every?",
    "dT": "did you mean every?",
    "rate": "write every: 10 s",
    "voltage": "did you mean dV?",
    "current": "did you mean dI?",
    "dE": "did you mean dV?",
    "dU": "did you mean dV?",
    "di": "did you mean dI?",
    "dv": "did you mean dV?",
}
