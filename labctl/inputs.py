"""Files that people hand to labctl: regular ones, no more of them than a loader looks at, and the shipped library.

The one reader of the house: `check`, `plan`, `simulate` and the daemon read the same bytes of the same file and say the same of
one that is not there. A name that leads to a pipe, a device or a folder is refused before it is read.
"""

import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from shlex import quote

from labctl import lookalike
from labctl.errors import UsageError

MOST_TEXT = (
    1024 * 1024
)  # bytes of a protocol, cell or station file: more than a loader takes, which says what is too much
MOST_TABLE = 64 * 1024 * 1024  # bytes of a profile's table, likewise


def read_file(path: Path, most: int = MOST_TEXT) -> bytes:
    """Return the bytes of a file, at most `most` of them.

    Raises:
        FileNotFoundError: There is none.
        OSError: It cannot be read, or is no regular file; `strerror` says which.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    flags |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)  # a pipe without a writer must not hold us up
    with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 - the flags are the point
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(None, f"wanted a regular file, found {_kind(mode)}", str(path))
        return file.read(most)


def _kind(mode: int) -> str:
    kinds = (
        (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
        (stat.S_ISSOCK, "a socket"),
    )  # fmt: skip
    return next((words for test, words in kinds if test(mode)), "something else")


def text_of(source: bytes) -> str:
    """Return a file's text; bytes that are no UTF-8 stay recognisable, so that a loader can say where they are."""
    return source.decode("utf-8", "surrogateescape")


# --- the library ------------------------------------------------------------------------------------------------------


def library() -> Path:
    """Return the folder of the shipped protocols: in the wheel, or of a checkout."""
    package = Path(__file__).parent
    shipped = package / "_protocols"
    return shipped if shipped.is_dir() else package.parent / "protocols"


def library_names(folder: str = "") -> list[str]:
    """Return the names of the shipped protocols, or of those in a folder beside them such as `cells`."""
    return sorted(path.stem for path in (library() / folder).glob("*.yaml"))


def named_file(path: Path, folder: str = "") -> Path:
    """Return a file's path; a bare name that is no file here is looked for in the library."""
    if path.parent != Path() or path.exists():
        return path
    shipped = library() / folder / (path.name if path.suffix else f"{path.name}.yaml")
    return shipped if shipped.is_file() else path


def shown_file(file: str) -> str:
    """Return a file's path as it was given: one of the library by its name."""
    path = Path(file)
    return path.stem if path.is_absolute() and path.is_relative_to(library()) else file


class Beside:
    """A reader of what a protocol uses: beside it first, then in the shipped library."""

    def __init__(self, folder: Path) -> None:
        """Read beside files of a folder."""
        self._places = (folder, library())

    def __call__(self, name: str) -> str | None:
        """Return the text of a file; None where there is none."""
        for place in self._places:
            try:
                return text_of(read_file(place / name, MOST_TABLE))
            except OSError:
                continue
        return None

    def names(self, ending: str) -> list[str]:
        """Return the names of the files that can be read and end so."""
        return sorted({path.name for place in self._places for path in place.glob(f"*{ending}")})


def beside(folder: Path) -> Beside:
    """Return a reader of what a protocol in this folder uses."""
    return Beside(folder)


# --- words ------------------------------------------------------------------------------------------------------------


def near(word: str, known: Mapping[str, object] | Iterable[str]) -> str:
    """Return a hint at the nearest known word in brackets, or ""."""
    close = nearest(word, known)
    return f" (did you mean {close}?)" if close else ""


def nearest(word: str, known: Mapping[str, object] | Iterable[str]) -> str:
    """Return the known word that is nearest to one that is not known, or ""."""
    return lookalike.nearest(word, known)


def swapped(protocol: str, cell: str) -> str:
    """Return what is said of two files or names of the library that stand in each other's place, a cell and a protocol; or ""."""
    if not (_has_key(protocol, "cells", b"labctl_cell") and _has_key(cell, "", b"labctl")):
        return ""
    said = f"{protocol} is a cell and {cell} a protocol: a cell is given behind --cell, the protocol stands first"
    return f"{said}; write {cell} --cell {protocol}"


def _has_key(name: str, folder: str, key: bytes) -> bool:
    """Tell whether a file, or one of the library, has a key at its left margin."""
    try:
        source = read_file(named_file(Path(name), folder))
    except (OSError, ValueError):
        return False
    return re.search(rb"^(?:\xef\xbb\xbf)?" + key + rb"[ \t]*:", source, re.MULTILINE) is not None


def missing_file(path: Path, what: str, folder: str = "") -> str:
    """Return what is said of a file that is not there, with what may have been meant; `what` names its kind."""
    if path.parent != Path():
        return f"{path}: wanted a {what} file, found none"
    other = {"protocol": ("cell", "cells"), "cell": ("protocol", "")}.get(what, ("", ""))
    if other[0] and path.stem in library_names(other[1]):
        where = "a cell is given behind --cell, the protocol stands first"
        return f"{path}: wanted a {what} file, found the name of a {other[0]} of the library; {where}"
    shipped = library_names(folder)
    here = sorted(each.name for each in Path().glob("*.yaml"))
    close = lookalike.alike(path.name, [*here, *shipped]) or next(
        (name for name in here if Path(name).stem == path.stem), ""
    )
    hint = f"did you mean {close}?" if close else f"the library has {', '.join(shipped)}"
    return f"{path}: wanted a {what} file here or the name of one of the library, found neither; {hint}"


def assignments(texts: Iterable[str]) -> dict[str, str]:
    """Return names and values that are given as NAME=VALUE.

    Raises:
        UsageError: One is not of that form, or a name is given twice.
    """
    values: dict[str, str] = {}
    for text in texts:
        name, sign, value = (part.strip() for part in text.partition("="))
        if not (name and sign and value) or name in values:
            message = f"--set: wanted NAME=VALUE once for each name, such as --set 'first=0.1 mA/cm2', found {text!r}"
            raise UsageError(message + _assigned(text))
        if re.search(r"[,;]\s*[A-Za-z_]\w*\s*=", value):
            raise UsageError(f"--set: wanted one parameter, found several in {text!r}{_assigned(text)}")
        values[name] = value
    return values


def _assigned(text: str) -> str:
    """Return how `rate:1C` and `rate=1C, n=5` are given, behind a semicolon; or ""."""
    parts = [re.fullmatch(r"\s*([A-Za-z_]\w*)\s*(?:[=:]|->)\s*(\S.*?)\s*", part) for part in re.split(r"[,;]", text)]
    if not parts or not all(parts):
        return ""
    pairs = (f"{part[1]}={part[2]}" for part in parts if part)
    return "; write " + " ".join(f"--set {quote(pair)}" for pair in pairs)


def printable(text: str, *, lines: bool = False) -> str:
    """Return a text whose control characters are shown and not sent: no note or name of a file can steer a terminal or a log.

    Args:
        text: Of whatever origin.
        lines: Let it have several lines.
    """
    kept = "\n\t" if lines else ""
    return "".join(sign if sign.isprintable() or sign in kept else repr(sign)[1:-1] for sign in text)
