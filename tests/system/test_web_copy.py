"""The pages over a copy in PostgreSQL: the same channels and runs, to be looked at and not ordered."""

import time

import httpx
import pytest

from labctl.publish.postgres import Postgres
from labctl.run.aside import aside
from labctl.store.people import People
from labctl.web.app import Site
from labctl.web.gate import Address
from labctl.web.hub import Hub
from tests.services_postgresql import postgresql, postgresql_server  # noqa: F401
from tests.system.test_orders_seen import begun, parts  # noqa: F401 - a fixture

pytestmark = pytest.mark.postgresql


async def test_every_page_is_made_from_the_copy_and_no_order_is_taken(parts, postgresql, tmp_path):  # noqa: F811
    await begun(parts)
    await parts.supervisor.order("skip", "sim1", "a", "me")
    await parts.sink.flush()

    def carried():
        with Postgres(parts.folder, postgresql) as sink:
            return sink.carry_all()

    await aside(carried, "copy", 60.0)
    people = People(tmp_path / "own", time.time)
    people.add("ada", "admin")
    token = people.issue("token", "ada", 3600.0)
    site = Site(Hub(postgresql, None), people, Address(), None)
    await site.hub.start()
    headers = {"authorization": f"Bearer {token}", "accept": "text/html"}
    transport = httpx.ASGITransport(site.application)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8023", headers=headers) as browser:
        wall = (await browser.get("/")).text
        assert "three rests" in wall
        for path in (
            "/c/sim1",
            "/runs",
            "/r/1",
            "/cells",
            "/alarms",
            "/journal",
            "/api/run/1/history",
            "/api/run/1/cycles",
        ):
            answer = await browser.get(path)
            assert answer.status_code == 200, (path, answer.text)
        assert "rest" in (await browser.get("/c/sim1")).text
        answer = await browser.post("/orders/stop", json={"channel": "sim1"})
        assert (answer.status_code, "give orders at the station itself" in answer.text) == (409, True)
    await site.close()
