"""Nodes to values, with a finding wherever one is not what its key wants; nothing stops at the first."""

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from typing import Final

from labctl.errors import Misread
from labctl.finding import Mark, Severity, clip
from labctl.lookalike import lookalike, nearest
from labctl.quantity.dimension import Kind
from labctl.quantity.parse import parse
from labctl.quantity.units import Quantity, article, reads
from labctl.text.bare_pairs import as_pairs
from labctl.text.nodes import BROKEN, Document, Entries, Items, Node, Scalar
from labctl.text.own_value import with_own
from labctl.text.plain_text import TEXT_KEYS
from labctl.text.translations import translated
from labctl.text.unit_in_key import with_unit

QUOTES: Final = frozenset("\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019\u201a")  # of print, which are none to YAML
MOST_FINDINGS: Final = 500
_RANGE: Final = re.compile(r"(-?\d+(\.\d+)?)\s*([A-Za-z]+)?\s*(?:-|–|\.\.|to)\s*(-?\d+(?:\.\d+)?)\s*([A-Za-z/%0-9]+)")
_NO_WORDS: Final[Mapping[str, str]] = {}


class Reading:
    """Reads the nodes of one document and collects what is wrong with them."""

    def __init__(self, document: Document) -> None:
        """Begin with what was wrong with the YAML itself."""
        self.document = document
        self.findings = list(document.findings)
        self.names: set[str] = set()
        self.names_lost = False
        self.misnamed: set[str] = set()

    def name_all(self, node: Node | None) -> None:
        """Note the names that a mapping defines, so that one without its $ is told what it lacks."""
        if isinstance(node, Entries):
            names = {key.text for key, _ in node.entries}
            self.misnamed |= {name for name in names if not re.fullmatch(r"[A-Za-z_]\w*", name)}
            self.names |= names

    # --- findings ---

    @property
    def full(self) -> bool:
        """Tell whether so much is wrong that nothing more is said."""
        return len(self.findings) > MOST_FINDINGS

    def report(self, code: str, message: str, mark: Mark, hint: str = "", severity: Severity = "error") -> None:
        """Add a finding at a place of this document; after very many only that there are more."""
        if self.full:
            return
        if len(self.findings) == MOST_FINDINGS:
            code, severity = "file.errors", "error"
            message, hint = f"wanted fewer errors, found more than {MOST_FINDINGS}", "correct these first"
        self.findings.append(self.document.finding(code, message, mark, hint, severity))

    def misread(self, error: Misread, node: Scalar) -> None:
        """Add the finding of a text that is not the quantity wanted; a name that is none was found where it is given."""
        if node.text.strip().removeprefix("$") in self.misnamed and "$" in node.text:
            return
        hint = self._reference_hint(node.text) or error.hint
        if node.missing and (cut := self.comment_after(node)):
            hint = f"a # after a space begins a comment: quote the text {clip(cut)!r}"
            if re.match(r"#(?:REF|DIV/0|N/A|NAME|VALUE|NUM|NULL)", cut):
                hint = f"{clip(cut)} is the error of a spreadsheet: write the value"
        if error.code.startswith("condition.") and node.text[:1] in QUOTES:
            hint = f"leave {node.text[0]} and {node.text[-1] if node.text[-1] in QUOTES else 'its other end'} out"
        self.report(error.code, str(error), node.at(error.offset), hint)

    def _reference_hint(self, text: str) -> str:
        """Return how a parameter's name, or arithmetic with one, is written where its $ is missing."""
        words = re.findall(r"[A-Za-z_]\w*", text)
        if "$" in text or not self.names.intersection(words):
            return ""
        if (bare := text.strip(" %<>{}[]#@!&*~\"'")) in self.names:
            return f"write ${bare}"
        arithmetic = re.fullmatch(r"[\w\s.*/+()-]*[*/+-][\w\s.*/+()-]*", text) and self.names.issuperset(words)
        spaced = re.sub(r"\s*([*/+-])\s*", r" \1 ", text.strip())
        return f"write $({clip(spaced)})" if arithmetic else ""

    def comment_after(self, node: Scalar) -> str:
        """Return the comment that follows a plain scalar on its line, or ""."""
        end = node.span[1]
        rest = self.document.text[end : end + 200].split("\n", 1)[0]
        return rest.strip() if not node.style and re.match(r"\s+#", " " + rest) else ""

    def wanted(self, what: str, node: Node, hint: str = "") -> None:
        """Say that a node is of the wrong form."""
        match node:
            case Scalar(text=text) if text == BROKEN:
                return
            case Scalar() if node.missing:
                shown = "nothing"
            case Scalar(text=text):
                shown = repr(clip(text))
            case Items():
                shown = "a list"
            case Entries() if any(key.text == BROKEN for key, _ in node.entries):
                return
            case Entries():
                shown = "keys in braces" if node.flow else "keys"
        self.report("form", f"wanted {what}, found {shown}", node.mark, hint)

    # --- forms ---

    def entries(self, node: Node | None, what: str, hint: str = "") -> Entries | None:
        """Return a mapping, or say that it is none."""
        if isinstance(node, Entries):
            return node
        if isinstance(node, Items) and (joined := _joined(node)) is not None:
            self.wanted(what, node, _without_list(node, joined))
            return joined
        if node is not None:
            self.wanted(what, node, self._stuck_hint(node) or hint)
        return None

    @staticmethod
    def _stuck_hint(node: Node) -> str:
        """Return a hint where a text looks like a key whose colon lacks its space, `rest:2 h`, or `j in [1, 2]`."""
        if isinstance(node, Scalar) and (pairs := as_pairs(node.text)):
            return f"write {pairs}"
        if isinstance(node, Scalar) and (loop := re.fullmatch(r"([A-Za-z_]\w*)\s+in\s+(\[.*\])", node.text)):
            return f"write {{{loop[1]}: {clip(loop[2])}}}"
        if isinstance(node, Scalar) and (
            loop := re.fullmatch(r"([A-Za-z_]\w*)\s*(?:in|=|:)\s*([^\[\]{}]+,[^\[\]{}]+)", node.text)
        ):
            return f"write {{{loop[1]}: [{clip(loop[2])}]}}"
        if isinstance(node, Scalar) and (equal := re.fullmatch(r"([A-Za-z_]\w*)\s*=\s*([^=<>]+)", node.text)):
            return f"a colon and a space in place of =: {equal[1]}: {clip(equal[2])}"
        if isinstance(node, Scalar) and (match := re.match(r"([A-Za-z_]\w*):(\S.*)", node.text)):
            return f"put a space after the colon: {match[1]}: {clip(match[2])}"
        return ""

    def items(self, node: Node | None, what: str, hint: str = "") -> tuple[Node, ...]:
        """Return a list's items, or say that it is none."""
        if isinstance(node, Items):
            return node.items
        if node is not None:
            self.wanted(what, node, hint)
        return ()

    def keys(
        self, node: Entries, known: Collection[str], what: str, words: Mapping[str, str] = _NO_WORDS
    ) -> dict[str, Node]:
        """Return the values of the known keys; report the others, with the nearest known one or a hint from `words`."""
        by_key: dict[str, Node] = {}
        previous: tuple[Scalar, Node] | None = None
        for key, value in node.entries:
            if key.text in known:
                by_key[key.text] = value
            elif (
                key.text != BROKEN
                and not (isinstance(value, Scalar) and value.text == BROKEN)
                and self._unknown(key, value, previous, (known, what, words))
                and previous is not None
                and previous[0].text in by_key
            ):
                by_key[previous[0].text] = Scalar(BROKEN, previous[1].mark)  # the comma cut it in two
            previous = (key, value)
        return by_key

    def left_behind(self, entries: Entries) -> None:
        """Warn of a key that a commented list item left behind: it joins the item above the comment."""
        for (_, value), (key, _) in pairwise(entries.entries):
            between = self.document.text[value.span[1] : key.span[0]]
            if re.search(r"^\s*#+\s*-\s+\w", between, re.MULTILINE):
                first = entries.entries[0][0]
                message = f"wanted {key.text!r} below its own step, found it behind a commented one"
                hint = f"it joins the step of line {first.mark.line}, {first.text}: comment it too, or take the # away"
                self.report("key.left_behind", message, key.mark, hint, "warning")

    def _unknown(
        self,
        key: Scalar,
        value: Node,
        previous: tuple[Scalar, Node] | None,
        context: tuple[Collection[str], str, Mapping[str, str]],
    ) -> bool:
        """Report an unknown key; return whether it is the rest of the value before it."""
        if self.full:
            return False
        known, what, words = context
        text = key.text
        missing = isinstance(value, Scalar) and value.missing
        if missing and (misreading := self._misreading(key, previous, known)):
            self.report(misreading[0], misreading[1], key.mark, misreading[2])
            return misreading[0] != "yaml.colon"
        stem, value = with_unit(key, value)
        plain = re.sub(r"[ -]", "_", stem.text.lower())
        own = words.get(stem.text) or words.get(plain) or ""
        if not own and not translated(stem.text, known):
            own = words.get(translated(stem.text, words), "")
        hint = with_own(own, value) or (f"did you mean {stem.text}?" if stem.text in known else near(stem.text, known))
        if stem is not key and isinstance(value, Scalar) and (meant := re.fullmatch(r"did you mean (\w+)\?", hint)):
            hint = f"write {meant[1]}: {value.text}"
        if not hint and len(known) <= 16:
            hint = "known are " + ", ".join(known) if known else f"{what} has no options"
        self.report("key.unknown", f"wanted a key of {what}, found {clip(text)!r}", key.mark, hint)
        return False

    def _misreading(
        self, key: Scalar, previous: tuple[Scalar, Node] | None, known: Collection[str]
    ) -> tuple[str, str, str] | None:
        """Return what YAML made of `{current:1 mA}`, `4,2 V` or `{say: Degas, reseal}`."""
        text = key.text
        before = previous[1] if previous else None
        if bare := _bare_value(text, known):
            return "yaml.colon", f"wanted a key and a value, found {clip(text)!r}", f"write {bare}"
        if previous is None or not isinstance(before, Scalar) or before.style:
            return None
        name = previous[0].text
        joined = f"{before.text}, {text}"
        if before.text.startswith("(") and text.endswith(")"):
            message = f"wanted brackets around two values, found parentheses in {clip(joined)!r}"
            return "yaml.bracket", message, f"write {name}: [{clip(joined[1:-1], 60)}]"
        message = f"wanted a key, found {clip(text)!r} after a comma"
        if re.search(r"[<>\u2264\u2265]", text):
            return (
                "yaml.comma_in_text",
                message,
                f"join conditions with or, and: {clip(f'{before.text} or {text}', 60)}",
            )
        if before.text.isidentifier() and text.isidentifier() and name not in TEXT_KEYS:
            return "yaml.bracket", message, f"of several, a list: write {name}: [{clip(joined, 60)}]"
        return "yaml.comma_in_text", message, f'quote a text that has a comma: {name}: "{clip(joined, 60)}"'

    # --- values ---

    def scalar(self, node: Node | None, what: str, hint: str = "") -> Scalar | None:
        """Return a text node, or say that it is none; None too where something was reported before."""
        if isinstance(node, Scalar):
            return node if node.text != BROKEN else None
        if node is not None:
            self.wanted(what, node, hint)
        return None

    def text(self, node: Node | None, what: str = "a text") -> str:
        """Return a text; "" if it is none."""
        scalar = self.scalar(node, what, 'quote a text that has brackets or braces: "..."')
        if scalar is None:
            return ""
        self.refuse_if_cut(scalar)
        return scalar.text

    def refuse_if_cut(self, scalar: Scalar) -> None:
        """Report where ` #3` was taken for a comment and cut off a text."""
        comment = self.comment_after(scalar)
        if re.match(r"#\S", comment) and not scalar.missing:
            whole = clip(f"{scalar.text} {comment}", 60)
            message = f"wanted a whole text, found it cut at {clip(comment)!r}"
            hint = f'a # after a space begins a comment: quote the text, "{whole}", or put a space after the #'
            self.report("yaml.cut", message, scalar.mark, hint)

    def quantity(self, node: Node | None, kind: Kind) -> Quantity | None:
        """Return a quantity, or report why the node is none."""
        scalar = self.scalar(node, article(kind))
        if scalar is None:
            return None
        try:
            return parse(scalar.text, kind, scalar.mark)
        except Misread as error:
            self.misread(error, scalar)
            return None

    def flag(self, node: Node | None) -> bool:
        """Return true or false."""
        return self.choice(node, ("true", "false"), YES_NO) == "true"

    def choice(self, node: Node | None, options: Collection[str], words: Mapping[str, str] = _NO_WORDS) -> str | None:
        """Return one of several words, or report."""
        wanted = " or ".join(options) if len(options) < 4 else "one of " + ", ".join(options)
        scalar = self.scalar(node, wanted)
        if scalar is None or scalar.text in options:
            return scalar.text if scalar else None
        hint = words.get(scalar.text.lower()) or near(scalar.text, options)
        self.report("word.unknown", f"wanted {wanted}, found {clip(scalar.text)!r}", scalar.mark, hint)
        return None

    def pair(self, node: Node | None, what: str, example: str, own: str = "") -> tuple[Node, Node] | None:
        """Return the two values of `[low, high]`, or report with an example, or with what the author's own values make."""
        hint = own or f"for example {example}"
        if isinstance(node, Scalar) and (ends := _RANGE.fullmatch(node.text)):
            hint = f"write [{ends[1]} {ends[3] or ends[5]}, {ends[4]} {ends[5]}]"
        items = self.items(node, f"{what} as [low, high]", hint)
        if len(items) == 2:
            return items[0], items[1]
        if isinstance(node, Items) and not any(isinstance(item, Scalar) and item.text == BROKEN for item in items):
            message = f"wanted {what} as [low, high], found a list of {len(items)}"
            only = items[0].text if len(items) == 1 and isinstance(items[0], Scalar) else ""
            if ends := re.fullmatch(r"(\S+ ?[A-Za-z]+)\s*(?:-|–|to|bis|;|\.\.+|/)\s*(\S+ ?[A-Za-z]+)", only):
                hint = f"write [{ends[1]}, {ends[2]}]"
            self.report("form", message, node.mark, hint)
        return None

    def each_scalar(self, node: Node | None, what: str) -> Iterator[Scalar]:
        """Yield the texts of a list, or of the one text that stands for a list of one."""
        nodes = node.items if isinstance(node, Items) else () if node is None else (node,)
        for item in nodes:
            scalar = self.scalar(item, what)
            if scalar is not None:
                yield scalar


def _joined(node: Items) -> Entries | None:
    """Return the mapping that a list of single keys was meant to be, `- current: 1 mA` below `- to: 4.1 V`."""
    pairs = [item.entries for item in node.items if isinstance(item, Entries) and len(item.entries) == 1]
    names = [key.text for ((key, _),) in pairs]
    if not pairs or len(pairs) != len(node.items) or len(set(names)) != len(names) or BROKEN in names:
        return None
    return Entries(tuple(pair for (pair,) in pairs), node.mark)


def _without_list(node: Items, joined: Entries) -> str:
    """Return how a list of keys is written as what it was meant to be."""
    if not node.flow:
        return "keys, not a list: leave out the - in front of each"
    texts = [f"{key.text}: {value.text if isinstance(value, Scalar) else '...'}" for key, value in joined.entries]
    return f"braces in place of the brackets: {{{clip(', '.join(texts), 100)}}}"


_KEYS_OF_KINDS: Final[tuple[tuple[Kind, tuple[str, ...]], ...]] = (
    ("current", ("current",)),
    ("power", ("power",)),
    ("voltage", ("to", "voltage")),
    ("duration", ("for",)),
    ("capacity", ("capacity",)),
    ("frequency", ("from",)),
)
"""What a quantity without its key most likely is."""


def _bare_value(text: str, known: Collection[str]) -> str:
    """Return `key: value` for a value without its key, or a key without its colon; "" for anything else."""
    word, _, rest = text.partition(" ")
    if word in known and rest.strip() and rest.strip()[0] not in "<>=\u2264\u2265":
        return f"{word}: {clip(rest.strip())}"
    keys = (key for kind, names in _KEYS_OF_KINDS if reads(text, kind) for key in names if key in known)
    return next((f"{key}: {text}" for key in keys), "")


YES_NO: Final = {
    "yes": "write true",
    "no": "write false",
    "on": "write true",
    "off": "write false",
    "y": "write true",
    "n": "write false",
    "1": "write true",
    "0": "write false",
}


def near(word: str, known: Collection[str]) -> str:
    """Return "did you mean ...?" for the nearest known word, a letter that only looks like a plain one named; or ""."""
    if (letters := lookalike(word)) is not None and letters.plain in known:
        return f"write {letters.plain}: {letters.words} only looks like a plain one"
    if (ours := translated(word, known)) and ours != word:
        return f"did you mean {ours}?"
    lowered = {item.lower().replace("-", "_"): item for item in known}
    plain = word.strip().lower().replace("-", "_").replace(" ", "_")[:60]
    close = plain if plain in lowered else nearest(plain, lowered)
    return f"did you mean {lowered[close]}?" if close and lowered[close] != word else ""
