"""Pages that stay open: hidden, frozen, seven at a time, without a network, with a daemon that stands still."""

import signal

import pytest

PAGES = ("/", "/c/A1", "/runs", "/r/1", "/compare?r=1", "/new", "/cells", "/alarms", "/journal", "/login", "/enter")
FIRST = 6  # requests for a page and all that its first paint may wait for
COUNT = """
window.told = { hello: 0, rows: 0, most: 0 };
const Real = window.EventSource;
window.EventSource = function (url) {
  const stream = new Real(url);
  stream.addEventListener("hello", () => { window.told.hello += 1; });
  stream.addEventListener("rows", (event) => { const rows = JSON.parse(event.data); window.told.rows += 1; window.told.most = Math.max(window.told.most, rows.t ? rows.t.length : 0); });
  return stream;
};
window.EventSource.CLOSED = Real.CLOSED;
"""


pytestmark = pytest.mark.timeout(600)  # a browser on a machine that is busy with something else


def live(browser):
    browser.until(lambda: browser.text("#pulse span") == "live", "the page is live")


def test_offline_every_page_is_complete_without_a_network(bench, browser):
    for path in PAGES:
        browser.driver.get(bench.url + path)
        browser.until(lambda: browser.driver.execute_script("return document.readyState") == "complete", path)
        loaded = browser.driver.execute_script(
            "return performance.getEntriesByType('resource').map((each) => [each.name, each.responseStatus])"
        )
        assert loaded, path
        assert all(name.startswith(bench.url) and status in {0, 200} for name, status in loaded), (path, loaded)
        assert 1 + sum("/static/" in name for name, _ in loaded) <= FIRST, (path, loaded)
        assert browser.complaints() == [], path


def test_seven_tabs_of_one_browser_all_get_their_page_and_are_live_when_they_are_looked_at(bench, browser):
    browser.driver.get(f"{bench.url}/c/A1")
    first = browser.driver.current_window_handle
    for _ in range(6):
        browser.driver.switch_to.new_window("tab")
        browser.driver.get(f"{bench.url}/c/A1")
        live(browser)
    assert len(browser.driver.window_handles) == 7
    for handle in browser.driver.window_handles:
        browser.driver.switch_to.window(handle)
        browser.driver.execute_script("window.dispatchEvent(new Event('focus'))")
        live(browser)
        before = browser.text(".numbers")
        browser.until(lambda before=before: browser.text(".numbers") != before, "its numbers move")
    for handle in browser.driver.window_handles:
        if handle != first:
            browser.driver.switch_to.window(handle)
            browser.driver.close()
    browser.driver.switch_to.window(first)


HIDE = "Object.defineProperty(document, 'hidden', { value: arguments[0], configurable: true }); document.dispatchEvent(new Event('visibilitychange'))"


def test_a_hidden_page_holds_no_connection_and_when_it_wakes_shows_what_is_and_replays_nothing(bench, browser):
    source = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": COUNT})
    browser.driver.get(f"{bench.url}/c/A1")
    live(browser)

    def told():
        return browser.driver.execute_script("return window.told")

    browser.until(lambda: told()["rows"] > 1, "rows come")
    browser.driver.execute_script(HIDE, True)
    browser.until(lambda: browser.text("#pulse span") == "not live", "it let its stream go, and says no falsehood")
    assert not browser.text("#banner")
    asleep, before = told(), bench.status()["A1"]["record_index"]
    browser.until(lambda: bench.status()["A1"]["record_index"] > before + 200, "the run goes on meanwhile")
    assert told() == asleep, "and the page hears nothing of it"
    browser.driver.execute_script(HIDE, False)
    live(browser)
    browser.until(lambda: told()["hello"] == asleep["hello"] + 1, "it is told what is")
    browser.until(lambda: told()["most"] >= 200, "and the rows that it missed come at once, not one by one")
    browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": source["identifier"]})


def test_a_daemon_that_stands_still_is_said_to_be_silent_and_no_order_is_said_to_be_given(bench, browser):
    browser.driver.get(f"{bench.url}/c/A1")
    live(browser)
    bench.daemon.send(signal.SIGSTOP)
    try:
        browser.until(lambda: "has not answered since" in browser.text("#banner"), "the banner says so")
        assert browser.text("#pulse span") == "daemon lost"
    finally:
        bench.daemon.send(signal.SIGCONT)
    browser.until(lambda: not browser.text("#banner"), "and is gone when it is back")
    browser.complaints()
