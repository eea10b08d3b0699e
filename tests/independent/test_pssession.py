"""Our reader of PalmSens' sessions against pyimpspec, which runs as a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from labctl.exchange.formats import pssession

FILE = Path(__file__).parents[1] / "vendor" / "eis-dummy-cell.pssession"


def test_a_spectrum_is_the_one_that_pyimpspec_finds():
    script = Path(__file__).with_name("spectrum_elsewhere.py")
    told = subprocess.run([sys.executable, str(script), str(FILE)], capture_output=True, check=True)
    frequency, real, imaginary = map(np.array, json.loads(told.stdout))
    ((ours,),) = [one.spectra for one in pssession.read(FILE)]
    np.testing.assert_array_equal(ours.frequency, frequency)
    np.testing.assert_array_equal(ours.real, real)
    np.testing.assert_array_equal(ours.imaginary, imaginary)
