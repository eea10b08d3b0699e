"""How the interpreter is set up for a daemon, seen in one of its own."""

import subprocess
import sys

ASKED = """
import gc, sys
from labctl.daemon.process import COLLECT, SWITCH, prepare_interpreter
young = gc.get_threshold()[1:]
prepare_interpreter()
print(gc.get_threshold() == (COLLECT, *young), gc.get_freeze_count() > 10_000, abs(sys.getswitchinterval() - SWITCH) < 1e-9)
"""


def test_cycles_are_looked_for_seldom_and_not_among_what_was_imported():
    done = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True", "True"]
