"""Files of another maker's program that grow while it measures: each becomes a run that grows with it, until its test has ended.

A file is looked at again where its size or time has changed; what is new of it is committed at once. All that is stored of a file
follows from the file alone, and what was stored before is the begin of it, so that a kill at any moment loses nothing: the next
look finds in the journal how far it had come. Files are only read.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from labctl.exchange.formats import land
from labctl.exchange.import_run import completed, entries_of, figures_of, is_of, new_run, store
from labctl.exchange.vendor_test import VendorFileError, VendorTest
from labctl.plan.step import CellFigures
from labctl.sample import Batch
from labctl.store.entry import Entry, Source, StoredRun
from labctl.store.journal import Journal
from labctl.store.reader import Reader

SUFFIX: Final = ".cex"
COLUMNS: Final = ("time", "voltage", "current", "charging_ah", "discharging_ah")  # of which stored rows are known again
CellOf: TypeAlias = Callable[[Path], "tuple[CellFigures, Source] | None"]
Mark: TypeAlias = tuple[int, int]  # size in bytes and time of change in ns


@dataclass(slots=True)
class FollowedFile:
    """A file, how it was when it was looked at last, and the run that it becomes.

    Attributes:
        path: Of the file.
        folder: That was given, in which it lies: of one tester.
        changed: Machine time at which it was seen to have changed, s.
        mark: As it was read last, None before.
        wrong: What was wrong with it as it was read last, "" for nothing.
        said: What a person was told of it last.
        recording: As it was read last without a fault.
        cell: Figures and file of its cell, as they were when its run began or went on; None for one that is not known.
        run_id: Its run, None for none.
        stored: How many events and rows of the run are stored, None where the journal must be asked.
        ended: Nothing more is taken of it: its run has ended, or the journal had its test before.
    """

    path: Path
    folder: Path
    changed: float
    mark: Mark | None = None
    wrong: str = ""
    said: str = ""
    recording: VendorTest | None = None
    cell: "tuple[CellFigures, Source] | None" = None
    run_id: int | None = None
    stored: tuple[int, int] | None = None
    ended: bool = False

    def say(self, words: str) -> Iterator[str]:
        """Give what a person should know of the file, unless that was the last that was said."""
        if words != self.said:
            self.said = words
            yield f"{self.path}: {words}"


class GrowingFolders:
    """The files of some folders, looked at in turn.

    Args:
        journal: Open for writing.
        folders: In which LandMon writes, one of each tester, with all that is in them.
        cell_of: Gives the figures and file of the cell of a recording, None for one that is not known.
        still: s without a change after which a test has ended.
    """

    def __init__(self, journal: Journal, folders: Sequence[Path], cell_of: CellOf, still: float) -> None:
        self._journal, self._folders, self._cell_of, self._still = journal, folders, cell_of, still
        self._files: dict[Path, FollowedFile] = {}
        self._begun: float | None = None

    def look(self, now: float) -> Iterator[str]:
        """Take what is new of all files, and give what a person should know of it.

        Args:
            now: Machine time, s.

        Raises:
            StoreError: It cannot be stored.
        """
        self._begun = now if self._begun is None else self._begun
        for folder in self._folders:
            for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() == SUFFIX):
                one = self._files.setdefault(path, FollowedFile(path, folder, now))
                try:
                    yield from self._look(one, now)
                except OSError as error:
                    yield from one.say(f"it cannot be read: {error.strerror}; it is tried again")
        yield from self._end_those_that_are_over(now)

    def _look(self, one: FollowedFile, now: float) -> Iterator[str]:
        stat = one.path.stat()
        mark = (stat.st_size, stat.st_mtime_ns)
        if mark != one.mark:
            one.changed = now
            if one.ended and one.mark is not None:
                one.mark = mark
                yield from one.say(f"it has changed since its run {one.run_id} ended: labctl import takes it whole")
        if not one.ended and (mark != one.mark or one.wrong not in {"", one.said}):
            yield from self._take(one)
            one.mark = mark

    def _take(self, one: FollowedFile) -> Iterator[str]:
        """Read a file and store what is new of it; one with the same fault twice was not caught while it was written."""
        try:
            recording = land.recording_of(one.path.read_bytes(), one.path.name, growing=True)
            if len(recording):
                recording = completed(recording, one.path.name)
                yield from self._grow(one, recording)
                one.recording = recording
            one.wrong = ""
        except VendorFileError as error:
            again, one.wrong = one.wrong == str(error), str(error)
            if again and one.run_id is not None:
                self._journal.finish_run(one.run_id, "failed", one.wrong)
                one.ended = True
            if again and one.said != one.wrong:
                one.said = one.wrong
                yield f"{one.path} is not taken{'' if one.run_id is None else f', run {one.run_id} failed'}: {one.wrong}"

    def _grow(self, one: FollowedFile, recording: VendorTest) -> Iterator[str]:
        """Store of a recording what its run lacks, beginning one that is not there."""
        if one.recording is not None and one.recording.identity != recording.identity:
            yield from self._end(one, "another test was written to its file")
            one.run_id, one.stored, one.recording, one.ended = None, None, None, False
        if one.run_id is None:
            known = self._known(recording)
            if known is not None and any(other.run_id == known.run_id for other in self._files.values()):
                one.ended = True
                yield from one.say(
                    f"it holds the test of run {known.run_id}, which is another file's: it is not followed"
                )
                return
            one.cell = self._cell_of(one.path)
            one.run_id = known.run_id if known else self._begin(one, recording)
            if known is not None and not known.active:
                one.ended = True
                yield from one.say(f"run {known.run_id} holds its test already")
                return
            yield from one.say(f"run {one.run_id} {'goes on' if known else 'begins'}, {recording.title}")
        self._store(one, recording, growing=True)

    def _begin(self, one: FollowedFile, recording: VendorTest) -> int:
        origin: dict[str, object] = {"imported": one.path.name, "format": "LAND", "followed": str(one.path), "test": 1}
        return self._journal.create_run(new_run(recording, one.path, origin, one.cell))

    def _known(self, recording: VendorTest) -> StoredRun | None:
        """Return the run of a test, begun in an earlier life or imported, that did not fail."""
        with Reader(self._journal.place.file) as reader:
            runs = [run for run in reader.runs() if is_of(run, recording) and run.end_reason in {None, "done"}]
        return runs[-1] if runs else None

    def _store(self, one: FollowedFile, recording: VendorTest, *, growing: bool) -> None:
        """Store those entries of a recording that are not in the journal yet.

        Raises:
            VendorFileError: The rows that are stored are not the begin of the recording.
        """
        assert one.run_id is not None
        if one.stored is None or one.recording is None:
            with Reader(self._journal.place.file) as reader:
                before: Batch | VendorTest = reader.rows(one.run_id)
                one.stored = len(reader.events(one.run_id)), len(before)
        else:
            before = one.recording
        events, rows = one.stored
        if len(recording) < rows or not _begins_with(recording, before, rows):
            found = f"{len(recording)} others" if len(recording) < rows else "others"
            raise VendorFileError(
                f"{one.path.name}: wanted the {rows} rows that run {one.run_id} has at its begin, found {found}: "
                "the file was changed, not continued"
            )
        entries = list(entries_of(one.run_id, recording, figures_of(recording, one.cell), growing=growing))
        one.stored = None  # until it is stored, nobody knows
        store(self._journal, later(entries, events, rows))
        one.stored = sum(len(entry.events) for entry in entries), len(recording)

    def _end(self, one: FollowedFile, why: str) -> Iterator[str]:
        """End the run of a file with the step that was under way, and say so."""
        if one.run_id is not None and one.recording is not None and not one.ended:
            self._store(one, one.recording, growing=False)
            one.ended = True
            yield from one.say(f"run {one.run_id} has ended with {len(one.recording):,} rows: {why}")

    def _end_those_that_are_over(self, now: float) -> Iterator[str]:
        """End the runs of files that stand still, of channels on which a later test has begun, and of files that are gone."""
        begun: dict[tuple[Path, str], float] = {}
        for one in self._files.values():
            if one.recording is not None:
                place = (one.folder, one.recording.title)
                begun[place] = max(begun.get(place, 0.0), one.recording.began or 0.0)
        for one in self._files.values():
            if one.recording is None or one.ended:
                continue
            if (one.recording.began or 0.0) < begun[one.folder, one.recording.title]:
                yield from self._end(one, f"a later test has begun on {one.recording.title}")
            elif now - one.changed >= self._still:
                yield from self._end(one, f"its file has not changed for {self._still:g} s")
        if self._begun is not None and now - self._begun >= self._still:
            self._begun = now
            yield from self._end_those_without_a_file()

    def _end_those_without_a_file(self) -> Iterator[str]:
        there = {one.run_id for one in self._files.values()}
        with Reader(self._journal.place.file) as reader:
            lost = [run for run in reader.runs(active=True) if run.options.get("followed") and run.run_id not in there]
        for run in lost:
            self._journal.finish_run(run.run_id, "done", "its file is gone")
            yield f"run {run.run_id} has ended: {run.options['followed']} is gone"


def _begins_with(recording: VendorTest, before: Batch | VendorTest, rows: int) -> bool:
    pairs = [(getattr(recording, name), getattr(before, name)) for name in COLUMNS]
    return all(np.array_equal(now[:rows], then[:rows]) for now, then in pairs)


def later(entries: Iterable[Entry], events: int, rows: int) -> Iterator[Entry]:
    """Give what entries hold beyond so many events and rows, which are stored."""
    for entry in entries:
        if entry.batch is None:
            kept, events = entry.events[events:], max(0, events - len(entry.events))
            if kept:
                yield replace(entry, events=kept)
        elif entry.first_record + len(entry.batch) > rows:
            first = max(rows, entry.first_record)
            yield replace(entry, batch=entry.batch.rows(first - entry.first_record), first_record=first)
