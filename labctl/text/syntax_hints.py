"""What YAML makes of a chemist's hand: why a line is not YAML, in words, and how to write it."""

import html
import re
from typing import Final

import yaml

from labctl.finding import Finding, Mark, clip
from labctl.text.bare_pairs import of_row
from labctl.text.block_hints import (
    braces_below,
    comment_above,
    comment_of_others,
    dash_left_out,
    ends_open,
    level_of,
    of_the_file,
    one_too_deep,
    quote_above,
    spaces_for_tab,
    steps_left_out,
    too_far_in,
    too_far_out,
    without_colon,
)
from labctl.text.bracket_hints import Found, after_braces, closed_twice, comma, no_value, two_commas
from labctl.text.nodes import BROKEN, Document
from labctl.text.plain_text import TEXT_KEYS, quoted_parts, to_be_quoted

MOST_OF_LINE: Final = 1000  # characters that the rules look at
MOST_SHOWN: Final = 60  # characters of a line in a hint

_INDENT: Final = re.compile(r"[ \t]*(?:-[ \t]+)?")
_KEY: Final = re.compile(r"^(\s*(?:- +)*)([A-Za-z_][\w.]*|\"[^\"]*\")\s*:(?=\s)")
_UNIT_OUTSIDE: Final = re.compile(r"\[([^\[\]]*)\]\s*([A-Za-zµμΩ°%][\w/^µμΩ°²⁻%-]*)")
_COMPARISON: Final = re.compile(r"(?:^\s*(?:- +)*|[:{,]\s*)(\w+)\s*:\s*(>=?)\s*([-+$.\d][^,}#]*)")
_BARS: Final = re.compile(r"\|\s*([^|{}\[\]#\"']*[^|{}\[\]#\"'\s])\s*\|")
_BRACED: Final = re.compile(r"\$\{\s*([^{}]*?)\s*\}")
_JINJA: Final = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_TWO_COLONS: Final = re.compile(r"^\s*(?:- +)*([A-Za-z_]\w*): +(.*:(?:\s.*|$))")
_INDICATOR: Final = re.compile(r"(?:[:\[,]|-)\s+([@`%])(\S*)")
_NO_SPACE: Final = re.compile(r"^\s*(?:-\s+)?([A-Za-z_]\w*):([{\[].*|[^\s:/][^:]*)$")
_LIST_AFTER_KEY: Final = re.compile(r"(\w+):\s+-\s+(.*)")


def diagnose(document: Document, error: yaml.MarkedYAMLError, lines: list[str]) -> tuple[Finding, int]:
    """Return what is wrong at a syntax error, and the line (from 0) to set aside."""
    line = _blamed(error, lines)
    place = error.problem_mark
    if place is not None and place.line == line and (above := quote_above(lines, line, place.column)) is not None:
        return _at(document, *above, *_PROBLEMS[2][1:]), above[0]
    if (bare := without_colon(document, lines, line)) is not None:
        return bare
    if "flow" not in (error.context or "") and (
        moved := of_the_file(document, lines, line)
        or steps_left_out(document, lines, line)
        or too_far_in(document, lines, line)
        or braces_below(document, lines, line)
        or dash_left_out(document, lines, line)
        or too_far_out(document, lines, line)
    ):
        return moved
    if (comment := comment_above(lines, line)) is not None:
        return comment_of_others(document, lines, comment), comment
    for rule in _RULES:
        slip = rule(lines[line][:MOST_OF_LINE])
        if slip:
            column, code, message, hint = slip
            hint = spaces_for_tab(document, lines, line) if code == "yaml.tab" else hint
            return _at(document, line, column, code, message, hint), line
    if "flow" not in (error.context or "") and (deeper := one_too_deep(lines, line)) is not None:
        return _at(document, line, *deeper), line
    if line and (match := _NO_SPACE.match(lines[line - 1][:MOST_OF_LINE])):
        return _at(document, line - 1, *_colon(match)), line - 1
    return _plain(document, error, line, lines), line


def set_aside(document: Document, lines: list[str], line: int) -> bool:
    """Replace the value on a line, or the line itself the second time; False when nothing is left to replace."""
    text = lines[line]
    if behind := re.match(r"( *-)[ \t]*\t[ \t]*(?=\S)", text):
        lines[line] = f"{behind[1]} {text[behind.end() :]}"
        return True
    if "\t" in text[: len(text) - len(text.lstrip())]:
        level = level_of(document, lines, line)
        lines[line] = text.expandtabs(2) if level is None else " " * level + text.lstrip()
        return True
    if _NO_SPACE.match(text[:MOST_OF_LINE]):
        lines[line] = text.replace(":", ": ", 1)
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


def _tab(text: str) -> Found:
    indent = _INDENT.match(text)
    if indent is None or "\t" not in indent[0]:
        return None
    where = "behind the hyphen" if "-" in indent[0][: indent[0].index("\t")] else "in front of a line"
    return indent[0].index("\t"), "yaml.tab", f"wanted spaces {where}, found a tab", "use two spaces for each level"


def _unit_outside(text: str) -> Found:
    match = _UNIT_OUTSIDE.search(text)
    if match is None:
        return None
    items = ", ".join(f"{item.strip()} {match[2]}" for item in match[1].split(","))
    message = f"wanted a unit at each number, found {clip(match[0])!r}"
    return match.start(2), "yaml.unit_outside", message, f"write [{items}]"


def _comparison(text: str) -> Found:
    match = _COMPARISON.search(text)
    if match is None:
        return None
    example = f"{match[1]}: voltage {match[2]} {match[3].strip()}"
    message = f"wanted the quantity first, found {clip(match[2] + ' ' + match[3])!r}"
    return match.start(2), "yaml.folded", message, f"`>` alone begins a folded text in YAML: write {example}"


def _bars(text: str) -> Found:
    match = _BARS.search(text)
    if match is None:
        return None
    hint = f"write abs({match[1]})"
    if re.match(r"[-+.\d]", match[1]):
        hint = f"the verb gives the direction, values are magnitudes: write {match[1].lstrip('+-')}"
    elif match[1] in {"current", "power", "capacity", "I"}:
        hint = f"write {'current' if match[1] == 'I' else match[1]}: it is a magnitude already"
    return match.start(), "yaml.bars", f"wanted a quantity, found {clip(match[0])!r}", hint


def _braced(text: str) -> Found:
    match = _JINJA.search(text) or _BRACED.search(text)
    if match is None:
        return None
    name = match[1]
    hint = f"write ${name}" if name.isidentifier() else f"write $({name})"
    return match.start(), "yaml.braces", f"wanted a reference, found {clip(match[0])!r}", hint


def _indicator(text: str) -> Found:
    match = _INDICATOR.search(text)
    if match is None:
        return None
    message = f"wanted a value, found {match[1]!r}, which cannot begin one in YAML"
    hint = f'quote it: "{match[1]}{match[2]}"'
    key = re.search(r"(\w+):\s*$", text[: match.start(1)])
    name = re.match(r"([@%`])([A-Za-z_]\w*)\1?(?=[,}\]\s]|$)", text[match.start(1) :])
    if name is not None and (key is None or key[1] not in TEXT_KEYS):
        hint = f'of a parameter write ${name[2]}; a text in quotes: "{name[0]}"'
    if number := re.match(r"@ *(-?\d[^,}\]#]*)", text[match.start(1) :]):
        hint = f"leave the @ out: write {number[1].strip()}"
    return match.start(1), "yaml.indicator", message, hint


def _entity(text: str) -> Found:
    match = re.search(r"(?:[:\[,{]|-)\s+(&#?\w{1,10};)", text)
    if match is None or (shown := html.unescape(match[1])) == match[1]:
        return None
    message = f"wanted {shown.strip() or 'a space'}, found {match[1]}, which a web page shows as that"
    return match.start(1), "yaml.indicator", message, f"write {shown} in its place, and of others like it on this line"


def _list_after_key(text: str) -> Found:
    match = _LIST_AFTER_KEY.search(text)
    if match is None or text.lstrip().startswith("#"):
        return None
    if re.match(r"\.?\d", match[2]):
        message = f"wanted a number after the sign, found a space in {clip('- ' + match[2])!r}"
        return match.start(2) - 2, "unit.number", message, f"write -{clip(match[2])}"
    hint = f"put `- {clip(match[2])}` on a line of its own below, indented, or write {match[1]}: [{clip(match[2])}]"
    return match.start(2) - 2, "yaml.list", f"wanted a value after {match[1]!r}, found a list item", hint


_CURLY: Final = " \u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"


def _two_colons(text: str) -> Found:
    match = _TWO_COLONS.match(text)
    if match is None or match[2].startswith(("{", "[", '"', "'")):
        return None
    inner = match[2].index(":")
    if match[1] in TEXT_KEYS:
        hint = f'quote a text that has a colon: {match[1]}: "{clip(match[2].strip(_CURLY), 60)}"'
        return (
            match.start(2) + inner,
            "yaml.colon_in_text",
            f"wanted one text for {match[1]!r}, found a second colon",
            hint,
        )
    if another := re.search(r"\s(-\s+[a-z_]+: .*)", match[2]):
        message = f"wanted one step on a line, found another behind {match[1]!r}"
        return (
            match.start(2) + another.start(1),
            "yaml.list",
            message,
            f"put it on a line of its own: {clip(another[1])}",
        )
    if (count := re.fullmatch(r"(\d+)\s*:\s*", match[2])) and match[1] == "repeat":
        hint = f"write {match[1]}: {count[1]}, and steps: on the next line, as far to the right as {match[1]}"
        return (
            match.start(2) + inner,
            "yaml.two_colons",
            f"wanted one value for {match[1]!r}, found a second colon",
            hint,
        )
    inside = re.sub(r"^[(<](.*)[)>]$", r"\1", match[2].rstrip())
    hint = f"put inner keys in braces: {match[1]}: {{{clip(inside, 60)}}}"
    return match.start(2) + inner, "yaml.two_colons", f"wanted one value for {match[1]!r}, found a second colon", hint


def _hyphen(text: str) -> Found:
    match = re.match(r"\s*-([A-Za-z_]\w*:(?:\s.*)?)$", text)
    if match is None:
        return None
    return match.start(1) - 1, "yaml.hyphen", "wanted a space after the hyphen, found none", f"write - {clip(match[1])}"


def _apostrophe(text: str) -> Found:
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


def _no_space(text: str) -> Found:
    match = _NO_SPACE.match(text)
    return _colon(match) if match else None


def _colon(match: re.Match[str]) -> tuple[int, str, str, str]:
    text = f"{match[1]}: {match[2].strip()}"
    hint = f"{'write' if len(text) <= MOST_SHOWN else 'put a space after the colon:'} {clip(text, MOST_SHOWN)}"
    return match.start(1), "yaml.colon", f"wanted a space after {match[1] + ':'!r}, found none", hint


_RULES: Final = (
    _tab,
    _braced,
    to_be_quoted,
    quoted_parts,
    _unit_outside,
    _comparison,
    _bars,
    _indicator,
    _entity,
    after_braces,
    _hyphen,
    _list_after_key,
    comma,
    _two_colons,
    _apostrophe,
    two_commas,
    no_value,
    closed_twice,
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
        "close it at the end of the text, on the same line",
    ),
    (
        "document start",
        "yaml.documents",
        "wanted one document, found more after a line `...`, which ends one in YAML",
        "remove the line `...`, or write # in front of it",
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
        "write key: value; continue a long text indented below its key; begin a comment with #",
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


def _plain(document: Document, error: yaml.MarkedYAMLError, line: int, lines: list[str]) -> Finding:
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
            if "escape" in wording and error.problem_mark is not None:
                return _at(document, line, *_escaped(lines[line], error.problem_mark.column))
            if code == "yaml.bracket" and (closing := ends_open(lines, line)):
                return _at(document, line, column, code, message, f"end line {line + 1} with {closing}")
            told = (of_row(lines[line]) if code == "yaml.colon_missing" else "") or hint
            return _at(document, line, column, code, message, told)
    text = document.lines[line][column : column + 1]
    what = f"{text!r}, which cannot stand here" if text.strip() else "what cannot stand here"
    return _at(
        document, line, column, "yaml.syntax", f"wanted a key, a value or a list item, found {what}", _quote_it(text)
    )


def _escaped(text: str, column: int) -> tuple[int, str, str, str]:
    """Return what is said of a backslash in double quotes: of a path that / stands there too."""
    begin = text.rfind("\\", 0, column + 1)
    quoted = re.match(r'[^"]*', text[text.rfind('"', 0, begin) + 1 :])
    inner = clip(quoted[0]) if quoted else ""
    message = f"wanted plain letters in double quotes, found {clip(text[begin : begin + 2])}, which is special there"
    path = re.search(r"\bfile: *\"", text[:begin]) is not None
    hint = f'write "{inner.replace(chr(92), "/")}"' if path else f"write it in single quotes: '{inner}'"
    return begin, "yaml.quote", message, hint


def _quote_it(text: str) -> str:
    return (
        f"quote a text that begins with {text}"
        if text in {"|", "@", "`", "%", "!", "&", "*", "'", '"'}
        else ("check the brackets, quotes and indentation of this line and of the one above")
    )
