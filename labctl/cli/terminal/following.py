"""Folders in which another maker's program writes, followed until a person ends it."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from labctl.plan.step import CellFigures
    from labctl.store.entry import Source


def follow(folders: list[Path], db: str, cell: Path | None, every: str, still: str) -> None:
    """Take the recordings of folders into a journal as they grow, until it is interrupted.

    Args:
        folders: One of each tester.
        db: Journal, as `labctl import` has it.
        cell: Cell file of recordings that have none of their own beside them.
        every: Time between two looks, with its unit.
        still: Time without a change after which a test has ended, with its unit.

    Raises:
        UsageError: What is given is no folder, or no duration above 0.
        CellError: `cell` cannot be read.
    """
    import signal
    import threading
    import time

    from labctl.errors import UsageError
    from labctl.exchange.cells import read_cell_figures
    from labctl.exchange.follow import GrowingFolders
    from labctl.store.journal import Journal

    period, quiet = _seconds("--every", every), _seconds("--still", still)
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"--follow: wanted a folder in which LandMon writes, found {folder}, which is none")
    figures = read_cell_figures(cell) if cell is not None else None

    def cell_of(path: Path) -> "tuple[CellFigures, Source] | None":
        return _own_cell(path) or figures

    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with Journal.open(db) as journal:
        typer.echo(
            f"following {', '.join(map(str, folders))} every {period:g} s: files are read, and nothing is driven"
        )
        follower = GrowingFolders(journal, folders, cell_of, quiet)
        while not ended.is_set():
            for words in follower.look(time.monotonic()):
                typer.echo(words)
            ended.wait(period)
    typer.echo("ended; runs that are open go on with the same command")


def _own_cell(path: Path) -> "tuple[CellFigures, Source] | None":
    """Return the cell of a recording from the cell file of its name beside it, None where there is none that reads."""
    from labctl.errors import CellError
    from labctl.exchange.cells import read_cell_figures

    own = path.with_suffix(".yaml")
    if not own.is_file():
        return None
    try:
        return read_cell_figures(own)
    except CellError as error:
        typer.echo(f"{error}\n{path.name} is taken without it", err=True)
        return None


def _seconds(name: str, text: str) -> float:
    from labctl.errors import UsageError
    from labctl.quantity.parse import parse

    value = parse(text, "duration").value_si
    if not value > 0:
        raise UsageError(f"{name}: wanted a duration above 0, found {text}")
    return value
