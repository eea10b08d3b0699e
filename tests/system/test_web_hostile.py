"""Stored XSS: what others wrote is shown as it was written, on every page, and acts on none."""

import json

import pytest

from labctl.run.simulate import DryRunRequest, Simulation
from labctl.store.entry import Source
from labctl.store.journal import Journal
from tests.browser import enter, pages
from tests.hostile import CORPUS

PROTOCOL = """\
labctl: 1
name: %s
about: %s
steps:
  - rest: 1 s
    name: %s
  - prompt: {say: %s}
  - rest: 1 s
"""
CELL = "labctl_cell: 1\nname: %s\nkind: full\nnominal: {capacity: 680 mAh, basis: x}\nlimits: {voltage: [3.0 V, 4.2 V], current: [-3 A, 3 A]}\nmodel: marquis2019\n"
PRINTABLE = [each for each in CORPUS if each.isprintable()]
SETTLED = {"/new": "#sums dd", "/compare?r=1&r=2&r=3": "[data-drawn]", "/r/1": "#chart-voltage canvas"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("hostile")
    with Journal.open(made / "data") as journal:
        for each in PRINTABLE:
            name = json.dumps(each)
            protocol = Source("protocol.yaml", PROTOCOL % (name, name, name, name))
            request = DryRunRequest(protocol, Source("cell.yaml", CELL % name), by=each)
            Simulation(request).run(journal)
    return made


@pytest.mark.timeout(600)
def test_stored_xss_in_names_of_protocols_cells_steps_prompts_and_people(folder, new_browser):
    web = pages(folder, folder / "data")
    try:
        browser = new_browser
        enter(browser, web)
        base = web.said[1]
        runs = [f"/r/{number}" for number in range(1, len(PRINTABLE) + 1)]
        compared = "/compare?" + "&".join(f"r={number}" for number in range(1, 4))
        for path in ("/", "/runs", "/cells", "/journal", "/alarms", compared, "/new", "/r/1/report.html", *runs):
            browser.driver.get(base + path)
            if path in SETTLED:
                browser.until(lambda place=SETTLED[path]: browser.all(place), f"{path} is drawn")
            assert browser.driver.execute_script("return window.hacked ?? null") is None, path
            assert browser.driver.current_url == base + path, path
            assert [each for each in browser.complaints() if "/health" not in each] == [], (
                path
            )  # no daemon is beside these pages
            if path in runs:
                written = PRINTABLE[runs.index(path)].strip()
                assert browser.text("h1") == written
                assert written in browser.text(".plan")
    finally:
        web.end()
