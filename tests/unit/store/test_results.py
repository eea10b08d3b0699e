"""Results of a run as people read them: what an analysis told of it, again and again, is the newest alone."""

from labctl.engine.input import Event
from labctl.store import queries
from labctl.store.entry import Entry
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from tests.unit.store.making import new_run


def result(name, cycle, value):
    return Event("result", -1, 0.0, {"name": name, "cycle_count": cycle, "value": value, "unit": "mAh"})


def test_of_the_figures_of_an_analysis_the_newest_is_shown_and_of_those_of_the_run_every_one(tmp_path):
    with Journal.open(tmp_path) as journal:
        run_id = journal.create_run(new_run("a"))
        told = [result(name, cycle, float(cycle)) for cycle in (1, 5, 9) for name in ("capacity: last / mAh", "ccd")]
        journal.commit([Entry(run_id, events=tuple(told))])
        with Reader(tmp_path) as reader:
            shown = [tuple(row)[:3] for row in reader.query(queries.RESULTS, run=run_id)]
            stored = reader.query("SELECT count(*) FROM results WHERE run_id = :run", run=run_id)[0][0]
    assert shown == [("capacity: last / mAh", 9, 9.0), ("ccd", 1, 1.0), ("ccd", 5, 5.0), ("ccd", 9, 9.0)]
    assert stored == 6
