"""How far runs had come at a commit is found from there backwards, as a look at everything finds it."""

import random

import pytest

from labctl.engine.input import Event, Gap
from labctl.store import last_ranges
from labctl.store.entry import Entry
from labctl.store.journal import Journal
from labctl.store.last_ranges import ends_at
from labctl.store.reader import Reader
from labctl.store.verify import verify
from tests.unit.store.making import batch, new_run

EVERYTHING = """
SELECT run_id, COALESCE(max(last_record), -1), COALESCE(max(last_event), -1), COALESCE(max(last_input), -1)
FROM commit_runs WHERE commit_id <= :upto GROUP BY 1"""


@pytest.fixture
def journal(tmp_path, seed):
    """Some runs, of which one was made late, one has rows alone and one was told nothing after its begin."""
    dice, file = random.Random(seed), tmp_path / "j.db"
    with Journal.open(file) as journal:
        runs = [journal.create_run(new_run()) for _ in range(3)]
        at = dict.fromkeys(runs, 0)
        rows = batch(400)
        for number in range(60):
            if number == 40:
                runs.append(journal.create_run(new_run()))
                at[runs[-1]] = 0
            entries = []
            for run_id in dice.sample(runs, dice.randint(1, len(runs))):
                more = {} if run_id == 1 else {"events": (Event("note", at[run_id] - 1, 1.0, {"text": "x"}),)}
                if run_id == 3 and number < 5:
                    more["input"] = Gap(0.0, 1.0, "power")
                entries.append(Entry(run_id, rows.rows(at[run_id], at[run_id] + 2), at[run_id], 1, **more))
                at[run_id] += 2
            journal.commit(entries)
    return file


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_it_is_what_a_look_at_everything_finds(journal, monkeypatch, step):
    monkeypatch.setattr(last_ranges, "STEP", step)
    with Reader(journal) as reader:
        for upto in range(1, reader.last_commit() + 1):
            wanted = {row[0]: tuple(row[1:]) for row in reader.query(EVERYTHING, upto=upto)}
            found = ends_at(reader, upto, (1, 2, 3, 4))
            assert {run: ends for run, ends in found.items() if run in wanted} == wanted


def test_what_is_new_is_verified_from_any_commit_on(journal):
    with Reader(journal) as reader:
        chains = [row[0].hex() for row in reader.query("SELECT chain FROM commits ORDER BY commit_id")]
        rows = [row[0] for row in reader.query("SELECT COALESCE(sum(last_record - first_record + 1), 0) FROM commit_runs "
                                               "WHERE commit_id > 30")]  # fmt: skip
    assert all(verify(journal, since=chain).whole for chain in chains)
    assert verify(journal, since=chains[29]).rows == rows[0]
    assert verify(journal, since=chains[29][:20]).rows == rows[0], "a digest that is cut short names its commit, too"
