"""Writes figures to files: one page, one sheet, or each figure by itself."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.image import imsave

from labctl.analysis.digits import with_intervals
from labctl.analysis.run_record import Analysis
from labctl.errors import UsageError
from labctl.report.page import facts, page
from labctl.report.plots.choose import Wish, figures_of
from labctl.report.plots.style import Drawn, printed, styled
from labctl.report.run_data import analyse, default_analyses, plan_of, record_of
from labctl.store.entry import StoredRun
from labctl.store.reader import Reader
from labctl.store.whole_file import whole_file

A4: Final = (8.27, 11.69)  # inch
LINES: Final = 78  # on a page of figures of merit
DPI: Final = 150
GAP: Final = 20  # pixels of white around each figure of a sheet
PIECES: Final = frozenset({".svg", ".pdf", ".png"})


def write_of_run(output: Path, reader: Reader, run: StoredRun, wish: Wish, plot: str = "") -> None:
    """Write what is asked of a run: its report, one figure by name, or into a folder each figure by itself.

    Raises:
        UsageError: The file's name asks for another form, or there is no such figure.
    """
    allowed = PIECES if plot else {".html", ".htm", ".pdf", ".png"}
    folder = not output.suffix and not plot
    if output.suffix not in allowed and not folder:
        raise UsageError(f"wanted a file that ends in {', '.join(sorted(allowed))}, found {output}")
    record, wanted = record_of(reader, run), default_analyses(plan_of(reader, run))
    analyses = analyse(record, wanted)
    try:
        drawn = figures_of(record, analyses, replace(wish, options=dict(wanted)))
    except ValueError as error:
        raise UsageError(str(error)) from error
    if plot:
        chosen = [each for each in drawn if each.name == plot]
        if not chosen:
            raise UsageError(f"wanted a figure out of {', '.join(each.name for each in drawn)}, found {plot!r}")
        write(output, as_file(chosen[0], output.suffix))
    elif folder:
        output.mkdir(parents=True, exist_ok=True)
        for each in drawn:
            write(output / f"{each.name}.svg", as_file(each, ".svg"))
    else:
        write_report(output, run, analyses, drawn)


def write_report(output: Path, run: StoredRun, analyses: Sequence[Analysis], drawn: Sequence[Drawn]) -> None:
    """Write the report of a run in the form that the file's name asks for: `.html`, `.pdf` or `.png`."""
    writers: Mapping[str, Callable[[], bytes]] = {
        ".html": lambda: page(run, analyses, drawn).encode(),
        ".htm": lambda: page(run, analyses, drawn).encode(),
        ".pdf": lambda: as_pdf(cover(run, analyses), drawn),
        ".png": lambda: as_sheet(drawn),
    }
    write(output, writers[output.suffix]())


def write(output: Path, content: bytes) -> None:
    """Write a file whole, or not at all."""
    with whole_file(output) as part:
        part.write_bytes(content)


@styled
def as_file(drawn: Drawn, suffix: str) -> bytes:
    """Return one figure as a file of its own: vector with its fonts for `.svg` and `.pdf`, pixels for `.png`."""
    buffer = io.BytesIO()
    quiet = {"Date": None} if suffix == ".svg" else {"CreationDate": None} if suffix == ".pdf" else None
    drawn.figure.savefig(buffer, format=suffix[1:], dpi=DPI, metadata=quiet)
    return buffer.getvalue()


def cover(run: StoredRun, analyses: Sequence[Analysis]) -> list[str]:
    """Return the lines that stand before the figures: what was done, and what each analysis found."""
    lines = [run.title, "", *(f"{name:<12}{value}" for name, value in facts(run).items())]
    for analysis in analyses:
        lines += ["", analysis.name]
        values = with_intervals([(each.name, each.value, each.unit) for each in analysis.figures])
        lines += [
            f"  {each.name:<44}{value:>12} {printed(each.unit)}"
            for each, value in zip(analysis.figures, values, strict=True)
        ]
        lines += [f"  ! {part}" for flag in analysis.flags for part in folded(flag)]
    return lines


def folded(line: str, width: int = 92) -> list[str]:
    """Return a sentence in lines of a width."""
    lines = [""]
    for word in line.split():
        if len(lines[-1]) + len(word) + 1 > width:
            lines.append("  ")
        lines[-1] += (" " if lines[-1].strip() else "") + word
    return lines


@styled
def as_pdf(lines: Sequence[str], drawn: Sequence[Drawn]) -> bytes:
    """Return pages of A4: the lines first, then two figures a page with their captions; vector, fonts embedded."""
    buffer = io.BytesIO()
    with PdfPages(buffer, metadata={"Creator": "labctl", "CreationDate": None}) as pages:
        for begin in range(0, len(lines), LINES):
            sheet = Figure(figsize=A4)
            sheet.text(
                0.08,
                0.95,
                "\n".join(lines[begin : begin + LINES]),
                family="monospace",
                fontsize=7.5,
                va="top",
                linespacing=1.35,
            )
            pages.savefig(sheet)
        for each in drawn:
            width, height = each.figure.get_size_inches()
            each.figure.set_layout_engine("constrained", rect=(0, 0.09, 1, 0.91))
            each.figure.set_size_inches(width, height + 0.5)
            each.figure.text(0.02, 0.012, "\n".join(folded(each.caption, 100)), fontsize=6.5, color="0.3", va="bottom")
            pages.savefig(each.figure)
    return buffer.getvalue()


@styled
def as_sheet(drawn: Sequence[Drawn]) -> bytes:
    """Return one picture with all figures, two beside each other, in pixels."""
    pictures = [np.pad(pixels(each.figure), ((GAP, GAP), (GAP, GAP), (0, 0)), constant_values=255) for each in drawn]
    rows = [pictures[at : at + 2] for at in range(0, len(pictures), 2)]
    width = max(sum(each.shape[1] for each in row) for row in rows)
    buffer = io.BytesIO()
    imsave(buffer, np.concatenate([_beside(row, width) for row in rows], axis=0), format="png")
    return buffer.getvalue()


def _beside(row: Sequence[np.ndarray], width: int) -> np.ndarray:
    """Return pictures beside each other on white, of a width."""
    height = max(each.shape[0] for each in row)
    whole = np.full((height, width, 4), 255, dtype=np.uint8)
    left = 0
    for each in row:
        whole[: each.shape[0], left : left + each.shape[1]] = each
        left += each.shape[1]
    return whole


def pixels(figure: Figure) -> np.ndarray:
    """Return a figure as pixels."""
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba()).copy()  # type: ignore[no-untyped-call]
