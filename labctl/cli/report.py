"""A page with the plots of a run."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[str, typer.Argument(help="run number, or the beginning of its uuid", show_default=False)],
    *,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="file.html, or file.png/.svg/.pdf for the history alone")
    ],
    db: Annotated[
        str,
        typer.Option(
            "--db",
            help="journal: sqlite:///FILE, a file, or a data folder; labctl.db here, else the daemon's",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Write a page with the figures, tables and plots of a run, complete in one file."""
    from labctl.control.place import journal
    from labctl.errors import UsageError
    from labctl.report.page import page
    from labctl.report.plot import figures, history, nyquist
    from labctl.report.record import analyse, default_analyses, plan_of, record_of, spectra_of
    from labctl.store.reader import Reader

    with Reader(db or journal()) as reader:
        found = reader.find(run)
        record = record_of(reader, found)
        if output.suffix in {".png", ".svg", ".pdf"}:
            history(record).savefig(output, dpi=150)
        elif output.suffix in {".html", ".htm"}:
            analyses = analyse(record, default_analyses(plan_of(reader, found)))
            drawn, spectra = figures(record, analyses), spectra_of(reader, found)
            if spectra:
                drawn["spectra"] = nyquist(spectra)
            output.write_text(page(found, analyses, drawn), encoding="utf-8")
        else:
            raise UsageError(f"wanted a file that ends in .html, .png, .svg or .pdf, found {output}")
    typer.echo(f"{output}: {output.stat().st_size / 1024:.0f} kB")
