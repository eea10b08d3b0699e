"""The daily mail: once a day, after its hour, with what ended, what is free, and how far the books have come."""

import time
from zoneinfo import ZoneInfo

import pytest

from labctl.notify.digest import digest_words, due_day
from labctl.run.simulate import DryRunRequest, Simulation
from labctl.store.entry import Source
from labctl.store.journal import Journal
from labctl.store.notices import Notices, OutboxMessage
from labctl.store.people import People
from labctl.store.reader import Reader

BERLIN = ZoneInfo("Europe/Berlin")
SEVEN = 7 * 3600.0
REST = "labctl: 1\nname: a rest\nsteps:\n  - rest: 10 s\n"


@pytest.mark.parametrize(
    ("moment", "day"),
    [("2026-11-29T05:59", ""), ("2026-11-29T06:00", "2026-11-29"), ("2026-07-01T05:00", "2026-07-01")],
)
def test_it_is_due_after_its_hour_of_the_local_clock(moment, day):
    from datetime import datetime  # noqa: PLC0415

    assert due_day(SEVEN, datetime.fromisoformat(f"{moment}+00:00").timestamp(), BERLIN) == day


def test_none_is_due_where_none_is_wanted():
    assert due_day(None, time.time()) == ""


def test_it_says_what_ended_what_is_free_and_both_heads(tmp_path):
    with Journal.open(tmp_path / "data") as journal:
        Simulation(DryRunRequest(Source("r.yaml", REST), "marquis2019")).run(journal)
    rows = [
        {
            "channel": "A1",
            "activity": "running",
            "protocol": "cc",
            "cell": "B1",
            "cycle_count": 3,
            "remaining_second": 7200.0,
        },
        {"channel": "A2", "activity": "idle"},
    ]
    with People(tmp_path / "data", time.time) as people, Reader(tmp_path / "data") as reader:
        people.note("ada/web", "signed in")
        head, ended = people.head(), reader.run(1).ended_unix_time
        subject, text = digest_words(reader, rows, head, ended + 60.0)
        commit = reader.last_commit()
    assert subject == "1 ended, 1 go on, 1 channels are free"
    for words in (
        "run 1 a rest on marquis2019",
        "A1 running: cc on B1, cycle 3, about 2 h left",
        "free: A2",
        f"commit {commit}, ",
        f"door's book: {head}",
    ):
        assert words in text, words


def test_a_day_has_one_mail_however_often_the_sender_begins(tmp_path):
    mail = OutboxMessage("digest-2026-11-29", "lab", 1.0, "notice", "s", "b")
    with Notices(tmp_path) as notices:
        notices.add([mail], 1.0)
        notices.went(mail, 2.0)
        notices.add([mail], 3.0)
        assert notices.due(4.0) == []
