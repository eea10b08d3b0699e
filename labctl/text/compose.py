"""YAML text to nodes, bounded in size while it is read.

A line that is not YAML is reported and set aside, so that the rest is read too.
Scalars stay text until the field's type reads them, so `no`, `1e3`, `12:30:00` and `017` cannot surprise. Limits hold on the
event stream, before anything is composed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from labctl.finding import Finding, Mark, clip
from labctl.text.decimal_comma import joined_entries, joined_items
from labctl.text.foreign import HEAD, foreign, without_fences
from labctl.text.nodes import BROKEN, Document, Entries, Items, Node, Scalar
from labctl.text.parted_values import parted_items
from labctl.text.pasted import margin, without_brackets, without_conflicts, without_continuations
from labctl.text.plain_text import quoted
from labctl.text.straighten import straighten
from labctl.text.stuck_colon import parted_entries
from labctl.text.syntax_hints import diagnose, set_aside

MOST_BYTES: Final = 256 * 1024
MOST_DEPTH: Final = 64
MOST_NODES: Final = 20_000
MOST_REPAIRS: Final = 20
_VERSIONS: Final = frozenset({"labctl", "labctl_cell", "labctl_station"})  # each begins a file
_FORBIDDEN: Final = re.compile(r"[^\t\n\r -~\xa0-\u2027\u202a-\ud7ff\ue001-\ufffd\U00010000-\U0010ffff]")
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def compose(source: str | bytes, file: str) -> Document:
    """Return the document that a text states, with every finding about the YAML itself."""
    head = source if isinstance(source, bytes) else source[:HEAD].encode("latin-1", "replace")
    if (other := foreign(head)) is not None:
        message, hint = f"wanted a YAML file of labctl, found {other[0]}", other[1].replace("FILE", file)
        return Document(file, "", None, [Finding("file.foreign", message, Mark(file, 1, 1), hint)], [])
    text, finding = _decode(source, file)
    finding = finding or margin(text, file)
    if finding is not None:
        return Document(file, text, None, [finding], text[:1000].split("\n"))
    document = Document(file, text, None, [], text.split("\n"))
    forbidden = _FORBIDDEN.search(text)
    if forbidden:
        mark = _mark_at(file, text, forbidden.start())
        message = f"wanted text, found the character U+{ord(forbidden[0]):04X}"
        document.findings.append(document.finding("yaml.character", message, mark, "save the file as plain UTF-8 text"))
        return document
    _read(document)
    return document


def _decode(source: str | bytes, file: str) -> tuple[str, Finding | None]:
    start = Mark(file, 1, 1)
    size = len(source) if isinstance(source, bytes) else len(source.encode("utf-8", "replace"))
    if size > MOST_BYTES:
        message = f"wanted at most {MOST_BYTES // 1024} KiB, found {size // 1024} KiB"
        return "", Finding("yaml.size", message, start, "write loops with repeat and each; tables go into a profile")
    if isinstance(source, str):
        return _one_newline(source), None
    try:
        return _one_newline(source.decode("utf-8-sig")), None
    except UnicodeDecodeError as error:
        before = source[: error.start]
        mark = Mark(file, before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        message = f"wanted UTF-8, found the byte 0x{source[error.start]:02X}"
        if source[:2] in {b"\xff\xfe", b"\xfe\xff"}:
            message = "wanted UTF-8, found UTF-16, which Notepad calls Unicode"
            return "", Finding("yaml.encoding", message, mark, "save the file with the encoding UTF-8")
        line = source.split(b"\n")[mark.line - 1].decode("cp1252", "replace").rstrip("\r")
        read = line[mark.column - 1 : mark.column]
        what = f", which is {read} in the encoding of Windows" if read.isprintable() and read != "\ufffd" else ""
        return "", Finding("yaml.encoding", message + what, mark, "save the file with the encoding UTF-8", line)


def _one_newline(text: str) -> str:
    text = text.removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _mark_at(file: str, text: str, index: int) -> Mark:
    return Mark(file, text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index))


def _read(document: Document) -> None:
    """Compose; set aside lines that are not YAML, up to a number of them, so that the rest is looked at too."""
    lines, seen = straighten(document).split("\n"), {-1}
    lines = [line if line.strip(" \t") else "" for line in lines]  # to YAML a tab on a blank line is more than nothing
    for mend in (without_fences, without_conflicts, without_brackets, without_continuations):
        mend(document, lines)
    for _ in range(MOST_REPAIRS):
        composer = _Composer(document, "\n".join(lines))
        try:
            document.root = composer.run()
        except yaml.MarkedYAMLError as error:
            before = lines.copy()
            finding, line = diagnose(document, error, lines)
            if line not in seen:  # the second time it is the rest of a line that was reported
                document.findings.append(finding)
            seen.add(line)
            mended = lines[line] and lines[line] != before[line]
            if not mended and not set_aside(document, lines, line):
                return
            continue
        except yaml.YAMLError as error:
            document.findings.append(Finding("yaml.syntax", clip(str(error), 100), Mark(document.file, 1, 1)))
            return
        except _TooMuchError as error:
            document.findings.append(error.finding)
            return
        document.findings += composer.findings
        return


class _TooMuchError(Exception):
    """Too deep or too many nodes; reading stops at once."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


@dataclass(slots=True)
class _Open:
    """A collection that is being read."""

    mark: Mark
    mapping: bool
    flow: bool
    begin: int
    items: list[Node] = field(default_factory=list)


class _Composer:
    """Builds nodes from events, counting depth and nodes as they come."""

    def __init__(self, document: Document, text: str) -> None:
        self.document = document
        self.text = text
        self.findings: list[Finding] = []
        self.stack: list[_Open] = []
        self.root: Node | None = None
        self.nodes = 0
        self.roots = 0

    def run(self) -> Node | None:
        for event in self._events():
            match event:
                case yaml.ScalarEvent():
                    self._scalar(event)
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._open(event)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self._close(event)
                case yaml.AliasEvent():
                    self._alias(event)
                case yaml.DocumentStartEvent():
                    self._start(event)
        if self.root is None and not self.findings and not self.document.findings:
            hint = "begin with `labctl: 1`; `labctl new` writes a commented file"
            self._report(
                "yaml.empty", "wanted keys and values, found an empty file", Mark(self.document.file, 1, 1), hint
            )
        return self.root

    def _events(self) -> Iterator[Any]:
        return iter(yaml.parse(self.text, Loader=_LOADER))

    def _mark(self, event: Any) -> Mark:
        return Mark(self.document.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _report(self, code: str, message: str, mark: Mark, hint: str) -> None:
        self.findings.append(self.document.finding(code, message, mark, hint))

    def _start(self, event: Any) -> None:
        self.roots += 1
        if self.roots == 2:
            self._report(
                "yaml.documents",
                "wanted one document, found a second after `---`",
                self._mark(event),
                "use one file for each",
            )

    def _count(self, event: Any) -> Mark:
        mark = self._mark(event)
        self.nodes += 1
        if self.nodes > MOST_NODES:
            hint = "write loops with repeat and each; tables go into a profile"
            message = f"wanted at most {MOST_NODES} values in a file, found more"
            raise _TooMuchError(self.document.finding("yaml.nodes", message, mark, hint))
        return mark

    def _adorned(self, event: Any, mark: Mark) -> None:
        """Refuse anchors and tags; what they stand on is read without them."""
        if event.anchor:
            self._report(
                "yaml.anchor",
                f"wanted a value, found the anchor &{event.anchor}",
                mark,
                self._without_anchor(event.anchor, mark),
            )
        if self._tagged(event):
            self._report(
                "yaml.tag",
                f"wanted a value, found the tag {clip(event.tag.replace('tag:yaml.org,2002:', '!!'))}",
                mark,
                f"the key decides what a value is; quote a text that begins with !: {self._whole(mark)}",
            )

    def _without_anchor(self, anchor: str, mark: Mark) -> str:
        """Return what is written in place of an anchor: the step again, or a parameter, or a text in quotes."""
        behind = self.document.lines[mark.line - 1][mark.column - 1 :].partition(f"&{anchor}")[2].lstrip()
        if behind[:1] in {"{", "["}:
            return (
                f"leave &{anchor} out: what comes again is written again, or stands in a block with repeat:, or in use:"
            )
        return f"share values with params and $name; quote a text: {self._whole(mark)}"

    def _whole(self, mark: Mark) -> str:
        """Return the text from a place on in quotes: to the end of the line, in brackets to what ends a value there."""
        text = self.document.lines[mark.line - 1][mark.column - 1 :]
        if any(opened.flow for opened in self.stack):
            text = re.split(r"[,}\]]", text, maxsplit=1)[0]
        return quoted(clip(re.sub(r"\s#.*", "", text)))

    @staticmethod
    def _tagged(event: Any) -> bool:
        return bool(event.tag) and event.tag != "!"

    def _scalar(self, event: Any) -> None:
        mark = self._count(event)
        self._adorned(event, mark)
        span = (event.start_mark.index, event.end_mark.index)
        text = BROKEN if self._tagged(event) else event.value
        folded = event.end_mark.line > event.start_mark.line
        self._add(Scalar(text, mark, "" if event.style is None else event.style, span, folded))

    def _alias(self, event: Any) -> None:
        mark = self._count(event)
        hint = f'quote a text that begins with *: "*{clip(event.anchor)}"; share values with params and $name'
        self._report("yaml.alias", f"wanted a value, found the alias *{clip(event.anchor)}", mark, hint)
        self._add(Scalar(BROKEN, mark))

    def _open(self, event: Any) -> None:
        mark = self._count(event)
        self._adorned(event, mark)
        if len(self.stack) >= MOST_DEPTH:
            message = f"wanted at most {MOST_DEPTH} levels of nesting, found more"
            raise _TooMuchError(self.document.finding("yaml.depth", message, mark))
        mapping = isinstance(event, yaml.MappingStartEvent)
        self.stack.append(_Open(mark, mapping, bool(event.flow_style), event.start_mark.index))

    def _close(self, event: Any) -> None:
        done = self.stack.pop()
        span = (done.begin, event.end_mark.index)
        if done.flow:  # a comma that was to be a decimal one parts values only in brackets and braces
            join = joined_entries if done.mapping else joined_items
            done.items = join(done.items, self.text, self._report)
        if done.flow and done.mapping:
            done.items = parted_entries(done.items, self._report)
        if done.mapping:
            self._add(Entries(self._entries(done), done.mark, done.flow, span))
        else:
            done.items = parted_items(done.items, self._report) if done.flow else done.items
            self._add(Items(tuple(done.items), done.mark, done.flow, span))

    def _add(self, node: Node) -> None:
        if self.stack:
            self.stack[-1].items.append(node)
        elif self.root is None:
            self.root = node

    def _entries(self, done: _Open) -> tuple[tuple[Scalar, Node], ...]:
        by_key: dict[str, tuple[Scalar, Node]] = {}
        for key, value in zip(done.items[::2], done.items[1::2], strict=True):
            if not isinstance(key, Scalar):
                self._key(key)
                by_key[BROKEN] = (Scalar(BROKEN, key.mark), value)
            elif key.text == "<<" and not key.style:
                self._report(
                    "yaml.merge",
                    "wanted a key, found the merge key <<",
                    key.mark,
                    "share values with params and $name, steps with use:",
                )
            elif key.text in by_key and key.text in _VERSIONS and not self.stack:
                message = f"wanted one protocol in a file, found that a second one begins in line {key.mark.line}"
                self._report("yaml.documents", message, key.mark, "put it into a file of its own")
                break
            elif key.text in by_key and key.text != BROKEN:
                first = by_key[key.text][0].mark.line
                one = isinstance(value, Scalar) and isinstance(by_key[key.text][1], Scalar)
                what = "leave one of them out" if one else "put what belongs together below one of them"
                item = bool(self.stack) and not self.stack[-1].mapping and not done.flow
                what += ", or begin a step of its own with -" if item else ""
                self._report(
                    "yaml.duplicate",
                    f"wanted each key once, found {clip(key.text)!r} again",
                    key.mark,
                    f"it is in line {first} already: {what}",
                )
            else:
                by_key[key.text] = (key, value)
        return tuple(by_key.values())

    def _key(self, key: Node) -> None:
        hint = 'quote a text that begins with a bracket: "[...]"'
        if isinstance(key, Entries):
            hint = f"a reference is ${key.entries[0][0].text}" if key.entries else "a reference is $name"
            if any(not (isinstance(value, Scalar) and value.missing) for _, value in key.entries):
                hint = "one pair of braces: leave the second { and } out"
        self._report("yaml.key", "wanted a word as a key, found brackets", key.mark, hint)
