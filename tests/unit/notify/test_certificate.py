"""The certificate of the pages: people are told a month before its end, at once when no browser takes it, and when it is well again."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from labctl.notify.certificate import SOON
from labctl.notify.service import CERTIFICATE, EXAMINED, Sender
from labctl.run.stations import simulated_station
from labctl.station.settings import NotifySettings, WebSettings
from labctl.store.journal import Journal

NAME = "bench.lab.example"
DAY = 86400.0


def put(folder, days, name=NAME):
    """Put a certificate there that ends in so many days."""
    now = datetime.now(UTC)
    ends = now + timedelta(days=days)
    made = trustme.CA().issue_cert(name, not_before=min(now, ends) - timedelta(days=90), not_after=ends)
    made.cert_chain_pems[0].write_to_path(folder / "c.pem")
    made.private_key_pem.write_to_path(folder / "k.pem")


@pytest.fixture
def now():
    return [time.time()]


@pytest.fixture
def sender(tmp_path, now):
    Journal.open(tmp_path / "data").close()
    web = WebSettings("0.0.0.0:8443", (NAME,), str(tmp_path / "c.pem"), str(tmp_path / "k.pem"))
    station = replace(simulated_station(1, "bench"), web=web, notify=NotifySettings())
    made = Sender(station, tmp_path / "data", lambda: now[0])
    yield made
    made.close()


def told(sender, now):
    """Look, an hour later, and return what is so of the certificate: its level and words, "" for nothing."""
    now[0] += EXAMINED
    sender.step()
    alarm = sender.state.active.get(CERTIFICATE)
    return (alarm.level, alarm.text) if alarm else ("", "")


def test_people_are_told_a_month_before_it_ends_and_when_there_is_a_new_one(sender, now, tmp_path):
    put(tmp_path, SOON / DAY + 2)
    assert told(sender, now) == ("", "")
    put(tmp_path, 10.5)
    level, words = told(sender, now)
    assert (level, "ends in 10 days" in words) == ("notice", True)
    put(tmp_path, 365)
    assert told(sender, now) == ("", "")


@pytest.mark.parametrize(("days", "name", "words"), [(-1, NAME, "expired"), (90, "other.lab.example", "mismatch")])
def test_one_that_no_browser_takes_is_a_page(sender, now, tmp_path, days, name, words):
    put(tmp_path, days, name)
    level, said = told(sender, now)
    assert (level, words in said) == ("page", True)


def test_one_that_is_gone_is_a_page(sender, now):
    assert told(sender, now)[0] == "page"


def test_it_is_looked_at_once_an_hour(sender, now, tmp_path):
    put(tmp_path, 10)
    assert told(sender, now)[0] == "notice"
    put(tmp_path, 365)
    sender.step()
    assert CERTIFICATE in sender.state.active
