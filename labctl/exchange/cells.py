"""The cell of an imported run, from a cell file."""

from pathlib import Path

from labctl.errors import CellError
from labctl.inputs import missing_file, named_file, read_file, text_of
from labctl.plan.cell_figures import figures_of_cell
from labctl.plan.step import CellFigures
from labctl.protocol.cellfile import load_cell
from labctl.store.entry import Source


def read_cell_figures(name: Path) -> tuple[CellFigures, Source]:
    """Return what of a cell analyses need, and the text of its file; a bare name is looked for in the shipped library.

    Raises:
        CellError: With every finding of the file, or that it cannot be read.
    """
    path = named_file(name, "cells")
    try:
        source = read_file(path)
    except FileNotFoundError as missing:
        raise CellError(missing_file(path, "cell", "cells")) from missing
    except (OSError, ValueError) as refused:
        raise CellError(f"{path}: cannot be read: {getattr(refused, 'strerror', None) or refused}") from refused
    cell = load_cell(source, str(path))
    return figures_of_cell(cell), Source(path.name, text_of(source))
