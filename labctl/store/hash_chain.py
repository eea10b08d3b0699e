"""Digests that make a change of what is stored visible: one a run and commit, and a chain over all commits.

A part's digest covers its rows (as the float64 matrix of `store.matrix`), auxiliary values, inputs and events exactly as
stored. The digests of the checkpoint that came with a part stand behind it: a checkpoint is written over, and what the last commit
with one says of it is what must be stored. The chain of a commit covers the chain before it, the commit's number and label, and
every part with its ranges. So a whole journal is checked by reading it once, and one run by reading that run and the small
`commit_runs`.

Every commit says by which version of these rules it was sealed (`commits.version`), and the chain covers that number: a later
version may cover more columns, and a commit of before is checked by those that there were. What a version covers never changes
once it is released.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from labctl.sample import Floats

PART_BYTES = 16
ROWS_TEXT = b"\n%d (%d, %d) None None "  # `part_text` of rows that came alone: run, first and last
UNDER_WAY_VERSION = 3  # from which on commits cover orders and waiting runs
CHECKPOINT_VERSION = 4  # from which on they cover checkpoints
VERSION = 4  # of new commits: 1 is labctl 0.1's
ROW_COLUMNS: Mapping[int, int] = {
    1: 10,
    2: 12,
    3: 12,
    4: 12,
}  # how many columns of `store.matrix`, from the first, a version covers
_BIRTH = (
    "uuid", "journal", "channel", "protocol", "cell", "protocol_hash", "cell_hash",
    "began_unix_time_second", "started_by", "resumed_from", "options", "software",
)  # fmt: skip
_BIRTH_WITH_TEXTS = (*_BIRTH, "texts")
BIRTH: Mapping[int, tuple[str, ...]] = {
    1: _BIRTH,
    2: _BIRTH_WITH_TEXTS,
    3: _BIRTH_WITH_TEXTS,
    4: _BIRTH_WITH_TEXTS,
}  # of `runs`

Auxiliary: TypeAlias = tuple[int, int, str, float]  # run_id, record_index, name, value
EventRow: TypeAlias = tuple[int, int, int, float, str, str]  # run_id, seq, record_index, time, kind, data
InputRow: TypeAlias = tuple[int, int, int, str, str]  # run_id, seq, record_index, kind, data


def part_digest(
    rows: Floats,
    auxiliary: Iterable[Auxiliary],
    inputs: Iterable[InputRow],
    events: Iterable[EventRow],
    born: str = "",
    *,
    version: int = VERSION,
) -> bytes:
    """Return the digest of what one commit holds of one run.

    Args:
        rows: Rows in order, C-contiguous.
        auxiliary: In the order of record and name.
        inputs: In order.
        events: In order.
        born: What never changes of the run itself, in the commit that made it.
        version: Of the digest: which columns of the rows it covers.
    """
    covered = rows[:, : ROW_COLUMNS[version]]
    digest = hashlib.sha256(np.ascontiguousarray(covered).data if len(rows) else b"")
    text = [born]
    text += [f"a{record} {name} {value!r}" for _, record, name, value in auxiliary]
    text += [f"i{seq} {record} {kind} {data}" for _, seq, record, kind, data in inputs]
    text += [f"e{seq} {record} {time!r} {kind} {data}" for _, seq, record, time, kind, data in events]
    digest.update("\n".join(text).encode())
    return digest.digest()[:PART_BYTES]


def checkpoint_digests(record: int, told: int, state: bytes, source: bytes | None) -> bytes:
    """Return what stands behind the digest of a part that came with a checkpoint.

    Args:
        record: The row that it stands at.
        told: The number of the run's last input: an older checkpoint does not stand for a run that was told more.
        state: The engine's, as stored.
        source: The resume point with the source's state, None where that of before is kept, whose digest came with it.

    Returns:
        One digest of the first three, and one of the source where there is one, `PART_BYTES` each.
    """
    digests = hashlib.sha256(b"%d %d %b" % (record, told, state)).digest()[:PART_BYTES]
    return digests if source is None else digests + hashlib.sha256(source).digest()[:PART_BYTES]


@dataclass(frozen=True, slots=True)
class Covered:
    """What commits cover of the checkpoint of a run: the last of them that brought one, with its digests."""

    commit_id: int
    state: bytes
    source: bytes

    @classmethod
    def by(cls, parts: Iterable[tuple[int, bytes]], before: "Covered | None" = None) -> "Covered | None":
        """Return what parts of one run in their order, commit and stored digest each, cover after what was covered before."""
        for commit_id, digest in parts:
            mine = bytes(digest)[PART_BYTES:]
            if mine:
                source = mine[PART_BYTES:] or (before.source if before else b"")
                before = cls(commit_id, mine[:PART_BYTES], source)
        return before


def digest_of_bytes(rows: memoryview) -> bytes:
    """Return `part_digest`, of this version, of the bytes of rows that nothing else was stored with."""
    return hashlib.sha256(rows).digest()[:PART_BYTES]


def digests_of_bytes(rows: memoryview, begins: Sequence[int], ends: Sequence[int]) -> list[bytes]:
    """Return `digest_of_bytes` of each of several pieces."""
    return [hashlib.sha256(rows[begin:end]).digest()[:PART_BYTES] for begin, end in zip(begins, ends, strict=True)]


def first_chain(uuid: str) -> bytes:
    """Return the chain before the first commit of a journal."""
    return hashlib.sha256(f"labctl journal {uuid}".encode()).digest()


def part_text(run_id: object, records: object, events: object, inputs: object) -> bytes:
    """Return what a chain covers before the digest of a part: its run, and its ranges, a pair or None each."""
    return f"\n{run_id} {records} {events} {inputs} ".encode()


def rows_text(run_id: int, first: int, last: int, digest: bytes = b"") -> bytes:
    """Return `part_text` of rows that came alone, as nearly all do, and their digest behind it."""
    return b"\n%d (%d, %d) None None %b" % (run_id, first, last, digest)


def next_chain(
    before: bytes,
    commit_id: int,
    unix_time: float,
    parts: bytes,
    *,
    generations: str = "",
    under_way: bytes | None = None,
    version: int = VERSION,
) -> bytes:
    """Return the chain after a commit.

    Args:
        before: The chain before it.
        commit_id: Its number.
        unix_time: Its label.
        parts: What it holds, in the order of the runs: `part_text` of each, and its digest.
        generations: The journal's generations up to it, see `generations_text`.
        under_way: What it covers of orders and waiting runs, None where it changed nothing of them.
        version: Of the digest; 1 covers no generations, 2 nothing that is under way.
    """
    begun = _named(version, generations, under_way)
    return hashlib.sha256(b"%b%b%d %b%b" % (before, begun, commit_id, repr(unix_time).encode(), parts)).digest()


@lru_cache(8)  # nearly always that of the commit before
def _named(version: int, generations: str, under_way: bytes | None) -> bytes:
    """Return what a chain covers between the one before and the number of its commit."""
    named = "" if version == 1 else f"version {version} {digest_of(generations)} "
    named += "" if version < UNDER_WAY_VERSION else f"{'-' if under_way is None else repr(under_way)} "
    return named.encode()


def generations_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows of the table `journal`, all columns in order, as the chain of the commits after them covers them."""
    return repr([tuple(row) for row in rows])


def digest_of(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8, as hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def birth(columns: Sequence[object], plan: str, plan_hash: str) -> str:
    """Return what never changes of a run: the columns `BIRTH` of its row, and its plan."""
    return repr([*columns, digest_of(plan), plan_hash])
