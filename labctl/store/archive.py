"""Old runs in Parquet: their samples leave the journal for a smaller file, are read by the same commands, and can come back."""

import hashlib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from labctl.errors import OrderRefused, StoreDamaged
from labctl.store.journal import Journal
from labctl.store.location import sync_file, sync_folder
from labctl.store.parquet import read_rows, write_rows
from labctl.store.reader import PAGE, Reader


def take_back(journal: Journal, run_id: int) -> Path:
    """Put the samples of an archived run back into the journal, and return the file that held them, which stays.

    Raises:
        OrderRefused: The run is not archived.
        StoreDamaged: The file is not there, or not what was written; nothing was changed.
    """
    with Reader(journal.place.file) as reader:
        reader.run(run_id)
        archived = reader.archive_of(run_id)
        if archived is None:
            raise OrderRefused(f"run {run_id} is not archived")
        file, last = archived
        digest = reader.query("SELECT hash FROM archives WHERE run_id = :run", run=run_id)[0][0]
        if not file.is_file() or _digest(file) != digest:
            raise StoreDamaged(f"the archive {file} is not there or not what was written; nothing was changed")
        journal.archived.take_back_rows(run_id, read_rows(file, 0, last, PAGE))
    return file


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def archive_old(journal: Journal, before: float, folder: Path) -> Iterator[Path]:
    """Move the samples of all runs that ended before a moment (UTC, s) to Parquet files, and yield these, the oldest first.

    It can be cut off and begun again: what is archived is left as it is.

    Raises:
        StoreDamaged: A file is not what was written; its run keeps its rows, and those after it are not looked at.
    """
    with Reader(journal.place.file) as reader:
        runs = reader.runs()
        old = [run for run in runs if run.ended_unix_time is not None and run.ended_unix_time < before and run.rows]
        ids = [run.run_id for run in old if reader.archive_of(run.run_id) is None]
    for run_id in ids:
        yield archive(journal, run_id, folder)


def archive(journal: Journal, run_id: int, folder: Path) -> Path:
    """Move the samples of an ended run to a Parquet file, and return it.

    The file is written, synced and compared with the journal before the rows are deleted there; the digests of the journal go
    on covering them. Everything else of the run stays in the journal, auxiliary values included. `v_samples` shows an
    archived run no more; readers of labctl do.

    Args:
        journal: Open for writing.
        run_id: The run.
        folder: Where the file goes; it must stay there.

    Raises:
        OrderRefused: The run has not ended, or is archived.
        StoreDamaged: The file is not what was written; nothing was deleted.
    """
    with Reader(journal.place.file) as reader:
        run = reader.run(run_id)
        if run.active:
            raise OrderRefused(f"run {run_id} has not ended; only ended runs are archived")
        if reader.archive_of(run_id) is not None:
            raise OrderRefused(f"run {run_id} is archived already")
        folder.mkdir(parents=True, exist_ok=True)
        file = folder.absolute() / f"{run.uuid}.parquet"
        write_rows(file, reader.matrices(run_id))
        sync_file(file)
        sync_folder(folder)
        for wanted, read_back in zip_longest(reader.matrices(run_id), read_rows(file, 0, run.rows, PAGE)):
            if wanted is None or read_back is None or wanted.tobytes() != read_back.tobytes():
                raise StoreDamaged(f"{file} does not read back as it was written; nothing was deleted")
    journal.archived.forget_rows((run_id, str(file), _digest(file), run.rows - 1, run.test_time))
    return file
