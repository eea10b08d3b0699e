"""The pages in a real browser: live, obedient, honest about what they do not know, and deaf to what others wrote."""

import json
import re
import signal
from urllib.parse import quote

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from labctl.control.client import DaemonClient
from labctl.store.reader import Reader
from tests.browser import Bench

HOSTILE = '"><script>window.hacked=1</script><img src=x onerror="window.hacked=1">{{7*7}}${7*7}'
PROTOCOL = """\
labctl: 1
name: %s
steps:
  - rest: 2 min
  - prompt: {say: %s}
  - rest: 5 h
"""
TRIPS = "labctl: 1\nname: trips\nlimits: {voltage: [3 V, 3.9 V]}\nsteps:\n  - rest: 1 s\n  - charge: {current: 0.5 A, for: 1 h}\n"


pytestmark = pytest.mark.timeout(600)  # processes on a machine that is busy with something else


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    name = json.dumps(HOSTILE)
    (folder / "hostile.yaml").write_text(PROTOCOL % (name, name))
    (folder / "trips.yaml").write_text(TRIPS)
    made = Bench(folder, "A[1-5]")
    made.start("cccv-cycling", "A1")
    made.start("hostile.yaml", "A2")
    made.start("trips.yaml", "A5")
    with DaemonClient(made.data) as client:
        client.order("note", {"channel": "A2", "text": HOSTILE})
        client.order("skip", {"channel": "A1"})  # the rest that it begins with lasts 10 s here
    yield made
    made.end()


@pytest.fixture(scope="module")
def browser(bench, new_browser):
    bench.enter(new_browser)
    return new_browser


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
    status = {row["channel"]: row for row in json.loads(bench.command("status", "--json"))}
    assert {each.get_attribute("data-channel") for each in browser.all(".tile")} == set(status)
    assert tile(browser, "A1", "protocol") == status["A1"]["protocol"]
    assert tile(browser, "A3", "activity") == "idle"
    before = tile(browser, "A1", "voltage_volt")
    browser.until(lambda: tile(browser, "A1", "voltage_volt") not in {before, "–"}, "the voltage moves")
    age = '.tile[data-channel="A1"] [data-age]'
    browser.until(lambda: re.match(r"[0-4] s old", browser.text(age)), "its age is young")


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


FOLLOW = """
document.activeElement.blur();
window.reached = [];
window.there = [...document.querySelectorAll('a[href], button, summary, input, select, textarea')];
document.addEventListener('focusin', (event) => window.reached.push(event.target));
"""  # what comes while the keys are pressed, as a table of curves does, may come behind them
MISSED = "return window.there.filter((each) => each.isConnected && each.checkVisibility() && !window.reached.includes(each)).map((each) => each.outerHTML.slice(0, 120))"


def missed(browser):
    """Press Tab until the page is gone through, and return what never had the focus."""
    browser.driver.execute_script(FOLLOW)
    for _ in range(8):
        ActionChains(browser.driver).send_keys(*[Keys.TAB] * 10).perform()
    return browser.driver.execute_script(MISSED)


def test_from_the_keyboard_everything_is_reached_and_a_run_is_paused_and_resumed(bench, browser):
    browser.driver.get(f"{bench.url}/c/A1")
    browser.until(lambda: browser.all("#chart-voltage canvas"), "the page is drawn")
    assert missed(browser) == []
    pressed(browser, '[data-order="pause"]')
    browser.until(lambda: browser.text('[data-k="activity"]') == "paused", "it is paused")
    pressed(browser, '[data-order="resume"]')
    browser.until(lambda: browser.all("dialog[open]"), "it asks once more")
    pressed(browser, "#ask-yes")
    browser.until(lambda: browser.text('[data-k="activity"]') == "running", "it goes on")


def pressed(browser, selector):
    """Press a button from the keyboard."""
    browser.until(lambda: browser.all(f"{selector}:not([aria-disabled])"), f"{selector} may be pressed")
    browser.driver.execute_script("document.querySelector(arguments[0]).focus()", selector)
    ActionChains(browser.driver).send_keys(Keys.ENTER).perform()


def test_a_prompt_is_answered_from_the_page_and_hostile_names_are_texts(bench, browser):
    browser.driver.get(f"{bench.url}/c/A2")
    browser.until(lambda: browser.text('[data-k="activity"]') == "waiting", "it waits for a person")
    assert browser.text('[data-k="protocol"]') == HOSTILE
    assert browser.text('#why [data-k="why"]') == HOSTILE
    assert HOSTILE in browser.text("#events")
    for path in ("/", "/runs", "/r/2", f"/c/{quote(HOSTILE, safe='')}", f"/login?next={quote(HOSTILE)}"):
        browser.driver.get(bench.url + path)
        assert browser.driver.execute_script("return window.hacked") is None
    browser.complaints()  # a channel that is not there is a 404
    browser.driver.get(f"{bench.url}/c/A2")
    browser.click('[data-order="confirm"]')
    browser.click("#ask-yes")
    browser.until(lambda: browser.text('[data-k="activity"]') == "running", "it goes on")


def test_the_row_that_tripped_is_inside_the_chart_though_another_is_of_the_same_moment(bench, browser):
    browser.driver.get(f"{bench.url}/c/A5")
    browser.until(lambda: browser.text('[data-k="activity"]') == "tripped", "it trips")
    browser.driver.get(f"{bench.url}/c/A5")
    browser.until(lambda: browser.all("#chart-voltage[data-shows] canvas"), "its rows are drawn")
    low, high = map(float, browser.all("#chart-voltage")[0].get_attribute("data-shows").split())
    with Reader(bench.data) as reader:
        batch = reader.rows(reader.last_runs()["A5"].run_id)
    assert low < batch.voltage.min()
    assert batch.voltage.max() < high


def test_numbers_of_many_digits_fit_on_a_phone(bench, browser):
    browser.look(360, 780)
    browser.driver.get(f"{bench.url}/c/A1")
    browser.driver.execute_script(
        "document.querySelectorAll('.numbers dd').forEach((each, at) => { each.textContent = arguments[0][at]; })",
        ["−3.7447 V", "−680.616 mA", "158.441 mAh", "587.982 mAh", "25.0 °C", "4000", "416 d 16 h", "59 min 59 s"],
    )
    room = "return Math.max(...[...document.querySelectorAll('.number')].map((each) => each.getBoundingClientRect().right))"
    assert browser.driver.execute_script(room) <= 360
    assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= 360
    browser.look(1440, 900)


def test_a_run_shows_its_plan_and_where_it_comes_from(bench, browser):
    browser.driver.get(f"{bench.url}/r/1")
    browser.until(lambda: browser.all("#chart-voltage canvas"), "its history is drawn")
    assert "100 × cycles" in browser.text(".plan")
    assert "cccv-cycling.yaml" in browser.text(".facts")


def test_a_fresh_reader_writes_starts_follows_and_stops_a_run_in_the_page(bench, browser):
    browser.driver.get(f"{bench.url}/c/A4")
    browser.click(".start-here a")
    browser.until(lambda: browser.text("#reason").startswith("Takes about"), "it is checked")
    browser.driver.execute_script(
        "const box = document.getElementById('protocol'); box.value = box.value.replace('rest:', 'reste:'); box.dispatchEvent(new Event('input'))"
    )
    browser.until(lambda: browser.all("#findings .error"), "the mistake is found")
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
    assert browser.text("#reason").startswith("stop: "), "to let go of a button that has done its work is no order"


RESTS = "labctl: 1\nname: rests\nsteps:\n  - rest: 5 h\n  - rest: 5 h\n"


def answered(browser, text=None, field="#ask-input"):
    """Give an answer in the open dialog."""
    browser.until(lambda: browser.all("dialog[open]"), "it asks once more")
    if text is not None:
        browser.all(field)[0].send_keys(text)
    browser.click("#ask-yes")


def test_a_run_is_suspended_corrected_edited_and_followed_by_others_from_the_page(bench, browser):
    (bench.folder / "rests.yaml").write_text(RESTS)
    bench.start("rests.yaml", "A3")
    browser.driver.get(f"{bench.url}/c/A3")
    browser.until(lambda: browser.text('[data-k="activity"]') == "running", "it runs")
    browser.click('[data-order="suspend"]:not([aria-disabled])')
    answered(browser, "glovebox oxygen")
    browser.until(lambda: "suspended: glovebox oxygen" in browser.text("#why"), "it is suspended, and says why")
    browser.click('[data-order="resume"]:not([aria-disabled])')
    assert browser.all("#ask-input")[0].get_property("value") == "glovebox oxygen", "the reason that is to be lifted"
    answered(browser)
    browser.until(lambda: browser.text('[data-k="activity"]') == "running", "it goes on")
    browser.click('[data-order="correct"]:not([aria-disabled])')
    answered(browser, "12.3 mg", '#ask-fields [name="active_mass"]')
    browser.until(lambda: "active_mass 12.3 mg" in browser.text("#reason"), "the cell is corrected")
    for name in ("first", "second"):
        browser.driver.get(f"{bench.url}/new?channel=A3&protocol=self-discharge")
        browser.until(lambda: browser.all("#start:not([aria-disabled])"), "it may be queued")
        assert browser.text("#start") == "Queue", "the channel is busy"
        browser.click("#start")
        answered(browser)
        browser.until(lambda: browser.driver.current_url == f"{bench.url}/c/A3", f"the {name} waits")
    browser.until(lambda: len(browser.all("#waiting li")) == 2, "both wait")
    before = [each["run"] for each in waiting(bench)]
    browser.click("#waiting li:nth-child(2) button")
    browser.until(lambda: [each["run"] for each in waiting(bench)] == before[::-1], "the second goes first")
    browser.click("#waiting li:first-child button:last-of-type")
    browser.until(lambda: len(browser.all("#waiting li")) == 1, "one was taken out")
    browser.click('[data-order="edit"]:not([aria-disabled])')
    browser.until(lambda: browser.all("#start:not([aria-disabled])"), "the text of the run is there")
    browser.driver.execute_script(
        "const box = document.getElementById('protocol'); box.value = box.value.replace(/rest: 5 h\\s*$/, 'rest: 6 h\\n'); box.dispatchEvent(new Event('input'))"
    )
    browser.until(
        lambda: "6 h" in browser.text("#plan") and browser.all("#start:not([aria-disabled])"), "it is checked"
    )
    browser.click("#start")
    browser.until(lambda: "6 h" in browser.text("#ask-text"), "what changes is shown first")
    answered(browser)
    browser.until(lambda: "6 h" in browser.text("#step .then"), "and the run has taken it")


def waiting(bench):
    with DaemonClient(bench.data) as client:
        return client.order("queue", {"channel": "A3"})["waiting"]


def test_a_page_that_lost_its_server_says_so_within_five_seconds(bench, browser):
    browser.driver.get(bench.url)
    browser.until(lambda: browser.text("#pulse span") == "live", "the pulse says live")
    said = []  # s of silence by the page's own clock, as its first words say; this machine may keep a page waiting
    for _ in range(3):
        bench.web.send(signal.SIGSTOP)
        browser.until(lambda: "have not been heard of" in browser.text("#banner"), "the banner says so")
        said.append(int(re.search(r"heard of for (\d+) s", browser.text("#banner"))[1]))
        bench.web.send(signal.SIGCONT)
        browser.until(lambda: not browser.text("#banner"), "and is gone when it is back")
        if said[-1] <= 5:
            break
    assert min(said) < 10


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
