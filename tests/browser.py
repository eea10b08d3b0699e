"""A real Chromium, driven through the pages of a real `labctl web` beside a real daemon.

The browser is one for all tests of a session, emptied between modules: its start costs seconds. Daemon and pages end with the module.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from labctl.control.client import DaemonClient
from labctl.inputs import library

WITHIN = 120.0  # s that anything may take on a machine that is busy with something else
EVERY = 0.05  # s between two looks
ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars",
             "--disable-background-networking", "--disable-component-update", "--no-first-run", "--ignore-certificate-errors",
             "--host-resolver-rules=MAP *.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")  # fmt: skip
"""As without a route to anywhere: names of somebody else's that end with .example lead here, all others nowhere."""


def program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


class Browser:
    """One window of Chromium, and what its pages complained of."""

    def __init__(self, folder: Path, *more: str) -> None:
        chromium, driver = program("chromium"), program("chromedriver")
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for argument in (*ARGUMENTS, *more, f"--user-data-dir={folder}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        os.environ["SE_OFFLINE"] = "true"
        self.driver = webdriver.Chrome(options=options, service=Service(driver))
        self.driver.set_page_load_timeout(WITHIN)
        self.driver.set_script_timeout(WITHIN)
        self.look(1440, 900)

    def empty(self) -> None:
        """Be as on the first day: one tab, nobody signed in, a desk's screen."""
        first, *others = self.driver.window_handles
        for handle in others:
            self.driver.switch_to.window(handle)
            self.driver.close()
        self.driver.switch_to.window(first)
        self.driver.get("about:blank")
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.driver.execute_cdp_cmd("Network.clearBrowserCache", {})
        self.look(1440, 900)
        self.complaints()

    def look(self, width: int, height: int, *, dark: bool = False) -> None:
        """Have a screen of a size and a theme."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [theme]})

    def until(self, holds: Callable[[], object], what: str) -> object:
        """Wait until something holds; what it was, if it never does."""
        return WebDriverWait(self.driver, WITHIN, EVERY).until(lambda _: holds(), what)

    def text(self, selector: str) -> str:
        return str(
            self.driver.execute_script(
                "return document.querySelector(arguments[0])?.textContent.trim() ?? ''", selector
            )
        )

    def all(self, selector: str) -> list:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def click(self, selector: str) -> None:
        def clicked() -> bool:
            places = self.all(selector)
            if not places:
                return False
            self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", places[0])
            places[0].click()
            return True

        WebDriverWait(self.driver, WITHIN, EVERY, [StaleElementReferenceException]).until(lambda _: clicked(), selector)

    def complaints(self) -> list[str]:
        """What the console says of errors and of refused scripts, styles and connections."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def picture(self, file: Path) -> None:
        self.driver.save_screenshot(str(file))

    def close(self) -> None:
        self.driver.quit()


def said(process: subprocess.Popen, log: Path, words: str, within: float = WITHIN) -> re.Match[str]:
    """Wait until a program says something in its log, and no longer than it lives."""
    deadline = time.monotonic() + within
    while (found := re.search(words, log.read_text(errors="replace"))) is None:
        assert process.poll() is None, log.read_text(errors="replace")
        assert time.monotonic() < deadline, log.read_text(errors="replace")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(EVERY)
    return found


class Process:
    """A program of ours that says a line when it is ready, and ends with its standard input."""

    def __init__(self, folder: Path, name: str, *words: str, ready: str) -> None:
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "labctl", *words, "--attached"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=folder,
            )
        self.said = said(self._process, self.log, ready)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self, number: int = signal.SIGTERM) -> int:
        """End it and return its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
        code = self._process.wait(WITHIN)
        if self._process.stdin is not None:
            self._process.stdin.close()
        return code


def pages(folder: Path, data: Path, port: int = 0, *more: str) -> Process:
    """Serve the pages of a data folder on loopback; what they say is their address, its port, and the way in."""
    words = ("web", "web", "--data", str(data), "--listen", f"127.0.0.1:{port}", *more)
    return Process(folder, *words, ready=r"pages at (https?://[\w.]+:(\d+))(\S+)\n")


def enter(browser: Browser, web: Process) -> None:
    """Come in by the link that the pages print once."""
    browser.driver.get(web.said[1] + web.said[3])
    browser.until(lambda: browser.driver.current_url == f"{web.said[1]}/", "the wall comes after the link")


class Bench:
    """A daemon on simulated cells, or on another instrument, and the pages beside it."""

    def __init__(self, folder: Path, channels: str, clock: str = "60", instrument: str = "{driver: simulated}") -> None:
        self.folder = folder
        self.data = folder / "data"
        (folder / "station.yaml").write_text(
            f"labctl_station: 1\nname: bench\nclock: {clock}\nstore: data\nmqtt: {{broker: none}}\n"
            f"instruments:\n  it: {instrument}\nchannels:\n  {channels}: {{cell: {{instrument: it}}}}\n"
        )
        self.daemon = self.serve()
        self.web = self.pages()

    def serve(self) -> Process:
        return Process(self.folder, "daemon", "serve", "--station", "station.yaml", ready="next: export")

    def pages(self, port: int = 0, *more: str) -> Process:
        return pages(self.folder, self.data, port, *more)

    @property
    def url(self) -> str:
        return self.web.said[1]

    def command(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "labctl", *words], env={**os.environ, "LABCTL_DATA": str(self.data)}, cwd=self.folder,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def status(self) -> dict[str, dict]:
        with DaemonClient(self.data) as client:
            return {row["channel"]: row for row in client.status()}

    def start(self, protocol: str, channel: str, cell: str = "marquis2019") -> str:
        """Start a file of the bench's folder, or a protocol of the library, on a channel, and return the run's id."""
        own = self.folder / protocol
        path = own if own.is_file() else library() / f"{protocol}.yaml"
        files = {"protocol": str(path.absolute()), "cell": str((library() / "cells" / f"{cell}.yaml").absolute())}
        with DaemonClient(self.data) as client:
            return str(client.order("start", {"channel": channel, **files})["run"])

    def enter(self, browser: Browser) -> None:
        enter(browser, self.web)

    def end(self) -> None:
        self.web.end()
        self.daemon.end()
