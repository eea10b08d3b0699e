"""YAML text as nodes with positions, bounded in size, and the findings that point into it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A place: name of the file, line and column from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        """Return `file:line:column`."""
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong at a place.

    Attributes:
        code: Stable code, explained by `labctl explain`.
        message: One sentence: what was wanted, what was found.
        mark: Where.
        hint: What to do, or "".
        line: The text of the line, for the caret.
        severity: Errors refuse the file, warnings do not.
    """

    code: str
    message: str
    mark: Mark
    hint: str = ""
    line: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        """Return the finding as people read it: place, code, sentence, line with a caret, hint."""
        return f"{self.mark}: {self.severity}[{self.code}]: {self.message}"
