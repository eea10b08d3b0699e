"""Chambers beside a cell: conductivity against temperature through an emulated potentiostat and an emulated chamber, and what they refuse."""

import math

import numpy as np
import pytest

from labctl.analysis.arrhenius import BOLTZMANN
from labctl.analysis.spectra import analyse_conductivity
from labctl.driver import Chamber, Program, ProgramStep
from labctl.errors import SettingRefused, WireError
from labctl.report.run_data import record_of
from labctl.store.reader import Reader
from labctl_drivers.chamber import Espec, Memmert, Modbus
from labctl_drivers.chamber.memmert import read_answer
from labctl_simulators.wire.espec import EmulatedEspec
from labctl_simulators.wire.line import Server
from labctl_simulators.wire.memmert import EmulatedMemmert
from labctl_simulators.wire.modbus import EmulatedModbus
from tests.system.rack import Ends, rack, start
from tests.system.test_biologic import biologic

D1 = """\
labctl: 1
name: D1
steps:
  - use: eis-against-temperature
    with: {temperatures: [25 degC, 45 degC, 65 degC], from: 1 MHz, to: 100 Hz, soak: 5 min}
"""
CELL = """\
labctl_cell: 1
name: pellet
kind: blocking
area: 2 cm2
electrolyte_thickness: 100 um
limits: {voltage: [-1 V, 1 V], current: [-10 mA, 10 mA]}
model: pvhlp-blocking
"""


async def test_conductivity_against_temperature_runs_through_a_potentiostat_and_a_chamber(tmp_path):
    (tmp_path / "d1.yaml").write_text(D1)
    (tmp_path / "cell.yaml").write_text(CELL)
    async with rack(tmp_path, 1000.0, "pvhlp-blocking") as made:
        channel, _ = await biologic(made)
        chamber = EmulatedEspec()
        channel.air = chamber.air
        line = await made.serve(chamber)
        made.instruments.append(f'  oven: {{driver: espec, port: "socket://127.0.0.1:{line.port}"}}')
        made.channels[-1] = "  bl: {cell: {instrument: bl, at: 1}, chamber: {instrument: oven, at: 1}}"
        async with made.daemon() as parts:
            ends = Ends(parts)
            await start(parts, tmp_path, "bl", "d1.yaml")
            await ends.wait(1)
    with Reader(tmp_path / "data") as reader:
        assert reader.run(1).end_reason == "done"
        record = record_of(reader, reader.run(1))
        soaked = reader.query("SELECT step_time_second FROM steps WHERE step_type = 'temperature' ORDER BY step_count")
    assert [spectrum.temperature for spectrum in record.spectra()] == pytest.approx([25.0, 45.0, 65.0])
    assert all(seconds[0] >= 300.0 for seconds in soaked)
    energy = next(each for each in analyse_conductivity(record, {}).figures if each.name == "activation energy of ln s")
    assert energy.value == pytest.approx(activation(channel.cell, (25.0, 45.0, 65.0)), rel=0.02)


def activation(cell, celsius):
    """Return the activation energy of ln s that the cell's own bulk has, eV."""
    kelvin = np.array(celsius) + 273.15
    state = cell.initial()
    bulk = [cell.impedance(state.at(temperature=each), np.array([1e6]))[0].real for each in kelvin]
    return -float(np.polyfit(1.0 / kelvin, -np.log(bulk), 1)[0]) * BOLTZMANN


def step(celsius, soak=60.0):
    return Program(1, (ProgramStep(1, Chamber(celsius + 273.15, 0.5, soak)),))


MK53 = "binder-mk53"
OVENS = {
    "espec": (EmulatedEspec, lambda port: Espec(f"socket://127.0.0.1:{port}")),
    "memmert": (EmulatedMemmert, lambda port: Memmert("127.0.0.1", port=port)),
    "bare": (lambda: EmulatedMemmert(bare=True), lambda port: Memmert("127.0.0.1", port=port)),
    "rtu": (EmulatedModbus, lambda port: Modbus(f"socket://127.0.0.1:{port}", map=MK53)),
    "tcp": (lambda: EmulatedModbus(tcp=True), lambda port: Modbus(f"socket://127.0.0.1:{port}", map=MK53, tcp=True)),
}


@pytest.fixture(params=OVENS)
async def oven(request):
    """A chamber's driver, its emulator and a list whose only number is the time."""
    now = [0.0]
    device = OVENS[request.param][0]()
    line = Server(device, lambda: now[0])
    driver = OVENS[request.param][1](await line.start())
    driver.count_by(lambda: now[0])
    await driver.open()
    yield driver, device, now
    await driver.close()
    await line.stop()


async def test_a_soak_counts_from_when_the_air_is_there(oven):
    driver, _, now = oven
    back = await driver.apply("1", step(60.0))
    assert back.values["chamber_temperature_celsius"] == pytest.approx(60.0)
    ended = []
    while not ended and now[0] < 3000:
        now[0] += 10.0
        ended = (await driver.read(["1"])).by_channel["1"]
    arrived = 120.0 * math.log(37.0 / 0.5)
    assert now[0] == pytest.approx(arrived + 60.0, abs=30.0)
    assert (await driver.status("1")).activity == "idle"


async def test_a_temperature_beyond_the_chamber_is_refused(oven):
    driver, _, _ = oven
    with pytest.raises(SettingRefused, match="400"):
        await driver.apply("1", step(400.0))


@pytest.mark.parametrize(
    ("change", "words"), [({"rights": "r"}, "remote writing"), ({"operation": "Program"}, "manual mode")]
)
async def test_an_oven_that_is_not_ours_to_set_is_refused(change, words):
    device = EmulatedMemmert()
    for name, value in change.items():
        setattr(device, name, value)
    line = Server(device, lambda: 0.0)
    driver = Memmert("127.0.0.1", port=await line.start())
    await driver.open()
    with pytest.raises(SettingRefused, match=words):
        await driver.apply("1", step(40.0))
    await line.stop()


def test_what_is_nothing_like_json_is_refused():
    assert read_answer('"Temp1Read": 23.4,', "x") == {"Temp1Read": 23.4}
    with pytest.raises(WireError):
        read_answer("<html>", "x")
    with pytest.raises(WireError):
        read_answer("[1]", "x")
