"""Prints the peaks of a distribution of relaxation times by pyimpspec, which is GPL and therefore a process of its own.

Reads a JSON object with `frequency`, `real` and `imaginary` from standard input, and a `method` in place of its
regularised one with lambda 1e-3; prints time constants, heights and the CPU time that it took, s.
"""

import json
import sys
import time
import warnings

import numpy as np


def main() -> None:
    """Read a spectrum, print its peaks."""
    warnings.simplefilter("ignore")
    from pyimpspec import DataSet, calculate_drt  # noqa: PLC0415 - only this process has it

    given = json.load(sys.stdin)
    spectrum = np.array(given["real"]) + 1j * np.array(given["imaginary"])
    data = DataSet(np.array(given["frequency"]), spectrum)
    how = {"method": given["method"]} if "method" in given else {"method": "tr-nnls", "lambda_value": 1e-3}
    begin = time.process_time()
    found = calculate_drt(data, num_procs=1, **how)
    spent = time.process_time() - begin
    times, heights = found.get_peaks()[:2]
    print(json.dumps({"time": list(times), "height": list(heights), "seconds": spent}))


main()
