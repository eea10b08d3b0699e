"""easy-biologic against our library with EClib's interface: another reading of its structures, flags and rows."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from labctl_simulators.models import load_model
from labctl_simulators.wire.biologic import MODELS, EmulatedBioLogic, PotentiostatChannel
from labctl_simulators.wire.eclib import build


@pytest.mark.parametrize("kind", ["vmp300", "vmp3"])
def test_easy_biologic_drives_our_library(bench, tmp_path, kind):
    cell = load_model("marquis2019")
    line = bench.socket(EmulatedBioLogic([PotentiostatChannel(cell, MODELS[kind][1])], kind))
    bench.speed = 20.0
    script = str(Path(__file__).with_name("biologic_elsewhere.py"))
    words = [sys.executable, script, str(build(tmp_path)), f"127.0.0.1:{line}", str(tmp_path)]
    told = json.loads(subprocess.run(words, capture_output=True, check=True, timeout=50).stdout)
    assert told["kind"] == f"KBIO_DEV_{kind.upper()}"
    assert told["channels"] == [True] + 15 * [False]
    rest, driven = told["ocv"], told["cp"]
    assert [row["time"] for row in rest] == pytest.approx([0.5 * number for number in range(7)], abs=1e-4)
    assert [row["time"] for row in driven] == pytest.approx([0.5 * number for number in range(11)], abs=1e-4)
    assert [row["current"] for row in driven] == pytest.approx(11 * [1e-3], rel=1e-6)
    before = rest[-1]["voltage"]
    assert [row["voltage"] for row in rest] == pytest.approx(7 * [before], abs=1e-5)
    assert before < driven[0]["voltage"] < driven[-1]["voltage"] < before + 1e-3
