"""A potentiostat whose board runs each step by itself, from the first look at the cell to the end of the run."""

import contextlib

import pytest

from labctl.clock import VirtualClock
from labctl.run.replay import replay
from labctl.store.reader import Reader
from labctl_drivers.rodeostat import Rodeostat
from labctl_simulators.models import load_model
from labctl_simulators.wire.line import SerialPort
from labctl_simulators.wire.rodeostat import EmulatedRodeostat
from labctl_simulators.wire.terminal import Terminal
from tests.unit.run.one_channel import NOON, one_channel

STEPS = """\
  - hold: {voltage: 3.8519 V, for: 3 s}
  - rest: 2 s
  - lsv: {from: 3.852 V, to: 3.853 V, rate: 0.5 mV/s}
"""


@contextlib.asynccontextmanager
async def potentiostat(folder):
    clock = VirtualClock(1000.0, NOON)
    device = EmulatedRodeostat(Terminal(load_model("marquis2019")))
    line = SerialPort(device, clock.now)

    driver = Rodeostat(await line.start(), timeout=30.0)
    try:
        async with one_channel(folder, driver, clock) as rig:
            yield rig, device
    finally:
        await line.stop()


async def test_the_board_runs_a_whole_protocol_step_by_step(tmp_path):
    async with potentiostat(tmp_path) as (rig, device):
        await rig.start(STEPS)
        await rig.until(lambda: rig.of("run_ended"), most=60.0)  # committed
        assert rig.session.finish.reason == "done"
        assert not any(device.connected.values())
        with Reader(tmp_path / "data") as reader:
            steps = reader.query("SELECT step_type, end_reason, step_time_second FROM steps ORDER BY step_count")
            assert [row[:2] for row in steps] == [("rest", "own"), ("hold", "for"), ("rest", "for"), ("lsv", "own")]
            assert [row[2] for row in steps[1:]] == pytest.approx([3.0, 2.0, 2.0], abs=0.5)


async def test_a_lead_that_comes_off_ends_in_a_cell_that_is_off(tmp_path):
    async with potentiostat(tmp_path) as (rig, device):
        await rig.start("  - hold: {voltage: 3.8519 V, for: 1 h}\n")
        await rig.until(lambda: device.connected["Ctr"], most=30.0)
        await rig.let_pass(3.0)
        begin = rig.clock.now()
        device.potential = lambda now: 0.1  # that of the reference electrode
        await rig.until(lambda: not any(device.connected.values()), most=30.0)
        assert rig.clock.now() - begin < 5.0
        await rig.until(lambda: rig.state.phase == "asking", most=30.0)
        assert rig.state.question.kind == "unmeasured"
        await rig.sink.flush()
    with Reader(tmp_path / "data") as reader:
        assert replay(reader, 1).equal
