"""What other programs leave in a file: the marks of git between two versions, and signs that a line goes on below."""

import re
from typing import Final

from labctl.finding import Finding, Mark, clip
from labctl.text.nodes import Document

MOST_OF_LINE: Final = 1000  # characters of a line that are looked at
_MARKER: Final = re.compile(r" *(<{7}|\|{7}|={7}|>{7})(?: .*)?")
_GOES_ON: Final = re.compile(r"([^#\"']*?[^#\"'\s])\s*(\.{3}|\u2026|\\|(?<=\s)&|(?<=\s)_|`)\s*")


_MARGIN: Final = re.compile(r"\s*[\d>+]")
_MARGINS: Final = (
    (
        re.compile(r" *\d+ ?[|:\u2502] ?|\d+[ \t]"),
        "a number",
        "a page or editor numbers its lines: copy the text without them",
    ),
    (re.compile(r"> ?"), ">", "a mail has it in front of what is quoted: remove it from every line"),
    (
        re.compile(r"[+] ?(?=\S| *$)|[+](?= +)"),
        "+",
        "a difference between two files has it: copy the text of the file itself",
    ),
)
_LAST: Final = frozenset(".\u2026\\&_`")

MOST_BRACKETS: Final = 20  # that are taken away
_BLOCK: Final = re.compile(r":\s+[|>][-+\d]* *$")
_CLOSING: Final = re.compile(r" *[\]}],? *")
_AROUND: Final = re.compile(r"( *(?:- +)*[A-Za-z_]\w*:) *([\[{]) *(?:#.*)?")


def margin(text: str, file: str) -> Finding | None:
    """Return what a page, a mail or a difference put in front of every line of a text; None of any other."""
    if not _MARGIN.match(text):
        return None
    lines = text.split("\n")
    written = [line for line in lines if line.strip()]
    for pattern, what, hint in _MARGINS:
        if len(written) < 3 or not all(pattern.match(line) for line in written):
            continue
        numbers = [int(digits[0]) for line in written if (digits := re.search(r"\d{1,9}", line)) is not None]
        if what != "a number" or numbers == sorted(set(numbers)):
            message = f"wanted the text of a file, found {what} in front of every line"
            return Finding("yaml.margin", message, Mark(file, 1, 1), hint, lines[0])
    return None


def without_conflicts(document: Document, lines: list[str]) -> None:
    """Blank the marks that git leaves around two versions that it could not join, and the second version; report each pair."""
    if "<<<<<<<" not in document.text and ">>>>>>>" not in document.text:
        return
    found = [(at, match[1][0]) for at, text in enumerate(lines) if (match := _MARKER.fullmatch(text)) is not None]
    if not any(sign in "<>" for _, sign in found):
        return
    pair: list[int] = []
    for at, sign in found:
        lines[at] = ""
        pair.append(at)
        if sign == ">" or at == found[-1][0]:
            _report_conflict(document, lines, pair)
            pair = []


def _report_conflict(document: Document, lines: list[str], marks: list[int]) -> None:
    """Report two versions of a part of the file, and keep the first of them."""
    numbers = [str(at + 1) for at in marks]
    shown = f"lines {', '.join(numbers[:-1])} and {numbers[-1]}" if len(numbers) > 1 else f"line {numbers[0]}"
    if len(marks) > 2:
        for at in range(marks[1], marks[-1]):
            lines[at] = ""
    message = "wanted one version of the file, found the marks of git around two that it could not join"
    hint = f"keep one of the two versions, and delete {shown}" if len(marks) > 2 else f"delete {shown}"
    document.findings.append(document.finding("yaml.conflict", message, Mark(document.file, marks[0] + 1, 1), hint))


def without_continuations(document: Document, lines: list[str]) -> None:
    """Take the sign away by which other languages say that a line goes on below, where braces or brackets are open; report it."""
    for at, text in enumerate(lines[:-1]):
        match = _GOES_ON.fullmatch(text[:MOST_OF_LINE]) if text.rstrip()[-1:] in _LAST else None
        if match is None or not _opens(match[1]):
            continue
        lines[at] = match[1]
        message = f"wanted the next entry, found {clip(match[2])!r} at the end of a line in braces"
        hint = f"leave {match[2]} out: what stands in braces goes on on the next line"
        if match[1][-1] not in "{[,":
            lines[at] += ","
            hint = f"write a comma in place of {match[2]}: what stands in braces goes on on the next line"
        document.findings.append(
            document.finding("yaml.continued", message, Mark(document.file, at + 1, match.start(2) + 1), hint)
        )


def _opens(text: str) -> bool:
    """Tell whether more braces or brackets are opened on a line than closed."""
    return sum(text.count(sign) for sign in "{[") > sum(text.count(sign) for sign in "}]")


def without_brackets(document: Document, lines: list[str]) -> None:
    """Take the brackets around list items away that have a line and a - each: YAML has either; report them, up to a number."""
    mended, deeper = 0, -1  # of a text in block style, how far in its key stands
    for at, text in enumerate(lines):
        level = len(text) - len(text.lstrip(" "))
        if not text.strip() or -1 < deeper < level:
            continue
        deeper = level if _BLOCK.search(text[-20:]) else -1
        opening = _AROUND.fullmatch(text[:MOST_OF_LINE]) if mended < MOST_BRACKETS else None
        below = next((each for each in lines[at + 1 : at + 20] if each.strip()), "") if opening else ""
        if opening is None or not re.match(r" *- ", below):
            continue
        mended += 1
        key = len(opening[1]) - len(opening[1].lstrip(" -"))  # inner brackets are closed farther in
        closed = (number for number in range(at + 1, len(lines)) if _CLOSING.fullmatch(lines[number]))
        end = next((number for number in closed if len(lines[number]) - len(lines[number].lstrip()) <= key), None)
        lines[at] = opening[1]
        closing = ""
        if end is not None:
            closing = f", and {lines[end].strip()} of line {end + 1}"
            lines[end] = ""
        message = f"wanted list items with a - each, or brackets around items, found both: {opening[2]}"
        mark = Mark(document.file, at + 1, opening.start(2) + 1)
        hint = f"take {opening[2]} away{closing}"
        document.findings.append(document.finding("yaml.bracket", message, mark, hint))
