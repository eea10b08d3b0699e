"""Photographs and other files that are kept with a run: copied into the data folder under their digest, which a remark names.

The remark is an event of the run, so that the chain covers the digest: a file that was changed or taken away is found by `verify`.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from labctl.errors import UsageError
from labctl.inputs import read_file
from labctl.store.location import sync_folder

FOLDER = "attachments"  # in the data folder
LARGEST = 32 * 1024 * 1024  # bytes of one
NAMED = re.compile(r"\[([^\[\],]{1,100}), sha256:([0-9a-f]{64})\]")
SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")


def keep(folder: Path, path: Path) -> str:
    """Copy a file into a data folder, durably, and return how a remark names it: `[photo.jpg, sha256:...]`.

    Raises:
        UsageError: It cannot be read, is empty or too large, or there is no room.
    """
    try:
        data = read_file(path, LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not 0 < len(data) <= LARGEST:
        raise UsageError(f"{path}: wanted a file of 1 to {LARGEST} bytes, found {'more' if data else 'none'}")
    digest = hashlib.sha256(data).hexdigest()
    kept = folder / FOLDER / f"{digest}{_suffix(path)}"
    try:
        kept.parent.mkdir(mode=0o700, exist_ok=True)
        if not kept.is_file():
            fresh = kept.with_suffix(".part")
            with fresh.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(kept)
            sync_folder(kept.parent)
    except OSError as error:
        raise UsageError(f"{path}: cannot be kept in {kept.parent}: {error.strerror}") from error
    name = re.sub(r"[\[\],\x00-\x1f]", "_", path.name)[:100]
    return f"[{name}, sha256:{digest}]"


def _suffix(path: Path) -> str:
    return path.suffix.lower() if SUFFIX.fullmatch(path.suffix) else ""


def named(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Give name and digest of every file that remarks name."""
    for text in texts:
        yield from NAMED.findall(text)


def missing(folder: Path, texts: Iterable[str]) -> Iterator[str]:
    """Say which files that remarks name are not there, or are not what was kept."""
    for name, digest in named(texts):
        file = next(iter((folder / FOLDER).glob(f"{digest}*")), None)
        if file is None:
            yield f"the file {name} ({digest[:16]}) is missing in {folder / FOLDER}"
        elif hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            yield f"the file {name} ({digest[:16]}) is not the one that was kept"


def copy(source: Path, into: Path) -> None:
    """Copy what is kept into another data folder."""
    if (source / FOLDER).is_dir():
        shutil.copytree(source / FOLDER, into / FOLDER, ignore=shutil.ignore_patterns("*.part"))
