"""Files that are no YAML of this project: those of other programs, tables, and pages around a file that was copied."""

import re
from typing import Final

from labctl.finding import Mark
from labctl.text.nodes import Document

HEAD: Final = 8192  # characters that are looked at
_PROTOCOL: Final = "labctl import FILE --protocol OUT.yaml makes a protocol of it"
_RECORDING: Final = "labctl import FILE takes it into the journal as a run"
_FENCE: Final = re.compile(r"\s*(```|~~~)\s*[A-Za-z]*\s*")
_SIGNS: Final = (
    (r"(EC-LAB|BT-LAB) SETTING FILE", "an EC-Lab settings file", _PROTOCOL),
    (r"(EC-Lab|BT-Lab) ASCII FILE", "a recording of EC-Lab", _RECORDING),
    (r"BIO-LOGIC MODULAR FILE", "a binary recording of EC-Lab", _RECORDING),
    (r"PAR1", "a Parquet table", _RECORDING),
    (r"PK\x03\x04", "a ZIP archive, as Excel and Neware write them", "a protocol is a text; " + _RECORDING),
    (r"(?=[\s\S]*<MaccorTestProcedure)\s*<", "a Maccor procedure", _PROTOCOL),
    (r"(?=[\s\S]*<root)(?=[\s\S]*Step_?(Info|File))\s*<", "a Neware step file", _PROTOCOL),
    (r"\s*<(!doctype html|html)", "a web page", "save the text of the file itself, not the page around it"),
    (r"\{\\rtf", "a text of a word processor (RTF)", "save it as plain text, UTF-8, with the ending .yaml"),
    (r"\s*<\?xml", "an XML file", "Neware and Maccor procedures: " + _PROTOCOL),
    (r"(?=[\s\S]*\"@context\")\s*\{", "a BattINFO workflow", _PROTOCOL),
    (r"(?=[\s\S]*\"unicycler\")\s*\{", "an aurora-unicycler protocol", _PROTOCOL),
    (r"(?=[\s\S]*\"nbformat\")\s*\{", "a notebook", "a PyBaMM experiment saved as .py: " + _PROTOCOL),
    (r"(?=[\s\S]*Schedule)\[[\w ]+\]\s*\n\w+ *=", "an Arbin schedule", "none is read: write it anew with labctl new"),
    (r"(?=[^\n]*(Rec#|Cyc#))", "a recording of Maccor", _RECORDING),
)
_PYBAMM: Final = re.compile(r"^(?:import pybamm|from pybamm|\w{1,40} *= *pybamm\.)", re.MULTILINE)
_SIGN: Final = tuple((re.compile(sign, re.IGNORECASE), what, hint) for sign, what, hint in _SIGNS)
_CELL: Final = r'(?:"[^"\n]*"|[^\n,;\t:]*)'
_TABLE: Final = re.compile(
    rf"(?P<head>{_CELL}(?P<part>[,;\t]){_CELL}(?:(?P=part){_CELL})*)\n(?=[^\n]*\d)[-+\d.,;\teE ]+(?:\n|$)"
)


def foreign(head: bytes) -> tuple[str, str] | None:
    """Return what a file is that begins so, and what to do with it; None of one that may be YAML."""
    text = head[:HEAD].decode("latin-1").replace("\r\n", "\n").removeprefix("\xef\xbb\xbf")
    if re.search(r"^labctl\w*\s*:", text, re.MULTILINE):
        return None
    for sign, what, hint in _SIGN:
        if sign.match(text):
            return what, hint
    if _PYBAMM.search(text):
        return "a PyBaMM script", _PROTOCOL
    if _TABLE.match(text):
        return (
            "a table",
            "a profile names it: - profile: {file: FILE, positive: discharge}; of a recording, " + _RECORDING,
        )
    return None


def without_fences(document: Document, lines: list[str]) -> None:
    """Blank the fences of Markdown, and what stands outside of the first pair, reporting the first fence."""
    fences = [at for at, text in enumerate(lines) if _FENCE.fullmatch(text)]
    inside = range(fences[0] + 1, fences[1] if len(fences) > 1 else len(lines)) if fences else range(0)
    before = fences and any(re.match(r"(?:labctl\w*|steps):", text) for text in lines[: fences[0]])
    if not fences or (before and len(fences) > 1):
        return
    inside = range(fences[0]) if before else inside
    shown = f"line {fences[0] + 1}" if len(fences) == 1 else f"lines {fences[0] + 1} and {fences[1] + 1}"
    around = any(text.strip() for at, text in enumerate(lines) if at not in inside and at not in fences)
    hint = f"leave {shown} out" + (", and all that stands outside of them" if around else "")
    sign = lines[fences[0]].strip()
    message = f"wanted the file alone, found {sign!r}, a fence of the page that it was copied from"
    document.findings.append(document.finding("yaml.fence", message, Mark(document.file, fences[0] + 1, 1), hint))
    for at in range(len(lines)):
        lines[at] = lines[at] if at in inside else ""
