"""SCPI as instruments hear it: short and long forms, optional nodes, compound commands, an error queue.

Facts: IEEE 488.2 and SCPI-1999 volume 1, sections 5 and 6 (program headers, path rules of compound commands).
"""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

Handler = Callable[[str], str | None]

NODE = re.compile(r"(\[)?:?([A-Z]+)([a-z]*)(\d*)(\])?")


@dataclass(frozen=True, slots=True)
class HeaderNode:
    """One node of a header: its short and long form, and whether it may be left out."""

    short: str
    long: str
    optional: bool

    def accepts(self, word: str) -> bool:
        """Tell whether a word as sent names this node; a suffix `1` is the default and may stand or not."""
        bare = word.upper()
        bare = bare[:-1] if bare.endswith("1") and not self.short.endswith("1") else bare
        return bare in {self.short, self.long}


def nodes(pattern: str) -> tuple[HeaderNode, ...]:
    """Read a header as manuals print it: `:SOURce:CURRent[:LEVel][:IMMediate][:AMPLitude]`."""
    parts = []
    for part in re.findall(r"\[:?[A-Za-z*]+\d*\]|:?[A-Za-z*]+\d*", pattern):
        optional = part.startswith("[")
        word = part.strip("[]:")
        short = "".join(letter for letter in word if not letter.islower())
        parts.append(HeaderNode(short, word.upper(), optional))
    return tuple(parts)


def matches(pattern: tuple[HeaderNode, ...], words: list[str]) -> bool:
    """Tell whether the words of a header, optional nodes left out or not, are this pattern."""
    if not pattern:
        return not words
    head, rest = pattern[0], pattern[1:]
    if words and head.accepts(words[0]) and matches(rest, words[1:]):
        return True
    return head.optional and matches(rest, words)


class Commands:
    """The command tree of one instrument.

    `on(pattern, handler)` registers a command; a pattern that ends in `?` is a query. Handlers get the parameter text and
    return a reply or None. An unknown header puts -113 into the error queue and answers nothing, as the standard says.
    """

    def __init__(self) -> None:
        """Begin with an empty tree and an empty error queue."""
        self.errors: deque[tuple[int, str]] = deque(maxlen=10)
        self._table: list[tuple[tuple[HeaderNode, ...], bool, Handler]] = []

    def on(self, pattern: str, handler: Handler) -> None:
        """Register a command or query."""
        self._table.append((nodes(pattern.rstrip("?")), pattern.endswith("?"), handler))

    def execute(self, line: str) -> list[str]:
        """Run one line, which may hold several commands, and return the replies."""
        replies, path = [], list[str]()
        for unit in split(line, ";"):
            header, _, parameters = unit.strip().partition(" ")
            if not header:
                continue
            words, path = resolve(header, path)
            reply = self._run(words, header.endswith("?"), parameters.strip())
            if reply is not None:
                replies.append(reply)
        return replies

    def _run(self, words: list[str], query: bool, parameters: str) -> str | None:
        for pattern, is_query, handler in self._table:
            if is_query == query and matches(pattern, words):
                try:
                    return handler(parameters)
                except ValueError:
                    self.errors.append((-224, "Illegal parameter value"))
                    return None
        self.errors.append((-113, "Undefined header"))
        return None


def resolve(header: str, path: list[str]) -> tuple[list[str], list[str]]:
    """Return the full words of a header in a compound line, and the path for the next one.

    After `;` a header without a leading colon goes on from the last node but one; `*` commands leave the path alone.
    """
    bare = header.rstrip("?")
    if bare.startswith("*"):
        return [bare], path
    words = [word for word in bare.split(":") if word]
    full = words if bare.startswith(":") else [*path, *words]
    return full, full[:-1]


def split(text: str, separator: str) -> list[str]:
    """Split outside quotes."""
    parts, quote, begin = [], "", 0
    for at, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter == separator:
            parts.append(text[begin:at])
            begin = at + 1
    return [*parts, text[begin:]]


def boolean(text: str) -> bool:
    """Read ON, OFF, 1, 0.

    Raises:
        ValueError: It is none of them.
    """
    word = text.strip().upper()
    if word not in {"ON", "OFF", "1", "0"}:
        raise ValueError(text)
    return word in {"ON", "1"}
