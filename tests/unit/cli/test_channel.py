"""A protocol on a channel of a station, before any instrument is opened; a station for the drivers that it names."""

from types import SimpleNamespace

import pytest

from labctl.cli.main import main

STATION = """\
labctl_station: 1
name: nbench
store: data
instruments:
  nw1: {driver: neware, host: 127.0.0.1, port: 15920, folder: ., channels: {c1: 27-1-1, c2: 27-1-2}}
  kei1: {driver: keithley2450, resource: "TCPIP0::127.0.0.1::15925::SOCKET"}
channels:
  n1: {cell: {instrument: nw1, at: c1}}
  k1: {cell: {instrument: kei1, at: 1}}
mqtt: {broker: none}
"""
CELL = """\
labctl_cell: 1
name: lco
kind: full
area: 283.59 cm2
nominal: {capacity: 680.616 mAh}
limits: {voltage: [2.8 V, 4.3 V], current: [-1 A, 1 A]}
model: marquis2019
"""
RESTS = """\
labctl: 1
name: rest until voltage
record: {every: 30 s, dV: 5 mV}
steps:
  - rest: 10 min
  - charge: {current: C/2, for: 20 min}
  - rest: {for: 1 h, until: voltage < 3.9 V}
  - rest: {for: 1 h, until: time > 5 min and abs(dV/dt) < 5 mV/h over 5 min}
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, text in (("station", STATION), ("full", CELL), ("rests", RESTS)):
        (tmp_path / f"{name}.yaml").write_text(text)

    def called(*words):
        code = main(list(words))
        said = capsys.readouterr()
        return SimpleNamespace(exit_code=code, output=said.out, stderr=said.err)

    return called


def test_neware_no_at_a_channel_that_the_driver_does_not_have_is_found_where_it_is_written(run, tmp_path):
    assert run("check", "station.yaml").exit_code == 0
    for written, told in (("", "found none"), (", at: c9", "found at: c9")):
        (tmp_path / "wrong.yaml").write_text(STATION.replace(", at: c1}", f"{written}}}", 1))
        done = run("check", "wrong.yaml")
        assert done.exit_code == 1
        assert "wrong.yaml:8:" in done.stderr
        assert "error[channel.place]" in done.stderr
        assert f"wanted a channel of nw1 as at: for the cell of n1, {told}; it has c1, c2" in done.stderr


def test_neware_no_at_a_device_with_one_channel_wants_its_name_too(run, tmp_path):
    one = STATION.replace("c1: 27-1-1, c2: 27-1-2", '"1": 27-1-1').replace("nw1, at: c1", "nw1")
    (tmp_path / "one.yaml").write_text(one.replace("kei1, at: 1", "kei1"))
    done = run("check", "one.yaml")
    assert done.exit_code == 1
    assert "wanted a channel of nw1 as at: for the cell of n1, found none; it has 1" in done.stderr
    assert "k1" not in done.stderr  # a source meter's only channel need not be named


def test_an_instrument_of_one_channel_has_no_seventh(run, tmp_path):
    (tmp_path / "station.yaml").write_text(STATION.replace("kei1, at: 1", "kei1, at: 7"))
    for words in (("check", "station.yaml"), ("check", "rests.yaml", "--cell", "full.yaml", "--channel", "k1")):
        done = run(*words)
        assert done.exit_code == 1
        assert "wanted a channel of kei1 as at: for the cell of k1, found at: 7; it has 1" in done.stderr


def test_plan_on_a_channel_says_what_the_daemon_watches(run):
    done = run("plan", "rests.yaml", "--cell", "full.yaml", "--channel", "n1")
    assert done.exit_code == 0, done.output
    assert "step 3: the daemon watches 'voltage < 3.9 V', and sees it within" in " ".join(done.output.split())


def test_check_on_a_channel_refuses_what_it_cannot_do_with_line_and_reason(run, tmp_path):
    assert run("check", "rests.yaml", "--cell", "full.yaml", "--channel", "n1").exit_code == 0
    (tmp_path / "sweep.yaml").write_text("labctl: 1\nsteps:\n  - lsv: {from: 3 V, to: 4 V, rate: 1 mV/s}\n")
    done = run("check", "sweep.yaml", "--cell", "full.yaml", "--channel", "n1")
    assert done.exit_code == 1
    assert "sweep.yaml:3:" in done.stderr
    done = run("check", "rests.yaml", "--cell", "full.yaml", "--channel", "n7")
    assert done.exit_code != 0


def test_record_faster_than_poll_is_a_warning_of_check(run, tmp_path):
    (tmp_path / "fast.yaml").write_text(
        "labctl: 1\nrecord: {every: 0.001 s}\nsteps:\n  - rest: 2 s\n  - discharge: {current: C/2, for: 3 s}\n"
    )
    done = run("check", "fast.yaml", "--cell", "full.yaml", "--channel", "k1")
    assert done.exit_code == 0
    assert "warning[channel.record]" in done.stderr
    assert "one every 0.05 s at most" in done.stderr


def test_a_potentiostat_is_given_no_current(run, tmp_path):
    board = "  rod: {driver: rodeostat, port: /dev/ttyACM9}\nchannels:\n  r1: {cell: {instrument: rod, at: 1}}\n"
    (tmp_path / "station.yaml").write_text(STATION.replace("channels:\n", board))
    done = run("check", "rests.yaml", "--cell", "full.yaml", "--channel", "r1")
    assert done.exit_code == 1
    assert (
        "rests.yaml:6:5: error[channel.mode]: wanted an instrument that does constant current for charge" in done.stderr
    )
