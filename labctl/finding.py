"""What is wrong at a place of a file, as people and programs read it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

LINE_SHOWN: Final = 110

Severity: TypeAlias = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
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
        parts = [f"{self.mark}: {self.severity}[{self.code}]: {self.message}"]
        if self.line and not self.line.isspace():
            text, column = _window(self.line, self.mark.column)
            text = "".join(letter if letter.isprintable() or letter == "\t" else "\ufffd" for letter in text)
            number = str(self.mark.line)
            lead = "".join("\t" if letter == "\t" else " " for letter in text[: column - 1])
            parts += [f" {number} | {text}", f" {' ' * len(number)} | {lead}^"]
        if self.hint:
            parts.append(f"  hint: {self.hint}")
        return "\n".join(parts)

    def as_json(self) -> dict[str, str | int]:
        """Return the finding as a JSON object, for editors and MQTT."""
        return {
            "file": self.mark.file,
            "line": self.mark.line,
            "column": self.mark.column,
            "severity": self.severity,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "text": self.line[: 4 * LINE_SHOWN],
        }


def _window(line: str, column: int) -> tuple[str, int]:
    """Return the part of a long line around a column, and the column in it."""
    if len(line) <= LINE_SHOWN:
        return line, column
    begin = max(0, min(column - LINE_SHOWN // 2, len(line) - LINE_SHOWN))
    head, tail = ("..." if begin else ""), ("..." if begin + LINE_SHOWN < len(line) else "")
    return head + line[begin : begin + LINE_SHOWN] + tail, column - begin + len(head)


def clip(text: str, most: int = 40) -> str:
    """Return a text short enough for a message."""
    text = " ".join(text[: 4 * most].split())
    return text if len(text) <= most else text[: most - 3] + "..."


def with_lines(findings: Iterable[Finding], texts: Mapping[str, str]) -> tuple[Finding, ...]:
    """Return the findings in the order of their places, each with its line, from the texts of the files by name."""
    split = {name: text.splitlines() for name, text in texts.items()}
    ordered = sorted(findings, key=lambda finding: finding.mark)
    return tuple(finding if finding.line else replace(finding, line=_line(split, finding.mark)) for finding in ordered)


def _line(split: Mapping[str, list[str]], mark: Mark) -> str:
    lines = split.get(mark.file, [])
    return lines[mark.line - 1] if 0 < mark.line <= len(lines) else ""
