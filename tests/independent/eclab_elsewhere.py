"""What galvani (GPL-3) finds in an EC-Lab file, as JSON: a process of its own, so that nothing of labctl meets it."""

import json
import sys

import numpy as np
from galvani import BioLogic

path = sys.argv[1]
if path.endswith(".mpr"):
    data = BioLogic.MPRfile(path).data
else:
    data, _ = BioLogic.MPTfile(path)
columns = {name: np.asarray(data[name], dtype=float).tolist() for name in data.dtype.names}
print(json.dumps(columns))
