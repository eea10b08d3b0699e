"""Recordings of other makers' instruments as runs."""  # noqa: N999 - a verb's file has its name

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labctl.exchange.vendor_test import VendorTest
    from labctl.plan.step import CellFigures
    from labctl.store.entry import Source
    from labctl.store.journal import Journal

DEFAULT = "sqlite:///labctl.db"
FILES = typer.Argument(
    help="BDF (.csv, .parquet), Neware .nda .ndax, EC-Lab .mpt .mpr, Arbin .res, PalmSens .pssession, LAND .cex, Maccor text; "
    "folders with --follow",
    show_default=False,
)
DB = typer.Option("--db", help="journal to write: sqlite:///FILE, a file, or a data folder")
CELL = typer.Option("--cell", help="cell file: areas, masses and the kind of cell", show_default=False)
TEST = typer.Option("--test", help="number of a test in a file with several, or `all`", show_default=False)
LOOK = typer.Option("--look", help="say what is in the files, and write nothing")
AGAIN = typer.Option("--again", help="even if the journal has this test of this file already")
FOLLOW = typer.Option("--follow", help="take LAND's .cex in these folders as they grow, until interrupted")
EVERY = typer.Option("--every", metavar="TIME", help="between two looks of --follow, 10 s if not given")
STILL = typer.Option(
    "--still", metavar="TIME", help="a followed test has ended when its file did not change so long, 1 d if not given"
)
PROTOCOL = typer.Option(
    "--protocol",
    metavar="OUT",
    help="read one protocol (EC-Lab .mps, Neware XML, Maccor, PyBaMM, aurora-unicycler, BattINFO) and write it to this YAML",
    show_default=False,
)


def command(
    files: Annotated[list[Path], FILES],
    *,
    db: Annotated[str, DB] = DEFAULT,
    cell: Annotated[Path | None, CELL] = None,
    test: Annotated[str, TEST] = "",
    look: Annotated[bool, LOOK] = False,
    again: Annotated[bool, AGAIN] = False,
    follow: Annotated[bool, FOLLOW] = False,
    every: Annotated[str, EVERY] = "",
    still: Annotated[str, STILL] = "",
    protocol: Annotated[Path | None, PROTOCOL] = None,
) -> None:
    """Take files of other makers into the journal, each test as a run; what was mapped is shown, nothing is half-imported.

    With --protocol OUT a protocol of another program becomes one of ours, and what is left out is listed. With --follow the
    files that LandMon writes in folders become runs that grow with them.
    """
    if protocol is not None:
        _nothing_besides(
            "--protocol",
            db=db != DEFAULT,
            cell=cell,
            test=test,
            look=look,
            again=again,
            follow=follow,
            every=every,
            still=still,
        )
        _protocol(files, protocol)
        return
    if follow:
        from labctl.cli.terminal.following import follow as follow_folders

        _nothing_besides("--follow", test=test, look=look, again=again)
        follow_folders(files, db, cell, every or "10 s", still or "1 d")
        return
    _nothing_besides("files alone", every=every, still=still)
    from labctl.exchange.find import recordings_of
    from labctl.exchange.import_run import completed

    figures = _cell(cell)
    read = [(file, *recordings_of(file, test)) for file in files]  # all are read before any is written
    whole = [
        (file, kind.name, number, completed(one, file.name)) for file, kind, tests in read for number, one in tests
    ]
    for file, name, number, one in whole:
        _tell(file, name, number, one, known_cell=figures is not None)
    if look:
        return
    from labctl.store.journal import Journal

    with Journal.open(db) as journal:
        runs = [_store(journal, *each, figures, again=again) for each in whole]
    last = runs[-1]
    where = "" if db == DEFAULT else f" --db {db}"
    typer.echo(
        f"next: labctl show {last}{where}, labctl analyse {last}{where}, labctl report {last}{where} -o run.html"
    )


def _nothing_besides(what: str, **given: object) -> None:
    """Refuse options that say nothing here: none is dropped without a word.

    Raises:
        UsageError: One of them is given.
    """
    from labctl.errors import UsageError

    if beside := [f"--{name}" for name, value in given.items() if value]:
        raise UsageError(f"wanted options that have an effect with {what}, found {', '.join(beside)}")


def _protocol(files: list[Path], output: Path) -> None:
    """Write the protocol of another program as one of ours, and tell what is left out."""
    from labctl.errors import UsageError
    from labctl.exchange.methods.find import decoded, read
    from labctl.inputs import read_file

    if len(files) != 1:
        raise UsageError(f"--protocol: wanted one file to read, found {len(files)}")
    try:
        text, losses = read(decoded(read_file(files[0])), files[0].name)
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{error.filename}: wanted a file to read and one to write, found {error.strerror}") from error
    for each in losses:
        typer.echo(str(each))
    typer.echo(f"{output}: next: labctl check {output}")


def _cell(file: Path | None) -> "tuple[CellFigures, Source] | None":
    if file is None:
        return None
    from labctl.exchange.cells import read_cell_figures

    return read_cell_figures(file)


def _tell(file: Path, name: str, number: int, one: "VendorTest", *, known_cell: bool) -> None:
    """Say what a file holds and what is mapped."""
    from labctl.exchange.steps import steps_of

    steps = steps_of(one)
    cycles = len({step.cycle for step in steps if step.cycle})
    hours = one.time[-1] / 3600 if len(one) else 0.0
    spectra = f", {len(one.spectra)} spectra" if one.spectra else ""
    typer.echo(f"{file} ({name}), test {number}: {one.title}")
    typer.echo(f"  {len(one):,} rows in {hours:.2f} h, {len(steps):,} steps, {cycles:,} cycles{spectra}")
    for mapped in one.conventions:
        typer.echo(f"  {mapped.what}: {mapped.theirs} -> {mapped.ours}")
    for note in one.notes:
        typer.echo(f"  note: {note}")
    if not known_cell:
        typer.echo("  note: no cell file: taken for a full cell without area or mass; --cell FILE says more")


def _store(
    journal: "Journal", file: Path, name: str, number: int, one: "VendorTest",
    cell: "tuple[CellFigures, Source] | None", *, again: bool,
) -> int:  # fmt: skip
    from labctl.cli.terminal.console import progress
    from labctl.exchange.import_run import end_interrupted, import_run, known_import, sha256_of
    from labctl.store.reader import Reader

    for run_id in end_interrupted(journal):
        typer.echo(f"run {run_id} was an import that was interrupted: it is ended as failed")
    digest = sha256_of(file)
    with Reader(journal.place.file) as reader:
        known = None if again else known_import(reader, digest, number, one)
    if known is not None:
        typer.echo(f"run {known} holds test {number} of {file} already; --again takes it once more")
        return known
    origin: dict[str, object] = {"imported": file.name, "format": name, "sha256": digest, "test": number}
    with progress() as bar:
        task = bar.add_task("rows", total=len(one))
        run_id = import_run(journal, one, file, origin, cell, lambda rows: bar.update(task, completed=rows))
    typer.echo(f"run {run_id}: {len(one):,} rows of {file}")
    return run_id
