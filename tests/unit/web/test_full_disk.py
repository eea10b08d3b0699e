"""The pages on a full disk: every page is drawn, a stop is given, and who cannot be written down is not let in."""

import time

import httpx
import pytest

from labctl.errors import StoreFull
from labctl.run.simulate import DryRunRequest, Simulation
from labctl.store.entry import Source
from labctl.store.journal import Journal
from labctl.store.password import ARGON2
from labctl.store.people import People
from labctl.web.app import Site
from labctl.web.gate import Address
from labctl.web.hub import Hub

BASE = "http://127.0.0.1:8023"
OWN = {"origin": BASE, "sec-fetch-site": "same-origin", "accept": "text/html"}
REST = "labctl: 1\nname: a rest\nrecord: {every: 1 s}\nsteps:\n  - rest: 200 s\n"


@pytest.fixture
def now():
    return [time.time()]


@pytest.fixture
async def site(tmp_path, monkeypatch, now):
    monkeypatch.setitem(ARGON2, "memory_cost", 8)  # what it costs is another test's
    with Journal.open(tmp_path / "data") as journal:
        Simulation(DryRunRequest(Source("r.yaml", REST), "marquis2019")).run(journal)
    people = People(tmp_path / "data", lambda: now[0])
    people.add("ada", "admin")
    people.set_password("ada", "correct horse battery")
    made = Site(Hub(tmp_path / "data", tmp_path / "data"), people, Address(), tmp_path / "data" / "views.db")
    await made.hub.start()
    yield made
    await made.close()


async def test_on_a_full_disk_pages_are_drawn_orders_go_and_nobody_comes_in_unwritten(site, now):
    transport = httpx.ASGITransport(site.application)
    password = {"name": "ada", "password": "correct horse battery"}
    async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=OWN) as browser:
        assert (await browser.post("/login", json=password)).status_code == 200
        now[0] += 3600.0  # when the session was last used would be written down now
        site.people._base.execute("PRAGMA max_page_count = 1")
        site.people._base.execute("PRAGMA query_only = ON")  # and nothing that is there already can be changed
        site.views._pyramid._base.execute("PRAGMA max_page_count = 1")
        for path in ("/", "/runs", "/r/1", "/api/run/1/history", "/cells", "/alarms", "/journal", "/new", "/health"):
            answer = await browser.get(path)
            assert answer.status_code in {200, 503} if path == "/health" else answer.status_code == 200, path
        answer = await browser.post("/orders/stop", json={"channel": "A1"})
        assert (answer.status_code, "no daemon" in answer.text) == (409, True), "it goes as far as there is somebody"
        answer = await browser.post("/login", json=password)
        assert (answer.status_code, "cannot be written" in answer.text) == (503, True)
        site.people._base.execute("PRAGMA query_only = OFF")
        site.people._base.execute("PRAGMA max_page_count = 100000")
        assert (await browser.post("/login", json=password)).status_code == 200, (
            "and once there is room, all is as before"
        )


def test_what_could_not_be_written_leaves_nothing_half_done(tmp_path, now):
    with People(tmp_path, lambda: now[0]) as people:
        people.add("ada", "admin")
        people.note("ada/web", "signed in")
        people._base.execute("PRAGMA query_only = ON")
        with pytest.raises(StoreFull, match="cannot be written"):
            people.note("ada/web", "x" * 100, "y" * 1000)
        with pytest.raises(StoreFull, match="cannot be written"):
            people.issue("token", "ada", 60.0)
        people._base.execute("PRAGMA query_only = OFF")
        people.note("ada/web", "signed out")
        assert [each.what for each in people.audit()] == ["signed out", "signed in"]
