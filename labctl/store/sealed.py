"""Records that end with their own SHA-256, so that one that was torn by a power cut is none."""

import hashlib
import os

DIGEST = 32  # bytes


def sealed(text: bytes) -> bytes:
    """Return a record with its digest."""
    return text + hashlib.sha256(text).digest()


def unsealed(page: bytes, length: int, magic: bytes) -> bytes | None:
    """Return the first bytes of a page if they begin with a record's magic and its digest follows them, else None."""
    text, digest = page[:length], page[length : length + DIGEST]
    whole = text.startswith(magic) and len(digest) == DIGEST and hashlib.sha256(text).digest() == digest
    return text if whole else None


def write_at(descriptor: int, text: bytes, at: int) -> None:
    """Write at a place of an open file.

    Raises:
        OSError: Not all of it was written.
    """
    if hasattr(os, "pwrite"):
        written = os.pwrite(descriptor, text, at)
    else:  # Windows
        os.lseek(descriptor, at, os.SEEK_SET)
        written = os.write(descriptor, text)
    if written != len(text):
        raise OSError(None, f"wanted {len(text)} bytes written, {written} were")
