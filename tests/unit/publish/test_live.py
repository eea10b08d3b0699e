"""What a sample says of its row: the step in which it was measured, also of a run that went on after a restart."""

import json

import numpy as np

from labctl.publish.live import Newest, payload
from labctl.sample import Batch
from labctl.store.entry import Entry
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from tests.unit.store.making import attempt, new_run


def rows(run_id, first, count, number):
    columns = (np.arange(count) + float(first), *(np.full(count, each) for each in (3.7, 0.1)))
    return Entry(run_id, Batch(*columns, np.zeros(count), np.zeros(count)), first, number)


def told(newest, entry):
    ((_, row),) = newest.rows(entry)
    return json.loads(payload(row))


def test_a_sample_names_its_step_also_after_a_restart(tmp_path):
    with Journal.open(tmp_path) as journal:
        run_id = journal.create_run(new_run("a"))
        begun = Entry(run_id, rows(run_id, 0, 3, 1).batch, 0, 1, events=(attempt(1, 0, 0.0),))
        journal.commit([begun])
        with Reader(tmp_path) as reader:
            before = told(Newest(reader), begun)
            after = told(Newest(reader), rows(run_id, 3, 3, 1))
    assert before["step_type"]
    for name in ("step_type", "step_id", "step_count", "cycle_count"):
        assert after[name] == before[name]
    assert after["step_time_second"] == before["step_time_second"] + 3.0
