"""Numbers with signs and letters that only look like digits and a decimal point: `4\u00b72 V`, `1O mA`, `1'000 mA`."""

import html
import re
import unicodedata
from collections.abc import Callable
from typing import Final

from labctl.lookalike import lookalike

_UNSEEN: Final = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
_SIGNS: Final = str.maketrans(
    {**dict.fromkeys(_UNSEEN), **dict.fromkeys("\u2215\u2044\u00f7\uff0f\u29f8", "/"), "\u2011": " "}
)
_POINTS: Final = re.compile(r"(?<=\d)\s?[\u00b7\u2022\u2027\u22c5\u2219\u3002\uff0e\u066b\u3001\u02d9]\s?(?=\d)")
_GROUPS: Final = re.compile(r"[-+]?\d{1,3}(?:['\u2019\u00b4`_\u2009\u202f]\d{3})+(?!\d)")
_LETTERS: Final = str.maketrans({"O": "0", "o": "0", "l": "1", "I": "1", "|": "1"})
_NUMBER: Final = re.compile(
    r"((?:C\s*/\s*)?[-+]?(?=[\d.OolI|]*\d|[lI|]\s)[\d.OolI|]*[OolI|][\d.OolI|]*)(?![A-Za-z])(.*)", re.DOTALL
)


def mistyped(text: str, reads: Callable[[str], bool]) -> str:
    """Return the hint at a number that is typed with other signs than digits and a point, "" of any other text.

    Args:
        text: As written.
        reads: Tells whether a text is what is wanted.
    """
    text = text.strip()
    if hint := _of_elsewhere(text, reads):
        return hint
    if (plain := text.translate(_SIGNS)) != text and reads(plain):
        unseen = next((f"U+{ord(sign):04X} in it is seen by nobody" for sign in text if sign in _UNSEEN), "")
        return f"write {plain}: {unseen or 'with a plain sign'}"
    if (
        lookalike(text) is None
        and not text.isascii()
        and (folded := unicodedata.normalize("NFKC", text)) != text
        and reads(folded)
    ):
        return f"write {folded}, each letter by itself"
    if reads(pointed := _POINTS.sub(".", text)) and pointed != text:
        return f"write {pointed} with a plain decimal point"
    if (groups := _GROUPS.match(text)) and reads(joined := re.sub(r"\D", "", groups[0]) + text[groups.end() :]):
        return f"no signs between the digits of a number: write {joined}"
    if (match := _NUMBER.fullmatch(text)) and reads(right := match[1].translate(_LETTERS) + match[2]) and right != text:
        letter = next(sign for sign in match[1] if sign in "OolI|")
        return f"write {right}: {letter} is no digit"
    return ""


def _of_elsewhere(text: str, reads: Callable[[str], bool]) -> str:
    """Return the hint at a value that came from a web page, a spreadsheet, a sentence or another encoding; or ""."""
    if (shown := html.unescape(text)) != text and reads(shown := shown.replace("\u00a0", " ")):
        return f"write {shown}, as the web page shows it"
    if (decoded := _decoded(text)) != text and reads(decoded):
        return f"write {decoded}: the text was read in another encoding than it was saved in"
    if text[-1:] in "\uff0c\u3002\uff1b\u3001\uff01" and reads(text[:-1].rstrip()):
        return f"leave {text[-1]} out: write {text[:-1].rstrip()}"
    if text[:1] == "=" and re.fullmatch(r"=[-+*/().\w\s$:]+", text):
        return "a formula of a spreadsheet is not reckoned here: write its value, or arithmetic with parameters as $(2 * name)"
    return ""


def _decoded(text: str) -> str:
    """Return a text that was saved as UTF-8 and read as the code page of Western Windows, `\u00c2\u00b5A`, as it was."""
    try:
        return text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return text
