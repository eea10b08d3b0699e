"""What pyimpspec (GPL-3) finds in a file with a spectrum, as JSON: a process of its own, so that nothing of labctl meets it."""

import json
import sys

from pyimpspec import parse_data

(data,) = parse_data(sys.argv[1])
impedance = data.get_impedances()
print(json.dumps([data.get_frequencies().tolist(), impedance.real.tolist(), impedance.imag.tolist()]))
