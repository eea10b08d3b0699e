"""A protocol on many simulated cells: a grid of parameters, replicates with seeds of their own, on all cores, chunk by chunk.

What a chunk gives is one file that is there whole or not at all, so a sweep that was cut goes on where it stopped. Every point's
seed and parameters follow from its number alone: the table is the same to the byte whatever the number of workers, and whichever
died.
"""

import csv
import hashlib
import io
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import orjson

from labctl.errors import UsageError
from labctl.inputs import printable
from labctl.report.run_data import analyse, default_analyses, plan_of, record_of
from labctl.report.worker_pool import WorkerPool, carried_out, processes
from labctl.run.files import read_files
from labctl.run.simulate import DryRunRequest, Simulation
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from labctl.store.whole_file import whole_file

CHUNK: Final = 4  # points of a chunk where nobody says otherwise: seconds of work, so that a cut sweep loses little
CELL_FOLDER: Final = (
    "cell/a/b/c"  # of the cell file at a worker without our disk: its parameter file may lie a few folders up
)
REQUEST, TABLE = "sweep.json", "sweep.csv"


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """What is asked of a sweep.

    Attributes:
        protocol: File or name of the library.
        cell: File or name of the library.
        grid: Values of each parameter, by name; every combination is a point.
        replicates: Runs of each combination, each with a seed of its own.
        seed: Of the first replicate; the others have the numbers after it.
        chunk: Points of a chunk.
    """

    protocol: str
    cell: str
    grid: Mapping[str, Sequence[str]]
    replicates: int = 1
    seed: int = 0
    chunk: int = CHUNK


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """One run of a sweep: its number, parameters, replicate and seed."""

    number: int
    values: Mapping[str, str]
    replicate: int
    seed: int


def points_of(request: SweepRequest) -> list[SweepPoint]:
    """Return every point of a sweep, the last parameter varying fastest, replicates innermost.

    Raises:
        UsageError: There is none.
    """
    if request.replicates < 1 or request.chunk < 1:
        raise UsageError(
            f"wanted one replicate or more in chunks of one or more, found {request.replicates} and {request.chunk}"
        )
    names = list(request.grid)
    combinations = itertools.product(*(request.grid[name] for name in names))
    every = itertools.product(
        (dict(zip(names, values, strict=True)) for values in combinations), range(request.replicates)
    )
    return [SweepPoint(at, values, replicate, request.seed + replicate) for at, (values, replicate) in enumerate(every)]


def digest_of(request: SweepRequest) -> str:
    """Return what tells one sweep from another, the texts of its files included."""
    read = Simulation(
        DryRunRequest(request.protocol, request.cell, {name: values[0] for name, values in request.grid.items()})
    )
    texts = [read.files.cell_text, *(text for text in map(str, read.files.texts))]
    return hashlib.sha256(orjson.dumps([asdict(request), texts], option=orjson.OPT_SORT_KEYS)).hexdigest()


def sweep(
    request: SweepRequest,
    folder: Path,
    pool: WorkerPool | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Path:
    """Run what of a sweep is not done yet, and write its table; return the table's path.

    Args:
        request: What is asked.
        folder: Of the chunks, their journals and the table; made where it is missing.
        pool: Who runs the chunks; processes on all cores of this machine without one.
        progress: Is told how many chunks are done, of how many.

    Raises:
        UsageError: The folder holds another sweep.
        LabctlError: A file is wrong, or a chunk's workers died each time.
    """
    pool = pool or processes()
    points, digest = points_of(request), digest_of(request)
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder / REQUEST, request, digest)
    chunks = dict(enumerate(points[at : at + request.chunk] for at in range(0, len(points), request.chunk)))
    left = {number: chunk for number, chunk in chunks.items() if not _chunk_file(folder, number).is_file()}
    progress(len(chunks) - len(left), len(chunks))
    for done, _ in enumerate(_carried_out(request, folder, left, pool), 1):
        progress(len(chunks) - len(left) + done, len(chunks))
    rows = [row for number in chunks for row in orjson.loads(_chunk_file(folder, number).read_bytes())]
    with whole_file(folder / TABLE) as part:
        part.write_text(as_csv(rows), encoding="utf-8")
    return folder / TABLE


def _claim(file: Path, request: SweepRequest, digest: str) -> None:
    """Note what a folder holds, or refuse it where that is another sweep."""
    if file.is_file():
        known = orjson.loads(file.read_bytes())
        if known.get("digest") != digest:
            raise UsageError(f"wanted an empty folder or one of the same sweep, found another sweep in {file.parent}")
        return
    with whole_file(file) as part:
        part.write_bytes(orjson.dumps({"digest": digest, **asdict(request)}, option=orjson.OPT_INDENT_2))


def _carried_out(
    request: SweepRequest, folder: Path, left: Mapping[int, Sequence[SweepPoint]], pool: WorkerPool
) -> Iterator[int]:
    """Give the number of each chunk as its file is there; what workers without our disk give is written here."""
    numbered = {number: (number, points) for number, points in left.items()}
    if pool.shares_disk:
        for number, _ in carried_out(pool, partial(run_chunk, request, folder), numbered, "chunk"):
            yield number
        return
    for number, files in carried_out(pool, partial(run_chunk_apart, request, texts_of(request)), numbered, "chunk"):
        for name, content in files.items():  # the journal first: a chunk is done when its table is there
            with whole_file(folder / name) as part:
                part.write_bytes(content)
        yield number


def texts_of(request: SweepRequest) -> dict[str, str]:
    """Return every file that a sweep reads, by a path from one folder: what a worker needs that does not see our disk.

    Raises:
        UsageError: The cell's parameter file is given by an absolute path.
    """
    files = read_files(request.protocol, request.cell)
    model = files.cell.model_text
    beside = files.texts if model is None else files.texts[:-1]
    paths = {f"protocol/{text.name}": text.text for text in beside}
    paths[f"{CELL_FOLDER}/{files.cell_text.name}"] = files.cell_text.text
    if model is not None:
        place = os.path.normpath(Path(CELL_FOLDER) / files.cell.model)
        if not place.startswith("cell"):
            raise UsageError(f"wanted a parameter file by a path from the cell file, found {files.cell.model}")
        paths[place] = model
    return paths


def run_chunk_apart(
    request: SweepRequest, texts: Mapping[str, str], numbered: tuple[int, Sequence[SweepPoint]]
) -> dict[str, bytes]:
    """Run a chunk from the texts of its files alone, and return the files that it gives, its table last."""
    with TemporaryDirectory(prefix="labctl-sweep-") as place:
        folder = Path(place)
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))
        protocol = next(str(folder / name) for name in texts if name.startswith("protocol/"))
        cell = next(str(folder / name) for name in texts if name.startswith(CELL_FOLDER))
        results = folder / "results"
        results.mkdir()
        run_chunk(replace(request, protocol=protocol, cell=cell), results, numbered)
        files = sorted(results.iterdir(), key=lambda file: file.suffix == ".json")
        return {file.name: file.read_bytes() for file in files}


def run_chunk(request: SweepRequest, folder: Path, numbered: tuple[int, Sequence[SweepPoint]]) -> None:
    """Run the points of the chunk of a number into a journal of its own, then write what they gave."""
    at, points = numbered
    journal = folder / f"chunk-{at:04d}.db"
    for old in folder.glob(f"{journal.name}*"):  # of a worker that died on the way
        old.unlink()
    rows = []
    with Journal.open(journal) as opened:
        for point in points:
            simulation = Simulation(
                DryRunRequest(request.protocol, request.cell, point.values, seed=point.seed, by="labctl simulate")
            )
            done = simulation.run(opened)
            with Reader(journal) as reader:
                run = reader.run(done.run_id)
                analyses = analyse(record_of(reader, run), default_analyses(plan_of(reader, run)))
            figures = {
                f"{each.name}: {figure.name} / {figure.unit}": figure.value
                for each in analyses for figure in each.figures if np.isfinite(figure.value)
            }  # fmt: skip
            rows.append(
                {
                    "point": point.number, "replicate": point.replicate, "seed": point.seed, **point.values,
                    "journal": journal.name, "run": done.run_id, "end": done.reason, **figures,
                }
            )  # fmt: skip
    with whole_file(_chunk_file(folder, at)) as part:
        part.write_bytes(orjson.dumps(rows))


def _chunk_file(folder: Path, at: int) -> Path:
    return folder / f"chunk-{at:04d}.json"


def as_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """Return points as a table, one line each; a figure that a point does not have is empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: printable(str(value)) if isinstance(value, str) else value for name, value in row.items()}
        for row in rows
    )
    return text.getvalue()


def grid_of(assignments: Sequence[str]) -> dict[str, list[str]]:
    """Return the values of each parameter from texts NAME=VALUE; a name that comes several times is varied.

    Raises:
        UsageError: One of them is no assignment.
    """
    grid: dict[str, list[str]] = {}
    for text in assignments:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise UsageError(f"wanted NAME=VALUE, found {text!r}")
        grid.setdefault(name.strip(), []).append(value.strip())
    return grid
