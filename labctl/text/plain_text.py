"""Texts that begin with a sign that begins something else in YAML: `name: [A3] coin`, `about: *best* cell`."""

import re
from typing import Final

from labctl.finding import clip
from labctl.text.bracket_hints import Found

TEXT_KEYS: Final = frozenset({"name", "about", "source", "say", "mark", "prompt", "basis", "label"})

_TEXT: Final = re.compile(rf"\s*(?:- +)*({'|'.join(sorted(TEXT_KEYS))}): +(.*?)\s*")
_PARTS: Final = re.compile(
    r"(?:^|[{,])\s*(?:- +)*(until|hold_until|stop_if|abort_if|if)\s*:\s*([\"'])([^\"']*)\2\s+(and|or)\s+([\"'])([^\"']*)\5"
)
_BEGINS: Final = re.compile(
    r"[*&!@%`?,]|- |\[[^\[\]]*\]\s*[^\s#]|\{[^{}]*\}\s*[^\s#]|\"[^\"]*\"\s*[^\s#]|'[^']*'\s+[^\s#]"
)


def quoted(text: str) -> str:
    """Return a text in quotes that YAML leaves as it is."""
    return f"'{text}'" if '"' in text or "\\" in text else f'"{text}"'


def to_be_quoted(line: str) -> Found:
    """Find a person's text that begins with a bracket or a sign of YAML, on a line that is no YAML."""
    match = _TEXT.fullmatch(line)
    if match is None or (begin := _BEGINS.match(match[2])) is None:
        return None
    if '"' in match[2] and "'" in match[2]:
        return None
    sign = begin[0][0]
    message = f"wanted a text for {match[1]!r}, found one that begins with {sign}, which is special in YAML"
    code = "yaml.quote" if sign in "[{\"'" else "yaml.indicator"
    return match.start(2), code, message, f"quote it: {match[1]}: {quoted(clip(match[2], 80))}"


def quoted_parts(line: str) -> Found:
    """Find a condition whose comparisons are quoted one by one, with `and` or `or` between the quotes."""
    match = _PARTS.search(line)
    if match is None:
        return None
    message = f"wanted one text, found two in quotes with {match[4]} between"
    return match.start(4), "yaml.quote", message, f"quote none of it: {match[1]}: {match[3]} {match[4]} {match[6]}"
