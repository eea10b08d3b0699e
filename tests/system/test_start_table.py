"""Many cells started from a table: all lines are checked before one starts, and each cell has its own mass."""

import asyncio
import json
from dataclasses import replace

import pytest

from labctl.cli.main import main
from labctl.cli.terminal.start_table import read_table
from labctl.daemon import running
from labctl.errors import FileError
from labctl.run.stations import simulated_station
from labctl.station.settings import Mqtt
from labctl.store.reader import Reader

STATION = replace(simulated_station(3, "bench"), mqtt=Mqtt(broker="none"))
CELL = """\
labctl_cell: 1
name: NMC
kind: full
active_mass: 100 mg   # of the batch
nominal: {capacity: 150 mAh/g}
limits: {voltage: [2.5 V, 4.3 V], current: [-50 mA, 50 mA]}
model: marquis2019
"""
PROTOCOL = """\
labctl: 1
name: first charge
params: {rate: C/10}
steps:
  - rest: 100 h
  - charge: {current: $rate, to: 4.1 V, for: 15 h}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "cell.yaml").write_text(CELL)
    (tmp_path / "p.yaml").write_text(PROTOCOL)
    return tmp_path


def table(folder, text):
    path = folder / "cells.csv"
    path.write_text(text, encoding="utf-8-sig")
    return path


async def start(folder, *words, code=0):
    assert await asyncio.to_thread(main, ["start", "--data", str(folder / "data"), *map(str, words)]) == code


def runs(folder):
    with Reader(folder / "data") as reader:
        return {run.channel: run for run in reader.runs()}


def mass_of(folder, channel):
    """Return what the stored plan charges with, A: C/10 of 150 mAh/g on the cell's mass, and the stored text of the cell."""
    with Reader(folder / "data") as reader:
        run = {run.channel: run for run in reader.runs()}[channel]
        plan = json.loads(reader.plan(run.run_id))
        (cell,) = reader.query(
            "SELECT c.text FROM cells c JOIN runs r ON r.cell_hash = c.hash WHERE r.run_id = :r", r=run.run_id
        )
    return json.dumps(plan), cell[0]


async def test_a_table_starts_a_run_a_line_each_with_its_mass(folder, capsys):
    path = table(
        folder, "channel;cell;mass / mg;protocol;rate\nsim1;cell.yaml;12.3;p.yaml;\nsim2;cell.yaml;;p.yaml;C/5\n\n"
    )
    async with running(STATION, folder / "data"):
        await start(folder, "--table", path, "--check")
        assert "2 lines can be started" in capsys.readouterr().out
        assert runs(folder) == {}
        await start(folder, "--table", path)
        assert capsys.readouterr().out.count("started first charge") == 2
    plan, text = mass_of(folder, "sim1")
    assert "active_mass: 12.3 mg   # of the batch" in text
    assert "0.0001845" in plan  # A: 150 mAh/g of 12.3 mg in 10 h
    plan, text = mass_of(folder, "sim2")
    assert text == CELL
    assert "0.003" in plan  # A: 150 mAh/g of 100 mg in 5 h


async def test_where_one_line_has_an_error_none_is_started_and_all_are_told(folder, capsys):
    (folder / "bad.yaml").write_text(PROTOCOL.replace("4.1 V", "4.9 V"))
    path = table(
        folder,
        "channel,cell,mass,protocol\nsim1,cell.yaml,12 mg,p.yaml\nsim2,cell.yaml,twelve,p.yaml\n"
        "sim3,cell.yaml,,bad.yaml\nsim9,cell.yaml,,p.yaml\n",
    )
    async with running(STATION, folder / "data"):
        await start(folder, "--table", path, code=1)
        said = capsys.readouterr().err
        assert "cells.csv:3: sim2: " in said
        assert "twelve" in said
        assert "cells.csv:4: sim3: " in said
        assert "4.9 V" in said
        assert "cells.csv:5: sim9: " in said
        assert "3 of 4 lines cannot be started: none was" in said
        assert runs(folder) == {}


async def test_a_channel_that_is_taken_keeps_all_from_starting(folder, capsys):
    async with running(STATION, folder / "data"):
        await start(folder, folder / "p.yaml", "-c", "sim1", "--cell", folder / "cell.yaml", "--mass", "5 mg")
        path = table(folder, "channel,cell,protocol\nsim1,cell.yaml,p.yaml\nsim2,cell.yaml,p.yaml\n")
        await start(folder, "--table", path, code=1)
        assert "cells.csv:2: sim1: channel sim1 is taken by run 1" in capsys.readouterr().err
        assert runs(folder).keys() == {"sim1"}


async def test_one_start_is_checked_and_begins_nothing(folder, capsys):
    async with running(STATION, folder / "data"):
        await start(folder, folder / "p.yaml", "-c", "sim1", "--cell", folder / "cell.yaml", "--check")
        assert "it can be started; without --check it is" in capsys.readouterr().out
        await start(folder, folder / "p.yaml", "-c", "sim1", code=2)
        assert "wanted --cell, or --table FILE" in capsys.readouterr().err
        assert runs(folder) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cells.csv:1:1: wanted a column channel, found nothing"),
        ("channel,cell\nsim1,c\n", "wanted a column protocol"),
        ("channel,cell,protocol\n", "wanted 1 to 10000 lines"),
        ("channel,cell,protocol\nsim1,,p.yaml\n", "cells.csv:2:1: wanted cell in this line"),
        (
            "channel,cell,protocol\nA,c,p\nB,c,p\nA,c,p\n",
            "cells.csv:4:1: wanted each channel once, found A here and in line 2",
        ),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_line(folder, text, words):
    with pytest.raises(FileError, match=words):
        read_table(table(folder, text))
