"""The pages in a real browser: live, obedient, honest about what they do not know, and deaf to what others wrote."""

import json
import signal
import time
from urllib.parse import quote

import pytest
from selenium.webdriver.common.action_chains import ActionChains

from tests.browser import Bench, chromium

HOSTILE = '"><script>window.hacked=1</script><img src=x onerror="window.hacked=1">{{7*7}}${7*7}'
PROTOCOL = """\
labctl: 1
name: %s
steps:
  - rest: 2 min
  - prompt: {say: %s}
  - rest: 5 h
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    name = json.dumps(HOSTILE)
    (folder / "hostile.yaml").write_text(PROTOCOL % (name, name))
    made = Bench(folder, "A[1-4]")
    made.command("start", "cccv-cycling", "--channel", "A1", "--cell", "marquis2019")
    made.command("start", "hostile.yaml", "--channel", "A2", "--cell", "marquis2019")
    made.command("note", "A2", HOSTILE)
    yield made
    made.end()


@pytest.fixture(scope="module")
def browser(bench, tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as opened:
        bench.enter(opened)
        yield opened


@pytest.fixture(autouse=True)
def quiet(browser):
    """No page says an error, or tries what its policy forbids."""
    browser.complaints()
    yield
    assert browser.complaints() == []
    assert browser.driver.execute_script("return window.hacked") is None


def tile(browser, channel, key):
    return browser.text(f'.tile[data-channel="{channel}"] [data-k="{key}"]')


def test_the_wall_is_live_and_says_what_status_says(bench, browser):
    browser.driver.get(bench.url)
    browser.until(lambda: browser.text("#pulse span") == "live", "the pulse says live")
    status = bench.status()
    assert {each.get_attribute("data-channel") for each in browser.all(".tile")} == set(status)
    assert tile(browser, "A1", "protocol") == status["A1"]["protocol"]
    assert tile(browser, "A3", "activity") == "idle"
    before = tile(browser, "A1", "voltage_volt")
    browser.until(lambda: tile(browser, "A1", "voltage_volt") not in {before, "–"}, "the voltage moves")
    browser.until(lambda: float(browser.text('.tile[data-channel="A1"] [data-age]').split()[0]) < 5, "its age is young")


def test_a_channel_shows_its_step_in_amperes_what_ends_it_and_its_curves(bench, browser):
    browser.driver.get(f"{bench.url}/c/A1")
    browser.until(lambda: "mA" in browser.text("#step .now"), "the step is told in amperes")
    assert "voltage ≥ 4.1 V" in browser.text("#step .until")
    assert len(browser.all("#step .then li")) == 5
    browser.until(lambda: browser.all("#chart-voltage canvas"), "the voltage is drawn")
    browser.click("#twin-time summary")
    browser.until(lambda: len(browser.all("#twin-time tbody tr")) > 5, "the same numbers are a table")


def test_orders_are_buttons_and_a_refused_one_says_the_daemons_own_reason(bench, browser):
    browser.driver.get(f"{bench.url}/c/A1")
    browser.until(lambda: browser.text('[data-k="activity"]') == "running", "it runs")
    resume = '[data-order="resume"]'
    assert browser.all(resume)[0].get_attribute("aria-disabled") == "true"
    assert "cannot resume now; it obeys " in browser.all(resume)[0].get_attribute("title")
    browser.click(resume)
    assert "cannot resume now" in browser.text("#reason")
    browser.click('[data-order="pause"]')
    browser.until(lambda: browser.text('[data-k="activity"]') == "paused", "it is paused")
    assert "/web" in bench.status()["A1"]["why"], "the journal knows who it was, and where"
    browser.until(lambda: browser.all(f"{resume}:not([aria-disabled])"), "resume can be given now")
    browser.click(resume)
    browser.click("#ask-yes")
    browser.until(lambda: browser.text('[data-k="activity"]') == "running", "it goes on")


def test_a_prompt_is_answered_from_the_page_and_hostile_names_are_texts(bench, browser):
    browser.driver.get(f"{bench.url}/c/A2")
    browser.until(lambda: browser.text('[data-k="activity"]') == "waiting", "it waits for a person")
    assert browser.text('[data-k="protocol"]') == HOSTILE
    assert browser.text("#why") == HOSTILE
    assert HOSTILE in browser.text("#events")
    for path in ("/", "/runs", "/r/2", f"/c/{quote(HOSTILE, safe='')}", f"/login?next={quote(HOSTILE)}"):
        browser.driver.get(bench.url + path)
        assert browser.driver.execute_script("return window.hacked") is None
    browser.complaints()  # a channel that is not there is a 404
    browser.driver.get(f"{bench.url}/c/A2")
    browser.click('[data-order="confirm"]')
    browser.click("#ask-yes")
    browser.until(lambda: browser.text('[data-k="activity"]') == "running", "it goes on")


def test_a_run_shows_its_plan_and_where_it_comes_from(bench, browser):
    browser.driver.get(f"{bench.url}/r/1")
    browser.until(lambda: browser.all("#chart-voltage canvas"), "its history is drawn")
    assert "100 × cycles" in browser.text(".plan")
    assert "cccv-cycling.yaml" in browser.text(".facts")


def test_a_fresh_reader_writes_starts_follows_and_stops_a_run_in_the_page(bench, browser):
    browser.driver.get(f"{bench.url}/c/A4")
    browser.click('a[href="/new?channel=A4"]')
    browser.until(lambda: browser.text("#reason").startswith("takes about"), "it is checked")
    browser.driver.execute_script(
        "const box = document.getElementById('protocol'); box.value = box.value.replace('rest:', 'reste:'); box.dispatchEvent(new Event('input'))"
    )
    browser.until(lambda: "error" in browser.text("#findings"), "the mistake is found")
    assert "did you mean" in browser.text("#findings")
    assert browser.all("#gutter .error")
    assert browser.all("#start")[0].get_attribute("aria-disabled") == "true"
    browser.driver.execute_script(
        "const box = document.getElementById('protocol'); box.value = box.value.replace('reste:', 'rest:'); box.dispatchEvent(new Event('input'))"
    )
    browser.until(lambda: browser.all("#start:not([aria-disabled])"), "it may start")
    browser.click("#start")
    assert "marquis2019" in browser.text("#ask-text")
    browser.click("#ask-yes")
    browser.until(lambda: browser.driver.current_url == f"{bench.url}/c/A4", "the channel is shown")
    browser.until(lambda: browser.text('[data-k="activity"]') == "running", "it runs")
    stop = browser.all('[data-order="stop"]')[0]
    actions = ActionChains(browser.driver)
    actions.click_and_hold(stop).perform()
    browser.until(lambda: browser.text('[data-k="activity"]') == "done", "a held stop ends it")
    actions.release().perform()
    assert "stopped by" in bench.status()["A4"]["why"]


def test_a_page_that_lost_its_server_says_so_within_five_seconds(bench, browser):
    browser.driver.get(bench.url)
    browser.until(lambda: browser.text("#pulse span") == "live", "the pulse says live")
    bench.web.send(signal.SIGSTOP)
    stopped = time.monotonic()
    browser.until(lambda: "have not been heard of" in browser.text("#banner"), "the banner says so")
    waited = time.monotonic() - stopped
    bench.web.send(signal.SIGCONT)
    browser.until(lambda: not browser.text("#banner"), "and is gone when it is back")
    assert waited < 15, "5 s, and what a machine that is busy with something else adds"


def test_a_page_whose_daemon_was_killed_says_so_and_a_run_never_notices_a_killed_page(bench, browser):
    browser.driver.get(bench.url)
    browser.until(lambda: browser.text("#pulse span") == "live", "the pulse says live")
    port = int(bench.web.said[2])
    bench.web.end(signal.SIGKILL)
    assert bench.status()["A1"]["activity"] == "running"
    bench.web = bench.pages(port)
    browser.until(lambda: browser.text("#pulse span") == "live", "the page finds the new process by itself")
    bench.daemon.end(signal.SIGKILL)
    browser.until(lambda: "The daemon has not answered since" in browser.text("#banner"), "the banner says so")
    browser.driver.get(f"{bench.url}/c/A1")
    assert "no daemon" in browser.all('[data-order="stop"]')[0].get_attribute("title")
    bench.daemon = bench.serve()
    browser.until(lambda: not browser.text("#banner"), "and is gone when it is back")
    browser.complaints()  # the connection that broke is one
