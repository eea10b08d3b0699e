"""Payloads: flat JSON objects, numbers as numbers, BDF names, UTC, no NaN."""

import datetime as dt
import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import orjson

OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


def encode(fields: Mapping[str, object]) -> bytes:
    """Return a flat JSON object; nested mappings are flattened with `_`, what is None or not finite is left out."""
    flat: dict[str, object] = {}
    _flatten(fields, "", flat)
    return orjson.dumps(flat, default=str, option=OPTIONS)


def iso(unix_time: float) -> str:
    """Return ISO-8601 in UTC with milliseconds and `Z`, for people."""
    moment = dt.datetime.fromtimestamp(unix_time, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stamped(unix_time: float | None, fields: Mapping[str, object]) -> bytes:
    """Return the payload with its moment in both forms in front."""
    if unix_time is None or not math.isfinite(unix_time):
        return encode(fields)
    return encode({"unix_time_second": round(unix_time, 6), "time": iso(unix_time), **fields})


def _flatten(fields: Mapping[str, object], before: str, flat: dict[str, object]) -> None:
    """Add fields to what is flat already, under their names behind `before`."""
    for key, value in fields.items():
        name = f"{before}{key}"
        kind = type(value)
        if kind is float:
            if math.isfinite(value):  # type: ignore[arg-type]  # it is one
                flat[name] = value
        elif kind in _AS_THEY_ARE:  # nearly all others: the classes below take longer to tell
            flat[name] = value
        elif isinstance(value, Mapping):
            _flatten(value, f"{name}_", flat)
        elif isinstance(value, np.ndarray):
            flat[name] = np.ascontiguousarray(value)  # orjson writes null for what is not finite
        elif value is not None and not (isinstance(value, float) and not math.isfinite(value)):
            flat[name] = value


_AS_THEY_ARE: Final = frozenset({str, int, bool})
