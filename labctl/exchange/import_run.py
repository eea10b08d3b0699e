"""A recording into the journal: a run like any other, whose plan says that somebody else's program made it."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from labctl.driver import Points
from labctl.engine.input import Event, SpectrumPart
from labctl.exchange.steps import RecordedStep, StepWriter, renumbered, steps_of
from labctl.exchange.vendor_test import RecordedSpectrum, VendorFileError, VendorTest, integrated
from labctl.plan.codec import digest, plan_to_json
from labctl.plan.step import Block, CellFigures, Line, Plan
from labctl.sample import Batch, Floats
from labctl.store.entry import Entry, NewRun, Source, StoredRun
from labctl.store.journal import Journal
from labctl.store.reader import Reader

COMMIT: Final = 50_000  # rows
INTERRUPTED: Final = "the import was interrupted: rows are missing"
UNKNOWN_CELL: Final = "full"  # kind of a cell that nobody described, as a cell file without a kind has it


def completed(recording: VendorTest, name: str = "") -> VendorTest:
    """Return a recording with all its counters, cycles that come once, and a note of what was added.

    Args:
        recording: As its file has it.
        name: Of the file, for messages.

    Raises:
        VendorFileError: It has neither rows nor spectra.
    """
    if not len(recording) and not recording.spectra:
        raise VendorFileError(f"{name}: wanted a test with rows, found none in {recording.title}")
    conventions, notes = list(recording.conventions), list(recording.notes)
    own = (recording.charging_ah, recording.discharging_ah, recording.charging_wh, recording.discharging_wh)
    missing = [name for name, one in (("charge", own[0]), ("energy", own[2])) if one is None]
    counters = own
    if missing:
        made = integrated(recording.time, np.nan_to_num(recording.current), np.nan_to_num(recording.voltage))
        charged, discharged, charged_wh, discharged_wh = (
            one if one is not None else other for one, other in zip(own, made, strict=True)
        )
        counters = charged, discharged, charged_wh, discharged_wh
        notes.append(f"the file counts no {' and no '.join(missing)}: summed over its rows by the trapezoidal rule")
    cycle = renumbered(recording.cycle)
    if cycle is not recording.cycle:
        notes.append("cycle numbers come again in the file: cycles are counted anew in the order of the rows")
    return replace(
        recording, charging_ah=counters[0], discharging_ah=counters[1], charging_wh=counters[2],
        discharging_wh=counters[3], cycle=cycle, conventions=tuple(conventions), notes=tuple(notes),
    )  # fmt: skip


def sha256_of(file: Path) -> str:
    """Return the digest of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def known_import(reader: Reader, sha256: str, test: int, recording: VendorTest) -> int | None:
    """Return the run that holds this test of this file already, as far as it has come, None if none does."""
    for run in reader.runs():
        same = run.options.get("sha256") == sha256 and run.options.get("test") == test
        followed = is_of(run, recording) and run.rows >= len(recording)
        if (same or followed) and run.end_reason == "done":
            return run.run_id
    return None


def is_of(run: StoredRun, recording: VendorTest) -> bool:
    """Tell whether a run is of the test of a recording, of an earlier state of its file too."""
    return bool(recording.identity) and run.options.get("identity") == recording.identity


def end_interrupted(journal: Journal) -> list[int]:
    """End the imports that a kill cut short, and return their numbers; nobody goes on with them, but with files that grow."""
    with Reader(journal.place.file) as reader:
        open_ones = [
            run.run_id
            for run in reader.runs(active=True)
            if run.options.get("imported") and not run.options.get("followed")
        ]
    for run_id in open_ones:
        journal.finish_run(run_id, "failed", INTERRUPTED)
    return open_ones


def import_run(
    journal: Journal,
    recording: VendorTest,
    file: Path,
    origin: dict[str, object],
    cell: tuple[CellFigures, Source] | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Store a recording as a run and return its number; a run that cannot be stored whole ends as failed.

    Args:
        journal: Open for writing.
        recording: As `completed` returns it.
        file: From which it came.
        origin: What is kept of that among the run's options: `imported`, `format`, `sha256`, `test`.
        cell: Its figures and file; without, it is taken for a full cell of the recording's title.
        progress: Called with the number of rows stored so far.

    Raises:
        StoreError: It cannot be stored.
    """
    figures = figures_of(recording, cell)
    run_id = journal.create_run(new_run(recording, file, origin, cell))
    try:
        store(journal, entries_of(run_id, recording, figures), progress)
    except BaseException:
        journal.finish_run(run_id, "failed", INTERRUPTED)
        raise
    return run_id


def figures_of(recording: VendorTest, cell: tuple[CellFigures, Source] | None) -> CellFigures:
    """Return the figures of the cell of a recording; without a cell file it is a full one of the recording's title."""
    return cell[0] if cell else _unknown_cell(recording.title)


def new_run(
    recording: VendorTest, file: Path, origin: dict[str, object], cell: tuple[CellFigures, Source] | None
) -> NewRun:
    """Return the run that a recording becomes, before its first row; arguments as `import_run` has them."""
    figures = figures_of(recording, cell)
    plan = plan_of_import(recording, figures)
    began = recording.began if recording.began is not None else file.stat().st_mtime - _length(recording)
    return NewRun(
        plan=plan_to_json(plan), plan_hash=digest(plan), began_unix_time=began, protocol=plan.name, cell=figures.name,
        cell_file=cell[1] if cell else None, by="labctl import", options={**origin, **_told(recording)},
    )  # fmt: skip


def plan_of_import(recording: VendorTest, cell: CellFigures) -> Plan:
    """Return the plan of an imported run: one line that says that another program made it."""
    line = Line(1, "foreign", "Foreign", name=recording.title)
    return Plan(f"imported: {recording.title}", Block(0, (line,)), cell, ocv=None, edition=2)


def _unknown_cell(title: str) -> CellFigures:
    return CellFigures(title, UNKNOWN_CELL, efficiency="discharge/charge", retention="discharge")


def _length(recording: VendorTest) -> float:
    return float(recording.time[-1]) if len(recording) else 0.0


def _told(recording: VendorTest) -> dict[str, object]:
    conventions = "; ".join(f"{one.what}: {one.theirs} -> {one.ours}" for one in recording.conventions)
    facts = {f"file {name}": text for name, text in recording.facts.items() if text}
    identity = {"identity": recording.identity} if recording.identity else {}
    return {"conventions": conventions, "import_notes": "; ".join(recording.notes), **identity, **facts}


def store(journal: Journal, entries: Iterable[Entry], progress: Callable[[int], None] = lambda _: None) -> None:
    """Commit entries in order, `COMMIT` rows at a time, and tell after each commit how many rows are stored.

    Raises:
        StoreError: They cannot be stored; what was committed before stays.
    """
    waiting: list[Entry] = []
    rows = wait = 0
    for entry in entries:
        waiting.append(entry)
        wait += entry.rows
        if wait >= COMMIT:
            journal.commit(waiting)
            rows, waiting, wait = rows + wait, [], 0
            progress(rows)
    if waiting:
        journal.commit(waiting)
    progress(rows + wait)


def entries_of(run_id: int, recording: VendorTest, cell: CellFigures, *, growing: bool = False) -> Iterator[Entry]:
    """Give all that is stored of a recording after its first line, in order.

    Of one that is `growing`, the last step and the run have not ended: what is given then is given first of every longer one.
    """
    steps = steps_of(recording)
    spectra = _SpectrumSteps(run_id, recording, len(steps))
    began = Event("run_began", -1, 0.0, {"name": recording.title, "cell": cell.name})
    running = Event("activity", -1, 0.0, {"activity": "running", "why": "", "unblock": ""})
    yield Entry(run_id, events=(began, running))
    yield from spectra.up_to(-1)
    for step, before, after in StepWriter(recording, cell, steps).events():
        yield Entry(run_id, events=before)
        yield from _rows(run_id, recording, step)
        if growing and step.count == len(steps):
            return
        yield Entry(run_id, events=after)
        yield from spectra.up_to(step.last)
    if growing:
        return
    yield from spectra.up_to(len(recording))
    last = len(recording) - 1
    ended = {"reason": "done", "why": "" if recording.ended else "as far as the file goes"}
    yield Entry(run_id, events=(Event("run_ended", last, _length(recording), ended),))


def _rows(run_id: int, recording: VendorTest, step: RecordedStep) -> Iterator[Entry]:
    for first in range(step.first, step.last + 1, COMMIT):
        part = slice(first, min(first + COMMIT, step.last + 1))
        yield Entry(run_id, _batch(recording, part), first, step.count)


def _batch(one: VendorTest, part: slice) -> Batch:
    def cut(column: Floats | None) -> Floats | None:
        return None if column is None else column[part]

    return Batch(
        one.time[part], one.voltage[part], one.current[part], cut(one.charging_ah), cut(one.discharging_ah),
        cut(one.temperature), auxiliary={name: column[part] for name, column in one.auxiliary.items()},
        charging_wh=cut(one.charging_wh), discharging_wh=cut(one.discharging_wh),
    )  # fmt: skip


class _SpectrumSteps:
    """The spectra of a recording, each a step of its own after the rows before it."""

    def __init__(self, run_id: int, recording: VendorTest, steps: int) -> None:
        self._run_id, self._waiting = run_id, list(enumerate(recording.spectra, 1))
        self._steps = steps

    def up_to(self, row: int) -> Iterator[Entry]:
        while self._waiting and self._waiting[0][1].after <= row:
            yield from self._entries(*self._waiting.pop(0))

    def _entries(self, number: int, spectrum: RecordedSpectrum) -> Iterator[Entry]:
        count, begin, end = self._steps + number, float(spectrum.time[0]), float(spectrum.time[-1])
        named = {
            "step_count": count,
            "step_id": 0,
            "step_type": "eis",
            "cycle_count": spectrum.cycle,
            "cycles_completed": 0,
        }
        row = spectrum.after
        attempt = {
            **named,
            "attempt_id": count,
            "begun_test_time_second": begin,
            "step_time_second": 0.0,
        }
        begun = {"spectrum": number, **named, "attempt_id": count}
        yield Entry(
            self._run_id,
            events=(
                Event("attempt", row, begin, attempt),
                Event("step_began", row, begin, {**named, "step_name": "", "begin_test_time_second": begin}),
                Event("spectrum_began", row, begin, begun),
            ),
        )
        points = Points(
            spectrum.time, spectrum.frequency, spectrum.real, spectrum.imaginary, spectrum.voltage, spectrum.current
        )
        yield Entry(self._run_id, input=SpectrumPart(count, points))
        ended = {**begun, "points": len(spectrum.time), "complete": True}
        over = {
            **named,
            "step_name": "",
            "begin_test_time_second": begin,
            "end_test_time_second": end,
            "step_time_second": end - begin,
            "end_reason": "own",
            "complete": True,
            "first_record": row + 1,
            "last_record": row,
            "first_voltage_volt": float(spectrum.voltage[0]),
            "last_voltage_volt": float(spectrum.voltage[-1]),
        }
        yield Entry(
            self._run_id, events=(Event("spectrum_ended", row, end, ended), Event("step_ended", row, end, over))
        )
