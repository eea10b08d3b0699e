"""The kept documents of the parameter files are those of the files as they stand."""

import json
from binascii import crc32
from pathlib import Path

import pytest

from labctl_simulators import parameters

HERE = Path(parameters.__file__).parent


@pytest.mark.parametrize("name", parameters.names())
def test_what_is_kept_is_what_the_file_says(name):
    lines = (HERE / "parsed.jsonl").read_text(encoding="utf-8").splitlines()
    kept = {entry[0]: entry[1:] for entry in map(json.loads, lines)}
    text = (HERE / f"{name}.yaml").read_text(encoding="utf-8")
    of, document = kept[name]
    assert of == crc32(text.encode()), "run python -m labctl_simulators.parameters"
    assert document == parameters.compose(text)


def test_a_file_that_is_not_kept_is_composed(monkeypatch, tmp_path):
    monkeypatch.setattr(parameters, "_PARSED", str(tmp_path / "parsed.jsonl"))
    without = parameters.read("voc1").values
    (tmp_path / "parsed.jsonl").write_text('["voc1",0,{}]\n', encoding="utf-8")
    stale = parameters.read("voc1").values
    monkeypatch.undo()
    assert without == stale == parameters.read("voc1").values
