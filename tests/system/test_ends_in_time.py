"""The daemon ends within three seconds of SIGTERM, whatever hangs; the cases fifo-start and sigterm-garbage."""

import asyncio
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time

import pytest

from labctl.control.client import DaemonClient
from labctl.daemon.core import STOP_WITHIN
from labctl.errors import InstrumentError
from labctl_drivers.grbl import Grbl
from labctl_drivers.keithley import Keithley2450
from labctl_drivers.palmsens import instrument as palmsens
from tests.system.test_orders_once import CELL, PROTOCOL

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM and named pipes are POSIX")
SIMULATED = "instruments: {sim: {driver: simulated}}\nchannels: {'c[1-2]': {cell: {instrument: sim}}}\nmqtt: none\n"
SLACK = 1.5  # s that a loaded machine may need to notice that a process has ended
HANG = """
import sys, threading, time
from labctl.daemon.process import Deadline
threading.Thread(target=time.sleep, args=(60.0,), name="hangs").start()
deadline = Deadline(0.1)
deadline.begin()
while True:
    pass
"""


class Daemon:
    def __init__(self, folder, station):
        self.data = folder / "data"
        (folder / "station.yaml").write_text(f"labctl_station: 1\nname: t\n{station}")
        words = [sys.executable, "-m", "labctl", "serve", "--data", str(self.data)]
        self.process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for line in self.process.stdout:
            if line.startswith(b"next:"):
                break

    def end(self):
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.stdout.close()
        try:
            self.process.wait(60.0)
        finally:
            self.process.kill()
        return time.monotonic() - began


def test_fifo_start(tmp_path):
    (tmp_path / "cell.yaml").write_text(CELL)
    (tmp_path / "p.yaml").write_text(PROTOCOL)
    os.mkfifo(tmp_path / "fifo.yaml")
    daemon = Daemon(tmp_path, SIMULATED)
    try:
        with DaemonClient(daemon.data) as client:
            files = {"cell": str(tmp_path / "cell.yaml"), "protocol": str(tmp_path / "fifo.yaml")}
            with pytest.raises(Exception, match="wanted a regular file, found a pipe"):
                client.order("start", {**files, "channel": "c1"})
            assert client.order("start", {**files, "protocol": str(tmp_path / "p.yaml"), "channel": "c2"})["run"]
    finally:
        took = daemon.end()
    assert took < STOP_WITHIN + SLACK


class Streaming(socketserver.ThreadingTCPServer):
    """A device on the wrong port: it says the same again and again, whatever it is asked."""

    daemon_threads = True

    def __init__(self, words):
        class Talk(socketserver.BaseRequestHandler):
            def handle(self):
                try:
                    while True:
                        self.request.sendall(words)
                except OSError:
                    pass

        super().__init__(("127.0.0.1", 0), Talk)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]

    def __exit__(self, *error):
        self.shutdown()
        super().__exit__(*error)


LINES = [pytest.param(b"+0.1,+0.2\n" * 100, id="lines"), pytest.param(b"9" * 65536, id="no-end")]


@pytest.mark.parametrize("words", LINES)
def test_sigterm_garbage(tmp_path, words):
    with Streaming(words) as device:
        resource = f"TCPIP0::127.0.0.1::{device.port}::SOCKET"
        station = f"instruments: {{k1: {{driver: keithley2450, resource: '{resource}'}}}}\n"
        daemon = Daemon(tmp_path, station + "channels: {c1: {cell: {instrument: k1, at: 1}}}\nmqtt: none\n")
        took = daemon.end()
    assert took < STOP_WITHIN + SLACK


@pytest.mark.parametrize("words", LINES)
@pytest.mark.parametrize("make", [
    lambda port: Keithley2450(f"TCPIP0::127.0.0.1::{port}::SOCKET", timeout=0.5),
    lambda port: palmsens.PalmSens(f"socket://127.0.0.1:{port}", timeout=0.5),
    lambda port: Grbl(f"socket://127.0.0.1:{port}", timeout=0.5),
], ids=["keithley", "palmsens", "grbl"])  # fmt: skip
async def test_a_line_that_streams_is_given_up(words, make, monkeypatch):
    monkeypatch.setattr(palmsens, "TALKS_AT_MOST", 0.3)
    with Streaming(words) as device:
        driver = make(device.port)
        async with asyncio.timeout(30.0):
            with pytest.raises(InstrumentError):
                await driver.open()
            await driver.close()


def test_a_loop_that_never_turns_ends_all_the_same():
    with subprocess.Popen([sys.executable, "-c", HANG], stderr=subprocess.PIPE) as process:
        said = process.stderr.read().decode()
        assert process.wait(60.0) == 1
    assert "busy: " in said
    assert "hangs" in said
