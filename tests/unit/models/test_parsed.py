"""The kept documents of the parameter files are those of the files as they stand."""

import json
from binascii import crc32
from pathlib import Path

import pytest

from labctl_simulators import parameters

HERE = Path(parameters.__file__).parent


@pytest.mark.parametrize("name", parameters.names())
def test_what_is_kept_is_what_the_file_says(name):
    kept = json.loads((HERE / "parsed.json").read_text(encoding="utf-8"))[name]
    text = (HERE / f"{name}.yaml").read_text(encoding="utf-8")
    assert kept["of"] == crc32(text.encode()), "run python -m labctl_simulators.parameters"
    assert kept["document"] == parameters.compose(text)
