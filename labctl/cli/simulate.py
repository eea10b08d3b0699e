"""The dry run: a protocol on a simulated cell, into a database."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labctl.report.sweep import SweepRequest

DEFAULT = "sqlite:///labctl.db"


def command(
    protocol: Annotated[Path, typer.Argument(help="protocol file, or the name of a shipped one", show_default=False)],
    *,
    cell: Annotated[
        Path, typer.Option("--cell", help="cell file; its `model` is what is simulated", show_default=False)
    ],
    db: Annotated[
        str, typer.Option("--db", help="journal to write: sqlite:///FILE, a file, or a data folder")
    ] = DEFAULT,
    seed: Annotated[int, typer.Option("--seed", help="of everything random in the cell and its instrument")] = 0,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="a parameter of the protocol; with --replicates several values of one"
        ),
    ] = None,
    replicates: Annotated[
        int,
        typer.Option(
            "--replicates", help="a sweep: so many runs of every combination of --set, on all cores; --db is its folder"
        ),
    ] = 0,
    workers: Annotated[
        int, typer.Option("--workers", help="processes of a sweep; all cores without", show_default=False)
    ] = 0,
    scheduler: Annotated[
        str,
        typer.Option("--scheduler", help="of a Dask cluster for a sweep, tls://HOST:PORT", show_default=False),
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="one JSON object instead of sentences")] = False,
) -> None:
    """Run a protocol on a simulated cell as fast as it goes; every row is in the database when it ends."""
    from labctl.cli.terminal.dry_run import dry_run
    from labctl.report.stored import analyse_ended

    if replicates:
        from labctl.report.sweep import SweepRequest, grid_of

        folder = Path("sweep" if db == DEFAULT else db)
        run_sweep(
            SweepRequest(str(protocol), str(cell), grid_of(values or []), replicates, seed), folder, workers, scheduler
        )
        return
    raise typer.Exit(
        dry_run(str(protocol), str(cell), db, seed=seed, values=values or [], as_json=json, ended=analyse_ended)
    )


def run_sweep(request: "SweepRequest", folder: Path, workers: int, scheduler: str = "") -> None:
    """Run a sweep, or what is left of it, with progress and time left."""
    from labctl.cli.terminal.console import progress
    from labctl.report.sweep import points_of, sweep
    from labctl.report.worker_pool import pool_of

    with progress() as bar:
        task = bar.add_task("sweep", total=None)
        pool = pool_of(scheduler, workers)
        table = sweep(request, folder, pool, lambda done, every: bar.update(task, completed=done, total=every))
    typer.echo(f"{len(points_of(request))} runs; {table}, journals beside it")
    typer.echo(f"next: labctl report --compare 1 2 --db {folder}/chunk-0000.db -o both.html")
