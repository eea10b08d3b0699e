"""Files that are written whole or not at all: nobody finds half an export, whatever the disk says."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

from labctl.errors import StoreError


@contextmanager
def whole_file(file: Path) -> Iterator[Path]:
    """Give a path to write to that becomes the file only when all went well.

    Raises:
        StoreError: The file cannot be written, the disk is full, or it is a folder or a device.
    """
    if file.exists() and not file.is_file():
        kind = "a folder" if file.is_dir() else "a device"
        raise StoreError(f"wanted a file to write, found {kind}: {file}")
    if not file.parent.is_dir():
        raise StoreError(
            f"{file}: wanted a folder {file.parent}, found none; `mkdir -p {quote(str(file.parent))}` makes it"
        )
    part = file.with_name(f".{file.name}.part")
    try:
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())  # a disk that is full may say so only now
        os.replace(part, file)  # noqa: PTH105 - Path.replace says the same
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
