"""Words that are nearly right: the nearest known one, and letters that only look like those of a plain keyboard."""

import unicodedata
from collections.abc import Iterable
from typing import Final, NamedTuple

_CYRILLIC: Final = dict(zip("АВЕЗКМНОРСТУХаеорсухіјѕһԁ", "ABE3KMHOPCTYXaeopcyxijshd", strict=True))
_GREEK: Final = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧοιν", "ABEZHIKMNOPTYXoiv", strict=True))
_LETTERS: Final = _CYRILLIC | _GREEK
_STYLED: Final = ("FULLWIDTH ", "MATHEMATICAL ")


class Lookalike(NamedTuple):
    """The first letter of a text that only looks like a plain one.

    Attributes:
        at: Its offset.
        words: The letter, named: `the Cyrillic letter С`.
        plain: The whole text in plain letters.
    """

    at: int
    words: str
    plain: str


def lookalike(text: str) -> Lookalike | None:
    """Return the first letter or digit that only looks like a plain one, and the text with plain ones; None without any."""
    if text.isascii():
        return None
    plain = "".join(_plain(letter) for letter in text)
    at = next((at for at, letter in enumerate(text) if _plain(letter) != letter), None)
    return None if at is None else Lookalike(at, _named(text[at]), plain)


def _plain(letter: str) -> str:
    if letter in _LETTERS:
        return _LETTERS[letter]
    if unicodedata.name(letter, "").startswith(_STYLED):
        return unicodedata.normalize("NFKC", letter)
    return letter


def _named(letter: str) -> str:
    script = unicodedata.name(letter).split()[0]
    what = "digit" if letter.isdigit() else "letter" if letter.isalpha() else "character"
    kind = {"FULLWIDTH": "full-width", "CYRILLIC": "Cyrillic", "GREEK": "Greek"}.get(script, "mathematical")
    return f"the {kind} {what} {letter}"


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return the known word that is nearest to one that is not known, or "" where none is as near as `cutoff` (0 to 1).

    The one did-you-mean of the house: whoever proposes a word asks here.
    """
    import difflib  # noqa: PLC0415 - for a mistake alone

    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)), "")


def alike(word: str, known: Iterable[str], most: int = 6) -> str:
    """Return the known words that hold a word of three letters or more, or the nearest one: `a, b or c`; "" where none is."""
    known = list({each.removesuffix(".yaml"): each for each in known}.values())
    short = word.strip().lower().removesuffix(".yaml")
    holding = [each for each in known if len(short) > 2 and short in each.lower() and short != each.lower()]
    holding = holding if len(holding) <= most else []
    words = holding or [close for close in (nearest(word, known),) if close]
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else "".join(words)
