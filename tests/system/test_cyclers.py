"""A cycler that runs by itself: other people's tests on it, orders to ours, budgets with the daemon dead, the look before a current."""

import asyncio

import pytest

from labctl.cli.main import main
from labctl.errors import OrderRefused
from labctl.run.connection import polled_connection as lines
from labctl.run.connection import polled_executor
from labctl.run.replay import replay
from labctl.store.reader import Reader
from labctl_simulators.wire.neware_step import FileStep, StepFile
from tests.system.rack import CELL, Ends, activity, rack, start, until

SPEED = 150.0
PROTOCOLS = {
    "long": "steps:\n  - discharge: {current: 100 mA, for: 5 h}\n",
    "went_on": (
        "steps:\n  - discharge: {current: 100 mA, for: 1 min}\n  - rest: 10 min\n"
        "  - discharge: {current: 100 mA, for: 20 min}\n"
    ),
    "late": (
        "steps:\n  - discharge: {current: 100 mA, for: 1 min}\n  - rest: 2 min\n"
        "  - discharge: {current: 100 mA, for: 8 min}\n"
    ),
    "short": "requires: {ocv: [2 V, 5 V]}\nsteps:\n  - rest: 0.3 s\n  - rest: 0.2 s\n  - rest: 0.3 s\n",
    "once": "requires: {ocv: [2 V, 5 V]}\nsteps:\n  - rest: 5 min\n",
    "minutes": "steps:\n  - discharge: {current: 100 mA, for: 10 min}\n  - rest: 1 min\n",
    "skips": "steps:\n  - discharge: {current: 100 mA, for: 5 h}\n  - rest: 5 min\n",
    "cccv": (
        "steps:\n  - charge: {current: 0.5 A, to: 4.0 V, hold_until: current < 0.05 A, for: 1 min}\n  - rest: 5 s\n"
    ),
    "met": (
        "steps:\n  - charge: {current: 0.1 A, to: 3.7 V, hold_until: current < 0.02 A, for: 5 min}\n"
        "  - rest: 1 min\n  - discharge: {current: 0.1 A, for: 2 min}\n"
    ),
    "module": (
        "steps:\n  - rest: 10 s\n  - eis: {from: 1 kHz, to: 10 Hz, amplitude: 10 mV, per_decade: 3}\n"
        "  - discharge: {current: 100 mA, capacity: 1 mAh, for: 10 min}\n"
        "  - charge: {current: 100 mA, to: 3.857 V, hold_until: current < 80 mA, for: 20 min}\n  - rest: 10 s\n"
    ),
    "titration": (
        "steps:\n  - rest: 1 min\n  - repeat: 3\n    stop_if: voltage >= 4.1 V\n    steps:\n"
        "      - charge: {current: 100 mA, for: 1 min, to: 4.1 V}\n"
        "        record: [{every: 0.5 s, for: 5 s}, {every: 5 s, dV: 2 mV}]\n"
        "      - rest: {for: 5 min, until: time > 2 min and abs(dV/dt) < 1 V/h over 1 min}\n"
        "        record: [{every: 1 s, for: 5 s}, {every: 10 s, dV: 1 mV}]\n"
        "  - rest: {for: 5 min, until: voltage < 4 V}\n  - discharge: {power: 0.3 W, to: 3.1 V, for: 1 min}\n"
    ),
    "wrong": "requires: {ocv: [-50 mV, 50 mV]}\nsteps:\n  - rest: 5 s\n  - charge: {current: 0.5 A, for: 1 h}\n",
}
THEIRS = StepFile((FileStep(4, time=1e6), FileStep(6)), (2.0, 4.5))


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LOOK", 0.05)
    (tmp_path / "cell.yaml").write_text(CELL)
    for name, text in PROTOCOLS.items():
        (tmp_path / f"{name}.yaml").write_text(f"labctl: 1\nname: {name}\nrecord: {{every: 10 s}}\n{text}")
    return tmp_path


def rows_of(files, run):
    with Reader(files / "data") as reader:
        assert replay(reader, run).equal
        return reader.rows(run)


def steps_of(files, run):
    with Reader(files / "data") as reader:
        return reader.query(
            "SELECT step_type, end_reason, step_time_second, charging_capacity_ah * 3600 AS charged, "
            "discharging_capacity_ah * 3600 AS discharged FROM steps WHERE run_id = :run ORDER BY step_count",
            run=run,
        )


# --- other people's tests ---------------------------------------------------------------------------------------------


async def test_neware_foreign_a_test_of_others_is_shown_refuses_starts_and_is_never_stopped(files):
    async with rack(files, SPEED) as made:
        (cycler,), line = await made.neware()
        cycler.work(THEIRS, "Other-cell-42", made.time())
        async with made.daemon() as parts:
            assert activity(parts, "nw1") == "unknown"
            words, unblock = parts.supervisor.why("nw1")
            assert "somebody else's test runs on it" in words
            assert "Other-cell-42" in words
            assert unblock == "labctl adopt nw1"
            with pytest.raises(OrderRefused, match="labctl adopt nw1"):
                await start(parts, files, "nw1", "long.yaml")
            line.unplug()  # a line that answers again
            await until(lambda: not line.connections if hasattr(line, "connections") else True, parts)
            await until(lambda: "Other-cell-42" in parts.supervisor.why("nw1")[0], parts)
            assert cycler.barcode == "Other-cell-42"
        assert (cycler.status, cycler.test) == ("working", 1)


async def test_neware_foreign_a_test_that_begins_while_nothing_of_ours_runs_is_seen_and_so_is_its_end(files):
    async with rack(files, SPEED) as made:
        (cycler,), _ = await made.neware()
        async with made.daemon() as parts:
            assert activity(parts, "nw1") == "idle"
            cycler.work(THEIRS, "later", made.time())
            await until(lambda: activity(parts, "nw1") == "unknown", parts)
            assert cycler.status == "working"
            cycler.stop(made.time())
            await until(lambda: activity(parts, "nw1") == "idle", parts)


async def test_neware_foreign_a_second_daemon_leaves_the_test_of_the_first_alone(files):
    async with rack(files, SPEED) as made:
        (cycler,), _ = await made.neware()
        async with made.daemon() as parts:
            await start(parts, files, "nw1", "long.yaml")
            await until(lambda: cycler.test == 2, parts)
        (files / "data").rename(files / "first")
        async with made.daemon() as parts:  # another journal
            assert "somebody else's test" in parts.supervisor.why("nw1")[0]
        assert cycler.status == "working"
        (files / "data").rename(files / "second")
        (files / "first").rename(files / "data")
        async with made.daemon() as parts:
            await until(lambda: activity(parts, "nw1") == "running", parts)
            assert cycler.test == 2
            await parts.supervisor.order("stop", "nw1", by="a person")
            assert cycler.status == "stop"


async def test_what_is_ours_and_has_no_run_goes_off(files):
    async with rack(files, SPEED) as made:
        (cycler,), _ = await made.neware()
        async with made.daemon() as parts:
            await start(parts, files, "nw1", "long.yaml")
            await until(lambda: cycler.test == 2, parts)
            mine = cycler.barcode
            await parts.supervisor.order("stop", "nw1", by="a person")
            await until(lambda: activity(parts, "nw1") in {"idle", "done"}, parts)
        cycler.work(THEIRS, mine, made.time())  # as if the stop had not reached it
        async with made.daemon() as parts:
            await until(lambda: cycler.status == "stop", parts)
            assert activity(parts, "nw1") != "unknown"


async def test_a_test_of_others_is_taken_over_as_rows_and_obeys_a_persons_stop_alone(files):
    async with rack(files, SPEED) as made:
        (cycler,), _ = await made.neware()
        cycler.work(THEIRS, "theirs", made.time())
        async with made.daemon() as parts:
            ends = Ends(parts)
            reply = await parts.supervisor.foreign("adopt", "nw1", by="a person")
            assert activity(parts, "nw1") == "running"
            run = parts.supervisor.status()[0]["run_id"]
            await until(lambda: parts.supervisor.status()[0]["record_index"] > 5, parts)
            for verb in ("pause", "skip", "resume"):
                with pytest.raises(OrderRefused, match="it obeys note, stop"):
                    await parts.supervisor.order(verb, "nw1", by="a person")
            with pytest.raises(OrderRefused, match="has a run"):
                await parts.supervisor.foreign("adopt", "nw1")
            assert cycler.status == "working"
            await parts.supervisor.order("stop", "nw1", by="a person")
            await ends.wait(1)
            assert cycler.status == "stop"
        assert reply.run
        assert len(rows_of(files, run)) > 5
        with Reader(files / "data") as reader:
            stored = reader.run(run)
            assert (stored.end_reason, stored.options["adopted"]) == ("stopped", "working: theirs")
            assert reader.query("SELECT * FROM cycles WHERE run_id = :run", run=run) == []


async def test_a_test_of_others_that_is_read_outlives_daemon_and_release(files):
    async with rack(files, SPEED) as made:
        (cycler,), _ = await made.neware()
        cycler.work(THEIRS, "theirs", made.time())
        async with made.daemon() as parts:
            await parts.supervisor.foreign("adopt", "nw1")
            await until(lambda: parts.supervisor.status()[0]["record_index"] > 5, parts)
        assert cycler.status == "working"
        await made.clock.until(made.clock.now() + 300.0)
        async with made.daemon() as parts:
            await until(lambda: parts.supervisor.status()[0].get("record_index", 0) > 30, parts)
            assert activity(parts, "nw1") == "running"
            run = parts.supervisor.status()[0]["run_id"]
            await parts.supervisor.foreign("release", "nw1", by="a person")
            await until(lambda: activity(parts, "nw1") == "unknown", parts)
            with pytest.raises(OrderRefused, match="nothing to release"):
                await parts.supervisor.foreign("release", "nw1")
        assert (cycler.status, cycler.test) == ("working", 1)
        with Reader(files / "data") as reader:
            assert reader.run(run).end_reason == "released"
        time = rows_of(files, run).time
        assert (time[1:] > time[:-1]).all()


async def test_ours_is_neither_adopted_nor_released(files):
    async with rack(files, SPEED) as made:
        (cycler,), _ = await made.neware()
        async with made.daemon() as parts:
            with pytest.raises(OrderRefused, match="nothing to adopt"):
                await parts.supervisor.foreign("adopt", "nw1")
            await start(parts, files, "nw1", "long.yaml")
            await until(lambda: cycler.test == 2, parts)
            with pytest.raises(OrderRefused, match="this station's own"):
                await parts.supervisor.foreign("release", "nw1")


def put_theirs_at_once(cycler) -> None:
    """Let somebody put a test in the place of ours before anybody can ask after it."""
    begin = cycler.work

    def work(profile, barcode, now):
        done = begin(profile, barcode, now)
        if cycler.test == 2:
            cycler.stop(now)
            begin(THEIRS, "theirs", now)
        return done

    cycler.work = work


@pytest.mark.parametrize("when", ["at once", "later"])
async def test_a_test_that_somebody_put_in_the_place_of_ours_ends_our_run_and_goes_on(files, when):
    async with rack(files, SPEED) as made:
        (cycler,), _ = await made.neware()
        async with made.daemon() as parts:
            ends = Ends(parts)
            if when == "at once":
                put_theirs_at_once(cycler)
            await start(parts, files, "nw1", "long.yaml")
            if when == "later":
                await until(lambda: parts.supervisor.status()[0]["step_time_second"] > 1.0, parts)
                await until(lambda: activity(parts, "nw1") == "running" and cycler.test == 2, parts)
                cycler.stop(made.time())
                cycler.work(THEIRS, "theirs", made.time())
            await ends.wait(1)
            await until(lambda: activity(parts, "nw1") == "unknown", parts)
            assert (cycler.status, cycler.barcode) == ("working", "theirs")
        with Reader(files / "data") as reader:
            assert "another test" in reader.run(1).end_why
            assert reader.rows(1).current.any() == (when == "later")  # nothing of theirs is booked as ours


async def test_neware_foreign_a_person_takes_over_and_lets_go_at_the_command_line(files, capsys):
    async def typed(*words):
        code = await asyncio.to_thread(main, [*words, "--data", str(files / "data")])
        return code, "".join(capsys.readouterr())

    async with rack(files, SPEED) as made:
        (cycler,), _ = await made.neware()
        async with made.daemon() as parts:
            code, text = await typed("adopt", "nw1")
            assert code != 0
            assert "nothing to adopt" in text
            cycler.work(THEIRS, "Other-cell-42", made.time())
            await until(lambda: activity(parts, "nw1") == "unknown", parts)
            code, text = await typed("adopt", "nw1", "--id", "A")
            assert (code, activity(parts, "nw1")) == (0, "running"), text
            assert "only a person's stop ends it, labctl release nw1 lets it go" in text
            assert await typed("adopt", "nw1", "--id", "A") == (0, text), "the same order, answered again"
            code, text = await typed("release", "nw1")
            assert (code, cycler.status) == (0, "working"), text
            await until(lambda: activity(parts, "nw1") == "unknown", parts)
            assert (await typed("adopt", "nw1"))[0] == 0
            code, text = await typed("stop", "nw1")
            assert (code, cycler.status) == (0, "stop"), text
    with Reader(files / "data") as reader:
        assert [run.end_reason for run in reader.runs()] == ["released", "stopped"]


# --- orders -----------------------------------------------------------------------------------------------------------


async def test_neware_pause_pauses_and_resume_goes_on_with_what_is_left(files):
    async with rack(files, SPEED) as made:
        (cycler,), line = await made.neware()
        line.device.lag = 3.0
        async with made.daemon() as parts:
            ends = Ends(parts)
            await start(parts, files, "nw1", "minutes.yaml")
            await until(lambda: cycler.discharging > 10.0 or cycler.read(made.time()).charge > 10.0, parts)
            reply = await parts.supervisor.order("pause", "nw1", by="a person")
            assert (reply.activity, cycler.status) == ("paused", "stop")
            at_rest = cycler.discharging
            await made.clock.until(made.clock.now() + 120.0)
            assert activity(parts, "nw1") == "paused"
            assert cycler.discharging == at_rest
            await parts.supervisor.order("resume", "nw1", by="a person")
            await ends.wait(1)
            assert activity(parts, "nw1") == "done"
        truth = cycler.discharging
    assert truth == pytest.approx(60.0, abs=0.05)
    steps = [step for step in steps_of(files, 1) if step.step_type == "discharge"]
    assert [step.end_reason for step in steps] == ["for"]
    assert steps[0].discharged == pytest.approx(truth, rel=1e-4)
    assert steps[0].step_time_second == pytest.approx(600.0, abs=0.5)
    rows_of(files, 1)


async def test_neware_pause_takes_a_channel_whose_last_records_are_late_for_what_it_stopped_itself(files, monkeypatch):
    """Nothing is heard of it for longer than of a program that runs: that is no reason to ask after it."""
    async with rack(files, SPEED) as made:
        (cycler,), line = await made.neware()
        line.device.lag = 200.0
        async with made.daemon() as parts:
            await start(parts, files, "nw1", "minutes.yaml")
            await until(lambda: cycler.discharging > 10.0 or cycler.read(made.time()).charge > 10.0, parts)
            monkeypatch.setattr(lines, "SILENT", 0.0)
            reply = await parts.supervisor.order("pause", "nw1", by="a person")
            assert (reply.activity, cycler.status) == ("paused", "stop")
    with Reader(files / "data") as reader:
        assert "diverged" not in {each.event.kind for each in reader.events(1)}


async def test_skip_keeps_what_was_recorded_of_the_step_that_is_left(files):
    async with rack(files, SPEED) as made:
        (cycler,), line = await made.neware()
        line.device.lag = 3.0
        async with made.daemon() as parts:
            ends = Ends(parts)
            await start(parts, files, "nw1", "skips.yaml")
            await until(lambda: cycler.test == 2 and len(cycler.records) > 5, parts)
            await parts.supervisor.order("skip", "nw1", by="a person")
            await ends.wait(1)
            assert activity(parts, "nw1") == "done"
        truth = cycler.discharging
    _, skipped, rest = steps_of(files, 1)
    assert (skipped.end_reason, rest.step_type) == ("skip", "rest")
    assert skipped.discharged == pytest.approx(truth, rel=1e-4)


async def test_a_skip_of_a_step_that_had_ended_by_itself_books_nothing_on_it_and_skips_no_other(files):
    """The instrument was in the next step before its records said so: it goes on with what is left of it."""
    async with rack(files, SPEED) as made:
        (cycler,), line = await made.neware()
        async with made.daemon() as parts:
            ends = Ends(parts)
            await start(parts, files, "nw1", "late.yaml")
            await until(lambda: parts.channels["nw1"].session.state.line == 2, parts)
            line.device.lag = 300.0  # nothing is heard of the discharge that follows
            await until(lambda: cycler.read(made.time()).charge > 3.0, parts)
            assert parts.channels["nw1"].session.state.line == 2
            with pytest.raises(OrderRefused, match="had ended by itself"):
                await parts.supervisor.order("skip", "nw1", by="a person")
            line.device.lag = 0.0
            await ends.wait(1)
            assert activity(parts, "nw1") == "done"
        truth = cycler.discharging
    first, rest, last = [step for step in steps_of(files, 1) if step.end_reason == "for"]
    assert (rest.step_type, rest.discharged, rest.charged) == ("rest", 0.0, 0.0)
    assert last.step_time_second == pytest.approx(480.0, abs=0.5)
    assert first.discharged + last.discharged == pytest.approx(truth, rel=1e-4)
    assert truth == pytest.approx(54.0, abs=0.1), "6 C and 48 C, none of it twice"


async def test_what_an_instrument_went_on_with_by_itself_is_not_done_again(files, monkeypatch, caplog):
    """A step that is left when the next one has run for a while: what it passed is counted, and a person says how it goes on."""
    monkeypatch.setattr(polled_executor, "DRAINED_WITHIN", 1.0)
    async with rack(files, SPEED) as made:
        (cycler,), line = await made.neware()
        async with made.daemon() as parts:
            await start(parts, files, "nw1", "went_on.yaml")
            await until(lambda: parts.channels["nw1"].session.state.line == 2, parts)
            line.device.lag = 1e9  # nothing is heard of the discharge that follows
            await until(lambda: cycler.read(made.time()).charge > 45.0, parts)
            assert parts.channels["nw1"].session.state.line == 2
            skip = asyncio.create_task(parts.supervisor.order("skip", "nw1", by="a person"))
            await until(lambda: "have not come yet" in caplog.text, parts)
            line.device.lag = 0.0  # after the skip was obeyed at the step that was known
            await skip
            await until(lambda: activity(parts, "nw1") == "safe", parts)
            words, unblock = parts.supervisor.why("nw1")
            assert "had gone on with its program" in words
            assert unblock == "labctl resume nw1"
            assert cycler.status == "stop"
            await parts.sink.flush()
            counted = 3600.0 * parts.channels["nw1"].session.state.last.discharging_ah
        truth = cycler.discharging
    assert truth > 50.0
    assert counted == pytest.approx(truth, rel=1e-3)


async def test_a_short_rest_is_as_short_in_the_instrument(files):
    async with rack(files, 1.0) as made:
        (cycler,), _ = await made.neware()
        async with made.daemon() as parts:
            ends = Ends(parts)
            await start(parts, files, "nw1", "short.yaml")
            await ends.wait(1)
        assert cycler.test == 1, "one program, not one that is cut where a rest lasted longer than it should"
    assert [step.step_time_second for step in steps_of(files, 1)] == pytest.approx([0.3, 0.2, 0.3], abs=1e-3)


async def test_stop_switches_off_first_and_keeps_the_last_records(files):
    async with rack(files, SPEED) as made:
        (cycler,), line = await made.neware()
        line.device.lag = 3.0
        async with made.daemon() as parts:
            await start(parts, files, "nw1", "long.yaml")
            await until(lambda: cycler.test == 2 and len(cycler.records) > 5, parts)
            await parts.supervisor.order("stop", "nw1", by="a person")
            assert cycler.status == "stop"
            await parts.sink.flush()
        truth = cycler.discharging
        records = len(cycler.records)
    assert steps_of(files, 1)[-1].discharged == pytest.approx(truth, rel=1e-4)
    assert len(rows_of(files, 1)) >= records


async def test_a_stop_that_comes_as_the_last_step_has_ended_by_itself_is_kept_under_its_id(files):
    """Its run has no order, since it ended as done: the journal holds the answered stop beside it."""
    async with rack(files, SPEED) as made:
        (cycler,), line = await made.neware()
        line.device.lag = 300.0  # the daemon hears of the end seconds later
        async with made.daemon() as parts:
            await start(parts, files, "nw1", "once.yaml")
            await until(lambda: cycler.test == 1 and cycler.read(made.time()) and cycler.status == "finish", parts)
            reply = await parts.supervisor.order("stop", "nw1", "S", by="a person")
            assert reply.activity == "done"
            assert parts.journal.ordered.orders("nw1", "S")
            assert await parts.supervisor.order("stop", "nw1", "S", by="a person") == reply
    with Reader(files / "data") as reader:
        assert (reader.run(1).end_reason, cycler.status) == ("done", "finish")


# --- before the first current, and with nobody there ------------------------------------------------------------------


async def test_neware_pause_the_open_circuit_is_asked_before_the_first_current(files):
    async with rack(files, SPEED) as made:
        (cycler,), _ = await made.neware()
        async with made.daemon() as parts:
            await start(parts, files, "nw1", "wrong.yaml")
            await until(lambda: activity(parts, "nw1") == "waiting", parts)
            assert "a wrong, dead or reversed cell" in parts.supervisor.why("nw1")[0]
            await made.clock.until(made.clock.now() + 120.0)
            assert cycler.charging == 0.0
            assert cycler.status != "working"


async def done_while_nobody_listened(made, cycler, files, protocol) -> None:
    """Begin a run, be away until the cycler has ended its program, and come back to what it did."""
    async with made.daemon() as parts:
        await start(parts, files, "nw1", protocol)
        await until(lambda: cycler.test == 2, parts)
        await parts.sink.flush()
    await made.clock.until(made.clock.now() + 900.0)
    cycler.advance(made.time())
    assert cycler.status == "finish"
    async with made.daemon() as parts:
        ends = Ends(parts)
        await ends.wait(1)
        assert activity(parts, "nw1") == "done"


async def test_neware_cccv_budget_is_kept_with_the_daemon_dead(files):
    async with rack(files, SPEED) as made:
        (cycler,), _ = await made.neware()
        await done_while_nobody_listened(made, cycler, files, "cccv.yaml")
        assert cycler.charging == pytest.approx(30.0, abs=0.05)
    charge = next(step for step in steps_of(files, 1) if step.step_type == "charge")
    assert (charge.end_reason, charge.step_time_second) == ("for", pytest.approx(60.0, abs=0.1))
    assert charge.charged == pytest.approx(30.0, abs=0.05)


async def test_neware_pause_a_cell_met_at_its_first_row_while_nobody_listened_is_booked_on_the_right_step(files):
    async with rack(files, SPEED) as made:
        (cycler,), _ = await made.neware()
        await done_while_nobody_listened(made, cycler, files, "met.yaml")
    steps = steps_of(files, 1)
    assert [step.step_type for step in steps] == ["rest", "charge", "hold", "rest", "discharge"]
    assert (steps[1].charged, steps[1].end_reason) == (0.0, "to")
    assert steps[3].step_time_second == pytest.approx(60.0, abs=0.1)
    assert steps[4].discharged == pytest.approx(12.0, rel=1e-3)
    assert sum(step.discharged for step in steps) == pytest.approx(cycler.discharging, rel=1e-3)
    rows_of(files, 1)


async def test_palmsens_fails_in_the_middle_nowhere_a_spectrum_at_open_circuit_ends_by_charge_and_current_run(files):
    """Also numbers/15: what `start` accepted failed in the middle of the test."""
    async with rack(files, 60.0) as made:
        device, _ = await made.palmsens()
        async with made.daemon() as parts:
            ends = Ends(parts)
            await start(parts, files, "ps", "module.yaml")
            await ends.wait(1)
            assert activity(parts, "ps") == "done", parts.supervisor.why("ps")
        assert not device.cell_on
    steps = [step for step in steps_of(files, 1) if step.step_type != "rest"]
    assert [step.step_type for step in steps] == ["eis", "discharge", "charge", "hold"]
    assert [step.end_reason for step in steps] == ["own", "capacity", "to", "until"]
    assert steps[1].discharged == pytest.approx(3.6, abs=0.4)


async def test_neware_fails_after_start_a_titration_and_ends_that_the_daemon_watches_run_to_the_end(files):
    async with rack(files, SPEED) as made:
        (cycler,), _ = await made.neware()
        async with made.daemon() as parts:
            ends = Ends(parts)
            await start(parts, files, "nw1", "titration.yaml")
            await ends.wait(1)
            assert activity(parts, "nw1") == "done", parts.supervisor.why("nw1")
        charged = cycler.charging
    steps = steps_of(files, 1)
    assert [step.step_type for step in steps] == ["rest", *["charge", "rest"] * 3, "rest", "discharge"]
    assert {step.end_reason for step in steps if step.step_type == "charge"} == {"for"}
    assert charged == pytest.approx(18.0, rel=1e-3)
    assert sum(step.charged for step in steps) == pytest.approx(charged, rel=1e-3)
    rows_of(files, 1)
