"""What a run goes on from, compared with what its commits cover of it: that decides what its cell undergoes next.

A checkpoint is written over, so that no digest of a part covers it for good. Its own digests stand behind that of the part that it
came with, and those of the last commit that brought one are what must be stored.
"""

from collections.abc import Iterator

import numpy as np
import orjson

from labctl.errors import StoreDamaged
from labctl.store.digest_check import part_is_whole
from labctl.store.entry import Checkpoint, StoredRun
from labctl.store.hash_chain import (
    BIRTH,
    CHECKPOINT_VERSION,
    PART_BYTES,
    VERSION,
    Covered,
    birth,
    checkpoint_digests,
    digest_of,
    part_digest,
)
from labctl.store.matrix import WIDTH
from labctl.store.reader import Reader

_PARTS = """
SELECT commit_id, digest FROM commit_runs
WHERE run_id = :run AND commit_id > :after AND length(digest) > 16 ORDER BY commit_id"""
_PART = "SELECT commit_id, digest FROM commit_runs WHERE run_id = :run AND commit_id = :commit"
_TOLD = "SELECT COALESCE(max(seq), 0) FROM inputs WHERE run_id = :run"
_TOLD_LATER = """
SELECT min(first_input) AS first, max(last_input) AS last FROM commit_runs
WHERE run_id = :run AND commit_id > :commit AND last_input IS NOT NULL"""
_BORN = f"""
SELECT {", ".join(f"r.{name}" for name in BIRTH[VERSION])}, p.plan, p.hash, c.digest, m.version
FROM runs r LEFT JOIN plans p ON p.run_id = r.run_id AND p.version = 1
LEFT JOIN commit_runs c ON c.commit_id = r.created_commit_id AND c.run_id = r.run_id
LEFT JOIN commits m ON m.commit_id = r.created_commit_id WHERE r.run_id = :run"""  # noqa: S608 - names are ours
_LAST = """
SELECT commit_id, digest FROM commit_runs
WHERE run_id = :run AND last_record >= :record ORDER BY commit_id DESC LIMIT 1"""
_VERSION = "SELECT version FROM commits WHERE commit_id = :commit"
_PLANS = "SELECT plan, hash FROM plans WHERE run_id = :run AND version > 1 ORDER BY version DESC"
_EDITED = "SELECT data FROM events WHERE run_id = :run AND kind = 'edited' ORDER BY seq DESC LIMIT 1"
_EDITS = "SELECT count(*) FROM orders WHERE channel = :channel AND verb = 'edit' AND run_id = :run"

_NO_ROWS = np.empty((0, WIDTH))


def checkpoint_differences(
    reader: Reader, run_id: int, known: Covered | None, after: int, *, all_known: bool
) -> Iterator[str]:
    """Give, in words, how the checkpoint of a run is not what its commits cover.

    Args:
        reader: Within `Reader.snapshot`.
        run_id: The run.
        known: What the commits up to `after` cover.
        after: What came later is asked for.
        all_known: `known` is of all commits up to `after`; else the checkpoint is believed which of them brought it.
    """
    stored = reader.stored_checkpoint(run_id)
    covered = Covered.by(reader.query(_PARTS, run=run_id, after=after), known)
    if covered is None and stored is not None and not all_known:
        covered = Covered.by(reader.query(_PART, run=run_id, commit=stored.commit_id))
    if stored is not None:
        yield from _differences(reader, stored, covered)
    elif covered is not None:
        yield f"the checkpoint is missing; commit {covered.commit_id} brought one"


def _differences(reader: Reader, stored: Checkpoint, covered: Covered | None) -> Iterator[str]:
    if covered is None:
        version = reader.query(_VERSION, commit=stored.commit_id)
        if not version or version[0][0] >= CHECKPOINT_VERSION:
            yield "the checkpoint belongs to no commit"
        return
    if stored.commit_id != covered.commit_id:
        yield f"wanted the checkpoint of commit {covered.commit_id}, found that of commit {stored.commit_id}"
        return
    told = int(reader.query(_TOLD, run=stored.run_id)[0][0])
    found = checkpoint_digests(stored.record_index, told, stored.state, stored.source or b"")
    if found[:PART_BYTES] != covered.state and (before := _told_before(reader, stored, told)) != told:
        found = checkpoint_digests(stored.record_index, before, stored.state, stored.source or b"")
    wanted = (
        (covered.state, "state in the checkpoint, or what it was told since,"),
        (covered.source, "resume point in the checkpoint"),
    )
    for at, (digest, words) in enumerate(wanted):
        made = found[at * PART_BYTES : (at + 1) * PART_BYTES]
        if digest and made != digest:  # the source's is none where that of before is kept, which other commits cover
            yield f"the {words} was changed since commit {covered.commit_id} wrote it"


def _told_before(reader: Reader, stored: Checkpoint, told: int) -> int:
    """Return the number of the last input that a run had been told when its checkpoint was written, of `told` by now.

    What later commits brought is theirs to cover; an input behind all of them is counted, so that it is found. Such commits are
    rare, and the parts of all runs in them have to be looked at: so this is asked only where what was told by now does not fit.
    """
    later = reader.query(_TOLD_LATER, run=stored.run_id, commit=stored.commit_id)[0]
    return int(later.first) - 1 if later.last == told else told


def check_resumable(reader: Reader, run: StoredRun) -> None:
    """Refuse a run of which something that it would go on from is not what was written: its plan, options, checkpoint or last row.

    This reads a few rows of each. It finds what was changed in them; that the digests themselves stand under the chain,
    and everything else of a run, is for `verify` to say.

    Raises:
        StoreDamaged: It was changed, and must not decide what a cell undergoes.
    """
    with reader.snapshot():
        for words in _changed(reader, run):
            raise StoreDamaged(f"{words}; `labctl verify` looks at all of the journal")


def _changed(reader: Reader, run: StoredRun) -> Iterator[str]:
    if not _is_as_it_was_born(reader, run.run_id):
        yield "its plan, channel, names, texts, options or begin were changed since it was started"
    yield from _edits(reader, run)
    stored = reader.stored_checkpoint(run.run_id)
    if stored is None:
        if run.rows or int(reader.query(_TOLD, run=run.run_id)[0][0]):
            yield "its checkpoint is missing"
        return
    yield from _differences(reader, stored, Covered.by(reader.query(_PART, run=run.run_id, commit=stored.commit_id)))
    # Rows that need no checkpoint came after it: the last commit of the run, which is not long ago, has to be whole.
    if run.rows - 1 > stored.record_index:
        last = reader.query(_LAST, run=run.run_id, record=run.rows - 1)
        if last and last[0].commit_id != stored.commit_id and Covered.by(last) is not None:
            yield "its checkpoint is older than the last that was written"
        elif not last or not part_is_whole(reader, run.run_id, last[0].commit_id):
            yield "its last rows were changed since they were written"


def _is_as_it_was_born(reader: Reader, run_id: int) -> bool:
    born = reader.query(_BORN, run=run_id)[0]
    if born.version not in BIRTH or born.digest is None:
        return False
    text = birth([getattr(born, name) for name in BIRTH[born.version]], born.plan or "", born.hash)
    return bool(part_digest(_NO_ROWS, (), (), (), text, version=born.version) == born.digest)


def _edits(reader: Reader, run: StoredRun) -> Iterator[str]:
    """Compare the newest plan of an edited run with the event that names it, and the number of plans with the orders."""
    plans = reader.query(_PLANS, run=run.run_id)
    if len(plans) < int(reader.query(_EDITS, run=run.run_id, channel=run.channel or "")[0][0]):
        yield "the plan is missing that it was edited to"
    elif plans:
        named = [orjson.loads(row[0])["hash"] for row in reader.query(_EDITED, run=run.run_id)]
        if named != [plans[0].hash] or digest_of(plans[0].plan) != plans[0].hash:
            yield "the plan that it was edited to was changed"
