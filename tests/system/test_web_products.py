"""What the pages hand out: reports, exports, runs over each other, and dry runs, each made by a worker beside the pages."""

import csv
import io
import time

import httpx
import numpy as np
import orjson
import pytest

from labctl.errors import LabctlError
from labctl.inputs import library
from labctl.run.simulate import DryRunRequest, Simulation
from labctl.store.journal import Journal
from labctl.store.people import People
from labctl.store.reader import Reader
from labctl.web.app import Site
from labctl.web.comparing import MOST, compared
from labctl.web.gate import Address
from labctl.web.hub import Hub
from labctl.web.products import SANDBOX
from labctl.web.worker import _compare, _simulated

BASE = "http://127.0.0.1:8023"
CELL = (library() / "cells" / "marquis2019.yaml").read_text()
PROTOCOL = """\
labctl: 1
name: three cycles
record: {every: 60 s, dV: 20 mV}
steps:
  - repeat: 3
    cycle: true
    steps:
      - charge: {current: 1C, to: 4.1 V, for: 2 h}
      - discharge: {current: 1C, to: 3 V, for: 2 h}
"""
LONG = PROTOCOL.replace("repeat: 3", "repeat: 9000").replace("three cycles", "long")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("products")
    (made / "three.yaml").write_text(PROTOCOL)
    (made / "one.yaml").write_text(PROTOCOL.replace("repeat: 3", "repeat: 1").replace("three cycles", "=1+1"))
    with Journal.open(made / "data") as journal:
        for name, seed in (("three", 1), ("three", 2), ("one", 3)):
            Simulation(DryRunRequest(str(made / f"{name}.yaml"), "marquis2019", seed=seed)).run(journal)
    return made


@pytest.fixture
async def site(folder):
    people = People(folder / "data", time.time)
    for name, role in (("ada", "operator"), ("vic", "viewer")):
        people.add(name, role)
    made = Site(Hub(folder / "data", folder / "data"), people, Address(), None)
    await made.hub.start()
    yield made
    await made.close()


@pytest.fixture
async def browser(site):
    async with client(site, "ada") as opened:
        yield opened


def client(site, name):
    headers = {"authorization": f"Bearer {site.people.issue('token', name, 3600.0)}", "accept": "text/html"}
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(site.application), base_url=BASE, headers=headers, timeout=120
    )


async def test_a_report_is_handed_out_and_nothing_in_it_can_act(browser):
    answer = await browser.get("/r/1/report.html")
    assert answer.status_code == 200, answer.text
    assert "three cycles" in answer.text
    assert "<svg" in answer.text
    assert answer.headers["content-security-policy"] == SANDBOX
    assert len(answer.content) == int(answer.headers["content-length"])


async def test_an_export_is_the_file_that_the_command_writes(browser, folder):
    answer = await browser.get("/r/1/export/bdf-csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="run-1.bdf.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    with Reader(folder / "data") as reader:
        assert len(rows) == reader.run(1).rows
        voltage = reader.rows(1).voltage
    assert np.array_equal([float(row["voltage_volt"]) for row in rows], voltage)


@pytest.mark.parametrize(
    "path", ["/r/1/report.exe", "/r/1/export/../x", "/r/99/report.html", "/compare.html", "/compare?r=99"]
)
async def test_what_is_not_there_is_said_to_be_so(browser, path):
    assert (await browser.get(path)).status_code == 404


async def test_replicates_are_told_as_mean_and_spread_and_others_by_themselves(browser, folder):
    with Reader(folder / "data") as reader:
        told = compared(reader, ["1", "2", "3", "1"])
        capacities = [
            [row[0] for row in reader.query("SELECT discharging_capacity_ah FROM cycles WHERE run_id = :run", run=run)]
            for run in (1, 2)
        ]
    assert [run["run_id"] for run in told["runs"]] == [1, 2, 3]
    assert [group["runs"] for group in told["groups"]] == [[1, 2], [3]]
    group = told["groups"][0]
    assert np.allclose(group["mean"], np.mean(capacities, axis=0))
    assert np.allclose(group["deviation"], np.std(capacities, axis=0, ddof=1))
    assert group["count"].tolist() == [2, 2, 2]
    page = (await browser.get("/compare?r=1&r=2&r=3")).text
    assert "(n = 2)" in page
    assert page.count("data-line=") == 3
    rows = list(csv.DictReader(io.StringIO((await browser.get("/compare.csv?r=1&r=3")).text)))
    assert [(row["run_id"], row["cycle_count"]) for row in rows] == [("1", "1"), ("1", "2"), ("1", "3"), ("3", "1")]
    assert rows[3]["protocol"] == "'=1+1", "no name of a protocol is a formula of somebody's spreadsheet"


async def test_no_more_runs_are_compared_than_can_be_told_apart(browser, folder):
    with Reader(folder / "data") as reader:
        assert len(compared(reader, ["1"] * MOST + ["2"])["runs"]) == 1


async def test_a_dry_run_is_what_the_same_files_give_on_the_command_line(browser, folder):
    asked = {"protocol": PROTOCOL, "cell": CELL, "values": ""}
    answer = await browser.post("/api/simulate", json=asked)
    words = [orjson.loads(line) for line in answer.text.splitlines()]
    seen = words[-1]["seen"]
    with Reader(folder / "data") as reader:
        run = reader.run(1)
        voltage = reader.rows(1).voltage
    assert (seen["whole"], seen["ended"], seen["rows"]) == (True, "done", run.rows)
    assert seen["total"] == run.test_time
    assert np.isclose(max(seen["columns"]["voltage"]["y"]), voltage.max(), atol=1e-3)
    assert len(seen["cycles"]["cycle_count"]) == 3
    with Reader(folder / "data") as reader:
        assert len(reader.runs()) == 3, "it is in nobody's journal"


def test_a_dry_run_that_takes_too_long_shows_how_far_it_came(tmp_path):
    asked = {"protocol": LONG, "cell": CELL, "values": "", "within": 0.5, "by": "ada"}
    seen = orjson.loads(_simulated(asked, tmp_path))
    assert seen["whole"] is False
    assert 0 < seen["total"] < seen["likely"]


@pytest.mark.parametrize(("asked", "words"), [
    ({"protocol": PROTOCOL.replace("charge", "chrage"), "cell": CELL}, "charge"),
    ({"protocol": PROTOCOL, "cell": CELL, "values": "nonsense"}, "wanted NAME=VALUE"),
    ({"protocol": "", "cell": ""}, "protocol.yaml"),
])  # fmt: skip
def test_a_dry_run_of_what_is_wrong_says_what(asked, words, tmp_path):
    with pytest.raises(LabctlError, match=words):
        _simulated({"values": "", "within": 1.0, "by": "ada", **asked}, tmp_path)


def test_a_comparison_is_a_page_of_its_own(folder, tmp_path):
    _compare({"where": folder / "data", "runs": [1, 2]}, tmp_path / "both.html")
    assert "marquis2019 (n = 2)" in (tmp_path / "both.html").read_text()


async def test_a_worker_that_refuses_says_why_to_who_asked(browser):
    answer = await browser.post("/api/simulate", json={"protocol": PROTOCOL, "cell": CELL, "values": "nonsense"})
    assert "wanted NAME=VALUE" in orjson.loads(answer.text)["error"]


async def test_a_viewer_has_no_dry_run_and_a_crowd_is_told_to_come_again(site, browser):
    async with client(site, "vic") as viewer:
        assert (await viewer.post("/api/simulate", json={})).status_code == 403
    site._products._workers._waiting = 99
    answer = await browser.get("/r/1/report.html", headers={"accept": "application/json"})
    assert (answer.status_code, "try again" in answer.text) == (503, True)
    site._products._workers._waiting = 0
