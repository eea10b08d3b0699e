"""Payloads: flat JSON objects, numbers as numbers, BDF names, UTC, no NaN."""

import datetime as dt
import math
from collections.abc import Iterator, Mapping

import numpy as np
import orjson

OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


def encode(fields: Mapping[str, object]) -> bytes:
    """Return a flat JSON object; nested mappings are flattened with `_`, what is None or not finite is left out."""
    return orjson.dumps(dict(_flat(fields)), default=str, option=OPTIONS)


def iso(unix_time: float) -> str:
    """Return ISO-8601 in UTC with milliseconds and `Z`, for people."""
    moment = dt.datetime.fromtimestamp(unix_time, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stamped(unix_time: float | None, fields: Mapping[str, object]) -> bytes:
    """Return the payload with its moment in both forms in front."""
    if unix_time is None or not math.isfinite(unix_time):
        return encode(fields)
    return encode({"unix_time_second": round(unix_time, 6), "time": iso(unix_time), **fields})


def _flat(fields: Mapping[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    for key, value in fields.items():
        name = f"{before}{key}"
        match value:
            case None:
                continue
            case float() if not math.isfinite(value):
                continue
            case str() | float() | int():  # nearly all: the classes below take longer to tell
                yield name, value
            case Mapping():
                yield from _flat(value, f"{name}_")
            case np.ndarray():
                yield name, np.ascontiguousarray(value)  # orjson writes null for what is not finite
            case _:
                yield name, value
