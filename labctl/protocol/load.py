"""A protocol file, with the files it uses, from text to a checked Protocol; every error, not the first."""

import re
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from labctl.errors import ProtocolError
from labctl.finding import Finding, Mark, clip, with_lines
from labctl.protocol.analyses import AnalysisFields
from labctl.protocol.cell import CELL_KINDS
from labctl.protocol.check import check
from labctl.protocol.file_words import (
    BLOCKS_NOT_FILES,
    FILE_WORDS,
    LIMITED_FILE_WORDS,
    USE_NAMES,
    not_a_file,
    required_kinds,
)
from labctl.protocol.keys import FILE, INTERRUPTION, REQUIRES
from labctl.protocol.kind_words import words_of_kinds
from labctl.protocol.misplaced_keys import meant_key, other_file, to_the_margin
from labctl.protocol.model import Item, Parameter, Protocol, Requires, Value, WrittenInterruption
from labctl.protocol.profile import read_table
from labctl.protocol.step_model import ProfileTable
from labctl.protocol.steps import STEPS_HINT
from labctl.text.compose import compose
from labctl.text.fields import MOST_FINDINGS, near
from labctl.text.nodes import BROKEN, Document, Entries, Items, Node, Scalar

Reader: TypeAlias = Callable[[str], str | None]
"""Reads a file beside the protocol or of the shipped library by its plain name; None where there is none."""


@typing.runtime_checkable
class Lists(typing.Protocol):
    """A reader that knows which files there are."""

    def names(self, ending: str) -> typing.Sequence[str]:
        """Return the names of the files that can be read and end so."""


MOST_INCLUDES: Final = 8
_GIVEN: Final = {"labctl_cell": "a cell is given behind --cell, the protocol stands first; "}
MOST_STEPS: Final = 20_000


def nothing_beside(name: str) -> str | None:
    """Be the reader of a protocol with no files beside it."""
    del name
    return None


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a text came to: the protocol (None where nothing could be made of it) and every finding, warnings too."""

    protocol: Protocol | None
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Return the findings that refuse the file."""
        return tuple(finding for finding in self.findings if finding.severity == "error")


def load(text: str | bytes, name: str, reader: Reader = nothing_beside) -> Protocol:
    """Return the checked protocol that a text states.

    Args:
        text: The file.
        name: What findings call it.
        reader: Reads `NAME.yaml` for a `use` and the table of a `profile`.

    Raises:
        ProtocolError: With every finding of the file and of those it uses.
    """
    loaded = read(text, name, reader)
    if loaded.protocol is None or loaded.errors:
        raise ProtocolError(loaded.findings)
    return loaded.protocol


def read(text: str | bytes, name: str, reader: Reader = nothing_beside) -> Loaded:
    """Return what a text came to, with every finding; for checkers and editors."""
    shelf = _Shelf(reader)
    protocol = shelf.read(text, name, ())
    if protocol is not None:
        shelf.findings += (
            finding for finding in check(protocol) if finding.code != "name.unknown" or not shelf.names_lost
        )
    findings = bounded(_unique(shelf.findings))
    if any(finding.severity == "error" for finding in findings):  # what an unread line uses is not known
        findings = [
            finding for finding in findings if finding.code not in {"params.unused", "each.unused", "analyse.nothing"}
        ]
    if any(finding.code == "yaml.indent" for finding in findings):  # the key may be there, only not read
        findings = [finding for finding in findings if finding.code != "condition.no_cycle"]
    return Loaded(protocol, with_lines(findings, shelf.texts))


def _unique(findings: Iterable[Finding]) -> list[Finding]:
    """Drop a finding that repeats another at its place: one wrong value is found once."""
    return list({(finding.mark, finding.code, finding.message): finding for finding in findings}.values())


def bounded(findings: list[Finding]) -> list[Finding]:
    """Keep the first of very many findings, and that there are more."""
    if len(findings) <= MOST_FINDINGS + 1:
        return findings
    kept = sorted(findings, key=lambda finding: finding.mark)[:MOST_FINDINGS]
    message = f"wanted fewer errors, found more than {MOST_FINDINGS}"
    return [*kept, Finding("file.errors", message, kept[-1].mark, "correct these first")]


class _Shelf:
    """The files of one load: each is read once."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.findings: list[Finding] = []
        self.names_lost = False
        self.texts: dict[str, str] = {}
        self.done: dict[str, Protocol | None] = {}
        self.later: dict[str, tuple[Protocol | None, tuple[Finding, ...]]] = {}

    def read(self, text: str | bytes, name: str, above: tuple[str, ...]) -> Protocol | None:
        document = compose(text, name)
        self.texts[name] = document.text
        fields = _FileFields(document, self, above)
        protocol = fields.protocol()
        self.findings += fields.findings
        self.names_lost = self.names_lost or fields.names_lost
        return protocol

    def use(self, fields: "_FileFields", name: str, mark: Mark) -> Protocol | None:
        file = self._named(fields, name, mark)
        if file is None:
            return None
        if file in fields.above or len(fields.above) >= MOST_INCLUDES:
            chain = " -> ".join((*fields.above[-3:], file))
            wanted = (
                "a file that does not use itself"
                if file in fields.above
                else f"at most {MOST_INCLUDES} uses inside each other"
            )
            fields.report("use.depth", f"wanted {wanted}, found {chain}", mark)
            return None
        if file not in self.done:
            text = self.reader(file)
            if text is None:
                fields.report(
                    "use.missing",
                    f"wanted {file} beside this file or in the library, found none",
                    mark,
                    f"write use: ${name}"
                    if name in fields.names
                    else self._meant_by(fields, file.removesuffix(".yaml")),
                )
                return None
            self.done[file] = self.read(text, file, (*fields.above, file))
        return self.done[file]

    def _meant_by(self, fields: "_FileFields", stem: str) -> str:
        """Return the hint at a used name that no file has: of the others one whose cells are of a kind that this file takes."""
        wanted = required_kinds(fields.document.text)
        names = [each.removesuffix(".yaml") for each in self._names(".yaml")]
        kinds = {each: required_kinds(self.reader(f"{each}.yaml") or "") for each in names}
        known = [each for each in names if not wanted or not kinds[each] or wanted & kinds[each]]
        word = stem.replace("_", "-").lower()
        called = USE_NAMES.get(word, "")
        close = f"did you mean {called}?" if called in known or (called and called not in names) else ""
        close = close or not_a_file(word) or near(stem, known)
        return BLOCKS_NOT_FILES.get(word, "") or close or "labctl new lists the protocols of the library"

    @staticmethod
    def _named(fields: "_FileFields", name: str, mark: Mark) -> str | None:
        """Return the file of a used name; report one that leaves its folder."""
        plain = name.removesuffix(".yaml").removesuffix(".yml")
        if re.fullmatch(r"[A-Za-z0-9][\w-]*(/[A-Za-z0-9][\w-]*)*", plain) and len(plain) <= 200:
            return f"{plain}.yaml"
        hint = "a name such as activation; no upward paths, no addresses, no endings"
        several = [part.strip() for part in name.split(",")]
        if len(several) > 1 and all(re.fullmatch(r"[A-Za-z0-9][\w-]*", part) for part in several):
            hint = "one in each step: " + ", ".join(f"- use: {part}" for part in several)
        if re.fullmatch(r"[A-Za-z0-9][\w -]*", name):
            hint = "write use: " + "-".join(name.split())
        if name.startswith("./") and re.fullmatch(r"[A-Za-z0-9][\w-]*", plain[2:]):
            hint = f"write use: {plain[2:]}"
        fields.report("use.name", f"wanted the name of a file beside this one, found {clip(name)!r}", mark, hint)
        return None

    def table(self, fields: "_FileFields", name: str, mark: Mark) -> ProfileTable | None:
        if name.startswith("/") or ".." in name.split("/") or "\\" in name or ":" in name:
            fields.report(
                "profile.name",
                f"wanted a file beside the protocol, found {clip(name)!r}",
                mark,
                f"put it into the folder of the protocol and write {clip(re.split(r'[/:' + re.escape(chr(92)) + ']', name)[-1])}",
            )
            return None
        text = self.reader(name)
        if text is None:
            fields.report(
                "profile.missing",
                f"wanted {clip(name)!r} beside this file, found none",
                mark,
                (f"write file: ${name}" if name in fields.names else "")
                or self._nearly(name)
                or "the table lies in the folder of the protocol",
            )
            return None
        table, findings = read_table(text, name)
        fields.findings += findings
        return table

    def _nearly(self, name: str) -> str:
        """Return a hint at the table whose name, its ending apart, is nearest to one that is not there; or ""."""
        ending = ".csv"
        if not name.isprintable():
            return "a \\ in double quotes is special: write / in its place"
        close = near(name.rpartition(".")[0] or name, [each.removesuffix(ending) for each in self._names(ending)])
        return f"{close[:-1]}{ending}?" if close.endswith("?") else close

    def _names(self, ending: str) -> typing.Sequence[str]:
        """Return the files of this ending that a name may have meant."""
        return self.reader.names(ending) if isinstance(self.reader, Lists) else ()

    def later_table(self, document: Document, name: str, mark: Mark) -> tuple[ProfileTable | None, tuple[Finding, ...]]:
        """Return a table whose name is known only now, and what is wrong with it."""
        fields = _FileFields(replace(document, findings=[]), self, ())  # those of the document are told already
        table = self.table(fields, name, mark)
        return table, with_lines(fields.findings, self.texts)

    def later_use(
        self, document: Document, above: tuple[str, ...], name: str, mark: Mark
    ) -> tuple[Protocol | None, tuple[Finding, ...]]:
        """Return a used file whose name is known only now, checked, and what is wrong with it."""
        if name not in self.later:
            before, self.findings = self.findings, []
            fields = _FileFields(replace(document, findings=[]), self, above)
            protocol = self.use(fields, name, mark)
            inner = check(protocol) if protocol is not None else []
            self.later[name] = protocol, with_lines((*fields.findings, *self.findings, *inner), self.texts)
            self.findings = before
        return self.later[name]


def _own_kind(node: Node | None) -> str:
    """Return how a kind of cell that stands alone is required, or ""."""
    return f"write requires: {{cell: {node.text}}}" if isinstance(node, Scalar) and node.text in CELL_KINDS else ""


class _FileFields(AnalysisFields):
    """Reads one file."""

    def __init__(self, document: Document, shelf: _Shelf, above: tuple[str, ...]) -> None:
        super().__init__(document)
        self.above = above
        self.tables = lambda name, mark: shelf.table(self, name, mark)
        self.includes = lambda name, mark: shelf.use(self, name, mark)
        self.later_tables = lambda name, mark: shelf.later_table(document, name, mark)
        self.later_uses = lambda name, mark: shelf.later_use(document, above, name, mark)

    def protocol(self) -> Protocol | None:
        root = self.document.root
        if root is None:
            return None
        entries = self.entries(root, "the keys of a protocol", self._root_hint(root))
        if entries is None:
            return None
        if any(key.text in {"labctl_cell", "labctl_station"} for key, _ in entries.entries):
            version_key = next(key.text for key, _ in entries.entries if key.text.startswith("labctl_"))
            self.report(
                "file.kind",
                f"wanted a protocol, found a {version_key.removeprefix('labctl_')} file",
                entries.mark,
                _GIVEN.get(version_key, "") + "a protocol begins with labctl: 1",
            )
            return None
        if (kind := other_file(entries)) is not None:
            message = f"wanted labctl: 1 and steps, found the keys of a {kind} file without its version"
            version = any(key.text == "labctl" for key, _ in entries.entries)
            hint = f"write labctl_{kind}: 1 in place of labctl: 1" if version else f"begin with labctl_{kind}: 1"
            self.report("file.kind", message, entries.mark, hint)
            return None
        entries, slips = to_the_margin(entries, FILE, "the file")
        for slip in slips:
            self.report("yaml.indent", *slip)
        limited = any(key.text == "limits" for key, _ in entries.entries)
        nodes = self.keys(entries, FILE, "a protocol", LIMITED_FILE_WORDS if limited else FILE_WORDS)
        meant = {name: value for key, value in entries.entries if (name := meant_key(key.text)) not in nodes}
        nodes |= {name: value for name, value in meant.items() if name == "steps"}  # read on as it was meant
        self.names_lost = len(nodes) < len(entries.entries)
        if "labctl" in nodes or "labctl" not in meant:
            self._version(nodes.get("labctl"), entries)
        self.name_all(nodes.get("params"))
        steps = self.steps(nodes.get("steps"))
        if "steps" not in nodes and not self._lost(entries):
            self.report("key.missing", "wanted steps in a protocol, found none", entries.mark, STEPS_HINT)
        return self._whole(nodes, steps)

    def _whole(self, nodes: Mapping[str, Node], steps: tuple[Item, ...]) -> Protocol:
        return Protocol(
            file=self.document.file,
            text=self.document.text,
            children=steps,
            name=self.text(nodes.get("name")),
            about=self.text(nodes.get("about")),
            source=self.text(nodes.get("source")),
            parameters=self._parameters(nodes.get("params")),
            requires=self._requires(nodes.get("requires")),
            record=self.record(nodes.get("record")),
            limits=self.limits(nodes.get("limits")),
            interruption=self._interruption(nodes.get("on_interruption")),
            analyses=self.analyses(nodes.get("analyse")),
        )

    @staticmethod
    def _root_hint(root: Node) -> str:
        hint = "begin with labctl: 1"
        return f"{hint} and put the list below steps:" if isinstance(root, Items) else hint

    @staticmethod
    def _lost(entries: Entries) -> bool:
        return any(
            key.text == BROKEN or (isinstance(value, Scalar) and value.text == BROKEN) for key, value in entries.entries
        )

    def _version(self, node: Node | None, entries: Entries) -> None:
        if node is None:
            self.report(
                "file.version",
                "wanted labctl: 1, found no version of the language",
                entries.mark,
                "begin with labctl: 1",
            )
            return
        scalar = self.scalar(node, "labctl: 1")
        if scalar is not None and scalar.text != "1":
            hint = "this labctl knows version 1" if scalar.text.isdigit() else "write labctl: 1"
            self.report(
                "file.version", f"wanted version 1 of the language, found {clip(scalar.text)!r}", scalar.mark, hint
            )

    def _parameters(self, node: Node | None) -> tuple[Parameter, ...]:
        entries = self.entries(node, "names and defaults below params", "for example params: {rate: C/10}")
        self.names_lost = self.names_lost or (entries is None and node is not None)
        parameters: list[Parameter] = []
        for key, value in entries.entries if entries else ():
            if key.text == BROKEN or not self.named(key, {}):
                continue
            parameters.append(Parameter(key.text, self._default(value, key.text), key.mark))
        return tuple(parameters)

    def _default(self, node: Node, name: str) -> Value | None:
        if isinstance(node, Scalar) and (node.text in {"required", BROKEN} and not node.style):
            return None
        return self.value(node, name)

    def _requires(self, node: Node | None) -> Requires:
        entries = self.entries(
            node, "what the cell must be, in braces", _own_kind(node) or "for example requires: {cell: full}"
        )
        if entries is None:
            return Requires()
        values = self.keys(
            entries, REQUIRES, "requires", {"kind": "did you mean cell?", "voltage": "did you mean ocv?"}
        )
        kinds = tuple(
            kind
            for scalar in self.each_scalar(values.get("cell"), "a kind of cell")
            if (kind := self.choice(scalar, CELL_KINDS, words_of_kinds(scalar))) is not None
        )
        return Requires(kinds, self.positions(values.get("ocv"), REQUIRES["ocv"], "the range of ocv"), entries.mark)

    def _interruption(self, node: Node | None) -> WrittenInterruption | None:
        entries = self.entries(node, "what an outage does, in braces", f"for example {FILE['on_interruption'].example}")
        if entries is None:
            return None
        values = self.keys(
            entries,
            INTERRUPTION,
            "on_interruption",
            {"then": "did you mean else?", "resume_within": "did you mean continue_within?"},
        )
        otherwise = self.choice(
            values.get("else"),
            INTERRUPTION["else"].choices,
            {
                **dict.fromkeys(("continue", "resume"), "write else: ask, and raise continue_within"),
                "abort": "write stop",
                "hold": "write ask",
            },
        )
        within = self.by_key(values.get("continue_within"), INTERRUPTION["continue_within"])
        return WrittenInterruption(within, "stop" if otherwise == "stop" else "ask", entries.mark)
