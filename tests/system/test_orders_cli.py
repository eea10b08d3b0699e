"""The person's verbs against a real daemon in a process of its own: simulated channels, embedded broker, SQLite."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labctl.cli.main import main
from labctl.control.endpoint import EndpointFiles

ROOT = Path(__file__).parents[2]
CELL = ROOT / "protocols" / "cells" / "phl-symmetric.yaml"
WITHIN = 60.0  # s

SLOW = """\
labctl: 1
name: Slow
limits: {voltage: [-1 V, 1 V]}
steps:
  - rest: 1 h
  - prompt: bend it now
  - rest: 1 h
"""


class Daemon:
    """`labctl serve` on a data folder of its own."""

    def __init__(self, folder, clock, *, ready=True):
        self.data = folder / "data"
        words = [sys.executable, "-m", "labctl", "serve", "--clock", clock, "--data", str(self.data)]
        self.process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            if ready:
                self._await_greeting()
        except BaseException:
            self.process.kill()
            self.stop()
            raise

    def _await_greeting(self):
        said = b""
        deadline = time.monotonic() + WITHIN
        while b"next:" not in said:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert chunk, f"the daemon did not come up: {said.decode()}"
            said += chunk

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(WITHIN)
        finally:
            self.process.stdout.close()


@pytest.fixture(params=["real"])
def daemon(request, tmp_path, monkeypatch):
    started = Daemon(tmp_path, request.param)
    monkeypatch.setenv("LABCTL_DATA", str(started.data))
    yield started
    assert started.stop() == 0
    assert not EndpointFiles(started.data).endpoint_file.exists()


def asked(capsys, *words):
    capsys.readouterr()
    code = main(list(words))
    return code, capsys.readouterr()


def found(capsys, *words):
    code, said = asked(capsys, *words, "--json")
    assert code == 0, said.err
    return json.loads(said.out)


def test_a_run_from_start_to_stop(daemon, capsys, tmp_path):
    protocol = tmp_path / "slow.yaml"
    protocol.write_text(SLOW)
    start = ["start", str(protocol), "--channel", "sim1", "--cell", str(CELL)]
    begun = found(capsys, *start)
    assert begun["channel"] == "sim1"
    assert begun["name"] == "Slow"
    code, said = asked(capsys, *start)
    assert code == 1
    assert "labctl stop sim1" in said.err
    (row,) = found(capsys, "status", "sim1")
    assert (row["activity"], row["run"], row["step_type"]) == ("running", begun["run"], "rest")
    assert found(capsys, "note", "sim1", "gloves on")["run"] == begun["run"]
    assert found(capsys, "pause", "sim1")["activity"] == "paused"
    assert "labctl resume sim1" in found(capsys, "why", "sim1")["unblock"]
    assert found(capsys, "resume", "sim1")["activity"] == "running"
    assert found(capsys, "skip", "sim1")["activity"] == "waiting"
    code, said = asked(capsys, "why", "sim1")
    assert code == 0
    assert "bend it now" in said.out
    assert "labctl confirm sim1" in said.out
    assert found(capsys, "confirm", "sim1", "30 degrees")["activity"] == "running"
    assert found(capsys, "stop", begun["run"])["activity"] == "done"
    code, said = asked(capsys, "stop", "sim1")
    assert code == 1
    assert "sim1" in said.err


def test_what_is_wrong_is_said_in_words(daemon, capsys, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(SLOW.replace("rest: 1 h", "rest: 1 hx", 1))
    code, said = asked(capsys, "start", str(bad), "--channel", "sim1", "--cell", str(CELL))
    assert code == 1
    assert f"{bad}:5:" in said.err
    for words in (["status", "nowhere"], ["why", "nowhere"], ["stop", "nowhere"]):
        code, said = asked(capsys, *words)
        assert code in {1, 2}
        assert "nowhere" in said.err
        assert "sim1" in said.err
        assert "Traceback" not in said.err


@pytest.mark.parametrize("daemon", ["fast"], indirect=True)
def test_watching_and_following_to_the_end(daemon, capsys):
    protocol = str(ROOT / "protocols" / "activation.yaml")
    code, said = asked(capsys, "start", protocol, "--channel", "sim2", "--cell", str(CELL), "--follow")
    assert code == 0, said.err
    assert "takes about" in said.out
    assert "done" in said.out
    code, said = asked(capsys, "watch", "--until-done", "--json")
    assert code == 0
    messages = [json.loads(line) for line in said.out.splitlines()]
    last = {
        message["ch"]: message["state"]
        for message in messages
        if message["topic"].endswith("/state") and "ch" in message
    }
    assert last == {"sim1": "idle", "sim2": "done", "sim3": "idle", "sim4": "idle"}
    code, said = asked(capsys, "watch", "--until-done")
    assert code == 0
    assert "sim2" in said.out


def test_without_a_daemon_the_way_to_one_is_said(capsys, tmp_path):
    for words in (["status"], ["stop", "A1"], ["why", "A1"], ["watch"], ["note", "A1", "x"]):
        code, said = asked(capsys, *words, "--data", str(tmp_path))
        assert code == 1
        assert said.err.strip() == f"no daemon serves {tmp_path}; start one with: labctl serve"


def test_a_start_pasted_with_the_daemon_waits_for_it_and_says_so(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("labctl.control.client.PATIENCE", WITHIN)
    monkeypatch.setattr("labctl.cli.terminal.follow.PATIENCE", WITHIN)
    protocol = tmp_path / "slow.yaml"
    protocol.write_text(SLOW)
    daemon = Daemon(tmp_path, "real", ready=False)
    try:
        words = ["start", str(protocol), "--channel", "sim1", "--cell", str(CELL), "--data", str(daemon.data)]
        code, said = asked(capsys, *words)
        assert code == 0, said.err
        assert "waiting 60 s for it to come up" in said.err
    finally:
        assert daemon.stop() == 0
