"""Characters that only look like those that YAML wants: dashes, spaces, colons and commas of other keyboards and of print."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from labctl.finding import Mark
from labctl.text.nodes import Document

MOST_DASHES: Final = 500  # that are reported, one by one
MOST_OF_LINE: Final = 1000  # characters of a line that are looked at

_BULLETS: Final = (
    "\u2013\u2014\u2022*+\u00b7\u2010\u2011\u2012\u2015\u2212\uff0d\u30fb\u2192"
    "\u25a0\u25a1\u25aa\u25cb\u25cf\u25e6\u2023\u2610\u2713"
)
_DASHED: Final = re.compile(
    rf"^ *([{_BULLETS}]|-{{1,2}}>|--|>|[a-z]\)|\(\d{{1,3}}\)|\d{{1,3}}[.):])[ \u00a0]+(?=(?:rest|charge|discharge|strip|plate"
    r"|hold|lsv|cv|profile|eis|bend|temperature|prompt|mark|name|repeat|each|if|use|steps):)",
    re.MULTILINE,
)
_NO_BREAK: Final = re.compile(
    r"^[ -]*(?:[A-Za-z_]\w*:)?([\u00a0\u2007\u202f\u3000]+)[ \u00a0]*(?=[^\s#])", re.MULTILINE
)
_WIDE: Final = re.compile("[\uff1a\uff0c\u3001]")
_BRACKETS: Final = re.compile("[\uff5b\uff5d\uff3b\uff3d]")
_NARROW: Final = {"\uff5b": "{", "\uff5d": "}", "\uff3b": "[", "\uff3d": "]"}
_PLAIN: Final = str.maketrans(
    {"\uff1a": ": ", "\uff0c": ", ", "\u3001": ", ", **dict.fromkeys("\u00a0\u2007\u202f\u3000", " ")}
)
_PLAIN_ONES: Final = frozenset("\uff1a\uff0c\u3001\u00a0\u2007\u202f\u3000\uff5b\uff5d\uff3b\uff3d")
_SPACES: Final = {"\u00a0": "one that does not break", "\u202f": "one that does not break", "\u3000": "a wide one"}
_SLIPS: Final = {
    "-": ("yaml.dash", "wanted - before a step", "write a plain hyphen: - "),
    " ": ("yaml.lookalike", "wanted a plain space", "it came with a pasted text: type the spaces again"),
    ": ": ("yaml.lookalike", "wanted a plain colon", "write : and a space"),
    ", ": ("yaml.lookalike", "wanted a plain comma", "write , and a space"),
    **{sign: ("yaml.lookalike", "wanted a plain bracket", f"write {sign}") for sign in "{}[]"},
}


def straighten(document: Document) -> str:
    """Return the text with plain characters for those that only look like them where YAML wants one, each reported."""
    text = document.text
    if text.isascii() and _DASHED.search(text) is None:
        return text
    begin, line, counted, parts = 0, 0, 0, []
    for at, sign in sorted(_slips(text)):
        dashed = sign[0] not in _PLAIN_ONES
        right = _NARROW.get(sign) or ("-" if dashed else sign[0].translate(_PLAIN))
        line, counted = line + text.count("\n", counted, at), at
        code, wanted, hint = _SLIPS[right]
        what = _SPACES.get(sign[0], "another space") if sign[0].isspace() else repr(sign)
        column = at - text.rfind("\n", 0, at) - 1
        mark = Mark(document.file, line + 1, column + 1)
        document.findings.append(document.finding(code, f"{wanted}, found {what}", mark, hint))
        parts += [text[begin:at], right.ljust(len(sign)) if dashed else right * (len(sign) if right == " " else 1)]
        begin = at + len(sign)
    return "".join((*parts, text[begin:]))


def _slips(text: str) -> Iterator[tuple[int, str]]:
    """Give offset and characters of every dash, space, colon and comma that is none to YAML, up to a number of them."""
    yield from ((match.start(), match[0]) for match in islice(_BRACKETS.finditer(text), MOST_DASHES))
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
        key = r"(?: *(?:- *)*|.*[{,\uff0c] *)[^\W\d]\w*" if inside else r" *(?:- *)*[^\W\d]\w*"
        return re.fullmatch(key, before) is not None
    return inside and re.match(r" *[A-Za-z_]\w* *[:\uff1a]", text[match.end() : match.end() + 80]) is not None
