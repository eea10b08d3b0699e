"""The rig that knows the truth, in its short form; `make rig-truth N=2000` is the long one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the rig forks its daemons")
@pytest.mark.timeout(300)
def test_what_flows_and_what_is_answered_is_in_the_journal(seed):
    words = [sys.executable, "-m", "tests.crash.truth", "--kills", "3", "--alone", "--seed", str(seed)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kills" in done.stdout
