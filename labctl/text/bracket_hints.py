"""Brackets, braces and commas that are one too many, one too few, or have something behind them."""

import re
from typing import TypeAlias

from labctl.finding import clip

Found: TypeAlias = tuple[int, str, str, str] | None
"""Column, code, message and hint of what is wrong on a line."""


def two_commas(text: str) -> Found:
    """Find a comma behind a comma, or behind the bracket that opens."""
    match = re.search(r"[{\[][^\"'#]*?(,)\s*,|[{\[]\s*(,)", text)
    if match is None:
        return None
    column = match.start(1) if match[1] else match.start(2)
    return column, "yaml.bracket", "wanted one comma between entries, found one too many", "take one comma away"


def no_value(text: str) -> Found:
    """Find a key in braces whose colon touches what closes them: YAML wants a value, or a space."""
    match = re.search(r"[{,]\s*(\w+):(?=[}\]])", text)
    if match is None:
        return None
    return (
        match.start(1),
        "yaml.colon",
        f"wanted a value after {match[1] + ':'!r}, found none",
        f"write {match[1]}: with its value, or leave it out",
    )


def closed_twice(text: str) -> Found:
    """Find the bracket that closes nothing, of a line without quotes and comments."""
    if re.search(r"['\"#]", text):
        return None
    opened: list[str] = []
    for at, character in enumerate(text):
        if character in "{[":
            opened.append({"{": "}", "[": "]"}[character])
        elif character in "}]" and opened and opened[-1] != character:
            message = f"wanted {opened[-1]} to close what was opened, found {character}"
            return at, "yaml.bracket", message, f"write {opened[-1]} in its place"
        elif character in "}]" and (not opened or opened.pop() != character):
            return (
                at,
                "yaml.bracket",
                f"wanted a {character} only where one was opened, found one too many",
                "remove it",
            )
    return None


def after_braces(text: str) -> Found:
    """Find what stands behind the closing brace or bracket of a step: a comma, or a comment in another language's hand."""
    match = re.fullmatch(r"(\s*(?:- +)*(?:\w+: +)?[{\[].*[}\]])\s*(,|;|//|%|--)\s*(.*)", text.rstrip())
    if match is None or match[1].count("{") != match[1].count("}") or match[1].count("[") != match[1].count("]"):
        return None
    if not match[3] and match[2] == ",":
        hint = "take the comma away: items of a list stand on lines of their own"
        return match.start(2), "yaml.bracket", "wanted nothing behind the closing brace, found a comma", hint
    if match[2] == ",":
        if not match[3].startswith("{"):
            return None
        message = "wanted one step on a line, found another behind its closing brace"
        return match.start(2), "yaml.list", message, f"put it on a line of its own: - {clip(match[3])}"
    message = f"wanted a comment, found {clip(match[2] + ' ' + match[3])!r}"
    return match.start(2), "yaml.comment", message, f"a comment begins with a #: # {clip(match[3])}"


def comma(text: str) -> Found:
    """Find a key in braces with no comma in front of it."""
    match = re.search(r"\{[^{}]*?\w+: +[^,{}\[\]:\"']*?[^,{}\[\]:\"'\s] +([A-Za-z_]\w*): ", text)
    if match is None:
        return None
    message = f"wanted a comma before {match[1] + ':'!r}, found none"
    parted = text[: match.start(1)].rstrip().endswith(";")
    return (
        match.start(1),
        "yaml.bracket",
        message,
        f"put a comma {_parted(text) if parted else 'between entries'}",
    )


def _parted(text: str) -> str:
    """Return in place of which semicolons of a line commas are wanted."""
    many = len(re.findall(r";(?=\s*[A-Za-z_]\w*: )", text))
    return "in place of the ;" if many < 2 else f"in place of each of the {many} ;"
