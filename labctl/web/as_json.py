"""JSON as the pages and their streams send it."""

import numpy as np
import orjson


def as_json(value: object) -> bytes:
    """Return JSON: arrays as lists, what is not finite as null, and what JSON has no word for as text."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


def _plain(value: object) -> object:
    """Return a part that orjson does not write itself: a column of a larger array, as the real part of complex numbers is."""
    return value.tolist() if isinstance(value, np.ndarray) else str(value)
