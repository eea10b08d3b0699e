"""The examples of the catalogue do what it says: the wrong one has its code and no other error, the right one has none."""

from pathlib import Path

import pytest

from labctl.plan.check import check
from labctl.protocol.catalogue import CODES
from labctl.protocol.load import read

LIBRARY = Path(__file__).parents[3] / "protocols"


def library(name: str) -> str | None:
    path = LIBRARY / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


def whole(text: str) -> str:
    if text.startswith("- "):
        return "labctl: 1\nsteps:\n" + "".join(f"  {line}\n" for line in text.splitlines())
    head = "" if text.startswith("labctl") else "labctl: 1\n"
    tail = "" if "\nsteps:" in text or text.startswith("steps") else "\nsteps:\n  - rest: 1 h\n"
    return head + text + tail


@pytest.mark.parametrize("code", [code for code, entry in CODES.items() if entry.wrong])
def test_wrong_example_has_its_code_and_no_other(code: str):
    assert {finding.code for finding in check(read(whole(CODES[code].wrong), "wrong.yaml", library))} == {code}


@pytest.mark.parametrize("code", [code for code, entry in CODES.items() if entry.right])
def test_right_example_is_right(code: str):
    found = check(read(whole(CODES[code].right), "right.yaml", library))
    beside = {"params.unused", "profile.missing", "analyse.nothing"} - {code}  # a key alone lacks what it is for
    assert {finding.code for finding in found} <= beside
