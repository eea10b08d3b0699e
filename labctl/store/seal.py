"""Digests that make a change of what is stored visible: one a run and commit, and a chain over all commits.

A part's digest covers its rows (as the float64 matrix of `store.matrix`), auxiliary values, inputs and events exactly as
stored. The chain of a commit covers the chain before it, the commit's number and label, and every part with its ranges. So a
whole journal is checked by reading it once, and one run by reading that run and the small `commit_runs`.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from labctl.sample import Floats
from labctl.store.entry import Part

PART_BYTES = 16
BIRTH = (
    "uuid", "journal", "channel", "protocol", "cell", "protocol_hash", "cell_hash",
    "began_unix_time_second", "started_by", "resumed_from", "options", "software",
)  # fmt: skip  # of `runs`

Auxiliary: TypeAlias = tuple[int, int, str, float]  # run_id, record_index, name, value
EventRow: TypeAlias = tuple[int, int, int, float, str, str]  # run_id, seq, record_index, time, kind, data
InputRow: TypeAlias = tuple[int, int, int, str, str]  # run_id, seq, record_index, kind, data


def part_digest(
    rows: Floats, auxiliary: Iterable[Auxiliary], inputs: Iterable[InputRow], events: Iterable[EventRow], born: str = ""
) -> bytes:
    """Return the digest of what one commit holds of one run.

    Args:
        rows: Rows in order, C-contiguous.
        auxiliary: In the order of record and name.
        inputs: In order.
        events: In order.
        born: What never changes of the run itself, in the commit that made it.
    """
    digest = hashlib.sha256(rows.data if len(rows) else b"")
    text = [born]
    text += [f"a{record} {name} {value!r}" for _, record, name, value in auxiliary]
    text += [f"i{seq} {record} {kind} {data}" for _, seq, record, kind, data in inputs]
    text += [f"e{seq} {record} {time!r} {kind} {data}" for _, seq, record, time, kind, data in events]
    digest.update("\n".join(text).encode())
    return digest.digest()[:PART_BYTES]


def first_chain(uuid: str) -> bytes:
    """Return the chain before the first commit of a journal."""
    return hashlib.sha256(f"labctl journal {uuid}".encode()).digest()


def next_chain(before: bytes, commit_id: int, unix_time: float, parts: Sequence[tuple[Part, bytes]]) -> bytes:
    """Return the chain after a commit; `parts` come in the order of their runs."""
    digest = hashlib.sha256(before)
    digest.update(f"{commit_id} {unix_time!r}".encode())
    for part, sealed in parts:
        digest.update(f"\n{part.run_id} {part.records} {part.events} {part.inputs} ".encode())
        digest.update(sealed)
    return digest.digest()


def digest_of(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8, as hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def birth(columns: Sequence[object], plan: str, plan_hash: str) -> str:
    """Return what never changes of a run: the columns `BIRTH` of its row, and its plan."""
    return repr([*columns, digest_of(plan), plan_hash])
