"""The kill loop in its short form; `python -m tests.crash.kill --kills 200` is the long one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the rig forks its daemons")
@pytest.mark.timeout(300)
def test_a_few_kills_lose_nothing(seed):
    words = [sys.executable, "-m", "tests.crash.kill", "--kills", "6", "--seed", str(seed)]
    found = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "6 kills" in found.stdout
