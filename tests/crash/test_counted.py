"""What rigs count adds up by seed, is kept, and stays where a run is ended."""

import signal

import pytest

from tests.crash import promises
from tests.crash.counted import Counted, Finding, Tally, counting


@pytest.fixture
def page(tmp_path, monkeypatch):
    file = tmp_path / "promises.md"
    file.write_text("<!-- counted: so -->\n<!-- end counted -->\n", "utf-8")
    monkeypatch.setattr(promises, "PAGE", file)
    return file


def test_counts_add_up_by_seed_and_a_later_run_goes_on_with_the_next(tmp_path):
    with counting("rig", keep=False):
        one = Tally("rig", True, tmp_path)
    for seed, _ in zip(one.seeds(), range(3), strict=False):
        one.add(seed, {"kills": 2, "charge": 0.5}, {"slowest": 0.1 * seed}, seconds=1.0)
    one.add(2, {"kills": 100}, wrong=["it was counted before"])
    two = Tally("rig", True, tmp_path)
    assert next(two.seeds()) == 4
    assert next(two.seeds(first=2)) == 4
    found = two.so_far
    assert (found.sums, found.seeds, found.seconds) == ({"kills": 6, "charge": 1.5}, 3, 3.0)
    assert found.worst["slowest"] == pytest.approx(0.3)
    assert found.findings == []
    assert [station.seeds for station in found.stations] == [[[1, 3]]]


def test_runs_at_once_keep_ranges_of_their_own(tmp_path):
    tally = Tally("rig", True, tmp_path)
    for seed in (1, 5001, 2, 5002, 3):
        tally.add(seed, {"kills": 1})
    assert [station.seeds for station in tally.so_far.stations] == [[[1, 3], [5001, 5002]]]


def test_what_was_wrong_stays_until_it_is_ruled_out_in_words(tmp_path):
    tally = Tally("power", True, tmp_path)
    tally.add(7, {"states": 3}, wrong=["a row is missing"])
    found = tally.so_far
    assert [finding.words for finding in found.open_findings] == ["seed 7: a row is missing"]
    assert "WRONG" in promises.counted(tmp_path)
    found.findings[0].ruled_out = "the rig had lost it"
    found.write("power", tmp_path)
    assert Counted.read("power", tmp_path).open_findings == []
    assert "Ruled out: the rig had lost it" in promises.counted(tmp_path)


def test_a_run_that_is_asked_to_end_keeps_what_it_counted(tmp_path, page):
    with counting("power", keep=True, folder=tmp_path) as tally:
        for seed in tally.seeds():
            if seed == 3:
                signal.raise_signal(signal.SIGINT)
            tally.add(seed, {"states": 10})
    assert Counted.read("power", tmp_path).sums == {"states": 30}
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_whoever_asks_twice_ends_it_at_once(tmp_path, page):
    def asked_twice():
        with counting("power", keep=True, folder=tmp_path):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        asked_twice()
    assert "| W, power |" in page.read_text("utf-8")


def test_what_is_not_kept_is_written_nowhere(tmp_path, page):
    before = page.read_text("utf-8")
    with counting("power", keep=False, folder=tmp_path) as tally:
        tally.add(1, {"states": 10})
    assert tally.so_far.sums == {"states": 10}
    assert list(tmp_path.iterdir()) == [page]
    assert page.read_text("utf-8") == before


def test_a_finding_reads_back(tmp_path):
    one = Counted(findings=[Finding("wörds", "2026-11-29", "abc")])
    one.write("rig", tmp_path)
    assert Counted.read("rig", tmp_path) == one
