"""What most likely was meant by words that a verb does not take."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from shlex import quote

from labctl.cli.terminal.option_hint import option_hint
from labctl.inputs import nearest

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
    **dict.fromkeys(("gui", "ui", "dashboard", "browser", "open"), "web (the pages)"),
    **dict.fromkeys(("monitor", "live", "tail", "top"), "watch"),
    **dict.fromkeys(("cells",), "models (the simulated ones), or new cell (a file for yours)"),
    **dict.fromkeys(("protocols", "library", "templates", "examples"), "new, which lists the protocols of the library"),
    **dict.fromkeys(("csv", "save", "dump", "download"), "export"),
    **dict.fromkeys(("load", "read", "upload"), "import (other makers' files), or start"),
    **dict.fromkeys(("estimate", "compile", "expand", "duration", "preview"), "plan"),
    **dict.fromkeys(("devices", "ports", "instruments", "scan", "detect"), "drivers, or doctor (what is found here)"),
    **dict.fromkeys(("view", "display", "info", "results"), "show"),
    **dict.fromkeys(("channels", "ps", "state"), "status"),
    **dict.fromkeys(("setup", "install", "config", "configure"), "new station, then doctor"),
    **dict.fromkeys(("why-error", "error", "errors", "code"), "explain"),
}
"""Verbs of other programs, and the one that does it here."""

OF_A_CELL = frozenset({"plan", "simulate", "start", "check", "queue"})
_FOR_SET = frozenset(
    {"--params", "--param", "--values", "--value", "--with", "--parameters", "--parameter", "-p", "-s"}
)
NEEDS_CELL = frozenset({"plan", "simulate"})
OF_A_CHANNEL = frozenset({"start", "plan", "check"})


def verb_hint(word: str, verbs: Sequence[str]) -> str:
    """Return which verb may have been meant by a word that is none, behind a semicolon; or ""."""
    if word.startswith("-"):
        return "; the verb stands first, its options behind it: labctl check FILE --cell CELL"
    if word.lower().endswith((".yaml", ".yml")):
        return f"; a file stands behind its verb: labctl check {word}, labctl simulate {word} --cell CELL"
    near = OTHER_WORDS.get(word.lower()) or nearest(word.lower(), verbs)
    return f"; did you mean {near}?" if near else ""


def usage_hint(verb: str, words: Sequence[str], known: Collection[str] = ()) -> str:
    """Return what to write for the words that a verb did not take, or ""; `known` are the options that it takes."""
    if hint := option_hint(verb, words, known):
        return hint
    if verb == "check" and not words:
        return "name what is checked: labctl check protocol.yaml, or a name of the library"
    if hint := _of_parameters(verb, words) or _of_places(verb, words):
        return hint
    if verb == "export" and any(re.fullmatch(r"(?:--format=)?\.?(?:xlsx?|excel|ods)", word.lower()) for word in words):
        return "Excel opens CSV: labctl export 1 --format csv -o run.csv; cycles and steps are CSV, too"
    if verb == "export" and not {"-o", "--output"} & set(words):
        file = next((word for word in _alone(words) if "." in word), "out.csv")
        return f"say into which file: labctl export {next((word for word in words if word.isdigit()), '1')} -o {file}"
    if verb in {"show", "analyse", "report", "replay", "verify"} and not _alone(words):
        return f"say which run: labctl {verb} 1; labctl runs lists them"
    if "--json" in words and (file := next((word for word in words if word.endswith(".json")), "")):
        return f"--json is printed: labctl {verb} ... --json > {file}"
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
        if len(given) > 1 and "=" not in given[0] and "=" not in given[1] and not given[1].startswith("-"):
            unit = given[2] if len(given) > 2 and _is_unit_behind(given[1], given[2]) else ""
            return f"one word: --set {quote(f'{given[0]}={given[1]} {unit}'.strip())}"
        if len(given) > 1 and _is_unit_behind(given[0].rpartition("=")[2], given[1]):
            return f"one word: --set {quote(f'{given[0]} {given[1]}')}"
    if verb not in OF_A_CELL:
        return ""
    if other := next((word for word in words if word.lower() in _FOR_SET), ""):
        return f"a parameter is given with --set NAME=VALUE, not with {other}"
    alone = next((word for word in _alone(words)[1:] if re.fullmatch(r"[A-Za-z_]\w*=.+", word)), "")
    return f"a parameter is given with --set: --set {alone}" if alone else ""


def _is_unit_behind(number: str, word: str) -> bool:
    """Tell whether a word is likely to be the unit of a number before it."""
    return bool(re.fullmatch(r"[-+\d.]+", number) and re.fullmatch(r"[A-Za-z%µ][\w/%]*", word))


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
