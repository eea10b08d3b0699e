"""Protocol and cell files from the disk, with what they use: files beside them or in the shipped library."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import CellError, ProtocolError
from labctl.protocol.cell import Cell
from labctl.protocol.cellfile import load_cell
from labctl.protocol.load import load
from labctl.protocol.model import Protocol
from labctl.store.entry import Source

LARGEST = 64 * 1024 * 1024  # bytes of a profile's table


def library() -> Path:
    """Return the folder of the shipped protocols: in the wheel, or of a checkout."""
    package = Path(__file__).parent.parent
    shipped = package / "_protocols"
    return shipped if shipped.is_dir() else package.parent / "protocols"


def beside(folder: Path) -> Callable[[str], str | None]:
    """Return a reader of files by name: beside a protocol first, then in the shipped library; None where there is none."""

    def read(name: str) -> str | None:
        if Path(name).name != name:
            return None
        for place in (folder, library()):
            path = place / name
            if path.is_file() and path.stat().st_size <= LARGEST:
                return path.read_text(encoding="utf-8")
        return None

    return read


@dataclass(frozen=True, slots=True)
class Files:
    """What a run is made from: the protocol and the cell, with every text that went into them."""

    protocol: Protocol
    cell: Cell
    texts: tuple[Source, ...]
    cell_text: Source


def read_files(protocol: str, cell: str) -> Files:
    """Read, load and check a protocol and a cell; a bare name that is no file here is looked for in the shipped library.

    Raises:
        FileError: With every finding of a file, or that it cannot be read.
    """
    path, cell_path = _shipped(protocol), _shipped(cell, "cells")
    used: dict[str, str] = {}
    reader = beside(path.parent)

    def noting(name: str) -> str | None:
        text = reader(name)
        if text is not None:
            used[name] = text
        return text

    text = _text(path, ProtocolError)
    loaded = load(text, str(path), noting)
    cell_text = _text(cell_path, CellError)
    texts = [Source(path.name, text), *(Source(name, body) for name, body in used.items())]
    return Files(loaded, load_cell(cell_text, str(cell_path)), tuple(texts), Source(cell_path.name, cell_text))


def _shipped(name: str, folder: str = "") -> Path:
    """Return a file's path; a bare name that is no file here is looked for in the library."""
    path = Path(name)
    if path.is_file() or path.parent != Path():
        return path
    shipped = library() / folder / (path.name if path.suffix else f"{path.name}.yaml")
    return shipped if shipped.is_file() else path


def _text(path: Path, error: type[ProtocolError | CellError]) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as found:
        raise error(_missing(path, "cells" if error is CellError else "")) from found
    except (OSError, UnicodeDecodeError) as found:
        raise error(f"{path}: cannot be read: {getattr(found, 'strerror', None) or found}") from found


def _missing(path: Path, folder: str) -> str:
    """Return what is said of a file that is not there, with what may have been meant."""
    import difflib  # noqa: PLC0415 - for a mistake alone

    what = "cell" if folder else "protocol"
    if path.parent != Path():
        return f"{path}: wanted a {what} file, found none"
    shipped = sorted(each.stem for each in (library() / folder).glob("*.yaml"))
    here = sorted(each.name for each in Path().glob("*.yaml"))
    near = difflib.get_close_matches(path.name, [*here, *shipped], n=1)
    near = near or [name for name in here if Path(name).stem == path.stem]
    hint = f"did you mean {near[0]}?" if near else f"the library has {', '.join(shipped)}"
    return f"{path}: wanted a {what} file here or the name of one of the library, found neither; {hint}"
