"""Rig W: the pages beside a daemon that works: killed, raced, crowded, flooded, fed with nonsense; and how late what they tell is.

    python -m tests.crash.pages --times 200 --write

Everything is real: daemon, page process, sockets, mail server. Each twenty kills are a station of their own, with a seed of its own;
with `--write` it is added to tests/crash/counted/pages.json, and docs/reference/security.md is written from that.
"""

import argparse
import contextlib
import os
import random
import re
import signal
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import numpy as np
import orjson

from labctl.store.notices import Notices
from labctl.store.reader import Reader
from tests.browser import Browser
from tests.crash import promises
from tests.crash.counted import Counted, counting
from tests.crash.pages_rig import FRESH, WITHIN, Forked, Rig, send_forked
from tests.hostile import CORPUS
from tests.system.test_notify import station as station_of
from tests.unit.notify.test_delivery import Box, smtp

PAGE = promises.PAGE.parent / "security.md"


@dataclass(frozen=True, slots=True)
class Tried:
    """What was tried so often, what came of it, and how often that was wrong; `name` is that of its figures."""

    name: str
    what: str
    times: int
    found: str
    wrong: int
    worst: float = 0.0  # s, or of a core
    took: float = 0.0  # s, all of them together


def kills(rig: Rig, times: int) -> Tried:
    """Kill the pages under viewers; the runs must not notice, and the next page is whole."""
    wrong, before = 0, rig.events()
    took = []
    with rig.viewers(2):
        for number in range(times):
            rig.bench.web.end(signal.SIGKILL)
            begin = time.monotonic()
            rig.begin_again()
            with rig.client() as client:
                page = client.get("/", headers={"accept": "text/html"})
            took.append(time.monotonic() - begin)
            wrong += page.status_code != 200 or "</html>" not in page.text
            told("kills", number + 1, times)
    wrong += rig.events() - before
    return Tried(
        "kills",
        "the page process killed (SIGKILL) under viewers",
        times,
        f"no run noticed; the next page whole after {statistics.median(took):.2g} s in the median",
        wrong,
        max(took),
        sum(took),
    )


def races(rig: Rig, times: int) -> Tried:
    """Two people skip the step that both see, as it ends: never are two steps skipped."""
    answers: Counter[tuple[int, ...]] = Counter()
    channel = "A2"
    with rig.client("rig") as one, rig.client("mate") as other, ThreadPoolExecutor(2) as pair:
        for number in range(times):
            row = next(each for each in rig_status(rig) if each["channel"] == channel)
            seen = {"channel": channel, "step_seen": row["step_count"]}
            time.sleep(random.uniform(0, 0.3))  # a whole step
            answers[tuple(sorted(pair.map(_skipped, (one, other), (seen, seen))))] += 1
            told("races", number + 1, times)
    skipped = answers[200, 409]
    others = answers - Counter({(200, 409): times, (409, 409): times})
    with Reader(rig.bench.data) as reader:
        steps = int(reader.query(SKIPPED, channel=channel)[0][0])
    found = f"{skipped} skipped one step, none two"
    if others or steps != skipped:
        found = (
            f"{steps} steps were skipped by {skipped} races of which one browser skipped; other answers: {dict(others)}"
        )
    return Tried(
        "races",
        "two people in a browser each who skip the step that both see, as it ends",
        times,
        found,
        sum(others.values()) + abs(steps - skipped),
    )


SKIPPED = "SELECT count(*) FROM steps JOIN runs USING (run_id) WHERE channel = :channel AND steps.end_reason = 'skip'"


def _skipped(who: httpx.Client, seen: dict) -> int:
    return who.post("/orders/skip", json={**seen, "id": os.urandom(8).hex()}).status_code


def rig_status(rig: Rig) -> list[dict]:
    from labctl.control.client import DaemonClient  # noqa: PLC0415

    with DaemonClient(rig.bench.data) as client:
        return client.station()[0]


def crowd(rig: Rig, count: int, seconds: float) -> Tried:
    """Have so many viewers, and see what it costs the page process, and whether the daemon is late for it."""
    ticks = os.sysconf("SC_CLK_TCK")

    def cpu(pid: int) -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / ticks

    before = rig.events()
    with rig.viewers(count) as heard:
        deadline = time.monotonic() + WITHIN
        while not all(heard) and time.monotonic() < deadline:
            time.sleep(0.1)
        begin, used, own = time.monotonic(), cpu(rig.bench.web.pid), cpu(rig.bench.daemon.pid)
        time.sleep(seconds)
        length = time.monotonic() - begin
        silent = sum(time.monotonic() - each > 5.0 for each in heard)
        share, daemon = (cpu(rig.bench.web.pid) - used) / length, (cpu(rig.bench.daemon.pid) - own) / length
        memory = (
            next(
                int(line.split()[1])
                for line in Path(f"/proc/{rig.bench.web.pid}/status").read_text().splitlines()
                if line.startswith("VmRSS")
            )
            / 1024
        )
    found = f"{share:.2g} of a core and {memory:.0f} MB for the pages, {daemon:.2g} of a core for the daemon, nobody without news for 5 s"
    return Tried(
        "viewers", f"{count} viewers at a time for {seconds:g} s", count, found, silent + rig.events() - before, share
    )


TICK = 0.1  # s between two ticks of a daemon with simulated cells, each of which commits


def ticks(rig: Rig, seconds: float) -> list[float]:
    """Return how late each of the daemon's ticks is, s: how far its commit stands behind the earliest of the same grid."""
    with Reader(rig.bench.data) as reader:
        first = reader.last_commit()
        time.sleep(seconds)
        rows = reader.query("SELECT unix_time_second FROM commits WHERE commit_id > :first", first=first)
    at = np.array([row[0] for row in rows])
    middle = float(np.angle(np.mean(np.exp(2j * np.pi * at / TICK)))) / (2 * np.pi) * TICK
    late = (at - middle + TICK / 2) % TICK - TICK / 2
    return list(late - np.quantile(late, 0.02))


def lateness(rig: Rig, seconds: float) -> Tried:
    """See how long after its moment a row is told to a viewer."""
    with Reader(rig.bench.data) as reader:
        run = reader.run(1)
    late: list[float] = []
    with (
        rig.client() as client,
        client.stream("GET", f"/live?channel=A1&run={run.uuid}&after={run.rows - 1}") as stream,
    ):
        begin, name = time.monotonic(), ""
        for line in stream.iter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif name == "rows" and line.startswith("data: "):
                now = time.time()
                rows = orjson.loads(line[6:])
                late += [now - run.began_unix_time - rows["t"][-1]] if rows.get("t") else []
            if time.monotonic() - begin > seconds:
                break
    worst = statistics.quantiles(late, n=100)[98] if len(late) > 1 else float("inf")
    found = f"told after {1e3 * statistics.median(late):.0f} ms in the median, {1e3 * worst:.0f} ms at p99"
    return Tried("rows", "rows at 1 Hz from their moment to a viewer", len(late), found, int(not late), worst)


PAINTED = """
const began = arguments[0], Real = window.EventSource;
window.late = [];
window.EventSource = function (url) {
  const stream = new Real(url);
  stream.addEventListener("rows", (event) => {
    const rows = JSON.parse(event.data);
    if (rows.t?.length) requestAnimationFrame(() => requestAnimationFrame(() => window.late.push(Date.now() / 1000 - began - rows.t[rows.t.length - 1])));
  });
  return stream;
};
window.EventSource.CLOSED = Real.CLOSED;
"""


def painted(rig: Rig, browser: Browser, seconds: float) -> Tried:
    """See how long after its moment a row stands on the screen of a real browser."""
    with Reader(rig.bench.data) as reader:
        run = reader.run(1)
    script = {"source": f"(function () {{ {PAINTED} }})({run.began_unix_time!r});"}
    added = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)
    browser.driver.get(f"{rig.bench.url}/c/A1")
    browser.until(lambda: browser.driver.execute_script("return window.late.length > 0"), "rows are painted")
    time.sleep(seconds)
    late = [float(each) for each in browser.driver.execute_script("return window.late")]
    browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": added["identifier"]})
    worst = statistics.quantiles(late, n=100)[98] if len(late) > 1 else float("inf")
    found = f"painted after {1e3 * statistics.median(late):.0f} ms in the median, {1e3 * worst:.0f} ms at p99"
    return Tried(
        "pixels", "rows at 1 Hz from their moment to the pixel of a browser", len(late), found, int(not late), worst
    )


def flood(rig: Rig, times: int) -> Tried:
    """Ask for a stop again and again while 200 connections say nothing and bad passwords are tried."""
    took, wrong = [], 0
    stop = threading.Event()

    def guess(number: int) -> None:
        with httpx.Client(base_url=rig.bench.url, timeout=WITHIN, headers={"origin": rig.bench.url}) as client:
            while not stop.is_set():
                with contextlib.suppress(httpx.HTTPError):
                    client.post(
                        "/login", json={"name": f"who{number}{os.urandom(2).hex()}", "password": "wrong password"}
                    )

    held = []
    with ThreadPoolExecutor(8) as crowd_, rig.client() as client:
        guesses = [crowd_.submit(guess, number) for number in range(8)]
        try:
            for number in range(times):
                for _ in range(max(1, 200 // times)):
                    line = socket.create_connection(("127.0.0.1", rig.port), WITHIN)
                    line.sendall(b"GET / HTTP/1.1\r\nx-slow: ")
                    held.append(line)
                begin = time.monotonic()
                answer = client.post("/orders/pause", json={"channel": "A3", "id": os.urandom(8).hex()})
                took.append(time.monotonic() - begin)
                wrong += answer.status_code not in {200, 409}
                told("stops under a flood", number + 1, times)
        finally:
            stop.set()
            for line in held:
                line.close()
            for each in guesses:
                each.result()
    found = f"answered after {1e3 * statistics.median(took):.0f} ms in the median, {1e3 * max(took):.0f} ms at worst"
    return Tried(
        "orders",
        "orders that only make safer, under 200 connections without headers and wrong passwords all the time",
        times,
        found,
        wrong,
        max(took),
        sum(took),
    )


def nonsense(rig: Rig, times: int, seed: int = 1) -> Tried:
    """Send damaged requests of somebody who is known and of nobody: each is answered, and none is a defect."""
    dice, wrong = random.Random(seed), 0
    paths = ("/", "/c/A1", "/runs", "/r/1", "/compare", "/api/compare", "/api/run/1/history", "/api/run/1/cycle/1", "/live", "/journal", "/orders/skip",
             "/orders/start", "/api/check", "/login", "/enter", "/alarms", "/metrics", "/r/1/export/csv")  # fmt: skip
    with rig.client() as known, httpx.Client(base_url=rig.bench.url, timeout=WITHIN, limits=FRESH) as nobody:
        for number in range(times):
            text = dice.choice((*CORPUS, "", "-1", "9" * 30, "nan", "1e400", "%00", "../" * 9, "\U0001f50b" * 50))
            path = dice.choice([each for each in paths if each != "/live"])
            who, method = dice.choice((known, nobody)), dice.choice(("GET", "POST", "PUT", "DELETE", "HEAD"))
            query = {dice.choice(("r", "before", "from", "to", "width", "state", "next", "channel")): text}
            body = dice.choice(
                (
                    orjson.dumps({dice.choice(("channel", "id", "protocol", "values", "name", "key")): text}),
                    text.encode(),
                    b"[1",
                    bytes(dice.randbytes(40)),
                )
            )
            with contextlib.suppress(ValueError):  # what this client itself refuses to send
                answer = who.request(
                    method,
                    path,
                    params=query,
                    content=body,
                    headers={"content-type": "application/json", "origin": rig.bench.url},
                )
                wrong += answer.status_code >= 500 and answer.status_code != 503
            told("nonsense", number + 1, times)
    return Tried(
        "requests",
        "damaged requests, of somebody known and of nobody",
        times,
        "each was answered; none was a defect",
        wrong,
    )


def trips(rig: Rig, channel: str, times: int) -> Tried:
    """See how long after a trip its mail is accepted by a real server."""
    box, took, wrong = Box(), [], 0
    with smtp(box) as server:
        for number in range(times):
            sender, before = _fresh_sender(rig, server.port), len(box.mails)
            time.sleep(1.2)
            run = rig.start("trips", channel)
            deadline = time.monotonic() + WITHIN
            while len(box.mails) == before and time.monotonic() < deadline:
                time.sleep(0.02)
            now = time.time()
            sender.end(signal.SIGKILL)
            if len(box.mails) == before:
                wrong += 1
                continue
            with Reader(rig.bench.data) as reader:
                stored = reader.find(run)
                at = reader.query(
                    "SELECT test_time_second FROM events WHERE run_id = :run AND kind = 'tripped'", run=stored.run_id
                )
            took.append(now - stored.began_unix_time - float(at[0][0]))
            told("trips", number + 1, times)
    found = f"accepted after {statistics.median(took):.2g} s in the median, {max(took):.2g} s at worst"
    return Tried(
        "trips",
        "trips, from the row to the mail that an SMTP server accepted",
        times,
        found,
        wrong,
        max(took),
        sum(took),
    )


def mails(rig: Rig, channel: str, times: int) -> Tried:
    """Kill who sends alarms while a trip is on its way to a mail box, and begin it again: each is told, twice under one id alone."""
    box, wrong, twice = Box(), 0, 0
    with smtp(box) as server:
        for number in range(times):
            sender, before = _fresh_sender(rig, server.port), len(box.mails)
            rig.start("trips", channel)
            time.sleep(random.uniform(0, TOLD))
            sender.end(signal.SIGKILL)
            sender = Forked(send_forked, rig.bench.data, replace(station_of(server.port), name="bench"))
            deadline = time.monotonic() + WITHIN
            while not _all_went(rig.bench.data) and time.monotonic() < deadline:
                time.sleep(0.05)
            sender.end(signal.SIGKILL)
            heads = [mail.content.decode().partition("\r\n\r\n")[0] for mail in box.mails[before:]]
            ids = [
                re.findall(r"^Message-ID: *(\S+)", head, re.MULTILINE)[0]
                for head in heads
                if f"{channel} tripped" in head
            ]
            twice += len(ids) > 1
            wrong += len(set(ids)) != 1
            told("mails", number + 1, times)
    return Tried(
        "mails",
        "the process of alarms killed (SIGKILL) while a trip is on its way, and begun again",
        times,
        f"each was told, {twice} twice under one id",
        wrong,
    )


TOLD = 4.0  # s within which a trip is mostly told, and at any moment of which who tells it is killed


def _fresh_sender(rig: Rig, port: int) -> Forked:
    """Begin to send alarms as on the first day: what comes in a burst waits on purpose."""
    for file in rig.bench.data.glob("notices.db*"):
        file.unlink()
    return Forked(send_forked, rig.bench.data, replace(station_of(port), name="bench"))


def _all_went(folder: Path) -> bool:
    with Notices(folder) as notices:
        messages = notices.messages()
    return bool(messages) and all(message.went is not None for message in messages)


def told(what: str, done: int, times: int) -> None:
    """Show how far it is."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{what}: {done} of {times} ")


EACH = 20  # kills of a station
LINES = (
    ("viewers", "20 viewers of the wall at a time, of whom nobody may be without news for 5 s", "at most {worst:.2g} of a core for the pages"),
    ("races", "two people in a browser each who skip the step that both see, as it ends: never two steps", ""),
    ("orders", "orders that only make safer, under 200 connections without headers and wrong passwords all the time", "answered after {mean:.2g} s in the mean, {worst:.2g} s at worst"),
    ("requests", "damaged requests, of somebody known and of nobody: each is answered, and none is a defect", ""),
    ("kills", "the page process killed (SIGKILL) under viewers: no run may notice, and the next page is whole", "whole after {mean:.2g} s in the mean"),
    ("mails", "the process of alarms killed (SIGKILL) while a trip is on its way: each is told, and twice under one id alone", ""),
    ("trips", "trips, from the row to the mail that an SMTP server accepted", "accepted after {mean:.2g} s in the mean, {worst:.2g} s at worst"),
)  # fmt: skip
"""What was tried, by the name of its figures; what was found at worst, on a machine that may be busy with much else."""


def station(place: Path, channels: int, times: int, seed: int) -> Iterator[Tried]:
    """Try everything beside one daemon: so many kills, everything else in proportion."""
    random.seed(seed)
    folder = place / "rig"
    folder.mkdir(parents=True)
    last = max(4, channels) + 1
    rig = Rig(folder, last)
    try:
        for number in (1, *range(3, last)):
            rig.start("works", f"A{number}")
        rig.start("short", "A2")
        yield crowd(rig, 20, 1.0 + times / 2)
        yield races(rig, 5 * times)
        yield flood(rig, max(5, times))
        yield nonsense(rig, 20 * times, seed)
        yield kills(rig, times)
        yield trips(rig, f"A{last}", max(1, times // 4))
        yield mails(rig, f"A{last}", times)
    finally:
        rig.bench.end()


def _figures(found: Counted, name: str) -> dict[str, float]:
    times = found.sums.get(name, 0)
    return {"worst": found.worst.get(name, 0.0), "mean": found.sums.get(f"{name}_took", 0.0) / times if times else 0.0}


def written(found: Counted) -> str:
    """Return the table of all that was counted."""
    if not found.stations:
        return "Nothing yet."
    last = found.stations[-1]
    rows = "\n".join(
        f"| {what} | {found.sums.get(name, 0):,} | {words.format(**_figures(found, name))} | {found.sums.get(f'{name}_wrong', 0)} |"
        for name, what, words in LINES
    )
    wrong = "".join(
        f"\n- {'WRONG' if not each.ruled_out else 'WAS WRONG'} ({each.date}, {each.commit}): {each.words}{each.ruled_out and f'. Ruled out: {each.ruled_out}'}"
        for each in found.findings
    )
    head = f"{found.seeds} daemons, each beside pages of its own, last on {last.date} at {last.commit}:"
    return f"{head}\n\n| tried | times | found | wrong |\n|---|---|---|---|\n{rows}\n{wrong}".rstrip()


def main(words: Sequence[str] | None = None) -> int:
    """Try everything, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.pages", description=__doc__)
    parser.add_argument("--times", type=int, default=200, help="kills; everything else in proportion")
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--write", action="store_true", help="add to tests/crash/counted/pages.json and to the page")
    given = parser.parse_args(words)
    with counting("pages", given.write) as tally:
        for seed in tally.seeds():
            left = given.times - int(tally.now.sums.get("kills", 0))
            if left <= 0:
                break
            done, begin = [], time.monotonic()
            with tempfile.TemporaryDirectory() as place:
                for tried in station(Path(place), given.channels, min(EACH, left), seed):
                    done.append(tried)
                    print(f"\r{tried.what}: {tried.times}, {tried.found}; {tried.wrong} wrong", flush=True)
            sums: dict[str, float] = {each.name: each.times for each in done}
            sums |= {f"{each.name}_wrong": each.wrong for each in done}
            sums |= {f"{each.name}_took": round(each.took, 3) for each in done if each.took}
            wrong = [f"{each.what}: {each.wrong} of {each.times}; {each.found}" for each in done if each.wrong]
            tally.add(seed, sums, {each.name: round(each.worst, 3) for each in done}, wrong, time.monotonic() - begin)
            if given.write:
                promises.write("pages", written(tally.so_far), PAGE)
        return 1 if tally.now.findings else 0


if __name__ == "__main__":
    sys.exit(main())
