"""axe-core finds nothing serious on any page, light and dark, on a phone and on a desk; and it would."""

from pathlib import Path

import pytest

from tests.browser import Bench, chromium

AXE = (Path(__file__).parents[1] / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
PAGES = (
    "/", "/kiosk", "/c/A1", "/c/A2", "/c/A3", "/runs", "/r/1", "/compare?r=1&r=2", "/new", "/cells", "/alarms", "/journal", "/login", "/enter",
    "/nowhere",
)  # fmt: skip
GRAVE = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ["violations"] }).then((told) => done({
  looked: told.testEngine.version && told.violations.length + told.passes.length,
  grave: told.violations.filter((each) => ["serious", "critical"].includes(each.impact)).flatMap((each) => each.nodes.map((node) => `${each.id}: ${node.html.slice(0, 160)}`)),
}), (error) => done({ looked: 0, grave: [String(error)] }));
"""
ASKS = "labctl: 1\nname: asks\nsteps:\n  - prompt: {say: put the cell in}\n  - rest: 5 h\n"
DRAWN = {
    "/c/A1": "#chart-voltage canvas",
    "/r/1": "#chart-voltage canvas",
    "/compare?r=1&r=2": "[data-drawn]",
    "/new": "#sums dd",
}


pytestmark = pytest.mark.timeout(400)  # a browser on a machine that is busy with something else


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("axe")
    (folder / "asks.yaml").write_text(ASKS)
    made = Bench(folder, "A[1-3]")
    made.command("start", "cccv-cycling", "--channel", "A1", "--cell", "marquis2019")
    made.command("start", "asks.yaml", "--channel", "A2", "--cell", "marquis2019")
    yield made
    made.end()


@pytest.fixture(scope="module")
def browser(bench, tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as opened:
        bench.enter(opened)
        yield opened


def examined(browser):
    browser.driver.execute_script(AXE)
    told = browser.driver.execute_async_script(GRAVE)
    assert told["looked"] > 10, "it has looked"
    return told["grave"]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_axe_finds_nothing_serious_on_any_page(bench, browser, width, dark):
    browser.look(width, 800, dark=dark)
    for path in PAGES:
        browser.driver.get(bench.url + path)
        if path in DRAWN:
            browser.until(lambda place=DRAWN[path]: browser.all(place), f"{path} is drawn")
        assert examined(browser) == [], path
        assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= width, path


def test_axe_finds_what_is_wrong(bench, browser):
    browser.driver.get(f"{bench.url}/runs")
    browser.driver.execute_script(
        "const faint = document.createElement('p'); faint.textContent = 'hardly seen'; faint.style.color = 'rgb(200, 200, 200)'; faint.style.background = 'white';"
        "document.getElementById('main').append(faint, document.createElement('button'))"
    )
    assert {each.partition(":")[0] for each in examined(browser)} == {"color-contrast", "button-name"}
