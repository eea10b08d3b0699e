"""Files that the authoring verbs read: bounded, from disk or stdin, told apart by their first key."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from labctl.errors import UsageError
from labctl.inputs import MOST_TEXT, assignments, beside, library, library_names, named_file, read_file
from labctl.lookalike import alike

__all__ = ["assignments", "bounded", "driver_names", "found_file", "kind_of", "library", "library_names", "reader_for"]


def bounded(path: Path) -> bytes:
    """Return a file's bytes, or those of stdin for `-`, no more than a loader would look at.

    Raises:
        UsageError: It cannot be read.
    """
    if str(path) == "-":
        return sys.stdin.buffer.read(MOST_TEXT)
    try:
        return read_file(path)
    except FileNotFoundError as error:
        there = [str(each) for each in path.parent.glob("*.y*ml")]
        known = there if path.parent.name else [*library_names(), *library_names("cells"), *there]
        stem = path.stem if path.suffix and not path.parent.name else ""
        close = (
            alike(str(path), known)
            or alike(stem, library_names())
            or next((name for name in known if Path(name).stem == str(path)), "")
        )
        hint = f"; did you mean {close}?" if close else ""
        raise UsageError(f"{path}: wanted a file, found none of that name{hint}") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{path}: wanted a file, found that it cannot be read: {why}") from error


_FOREIGN_MODELS: Final = (b'"Parameterisation"', b'"NegativeElectrode"', b'"Negative electrode thickness [m]"')
"""Keys by which the parameters of BPX, BattMo and PyBaMM are known."""


def kind_of(source: bytes) -> str:
    """Return `cell`, `station`, `model` (parameters of one's own or of another program) or `protocol`, by their keys."""
    if source[:100_000].lstrip()[:1] == b"{" and any(mark in source for mark in _FOREIGN_MODELS):
        return "model"
    match = re.search(rb"^(?:\xef\xbb\xbf)?\s*labctl_(cell|station|model)\s*:", source[:100_000], re.MULTILINE)
    return match[1].decode() if match else "protocol"


def found_file(path: Path) -> Path:
    """Return the file itself, or that of the library, a protocol or a cell, where a bare name is no file here."""
    if path.suffix:
        return path
    protocol = named_file(path)
    return protocol if protocol.exists() else named_file(path, "cells")


def reader_for(path: Path) -> Callable[[str], str | None]:
    """Return a reader of what a protocol uses: beside it first, then in the shipped library."""
    return beside(Path() if str(path) == "-" else path.parent)


def driver_names() -> set[str]:
    """Return the names of the installed instrument drivers."""
    from importlib.metadata import entry_points

    return {entry.name for entry in entry_points(group="labctl.drivers")}
