"""Rows of the journal as PostgreSQL's binary COPY format, made column by column.

Format: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format". A tuple is the number of its fields, then for
each its length in bytes and its value, big-endian; a null is the length -1 and nothing else. So rows with the same nulls are
a structured array, and a whole page of rows is one `tobytes`.
"""

from collections.abc import Iterator

import numpy as np

from labctl.sample import Floats
from labctl.store.matrix import ATTEMPT, QUALITY, RECORD, RUN, WIDTH

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"

_KINDS = {RUN: ">i4", RECORD: ">i8", ATTEMPT: ">i4", QUALITY: ">i2"}
_REAL = ">f8"


def tuples(rows: Floats) -> Iterator[bytes]:
    """Give rows of `store.matrix` as tuples of a COPY into `samples`, a run of rows with the same nulls at a time."""
    if not len(rows):
        return
    nulls = np.isnan(rows)
    changes = np.flatnonzero((nulls[1:] != nulls[:-1]).any(axis=1)) + 1
    for begin, end in zip([0, *changes.tolist()], [*changes.tolist(), len(rows)], strict=True):
        yield _alike(rows[begin:end], nulls[begin])


def _alike(rows: Floats, null: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> bytes:
    fields = [("fields", ">i2")]
    for at in range(WIDTH):
        fields.append((f"length{at}", ">i4"))
        if not null[at]:
            fields.append((f"value{at}", _KINDS.get(at, _REAL)))
    table = np.empty(len(rows), dtype=fields)
    table["fields"] = WIDTH
    for at in range(WIDTH):
        table[f"length{at}"] = -1 if null[at] else np.dtype(_KINDS.get(at, _REAL)).itemsize
        if not null[at]:
            table[f"value{at}"] = rows[:, at]
    return table.tobytes()
