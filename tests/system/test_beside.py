"""The pages and alarms that a station file asks for: begun by the daemon, begun again when they die, gone with it."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.browser import EVERY, WITHIN, Process

STATION = """\
labctl_station: 1
name: bench
store: data
mqtt: {broker: none}
instruments: {sim: {driver: simulated}}
channels: {A1: {cell: {instrument: sim}}}
web: {listen: 127.0.0.1:0}
notify: {routes: {nobody: {webhook: http://127.0.0.1:9/}}}
"""
IDLE = threading.Event()  # never set: a wait that ends by itself


pytestmark = pytest.mark.timeout(600)  # processes on a machine that is busy with something else


def until(holds, what):
    deadline = time.monotonic() + WITHIN
    while not (value := holds()):
        assert time.monotonic() < deadline, what
        IDLE.wait(EVERY)
    return value


@pytest.fixture
def daemon(tmp_path):
    (tmp_path / "station.yaml").write_text(STATION)
    process = Process(tmp_path, "daemon", "serve", "--station", "station.yaml", ready="next: export")
    yield process
    process.end()


def addresses(folder):
    file = folder / "data" / "web.log"
    return re.findall(r"pages at (http://127\.0\.0\.1:\d+)", file.read_text()) if file.is_file() else []


def answers(url):
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=WITHIN) as answer:
            return answer.read().decode()
    except (OSError, urllib.error.URLError):
        return ""


def children(pid):
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return {int(line.split()[0]): line for line in listed.splitlines() if "labctl" in line}


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes with ps")
def test_pages_and_alarms_are_begun_begun_again_and_gone_with_the_daemon(daemon, tmp_path):
    first = until(lambda: addresses(tmp_path), "the pages are begun")[0]
    assert until(lambda: answers(first), "they answer") == "ready"
    until(lambda: "alarms go by nobody" in (tmp_path / "data" / "notify.log").read_text(), "the alarms are begun")
    web = next(pid for pid, line in children(daemon.pid).items() if " web " in line)
    os.kill(web, signal.SIGKILL)
    second = until(lambda: addresses(tmp_path)[1:], "the pages are begun again")[0]
    assert until(lambda: answers(second), "they answer") == "ready"
    status = subprocess.run(
        [sys.executable, "-m", "labctl", "status", "--data", str(tmp_path / "data"), "--json"], capture_output=True, text=True, check=True
    )  # fmt: skip
    assert json.loads(status.stdout.splitlines()[0]), "the daemon went on"
    mine = set(children(daemon.pid))
    assert daemon.end() == 0
    until(lambda: not any(alive(pid) for pid in mine), "nothing of it is left")


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False
