"""Analyses that are stored: with method, version, inputs and flags, as an event of their run, so that every copy has them too."""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Final

import numpy as np
import orjson

from labctl.analysis.run_record import Analysis, RunRecord
from labctl.engine.input import Event
from labctl.errors import StoreBusy, StoreError
from labctl.protocol.analyses import of_word, read_options
from labctl.report.run_data import analyse, corrections, default_analyses, plan_of, record_of
from labctl.sample import SECONDS_PER_HOUR
from labctl.store.entry import Entry, StoredRun
from labctl.store.journal import Journal
from labctl.store.location import machine
from labctl.store.queries import KNOWN_ANALYSIS, MACHINES
from labctl.store.reader import Reader

LARGEST: Final = (
    256 * 1024
)  # bytes of a table that is stored with its figures; a larger one is made again when asked for


def software() -> str:
    """Return the version under which analyses are stored: another one never replaces what this one gave."""
    return version("labctl")


def analysed(run: StoredRun, record: RunRecord, analysis: Analysis, options: Mapping[str, str], now: float) -> Event:
    """Return the event that stores an analysis.

    Args:
        run: As it stands.
        record: What was analysed.
        analysis: What came out.
        options: As the protocol gave them.
        now: UTC label, s.
    """
    figures = [
        {"name": each.name, "value": each.value, "unit": each.unit, "cycle": each.cycle}
        for each in analysis.figures
        if np.isfinite(each.value)
    ]
    table = _json(analysis.table)
    data = {
        "analysis": analysis.name,
        "options": _json(dict(sorted(options.items()))),
        "version": software(),
        "unix_time_second": now,
        "inputs": _json(inputs_of(run, record)),
        "figures": _json(figures),
        "flags": _json(analysis.flags),
        "data": table if len(table) <= LARGEST else None,
    }
    return Event("analysed", run.rows - 1, run.test_time, data)


def inputs_of(run: StoredRun, record: RunRecord) -> dict[str, object]:
    """Return what an analysis was made of: the last row, the complete cycles and the spectra that there were."""
    complete = np.asarray(record.cycles["complete"], dtype=float) == 1.0
    return {
        "record_index": run.rows - 1,
        "test_time_hour": run.test_time / SECONDS_PER_HOUR,
        "complete_cycles": int(np.sum(complete)),
        "spectra": len(record.spectra()),
        "data": run.origin,
    }


def news(
    reader: Reader, run: StoredRun, now: float, names: Sequence[str] = ()
) -> tuple[list[Analysis], tuple[Event, ...]]:
    """Return the analyses of a run, and the events that store those which are not stored as they are.

    Args:
        reader: Of the journal.
        run: The run.
        now: UTC label, s.
        names: Analyses in place of those of the protocol, by themselves or with options as `as_word` writes them.
    """
    wanted = chosen(default_analyses(plan_of(reader, run)), names)
    record, more = record_of(reader, run), {each.name: each.text for each in corrections(reader, run)}
    analyses = analyse(record, wanted)
    events = [  # those of before a correction stand beside them, under options of their own
        analysed(run, record, each, {**options, **more}, now)
        for each, (_, options) in zip(analyses, wanted, strict=True)
    ]
    return analyses, tuple(event for event in events if not _is_stored(reader, run.run_id, event))


def chosen(
    usual: Sequence[tuple[str, Mapping[str, str]]], names: Sequence[str]
) -> Sequence[tuple[str, Mapping[str, str]]]:
    """Return the analyses of these names, with the options that the protocol gives them; all of the protocol's without names.

    Options that stand with a name hold before those of the protocol.

    Raises:
        ProtocolError: They are none of that analysis, or say what cannot be.
    """
    if not names:
        return usual
    wanted = []
    for name, given in map(of_word, names):
        options = read_options(name, given) if given else {}
        known = [pair for pair in usual if pair[0] == name] or [(name, {})]
        wanted += [(name, {**before, **options}) for _, before in known]
    return wanted


def _is_stored(reader: Reader, run_id: int, event: Event) -> bool:
    data = event.data
    rows = reader.query(KNOWN_ANALYSIS, run=run_id, **{name: data[name] for name in ("analysis", "options", "version")})
    return any(tuple(row) == tuple(data[name] for name in ("inputs", "figures", "flags")) for row in rows)


def analyse_ended(journal: Journal, run_id: int) -> None:
    """Carry out and store what the protocol of a run asks for under `analyse`, in the journal that is open for writing."""
    with Reader(journal.place.file) as reader:
        run = reader.run(run_id)
        if not plan_of(reader, run).analyses:
            return
        _, events = news(reader, run, journal.now())
    if events:
        journal.commit([Entry(run_id, events=events)])


def store(where: str, run_id: int, events: Sequence[Event], notify: Callable[[str], None] = lambda _: None) -> bool:
    """Store analyses in a journal that nobody else writes, and return whether they are there; say why where not.

    Raises:
        StoreBusy: Somebody else writes it.
    """
    if not events:
        return True
    if where.startswith("postgres"):
        notify("not stored: this is a copy; labctl analyse on the journal itself stores")
        return False
    with Reader(where) as reader:
        machines = reader.query(MACHINES)
    if machines and machines[-1][0] != machine():
        notify("not stored: another machine writes this journal")
        return False
    try:
        with Journal.open(where, create=False) as journal:
            journal.commit([Entry(run_id, events=tuple(events))])
    except StoreBusy:
        raise
    except StoreError as error:
        notify(f"not stored: {error}")
        return False
    return True


def _json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode()
