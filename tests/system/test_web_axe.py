"""axe-core finds nothing serious on any page, light and dark, on a phone and on a desk; and it would."""

from pathlib import Path

import pytest

AXE = (Path(__file__).parents[1] / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
LOOKS = [(360, False), (360, True), (1440, False), (1440, True)]
PAGES = {  # what must stand there before it is looked at, and what a person may have opened by then
    "/": (".tile", ""), "/?state=running": (".tile", ""), "/kiosk": (".tile", ""),
    "/c/A1": ("#chart-voltage canvas", "[data-order=skip]"), "/c/A2": ("[data-order=confirm]", "[data-order=confirm]"),
    "/c/A3": ("[data-state=tripped] .start-here a", ""), "/c/A4": (".start-here a", ""),
    "/runs": (".pick", ""), "/r/1": ("#chart-voltage canvas", ""), "/r/3": ("#h-plan", ""), "/compare?r=1&r=2": ("[data-drawn]", ""),
    "/new": ("#sums dd", "#start"), "/new?edit=A1": ("#sums dd", ""), "/new?protocol=ccd-time-constant": ("#findings .error", ""),
    "/cells": ("tbody", ""), "/alarms": ("tbody", ""), "/journal": ("tbody", ""), "/login": ("form", ""), "/enter": ("#reason.bad", ""),
    "/nowhere": ("h1", ""),
}  # fmt: skip
OPEN = """
document.querySelectorAll('details').forEach((each) => { each.open = true; });
setTimeout(() => document.querySelectorAll('.twin tbody tr:nth-child(n + 6)').forEach((each) => each.remove()), 0);
"""  # tables of numbers are opened, and a few of their lines are as good as all
BY_SIGHT = [
    "color-contrast",
    "link-in-text-block",
    "target-size",
    "scrollable-region-focusable",
]  # the rules that ask how something looks
GRAVE = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ["violations"], ...(arguments[0].length && { runOnly: arguments[0] }) }).then((told) => done({
  looked: told.testEngine.version && told.violations.length + told.passes.length,
  grave: told.violations.filter((each) => ["serious", "critical"].includes(each.impact)).flatMap((each) => each.nodes.map((node) => `${each.id}: ${node.html.slice(0, 160)}`)),
}), (error) => done({ looked: 0, grave: [String(error)] }));
"""

pytestmark = pytest.mark.timeout(600)  # a browser on a machine that is busy with something else


def examined(browser, *only):
    told = browser.driver.execute_async_script(GRAVE, only)
    assert told["looked"] > (0 if only else 10), "it has looked"
    return told["grave"]


def looked_at(browser, what):
    """Look at a page on a phone and on a desk, in both themes: by all rules once a width, by those that see colours once more."""
    for width, dark in LOOKS:
        browser.look(width, 800, dark=dark)
        assert examined(browser, *(() if dark == (width > 360) else BY_SIGHT)) == [], (what, width, dark)
        assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= width, (what, width)
    browser.look(1440, 900)


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_serious_on_any_page(bench, browser, path):
    there, opened = PAGES[path]
    browser.driver.get(bench.url + path)
    browser.until(lambda: browser.all(there), f"{there} is there")
    browser.driver.execute_script(AXE)
    browser.driver.execute_script(OPEN)
    looked_at(browser, path)
    if opened:
        browser.until(lambda: browser.all(f"{opened}:not([aria-disabled])"), f"{opened} may be pressed")
        browser.click(opened)
        looked_at(browser, f"{path}, {opened} pressed")


def test_axe_finds_what_is_wrong(bench, browser):
    browser.driver.get(f"{bench.url}/runs")
    browser.driver.execute_script(AXE)
    browser.driver.execute_script(
        "const faint = document.createElement('p'); faint.textContent = 'hardly seen'; faint.style.color = 'rgb(200, 200, 200)'; faint.style.background = 'white';"
        "document.getElementById('main').append(faint, document.createElement('button'))"
    )
    assert {each.partition(":")[0] for each in examined(browser)} == {"color-contrast", "button-name"}
