"""Old runs in Parquet: their samples leave the journal for a smaller file, and are read back by the same commands."""

import hashlib
from itertools import zip_longest
from pathlib import Path

from labctl.errors import OrderRefused, StoreDamaged
from labctl.store.journal import Journal
from labctl.store.parquet import read_rows, write_rows
from labctl.store.place import sync_file, sync_folder
from labctl.store.reader import PAGE, Reader


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
        for wanted, found in zip_longest(reader.matrices(run_id), read_rows(file, 0, run.rows, PAGE)):
            if wanted is None or found is None or wanted.tobytes() != found.tobytes():
                raise StoreDamaged(f"{file} does not read back as it was written; nothing was deleted")
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    journal.forget_rows((run_id, str(file), digest, run.rows - 1, run.test_time))
    return file
