"""One browser for all tests that look at pages, and one station for those that only look at it."""

import time
from collections.abc import Iterator

import pytest

from labctl.store.people import People
from tests.browser import Bench, Browser

ASKS = "labctl: 1\nname: asks\nsteps:\n  - prompt: {say: put the cell in}\n  - rest: 5000 h\n"
TRIPS = "labctl: 1\nname: trips\nlimits: {voltage: [3 V, 3.9 V]}\nsteps:\n  - rest: 1 s\n  - charge: {current: 0.5 A, for: 1 h}\n"


@pytest.fixture(scope="session")
def only_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    made = Browser(tmp_path_factory.mktemp("chromium"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def new_browser(only_browser: Browser) -> Browser:
    """The browser as on its first day; tests run one after another, so that it belongs to one module at a time."""
    only_browser.empty()
    return only_browser


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A channel that runs, one that waits, one that tripped and one that is idle, at 600 times their speed; to be left as they are."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "asks.yaml").write_text(ASKS)
    (folder / "trips.yaml").write_text(TRIPS)
    made = Bench(folder, "A[1-4]", "600")
    made.start("cccv-cycling", "A1")
    made.start("asks.yaml", "A2")
    made.start("trips.yaml", "A3")
    yield made
    made.end()


@pytest.fixture(scope="module")
def browser(bench: Bench, new_browser: Browser) -> Browser:
    """The browser, let in to the pages of that station."""
    with People(bench.data, time.time) as people:
        key = people.issue("link", people.all()[0].name, 60.0)
    new_browser.driver.get(f"{bench.url}/enter#{key}")
    new_browser.until(lambda: new_browser.driver.current_url == f"{bench.url}/", "the wall comes after the link")
    return new_browser
