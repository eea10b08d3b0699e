"""A YAML file as nodes with positions: scalars, lists and mappings, with what was wrong on the way."""

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from labctl.finding import Finding, Mark, Severity

BROKEN: Final = "\ue000"
"""Text of a scalar that stands where something was already reported: readers pass over it in silence."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text; `style` is "" where it is plain, else the quote or block indicator; `span` is its part of the source."""

    text: str
    mark: Mark
    style: str = ""
    span: tuple[int, int] = (0, 0)
    folded: bool = False  # the source has it on several lines

    @property
    def missing(self) -> bool:
        """Tell whether nothing was written where a value belongs."""
        return not self.style and not self.text

    def at(self, offset: int) -> Mark:
        """Return the place of a character of the text; the beginning where the source has it on several lines."""
        if (
            self.folded
            or self.style in {"|", ">"}
            or self.span[1] - self.span[0] - (2 if self.style else 0) != len(self.text)
        ):
            return self.mark
        return Mark(self.mark.file, self.mark.line, self.mark.column + offset + (1 if self.style else 0))


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple["Node", ...]
    mark: Mark
    flow: bool = False
    span: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Entries:
    """A mapping, in the order of the text."""

    entries: tuple[tuple[Scalar, "Node"], ...]
    mark: Mark
    flow: bool = False
    span: tuple[int, int] = (0, 0)


Node: TypeAlias = Scalar | Items | Entries


@dataclass(slots=True)
class Document:
    """A file as it was read: root node (None where there is none to speak of) and what was wrong on the way."""

    file: str
    text: str
    root: Node | None
    findings: list[Finding] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def finding(self, code: str, message: str, mark: Mark, hint: str = "", severity: Severity = "error") -> Finding:
        """Return a finding at a place of this document, with its line."""
        line = self.lines[mark.line - 1] if mark.file == self.file and mark.line <= len(self.lines) else ""
        return Finding(code, message, mark, hint, line, severity)
