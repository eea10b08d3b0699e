"""The pages: bytes of a channel's page, views of a long run, the first paint in a real browser.

The long run has 2,700,000 rows, as 4000 cycles leave them, and the wide wall 1000 channels; LABCTL_BENCH_WEB_ROWS=500000 and
LABCTL_BENCH_WEB_WALL=200 make them smaller where that is too much.
"""

import gzip
import os
import random
import re
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from argon2.low_level import Type, hash_secret_raw

from benchmarks.emulated import PACE, emulators
from benchmarks.figure import Promised, at_most, seconds, unmeasured
from labctl import web
from labctl.cli.demo import DemoStage, prepared
from labctl.control.client import DaemonClient
from labctl.inputs import library
from labctl.store.entry import NewRun
from labctl.store.journal import Journal
from labctl.store.password import ARGON2
from labctl.store.people import People
from labctl.store.pyramid import Pyramid
from labctl.store.reader import Reader
from labctl.web.author import checked
from labctl.web.pages import Pages

ROWS = int(os.environ.get("LABCTL_BENCH_WEB_ROWS", "2700000"))
WALL = int(os.environ.get("LABCTL_BENCH_WEB_WALL", "1000"))
VIEWS = 200
CHANNELS = 64
COST = ARGON2["time_cost"], ARGON2["memory_cost"], ARGON2["parallelism"]
PAGE = 60_000  # bytes, compressed
TEMPLATES = Path(web.__file__).parent / "templates"
VIEWED = ("wall", "channel", "run", "runs", "compare", "new", "cells", "alarms", "journal", "login")


def figures() -> Iterator[Promised]:
    """Measure the pages."""
    with tempfile.TemporaryDirectory() as folder:
        yield from size()
        yield from entered(Path(folder))
        yield from checked_texts()
        yield from views(Path(folder))
        yield from paint(Path(folder))
        yield from taps(Path(folder))
        yield from beside(Path(folder))
        yield from wide(Path(folder))


def size() -> Iterator[Promised]:
    """Weigh the scripts and styles of every page; what stands in a page itself is weighed with its data."""
    pages = Pages()
    weights = {}
    for name in VIEWED:
        files = files_of(name)
        weights[name] = sum(len(gzip.compress(pages.file(file), 6)) for file in files) / 1000, len(files)
    remark = f"{weights['channel'][1]} files, none of another place"
    yield at_most(
        "scripts and styles of a channel's page, compressed", PAGE / 1000, weights["channel"][0], " kB", remark
    )
    heaviest = max(weights, key=lambda name: weights[name][0])
    remark = ", ".join(f"{name} {weight:.3g}" for name, (weight, _) in weights.items())
    yield at_most(f"those of the heaviest page, {heaviest}", PAGE / 1000, weights[heaviest][0], " kB", remark)


def files_of(name: str) -> set[str]:
    """Return the files that a page asks for."""
    texts = [(TEMPLATES / f"{each}.html").read_text(encoding="utf-8") for each in ("base", name)]
    return {file for text in texts for file in re.findall(r"\{\{ static \}\}/([\w./-]+)", text)}


def entered(folder: Path) -> Iterator[Promised]:
    """Ask who a token and a password belong to."""
    with People(folder / "people", time.time) as people:
        people.add("ada", "operator")
        people.set_password("ada", "correct horse battery")
        token = people.issue("token", "ada", 3600.0)
        looks = seconds(lambda: [people.who(token, "token") for _ in range(200)]) / 200
        password = seconds(lambda: people.check_password("ada", "wrong password"))
        bare = seconds(lambda: hash_secret_raw(b"wrong password", bytes(16), *COST, 32, Type.ID))
    yield at_most("who a token belongs to", 50, 1e6 * looks, " us")
    memory, passes = ARGON2["memory_cost"] // 1024, ARGON2["time_cost"]
    remark = f"slow on purpose: Argon2id of {passes} passes over {memory} MiB, above OWASP's least, takes {1e3 * bare:.3g} ms alone"
    yield at_most("whether a password is right, in a thread of its own", 150, 1e3 * password, " ms", remark)


def checked_texts() -> Iterator[Promised]:
    """Check a protocol of 300 lines with its cell, as the page does at every change."""
    cell = (library() / "cells" / "marquis2019.yaml").read_text(encoding="utf-8")
    pair = "  - charge: {current: 0.5C, to: 4.1 V, for: 3 h}\n  - discharge: {current: 0.5C, to: 3 V, for: 3 h}\n"
    text = "labctl: 1\nname: long\nrecord: {every: 10 s}\nsteps:\n" + 148 * pair
    took, used = [], time.process_time()
    for _ in range(20):
        begin = time.perf_counter()
        told = checked(text, cell, "")
        took.append(time.perf_counter() - begin)
        assert told["plan"] is not None, told["findings"]
    remark = f"{1e3 * (time.process_time() - used) / len(took):.3g} ms of computing in the mean"
    worst = 1e3 * float(np.quantile(took, 0.95))
    yield at_most("the findings and the plan of a text of 300 lines, p95", 100, worst, " ms", remark)


def long_run(folder: Path) -> None:
    """Make a journal with one long run."""
    with Journal.open(folder) as journal:
        run_id = journal.create_run(
            NewRun(plan=b"{}", plan_hash="0", began_unix_time=0.0, protocol="long", cell="made")
        )
    base = sqlite3.connect(folder / "journal.db", isolation_level=None)
    base.execute("BEGIN")
    marks = ", ".join("?" * 12)
    for first in range(0, ROWS, 100_000):
        number = np.arange(first, min(first + 100_000, ROWS))
        times, voltage = number * 30.0, 3.7 + 0.4 * np.sin(number / 110)
        rows = zip(number.tolist(), times.tolist(), voltage.tolist(), strict=True)
        base.executemany(
            f"INSERT INTO samples VALUES ({marks})",
            ((run_id, record, 1, at, v, 1e-3, 0.0, 0.0, None, 0, None, None) for record, at, v in rows),
        )
    base.execute("COMMIT")
    base.close()


def views(folder: Path) -> Iterator[Promised]:
    """Look at parts of a long run, whole and small."""
    long_run(folder / "long")
    with Reader(folder / "long") as reader:
        run = reader.run(1)
        pyramid = Pyramid(folder / "views.db")
        begin = time.perf_counter()
        for _ in pyramid.extend(reader, 1, run.uuid, run.rows):
            pass
        cold = time.perf_counter() - begin
        dice, took = random.Random(1), []
        for number in range(VIEWS):
            part = 1.0 if number % 4 == 0 else 10.0 ** dice.uniform(-4, 0)
            start = dice.uniform(0, 1 - part) * run.test_time
            begin = time.perf_counter()
            pyramid.view(reader, 1, run.uuid, (start, start + part * run.test_time), 1500)
            took.append(time.perf_counter() - begin)
        pyramid.close()
    remark = f"median {1e3 * statistics.median(took):.3g} ms" + (
        "" if ROWS >= 2_700_000 else "; promised of 2,700,000 rows"
    )
    yield at_most(f"any view of a run of {ROWS:,} rows, p95", 200, 1e3 * float(np.quantile(took, 0.95)), " ms", remark)
    yield at_most(f"the levels of a run of {ROWS:,} rows, made once", 6, cold, " s")
    share = (folder / "views.db").stat().st_size / (folder / "long" / "journal.db").stat().st_size
    yield at_most("the cache of views, of the journal", 3, 100 * share, " %")


def paint(folder: Path) -> Iterator[Promised]:
    """Open a channel's page in Chromium, beside a daemon that runs the demo's protocols."""
    name = "first contentful paint of a channel's page, on this machine"
    try:
        from tests.browser import Browser  # noqa: PLC0415 - Selenium is the tests'
    except ImportError as error:
        yield unmeasured(name, "at most 0.3 s", f"{error}; make setup-test brings it")
        return
    stage = DemoStage(prepared(folder / "demo", "60"))
    stage.launch()
    try:
        stage.wait()
        stage.open_pages()
        stage.open()
        address = stage.address()
        browser = Browser(folder / "chromium")
        try:
            yield painted(browser, address, name)
            yield from on_a_phone(browser, re.sub(r"/enter#.*", "", address))
        finally:
            browser.close()
    finally:
        stage.end()


def on_a_phone(browser: object, base: str) -> Iterator[Promised]:
    """Open the page as a phone does: 360 px, a quarter of the speed, 1.6 Mbit/s and 150 ms, nothing in its cache."""
    driver = browser.driver  # type: ignore[attr-defined]
    browser.look(360, 780)  # type: ignore[attr-defined]
    driver.execute_cdp_cmd("Network.enable", {})
    driver.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
    line = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 94_000}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", line)
    driver.execute_cdp_cmd("Emulation.setCPUThrottlingRate", {"rate": 4})
    script = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
    took = []
    for _ in range(5):
        driver.get(f"{base}/c/c1")
        took.append(float(browser.until(lambda: driver.execute_script(script), "it is painted")))  # type: ignore[attr-defined]
    yield at_most("the same on a phone, nothing cached", 1.5, statistics.median(took) / 1000, " s")
    resources = "return performance.getEntriesByType('resource')"
    before = f"{resources}.filter((each) => each.startTime < arguments[0]).map((each) => each.name)"
    names = driver.execute_script(before, took[-1])
    away = [name for name in names if not name.startswith(base)]
    yield at_most(
        "requests before the first paint, the page included", 6, 1 + len(names), "", f"{len(away)} of another origin"
    )


TAPS = 20
TAPPED = """
const told = arguments[arguments.length - 1], begin = performance.now();
const place = document.querySelector('.title [data-k="activity"]');
new MutationObserver((_, watch) => {
  if (place.textContent !== "paused") return;
  watch.disconnect();
  requestAnimationFrame(() => requestAnimationFrame(() => told(performance.now() - begin)));
}).observe(place, { characterData: true, childList: true, subtree: true });
document.querySelector('[data-order="pause"]').click();
"""


def taps(folder: Path) -> Iterator[Promised]:
    """Pause a run on an emulated source meter by turns from its page, until that says so, and by the order alone."""
    name = "a pause of a source meter, from the tap until its page says it is off, over the order alone, worst"
    try:
        from tests.browser import Bench, Browser  # noqa: PLC0415 - Selenium is the tests'
    except ImportError as error:
        yield unmeasured(name, "at most 0.3 s", f"{error}; make setup-test brings it")
        return
    (folder / "taps").mkdir()
    (folder / "taps" / "pace.yaml").write_text(PACE.format(every=0.5))
    meter, (port,) = emulators("meters", 1)
    bench = Bench(
        folder / "taps", "A[1-1]", "1", f'{{driver: keithley2450, resource: "TCPIP0::127.0.0.1::{port}::SOCKET"}}'
    )
    browser = Browser(folder / "chromium-taps")
    tapped, ordered = [], []
    try:
        bench.start("pace.yaml", "A1")
        bench.enter(browser)
        browser.driver.get(f"{bench.url}/c/A1")

        def shows(word: str) -> bool:
            return browser.text('.title [data-k="activity"]') == word

        with DaemonClient(bench.data) as client:
            for _ in range(TAPS):
                browser.until(
                    lambda: shows("running") and browser.all('[data-order="pause"]:not([aria-disabled])'), "it runs"
                )
                tapped.append(float(browser.driver.execute_async_script(TAPPED)) / 1000)
                client.order("resume", {"channel": "A1"})
                browser.until(lambda: shows("running"), "it runs again")
                begin = time.perf_counter()
                client.order("pause", {"channel": "A1"})
                ordered.append(time.perf_counter() - begin)
                client.order("resume", {"channel": "A1"})
    finally:
        browser.close()
        bench.end()
        meter.terminate()
        meter.wait()
    alone = statistics.median(ordered)
    remark = f"{1e3 * statistics.median(tapped):.0f} ms in the median, {1e3 * alone:.0f} ms for the order alone"
    yield at_most(name, 0.3, max(tapped) - alone, " s", remark)


def beside(folder: Path) -> Iterator[Promised]:
    """Have viewers, floods and trips beside a daemon with 64 channels at 1 Hz."""
    name = "a row of 64 channels at 1 Hz, from its moment to a viewer, p99"
    try:
        from tests.crash import pages  # noqa: PLC0415 - with the tests' programs
    except ImportError as error:
        yield unmeasured(name, "at most 0.5 s", f"{error}; make setup-test brings it")
        return
    (folder / "rig").mkdir()
    rig = pages.Rig(folder / "rig", CHANNELS + 1)
    try:
        for number in range(1, CHANNELS + 1):
            rig.start("works", f"A{number}")
        told = pages.lateness(rig, 30.0)
        yield at_most(name, 0.5, told.worst, " s", told.found)
        browser = pages.Browser(folder / "chromium-rows")
        try:
            rig.bench.enter(browser)
            told = pages.painted(rig, browser, 30.0)
            yield at_most("the same, to the pixel of a browser, p99", 0.5, told.worst, " s", told.found)
        finally:
            browser.close()
        told = pages.crowd(rig, 20, 15.0)
        yield at_most("20 viewers of a wall of 64 channels, of a core", 0.3, told.worst, "", told.found)
        told = pages.flood(rig, 60)
        yield at_most(
            "a pause under 200 silent connections and wrong passwords, worst", 0.3, told.worst, " s", told.found
        )
        told = pages.trips(rig, f"A{CHANNELS + 1}", 8)
        yield at_most("from a trip to the mail that SMTP accepted, worst", 15, told.worst, " s", told.found)
    finally:
        rig.bench.end()


def wide(folder: Path) -> Iterator[Promised]:
    """Look at a wall of a thousand channels that all run, alone and with 20 others."""
    name = f"a wall of {WALL} channels, compressed"
    try:
        from tests.crash import pages  # noqa: PLC0415 - with the tests' programs
    except ImportError as error:
        yield unmeasured(name, "at most 40 kB", f"{error}; make setup-test brings it")
        return
    (folder / "wide").mkdir()
    rig = pages.Rig(folder / "wide", WALL)
    browser = pages.Browser(folder / "chromium-wide")
    try:
        for number in range(1, WALL + 1):
            rig.start("works", f"A{number}")
        with rig.client() as client:
            page = client.get("/", headers={"accept": "text/html", "accept-encoding": "gzip"})
        yield at_most(name, 40, int(page.headers["content-length"]) / 1000, " kB")
        rig.bench.enter(browser)
        yield from worked(browser, rig.bench.url)
        browser.driver.get("about:blank")
        alone = pages.lateness(rig, 30.0)
        yield at_most(
            f"a row of {WALL} channels at 1 Hz, from its moment to a viewer, p99", 1.5, alone.worst, " s", alone.found
        )
        told = pages.crowd(rig, 20, 30.0)
        yield at_most(f"20 viewers of a wall of {WALL} channels, of a core", 0.3, told.worst, "", told.found)
        late: list[float] = []
        among: list[float] = []
        for _ in range(4):  # by turns, so that what else this machine does is in both
            late += pages.ticks(rig, 10.0)
            with rig.viewers(20):
                time.sleep(2.0)
                among += pages.ticks(rig, 10.0)
        with_them, without = (float(np.quantile(each, 0.99)) for each in (among, late))
        remark = f"{1e3 * with_them:.3g} ms, {1e3 * without:.3g} ms without viewers"
        yield at_most(
            "how late the daemon's ticks are with 20 viewers, to none, p99", 1.1, with_them / without, "", remark
        )
    finally:
        browser.close()
        rig.bench.end()


def worked(browser: object, url: str) -> Iterator[Promised]:
    """See when a wall can be worked with, and what it costs the browser from then on."""
    driver = browser.driver  # type: ignore[attr-defined]
    driver.execute_cdp_cmd("Performance.enable", {})

    def busy() -> float:
        told = {each["name"]: each["value"] for each in driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]}
        return float(told["TaskDuration"])

    took = []
    for _ in range(5):
        driver.get(url)
        browser.until(lambda: browser.text("#pulse span") == "live", "it is live")  # type: ignore[attr-defined]
        took.append(float(driver.execute_script("return performance.getEntriesByType('navigation')[0].domInteractive")))
    yield at_most(f"a wall of {WALL} channels can be worked with", 1.0, statistics.median(took) / 1000, " s")
    begin, before = time.perf_counter(), busy()
    time.sleep(20.0)
    share = (busy() - before) / (time.perf_counter() - begin)
    yield at_most("what that wall costs the browser's main thread, of each second", 50, 1000 * share, " ms")


def painted(browser: object, address: str, name: str) -> Promised:
    """Return the median of nine first paints, caches warm as at every visit after the first."""
    driver = browser.driver  # type: ignore[attr-defined]
    driver.get(address)
    base = re.sub(r"/enter#.*", "", address)
    browser.until(lambda: driver.current_url == f"{base}/", "the wall")  # type: ignore[attr-defined]
    script = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
    took = []
    for _ in range(9):
        driver.get(f"{base}/c/c1")
        took.append(float(browser.until(lambda: driver.execute_script(script), "it is painted")))  # type: ignore[attr-defined]
    return at_most(name, 0.3, statistics.median(took) / 1000, " s", f"longest of nine {max(took) / 1000:.3g} s")
