"""Our reader of EC-Lab's files against galvani, which runs as a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from labctl.exchange.formats import eclab_binary, eclab_text

ROOT = Path(__file__).parents[1]
BINARY = ROOT / "vendor" / "eclab-modulo-bat.mpr"
TEXT = """\
EC-Lab ASCII FILE
Nb header lines : 8

Chronopotentiometry

Acquisition started on : 03/15/2017 10:22:33.000

mode\tox/red\terror\tcontrol changes\tNs changes\tcounter inc.\ttime/s\tcontrol/V\tEwe/V\t<I>/mA\tdQ/mA.h\tP/W
1\t1\t0\t0\t0\t0\t0.0000000E+000\t0.0000000E+000\t3.5000000E+000\t1.0000000E-001\t0.0000000E+000\t3.5000000E-004
1\t1\t0\t0\t0\t0\t1.0000000E+001\t0.0000000E+000\t3.5100000E+000\t1.0000000E-001\t2.7777778E-004\t3.5100000E-004
1\t0\t0\t0\t0\t0\t2.0000000E+001\t0.0000000E+000\t3.4100000E+000\t-1.0000000E-001\t-2.7777778E-004\t3.4100000E-004
"""


def elsewhere(file):
    script = Path(__file__).with_name("eclab_elsewhere.py")
    told = subprocess.run([sys.executable, str(script), str(file)], capture_output=True, check=True)
    return {name: np.array(column) for name, column in json.loads(told.stdout).items()}


def test_a_binary_has_the_rows_and_the_spectrum_that_galvani_finds():
    (ours,), theirs = eclab_binary.read(BINARY), elsewhere(BINARY)
    rows = theirs["freq/Hz"] == 0
    np.testing.assert_array_equal(ours.time, theirs["time/s"][rows])
    np.testing.assert_array_equal(ours.voltage, theirs["Ewe/V"][rows])
    np.testing.assert_allclose(ours.current, theirs["I/mA"][rows] * 1e-3, rtol=1e-12)
    (spectrum,) = ours.spectra
    np.testing.assert_array_equal(spectrum.frequency, theirs["freq/Hz"][~rows])
    phase = np.deg2rad(theirs["Phase(Z)/deg"][~rows])
    impedance = theirs["|Z|/Ohm"][~rows] * np.exp(1j * phase)
    np.testing.assert_allclose(spectrum.real + 1j * spectrum.imaginary, impedance, rtol=1e-9)


@pytest.mark.parametrize("comma", [False, True])
def test_a_text_has_the_rows_that_galvani_finds(tmp_path, comma):
    file = tmp_path / "x.mpt"
    file.write_bytes(TEXT.replace("Nb header lines : 8", "Nb header lines : 8").replace("\n", "\r\n").encode("cp1252"))
    theirs = elsewhere(file)
    if comma:
        head, _, table = file.read_text(encoding="cp1252").partition("P/W\n")
        file.write_text(f"{head}P/W\n{table.replace('.', ',')}", encoding="cp1252")
    (ours,) = eclab_text.read(file)
    np.testing.assert_array_equal(ours.time, theirs["time/s"])
    np.testing.assert_array_equal(ours.voltage, theirs["Ewe/V"])
    np.testing.assert_allclose(ours.current, theirs["I/mA"] * 1e-3, rtol=1e-12)
    assert ours.began == pytest.approx(1489573353)
