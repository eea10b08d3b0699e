"""Every bad file of the corpus is answered by the messages pinned beside it; `tests/corpus/pin.py` writes them."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from labctl.protocol.catalogue import CODES

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
