"""The whole daemon on emulated instruments over real sockets and pseudo-terminals, each with a simulated cell behind it."""

import pytest

from labctl.errors import OrderRefused, Unreachable
from labctl.run.connection import polled_connection as lines
from labctl.run.replay import replay
from labctl.store.reader import Reader
from labctl_simulators.cell import Current
from labctl_simulators.wire.neware_step import FileStep, StepFile
from tests.system.rack import Ends, activity, rack, start, until

CELL = """\
labctl_cell: 1
name: M1
kind: full
nominal: {capacity: 680 mAh}
limits: {voltage: [2.8 V, 4.2 V], current: [-0.2 A, 0.2 A]}
model: marquis2019
"""
CYCLE = """\
labctl: 1
name: two cycles
record: {every: 10 s}
steps:
  - rest: 1 min
  - repeat: 2
    cycle: true
    steps:
      - discharge: {current: 0.15 A, for: 8 min}
      - rest: 1 min
      - charge: {current: 0.1 A, for: 6 min}
"""
ENDED = """\
labctl: 1
name: to a voltage and held
record: {every: 10 s}
steps:
  - discharge: {current: 0.15 A, to: 3.8 V, for: 1 h}
  - charge: {current: 0.1 A, to: 3.84 V, for: 20 min}
"""
BENT = """\
labctl: 1
name: bent
record: {every: 10 s}
steps:
  - each: {angle: [0 deg, 45 deg, 90 deg, 0 deg]}
    steps:
      - bend: {angle: $angle}
      - repeat: 1
        cycle: true
        steps:
          - discharge: {current: 0.1 A, for: 1 min}
          - charge: {current: 0.1 A, for: 1 min}
"""
LONG = "labctl: 1\nname: long\nrecord: {every: 10 s}\nsteps:\n  - discharge: {current: 20 mA, for: 20 h}\n"
SPEED = 150.0
STEPS = (
    "SELECT step_type, end_reason, charging_capacity_ah, discharging_capacity_ah, late_second, step_time_second, "
    "bend_angle_degree FROM steps WHERE run_id = :run ORDER BY step_count"
)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "cell.yaml").write_text(CELL)
    for name, text in (("protocol", CYCLE), ("ended", ENDED), ("bent", BENT), ("long", LONG)):
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def steps(files, run):
    with Reader(files / "data") as reader:
        assert replay(reader, run).equal
        return reader.query(STEPS, run=run)


def assert_like(found, reference, current=0.15, resolution=5e-6):
    """Each step ended for the same reason and passed the same charge, or more by what flowed until its end was acted on."""
    assert [row[:2] for row in found] == [row[:2] for row in reference]
    for mine, other in zip(found, reference, strict=True):
        late = (mine.late_second or 0.0) * current / 3600.0
        for column in (2, 3):
            assert other[column] - resolution <= mine[column] <= other[column] + late + resolution


async def test_ends_by_voltage_are_located_by_the_instrument_or_seen_late_by_a_known_time(files):
    async with rack(files, SPEED) as made:
        made.simulated()
        device, _ = await made.keithley2450()
        (cycler,), _ = await made.neware()
        async with made.daemon() as parts:
            ends = Ends(parts)
            for channel in ("sim", "kei", "nw1"):
                await start(parts, files, channel, "ended.yaml")
            await ends.wait(3)
        device.terminal.advance(made.time())
        truth = device.terminal.ledger.discharging / 3600.0, cycler.discharging / 3600.0
    reference, keithley, neware = (steps(files, run) for run in (1, 2, 3))
    assert [row.end_reason for row in reference] == ["own", "to", "to"]
    assert_like(neware, reference, resolution=1e-4)
    assert keithley[1].discharging_capacity_ah == pytest.approx(
        reference[1].discharging_capacity_ah + keithley[1].late_second * 0.15 / 3600, abs=1e-3
    )
    assert [row.end_reason for row in keithley] == ["own", "to", "to"]
    turning = 0.2 * SPEED * 0.15 / 3600  # Ah while one set-point replaces the other and is read back
    assert keithley[1].discharging_capacity_ah == pytest.approx(truth[0], abs=turning)
    assert neware[1].discharging_capacity_ah == pytest.approx(truth[1], abs=1e-6)


async def test_a_stage_bends_the_cell_between_its_cycles_on_another_instrument(files):
    async with rack(files, 60.0) as made:
        stage, _ = await made.grbl()
        await made.keithley2450(stage="stage")
        async with made.daemon() as parts:
            ends = Ends(parts)
            await start(parts, files, "kei", "bent.yaml")
            await ends.wait(1)
            assert activity(parts, "kei") == "done"
    assert stage.sent == [-2.0, -20.0, -40.0, -2.0]
    assert stage.position == -2.0
    found = [row for row in steps(files, 1) if row.step_type != "rest"]  # a look at the open circuit before a current
    assert [row.step_type for row in found] == ["bend", "discharge", "charge"] * 4
    assert [row.bend_angle_degree for row in found if row.step_type == "charge"] == pytest.approx([0, 45, 90, 0])


async def test_an_instrument_that_is_another_one_is_refused_by_name_and_the_others_go_on(files):
    async with rack(files, SPEED) as made:
        await made.keithley2450("wrong", serial="'999'")
        await made.keithley2450("right", serial="'4012345'")
        async with made.daemon() as parts:
            await start(parts, files, "right", "long.yaml")
            with pytest.raises(
                OrderRefused, match=r"channel wrong is unknown.*wanted serial number 999, found 4012345"
            ):
                await start(parts, files, "wrong", "long.yaml")
            assert activity(parts, "right") in {"preparing", "running"}
            await until(lambda: activity(parts, "right") == "running", parts)


async def test_a_cable_that_is_pulled_and_put_back_costs_one_channel_an_outage_and_the_others_nothing(files):
    async with rack(files, SPEED) as made:
        device, line = await made.keithley2450("pulled")
        await made.keithley2450("other")
        async with made.daemon() as parts:
            await start(parts, files, "pulled", "long.yaml")
            await start(parts, files, "other", "long.yaml")
            await until(lambda: activity(parts, "pulled") == "running", parts)
            line.faults.refuse = True
            line.unplug()
            await until(lambda: activity(parts, "pulled") == "unknown", parts)
            assert "instrument pulled" in parts.supervisor.why("pulled")[0]
            assert activity(parts, "other") == "running"
            line.faults.refuse = False
            await until(lambda: activity(parts, "pulled") != "unknown", parts)
            assert not device.output or activity(parts, "pulled") == "running"
            await parts.supervisor.order("stop", "pulled", by="a person")
            assert not device.output
            await until(lambda: activity(parts, "pulled") != "running", parts)
            assert activity(parts, "other") == "running"
            await parts.sink.flush()
    with Reader(files / "data") as reader:
        assert any(found.event.kind == "gap" for found in reader.events(1))
        assert not any(found.event.kind == "gap" for found in reader.events(2))
        assert (reader.rows(2).time[1:] >= reader.rows(2).time[:-1]).all()
        assert replay(reader, 1).equal


async def test_a_person_who_stops_a_channel_in_the_vendors_program_holds_its_run_with_the_data_kept(files):
    async with rack(files, SPEED) as made:
        (first, _second), _ = await made.neware(channels=2)
        async with made.daemon() as parts:
            await start(parts, files, "nw1", "long.yaml")
            await start(parts, files, "nw2", "long.yaml")
            await until(lambda: len(first.records) > 5, parts)
            first.stop(made.time())
            await until(lambda: activity(parts, "nw1") == "safe", parts)
            words, unblock = parts.supervisor.why("nw1")
            assert "somebody stopped it" in words
            assert unblock == "labctl resume nw1"
            assert activity(parts, "nw2") == "running"
            await parts.sink.flush()
            records = len(first.records)
    with Reader(files / "data") as reader:
        opened = 2  # rows of the look at the open circuit, a test of its own
        assert len(reader.rows(1)) == opened + records
        assert reader.run(2).end_reason is None


async def test_an_autonomous_test_that_outlives_the_daemon_has_no_gap_and_no_duplicate(files):
    async with rack(files, SPEED) as made:
        (cycler,), _ = await made.neware()
        async with made.daemon() as parts:
            await start(parts, files, "nw1", "protocol.yaml")
            await until(lambda: cycler.test == 2 and len(cycler.records) > 20, parts)
            await parts.sink.flush()
        await made.clock.until(made.clock.now() + 300.0)
        assert cycler.test == 2
        async with made.daemon() as parts:
            ends = Ends(parts)
            await ends.wait(1)
            assert activity(parts, "nw1") == "done"
        assert cycler.test == 2
        records = [(row.voltage, row.current) for row in cycler.records]
    with Reader(files / "data") as reader:
        rows = reader.rows(1)
        found = list(zip(rows.voltage.tolist(), rows.current.tolist(), strict=True))[-len(records) :]
    assert [value for row in found for value in row] == pytest.approx(
        [value for row in records for value in row], rel=1e-6
    )
    assert [row.end_reason for row in steps(files, 1)] == ["for"] * 7


def switched_off_and_on(device, line) -> None:
    """Do to a source meter what a person does at its mains switch: its off state is then a short circuit."""
    line.unplug()
    device.reset()


async def test_a_meter_that_was_switched_off_and_on_is_opened_again_before_a_run_begins(files):
    async with rack(files, SPEED) as made:
        device, line = await made.keithley2450()
        async with made.daemon() as parts:
            switched_off_and_on(device, line)
            await start(parts, files, "kei", "long.yaml")
            await until(lambda: activity(parts, "kei") == "running", parts)
            assert device.off_state == "HIMP"


async def test_a_meter_that_was_switched_off_and_on_while_nothing_runs_is_found_and_opened(files, monkeypatch):
    monkeypatch.setattr(lines, "LOOK", 0.05)
    async with rack(files, SPEED) as made:
        device, line = await made.keithley2450()
        async with made.daemon() as parts:
            switched_off_and_on(device, line)
            await until(lambda: device.off_state == "HIMP", parts)
            line.faults.refuse = True
            line.unplug()
            await until(lambda: activity(parts, "kei") == "unknown", parts)
            with pytest.raises(OrderRefused, match="kei is unknown: instrument kei"):
                await start(parts, files, "kei", "long.yaml")
            line.faults.refuse = False
            await until(lambda: activity(parts, "kei") == "idle", parts)


async def test_a_start_on_an_instrument_that_has_gone_is_refused_before_there_is_a_run(files):
    async with rack(files, SPEED) as made:
        _, line = await made.keithley2450()
        async with made.daemon() as parts:
            await line.stop()
            with pytest.raises(Unreachable, match="wanted a Keithley, found no answer"):
                await start(parts, files, "kei", "long.yaml")
            assert activity(parts, "kei") == "unknown"
    with Reader(files / "data") as reader:
        assert reader.runs() == []


async def test_a_start_on_a_channel_that_somebody_else_uses_is_refused_and_their_test_goes_on(files):
    async with rack(files, SPEED) as made:
        (cycler,), _ = await made.neware()
        async with made.daemon() as parts:
            cycler.work(StepFile((FileStep(4, time=1e6),)), "theirs", made.time())
            with pytest.raises(OrderRefused, match="somebody else's test runs on it: nw says 'working: theirs'"):
                await start(parts, files, "nw1", "long.yaml")
            assert (cycler.status, cycler.barcode) == ("working", "theirs")


async def test_a_run_that_ends_as_its_line_breaks_is_recorded_while_the_instrument_is_away(files):
    async with rack(files, SPEED) as made:
        device, line = await made.keithley2450()
        async with made.daemon() as parts:
            ends = Ends(parts)
            await start(parts, files, "kei", "long.yaml")
            await until(lambda: activity(parts, "kei") == "running" and device.output, parts)
            line.faults.refuse = True
            line.unplug()
            await until(lambda: activity(parts, "kei") == "unknown", parts)
            await parts.supervisor.order("stop", "kei", by="a person")
            await ends.wait(1)
            assert activity(parts, "kei") == "unknown"
            line.faults.refuse = False
            await until(lambda: not device.output, parts)
            await until(lambda: activity(parts, "kei") != "unknown", parts)
    with Reader(files / "data") as reader:
        kinds = [found.event.kind for found in reader.events(1)]
        assert "run_ended" in kinds
        assert "gap" not in kinds
        assert replay(reader, 1).equal


async def test_a_line_that_breaks_at_a_set_point_is_an_outage_and_the_run_goes_on_after_it(files):
    async with rack(files, SPEED) as made:
        device, line = await made.keithley2450()
        async with made.daemon() as parts:
            ends = Ends(parts)
            told = device.terminal.drive
            broken = []

            def breaks(drive, now, limit=None):
                if drive == Current(-0.15) and not broken:
                    broken.append(now)
                    line.unplug()
                told(drive, now, limit)

            device.terminal.drive = breaks
            await start(parts, files, "kei", "protocol.yaml")
            await ends.wait(1)
            assert activity(parts, "kei") == "done"
    assert broken
    with Reader(files / "data") as reader:
        kinds = [found.event.kind for found in reader.events(1)]
        assert kinds.count("gap") == 1
        assert reader.run(1).end_reason == "done"
        assert replay(reader, 1).equal


@pytest.mark.parametrize("fault", ["garbage=1", "silence=1", "restart"])
async def test_a_potentiostat_whose_line_fails_in_a_step_does_the_rest_of_it(files, fault):
    """A step that may have been done while nobody was reading is not begun again unasked: a person lets the run go on."""
    async with rack(files, SPEED) as made:
        device, line = await made.palmsens()
        async with made.daemon() as parts:
            ends = Ends(parts)
            await start(parts, files, "ps", "protocol.yaml")
            await until(lambda: activity(parts, "ps") == "running" and device.terminal.ledger.discharging > 9.0, parts)
            if fault == "restart":
                line.push(device.restart(made.time()))
            else:
                line.faults.set(fault)
            await until(lambda: activity(parts, "ps") in {"waiting", "done"}, parts, 60.0)
            if activity(parts, "ps") == "waiting":
                await parts.supervisor.order("resume", "ps", by="a person")
            await ends.wait(1)
            assert activity(parts, "ps") == "done"
    with Reader(files / "data") as reader:
        assert replay(reader, 1).equal
    assert steps(files, 1)[1].discharging_capacity_ah == pytest.approx(0.02, abs=2e-3)


async def test_a_stage_is_left_alone_while_nothing_runs_since_it_homes_when_it_is_opened(files, monkeypatch):
    monkeypatch.setattr(lines, "LOOK", 0.02)
    async with rack(files, SPEED) as made:
        stage, _ = await made.grbl()
        meter, _ = await made.keithley2450(stage="stage")
        async with made.daemon() as parts:
            heard: dict[str, list[bytes]] = {"stage": [], "meter": []}
            for name, device in (("stage", stage), ("meter", meter)):
                told = device.receive
                device.receive = lambda data, now, name=name, told=told: heard[name].append(data) or told(data, now)
            await until(lambda: len(heard["meter"]) > 5, parts)
            assert heard["stage"] == []
