"""Files that the authoring verbs read: bounded, from disk or stdin, told apart by their first key."""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

MOST_BYTES = 1024 * 1024  # more than any file may have; the loader says what is too much
MOST_TABLE = 16 * 1024 * 1024


def bounded(path: Path) -> bytes:
    """Return a file's bytes, or those of stdin for `-`, no more than a loader would look at.

    Raises:
        UsageError: It cannot be read.
    """
    from labctl.errors import UsageError

    if str(path) == "-":
        return sys.stdin.buffer.read(MOST_BYTES)
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES)
    except FileNotFoundError as error:
        known = [*library_names(), *(each.name for each in Path().glob("*.yaml"))]
        raise UsageError(f"{path}: wanted a file, found none of that name{_meant(path, known)}") from error
    except OSError as error:
        raise UsageError(f"{path}: wanted a file, found that it cannot be read: {error.strerror or error}") from error


def _meant(path: Path, known: list[str]) -> str:
    """Return a hint at the name that may have been meant, or ""."""
    import difflib

    near = difflib.get_close_matches(str(path), known, n=1) or [name for name in known if Path(name).stem == str(path)]
    return f"; did you mean {near[0]}?" if near else ""


def kind_of(source: bytes) -> str:
    """Return `cell`, `station` or `protocol`, by the first of their keys in the text."""
    match = re.search(rb"^(?:\xef\xbb\xbf)?\s*labctl_(cell|station)\s*:", source[:100_000], re.MULTILINE)
    return match[1].decode() if match else "protocol"


def library() -> Path:
    """Return the folder of the shipped protocols: in the wheel, or of a checkout."""
    package = Path(__file__).parent.parent.parent
    shipped = package / "_protocols"
    return shipped if shipped.is_dir() else package.parent / "protocols"


def found_file(path: Path) -> Path:
    """Return the file itself, or that of the library where a bare name is no file here."""
    shipped = library() / f"{path.name}.yaml"
    return shipped if path.parent == Path() and not path.suffix and not path.exists() and shipped.is_file() else path


def library_names() -> list[str]:
    """Return the names of the shipped protocols."""
    return sorted(path.stem for path in library().glob("*.yaml"))


def reader_for(path: Path) -> Callable[[str], str | None]:
    """Return a reader of what a protocol uses: beside it first, then in the shipped library."""
    folder = Path() if str(path) == "-" else path.parent

    def read(name: str) -> str | None:
        for place in (folder, library()):
            file = place / name
            if file.is_file() and file.stat().st_size <= MOST_TABLE:
                return file.read_text(encoding="utf-8", errors="replace")
        return None

    return read


def assignments(values: list[str]) -> Mapping[str, str]:
    """Return the names and values of `NAME=VALUE` arguments.

    Raises:
        UsageError: One has no equals sign.
    """
    from labctl.errors import UsageError

    found = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set {value}: wanted NAME=VALUE, found no {'name' if equals else '='}")
        found[name.strip()] = text.strip()
    return found


def driver_names() -> set[str]:
    """Return the names of the installed instrument drivers."""
    from importlib.metadata import entry_points

    return {entry.name for entry in entry_points(group="labctl.drivers")}
