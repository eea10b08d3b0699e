"""What other programs call the keys of a protocol file, and where they belong here."""

import re
from collections.abc import Mapping
from typing import Final

from labctl.protocol.keys import VERBS

FILE_WORDS: Final[Mapping[str, str]] = {
    "version": "write labctl: 1",
    **dict.fromkeys(
        (f"step{gap}{number}" for gap in ("", "_") for number in range(1, 31)),
        "a step has no number: below steps: each begins with - and its verb, - rest: 2 h; a name goes into name:",
    ),
    "parameters": "did you mean params?",
    "inputs": "did you mean params?",
    "vars": "did you mean params?",
    "title": "did you mean name?",
    "description": "did you mean about?",
    "comment": "did you mean about?",
    **dict.fromkeys(
        ("author", "operator", "user", "date", "project", "lab", "institute", "owner"),
        "write it into about:, a text for people",
    ),
    "citation": "did you mean source?",
    "cell": "the cell is a file of its own, given with --cell; write requires: {cell: full} here",
    "sample": "the cell is a file of its own, given with --cell; write requires: {cell: full} here",
    "safety": "did you mean limits?",
    "limit": "did you mean limits?",
    "recording": "did you mean record?",
    "log": "did you mean record?",
    "method": "did you mean steps?",
    "protocol": "did you mean steps?",
    "experiment": "did you mean steps?",
    "analysis": "did you mean analyse?",
    "analyze": "did you mean analyse?",
    "analyses": "did you mean analyse?",
    "repeat": "repeat belongs to a block in steps",
    **dict.fromkeys(
        ("cycles", "loops", "n_cycles", "cycle"), "write a block in steps: repeat: 10, cycle: true and steps: below it"
    ),
    "use": "use belongs to a step: - use: activation",
    "stop_if": "stop_if belongs to a block in steps",
    "abort_if": "abort_if belongs to a block in steps",
    "channel": "the channel is named when the protocol is started: labctl start FILE --channel CH",
    "labctl_cell": "this is a cell file: give it with --cell",
    **dict.fromkeys(
        (
            "area",
            "active_mass",
            "mass",
            "loading",
            "capacity",
            "nominal",
            "film_thickness",
            "electrolyte_thickness",
            "thickness",
            "kind",
            "model",
            "reference",
            "chemistry",
        ),
        "that belongs to the cell file, which is given with --cell; labctl new cell cell.yaml writes one",
    ),
    **dict.fromkeys(
        ("voltage", "voltage_range", "voltage_limits", "voltage_window", "window", "potential_range"),
        "write limits: {voltage: [2.5 V, 4.3 V]}",
    ),
    **dict.fromkeys(("current", "current_range", "current_limits"), "write limits: {current: [-1 mA, 1 mA]}"),
    **dict.fromkeys(("temperature", "temperature_range"), "write limits: {temperature: [10 degC, 60 degC]}"),
}

OF_THE_FILE: Final[Mapping[str, str]] = {
    key: f"{key} is a key of the file: write it at the left margin, beside steps:"
    for key in ("analyse", "params", "requires", "limits", "on_interruption", "about", "source", "labctl")
}
"""Of keys that stand in a step or block."""

LIMITED_FILE_WORDS: Final[Mapping[str, str]] = {
    word: hint.replace("write limits: {", "it belongs into the limits that are there: {")
    for word, hint in FILE_WORDS.items()
}
"""Of a file that has its limits already."""

USE_NAMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("cycling", "cycle", "gcd", "galvanostatic"), "galvanostatic-cycling"),
    **dict.fromkeys(("cccv", "cc-cv", "cccv-charge"), "cccv-cycling"),
    **dict.fromkeys(("hppc", "pulses", "ir", "resistance"), "dcir"),
    **dict.fromkeys(("cv", "cva", "voltammetry"), "cyclic-voltammetry"),
    **dict.fromkeys(("peis", "impedance"), "eis"),
    **dict.fromkeys(("rate", "rate-capability", "c-rate"), "rate-test"),
    **dict.fromkeys(("ccd", "critical-current-density"), "ccd-time-constant"),
    **dict.fromkeys(("storage", "calendar"), "self-discharge"),
}
"""What protocols of the library are also called."""
BLOCKS_NOT_FILES: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("formation", "form", "formieren", "formierung"), "write a block with cycle: formation, and its steps below"
    ),
    **dict.fromkeys(("check", "check-up", "checkup", "rpt"), "write a block with cycle: check, and its steps below"),
    **dict.fromkeys(
        ("loop", "repeat", "cycles"), "write a block: repeat: 20, cycle: true below it, and steps: below that"
    ),
}
"""What is a block and no file."""
_REQUIRED: Final = re.compile(r"^requires:.*?\bcell:\s*(\[[^\]]*\]|\w+)", re.MULTILINE | re.DOTALL)


def not_a_file(word: str) -> str:
    """Return the hint at a used name that is a verb, or ""."""
    return f"{word} is a verb and no file: write {VERBS[word].example}" if word in VERBS else ""


def required_kinds(text: str) -> frozenset[str]:
    """Return the kinds of cell that the text of a protocol requires; none where it says nothing of them."""
    match = _REQUIRED.search(text)
    return frozenset(re.findall(r"\w+", match[1])) if match else frozenset()
