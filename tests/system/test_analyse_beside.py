"""`labctl analyse` while a daemon holds the journal: the daemon stores and publishes what comes out, beside what older versions gave."""

import asyncio

import pytest

from labctl.cli.main import main
from labctl.control.client import DaemonClient
from labctl.errors import LabctlError, UsageError
from labctl.report.stored import software
from labctl.run.replay import replay
from labctl.store.queries import ANALYSES_OF_RUN
from labctl.store.reader import Reader
from labctl.store.verify import verify
from tests.system.test_correction import parts, stored  # noqa: F401 - a fixture
from tests.system.test_queue import until


def versions(folder):
    with Reader(folder) as reader:
        return sorted(tuple(row) for row in reader.query("SELECT analysis, version FROM analyses"))


async def test_what_is_asked_for_is_stored_by_the_daemon_and_kept_beside_older_ones(parts, capsys):  # noqa: F811
    await until(parts, lambda: len(stored(parts)) == 1)
    for words in (
        ["rate", "--set", "last=2", "--db", str(parts.folder)],
        ["retention", "--db", str(parts.folder / "journal.db")],
    ):
        assert await asyncio.to_thread(main, ["analyse", "1", *words]) == 0
        told = capsys.readouterr()
        assert told.err == "stored and published by the daemon\n"
        assert words[0] in told.out
    mine = software()
    assert versions(parts.folder) == [("capacity", mine), ("rate", mine), ("retention", mine)]
    with Reader(parts.folder) as reader:
        asked = [row[0] for row in reader.query("SELECT data FROM events WHERE kind = 'analysis_asked' ORDER BY seq")]
        assert ['"names":"rate?last=2"' in text for text in asked] == [True, False]
        assert [row[1] for row in reader.query(ANALYSES_OF_RUN, run=1) if row[0] == "rate"] == ['{"last":"2"}']
        assert replay(reader, 1).equal
    assert verify(parts.folder).findings == ()


async def test_what_is_stored_as_it_is_asks_nobody_and_what_there_is_not_is_refused(parts, capsys):  # noqa: F811
    def refused(run, names, error, words):
        with DaemonClient(parts.folder) as client, pytest.raises(error, match=words):
            client.analyse(run, names)

    await asyncio.to_thread(refused, "1", ["capasity"], UsageError, "did you mean capacity")
    await asyncio.to_thread(refused, "1", ["rate?last=x"], LabctlError, "wanted")
    await asyncio.to_thread(refused, "77", [], UsageError, "77")
    await asyncio.to_thread(refused, "1", ["capacity", 7], UsageError, "wanted a list of names")
    await until(parts, lambda: len(stored(parts)) == 1)
    assert await asyncio.to_thread(main, ["analyse", "1", "--db", str(parts.folder)]) == 0
    assert capsys.readouterr().err == ""
    with Reader(parts.folder) as reader:
        assert reader.query("SELECT 1 FROM events WHERE kind = 'analysis_asked'") == []
