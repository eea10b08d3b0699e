"""Nodes to values, with a finding wherever one is not what its key wants; nothing stops at the first."""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from typing import Final

from labctl.document import BROKEN, Document, Entries, Items, Mark, Node, Scalar, Severity, clip
from labctl.errors import Misread
from labctl.units import Kind, Quantity, article, parse

MOST_FINDINGS: Final = 500
_NO_WORDS: Final[Mapping[str, str]] = {}


class Reading:
    """Reads the nodes of one document and collects what is wrong with them."""

    def __init__(self, document: Document) -> None:
        """Begin with what was wrong with the YAML itself."""
        self.document = document
        self.findings = list(document.findings)

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
        """Add the finding of a text that is not the quantity wanted."""
        hint = error.hint
        if node.missing and (cut := self.comment_after(node)):
            hint = f"a # after a space begins a comment: quote the text {clip(cut)!r}"
        self.report(error.code, str(error), node.at(error.offset), hint)

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
                found = "nothing"
            case Scalar(text=text):
                found = repr(clip(text))
            case Items():
                found = "a list"
            case Entries() if any(key.text == BROKEN for key, _ in node.entries):
                return
            case Entries():
                found = "keys in braces" if node.flow else "keys"
        self.report("form", f"wanted {what}, found {found}", node.mark, hint)

    # --- forms ---

    def entries(self, node: Node | None, what: str, hint: str = "") -> Entries | None:
        """Return a mapping, or say that it is none."""
        if isinstance(node, Entries):
            return node
        if node is not None:
            self.wanted(what, node, hint or self._stuck_hint(node))
        return None

    @staticmethod
    def _stuck_hint(node: Node) -> str:
        """Return a hint where a text looks like a key whose colon lacks its space: `rest:2 h`."""
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
        found: dict[str, Node] = {}
        previous: tuple[Scalar, Node] | None = None
        for key, value in node.entries:
            if key.text in known:
                found[key.text] = value
            elif (
                key.text != BROKEN
                and not (isinstance(value, Scalar) and value.text == BROKEN)
                and self._unknown(key, value, previous, (known, what, words))
                and previous is not None
                and previous[0].text in found
            ):
                found[previous[0].text] = Scalar(BROKEN, previous[1].mark)  # the comma cut it in two
            previous = (key, value)
        return found

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
        if missing and (misreading := self._misreading(key, previous)):
            self.report(misreading[0], misreading[1], key.mark, misreading[2])
            return misreading[0] != "yaml.colon"
        hint = words.get(text) or words.get(text.lower()) or near(text, known)
        if not hint and len(known) <= 16:
            hint = "known are " + ", ".join(known) if known else f"{what} has no options"
        self.report("key.unknown", f"wanted a key of {what}, found {clip(text)!r}", key.mark, hint)
        return False

    def _misreading(self, key: Scalar, previous: tuple[Scalar, Node] | None) -> tuple[str, str, str] | None:
        """Return what YAML made of `{current:1 mA}`, `4,2 V` or `{say: Degas, reseal}`."""
        text = key.text
        if match := re.fullmatch(r"-?([A-Za-z_]\w*):(\S.*)", text, re.DOTALL):
            message = f"wanted a space after {match[1] + ':'!r}, found {clip(text)!r}"
            return "yaml.colon", message, f"write {match[1]}: {clip(match[2])}"
        if match := re.fullmatch(r"([A-Za-z_]\w*) *= *([^=<>]+)", text):
            message = f"wanted a colon after {match[1]!r}, found ="
            return "yaml.colon", message, f"write {match[1]}: {clip(match[2])}"
        before = previous[1] if previous else None
        if previous is None or not isinstance(before, Scalar) or before.style:
            return None
        name = previous[0].text
        if re.match(r"\d", text) and re.fullmatch(r"[-+]?\d+", before.text):
            message = f"wanted a decimal point, found a comma in '{before.text},{clip(text)}'"
            return "yaml.comma", message, f"write {name}: {before.text}.{clip(text)}"
        joined = f"{before.text}, {text}"
        message = f"wanted a key, found {clip(text)!r} after a comma"
        if re.search(r"[<>\u2264\u2265]", text):
            return (
                "yaml.comma_in_text",
                message,
                f"join conditions with or, and: {clip(f'{before.text} or {text}', 60)}",
            )
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

    def pair(self, node: Node | None, what: str, example: str) -> tuple[Node, Node] | None:
        """Return the two values of `[low, high]`, or report."""
        items = self.items(node, f"{what} as [low, high]", f"for example {example}")
        if len(items) == 2:
            return items[0], items[1]
        if isinstance(node, Items):
            self._uneven(items, node, what, example)
        return None

    def _uneven(self, items: tuple[Node, ...], node: Items, what: str, example: str) -> None:
        texts = [item.text for item in items if isinstance(item, Scalar)]
        for first, second in pairwise(texts):
            if re.fullmatch(r"[-+]?\d+", first) and re.match(r"\d", second):
                message = f"wanted a decimal point, found a comma in '{first},{second}'"
                self.report("yaml.comma", message, node.mark, f"write {first}.{second}")
                return
        hint = f"for example {example}"
        self.report("form", f"wanted {what} as [low, high], found a list of {len(items)}", node.mark, hint)

    def each_scalar(self, node: Node | None, what: str) -> Iterator[Scalar]:
        """Yield the texts of a list, or of the one text that stands for a list of one."""
        nodes = node.items if isinstance(node, Items) else () if node is None else (node,)
        for item in nodes:
            scalar = self.scalar(item, what)
            if scalar is not None:
                yield scalar


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
    """Return "did you mean ...?" for the nearest known word, or ""."""
    lowered = {item.lower().replace("-", "_"): item for item in known}
    plain = word.strip().lower().replace("-", "_").replace(" ", "_")[:60]
    found = [plain] if plain in lowered else difflib.get_close_matches(plain, lowered, n=1, cutoff=0.6)
    return f"did you mean {lowered[found[0]]}?" if found else ""
