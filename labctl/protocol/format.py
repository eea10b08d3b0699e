"""The usual form of a file: two spaces a level, one space after a colon, one blank line at most; comments stay."""

import re
from collections.abc import Iterator
from typing import Final

from labctl.errors import FileError
from labctl.text.compose import compose
from labctl.text.nodes import Document, Entries, Items, Node, Scalar

WIDTH: Final = 120


def format_text(text: str | bytes, name: str) -> str:
    """Return a protocol, cell or station file in its usual form; what it says stays the same.

    Raises:
        FileError: The text is not YAML, with every finding.
    """
    document = compose(text, name)
    if document.findings or document.root is None:
        raise FileError(document.findings)
    written = _Formatter(document).whole()
    again = compose(written, name)
    same = not again.findings and again.root is not None and _said(again.root) == _said(document.root)
    return written if same else document.text


def _said(node: Node) -> object:
    """Return what a node says, without its places and layout."""
    match node:
        case Scalar():
            return node.text.rstrip("\n"), bool(node.style)
        case Items():
            return [_said(item) for item in node.items]
        case Entries():
            return {key.text: _said(value) for key, value in node.entries}


class _Formatter:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.text = document.text
        self.lines: list[str] = []
        self.own: list[tuple[int, int, str]] = []
        self.columns: dict[int, int] = {}
        self.trailing: dict[int, str] = {}
        self.inside: list[int] = []
        self._find_comments()

    def whole(self) -> str:
        root = self.document.root
        assert root is not None
        if isinstance(root, Scalar) or root.flow:
            self._before(root.mark.line, 0)
            self._inline_line("", root, 0)
        else:
            self._block(root, 0)
        self._before(len(self.document.lines) + 2, 0)
        return _squeezed(self.lines)

    # --- comments ---

    def _find_comments(self) -> None:
        """Sort comments into those with a line of their own, those behind a value, and those inside brackets."""
        root = self.document.root
        scalars = sorted(_scalar_spans(root)) if root is not None else []
        covered: set[int] = set()
        offset, at = 0, 0
        for number, line in enumerate(self.document.lines, 1):
            for match in re.finditer(r"(?:(?<=\s)|^)#", line):
                index = offset + match.start()
                while at < len(scalars) and scalars[at][1] <= index:
                    at += 1
                if at < len(scalars) and scalars[at][0] <= index:
                    continue
                self._comment(number, line[: match.start()], line[match.start() :].rstrip(), index)
                covered.add(number)
                break
            if not line.strip() and not any(begin <= offset < end for begin, end in scalars[max(0, at - 1) : at + 1]):
                self.own.append((number, 0, ""))
            offset += len(line) + 1

    def _comment(self, number: int, before: str, comment: str, index: int) -> None:
        self.inside.append(index)
        if before.strip():
            self.trailing[number] = comment
        else:
            self.own.append((number, len(before), comment))

    def _before(self, line: int, indent: int, column: int = 0) -> None:
        """Write the comments and blank lines above a line; one that is deeper stays with what was above it."""
        while self.own and self.own[0][0] < line:
            _, place, comment = self.own.pop(0)
            deeper = [known for known in self.columns if column < known <= place]
            lead = self.columns[max(deeper)] if deeper else indent
            self.lines.append(" " * lead + comment if comment else "")
        self.columns = {known: lead for known, lead in self.columns.items() if known < column} | {column: indent}

    def _behind(self, line: int) -> str:
        comment = self.trailing.pop(line, "")
        return f"  {comment}" if comment else ""

    # --- nodes ---

    def _block(self, node: Node, indent: int) -> None:
        match node:
            case Entries():
                for key, value in node.entries:
                    self._before(key.mark.line, indent, key.mark.column - 1)
                    self._entry(key, value, indent)
            case Items():
                for item in node.items:
                    self._item(item, indent)

    def _entry(self, key: Scalar, value: Node, indent: int) -> None:
        head = " " * indent + self._source(key) + ":"
        if isinstance(value, Scalar) or value.flow:
            self._inline_line(head, value, indent)
            return
        self.lines.append(head + self._behind(key.mark.line))
        self._block(value, indent + 2)

    def _item(self, item: Node, indent: int) -> None:
        self._before(item.mark.line, indent, max(0, item.mark.column - 3))
        lead = " " * indent + "-"
        if isinstance(item, Scalar) or item.flow:
            self._inline_line(lead, item, indent)
            return
        begin = len(self.lines)
        self._block(item, indent + 2)
        self.lines[begin] = lead + self.lines[begin][indent + 1 :]

    def _inline_line(self, head: str, value: Node, indent: int) -> None:
        """Write a value behind its key or hyphen: on the same line if it fits, else as it was."""
        text = self._inline(value)
        source = self.text[value.span[0] : value.span[1]].rstrip()
        commented = any(value.span[0] <= index < value.span[1] for index in self.inside)
        fits = text is not None and len(head) + 1 + len(text) <= WIDTH and not commented
        shown = text if fits and text is not None else self._shifted(source, value, indent)
        last = value.mark.line + source.count("\n")
        self.own = [comment for comment in self.own if not value.mark.line < comment[0] <= last]
        for line in range(value.mark.line, last):
            self.trailing.pop(line, None)
        self.lines += ((head + " " + shown if shown else head) + self._behind(last)).lstrip("\n").split("\n")

    def _shifted(self, source: str, value: Node, indent: int) -> str:
        """Return a text of several lines, its later lines indented below the new place of its key."""
        first, *rest = source.split("\n")
        if not rest:
            return first
        block = isinstance(value, Scalar) and value.style in {"|", ">"}
        least = min((len(line) - len(line.lstrip()) for line in rest if line.strip()), default=0)
        closing = not block and not isinstance(value, Scalar)
        shift = indent + (0 if closing and rest[-1].strip()[:1] in {"]", "}"} else 2)
        return "\n".join([first, *(" " * shift + line[least:] if line.strip() else "" for line in rest)])

    def _source(self, node: Scalar) -> str:
        return self.text[node.span[0] : node.span[1]]

    def _inline(self, node: Node) -> str | None:
        """Return a value on one line, or None where it has to keep several."""
        match node:
            case Scalar():
                source = self._source(node)
                return None if "\n" in source else source
            case Items():
                parts = [self._inline(item) for item in node.items]
                return None if None in parts else "[" + ", ".join(map(str, parts)) + "]"
            case Entries():
                pairs = [(self._inline(key), self._inline(value)) for key, value in node.entries]
                if any(None in pair for pair in pairs):
                    return None
                return "{" + ", ".join(f"{key}: {value}".rstrip() for key, value in pairs) + "}"


def _scalar_spans(node: Node) -> Iterator[tuple[int, int]]:
    match node:
        case Scalar():
            yield node.span
        case Items():
            for item in node.items:
                yield from _scalar_spans(item)
        case Entries():
            for key, value in node.entries:
                yield key.span
                yield from _scalar_spans(value)


def _squeezed(lines: list[str]) -> str:
    """Return the lines with at most one blank one in a row, none at the ends."""
    kept: list[str] = []
    for line in lines:
        if line.strip() or (kept and kept[-1].strip()):
            kept.append(line.rstrip())
    while kept and not kept[-1].strip():
        kept.pop()
    return "\n".join(kept) + "\n"
