"""The first three measurements of the vanadium oxide films through an emulated VMP-300, as its page says: to SQL and to the report."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from labctl.clock import ScaledClock
from labctl.daemon import running
from labctl.report.page import page
from labctl.report.run_data import analyse, plan_of, record_of
from labctl.run.request import StartRequest
from labctl.run.stations import found_station
from labctl.station.settings import Mqtt
from labctl.store.reader import Reader
from tests.system.rack import Ends

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "instruments" / "biologic.md"
SPEED = 8000.0


@pytest.fixture
def emulated(tmp_path):
    """The emulator in a process of its own; the library and the address that it says."""
    words = ["emulate", "biologic", "--cell", "voc1", "--channels", "3", "--port", "0"]
    more = ["--speed", f"{SPEED:g}", "--library", str(tmp_path)]
    with subprocess.Popen(
        [sys.executable, "-m", "labctl", *words, *more], stdout=subprocess.PIPE, text=True
    ) as process:
        library, where = process.stdout.readline(), process.stdout.readline()
        yield library.removeprefix("library: ").strip(), where.removeprefix("biologic on ").strip()
        process.terminate()


async def test_spectra_and_sweeps_of_three_films_are_in_sql_and_in_the_report(tmp_path, emulated):
    (text,) = re.findall(
        r"^```\n(labctl_station: 1\n.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    library, where = emulated
    (tmp_path / "kept").mkdir()
    text = text.replace("/tmp/eclib.so", library).replace("127.0.0.1:40233", where)
    text = text.replace("folder: kept", f"folder: {tmp_path / 'kept'}")
    (tmp_path / "station.yaml").write_text(text)
    station, _ = found_station(tmp_path / "station.yaml", None, tmp_path)
    async with running(replace(station, mqtt=Mqtt(broker="none")), tmp_path / "data", ScaledClock(SPEED)) as parts:
        ends = Ends(parts)
        for number in (1, 2, 3):
            protocol = ROOT / "protocols" / "papers" / "voc1" / f"B{number}.yaml"
            cell = ROOT / "protocols" / "cells" / "voc1.yaml"
            await parts.supervisor.start(StartRequest(str(protocol), str(cell), f"v{number}", by="a person"))
        await ends.wait(3, 120.0)
    with Reader(tmp_path / "data") as reader:
        assert {run.end_reason for run in reader.runs()} == {"done"}
        records = [record_of(reader, reader.run(number)) for number in (1, 2, 3)]
        analyses = [analyse(record, plan_of(reader, reader.run(at)).analyses) for at, record in enumerate(records, 1)]
        pages = [page(reader.run(number), analyses[number - 1], []) for number in (1, 2, 3)]
    assert [len(record.spectra()) for record in records] == [1, 10, 0]
    voltages = [spectrum.voltage for spectrum in records[1].spectra()]
    assert voltages == sorted(voltages, reverse=True)
    figures = {figure.name: figure.value for analysis in analyses[2] for figure in analysis.figures}
    assert 0.5 <= figures["b-value, rising"] <= 1.0
    assert "b-value" in pages[2]
    assert "Kramers-Kronig" in pages[1]
