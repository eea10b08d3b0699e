"""Photographs that are kept with a run: copied under their digest, named by a remark, looked for by verify, and in a backup."""

import asyncio
from dataclasses import replace

import pytest

from labctl.cli.main import main
from labctl.daemon import running
from labctl.errors import UsageError
from labctl.run.request import StartRequest
from labctl.run.stations import simulated_station
from labctl.station.settings import Mqtt
from labctl.store.attachments import FOLDER, LARGEST, keep, named
from labctl.store.backup import backup
from labctl.store.reader import Reader
from labctl.store.verify import verify
from tests.system.test_orders_once import CELL
from tests.system.test_orders_seen import PROTOCOL

STATION = replace(simulated_station(1, "bench"), mqtt=Mqtt(broker="none"))
PHOTO = bytes(range(256)) * 40


async def test_a_photograph_is_kept_with_its_run_and_looked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "swollen [1], side.JPG").write_bytes(PHOTO)
    async with running(STATION, tmp_path / "data") as parts:
        protocol, cell = parts.supervisor.texts.put("p.yaml", PROTOCOL), parts.supervisor.texts.put("c.yaml", CELL)
        await parts.supervisor.start(StartRequest(protocol, cell, "sim1"))
        words = ["note", "sim1", "swollen", "--file", "swollen [1], side.JPG", "--data", "data"]
        assert await asyncio.to_thread(main, words) == 0
        assert await asyncio.to_thread(main, words) == 0
    with Reader(tmp_path / "data") as reader:
        notes = [str(data) for (data,) in reader.query("SELECT data FROM events WHERE kind = 'note'")]
    (one, two) = named(notes)
    assert one == two
    assert one[0] == "swollen _1__ side.JPG"
    (kept,) = (tmp_path / "data" / FOLDER).iterdir()
    assert (kept.name, kept.read_bytes()) == (f"{one[1]}.jpg", PHOTO)
    assert verify(tmp_path / "data").whole
    backup(tmp_path / "data", tmp_path / "copy")
    assert verify(tmp_path / "copy").whole
    kept.write_bytes(PHOTO + b"x")
    assert "is not the one that was kept" in str(verify(tmp_path / "data").findings[0])
    kept.unlink()
    assert "is missing" in str(verify(tmp_path / "data", 1).findings[0])
    assert verify(tmp_path / "copy").whole


@pytest.mark.parametrize("size", [0, LARGEST + 1])
def test_a_file_that_is_empty_or_too_large_is_refused(tmp_path, size):
    with (tmp_path / "photo.jpg").open("wb") as file:
        file.truncate(size)
    with pytest.raises(UsageError, match="wanted a file of 1 to"):
        keep(tmp_path, tmp_path / "photo.jpg")


def test_what_is_no_file_is_refused(tmp_path):
    for path in (tmp_path / "none.jpg", tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            keep(tmp_path, path)
