"""Rig M: a journal and a dictionary are told the same; whatever happens in whatever order, they hold the same.

People and daemons make runs, add rows and events, give orders and end runs; the process is killed, closed and opened again, and
somebody reads all the while. `LABCTL_EXAMPLES` says how many histories, a hundred or so where it is not set.
"""

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from labctl.engine.input import Event
from labctl.errors import LabctlError
from labctl.store.entry import Entry, OrderRecord
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from labctl.store.verify import verify
from tests.unit.store.making import batch, new_run

ROWS = batch(1000)
CHANNELS = ("c1", "c2", "c3")


class JournalMachine(RuleBasedStateMachine):
    """The journal beside its model: of each run its rows, its events and its end, and of each order its answer."""

    runs = Bundle("runs")

    @initialize()
    def make(self) -> None:
        self.place = Path(tempfile.mkdtemp())
        self.lives = 0
        self.folder = self.place / "0"
        self.journal = Journal.open(self.folder)
        self.model: dict[int, dict[str, object]] = {}
        self.orders: dict[tuple[str, str], str] = {}

    def teardown(self) -> None:
        if not hasattr(self, "journal"):
            return
        self.journal.close()
        try:
            done = verify(self.folder)
            assert done.whole, done.findings
            assert done.rows == sum(int(run["rows"]) for run in self.model.values())
        finally:
            shutil.rmtree(self.place)

    @rule(target=runs, channel=st.sampled_from(CHANNELS))
    def start(self, channel: str) -> object:
        busy = any(run["channel"] == channel and run["end"] is None for run in self.model.values())
        try:
            run_id = self.journal.create_run(new_run(channel))
        except LabctlError:
            assert busy, "a free channel refused a run"
            return multiple()
        assert not busy, "two runs are active on one channel"
        self.model[run_id] = {"channel": channel, "rows": 0, "events": [], "end": None}
        return run_id

    @rule(run_id=runs, count=st.integers(1, 30))
    def rows(self, run_id: int, count: int) -> None:
        run = self.model[run_id]
        first = run["rows"]
        self.journal.commit([Entry(run_id, ROWS.rows(first, first + count), first, 1, checkpoint=b'{"at": 1}')])
        run["rows"] = min(first + count, len(ROWS))

    @rule(run_id=runs, words=st.text(max_size=20).filter(lambda text: text.isprintable()))
    def event(self, run_id: int, words: str) -> None:
        run = self.model[run_id]
        self.journal.commit([Entry(run_id, events=(Event("note", run["rows"] - 1, 1.0, {"text": words}),))])
        run["events"].append(words)

    @rule(run_id=consumes(runs), reason=st.sampled_from(["done", "stopped", "failed"]))
    def end(self, run_id: int, reason: str) -> None:
        self.journal.finish_run(run_id, reason, "by the machine")
        self.model[run_id]["end"] = reason

    @rule(channel=st.sampled_from(CHANNELS), number=st.integers(0, 5), reply=st.text(max_size=5))
    def order(self, channel: str, number: int, reply: str) -> None:
        order_id = f"{channel}-{number}-{len(self.orders)}"
        text = f'{{"said": "{reply.encode("unicode_escape").hex()}"}}'
        self.journal.ordered.put(OrderRecord(channel, "note", order_id, "{}", text))
        self.orders[channel, order_id] = text

    @rule()
    def close_and_open(self) -> None:
        self.journal.close()
        self.journal = Journal.open(self.folder)

    @rule()
    def kill(self) -> None:
        """Go on with what a killed process leaves: the files as they are, without a farewell."""
        self.lives += 1
        left = self.place / str(self.lives)
        shutil.copytree(self.folder, left, ignore=shutil.ignore_patterns("*.lock", "reserve"))
        self.journal.close()
        self.folder = left
        self.journal = Journal.open(left)

    @invariant()
    def holds_the_same(self) -> None:
        if not hasattr(self, "journal"):
            return
        with Reader(self.folder) as reader:
            found = {run.run_id: run for run in reader.runs()}
            assert found.keys() == self.model.keys()
            for run_id, run in self.model.items():
                assert found[run_id].rows == run["rows"]
                assert found[run_id].end_reason == run["end"]
                notes = [each.event.data["text"] for each in reader.events(run_id) if each.event.kind == "note"]
                assert notes == run["events"]
            stored = {(row[0], row[1]): row[2] for row in reader.query("SELECT channel, order_id, reply FROM orders")}
            assert stored == self.orders


TestJournal = JournalMachine.TestCase
TestJournal.settings = settings(
    max_examples=int(os.environ.get("LABCTL_EXAMPLES", "15")),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
