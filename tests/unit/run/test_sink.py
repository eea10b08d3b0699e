import asyncio

import numpy as np

from labctl.run.sink import Sink
from labctl.sample import Batch
from labctl.store.entry import Entry, NewRun
from labctl.store.journal import Journal


def rows(first, count):
    time = np.arange(first, first + count, dtype=float)
    return Batch(time, time, time, time, np.zeros(count))


def entry(run, first, count, checkpoint=None):
    return Entry(run, rows(first, count), first_record=first, attempt_id=1, checkpoint=checkpoint)


async def test_what_a_run_hands_over_at_once_is_never_cut(tmp_path):
    with Journal.open(tmp_path / "data") as journal:
        run = journal.create_run(NewRun(b"{}", "x", 0.0, channel="a"))
        seen = []
        sink = Sink(journal, asyncio.get_running_loop())
        sink.on_commit(lambda done: seen.append([(each.first_record, each.checkpoint) for each in done.entries]))
        first = 0
        for _ in range(6):
            sink.hand_over([entry(run, first, 3000), entry(run, first + 3000, 3000, b"{}")])
            first += 6000
        await sink.flush()
        await sink.close()
        assert sum(len(each) for each in seen) == 12
        assert all(each[-1][1] is not None for each in seen)
