"""What YAML makes of a chemist's hand: why a line is not YAML, in words, and how to write it."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

import yaml

from labctl.document import BROKEN, Document, Finding, Mark, clip

MOST_DASHES: Final = 500  # that are reported, one by one
MOST_OF_LINE: Final = 1000  # characters that the rules look at
TEXT_KEYS: Final = frozenset({"name", "about", "source", "say", "mark", "prompt", "basis", "label"})

_KEY: Final = re.compile(r"^(\s*(?:- +)*)([A-Za-z_][\w.]*|\"[^\"]*\")\s*:(?=\s)")
_UNIT_OUTSIDE: Final = re.compile(r"\[([^\[\]]*)\]\s*([A-Za-zµμΩ°%][\w/^µμΩ°²⁻%-]*)")
_COMPARISON: Final = re.compile(r"(?:^\s*(?:- +)*|[:{,]\s*)(\w+)\s*:\s*(>=?)\s*([-+$.\d][^,}#]*)")
_BARS: Final = re.compile(r"\|\s*([A-Za-z/]+)\s*\|")
_BRACED: Final = re.compile(r"\$\{\s*([^{}]*?)\s*\}")
_JINJA: Final = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_TWO_COLONS: Final = re.compile(r"^\s*(?:- +)*([A-Za-z_]\w*): +(.*:(?:\s.*|$))")
_INDICATOR: Final = re.compile(r"(?:[:\[,]|-)\s+([@`%])(\S*)")
_NO_SPACE: Final = re.compile(r"^\s*(?:-\s+)?([A-Za-z_]\w*):([^\s:/][^:]*)$")
_LIST_AFTER_KEY: Final = re.compile(r"(\w+):\s+-\s+(.*)")


def diagnose(document: Document, error: yaml.MarkedYAMLError, lines: list[str]) -> tuple[Finding, int]:
    """Return what is wrong at a syntax error, and the line (from 0) to set aside."""
    line = _blamed(error, lines)
    for rule in _RULES:
        found = rule(lines[line][:MOST_OF_LINE])
        if found:
            column, code, message, hint = found
            return _at(document, line, column, code, message, hint), line
    if line and (match := _NO_SPACE.match(lines[line - 1][:MOST_OF_LINE])):
        text = f"{match[1]}: {match[2].strip()}"
        return _at(document, line - 1, match.start(1), *_colon(match[1], text)), line - 1
    return _plain(document, error, line), line


_DASHED: Final = re.compile(
    r"^ *([–—•])[ \u00a0]+(?=(?:rest|charge|discharge|strip|plate|hold|lsv|cv|profile|eis|bend|temperature|prompt|mark|name"
    r"|repeat|each|if|use|steps):)",
    re.MULTILINE,
)


_NO_BREAK: Final = re.compile(
    r"^[ -]*(?:[A-Za-z_]\w*:)?([\u00a0\u2007\u202f\u3000]+)[ \u00a0]*(?=[^\s#])", re.MULTILINE
)
_WIDE: Final = re.compile("[\uff1a\uff0c]")
_PLAIN: Final = str.maketrans({"\uff1a": ": ", "\uff0c": ", ", **dict.fromkeys("\u00a0\u2007\u202f\u3000", " ")})
_SPACES: Final = {"\u00a0": "one that does not break", "\u202f": "one that does not break", "\u3000": "a wide one"}
_SLIPS: Final = {
    "-": ("yaml.dash", "wanted - before a step", "write a plain hyphen: - "),
    " ": ("yaml.lookalike", "wanted a plain space", "it came with a pasted text: type the spaces again"),
    ": ": ("yaml.lookalike", "wanted a plain colon", "write : and a space"),
    ", ": ("yaml.lookalike", "wanted a plain comma", "write , and a space"),
}


def straighten(document: Document) -> str:
    """Return the text with plain characters for those that only look like them where YAML wants one, each reported."""
    text = document.text
    if text.isascii():
        return text
    begin, line, counted, parts = 0, 0, 0, []
    for at, found in sorted(_slips(text)):
        right = "-" if found in "–—•" else found[0].translate(_PLAIN)
        line, counted = line + text.count("\n", counted, at), at
        code, wanted, hint = _SLIPS[right]
        said = _SPACES.get(found[0], "another space") if found[0].isspace() else repr(found)
        column = at - text.rfind("\n", 0, at) - 1
        document.findings.append(_at(document, line, column, code, f"{wanted}, found {said}", hint))
        parts += [text[begin:at], right * (len(found) if right == " " else 1)]
        begin = at + len(found)
    return "".join((*parts, text[begin:]))


def _slips(text: str) -> Iterator[tuple[int, str]]:
    """Give offset and characters of every dash, space, colon and comma that is none to YAML, up to a number of them."""
    for pattern in (_DASHED, _NO_BREAK):
        yield from ((match.start(1), match[1]) for match in islice(pattern.finditer(text), MOST_DASHES))
    yield from (
        (match.start(), match[0]) for match in islice(_WIDE.finditer(text), MOST_DASHES) if _divides(text, match)
    )


def _divides(text: str, match: re.Match[str]) -> bool:
    """Tell whether a wide colon or comma stands where a plain one would divide keys and values."""
    before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()][-MOST_OF_LINE:]
    inside = before.count("{") > before.count("}") and before.count('"') % 2 == 0
    if match[0] == "\uff1a":
        key = r"(?: *(?:- *)*|.*[{,\uff0c] *)[A-Za-z_]\w*" if inside else r" *(?:- *)*[A-Za-z_]\w*"
        return re.fullmatch(key, before) is not None
    return inside and re.match(r" *[A-Za-z_]\w* *[:\uff1a]", text[match.end() : match.end() + 80]) is not None


def set_aside(lines: list[str], line: int) -> bool:
    """Replace the value on a line, or the line itself the second time; False when nothing is left to replace."""
    text = lines[line]
    if "\t" in text[: len(text) - len(text.lstrip())]:
        lines[line] = text.expandtabs(2)
        return True
    match = _KEY.match(text[:MOST_OF_LINE])
    if match and BROKEN not in text:
        lines[line] = f"{match[1]}{match[2]}: {BROKEN}"
        return True
    lines[line] = ""
    return bool(text)


def _blamed(error: yaml.MarkedYAMLError, lines: list[str]) -> int:
    """Return the line that the user got wrong: where an unclosed bracket or quote began, else where reading stopped."""
    problem = error.problem_mark.line if error.problem_mark else 0
    context = error.context_mark.line if error.context_mark else problem
    wording = error.context or ""
    if any(word in wording for word in ("flow", "quoted", "simple key", "block scalar")):
        problem = context
    line = min(problem, len(lines) - 1)
    while line and not lines[line].strip():
        line -= 1
    return line


def _at(document: Document, line: int, column: int, code: str, message: str, hint: str) -> Finding:
    return document.finding(code, message, Mark(document.file, line + 1, column + 1), hint)


_Found = tuple[int, str, str, str] | None


def _tab(text: str) -> _Found:
    indent = text[: len(text) - len(text.lstrip())]
    if "\t" not in indent:
        return None
    return (
        indent.index("\t"),
        "yaml.tab",
        "wanted spaces in front of a line, found a tab",
        "use two spaces for each level",
    )


def _unit_outside(text: str) -> _Found:
    match = _UNIT_OUTSIDE.search(text)
    if match is None:
        return None
    items = ", ".join(f"{item.strip()} {match[2]}" for item in match[1].split(","))
    message = f"wanted a unit at each number, found {clip(match[0])!r}"
    return match.start(2), "yaml.unit_outside", message, f"write [{items}]"


def _comparison(text: str) -> _Found:
    match = _COMPARISON.search(text)
    if match is None:
        return None
    example = f"{match[1]}: voltage {match[2]} {match[3].strip()}"
    message = f"wanted the quantity first, found {clip(match[2] + ' ' + match[3])!r}"
    return match.start(2), "yaml.folded", message, f"`>` alone begins a folded text in YAML: write {example}"


def _bars(text: str) -> _Found:
    match = _BARS.search(text)
    if match is None:
        return None
    hint = f"write abs({match[1]})"
    if match[1] in {"current", "power", "capacity", "I"}:
        hint = f"write {'current' if match[1] == 'I' else match[1]}: it is a magnitude already"
    return match.start(), "yaml.bars", f"wanted a quantity, found {clip(match[0])!r}", hint


def _braced(text: str) -> _Found:
    match = _JINJA.search(text) or _BRACED.search(text)
    if match is None:
        return None
    name = match[1]
    hint = f"write ${name}" if name.isidentifier() else f"write $({name})"
    return match.start(), "yaml.braces", f"wanted a reference, found {clip(match[0])!r}", hint


def _indicator(text: str) -> _Found:
    match = _INDICATOR.search(text)
    if match is None:
        return None
    message = f"wanted a value, found {match[1]!r}, which cannot begin one in YAML"
    return match.start(1), "yaml.indicator", message, f'quote it: "{match[1]}{match[2]}"'


def _list_after_key(text: str) -> _Found:
    match = _LIST_AFTER_KEY.search(text)
    if match is None or text.lstrip().startswith("#"):
        return None
    if re.match(r"\.?\d", match[2]):
        message = f"wanted a number after the sign, found a space in {clip('- ' + match[2])!r}"
        return match.start(2) - 2, "unit.number", message, f"write -{clip(match[2])}"
    hint = f"put `- {clip(match[2])}` on a line of its own below, indented, or write {match[1]}: [{clip(match[2])}]"
    return match.start(2) - 2, "yaml.list", f"wanted a value after {match[1]!r}, found a list item", hint


def _two_colons(text: str) -> _Found:
    match = _TWO_COLONS.match(text)
    if match is None or match[2].startswith(("{", "[", '"', "'")):
        return None
    inner = match[2].index(":")
    if match[1] in TEXT_KEYS:
        hint = f'quote a text that has a colon: {match[1]}: "{clip(match[2], 60)}"'
        return (
            match.start(2) + inner,
            "yaml.colon_in_text",
            f"wanted one text for {match[1]!r}, found a second colon",
            hint,
        )
    hint = f"put inner keys in braces: {match[1]}: {{{clip(match[2].rstrip(), 60)}}}"
    return match.start(2) + inner, "yaml.two_colons", f"wanted one value for {match[1]!r}, found a second colon", hint


def _closed_twice(text: str) -> _Found:
    """Find the bracket that closes nothing, of a line without quotes and comments."""
    if re.search(r"['\"#]", text):
        return None
    opened: list[str] = []
    for at, character in enumerate(text):
        if character in "{[":
            opened.append({"{": "}", "[": "]"}[character])
        elif character in "}]" and (not opened or opened.pop() != character):
            return (
                at,
                "yaml.bracket",
                f"wanted a {character} only where one was opened, found one too many",
                "remove it",
            )
    return None


def _hyphen(text: str) -> _Found:
    match = re.match(r"\s*-([A-Za-z_]\w*:(?:\s.*)?)$", text)
    if match is None:
        return None
    return match.start(1) - 1, "yaml.hyphen", "wanted a space after the hyphen, found none", f"write - {clip(match[1])}"


def _comma(text: str) -> _Found:
    match = re.search(r"\{[^{}]*?\w+: +[^,{}\[\]:\"']*?[^,{}\[\]:\"'\s] +([A-Za-z_]\w*): ", text)
    if match is None:
        return None
    message = f"wanted a comma before {match[1] + ':'!r}, found none"
    return match.start(1), "yaml.bracket", message, "put a comma between entries"


def _apostrophe(text: str) -> _Found:
    match = re.search(r"(?:[:\[{,]|-)\s+'[^']*'(?=[^\s,}\]#'])", text)
    if match is None:
        return None
    hint = "put the text in double quotes, or write the apostrophe twice"
    return (
        match.end() - 1,
        "yaml.quote",
        "wanted the end of a text in single quotes, found an apostrophe inside it",
        hint,
    )


def _no_space(text: str) -> _Found:
    match = _NO_SPACE.match(text)
    return (match.start(1), *_colon(match[1], f"{match[1]}: {match[2].strip()}")) if match else None


def _colon(key: str, text: str) -> tuple[str, str, str]:
    return "yaml.colon", f"wanted a space after {key + ':'!r}, found none", f"write {clip(text, 60)}"


_RULES: Final = (
    _tab,
    _braced,
    _unit_outside,
    _comparison,
    _bars,
    _indicator,
    _hyphen,
    _list_after_key,
    _comma,
    _two_colons,
    _apostrophe,
    _closed_twice,
    _no_space,
)

_PROBLEMS: Final = (
    (
        "flow sequence",
        "yaml.bracket",
        "wanted , or ] in the list that begins here",
        "close it with ], and put a comma between items",
    ),
    (
        "flow mapping",
        "yaml.bracket",
        "wanted , or } in the braces that begin here",
        "close them with }, and put a comma between entries",
    ),
    (
        "quoted scalar",
        "yaml.quote",
        "wanted the closing quote of the text that begins here",
        "inside double quotes \\ is special; use single quotes",
    ),
    (
        "mapping values",
        "yaml.indent",
        "wanted a key on the level of those above, found one indented deeper",
        "a key that has a value on its own line cannot have keys below",
    ),
    (
        "simple key",
        "yaml.colon_missing",
        "wanted `key: value`, found a text without a colon",
        "write key: value; continue a long text indented below its key",
    ),
    (
        "block sequence",
        "yaml.indent",
        "wanted - in front of this line, as in those above",
        "steps are list items: begin each with - ",
    ),
    (
        "block collection",
        "yaml.indent",
        "wanted - in front of this line, as in those above",
        "steps are list items: begin each with - ",
    ),
    (
        "block mapping",
        "yaml.indent",
        "wanted a key on the level of those above, found something else",
        "check the indentation and the brackets of this line",
    ),
    (
        "sequence entries",
        "yaml.list",
        "wanted a value, found a list item",
        "put list items on lines of their own",
    ),
    (
        "block scalar",
        "yaml.block",
        "wanted a line break after | or >, found more text",
        "quote a text that begins with | or >",
    ),
)


def _plain(document: Document, error: yaml.MarkedYAMLError, line: int) -> Finding:
    wording = f"{error.context or ''} {error.problem or ''}"
    opened = "that begin" in wording or "flow" in wording or "quoted" in wording
    place = error.context_mark if opened and error.context_mark else error.problem_mark
    column = (
        place.column if place and place.line == line else len(document.lines[line]) - len(document.lines[line].lstrip())
    )
    if "mapping values" in wording:
        column = len(document.lines[line]) - len(document.lines[line].lstrip())
    for words, code, message, hint in _PROBLEMS:
        if words in wording:
            return _at(document, line, column, code, message, hint)
    return _at(
        document,
        line,
        column,
        "yaml.syntax",
        f"wanted YAML, found what cannot be read: {clip(wording.strip(), 80)}",
        "",
    )
