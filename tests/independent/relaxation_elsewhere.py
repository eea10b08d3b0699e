"""Prints the peaks of a distribution of relaxation times by pyimpspec, which is GPL and therefore a process of its own.

Reads a JSON object with `frequency`, `real` and `imaginary` from standard input; prints time constants and heights.
"""

import json
import sys
import warnings

import numpy as np


def main() -> None:
    """Read a spectrum, print its peaks."""
    warnings.simplefilter("ignore")
    from pyimpspec import DataSet, calculate_drt  # noqa: PLC0415 - only this process has it

    given = json.load(sys.stdin)
    spectrum = np.array(given["real"]) + 1j * np.array(given["imaginary"])
    found = calculate_drt(DataSet(np.array(given["frequency"]), spectrum), method="tr-nnls", lambda_value=1e-3)
    times, heights = found.get_peaks()
    print(json.dumps({"time": list(times), "height": list(heights)}))


main()
