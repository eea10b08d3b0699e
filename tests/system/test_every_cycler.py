"""One protocol on one cell through every driver that can cycle one: the same steps, the same capacities within what each resolves."""

from importlib.metadata import entry_points

import pytest

from labctl_simulators.models import load_model
from labctl_simulators.wire import keithley
from labctl_simulators.wire.arbin import ArbinChannel, EmulatedArbin
from labctl_simulators.wire.keithley_tsp import EmulatedKeithley2600
from labctl_simulators.wire.maccor import EmulatedMaccor, MaccorChannel
from labctl_simulators.wire.practice import EmulatedPractice
from tests.system.rack import Ends, rack, start
from tests.system.test_biologic import biologic
from tests.system.test_instruments import CELL, CYCLE, assert_like, steps

DRIVERS = {
    "kei": "keithley2450", "older": "keithley2400", "two": "keithley2600", "ps": "palmsens", "nw1": "neware", "bl": "biologic", "old": "biologic",
    "cells": "practice", "mac": "maccor", "arb": "arbin",
}  # fmt: skip
NO_CYCLERS = {"rodeostat", "grbl", "zaber", "espec", "memmert", "modbus"}


async def older(made):
    """A source meter of the 2400 family."""
    device = keithley.EmulatedKeithley2400(made.terminal())
    device.off_state = "HIMP"  # the leads are connected once the instrument has been opened
    device.impose()
    line = await made.serve(device, only=1)
    made.instruments.append(f'  older: {{driver: keithley2400, resource: "TCPIP0::127.0.0.1::{line.port}::SOCKET"}}')
    made.channels.append("  older: {cell: {instrument: older, at: 1}}")


async def two(made):
    """A source meter of two channels, of which the second has the cell."""
    device = EmulatedKeithley2600([made.terminal(), made.terminal()])
    for unit in device.units.values():
        unit.set_off_state("HIMP")
    line = await made.serve(device, only=1)
    made.instruments.append(f'  two: {{driver: keithley2600, resource: "TCPIP0::127.0.0.1::{line.port}::SOCKET"}}')
    made.channels.append("  two: {cell: {instrument: two, at: b}}")


async def practice(made):
    """Cells of `labctl emulate cell`."""
    cell = load_model(made.model)
    line = await made.serve(EmulatedPractice([(cell, cell.initial())], made.time()))
    made.instruments.append(f"  cells: {{driver: practice, port: {line.port}}}")
    made.channels.append("  cells: {cell: {instrument: cells, at: 1}}")


async def maccor(made):
    """A tester in direct mode."""
    line = await made.serve(EmulatedMaccor([MaccorChannel(made.terminal(), watchdog=3000.0)]))
    options = (
        f"host: 127.0.0.1, port: {line.port}, folder: {made.folder}, channels: {{c1: 1}}, watchdog: 3000, poll: 0.05"
    )
    made.instruments.append(f"  mac: {{driver: maccor, {options}}}")
    made.channels.append("  mac: {cell: {instrument: mac, at: c1}}")


async def arbin(made):
    """A cycler by its schedule of variables."""
    line = await made.serve(EmulatedArbin([ArbinChannel(made.terminal())]))
    login = 'user: admin, password: "000000", watchdog: 3000, poll: 0.05'
    made.instruments.append(
        f"  arb: {{driver: arbin, host: 127.0.0.1, port: {line.port}, channels: {{c1: 1}}, {login}}}"
    )
    made.channels.append("  arb: {cell: {instrument: arb, at: c1}}")


GROUPS = {
    "meters": (150.0, {"kei": lambda made: made.keithley2450(), "ps": lambda made: made.palmsens()}),
    "others": (150.0, {"older": older, "two": two, "cells": practice}),
    "testers": (150.0, {"mac": maccor, "arb": arbin}),
    "alone": (
        300.0,
        {"nw1": lambda made: made.neware(), "bl": biologic, "old": lambda made: biologic(made, "old", "vmp3")},
    ),
}


@pytest.mark.parametrize("group", GROUPS)
async def test_the_same_protocol_gives_the_same_capacities_through_every_cycler(tmp_path, group):
    speed, put = GROUPS[group]
    (tmp_path / "cell.yaml").write_text(CELL)
    (tmp_path / "protocol.yaml").write_text(CYCLE)
    async with rack(tmp_path, speed) as made:
        made.simulated()
        for into in put.values():
            await into(made)
        async with made.daemon() as parts:
            ends = Ends(parts)
            for channel in ("sim", *put):
                await start(parts, tmp_path, channel)
            await ends.wait(1 + len(put))
            assert {row["activity"] for row in parts.supervisor.status()} == {"done"}
    reference = steps(tmp_path, 1)
    assert len(reference) == 7
    for run in range(2, 2 + len(put)):
        assert_like(steps(tmp_path, run), reference)


def test_no_driver_of_a_cycler_is_left_out():
    installed = {entry.name for entry in entry_points(group="labctl.drivers")}
    through = {DRIVERS[name] for _, put in GROUPS.values() for name in put}
    assert installed - NO_CYCLERS == {"simulated", *through}
