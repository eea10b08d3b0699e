"""What most likely was meant by words that a verb does not take."""

import re
from collections.abc import Sequence
from pathlib import Path

OTHER_WORDS = {
    **dict.fromkeys(("run", "execute", "launch", "go", "begin"), "start (on a channel) or simulate (the dry run)"),
    **dict.fromkeys(("validate", "lint", "verify-protocol", "test", "parse"), "check"),
    **dict.fromkeys(("kill", "abort", "halt", "cancel", "end"), "stop"),
    **dict.fromkeys(("ls", "list", "history", "log", "logs"), "runs (what is stored), or status (what runs now)"),
    **dict.fromkeys(("continue", "unpause", "go-on"), "resume"),
    **dict.fromkeys(("dryrun", "dry-run", "dry", "sim"), "simulate"),
    **dict.fromkeys(("init", "template", "create"), "new"),
    **dict.fromkeys(("plot", "graph", "figure"), "report"),
    **dict.fromkeys(("analyze", "analysis"), "analyse"),
    **dict.fromkeys(("daemon", "server", "up"), "serve"),
    **dict.fromkeys(("next", "next-step"), "skip"),
    **dict.fromkeys(("ok", "answer", "yes"), "confirm"),
    **dict.fromkeys(("convert",), "import (other makers' files) or export"),
    **dict.fromkeys(("format",), "fmt"),
}
"""Verbs of other programs, and the one that does it here."""

OF_A_CELL = frozenset({"plan", "simulate", "start", "check", "queue"})
_FOR_SET = frozenset(
    {"--params", "--param", "--values", "--value", "--with", "--parameters", "--parameter", "-p", "-s"}
)
NEEDS_CELL = frozenset({"plan", "simulate"})
OF_A_CHANNEL = frozenset({"start", "plan", "check"})


def usage_hint(verb: str, words: Sequence[str]) -> str:
    """Return what to write for the words that a verb did not take, or ""."""
    if verb == "check" and not words:
        return "name what is checked: labctl check protocol.yaml, or a name of the library"
    if hint := _of_parameters(verb, words) or _of_places(verb, words):
        return hint
    if verb in NEEDS_CELL and not any(word.startswith("--ce") for word in words):
        protocol = next(iter(_alone(words)), "PROTOCOL")
        return f"say for which cell: labctl {verb} {protocol} --cell CELL; labctl new cell cell.yaml writes a cell file"
    return ""


def _of_parameters(verb: str, words: Sequence[str]) -> str:
    """Return how a parameter is given, where one of the words is likely to be one."""
    for at, word in enumerate(words):
        given = words[at + 1 : at + 4] if word == "--set" else ()
        if len(given) == 3 and given[1] == "=":
            return f"one word, without spaces: --set {given[0]}={given[2]}"
        if len(given) > 1 and "=" not in given[0] and "=" not in given[1]:
            return f"one word: --set {given[0]}={given[1]}"
    if verb not in OF_A_CELL:
        return ""
    if other := next((word for word in words if word.lower() in _FOR_SET), ""):
        return f"a parameter is given with --set NAME=VALUE, not with {other}"
    alone = next((word for word in _alone(words)[1:] if re.fullmatch(r"[A-Za-z_]\w*=.+", word)), "")
    return f"a parameter is given with --set: --set {alone}" if alone else ""


def _of_places(verb: str, words: Sequence[str]) -> str:
    """Return how a cell, a channel or a station is given, where one of the words is likely to be one."""
    for word in _alone(words)[1 if verb != "serve" else 0 :]:
        if verb == "serve" and word.endswith((".yaml", ".yml")):
            return f"the station file is given with --station: labctl serve --station {word}"
        if verb in OF_A_CELL and "--cell" not in words and _is_cell(word):
            return f"a cell is given with --cell: --cell {word}"
        if verb in OF_A_CHANNEL and re.fullmatch(r"[A-Za-z][\w-]{0,7}\d", word):
            return f"a channel is given with --channel: --channel {word}"
    return ""


def _alone(words: Sequence[str]) -> list[str]:
    """Return the words that are no option and no value of one."""
    return [
        word
        for before, word in zip(("", *words), words, strict=False)
        if not word.startswith("-") and not (before.startswith("--") and "=" not in before)
    ]


def _is_cell(word: str) -> bool:
    from labctl.inputs import library_names

    try:
        return "labctl_cell:" in Path(word).read_text(encoding="utf-8")[:4096]
    except (OSError, UnicodeDecodeError):
        return word in library_names("cells")
