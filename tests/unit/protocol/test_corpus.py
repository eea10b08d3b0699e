"""Every bad file of the corpus is answered by the messages pinned beside it; `tests/corpus/pin.py` writes them."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from labctl.inputs import beside
from labctl.plan.check import check
from labctl.protocol.catalogue import CODES
from labctl.protocol.load import read

CORPUS = Path(__file__).parents[2] / "corpus"


def _pin() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pin", CORPUS / "pin.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pin = _pin()
FILES = pin.bad_files()


def test_the_corpus_is_large():
    assert len(FILES) >= 150


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_bad_file_has_its_messages(path: Path):
    assert pin.rendered(path) == path.with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_finding_has_a_place_a_sentence_and_a_known_code(path: Path):
    findings = pin.findings(path)
    assert findings
    for finding in findings:
        assert finding.mark.line >= 1
        assert finding.mark.column >= 1
        assert finding.code in CODES
        assert finding.message.startswith("wanted ")
        assert not finding.message.endswith(".")
        meant = re.fullmatch(r"did you mean (.+)\?", finding.hint)
        assert meant is None or f"found {meant[1]!r}" not in finding.message


def test_wrong_hints():
    """A millicoulomb is no thousandfold rate, a result is no parameter, and a table of voltages is one."""
    source = (
        "labctl: 1\nsteps:\n  - rest: 10 min\n  - charge: {current: C/10, until: dT/dt > 1 K/min over 1 min, for: 20 h}\n"
        "  - charge: {current: 1 mC, to: 4.1 V, for: 1 h}\n"
        "  - charge: {current: $(discharge_capacity / 3), to: 4.1 V, for: 20 h}\n  - profile: {file: v.csv, positive: charge}\n"
    )
    table = "time / s,voltage / V\n0,3.8\n60,3.9\n"
    found = check(read(source, "hints.yaml", lambda name: table if name == "v.csv" else None))
    assert [(one.mark.line, one.code) for one in found] == [
        (5, "unit.rate"),
        (6, "name.unknown"),
        (7, "profile.beside"),
    ]
    assert "write 1 mA for a current, 0.001C for a rate" in found[0].hint
    assert "nominal: {from: discharge_capacity" in found[1].hint
    assert "leave positive out" in found[2].hint


@pytest.mark.parametrize(
    ("kind", "name", "hint"),
    [
        ("full", "ccd", "labctl new lists the protocols of the library"),
        ("full", "activations", "labctl new lists the protocols of the library"),
        ("symmetric", "activations", "did you mean activation?"),
        ("symmetric", "ccd", "did you mean ccd-time-constant?"),
        ("symmetric", "formation", "write a block with cycle: formation, and its steps below"),
    ],
)
def test_no_file_is_proposed_that_takes_no_such_cell(kind: str, name: str, hint: str, tmp_path: Path):
    source = f"labctl: 1\nrequires: {{cell: {kind}}}\nsteps:\n  - use: {name}\n"
    assert [one.hint for one in check(read(source, "t.yaml", beside(tmp_path)))] == [hint]


PROPOSED = re.compile(r"(?:write|did you mean) ([^;,?\"]+)\??")
EXPLAINED = re.compile(r": (?:it|the|there|\w is|with|and) |\bwith (?:a|steps)\b|in place of|^a |only looks")
NOT_ALONE = {
    **dict.fromkeys(
        ("resistance-in-r", "spread-of-voltage", "braces-in-flow-reference"), "something else is wrong there"
    ),
    **dict.fromkeys(("current-as-voltage", "voltage-as-current"), "another key is then missing"),
    **dict.fromkeys(("use-with-a-path", "use-with-a-space"), "the library is not beside the corpus"),
    "conditions-with-a-comma": "quotes stand around it",
}
"""Files whose proposal is right and not all that is to be done at its place."""


def _with_proposal(line: str, at: int, old: str, new: str):
    """Give a line with what a hint proposes in place of a value, of a comparison, of an entry, or of all that stands in braces."""
    entry, part = re.compile(r",|\}|\]|$").search(line, at), re.compile(r" or | and |,|\}|$").search(line, at)
    assert entry is not None
    assert part is not None
    begins = [
        line.rfind(sign, 0, at) + len(sign) for sign in ("{", "- ", ", ", ": ", " or ", " and ") if sign in line[:at]
    ]
    begins += [at, len(line) - len(line.lstrip())]
    for begin in sorted(set(begins), reverse=True):
        for end in sorted({at + len(old), part.start(), entry.start(), len(line.rstrip())}):
            yield line[:begin] + new + line[end:]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_a_hint_proposes_is_taken_at_its_place(path: Path):
    if path.parent.name in {"cells", "stations"} or path.stem in NOT_ALONE:
        return
    known = pin.findings(path)
    for one in known:
        proposal, wrong = PROPOSED.fullmatch(one.hint), re.search(r"found '([^']+)'", one.message)
        if not proposal or not wrong or one.mark.file != path.name or EXPLAINED.search(proposal[1]):
            continue
        lines = path.read_bytes().decode().split("\n")
        line, at = lines[one.mark.line - 1], one.mark.column - 1
        if line[at:].startswith(wrong[1]):
            others = {(each.code, each.message) for each in known if each != one}
            assert any(
                _errors(path, [*lines[: one.mark.line - 1], new, *lines[one.mark.line :]], one.mark.line) <= others
                for new in _with_proposal(line, at, wrong[1], proposal[1])
            ), one


def _errors(path: Path, lines: list[str], number: int) -> set[tuple[str, str]]:
    """Return code and message of each error in one line of a text."""
    found = check(read("\n".join(lines), path.name, pin.beside))
    return {(one.code, one.message) for one in found if one.severity == "error" and one.mark.line == number}
