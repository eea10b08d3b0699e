"""Protocol and cell files from the disk, with what they use: files beside them or in the shipped library."""

from dataclasses import dataclass
from pathlib import Path

from labctl.errors import CellError, ProtocolError
from labctl.inputs import beside, library, missing_file, named_file, read_file, swapped, text_of
from labctl.protocol.cell import Cell
from labctl.protocol.cell_correction import with_value
from labctl.protocol.cellfile import load_cell
from labctl.protocol.load import load
from labctl.protocol.model import Protocol
from labctl.run.stand_in import with_model
from labctl.store.entry import Source


@dataclass(frozen=True, slots=True)
class Files:
    """What a run is made from: the protocol and the cell, with every text that went into them."""

    protocol: Protocol
    cell: Cell
    texts: tuple[Source, ...]
    cell_text: Source


def read_files(protocol: "str | Source", cell: "str | Source", mass: str = "") -> Files:
    """Read, load and check a protocol and a cell; a bare name that is no file here is looked for in the shipped library.

    What is no name but a text is taken as it is; what it includes is looked for in the library alone. A mass, such as `12.3 mg`,
    takes the place of the cell file's: the text that is kept says so.

    Raises:
        FileError: With every finding of a file, or that it cannot be read.
    """
    if isinstance(protocol, str) and isinstance(cell, str) and (message := swapped(protocol, cell)):
        raise ProtocolError(message)
    path, source = _named(protocol, "", ProtocolError)
    used: dict[str, str] = {}
    reader = beside(library() if isinstance(protocol, Source) else path.parent)

    def noting(name: str) -> str | None:
        text = reader(name)
        if text is not None:
            used[name] = text
        return text

    loaded = load(source, str(path), noting)
    cell_path, cell_source = _named(cell, "cells", CellError)
    loaded_cell = with_model(load_cell(cell_source, str(cell_path)), files=not isinstance(cell, Source))
    if mass:
        cell_source = with_value(text_of(cell_source), str(cell_path), "active_mass", mass).encode()
        loaded_cell = with_model(load_cell(cell_source, str(cell_path)))
    texts = [Source(path.name, text_of(source)), *(Source(name, text) for name, text in used.items())]
    if loaded_cell.model_text is not None:
        texts.append(Source(Path(loaded_cell.model).name, loaded_cell.model_text))
    return Files(loaded, loaded_cell, tuple(texts), Source(cell_path.name, text_of(cell_source)))


def _named(name: "str | Source", folder: str, error: type[ProtocolError | CellError]) -> tuple[Path, bytes]:
    if isinstance(name, Source):
        return Path(name.name), name.text.encode()
    path = named_file(Path(name), folder)
    return path, _source(path, error)


def _source(path: Path, error: type[ProtocolError | CellError]) -> bytes:
    try:
        return read_file(path)
    except FileNotFoundError as missing:
        what, folder = ("cell", "cells") if error is CellError else ("protocol", "")
        raise error(missing_file(path, what, folder)) from missing
    except (OSError, ValueError) as refused:  # a name with a NUL is a ValueError
        raise error(f"{path}: cannot be read: {getattr(refused, 'strerror', None) or refused}") from refused
