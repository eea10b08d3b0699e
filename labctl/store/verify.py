"""Is what is stored what was written? Digests and chain are computed again, and what belongs together is compared.

The chain proves that nothing before a commit was changed to whoever knows that commit's digest from elsewhere: the head beside the
journal, an export, a printed page. Without one it shows damage and changes of those who do not compute the chain anew.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from labctl.collector import seldom_collected
from labctl.errors import StoreDamaged, StoreError, UsageError
from labctl.store.attachments import missing
from labctl.store.digest_check import DigestCheck, Mismatch
from labctl.store.head import Head, shortfall
from labctl.store.location import JournalLocation, place
from labctl.store.people import verify_door
from labctl.store.reader import Reader
from labctl.store.stray_check import foreign_rows, run_strays, structure, texts, under_way

WHOLE_DIGITS = 64  # of a commit's chain
ANCHOR_DIGITS = 16  # hexadecimal digits of a commit's chain that name it

__all__ = ["Anchor", "Mismatch", "Verified", "verify"]


@dataclass(frozen=True, slots=True)
class Anchor:
    """A commit and the chain up to it: whoever keeps the digest elsewhere can prove what stood before."""

    commit_id: int
    digest: str

    def __str__(self) -> str:
        """Return it as one line."""
        return f"commit {self.commit_id}, {self.digest}"


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, and what is wrong with it.

    Attributes:
        commits: The last commit.
        runs: Runs looked at.
        rows: Rows looked at.
        findings: What is not as it was written.
        head: The last commit with its chain, None before the first.
        notes: What could not be told, and what else is worth knowing.
        journal: Uuid of the journal.
    """

    commits: int
    runs: int
    rows: int
    findings: tuple[Mismatch, ...]
    head: Anchor | None = None
    notes: tuple[str, ...] = ()
    journal: str = ""

    @property
    def whole(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.findings


def verify(
    where: Path | str,
    run: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    *,
    anchor: str = "",
    since: str = "",
) -> Verified:
    """Compare a journal, or one run of it, with its digests; beside a daemon that writes it, too.

    Args:
        where: A data folder, a journal's file or its URL.
        run: Only this run's rows; the chain of commits is checked in either case.
        progress: Called with the commit that was looked at and the last one.
        anchor: Digest of a commit, known from elsewhere: a commit with it must be there.
        since: The same, and what was committed up to it is taken as it is: only what is newer is read.

    Raises:
        StoreError: There is no journal.
        UsageError: It is a copy in PostgreSQL, or a digest is none.
    """
    with Reader(where) as reader, seldom_collected():
        if not isinstance(reader.where, Path):
            raise UsageError("a copy in PostgreSQL has no digests; verify the journal that it came from")
        head = _head(reader)
        findings: list[Mismatch] = []
        notes: list[str] = []
        begin = _since(reader, since, findings)
        if begin[0]:
            notes.append(f"commits 1 to {begin[0]} were taken as they were, by the digest that was given")
        else:
            findings += [*_pages(reader), *structure(reader)]
        findings += [*_acknowledged(reader, where, notes), *_lost(reader, begin[0]), *_anchored(reader, anchor)]
        walk = DigestCheck(reader, head.commit_id if head else 0, run, begin, progress or _quiet)
        findings += walk.findings()
        known = [row[0] for row in reader.query("SELECT run_id FROM runs ORDER BY 1")]
        runs = [each for each in known if run in {None, each} and (not begin[0] or each in walk.looked)]
        for run_id in runs:
            with reader.snapshot():
                findings += run_strays(reader, run_id, walk)
        findings += [*_attachments(reader, place(where).folder, run), *_door(place(where), notes)]
        with reader.snapshot():
            findings += [
                *([] if begin[0] else [*texts(reader), *foreign_rows(reader)]),
                *under_way(reader, walk.under_way),
            ]
        return Verified(walk.upto, len(runs), walk.rows, tuple(findings), head, tuple(notes), _uuid(reader))


def _quiet(_: int, __: int) -> None: ...


def _head(reader: Reader) -> Anchor | None:
    row = reader.head()
    return None if row is None else Anchor(row[0], row[1].hex())


def _attachments(reader: Reader, folder: Path, run: int | None) -> Iterator[Mismatch]:
    """Look for the files that remarks name; they lie beside the journal."""
    rows = reader.query("SELECT run_id, data FROM events WHERE kind = 'note' AND data LIKE '%sha256:%'")
    for run_id, text in rows:
        if run in {None, run_id}:
            yield from (Mismatch(f"run {run_id}", words) for words in missing(folder, [str(text)]))


def _door(location: JournalLocation, notes: list[str]) -> Iterator[Mismatch]:
    """Check what was done at the door of the pages: it has a chain of its own, in a file of its own."""
    if location.head is None:
        return
    try:
        door = verify_door(location.folder)
    except StoreDamaged as error:
        yield Mismatch("people", str(error))
    except StoreError as error:
        notes.append(str(error))
    else:
        if door is not None and door[0]:
            notes.append(
                f"{door[0]} things were done at the door of the pages, none changed or gone; the last has the chain {door[1]}"
            )


def _uuid(reader: Reader) -> str:
    return str(reader.query("SELECT uuid FROM journal ORDER BY generation LIMIT 1")[0][0])


def _pages(reader: Reader) -> Iterator[Mismatch]:
    answers = [str(row[0]) for row in reader.query("PRAGMA quick_check(10)")]
    if answers != ["ok"]:
        yield from (Mismatch(str(reader.where), answer) for answer in answers)


def _acknowledged(reader: Reader, where: Path | str, notes: list[str]) -> Iterator[Mismatch]:
    """Compare the journal with its head, the second place that knows the last commit."""
    path = place(where).head
    if path is None:
        notes.append("there is no head beside a single file: that no commit is missing at its end cannot be told")
        return
    record = Head.read(path).record  # before the journal is asked: a daemon that writes is ahead of it, never behind
    if record is None:
        notes.append(
            f"there is no head in {path.parent}: that no commit is missing at the journal's end cannot be told"
        )
        return
    uuid = _uuid(reader)
    row = reader.query("SELECT chain FROM commits WHERE commit_id = :commit", commit=record.commit_id)
    missing = shortfall(record, uuid, reader.last_commit(), bytes(row[0][0]) if row else None)
    if missing is not None:
        yield Mismatch("head", str(missing))


def _lost(reader: Reader, after: int) -> Iterator[Mismatch]:
    """Say again what was lost once: a journal that lacks commits is not whole, however long ago that was."""
    for loss in reader.losses():
        if loss.began_commit_id >= after:
            yield Mismatch(f"after commit {loss.began_commit_id}", loss.text)


def _anchored(reader: Reader, anchor: str) -> Iterator[Mismatch]:
    if anchor and _commit_of(reader, anchor) is None:
        yield Mismatch(
            "anchor",
            f"no commit has the digest {anchor}: the journal is another one, lacks commits, or its chain was made anew",
        )


def _since(reader: Reader, since: str, findings: list[Mismatch]) -> tuple[int, bytes]:
    if not since:
        return 0, b""
    commit = _commit_of(reader, since)
    if commit is None:
        findings += _anchored(reader, since)
        return 0, b""
    return commit


def _commit_of(reader: Reader, digest: str) -> tuple[int, bytes] | None:
    """Return the commit of a digest, which may be cut short.

    Raises:
        UsageError: It is none.
    """
    digits = digest.strip().lower()
    if len(digits) < ANCHOR_DIGITS or set(digits) - set("0123456789abcdef"):
        raise UsageError(
            f"wanted the digest of a commit, {ANCHOR_DIGITS} to 64 hexadecimal digits as `labctl verify` prints them, "
            f"found {digest!r}"
        )
    if len(digits) == WHOLE_DIGITS:  # from the newest on: who asks for what is new need not wait for what is old
        rows = reader.query(
            f"{_COMMIT} WHERE chain = :chain ORDER BY commit_id DESC LIMIT 1", chain=bytes.fromhex(digits)
        )
    else:
        rows = reader.query(f"{_COMMIT} WHERE lower(hex(chain)) LIKE :begin", begin=f"{digits}%")
    if len(rows) > 1:
        raise StoreError(f"the digest {digest} names several commits; give more of its digits")
    return (int(rows[0][0]), bytes(rows[0][1])) if rows else None


_COMMIT = "SELECT commit_id, chain FROM commits"
