"""Verbs for what runs beside the daemon: people who may come in, alarms that are sent."""

import pytest

from labctl.cli.main import main
from labctl.store.location import Lock

STATION = """\
labctl_station: 1
instruments: {bench: {driver: simulated}}
channels: {a: {cell: {instrument: bench, at: 1}}}
"""


@pytest.mark.parametrize(
    ("web", "begins"),
    [
        ("", "http://127.0.0.1:8023/enter#"),
        ("web: {listen: 127.0.0.1:8723}\n", "http://127.0.0.1:8723/enter#"),
        ('web: {names: ["https://bench.lab.example"]}\n', "https://bench.lab.example/enter#"),
    ],
)
def test_a_link_leads_to_where_the_pages_of_the_station_file_are(tmp_path, monkeypatch, capsys, web, begins):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "station.yaml").write_text(STATION + web)
    data = ("--data", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    assert main(["people", "add", "ada", *data]) == 0
    capsys.readouterr()
    assert main(["people", "link", "ada", *data]) == 0
    assert capsys.readouterr().out.startswith(begins)
    assert main(["people", "link", "ada", "--address", "https://lab.example/", *data]) == 0
    assert capsys.readouterr().out.startswith("https://lab.example/enter#")


def test_a_second_sender_of_alarms_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "station.yaml").write_text(STATION)
    (tmp_path / "data").mkdir()
    held = Lock(tmp_path / "data" / "notify.lock", "it")
    try:
        assert main(["notify", "--data", str(tmp_path / "data")]) != 0
    finally:
        held.release()
    assert "every message would come twice" in capsys.readouterr().err
