"""Bio-Logic through EClib: the driver, the shared library that a C compiler made, and an instrument that lives on without the daemon."""

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from labctl.driver import Bounds, Galvanostatic, Owner, Program, ProgramStep, RecordRule, Rest, Spectrum, Threshold
from labctl.errors import LabctlError, SettingRefused, Unreachable
from labctl.report.run_data import record_of
from labctl.run.replay import replay
from labctl.sample import Batch, Quality
from labctl.store.reader import Reader
from labctl_drivers.biologic import BioLogic
from labctl_drivers.biologic.library import EcLibrary
from labctl_drivers.biologic.techniques import current_range, technique_of
from labctl_simulators.models import load_model
from labctl_simulators.wire.biologic import MODELS, EmulatedBioLogic
from labctl_simulators.wire.biologic_channel import PotentiostatChannel
from labctl_simulators.wire.eclib import build
from labctl_simulators.wire.line import Server
from tests.system.rack import Ends, activity, rack, start, until
from tests.system.test_instruments import CELL, CYCLE

VO = """\
labctl_cell: 1
name: voc1
kind: half_cathode
area: 1 cm2
nominal: {capacity: 22.9 uAh}
limits: {voltage: [2 V, 4 V], current: [-1 mA, 1 mA]}
model: voc1
"""
LONG = "labctl: 1\nname: long\nrecord: {every: 10 s}\nsteps:\n  - discharge: {current: 20 mA, for: 2 h}\n"
SWEPT = """\
labctl: 1
name: swept
steps:
  - rest: 10 s
  - cv: {from: ocv, to: 2.9 V, back: 3.6 V, rate: 1 mV/s, cycles: 1}
"""
SPEED = 150.0
B1 = Path(__file__).parents[2] / "protocols" / "papers" / "voc1" / "B1.yaml"
BOUNDS = Bounds(voltage=(3.0, 4.2), current=(-0.5, 0.5))
OWNER = Owner("0a1b2c3d-0000-4000-8000-000000000000", "1f2e3d4c-0000-4000-8000-000000000000")


@pytest.fixture
def files(tmp_path):
    for name, text in (("cell", CELL), ("vo", VO), ("protocol", CYCLE), ("long", LONG), ("swept", SWEPT)):
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


async def biologic(made, name="bl", kind="vmp300"):
    """Put an instrument with one cell into a rack."""
    channel = PotentiostatChannel(load_model(made.model), MODELS[kind][1])
    line = await made.serve(EmulatedBioLogic([channel], kind))
    library = build(Path(tempfile.gettempdir()))
    folder = made.folder / f"kept-{name}"
    folder.mkdir(exist_ok=True)
    made.instruments.append(
        f'  {name}: {{driver: biologic, library: {library}, address: "127.0.0.1:{line.port}", folder: {folder}, poll: 0.2}}'
    )
    made.channels.append(f"  {name}: {{cell: {{instrument: {name}, at: 1}}}}")
    return channel, line


# --- the whole daemon -------------------------------------------------------------------------------------------------


async def test_a_restarted_daemon_takes_the_step_up_without_a_gap_or_a_row_twice(files):
    async with rack(files, 5 * SPEED) as made:
        channel, _ = await biologic(made)
        async with made.daemon() as parts:
            await start(parts, files, "bl", "long.yaml")
            await until(lambda: channel.running and made.time() > 1500, parts)
        await made.clock.until(made.clock.now() + 1000.0)  # nobody listens
        async with made.daemon() as parts:
            assert channel.running
            ends = Ends(parts)
            assert activity(parts, "bl") == "running"
            await ends.wait(1)
    with Reader(files / "data") as reader:
        assert replay(reader, 1).equal
        rows, events = reader.rows(1), [each.event.kind for each in reader.events(1)]
    driven = rows.time[np.abs(rows.current) > 1e-3]
    assert np.diff(driven).max() <= 10.0 + 1e-3
    assert len(np.unique(driven)) == len(driven)
    assert rows.discharging_ah[-1] == pytest.approx(0.040, rel=1e-4)
    assert "asked" not in events


async def test_a_spectrum_and_sweeps_of_a_film_are_in_sql(files):
    async with rack(files, 1000.0, "voc1") as made:
        await biologic(made)
        async with made.daemon() as parts:
            ends = Ends(parts)
            await start(parts, files, "bl", B1, "vo.yaml")
            await ends.wait(1)
            await start(parts, files, "bl", "swept.yaml", "vo.yaml")
            await ends.wait(2)
    with Reader(files / "data") as reader:
        spectra = record_of(reader, reader.run(1)).spectra()
        rows = reader.rows(2)
        assert [run.end_reason for run in reader.runs()] == ["done", "done"]
    (spectrum,) = spectra
    cell = load_model("voc1")
    np.testing.assert_allclose(spectrum.impedance, cell.impedance(cell.initial(), spectrum.frequency), rtol=0.02)
    assert rows.voltage.min() == pytest.approx(2.9, abs=5e-3)
    assert rows.voltage[rows.current > 0].max() == pytest.approx(3.6, abs=5e-3)


def test_the_emulator_says_where_it_and_its_library_are(tmp_path):
    words = [sys.executable, "-m", "labctl", "emulate", "biologic", "--cell", "voc1", "--port", "0", "--kind", "vmp3"]
    with subprocess.Popen([*words, "--library", str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        try:
            library, where = process.stdout.readline(), process.stdout.readline()
        finally:
            process.terminate()
    assert Path(library.removeprefix("library: ").strip()).is_file()
    assert where.startswith("biologic on 127.0.0.1:")


# --- the driver alone -------------------------------------------------------------------------------------------------


class Bench:
    """A driver, its instrument, and a clock that the test moves."""

    def __init__(self, folder, kind="vmp300", **options):
        self.now = 0.0
        self.channel = PotentiostatChannel(load_model("marquis2019"), MODELS[kind][1])
        self.device = EmulatedBioLogic([self.channel], kind)
        self.line = Server(self.device, lambda: self.now)
        self.folder, self.options = folder, options

    async def __aenter__(self):
        await self.line.start()
        return self

    async def __aexit__(self, *_):
        await self.line.stop()

    async def driver(self):
        library = build(Path(tempfile.gettempdir()))
        made = BioLogic(str(library), f"127.0.0.1:{self.line.port}", str(self.folder), **self.options)
        await made.open()
        return made


def program(attempt=1, mode=None, *ends, every=1.0):
    step = ProgramStep(1, mode or Galvanostatic(0.05), ends, (RecordRule(every=every),), BOUNDS)
    return Program(attempt, (step,), owner=OWNER)


def times(readings):
    batches = [reading for reading in readings.by_channel.get("1", ()) if isinstance(reading, Batch)]
    return np.concatenate([batch.time for batch in batches]) if batches else np.empty(0)


async def test_rows_that_were_read_and_not_stored_come_again(tmp_path):
    """What is read out of the channel's memory is gone from it: a daemon that dies with it in hand loses nothing."""
    async with Bench(tmp_path) as bench:
        first = await bench.driver()
        await first.apply("1", program())
        bench.now = 20.5
        assert len(times(await first.read(["1"]))) == 21
        await first.close()
        bench.now = 40.5
        second = await bench.driver()
        status = await second.status("1")
        assert (status.activity, status.attempt, status.owner) == ("running", 1, OWNER)
        assert not await second.attach("1", 2, 5.0, 0, OWNER)
        assert await second.attach("1", 1, 5.001, 0, OWNER)
        np.testing.assert_allclose(times(await second.read(["1"])), np.arange(6.0, 41.0), atol=1e-3)
        await second.close()


async def test_a_technique_of_somebody_else_is_shown_and_never_stopped(tmp_path):
    async with Bench(tmp_path) as bench:
        driver = await bench.driver()
        other = BioLogic(driver.path, driver.address, str(tmp_path / "other"))
        (tmp_path / "other").mkdir()
        await other.open()
        await other.apply("1", program(mode=Rest()))
        assert (await driver.status("1")).activity == "unknown"
        with pytest.raises(SettingRefused, match="not stopped"):
            await driver.apply("1", program())
        assert bench.channel.running
        await other.output_off("1")
        await driver.apply("1", program(3))
        assert (await driver.status("1")).attempt == 3
        await driver.close()
        await other.close()


@pytest.mark.parametrize("load", [False, True])
async def test_a_channel_with_eclabs_firmware_is_taken_only_where_that_was_asked_for(tmp_path, load):
    async with Bench(tmp_path, load_firmware=load) as bench:
        bench.channel.firmware = 1
        driver = await bench.driver()
        assert "EC-Lab" in (await driver.status("1")).text
        if load:
            await driver.apply("1", program())
            assert bench.channel.running
        else:
            with pytest.raises(SettingRefused, match="load_firmware: true"):
                await driver.apply("1", program())
            assert not bench.channel.running
        await driver.close()


@pytest.mark.parametrize("at", [0, 2])
async def test_firmware_is_loaded_into_the_channel_that_is_meant_and_into_no_other(tmp_path, at):
    """EC-Lab's test on another channel would be lost with its firmware."""
    async with Bench(tmp_path) as bench:
        cells = [PotentiostatChannel(load_model("marquis2019"), MODELS["vmp300"][1]) for _ in range(3)]
        bench.device.cells[:] = cells
        for cell in cells:
            cell.firmware = 1
        library = EcLibrary(str(build(Path(tempfile.gettempdir()))))
        await asyncio.to_thread(library.connect, f"127.0.0.1:{bench.line.port}", 5)
        await asyncio.to_thread(library.load_firmware, at, "", "")
        assert [place for place, cell in enumerate(cells) if cell.firmware != 1] == [at]
        with pytest.raises(LabctlError, match="firmware of channel 3"):
            await asyncio.to_thread(library.load_firmware, 3, "", "")
        await asyncio.to_thread(library.disconnect)


async def test_rows_lost_to_a_full_memory_are_marked(tmp_path):
    async with Bench(tmp_path) as bench:
        driver = await bench.driver()
        bench.channel.memory = 100  # words: twenty rows
        await driver.apply("1", program())
        bench.now = 30.0
        await driver.status("1")  # the channel fills its memory meanwhile
        (first,) = (await driver.read(["1"])).by_channel["1"]
        assert len(first) == 20
        assert first.quality[0] == Quality.SUSPECT
        await driver.close()


async def test_an_instrument_that_falls_silent_is_unreachable_and_can_be_opened_again(tmp_path):
    async with Bench(tmp_path, patience=1) as bench:
        driver = await bench.driver()
        await driver.apply("1", program())
        bench.line.faults.set("silence=1")
        with pytest.raises(Unreachable, match="communication failed"):
            await driver.read(["1"])
        with pytest.raises(Unreachable):
            await driver.read(["1"])
        await driver.open()
        bench.now = 3.0
        np.testing.assert_allclose(
            times(await driver.read(["1"])), [1.0, 2.0, 3.0], atol=1e-3
        )  # the first was on its way
        await driver.output_off("1")
        await driver.close()


async def test_a_channel_that_somebody_stopped_says_so(tmp_path):
    async with Bench(tmp_path) as bench:
        driver = await bench.driver()
        await driver.apply("1", program(1, None, Threshold("time", above=True, value=100.0, number=0)))
        bench.now = 10.0
        bench.channel.stop(10.0)
        last = (await driver.read(["1"])).by_channel["1"][-1]
        assert "somebody stopped it" in last.why
        await driver.close()


# --- techniques -------------------------------------------------------------------------------------------------------


def parameters(step):
    technique = technique_of(step, 4)
    return technique.name, {(each.label, each.index): each.value for each in technique.parameters}


def test_exit_tests_are_those_of_the_manual():
    """71, 97 and 101 are its worked example; a magnitude of current is two tests joined by AND."""
    end = Threshold("voltage", above=True, value=4.1, number=0)
    name, values = parameters(ProgramStep(1, Galvanostatic(0.05), (end,), (), BOUNDS))
    assert name == "cplimit"
    assert (values["Test1_Config", 0], values["Test1_Value", 0]) == (0b101, 4.1)  # active, E >=
    assert (values["Test2_Config", 0], values["Test2_Value", 0]) == (0b001, 3.0)  # active, E <=, the envelope
    assert values["Test3_Config", 0] == 0
    assert values["I_Range", 0] == 9  # 100 mA, never automatic


def test_a_held_voltage_ends_by_the_magnitude_of_its_current():
    from labctl.driver import Potentiostatic  # noqa: PLC0415

    end = Threshold("current", above=False, value=1e-3, number=0)
    name, values = parameters(ProgramStep(1, Potentiostatic(4.1), (end,), (), BOUNDS))
    assert name == "calimit"
    assert [(values[f"Test{n}_Config", 0], values[f"Test{n}_Value", 0]) for n in (1, 2)] == [(99, 1e-3), (101, -1e-3)]


def test_a_charge_is_a_time_of_a_constant_current():
    end = Threshold("charge", above=True, value=1.0, number=0)
    _, values = parameters(ProgramStep(1, Galvanostatic(0.05), (end,), (), BOUNDS))
    assert values["Duration_step", 0] == pytest.approx(20.0)


@pytest.mark.parametrize(("most", "number"), [(1e-10, 0), (1.01e-10, 1), (5e-6, 5), (1e-3, 7), (1.0, 10)])
def test_the_smallest_range_that_fits_is_taken(most, number):
    assert current_range(ProgramStep(1, Rest()), most) == number


def test_frequencies_that_the_instrument_cannot_make_are_refused():
    step = ProgramStep(7, Spectrum((1e3, 90.0, 1.0), 0.01), (), (), BOUNDS)
    with pytest.raises(SettingRefused, match="line 7"):
        technique_of(step, 4)


def test_a_current_without_a_voltage_limit_is_refused():
    with pytest.raises(SettingRefused, match="without a voltage limit"):
        technique_of(ProgramStep(1, Galvanostatic(0.05)), 4)
